//! The table: each architecture's small model, its batches, and what of it is compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::Device;
use kiln::bert::{self, BertConfig, BertPretraining};
use kiln::checkpoint::Names;
use kiln::deberta::{self, DebertaConfig, DebertaPretraining, DebertaReplacedTokens, MaskedLmForm};
use kiln::electra::{self, ElectraConfig, ElectraPretraining, PairConfig};
use kiln::learner::{ModelFiles, Objective};
use kiln::nn::Init;
use kiln::roberta::{self, Preset, RobertaConfig, RobertaPretraining};
use kiln::tasks::settings::{DetectionSettings, Sharing};
use kiln::text::examples::{
    ContinuousSegments, Documents, Examples, MaskedLmSource, PackedSequences, PermutedSettings,
    PermutedSource, SentencePairs,
};
use kiln::text::masking::Masking;
use kiln::text::rng::{Purpose, Rng};
use kiln::text::{BatchSource, Corpus, HostBatch, TextError, Vocabulary};
use kiln::xlnet::{self, XlnetConfig, XlnetPretraining};
use kiln_testing::Bound;

pub(crate) const VOCAB_SIZE: u32 = 97;
pub(crate) const SEQ_LEN: usize = 24;
pub(crate) const BATCH_SIZE: usize = 5;

pub(crate) fn vocabulary() -> Vocabulary {
    let is_special: Vec<bool> = (0..VOCAB_SIZE).map(|id| id < 5 && id != 1).collect();
    let is_continuation = vec![false; VOCAB_SIZE as usize];
    let size = VOCAB_SIZE;
    Vocabulary {
        size,
        pad: 0,
        unk: 1,
        cls: 2,
        sep: 3,
        mask: 4,
        is_special,
        is_continuation,
    }
}

/// Twelve documents of random words.
pub(crate) fn documents() -> Documents {
    let mut rng = Rng::at(11, Purpose::Examples, 0, 0);
    let mut sentence = || {
        let words = 2 + rng.below(9);
        (0..words)
            .map(|_| 5 + rng.below(u64::from(VOCAB_SIZE) - 5) as u32)
            .collect()
    };
    let documents = (0..12)
        .map(|_| (0..7).map(|_| sentence()).collect())
        .collect();
    Documents::all(Arc::new(Corpus::in_memory(documents, VOCAB_SIZE)))
}

pub(crate) fn masked(examples: Arc<dyn Examples>, masking: Masking) -> MaskedLmSource {
    let vocabulary = Arc::new(vocabulary());
    MaskedLmSource::new(examples, masking, vocabulary, BATCH_SIZE, 3).unwrap()
}

/// Wider than published, so that activations reach the curved parts of every function.
pub(crate) const INITIALIZER_RANGE: f64 = 0.15;

pub(crate) fn init(device: &Device) -> Init {
    Init::new(5, INITIALIZER_RANGE, device)
}

/// Name, values, and what they are compared as.
pub(crate) type Found = BTreeMap<String, (Vec<f32>, Bound)>;

/// An architecture in the table.
pub(crate) trait Subject {
    type Objective: Objective;

    const NAME: &'static str;

    /// Parameter names in the module.
    const NAMES: &'static Names;

    /// Folders of models within a checkpoint.
    const FOLDERS: &'static [&'static str];

    /// Files within a checkpoint of what is carried from step to step.
    const CARRIED: &'static [&'static str] = &[];

    /// Sequences in a batch.
    const BATCH_SIZE: usize = BATCH_SIZE;

    /// The objective with this rate of dropout.
    fn objective(dropout: f64) -> Self::Objective;

    fn model(objective: &Self::Objective, init: &mut Init)
    -> <Self::Objective as Objective>::Model;

    fn files(objective: &Self::Objective) -> ModelFiles<<Self::Objective as Objective>::Model>;

    /// The batches to compare backends on: nothing in them is left to a device's generator.
    fn source() -> Arc<dyn BatchSource>;

    /// The batches to train on as a user would.
    fn drawn_source() -> Arc<dyn BatchSource> {
        Self::source()
    }

    /// Outputs beside losses and gradients.
    fn outputs(device: &Device) -> Found {
        let _ = device;
        Found::new()
    }
}

/// What makes a subject's model, and its files: every objective has these methods, of no trait.
macro_rules! model_and_files {
    () => {
        fn model(
            objective: &Self::Objective,
            init: &mut Init,
        ) -> <Self::Objective as Objective>::Model {
            objective.new_model(init)
        }

        fn files(objective: &Self::Objective) -> ModelFiles<<Self::Objective as Objective>::Model> {
            objective.files(None)
        }
    };
}

