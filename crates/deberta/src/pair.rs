//! v3's generator and discriminator as they are trained together, and the two folders of a
//! checkpoint.

use std::path::Path;

use burn::module::{Module, Param, ParamId};
use burn::nn::Embedding;
use burn::tensor::{Int, Tensor};
use kiln_checkpoint::{
    LoadOptions, ModelFile, NamedTensor, Names, OpenError, WriteError, load_module, module_tensors,
    write_safetensors,
};
use kiln_learner::{LearnError, Observer};
use kiln_nn::{EncoderInputs, Init, untracked};
use kiln_tasks::Family;
use kiln_tasks::family::write_folder;
use kiln_tasks::replaced_tokens::{Half, ModelPair, Origins, PairFolder};
use kiln_tasks::settings::Sharing;
use kiln_text::tokenizer::Tokenizer;

use crate::open::write_masked_lm;
use crate::pair_config::PairConfig;
use crate::{
    DebertaConfig, DebertaEmbeddings, DebertaEncoder, DebertaForMaskedLm, DebertaForPreTraining,
    DebertaModel, EmbeddingBlock, MaskPredictions, MaskedLmForm,
};

/// The learned difference between the two word tables, beside the two folders of a checkpoint. The
/// discriminator's own file has the sum, from which no difference follows to the last bit.
const DIFFERENCE_FILE: &str = "embedding_difference.safetensors";

/// The discriminator without the generator's share of it.
#[derive(Module, Debug)]
pub struct PairedDiscriminator {
    /// Its word table `[vocab_size, embedding_size]`, where nothing is shared; what it adds to the
    /// generator's, where gradients are disentangled; nothing where the generator's is its own, too.
    word_embeddings: Option<Embedding>,
    block: EmbeddingBlock,
    encoder: DebertaEncoder,
    mask_predictions: MaskPredictions,
    #[module(skip)]
    sharing: Sharing,
}

/// The two models of replaced token detection. A shared word table has one owner, the generator.
#[derive(Module, Debug)]
pub struct DebertaPair {
    /// Makes the replacements.
    pub generator: DebertaForMaskedLm,
    /// Finds them.
    pub discriminator: PairedDiscriminator,
}

impl PairedDiscriminator {
    fn new(config: &DebertaConfig, sharing: Sharing, init: &mut Init) -> Self {
        let word_embeddings = match sharing {
            Sharing::None => Some(init.embedding(config.vocab_size, config.embedding_size())),
            Sharing::GradientDisentangled => Some(Embedding {
                weight: init.filled([config.vocab_size, config.embedding_size()], 0.0),
            }),
            Sharing::Embeddings | Sharing::All => None,
        };
        Self {
            word_embeddings,
            block: EmbeddingBlock::new(config, init),
            encoder: DebertaEncoder::new(config, init),
            mask_predictions: MaskPredictions::new(config, init),
            sharing,
        }
    }

    /// The word table it reads with.
    ///
    /// ```text
    /// gradient-disentangled: E_D = stop_gradient(E_G) + E_Δ     (He et al. 2023, equation 4)
    /// ```
    ///
    /// # Shapes
    /// - `of_generator`: `[vocab_size, embedding_size]`
    /// - returns the same
    fn table(&self, of_generator: Tensor<2>) -> Tensor<2> {
        match (&self.word_embeddings, self.sharing) {
            (Some(difference), Sharing::GradientDisentangled) => {
                // Untracked, not only detached: nothing of the generator stands in this graph.
                difference.weight.val() + untracked(of_generator)
            }
            (Some(own), _) => own.weight.val(),
            (None, _) => of_generator,
        }
    }

    /// The values of the same table. Untracked: a graph that sees no backward pass is never freed.
    fn table_as_of_now(&self, of_generator: Tensor<2>) -> Tensor<2> {
        let of_generator = untracked(of_generator);
        match (&self.word_embeddings, self.sharing) {
            (Some(difference), Sharing::GradientDisentangled) => {
                untracked(difference.weight.val()) + of_generator
            }
            (Some(own), _) => untracked(own.weight.val()),
            (None, _) => of_generator,
        }
    }
}

impl DebertaPair {
    /// The discriminator as a model of its own, to be written to a file, not to be trained: its word
    /// table is a copy of what it reads with at this step.
    pub fn whole_discriminator(&self) -> DebertaForPreTraining {
        let discriminator = &self.discriminator;
        let table = discriminator.table_as_of_now(self.generator.deberta.word_embeddings());
        DebertaForPreTraining {
            deberta: DebertaModel {
                embeddings: DebertaEmbeddings {
                    word_embeddings: Embedding {
                        weight: Param::initialized(ParamId::new(), table),
                    },
                    block: discriminator.block.clone(),
                },
                encoder: discriminator.encoder.clone(),
            },
            mask_predictions: discriminator.mask_predictions.clone(),
        }
    }

