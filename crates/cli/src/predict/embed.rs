//! `kiln predict embed`: a vector for each text.

use std::path::{Path, PathBuf};

use clap::Args;
use kiln_tasks::embedding::{EmbedRequest, Embedded, Pooling};
use kiln_tasks::predict::SentenceFolder;
use serde_json::json;

use super::texts::Windows;
use super::vectors_file::VectorsFile;
use crate::console::Console;
use crate::devices;
use crate::failure::Failure;
use crate::model_folder::ModelFolder;
use crate::overwriting::refuse_overwriting;
use crate::wording::number;

const EXAMPLES: &str = "Examples:
  kiln predict embed --model all-MiniLM-L6-v2 \"A potter at work.\" \"Clay on a wheel.\"
  kiln predict embed --model runs/first --normalize --output vectors.safetensors < texts.txt";

// Which texts, which model, and what becomes of its hidden states.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EmbedArgs {
    /// Hugging Face or sentence-transformers model folder, a checkpoint, or a run, whose newest
    /// checkpoint is taken; of a pair the discriminator
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// How the hidden states of a text become one vector: cls (the first token's), mean, max,
    /// mean_sqrt_len, weightedmean (later tokens count more), lasttoken; several, separated by
    /// commas, one after the other. Default: as 1_Pooling/config.json says, else mean, which suits
    /// Kiln's own checkpoints
    #[arg(long, value_name = "P", value_delimiter = ',')]
    pooling: Vec<Pooling>,
    /// Divide each vector by its length, so that a dot product is the cosine. Default: as
    /// modules.json says, else not
    #[arg(long, overrides_with = "no_normalize")]
    normalize: bool,
    /// Leave the vectors as they are, whatever modules.json says
    #[arg(long)]
    no_normalize: bool,
    /// Write a safetensors file with embeddings [texts, width], float32, instead of printing;
    /// replaced as a whole, but never a file that is read. Default: one JSON list a text on stdout
    #[arg(long, value_name = "F.safetensors")]
    output: Option<PathBuf>,
    /// Print one JSON object a text: text, embedding
    #[arg(long, conflicts_with = "output")]
    json: bool,
    /// Texts. What the model's longest text has no room for is cut off, and counted. Default: the
    /// lines of stdin, empty ones too
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
}

/// Makes the vectors of all texts, window by window.
///
/// # Errors
/// If the model can't be opened or asks for what Kiln does not have, a text can't be read, or the
/// output can't be written.
pub(super) fn run(args: &EmbedArgs, backend: &[String], console: Console) -> Result<(), Failure> {
    let model = ModelFolder::open(&with_config(&args.model)?)?;
    if let Some(output) = &args.output {
        let models = [args.model.as_path(), &model.path];
        refuse_overwriting("--output", output, &[], &models)?;
    }
    let request = EmbedRequest {
        // The folder that was named knows of an encoder's in it.
        model: if args.model.join(MODULES).exists() {
            args.model.clone()
        } else {
            model.path
        },
        pooling: args.pooling.clone(),
        normalize: match (args.normalize, args.no_normalize) {
            (false, false) => None,
            (normalize, _) => Some(normalize),
        },
        device: devices::open_one(backend)?,
        warn: Console::warn,
    };
    let embedder = model.architecture.embedder(&request)?;
    let mut windows = Windows::new(&args.texts);
    let mut texts = windows.next()?;
    let file = args.output.as_ref();
    let mut file = file
        .map(|output| VectorsFile::create(output, embedder.width()))
        .transpose()?;
    let mut cut = Cut::default();
    while !texts.is_empty() {
        let embedded = embedder.embed(&texts)?;
        cut.add(&embedded, texts.len());
        match &mut file {
            Some(file) => file.write(&embedded.vectors)?,
            None => print(&texts, &embedded, args.json, console)?,
        }
        texts = windows.next()?;
    }
    if let Some(file) = file {
        file.finish()?;
    }
    cut.tell(embedder.longest());
    Ok(())
}

const MODULES: &str = "modules.json";

/// The folder with the config.json of what `path` names: itself, or the encoder's own folder within
/// one of sentence-transformers.
fn with_config(path: &Path) -> Result<PathBuf, Failure> {
    if path.join(MODULES).exists() {
        Ok(SentenceFolder::open(path)?.encoder)
    } else {
        Ok(path.to_path_buf())
    }
}

/// How many texts were too long.
#[derive(Default)]
struct Cut {
    texts: usize,
    cut: usize,
    first: Option<usize>,
}

impl Cut {
    fn add(&mut self, embedded: &Embedded, texts: usize) {
        let first = embedded.cut.first().map(|index| self.texts + index + 1);
        self.first = self.first.or(first);
        self.cut += embedded.cut.len();
        self.texts += texts;
    }

    fn tell(&self, longest: usize) {
        if let Some(first) = self.first {
            Console::warn(&format!(
                "{} of {} texts had more than {longest} tokens, and were cut; the first is text {first}",
                number(self.cut as f64, 0),
                number(self.texts as f64, 0)
            ));
        }
    }
}

fn print(
    texts: &[String],
    embedded: &Embedded,
    with_text: bool,
    console: Console,
) -> Result<(), Failure> {
    for (text, vector) in texts.iter().zip(&embedded.vectors) {
        if with_text {
            console.json(&json!({ "text": text, "embedding": vector }))?;
        } else {
            console.json(vector)?;
        }
    }
    Ok(())
}
