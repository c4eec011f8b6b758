//! What memory a fine-tuning run needs.

use kiln_learner::LearnError;

use super::settings::FineTuneSettings;
use super::tuned_family::TunedFamily;
use crate::memory::{AtRest, MemoryEstimate, StepSize};

impl FineTuneSettings {
    /// The memory that the run needs whose longest row has `seq_len` tokens, and none more than
    /// `sequences` sequences. `family` is the architecture's.
    ///
    /// # Errors
    /// If the model's config is not the architecture's.
    pub fn memory(
        &self,
        family: &dyn TunedFamily,
        (seq_len, sequences): (usize, usize),
    ) -> Result<MemoryEstimate, LearnError> {
        let (training, tuning) = (&self.training, &self.fine_tuning);
        let step = StepSize {
            rows: training.batch_size.saturating_mul(sequences),
            seq_len,
            predictions: 0,
            accumulate: training.accumulate,
            data_ahead: training.data_ahead,
            devices: self.devices.len(),
        };
        let at_rest = AtRest {
            embeddings: tuning.freeze_embeddings,
            layers: tuning.freeze_layers,
            adapters: tuning.lora.as_ref().map(|lora| lora.rank),
        };
        let size = family.model_size(&self.model, seq_len)?;
        // SiFT compares a disturbed pass with the clean one.
        let passes = 1 + usize::from(tuning.sift.is_some());
        Ok(MemoryEstimate::of_tuning(&size, at_rest, &step, passes))
    }
}
