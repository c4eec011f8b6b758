//! What all Hugging Face classes of an architecture share: config.json, names in files, tables.

use std::fmt::Debug;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use kiln_checkpoint::{
    ConfigFile, LoadOptions, LoadReport, ModelFile, NamedTensor, Names, OpenError, WriteError,
    check_shapes, load_module, module_tensors, write_model,
};
use kiln_learner::upload::ints;
use kiln_learner::{LearnError, ParameterGroup};
use kiln_nn::EncoderInputs;
use kiln_text::HostBatch;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::arguments::Inputs;
use crate::memory::ModelSize;
use crate::model_config::{self, ConfigError};

pub use crate::class::write_folder;
pub use crate::sizes::Sizes;

/// The names that a file's parameters are found under.
#[derive(Debug, Clone, Copy)]
pub struct FileNames {
    /// Module path to the name in the file.
    pub names: &'static Names,
    /// What else the file may hold.
    pub options: &'static LoadOptions,
}

/// What an encoder of the family `F` reads: made of a forward pass's arguments, or of a run's batch.
pub trait ReadInputs<F>: Debug + Clone + Send + 'static {
    /// Checks the arguments and moves them to their device.
    ///
    /// # Errors
    /// If an argument has another shape or an entry that it cannot have.
    fn read(inputs: &Inputs<'_>, config: &F) -> Result<Self, LearnError>;

    /// Moves a batch's buffers to a device.
    ///
    /// # Panics
    /// If the batch lacks a buffer: an objective and the source that feeds it are written together.
    fn upload(batch: &HostBatch, device: &Device) -> Self;
}

impl<F> ReadInputs<F> for EncoderInputs {
    fn read(inputs: &Inputs<'_>, _: &F) -> Result<Self, LearnError> {
        Ok(inputs.model_inputs()?)
    }

    /// Missing types are all 0.
    fn upload(batch: &HostBatch, device: &Device) -> Self {
        let input_ids: Tensor<2, Int> = ints(batch, "input_ids", device);
        let has_types = batch.ints.contains_key("token_type_ids");
        Self {
            attention_mask: Some(ints(batch, "attention_mask", device)),
            token_type_ids: if has_types {
                ints(batch, "token_type_ids", device)
            } else {
                input_ids.zeros_like()
            },
            input_ids,
        }
    }
}

