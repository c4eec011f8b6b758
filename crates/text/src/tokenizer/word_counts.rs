//! How often each word stands in a text of any size: all that a trainer needs to know of it.
//!
//! Memory grows with the number of different words, not with the text; where that grows like the
//! text itself, a sample is counted ([`super::text_sample`]).

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;

use super::cuts::Cuts;
use super::progress::TrainProgress;
use super::splitter::Splitter;
use super::text_sample::SampleSettings;
use crate::error::TextError;
use crate::reading::{Counted, Inputs, Paragraph, Reader, tasks, thread_pool};

/// Text in memory at a time.
const BLOCK_BYTES: usize = 8 << 20;

/// Different parts between spaces that are kept before they are split into words. They bring
/// punctuation along, so there are more of them than words; this bounds their memory to some 100 MB.
const MAX_PARTS: usize = 1 << 20;

/// Their bytes: without spaces a part may be a whole paragraph.
const MAX_PARTS_BYTES: u64 = 32 << 20;

/// Parts that one task splits into words.
const TASK_PARTS: usize = 4096;

/// How words are counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counting {
    pub(super) threads: usize,
    pub(super) sample: SampleSettings,
}

/// What a text was that a tokenizer is trained on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TextSummary {
    /// Bytes of text, decompressed, however it is stored.
    pub text_bytes: u64,
    /// Bytes that were trained on, where that was a sample.
    pub sampled_bytes: Option<u64>,
    /// What was left out or changed while it was read.
    pub counted: Counted,
    /// Words that are longer than the tokenizer takes, which it will not know; of the sample.
    pub long_words: u64,
    /// Share of all characters of words that these have, in [0, 1].
    pub long_word_share: f64,
    /// Special tokens that the text holds literally, with how often each; of the sample. They are
    /// trained on as text, but the tokenizer will take them for what they name.
    pub special_tokens: BTreeMap<String, u64>,
}

/// Counts of words as a tokenizer splits them.
///
/// Text is counted in two stages: parts between spaces first, words within the different parts
/// later, so that the slow normalisation sees every part once and not every time it comes.
#[derive(Debug)]
pub(super) struct WordCounts {
    splitter: Splitter,
    /// Names of special tokens, which are looked for.
    special: Vec<String>,
    parts: HashMap<Box<str>, u64>,
    parts_bytes: u64,
    words: HashMap<Box<str>, u64>,
    words_bytes: u64,
    /// Bytes of paragraphs so far, and of those that are words already.
    bytes: u64,
    split_bytes: u64,
    long_characters: u64,
    summary: TextSummary,
}

/// What parts hold.
#[derive(Default)]
struct Split {
    words: HashMap<String, u64>,
    long_words: u64,
    long_characters: u64,
    /// As the names.
    special: Vec<u64>,
}

impl WordCounts {
    pub(super) fn new(splitter: Splitter, special: Vec<String>) -> Self {
        Self {
            splitter,
            special,
            parts: HashMap::new(),
            parts_bytes: 0,
            words: HashMap::new(),
            words_bytes: 0,
            bytes: 0,
            split_bytes: 0,
            long_characters: 0,
            summary: TextSummary::default(),
        }
    }

    /// Counts the words of files, as they are read for a corpus: all of them,
    /// or of a sample, for which they are read a second time.
    pub(super) fn add_files(
        &mut self,
        inputs: &Inputs,
        counting: Counting,
        progress: &mut dyn FnMut(TrainProgress),
    ) -> Result<(), TextError> {
        let pool = thread_pool(counting.threads)?;
        let sample = counting.sample;
        let mut reader = Reader::new(inputs);
        let mut needed = None;
        let mut all_bytes = 0;
        while let Some(block) = reader.next_block(BLOCK_BYTES)? {
            let paragraphs = block.paragraphs();
            all_bytes += bytes_of(&paragraphs);
            // What is not counted any more is still measured.
            if needed.is_none() {
                pool.install(|| self.add_paragraphs(paragraphs))?;
                needed = self.sample_needed(sample);
            }
            progress(self.progress(&reader));
        }
        if all_bytes == 0 {
            return Err(reader.empty());
        }
        if needed.is_none() {
            pool.install(|| self.split_parts())?;
            needed = self.sample_needed(sample);
        }
        let (text_bytes, counted) = (reader.text_bytes(), reader.counted());
        if let Some(size) = needed {
            self.forget();
            let share = size as f64 / all_bytes as f64;
            let mut reader = Reader::new(inputs);
            let mut numbers = 0..;
            while let Some(block) = reader.next_block(BLOCK_BYTES)? {
                let mut paragraphs = block.paragraphs();
                paragraphs.retain(|_| numbers.next().is_some_and(|n| sample.takes(share, n)));
                pool.install(|| self.add_paragraphs(paragraphs))?;
                progress(self.progress(&reader));
            }
            if self.bytes == 0 {
                return Err(TextError::Setting {
                    field: "sample",
                    value: size.to_string(),
                    remedy: "no paragraph of the text is so short; choose more bytes, or all"
                        .to_string(),
                });
            }
            pool.install(|| self.split_parts())?;
            self.summary.sampled_bytes = Some(self.bytes);
        }
        self.summary.text_bytes = text_bytes;
        self.summary.counted = counted;
        Ok(())
    }

    /// Counts the words of a text.
    pub(super) fn add_text(&mut self, text: &str) -> Result<(), TextError> {
        self.bytes += text.len() as u64;
        self.summary.text_bytes += text.len() as u64;
        self.add_parts(count_parts(self.splitter.cuts(), std::iter::once(text)))
    }

