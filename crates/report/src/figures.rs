//! Which charts a run gets, and their names.

use std::borrow::Cow;

use crate::chart::Chart;
use crate::curve::{Curve, Level, Look, finite_mean};
use crate::history::{History, Series, is_logarithmic};
use crate::page::section;

/// Losses of predicting words, which the word frequencies bound. Those of other tasks (next
/// sentence, replaced tokens) have nothing to do with them.
const WORD_TASKS: [&str; 3] = ["mlm", "generator", "plm"];

/// What a baseline is called in a legend.
pub(crate) const BASELINE: &str = "best single answer for all";

/// Names that have no chart of their own: the summary tells them.
const SUMMARISED: [&str; 4] = ["tokens", "seconds", "skipped_steps", "device_memory"];

/// What a chart is about; one section of the page each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Loss,
    Scores,
    Quality,
    Optimization,
    Throughput,
    Other,
}

impl Group {
    const ALL: [(Self, &str); 6] = [
        (Self::Loss, "Loss"),
        (Self::Scores, "Development scores"),
        (Self::Quality, "Quality"),
        (Self::Optimization, "Optimisation"),
        (Self::Throughput, "Throughput and memory"),
        (Self::Other, "Other values"),
    ];

    fn of(name: &str) -> Self {
        if name.ends_with("loss") {
            Self::Loss
        } else if is_share(name) || name.ends_with("perplexity") || name.ends_with("auc") {
            Self::Quality
        } else {
            match name {
                "learning_rate" | "grad_norm" => Self::Optimization,
                "tokens_per_second" | "padding" | "memory" => Self::Throughput,
                _ => Self::Other,
            }
        }
    }
}

/// Whether a value is a share of tokens or of pairs, to be shown in per cent.
fn is_share(name: &str) -> bool {
    name == "replaced"
        || ["accuracy", "precision", "recall"]
            .iter()
            .any(|ending| name.ends_with(ending))
}

/// What the values of a run are to be held against, beside what they say themselves.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    /// Entropy of the corpus' word frequencies in nats.
    pub(crate) unigram_entropy: Option<f64>,
    /// Names of scores, each with the best that one answer for all examples reaches.
    pub(crate) scores: Vec<(String, Option<f64>)>,
}

impl Extras {
    pub(crate) fn entropy(unigram_entropy: Option<f64>) -> Self {
        Self {
            unigram_entropy,
            scores: Vec::new(),
        }
    }

    fn score(&self, name: &str) -> Option<&(String, Option<f64>)> {
        self.scores.iter().find(|(score, _)| score == name)
    }
}

/// All charts of the page, in their sections. A name that Kiln does not know gets its chart too.
pub(crate) fn sections(history: &History, extras: &Extras, last_step: u64) -> String {
    let names = history.names();
    let repeated = repeats_its_only_part(history, &names);
    let mut out = String::new();
    let mut id = 0;
    for (group, heading) in Group::ALL {
        let mut drawn = String::new();
        for name in &names {
            let of_name = extras
                .score(name)
                .map_or_else(|| Group::of(name), |_| Group::Scores);
            let is_told = SUMMARISED.contains(name) || (repeated && *name == "loss");
            if of_name != group || is_told {
                continue;
            }
            drawn.push_str(&chart(history, name, extras).render(id, last_step));
            id += 1;
        }
        out.push_str(&section(heading, &charts(&drawn)));
    }
    out
}

/// Figures beside each other; nothing where there are none.
pub(crate) fn charts(drawn: &str) -> String {
    if drawn.is_empty() {
        return String::new();
    }
    format!("<div class=\"charts\">\n{drawn}</div>\n")
}

/// Whether the total loss is one task's loss and nothing else: two equal charts tell no more
/// than one.
fn repeats_its_only_part(history: &History, names: &[&str]) -> bool {
    let mut parts = names.iter().filter(|name| name.ends_with("_loss"));
    match (parts.next(), parts.next()) {
        (Some(part), None) => {
            let same = |a: Series, b: Series| {
                let mut pairs = a.points.iter().zip(&b.points);
                a.points.len() == b.points.len()
                    && pairs.all(|(a, b)| a.1.to_bits() == b.1.to_bits())
            };
            same(history.train("loss"), history.train(part))
                && same(history.eval("loss"), history.eval(part))
        }
        _ => false,
    }
}

