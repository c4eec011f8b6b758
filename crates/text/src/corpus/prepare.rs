//! Text files to a shard folder: read, cut into sentences, tokenise on all cores, write.
//!
//! While one block is being tokenised the next one is read. A block's sentences are written in the
//! order of the text, so the folder is the same for any number of threads.
//!
//! Special tokens that are typed into a text, such as `[MASK]` or `</s>`, become what they name, as in
//! transformers: their own ids, which no objective predicts. They are counted, as is all that is
//! unknown, in the header's notes.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kiln_files::{FileError, WholeFolder};
use rayon::prelude::*;

use super::header::{HEADER, Header, ReadSettings, TextNotes};
use super::sentences;
use super::writer::ShardWriter;
use crate::error::TextError;
use crate::reading::{Block, Inputs, Paragraph, Reader, tasks, thread_pool};
use crate::tokenizer::{Encoder, Met, Tokenizer};

/// Text in memory at a time, per thread (twice that: one block is read while one is tokenised).
const BLOCK_BYTES_PER_THREAD: usize = 1 << 20;

/// Text that one task tokenises: large enough to use the cache of words, small enough to share out.
const TASK_BYTES: usize = 1 << 16;

/// Examples of unknown text that are kept.
const UNKNOWN_EXAMPLES: usize = 5;

/// How text becomes a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrepareSettings {
    /// Every line is one sentence already (the format of the original BERT).
    pub lines_are_sentences: bool,
    /// Threads to tokenise with, 1,024 at most; 0 = one for each core. Changes nothing in the
    /// result.
    pub threads: usize,
}

/// How far [`prepare`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrepareProgress {
    /// Bytes of the input files, as stored.
    pub total_bytes: u64,
    /// How many of them were read.
    pub bytes_read: u64,
    /// Documents written.
    pub documents: u64,
    /// Sentences written.
    pub sentences: u64,
    /// Tokens written.
    pub tokens: u64,
}

/// What [`prepare`] made.
#[derive(Debug, Clone, PartialEq)]
pub struct PrepareSummary {
    /// What the shard knows about itself.
    pub header: Header,
    /// Time it took.
    pub elapsed: Duration,
}