/// A config.json, and by it all that the classes of its architecture have in common.
///
/// The config is the family: what depends on its fields and what does not are asked in one place,
/// and a value of it is what every class is made from.
pub trait Family:
    Serialize + DeserializeOwned + Debug + Clone + Send + Sync + Sized + 'static
{
    /// What the encoder reads.
    type Inputs: ReadInputs<Self>;

    /// The architecture's name on the command line.
    const NAME: &'static str;
    /// The names that its files are written with.
    const FILE_NAMES: FileNames;
    /// Other names of config.json's fields, each with the field's name.
    const ALIASES: &'static [(&'static str, &'static str)] = &[];
    /// The arguments of a forward pass beside `input_ids`, `attention_mask` and `token_type_ids`.
    const ARGUMENTS: &'static [&'static str] = &[];

    /// Checks every field whose value decides the result.
    ///
    /// # Errors
    /// With the first field that has an impossible or unsupported value.
    fn validate(&self) -> Result<(), ConfigError>;

    /// Hugging Face's class names; the first decides what the checkpoint is opened as.
    fn architectures(&self) -> Option<&[String]>;

    /// Which loss a sequence classifier is trained with.
    fn problem_type(&self) -> Option<&str>;

    /// The rows of the encoder's tables.
    fn sizes(&self) -> Sizes;

    /// The tensors that decide the encoder's size, without a prefix, as they are to be.
    fn size_tensors(&self) -> Vec<(String, [usize; 2])>;

    /// The config that a checkpoint is run by: without dropout.
    fn for_inference(&self) -> Self;

    /// The config that texts are read by, each by itself.
    fn for_texts(&self) -> Self {
        self.for_inference()
    }

    /// This config with dropout at this rate wherever there is any, in the encoder and in every head.
    fn with_dropout(&self, rate: f64) -> Self;

    /// Layers of the encoder.
    fn num_layers(&self) -> usize;

    /// The sizes of the encoder that memory depends on, for sequences of so many tokens.
    fn model_size(&self, seq_len: usize) -> ModelSize;

    /// Labels of a fine-tuning head.
    fn num_labels(&self) -> usize;

    /// The linear layers that get low-rank adapters where nobody says which: PEFT's for the model type,
    /// where it has any.
    fn lora_targets(&self) -> &'static [&'static str] {
        &["query", "value"]
    }

    /// How the optimizer treats the parameter at `path`.
    fn parameter_group(&self, path: &str) -> ParameterGroup {
        ParameterGroup::by_name(path)
    }

    /// `model_type` as it is written.
    fn model_type(&self) -> &'static str {
        Self::NAME
    }

    /// Which of a class's names a model of this config has.
    fn class_name(&self, names: &'static [&'static str]) -> &'static str {
        names.first().copied().unwrap_or_default()
    }

    /// The names that are used in `file`.
    fn names_of(file: &ModelFile) -> FileNames {
        let _ = file;
        Self::FILE_NAMES
    }

    /// Tensors that a file holds beside those of a module: copies for other readers.
    fn copies(&self, tensors: &[NamedTensor]) -> Vec<NamedTensor> {
        let _ = tensors;
        Vec::new()
    }

    /// Reads and checks a folder's config.json.
    ///
    /// # Errors
    /// If the file is unreadable, or a field has a value that the architecture or Kiln cannot have.
    fn open(folder: &Path) -> Result<Self, OpenError> {
        model_config::open_config(folder, Self::ALIASES, Self::validate)
    }

    /// Reads and checks the config that a run's settings hold.
    ///
    /// # Errors
    /// As [`Family::open`], for the settings' own config.
    fn parse(model: &Value) -> Result<Self, LearnError> {
        model_config::parse_config(model, Self::ALIASES, Self::validate)
    }

    /// Gives a module the weights of a folder. What the file lacks keeps the values it had and
    /// stands in the report: the caller decides what may start fresh.
    ///
    /// # Errors
    /// If the weights are unreadable or do not fit the module.
    fn open_weights<M: Module>(module: M, file: &ModelFile) -> Result<(M, LoadReport), OpenError> {
        let FileNames { names, options } = Self::names_of(file);
        load_module(module, names, file, options)
    }

    /// Gives a module the weights of a folder that holds exactly these.
    ///
    /// # Errors
    /// As [`Family::open_weights`], and if a tensor is missing or left over.
    fn open_complete<M: Module>(module: M, folder: &Path) -> Result<M, OpenError> {
        let (module, report) = Self::open_weights(module, &ModelFile::open(folder)?)?;
        report.require_complete(folder)?;
        Ok(module)
    }

    /// Holds the tensors that decide a model's size against its configuration, before anything of
    /// that size is made: a damaged config.json then costs an error and not all memory.
    ///
    /// # Errors
    /// If a tensor's shape is another than the configuration says, or the last layer is not there.
    fn check_sizes(&self, file: &ModelFile) -> Result<(), OpenError> {
        check_shapes(file, Self::names_of(file).options, &self.size_tensors())
    }
}

/// Writes a module as the class of this name, for what is opened as another class than its own.
///
/// # Errors
/// As [`crate::class::write_folder`].
pub fn write_module<F: Family, M: Module>(
    module: &M,
    config: &F,
    class: &str,
    folder: &Path,
) -> Result<(), WriteError> {
    let mut file = ConfigFile::new(config, config.model_type(), &[class])?;
    file.declare_float32();
    file.write(folder)?;
    let mut tensors = module_tensors(module, F::FILE_NAMES.names)?;
    tensors.extend(config.copies(&tensors));
    write_model(folder, &tensors, None)
}
