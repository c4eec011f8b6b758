//! RoBERTa as the command line lists it.

use kiln_learner::{LearnError, TrainOutcome};
use kiln_tasks::architecture::{
    Architecture, FillMaskRequest, ForwardRequest, MaskFilling, Output, Recipe, RunContext,
    unknown_preset,
};
use kiln_tasks::embedding::{EmbedRequest, TextEmbedder};
use kiln_tasks::labelled::{TasksOf, TunedFamily};
use kiln_tasks::masked_lm_data::check_masked_run;
use kiln_tasks::masked_lm_pretraining::pretrain;
use kiln_tasks::memory::Footprint;
use kiln_tasks::model_config::config_value;
use kiln_tasks::settings::{ExampleSettings, MaskedLmSettings, ObjectiveSettings, RunSettings};
use kiln_tasks::{Family, forward, predict};
use kiln_text::masking::Masking;
use kiln_text::tokenizer::TokenizerKind;
use serde_json::{Map, Value};

use crate::presets::{PRESETS, Preset};
use crate::{RobertaConfig, RobertaForMaskedLm, RobertaModel};

/// RoBERTa: masked language modelling on full sequences.
#[derive(Debug, Clone, Copy, Default)]
pub struct Roberta;

impl Architecture for Roberta {
    fn name(&self) -> &'static str {
        "roberta"
    }

    fn class_prefix(&self) -> Option<&'static str> {
        Some("Roberta")
    }

    fn presets(&self) -> Vec<&'static str> {
        PRESETS.iter().map(|preset| preset.size.name).collect()
    }

    fn preset(&self, name: &str, vocab_size: usize, seq_len: usize) -> Result<Value, LearnError> {
        let preset = Preset::by_name(name).ok_or_else(|| unknown_preset(self, name))?;
        let mut config = preset.config(vocab_size);
        // Room for the published 512, or more where longer sequences are trained.
        let rows = seq_len.saturating_add(config.sizes().first_position);
        config.max_position_embeddings = rows.max(config.max_position_embeddings);
        config_value(&config)
    }

    fn longest(&self, config: &Map<String, Value>) -> Option<usize> {
        let config = RobertaConfig::parse(&Value::Object(config.clone())).ok()?;
        Some(config.sizes().longest())
    }

    fn tokenizer(&self, _: Option<&str>) -> TokenizerKind {
        TokenizerKind::RobertaByteBpe
    }

    fn objective(&self, _: Option<&str>, _: Option<&str>, seq_len: usize) -> ObjectiveSettings {
        ObjectiveSettings::MaskedLm(MaskedLmSettings {
            masking: Masking::bert(seq_len),
            examples: ExampleSettings::packed(),
            next_sentence: None,
            word_head: None,
        })
    }

    fn recipe(&self, preset: Option<&str>) -> Recipe {
        let preset = preset.and_then(Preset::by_name);
        preset.map_or_else(Recipe::default, Preset::recipe)
    }

    fn check(&self, settings: &RunSettings) -> Result<(), LearnError> {
        checked(settings).map(drop)
    }

    fn footprint(&self, settings: &RunSettings) -> Result<Footprint, LearnError> {
        let config = RobertaConfig::parse(&settings.model)?;
        Ok(config.footprint(settings.data.seq_len))
    }

    fn pretrain(
        &self,
        settings: &RunSettings,
        context: RunContext,
    ) -> Result<TrainOutcome, LearnError> {
        pretrain::<RobertaForMaskedLm>(checked(settings)?, (), settings, context)
    }

    fn tuned(&self) -> &'static dyn TunedFamily {
        &TasksOf::<RobertaConfig>::ALL
    }

    fn fill_mask(&self, request: &FillMaskRequest) -> Result<Vec<Vec<MaskFilling>>, LearnError> {
        predict::fill_mask::<RobertaForMaskedLm>(request)
    }

    fn embedder(&self, request: &EmbedRequest) -> Result<Box<dyn TextEmbedder>, LearnError> {
        predict::embedder::<RobertaModel>(request)
    }

    fn forward(&self, request: &ForwardRequest) -> Result<Vec<Output>, LearnError> {
        forward::forward::<RobertaConfig>(request)
    }
}

/// The model's config, if it can be trained so.
fn checked(settings: &RunSettings) -> Result<RobertaConfig, LearnError> {
    settings.objective.masked_lm(Roberta.name())?;
    let config = RobertaConfig::parse(&settings.model)?;
    let segments = "segments need two segment types; train on packed sequences";
    check_masked_run(settings, config.sizes(), segments)?;
    Ok(config)
}
