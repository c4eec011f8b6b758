//! A run's tokenizer and corpora.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_tasks::Architecture;
use kiln_tasks::settings::DataSettings;
use kiln_text::corpus::PrepareSettings;
use kiln_text::reading::{Inputs, hex};
use kiln_text::tokenizer::{TokenizerKind, TrainSettings};
use kiln_text::{Corpus, Tokenizer};

use super::args::PretrainArgs;
use super::evaluation;
use super::model::ModelSource;
use crate::console::Console;
use crate::corpus::keep_pipes;
use crate::corpus_notes::{self, Origin};
use crate::corpus_place::{folder_of, source, through_cache};
use crate::failure::Failure;
use crate::folders::absolute;
use crate::tokenizer::Wanted;
use crate::tokenizer_text::{self, Trainer};
use crate::wording::{count, share};

/// Bounds of the vocabulary that is trained where nobody says how large: BERT's published size, and
/// what a page of text fills.
const VOCAB_SIZES: std::ops::RangeInclusive<u32> = 1_000..=30_522;

/// Different words grow about as the root of the text; 6 entries for each root of a byte leave most
/// of what they see more than a few times whole.
const ENTRIES_PER_ROOT: f64 = 6.0;

/// Where tokenizer and corpora come from; nothing slow has been done.
pub(super) struct DataPlan {
    tokenizer: TokenizerPlan,
    /// The architecture's name.
    architecture: &'static str,
    /// Text to train on.
    corpus: Inputs,
    /// Text to evaluate on.
    eval_corpus: Inputs,
}

enum TokenizerPlan {
    Given(Box<Tokenizer>, Origin),
    Train {
        kind: TokenizerKind,
        /// With a guess at the size of the vocabulary if the text decides it.
        settings: TrainSettings,
        by_text: bool,
    },
}

/// A tokenizer, and corpora that it tokenised.
pub(super) struct PreparedData {
    pub(super) tokenizer: Tokenizer,
    pub(super) settings: DataSettings,
}

impl DataPlan {
    /// Opens what is there.
    ///
    /// # Errors
    /// If a file is missing or flags contradict each other.
    pub(super) fn find(
        args: &PretrainArgs,
        model: &ModelSource,
        architecture: &dyn Architecture,
        console: Console,
    ) -> Result<Self, Failure> {
        let data = &args.data;
        if !(0.0..1.0).contains(&data.held_out) {
            return Err(Failure::usage(format_args!(
                "--held-out {}: choose a share of the documents from 0 to below 1",
                data.held_out
            )));
        }
        let is_twice = |path: &PathBuf| path.as_os_str() == "-" && data.corpus.contains(path);
        if data.eval_corpus.iter().any(is_twice) {
            return Err(Failure::usage(
                "--corpus -, --eval-corpus -: standard input can be read once only; save one of them \
                 to a file",
            ));
        }
        let corpus = data.read.find(&data.corpus, console)?;
        let eval_corpus = data.read.find(&data.eval_corpus, console)?;
        let text_bytes = corpus.stored_bytes();
        let given = data.tokenizer.as_deref().or(model.tokenizer.as_deref());
        let tokenizer = match given {
            Some(path) => {
                if data.vocab_size.is_some() || data.letters.cased || data.letters.keep_accents {
                    return Err(Failure::usage(
                        "--vocab-size, --cased, --keep-accents: they train a tokenizer, but \
                         --init-from brings its own; leave them out",
                    ));
                }
                if let Some(flag) = data.alphabet.given() {
                    return Err(Failure::usage(format_args!(
                        "{flag}: it is for a tokenizer that is trained, but --init-from brings its \
                         own; leave it out"
                    )));
                }
                let origin = match data.tokenizer {
                    Some(_) => Origin::Given,
                    None => Origin::Model,
                };
                TokenizerPlan::Given(Box::new(Tokenizer::open(path)?), origin)
            }
            None if data.data.is_some() => {
                return Err(Failure::usage(
                    "--data: shards belong to a tokenizer; pass it with --tokenizer",
                ));
            }
            None => {
                let kind = architecture.tokenizer(model.preset());
                let asked = data.vocab_size.or(model.vocab_size());
                let wanted = Wanted {
                    kind,
                    vocab_size: asked.unwrap_or_else(|| vocab_size(text_bytes)),
                    letters: data.letters,
                    alphabet: data.alphabet,
                    seed: args.training.seed,
                    min_frequency: None,
                    // That of the model, known once its config is.
                    model_max_length: None,
                    threads: data.threads.unwrap_or(0),
                };
                TokenizerPlan::Train {
                    kind,
                    settings: wanted.settings()?,
                    by_text: asked.is_none(),
                }
            }
        };
        let plan = Self {
            tokenizer,
            architecture: architecture.name(),
            corpus,
            eval_corpus,
        };
        if let TokenizerPlan::Given(tokenizer, _) = &plan.tokenizer {
            tokenizer.vocabulary()?;
            architecture.check_tokenizer(tokenizer)?;
            if let (Some(folder), Some(rows)) = (&model.init_from, model.vocab_size())
                && let Some(mismatch) = tokenizer.mismatch(rows as usize)
            {
                return Err(Failure::usage(format_args!(
                    "{}: {mismatch}",
                    folder.display()
                )));
            }
            for shards in data.data.iter().chain(&data.eval_data) {
                Corpus::open(shards, tokenizer)?;
            }
        }
        Ok(plan)
    }

    /// Copies what comes through pipes: whoever writes into them may take long.
    ///
    /// # Errors
    /// If nothing comes through one, or the disk is full.
    pub(super) fn keep_pipes(&mut self, console: Console) -> Result<(), Failure> {
        keep_pipes(&mut self.corpus, console)?;
        keep_pipes(&mut self.eval_corpus, console)?;
        if let TokenizerPlan::Train {
            settings,
            by_text: true,
            ..
        } = &mut self.tokenizer
        {
            // How much text there is is known now.
            let size = vocab_size(self.corpus.stored_bytes());
            *settings = settings.clone().with_vocab_size(size);
        }
        Ok(())
    }

