//! Settings that are not the same in all runs.

use kiln_tasks::labelled::FineTuneSettings;

use crate::error::ReportError;
use crate::settings_table::flatten;
use crate::table::{Cell, NONE, Table, cut};

/// Rows shown; two architectures differ in whole config.json files.
const ROWS: usize = 100;
/// Characters shown of one value.
const VALUE: usize = 120;

/// A copy of the tokenizer in each run: its identity says whether it is another.
const TOKENIZER: &str = "data.tokenizer";

/// A setting and its value in each run.
#[derive(Debug, PartialEq)]
pub(super) struct Difference {
    /// E.g. `training.optimizer.learning_rate`.
    pub(super) name: String,
    pub(super) values: Vec<String>,
}

/// The settings that differ, in their order.
///
/// # Errors
/// If settings can't be written as JSON.
pub(super) fn differences(runs: &[&FineTuneSettings]) -> Result<Vec<Difference>, ReportError> {
    let mut found: Vec<Difference> = Vec::new();
    for (place, settings) in runs.iter().enumerate() {
        let value =
            serde_json::to_value(settings).map_err(|reason| ReportError::Settings { reason })?;
        let mut rows = Vec::new();
        flatten("", &value, &mut rows);
        for (name, value) in rows {
            let known = found.iter_mut().find(|known| known.name == name);
            let slot = match known {
                Some(known) => known.values.get_mut(place),
                None => {
                    let values = vec![NONE.to_owned(); runs.len()];
                    found.push(Difference { name, values });
                    found.last_mut().and_then(|new| new.values.get_mut(place))
                }
            };
            if let Some(slot) = slot {
                *slot = value;
            }
        }
    }
    found.retain(|setting| setting.name != TOKENIZER);
    found.retain(|setting| {
        setting
            .values
            .iter()
            .any(|value| Some(value) != setting.values.first())
    });
    Ok(found)
}

/// The table of `found`, with a column for each of the runs called `names`.
pub(super) fn table(found: &[Difference], names: &[&str]) -> Table {
    let mut table = Table::new("").texts("setting");
    for name in names {
        table = table.texts(*name);
    }
    for setting in found.iter().take(ROWS) {
        let mut row = vec![Cell::text(&setting.name)];
        row.extend(
            setting
                .values
                .iter()
                .map(|value| Cell::text(cut(value, VALUE))),
        );
        table.push(row);
    }
    if found.len() > ROWS {
        table = table.note(format!("and {} more, in config.json", found.len() - ROWS));
    }
    table
}
