//! `kiln prepare`: plain text to token shards.

use std::path::PathBuf;

use clap::Args;
use kiln_text::Tokenizer;
use kiln_text::corpus::{PrepareSettings, PrepareSummary, prepare};
use serde_json::{Value, json};

use crate::console::Console;
use crate::corpus::ReadArgs;
use crate::corpus_notes::{self, Origin};
use crate::failure::Failure;
use crate::out_of_memory::{self, Work};
use crate::task_progress::TaskProgress;
use crate::tokenizer_text::Trainer;
use crate::wording::{bytes, count, duration};

const EXAMPLES: &str = "Examples:
  kiln prepare --tokenizer tokenizer --corpus text/ --output shards
  kiln prepare --tokenizer bert-base-uncased --corpus a.jsonl.zst b.txt --skip-invalid --output ab";

// What to tokenise, and with what.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PrepareArgs {
    /// Folder with tokenizer.json or vocab.txt; only runs with the same tokenizer take the result
    #[arg(long, value_name = "DIR")]
    tokenizer: PathBuf,
    /// Text, or folders of it, or - for standard input: one paragraph a line and a blank line between
    /// documents, or JSON with a "text" in each record; plain or in .gz, .zst, .bz2, .xz, .tar, .zip
    #[arg(long, value_name = "F", required = true, num_args = 1..)]
    corpus: Vec<PathBuf>,
    /// Folder for the tokens; must be new or empty, and appears when it is complete
    #[arg(long, value_name = "SHARDS")]
    output: PathBuf,
    /// Threads that tokenise; the result is the same for any number. Default: one a core
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
    #[command(flatten)]
    read: ReadArgs,
    /// Take every line for one sentence, as the original BERT's input has it. Default: sentences
    /// are found in paragraphs
    #[arg(long)]
    lines_are_sentences: bool,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// Tokenises a corpus.
///
/// # Errors
/// If a file can't be read or the output not be made.
pub(crate) fn run(args: &PrepareArgs, console: Console) -> Result<(), Failure> {
    crate::folders::refuse_used_folder(&args.output, "")?;
    let tokenizer = Tokenizer::open(&args.tokenizer)?;
    for note in tokenizer.notes() {
        console.note(format_args!("warning: {note}"));
    }
    let settings = PrepareSettings {
        lines_are_sentences: args.lines_are_sentences,
        threads: args.threads,
    };
    let inputs = args.read.find(&args.corpus, console)?;
    let _memory = out_of_memory::during(Work::Tokenising);
    let mut progress = TaskProgress::new(console, "tokenising");
    let summary = prepare(&inputs, &tokenizer, &args.output, &settings, &mut |p| {
        progress.preparing(p);
    })?;
    drop(progress);
    let header = &summary.header;
    corpus_notes::tell(header, "", Origin::Given, Trainer::Prepare, console);
    print(args, &summary, console)
}

fn print(args: &PrepareArgs, summary: &PrepareSummary, console: Console) -> Result<(), Failure> {
    let header = &summary.header;
    if args.json {
        let mut all = corpus_notes::to_json(header);
        let more = json!({
            "output": args.output.display().to_string(),
            "bytes_in": header.text_bytes,
            "bytes_out": header.data_bytes(),
            "unigram_entropy": header.unigram_entropy,
            "seconds": summary.elapsed.as_secs_f64(),
        });
        if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
            all.extend(more);
        }
        return console.json(&all);
    }
    console.out(format_args!("shards       {}", args.output.display()))?;
    console.out(format_args!(
        "text         {} in {} documents, {} sentences",
        bytes(header.text_bytes),
        count(header.num_documents),
        count(header.num_sentences)
    ))?;
    console.out(format_args!(
        "tokens       {}, {:.2} % unknown; word frequencies alone give a loss of {:.3}",
        count(header.num_tokens),
        header.unknown_share() * 100.0,
        header.unigram_entropy
    ))?;
    console.out(format_args!(
        "time         {}, {:.1} MB/s; {} written",
        duration(summary.elapsed),
        summary.megabytes_per_second(),
        bytes(header.data_bytes())
    ))
}
