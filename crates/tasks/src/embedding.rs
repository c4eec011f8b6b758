//! What is asked of an encoder: vectors of texts.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use burn::tensor::Device;
use kiln_learner::LearnError;

/// A way to make one vector of a text's hidden states. Special tokens count as any other, padding as
/// none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The hidden state of the first token, as it leaves the encoder: not the pooler's.
    Cls,
    /// The largest value of each column.
    Max,
    /// The mean over the tokens.
    Mean,
    /// The sum over the tokens, divided by the square root of their number.
    MeanSqrtLen,
    /// The mean with the weights 1, 2, … by position.
    WeightedMean,
    /// The hidden state of the last token.
    LastToken,
}

impl Pooling {
    /// All of them, in the order in which the older form of `1_Pooling/config.json` joins several.
    pub const ALL: [Self; 6] = [
        Self::Cls,
        Self::Max,
        Self::Mean,
        Self::MeanSqrtLen,
        Self::WeightedMean,
        Self::LastToken,
    ];

    /// The name in `pooling_mode`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cls => "cls",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::MeanSqrtLen => "mean_sqrt_len_tokens",
            Self::WeightedMean => "weightedmean",
            Self::LastToken => "lasttoken",
        }
    }

    /// The name of the older form's Boolean field.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::Cls => "pooling_mode_cls_token",
            Self::Max => "pooling_mode_max_tokens",
            Self::Mean => "pooling_mode_mean_tokens",
            Self::MeanSqrtLen => "pooling_mode_mean_sqrt_len_tokens",
            Self::WeightedMean => "pooling_mode_weightedmean_tokens",
            Self::LastToken => "pooling_mode_lasttoken",
        }
    }

    /// All names, for a message.
    pub fn known() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl fmt::Display for Pooling {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Pooling {
    type Err = String;

    /// `mean_sqrt_len` is short for `mean_sqrt_len_tokens`.
    fn from_str(name: &str) -> Result<Self, String> {
        let named = |mode: &Self| mode.name() == name;
        if name == "mean_sqrt_len" {
            return Ok(Self::MeanSqrtLen);
        }
        let mode = Self::ALL.into_iter().find(named);
        mode.ok_or_else(|| format!("no pooling of this name; there are {}", Self::known()))
    }
}

/// A request to open an encoder for texts.
#[derive(Debug, Clone)]
pub struct EmbedRequest {
    /// A Hugging Face folder, one of sentence-transformers, or a checkpoint that holds a pair.
    pub model: PathBuf,
    /// How a vector is made, the vectors of several modes one after the other; none: as the folder
    /// says, else the mean.
    pub pooling: Vec<Pooling>,
    /// Whether vectors are divided by their length; none: as the folder says, else not.
    pub normalize: Option<bool>,
    /// Where to run.
    pub device: Device,
    /// Who is told of what is no error.
    pub warn: fn(&str),
}

/// The vectors of some texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// A vector for each text, in order.
    pub vectors: Vec<Vec<f32>>,
    /// The indices of the texts that were too long and whose ends were left out, rising.
    pub cut: Vec<usize>,
}

/// An encoder that stays open: asked for window after window of a stream of texts.
pub trait TextEmbedder {
    /// A vector for each text. It does not depend on what other texts are there.
    ///
    /// # Errors
    /// If a text has a token that the model lacks, or its vector is not finite.
    fn embed(&self, texts: &[String]) -> Result<Embedded, LearnError>;

    /// The length of a vector.
    fn width(&self) -> usize;

    /// Tokens of the longest text that is read whole, special ones included.
    fn longest(&self) -> usize;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_mode() {
        for mode in Pooling::ALL {
            assert_eq!(mode.name().parse(), Ok(mode));
        }
        assert_eq!("mean_sqrt_len".parse(), Ok(Pooling::MeanSqrtLen));
        let error = "average".parse::<Pooling>().unwrap_err();
        assert_eq!(
            error,
            "no pooling of this name; there are cls, max, mean, mean_sqrt_len_tokens, \
             weightedmean, lasttoken"
        );
    }
}
