//! The flags of `kiln finetune`, as typed.

use std::path::PathBuf;

use clap::Args;
use kiln_datasets::Task;
use kiln_learner::{Precision, ScheduleKind};

use crate::failure::Failure;
use crate::labelled::asking::AskArgs;
use crate::labelled::data_args::{FileArgs, tasks};
use crate::pretrain::{precisions, schedules};
use crate::show_args::ProgressArgs;

const EXAMPLES: &str = "Examples:
  kiln finetune classify --model runs/first --train train.csv --dev dev.csv --output runs/topics
  kiln finetune regress --model runs/first --train pairs.tsv --held-out 0.1 --output runs/similar
  kiln finetune tag --model runs/first --train train.conll --dev dev.conll --output runs/tags
  kiln finetune qa --model runs/first --train train.json --dev dev.json --output runs/answers
  kiln finetune choose --model runs/first --train train.jsonl --folds 5 --output runs/choices
  kiln finetune classify --model runs/first --glue mrpc --train train.tsv --dev dev.tsv \\
      --seeds 1..5 --output runs/mrpc
  kiln finetune classify --model runs/first --train train.csv --dev dev.csv --adapt texts/ \\
      --seeds 1..5 --output runs/adapted

A run that was stopped goes on with: kiln resume RUN

Exit code: 0 when the run is done, 1 when it fails, 2 when the command is wrong; 130 when Ctrl-C
stopped it and 143 when SIGTERM did, after it was saved";

// What to fine-tune for what, on what, how, and where to.
#[derive(Args, Clone)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FinetuneArgs {
    /// What the model is to do
    #[arg(value_name = "TASK", value_parser = tasks())]
    pub(crate) task: Task,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) examples: ExampleArgs,
    #[command(flatten)]
    pub(crate) files: FileArgs,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
    #[command(flatten)]
    pub(crate) training: TrainingArgs,
    #[command(flatten)]
    pub(crate) adapting: AdaptArgs,
}

impl FinetuneArgs {
    /// Refuses flags that say nothing for the task, or without another.
    ///
    /// # Errors
    /// If one is given.
    pub(crate) fn refuse_foreign(&self) -> Result<(), Failure> {
        let (examples, training) = (&self.examples, &self.training);
        let task = self.task;
        let has_labels = matches!(task, Task::Classify | Task::Tag);
        let flags = [
            ("multi-label", examples.multi_label, task == Task::Classify),
            ("beam", examples.beam, task == Task::Qa),
            (
                "label-all-tokens",
                examples.label_all_tokens,
                task == Task::Tag,
            ),
            (
                "class-weights",
                training.class_weights.is_some(),
                has_labels,
            ),
            (
                "label-smoothing",
                training.label_smoothing.is_some(),
                task != Task::Regress,
            ),
        ];
        if let Some((flag, ..)) = flags.iter().find(|(_, given, fits)| *given && !fits) {
            return Err(Failure::usage(format_args!(
                "--{flag}: means nothing to {}; leave it out",
                task.name()
            )));
        }
        match (&training.positive_weights, examples.multi_label) {
            (Some(_), false) => {
                return Err(Failure::usage(
                    "--positive-weights: is for examples that can have several labels (classify \
                     --multi-label); leave it out",
                ));
            }
            (_, true) if training.class_weights.is_some() => {
                return Err(Failure::usage(
                    "--class-weights: is for examples with one label each; with --multi-label say \
                     --positive-weights",
                ));
            }
            _ => {}
        }
        let of_adapters = [
            ("lora-alpha", training.lora_alpha.is_some()),
            ("lora-targets", !training.lora_targets.is_empty()),
            ("lora-dropout", training.lora_dropout.is_some()),
        ];
        let given = of_adapters.iter().find(|(_, given)| *given);
        match (training.lora, given) {
            (None, Some((flag, _))) => Err(Failure::usage(format_args!(
                "--{flag}: there is no adapter without --lora RANK; add it, or leave this out"
            ))),
            _ => Ok(()),
        }
    }
}

// The run, and what is kept and shown of it.
#[derive(Args, Clone)]
#[command(next_help_heading = "Run")]
pub(crate) struct RunArgs {
    /// Hugging Face model folder, a checkpoint, or a run; of a pair the discriminator is taken
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Take config and tokenizer of the model alone and draw its weights, to see what pretraining is
    /// worth
    #[arg(long)]
    pub(crate) random_weights: bool,
    /// Folder for checkpoints, metrics, predictions, scores and report; must be new or empty
    #[arg(long, value_name = "RUN")]
    pub(crate) output: PathBuf,
    /// Steps between evaluations; 0: at the end alone. Default: an epoch
    #[arg(long, value_name = "N")]
    pub(crate) eval_every: Option<u64>,
    /// Steps between checkpoints; 0: at the end alone. Default: as --eval-every
    #[arg(long, value_name = "N")]
    pub(crate) save_every: Option<u64>,
    /// Newest checkpoints kept, beside the best
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) keep_last: usize,
    /// Evaluations in a row without a better score after which the run stops. Default: never
    #[arg(long, value_name = "N")]
    pub(crate) early_stop: Option<usize>,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
}

