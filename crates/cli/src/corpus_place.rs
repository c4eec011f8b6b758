//! Where a run's tokenised text lies: in the cache, in the run, or to be made again.
//!
//! A run needs the tokens it was started with, not the folder that they were in: whatever gives the
//! same tokens, by their hash, will do.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use kiln_checkpoint::CheckpointFolder;
use kiln_learner::RunFolder;
use kiln_tasks::settings::{CorpusSource, DataSettings};
use kiln_text::corpus::{PrepareSettings, ReadSettings, cached};
use kiln_text::reading::{Inputs, Reading, hex};
use kiln_text::{Corpus, Tokenizer};

use crate::cache;
use crate::console::Console;
use crate::corpus::keep_pipes;
use crate::failure::Failure;
use crate::folders::absolute;
use crate::out_of_memory::{self, Work};
use crate::task_progress::TaskProgress;
use crate::wording::shell;

/// Inputs of given shards that are noted at most.
const MOST_INPUTS: usize = 1_000;

// Where the text is now.
#[derive(Args)]
#[command(next_help_heading = "Text, where it is elsewhere than before")]
pub(crate) struct PlaceArgs {
    /// The run's text at another path; it is tokenised again and must give the same tokens.
    /// Default: the tokens in the run or in the cache, else the text where it was
    #[arg(long, value_name = "F", num_args = 1.., conflicts_with = "data")]
    corpus: Vec<PathBuf>,
    /// The run's shards at another path
    #[arg(long, value_name = "SHARDS")]
    data: Option<PathBuf>,
    /// The text to evaluate on at another path
    #[arg(long, value_name = "F", num_args = 1.., conflicts_with = "eval_data")]
    eval_corpus: Vec<PathBuf>,
    /// The shards to evaluate on at another path
    #[arg(long, value_name = "SHARDS")]
    eval_data: Option<PathBuf>,
    /// Folder for tokenised text. Default: kiln/corpora in $XDG_CACHE_HOME, else in ~/.cache
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Keep the tokenised text in the run from now on, so that it needs neither cache nor text
    #[arg(long)]
    pub(crate) keep_corpus: bool,
}

/// One of a run's corpora, and what is known of it.
struct Wanted<'a> {
    /// The flags that name it.
    flags: [&'static str; 2],
    shards: &'a Path,
    identity: &'a str,
    source: Option<&'a CorpusSource>,
    /// Its copy in the run.
    kept: PathBuf,
    text: &'a [PathBuf],
    data: Option<&'a Path>,
}

/// Finds the run's corpora and puts where they are into `data`.
///
/// # Errors
/// If one is gone with the text it was made from, or what is there gives other tokens.
pub(crate) fn find(
    run: &RunFolder,
    data: &mut DataSettings,
    args: &PlaceArgs,
    threads: Option<usize>,
    console: Console,
) -> Result<(), Failure> {
    let tokenizer = Tokenizer::open(&data.tokenizer)?;
    let finder = Finder {
        tokenizer: &tokenizer,
        run,
        cache_dir: args.cache_dir.as_deref(),
        threads: threads.unwrap_or(0),
        console,
    };
    let found = finder.find(&Wanted {
        flags: ["--corpus", "--data"],
        shards: &data.shards,
        identity: &data.corpus,
        source: data.source.as_ref(),
        kept: run.corpus(),
        text: &args.corpus,
        data: args.data.as_deref(),
    })?;
    let eval = match &data.eval_shards {
        Some(shards) => Some(finder.find(&Wanted {
            flags: ["--eval-corpus", "--eval-data"],
            shards,
            identity: data.eval_corpus.as_deref().unwrap_or_default(),
            source: data.eval_source.as_ref(),
            kept: run.eval_corpus(),
            text: &args.eval_corpus,
            data: args.eval_data.as_deref(),
        })?),
        None if !args.eval_corpus.is_empty() || args.eval_data.is_some() => {
            return Err(Failure::usage(
                "--eval-corpus, --eval-data: the run evaluates on documents held out of its corpus; \
                 leave them out",
            ));
        }
        None => None,
    };
    if let Some(source) = found.source {
        data.source = Some(source);
    }
    data.shards = found.shards;
    if let Some(eval) = eval {
        if let Some(source) = eval.source {
            data.eval_source = Some(source);
        }
        data.eval_shards = Some(eval.shards);
    }
    if args.keep_corpus {
        keep(run, data)?;
    }
    Ok(())
}

