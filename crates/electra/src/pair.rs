//! Generator and discriminator as they are trained together, and the two folders of a checkpoint.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use kiln_bert::BertEmbeddings;
use kiln_checkpoint::{OpenError, WriteError};
use kiln_learner::{LearnError, Observer};
use kiln_nn::{EncoderInputs, Init, gather_positions};
use kiln_tasks::Family;
use kiln_tasks::family::write_folder;
use kiln_tasks::replaced_tokens::{Half, ModelPair, Origins, PairFolder};
use kiln_tasks::settings::Sharing;
use kiln_text::tokenizer::Tokenizer;

use crate::model::ElectraBody;
use crate::pair_config::PairConfig;
use crate::{
    ElectraConfig, ElectraForMaskedLm, ElectraForPreTraining, ElectraModel, GeneratorHead,
};

/// What of the generator is not the discriminator's.
///
/// A shared parameter has one owner, the discriminator: one gradient, to which all who use it add,
/// and one state of the optimizer.
#[derive(Module, Debug)]
pub struct PairedGenerator {
    /// Its own embeddings, where nothing is shared.
    embeddings: Option<BertEmbeddings>,
    /// Projection and layers, unless these are shared too.
    body: Option<ElectraBody>,
    /// Always its own.
    head: GeneratorHead,
}

/// The two models of replaced token detection.
#[derive(Module, Debug)]
pub struct ElectraPair {
    /// Finds the replacements; owns whatever is shared.
    pub discriminator: ElectraForPreTraining,
    /// Makes them; none where they are drawn from all words alike.
    pub generator: Option<PairedGenerator>,
}

impl ElectraPair {
    /// What the generator has below its head, its own or the discriminator's.
    fn lower_half<'a>(
        &'a self,
        generator: &'a PairedGenerator,
    ) -> (&'a BertEmbeddings, &'a ElectraBody) {
        let shared = &self.discriminator.electra;
        (
            generator.embeddings.as_ref().unwrap_or(&shared.embeddings),
            generator.body.as_ref().unwrap_or(&shared.body),
        )
    }

    /// The generator as a model of its own; what is shared stands in both. For files: two models
    /// that hold one parameter can't both be trained.
    pub fn whole_generator(&self) -> Option<ElectraForMaskedLm> {
        let generator = self.generator.as_ref()?;
        let (embeddings, body) = self.lower_half(generator);
        Some(ElectraForMaskedLm {
            electra: ElectraModel {
                embeddings: embeddings.clone(),
                body: body.clone(),
            },
            head: generator.head.clone(),
        })
    }

    /// This pair with the parts of `whole` that are the generator's own.
    #[must_use]
    pub fn with_generator(self, whole: ElectraForMaskedLm) -> Self {
        let generator = self.generator.map(|generator| PairedGenerator {
            embeddings: generator.embeddings.map(|_| whole.electra.embeddings),
            body: generator.body.map(|_| whole.electra.body),
            head: whole.head,
        });
        Self { generator, ..self }
    }
}

impl ModelPair for ElectraPair {
    type Config = PairConfig;

    /// The discriminator's weights are drawn first.
    fn new(config: &PairConfig, init: &mut Init) -> Self {
        let discriminator = ElectraForPreTraining::new(&config.discriminator, init);
        let generator = config.generator.as_ref().map(|generator| PairedGenerator {
            embeddings: (config.sharing == Sharing::None)
                .then(|| BertEmbeddings::new(generator, init)),
            body: (config.sharing != Sharing::All).then(|| ElectraBody::new(generator, init)),
            head: GeneratorHead::new(generator, init),
        });
        Self {
            discriminator,
            generator,
        }
    }

    fn write(
        &self,
        config: &PairConfig,
        tokenizer: Option<&Tokenizer>,
        folder: &Path,
    ) -> Result<(), WriteError> {
        let halves = PairFolder::at(folder);
        let path = halves.make(Half::Discriminator, tokenizer)?;
        write_folder(&self.discriminator, &config.discriminator, &path)?;
        if let (Some(generator), Some(config)) = (self.whole_generator(), &config.generator) {
            let path = halves.make(Half::Generator, tokenizer)?;
            write_folder(&generator, config, &path)?;
        }
        Ok(())
    }

    fn read(self, folder: &Path) -> Result<Self, OpenError> {
        let halves = PairFolder::at(folder);
        let path = halves.half(Half::Discriminator);
        let discriminator = ElectraConfig::open_complete(self.discriminator, &path)?;
        let pair = Self {
            discriminator,
            ..self
        };
        let Some(generator) = pair.whole_generator() else {
            return Ok(pair);
        };
        let path = halves.half(Half::Generator);
        let generator = ElectraConfig::open_complete(generator, &path)?;
        Ok(pair.with_generator(generator))
    }

    fn vocab_size(config: &PairConfig) -> usize {
        config.discriminator.vocab_size
    }

    fn fields(config: &mut PairConfig) -> (&mut Option<usize>, Option<&mut Option<usize>>, f64) {
        let discriminator = &mut config.discriminator;
        let generator = config.generator.as_mut();
        (
            &mut discriminator.pad_token_id,
            generator.map(|generator| &mut generator.pad_token_id),
            discriminator.initializer_range,
        )
    }

    fn start(
        self,
        config: &PairConfig,
        origins: Origins<'_>,
        observer: &dyn Observer,
    ) -> Result<Self, LearnError> {
        self.started(config.sharing, origins, observer)
    }

    fn has_generator(config: &PairConfig) -> bool {
        config.generator.is_some()
    }

    fn moved_by_discriminator(_: &PairConfig) -> &'static [&'static str] {
        &["discriminator."]
    }

    fn generator_logits(
        &self,
        inputs: EncoderInputs,
        positions: Tensor<2, Int>,
    ) -> Option<Tensor<2>> {
        let generator = self.generator.as_ref()?;
        let (embeddings, body) = self.lower_half(generator);
        let embedded = embeddings.forward(inputs.input_ids, inputs.token_type_ids);
        let hidden_states = body.forward(embedded, inputs.attention_mask);
        let gathered = gather_positions(hidden_states, positions);
        let word_embeddings = embeddings.word_embeddings.weight.val();
        let rows = gathered.flatten::<2>(0, 1);
        Some(generator.head.forward(rows, word_embeddings))
    }

    fn discriminator_logits(&self, inputs: EncoderInputs) -> Tensor<2> {
        self.discriminator.forward(inputs)
    }
}