    /// This pair with the discriminator's own parts from `whole`; a difference becomes what lies
    /// between `whole`'s word table and the generator's.
    #[must_use]
    pub fn with_discriminator(self, whole: DebertaForPreTraining) -> Self {
        let DebertaModel {
            embeddings,
            encoder,
        } = whole.deberta;
        let of_generator = self.generator.deberta.word_embeddings();
        let sharing = self.discriminator.sharing;
        let word_embeddings = self.discriminator.word_embeddings.map(|mut own| {
            let theirs = embeddings.word_embeddings.weight.val();
            let value = if sharing == Sharing::GradientDisentangled {
                untracked(theirs) - untracked(of_generator)
            } else {
                untracked(theirs)
            };
            own.weight = own.weight.map(|old| in_place_of(&old, value));
            own
        });
        Self {
            generator: self.generator,
            discriminator: PairedDiscriminator {
                word_embeddings,
                block: embeddings.block,
                encoder,
                mask_predictions: whole.mask_predictions,
                sharing,
            },
        }
    }

    /// This pair with the word table of `whole` as the generator's.
    #[must_use]
    pub fn with_word_table(mut self, whole: &DebertaForPreTraining) -> Self {
        let theirs = untracked(whole.deberta.embeddings.word_embeddings.weight.val());
        let own = &mut self.generator.deberta.embeddings.word_embeddings;
        own.weight = own.weight.clone().map(|old| in_place_of(&old, theirs));
        self
    }

    /// The learned difference as named tensors, where gradients are disentangled.
    fn difference(&self) -> Option<Result<Vec<NamedTensor>, WriteError>> {
        let discriminator = &self.discriminator;
        (discriminator.sharing == Sharing::GradientDisentangled)
            .then_some(discriminator.word_embeddings.as_ref())
            .flatten()
            .map(|difference| module_tensors(difference, &Names::SAME))
    }
}

impl ModelPair for DebertaPair {
    type Config = PairConfig;

    /// The generator's weights are drawn first; a difference is zero.
    fn new(config: &PairConfig, init: &mut Init) -> Self {
        Self {
            generator: DebertaForMaskedLm::new(&config.generator, MaskedLmForm::Enhanced, init),
            discriminator: PairedDiscriminator::new(&config.discriminator, config.sharing, init),
        }
    }

    fn write(
        &self,
        config: &PairConfig,
        tokenizer: Option<&Tokenizer>,
        folder: &Path,
    ) -> Result<(), WriteError> {
        let halves = PairFolder::at(folder);
        let path = halves.make(Half::Generator, tokenizer)?;
        write_masked_lm(&self.generator, &config.generator, &path)?;
        let path = halves.make(Half::Discriminator, tokenizer)?;
        let whole = self.whole_discriminator();
        write_folder(&whole, &config.discriminator, &path)?;
        if let Some(difference) = self.difference() {
            write_safetensors(&folder.join(DIFFERENCE_FILE), &difference?)?;
        }
        Ok(())
    }

    fn read(self, folder: &Path) -> Result<Self, OpenError> {
        let halves = PairFolder::at(folder);
        let path = halves.half(Half::Generator);
        let generator = DebertaConfig::open_complete(self.generator, &path)?;
        let pair = Self { generator, ..self };
        let path = halves.half(Half::Discriminator);
        let whole = DebertaConfig::open_complete(pair.whole_discriminator(), &path)?;
        let mut pair = pair.with_discriminator(whole);
        if pair.discriminator.sharing == Sharing::GradientDisentangled
            && let Some(difference) = pair.discriminator.word_embeddings.take()
        {
            let path = folder.join(DIFFERENCE_FILE);
            let file = ModelFile::open(&path)?;
            let options = LoadOptions {
                base_prefix: None,
                ignorable: &[],
                tied: &[],
            };
            let (difference, report) = load_module(difference, &Names::SAME, &file, &options)?;
            report.require_complete(&path)?;
            pair.discriminator.word_embeddings = Some(difference);
        }
        Ok(pair)
    }

    fn vocab_size(config: &PairConfig) -> usize {
        config.generator.vocab_size
    }

    fn fields(config: &mut PairConfig) -> (&mut Option<usize>, Option<&mut Option<usize>>, f64) {
        let discriminator = &mut config.discriminator;
        (
            &mut discriminator.pad_token_id,
            Some(&mut config.generator.pad_token_id),
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

    fn has_generator(_: &PairConfig) -> bool {
        true
    }

    /// A table that is shared without more ado is moved by both optimizers.
    fn moved_by_discriminator(config: &PairConfig) -> &'static [&'static str] {
        match config.sharing {
            Sharing::Embeddings | Sharing::All => &[
                "discriminator.",
                "generator.deberta.embeddings.word_embeddings.",
            ],
            Sharing::None | Sharing::GradientDisentangled => &["discriminator."],
        }
    }

    fn generator_logits(
        &self,
        inputs: EncoderInputs,
        positions: Tensor<2, Int>,
    ) -> Option<Tensor<2>> {
        Some(self.generator.predictions(inputs, positions))
    }

    fn discriminator_logits(&self, inputs: EncoderInputs) -> Tensor<2> {
        let discriminator = &self.discriminator;
        let attention_mask = inputs.attention_mask.clone();
        let table = discriminator.table(self.generator.deberta.word_embeddings());
        let embedded = discriminator.block.forward(table, inputs);
        let hidden_states = discriminator.encoder.forward(embedded, attention_mask);
        discriminator.mask_predictions.forward(hidden_states)
    }
}

/// `value` where `old` was: on its device, and a parameter to be trained if it was one.
fn in_place_of(old: &Tensor<2>, value: Tensor<2>) -> Tensor<2> {
    let value = Tensor::from_data(value.into_data(), &old.device());
    if old.is_require_grad() {
        value.require_grad()
    } else {
        value
    }
}