// What is trained and evaluated on.
#[derive(Args, Clone)]
#[command(next_help_heading = "Examples")]
pub(crate) struct ExampleArgs {
    /// Labelled files to train on
    #[arg(long, value_name = "F", num_args = 1.., required = true)]
    pub(crate) train: Vec<PathBuf>,
    /// Labelled files to evaluate on: they choose the best checkpoint
    #[arg(long, value_name = "F", num_args = 1.., conflicts_with_all = ["held_out", "folds"])]
    pub(crate) dev: Vec<PathBuf>,
    /// Share of the training examples that is held out and evaluated on instead, the same share of
    /// each label
    #[arg(long, value_name = "SHARE", conflicts_with = "folds")]
    pub(crate) held_out: Option<f64>,
    /// Train so many models, each on all but one part of the examples, and predict that part: scores
    /// and predictions are of all examples
    #[arg(long, value_name = "K")]
    pub(crate) folds: Option<u32>,
    /// An example can have any number of labels (classify)
    #[arg(long)]
    pub(crate) multi_label: bool,
    /// Answer with XLNet's head that searches with a beam, the end of an answer depending on its start
    /// (qa). Default: the plain head, which all architectures have
    #[arg(long)]
    pub(crate) beam: bool,
    /// Starts of an answer that the beam goes on from. Default: as the model's config.json says, else 5
    #[arg(long, value_name = "N", requires = "beam", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) start_n_top: Option<u32>,
    /// Ends that the beam looks at for each start. Default: as the model's config.json says, else 5
    #[arg(long, value_name = "N", requires = "beam", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) end_n_top: Option<u32>,
    /// What stands for a whole text where an XLNet is fine-tuned (classify, regress, choose) or an ELECTRA
    /// (choose): the vector of one token or the mean of all, config.json's summary_type. Default: as the
    /// model's config.json says
    #[arg(long, value_name = "KIND", value_parser = ["last", "first", "mean"])]
    pub(crate) summary_type: Option<String>,
    /// Learn the tag of every token of a word, not of its first alone (tag)
    #[arg(long)]
    pub(crate) label_all_tokens: bool,
}

