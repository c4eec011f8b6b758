//! The class with a beam of an architecture that has none.

use burn::module::Module;
use kiln_checkpoint::{CONFIG_FILE, ModelFile, OpenError};
use kiln_nn::Init;

use crate::beam::SpanBeam;
use crate::class::{Class, Encoded, Encoder};
use crate::family::Family;
use crate::heads::BeamLogits;
use crate::model_config::ConfigError;

/// Stands where a type is wanted and Hugging Face has no class: no file holds it, and it can't be made.
#[derive(Module, Debug)]
pub struct NoBeam<E: Module> {
    base_model: E,
    beam: SpanBeam,
}

impl<E: Encoder> Class for NoBeam<E> {
    type Config = E::Config;
    type Encoder = E;
    type Head = BeamLogits;

    const NAMES: &'static [&'static str] = &[];

    fn for_file(config: &E::Config, file: &ModelFile, _: &mut Init) -> Result<Self, OpenError> {
        let error = ConfigError {
            field: "model_type",
            value: format!("{:?}", config.model_type()),
            remedy:
                "it has no class that searches answers with a beam; choose xlnet, or do without"
                    .to_owned(),
        };
        Err(error.in_file(&file.path().with_file_name(CONFIG_FILE)))
    }

    fn encoder(&self) -> &E {
        &self.base_model
    }

    fn head(&self, encoded: &Encoded) -> BeamLogits {
        BeamLogits {
            hidden_states: encoded.hidden_states.clone(),
            beam: self.beam.clone(),
            p_mask: None,
            cls_index: None,
            n_top: [1, 1],
        }
    }
}
