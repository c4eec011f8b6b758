//! What a discriminator says of a sentence in which the generator has put a wrong word.

use burn::tensor::Device;
use kiln_tasks::architecture::{Architecture, MaskCandidate, ReplacedTokensRequest, TokenScore};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::samples::Sample;

/// A sentence with one wrong word, and the discriminator's scores.
#[derive(Debug, Clone)]
pub(crate) struct DiscriminatorSample {
    /// The sentence.
    pub(crate) text: String,
    /// The word that does not belong there.
    pub(crate) word: String,
    /// The probability that it was replaced.
    pub(crate) replaced: f64,
    /// The most doubted of the other tokens, and its probability.
    pub(crate) other: Option<(String, f64)>,
}

impl DiscriminatorSample {
    /// Puts the generator's likeliest wrong word into a sample and asks the discriminator; none if
    /// all candidates are right, or no words.
    ///
    /// # Errors
    /// If the model can't be opened, or the architecture has no discriminator.
    pub(crate) fn ask(
        architecture: &dyn Architecture,
        model: &std::path::Path,
        (sample, candidates): (&Sample, &[MaskCandidate]),
        mask: &str,
        device: &Device,
    ) -> Result<Option<Self>, Failure> {
        let is_wrong = |word: &&str| {
            *word != sample.word && !word.is_empty() && word.chars().all(char::is_alphabetic)
        };
        let mut words = candidates.iter().map(|candidate| letters(&candidate.token));
        let Some(wrong) = words.find(is_wrong) else {
            return Ok(None);
        };
        let text = sample.text.replacen(mask, wrong, 1);
        let scored = architecture.replaced_tokens(&ReplacedTokensRequest {
            model: model.to_owned(),
            texts: vec![text.clone()],
            device: device.clone(),
        })?;
        let scores = scored.into_iter().next().unwrap_or_default();
        Ok(Self::of(text, wrong, &scores))
    }

    fn of(text: String, word: &str, scores: &[TokenScore]) -> Option<Self> {
        // The word may stand elsewhere in the sentence too: the most doubted one is meant.
        let highest = |scores: &mut dyn Iterator<Item = &TokenScore>| {
            scores
                .max_by(|a, b| a.replaced.total_cmp(&b.replaced))
                .map(|score| (score.position, score.token.clone(), score.replaced))
        };
        let (place, word, replaced) =
            highest(&mut scores.iter().filter(|score| letters(&score.token) == word))?;
        let other = highest(&mut scores.iter().filter(|score| score.position != place));
        Some(Self {
            text,
            word: letters(&word).to_owned(),
            replaced,
            other: other.map(|(_, token, replaced)| (token, replaced)),
        })
    }

    /// `discriminator: cat 0.83 replaced, of the others at most 0.21 (sat)`
    pub(crate) fn line(&self) -> String {
        let others = match &self.other {
            Some((token, replaced)) => format!(", of the others at most {replaced:.3} ({token})"),
            None => String::new(),
        };
        format!("{} {:.3} replaced{others}", self.word, self.replaced)
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "text": self.text,
            "word": self.word,
            "replaced": self.replaced,
            "highest_other": self.other.as_ref().map(|(_, replaced)| replaced),
        })
    }
}

/// A token without SentencePiece's or GPT-2's sign for the space before it.
fn letters(token: &str) -> &str {
    token.trim_start_matches(['▁', 'Ġ'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_doubted_of_equal_words_is_meant_and_the_rest_are_others() {
        let score = |position, token: &str, replaced| TokenScore {
            token: token.to_owned(),
            id: 0,
            position,
            replaced,
        };
        let scores = [
            score(0, "the", 0.1),
            score(1, "cat", 0.3),
            score(2, "cat", 0.8),
            score(3, ".", 0.2),
        ];
        let doubt = DiscriminatorSample::of("the cat cat.".to_owned(), "cat", &scores).unwrap();
        assert_eq!(
            doubt.line(),
            "cat 0.800 replaced, of the others at most 0.300 (cat)"
        );
        assert!(DiscriminatorSample::of(String::new(), "dog", &scores).is_none());
        let scores = [score(0, "▁the", 0.1), score(1, "▁cat", 0.3)];
        let doubt = DiscriminatorSample::of("the cat".to_owned(), "cat", &scores).unwrap();
        assert_eq!(
            doubt.line(),
            "cat 0.300 replaced, of the others at most 0.100 (▁the)"
        );
    }
}
