//! Which characters of a text its tokens stand for.
//!
//! The `tokenizers` crate follows each byte through normalising and splitting. What it gives is put
//! right where a text cut out by it would not be what was written:
//!
//! | case | characters of the token |
//! | --- | --- |
//! | a space before a word, `▁the` or `Ġthe` | those of the word alone |
//! | `▁` or `Ġ` alone, a run of spaces | none: an empty range behind the space |
//! | a combining mark that was composed or dropped | the mark is its letter's |
//! | two characters that became one, XLNet's ` `` ` | both |
//! | a character of several tokens | the whole character, for each of them |
//! | what the normaliser dropped otherwise, e.g. a soft hyphen between two tokens | no token's |

use std::ops::Range;

use unicode_segmentation::GraphemeCursor;

use super::Tokenizer;
use super::words::WordMarks;
use crate::error::TextError;

/// A combining mark: a grapheme goes on with it after everything but controls.
const MARK: char = '\u{301}';

impl Tokenizer {
    /// Ids of a text, without special tokens around them, each with the characters of the text that it
    /// stands for, `[start, end)`, counted in characters (Unicode scalar values).
    ///
    /// The ids are those of [`Tokenizer::encode`]. Starts and ends never fall from token to token and
    /// lie within the text. No range begins or ends with a blank or a character that is not seen; a
    /// token that stands for nothing else has an empty range. The tokens of one character each have
    /// its range.
    ///
    /// # Errors
    /// If the tokenizer's rules fail on the text.
    pub fn encode_with_offsets(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>, TextError> {
        let tokens = self.aligned(text)?;
        if !text.contains(is_forgotten) {
            return Ok(tokens);
        }
        // `tokenizers` forgets what SentencePiece's rules drop before the first character: all that
        // follows is one off. Without such characters there is nothing to forget.
        let kept = || text.chars().filter(|c| !is_forgotten(*c));
        let mut without = self.aligned(&kept().collect::<String>())?;
        if !without
            .iter()
            .map(|(id, _)| id)
            .eq(tokens.iter().map(|(id, _)| id))
        {
            return Ok(tokens);
        }
        let places = text.chars().enumerate();
        let places = places.filter(|(_, c)| !is_forgotten(*c));
        let places: Vec<usize> = places.map(|(at, _)| at).collect();
        let place = |at: usize| places.get(at).copied();
        for (_, range) in &mut without {
            let end = range.end.checked_sub(1).and_then(place);
            let end = end.map_or(0, |last| last + 1);
            let start = place(range.start).filter(|_| range.start < range.end);
            *range = start.unwrap_or(end)..end;
        }
        Ok(without)
    }

    /// The same, where nothing was forgotten.
    fn aligned(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>, TextError> {
        let encoding = self
            .inner
            .encode(text, false)
            .map_err(|reason| self.failed(reason.to_string()))?;
        let characters = Characters::of(text);
        let ids = encoding.get_ids().iter();
        let pieces = encoding.get_tokens().iter().zip(encoding.get_offsets());
        let mut tokens: Vec<(u32, Range<usize>)> = ids
            .zip(pieces)
            .map(|(&id, (piece, &(start, end)))| {
                let range = characters.of_bytes(start, end);
                let range = if is_mark(&self.word_marks, piece) {
                    // Put before a word, it is aligned to the word's first character.
                    let start = characters.skip_unseen(range);
                    start..start
                } else {
                    range
                };
                (id, range)
            })
            .collect();
        characters.close_gaps(&mut tokens);
        let mut before = 0..0;
        for (_, range) in &mut tokens {
            *range = characters.trim(range.clone());
            range.start = range.start.max(before.start);
            range.end = range.end.max(range.start).max(before.end);
            before = range.clone();
        }
        Ok(tokens)
    }
}

/// What SentencePiece's rules drop from a text.
fn is_forgotten(c: char) -> bool {
    c.is_control() && !c.is_whitespace()
}

fn is_empty(range: &Range<usize>) -> bool {
    range.start >= range.end
}

/// Whether a token is nothing but the mark of a space.
fn is_mark(word_marks: &WordMarks, token: &str) -> bool {
    let mark = match word_marks {
        WordMarks::Start(mark) => *mark,
        WordMarks::ByteLevel => super::byte_level::SPACE,
        WordMarks::None | WordMarks::Continuation(_) => return false,
    };
    !token.is_empty() && token.chars().all(|c| c == mark)
}

/// A text by its characters.
struct Characters<'a> {
    text: &'a str,
    /// Each character with its first byte.
    all: Vec<(usize, char)>,
}

impl<'a> Characters<'a> {
    fn of(text: &'a str) -> Self {
        let all = text.char_indices().collect();
        Self { text, all }
    }

