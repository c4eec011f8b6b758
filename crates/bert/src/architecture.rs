//! BERT as the command line lists it.

use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use kiln_checkpoint::{CONFIG_FILE, ConfigFile, LoadReport, ModelFile, OpenError};
use kiln_learner::architecture::{
    Architecture, FillMaskRequest, ForwardRequest, MaskFilling, Output, RunContext,
};
use kiln_learner::run::{DataSettings, ObjectiveSettings, RunSettings};
use kiln_learner::{EvalData, LearnError, Observer, TrainOutcome, TrainRequest, train};
use kiln_nn::Init;
use kiln_text::corpus::{Corpus, hex};
use kiln_text::examples::{
    Documents, Examples, MaskedLmEvaluation, MaskedLmSource, PackedSequences, SHORT_SEQ_PROB,
    SentencePairs,
};
use kiln_text::masking::Masking;
use kiln_text::tokenizer::Tokenizer;
use kiln_text::{TextError, Vocabulary};
use serde_json::Value;

use crate::open::open_weights;
use crate::presets::{PRESETS, Preset};
use crate::{BertConfig, BertForPreTraining, BertPretraining, fill_mask, forward};

/// BERT: masked language modelling and next sentence prediction.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bert;

impl Architecture for Bert {
    fn name(&self) -> &'static str {
        "bert"
    }

    fn presets(&self) -> Vec<&'static str> {
        PRESETS.iter().map(|preset| preset.name).collect()
    }

    fn preset(&self, name: &str, vocab_size: usize, seq_len: usize) -> Result<Value, LearnError> {
        let preset = Preset::by_name(name).ok_or_else(|| {
            LearnError::Settings(format!(
                "preset {name}: bert has {}",
                self.presets().join(", ")
            ))
        })?;
        let mut config = preset.config(vocab_size);
        // Room for the published 512, or more where longer sequences are trained.
        config.max_position_embeddings = config.max_position_embeddings.max(seq_len);
        to_json(&config)
    }

    fn objective(&self, seq_len: usize) -> ObjectiveSettings {
        let masking = Masking::bert(seq_len);
        ObjectiveSettings {
            next_sentence: true,
            mask_rate: masking.rate,
            mask_share: masking.mask_share,
            random_share: masking.random_share,
            whole_word: masking.whole_word,
            max_predictions: masking.max_predictions,
            short_seq_prob: SHORT_SEQ_PROB,
        }
    }

    fn check(&self, settings: &RunSettings) -> Result<(), LearnError> {
        let config = parse_config(&settings.model)?;
        let seq_len = settings.data.seq_len;
        if seq_len > config.max_position_embeddings {
            return Err(LearnError::Settings(format!(
                "seq_len = {seq_len}: the model has {} positions; choose at most that many",
                config.max_position_embeddings
            )));
        }
        if settings.objective.next_sentence && config.type_vocab_size < 2 {
            return Err(LearnError::Settings(format!(
                "type_vocab_size = {}: sentence pairs need two segment types; train without next \
                 sentence prediction",
                config.type_vocab_size
            )));
        }
        check_objective(&settings.objective, seq_len)?;
        settings.training.validate().map_err(LearnError::Settings)
    }

    fn pretrain(
        &self,
        settings: &RunSettings,
        context: RunContext,
    ) -> Result<TrainOutcome, LearnError> {
        self.check(settings)?;
        let mut config = parse_config(&settings.model)?;
        let tokenizer = Tokenizer::open(&settings.data.tokenizer)?;
        if tokenizer.vocab_size() as usize > config.vocab_size {
            return Err(LearnError::Settings(format!(
                "vocab_size = {}: the tokenizer has {} tokens; choose at least as many",
                config.vocab_size,
                tokenizer.vocab_size()
            )));
        }
        let vocabulary = Arc::new(tokenizer.vocabulary()?);
        // The row of padding is not trained: another token's must not be taken for it.
        let pad_token_id = vocabulary.pad as usize;
        if config.pad_token_id.is_some_and(|id| id != pad_token_id) {
            context.observer.warning(&format!(
                "pad_token_id in the model's config is not the tokenizer's; {pad_token_id} is \
                 used, and written into the checkpoints"
            ));
            config.pad_token_id = Some(pad_token_id);
        }
        let is_fresh = context.run.list_checkpoints()?.is_empty();
        let sources = Sources::open(settings, &tokenizer, &vocabulary, is_fresh)?;

        let objective = BertPretraining::new(config.clone(), settings.objective.next_sentence)
            .with_tokenizer(tokenizer);
        let Some(device) = context.devices.first() else {
            return Err(LearnError::Settings(
                "devices: none given; name at least one".into(),
            ));
        };
        let device = device.clone().autodiff();
        let mut init = Init::new(settings.training.seed, config.initializer_range, &device);
        let mut model = objective.new_model(&mut init);
        if let (Some(folder), true) = (&settings.init_from, is_fresh) {
            model = init_from(model, folder, &*context.observer)?;
        }
        context.observer.model(Module::num_params(&model));
        train(TrainRequest {
            objective: Arc::new(objective),
            model,
            devices: context.devices,
            run: context.run,
            settings: settings.training.clone(),
            train: sources.train,
            eval: sources.eval,
            interrupter: context.interrupter,
            observer: context.observer,
            dashboard: context.dashboard,
        })
    }

    fn fill_mask(&self, request: &FillMaskRequest) -> Result<Vec<Vec<MaskFilling>>, LearnError> {
        fill_mask::fill_mask(request)
    }

    fn forward(&self, request: &ForwardRequest) -> Result<Vec<Output>, LearnError> {
        forward::forward(request)
    }
}

