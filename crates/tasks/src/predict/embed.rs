//! Vectors of texts: an encoder's hidden states, pooled; as sentence-transformers does it where its
//! files are beside the model.

use burn::tensor::Device;
use kiln_learner::{LearnError, read_values};
use kiln_text::HostBatch;
use kiln_text::tokenizer::Around;

use super::Predictor;
use super::batch::split;
use super::pooling::{normalize, pool};
use super::sentence_folder::SentenceFolder;
use super::table::check_ids;
use crate::class::{Class, Encoder};
use crate::embedding::{EmbedRequest, Embedded, Pooling, TextEmbedder};
use crate::family::{Family, ReadInputs};
use crate::heads::{Head, NoHead};

/// Texts in one batch at most.
const ROWS: usize = 32;

/// Tokens in one batch at most, padding included.
const TOKENS: usize = 8192;

/// Opens the encoder `E` of a request.
///
/// # Errors
/// As [`Predictor::open`] and [`SentenceFolder::open`], and if the two do not fit each other.
pub fn embedder<E: Encoder>(request: &EmbedRequest) -> Result<Box<dyn TextEmbedder>, LearnError> {
    let folder = NoHead::HALF.meant_by(&request.model);
    let read = SentenceFolder::open(&folder)?;
    let width = E::width(&E::Config::open(&read.encoder)?);
    if let Some((expected, path)) = &read.width
        && *expected != width
    {
        return Err(LearnError::Settings(format!(
            "{}: the pooling is for hidden states of {expected} numbers, the model's have {width}; \
             they do not belong together",
            path.display()
        )));
    }
    let predictor = Predictor::<E>::open(&read.encoder, &request.device)?;
    let around = predictor.texts.tokenizer.around(false)?;
    if let Some(warning) = predictor.warning() {
        (request.warn)(warning);
    }
    if !read.other_prompts.is_empty() {
        (request.warn)(&format!(
            "prompts of the model that are not put before texts, as they are not its default: {}; set \
             default_prompt_name to the one that is meant",
            read.other_prompts.join(", ")
        ));
    }
    let modes = [&request.pooling, &read.pooling];
    let modes = modes.into_iter().find(|modes| !modes.is_empty());
    let modes = modes.map_or_else(|| vec![Pooling::Mean], Clone::clone);
    let embedder = TextVectors {
        longest: longest(&predictor, &around, read.max_seq_length)?,
        around,
        width: width * modes.len(),
        normalize: request.normalize.unwrap_or(read.normalize),
        predictor,
        folder: read,
        modes,
    };
    Ok(Box::new(embedder))
}

/// Tokens of the longest text: as the folder says, else the tokenizer, but no more than positions.
fn longest<E: Encoder>(
    predictor: &Predictor<E>,
    around: &Around,
    max_seq_length: Option<usize>,
) -> Result<usize, LearnError> {
    let (tokenizer, sizes) = (&predictor.texts.tokenizer, predictor.texts.sizes);
    let said = max_seq_length.or(tokenizer.model_max_length().map(|length| length as usize));
    let longest = said.map_or(sizes.longest(), |said| said.min(sizes.longest()));
    let specials = around.special_tokens();
    if longest <= specials {
        return Err(LearnError::Settings(format!(
            "{}: texts are cut to {longest} tokens, {specials} of them special ones, so nothing is \
             left; choose a larger max_seq_length",
            tokenizer.origin()
        )));
    }
    Ok(longest)
}

/// An encoder, and how its hidden states become vectors.
struct TextVectors<E: Encoder> {
    predictor: Predictor<E>,
    around: Around,
    folder: SentenceFolder,
    modes: Vec<Pooling>,
    normalize: bool,
    longest: usize,
    width: usize,
}

