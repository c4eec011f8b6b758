//! `kiln predict classify`, `regress`, `tag`, `qa`, `choose`: what a fine-tuned model says of files, of
//! texts, or of the lines of stdin.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;
use kiln_datasets::reading::{Dataset, DatasetSpec, Examples, Format};
use kiln_datasets::{DataError, Example, Input, LabelMap, Place, Task};
use kiln_metrics::rows::Row;

use crate::console::Console;
use crate::evaluate::map_of;
use crate::failure::Failure;
use crate::labelled::asking::{AskArgs, Asking, BatchArgs};
use crate::labelled::data_args::FileArgs;
use crate::labelled::dev_scores::PredictionsFile;
use crate::labelled::showing;
use crate::overwriting::refuse_overwriting;

const EXAMPLES: &str = "Examples:
  kiln predict classify --model runs/topics \"The match ended two to one.\"
  kiln predict tag --model runs/tags --json < sentences.txt
  kiln predict qa --model runs/answers --data questions.json --output answers.jsonl
  kiln predict choose --model runs/choices --data choices.jsonl";

// Which model, and what it is asked.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LabelledArgs {
    /// Hugging Face model folder, a checkpoint, or a fine-tuning run, whose best checkpoint is taken
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Files to predict, labelled or not, in any of the formats that finetune reads
    #[arg(long, value_name = "F", num_args = 1.., conflicts_with = "texts")]
    data: Vec<PathBuf>,
    /// Write a line of JSON for every example instead of printing; evaluate --predictions scores it
    #[arg(long, value_name = "F.jsonl")]
    output: Option<PathBuf>,
    #[command(flatten)]
    batch: BatchArgs,
    /// Print one JSON object an example: what is said, and how sure the model is of it
    #[arg(long, conflicts_with = "output")]
    json: bool,
    /// Texts, or sentences of words with spaces between them; a tab stands between the two of a pair.
    /// Default: --data, or the lines of stdin
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
    /// Read no labels, should the files have any: those that the model lacks are an error otherwise
    #[arg(long)]
    unlabelled: bool,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    ask: AskArgs,
}

/// Predicts, in the order of what is asked.
///
/// # Errors
/// If the model can't be opened or has no such head, or what it is asked can't be read.
pub(super) fn run(
    task: Task,
    args: &LabelledArgs,
    backend: &[String],
    console: Console,
) -> Result<(), Failure> {
    args.ask.refuse_scores()?;
    let spec = DatasetSpec {
        unlabelled: args.unlabelled,
        ..args.files.spec(task, false, &args.data)?
    };
    let is_file = !args.data.is_empty() || (spec.format.is_some() && args.texts.is_empty());
    if !is_file && spec != DatasetSpec::new(task, Vec::new()) {
        return Err(Failure::usage(
            "flags of files: texts and lines of stdin have no columns; name a file with --data, or say \
             with --format what stdin is",
        ));
    }
    let asking = Asking::open(&args.model, task, &args.ask, args.batch.batch_size, backend)?;
    if let Some(output) = &args.output {
        let read: Vec<&Path> = args.data.iter().map(PathBuf::as_path).collect();
        refuse_overwriting("--output", output, &read, &[&args.model, &asking.folder])?;
    }
    let multi_label = asking.pipeline.settings().problem == kiln_datasets::Problem::MultiLabel;
    let spec = DatasetSpec {
        multi_label,
        ..spec
    };
    let output = args.output.as_deref();
    let mut file = output.map(PredictionsFile::create).transpose()?;
    let mut give = |example: &Example, row: Row| match &mut file {
        Some(file) => file.write(&row),
        None if args.json => console.json(&row),
        None => console.out(describe(example, &row)),
    };
    let asked = if !args.data.is_empty() {
        let dataset = Dataset::open(spec, false)?;
        for note in &dataset.decided().notes {
            console.note(note);
        }
        let labels = map_of(&dataset, asking.labels())?;
        for note in labels.notes() {
            console.note(note);
        }
        asking.ask(dataset.examples(&labels), &mut give)?
    } else if !args.texts.is_empty() {
        let examples = (1..)
            .zip(&args.texts)
            .map(|(number, text)| given(task, "command line", number, text));
        asking.ask(examples, &mut give)?
    } else if let (None, Task::Classify | Task::Regress | Task::Tag) = (spec.format, task) {
        asking.ask(lines(task), &mut give)?
    } else {
        let spec = DatasetSpec {
            format: spec.format.or(Some(Format::Json)),
            ..spec
        };
        let labels = LabelMap::new(asking.labels().clone());
        let reader = BufReader::new(std::io::stdin());
        let examples =
            Examples::of_reader(&spec, &labels, false, Path::new("stdin"), Box::new(reader))?;
        asking.ask(examples, &mut give)?
    };
    if let Some(file) = file {
        file.finish()?;
    }
    showing::tell_counts(&asked.counts, console);
    if asked.counts.examples == 0 {
        console.note("nothing was asked: no text came");
    }
    Ok(())
}

