//! RoBERTa's config.json: BERT's fields, with Hugging Face's values where one is left out.

use kiln_bert::EncoderConfig;

/// RoBERTa among the architectures on BERT's encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RobertaKind;

/// What a RoBERTa is made of. Of `max_position_embeddings` rows those up to `pad_token_id` are no
/// token's.
pub type RobertaConfig = EncoderConfig<RobertaKind>;

#[cfg(test)]
mod tests {
    use kiln_tasks::Family;
    use kiln_tasks::labelled::{TasksOf, TunedFamily as _};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn absent_fields_have_hugging_faces_defaults() {
        let parsed = RobertaConfig::parse(&json!({})).unwrap();
        assert_eq!(parsed, RobertaConfig::default());
        assert_eq!(parsed.sizes().longest(), 510);
        // Null is a value: nothing tells where positions begin.
        let error = RobertaConfig::parse(&json!({"pad_token_id": null})).unwrap_err();
        assert!(error.to_string().contains("pad_token_id"), "{error}");
    }

    #[test]
    fn unknown_fields_come_back_as_they_were() {
        let file = json!({"model_type": "roberta", "bos_token_id": 0, "x": [1], "pad_token_id": 3});
        let written = serde_json::to_value(RobertaConfig::parse(&file).unwrap()).unwrap();
        for (field, value) in file.as_object().unwrap() {
            assert_eq!(&written[field], value, "{field}");
        }
    }

    #[test]
    fn a_rate_of_dropout_is_that_of_every_field() {
        let own = json!({"classifier_dropout": null});
        let family = TasksOf::<RobertaConfig>::ALL;
        let set = family.with_dropout(&own, 0.3).unwrap();
        for field in [
            "hidden_dropout_prob",
            "attention_probs_dropout_prob",
            "classifier_dropout",
        ] {
            assert_eq!(set[field], 0.3, "{field}");
        }
    }

    #[test]
    fn a_value_that_changes_the_result_and_is_not_supported_is_refused_by_name() {
        let refused: [(Value, &str); 6] = [
            (json!({"model_type": "bert"}), "model_type: \"bert\""),
            (json!({"model_type": "xlm-roberta"}), "model_type"),
            (json!({"is_decoder": true}), "is_decoder"),
            (json!({"num_attention_heads": 7}), "num_attention_heads"),
            (
                json!({"max_position_embeddings": 2}),
                "max_position_embeddings",
            ),
            (json!({"vocab_size": 7, "pad_token_id": 7}), "pad_token_id"),
        ];
        for (file, expected) in refused {
            let error = RobertaConfig::parse(&file).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