    /// Whether a tokenizer is trained, for want of one.
    pub(super) fn trains(&self) -> bool {
        matches!(self.tokenizer, TokenizerPlan::Train { .. })
    }

    /// Entries of the tokenizer, or about as many as a new one may have.
    pub(super) fn expected_vocab_size(&self) -> usize {
        match &self.tokenizer {
            TokenizerPlan::Given(tokenizer, _) => tokenizer.vocab_size() as usize,
            TokenizerPlan::Train { settings, .. } => settings.vocab_size() as usize,
        }
    }

    /// Settings that lack only what preparation will tell.
    pub(super) fn placeholder(
        &self,
        args: &PretrainArgs,
        seq_len: usize,
    ) -> Result<DataSettings, Failure> {
        Ok(DataSettings {
            shards: PathBuf::new(),
            corpus: String::new(),
            source: None,
            eval_shards: None,
            eval_corpus: None,
            eval_source: None,
            held_out: args.data.held_out,
            eval_batches: args.data.eval_batches,
            tokenizer: absolute(&args.run.output)?.join("tokenizer"),
            tokenizer_identity: String::new(),
            seq_len,
        })
    }

    /// Trains the tokenizer if there is none, and tokenises text that is not in the cache.
    ///
    /// # Errors
    /// If text can't be read or the cache not be written.
    pub(super) fn prepare(
        &self,
        args: &PretrainArgs,
        seq_len: usize,
        console: Console,
    ) -> Result<PreparedData, Failure> {
        let mut settings = self.placeholder(args, seq_len)?;
        let data = &args.data;
        let trainer = Trainer::Run(self.architecture);
        let (tokenizer, origin) = match &self.tokenizer {
            TokenizerPlan::Given(tokenizer, origin) => {
                for note in tokenizer.notes() {
                    console.note(format_args!("warning: {note}"));
                }
                (tokenizer.as_ref().clone(), *origin)
            }
            TokenizerPlan::Train {
                kind,
                settings,
                by_text,
            } => {
                let (text, sample) = (&self.corpus, data.alphabet.tokenizer_sample);
                let size = by_text.then_some(vocab_size as fn(u64) -> u32);
                let (kind, settings) = (*kind, settings.clone());
                // What else is lost of the text, the tokenised corpus tells.
                let trained =
                    tokenizer_text::train(text, kind, settings, sample, trainer, console, size)?;
                console.note(format_args!(
                    "tokenizer: {} entries, trained on the corpus",
                    count(trained.tokenizer.vocab_size().into())
                ));
                (trained.tokenizer, Origin::Trained)
            }
        };
        let corpus = open(
            &self.corpus,
            data.data.as_deref(),
            &tokenizer,
            args,
            console,
        )?;
        let unknown = corpus
            .header()
            .map(|header| format!(", {} unknown", share(header.unknown_share())));
        console.note(format_args!(
            "corpus: {} documents, {} tokens{}",
            count(corpus.num_documents() as u64),
            count(corpus.num_tokens()),
            unknown.unwrap_or_default()
        ));
        if let Some(header) = corpus.header() {
            corpus_notes::tell(header, "", origin, trainer, console);
        }
        let corpus = Arc::new(corpus);
        settings.corpus = hex(&corpus.identity());
        settings.shards = folder_of(&corpus)?;
        settings.source = source(&corpus, &data.corpus)?;
        if !data.eval_corpus.is_empty() || data.eval_data.is_some() {
            let eval = open(
                &self.eval_corpus,
                data.eval_data.as_deref(),
                &tokenizer,
                args,
                console,
            )?;
            if let Some(header) = eval.header() {
                corpus_notes::tell(header, "text to evaluate on: ", origin, trainer, console);
            }
            settings.eval_corpus = Some(hex(&eval.identity()));
            settings.eval_shards = Some(folder_of(&eval)?);
            settings.eval_source = source(&eval, &data.eval_corpus)?;
        } else {
            evaluation::check_corpus(&corpus, args, console)?;
        }
        settings.tokenizer_identity = hex(&tokenizer.identity());
        Ok(PreparedData {
            tokenizer,
            settings,
        })
    }
}

/// The corpus in `data`, or else of `text`, from the cache or through it.
fn open(
    text: &Inputs,
    data: Option<&Path>,
    tokenizer: &Tokenizer,
    args: &PretrainArgs,
    console: Console,
) -> Result<Corpus, Failure> {
    if let Some(shards) = data {
        return Ok(Corpus::open(shards, tokenizer)?);
    }
    let settings = PrepareSettings {
        lines_are_sentences: args.data.lines_are_sentences,
        threads: args.data.threads.unwrap_or(0),
    };
    let cache = args.data.cache_dir.as_deref();
    through_cache(text, tokenizer, cache, &settings, console)
}

/// Entries for a text of that size, in hundreds.
fn vocab_size(text_bytes: u64) -> u32 {
    let entries = (text_bytes as f64).sqrt() * ENTRIES_PER_ROOT;
    let in_hundreds = (entries / 100.0).round() as u32;
    let (fewest, most) = (*VOCAB_SIZES.start(), *VOCAB_SIZES.end());
    in_hundreds.saturating_mul(100).clamp(fewest, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vocabulary_grows_with_the_text_up_to_the_published_size() {
        let sizes = [0, 120_000, 11_000_000, u64::MAX].map(vocab_size);
        assert_eq!(sizes, [1_000, 2_100, 19_900, 30_522]);
    }
}