    fn sample_needed(&self, sample: SampleSettings) -> Option<u64> {
        let counted = match sample.size {
            super::SampleSize::Auto => self.split_bytes,
            _ => self.bytes,
        };
        sample.needed(counted, self.words_bytes)
    }

    fn progress(&self, reader: &Reader<'_>) -> TrainProgress {
        TrainProgress::Counting {
            total_bytes: reader.total_bytes(),
            bytes_read: reader.bytes_read(),
            words: self.words.len().max(self.parts.len()),
        }
    }

    fn forget(&mut self) {
        self.parts = HashMap::new();
        self.words = HashMap::new();
        (self.parts_bytes, self.words_bytes) = (0, 0);
        (self.bytes, self.split_bytes) = (0, 0);
        self.long_characters = 0;
        self.summary = TextSummary::default();
    }

    fn add_paragraphs(&mut self, paragraphs: Vec<Paragraph<'_>>) -> Result<(), TextError> {
        self.bytes += bytes_of(&paragraphs);
        let cuts = self.splitter.cuts();
        let counted: Vec<_> = tasks(paragraphs, BLOCK_BYTES / 8)
            .par_iter()
            .map(|task| count_parts(cuts, task.iter().map(|paragraph| paragraph.text)))
            .collect();
        counted
            .into_iter()
            .try_for_each(|parts| self.add_parts(parts))
    }

    fn add_parts(&mut self, parts: Vec<(&str, u64)>) -> Result<(), TextError> {
        for (part, count) in parts {
            if let Some(known) = self.parts.get_mut(part) {
                *known += count;
            } else {
                self.parts_bytes += part.len() as u64;
                self.parts.insert(part.into(), count);
            }
        }
        if self.parts.len() > MAX_PARTS || self.parts_bytes > MAX_PARTS_BYTES {
            self.split_parts()?;
        }
        Ok(())
    }

    /// Moves the counts of parts to the words in them.
    fn split_parts(&mut self) -> Result<(), TextError> {
        let parts: Vec<(Box<str>, u64)> = self.parts.drain().collect();
        self.parts_bytes = 0;
        self.split_bytes = self.bytes;
        let split: Result<Vec<Split>, TextError> = parts
            .par_chunks(TASK_PARTS)
            .map(|parts| split(&self.splitter, &self.special, parts))
            .collect();
        for task in split? {
            #[expect(
                clippy::iter_over_hash_type,
                reason = "sums of counts, whatever their order"
            )]
            for (word, count) in task.words {
                if let Some(known) = self.words.get_mut(word.as_str()) {
                    *known += count;
                } else {
                    self.words_bytes += word.len() as u64;
                    self.words.insert(word.into(), count);
                }
            }
            self.summary.long_words += task.long_words;
            self.long_characters += task.long_characters;
            for (name, count) in self.special.iter().zip(task.special) {
                if count > 0 {
                    *self.summary.special_tokens.entry(name.clone()).or_default() += count;
                }
            }
        }
        Ok(())
    }

    /// All words in the order of their letters, so that nothing depends on the order of a hash map,
    /// and what the text was; `origin` says in a message where it came from.
    pub(super) fn finish(
        mut self,
        origin: impl FnOnce() -> String,
    ) -> Result<(Vec<(String, u64)>, TextSummary), TextError> {
        self.split_parts()?;
        let mut words: Vec<(String, u64)> = self
            .words
            .into_iter()
            .map(|(word, count)| (word.into_string(), count))
            .collect();
        words.sort_unstable();
        let mut summary = self.summary;
        match (self.splitter.max_word_chars(), summary.long_words) {
            (Some(most), 1..) if words.is_empty() => {
                return Err(TextError::LongWords {
                    inputs: origin(),
                    most,
                });
            }
            _ if words.is_empty() => return Err(TextError::EmptyCorpus { inputs: origin() }),
            _ => {}
        }
        if self.long_characters > 0 {
            let characters = |(word, count): &(String, u64)| word.chars().count() as u64 * count;
            let known: u64 = words.iter().map(characters).sum();
            let all = known + self.long_characters;
            summary.long_word_share = self.long_characters as f64 / all as f64;
        }
        Ok((words, summary))
    }
}

fn bytes_of(paragraphs: &[Paragraph<'_>]) -> u64 {
    let bytes = paragraphs.iter().map(|paragraph| paragraph.text.len());
    bytes.sum::<usize>() as u64
}

/// The different parts of texts.
fn count_parts<'a>(cuts: Cuts, texts: impl Iterator<Item = &'a str>) -> Vec<(&'a str, u64)> {
    let mut parts: HashMap<&str, u64> = HashMap::new();
    for part in texts.flat_map(|text| cuts.parts(text)) {
        *parts.entry(part).or_default() += 1;
    }
    parts.into_iter().collect()
}

fn split(
    splitter: &Splitter,
    special: &[String],
    parts: &[(Box<str>, u64)],
) -> Result<Split, TextError> {
    let mut found = Split {
        special: vec![0; special.len()],
        ..Split::default()
    };
    let most = splitter.max_word_chars().unwrap_or(usize::MAX);
    for (part, count) in parts {
        for word in splitter.words(part)? {
            let length = if word.len() > most {
                word.chars().count()
            } else {
                0
            };
            // Unknown whatever the vocabulary.
            if length > most {
                found.long_words += count;
                found.long_characters += length as u64 * count;
                continue;
            }
            *found.words.entry(word).or_default() += count;
        }
        // Every name has one of them.
        if part.contains(['[', '<']) {
            for (name, all) in special.iter().zip(&mut found.special) {
                *all += part.matches(name.as_str()).count() as u64 * count;
            }
        }
    }
    Ok(found)
}