impl PrepareSummary {
    /// Million bytes of text a second.
    pub fn megabytes_per_second(&self) -> f64 {
        self.header.text_bytes as f64 / 1e6 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// Tokenises text into the shard folder `output`.
///
/// The folder appears when it is complete. Until then its parts lie in a hidden folder beside it,
/// which is removed after an error, and by the next run after a kill.
///
/// # Errors
/// If `output` exists, an input can't be read or is malformed, nothing is left after tokenisation,
/// or the disk is full.
pub fn prepare(
    inputs: &Inputs,
    tokenizer: &Tokenizer,
    output: &Path,
    settings: &PrepareSettings,
    progress: &mut dyn FnMut(PrepareProgress),
) -> Result<PrepareSummary, TextError> {
    let started = Instant::now();
    let (temporary, header) = fill(inputs, tokenizer, output, settings, progress)?;
    temporary.commit()?;
    Ok(PrepareSummary {
        header,
        elapsed: started.elapsed(),
    })
}

/// Prepares as [`prepare`] does, under a name that only the finished header tells, beside `output`;
/// a folder that has this name already is taken for what would be written. Gives the folder.
pub(super) fn prepare_as(
    inputs: &Inputs,
    tokenizer: &Tokenizer,
    output: &Path,
    settings: &PrepareSettings,
    progress: &mut dyn FnMut(PrepareProgress),
    name: impl FnOnce(&Header) -> Result<PathBuf, TextError>,
) -> Result<PathBuf, TextError> {
    let (temporary, header) = fill(inputs, tokenizer, output, settings, progress)?;
    let target = name(&header)?;
    match temporary.commit_as(&target) {
        // Another process was faster.
        Err(FileError::Exists { .. }) if target.join(HEADER).exists() => Ok(target),
        committed => Ok(committed.map(|()| target)?),
    }
}

/// A finished shard in a hidden folder beside `output`.
fn fill(
    inputs: &Inputs,
    tokenizer: &Tokenizer,
    output: &Path,
    settings: &PrepareSettings,
    progress: &mut dyn FnMut(PrepareProgress),
) -> Result<(WholeFolder, Header), TextError> {
    tokenizer.corpus_vocabulary()?;
    let reader = Reader::new(inputs);
    let temporary = WholeFolder::create(output)?;
    let header = write_shard(reader, tokenizer, temporary.path(), settings, progress)
        .map_err(|error| in_place(error, temporary.path(), output))?;
    Ok((temporary, header))
}

/// A failed write in the hidden folder `temporary`, told of `output`, the folder that was asked for.
fn in_place(error: TextError, temporary: &Path, output: &Path) -> TextError {
    match error {
        TextError::Write { path, reason } => TextError::Write {
            path: match path.strip_prefix(temporary) {
                Ok(file) => output.join(file),
                Err(_) => path,
            },
            reason,
        },
        error => error,
    }
}

/// Fills `dir`.
fn write_shard(
    mut reader: Reader<'_>,
    tokenizer: &Tokenizer,
    dir: &Path,
    settings: &PrepareSettings,
    progress: &mut dyn FnMut(PrepareProgress),
) -> Result<Header, TextError> {
    let vocabulary = tokenizer.corpus_vocabulary()?;
    let pool = thread_pool(settings.threads)?;
    let block_bytes = BLOCK_BYTES_PER_THREAD * pool.current_num_threads();
    let mut writer = ShardWriter::create(dir, vocabulary.size)?;
    // One for each task at work; what they remember serves the next blocks.
    let encoders = Mutex::new(Vec::new());
    let mut notes = TextNotes::default();
    let mut block = reader.next_block(block_bytes)?;
    while let Some(current) = block {
        let (encoded, next) = pool.join(
            || encode_block(&current, tokenizer, &encoders, settings.lines_are_sentences),
            || reader.next_block(block_bytes),
        );
        for task in encoded? {
            task.write(&mut writer)?;
            note(&mut notes, task.met);
        }
        progress(PrepareProgress {
            total_bytes: reader.total_bytes(),
            bytes_read: reader.bytes_read(),
            documents: writer.num_documents(),
            sentences: writer.num_sentences(),
            tokens: writer.num_tokens(),
        });
        block = next?;
    }
    if writer.num_tokens() == 0 {
        return Err(reader.empty());
    }

    let read = ReadSettings::new(reader.reading(), settings.lines_are_sentences);
    let counted = reader.counted();
    let mut header = Header::new(&tokenizer.identity(), vocabulary.size, read);
    header.num_unknown = writer.count(vocabulary.unk);
    // The encoder adds none, so each was typed into the text.
    notes.special_tokens = (0..vocabulary.size)
        .zip(&vocabulary.is_special)
        .filter(|(id, is_special)| **is_special && writer.count(*id) > 0)
        .filter_map(|(id, _)| Some((tokenizer.token(id)?, writer.count(id))))
        .collect();
    header.notes = Some(notes);
    header.skipped_lines = counted.skipped_lines;
    header.skipped_records = counted.skipped_records;
    header.replaced_surrogates = counted.replaced_surrogates;
    header.left_out = reader.left_out_of_archives().clone();
    header.left_out_of_folders = reader.left_out_of_folders().clone();
    header.text_bytes = reader.text_bytes();
    header.inputs = reader.into_finished();
    writer.finish(header)
}

/// Adds what a task met, in the order of the text.
fn note(notes: &mut TextNotes, met: Met) {
    notes.long_words += met.long_words;
    if let Some(example) = met.unknown
        && notes.unknown_examples.len() < UNKNOWN_EXAMPLES
        && !notes.unknown_examples.contains(&example)
    {
        notes.unknown_examples.push(example);
    }
}

/// What a task's paragraphs became.
#[derive(Default)]
struct Encoded {
    ids: Vec<u32>,
    sentences: Vec<SentenceEnd>,
    /// A document ended after the last sentence.
    ends_document: bool,
    met: Met,
}

struct SentenceEnd {
    end: usize,
    starts_document: bool,
}

impl Encoded {
    fn write(&self, writer: &mut ShardWriter) -> Result<(), TextError> {
        let mut start = 0;
        for sentence in &self.sentences {
            if sentence.starts_document {
                writer.end_document();
            }
            writer.push_sentence(&self.ids[start..sentence.end])?;
            start = sentence.end;
        }
        if self.ends_document {
            writer.end_document();
        }
        Ok(())
    }
}

fn encode_block<'a>(
    block: &Block,
    tokenizer: &'a Tokenizer,
    encoders: &Mutex<Vec<Encoder<'a>>>,
    lines_are_sentences: bool,
) -> Result<Vec<Encoded>, TextError> {
    let encoders = || encoders.lock().unwrap_or_else(PoisonError::into_inner);
    tasks(block.paragraphs(), TASK_BYTES)
        .par_iter()
        .map(|task| {
            let idle = encoders().pop();
            let mut encoder = idle.unwrap_or_else(|| tokenizer.encoder());
            let encoded = encode_task(task, &mut encoder, lines_are_sentences);
            encoders().push(encoder);
            encoded
        })
        .collect()
}

fn encode_task(
    task: &[Paragraph<'_>],
    encoder: &mut Encoder<'_>,
    lines_are_sentences: bool,
) -> Result<Encoded, TextError> {
    let mut encoded = Encoded::default();
    for paragraph in task {
        encoded.ends_document |= paragraph.starts_document;
        let sentences = if lines_are_sentences {
            vec![paragraph.text]
        } else {
            sentences::split(paragraph.text)
        };
        for sentence in sentences {
            let before = encoded.ids.len();
            encoder.encode(sentence, &mut encoded.ids)?;
            if encoded.ids.len() > before {
                encoded.sentences.push(SentenceEnd {
                    end: encoded.ids.len(),
                    starts_document: std::mem::take(&mut encoded.ends_document),
                });
            }
        }
    }
    encoded.met = encoder.take_met();
    Ok(encoded)
}
