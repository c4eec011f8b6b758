//! One vector for a sequence, as config.json's `summary_…` fields say.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Int, IntDType, Tensor};
use kiln_nn::{Activation, Dropout, Init, like, project};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::beam::states_at;
use crate::choice::Pool;
use crate::class::Encoded;
use crate::model_config::{ConfigError, check_demands, refuse};

/// The field of config.json that says how much dropout there is before the projection; absent: none.
const FIRST_DROPOUT: &str = "summary_first_dropout";

/// Which vector stands for a whole sequence in a classifier.
///
/// Padding counts for nothing: a sequence's summary does not depend on those beside it. Hugging Face's
/// classes look at positions instead, and differ where padding stands at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SummaryType {
    /// The last token's: XLNet's `<cls>`.
    Last,
    /// The first token's.
    First,
    /// The mean of all tokens'.
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
    /// Dropout on that vector.
    pub first_dropout: f64,
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
    /// Gives dropout this rate in the fields of a config.json, before the projection only where they have
    /// some there.
    pub fn with_dropout(fields: &mut Map<String, Value>, rate: f64) {
        with_first_dropout(fields, rate);
        fields.insert("summary_last_dropout".to_owned(), rate.into());
    }

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
        let first_dropout = match other.get(FIRST_DROPOUT) {
            None | Some(Value::Null) => 0.0,
            // What is no number is no rate either.
            Some(value) => value.as_f64().unwrap_or(f64::NAN),
        };
        for (field, rate) in [
            (FIRST_DROPOUT, first_dropout),
            ("summary_last_dropout", self.summary_last_dropout),
        ] {
            if !(0.0..1.0).contains(&rate) {
                refuse(field, rate, "choose a number from 0 to below 1")?;
            }
        }
        Ok(Summary {
            kind,
            activation,
            use_proj: self.summary_use_proj,
            first_dropout,
            last_dropout: self.summary_last_dropout,
        })
    }
}

/// Gives dropout before the projection this rate, where the fields of a config.json have some there.
pub fn with_first_dropout(fields: &mut Map<String, Value>, rate: f64) {
    if let Some(value) = fields.get_mut(FIRST_DROPOUT)
        && !value.is_null()
    {
        *value = rate.into();
    }
}

/// One vector for a sequence; Hugging Face `XLNetSequenceSummary` and `ElectraSequenceSummary`.
#[derive(Module, Debug)]
#[doc(alias = "ElectraSequenceSummary")]
pub struct SequenceSummary {
    first_dropout: Dropout,
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
            first_dropout: Dropout::new(summary.first_dropout),
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
    /// - `attention_mask`: `[batch, seq_len]`, 1 = token, 0 = padding; `None`: nothing is padding
    /// - returns `[batch, width]`
    pub fn forward(
        &self,
        hidden_states: Tensor<3>,
        attention_mask: Option<Tensor<2, Int>>,
    ) -> Tensor<2> {
        let summary = match attention_mask {
            Some(tokens) => self.of_tokens(hidden_states, tokens),
            None => self.of_all(hidden_states),
        };
        let summary = self.first_dropout.forward(summary);
        let projected = match &self.summary {
            Some(projection) => project(projection, summary),
            None => summary,
        };
        self.dropout.forward(match self.activation {
            Some(activation) => activation.forward(projected),
            None => projected,
        })
    }

    /// The vectors `[batch, width]` of sequences without padding.
    fn of_all(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let vectors = match self.kind {
            SummaryType::Last | SummaryType::ClsIndex => return states_at(hidden_states, None),
            SummaryType::First => hidden_states.narrow(1, 0, 1),
            SummaryType::Mean => hidden_states.mean_dim(1),
        };
        vectors.squeeze_dim::<2>(1)
    }

