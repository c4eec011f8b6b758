//! Stands for the class with a beam where an architecture has none.

use burn::module::Module;
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_nn::Init;

use crate::beam::SpanBeam;
use crate::class::{Class, Encoded, Encoder};
use crate::heads::BeamLogits;

/// Spans with a beam on any encoder. transformers has such a class for XLNet alone: without a name to be
/// opened by, [`super::TunedObjective::new`] refuses it.
#[derive(Module, Debug)]
pub struct NoBeam<E: Module> {
    encoder: E,
    beam: SpanBeam,
}

impl<E: Encoder> Class for NoBeam<E> {
    type Config = E::Config;
    type Encoder = E;
    type Head = BeamLogits;

    const NAMES: &'static [&'static str] = &[];

    fn for_file(config: &E::Config, file: &ModelFile, init: &mut Init) -> Result<Self, OpenError> {
        /// Of LayerNorm, as BERT has it.
        const EPSILON: f64 = 1e-12;
        Ok(Self {
            encoder: E::for_file(config, file, init),
            beam: SpanBeam::new(E::width(config), EPSILON, init),
        })
    }

    fn encoder(&self) -> &E {
        &self.encoder
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
