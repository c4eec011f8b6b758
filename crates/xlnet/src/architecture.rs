//! XLNet as the command line lists it.

use kiln_checkpoint::ModelFile;
use kiln_learner::{LearnError, OptimizerSettings, TrainOutcome};
use kiln_nn::Init;
use kiln_nn::init::WeightDistribution;
use kiln_tasks::architecture::{
    Architecture, FillMaskRequest, ForwardRequest, MaskFilling, Output, Recipe, RunContext,
    unknown_preset,
};
use kiln_tasks::embedding::{EmbedRequest, TextEmbedder};
use kiln_tasks::fine_tuning::LayerDecay;
use kiln_tasks::labelled::{PublishedSize, Task, TasksOf, TunedFamily, TuningRecipe};
use kiln_tasks::memory::{Footprint, ModelSize};
use kiln_tasks::model_config::config_value;
use kiln_tasks::settings::{ObjectiveSettings, PermutedLmSettings, RunSettings};
use kiln_tasks::start::start_with_encoder;
use kiln_tasks::tokenizer::{match_padding, open_tokenizer};
use kiln_tasks::tying::ties;
use kiln_tasks::{Family, forward, predict};
use kiln_text::examples::PermutedSettings;
use kiln_text::tokenizer::{Tokenizer, TokenizerKind};
use serde_json::Value;

use crate::data::{open_permuted, permuted};
use crate::presets::{PRESETS, Preset};
use crate::{
    AttentionType, XlnetConfig, XlnetLmHeadModel, XlnetModel, XlnetPretraining, check_shared,
};

/// Share of tokens that are predicted (the paper's 1/K with K = 6).
const PREDICTED: f64 = 1.0 / 6.0;

/// XLNet: permutation language modelling.
#[derive(Debug, Clone, Copy, Default)]
pub struct Xlnet;

