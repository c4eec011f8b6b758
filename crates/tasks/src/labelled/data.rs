//! What a fine-tuning run trains and is evaluated on.

use std::sync::Arc;

use kiln_datasets::batching::{Rows, TrainOrder, TrainSource};
use kiln_datasets::features::FeatureCounts;
use kiln_datasets::reading::{Dataset, Survey};
use kiln_datasets::splits::{Parts, folds, held_out};
use kiln_datasets::{DataError, Example, FeatureStore, LabelMap, Labels, Target};

use super::pipeline::TaskPipeline;
use super::settings::{Development, LabelledData, TaskSettings};

/// The examples that a run is evaluated on.
#[derive(Debug, Clone)]
pub struct DevExamples {
    dataset: Dataset,
    labels: LabelMap,
    /// Those of this part alone.
    part: Option<(Arc<Parts>, u32)>,
}

impl DevExamples {
    /// All examples of files.
    pub fn all(dataset: Dataset, labels: LabelMap) -> Self {
        Self {
            dataset,
            labels,
            part: None,
        }
    }

    /// The examples, in the order of the files.
    pub fn examples(&self) -> impl Iterator<Item = Result<Example, DataError>> + '_ {
        let numbered = numbered(&self.dataset, &self.labels);
        let wanted = move |example: &Result<(u64, Example), DataError>| match (example, &self.part)
        {
            (Ok((number, _)), Some((parts, part))) => parts.part(*number) == Some(*part),
            _ => true,
        };
        numbered
            .filter(wanted)
            .map(|example| example.map(|(_, example)| example))
    }
}

fn numbered<'a>(
    dataset: &'a Dataset,
    labels: &'a LabelMap,
) -> impl Iterator<Item = Result<(u64, Example), DataError>> + 'a {
    let examples = (0..).zip(dataset.examples(labels));
    examples.map(|(number, example)| Ok((number, example?)))
}

/// The training examples as rows on disk. All runs on the same files share them: seeds, folds, a grid.
#[derive(Debug, Clone)]
pub(super) struct TrainingExamples {
    dataset: Dataset,
    map: LabelMap,
    store: Arc<FeatureStore>,
    counts: FeatureCounts,
}

impl TrainingExamples {
    /// Reads them.
    ///
    /// # Errors
    /// If a file is not the one that `data` names, can't be read, or has what the task can't use.
    pub(super) fn read(data: &LabelledData, pipeline: &TaskPipeline) -> Result<Self, DataError> {
        let dataset = Dataset::open(data.train.clone(), true)?;
        dataset.check_identity(&data.train_identity)?;
        let map = map_of(&dataset, pipeline.settings())?;
        let (store, counts) = pipeline.store(numbered(&dataset, &map))?;
        Ok(Self {
            store: Arc::new(store.finish()?),
            dataset,
            map,
            counts,
        })
    }

    /// Those of a run that leaves a part out.
    fn rows(&self, left_out: Option<&Part>) -> Result<Rows, DataError> {
        let Some((parts, left_out)) = left_out else {
            return Rows::all(self.store.clone());
        };
        let numbers =
            (0..self.counts.examples).filter(|number| parts.part(*number) != Some(*left_out));
        Rows::of_examples(self.store.clone(), numbers.collect())
    }

    /// How often each of so many labels stands in them: examples, or words.
    fn frequencies(&self, labels: usize, left_out: Option<&Part>) -> Result<Vec<u64>, DataError> {
        let mut frequencies = vec![0; labels];
        for example in numbered(&self.dataset, &self.map) {
            let (number, example) = example?;
            let is_left_out = |(parts, part): &Part| parts.part(number) == Some(*part);
            if !left_out.is_some_and(is_left_out) {
                count(&example, &mut frequencies);
            }
        }
        Ok(frequencies)
    }
}

/// Training rows on disk, and the examples to evaluate on. Copies share the rows.
#[derive(Debug, Clone)]
pub struct TaskData {
    /// How examples become batches and predictions.
    pub pipeline: Arc<TaskPipeline>,
    /// What the run is evaluated on.
    pub dev: Option<DevExamples>,
    /// What became of the examples of the training files, those that are left out too.
    pub counts: FeatureCounts,
    /// How often each label stands in the training examples: examples, or words.
    pub frequencies: Vec<u64>,
    /// What to tell the user.
    pub notes: Vec<String>,
    rows: Rows,
}

