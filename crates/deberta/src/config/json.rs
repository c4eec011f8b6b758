//! The config read from JSON and written to it, where the derived functions do not do by themselves.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ABSENT, DebertaConfig, DebertaVersion};

/// A number that means none below 0: read as 0.
pub(super) fn none_below_zero<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<usize, D::Error> {
    let number = i64::deserialize(deserializer)?;
    Ok(usize::try_from(number).unwrap_or(0))
}

/// A number that may be absent or null, 0 where it is below 0.
pub(super) fn optional_none_below_zero<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<usize>, D::Error> {
    let number = Option::<i64>::deserialize(deserializer)?;
    Ok(number.map(|number| usize::try_from(number).unwrap_or(0)))
}

impl<'de> Deserialize<'de> for DebertaConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The derived function, which leaves out the sizes that the file does not have.
        let mut config = Self::deserialize(deserializer)?;
        let defaults = match config.version() {
            DebertaVersion::V1 => Self::v1(),
            DebertaVersion::V2 => Self::v2(),
        };
        for (size, default) in [
            (&mut config.vocab_size, defaults.vocab_size),
            (&mut config.hidden_size, defaults.hidden_size),
            (&mut config.num_hidden_layers, defaults.num_hidden_layers),
            (
                &mut config.num_attention_heads,
                defaults.num_attention_heads,
            ),
            (&mut config.intermediate_size, defaults.intermediate_size),
        ] {
            if *size == ABSENT {
                *size = default;
            }
        }
        Ok(config)
    }
}

impl Serialize for DebertaConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The derived function.
        Self::serialize(self, serializer)
    }
}
