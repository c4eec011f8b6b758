//! DeBERTa as the command line lists it.

use std::path::Path;

use kiln_learner::{LearnError, OptimizerSettings, TrainOutcome};
use kiln_tasks::architecture::{
    Architecture, FillMaskRequest, ForwardRequest, MaskFilling, Output, OwnObjective, Recipe,
    ReplacedTokensRequest, RunContext, TokenScore, unknown_preset,
};
use kiln_tasks::embedding::{EmbedRequest, TextEmbedder};
use kiln_tasks::labelled::{PublishedSize, Task, TasksOf, TunedFamily, TuningRecipe};
use kiln_tasks::masked_lm_data::check_masked_run;
use kiln_tasks::memory::{Footprint, ModelSize};
use kiln_tasks::model_config::config_value;
use kiln_tasks::settings::{
    DetectionSettings, ExampleSettings, MaskedLmSettings, ObjectiveSettings,
    ReplacedTokensSettings, RunSettings, Sharing, WordHead,
};
use kiln_tasks::tying::ties;
use kiln_tasks::{Family, forward, masked_lm_pretraining, predict, replaced_tokens};
use kiln_text::masking::Masking;
use kiln_text::tokenizer::TokenizerKind;
use serde_json::Value;

use crate::config::DebertaVersion;
use crate::own_objective::{MLM, RTD, own_objective};
use crate::pair_config::PairConfig;
use crate::presets::{PRESETS, Preset};
use crate::{
    DebertaConfig, DebertaForMaskedLm, DebertaForPreTraining, DebertaModel, DebertaPair,
    MaskedLmForm,
};

/// DeBERTa v1, v2 and v3.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deberta;

impl Architecture for Deberta {
    fn name(&self) -> &'static str {
        "deberta"
    }

    fn model_types(&self) -> Vec<&'static str> {
        [DebertaVersion::V2, DebertaVersion::V1]
            .map(DebertaVersion::model_type)
            .to_vec()
    }

    fn class_prefix(&self) -> Option<&'static str> {
        Some("DebertaV2")
    }

    fn objectives(&self) -> Vec<&'static str> {
        vec![RTD, MLM]
    }

    fn presets(&self) -> Vec<&'static str> {
        PRESETS.iter().map(|preset| preset.name).collect()
    }

    fn preset(&self, name: &str, vocab_size: usize, seq_len: usize) -> Result<Value, LearnError> {
        let preset = Preset::by_name(name).ok_or_else(|| unknown_preset(self, name))?;
        let mut config = preset.config(vocab_size);
        // Room for the published 512, or more where longer sequences are trained.
        config.max_position_embeddings = config.max_position_embeddings.max(seq_len);
        config_value(&config)
    }

    fn tokenizer(&self, preset: Option<&str>) -> TokenizerKind {
        match version(preset) {
            DebertaVersion::V1 => TokenizerKind::ByteBpe,
            DebertaVersion::V2 => TokenizerKind::Unigram,
        }
    }

    fn objective(
        &self,
        name: Option<&str>,
        preset: Option<&str>,
        seq_len: usize,
    ) -> ObjectiveSettings {
        let is_rtd = match name {
            Some(name) => name == RTD,
            None => version(preset) == DebertaVersion::V2,
        };
        // All text in a row, cut into full sequences (the original's `prepare_data`).
        let examples = ExampleSettings::packed();
        if !is_rtd {
            return ObjectiveSettings::MaskedLm(MaskedLmSettings {
                masking: Masking::deberta_mlm(seq_len),
                examples,
                next_sentence: None,
                word_head: Some(WordHead::Enhanced),
            });
        }
        ObjectiveSettings::ReplacedTokens(ReplacedTokensSettings {
            masking: Masking::deberta_rtd(seq_len),
            examples,
            detection: DetectionSettings::deberta(),
        })
    }

    fn own_objective(&self, folder: &Path) -> Result<OwnObjective, LearnError> {
        own_objective(folder)
    }

    fn recipe(&self, preset: Option<&str>) -> Recipe {
        let preset = preset.and_then(Preset::by_name);
        preset.map_or_else(Recipe::default, Preset::recipe)
    }

    fn check(&self, settings: &RunSettings) -> Result<(), LearnError> {
        checked(settings).map(drop)
    }

    fn footprint(&self, settings: &RunSettings) -> Result<Footprint, LearnError> {
        let seq_len = settings.data.seq_len;
        let size = |config: &DebertaConfig| Family::model_size(config, seq_len);
        // The mask decoder is the last layer twice, for the predicted positions alone.
        let of_words = |config: &DebertaConfig| ModelSize {
            predicts_words: true,
            query_layers: 2,
            ..size(config)
        };
        Ok(match plan(settings)? {
            Plan::Pair(config, detection) => {
                let discriminator = ModelSize {
                    shares_words: config.sharing == Sharing::Embeddings,
                    ..size(&config.discriminator)
                };
                Footprint {
                    models: vec![of_words(&config.generator), discriminator],
                    in_turns: detection.alternating,
                }
            }
            Plan::Words(config, form) => {
                let model = ModelSize {
                    own_head: form.legacy() && !ties(&config.other),
                    ..of_words(&config)
                };
                Footprint::of(model)
            }
        })
    }

    fn pretrain(
        &self,
        settings: &RunSettings,
        context: RunContext,
    ) -> Result<TrainOutcome, LearnError> {
        match checked(settings)? {
            Plan::Words(config, form) => masked_lm_pretraining::pretrain::<DebertaForMaskedLm>(
                *config, form, settings, context,
            ),
            Plan::Pair(config, detection) => {
                replaced_tokens::pretrain::<DebertaPair>(*config, detection, settings, context)
            }
        }
    }

    /// Rates that its repository's scripts have for most tasks, and their tagging; its small models have
    /// none published. Those of the preset `tiny` are what docs/results.md has found.
    fn tuning_recipe(&self, task: Task, size: PublishedSize) -> TuningRecipe {
        let bert = TuningRecipe::bert(task, size);
        TuningRecipe {
            optimizer: OptimizerSettings {
                learning_rate: size.pick([2e-3, 3e-4, 2e-5, 1e-5]),
                ..bert.optimizer
            },
            batch_size: if task == Task::Tag {
                16
            } else {
                bert.batch_size
            },
            epochs: match task {
                Task::Tag => size.pick([bert.epochs, bert.epochs, 15.0, 15.0]),
                _ => bert.epochs,
            },
            ..bert
        }
    }

    fn tuned(&self) -> &'static dyn TunedFamily {
        &TasksOf::<DebertaConfig>::ALL
    }

    fn fill_mask(&self, request: &FillMaskRequest) -> Result<Vec<Vec<MaskFilling>>, LearnError> {
        predict::fill_mask::<DebertaForMaskedLm>(request)
    }

    fn replaced_tokens(
        &self,
        request: &ReplacedTokensRequest,
    ) -> Result<Vec<Vec<TokenScore>>, LearnError> {
        predict::replaced_tokens::<DebertaForPreTraining>(request)
    }

    fn embedder(&self, request: &EmbedRequest) -> Result<Box<dyn TextEmbedder>, LearnError> {
        predict::embedder::<DebertaModel>(request)
    }

    fn forward(&self, request: &ForwardRequest) -> Result<Vec<Output>, LearnError> {
        forward::forward::<DebertaConfig>(request)
    }
}

