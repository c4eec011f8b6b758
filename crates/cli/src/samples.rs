//! A few sentences with a word hidden, to see what a model has learned.

use kiln_learner::LearnError;
use kiln_tasks::RunSettings;
use kiln_tasks::documents::open_documents;
use kiln_text::{Tokenizer, Vocabulary};

/// Tokens in a sentence worth showing.
const TOKENS: std::ops::RangeInclusive<usize> = 8..=30;

/// Letters of a word worth hiding.
const LETTERS: usize = 4;

/// Sentences looked at before giving up: a corpus of lists may have none that fits.
const ATTEMPTS: usize = 20_000;

/// A sentence with a hidden word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    /// The sentence with the mask token.
    pub(crate) text: String,
    /// What stood there.
    pub(crate) word: String,
}

/// Up to `count` sentences of the text that the run evaluates on, from places far apart.
///
/// # Errors
/// If the corpus or the tokenizer can't be read.
pub(crate) fn draw(settings: &RunSettings, count: usize) -> Result<Vec<Sample>, LearnError> {
    let tokenizer = Tokenizer::open(&settings.data.tokenizer)?;
    let vocabulary = tokenizer.vocabulary()?;
    let (train, held_out) = open_documents(settings, &tokenizer, false)?;
    let documents = if held_out.is_empty() { train } else { held_out };
    let longest = (*TOKENS.end()).min(settings.data.seq_len.saturating_sub(2));
    let mut samples = Vec::new();
    let mut attempts = 0;
    let mut ids = Vec::new();
    // One from each of `count` equal stretches, as long as they have one.
    for stretch in 0..count {
        let at = |index: usize| documents.len() * index / count.max(1);
        let sentences = (at(stretch)..at(stretch + 1)).flat_map(|part| documents.part(part));
        for sentence in sentences {
            attempts += 1;
            if attempts > ATTEMPTS {
                return Ok(samples);
            }
            if !(*TOKENS.start()..=longest).contains(&documents.corpus().sentence_len(sentence)) {
                continue;
            }
            ids.clear();
            documents
                .corpus()
                .read(documents.corpus().sentence(sentence), &mut ids)?;
            if let Some(sample) = hide_word(&ids, &tokenizer, &vocabulary)? {
                samples.push(sample);
                break;
            }
        }
    }
    Ok(samples)
}

/// Hides the word nearest to the middle that is one token of letters.
fn hide_word(
    ids: &[u32],
    tokenizer: &Tokenizer,
    vocabulary: &Vocabulary,
) -> Result<Option<Sample>, LearnError> {
    if ids.contains(&vocabulary.unk) {
        return Ok(None);
    }
    let flag = |flags: &[bool], position: usize| {
        ids.get(position)
            .and_then(|&id| flags.get(id as usize))
            .copied()
            .unwrap_or(false)
    };
    let mut words: Vec<(usize, String)> = (0..ids.len())
        .filter(|&position| {
            !flag(&vocabulary.is_continuation, position)
                && !flag(&vocabulary.is_continuation, position + 1)
                && !flag(&vocabulary.is_special, position)
        })
        .filter_map(|position| {
            // As text: in most vocabularies the token itself has a mark for the space before it.
            let word = tokenizer.decode(&[*ids.get(position)?]).ok()?;
            Some((position, word.trim().to_owned()))
        })
        .filter(|(_, word)| {
            word.chars().count() >= LETTERS && word.chars().all(char::is_alphabetic)
        })
        .collect();
    words.sort_by_key(|(position, _)| position.abs_diff(ids.len() / 2));
    let Some((position, word)) = words.into_iter().next() else {
        return Ok(None);
    };
    let mask = tokenizer.token(vocabulary.mask).unwrap_or_default();
    let before = tokenizer.decode(ids.get(..position).unwrap_or_default())?;
    let after = tokenizer.decode(ids.get(position + 1..).unwrap_or_default())?;
    // A sign that follows a word stands next to it.
    let gap = if after.starts_with(['.', ',', ';', ':', '!', '?']) {
        ""
    } else {
        " "
    };
    let text = format!("{} {mask}{gap}{}", before.trim_end(), after.trim_start());
    let text = text.trim().to_owned();
    Ok(Some(Sample { text, word }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_text::tokenizer::{
        ByteBpeSettings, UnigramSettings, WordPieceSettings, train_byte_bpe_on_texts,
        train_unigram_on_texts, train_word_piece_on_texts,
    };

    #[test]
    fn the_hidden_word_put_back_gives_the_sentence() {
        let text = "the potter opened the kiln, and the pots were red";
        let word_piece = WordPieceSettings {
            min_frequency: 1,
            ..WordPieceSettings::default()
        };
        let byte_bpe = ByteBpeSettings {
            min_frequency: 1,
            ..ByteBpeSettings::default()
        };
        let unigram = UnigramSettings {
            character_coverage: 1.0,
            ..UnigramSettings::default()
        };
        // A unigram vocabulary has words that come twice.
        let twice = [text, text];
        for tokenizer in [
            train_word_piece_on_texts([text], &word_piece).unwrap(),
            train_unigram_on_texts(twice, &unigram).unwrap(),
            train_byte_bpe_on_texts([text], &byte_bpe).unwrap(),
        ] {
            let ids = tokenizer.encode(text).unwrap();
            let sample = hide_word(&ids, &tokenizer, &tokenizer.vocabulary().unwrap())
                .unwrap()
                .unwrap();
            assert!(sample.text.contains("[MASK]"), "{sample:?}");
            assert_eq!(sample.text.replace("[MASK]", &sample.word), text);
        }
    }
}
