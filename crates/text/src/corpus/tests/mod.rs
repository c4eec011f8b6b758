//! Corpora as their users see them: prepared from files, opened, read, damaged.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;
use crate::reading::{Counted, InputFile, LeftOut, OnInvalid, Reading};

mod archives;
mod cached;
mod damaged;
mod folders;
mod json;
mod kinds;
mod pipes;
mod prepared;
mod read;

/// `[PAD]` to `[MASK]` are 0 to 4, `a` to `z` 5 to 30, `.` 31.
fn tokenizer() -> Tokenizer {
    let dir = tempfile::tempdir().unwrap();
    let letters: String = ('a'..='z').map(|letter| format!("{letter}\n")).collect();
    let vocabulary = format!("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n{letters}.\n");
    fs::write(dir.path().join("vocab.txt"), vocabulary).unwrap();
    Tokenizer::open(dir.path()).unwrap()
}

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// Prepares `inputs` into the folder `name`.
    fn prepare_with(
        &self,
        inputs: &[PathBuf],
        name: &str,
        settings: &PrepareSettings,
    ) -> Result<Header, TextError> {
        self.prepare_as(inputs, Reading::default(), name, settings)
    }

    /// Prepares `inputs`, read as `reading` says.
    fn prepare_as(
        &self,
        inputs: &[PathBuf],
        reading: Reading,
        name: &str,
        settings: &PrepareSettings,
    ) -> Result<Header, TextError> {
        prepare(
            &Inputs::find(inputs, reading)?,
            &tokenizer(),
            &self.path(name),
            settings,
            &mut |_| {},
        )
        .map(|summary| summary.header)
    }

    /// Prepares with what can't be read left out.
    fn prepare_rest(&self, inputs: &[PathBuf], name: &str) -> Result<Header, TextError> {
        self.prepare_as(inputs, skipping(), name, &PrepareSettings::default())
    }

    /// The documents of `inputs`, and what the shard knows of itself.
    fn read(
        &self,
        inputs: &[PathBuf],
        reading: Reading,
    ) -> Result<(Vec<Vec<String>>, Header), TextError> {
        let shard = tempfile::tempdir_in(self.dir.path()).unwrap();
        let shard = shard.path().join("shard");
        let settings = PrepareSettings::default();
        let inputs = Inputs::find(inputs, reading)?;
        let summary = prepare(&inputs, &tokenizer(), &shard, &settings, &mut |_| {})?;
        let corpus = Corpus::open(&shard, &tokenizer())?;
        Ok((contents(&corpus)?, summary.header))
    }

    fn prepare(&self, inputs: &[PathBuf], name: &str) -> Result<Corpus, TextError> {
        self.prepare_with(inputs, name, &PrepareSettings::default())?;
        Corpus::open(&self.path(name), &tokenizer())
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn skipping() -> Reading {
    Reading {
        on_invalid: OnInvalid::Skip,
        ..Reading::default()
    }
}

/// Why files were left out, and how many for each reason.
fn reasons(left_out: &LeftOut) -> Vec<(&str, u64)> {
    let reasons = left_out.reasons();
    reasons.map(|(reason, it)| (reason, it.files)).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Everything in a corpus as text: documents of sentences of tokens, read one sentence at a time.
fn contents(corpus: &Corpus) -> Result<Vec<Vec<String>>, TextError> {
    let tokenizer = tokenizer();
    let mut documents = Vec::new();
    for document in 0..corpus.num_documents() {
        let mut sentences = Vec::new();
        // Damaged bounds may name any range: a few of it show what happens.
        for sentence in corpus.document(document).take(1000) {
            let mut ids = Vec::new();
            corpus.read(corpus.sentence(sentence), &mut ids)?;
            assert!(ids.iter().all(|&id| id < corpus.vocab_size()));
            let tokens: Vec<String> = ids.iter().map(|&id| tokenizer.token(id).unwrap()).collect();
            sentences.push(tokens.join(" "));
        }
        documents.push(sentences);
    }
    Ok(documents)
}