/// Initial weights from a Hugging Face folder: what it lacks stays fresh, and is named.
fn init_from(
    model: BertForPreTraining,
    folder: &Path,
    observer: &dyn Observer,
) -> Result<BertForPreTraining, LearnError> {
    let file = ModelFile::open(folder)?;
    let (model, report) = open_weights(model, &file)?;
    let LoadReport {
        loaded,
        missing,
        unused,
        ..
    } = report;
    if loaded.is_empty() {
        return Err(LearnError::Run {
            path: file.path().to_path_buf(),
            problem: "holds none of the model's parameters; pass a BERT's folder".into(),
        });
    }
    // A head may be absent, the encoder may not: half a model would train in silence.
    if let Some(name) = missing
        .iter()
        .find(|name| name.starts_with("bert.") && !name.starts_with("bert.pooler."))
    {
        return Err(LearnError::Run {
            path: file.path().to_path_buf(),
            problem: format!(
                "{name} is missing; only heads may be: copy or download the folder again"
            ),
        });
    }
    if !missing.is_empty() {
        observer.warning(&format!(
            "freshly initialised, not in {}: {}",
            folder.display(),
            missing.join(", ")
        ));
    }
    if !unused.is_empty() {
        observer.warning(&format!(
            "not used from {}: {}",
            folder.display(),
            unused.join(", ")
        ));
    }
    Ok(model)
}

/// The batches of a run.
struct Sources {
    train: Arc<dyn kiln_text::BatchSource>,
    eval: Option<EvalData>,
}

impl Sources {
    fn open(
        settings: &RunSettings,
        tokenizer: &Tokenizer,
        vocabulary: &Arc<Vocabulary>,
        is_fresh: bool,
    ) -> Result<Self, LearnError> {
        let DataSettings {
            shards,
            corpus,
            eval_shards,
            eval_corpus,
            held_out,
            eval_batches,
            ..
        } = &settings.data;
        let seed = settings.training.seed;
        let batch_size = settings.training.batch_size;
        let opened = open_corpus(shards, corpus, tokenizer, is_fresh)?;
        let (train, held) = match eval_shards {
            Some(shards) => {
                let identity = eval_corpus.as_deref().unwrap_or_default();
                let held = open_corpus(shards, identity, tokenizer, is_fresh)?;
                let held = Documents::all(Arc::new(held));
                (Documents::all(Arc::new(opened)), held)
            }
            None => Documents::split(Arc::new(opened), seed, *held_out)?,
        };
        let masking = masking(&settings.objective);
        let source = MaskedLmSource::new(
            examples(train, settings, vocabulary)?,
            masking.clone(),
            vocabulary.clone(),
            batch_size,
            seed,
        )?;
        let eval = if held.is_empty() || *eval_batches == 0 {
            None
        } else {
            let source = MaskedLmEvaluation::new(
                examples(held, settings, vocabulary)?,
                masking,
                vocabulary.clone(),
                batch_size,
                seed,
                Some(eval_batches.saturating_mul(batch_size as u64)),
            )?;
            Some(EvalData {
                batches: source.num_batches(),
                source: Arc::new(source),
            })
        };
        Ok(Self {
            train: Arc::new(source),
            eval,
        })
    }
}