pub(crate) struct Bert;

impl Subject for Bert {
    type Objective = BertPretraining;

    const NAME: &'static str = "bert";
    const NAMES: &'static Names = &bert::names::NAMES;
    const FOLDERS: &'static [&'static str] = &[""];

    fn objective(dropout: f64) -> BertPretraining {
        let config = BertConfig {
            vocab_size: VOCAB_SIZE as usize,
            hidden_size: 48,
            num_hidden_layers: 3,
            num_attention_heads: 3,
            intermediate_size: 80,
            max_position_embeddings: SEQ_LEN,
            hidden_dropout_prob: dropout,
            attention_probs_dropout_prob: dropout,
            ..BertConfig::default()
        };
        BertPretraining::new(config, true)
    }

    model_and_files!();

    fn source() -> Arc<dyn BatchSource> {
        let pairs = SentencePairs::new(documents(), &vocabulary(), SEQ_LEN, 0.1, 3).unwrap();
        Arc::new(masked(Arc::new(pairs), Masking::bert(SEQ_LEN)))
    }

    fn outputs(device: &Device) -> Found {
        let objective = Self::objective(0.0);
        let host = Self::source().batch(0).unwrap();
        let batch = objective.upload(&host, device);
        let model = Self::model(&objective, &mut init(device));
        let hidden_states = model.bert.forward(batch.masked.inputs());
        // Padded positions are never read: their values are nobody's business.
        let [_, _, hidden_size] = hidden_states.dims();
        let real: Vec<f32> = hidden_states
            .try_into_vec_as::<f32>()
            .unwrap()
            .chunks(hidden_size)
            .zip(&host.ints["attention_mask"].data)
            .filter(|(_, mask)| **mask == 1)
            .flat_map(|(row, _)| row.to_vec())
            .collect();
        Found::from([("last_hidden_state".into(), (real, Bound::Output))])
    }
}

pub(crate) struct Electra;

impl Subject for Electra {
    type Objective = ElectraPretraining;

    const NAME: &'static str = "electra";
    const NAMES: &'static Names = &electra::names::NAMES;
    const FOLDERS: &'static [&'static str] = &["discriminator", "generator"];

    fn objective(dropout: f64) -> ElectraPretraining {
        let discriminator = ElectraConfig {
            vocab_size: VOCAB_SIZE as usize,
            embedding_size: Some(32),
            hidden_size: 48,
            num_hidden_layers: 3,
            num_attention_heads: 3,
            intermediate_size: 80,
            max_position_embeddings: SEQ_LEN,
            hidden_dropout_prob: dropout,
            attention_probs_dropout_prob: dropout,
            ..ElectraConfig::default()
        };
        let settings = DetectionSettings {
            generator_size: 0.5,
            ..DetectionSettings::electra()
        };
        let generator = electra::generator_of(&discriminator, 0.5, 1.0);
        let config = PairConfig {
            discriminator,
            generator: Some(generator),
            sharing: Sharing::Embeddings,
        };
        ElectraPretraining::new(config, settings)
    }

    model_and_files!();

    fn source() -> Arc<dyn BatchSource> {
        Arc::new(WithSamples(segments()))
    }

    fn drawn_source() -> Arc<dyn BatchSource> {
        Arc::new(segments())
    }
}

pub(crate) fn deberta_config(dropout: f64) -> DebertaConfig {
    DebertaConfig {
        hidden_size: 48,
        num_hidden_layers: 3,
        num_attention_heads: 3,
        intermediate_size: 80,
        max_position_embeddings: SEQ_LEN,
        // Distances within a sequence fall into buckets of several.
        position_buckets: Some(16),
        hidden_dropout_prob: dropout,
        attention_probs_dropout_prob: dropout,
        ..deberta::presets::PRESETS[0].config(VOCAB_SIZE as usize)
    }
}

pub(crate) fn packed(masking: Masking) -> MaskedLmSource {
    let packed = PackedSequences::new(documents(), &vocabulary(), SEQ_LEN, 3).unwrap();
    masked(Arc::new(packed), masking)
}

/// DeBERTa v1's and v2's objective, on v3's attention.
pub(crate) struct DebertaWords;

impl Subject for DebertaWords {
    type Objective = DebertaPretraining;

    const NAME: &'static str = "deberta, mlm";
    const NAMES: &'static Names = &deberta::names::NAMES;
    const FOLDERS: &'static [&'static str] = &[""];

    fn objective(dropout: f64) -> DebertaPretraining {
        DebertaPretraining::new(deberta_config(dropout), MaskedLmForm::Enhanced)
    }

    model_and_files!();

    fn source() -> Arc<dyn BatchSource> {
        Arc::new(packed(Masking::deberta_mlm(SEQ_LEN)))
    }
}

