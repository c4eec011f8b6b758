//! The whole page.

use std::path::Path;

use kiln_learner::{Record, RecordKind, RunFolder, Stop};
use kiln_tasks::RunSettings;

use super::{History, ReportError, ReportFacts, render, write_report};

pub(crate) fn settings(steps: u64) -> RunSettings {
    serde_json::from_value(serde_json::json!({
        "versions": {"kiln": "0.1.0", "burn": "0.22.1"},
        "architecture": "bert",
        "model": {"model_type": "bert", "hidden_size": 128, "num_hidden_layers": 2,
                  "num_attention_heads": 2, "vocab_size": 8000, "hidden_act": "gelu"},
        "init_from": null,
        "objective": {"next_sentence": true, "examples": "pairs", "mask_rate": 0.15, "mask_share": 0.8,
                      "random_share": 0.1, "whole_word": false, "max_predictions": 20,
                      "short_seq_prob": 0.1},
        "data": {"shards": "/data/<shards>", "corpus": "5f1d…", "eval_shards": null,
                 "eval_corpus": null, "held_out": 0.05, "eval_batches": 20,
                 "tokenizer": "tokenizer", "tokenizer_identity": "77aa", "seq_len": 128},
        "training": {"steps": steps, "batch_size": 16, "accumulate": 1, "seed": 1,
                     "optimizer": {"learning_rate": 1e-4, "betas": [0.9, 0.999], "epsilon": 1e-6,
                                   "weight_decay": 0.01, "bias_correction": true, "clip_norm": 1.0},
                     "schedule": "linear", "warmup": 10, "eval_every": 0, "save_every": 0,
                     "keep_last": 3, "keep_best": 1, "log_every": 10, "early_stop": null,
                     "max_bad_steps": 5, "data_threads": 1, "data_ahead": 8},
        "devices": ["flex:0"],
    }))
    .unwrap()
}

/// A falling loss with noise that repeats, and every value the learner writes.
fn train(step: u64) -> Record {
    let noise = ((step * 2_654_435_761) % 1000) as f64 / 1000.0 - 0.5;
    let mlm = 2.4 + 7.0 * (-(step as f64) / 400.0).exp() + 0.4 * noise;
    let nsp = 0.4 + 0.3 * (-(step as f64) / 700.0).exp() + 0.1 * noise;
    let values = [
        ("loss", mlm + nsp),
        ("mlm_loss", mlm),
        ("mlm_perplexity", mlm.exp()),
        ("nsp_loss", nsp),
        ("mlm_accuracy", 0.45 - mlm / 25.0),
        ("nsp_accuracy", 0.8 - nsp / 2.0),
        ("grad_norm", (1.0 + noise).exp()),
        ("learning_rate", 1e-4 / step as f64),
        ("tokens_per_second", 20_000.0 + 1500.0 * noise),
        ("padding", 0.05 + 0.02 * noise),
        ("tokens", 2000.0),
        ("memory", 1.4e9),
        ("skipped_steps", 0.0),
    ];
    let values = values
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
    Record {
        kind: RecordKind::Train,
        step,
        values,
    }
}

fn eval(step: u64) -> Record {
    let mut record = train(step);
    record.kind = RecordKind::Eval;
    record
        .values
        .retain(|(name, _)| name.ends_with("loss") || name.ends_with("accuracy"));
    record.values.push(("seconds".into(), 1.5));
    record
}

fn page(steps: u64, records: &[Record]) -> String {
    render(
        Path::new("runs/first"),
        &settings(steps),
        &History::new(records),
        &ReportFacts::default(),
    )
    .unwrap()
}

#[test]
fn the_page_needs_no_script_and_fetches_nothing() {
    let page = page(3, &[train(1), train(2), eval(2), train(3)]);
    for word in [
        "<script", "http:", "https:", "url(h", "@import", "<link", "<img", " src=",
    ] {
        assert!(!page.contains(word), "{word} in the page");
    }
}

#[test]
fn every_element_is_closed() {
    let page = page(
        60,
        &(1..=60)
            .flat_map(|step| [train(step), eval(step)])
            .collect::<Vec<_>>(),
    );
    for element in [
        "svg", "g", "figure", "section", "div", "dl", "ul", "li", "table", "span", "p",
    ] {
        let opened = page.matches(&format!("<{element}>")).count()
            + page.matches(&format!("<{element} ")).count();
        assert_eq!(
            opened,
            page.matches(&format!("</{element}>")).count(),
            "<{element}>"
        );
    }
}

#[test]
fn names_from_outside_are_shown_and_not_obeyed() {
    let mut record = train(1);
    record.values.push(("<i>_loss".into(), 1.0));
    let run = Path::new("runs/<b>bold</b> & 'quoted'");
    let page = render(
        run,
        &settings(1),
        &History::new(&[record]),
        &ReportFacts::default(),
    )
    .unwrap();
    assert!(page.contains("&lt;b&gt;bold"), "the name is missing");
    for raw in ["<b>", "<i>", "<shards>"] {
        assert!(!page.contains(raw), "{raw} was not escaped");
    }
}

