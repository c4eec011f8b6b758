//! The flags of replaced token detection, and what they mean together.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use kiln_checkpoint::{ConfigFile, ModelFile};
use kiln_tasks::architecture::Architecture;
use kiln_tasks::replaced_tokens::PairFolder;
use kiln_tasks::settings::{ReplacedTokenSettings, Sharing};
use serde_json::Value;

use crate::failure::Failure;
use crate::folders::absolute;
use crate::model_folder::refuse_file;

// Where replacements come from, and how the losses weigh. Defaults are the preset's as published.
#[derive(Args)]
#[command(next_help_heading = "Replaced token detection (electra, deberta)")]
pub(crate) struct ReplacedTokenArgs {
    /// The generator's width, feed-forward width and heads as a share of the discriminator's; a
    /// weak one is found out at once, a strong one leaves nothing to find. Default: the preset's,
    /// else 0.25; deberta 1
    #[arg(long, value_name = "X", conflicts_with_all = ["generator_config", "init_generator"])]
    generator_size: Option<f64>,
    /// The generator's layers as a share of the discriminator's. Default: electra 1, deberta 0.5
    #[arg(long, value_name = "X", conflicts_with_all = ["generator_config", "init_generator"])]
    generator_layers: Option<f64>,
    /// A config.json for the generator, instead of a share
    #[arg(long, value_name = "F")]
    generator_config: Option<PathBuf>,
    /// Hugging Face folder of a generator to take its first weights from, and its config unless
    /// --generator-config has another. Default: that of a pair given with --init-from, else random
    /// weights
    #[arg(long, value_name = "MODEL")]
    init_generator: Option<PathBuf>,
    /// What generator and discriminator have in common. Default: electra embeddings, deberta
    /// gradient-disentangled
    #[arg(long, value_name = "WHAT")]
    share: Option<Share>,
    /// What the generator's loss is multiplied by. Default: 1
    #[arg(long, value_name = "X")]
    generator_weight: Option<f64>,
    /// What the discriminator's loss is multiplied by. Default: electra 50, deberta 10
    #[arg(long, value_name = "X")]
    discriminator_weight: Option<f64>,
    /// What the generator's scores are divided by before sampling; above 1 gives wilder
    /// replacements. Default: 1
    #[arg(long, value_name = "X")]
    temperature: Option<f64>,
    /// Never sample the word that stood there. Default: the generator may be right
    #[arg(long)]
    disallow_correct: bool,
    /// Replace by random words, without a generator: quicker, and easier to find out
    #[arg(long, conflicts_with_all = ["generator_size", "generator_layers", "generator_config",
        "init_generator", "share", "generator_weight", "temperature"])]
    uniform_generator: bool,
    /// Whether generator and discriminator step together or in turns. Default: electra together,
    /// deberta in turns
    #[arg(long, value_name = "HOW")]
    steps_of_both: Option<StepsOfBoth>,
}

/// In which order two models step.
#[derive(ValueEnum, Clone, Copy, PartialEq)]
enum StepsOfBoth {
    /// Both on the sum of their losses, one optimizer
    Together,
    /// First the generator, then the discriminator, an optimizer each
    Turns,
}

/// What two models have in common.
#[derive(ValueEnum, Clone, Copy)]
enum Share {
    /// The embedding block; deberta the words
    Embeddings,
    /// The generator's words, plus a learned difference, without a gradient to the generator
    GradientDisentangled,
    /// Nothing; the generator's embeddings are as narrow as it
    None,
    /// Everything below the heads; both have the same size
    All,
}

impl From<Share> for Sharing {
    fn from(share: Share) -> Self {
        match share {
            Share::Embeddings => Self::Embeddings,
            Share::GradientDisentangled => Self::GradientDisentangled,
            Share::None => Self::None,
            Share::All => Self::All,
        }
    }
}

