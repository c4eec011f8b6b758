//! What a fine-tuning run trains and is evaluated on.

use std::sync::Arc;

use kiln_datasets::batching::{Rows, TrainOrder, TrainSource};
use kiln_datasets::features::FeatureCounts;
use kiln_datasets::reading::{Dataset, Survey};
use kiln_datasets::splits::{Parts, folds, held_out};
use kiln_datasets::{DataError, Example, LabelMap, Labels, Target};

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

/// Training rows on disk, and the examples to evaluate on.
#[derive(Debug)]
pub struct TaskData {
    /// How examples become batches and predictions.
    pub pipeline: Arc<TaskPipeline>,
    /// What the run is evaluated on.
    pub dev: Option<DevExamples>,
    /// What became of the training examples.
    pub counts: FeatureCounts,
    /// How often each label stands in the training examples: examples, or words.
    pub frequencies: Vec<u64>,
    /// What to tell the user.
    pub notes: Vec<String>,
    rows: Rows,
}

impl TaskData {
    /// Reads the training examples, and looks at those to evaluate on: what can't be used is found
    /// before the first step.
    ///
    /// # Errors
    /// If a file is not the one that `data` names, can't be read, or has what the task can't use.
    pub fn open(
        data: &LabelledData,
        task: &TaskSettings,
        pipeline: Arc<TaskPipeline>,
    ) -> Result<Self, DataError> {
        let dataset = Dataset::open(data.train.clone(), true)?;
        dataset.check_identity(&data.train_identity)?;
        let mut notes = dataset.decided().notes.clone();
        let map = map_of(&dataset, task)?;
        notes.extend(map.notes());
        let (dev, parts) = development(&data.development, &dataset, &map, task)?;
        if let Some(dev) = dev.as_ref().filter(|dev| dev.part.is_none()) {
            notes.extend(dev.dataset.decided().notes.iter().cloned());
            notes.extend(dev.labels.notes());
        }
        notes.dedup();
        if let Some(dev) = &dev {
            check(dev, &pipeline)?;
        }
        let mut frequencies = vec![0; task.labels.len()];
        let trained = numbered(&dataset, &map).filter(|example| match (example, &parts) {
            (Ok((number, _)), Some((parts, left_out))) => parts.part(*number) != Some(*left_out),
            _ => true,
        });
        let trained = trained.inspect(|example| {
            if let Ok((_, example)) = example {
                count(example, &mut frequencies);
            }
        });
        let (store, counts) = pipeline.store(trained)?;
        let rows = Rows::all(Arc::new(store.finish()?))?;
        if rows.is_empty() {
            return Err(DataError::Settings(
                "no examples to train on; pass a file that has some".into(),
            ));
        }
        Ok(Self {
            pipeline,
            dev,
            counts,
            frequencies,
            notes,
            rows,
        })
    }

    /// Rows of an epoch.
    pub fn num_rows(&self) -> u64 {
        self.rows.len() as u64
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
fn development(
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
fn check(dev: &DevExamples, pipeline: &TaskPipeline) -> Result<(), DataError> {
    if pipeline.check(dev.examples())?.examples == 0 {
        return Err(DataError::Settings(
            "no examples to evaluate on; pass a file that has some, or a larger share".into(),
        ));
    }
    Ok(())
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
