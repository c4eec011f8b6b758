//! A small pair with random weights, and text for it.

use std::sync::Arc;

use burn::tensor::Device;
use kiln_deberta::{DebertaConfig, DebertaPair, DebertaReplacedTokens, PairConfig};
use kiln_learner::{OptimizerSettings, TrainingSettings};
use kiln_nn::Init;
use kiln_tasks::settings::{DetectionSettings, Sharing};
use kiln_text::examples::{Documents, MaskedLmSource, PackedSequences};
use kiln_text::masking::Masking;
use kiln_text::rng::{Purpose, Rng};
use kiln_text::{BatchSource, Corpus, HostBatch, TextError, Vocabulary};

pub(crate) const VOCAB_SIZE: u32 = 61;
pub(crate) const SEQ_LEN: usize = 20;

pub(crate) fn vocabulary() -> Vocabulary {
    Vocabulary {
        size: VOCAB_SIZE,
        pad: 0,
        cls: 1,
        sep: 2,
        unk: 3,
        mask: 4,
        is_special: (0..VOCAB_SIZE).map(|id| id < 5 && id != 3).collect(),
        is_continuation: vec![false; VOCAB_SIZE as usize],
    }
}

pub(crate) fn source(batch_size: usize) -> MaskedLmSource {
    let mut rng = Rng::at(5, Purpose::Examples, 0, 0);
    let mut sentence = || {
        let words = 1 + rng.below(9);
        (0..words)
            .map(|_| 5 + rng.below(u64::from(VOCAB_SIZE) - 5) as u32)
            .collect()
    };
    let documents = (0..9)
        .map(|_| (0..6).map(|_| sentence()).collect())
        .collect();
    let documents = Documents::all(Arc::new(Corpus::in_memory(documents, VOCAB_SIZE)));
    let examples = PackedSequences::new(documents, &vocabulary(), SEQ_LEN, 3).unwrap();
    let masking = Masking::deberta_rtd(SEQ_LEN);
    let vocabulary = Arc::new(vocabulary());
    MaskedLmSource::new(Arc::new(examples), masking, vocabulary, batch_size, 3).unwrap()
}

/// Brings samples along, none of them lucky: backends draw different ones.
pub(crate) struct WithSamples(pub(crate) MaskedLmSource);

impl BatchSource for WithSamples {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let mut batch = self.0.batch(index)?;
        let labels = batch.ints["labels"].clone();
        let last = VOCAB_SIZE as i32 - 1;
        let other = |&label: &i32| if label < last { label + 1 } else { 5 };
        let samples = labels.data.iter().map(other).collect();
        batch.insert_ints("samples", samples, &labels.shape);
        Ok(batch)
    }
}

pub(crate) fn config(dropout: f64) -> DebertaConfig {
    DebertaConfig {
        vocab_size: VOCAB_SIZE as usize,
        hidden_size: 16,
        num_hidden_layers: 3,
        num_attention_heads: 2,
        intermediate_size: 24,
        max_position_embeddings: SEQ_LEN,
        relative_attention: true,
        position_biased_input: false,
        position_buckets: Some(8),
        share_att_key: Some(true),
        norm_rel_ebd: Some("layer_norm".into()),
        pos_att_type: serde_json::from_str(r#""p2c|c2p""#).unwrap(),
        hidden_dropout_prob: dropout,
        attention_probs_dropout_prob: dropout,
        ..DebertaConfig::v2()
    }
}

pub(crate) fn objective_with(
    dropout: f64,
    sharing: Sharing,
    alternating: bool,
    change: impl FnOnce(&mut DetectionSettings),
) -> DebertaReplacedTokens {
    let discriminator = config(dropout);
    discriminator.validate().unwrap();
    let size = if sharing == Sharing::None { 0.5 } else { 1.0 };
    let mut settings = super::settings(sharing, alternating);
    change(&mut settings);
    let config = PairConfig {
        generator: discriminator.generator(size, 0.5),
        discriminator,
        sharing,
    };
    DebertaReplacedTokens::new(config, settings)
}

pub(crate) fn objective(sharing: Sharing, alternating: bool) -> DebertaReplacedTokens {
    objective_with(0.0, sharing, alternating, |_| ())
}

pub(crate) fn model(objective: &DebertaReplacedTokens, device: &Device) -> DebertaPair {
    objective.new_model(&mut Init::new(2, 0.2, device))
}

pub(crate) fn optimizer(learning_rate: f64, weight_decay: f64) -> OptimizerSettings {
    OptimizerSettings {
        learning_rate,
        weight_decay,
        ..Default::default()
    }
}

pub(crate) fn training(steps: u64, optimizer: OptimizerSettings) -> TrainingSettings {
    TrainingSettings {
        steps,
        batch_size: 4,
        warmup: 0,
        optimizer,
        ..Default::default()
    }
}

/// The files of a model as it is written.
pub(crate) fn write(objective: &DebertaReplacedTokens, model: &DebertaPair) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    objective.files(None).write(model, folder.path()).unwrap();
    folder
}