impl ReplacedTokenArgs {
    /// The settings: `published` where nothing else is asked for.
    ///
    /// # Errors
    /// If the architecture has no generator and a flag asks for something of one, or a file can't be
    /// read.
    pub(super) fn settings(
        &self,
        architecture: &dyn Architecture,
        published: Option<ReplacedTokenSettings>,
        init_from: Option<&Path>,
    ) -> Result<Option<ReplacedTokenSettings>, Failure> {
        let Some(published) = published else {
            let architecture = architecture.name();
            return match self.first_flag() {
                Some(flag) => Err(Failure::usage(format_args!(
                    "{flag}: {architecture} has no generator with this objective; leave the flag out, or train \
                     electra, or deberta with --objective rtd"
                ))),
                None => Ok(None),
            };
        };
        let of_pair = init_from.and_then(PairFolder::find);
        let of_pair = of_pair.and_then(|pair| pair.generator());
        let sharing = self.share.map_or(published.sharing, Sharing::from);
        if let Some(flag) = self.size_flag() {
            self.check_size(flag, sharing, of_pair.as_deref())?;
        }
        if let Some(folder) = &self.init_generator {
            refuse_file(folder)?;
            // Only the list of tensors is read.
            ModelFile::open(folder)?;
        }
        let config = [&self.generator_config, &self.init_generator, &of_pair]
            .into_iter()
            .flatten()
            .next();
        let generator = match config {
            Some(path) if !self.uniform_generator => {
                let file = ConfigFile::open(path)?;
                // As the model's own, it need not say what it is.
                let known = architecture.model_types();
                let model_type = file.model_type();
                if let Some(other) = model_type.filter(|name| !known.contains(name)) {
                    let architecture = architecture.name();
                    return Err(Failure::usage(format_args!(
                        "{}: model_type = {other}: not of {architecture}; pass the config of a \
                         generator of {architecture}",
                        file.path().display()
                    )));
                }
                Some(Value::Object(file.fields().clone()))
            }
            _ => None,
        };
        Ok(Some(ReplacedTokenSettings {
            sharing,
            generator,
            generator_size: self.generator_size.unwrap_or(published.generator_size),
            generator_layers: self.generator_layers.unwrap_or(published.generator_layers),
            init_generator: self.init_generator.as_deref().map(absolute).transpose()?,
            generator_weight: self.generator_weight.unwrap_or(published.generator_weight),
            discriminator_weight: self
                .discriminator_weight
                .unwrap_or(published.discriminator_weight),
            temperature: self.temperature.unwrap_or(published.temperature),
            disallow_correct: self.disallow_correct || published.disallow_correct,
            uniform_generator: self.uniform_generator || published.uniform_generator,
            alternating: self
                .steps_of_both
                .map_or(published.alternating, |how| how == StepsOfBoth::Turns),
        }))
    }

    /// Refuses a size that nothing would have.
    fn check_size(
        &self,
        flag: &str,
        sharing: Sharing,
        of_pair: Option<&Path>,
    ) -> Result<(), Failure> {
        if sharing == Sharing::All {
            return Err(Failure::usage(format_args!(
                "{flag}: with --share all generator and discriminator have one size; leave one of \
                 the two flags out"
            )));
        }
        match of_pair {
            Some(generator) => Err(Failure::usage(format_args!(
                "{flag}: the generator in {} has a size; leave the flag out, or pass the \
                 discriminator's folder alone to start a fresh generator",
                generator.display()
            ))),
            None => Ok(()),
        }
    }

    /// The first flag that sets a size by a share.
    fn size_flag(&self) -> Option<&'static str> {
        let size = self.generator_size.map(|_| "--generator-size");
        size.or(self.generator_layers.map(|_| "--generator-layers"))
    }

    /// The first flag that was given.
    fn first_flag(&self) -> Option<&'static str> {
        [
            ("--generator-size", self.generator_size.is_some()),
            ("--generator-layers", self.generator_layers.is_some()),
            ("--generator-config", self.generator_config.is_some()),
            ("--init-generator", self.init_generator.is_some()),
            ("--share", self.share.is_some()),
            ("--generator-weight", self.generator_weight.is_some()),
            (
                "--discriminator-weight",
                self.discriminator_weight.is_some(),
            ),
            ("--temperature", self.temperature.is_some()),
            ("--disallow-correct", self.disallow_correct),
            ("--uniform-generator", self.uniform_generator),
            ("--steps-of-both", self.steps_of_both.is_some()),
        ]
        .into_iter()
        .find_map(|(flag, is_given)| is_given.then_some(flag))
    }
}