/// The lines of stdin as examples, empty ones too: there are as many answers as lines.
fn lines(task: Task) -> impl Iterator<Item = Result<Example, DataError>> {
    const STDIN: &str = "stdin";
    (1..)
        .zip(std::io::stdin().lock().lines())
        .map(move |(number, line)| {
            let line = line.map_err(|error| DataError::Record {
                place: Place {
                    file: Path::new(STDIN).into(),
                    line: number,
                },
                problem: format!("cannot be read ({error}); write it as UTF-8"),
            })?;
            let text = match number {
                1 => line.strip_prefix('\u{feff}').unwrap_or(&line),
                _ => &line,
            };
            given(task, STDIN, number, text)
        })
}

/// A text as an example; `source` is where it comes from.
fn given(task: Task, source: &str, number: u64, text: &str) -> Result<Example, DataError> {
    let input = match task {
        Task::Classify | Task::Regress => {
            let (first, second) = match text.split_once('\t') {
                Some((first, second)) => (first, Some(second.to_owned())),
                None => (text, None),
            };
            Input::Text {
                first: first.to_owned(),
                second,
            }
        }
        Task::Tag => Input::Words(text.split_whitespace().map(str::to_owned).collect()),
        Task::Qa | Task::Choose => {
            return Err(DataError::Settings(
                "a question has a context and a choice its continuations: pass them as JSON lines on \
                 stdin, or in files with --data"
                    .into(),
            ));
        }
    };
    Ok(Example {
        id: number.to_string(),
        place: Place {
            file: Path::new(source).into(),
            line: number,
        },
        input,
        target: None,
    })
}

/// What a model says, as a line for people.
fn describe(example: &Example, row: &Row) -> String {
    let text = match &example.input {
        Input::Text { first, second } => {
            let second = second.as_ref().map(|second| format!(" / {second}"));
            format!("{first}{}", second.unwrap_or_default())
        }
        Input::Words(words) => words.join(" "),
        Input::Question { question, .. } => question.clone(),
        Input::Choices { first, .. } => first.clone(),
    };
    // A line an example, whatever is in it.
    let text = text.replace(['\r', '\n'], " ");
    match row {
        Row::Class(row) => {
            let sure = row
                .probabilities
                .iter()
                .find(|(name, _)| *name == row.prediction);
            let sure = sure.map_or(0.0, |(_, probability)| *probability);
            format!("{}  {sure:.3}  {text}", row.prediction)
        }
        Row::Labels(row) => {
            let said = if row.predictions.is_empty() {
                "-".to_owned()
            } else {
                row.predictions.join(", ")
            };
            format!("{said}  {text}")
        }
        Row::Numbers(row) => {
            let numbers: Vec<String> = row
                .predictions
                .iter()
                .map(|number| format!("{number:.3}"))
                .collect();
            format!("{}  {text}", numbers.join(" "))
        }
        Row::Tags(row) => {
            let words = row.words.iter().zip(&row.predictions);
            let words: Vec<String> = words.map(|(word, tag)| format!("{word}/{tag}")).collect();
            words.join(" ")
        }
        Row::Answer(row) => {
            let answer = if row.prediction.is_empty() {
                "(no answer)"
            } else {
                &row.prediction
            };
            format!("{answer}  {text}")
        }
        Row::Choice(row) => {
            let ending = match &example.input {
                Input::Choices { endings, .. } => endings.get(row.prediction),
                _ => None,
            };
            let sure = row
                .probabilities
                .get(row.prediction)
                .copied()
                .unwrap_or(0.0);
            format!(
                "{}  {sure:.3}  {text} {}",
                row.prediction,
                ending.map_or("", String::as_str)
            )
        }
    }
}
