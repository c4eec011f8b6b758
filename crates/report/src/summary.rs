//! The page's head: what was trained, how far it came, and the figures one looks for first.

use kiln_learner::{Record, Stall, Stop};
use kiln_tasks::RunSettings;
use serde_json::Value;

use crate::card::{Card, head};
use crate::curve::{Curve, Look};
use crate::facts::ReportFacts;
use crate::figures::title;
use crate::history::History;
use crate::number::{compact, duration, grouped, significant};

/// The heading, the status by how the run ended at `last_step`, and the cards.
pub(crate) fn render(
    name: &str,
    settings: &RunSettings,
    history: &History,
    facts: &ReportFacts,
    (last_step, stop): (u64, Option<Stop>),
) -> String {
    head(
        "Kiln training report",
        name,
        &describe_model(&settings.architecture, &settings.model, facts.parameters),
        Some(status(stop)),
        &cards(settings, history, last_step),
    )
}

fn cards(settings: &RunSettings, history: &History, last_step: u64) -> Vec<Card> {
    let training = &settings.training;
    let mut cards = Vec::new();

    let sequences = training.sequences(settings.devices.len().max(1));
    let mut steps = Card::new(
        "Steps",
        grouped(last_step),
        format!(
            "of {}; {} sequences of {} each{}",
            grouped(training.steps),
            grouped(sequences),
            grouped(settings.data.seq_len as u64),
            if training.stretches.is_empty() {
                ""
            } else {
                ", other batches before"
            }
        ),
    );
    steps.done = Some(last_step as f64 / training.steps.max(1) as f64);
    cards.push(steps);

    cards.extend(training_loss(history));
    cards.push(evaluation_loss(history));

    for name in history.names() {
        let percent = name.ends_with("accuracy");
        if !percent && !name.ends_with("perplexity") {
            continue;
        }
        let show = |value: f64| {
            if percent {
                format!("{:.1}\u{a0}%", 100.0 * value)
            } else {
                significant(value)
            }
        };
        let train = settled(history, name).map(|settled| show(settled.value));
        let evaluated = history.last_evaluation.as_ref();
        let card = match (evaluated.and_then(|last| last.get(name)), train) {
            (Some(value), train) => Card::new(
                title(name),
                show(value),
                train.map_or("evaluation".into(), |t| format!("evaluation; training {t}")),
            ),
            (None, Some(train)) => Card::new(title(name), train, "training".into()),
            (None, None) => continue,
        };
        cards.push(card);
    }

    cards.extend(course(history));
    cards
}

/// What every run has: terms that learned nothing, throughput, steps that changed nothing.
pub(crate) fn course(history: &History) -> Vec<Card> {
    let mut cards: Vec<Card> = history.stalls().iter().map(stalled).collect();
    cards.extend(throughput(history));
    let skipped = history.skipped_steps();
    let mut card = Card::new(
        "Skipped steps",
        grouped(skipped),
        if skipped == 0 {
            "every gradient was finite"
        } else {
            "their gradients were not finite"
        }
        .into(),
    );
    card.alert = skipped > 0;
    cards.push(card);
    cards
}

/// Where the training loss stands.
pub(crate) fn training_loss(history: &History) -> Option<Card> {
    let last = settled(history, "loss")?;
    let lowest = last.lowest.map_or_else(String::new, |(step, value)| {
        format!("; lowest {} at {}", significant(value), grouped(step))
    });
    let word = if last.smoothed {
        "smoothed"
    } else {
        "last step"
    };
    let detail = format!("{word}{lowest}");
    Some(Card::new("Training loss", significant(last.value), detail))
}

/// The loss of the last evaluation, and the lowest.
pub(crate) fn evaluation_loss(history: &History) -> Card {
    let loss = |record: &Record| (record.step, record.get("loss").unwrap_or(f64::NAN));
    match history.last_evaluation.as_ref().map(loss) {
        Some((step, value)) => {
            let best = history.best_evaluation.as_ref().map(loss);
            let best = best.map_or_else(String::new, |(step, value)| {
                format!("; best {} at {}", significant(value), grouped(step))
            });
            let detail = format!("at step {}{best}", grouped(step));
            Card::new("Evaluation loss", significant(value), detail)
        }
        None => Card::new("Evaluation loss", "none".into(), "not evaluated yet".into()),
    }
}

