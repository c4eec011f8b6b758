//! BERT as the command line lists it.

use std::path::Path;

use kiln_checkpoint::ModelFile;
use kiln_learner::{LearnError, TrainOutcome};
use kiln_nn::Init;
use kiln_tasks::architecture::{
    Architecture, FillMaskRequest, ForwardRequest, MaskFilling, Output, OwnObjective, Recipe,
    RunContext, unknown_preset,
};
use kiln_tasks::embedding::{EmbedRequest, TextEmbedder};
use kiln_tasks::labelled::{TasksOf, TunedFamily};
use kiln_tasks::masked_lm_data::{check_masked_run, open_masked};
use kiln_tasks::memory::Footprint;
use kiln_tasks::model_config::config_value;
use kiln_tasks::settings::{
    ExampleKind, ExampleSettings, MaskedLmSettings, ObjectiveSettings, RunSettings,
};
use kiln_tasks::start::start_with_encoder;
use kiln_tasks::tokenizer::{match_padding, open_tokenizer};
use kiln_tasks::{Family, forward, predict};
use kiln_text::examples::SHORT_SEQ_PROB;
use kiln_text::masking::Masking;
use serde_json::Value;

use crate::presets::{PRESETS, Preset};
use crate::{BertConfig, BertForMaskedLm, BertModel, BertPretraining};

/// BERT: masked language modelling and next sentence prediction.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bert;

impl Architecture for Bert {
    fn name(&self) -> &'static str {
        "bert"
    }

    fn class_prefix(&self) -> Option<&'static str> {
        Some("Bert")
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

    fn objective(&self, _: Option<&str>, _: Option<&str>, seq_len: usize) -> ObjectiveSettings {
        ObjectiveSettings::MaskedLm(MaskedLmSettings {
            masking: Masking::bert(seq_len),
            examples: ExampleSettings {
                kind: ExampleKind::Pairs,
                short_seq_prob: SHORT_SEQ_PROB,
                next_from_others: true,
            },
            next_sentence: Some(true),
            word_head: None,
        })
    }

    fn recipe(&self, preset: Option<&str>) -> Recipe {
        let preset = preset.and_then(Preset::by_name);
        preset.map_or_else(Recipe::default, Preset::recipe)
    }

    /// Next sentences are predicted from the pooler: a model without one has not learned it, and one
    /// that has a pooler would lose it without them.
    fn own_objective(&self, folder: &Path) -> Result<OwnObjective, LearnError> {
        let file = ModelFile::open(folder)?;
        let mut names = file.names();
        Ok(OwnObjective {
            without_next_sentence: !names.any(|name| name.ends_with("pooler.dense.weight")),
            ..OwnObjective::default()
        })
    }

    fn check(&self, settings: &RunSettings) -> Result<(), LearnError> {
        checked(settings).map(drop)
    }

    fn footprint(&self, settings: &RunSettings) -> Result<Footprint, LearnError> {
        let config = BertConfig::parse(&settings.model)?;
        Ok(config.footprint(settings.data.seq_len))
    }

    fn pretrain(
        &self,
        settings: &RunSettings,
        context: RunContext,
    ) -> Result<TrainOutcome, LearnError> {
        let (mut config, objective) = checked(settings)?;
        let (tokenizer, vocabulary) = open_tokenizer(settings, config.vocab_size)?;
        match_padding(&mut config.pad_token_id, &vocabulary, &*context.observer);
        let is_fresh = context.is_fresh()?;
        let data = open_masked(settings, &tokenizer, &vocabulary, is_fresh)?;

        let next_sentence = objective.next_sentence.unwrap_or(false);
        let objective = BertPretraining::new(config.clone(), next_sentence);
        let device = context.first_device()?;
        let mut init = Init::new(settings.training.seed, config.initializer_range, &device);
        let files = objective.files(Some(tokenizer));
        let mut model = objective.new_model(&mut init);
        if let (Some(folder), true) = (&settings.init_from, is_fresh) {
            let file = ModelFile::open(folder)?;
            let origin = (folder.as_path(), &file);
            model = start_with_encoder::<BertConfig, _>(model, origin, &*context.observer)?;
        }
        context.train(objective, model, files, settings, data)
    }

    fn tuned(&self) -> &'static dyn TunedFamily {
        &TasksOf::<BertConfig>::ALL
    }

    fn fill_mask(&self, request: &FillMaskRequest) -> Result<Vec<Vec<MaskFilling>>, LearnError> {
        predict::fill_mask::<BertForMaskedLm>(request)
    }

    fn embedder(&self, request: &EmbedRequest) -> Result<Box<dyn TextEmbedder>, LearnError> {
        predict::embedder::<BertModel>(request)
    }

    fn forward(&self, request: &ForwardRequest) -> Result<Vec<Output>, LearnError> {
        forward::forward::<BertConfig>(request)
    }
}

/// The model's config and what it learns, if it can be trained so.
fn checked(settings: &RunSettings) -> Result<(BertConfig, &MaskedLmSettings), LearnError> {
    let objective = settings.objective.masked_lm(Bert.name())?;
    let config = BertConfig::parse(&settings.model)?;
    check_masked_run(
        settings,
        config.sizes(),
        "pairs and segments need two segment types; train on packed sequences, without next sentence \
         prediction",
    )?;
    Ok((config, objective))
}