/// Copies the corpora into the run, and puts the copies into `data`.
///
/// # Errors
/// If a file can't be copied.
pub(crate) fn keep(run: &RunFolder, data: &mut DataSettings) -> Result<(), Failure> {
    copy_shards(&data.shards, &run.corpus())?;
    data.shards = absolute(&run.corpus())?;
    if let Some(shards) = &mut data.eval_shards {
        copy_shards(shards, &run.eval_corpus())?;
        *shards = absolute(&run.eval_corpus())?;
    }
    Ok(())
}

/// What `corpus` was made from, enough to make it again: `text` as given, or what its shards say.
///
/// # Errors
/// If a path is none.
pub(crate) fn source(corpus: &Corpus, text: &[PathBuf]) -> Result<Option<CorpusSource>, Failure> {
    let Some(header) = corpus.header() else {
        return Ok(None);
    };
    let inputs = if text.is_empty() {
        let inputs = header.inputs.iter().map(|input| PathBuf::from(&input.path));
        let inputs: Vec<PathBuf> = inputs.take(MOST_INPUTS + 1).collect();
        // From another folder they may mean other files.
        if inputs.len() > MOST_INPUTS || !inputs.iter().all(|path| path.is_absolute()) {
            return Ok(None);
        }
        inputs
    } else {
        let full = |path: &PathBuf| match path.to_str() {
            // Standard input: named, and not to be read again.
            Some("-") => Ok(path.clone()),
            _ => absolute(path),
        };
        text.iter().map(full).collect::<Result<_, _>>()?
    };
    Ok(Some(CorpusSource {
        inputs,
        read: header.settings.clone(),
        left_out: header.left_out_of_folders.clone(),
    }))
}

/// `text` in tokens, from the cache or through it.
///
/// # Errors
/// If the text can't be read, or the cache not be written.
pub(crate) fn through_cache(
    text: &Inputs,
    tokenizer: &Tokenizer,
    cache_dir: Option<&Path>,
    settings: &PrepareSettings,
    console: Console,
) -> Result<Corpus, Failure> {
    let cache = cache::folder(cache_dir)?;
    let _memory = out_of_memory::during(Work::Tokenising);
    let mut progress = TaskProgress::new(console, "tokenising");
    let corpus = cached(text, tokenizer, &cache, settings, &mut |p| {
        progress.preparing(p)
    })?;
    drop(progress);
    cache::tell_size(&cache, cache_dir, console);
    Ok(corpus)
}

/// The folder that a corpus is in.
///
/// # Errors
/// If it is in memory alone.
pub(crate) fn folder_of(corpus: &Corpus) -> Result<PathBuf, Failure> {
    match corpus.path() {
        Some(path) => absolute(path),
        None => Err(Failure::run(
            "the corpus is not on disk; pass it with --data",
        )),
    }
}

struct Finder<'a> {
    tokenizer: &'a Tokenizer,
    run: &'a RunFolder,
    cache_dir: Option<&'a Path>,
    threads: usize,
    console: Console,
}

/// Where a corpus is, and its text if that is elsewhere now.
struct Found {
    shards: PathBuf,
    source: Option<CorpusSource>,
}

impl From<PathBuf> for Found {
    fn from(shards: PathBuf) -> Self {
        Self {
            shards,
            source: None,
        }
    }
}