impl Architecture for Xlnet {
    fn name(&self) -> &'static str {
        "xlnet"
    }

    fn class_prefix(&self) -> Option<&'static str> {
        Some("XLNet")
    }

    fn config_aliases(&self) -> &'static [(&'static str, &'static str)] {
        XlnetConfig::ALIASES
    }

    fn presets(&self) -> Vec<&'static str> {
        PRESETS.iter().map(|preset| preset.name).collect()
    }

    fn preset(&self, name: &str, vocab_size: usize, seq_len: usize) -> Result<Value, LearnError> {
        let preset = Preset::by_name(name).ok_or_else(|| unknown_preset(self, name))?;
        let mut config = preset.config(vocab_size, seq_len);
        // The tokenizer's own, once it is known.
        config.pad_token_id = config.pad_token_id.filter(|&id| id < vocab_size);
        config_value(&config)
    }

    fn tokenizer(&self, _: Option<&str>) -> TokenizerKind {
        TokenizerKind::XlnetUnigram
    }

    fn check_tokenizer(&self, tokenizer: &Tokenizer) -> Result<(), LearnError> {
        if tokenizer.is_xlnet() {
            return Ok(());
        }
        Err(LearnError::Settings(format!(
            "{}: this tokenizer does not end a text with <sep> and <cls> as xlnet reads it; train one \
             with kiln tokenizer train --arch xlnet",
            tokenizer.origin()
        )))
    }

    fn objective(&self, _: Option<&str>, _: Option<&str>, seq_len: usize) -> ObjectiveSettings {
        let published = PermutedSettings::published(seq_len);
        ObjectiveSettings::PermutedLm(PermutedLmSettings {
            rate: PREDICTED,
            max_gram: published.max_gram,
            num_predict: published.num_predict,
            perm_size: None,
        })
    }

    fn max_predictions(&self, seq_len: usize, rate: f64) -> usize {
        (seq_len as f64 * rate) as usize
    }

    fn recipe(&self, preset: Option<&str>) -> Recipe {
        let preset = preset.and_then(Preset::by_name);
        preset.map_or_else(Recipe::default, Preset::recipe)
    }

    fn check(&self, settings: &RunSettings) -> Result<(), LearnError> {
        checked(settings).map(drop)
    }

    fn footprint(&self, settings: &RunSettings) -> Result<Footprint, LearnError> {
        let config = XlnetConfig::parse(&settings.model)?;
        let seq_len = settings.data.seq_len;
        let model = ModelSize {
            keys: seq_len.saturating_add(config.mem_len().unwrap_or(0)),
            predicts_words: true,
            own_head: !ties(&config.other),
            query_layers: config.n_layer,
            ..config.model_size(seq_len)
        };
        Ok(Footprint::of(model))
    }

    fn pretrain(
        &self,
        settings: &RunSettings,
        context: RunContext,
    ) -> Result<TrainOutcome, LearnError> {
        let (mut config, permuted) = checked(settings)?;
        let (tokenizer, vocabulary) = open_tokenizer(settings, config.vocab_size)?;
        let observer = &*context.observer;
        match_padding(&mut config.pad_token_id, &vocabulary, observer);
        self.check_tokenizer(&tokenizer)?;
        if settings.init_from.is_some() && config.mem_len().is_none() {
            observer.warning(
                "mem_len in the model's config is null, 0 or less: trained without memory; --mem-len \
                 gives it one",
            );
        }
        config.reuse_len = i64::try_from(permuted.reuse_len).ok();
        let is_fresh = context.is_fresh()?;
        let data = open_permuted(settings, permuted, &tokenizer, &vocabulary, is_fresh)?;
        let device = context.first_device()?;
        let (seed, range) = (settings.training.seed, config.initializer_range);
        let mut init = Init::with_distribution(seed, range, WeightDistribution::Normal, &device);
        let objective = XlnetPretraining::new(config.clone(), settings.training.batch_size);
        let files = objective.files(Some(tokenizer));
        let mut model = objective.new_model(&mut init);
        if let (Some(folder), true) = (&settings.init_from, is_fresh) {
            let file = ModelFile::open(folder)?;
            config.check_sizes(&file)?;
            check_shared(&config, &file)?;
            let origin = (folder.as_path(), &file);
            model = start_with_encoder::<XlnetConfig, _>(model, origin, observer)?;
        }
        context.train(objective, model, files, settings, data)
    }

    /// As its repository fine-tunes: no weight decay; for questions rates that fall layer by layer.
    /// Nothing as narrow as the preset `tiny` was published: its rates are what docs/results.md has found.
    fn tuning_recipe(&self, task: Task, size: PublishedSize) -> TuningRecipe {
        let bert = TuningRecipe::bert(task, size);
        let asks = task == Task::Qa;
        TuningRecipe {
            optimizer: OptimizerSettings {
                learning_rate: match task {
                    Task::Qa => size.pick([2e-3, 3e-4, 2e-5, 3e-5]),
                    Task::Regress => size.pick([2e-3, 3e-4, 5e-5, 5e-5]),
                    _ => size.pick([2e-3, 3e-4, 2e-5, 2e-5]),
                },
                weight_decay: 0.0,
                epsilon: if asks { 1e-6 } else { 1e-8 },
                ..bert.optimizer
            },
            layer_decay: (asks && size != PublishedSize::Tiny).then(LayerDecay::xlnet),
            ..bert
        }
    }

    fn tuned(&self) -> &'static dyn TunedFamily {
        &TasksOf::<XlnetConfig>::ALL
    }

    fn fill_mask(&self, request: &FillMaskRequest) -> Result<Vec<Vec<MaskFilling>>, LearnError> {
        predict::fill_mask::<XlnetLmHeadModel>(request)
    }

    fn embedder(&self, request: &EmbedRequest) -> Result<Box<dyn TextEmbedder>, LearnError> {
        predict::embedder::<XlnetModel>(request)
    }

    fn forward(&self, request: &ForwardRequest) -> Result<Vec<Output>, LearnError> {
        forward::forward::<XlnetConfig>(request)
    }
}

/// The model's config and how its batches are made, if it can be trained so.
fn checked(settings: &RunSettings) -> Result<(XlnetConfig, PermutedSettings), LearnError> {
    let config = XlnetConfig::parse(&settings.model)?;
    let ObjectiveSettings::PermutedLm(objective) = &settings.objective else {
        return Err(settings.objective.refuse_for(Xlnet.name()));
    };
    let refuse = |problem: String| Err(LearnError::Settings(problem));
    if config.attn_type != AttentionType::Bi || config.same_length {
        return refuse(
            "attn_type, same_length: an order of prediction needs attn_type bi without \
             same_length; correct the model's config"
                .into(),
        );
    }
    let permuted = permuted(settings, objective, &config);
    permuted.validate_length()?;
    if config.reuse_len == Some(0) {
        return refuse(
            "reuse_len = 0: the text would not go on; choose at least 1, or leave it out".into(),
        );
    }
    if !(objective.rate > 0.0 && objective.rate < 1.0) {
        return refuse(format!(
            "rate = {}: choose a share above 0 and below 1",
            objective.rate
        ));
    }
    permuted.validate()?;
    settings.training.validate().map_err(LearnError::Settings)?;
    Ok((config, permuted))
}