/// Opens a prepared corpus; a new run reads it through once, since a flipped bit would train in
/// silence, while a resumed run starts at once.
fn open_corpus(
    shards: &Path,
    identity: &str,
    tokenizer: &Tokenizer,
    is_fresh: bool,
) -> Result<Corpus, LearnError> {
    let corpus = Corpus::open(shards, tokenizer)?;
    if is_fresh {
        corpus.verify()?;
    }
    if !identity.is_empty() && hex(&corpus.identity()) != identity {
        return Err(LearnError::Run {
            path: shards.into(),
            problem: "another corpus than the run was started with; prepare that one again, or \
                      start a new run"
                .into(),
        });
    }
    Ok(corpus)
}

fn examples(
    documents: Documents,
    settings: &RunSettings,
    vocabulary: &Vocabulary,
) -> Result<Arc<dyn Examples>, TextError> {
    let (seq_len, seed) = (settings.data.seq_len, settings.training.seed);
    Ok(if settings.objective.next_sentence {
        let short = settings.objective.short_seq_prob;
        Arc::new(SentencePairs::new(
            documents, vocabulary, seq_len, short, seed,
        )?)
    } else {
        Arc::new(PackedSequences::new(documents, vocabulary, seq_len, seed)?)
    })
}

/// What building examples would refuse, but only once the corpus is tokenised.
fn check_objective(objective: &ObjectiveSettings, seq_len: usize) -> Result<(), LearnError> {
    masking(objective).validate()?;
    // Special tokens, and a token of text in each segment.
    let shortest = if objective.next_sentence { 5 } else { 3 };
    if seq_len < shortest {
        return Err(LearnError::Settings(format!(
            "seq_len = {seq_len}: too short for a sequence with its special tokens; choose at \
             least {shortest}"
        )));
    }
    if objective.max_predictions > seq_len {
        return Err(LearnError::Settings(format!(
            "max_predictions = {}: a sequence has {seq_len} tokens; choose at most that many",
            objective.max_predictions
        )));
    }
    if !(0.0..=1.0).contains(&objective.short_seq_prob) {
        return Err(LearnError::Settings(format!(
            "short_seq_prob = {}: choose a share from 0 to 1",
            objective.short_seq_prob
        )));
    }
    Ok(())
}

fn masking(objective: &ObjectiveSettings) -> Masking {
    Masking {
        rate: objective.mask_rate,
        mask_share: objective.mask_share,
        random_share: objective.random_share,
        whole_word: objective.whole_word,
        max_predictions: objective.max_predictions,
    }
}

fn parse_config(model: &Value) -> Result<BertConfig, LearnError> {
    let fields = model.as_object().cloned().unwrap_or_default();
    let config: BertConfig = match ConfigFile::from_fields(CONFIG_FILE, fields).parse() {
        Ok(config) => config,
        Err(OpenError::Field { field, reason, .. }) => {
            return Err(LearnError::Config { field, reason });
        }
        Err(error) => return Err(error.into()),
    };
    config.validate().map_err(|error| LearnError::Config {
        field: error.field.to_owned(),
        reason: format!("{}, {}", error.value, error.remedy),
    })?;
    Ok(config)
}

fn to_json(config: &BertConfig) -> Result<Value, LearnError> {
    serde_json::to_value(config)
        .map_err(|error| LearnError::Settings(format!("the model's config: {error}")))
}