fn chart(history: &History, name: &str, extras: &Extras) -> Chart {
    let score = extras.score(name);
    let (unit, factor) = match score {
        // As scores.json and the tables of the page have it: some are per cent already.
        Some(_) => ("score", 1.0),
        None => unit_of(history, name),
    };
    let log = is_logarithmic(name);
    let scaled = |mut values: Series| {
        for points in [&mut values.points, &mut values.means] {
            points.iter_mut().for_each(|(_, value)| *value *= factor);
        }
        values
    };
    let look = if matches!(name, "learning_rate" | "memory") {
        Look::Exact
    } else {
        Look::Noisy
    };
    let mut curves = Vec::new();
    let mut add = |label: &'static str, look, values: Series| {
        if !values.points.is_empty() {
            curves.push(Curve {
                label: Cow::Borrowed(label),
                look,
                values: scaled(values),
            });
        }
    };
    match name {
        "memory" => {
            add("process", Look::Exact, history.train("memory"));
            add("device", Look::Exact, history.train("device_memory"));
        }
        _ => add("training", look, history.train(name)),
    }
    add("evaluation", Look::Evaluations, history.eval(name));

    // A total of several terms stands beside them.
    let is_only = name == "loss" && !history.names().iter().any(|name| name.ends_with("_loss"));
    Chart {
        title: if is_only {
            "Loss".to_owned()
        } else {
            title(name)
        },
        name: name.to_owned(),
        unit,
        log,
        from_zero: matches!(unit, "%" | "GiB" | "MiB")
            || matches!(name, "learning_rate" | "tokens_per_second"),
        levels: match score {
            Some((_, baseline)) => baseline
                .iter()
                .map(|&value| Level {
                    label: BASELINE,
                    value,
                })
                .collect(),
            None => levels(history, name, extras.unigram_entropy),
        },
        curves,
    }
}

/// What a chart of `name` counts in, and what its values are multiplied with for that.
fn unit_of(history: &History, name: &str) -> (&'static str, f64) {
    if name.ends_with("loss") {
        ("nats", 1.0)
    } else if is_share(name) || name == "padding" {
        ("%", 100.0)
    } else if name.ends_with("auc") {
        ("area under the curve", 1.0)
    } else if name.ends_with("perplexity") {
        ("perplexity", 1.0)
    } else if name == "memory" {
        let values = ["memory", "device_memory"].map(|name| history.train(name));
        let most = values
            .iter()
            .flat_map(|values| &values.points)
            .map(|point| point.1)
            .fold(0.0, f64::max);
        const GIB: f64 = 1_073_741_824.0;
        if most >= GIB {
            ("GiB", 1.0 / GIB)
        } else {
            ("MiB", 1024.0 / GIB)
        }
    } else {
        match name {
            "learning_rate" => ("learning rate", 1.0),
            "grad_norm" => ("L2 norm over all parameters", 1.0),
            "tokens_per_second" => ("tokens/s", 1.0),
            _ => ("value", 1.0),
        }
    }
}

/// What a value is to be held against: what can be had without a model.
fn levels(history: &History, name: &str, unigram_entropy: Option<f64>) -> Vec<Level> {
    let task = name.split('_').next().unwrap_or(name);
    let entropy = unigram_entropy.filter(|entropy| entropy.is_finite() && *entropy > 0.0);
    match entropy {
        Some(entropy) if WORD_TASKS.contains(&task) && name.ends_with("_loss") => {
            vec![Level {
                label: "what word frequencies alone give",
                value: entropy,
            }]
        }
        Some(entropy) if WORD_TASKS.contains(&task) && name.ends_with("_perplexity") => {
            vec![Level {
                label: "what word frequencies alone give",
                value: entropy.exp(),
            }]
        }
        _ if name == "nsp_accuracy" => vec![Level {
            label: "guessing",
            value: 50.0,
        }],
        _ if name == "discriminator_accuracy" => replaced_at_the_end(history)
            .map(|replaced| Level {
                label: "calling every token original",
                value: 100.0 * (1.0 - replaced),
            })
            .into_iter()
            .collect(),
        _ if name.ends_with("_auc") => vec![Level {
            label: "guessing",
            value: 0.5,
        }],
        _ => Vec::new(),
    }
}

/// The share of replaced tokens in the newest evaluation, or else in the last tenth of the steps. It
/// falls while the generator learns, so that of the whole run would be too high.
fn replaced_at_the_end(history: &History) -> Option<f64> {
    let newest = |points: &[(u64, f64)], count: usize| {
        finite_mean(points.get(points.len().saturating_sub(count)..)?)
    };
    let steps = history.train("replaced").means;
    let evaluations = history.eval("replaced").means;
    newest(&evaluations, 1).or_else(|| newest(&steps, steps.len().div_ceil(10)))
}

