//! Hugging Face model folders in and out: config.json, safetensors, pytorch_model.bin.
//!
//! Reading goes from a folder to a module, writing from a module to a folder that appears whole or
//! not at all; saving changes nothing in what is saved, and nothing here knows of training.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `names` | table: path in a Burn module to Hugging Face name |
//! | `parameters` | the parameters of a module by both names, and their layout in a file |
//! | `tensors` | values or gradients of a module as named tensors in memory |
//! | `read`, `safetensors_file` | the weights of a folder, in one file or several |
//! | `dtype`, `file_names` | types of elements, and names of files |
//! | `load` | weights into a module, with a report |
//! | `write` | weights and JSON to files |
//! | `folder` | folders under a temporary name until they are whole |
//! | `seal` | checksums, by which resuming knows a whole checkpoint |
//! | `config`, `json` | config.json with unknown fields kept, as Python writes it |
//! | `wrapped` | names behind what a model was wrapped in |
//! | `foreign` | what a file or folder is that is no model's, and the remedy |

mod config;
mod dtype;
mod error;
mod file_names;
mod folder;
mod foreign;
mod json;
mod load;
mod names;
mod parameters;
mod read;
mod safetensors_file;
mod seal;
mod tensors;
mod wrapped;
mod write;

pub use config::{ConfigFile, read_config};
pub use dtype::{Dtype, TensorInfo};
pub use error::{OpenError, WriteError};
pub use file_names::{CONFIG_FILE, WEIGHTS_FILES};
pub use folder::CheckpointFolder;
pub use foreign::foreign_config;
pub use json::parse_json;
pub use load::{LoadOptions, LoadReport, Tied, check_shapes, load_module};
pub use names::Names;
pub use parameters::{NameClash, Parameter, parameters, parameters_by_name};
pub use read::ModelFile;
pub use seal::{MANIFEST, verify};
pub use tensors::{NamedTensor, gradient_tensors, module_tensors, tensors_where};
pub use write::{safetensors_bytes, write_bytes, write_json, write_model, write_safetensors};
