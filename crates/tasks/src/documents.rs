//! A run's corpora on disk: the documents to train on and those to evaluate on, and what becomes of
//! them.

use std::path::Path;
use std::sync::Arc;

use kiln_learner::LearnError;
use kiln_text::corpus::Corpus;
use kiln_text::examples::Documents;
use kiln_text::reading::hex;
use kiln_text::tokenizer::Tokenizer;

use crate::settings::{DataSettings, RunSettings};

/// The documents to train on, and those held out or of a corpus of their own.
///
/// A fresh run reads the corpus through once and verifies its checksums; a resumed one starts at
/// once.
///
/// # Errors
/// If a corpus can't be read, or is another than the settings say.
pub fn open_documents(
    settings: &RunSettings,
    tokenizer: &Tokenizer,
    is_fresh: bool,
) -> Result<(Documents, Documents), LearnError> {
    let DataSettings {
        shards,
        corpus,
        eval_shards,
        eval_corpus,
        held_out,
        ..
    } = &settings.data;
    let opened = open_corpus(shards, corpus, tokenizer, is_fresh)?;
    match eval_shards {
        Some(shards) => {
            let identity = eval_corpus.as_deref().unwrap_or_default();
            let held = open_corpus(shards, identity, tokenizer, is_fresh)?;
            Ok((
                Documents::all(Arc::new(opened)),
                Documents::all(Arc::new(held)),
            ))
        }
        None => {
            let split = Documents::split(Arc::new(opened), settings.training.seed, *held_out);
            Ok(split?)
        }
    }
}

/// Opens a prepared corpus; a new run reads it through once, since a flipped bit would train in
/// silence, while a resumed run starts at once.
fn open_corpus(
    shards: &Path,
    identity: &str,
    tokenizer: &Tokenizer,
    is_fresh: bool,
) -> Result<Corpus, LearnError> {
    let corpus = Corpus::open(shards, tokenizer)?;
    if is_fresh {
        corpus.verify()?;
    }
    if !identity.is_empty() && hex(&corpus.identity()) != identity {
        return Err(LearnError::Run {
            path: shards.into(),
            problem: "another corpus than the run was started with; prepare that one again, or \
                      start a new run"
                .into(),
        });
    }
    Ok(corpus)
}