/// A value's name in words, e.g. `Masked LM accuracy` for `mlm_accuracy`.
pub(crate) fn title(name: &str) -> String {
    match name {
        "loss" => return "Total loss".to_owned(),
        "grad_norm" => return "Gradient norm before clipping".to_owned(),
        "tokens_per_second" => return "Training throughput".to_owned(),
        "padding" => return "Padding share".to_owned(),
        "replaced" => return "Replaced tokens".to_owned(),
        "sampled_accuracy" => return "Samples that restore the original".to_owned(),
        "mcc" => return "Matthews correlation".to_owned(),
        "mse" => return "Mean squared error".to_owned(),
        "mae" => return "Mean absolute error".to_owned(),
        "discriminator_auc" => return "Discriminator area under the ROC curve".to_owned(),
        _ => {}
    }
    let words = match name.split_once('_') {
        Some(("mlm", rest)) => format!("masked LM {rest}"),
        Some(("nsp", rest)) => format!("next sentence {rest}"),
        Some(("plm", rest)) => format!("permutation LM {rest}"),
        Some(("sop", rest)) => format!("sentence order {rest}"),
        Some(("rtd", rest)) => format!("replaced token detection {rest}"),
        _ => name.to_owned(),
    };
    let words = words.replace('_', " ");
    let mut characters = words.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_learner::{Record, RecordKind};

    fn history(names: &[&str]) -> History {
        let values: Vec<_> = names.iter().map(|&name| (name.to_owned(), 0.5)).collect();
        History::new(&[Record {
            kind: RecordKind::Train,
            step: 1,
            values,
        }])
    }

    #[test]
    fn other_architectures_and_unknown_names_get_their_charts() {
        let names = [
            "loss",
            "generator_loss",
            "discriminator_loss",
            "rtd_accuracy",
            "new_thing",
        ];
        let page = sections(&history(&names), &Extras::default(), 1);
        assert_eq!(page.matches("<svg").count(), names.len());
        for title in [
            "Generator loss",
            "Discriminator loss",
            "New thing",
            "Other values",
        ] {
            assert!(page.contains(title), "{title} is missing");
        }
    }

    #[test]
    fn word_frequencies_are_held_against_losses_of_words_alone() {
        let nothing = History::default();
        for (name, expected) in [("mlm_loss", 1), ("plm_loss", 1), ("generator_loss", 1)]
            .into_iter()
            .chain([("nsp_loss", 0), ("discriminator_loss", 0), ("loss", 0)])
        {
            let levels = levels(&nothing, name, Some(6.5));
            assert_eq!(levels.len(), expected, "{name}");
        }
        let perplexity = levels(&nothing, "mlm_perplexity", Some(6.5));
        assert!((perplexity[0].value - 6.5f64.exp()).abs() < 1e-9);
        assert!(levels(&nothing, "mlm_loss", Some(f64::NAN)).is_empty());
    }

    #[test]
    fn a_discriminator_is_held_against_calling_every_token_original() {
        let record = |kind, step, replaced| Record {
            kind,
            step,
            values: vec![("replaced".into(), replaced)],
        };
        let level = |records: &[Record]| {
            let levels = levels(&History::new(records), "discriminator_accuracy", None);
            levels.first().map(|level| level.value)
        };
        // Twenty steps in which fewer and fewer tokens are replaced: the last two count.
        let steps: Vec<Record> = (1..=20)
            .map(|step| record(RecordKind::Train, step, 0.2 - 0.005 * step as f64))
            .collect();
        assert!((level(&steps).unwrap() - 89.75).abs() < 1e-9);
        let mut evaluated = steps;
        evaluated.push(record(RecordKind::Eval, 10, 0.15));
        evaluated.push(record(RecordKind::Eval, 20, 0.125));
        assert_eq!(level(&evaluated), Some(87.5));
        assert_eq!(level(&[]), None);
        assert_eq!(level(&[record(RecordKind::Eval, 1, f64::NAN)]), None);
    }

    #[test]
    fn what_is_measured_of_a_pair_reads_as_words_in_its_section() {
        for (name, title_of_it, group) in [
            ("generator_loss", "Generator loss", Group::Loss),
            ("discriminator_loss", "Discriminator loss", Group::Loss),
            ("generator_accuracy", "Generator accuracy", Group::Quality),
            (
                "sampled_accuracy",
                "Samples that restore the original",
                Group::Quality,
            ),
            (
                "discriminator_recall",
                "Discriminator recall",
                Group::Quality,
            ),
            (
                "discriminator_precision",
                "Discriminator precision",
                Group::Quality,
            ),
            (
                "discriminator_auc",
                "Discriminator area under the ROC curve",
                Group::Quality,
            ),
            ("replaced", "Replaced tokens", Group::Quality),
        ] {
            assert_eq!(title(name), title_of_it);
            assert_eq!(Group::of(name), group, "{name}");
        }
        let page = sections(
            &history(&["discriminator_auc", "replaced"]),
            &Extras::default(),
            1,
        );
        assert!(page.contains("guessing: 0.5000"), "{page}");
        assert!(page.contains("50.00\u{a0}%"), "{page}");
    }

    #[test]
    fn a_total_that_repeats_its_only_part_is_drawn_once() {
        let single = sections(&history(&["loss", "mlm_loss"]), &Extras::default(), 1);
        assert_eq!(single.matches("<svg").count(), 1);
        let several = sections(
            &history(&["loss", "mlm_loss", "nsp_loss"]),
            &Extras::default(),
            1,
        );
        assert_eq!(several.matches("<svg").count(), 3);
    }

    #[test]
    fn memory_of_process_and_device_share_a_chart() {
        let page = sections(
            &history(&["memory", "device_memory"]),
            &Extras::default(),
            1,
        );
        assert_eq!(page.matches("<svg").count(), 1);
        assert!(page.contains("process") && page.contains("device"));
    }
}
