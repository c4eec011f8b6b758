//! Objectives as they were written before each kind had settings of its own: one flat list of what
//! any of them has.

use kiln_text::masking::Masking;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::objective::{
    DetectionSettings, ExampleSettings, MaskedLmSettings, ObjectiveSettings, PermutedLmSettings,
    ReplacedTokensSettings, WordHead,
};

/// The flat list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Flat {
    next_sentence: bool,
    examples: Value,
    mask_rate: f64,
    mask_share: f64,
    random_share: f64,
    whole_word: bool,
    // Runs written before there were n-grams chose each token by itself.
    #[serde(default = "single")]
    max_ngram: usize,
    max_predictions: usize,
    short_seq_prob: f64,
    #[serde(default)]
    perm_size: Option<usize>,
    #[serde(default)]
    word_head: Option<WordHead>,
    #[serde(default)]
    replaced_tokens: Option<DetectionSettings>,
    #[serde(default)]
    next_from_others: bool,
}

fn single() -> usize {
    1
}

/// Reads an objective's settings, in the form that says its kind or in the one before.
///
/// # Errors
/// If they are of neither form.
pub(super) fn read<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<ObjectiveSettings, D::Error> {
    let settings = Value::deserialize(deserializer)?;
    let settings = if settings.get("kind").is_some() {
        serde_json::from_value(settings)
    } else {
        serde_json::from_value(settings).and_then(Flat::into_kind)
    };
    settings.map_err(D::Error::custom)
}

impl Flat {
    fn into_kind(self) -> Result<ObjectiveSettings, serde_json::Error> {
        if self.examples == "permuted" {
            return Ok(ObjectiveSettings::PermutedLm(PermutedLmSettings {
                rate: self.mask_rate,
                max_gram: self.max_ngram,
                num_predict: self.max_predictions,
                perm_size: self.perm_size,
            }));
        }
        let masking = Masking {
            rate: self.mask_rate,
            mask_share: self.mask_share,
            random_share: self.random_share,
            whole_word: self.whole_word,
            max_ngram: self.max_ngram,
            max_predictions: self.max_predictions,
        };
        let examples = ExampleSettings {
            kind: serde_json::from_value(self.examples)?,
            short_seq_prob: self.short_seq_prob,
            next_from_others: self.next_from_others,
        };
        Ok(match self.replaced_tokens {
            Some(detection) => ObjectiveSettings::ReplacedTokens(ReplacedTokensSettings {
                masking,
                examples,
                detection,
            }),
            None => ObjectiveSettings::MaskedLm(MaskedLmSettings {
                masking,
                examples,
                // Where there are heads to choose from there are no next sentences.
                next_sentence: self.word_head.is_none().then_some(self.next_sentence),
                word_head: self.word_head,
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_from_before_n_grams_choose_each_by_itself() {
        let mut settings = serde_json::json!({
            "next_sentence": true, "examples": "pairs", "mask_rate": 0.15, "mask_share": 0.8,
            "random_share": 0.1, "whole_word": false, "max_predictions": 20,
            "short_seq_prob": 0.1,
        });
        let max_ngram = |settings: &Value| match read(settings.clone()).unwrap() {
            ObjectiveSettings::MaskedLm(settings) => settings.masking.max_ngram,
            other => panic!("{other:?}"),
        };
        assert_eq!(max_ngram(&settings), 1);
        settings["max_ngram"] = 3.into();
        assert_eq!(max_ngram(&settings), 3);
    }

    #[test]
    fn what_no_objective_has_is_refused_in_either_form() {
        for settings in [
            r#"{"next_sentence": true}"#,
            r#"{"kind": "guessing"}"#,
            r#"{"kind": "permuted-lm", "rate": 0.2, "max_gram": 5, "num_predict": 5,
                "perm_size": null, "mask_share": 0.0}"#,
        ] {
            let settings: Value = serde_json::from_str(settings).unwrap();
            assert!(read(settings.clone()).is_err(), "{settings}");
        }
    }
}
