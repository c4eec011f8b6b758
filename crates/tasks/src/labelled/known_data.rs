//! Data that were read before.

use std::collections::HashMap;
use std::sync::Arc;

use kiln_datasets::DataError;

use super::data::{TaskData, TrainingExamples};
use super::pipeline::TaskPipeline;
use super::settings::LabelledData;

/// The data of the runs of one program, each read once however many runs have it.
#[derive(Debug, Default)]
pub struct KnownData {
    examples: HashMap<String, TrainingExamples>,
    data: HashMap<String, TaskData>,
}

impl KnownData {
    /// The data of a run, read unless they are known.
    ///
    /// # Errors
    /// If a file is not the one that `data` names, can't be read, or has what the task can't use.
    pub fn open(
        &mut self,
        data: &LabelledData,
        pipeline: &Arc<TaskPipeline>,
    ) -> Result<TaskData, DataError> {
        let files = (&data.train, &data.train_identity, &data.tokenizer_identity);
        let examples = key(&(files, pipeline.settings()))?;
        let whole = key(&(&examples, &data.development))?;
        if let Some(known) = self.data.get(&whole) {
            return Ok(known.clone());
        }
        let read = match self.examples.get(&examples) {
            Some(known) => known.clone(),
            None => {
                let read = TrainingExamples::read(data, pipeline)?;
                self.examples.insert(examples, read.clone());
                read
            }
        };
        let data = TaskData::of(&read, &data.development, pipeline.clone())?;
        self.data.insert(whole, data.clone());
        Ok(data)
    }
}

/// All that decides what is read, as text.
fn key(what: &impl serde::Serialize) -> Result<String, DataError> {
    serde_json::to_string(what).map_err(|error| DataError::Settings(error.to_string()))
}
