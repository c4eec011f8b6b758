//! ELECTRA as the command line lists it.

use kiln_learner::{LearnError, OptimizerSettings, ScheduleKind, TrainOutcome};
use kiln_tasks::architecture::{
    Architecture, FillMaskRequest, ForwardRequest, MaskFilling, Output, Recipe,
    ReplacedTokensRequest, RunContext, TokenScore, unknown_preset,
};
use kiln_tasks::embedding::{EmbedRequest, TextEmbedder};
use kiln_tasks::fine_tuning::LayerDecay;
use kiln_tasks::labelled::{PublishedSize, Task, TasksOf, TunedFamily, TuningRecipe};
use kiln_tasks::masked_lm_data::check_masked_run;
use kiln_tasks::memory::{Footprint, ModelSize};
use kiln_tasks::model_config::config_value;
use kiln_tasks::replaced_tokens::pretrain;
use kiln_tasks::settings::{
    DetectionSettings, ExampleKind, ExampleSettings, ObjectiveSettings, ReplacedTokensSettings,
    RunSettings, Sharing,
};
use kiln_tasks::tying::ties;
use kiln_tasks::{Family, forward, predict};
use kiln_text::examples::SEGMENT_SHORT_SEQ_PROB;
use kiln_text::masking::Masking;
use serde_json::Value;

use crate::presets::{PRESETS, Preset};
use crate::{
    ElectraConfig, ElectraForMaskedLm, ElectraForPreTraining, ElectraModel, ElectraPair, PairConfig,
};

/// Share of tokens chosen where no preset says otherwise.
const MASK_RATE: f64 = 0.15;

/// ELECTRA: replaced token detection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Electra;

impl Architecture for Electra {
    fn name(&self) -> &'static str {
        "electra"
    }

    fn class_prefix(&self) -> Option<&'static str> {
        Some("Electra")
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

    fn objective(
        &self,
        _: Option<&str>,
        preset: Option<&str>,
        seq_len: usize,
    ) -> ObjectiveSettings {
        let preset = preset.and_then(Preset::by_name);
        let rate = preset.map_or(MASK_RATE, |preset| preset.mask_rate);
        ObjectiveSettings::ReplacedTokens(ReplacedTokensSettings {
            masking: Masking::electra(seq_len, rate),
            examples: ExampleSettings {
                kind: ExampleKind::Segments,
                short_seq_prob: SEGMENT_SHORT_SEQ_PROB,
                next_from_others: false,
            },
            detection: preset.map_or_else(DetectionSettings::electra, Preset::detection),
        })
    }

    fn max_predictions(&self, seq_len: usize, rate: f64) -> usize {
        Masking::electra(seq_len, rate).max_predictions
    }

    fn recipe(&self, preset: Option<&str>) -> Recipe {
        let preset = preset.and_then(Preset::by_name);
        preset.map_or_else(Recipe::default, Preset::recipe)
    }

    fn check(&self, settings: &RunSettings) -> Result<(), LearnError> {
        checked(settings).map(drop)
    }

    fn footprint(&self, settings: &RunSettings) -> Result<Footprint, LearnError> {
        let (pair, _) = pair_config(settings)?;
        let size = |config: &ElectraConfig| config.model_size(settings.data.seq_len);
        let generator = pair.generator.as_ref().map(|config| ModelSize {
            shares_words: pair.sharing != Sharing::None,
            shares_layers: pair.sharing == Sharing::All,
            own_head: !ties(&config.other),
            predicts_words: true,
            ..size(config)
        });
        let discriminator = size(&pair.discriminator);
        Ok(Footprint {
            models: generator.into_iter().chain([discriminator]).collect(),
            in_turns: false,
        })
    }

    fn pretrain(
        &self,
        settings: &RunSettings,
        context: RunContext,
    ) -> Result<TrainOutcome, LearnError> {
        let (config, objective) = checked(settings)?;
        pretrain::<ElectraPair>(config, &objective.detection, settings, context)
    }

    /// As its repository fine-tunes, but with bias correction: without it small data train unreliably.
    /// Nothing as narrow as the preset `tiny` was published: what docs/results.md has found.
    fn tuning_recipe(&self, task: Task, size: PublishedSize) -> TuningRecipe {
        let bert = TuningRecipe::bert(task, size);
        TuningRecipe {
            optimizer: OptimizerSettings {
                learning_rate: size.pick([2e-3, 3e-4, 1e-4, 5e-5]),
                ..bert.optimizer
            },
            schedule: ScheduleKind::Electra,
            epochs: match task {
                Task::Qa => 2.0,
                Task::Regress => 10.0,
                _ => 3.0,
            },
            layer_decay: size
                .pick([None, Some(0.8), Some(0.8), Some(0.9)])
                .map(|factor| LayerDecay {
                    factor,
                    ..LayerDecay::electra()
                }),
            ..bert
        }
    }

    fn tuned(&self) -> &'static dyn TunedFamily {
        &TasksOf::<ElectraConfig>::ALL
    }

    fn fill_mask(&self, request: &FillMaskRequest) -> Result<Vec<Vec<MaskFilling>>, LearnError> {
        predict::fill_mask::<ElectraForMaskedLm>(request)
    }

    fn replaced_tokens(
        &self,
        request: &ReplacedTokensRequest,
    ) -> Result<Vec<Vec<TokenScore>>, LearnError> {
        predict::replaced_tokens::<ElectraForPreTraining>(request)
    }

    fn embedder(&self, request: &EmbedRequest) -> Result<Box<dyn TextEmbedder>, LearnError> {
        predict::embedder::<ElectraModel>(request)
    }

    fn forward(&self, request: &ForwardRequest) -> Result<Vec<Output>, LearnError> {
        forward::forward::<ElectraConfig>(request)
    }
}

/// Both models' configs and what they learn, if they can be trained so.
fn checked(settings: &RunSettings) -> Result<(PairConfig, &ReplacedTokensSettings), LearnError> {
    let (config, objective) = pair_config(settings)?;
    check_masked_run(
        settings,
        config.discriminator.sizes(),
        "segments need two segment types; train on packed sequences",
    )?;
    Ok((config, objective))
}

/// Both models' configs, and what they learn.
fn pair_config(
    settings: &RunSettings,
) -> Result<(PairConfig, &ReplacedTokensSettings), LearnError> {
    let ObjectiveSettings::ReplacedTokens(learned) = &settings.objective else {
        return Err(settings.objective.refuse_for(Electra.name()));
    };
    let discriminator = ElectraConfig::parse(&settings.model)?;
    let config = PairConfig::new(discriminator, &learned.detection)?;
    Ok((config, learned))
}