impl<E: Encoder> TextEmbedder for TextVectors<E> {
    fn embed(&self, texts: &[String]) -> Result<Embedded, LearnError> {
        let mut cut = Vec::new();
        let mut rows = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let (ids, is_cut) = self.ids(text)?;
            if is_cut {
                cut.push(index);
            }
            rows.push((index, ids));
        }
        // Those of about one length side by side.
        rows.sort_by_key(|(_, ids)| ids.len());
        let mut vectors = vec![Vec::new(); texts.len()];
        for batch in batches(&rows) {
            let found = self.vectors(batch)?;
            for ((index, _), vector) in batch.iter().zip(found.chunks(self.width)) {
                let Some(place) = vectors.get_mut(*index) else {
                    continue;
                };
                *place = vector.to_vec();
                if self.normalize {
                    normalize(place);
                }
                if place.iter().any(|value| !value.is_finite()) {
                    return Err(LearnError::Batch(format!(
                        "\"{}\": its vector is not finite; the model's weights are damaged",
                        excerpt(&texts[*index])
                    )));
                }
            }
        }
        Ok(Embedded { vectors, cut })
    }

    fn width(&self) -> usize {
        self.width
    }

    fn longest(&self) -> usize {
        self.longest
    }
}

impl<E: Encoder> TextVectors<E> {
    /// The ids of a text, special tokens included, and whether a part of it was left out.
    fn ids(&self, text: &str) -> Result<(Vec<u32>, bool), LearnError> {
        let texts = &self.predictor.texts;
        let read = format!("{}{text}", self.folder.prompt);
        let read = if self.folder.lowercase {
            // Character by character, as tokenizers' `Lowercase`: no rule for a sigma at a word's end.
            read.chars().flat_map(char::to_lowercase).collect()
        } else {
            read
        };
        let text_ids = texts.tokenizer.encode(&read)?;
        let ids = row(
            &self.around,
            &text_ids,
            self.longest,
            self.folder.cuts_beginning,
        );
        let is_cut = ids.len() < self.around.special_tokens() + text_ids.len();
        if ids.is_empty() {
            return Err(LearnError::Settings(format!(
                "\"{}\": no token in this text; leave it out",
                excerpt(text)
            )));
        }
        check_ids(&texts.tokenizer, &ids, &excerpt(text), texts.sizes)?;
        Ok((ids, is_cut))
    }

    /// The pooled vectors of a batch, one after the other.
    fn vectors(&self, rows: &[(usize, Vec<u32>)]) -> Result<Vec<f32>, LearnError> {
        let rows: Vec<&[u32]> = rows.iter().map(|(_, ids)| ids.as_slice()).collect();
        let lengths: Vec<usize> = rows.iter().map(|ids| ids.len()).collect();
        let predictor = &self.predictor;
        let type_vocab_size = predictor.texts.sizes.type_vocab_size;
        let type_at = |length: usize, place: usize| {
            let type_id = type_at(&self.around, length, place);
            if usize::from(type_id) < type_vocab_size {
                i32::from(type_id)
            } else {
                0
            }
        };
        let inputs = inputs::<E>(&rows, type_at, &predictor.device);
        let outputs = predictor.model.outputs(inputs);
        read_values(pool(outputs.encoded.hidden_states, &lengths, &self.modes))
    }
}

/// Rows that rise in length, in batches.
fn batches(rows: &[(usize, Vec<u32>)]) -> Vec<&[(usize, Vec<u32>)]> {
    split(rows, ROWS, |rows| {
        let seq_len = rows.last().map_or(0, |(_, ids)| ids.len());
        rows.len() * seq_len <= TOKENS
    })
}

