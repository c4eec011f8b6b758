//! Which configurations Kiln refuses: impossible ones, and those whose result it would get wrong.

use kiln_tasks::ConfigError;
use kiln_tasks::model_config::{
    check_demands, check_heads, check_labels, check_model_type, check_padding, check_parameters,
    check_rates, check_sizes, refuse,
};
use kiln_tasks::tying::check_tying;
use serde_json::{Map, Value};

use crate::config::{DebertaConfig, DebertaVersion};
use crate::pos_att_type::PosAttType;

impl DebertaConfig {
    /// Checks every field whose value decides the result.
    ///
    /// # Errors
    /// With the first field that has an impossible or unsupported value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_supported()?;
        self.validate_sizes()?;
        self.validate_positions()?;
        self.validate_rates()
    }

    /// Checks that an enhanced mask decoder can stand on this encoder.
    ///
    /// # Errors
    /// With the field that is in its way.
    pub fn validate_mask_decoder(&self) -> Result<(), ConfigError> {
        if self.num_hidden_layers < 2 {
            return refuse(
                "num_hidden_layers",
                self.num_hidden_layers,
                "the enhanced mask decoder needs at least 2",
            );
        }
        if self.has_projection() {
            return refuse(
                "embedding_size",
                self.embedding_size(),
                format!(
                    "the enhanced mask decoder adds them to hidden states; choose hidden_size ({})",
                    self.hidden_size
                ),
            );
        }
        Ok(())
    }

    fn validate_supported(&self) -> Result<(), ConfigError> {
        check_model_type(&self.model_type, self.version().model_type(), "DeBERTa")?;
        let demands = [
            ("talking_head", Value::from(false)),
            ("pruned_heads", Value::Object(Map::new())),
        ];
        check_demands(&self.other, &demands)?;
        check_tying(&self.other)?;
        if self.version() == DebertaVersion::V1 {
            self.validate_v1()?;
        }
        self.validate_terms()
    }

    /// Hugging Face's v1 ignores these fields, the original's does not.
    fn validate_v1(&self) -> Result<(), ConfigError> {
        let given = [
            ("position_buckets", self.position_buckets().map(Value::from)),
            (
                "share_att_key",
                self.shares_position_projections().then(|| true.into()),
            ),
            (
                "norm_rel_ebd",
                self.norm_rel_ebd
                    .clone()
                    .filter(|_| self.norms().any(|norm| norm != "none"))
                    .map(Value::from),
            ),
            ("conv_kernel_size", self.conv_kernel_size().map(Value::from)),
        ];
        for (field, value) in given {
            if let Some(value) = value {
                return refuse(
                    field,
                    value,
                    "model_type deberta has no such part; is this a deberta-v2?",
                );
            }
        }
        Ok(())
    }

    fn validate_terms(&self) -> Result<(), ConfigError> {
        if let Some(norm_rel_ebd) = &self.norm_rel_ebd
            && let Some(norm) = self
                .norms()
                .find(|norm| !["layer_norm", "none"].contains(&norm.as_str()))
        {
            return refuse(
                "norm_rel_ebd",
                norm_rel_ebd.clone(),
                format!("{norm:?} is not supported, choose layer_norm or none"),
            );
        }
        let Some(pos_att_type) = &self.pos_att_type else {
            return Ok(());
        };
        let value = match pos_att_type {
            PosAttType::Words(words) => Value::from(words.clone()),
            PosAttType::List(words) => Value::from(words.clone()),
        };
        let terms = pos_att_type.terms();
        for (index, term) in terms.iter().enumerate() {
            let remedy = match term.as_str() {
                "c2p" | "p2c" if !terms.iter().take(index).any(|before| before == term) => continue,
                "c2p" | "p2c" => "name each term once",
                // v1 of Hugging Face counts this word as a term of the scale, the original does not.
                "none" | "" if self.version() == DebertaVersion::V1 => {
                    "implementations differ on it; for no term write an empty list"
                }
                "none" | "" => continue,
                _ => "choose c2p, p2c or both, in small letters",
            };
            return refuse("pos_att_type", value, remedy);
        }
        Ok(())
    }

    fn validate_sizes(&self) -> Result<(), ConfigError> {
        check_sizes(&[
            ("vocab_size", self.vocab_size),
            ("embedding_size", self.embedding_size()),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("conv_groups", self.conv_groups()),
        ])?;
        if self.type_vocab_size > i32::MAX as usize {
            return refuse(
                "type_vocab_size",
                self.type_vocab_size,
                "choose a number from 0 to 2147483647",
            );
        }
        let width = ("hidden_size", self.hidden_size);
        check_heads(("num_attention_heads", self.num_attention_heads), width)?;
        // v1 does not read it.
        if let Some(size) = self.attention_head_size
            && self.version() == DebertaVersion::V2
            && size != self.head_size()
        {
            return refuse(
                "attention_head_size",
                size,
                format!(
                    "only hidden_size / num_attention_heads ({}) is supported",
                    self.head_size()
                ),
            );
        }
        if let Some(size) = self.pooler_hidden_size
            && size != self.hidden_size
        {
            return refuse(
                "pooler_hidden_size",
                size,
                format!("only hidden_size ({}) is supported", self.hidden_size),
            );
        }
        check_padding(self.pad_token_id, self.vocab_size)?;
        check_labels(self.id2label.as_ref(), &self.other)?;
        self.validate_convolution()?;
        if self.span() > i32::MAX as usize / 2 {
            return refuse(
                match self.position_buckets() {
                    Some(_) => "position_buckets",
                    None => "max_relative_positions",
                },
                self.span(),
                "choose a number below 1073741823",
            );
        }
        check_parameters(width, self.encoder_parameters())
    }

    fn validate_convolution(&self) -> Result<(), ConfigError> {
        let Some(kernel) = self.conv_kernel_size() else {
            return Ok(());
        };
        // With an even one the output would be a token shorter than the input.
        if kernel.is_multiple_of(2) || kernel > i32::MAX as usize {
            return refuse("conv_kernel_size", kernel, "choose an odd number");
        }
        let groups = self.conv_groups();
        if !self.hidden_size.is_multiple_of(groups) {
            return refuse(
                "conv_groups",
                groups,
                format!("choose a divisor of hidden_size ({})", self.hidden_size),
            );
        }
        Ok(())
    }

    fn validate_positions(&self) -> Result<(), ConfigError> {
        let Some(buckets) = self.position_buckets().filter(|_| self.relative_attention) else {
            return Ok(());
        };
        if buckets < 2 {
            return refuse(
                "position_buckets",
                buckets,
                "choose 2 or more, or -1 for none",
            );
        }
        // The logarithm that divides is that of (largest distance - 1) / (buckets / 2).
        let largest = self.max_relative_positions();
        if largest == buckets / 2 + 1 {
            let field = match usize::try_from(self.max_relative_positions) {
                Ok(1..) => "max_relative_positions",
                _ => "max_position_embeddings",
            };
            return refuse(
                field,
                largest,
                format!(
                    "with position_buckets = {buckets} distances beyond {} are divided by zero; \
                     choose another number than {largest}, or other buckets",
                    buckets / 2
                ),
            );
        }
        Ok(())
    }

    fn validate_rates(&self) -> Result<(), ConfigError> {
        let dropout = [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            (
                "attention_probs_dropout_prob",
                self.attention_probs_dropout_prob,
            ),
            ("pooler_dropout", self.pooler_dropout),
            ("cls_dropout", self.cls_dropout()),
        ];
        check_rates(&dropout, self.initializer_range, self.layer_norm_eps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> DebertaConfig {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_value_that_changes_the_result_and_is_not_supported_is_refused_by_name() {
        for (json, field) in [
            (r#"{"model_type":"bert"}"#, "model_type"),
            (r#"{"talking_head":true}"#, "talking_head"),
            (r#"{"tie_word_embeddings":0}"#, "tie_word_embeddings"),
            (r#"{"num_labels":0}"#, "num_labels"),
            (r#"{"pos_att_type":"c2p|p2p"}"#, "pos_att_type"),
            (r#"{"pos_att_type":["c2p","c2p"]}"#, "pos_att_type"),
            (
                r#"{"model_type":"deberta","pos_att_type":"none"}"#,
                "pos_att_type",
            ),
            (r#"{"norm_rel_ebd":"rms_norm"}"#, "norm_rel_ebd"),
            (
                r#"{"model_type":"deberta","norm_rel_ebd":"layer_norm"}"#,
                "norm_rel_ebd",
            ),
            (
                r#"{"model_type":"deberta","position_buckets":256}"#,
                "position_buckets",
            ),
            (
                r#"{"model_type":"deberta","share_att_key":true}"#,
                "share_att_key",
            ),
            (
                r#"{"model_type":"deberta","conv_kernel_size":3}"#,
                "conv_kernel_size",
            ),
            (
                r#"{"relative_attention":true,"position_buckets":1}"#,
                "position_buckets",
            ),
            (
                r#"{"relative_attention":true,"position_buckets":8,"max_relative_positions":5}"#,
                "max_relative_positions",
            ),
            (
                r#"{"relative_attention":true,"position_buckets":9,"max_relative_positions":0,
                    "max_position_embeddings":5}"#,
                "max_position_embeddings",
            ),
            (r#"{"position_buckets":2000000000}"#, "position_buckets"),
            (
                r#"{"max_relative_positions":2000000000}"#,
                "max_relative_positions",
            ),
            (r#"{"conv_kernel_size":2}"#, "conv_kernel_size"),
            (r#"{"conv_kernel_size":3,"conv_groups":5}"#, "conv_groups"),
            (r#"{"attention_head_size":32}"#, "attention_head_size"),
            (r#"{"pooler_hidden_size":32}"#, "pooler_hidden_size"),
            (r#"{"num_attention_heads":7}"#, "num_attention_heads"),
            (r#"{"embedding_size":0}"#, "embedding_size"),
            (r#"{"intermediate_size":2000000000}"#, "hidden_size"),
            (r#"{"pad_token_id":128100}"#, "pad_token_id"),
            (r#"{"id2label":{}}"#, "id2label"),
            (r#"{"hidden_dropout_prob":1.0}"#, "hidden_dropout_prob"),
            (r#"{"pooler_dropout":-0.1}"#, "pooler_dropout"),
            (r#"{"cls_dropout":1}"#, "cls_dropout"),
            (r#"{"layer_norm_eps":0}"#, "layer_norm_eps"),
        ] {
            let error = parse(json).validate().unwrap_err();
            assert_eq!(error.field, field, "{error}");
        }
        let kernel = parse(r#"{"conv_kernel_size":2}"#).validate();
        assert_eq!(
            kernel.unwrap_err().to_string(),
            "conv_kernel_size = 2: choose an odd number"
        );
    }

    #[test]
    fn what_files_may_say_of_parts_that_are_not_there_is_fine() {
        for json in [
            r#"{"talking_head":false,"conv_kernel_size":0,"pos_att_type":"none"}"#,
            r#"{"attention_head_size":64,"pooler_hidden_size":1536,"type_vocab_size":0}"#,
            r#"{"model_type":"deberta","position_buckets":-1,"norm_rel_ebd":"none",
                "share_att_key":false,"attention_head_size":1,"pos_att_type":[]}"#,
            r#"{"pos_att_type":"P2C|c2p","norm_rel_ebd":" Layer_Norm"}"#,
            r#"{"position_buckets":8,"max_relative_positions":5}"#,
            r#"{"type_vocab_size":-1,"conv_kernel_size":-1,"tie_word_embeddings":false}"#,
            r#"{"relative_attention":true,"position_buckets":256,"max_position_embeddings":128}"#,
        ] {
            assert_eq!(parse(json).validate(), Ok(()), "{json}");
        }
    }

    #[test]
    fn a_mask_decoder_needs_two_layers_and_embeddings_as_wide_as_they_are() {
        let fields = |json| parse(json).validate_mask_decoder().map_err(|e| e.field);
        assert_eq!(fields("{}"), Ok(()));
        assert_eq!(
            fields(r#"{"num_hidden_layers":1}"#),
            Err("num_hidden_layers")
        );
        assert_eq!(fields(r#"{"embedding_size":8}"#), Err("embedding_size"));
    }
}
