//! Pages of runs that are written as the command line writes them.

use std::path::Path;

use kiln_learner::RunFolder;

use super::write_tuning_report;

mod comparison;
mod fixture;
mod group;
mod single;

const TOPICS: [&str; 3] = ["news", "<sports>", "weather"];

fn page(run: &Path) -> String {
    fixture::read(write_tuning_report(&RunFolder::at(run)).unwrap())
}

/// The text between two others.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let after = text
        .split_once(start)
        .unwrap_or_else(|| panic!("{start} is missing"))
        .1;
    after
        .split_once(end)
        .unwrap_or_else(|| panic!("{end} is missing"))
        .0
}

/// The rows of the table in a section, without their tags: cells with `|` between them.
fn rows(page: &str, heading: &str) -> Vec<String> {
    let section = between(page, &format!("<h2>{heading}</h2>"), "</section>");
    let row = |row: &str| {
        let cells = row.replace("</td>", "|").replace("</th>", "|");
        let mut text = String::new();
        let mut is_tag = false;
        for character in cells.chars() {
            match character {
                '<' => is_tag = true,
                '>' => is_tag = false,
                other if !is_tag => text.push(other),
                _ => {}
            }
        }
        text.trim_end_matches('|').to_owned()
    };
    section
        .split("<tr>")
        .skip(1)
        .filter_map(|text| text.split("</tr>").next())
        .map(row)
        .collect()
}

fn check_html(page: &str) {
    for word in [
        "<script", "http:", "https:", "url(h", "@import", "<link", "<img", " src=", "NaN",
    ] {
        assert!(!page.contains(word), "{word} in the page");
    }
    for element in [
        "svg", "g", "figure", "section", "div", "dl", "ul", "li", "table", "thead", "tbody", "tr",
        "td", "th", "span", "p", "mark", "small", "strong", "a", "h1", "h2",
    ] {
        let opened = page.matches(&format!("<{element}>")).count()
            + page.matches(&format!("<{element} ")).count();
        assert_eq!(
            opened,
            page.matches(&format!("</{element}>")).count(),
            "<{element}>"
        );
    }
    for raw in ["<first>", "<sports>", "<b>"] {
        assert!(!page.contains(raw), "{raw} was not escaped");
    }
}
