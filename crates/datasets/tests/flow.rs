//! The sample tasks from file to prediction, with a model that says what its batches tell it to: what it
//! is told is what the files have, whatever the length, the padding and the batch size.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its samples has failed"
)]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_datasets::batching::{
    BatchSettings, Batcher, PadTo, PredictBatch, PredictBatches, Rows, TrainOrder, TrainSource,
};
use kiln_datasets::decode::DecodeSettings;
use kiln_datasets::features::{Layout, Padding};
use kiln_datasets::labels::LabelMap;
use kiln_datasets::questions::{
    AnswerDecoder, QuestionWindows, SearchSettings, SpanLogits, Stride, WindowSettings,
};
use kiln_datasets::reading::{Column, Dataset, DatasetSpec};
use kiln_datasets::{
    Decoder, Example, Feature, FeatureSettings, Featurizer, Labels, Problem, StoreWriter, Task,
};
use kiln_metrics::rows::Row;
use kiln_text::tokenizer::{WordPieceSettings, train_word_piece_on_texts};
use kiln_text::{BatchSource, HostBatch, Tokenizer};

/// Windows of questions and sentences: short, so that there are several.
const WINDOW: usize = 32;

struct Sample {
    problem: Problem,
    labels: Labels,
    frequencies: Vec<u64>,
    examples: Vec<Example>,
    features: Vec<Feature>,
    padding: Padding,
    max_len: usize,
}

fn sample(name: &str, task: Task, problem: Problem, max_len: usize) -> Sample {
    let tasks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/tasks");
    let file: PathBuf = tasks.join(name);
    let text = fs::read_to_string(&file).unwrap();
    let settings = WordPieceSettings {
        vocab_size: 400,
        ..WordPieceSettings::default()
    };
    let tokenizer = train_word_piece_on_texts(text.lines(), &settings).unwrap();
    let mut spec = DatasetSpec::new(task, vec![file]);
    if problem == Problem::Choice {
        spec.columns.text = Some(Column::Name("first".into()));
    }
    let dataset = Dataset::open(spec, true).unwrap();
    let survey = dataset.survey().unwrap();
    let map = LabelMap::fit(survey.labels.clone(), &survey.labels);
    let examples: Vec<Example> = dataset.examples(&map).map(Result::unwrap).collect();
    assert_eq!(examples.len() as u64, survey.examples);
    let layout = Layout::new(&tokenizer, 2).unwrap();
    let padding = layout.padding();
    let features = features(
        &tokenizer,
        layout,
        problem,
        &survey.labels,
        max_len,
        &examples,
    );
    Sample {
        problem,
        labels: survey.labels,
        frequencies: survey.frequencies,
        examples,
        features,
        padding,
        max_len,
    }
}

fn features(
    tokenizer: &Tokenizer,
    layout: Layout,
    problem: Problem,
    labels: &Labels,
    max_len: usize,
    examples: &[Example],
) -> Vec<Feature> {
    let numbered = (0..).zip(examples);
    if problem == Problem::Span {
        let settings = WindowSettings {
            max_length: max_len,
            stride: Stride::Overlap(12),
        };
        let mut windows = QuestionWindows::new(tokenizer, layout.questions(), settings).unwrap();
        return numbered
            .flat_map(|(number, example)| windows.features(number, example).unwrap())
            .collect();
    }
    let settings = FeatureSettings {
        max_len,
        ..FeatureSettings::default()
    };
    let mut featurizer = Featurizer::new(tokenizer, layout, problem, labels, &settings).unwrap();
    numbered
        .flat_map(|(number, example)| featurizer.features(number, example).unwrap())
        .collect()
}

impl Sample {
    fn batcher(&self, left: bool) -> Batcher {
        Batcher::new(BatchSettings {
            problem: self.problem,
            num_labels: if self.problem == Problem::Regression {
                1
            } else {
                self.labels.len()
            },
            padding: Padding {
                left,
                ..self.padding
            },
            pad_to: PadTo::default(),
            max_len: self.max_len,
        })
        .unwrap()
    }

