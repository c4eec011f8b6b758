//! Everything in the run's config.json, and the commands that go on with the run.

use std::path::Path;

use kiln_learner::Stop;
use serde::Serialize;
use serde_json::Value;

use crate::figures::title;
use crate::html::escape;
use crate::page::section;
use crate::shell::shell;

/// Rows shown of one table; a config.json may list thousands of labels.
const MAX_ROWS: usize = 200;
/// Characters shown of one value.
const MAX_VALUE: usize = 300;

/// The tables: one for each object in the settings, one for what stands beside them.
///
/// The settings are read as JSON, so that a field added later appears by itself.
///
/// # Errors
/// If the settings can't be written as JSON.
pub(crate) fn render(settings: &impl Serialize) -> Result<String, serde_json::Error> {
    let Value::Object(fields) = serde_json::to_value(settings)? else {
        return Ok(String::new());
    };
    let mut run = Vec::new();
    let mut tables = Vec::new();
    for (name, value) in fields {
        match value {
            Value::Array(changes) if name == "changes" => {
                tables.push((
                    heading(&name),
                    changes.iter().flat_map(change_rows).collect(),
                ));
            }
            Value::Object(_) => {
                let mut rows = Vec::new();
                flatten("", &value, &mut rows);
                tables.push((heading(&name), rows));
            }
            other => flatten(&name, &other, &mut run),
        }
    }
    // What identifies the run first, the longest table (the model's) in the middle of its own.
    tables.insert(0, ("Run".to_owned(), run));
    let mut out = String::from("<div class=\"tables\">\n");
    for (heading, rows) in tables.iter().filter(|(_, rows)| !rows.is_empty()) {
        out.push_str(&table(heading, rows));
    }
    out.push_str("</div>\n");
    Ok(section("Settings", &out))
}

/// What was changed after one step.
fn change_rows(change: &Value) -> Vec<(String, String)> {
    let step = change.get("after_step").and_then(Value::as_u64);
    let settings = change.get("settings").and_then(Value::as_object);
    let rows = settings.into_iter().flatten().map(|(field, values)| {
        let value = |place| {
            let mut rows = Vec::new();
            flatten("", values.get(place).unwrap_or(&Value::Null), &mut rows);
            rows.pop().map_or_else(String::new, |(_, value)| value)
        };
        (
            format!("{field}, after step {}", step.unwrap_or_default()),
            format!("{} → {}", value(0), value(1)),
        )
    });
    rows.collect()
}

/// The commands that continue the run, which ended by `stop` if it did, and make this page again.
pub(crate) fn commands(run: &Path, stop: Option<Stop>, steps: u64) -> String {
    let run = shell(run);
    let (resume, resume_note) = match stop {
        Some(Stop::Done) => {
            let further = steps.saturating_mul(2);
            (
                format!("kiln resume {run} --steps {further}"),
                "trains the finished run further",
            )
        }
        Some(Stop::Early) => (
            format!("kiln resume {run} --early-stop 0"),
            "trains on to the last step, whatever evaluations say",
        ),
        Some(Stop::Interrupted) | None => (
            format!("kiln resume {run}"),
            "continues from the last checkpoint",
        ),
    };
    let report = (format!("kiln report {run}"), "writes this page again");
    command_list(&[(resume, resume_note), report])
}

/// The section of commands, each with what it does.
pub(crate) fn command_list(commands: &[(String, &str)]) -> String {
    let mut out = String::from("<div class=\"commands\">\n");
    for (command, note) in commands {
        out.push_str(&format!(
            "<p><code>{}</code><span>{}</span></p>\n",
            escape(command),
            escape(note)
        ));
    }
    out.push_str("</div>\n");
    section("Commands", &out)
}

/// Objects become dotted names, those in a list with their numbers from 1; everything else a row.
pub(crate) fn flatten(name: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (field, value) in fields {
                let path = if name.is_empty() {
                    field.clone()
                } else {
                    format!("{name}.{field}")
                };
                flatten(&path, value, rows);
            }
        }
        Value::String(text) => rows.push((name.to_owned(), text.clone())),
        Value::Object(_) if name.is_empty() => {}
        Value::Null | Value::Object(_) => rows.push((name.to_owned(), "none".to_owned())),
        Value::Array(items) if items.is_empty() => rows.push((name.to_owned(), "none".to_owned())),
        // Device names and betas read better without JSON's brackets and quotes.
        Value::Array(items)
            if items
                .iter()
                .all(|item| !item.is_object() && !item.is_array()) =>
        {
            let words = items.iter().map(|item| match item {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            rows.push((name.to_owned(), words.collect::<Vec<_>>().join(", ")));
        }
        Value::Array(items) if items.iter().all(Value::is_object) => {
            for (number, item) in (1..).zip(items) {
                flatten(&format!("{name}.{number}"), item, rows);
            }
        }
        other => rows.push((name.to_owned(), other.to_string())),
    }
}

fn heading(name: &str) -> String {
    match name {
        "model" => "Model (config.json)".to_owned(),
        _ => title(name),
    }
}

fn table(heading: &str, rows: &[(String, String)]) -> String {
    let mut out = format!(
        "<div class=\"table\"><table>\n<caption>{}</caption>\n<tbody>\n",
        escape(heading)
    );
    for (name, value) in rows.iter().take(MAX_ROWS) {
        let mut shown: String = value.chars().take(MAX_VALUE).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        out.push_str(&format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n",
            escape(name),
            escape(&shown)
        ));
    }
    if rows.len() > MAX_ROWS {
        out.push_str(&format!(
            "<tr><td colspan=\"2\">and {} more, in the run's config.json</td></tr>\n",
            rows.len() - MAX_ROWS
        ));
    }
    out.push_str("</tbody>\n</table></div>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_objects_become_dotted_names() {
        let mut rows = Vec::new();
        let value = serde_json::json!({"optimizer": {"betas": [0.9, 0.999], "clip": null}});
        flatten("", &value, &mut rows);
        let expected = [
            ("optimizer.betas", "0.9, 0.999"),
            ("optimizer.clip", "none"),
        ];
        assert_eq!(
            rows,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn a_change_is_a_row_for_each_field() {
        let change = serde_json::json!({"after_step": 20, "settings": {
            "training.steps": [20, 40], "training.early_stop": [null, 3],
            "devices": [["flex"], ["cuda:0", "cuda:1"]],
        }});
        let expected = [
            ("training.steps, after step 20", "20 → 40"),
            ("training.early_stop, after step 20", "none → 3"),
            ("devices, after step 20", "flex → cuda:0, cuda:1"),
        ];
        assert_eq!(
            change_rows(&change),
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn a_long_table_says_what_it_leaves_out() {
        let rows: Vec<_> = (0..MAX_ROWS + 7)
            .map(|i| (i.to_string(), "x".repeat(999)))
            .collect();
        let table = table("Model", &rows);
        assert!(table.contains("and 7 more"));
        assert_eq!(table.matches('…').count(), MAX_ROWS);
    }
}
