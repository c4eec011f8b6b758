//! Examples to rows of predictions, by whatever answers for a batch.

use std::sync::Arc;

use kiln_datasets::batching::{
    BatchSettings, Batcher, PREDICT_WINDOW, PadTo, PredictBatch, PredictBatches,
};
use kiln_datasets::decode::DecodeSettings;
use kiln_datasets::features::{FeatureCounts, Layout};
use kiln_datasets::questions::{
    AnswerDecoder, BeamOutput, QuestionLayout, QuestionWindows, SpanLogits, WindowSettings,
};
use kiln_datasets::{
    DataError, Decoder, Example, Feature, FeatureSettings, Featurizer, Problem, StoreWriter,
};
use kiln_learner::LearnError;
use kiln_metrics::rows::Row;
use kiln_text::HostBatch;
use kiln_text::tokenizer::Tokenizer;

use super::data_error;
use super::settings::TaskSettings;
use crate::fine_tuning::Answers;

/// How examples of a task become batches of a model, and what it gives rows of predictions.
#[derive(Debug, Clone)]
pub struct TaskPipeline {
    tokenizer: Arc<Tokenizer>,
    settings: TaskSettings,
    layout: Layout,
    questions: QuestionLayout,
    batcher: Batcher,
}

/// What became of the examples that a model was asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    /// What became of them on their way to the model.
    pub counts: FeatureCounts,
    /// The losses of those whose labels are known: for each of the head's terms its sum and weight.
    pub losses: Vec<(f64, f64)>,
}

impl Asked {
    fn add_losses(&mut self, losses: &[(f64, f64)]) {
        self.losses
            .resize(self.losses.len().max(losses.len()), (0.0, 0.0));
        for (sum, term) in self.losses.iter_mut().zip(losses) {
            sum.0 += term.0;
            sum.1 += term.1;
        }
    }
}

/// Makes features of examples, one after the other.
enum Maker<'a> {
    Texts(Box<Featurizer<'a>>),
    Questions(Box<QuestionWindows<'a>>),
}

impl Maker<'_> {
    fn features(&mut self, number: u64, example: &Example) -> Result<Vec<Feature>, DataError> {
        match self {
            Self::Texts(maker) => maker.features(number, example),
            Self::Questions(windows) => windows.features(number, example),
        }
    }

    fn counts(&self) -> FeatureCounts {
        match self {
            Self::Texts(maker) => maker.counts(),
            Self::Questions(windows) => windows.counts(),
        }
    }
}

/// Gathers what a model says of features.
enum Gatherer {
    Rows(Decoder),
    Answers(AnswerDecoder),
}

impl TaskPipeline {
    /// For a tokenizer and a model that knows token types below `type_vocab_size`.
    ///
    /// # Errors
    /// If the tokenizer has no special tokens to put around texts, or the settings can't be used.
    pub fn new(
        tokenizer: Arc<Tokenizer>,
        settings: &TaskSettings,
        type_vocab_size: usize,
    ) -> Result<Self, DataError> {
        let layout = Layout::new(&tokenizer, type_vocab_size)?;
        let batcher = Batcher::new(BatchSettings {
            problem: settings.problem,
            num_labels: settings.num_outputs(),
            padding: layout.padding(),
            pad_to: PadTo::default(),
            max_len: settings.max_len,
        })?;
        let pipeline = Self {
            questions: layout.questions(),
            tokenizer,
            settings: settings.clone(),
            layout,
            batcher,
        };
        // What can't be used is refused before the first example.
        pipeline.maker()?;
        pipeline.gatherer()?;
        Ok(pipeline)
    }

    /// What is asked.
    pub fn settings(&self) -> &TaskSettings {
        &self.settings
    }

    /// Makes batches of features.
    pub fn batcher(&self) -> &Batcher {
        &self.batcher
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    fn maker(&self) -> Result<Maker<'_>, DataError> {
        let settings = &self.settings;
        Ok(match settings.problem {
            Problem::Span => {
                let windows = WindowSettings {
                    max_length: settings.max_len,
                    stride: settings.stride,
                };
                let windows =
                    QuestionWindows::new(&self.tokenizer, self.questions.clone(), windows)?;
                Maker::Questions(Box::new(windows))
            }
            problem => Maker::Texts(Box::new(Featurizer::new(
                &self.tokenizer,
                self.layout.clone(),
                problem,
                &settings.labels,
                &FeatureSettings {
                    max_len: settings.max_len,
                    label_all_tokens: settings.label_all_tokens,
                    overlap: settings.overlap,
                    pairs: settings.pairs,
                },
            )?)),
        })
    }

    fn gatherer(&self) -> Result<Gatherer, DataError> {
        Ok(match self.settings.problem {
            Problem::Span => Gatherer::Answers(AnswerDecoder::new(self.settings.search.clone())?),
            problem => {
                let decode = DecodeSettings {
                    threshold: self.settings.threshold,
                };
                Gatherer::Rows(Decoder::new(problem, self.settings.labels.clone(), decode)?)
            }
        })
    }