// How it is trained. What is not given is the architecture's published setting for its size.
#[derive(Args, Clone)]
#[command(next_help_heading = "Training")]
pub(crate) struct TrainingArgs {
    /// How often each example is seen. Default: as published, and up to 20 times where that is fewer
    /// than 1,000 steps
    #[arg(long, value_name = "X", conflicts_with = "steps")]
    pub(crate) epochs: Option<f64>,
    /// Optimizer updates, instead of --epochs
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<u64>,
    /// Examples in a micro-batch on each device
    #[arg(long, value_name = "N")]
    pub(crate) batch_size: Option<usize>,
    /// Micro-batches a step takes on each device
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) accumulate: usize,
    /// Peak learning rate
    #[arg(long, value_name = "X")]
    pub(crate) lr: Option<f64>,
    /// Steps in which the rate rises, or a share of all of them if below 1
    #[arg(long, value_name = "N|SHARE")]
    pub(crate) warmup: Option<f64>,
    /// How the rate falls after that
    #[arg(long, value_name = "KIND", value_parser = schedules())]
    pub(crate) schedule: Option<ScheduleKind>,
    /// Decoupled weight decay
    #[arg(long, value_name = "X")]
    pub(crate) weight_decay: Option<f64>,
    /// Each layer's rate is that of the layer above multiplied by this; 1: one rate for all
    #[arg(long, value_name = "X")]
    pub(crate) layer_decay: Option<f64>,
    /// SiFT (DeBERTa): predictions that disturbed embeddings shall not change, with this weight
    #[arg(long, value_name = "WEIGHT", num_args = 0..=1, default_missing_value = "1")]
    pub(crate) sift: Option<f64>,
    /// Rate of dropout in encoder and head. Default: as the model's config.json says
    #[arg(long, value_name = "P")]
    pub(crate) dropout: Option<f64>,
    /// What each label weighs in the loss: balanced, so that rare ones count as much as frequent ones, or
    /// a list as no=1,yes=3. Default: all the same
    #[arg(long, value_name = "WEIGHTS")]
    pub(crate) class_weights: Option<String>,
    /// What each label weighs where an example has it (classify --multi-label): balanced, the examples
    /// without it over those with it, or a list as sport=3,travel=1. Default: as much as where it has it
    /// not
    #[arg(long, value_name = "WEIGHTS")]
    pub(crate) positive_weights: Option<String>,
    /// Share of each label's weight that is spread over all labels. Default: 0
    #[arg(long, value_name = "SHARE")]
    pub(crate) label_smoothing: Option<f64>,
    /// Leave the embeddings as they are
    #[arg(long)]
    pub(crate) freeze_embeddings: bool,
    /// Leave so many layers as they are, from the lowest on
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) freeze_layers: usize,
    /// Train low-rank adapters (LoRA) of this rank and the head, and leave all else as it is
    #[arg(long, value_name = "RANK")]
    pub(crate) lora: Option<usize>,
    /// Adapters are multiplied by this over their rank. Default: 8, as PEFT's
    #[arg(long, value_name = "X")]
    pub(crate) lora_alpha: Option<f64>,
    /// Linear layers of the encoder that get an adapter, by the ends of their names; all-linear: all.
    /// Default: PEFT's for the model type, as query,value; for XLNet layer_1,layer_2
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) lora_targets: Vec<String>,
    /// Rate of dropout of what adapters read. Default: 0, as PEFT's
    #[arg(long, value_name = "P")]
    pub(crate) lora_dropout: Option<f64>,
    /// Norm over all gradients above which they are scaled down; 0: never
    #[arg(long, value_name = "X")]
    pub(crate) clip_norm: Option<f64>,
    /// Float type of the products that most of a step's time goes into; weights, optimizer, evaluations
    /// and predictions are in float32 anyway. bf16 is for devices with units for it: others refuse or
    /// imitate it, slower
    #[arg(long, value_name = "TYPE", value_parser = precisions(), default_value = "float32")]
    pub(crate) precision: Precision,
    /// Seed of the head, the order of examples and dropout
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "seeds")]
    pub(crate) seed: u64,
    /// Several runs, one for each seed, as 1..5 or 1,2,7: scores get a mean and a spread
    #[arg(long, value_name = "SEEDS", value_parser = super::seeds::parse)]
    pub(crate) seeds: Option<super::seeds::Seeds>,
    /// Several runs, one for each value of a flag, as lr=1e-5,3e-5; repeat it for several flags. Flags:
    /// lr, batch-size, epochs, warmup, weight-decay, layer-decay, dropout, sift, label-smoothing, lora,
    /// lora-alpha
    #[arg(long, value_name = "FLAG=VALUES")]
    pub(crate) grid: Vec<String>,
    /// Threads that build batches ahead
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
}

// What the model reads before it is fine-tuned.
#[derive(Args, Clone)]
#[command(next_help_heading = "Adapting to unlabelled text")]
pub(crate) struct AdaptArgs {
    /// Text, or folders of it, as kiln pretrain takes it: the model first goes on with what it was
    /// pretrained for on this text, in RUN/adapted. Then both are fine-tuned, the model as it was and the
    /// adapted one, and their scores are compared; needs --dev, --held-out or --folds
    #[arg(long, value_name = "TEXTS", num_args = 1.., conflicts_with = "random_weights")]
    pub(crate) adapt: Vec<PathBuf>,
    /// Optimizer updates on the unlabelled text
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "adapt")]
    pub(crate) adapt_steps: u64,
    /// Peak learning rate on the unlabelled text. Default: 1e-4, as kiln pretrain has it
    #[arg(long, value_name = "X", requires = "adapt")]
    pub(crate) adapt_lr: Option<f64>,
    /// Sequences of unlabelled text in a micro-batch on each device
    #[arg(long, value_name = "N", default_value_t = 32, requires = "adapt")]
    pub(crate) adapt_batch_size: usize,
    /// Micro-batches of unlabelled text that a step takes on each device
    #[arg(long, value_name = "N", default_value_t = 1, requires = "adapt")]
    pub(crate) adapt_accumulate: usize,
    /// Tokens in a sequence of unlabelled text. Default: 128, or the model's positions if fewer
    #[arg(long, value_name = "N", requires = "adapt")]
    pub(crate) adapt_seq_len: Option<usize>,
    /// Adapt although that seems to need more memory than there is. Default: refuse it, and say what
    /// fits
    #[arg(long, requires = "adapt")]
    pub(crate) adapt_no_memory_check: bool,
}