/// A preset's version; the newest where none is meant.
fn version(preset: Option<&str>) -> DebertaVersion {
    let preset = preset.and_then(Preset::by_name);
    preset.map_or(DebertaVersion::V2, |preset| preset.version)
}

/// What a run trains, as its settings say.
enum Plan<'a> {
    /// One model, to predict masked words.
    Words(Box<DebertaConfig>, MaskedLmForm),
    /// A generator, and a discriminator of what it replaced.
    Pair(Box<PairConfig>, &'a DetectionSettings),
}

/// The models' configs, opened and checked.
fn plan(settings: &RunSettings) -> Result<Plan<'_>, LearnError> {
    let config = DebertaConfig::parse(&settings.model)?;
    match &settings.objective {
        ObjectiveSettings::MaskedLm(objective) => {
            let form = form(&config, objective)?;
            Ok(Plan::Words(Box::new(config), form))
        }
        ObjectiveSettings::ReplacedTokens(objective) => {
            let detection = &objective.detection;
            let config = PairConfig::new(config, detection)?;
            Ok(Plan::Pair(Box::new(config), detection))
        }
        other => Err(other.refuse_for(Deberta.name())),
    }
}

/// What a run trains, if it can be trained so.
fn checked(settings: &RunSettings) -> Result<Plan<'_>, LearnError> {
    let plan = plan(settings)?;
    let (config, reads_positions) = match &plan {
        Plan::Words(config, form) => (&**config, *form == MaskedLmForm::Enhanced),
        Plan::Pair(config, _) => (&config.discriminator, true),
    };
    let mut sizes = config.sizes();
    if reads_positions {
        sizes.max_position_embeddings = config.max_position_embeddings;
    }
    let segments = "segments need two segment types, or none; train on packed sequences";
    check_masked_run(settings, sizes, segments)?;
    Ok(plan)
}

/// What predicts words: the settings' choice. With absolute positions in the input there is no mask
/// decoder, as in the original.
fn form(config: &DebertaConfig, objective: &MaskedLmSettings) -> Result<MaskedLmForm, LearnError> {
    match objective.word_head.unwrap_or(WordHead::Enhanced) {
        WordHead::Legacy => Ok(MaskedLmForm::Legacy),
        WordHead::Plain => Ok(MaskedLmForm::Plain),
        WordHead::Enhanced if config.position_biased_input => Ok(MaskedLmForm::Plain),
        WordHead::Enhanced => {
            config.validate_mask_decoder()?;
            Ok(MaskedLmForm::Enhanced)
        }
    }
}
