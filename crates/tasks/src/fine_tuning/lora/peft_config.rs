//! adapter_config.json, as PEFT writes and reads it.

use std::path::{Path, PathBuf};

use kiln_checkpoint::{ConfigFile, OpenError};
use serde_json::{Map, Value, json};

use super::settings::{LoraScale, LoraSettings};

/// What an adapter's model does, as PEFT calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdapterTask {
    /// `SEQ_CLS`: labels, or numbers, for a sequence.
    Sequence,
    /// `TOKEN_CLS`: a label for each token.
    Tokens,
    /// `QUESTION_ANS`: the start and the end of an answer.
    Answers,
    /// PEFT has no word for it, e.g. for continuations.
    Unnamed,
}

impl AdapterTask {
    const NAMED: [(Self, &'static str); 3] = [
        (Self::Sequence, "SEQ_CLS"),
        (Self::Tokens, "TOKEN_CLS"),
        (Self::Answers, "QUESTION_ANS"),
    ];

    fn name(self) -> Option<&'static str> {
        let found = Self::NAMED.iter().find(|(task, _)| *task == self);
        found.map(|(_, name)| *name)
    }
}

/// What adapter_config.json says of an adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct PeftConfig {
    /// Rank, alpha, and the layers as PEFT takes them.
    pub lora: LoraSettings,
    /// How alpha and rank make the factor.
    pub scale: LoraScale,
    /// What the model does.
    pub task: AdapterTask,
    /// The folder of the model that was adapted; none: the file does not say.
    pub base: Option<PathBuf>,
    /// The modules that were trained as a whole, by the first word of their names.
    pub modules_to_save: Vec<String>,
}

/// Fields that say nothing of how an adapter is merged, whatever they hold.
const WITHOUT_EFFECT: [&str; 16] = [
    "peft_version",
    "auto_mapping",
    "revision",
    "inference_mode",
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
    "megatron_core",
    "qalora_group_size",
    "runtime_config",
    "loftq_config",
    "eva_config",
    "corda_config",
    "lora_ga_config",
    "ensure_weight_tying",
    "use_rslora",
];

/// Fields that are read.
const READ: [&str; 10] = [
    "peft_type",
    "task_type",
    "base_model_name_or_path",
    "r",
    "lora_alpha",
    "lora_dropout",
    "target_modules",
    "modules_to_save",
    "init_lora_weights",
    "bias",
];

impl PeftConfig {
    /// The file's name.
    pub const FILE: &'static str = "adapter_config.json";

    /// All fields, as PEFT has them.
    pub(super) fn to_value(&self) -> Value {
        // PEFT says that alpha is a whole number, and takes any.
        let alpha = self.lora.alpha;
        let alpha = if alpha.fract() == 0.0 && alpha.abs() < 1e9 {
            json!(alpha as i64)
        } else {
            json!(alpha)
        };
        json!({
            "alpha_pattern": {},
            "auto_mapping": null,
            "base_model_name_or_path": self.base,
            "bias": "none",
            "exclude_modules": null,
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "layer_replication": null,
            "layers_pattern": null,
            "layers_to_transform": null,
            "loftq_config": {},
            "lora_alpha": alpha,
            "lora_bias": false,
            "lora_dropout": self.lora.dropout,
            "megatron_config": null,
            "megatron_core": "megatron.core",
            "modules_to_save": self.modules_to_save,
            "peft_type": "LORA",
            "r": self.lora.rank,
            "rank_pattern": {},
            "revision": null,
            "target_modules": self.lora.targets,
            "task_type": self.task.name(),
            "use_dora": false,
            "use_rslora": self.scale == LoraScale::RootOfRank,
        })
    }