    /// The features of all examples, kept on disk, each with the number that it comes with.
    ///
    /// # Errors
    /// If an example can't be read or used, or the disk is full.
    pub fn store(
        &self,
        examples: impl Iterator<Item = Result<(u64, Example), DataError>>,
    ) -> Result<(StoreWriter, FeatureCounts), DataError> {
        let mut maker = self.maker()?;
        let mut store = StoreWriter::new()?;
        for example in examples {
            let (number, example) = example?;
            for feature in maker.features(number, &example)? {
                store.push(&feature)?;
            }
        }
        Ok((store, maker.counts()))
    }

    /// Makes the features of all examples and keeps none: what can't be used is found.
    ///
    /// # Errors
    /// If an example can't be read or used.
    pub fn check(
        &self,
        examples: impl Iterator<Item = Result<Example, DataError>>,
    ) -> Result<FeatureCounts, DataError> {
        let mut maker = self.maker()?;
        for (number, example) in (0..).zip(examples) {
            maker.features(number, &example?)?;
        }
        Ok(maker.counts())
    }

    /// Asks `ask` for what a model gives for batches of `batch_size` rows at most, of about one length
    /// each, and gives `give` a row of predictions for each example, in their order. Memory holds one
    /// window of examples.
    ///
    /// # Errors
    /// If an example can't be read or used, or as `ask` and `give`.
    pub fn predict(
        &self,
        examples: impl Iterator<Item = Result<Example, DataError>>,
        batch_size: usize,
        ask: &mut dyn FnMut(&HostBatch) -> Result<Answers, LearnError>,
        give: &mut dyn FnMut(&Example, Row) -> Result<(), LearnError>,
    ) -> Result<Asked, LearnError> {
        let batches = PredictBatches::new(self.batcher.clone(), batch_size).map_err(data_error)?;
        let mut maker = self.maker().map_err(data_error)?;
        let mut gatherer = self.gatherer().map_err(data_error)?;
        let mut asked = Asked::default();
        let mut examples = (0..).zip(examples);
        loop {
            let mut window: Vec<(u64, Example)> = Vec::new();
            let mut features = Vec::new();
            while features.len() < PREDICT_WINDOW {
                let Some((number, example)) = examples.next() else {
                    break;
                };
                let example = example.map_err(data_error)?;
                features.extend(maker.features(number, &example).map_err(data_error)?);
                window.push((number, example));
            }
            if window.is_empty() {
                break;
            }
            for batch in batches.batches(&features) {
                let batch = batch.map_err(data_error)?;
                let answers = ask(&batch.batch)?;
                asked.add_losses(&answers.losses);
                gatherer.gather(&batch, &features, &window, &answers)?;
            }
            for (number, example) in &window {
                let row = match &mut gatherer {
                    Gatherer::Rows(decoder) => decoder.take(*number, example),
                    Gatherer::Answers(decoder) => decoder.take(*number, example),
                };
                give(example, row.map_err(data_error)?)?;
            }
        }
        asked.counts = maker.counts();
        Ok(asked)
    }
}

impl Gatherer {
    /// Adds what the model says of a batch's rows; `window` has the examples of the features.
    fn gather(
        &mut self,
        batch: &PredictBatch,
        features: &[Feature],
        window: &[(u64, Example)],
        answers: &Answers,
    ) -> Result<(), LearnError> {
        let first = window.first().map_or(0, |(number, _)| *number);
        let rows = batch.features.iter().zip(&batch.first_tokens);
        for (row, (&place, &first_token)) in rows.enumerate() {
            let Some(feature) = features.get(place) else {
                continue;
            };
            let outputs = answers.row(row);
            let pushed = match self {
                Self::Rows(decoder) => {
                    let logits = outputs.first().copied().unwrap_or_default();
                    decoder.push(feature, logits, first_token)
                }
                Self::Answers(decoder) => {
                    let example = usize::try_from(feature.example - first).ok();
                    let example = example.and_then(|place| window.get(place));
                    let question = example.map_or("", |(_, example)| example.id.as_str());
                    match outputs.as_slice() {
                        [start, end] => {
                            let tokens = feature.ids.first().map_or(0, Vec::len);
                            let logits = SpanLogits::of_row(start, end, first_token, tokens);
                            let few = || DataError::Output {
                                question: question.to_owned(),
                                problem: "the model gives fewer numbers than the row has tokens"
                                    .into(),
                            };
                            let logits = logits.ok_or_else(few);
                            logits.and_then(|logits| decoder.push(question, feature, logits))
                        }
                        [starts, start_index, ends, end_index, [cls_logits]] => {
                            let output = BeamOutput {
                                start_top_log_probs: starts,
                                start_top_index: &positions(start_index),
                                end_top_log_probs: ends,
                                end_top_index: &positions(end_index),
                                cls_logits: *cls_logits,
                                padding_before: first_token,
                            };
                            decoder.push_beam(question, feature, output)
                        }
                        _ => Err(DataError::Output {
                            question: question.to_owned(),
                            problem: format!(
                                "the model gives {} outputs in place of a start and an end",
                                outputs.len()
                            ),
                        }),
                    }
                }
            };
            pushed.map_err(data_error)?;
        }
        Ok(())
    }
}

/// Positions, which outputs have as whole numbers.
fn positions(values: &[f32]) -> Vec<u32> {
    values.iter().map(|&value| value as u32).collect()
}