/// DeBERTa v3's objective, in turns.
pub(crate) struct DebertaReplaced;

impl Subject for DebertaReplaced {
    type Objective = DebertaReplacedTokens;

    const NAME: &'static str = "deberta, rtd";
    const NAMES: &'static Names = &deberta::names::NAMES;
    const FOLDERS: &'static [&'static str] = &["discriminator", "generator"];

    fn objective(dropout: f64) -> DebertaReplacedTokens {
        let discriminator = deberta_config(dropout);
        let config = deberta::PairConfig {
            generator: discriminator.generator(1.0, 0.5),
            discriminator,
            sharing: Sharing::GradientDisentangled,
        };
        DebertaReplacedTokens::new(config, DetectionSettings::deberta())
    }

    model_and_files!();

    fn source() -> Arc<dyn BatchSource> {
        Arc::new(WithSamples(packed(Masking::deberta_rtd(SEQ_LEN))))
    }

    fn drawn_source() -> Arc<dyn BatchSource> {
        Arc::new(packed(Masking::deberta_rtd(SEQ_LEN)))
    }
}

/// BERT's encoder on RoBERTa's positions.
pub(crate) struct Roberta;

impl Subject for Roberta {
    type Objective = RobertaPretraining;

    const NAME: &'static str = "roberta";
    const NAMES: &'static Names = &roberta::names::NAMES;
    const FOLDERS: &'static [&'static str] = &[""];

    fn objective(dropout: f64) -> RobertaPretraining {
        let tiny = Preset::by_name("tiny").unwrap().config(VOCAB_SIZE as usize);
        let config = RobertaConfig {
            hidden_size: 48,
            num_hidden_layers: 3,
            num_attention_heads: 3,
            intermediate_size: 80,
            max_position_embeddings: SEQ_LEN + 1,
            pad_token_id: Some(vocabulary().pad as usize),
            hidden_dropout_prob: dropout,
            attention_probs_dropout_prob: dropout,
            ..tiny
        };
        RobertaPretraining::new(config, ())
    }

    model_and_files!();

    fn source() -> Arc<dyn BatchSource> {
        Arc::new(packed(Masking::bert(SEQ_LEN)))
    }
}

/// Permutation language modelling, with memory, in two directions.
pub(crate) struct Xlnet;

impl Subject for Xlnet {
    type Objective = XlnetPretraining;

    const NAME: &'static str = "xlnet";
    const NAMES: &'static Names = &xlnet::names::NAMES;
    const FOLDERS: &'static [&'static str] = &[""];
    const CARRIED: &'static [&'static str] = &["training/carry-0.safetensors"];
    // Half of them read backwards.
    const BATCH_SIZE: usize = 4;

    fn objective(dropout: f64) -> XlnetPretraining {
        let config = XlnetConfig {
            d_model: 48,
            n_layer: 3,
            n_head: 3,
            d_inner: 80,
            dropout,
            ..xlnet::presets::PRESETS[0].config(VOCAB_SIZE as usize, SEQ_LEN)
        };
        XlnetPretraining::new(config, Self::BATCH_SIZE)
    }

    model_and_files!();

    fn source() -> Arc<dyn BatchSource> {
        let settings = PermutedSettings {
            batch_size: Self::BATCH_SIZE,
            seed: 3,
            ..PermutedSettings::published(SEQ_LEN)
        };
        let vocabulary = Arc::new(vocabulary());
        Arc::new(PermutedSource::new(documents(), vocabulary, settings).unwrap())
    }
}

pub(crate) fn segments() -> MaskedLmSource {
    let segments = ContinuousSegments::new(documents(), &vocabulary(), SEQ_LEN, 0.05, 3).unwrap();
    masked(Arc::new(segments), Masking::electra(SEQ_LEN, 0.15))
}

/// Brings samples along, every fourth of them lucky: backends draw different ones.
pub(crate) struct WithSamples(MaskedLmSource);

impl BatchSource for WithSamples {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let mut batch = self.0.batch(index)?;
        let labels = batch.ints["labels"].clone();
        let last = VOCAB_SIZE as i32 - 1;
        let samples = labels.data.iter().enumerate().map(|(slot, &label)| {
            if slot % 4 == 0 {
                label
            } else {
                (label + 7).min(last)
            }
        });
        batch.insert_ints("samples", samples.collect(), &labels.shape);
        Ok(batch)
    }
}