    /// Reads the file in the folder of an adapter. `target_modules` is not read: the weights say which
    /// layers have an adapter, and a pattern need not be understood.
    ///
    /// # Errors
    /// If it is unreadable, or says something that changes the result and that Kiln does not have.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let file = ConfigFile::open(&folder.join(Self::FILE))?;
        let fields = file.fields();
        let wrong = |field: &str, reason: String| OpenError::Field {
            path: file.path().to_path_buf(),
            field: field.to_owned(),
            reason,
        };
        let text = |field: &str| fields.get(field).and_then(Value::as_str);
        let kind = text("peft_type");
        if kind != Some("LORA") {
            let kind = kind.unwrap_or("absent");
            return Err(wrong(
                "peft_type",
                format!("{kind}, Kiln merges LORA alone"),
            ));
        }
        if let Some((field, value)) = unknown(fields) {
            return Err(wrong(field, format!("{value}: Kiln has no such adapters")));
        }
        let rank = fields.get("r").and_then(Value::as_u64);
        let dropout = fields.get("lora_dropout").and_then(Value::as_f64);
        let alpha = fields.get("lora_alpha").and_then(Value::as_f64);
        let lora = LoraSettings {
            rank: rank.ok_or_else(|| wrong("r", "is no whole number".into()))? as usize,
            alpha: alpha.ok_or_else(|| wrong("lora_alpha", "is no number".into()))?,
            targets: vec!["all-linear".to_owned()],
            // Of no effect on what is merged, and so nothing to refuse.
            dropout: dropout
                .filter(|rate| (0.0..1.0).contains(rate))
                .unwrap_or(0.0),
        };
        lora.validate()
            .map_err(|reason| wrong("r, lora_alpha", reason))?;
        let task = match text("task_type") {
            None | Some("FEATURE_EXTRACTION") => AdapterTask::Unnamed,
            Some(name) => {
                let found = AdapterTask::NAMED.iter().find(|(_, known)| *known == name);
                let task = found.map(|(task, _)| *task);
                task.ok_or_else(|| {
                    let known = "SEQ_CLS, TOKEN_CLS, QUESTION_ANS or null";
                    wrong("task_type", format!("{name}, Kiln has {known}"))
                })?
            }
        };
        let saved = fields.get("modules_to_save").and_then(Value::as_array);
        let saved = saved.into_iter().flatten().filter_map(Value::as_str);
        let root = fields.get("use_rslora").and_then(Value::as_bool);
        Ok(Self {
            lora,
            scale: if root == Some(true) {
                LoraScale::RootOfRank
            } else {
                LoraScale::Rank
            },
            task,
            base: text("base_model_name_or_path").map(PathBuf::from),
            modules_to_save: saved.map(str::to_owned).collect(),
        })
    }
}

/// The first field that is set and says of the adapter what Kiln does not have.
fn unknown(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    // The others change the model that is adapted, so that the product is not all there is to add.
    const INITIAL: [&str; 3] = ["gaussian", "orthogonal", "eva"];
    let is_unset = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::String(_) => false,
    };
    let mut fields = fields.iter().map(|(name, value)| (name.as_str(), value));
    fields.find(|(name, value)| match (*name, *value) {
        ("bias", Value::String(bias)) => bias != "none",
        ("init_lora_weights", Value::String(how)) => !INITIAL.contains(&how.as_str()),
        (name, value) => {
            !READ.contains(&name) && !WITHOUT_EFFECT.contains(&name) && !is_unset(value)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> PeftConfig {
        PeftConfig {
            lora: LoraSettings {
                dropout: 0.05,
                ..LoraSettings::new(4, &["all-linear"])
            },
            scale: LoraScale::Rank,
            task: AdapterTask::Tokens,
            base: Some("models/base".into()),
            modules_to_save: vec!["classifier".to_owned()],
        }
    }

    fn opened(value: &Value) -> Result<PeftConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(PeftConfig::FILE), value.to_string()).unwrap();
        PeftConfig::open(folder.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_is_read_again() {
        for task in [
            AdapterTask::Sequence,
            AdapterTask::Answers,
            AdapterTask::Unnamed,
        ] {
            let config = PeftConfig { task, ..config() };
            assert_eq!(opened(&config.to_value()).unwrap(), config);
        }
        let root = PeftConfig {
            scale: LoraScale::RootOfRank,
            base: None,
            ..config()
        };
        assert_eq!(opened(&root.to_value()).unwrap(), root);
    }

    #[test]
    fn what_would_be_merged_otherwise_is_refused_by_name() {
        for (field, value) in [
            ("peft_type", json!("IA3")),
            ("task_type", json!("CAUSAL_LM")),
            ("use_dora", json!(true)),
            ("bias", json!("all")),
            ("rank_pattern", json!({"query": 2})),
            ("fan_in_fan_out", json!(true)),
            ("init_lora_weights", json!("pissa")),
            ("something_new", json!(3)),
            ("r", json!("four")),
            ("r", json!(0)),
        ] {
            let mut config = config().to_value();
            config[field] = value;
            let refused = opened(&config).unwrap_err();
            assert!(refused.contains(field), "{refused}");
        }
    }
}
