//! ELECTRA's config.json: BERT's fields and the width of the embeddings; and a generator's sizes.

use kiln_bert::EncoderConfig;
use kiln_tasks::replaced_tokens::{heads_for, scaled};

/// ELECTRA among the architectures on BERT's encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElectraKind;

/// What an ELECTRA is made of: a generator, a discriminator or a model fine-tuned from one.
pub type ElectraConfig = EncoderConfig<ElectraKind>;

/// Width of an attention head in every published size.
const HEAD_SIZE: usize = 64;

/// A generator for a discriminator: width, feed-forward width and heads scaled by `size`, layers by
/// `layers`; the embeddings keep their width.
///
/// The widths of Clark et al. 2020, section 3.2 and the original's `get_generator_config`; a head is
/// 64 wide, as in every published size, or as wide as the generator where that is less.
pub fn generator_of(discriminator: &ElectraConfig, size: f64, layers: f64) -> ElectraConfig {
    let hidden_size = scaled(discriminator.hidden_size, size);
    ElectraConfig {
        hidden_size,
        intermediate_size: 4 * hidden_size,
        num_attention_heads: heads_for(hidden_size, HEAD_SIZE),
        num_hidden_layers: scaled(discriminator.num_hidden_layers, layers),
        architectures: None,
        id2label: None,
        label2id: None,
        problem_type: None,
        ..discriminator.clone()
    }
}

#[cfg(test)]
mod tests {
    use kiln_tasks::labelled::{TasksOf, TunedFamily as _};

    use super::*;

    fn parse(json: &str) -> ElectraConfig {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn absent_fields_have_hugging_faces_defaults() {
        assert_eq!(parse("{}"), ElectraConfig::default());
    }

    #[test]
    fn unknown_fields_come_back_as_they_were() {
        let text = r#"{"summary_type":"first","summary_last_dropout":0.1,"x":[1]}"#;
        let written = serde_json::to_value(parse(text)).unwrap();
        assert_eq!(written["summary_type"], "first");
        assert_eq!(written["x"], serde_json::json!([1]));
        assert_eq!(written["embedding_size"], 128);
    }

    #[test]
    fn a_rate_of_dropout_is_that_of_every_field() {
        let own = serde_json::json!({"classifier_dropout": 0.2, "summary_first_dropout": 0.1});
        let family = TasksOf::<ElectraConfig>::ALL;
        let set = family.with_dropout(&own, 0.3).unwrap();
        for field in [
            "hidden_dropout_prob",
            "attention_probs_dropout_prob",
            "classifier_dropout",
            "summary_first_dropout",
            "summary_last_dropout",
        ] {
            assert_eq!(set[field], 0.3, "{field}");
        }
    }

    #[test]
    fn a_value_that_changes_the_result_and_is_not_supported_is_refused_by_name() {
        for (json, field) in [
            (r#"{"model_type":"bert"}"#, "model_type"),
            (r#"{"embedding_size":0}"#, "embedding_size"),
            (r#"{"embedding_size":2000000000}"#, "embedding_size"),
            (r#"{"num_attention_heads":7}"#, "num_attention_heads"),
            (r#"{"tie_word_embeddings":1}"#, "tie_word_embeddings"),
            (r#"{"num_labels":0}"#, "num_labels"),
            (
                r#"{"position_embedding_type":"relative_key"}"#,
                "position_embedding_type",
            ),
            (r#"{"is_decoder":true}"#, "is_decoder"),
            (r#"{"hidden_dropout_prob":1.0}"#, "hidden_dropout_prob"),
            (r#"{"pad_token_id":30522}"#, "pad_token_id"),
        ] {
            let error = parse(json).validate().unwrap_err();
            assert_eq!(error.field, field, "{error}");
        }
        assert_eq!(parse(r#"{"embedding_size":33}"#).validate(), Ok(()));
    }

    #[test]
    fn a_generator_has_the_published_widths() {
        let base = ElectraConfig {
            hidden_size: 768,
            num_attention_heads: 12,
            intermediate_size: 3_072,
            embedding_size: Some(768),
            ..ElectraConfig::default()
        };
        for (config, size, hidden, heads) in [
            (&ElectraConfig::default(), 0.25, 64, 1),
            (&base, 1.0 / 3.0, 256, 4),
            (&base, 1.0, 768, 12),
            (&base, 0.2, 154, 2),
        ] {
            let generator = generator_of(config, size, 1.0);
            assert_eq!(generator.hidden_size, hidden);
            assert_eq!(generator.intermediate_size, 4 * hidden);
            assert_eq!(generator.num_attention_heads, heads);
            assert_eq!(generator.embedding_size, config.embedding_size);
            assert_eq!(generator.num_hidden_layers, 12);
            assert_eq!(generator.validate(), Ok(()));
        }
        assert_eq!(generator_of(&base, 0.25, 0.5).num_hidden_layers, 6);
    }
}
