//! The cards of a page's head: the figures one looks for first.

use crate::html::escape;

/// One figure of the summary.
pub(crate) struct Card {
    pub(crate) label: String,
    pub(crate) value: String,
    pub(crate) detail: String,
    /// Done share, for the card that has a bar.
    pub(crate) done: Option<f64>,
    pub(crate) alert: bool,
}

impl Card {
    pub(crate) fn new(label: impl Into<String>, value: String, detail: String) -> Self {
        Self {
            label: label.into(),
            value,
            detail,
            done: None,
            alert: false,
        }
    }

    fn render(&self) -> String {
        let bar = self.done.map_or_else(String::new, |done| {
            let percent = 100.0 * done.clamp(0.0, 1.0);
            format!("<span class=\"bar\"><span style=\"width:{percent:.1}%\"></span></span>")
        });
        format!(
            "<div class=\"card{}\"><dt>{}</dt><dd><span class=\"value\">{}</span>{bar}\
             <span class=\"detail\">{}</span></dd></div>\n",
            if self.alert { " alert" } else { "" },
            escape(&self.label),
            escape(&self.value),
            escape(&self.detail),
        )
    }
}

/// The head of a page: what kind of page it is, its name, what it is about, how far that came as words and
/// as a class of the style sheet, and the cards.
pub(crate) fn head(
    kicker: &str,
    name: &str,
    lead: &str,
    status: Option<(&str, &str)>,
    cards: &[Card],
) -> String {
    let status = status.map_or_else(String::new, |(words, class)| {
        format!(" <span class=\"status {class}\">{}</span>", escape(words))
    });
    let mut out = format!(
        "<header>\n<p class=\"kicker\">{}</p>\n<h1>{}</h1>\n<p class=\"lead\">{}{status}</p>\n\
         </header>\n<section>\n<h2 class=\"hidden\">Summary</h2>\n<dl class=\"cards\">\n",
        escape(kicker),
        escape(name),
        escape(lead),
    );
    for card in cards {
        out.push_str(&card.render());
    }
    out.push_str("</dl>\n</section>\n");
    out
}
