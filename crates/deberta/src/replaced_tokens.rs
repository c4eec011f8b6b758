//! v3's discriminator on texts: for every token the probability that another one stood there.

use std::path::Path;

use burn::tensor::Device;
use burn::tensor::activation::sigmoid;
use kiln_checkpoint::ModelFile;
use kiln_learner::LearnError;
use kiln_nn::Init;
use kiln_tasks::architecture::{ReplacedTokensRequest, TokenScore};
use kiln_tasks::one_text::{read_output, text_inputs};
use kiln_tasks::replaced_tokens::{Half, TextScorer};

use crate::DebertaForPreTraining;
use crate::open::{check_sizes, open_all_weights, open_config};

/// A discriminator with its tokenizer, opened once and used for many texts.
#[derive(Debug)]
pub struct ReplacedTokenDetector {
    model: DebertaForPreTraining,
    texts: TextScorer,
    device: Device,
}

impl ReplacedTokenDetector {
    /// Opens a discriminator's Hugging Face folder, or that within a pair's.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the model has no discriminator's head: a fresh one would
    /// give random scores.
    pub fn open(folder: &Path, device: &Device) -> Result<Self, LearnError> {
        let folder = Half::Discriminator.meant_by(folder);
        let config = open_config(&folder)?;
        let texts = TextScorer::open(&folder, config.sizes())?;
        let weights = ModelFile::open(&folder)?;
        check_sizes(&config, &weights)?;
        let model = DebertaForPreTraining::new(&config, &mut Init::zeros(device));
        Ok(Self {
            model: open_all_weights(model, &weights)?,
            texts,
            device: device.clone(),
        })
    }

    /// A score for every token of `text`, those the tokenizer adds included.
    ///
    /// # Errors
    /// If the text is longer than the model's positions, where it has any.
    pub fn scores(&self, text: &str) -> Result<Vec<TokenScore>, LearnError> {
        self.texts.scores(text, |ids| self.probabilities(ids))
    }

    /// The probability for each of `ids` that another one stood there.
    fn probabilities(&self, ids: &[u32]) -> Result<Vec<f32>, LearnError> {
        let logits = self.model.forward(text_inputs(ids, &self.device));
        read_output(sigmoid(logits))
    }
}

/// Scores all texts of a request.
///
/// # Errors
/// As [`ReplacedTokenDetector::open`] and [`ReplacedTokenDetector::scores`].
pub(crate) fn replaced_tokens(
    request: &ReplacedTokensRequest,
) -> Result<Vec<Vec<TokenScore>>, LearnError> {
    let detector = ReplacedTokenDetector::open(&request.model, &request.device)?;
    request
        .texts
        .iter()
        .map(|text| detector.scores(text))
        .collect()
}
