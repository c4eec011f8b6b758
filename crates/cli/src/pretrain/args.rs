//! The flags of `kiln pretrain`, as typed. What they mean together is decided elsewhere.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args};
use kiln_learner::{Precision, ScheduleKind};

use super::flags::{Choice, possible_values};
use super::given::Given;
use crate::architectures::{self, Named};
use crate::corpus::ReadArgs;
use crate::show_args::ProgressArgs;
use crate::tokenizer::LetterArgs;
use crate::tokenizer_text::AlphabetArgs;

const EXAMPLES: &str = "Examples:
  kiln pretrain bert --corpus text/ --output runs/first --steps 2000 --batch-size 16
  kiln pretrain electra --corpus text/ --preset tiny --output runs/electra --steps 4000
  kiln pretrain deberta --corpus text/ --preset tiny --output runs/deberta --steps 4000
  kiln pretrain xlnet --corpus text/ --preset tiny --output runs/xlnet --steps 4000
  kiln pretrain bert --data shards --tokenizer tokenizer --preset small --seq-len 512 \\
      --accumulate 4 --backend cuda:0 --backend cuda:1 --output runs/small

Exit code: 0 when the run is done, 1 when it fails, 2 when the command is wrong; 130 when Ctrl-C
stopped it and 143 when SIGTERM did, after it was saved";

// What to train, on what, how, and where to.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PretrainArgs {
    /// The architecture
    #[arg(value_name = "A", value_parser = architectures::parser())]
    pub(crate) architecture: Named,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) training: TrainingArgs,
    /// What deberta learns: mlm, to predict masked words (v1, v2), or rtd, to find the words that a
    /// generator replaced (v3). Default: rtd, and mlm with the presets of v1
    #[arg(long, value_name = "NAME", help_heading = "Objective")]
    pub(crate) objective: Option<String>,
    // What is published of the architecture, where something else is asked for.
    #[command(flatten)]
    pub(crate) flags: Given,
}

// The run and what is kept and shown of it.
#[derive(Args)]
#[command(next_help_heading = "Run")]
pub(crate) struct RunArgs {
    /// Folder for checkpoints, metrics, tokenizer and report; must be new or empty
    #[arg(long, value_name = "RUN")]
    pub(crate) output: PathBuf,
    /// Steps between evaluations; more often shows more and costs time; 0: at the end alone.
    /// Default: a tenth of the steps
    #[arg(long, value_name = "N")]
    pub(crate) eval_every: Option<u64>,
    /// Steps between checkpoints: what a crash can cost; 0: at the end alone. Default: as
    /// --eval-every
    #[arg(long, value_name = "N")]
    pub(crate) save_every: Option<u64>,
    /// Newest checkpoints kept; each takes three times the model's size
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) keep_last: usize,
    /// Checkpoints with the lowest evaluation loss kept beside them; needs an evaluation. Default: 1
    #[arg(long, value_name = "N")]
    pub(crate) keep_best: Option<usize>,
    /// Evaluations in a row without a lower loss after which the run stops; needs an evaluation.
    /// Default: never
    #[arg(long, value_name = "N")]
    pub(crate) early_stop: Option<usize>,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
    /// Start although the run seems to need more memory than there is. Default: refuse it, and say
    /// what fits
    #[arg(long)]
    pub(crate) no_memory_check: bool,
}

// Text, tokenizer and batches.
#[derive(Args)]
#[command(next_help_heading = "Data")]
#[command(group(ArgGroup::new("text").required(true).args(["corpus", "data"])))]
pub(crate) struct DataArgs {
    /// Text, or folders of it, or - for standard input: one paragraph a line and a blank line between
    /// documents, or JSON with a "text" in each record; plain or in .gz, .zst, .bz2, .xz, .tar, .zip.
    /// Tokenised once and kept in the cache
    #[arg(long, value_name = "F", num_args = 1..)]
    pub(crate) corpus: Vec<PathBuf>,
    /// Shards that kiln prepare made, instead of text; needs their tokenizer
    #[arg(long, value_name = "SHARDS")]
    pub(crate) data: Option<PathBuf>,
    /// Tokenizer folder. Default: that of --init-from, else one is trained on the corpus
    #[arg(long, value_name = "DIR", conflicts_with_all = ["vocab_size", "cased", "keep_accents", "limit_alphabet", "character_coverage", "tokenizer_sample"])]
    pub(crate) tokenizer: Option<PathBuf>,
    /// Entries of the tokenizer that is trained; more keep words whole and make the model larger.
    /// Default: by the size of the corpus' text, 1000 to 30522
    #[arg(long, value_name = "N")]
    pub(crate) vocab_size: Option<u32>,
    #[command(flatten)]
    pub(crate) letters: LetterArgs,
    #[command(flatten)]
    pub(crate) alphabet: AlphabetArgs,
    /// Text files or folders to evaluate on. Default: documents held out of the corpus
    #[arg(long, value_name = "F", num_args = 1.., conflicts_with = "eval_data")]
    pub(crate) eval_corpus: Vec<PathBuf>,
    /// Shards to evaluate on, instead of text
    #[arg(long, value_name = "SHARDS")]
    pub(crate) eval_data: Option<PathBuf>,
    /// Share of the documents held out for evaluation, from 0 (no evaluation) to below 1
    #[arg(long, value_name = "X", default_value_t = 0.05)]
    #[arg(conflicts_with_all = ["eval_corpus", "eval_data"])]
    pub(crate) held_out: f64,
    /// Batches in an evaluation at most; more give a steadier loss and take longer
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) eval_batches: u64,
    /// Tokens in a sequence; time grows faster than it. Default: 128, or the model's positions if
    /// fewer
    #[arg(long, value_name = "N")]
    pub(crate) seq_len: Option<usize>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// Take every line for one sentence. Default: sentences are found in paragraphs
    #[arg(long)]
    pub(crate) lines_are_sentences: bool,
    /// Threads that tokenise and build batches; results are the same for any number. Default: one
    /// a core for tokenising, one for batches
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Folder for tokenised text. Default: kiln/corpora in $XDG_CACHE_HOME, else in ~/.cache
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Keep the tokenised text in the run as well, so that it can be moved and resumed without cache
    /// and text. Default: it is made again from the text where the cache has lost it
    #[arg(long)]
    pub(crate) keep_corpus: bool,
}