#[test]
fn a_run_without_records_says_what_to_do() {
    let error = render(
        Path::new("runs/new"),
        &settings(1),
        &History::default(),
        &ReportFacts::default(),
    );
    let Err(error @ ReportError::NoRecords { .. }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(
        error.to_string(),
        "runs/new/metrics.jsonl: no step is recorded yet; start the run's first steps with: \
         kiln resume runs/new"
    );
}

#[test]
fn one_step_without_an_evaluation_makes_a_page() {
    let page = page(100, &[train(1)]);
    assert!(page.contains("not evaluated yet") && page.contains("not finished"));
    assert!(
        page.contains("class=\"dot"),
        "one step is a dot: a line has no length"
    );
}

#[test]
fn a_hundred_thousand_steps_stay_below_a_megabyte() {
    let mut records = Vec::new();
    for step in 1..=100_000 {
        records.push(train(step));
        if step % 100 == 0 {
            records.push(eval(step));
        }
    }
    let page = page(100_000, &records);
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    assert!(
        page.contains("200.0 M"),
        "tokens are summed over all steps, not the drawn ones"
    );
}

#[test]
fn a_broken_step_is_counted_and_does_not_spoil_the_page() {
    let mut records: Vec<_> = (1..=200).map(train).collect();
    for (name, value) in &mut records[99].values {
        if name.ends_with("loss") || name == "grad_norm" {
            *value = f64::NAN;
        }
    }
    let page = page(200, &records);
    assert!(!page.contains("NaN") && page.contains("class=\"card alert\""));
    assert!(page.contains("steps without a finite value"));
}

#[test]
fn every_setting_is_in_the_tables() {
    let page = page(5, &[train(1)]);
    for field in [
        "examples.short_seq_prob",
        "optimizer.bias_correction",
        "tokenizer_identity",
        "burn",
        "devices",
        "init_from",
        "hidden_act",
        "max_bad_steps",
    ] {
        assert!(
            page.contains(&format!(">{field}</th>")),
            "{field} is missing"
        );
    }
}

#[test]
fn settings_of_replaced_tokens_are_rows_like_others() {
    let mut settings = settings(5);
    settings.objective = serde_json::from_value(serde_json::json!({
        "kind": "replaced-tokens",
        "masking": {"rate": 0.15, "mask_share": 0.8, "random_share": 0.1, "whole_word": false,
                    "max_ngram": 1, "max_predictions": 20},
        "examples": {"kind": "segments", "short_seq_prob": 0.05},
        "detection": {
            "sharing": "embeddings", "generator": {"hidden_size": 64, "pad_token_id": 0},
            "generator_size": 0.25, "generator_layers": 1.0, "init_generator": null,
            "generator_weight": 1.0, "discriminator_weight": 50.0, "temperature": 1.0,
            "disallow_correct": false, "uniform_generator": false,
        },
    }))
    .unwrap();
    let facts = ReportFacts::default();
    let page = render(
        Path::new("r"),
        &settings,
        &History::new(&[train(1)]),
        &facts,
    )
    .unwrap();
    for (field, value) in [
        ("detection.sharing", "embeddings"),
        ("detection.discriminator_weight", "50.0"),
        ("detection.generator.hidden_size", "64"),
        ("detection.init_generator", "none"),
    ] {
        let row = format!(">{field}</th><td>{value}</td>");
        assert!(page.contains(&row), "{row} is missing");
    }
    assert!(!page.contains("{\"sharing"), "JSON in the page");
}

#[test]
fn facts_appear_where_they_are_given() {
    let facts = ReportFacts {
        unigram_entropy: Some(6.4),
        parameters: Some(4_400_000),
        finished: Some(Stop::Interrupted),
    };
    let page = render(
        Path::new("r"),
        &settings(5),
        &History::new(&[train(1)]),
        &facts,
    )
    .unwrap();
    for text in [
        "what word frequencies alone give: 6.400",
        "4.40 M parameters",
        "interrupted",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn the_page_is_written_whole_over_an_older_one() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(&folder.path().join("run")).unwrap();
    std::fs::write(run.report(), "old").unwrap();
    let history = History::new(&[train(1)]);
    let path = write_report(&run, &settings(1), &history, &ReportFacts::default()).unwrap();
    assert_eq!(path, run.report());
    assert!(
        std::fs::read_to_string(path)
            .unwrap()
            .ends_with("</html>\n")
    );
    assert_eq!(names_in(run.path()), [".lock", "report.html"]);
}

#[test]
fn a_page_that_cannot_be_written_names_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(&folder.path().join("run")).unwrap();
    // A folder in its place can't be replaced by a file.
    std::fs::create_dir(run.report()).unwrap();
    let error = write_report(
        &run,
        &settings(1),
        &History::new(&[train(1)]),
        &ReportFacts::default(),
    )
    .unwrap_err();
    assert!(
        error.to_string().contains("report.html: cannot be written"),
        "{error}"
    );
    assert_eq!(names_in(run.path()), [".lock", "report.html"]);
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
