//! The frame of every page.

use std::path::Path;

use crate::html::escape;

const STYLE: &str = include_str!("style.css");

/// What stands below every page.
const HINTS: &str = "Losses in nats. Thin lines keep every bucket's lowest and highest value. Point at a \
                     chart for its numbers.";

/// A page called `title` with the HTML of its head and of its sections.
pub(crate) fn page(title: &str, head: &str, main: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{} · Kiln report</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         {head}<main>\n{main}</main>\n<footer>{HINTS}</footer>\n</body>\n</html>\n",
        escape(title),
    )
}

/// A section with its heading; nothing where it would hold nothing.
pub(crate) fn section(heading: &str, content: &str) -> String {
    if content.is_empty() {
        return String::new();
    }
    format!(
        "<section>\n<h2>{}</h2>\n{content}</section>\n",
        escape(heading)
    )
}

/// Tables beside each other, as far as there is room.
pub(crate) fn side_by_side(tables: &str) -> String {
    if tables.is_empty() {
        return String::new();
    }
    format!("<div class=\"side\">\n{tables}</div>\n")
}

/// The own name of a run's folder, also where the path is `.`.
pub(crate) fn folder_name(run: &Path) -> String {
    let full = run
        .file_name()
        .map(|_| run.to_path_buf())
        .or_else(|| run.canonicalize().ok());
    let name = full.as_deref().and_then(Path::file_name);
    name.unwrap_or(run.as_os_str())
        .to_string_lossy()
        .into_owned()
}
