//! Which adapters are learned.

use serde::{Deserialize, Serialize};

/// PEFT's word for all linear layers of the encoder.
const ALL: &str = "all-linear";

/// PEFT's `lora_alpha` where nobody says.
const ALPHA: f64 = 8.0;

/// Which adapters are learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraSettings {
    /// Columns of A and rows of B.
    pub rank: usize,
    /// The product of the two is multiplied by alpha / rank.
    pub alpha: f64,
    /// The linear layers of the encoder that get one, by the end of their Hugging Face names, e.g.
    /// `query`; `all-linear`: all of them.
    pub targets: Vec<String>,
    /// Rate of dropout of what A reads, while the model is trained: PEFT's `lora_dropout`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropout: f64,
}

fn is_zero(rate: &f64) -> bool {
    *rate == 0.0
}

/// What the product of A and B is multiplied by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoraScale {
    /// alpha / rank (Hu et al. 2021).
    Rank,
    /// alpha / √rank (Kalajdzievski 2023), PEFT's `use_rslora`.
    RootOfRank,
}

impl LoraScale {
    /// The factor.
    pub(crate) fn factor(self, settings: &LoraSettings) -> f64 {
        let rank = settings.rank as f64;
        match self {
            Self::Rank => settings.alpha / rank,
            Self::RootOfRank => settings.alpha / rank.sqrt(),
        }
    }
}

impl LoraSettings {
    /// Adapters of these layers with PEFT's alpha, 8, which is also that of Hu et al. 2021 for a base model
    /// and rank 8.
    pub fn new(rank: usize, targets: &[&str]) -> Self {
        Self {
            rank,
            alpha: ALPHA,
            targets: targets.iter().map(|&name| name.to_owned()).collect(),
            dropout: 0.0,
        }
    }

    /// Refuses settings that nothing can be trained with.
    ///
    /// # Errors
    /// A sentence that names the field, its value and the remedy.
    pub fn validate(&self) -> Result<(), String> {
        if self.rank == 0 {
            return Err("lora.rank = 0: an adapter needs a rank of at least 1, e.g. 8".to_owned());
        }
        if !(self.alpha > 0.0 && self.alpha.is_finite()) {
            return Err(format!(
                "lora.alpha = {}: choose a number above 0, e.g. 8",
                self.alpha
            ));
        }
        if !(self.dropout >= 0.0 && self.dropout < 1.0) {
            return Err(format!(
                "lora.dropout = {}: choose a number from 0 to below 1, e.g. 0.1",
                self.dropout
            ));
        }
        if self.targets.is_empty() || self.targets.iter().any(String::is_empty) {
            return Err(
                "lora.targets: name the layers that get an adapter, e.g. query,value".to_owned(),
            );
        }
        Ok(())
    }

    /// Whether the layer of this Hugging Face name is meant by a target: its name or the end of it.
    pub fn means(target: &str, layer: &str) -> bool {
        let ending = layer.strip_suffix(target);
        target == ALL || ending.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_nothing_can_be_trained_with_are_refused_by_name() {
        let refused = |change: fn(&mut LoraSettings)| {
            let mut settings = LoraSettings::new(8, &["query"]);
            assert_eq!(settings.validate(), Ok(()));
            change(&mut settings);
            settings.validate().unwrap_err()
        };
        assert!(refused(|lora| lora.rank = 0).starts_with("lora.rank = 0"));
        assert!(refused(|lora| lora.alpha = 0.0).starts_with("lora.alpha = 0"));
        assert!(refused(|lora| lora.alpha = f64::NAN).starts_with("lora.alpha = NaN"));
        assert!(refused(|lora| lora.dropout = 1.0).starts_with("lora.dropout = 1"));
        assert!(refused(|lora| lora.dropout = f64::NAN).starts_with("lora.dropout = NaN"));
        assert!(refused(|lora| lora.targets.clear()).starts_with("lora.targets"));
        assert!(refused(|lora| lora.targets = vec![String::new()]).starts_with("lora.targets"));
    }

    #[test]
    fn a_target_is_the_end_of_a_name_on_whole_segments() {
        let query = "bert.encoder.layer.0.attention.self.query";
        for target in ["query", "self.query", query, "all-linear"] {
            assert!(LoraSettings::means(target, query), "{target}");
        }
        for target in ["key", "ry", "attention", "query.weight"] {
            assert!(!LoraSettings::means(target, query), "{target}");
        }
    }

    #[test]
    fn the_factor_is_pefts() {
        let settings = LoraSettings {
            alpha: 6.0,
            ..LoraSettings::new(4, &["query"])
        };
        assert_eq!(LoraScale::Rank.factor(&settings), 1.5);
        assert_eq!(LoraScale::RootOfRank.factor(&settings), 3.0);
    }
}
