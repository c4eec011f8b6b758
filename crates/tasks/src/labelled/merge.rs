//! An adapter and the model that it belongs to, as one model.

use std::path::PathBuf;

use burn::tensor::Device;
use kiln_checkpoint::{CheckpointFolder, ConfigFile};
use kiln_learner::LearnError;
use kiln_text::tokenizer::Tokenizer;
use serde_json::{Map, Value};

use super::config::{label_names, set_labels};
use crate::fine_tuning::{
    AdapterFile, AdapterTask, FineTuned, FineTuningSettings, HeadKind, PeftConfig, TunedObjective,
};
use crate::replaced_tokens::Half;

/// A request to merge an adapter.
#[derive(Debug, Clone)]
pub struct MergeRequest {
    /// The folder of the model that it belongs to; of a pair the discriminator.
    pub base: PathBuf,
    /// The folder of the adapter, in PEFT's layout.
    pub adapter: PathBuf,
    /// The folder to write, which must not be there.
    pub output: PathBuf,
    /// Where to compute.
    pub device: Device,
}

/// What was merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The class of the model, as in `architectures`.
    pub class: &'static str,
    /// How many layers had an adapter.
    pub layers: usize,
    /// Why no tokenizer was written, if none was: neither model nor adapter has one that can be opened.
    pub without_tokenizer: Option<String>,
}

/// Merges an adapter into the model that it belongs to, and writes the result as everybody reads it.
///
/// # Errors
/// If a file can't be opened, the two do not go together, or the folder can't be written.
pub(super) fn merge<F: FineTuned>(request: &MergeRequest) -> Result<Merged, LearnError> {
    let MergeRequest {
        adapter, output, ..
    } = request;
    let base = Half::Discriminator.meant_by(&request.base);
    let peft = PeftConfig::open(adapter)?;
    let file = AdapterFile::open(adapter)?;
    let mut fields = ConfigFile::open(&base)?.fields().clone();
    let kind = head_kind::<F>(&peft, &fields, &file).ok_or_else(|| LearnError::Run {
        path: adapter.join(PeftConfig::FILE),
        problem: format!(
            "task_type is not set, and {} has none of the heads that Kiln fine-tunes; set it to \
             SEQ_CLS, TOKEN_CLS or QUESTION_ANS",
            base.display()
        ),
    })?;
    if matches!(kind, HeadKind::Sequence | HeadKind::Tokens) {
        give_labels::<F>(&mut fields, &file)?;
    }
    let config = F::parse(&Value::Object(fields))?;
    let objective = TunedObjective::<F>::new(kind, config.clone(), FineTuningSettings::default())?;
    let model = objective.merged(&base, (&file, &peft), &request.device)?;
    let opened =
        Tokenizer::open(&base).or_else(|error| Tokenizer::open(adapter).map_err(|_| error));
    let (tokenizer, without_tokenizer) = match opened {
        Ok(tokenizer) => (Some(tokenizer), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let new = CheckpointFolder::create(output)?;
    TunedObjective::write(&model, &config, tokenizer.as_ref(), new.path())
        .map_err(|error| error.relocated(new.path(), output))?;
    new.commit()?;
    Ok(Merged {
        class: config.class_name(kind.class_names::<F>()),
        layers: file.layers().len(),
        without_tokenizer,
    })
}

/// The head that the adapter belongs to: by its task, or else the one that the model has.
fn head_kind<F: FineTuned>(
    peft: &PeftConfig,
    fields: &Map<String, Value>,
    file: &AdapterFile,
) -> Option<HeadKind> {
    let has_beam = file.shape("answer_class.dense_0.weight").is_some();
    match peft.task {
        AdapterTask::Sequence => Some(HeadKind::Sequence),
        AdapterTask::Tokens => Some(HeadKind::Tokens),
        AdapterTask::Answers if has_beam => Some(HeadKind::Beam),
        AdapterTask::Answers => Some(HeadKind::Spans),
        AdapterTask::Unnamed => {
            let file = ConfigFile::from_fields("config.json", fields.clone());
            let class = file
                .architectures()
                .first()
                .map(|&class| class.to_owned())?;
            let mut kinds = HeadKind::ALL.into_iter();
            kinds.find(|kind| kind.class_names::<F>().contains(&class.as_str()))
        }
    }
}

/// Gives a config.json as many labels as the adapter's head has, without names where it has another number.
fn give_labels<F: FineTuned>(
    fields: &mut Map<String, Value>,
    file: &AdapterFile,
) -> Result<(), LearnError> {
    const LAST: [&str; 3] = [
        "classifier.weight",
        "classifier.out_proj.weight",
        "logits_proj.weight",
    ];
    let mut last = LAST
        .iter()
        .filter_map(|name| file.shape(name)?.first().copied());
    let Some(count) = last.next() else {
        return Ok(());
    };
    if F::parse(&Value::Object(fields.clone()))?.num_labels() == count {
        return Ok(());
    }
    for field in ["id2label", "label2id"] {
        fields.remove(field);
    }
    fields.insert("num_labels".into(), count.into());
    // A number that no head has is refused before there are as many names.
    F::parse(&Value::Object(fields.clone()))?;
    fields.remove("num_labels");
    set_labels(fields, label_names(&Value::Null, count).names());
    Ok(())
}