/// What an encoder reads of texts, padded on the right whatever side it is in training: pooling counts
/// tokens from the beginning of a row. `type_at` is the type at a place of a row of a length.
fn inputs<E: Encoder>(
    rows: &[&[u32]],
    type_at: impl Fn(usize, usize) -> i32,
    device: &Device,
) -> <E::Config as Family>::Inputs {
    let seq_len = rows.iter().map(|ids| ids.len()).max().unwrap_or(0);
    let shape = [rows.len(), seq_len];
    let number = |value: &dyn Fn(&[u32], usize) -> i32| {
        let places = rows
            .iter()
            .flat_map(|ids| (0..seq_len).map(move |place| (ids, place)));
        // Any id would do for padding; every table has a first row.
        let values = places.map(|(ids, place)| {
            if place < ids.len() {
                value(ids, place)
            } else {
                0
            }
        });
        values.collect::<Vec<i32>>()
    };
    let mut batch = HostBatch::default();
    let ids = number(&|ids, place| ids.get(place).map_or(0, |&id| id as i32));
    batch.insert_ints("input_ids", ids, &shape);
    batch.insert_ints("attention_mask", number(&|_, _| 1), &shape);
    let types = number(&|ids, place| type_at(ids.len(), place));
    batch.insert_ints("token_type_ids", types, &shape);
    <E::Config as Family>::Inputs::upload(&batch, device)
}

/// A text's ids with special tokens around them, of which so many of its own are left out that all are
/// `longest` at most: the last ones, or the first.
fn row(around: &Around, text: &[u32], longest: usize, from_beginning: bool) -> Vec<u32> {
    let room = longest.saturating_sub(around.special_tokens());
    let kept = room.min(text.len());
    let kept = if from_beginning {
        &text[text.len() - kept..]
    } else {
        &text[..kept]
    };
    let special = |tokens: &[(u32, u8)]| tokens.iter().map(|&(id, _)| id).collect::<Vec<_>>();
    [&special(&around.before), kept, &special(&around.after)].concat()
}

/// The type of the token at a place of a row with so many tokens.
fn type_at(around: &Around, length: usize, place: usize) -> u8 {
    let behind = length.saturating_sub(around.after.len());
    let special = match place.checked_sub(behind) {
        Some(place) => around.after.get(place),
        None => around.before.get(place),
    };
    special.map_or(around.types[0], |&(_, type_id)| type_id)
}

/// The beginning of a text, for a message.
fn excerpt(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(before: &[(u32, u8)], after: &[(u32, u8)]) -> Around {
        Around {
            before: before.to_vec(),
            between: Vec::new(),
            after: after.to_vec(),
            types: [0, 1],
        }
    }

    #[test]
    fn a_text_that_is_too_long_keeps_its_special_tokens() {
        let (bert, text) = (around(&[(1, 0)], &[(2, 0)]), [5, 6, 7, 8]);
        assert_eq!(row(&bert, &text, 4, false), [1, 5, 6, 2]);
        assert_eq!(row(&bert, &text, 4, true), [1, 7, 8, 2]);
        assert_eq!(row(&bert, &text, 6, true), [1, 5, 6, 7, 8, 2]);
        // XLNet's stand behind.
        let xlnet = around(&[], &[(4, 0), (3, 2)]);
        assert_eq!(row(&xlnet, &[5, 6, 7], 3, false), [5, 4, 3]);
        let none = around(&[], &[]);
        assert_eq!(row(&none, &[5, 6, 7], 2, false), [5, 6]);
    }

    #[test]
    fn special_tokens_have_types_of_their_own() {
        let types = |around: &Around, length: usize| -> Vec<u8> {
            let places = 0..length;
            places.map(|place| type_at(around, length, place)).collect()
        };
        assert_eq!(types(&around(&[], &[(4, 0), (3, 2)]), 4), [0, 0, 0, 2]);
        assert_eq!(types(&around(&[(1, 3)], &[(2, 4)]), 4), [3, 0, 0, 4]);
        assert_eq!(types(&around(&[(1, 3)], &[(2, 4)]), 2), [3, 4]);
    }

    #[test]
    fn batches_hold_so_many_texts_and_so_many_tokens() {
        let first = |count: usize, length: usize| {
            let rows = vec![(0, vec![7; length]); count];
            batches(&rows)[0].len()
        };
        assert_eq!(first(3, 10), 3);
        assert_eq!(first(100, 10), ROWS);
        assert_eq!(first(100, 512), TOKENS / 512);
        assert_eq!(first(2, TOKENS + 1), 1);
    }
}