    /// The vectors `[batch, width]` of sequences with a token each at least, where `tokens` is 1.
    fn of_tokens(&self, hidden_states: Tensor<3>, tokens: Tensor<2, Int>) -> Tensor<2> {
        let [batch, seq_len] = tokens.dims();
        let places = Tensor::<1, Int>::arange(0..seq_len as i64, &tokens.device())
            .cast(IntDType::from(tokens.dtype()))
            .unsqueeze_dim::<2>(0);
        let position = match self.kind {
            SummaryType::Last | SummaryType::ClsIndex => {
                let places = places.add_scalar(1) * tokens;
                places.max_dim(1).sub_scalar(1)
            }
            SummaryType::First => {
                let from_end = places.neg().add_scalar(seq_len as i64) * tokens;
                from_end.max_dim(1).neg().add_scalar(seq_len as i64)
            }
            SummaryType::Mean => {
                let tokens = tokens.unsqueeze_dim::<3>(2);
                let count = like(tokens.clone().sum_dim(1).float(), &hidden_states);
                // Filled and not multiplied: 0 x NaN is NaN.
                let is_padding = tokens.equal_elem(0).expand(hidden_states.dims());
                let sum = hidden_states.mask_fill(is_padding, 0.0).sum_dim(1);
                return (sum / count).squeeze_dim::<2>(1);
            }
        };
        states_at(hidden_states, Some(&position.reshape([batch])))
    }
}

impl Pool for SequenceSummary {
    fn pool(&self, encoded: &Encoded) -> Tensor<2> {
        self.forward(
            encoded.hidden_states.clone(),
            encoded.attention_mask.clone(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(fields: &str) -> Result<Summary, ConfigError> {
        let fields: Map<String, Value> = serde_json::from_str(fields).unwrap();
        SummaryFields::of(&fields)?.summary(&fields)
    }

    #[test]
    fn without_fields_it_is_electras() {
        let first = summary("{}").unwrap();
        assert_eq!(first.kind, SummaryType::First);
        assert_eq!(first.activation, Some(Activation::Gelu));
        assert!(first.use_proj);
        assert_eq!((first.first_dropout, first.last_dropout), (0.0, 0.1));
    }

    #[test]
    fn dropout_is_read_from_both_fields_and_set_in_both() {
        let fields = r#"{"summary_first_dropout": 0.2, "summary_last_dropout": 0.3}"#;
        let both = summary(fields).unwrap();
        assert_eq!((both.first_dropout, both.last_dropout), (0.2, 0.3));
        let mut fields = serde_json::from_str(fields).unwrap();
        for rate in [0.0, 0.4] {
            SummaryFields::with_dropout(&mut fields, rate);
            let set = SummaryFields::of(&fields)
                .unwrap()
                .summary(&fields)
                .unwrap();
            assert_eq!((set.first_dropout, set.last_dropout), (rate, rate));
        }
    }

    #[test]
    fn a_summary_without_dropout_before_the_projection_gets_none() {
        let mut fields = Map::new();
        SummaryFields::with_dropout(&mut fields, 0.4);
        assert_eq!(
            Value::from(fields),
            serde_json::json!({"summary_last_dropout": 0.4})
        );
    }

    #[test]
    fn what_no_summary_can_be_is_refused_by_name() {
        for (fields, expected) in [
            (r#"{"summary_type": "attn"}"#, "summary_type = \"attn\""),
            (r#"{"summary_activation": "swoosh"}"#, "summary_activation"),
            (
                r#"{"summary_last_dropout": 1.0}"#,
                "summary_last_dropout = 1",
            ),
            (
                r#"{"summary_first_dropout": -0.5}"#,
                "summary_first_dropout = -0.5",
            ),
            (
                r#"{"summary_first_dropout": "much"}"#,
                "summary_first_dropout",
            ),
            (
                r#"{"summary_proj_to_labels": true}"#,
                "summary_proj_to_labels",
            ),
            (r#"{"summary_use_proj": 3}"#, "has another type"),
        ] {
            let error = summary(fields).unwrap_err().to_string();
            assert!(error.contains(expected), "{fields}: {error}");
        }
    }
}