    /// What is said of all examples, in batches of so many rows.
    fn said(&self, batch_size: usize, left: bool) -> Vec<Row> {
        let batches = PredictBatches::new(self.batcher(left), batch_size).unwrap();
        let batches = batches.batches(&self.features).map(Result::unwrap);
        let numbered = (0..).zip(&self.examples);
        let rows: Vec<Row> = if self.problem == Problem::Span {
            let mut decoder = AnswerDecoder::new(SearchSettings {
                allow_no_answer: true,
                ..SearchSettings::default()
            })
            .unwrap();
            batches.for_each(|batch| self.answer(&batch, &mut decoder));
            numbered
                .map(|(number, example)| decoder.take(number, example).unwrap())
                .collect()
        } else {
            let settings = DecodeSettings::default();
            let mut decoder = Decoder::new(self.problem, self.labels.clone(), settings).unwrap();
            for batch in batches {
                let told = self.told(&batch.batch);
                for ((&feature, &first), logits) in
                    batch.features.iter().zip(&batch.first_tokens).zip(&told)
                {
                    decoder
                        .push(&self.features[feature], logits, first)
                        .unwrap();
                }
            }
            numbered
                .map(|(number, example)| decoder.take(number, example).unwrap())
                .collect()
        };
        for row in &rows {
            row.check().unwrap();
        }
        rows
    }

    /// The logits of each example's rows that say what the batch is labelled with.
    fn told(&self, batch: &HostBatch) -> Vec<Vec<f32>> {
        let one_hot = |label: i32, width: usize| -> Vec<f32> {
            let last = width as i32 - 1;
            let label = if label < 0 { last } else { label };
            (0..=last)
                .map(|at| if at == label { 4.0 } else { 0.0 })
                .collect()
        };
        if self.problem == Problem::Regression {
            return batch.floats["labels"]
                .data
                .iter()
                .map(|&number| vec![number])
                .collect();
        }
        let labels = batch.ints["labels"].data.iter();
        match self.problem {
            Problem::Choice => {
                let choices = batch.ints["num_choices"].data[0] as usize;
                labels.map(|&label| one_hot(label, choices)).collect()
            }
            Problem::Tags => {
                let seq_len = batch.ints["labels"].shape[1];
                let logits: Vec<Vec<f32>> = labels
                    .map(|&label| one_hot(label, self.labels.len()))
                    .collect();
                logits.chunks(seq_len).map(<[Vec<f32>]>::concat).collect()
            }
            _ => labels
                .map(|&label| one_hot(label, self.labels.len()))
                .collect(),
        }
    }

    fn answer(&self, batch: &PredictBatch, decoder: &mut AnswerDecoder) {
        let positions = |name: &str| batch.batch.ints[name].data.iter().copied();
        let spans = positions("start_positions").zip(positions("end_positions"));
        let rows = batch.features.iter().zip(&batch.first_tokens);
        for ((&feature, &first), (start, end)) in rows.zip(spans) {
            let feature = &self.features[feature];
            // Windows with an answer are surer than those without.
            let cls = batch.batch.ints["cls_index"].data[0];
            let score = if start == cls { 1.0 } else { 5.0 };
            let at = |position: i32| -> Vec<f32> {
                let logit = |place| if place == position { score } else { 0.0 };
                (0..batch.seq_len as i32).map(logit).collect()
            };
            let (start, end) = (at(start), at(end));
            let tokens = feature.ids[0].len();
            let logits = SpanLogits::of_row(&start, &end, first, tokens).unwrap();
            let question = &self.examples[feature.example as usize].id;
            decoder.push(question, feature, logits).unwrap();
        }
    }

    /// Training and evaluation see every row, each once.
    fn check_sources(&self) {
        let mut writer = StoreWriter::new().unwrap();
        for feature in &self.features {
            writer.push(feature).unwrap();
        }
        let rows = Rows::all(Arc::new(writer.finish().unwrap())).unwrap();
        let order = TrainOrder {
            seed: 4,
            batch_size: 1,
            step_size: 8,
        };
        let train = TrainSource::new(rows, self.batcher(false), order).unwrap();
        let epoch: HashSet<usize> = (0..train.rows_per_epoch())
            .flat_map(|index| train.features(index))
            .collect();
        assert_eq!(epoch.len(), self.features.len());
        for index in [0, 7, 3 * train.rows_per_epoch()] {
            let size = train.batch(index).unwrap().floats["example_weight"]
                .data
                .len();
            assert_eq!(size, 1);
        }
        let evaluation = PredictBatches::new(self.batcher(false), 7).unwrap();
        let mut weight = 0.0;
        let mut frequencies = vec![0; self.labels.len()];
        for batch in evaluation.batches(&self.features) {
            let batch = batch.unwrap().batch;
            weight += batch.floats["example_weight"].data.iter().sum::<f32>();
            if matches!(self.problem, Problem::SingleLabel | Problem::Tags) {
                let labels = batch.ints["labels"].data.iter();
                let scored = labels.filter_map(|&label| usize::try_from(label).ok());
                scored.for_each(|label| frequencies[label] += 1);
            }
        }
        assert_eq!(weight, self.features.len() as f32);
        if matches!(self.problem, Problem::SingleLabel | Problem::Tags) {
            assert_eq!(frequencies, self.frequencies, "each label of the file once");
        }
    }