/// A term that had learned nothing.
fn stalled(stall: &Stall) -> Card {
    let mut card = Card::new(
        title(&stall.term),
        "nothing learned".into(),
        format!(
            "{} at step {}; a guess that never looks at the text has {}",
            significant(stall.loss),
            grouped(stall.step),
            significant(stall.constant)
        ),
    );
    card.alert = true;
    card
}

/// Tokens, tokens per second, and time. A training record has the step's tokens and their rate;
/// time is the quotient.
fn throughput(history: &History) -> Vec<Card> {
    if history.tokens <= 0.0 {
        return Vec::new();
    }
    let mut cards = vec![Card::new(
        "Tokens seen",
        compact(history.tokens),
        "padding not counted".into(),
    )];
    let seconds = history.seconds;
    if seconds > 0.0 {
        cards.push(Card::new(
            "Mean tokens per second",
            compact(history.timed_tokens / seconds),
            format!(
                "{} s a step",
                significant(seconds / history.timed_steps.max(1) as f64)
            ),
        ));
        let evaluating = history.evaluating;
        let detail = if evaluating > 0.0 {
            format!(
                "training {}, evaluation {}",
                duration(seconds),
                duration(evaluating)
            )
        } else {
            "training".to_owned()
        };
        cards.push(Card::new("Time", duration(seconds + evaluating), detail));
    }
    cards
}

/// Where a training value stands, and its lowest.
struct Settled {
    value: f64,
    smoothed: bool,
    lowest: Option<(u64, f64)>,
}

fn settled(history: &History, name: &str) -> Option<Settled> {
    let curve = Curve {
        label: "training".into(),
        look: Look::Noisy,
        values: history.train(name),
    };
    let log = name.ends_with("perplexity");
    let line = curve.settled(log);
    let value = line
        .iter()
        .rev()
        .map(|point| point.1)
        .find(|value| value.is_finite());
    let value = value.or_else(|| curve.values.means.last().map(|point| point.1))?;
    let lowest = line
        .into_iter()
        .filter(|(_, value)| value.is_finite())
        .min_by(|a, b| a.1.total_cmp(&b.1));
    Some(Settled {
        value,
        smoothed: curve.half_width().is_some(),
        lowest,
    })
}

pub(crate) fn status(stop: Option<Stop>) -> (&'static str, &'static str) {
    match stop {
        Some(Stop::Done) => ("finished", "good"),
        Some(Stop::Early) => ("stopped early: evaluations no longer improved", "good"),
        Some(Stop::Interrupted) => ("interrupted; can be resumed", "open"),
        None => ("not finished", "open"),
    }
}

/// E.g. `bert, 11.2 M parameters: 4 layers of width 256, 4 heads, vocabulary of 30,522`.
pub(crate) fn describe_model(architecture: &str, model: &Value, parameters: Option<u64>) -> String {
    // The discriminator of a model with two parts, and XLNet's spellings.
    let model = model.get("discriminator").unwrap_or(model);
    let field = |names: &[&str]| names.iter().find_map(|name| model.get(name)?.as_u64());
    let mut parts = Vec::new();
    if let (Some(layers), Some(width)) = (
        field(&["num_hidden_layers", "n_layer"]),
        field(&["hidden_size", "d_model"]),
    ) {
        let word = if layers == 1 { "layer" } else { "layers" };
        parts.push(format!("{layers} {word} of width {width}"));
    }
    if let Some(heads) = field(&["num_attention_heads", "n_head"]) {
        parts.push(format!(
            "{heads} {}",
            if heads == 1 { "head" } else { "heads" }
        ));
    }
    if let Some(words) = field(&["vocab_size"]) {
        parts.push(format!("vocabulary of {}", grouped(words)));
    }
    let mut out = architecture.to_owned();
    if let Some(parameters) = parameters {
        out.push_str(&format!(", {} parameters", compact(parameters as f64)));
    }
    if !parts.is_empty() {
        out.push_str(": ");
        out.push_str(&parts.join(", "));
    }
    out
}
