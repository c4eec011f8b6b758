//! DeBERTa's masked language modelling (He et al. 2021, section 3.2), with the enhanced mask decoder:
//! decoder and vocabulary are computed at the chosen positions alone.

use std::path::Path;

use burn::tensor::{Int, Tensor};
use kiln_checkpoint::WriteError;
use kiln_learner::{LearnError, Observer};
use kiln_nn::{EncoderInputs, Init};
use kiln_tasks::masked_lm_pretraining::{MaskedLm, MaskedLmPretraining};

use crate::open::write_masked_lm;
use crate::start::start_masked_lm;
use crate::{DebertaConfig, DebertaForMaskedLm, MaskedLmForm};

/// What DeBERTa v1 and v2 are pretrained with.
pub type DebertaPretraining = MaskedLmPretraining<DebertaForMaskedLm>;

impl MaskedLm for DebertaForMaskedLm {
    /// Head and decoder.
    type Form = MaskedLmForm;

    fn fields(config: &mut DebertaConfig) -> (&mut Option<usize>, f64) {
        (&mut config.pad_token_id, config.initializer_range)
    }

    fn draw(config: &DebertaConfig, form: &MaskedLmForm, init: &mut Init) -> Self {
        Self::new(config, *form, init)
    }

    fn predictions(&self, inputs: EncoderInputs, positions: Tensor<2, Int>) -> Tensor<2> {
        self.predictions(inputs, positions)
    }

    fn start(self, folder: &Path, observer: &dyn Observer) -> Result<Self, LearnError> {
        start_masked_lm(self, folder, observer)
    }

    fn write(&self, config: &DebertaConfig, folder: &Path) -> Result<(), WriteError> {
        write_masked_lm(self, config, folder)
    }
}
