//! Who was taken for whom: a shaded table, and the pairs that are mistaken most often.

use kiln_metrics::scores::Confusion;

use crate::html::escape;
use crate::number::grouped;
use crate::table::{Cell, Table, cut};

/// Names with a row and a column of their own; of more, those with the fewest mistakes become one.
const NAMED: usize = 40;
/// Up to so many columns have their names above them, if those are short; others have numbers.
const NAMED_COLUMNS: usize = 8;
const SHORT_NAME: usize = 12;
/// More columns than these are narrow.
const WIDE_COLUMNS: usize = 16;
/// Characters shown of a name in a row.
const LONG_NAME: usize = 32;
/// Pairs in the list.
const PAIRS: usize = 15;

/// The table and the list. `counted` is what the numbers count, e.g. `examples`.
pub(super) fn render(confusion: &Confusion, counted: &str) -> String {
    let pairs = pairs(confusion).render();
    let (confusion, note) = match reduced(confusion, NAMED) {
        Some(small) => {
            let left = confusion.names.len() - NAMED;
            let note = format!(
                " The {left} names with the fewest mistakes are one row and column; all are in \
                 scores.json."
            );
            (small, note)
        }
        None => (confusion.clone(), String::new()),
    };
    let names = &confusion.names;
    let by_name =
        names.len() <= NAMED_COLUMNS && names.iter().all(|name| name.chars().count() <= SHORT_NAME);
    let many = if names.len() > WIDE_COLUMNS {
        " many"
    } else {
        ""
    };
    let mut out = format!(
        "<div class=\"table data\"><table class=\"confusion{many}\">\n<caption>Confusion</caption>\n<thead><tr>\
         <th scope=\"col\">is ↓ predicted →</th>",
    );
    for (number, name) in (1..).zip(names) {
        let head = if by_name {
            name.clone()
        } else {
            number.to_string()
        };
        let (name, head) = (escape(name), escape(&head));
        out.push_str(&format!(
            "<th scope=\"col\" class=\"n\" title=\"{name}\">{head}</th>"
        ));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (row, (counts, name)) in confusion.counts.iter().zip(names).enumerate() {
        let total: u64 = counts.iter().sum();
        let number = if by_name {
            String::new()
        } else {
            format!("{} ", row + 1)
        };
        out.push_str(&format!(
            "<tr><th scope=\"row\" title=\"{}\">{number}{}</th>",
            escape(name),
            escape(&cut(name, LONG_NAME))
        ));
        for (column, (&count, predicted)) in counts.iter().zip(names).enumerate() {
            out.push_str(&cell(count, total, row == column, (name, predicted)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str(&format!(
        "</tbody>\n</table>\n<p class=\"note\">Numbers count {}, shades are shares of a row.{}</p>\n\
         </div>\n",
        escape(counted),
        escape(&note)
    ));
    format!("{out}{pairs}")
}

fn cell(count: u64, total: u64, is_right: bool, (name, predicted): (&str, &str)) -> String {
    if count == 0 {
        return "<td></td>".to_owned();
    }
    let share = 100.0 * count as f64 / total.max(1) as f64;
    let class = if is_right { "right" } else { "mistaken" };
    format!(
        "<td class=\"{class}\" style=\"--s:{share:.0}%\" title=\"{} of {} {} predicted as {}\">{}</td>",
        grouped(count),
        grouped(total),
        escape(name),
        escape(predicted),
        grouped(count)
    )
}

/// The mistakes that are made most often.
fn pairs(confusion: &Confusion) -> Table {
    let mut found = Vec::new();
    for (row, counts) in confusion.counts.iter().enumerate() {
        let total: u64 = counts.iter().sum();
        let mistakes = counts.iter().enumerate();
        let mistakes = mistakes.filter(|&(column, &count)| column != row && count > 0);
        found.extend(mistakes.map(|(column, &count)| (count, total, row, column)));
    }
    // Rows and columns in order where counts are the same.
    found.sort_by_key(|&(count, _, row, column)| (std::cmp::Reverse(count), row, column));
    let left_out = found.len().saturating_sub(PAIRS);
    let mut table = Table::new("Most confused")
        .texts("is")
        .texts("predicted")
        .numbers("how often")
        .numbers("of all that are");
    let name = |place: usize| confusion.names.get(place).map_or("", String::as_str);
    for &(count, total, row, column) in found.iter().take(PAIRS) {
        table.push(vec![
            Cell::text(name(row)),
            Cell::text(name(column)),
            Cell::number(grouped(count)),
            Cell::number(format!("{:.1}\u{a0}%", 100.0 * count as f64 / total as f64)),
        ]);
    }
    if left_out > 0 {
        table = table.note(format!("{left_out} more pairs are rarer"));
    }
    table
}

/// A smaller table: `named` names with the most mistakes, in their order, and the others as one.
fn reduced(confusion: &Confusion, named: usize) -> Option<Confusion> {
    let names = &confusion.names;
    if names.len() <= named {
        return None;
    }
    let at = |row: usize, column: usize| {
        let counts = confusion.counts.get(row);
        counts
            .and_then(|counts| counts.get(column))
            .copied()
            .unwrap_or(0)
    };
    let mistakes = |place: usize| -> u64 {
        let others = (0..names.len()).filter(|&other| other != place);
        others
            .map(|other| at(place, other) + at(other, place))
            .sum()
    };
    let mut kept: Vec<usize> = (0..names.len()).collect();
    kept.sort_by_key(|&place| (std::cmp::Reverse(mistakes(place)), place));
    kept.truncate(named);
    kept.sort_unstable();
    let place = |name: usize| kept.binary_search(&name).unwrap_or(named);
    let mut counts = vec![vec![0; named + 1]; named + 1];
    for row in 0..names.len() {
        for column in 0..names.len() {
            let count = counts
                .get_mut(place(row))
                .and_then(|row| row.get_mut(place(column)));
            if let Some(count) = count {
                *count += at(row, column);
            }
        }
    }
    let mut kept_names: Vec<String> = kept
        .iter()
        .filter_map(|&place| names.get(place).cloned())
        .collect();
    kept_names.push(format!("{} others", names.len() - named));
    Some(Confusion {
        names: kept_names,
        counts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confusion(counts: Vec<Vec<u64>>) -> Confusion {
        let names = (0..counts.len()).map(|number| format!("class <{number}>"));
        Confusion {
            names: names.collect(),
            counts,
        }
    }

    #[test]
    fn names_with_the_fewest_mistakes_become_one_and_no_count_is_lost() {
        let small = confusion(vec![
            vec![5, 0, 0, 1],
            vec![0, 6, 0, 0],
            vec![0, 0, 7, 0],
            vec![2, 0, 1, 8],
        ]);
        let reduced = reduced(&small, 2).unwrap();
        assert_eq!(reduced.names, ["class <0>", "class <3>", "2 others"]);
        assert_eq!(reduced.counts, [[5, 1, 0], [2, 8, 1], [0, 0, 13]]);
        assert!(super::reduced(&small, 4).is_none());
    }

    #[test]
    fn mistakes_are_listed_by_how_often_they_are_made() {
        let html = pairs(&confusion(vec![
            vec![5, 1, 0],
            vec![3, 6, 0],
            vec![0, 1, 0],
        ]))
        .render();
        let shown: Vec<&str> = html
            .split("<tr><th scope=\"row\">")
            .skip(1)
            .filter_map(|row| row.split("</tr>").next())
            .collect();
        assert_eq!(
            shown,
            [
                "class &lt;1&gt;</th><td>class &lt;0&gt;</td><td class=\"n\">3</td><td \
                 class=\"n\">33.3\u{a0}%</td>",
                "class &lt;0&gt;</th><td>class &lt;1&gt;</td><td class=\"n\">1</td><td \
                 class=\"n\">16.7\u{a0}%</td>",
                "class &lt;2&gt;</th><td>class &lt;1&gt;</td><td class=\"n\">1</td><td \
                 class=\"n\">100.0\u{a0}%</td>",
            ]
        );
    }

    #[test]
    fn a_hundred_classes_stay_a_table_that_can_be_read() {
        let counts = |row: usize| {
            (0..100).map(move |column| u64::from(row == column || row % 7 == column % 7))
        };
        let html = render(
            &confusion((0..100).map(|row| counts(row).collect()).collect()),
            "examples",
        );
        assert_eq!(
            html.matches("<tr><th scope=\"row\" title=").count(),
            NAMED + 1
        );
        assert!(html.contains("60 others") && html.contains("more pairs are rarer"));
    }
}
