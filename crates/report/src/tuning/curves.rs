//! The curves of several runs in one chart: what learns faster, and what seeds do.

use std::borrow::Cow;

use crate::chart::Chart;
use crate::curve::{Curve, Level, Look};
use crate::figures::{BASELINE, charts, title};
use crate::history::{History, Series};
use crate::page::section;

/// Of each run its name and its history.
pub(super) type Named<'a> = (&'a str, &'a History);

/// Charts of each score, with its baseline, and of both losses, a line a run.
pub(super) fn render(runs: &[Named<'_>], scores: &[(String, Option<f64>)]) -> String {
    let last_step = runs.iter().filter_map(|(_, history)| history.last_step);
    let last_step = last_step.max().unwrap_or(0);
    let mut drawn = String::new();
    let mut id = 0;
    let mut draw = |chart: Chart| {
        if chart
            .curves
            .iter()
            .any(|curve| !curve.values.points.is_empty())
        {
            drawn.push_str(&chart.render(id, last_step));
            id += 1;
        }
    };
    for (name, baseline) in scores {
        draw(Chart {
            title: title(name),
            unit: "score",
            levels: baseline
                .iter()
                .map(|&value| Level {
                    label: BASELINE,
                    value,
                })
                .collect(),
            ..chart(name, runs, Look::RunEvaluations, |history| {
                history.eval(name)
            })
        });
    }
    draw(Chart {
        title: "Development loss".to_owned(),
        ..chart("loss", runs, Look::RunEvaluations, |history| {
            history.eval("loss")
        })
    });
    draw(Chart {
        title: "Training loss".to_owned(),
        ..chart("loss", runs, Look::RunSteps, |history| {
            history.train("loss")
        })
    });
    section("Learning curves by run", &charts(&drawn))
}

/// Every run has its curve, if an empty one: its colour is the same in all charts.
fn chart(name: &str, runs: &[Named<'_>], look: Look, values: impl Fn(&History) -> Series) -> Chart {
    let curves = runs.iter().map(|(name, history)| Curve {
        label: Cow::Owned((*name).to_owned()),
        look,
        values: values(history),
    });
    Chart {
        title: title(name),
        name: name.to_owned(),
        unit: "nats",
        log: false,
        from_zero: false,
        curves: curves.collect(),
        levels: Vec::new(),
    }
}