impl Finder<'_> {
    fn find(&self, wanted: &Wanted<'_>) -> Result<Found, Failure> {
        if let Some(shards) = wanted.data {
            let corpus = Corpus::open(shards, self.tokenizer)?;
            self.compare(&corpus, wanted, &shards.display().to_string())?;
            return Ok(absolute(shards)?.into());
        }
        if !wanted.text.is_empty() {
            let read = wanted.source.map(|source| &source.read);
            let corpus = self.make(wanted.text, read, wanted)?;
            return Ok(Found {
                source: source(&corpus, wanted.text)?,
                shards: folder_of(&corpus)?,
            });
        }
        if wanted.kept.is_dir() {
            return Ok(absolute(&wanted.kept)?.into());
        }
        if wanted.shards.is_dir() {
            return Ok(wanted.shards.to_path_buf().into());
        }
        let Some(source) = wanted.source else {
            return Err(self.gone(wanted, None));
        };
        // What can be read but once, as a pipe, is not there any more either.
        let is_gone = |path: &&PathBuf| !(path.is_file() || path.is_dir());
        if let Some(missing) = source.inputs.iter().find(is_gone) {
            return Err(self.gone(wanted, Some(missing)));
        }
        self.console.note(format_args!(
            "{}: the run's tokenised text is gone; it is made again from {}",
            wanted.shards.display(),
            names(&source.inputs)
        ));
        let corpus = self.make(&source.inputs, Some(&source.read), wanted)?;
        Ok(folder_of(&corpus)?.into())
    }

    /// Tokenises text through the cache; it must give the run's tokens.
    fn make(
        &self,
        text: &[PathBuf],
        read: Option<&ReadSettings>,
        wanted: &Wanted<'_>,
    ) -> Result<Corpus, Failure> {
        let settings = PrepareSettings {
            lines_are_sentences: read.is_some_and(|read| read.lines_are_sentences),
            threads: self.threads,
        };
        let reading = read.map_or_else(Reading::default, |read| Reading {
            on_invalid: read.on_invalid,
            text_field: read.text_field.clone(),
        });
        let mut inputs = Inputs::find(text, reading)?;
        keep_pipes(&mut inputs, self.console)?;
        let corpus = through_cache(
            &inputs,
            self.tokenizer,
            self.cache_dir,
            &settings,
            self.console,
        )?;
        self.compare(&corpus, wanted, &names(text))?;
        Ok(corpus)
    }

    fn compare(&self, corpus: &Corpus, wanted: &Wanted<'_>, origin: &str) -> Result<(), Failure> {
        let found = hex(&corpus.identity());
        if wanted.identity.is_empty() || found == wanted.identity {
            return Ok(());
        }
        let [text, data] = wanted.flags;
        let short = |hash: &str| hash.chars().take(12).collect::<String>();
        Err(Failure::run(format_args!(
            "{origin}: other tokens than the run was started with (hash {}, not {}): the text has \
             changed, or was read otherwise; pass the text as it was with {text}, or its shards with \
             {data}, or start a new run",
            short(&found),
            short(wanted.identity)
        )))
    }

    fn gone(&self, wanted: &Wanted<'_>, missing: Option<&PathBuf>) -> Failure {
        let [text, data] = wanted.flags;
        let (shards, run) = (wanted.shards.display(), shell(self.run.path()));
        match missing {
            Some(missing) => Failure::run(format_args!(
                "{shards}: the run's tokenised text is gone, and so is {}, which it was made from; \
                 pass the text with: kiln resume {run} {text} F, or its shards with {data} SHARDS",
                missing.display()
            )),
            None => Failure::run(format_args!(
                "{shards}: the run's tokenised text is gone; pass the text it was made from with: \
                 kiln resume {run} {text} F, or its shards with {data} SHARDS"
            )),
        }
    }
}

fn names(paths: &[PathBuf]) -> String {
    match paths {
        [path] => path.display().to_string(),
        [path, rest @ ..] => format!("{} and {} more", path.display(), rest.len()),
        [] => "nothing".to_owned(),
    }
}

/// Copies the files of a shard; where the file system can, they share their bytes with it.
fn copy_shards(from: &Path, to: &Path) -> Result<(), Failure> {
    if same_folder(from, to) {
        return Ok(());
    }
    let failed = |path: &Path, error: io::Error| {
        Failure::run(format_args!(
            "{}: cannot be copied to {} ({error}); check free space and permissions",
            path.display(),
            to.display()
        ))
    };
    let folder = CheckpointFolder::replace(to)?;
    for entry in fs::read_dir(from).map_err(|error| failed(from, error))? {
        let entry = entry.map_err(|error| failed(from, error))?;
        let (source, target) = (entry.path(), folder.path().join(entry.file_name()));
        // What else is there, such as the cache's own notes, is not the corpus'.
        let is_part = source
            .extension()
            .is_some_and(|kind| kind == "json" || kind == "bin");
        if is_part && source.is_file() {
            copy_file(&source, &target).map_err(|error| failed(&source, error))?;
        }
    }
    Ok(folder.commit()?)
}

fn copy_file(source: &Path, target: &Path) -> io::Result<()> {
    // A shard is never written to again, so that two names for it are as good as two files.
    if fs::hard_link(source, target).is_ok() {
        return Ok(());
    }
    io::copy(&mut File::open(source)?, &mut File::create(target)?).map(drop)
}

fn same_folder(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
