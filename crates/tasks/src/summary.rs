//! One vector for a sequence, as config.json's `summary_…` fields say.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use kiln_nn::{Activation, Dropout, Init};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::choice::Pool;
use crate::class::Encoded;
use crate::model_config::{ConfigError, check_demands};

/// Which vector stands for a whole sequence in a classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SummaryType {
    /// The last token's: XLNet's `<cls>`, where padding is on the left.
    Last,
    /// The first token's.
    First,
    /// The mean of all tokens', padding included.
    Mean,
    /// The last token's too: no argument here says which token is `<cls>`.
    ClsIndex,
}

/// How a classifier sums up a sequence, checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Which vector stands for it.
    pub kind: SummaryType,
    /// What is applied to that vector, or to its projection, if anything.
    pub activation: Option<Activation>,
    /// Whether that vector is projected.
    pub use_proj: bool,
    /// Dropout behind it all.
    pub last_dropout: f64,
}

/// The fields of a config.json that say how a sequence is summed up, with ELECTRA's defaults.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct SummaryFields {
    /// `last`, `first`, `mean` or `cls_index`.
    pub summary_type: String,
    /// Whether the vector is projected.
    pub summary_use_proj: bool,
    /// An activation's name; null or empty: none.
    pub summary_activation: Option<String>,
    /// Dropout behind it all.
    pub summary_last_dropout: f64,
}

impl Default for SummaryFields {
    fn default() -> Self {
        Self {
            summary_type: "first".to_owned(),
            summary_use_proj: true,
            summary_activation: Some("gelu".to_owned()),
            summary_last_dropout: 0.1,
        }
    }
}

impl SummaryFields {
    /// The fields among those of a config.json.
    ///
    /// # Errors
    /// If one has another type.
    pub fn of(fields: &Map<String, Value>) -> Result<Self, ConfigError> {
        serde_json::from_value(Value::Object(fields.clone())).map_err(|error| ConfigError {
            field: "summary_type",
            value: "beside summary_use_proj, summary_activation, summary_last_dropout".to_owned(),
            remedy: format!("one of them has another type ({error}); correct it"),
        })
    }

    /// How sequences are summed up; `other` are config.json's other fields.
    ///
    /// # Errors
    /// With the first field that has an impossible or unsupported value.
    pub fn summary(&self, other: &Map<String, Value>) -> Result<Summary, ConfigError> {
        let kind = match self.summary_type.as_str() {
            "last" => SummaryType::Last,
            "first" => SummaryType::First,
            "mean" => SummaryType::Mean,
            "cls_index" => SummaryType::ClsIndex,
            other => {
                return Err(ConfigError {
                    field: "summary_type",
                    value: Value::from(other).to_string(),
                    remedy: "choose last, first, mean or cls_index".to_owned(),
                });
            }
        };
        let activation = match self.summary_activation.as_deref() {
            None | Some("") => None,
            Some(name) => Some(Activation::from_name(name).map_err(|error| ConfigError {
                field: "summary_activation",
                value: Value::from(name).to_string(),
                remedy: error.to_string(),
            })?),
        };
        check_demands(other, &[("summary_proj_to_labels", false.into())])?;
        Ok(Summary {
            kind,
            activation,
            use_proj: self.summary_use_proj,
            last_dropout: self.summary_last_dropout,
        })
    }
}

/// One vector for a sequence; Hugging Face `XLNetSequenceSummary` and `ElectraSequenceSummary`.
#[derive(Module, Debug)]
#[doc(alias = "ElectraSequenceSummary")]
pub struct SequenceSummary {
    summary: Option<Linear>,
    dropout: Dropout,
    #[module(skip)]
    kind: SummaryType,
    #[module(skip)]
    activation: Option<Activation>,
}

impl SequenceSummary {
    /// Draws the projection, of hidden states that are `width` wide.
    pub fn new(summary: Summary, width: usize, init: &mut Init) -> Self {
        Self {
            summary: summary.use_proj.then(|| init.linear(width, width)),
            dropout: Dropout::new(summary.last_dropout),
            kind: summary.kind,
            activation: summary.activation,
        }
    }

    /// Sums up sequences.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, width]`
    /// - returns `[batch, width]`
    pub fn forward(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let [_, seq_len, _] = hidden_states.dims();
        let at = |position: usize| hidden_states.clone().narrow(1, position, 1);
        let summary = match self.kind {
            SummaryType::Last | SummaryType::ClsIndex => at(seq_len.saturating_sub(1)),
            SummaryType::First => at(0),
            SummaryType::Mean => hidden_states.clone().mean_dim(1),
        };
        let summary = summary.squeeze_dim::<2>(1);
        let projected = match &self.summary {
            Some(projection) => projection.forward(summary),
            None => summary,
        };
        self.dropout.forward(match self.activation {
            Some(activation) => activation.forward(projected),
            None => projected,
        })
    }
}

impl Pool for SequenceSummary {
    fn pool(&self, encoded: &Encoded) -> Tensor<2> {
        self.forward(encoded.hidden_states.clone())
    }
}
