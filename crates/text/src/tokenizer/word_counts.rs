//! How often each word stands in a text of any size: all that a trainer needs to know of it.
//!
//! Memory grows with the number of different words, not with the text.

use std::collections::HashMap;
use std::path::PathBuf;

use rayon::prelude::*;

use super::TrainProgress;
use super::encoder::Cuts;
use super::splitter::Splitter;
use crate::corpus::OnInvalid;
use crate::corpus::reader::Reader;
use crate::corpus::tasks::{names, tasks, thread_pool};
use crate::error::TextError;

/// Text in memory at a time.
const BLOCK_BYTES: usize = 8 << 20;

/// Different parts between spaces that are kept before they are split into words. They bring
/// punctuation along, so there are more of them than words; this bounds their memory to some 100 MB.
const MAX_PARTS: usize = 1 << 20;

/// Parts that one task splits into words.
const TASK_PARTS: usize = 4096;

/// Counts of words as a tokenizer splits them.
///
/// Text is counted in two stages: parts between spaces first, words within the different parts
/// later, so that the slow normalisation sees every part once and not every time it comes.
#[derive(Debug)]
pub(super) struct WordCounts {
    splitter: Splitter,
    parts: HashMap<Box<str>, u64>,
    words: HashMap<String, u64>,
}

impl WordCounts {
    pub(super) fn new(splitter: Splitter) -> Self {
        Self {
            splitter,
            parts: HashMap::new(),
            words: HashMap::new(),
        }
    }

    /// Counts the words of files and folders of files, as they are read for a corpus.
    pub(super) fn add_files(
        &mut self,
        inputs: &[PathBuf],
        on_invalid: OnInvalid,
        threads: usize,
        progress: &mut dyn FnMut(TrainProgress),
    ) -> Result<(), TextError> {
        let pool = thread_pool(threads)?;
        let mut reader = Reader::new(inputs, on_invalid)?;
        let mut is_empty = true;
        let cuts = self.splitter.cuts();
        while let Some(block) = reader.next_block(BLOCK_BYTES)? {
            is_empty = false;
            pool.install(|| {
                let tasks = tasks(block.paragraphs(), BLOCK_BYTES / 8);
                let counted: Vec<_> = tasks
                    .par_iter()
                    .map(|task| count_parts(cuts, task.iter().map(|paragraph| paragraph.text)))
                    .collect();
                counted
                    .into_iter()
                    .try_for_each(|parts| self.add_parts(parts))
            })?;
            progress(TrainProgress::Counting {
                total_bytes: reader.total_bytes(),
                bytes_read: reader.bytes_read(),
                words: self.words.len().max(self.parts.len()),
            });
        }
        if is_empty {
            return Err(TextError::EmptyCorpus {
                inputs: names(inputs),
            });
        }
        pool.install(|| self.split_parts())
    }

    /// Counts the words of a text.
    pub(super) fn add_text(&mut self, text: &str) -> Result<(), TextError> {
        self.add_parts(count_parts(self.splitter.cuts(), std::iter::once(text)))
    }

    fn add_parts(&mut self, parts: Vec<(&str, u64)>) -> Result<(), TextError> {
        for (part, count) in parts {
            if let Some(known) = self.parts.get_mut(part) {
                *known += count;
            } else {
                self.parts.insert(part.into(), count);
            }
        }
        if self.parts.len() > MAX_PARTS {
            self.split_parts()?;
        }
        Ok(())
    }

    /// Moves the counts of parts to the words in them.
    fn split_parts(&mut self) -> Result<(), TextError> {
        let parts: Vec<(Box<str>, u64)> = self.parts.drain().collect();
        let counted: Result<Vec<_>, TextError> = parts
            .par_chunks(TASK_PARTS)
            .map(|parts| count_words(&self.splitter, parts))
            .collect();
        for (word, count) in counted?.into_iter().flatten() {
            *self.words.entry(word).or_default() += count;
        }
        Ok(())
    }

    /// All words in the order of their letters, so that nothing depends on the order of a hash map.
    pub(super) fn into_sorted(mut self) -> Result<Vec<(String, u64)>, TextError> {
        self.split_parts()?;
        let mut words: Vec<(String, u64)> = self.words.into_iter().collect();
        words.sort_unstable();
        Ok(words)
    }
}

/// The different parts of texts.
fn count_parts<'a>(cuts: Cuts, texts: impl Iterator<Item = &'a str>) -> Vec<(&'a str, u64)> {
    let mut parts: HashMap<&str, u64> = HashMap::new();
    for part in texts.flat_map(|text| cuts.parts(text)) {
        *parts.entry(part).or_default() += 1;
    }
    parts.into_iter().collect()
}

fn count_words(
    splitter: &Splitter,
    parts: &[(Box<str>, u64)],
) -> Result<Vec<(String, u64)>, TextError> {
    let mut words: HashMap<String, u64> = HashMap::new();
    for (part, count) in parts {
        for word in splitter.words(part)? {
            *words.entry(word).or_default() += count;
        }
    }
    Ok(words.into_iter().collect())
}
