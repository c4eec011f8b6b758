//! Vectors of texts: an encoder's hidden states, pooled; as sentence-transformers does it where its
//! files are beside the model.

use burn::tensor::Device;
use kiln_learner::{LearnError, read_values};
use kiln_text::HostBatch;

use super::Predictor;
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

/// The segment of XLNet's `<cls>`.
const CLS_SEGMENT: i32 = 2;

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
        longest: longest(&predictor, read.max_seq_length)?,
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
    max_seq_length: Option<usize>,
) -> Result<usize, LearnError> {
    let (tokenizer, sizes) = (&predictor.texts.tokenizer, predictor.texts.sizes);
    let said = max_seq_length.or(tokenizer.model_max_length().map(|length| length as usize));
    let longest = said.map_or(sizes.longest(), |said| said.min(sizes.longest()));
    let specials = tokenizer.encode_with_specials("")?.len();
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
        let mut rest = rows.as_slice();
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(rows_of_batch(rest));
            rest = after;
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
        let mut ids = texts.tokenizer.encode_with_specials(&read)?;
        let is_cut = ids.len() > self.longest;
        if is_cut {
            let body = texts.tokenizer.encode(&read)?;
            ids = shortened(&ids, &body, self.longest, self.folder.cuts_beginning);
        }
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
        let inputs = inputs::<E>(
            &rows,
            predictor.texts.tokenizer.is_xlnet(),
            &predictor.device,
        );
        let outputs = predictor.model.outputs(inputs);
        read_values(pool(outputs.encoded.hidden_states, &lengths, &self.modes))
    }
}

/// How many of `rows`, which rise in length, make a batch.
fn rows_of_batch(rows: &[(usize, Vec<u32>)]) -> usize {
    let fits = |&count: &usize| {
        let seq_len = rows.get(count - 1).map_or(0, |(_, ids)| ids.len());
        count == 1 || count * seq_len <= TOKENS
    };
    let counts = 1..=rows.len().min(ROWS);
    counts.take_while(fits).last().unwrap_or(1)
}

/// What an encoder reads of texts of one segment, padded on the right.
fn inputs<E: Encoder>(
    rows: &[&[u32]],
    ends_with_cls: bool,
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
    let is_cls = |ids: &[u32], place: usize| ends_with_cls && place + 1 == ids.len();
    let segments = number(&|ids, place| if is_cls(ids, place) { CLS_SEGMENT } else { 0 });
    batch.insert_ints("token_type_ids", segments, &shape);
    <E::Config as Family>::Inputs::upload(&batch, device)
}

/// `ids` of a text with special tokens around its own ids `body`, of which so many are left out that
/// all are `longest`: the last ones, or the first.
fn shortened(ids: &[u32], body: &[u32], longest: usize, from_beginning: bool) -> Vec<u32> {
    let around = ids.len().saturating_sub(body.len());
    let found = (0..=around).find(|&place| ids[place..].starts_with(body));
    // A tokenizer that gives other ids between special tokens: none that is known.
    let (before, body) = found.map_or((0, ids), |place| (place, body));
    let after = &ids[before + body.len()..];
    let kept = longest.saturating_sub(before + after.len()).min(body.len());
    let kept = if from_beginning {
        &body[body.len() - kept..]
    } else {
        &body[..kept]
    };
    [&ids[..before], kept, after].concat()
}

/// The beginning of a text, for a message.
fn excerpt(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_keeps_its_special_tokens() {
        let (ids, body) = ([1, 5, 6, 7, 8, 2], [5, 6, 7, 8]);
        assert_eq!(shortened(&ids, &body, 4, false), [1, 5, 6, 2]);
        assert_eq!(shortened(&ids, &body, 4, true), [1, 7, 8, 2]);
        // XLNet's stand behind.
        let (ids, body) = ([5, 6, 7, 4, 3], [5, 6, 7]);
        assert_eq!(shortened(&ids, &body, 3, false), [5, 4, 3]);
        let (ids, body) = ([5, 6, 7], [5, 6, 7]);
        assert_eq!(shortened(&ids, &body, 2, false), [5, 6]);
    }

    #[test]
    fn batches_hold_so_many_texts_and_so_many_tokens() {
        let rows = |count: usize, length: usize| vec![(0, vec![7; length]); count];
        assert_eq!(rows_of_batch(&rows(3, 10)), 3);
        assert_eq!(rows_of_batch(&rows(100, 10)), ROWS);
        assert_eq!(rows_of_batch(&rows(100, 512)), TOKENS / 512);
        assert_eq!(rows_of_batch(&rows(2, TOKENS + 1)), 1);
    }
}