    /// The characters that some of the bytes `start..end` are in.
    fn of_bytes(&self, start: usize, end: usize) -> Range<usize> {
        let begun_by = |byte: usize| self.all.partition_point(|&(at, _)| at <= byte);
        let first = begun_by(start).saturating_sub(1);
        if end <= start {
            let empty = self.all.partition_point(|&(at, _)| at < start);
            return empty..empty;
        }
        first..begun_by(end - 1).max(first)
    }

    /// The first character of a range that is seen; its end if none is.
    fn skip_unseen(&self, range: Range<usize>) -> usize {
        let end = range.end;
        range
            .into_iter()
            .find(|&at| self.is_seen(at))
            .unwrap_or(end)
    }

    /// A range without what is not seen at its two ends.
    fn trim(&self, range: Range<usize>) -> Range<usize> {
        let start = self.skip_unseen(range.clone());
        let last = (start..range.end).rev().find(|&at| self.is_seen(at));
        start..last.map_or(start, |last| last + 1)
    }

    /// Gives characters between two tokens to the one that stands for them.
    fn close_gaps(&self, tokens: &mut [(u32, Range<usize>)]) {
        let mut covered = 0;
        for next in 0..=tokens.len() {
            let (before, after) = tokens.split_at_mut(next);
            let start = after
                .first()
                .map_or(self.all.len(), |(_, range)| range.start);
            if start > covered {
                let mut end = covered;
                while !before.is_empty() && end < start && !self.begins_grapheme(end) {
                    end += 1;
                }
                let ends_there = |(_, range): &&mut (u32, Range<usize>)| range.end == covered;
                for (_, range) in before.iter_mut().rev().take_while(ends_there) {
                    range.start = if is_empty(range) { end } else { range.start };
                    range.end = end;
                }
                // Two grave accents are one quotation mark to XLNet; the second one is its place.
                let mut first = start;
                while first > end && self.is_same_sign(first - 1, start) {
                    first -= 1;
                }
                let starts_there = |(_, range): &&mut (u32, Range<usize>)| range.start == start;
                for (_, range) in after.iter_mut().take_while(starts_there) {
                    range.end = if is_empty(range) { first } else { range.end };
                    range.start = first;
                }
            }
            if let Some((_, range)) = after.first() {
                covered = covered.max(range.end);
            }
        }
    }

    /// Whether two characters are the same, and seen.
    fn is_same_sign(&self, at: usize, other: usize) -> bool {
        let character = |at: usize| self.all.get(at).map(|(_, c)| c);
        self.is_seen(at) && character(at) == character(other)
    }

    fn begins_grapheme(&self, at: usize) -> bool {
        let Some(&(byte, _)) = self.all.get(at) else {
            return true;
        };
        GraphemeCursor::new(byte, self.text.len(), true)
            .is_boundary(self.text, 0)
            .unwrap_or(true)
    }

    /// Whether there is something to see: not so blanks, controls and what only directs other
    /// characters.
    fn is_seen(&self, at: usize) -> bool {
        let Some(&(_, c)) = self.all.get(at) else {
            return false;
        };
        if c.is_ascii() || c.is_alphanumeric() {
            return c.is_ascii_graphic() || c.is_alphanumeric();
        }
        !c.is_whitespace() && !is_control(c)
    }
}

/// As text is cut into graphemes: controls and directions, not joiners, which stand within emoji.
fn is_control(c: char) -> bool {
    let marked = [c, MARK].iter().collect::<String>();
    GraphemeCursor::new(c.len_utf8(), marked.len(), true)
        .is_boundary(&marked, 0)
        .unwrap_or(false)
}

#[cfg(test)]
mod tests;
