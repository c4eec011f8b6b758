//! The discriminator on texts: for every token the probability that another one stood there.

use std::path::Path;

use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_bert::BertInputs;
use kiln_checkpoint::ModelFile;
use kiln_learner::LearnError;
use kiln_learner::architecture::{ReplacedTokensRequest, TokenScore};
use kiln_nn::Init;
use kiln_text::tokenizer::Tokenizer;

use crate::open::{Role, check_sizes, half, open_all_weights, open_config};
use crate::{ElectraConfig, ElectraForPreTraining};

/// A discriminator with its tokenizer, opened once and used for many texts.
#[derive(Debug)]
pub struct ReplacedTokenDetector {
    model: ElectraForPreTraining,
    config: ElectraConfig,
    tokenizer: Tokenizer,
    device: Device,
}

impl ReplacedTokenDetector {
    /// Opens a discriminator's Hugging Face folder, or that within a pair's.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the model has no discriminator's head: a fresh one would
    /// give random scores.
    pub fn open(folder: &Path, device: &Device) -> Result<Self, LearnError> {
        let folder = half(folder, Role::Discriminator);
        let config = open_config(&folder)?;
        let tokenizer = Tokenizer::open(&folder)?;
        if tokenizer.vocab_size() as usize > config.vocab_size {
            return Err(LearnError::Settings(format!(
                "{}: the tokenizer has {} tokens, the model {}; they do not belong together",
                folder.display(),
                tokenizer.vocab_size(),
                config.vocab_size
            )));
        }
        let weights = ModelFile::open(&folder)?;
        check_sizes(&config, &weights)?;
        let model = ElectraForPreTraining::new(&config, &mut Init::zeros(device));
        Ok(Self {
            model: open_all_weights(model, &weights)?,
            config,
            tokenizer,
            device: device.clone(),
        })
    }

    /// A score for every token of `text`, those the tokenizer adds included.
    ///
    /// # Errors
    /// If the text is longer than the model's positions.
    pub fn scores(&self, text: &str) -> Result<Vec<TokenScore>, LearnError> {
        let ids = self.tokenizer.encode_with_specials(text)?;
        if ids.len() > self.config.max_position_embeddings {
            let excerpt: String = text.chars().take(60).collect();
            return Err(LearnError::Settings(format!(
                "\"{excerpt}\": {} tokens, the model takes {}; shorten the text",
                ids.len(),
                self.config.max_position_embeddings
            )));
        }
        let row = |values: Vec<i32>| {
            let count = values.len();
            Tensor::<2, Int>::from_data(TensorData::new(values, [1, count]), &self.device)
        };
        let logits = self.model.forward(BertInputs {
            input_ids: row(ids.iter().map(|&id| id as i32).collect()),
            attention_mask: None,
            token_type_ids: row(vec![0; ids.len()]),
        });
        let scores =
            sigmoid(logits)
                .try_into_vec_as::<f32>()
                .map_err(|error| LearnError::Device {
                    step: 0,
                    reason: error.to_string(),
                })?;
        Ok(ids
            .into_iter()
            .zip(scores)
            .enumerate()
            .map(|(position, (id, replaced))| TokenScore {
                token: self.tokenizer.token(id).unwrap_or_default(),
                id,
                position,
                replaced: f64::from(replaced),
            })
            .collect())
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
