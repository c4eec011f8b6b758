//! What several folds' models predict, each of the examples that it has not seen, as one.

use std::collections::{HashMap, VecDeque};
use std::path::Path;

use kiln_metrics::read_rows;
use kiln_metrics::rows::Row;
use kiln_tasks::labelled::{PREDICTIONS, Planned, training_ids};

use crate::console::Console;
use crate::failure::Failure;
use crate::labelled::dev_scores::PredictionsFile;

/// The predictions of `runs` in the group's `folder`, in the order of the training files where these can
/// still be read.
///
/// # Errors
/// If predictions can't be read.
pub(super) fn joined(
    folder: &Path,
    runs: &[&Planned],
    console: Console,
) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for run in runs {
        rows.extend(read_rows(&folder.join(&run.name).join(PREDICTIONS))?);
    }
    let Some(first) = runs.first() else {
        return Ok(rows);
    };
    match training_ids(&first.settings.data, &first.settings.task) {
        Ok(ids) => put_in_order(&mut rows, &ids),
        Err(error) => console.note(format_args!(
            "warning: predictions are in the order of the folds ({error})"
        )),
    }
    Ok(rows)
}

/// Writes predictions beside the runs.
///
/// # Errors
/// If the disk is full.
pub(super) fn write(path: &Path, rows: &[Row]) -> Result<(), Failure> {
    let mut file = PredictionsFile::create(path)?;
    for row in rows {
        file.write(row)?;
    }
    file.finish()
}

/// Sorts rows as their ids stand in `ids`; those with one id stay in their order.
fn put_in_order(rows: &mut [Row], ids: &[String]) {
    let mut places: HashMap<&str, VecDeque<usize>> = HashMap::new();
    for (place, id) in ids.iter().enumerate() {
        places.entry(id).or_default().push_back(place);
    }
    let mut place_of = |row: &Row| {
        let places = places.get_mut(row.id());
        places.and_then(VecDeque::pop_front).unwrap_or(usize::MAX)
    };
    let mut placed: Vec<(usize, Row)> = rows
        .iter()
        .map(|row| (place_of(row), row.clone()))
        .collect();
    placed.sort_by_key(|(place, _)| *place);
    for (slot, (_, row)) in rows.iter_mut().zip(placed) {
        *slot = row;
    }
}

#[cfg(test)]
mod tests {
    use kiln_metrics::rows::ChoiceRow;

    use super::*;

    fn row(id: &str, prediction: usize) -> Row {
        Row::Choice(ChoiceRow {
            id: id.to_owned(),
            label: Some(0),
            prediction,
            probabilities: vec![0.5, 0.5],
        })
    }

    #[test]
    fn rows_stand_as_in_the_file_and_those_of_one_id_as_they_came() {
        let mut rows = vec![
            row("c", 0),
            row("a", 0),
            row("x", 0),
            row("b", 0),
            row("a", 1),
        ];
        let ids = ["a", "b", "a", "c"].map(str::to_owned);
        put_in_order(&mut rows, &ids);
        let expected = [
            row("a", 0),
            row("b", 0),
            row("a", 1),
            row("c", 0),
            row("x", 0),
        ];
        assert_eq!(rows, expected);
    }
}
