//! RoBERTa's config.json: BERT's fields, with Hugging Face's values where one is left out.

use kiln_bert::BertConfig;
use serde::{Deserialize, Serialize};

/// What a RoBERTa is made of. [`kiln_tasks::Family::open`] and [`kiln_tasks::Family::parse`] read a config.json: they know
/// what its fields are where it leaves them out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RobertaConfig {
    /// All fields. Of `max_position_embeddings` rows those up to `pad_token_id` are no token's.
    pub encoder: BertConfig,
}

impl Default for RobertaConfig {
    /// Hugging Face's defaults: BERT-base's sizes with 50,265 words, padding's id 1.
    fn default() -> Self {
        Self {
            encoder: BertConfig {
                model_type: "roberta".to_owned(),
                vocab_size: 50_265,
                pad_token_id: Some(1),
                ..BertConfig::default()
            },
        }
    }
}