    /// Whether what is said is what the files have, in batches of any size.
    fn check(&self, is_right: impl Fn(&Row) -> bool) {
        self.check_sources();
        let rows = self.said(1, false);
        let ids: Vec<&str> = rows.iter().map(Row::id).collect();
        let examples: Vec<&str> = self
            .examples
            .iter()
            .map(|example| example.id.as_str())
            .collect();
        assert_eq!(ids, examples);
        for row in &rows {
            assert!(row.has_target() && is_right(row), "{row:?}");
        }
        for (batch_size, left) in [(1, true), (8, false), (32, true)] {
            assert_eq!(self.said(batch_size, left), rows, "{batch_size} {left}");
        }
    }
}

#[test]
fn topics_come_back() {
    let sample = sample(
        "topics-dev.csv",
        Task::Classify,
        Problem::SingleLabel,
        WINDOW,
    );
    sample
        .check(|row| matches!(row, Row::Class(row) if Some(&row.prediction) == row.label.as_ref()));
}

#[test]
fn scores_come_back() {
    let sample = sample(
        "similarity-dev.tsv",
        Task::Regress,
        Problem::Regression,
        WINDOW,
    );
    sample.check(|row| {
        let Row::Numbers(row) = row else { return false };
        // Predictions are numbers of 32 bits.
        let near = |target: f64, said: f64| (target - said).abs() < 1e-6;
        row.targets
            .as_ref()
            .is_some_and(|targets| near(targets[0], row.predictions[0]))
    });
}

#[test]
fn continuations_come_back() {
    let sample = sample("choices-dev.jsonl", Task::Choose, Problem::Choice, WINDOW);
    sample.check(|row| matches!(row, Row::Choice(row) if Some(row.prediction) == row.label));
}

#[test]
fn tags_come_back_through_windows() {
    // Longer sentences than a window among them.
    let sample = sample("tags-dev.conll", Task::Tag, Problem::Tags, 8);
    assert!(sample.features.len() > sample.examples.len());
    sample.check(|row| {
        let Row::Tags(row) = row else { return false };
        row.unread == 0 && row.tags.as_ref() == Some(&row.predictions)
    });
}

#[test]
fn answers_come_back_through_windows() {
    let sample = sample("questions-dev.json", Task::Qa, Problem::Span, WINDOW + 16);
    assert!(sample.features.len() > sample.examples.len());
    sample.check(|row| {
        let Row::Answer(row) = row else { return false };
        match row.answers.as_deref() {
            Some([]) => row.prediction.is_empty(),
            Some(answers) => answers.first() == Some(&row.prediction),
            None => false,
        }
    });
}

#[test]
fn more_than_one_window_has_an_answer_and_training_has_them_all() {
    let sample = sample("questions-dev.json", Task::Qa, Problem::Span, WINDOW + 16);
    let mut impossible = 0.0;
    let batches = PredictBatches::new(sample.batcher(false), 16).unwrap();
    for batch in batches.batches(&sample.features) {
        let batch = batch.unwrap().batch;
        impossible += batch.floats["is_impossible"].data.iter().sum::<f32>();
        let cls = batch.ints["cls_index"].data.iter();
        let starts = batch.ints["start_positions"].data.iter();
        let says_none = cls
            .zip(starts)
            .map(|(cls, start)| f32::from(u8::from(cls == start)));
        assert_eq!(
            says_none.collect::<Vec<_>>(),
            batch.floats["is_impossible"].data
        );
    }
    // Windows without the answer are learned as such.
    assert!(impossible > 0.0 && impossible < sample.features.len() as f32);
}
