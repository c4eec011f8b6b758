//! Tables of texts and numbers.

use crate::html::escape;
use crate::number::score;

/// What stands for a number that is undefined.
pub(crate) const UNDEFINED: &str = "undefined";

/// What stands for a number that nobody asked for.
pub(crate) const NONE: &str = "–";

/// One cell, safe in a page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cell {
    html: String,
    class: &'static str,
}

impl Cell {
    /// Text from anywhere.
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        Self::html(escape(text.as_ref()))
    }

    /// A number as people read it, to the right of its column.
    pub(crate) fn number(number: impl AsRef<str>) -> Self {
        Self::number_html(escape(number.as_ref()))
    }

    /// A score, a loss or a probability; none: `missing`.
    pub(crate) fn value(value: Option<f64>, missing: &str) -> Self {
        Self::number(value.map_or_else(|| missing.to_owned(), score))
    }

    /// HTML that the caller has made safe.
    pub(crate) fn html(html: String) -> Self {
        Self { html, class: "" }
    }

    /// A number as HTML that the caller has made safe.
    pub(crate) fn number_html(html: String) -> Self {
        Self { html, class: "n" }
    }

    /// The same cell, shown in bold.
    pub(crate) fn strong(mut self) -> Self {
        self.html = format!("<strong>{}</strong>", self.html);
        self
    }
}

/// A table with a head; the first cell of each row names it.
#[derive(Debug, Default)]
pub(crate) struct Table {
    caption: String,
    head: Vec<(String, bool)>,
    rows: Vec<Vec<Cell>>,
    note: Option<String>,
}

impl Table {
    pub(crate) fn new(caption: impl Into<String>) -> Self {
        Self {
            caption: caption.into(),
            ..Self::default()
        }
    }

    /// A column of texts.
    pub(crate) fn texts(mut self, head: impl Into<String>) -> Self {
        self.head.push((head.into(), false));
        self
    }

    /// A column of numbers.
    pub(crate) fn numbers(mut self, head: impl Into<String>) -> Self {
        self.head.push((head.into(), true));
        self
    }

    /// What a reader must know, below the table.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    pub(crate) fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// The table; nothing without rows.
    pub(crate) fn render(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut out = String::from("<div class=\"table data\"><table>\n");
        if !self.caption.is_empty() {
            out.push_str(&format!("<caption>{}</caption>\n", escape(&self.caption)));
        }
        out.push_str("<thead><tr>");
        for (head, is_number) in &self.head {
            let class = if *is_number { " class=\"n\"" } else { "" };
            out.push_str(&format!("<th scope=\"col\"{class}>{}</th>", escape(head)));
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            out.push_str("<tr>");
            for (place, cell) in row.iter().enumerate() {
                let class = match cell.class {
                    "" => String::new(),
                    class => format!(" class=\"{class}\""),
                };
                if place == 0 {
                    out.push_str(&format!("<th scope=\"row\"{class}>{}</th>", cell.html));
                } else {
                    out.push_str(&format!("<td{class}>{}</td>", cell.html));
                }
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody>\n</table>\n");
        if let Some(note) = &self.note {
            out.push_str(&format!("<p class=\"note\">{}</p>\n", escape(note)));
        }
        out.push_str("</div>\n");
        out
    }
}

/// `text` up to `most` characters, with an ellipsis where more was cut off.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_and_heads_are_shown_and_not_obeyed() {
        let mut table = Table::new("<b>").texts("<i>").numbers("n");
        assert_eq!(table.render(), "", "nothing to show");
        table.push(vec![Cell::text("<u>"), Cell::value(None, UNDEFINED)]);
        let html = table.note("<s>").render();
        for raw in ["<b>", "<i>", "<u>", "<s>"] {
            assert!(!html.contains(raw), "{raw} in {html}");
        }
        assert!(html.contains("<th scope=\"row\">&lt;u&gt;</th><td class=\"n\">undefined</td>"));
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(cut("äöü", 3), "äöü");
    }
}