impl TaskData {
    /// What a run has of the training examples, after a look at those to evaluate on: what can't be used is
    /// found before the first step.
    ///
    /// # Errors
    /// If a file is not the one that `development` names, can't be read, or has what the task can't use.
    pub(super) fn of(
        examples: &TrainingExamples,
        development: &Development,
        pipeline: Arc<TaskPipeline>,
    ) -> Result<Self, DataError> {
        let task = pipeline.settings();
        let mut notes = examples.dataset.decided().notes.clone();
        notes.extend(examples.map.notes());
        let (dev, left_out) = developed(development, &examples.dataset, &examples.map, task)?;
        if let Some(dev) = dev.as_ref().filter(|dev| dev.part.is_none()) {
            notes.extend(dev.dataset.decided().notes.iter().cloned());
            notes.extend(dev.labels.notes());
        }
        notes.dedup();
        if let Some(dev) = &dev {
            let FeatureCounts {
                examples,
                other_shape,
                ..
            } = check(dev, &pipeline)?;
            if other_shape > 0 {
                notes.push(format!(
                    "warning: {other_shape} of the {examples} examples to evaluate on have another number of \
                     texts than those to train on; --text and --second name the columns"
                ));
            }
        }
        let rows = examples.rows(left_out.as_ref())?;
        if rows.is_empty() {
            return Err(DataError::Settings(
                "no examples to train on; pass a file that has some".into(),
            ));
        }
        Ok(Self {
            frequencies: examples.frequencies(task.labels.len(), left_out.as_ref())?,
            pipeline,
            dev,
            counts: examples.counts,
            notes,
            rows,
        })
    }

    /// Rows of an epoch.
    pub fn num_rows(&self) -> u64 {
        self.rows.len() as u64
    }

    /// The largest rows that a batch can have: tokens of the longest once it is filled up, and sequences of
    /// the one with the most.
    pub fn largest_rows(&self) -> (usize, usize) {
        let (longest, sequences) = self.rows.largest();
        (self.pipeline.batcher().padded(longest), sequences.max(1))
    }

    /// The batches of training.
    ///
    /// # Errors
    /// If a size is 0.
    pub fn train_source(&self, order: TrainOrder) -> Result<TrainSource, DataError> {
        TrainSource::new(self.rows.clone(), self.pipeline.batcher().clone(), order)
    }
}

/// What the labels of files are to a model that has those of `task`.
fn map_of(dataset: &Dataset, task: &TaskSettings) -> Result<LabelMap, DataError> {
    if task.labels.is_empty() {
        return Ok(LabelMap::new(Labels::default()));
    }
    let Survey { labels: found, .. } = dataset.survey()?;
    Ok(LabelMap::fit(task.labels.clone(), &found))
}

/// The ids of the training examples in the order of the files: those of a part, too, that a run leaves out
/// and is evaluated on.
///
/// # Errors
/// If a file is not the one that `data` names, or can't be read.
pub fn training_ids(data: &LabelledData, task: &TaskSettings) -> Result<Vec<String>, DataError> {
    let dataset = Dataset::open(data.train.clone(), true)?;
    dataset.check_identity(&data.train_identity)?;
    let map = map_of(&dataset, task)?;
    let examples = dataset.examples(&map);
    examples.map(|example| Ok(example?.id)).collect()
}

type Part = (Arc<Parts>, u32);

/// What to evaluate on, and which part of the training examples is left out for it.
fn developed(
    development: &Development,
    dataset: &Dataset,
    map: &LabelMap,
    task: &TaskSettings,
) -> Result<(Option<DevExamples>, Option<Part>), DataError> {
    let part = match development {
        Development::None => return Ok((None, None)),
        Development::Files { spec, identity } => {
            let dev = Dataset::open(spec.clone(), true)?;
            dev.check_identity(identity)?;
            let labels = map_of(&dev, task)?;
            return Ok((Some(DevExamples::all(dev, labels)), None));
        }
        Development::HeldOut { share, seed } => {
            (Arc::new(held_out(dataset, map, *share, *seed)?), 1)
        }
        Development::Fold {
            fold,
            folds: k,
            seed,
        } => (Arc::new(folds(dataset, map, *k, *seed)?), *fold),
    };
    let dev = DevExamples {
        dataset: dataset.clone(),
        labels: map.clone(),
        part: Some(part.clone()),
    };
    Ok((Some(dev), Some(part)))
}

/// Reads all examples to evaluate on, so that a label that the model lacks, or a question that leaves no
/// room for its context, is no surprise later.
fn check(dev: &DevExamples, pipeline: &TaskPipeline) -> Result<FeatureCounts, DataError> {
    let counts = pipeline.check(dev.examples())?;
    if counts.examples == 0 {
        return Err(DataError::Settings(
            "no examples to evaluate on; pass a file that has some, or a larger share".into(),
        ));
    }
    Ok(counts)
}

fn count(example: &Example, frequencies: &mut [u64]) {
    let ids: &[usize] = match &example.target {
        Some(Target::Class(id)) => &[*id],
        Some(Target::Classes(ids) | Target::Tags(ids)) => ids,
        _ => &[],
    };
    for &id in ids {
        if let Some(frequency) = frequencies.get_mut(id) {
            *frequency += 1;
        }
    }
}