/// Help of `--preset`: what there is stands in the list of architectures alone.
fn preset_help() -> String {
    format!(
        "A published size, or tiny, and the settings it was trained with: {}. Default: the config of \
         --init-from, else the smallest",
        architectures::presets()
    )
}

// The model.
#[derive(Args)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelArgs {
    #[arg(long, value_name = "P", help = preset_help())]
    pub(crate) preset: Option<String>,
    /// A config.json with Hugging Face's fields, instead of a preset
    #[arg(long, value_name = "F", conflicts_with = "preset")]
    pub(crate) config: Option<PathBuf>,
    /// Hugging Face model folder to take the first weights from, or a checkpoint or run of Kiln's.
    /// Default: random weights
    #[arg(long, value_name = "MODEL")]
    pub(crate) init_from: Option<PathBuf>,
}

// The learner.
#[derive(Args)]
#[command(next_help_heading = "Training")]
pub(crate) struct TrainingArgs {
    /// Optimizer updates
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) steps: u64,
    /// Sequences in a micro-batch on each device; more need more memory
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub(crate) batch_size: usize,
    /// Micro-batches a step takes on each device: a large batch in the memory of a small one
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) accumulate: usize,
    /// Peak learning rate; higher learns faster until it diverges. Default: the preset's, else 1e-4
    #[arg(long, value_name = "X")]
    pub(crate) lr: Option<f64>,
    /// Steps in which the rate rises from zero to its peak. Default: a tenth of the steps
    #[arg(long, value_name = "N")]
    pub(crate) warmup: Option<u64>,
    /// How the rate falls after that. Default: the preset's, else linear
    #[arg(long, value_name = "KIND", value_parser = schedules())]
    pub(crate) schedule: Option<ScheduleKind>,
    /// Decoupled weight decay, not on biases and LayerNorm (xlnet's r_w_bias and its like are none). Default: the preset's, else 0.01
    #[arg(long, value_name = "X")]
    pub(crate) weight_decay: Option<f64>,
    /// Added to the root of Adam's second moment. Default: the preset's, else 1e-6
    #[arg(long, value_name = "X")]
    pub(crate) adam_epsilon: Option<f64>,
    /// Decay of Adam's first moment. Default: the preset's, else 0.9
    #[arg(long, value_name = "X")]
    pub(crate) adam_beta1: Option<f64>,
    /// Decay of Adam's second moment. Default: the preset's, else 0.999
    #[arg(long, value_name = "X")]
    pub(crate) adam_beta2: Option<f64>,
    /// Leave out Adam's bias correction, as the original code of BERT and ELECTRA does. Default: the
    /// preset's, else correct
    #[arg(long, conflicts_with = "bias_correction")]
    pub(crate) no_bias_correction: bool,
    /// Correct Adam's bias, although the preset was trained without
    #[arg(long)]
    pub(crate) bias_correction: bool,
    /// Norm over all gradients above which they are scaled down; 0: never. Default: the preset's,
    /// else 1
    #[arg(long, value_name = "X")]
    pub(crate) clip_norm: Option<f64>,
    /// Steps in a row with gradients that are not finite after which the run stops
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) max_bad_steps: u64,
    /// Float type of the products that most of a step's time goes into; weights and optimizer are in
    /// float32 anyway. bf16 is for devices with units for it: others refuse or imitate it, slower, and
    /// all learn from rounded numbers
    #[arg(long, value_name = "TYPE", value_parser = precisions(), default_value = "float32")]
    pub(crate) precision: Precision,
    /// Seed of every random choice: weights, order, masks, dropout, the text that a tokenizer is
    /// trained on
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// The shapes of the learning rate's curve.
const SCHEDULES: [Choice; 5] = [
    ("linear", "A line to zero at the last step"),
    ("cosine", "Half a cosine to zero at the last step"),
    ("constant", "The peak to the end"),
    (
        "original",
        "The original BERT code's: a line from step 0 that warmup cuts into",
    ),
    (
        "electra",
        "The original ELECTRA code's: the same line times the warmup",
    ),
];

/// The float types of forward and backward passes.
const PRECISIONS: [Choice; 2] = [
    ("float32", "Everything"),
    (
        "bf16",
        "What lies between layers; LayerNorm, softmax and losses are float32",
    ),
];

/// Takes exactly their names.
pub(crate) fn precisions() -> impl TypedValueParser<Value = Precision> {
    let parser = PossibleValuesParser::new(possible_values(&PRECISIONS));
    parser.try_map(|name| serde_json::from_value(name.into()))
}

/// Takes exactly their names.
pub(crate) fn schedules() -> impl TypedValueParser<Value = ScheduleKind> {
    let parser = PossibleValuesParser::new(possible_values(&SCHEDULES));
    parser.try_map(|name| serde_json::from_value(name.into()))
}
