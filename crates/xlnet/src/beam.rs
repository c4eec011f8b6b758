//! The stack with the head for spans that searches with a beam.

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_nn::Init;
use kiln_tasks::beam::SpanBeam;
use kiln_tasks::class::{Class, Encoded, Encoder, Outputs};
use kiln_tasks::heads::BeamLogits;
use kiln_tasks::model_config::check_sizes;

use crate::config::XlnetConfig;
use crate::model::{XlnetInputs, XlnetModel};

/// The start and the end of an answer, the end depending on the start, and whether there is one.
#[derive(Module, Debug)]
#[doc(alias = "XLNetForQuestionAnswering")]
pub struct XlnetForQuestionAnswering {
    /// The stack.
    pub transformer: XlnetModel,
    beam: SpanBeam,
    #[module(skip)]
    n_top: [usize; 2],
}

impl XlnetForQuestionAnswering {
    /// Draws stack and head.
    pub fn new(config: &XlnetConfig, init: &mut Init) -> Self {
        Self {
            transformer: XlnetModel::new(config, init),
            beam: SpanBeam::new(config.d_model, config.layer_norm_eps, init),
            n_top: [config.start_n_top, config.end_n_top],
        }
    }

    /// What is told of answers beside the text: `p_mask` `[batch, seq_len]`, `cls_index` `[batch]`.
    fn told(
        &self,
        encoded: &Encoded,
        p_mask: Option<Tensor<2>>,
        cls_index: Option<Tensor<1, Int>>,
    ) -> BeamLogits {
        BeamLogits {
            hidden_states: encoded.hidden_states.clone(),
            beam: self.beam.clone(),
            p_mask,
            cls_index,
            n_top: self.n_top,
        }
    }
}

impl Class for XlnetForQuestionAnswering {
    type Config = XlnetConfig;
    type Encoder = XlnetModel;
    type Head = BeamLogits;

    const NAMES: &'static [&'static str] = &["XLNetForQuestionAnswering"];

    fn for_file(
        config: &XlnetConfig,
        file: &ModelFile,
        init: &mut Init,
    ) -> Result<Self, OpenError> {
        let kept = [
            ("start_n_top", config.start_n_top),
            ("end_n_top", config.end_n_top),
        ];
        check_sizes(&kept).map_err(|error| error.beside(file))?;
        Ok(Self::new(config, init))
    }

    fn encoder(&self) -> &XlnetModel {
        &self.transformer
    }

    /// An answer can be anywhere, and `<cls>` is the last token.
    fn head(&self, encoded: &Encoded) -> BeamLogits {
        self.told(encoded, None, None)
    }

    fn outputs_from(&self, sum: Tensor<3>, inputs: XlnetInputs) -> Outputs<BeamLogits> {
        let (p_mask, cls_index) = (inputs.p_mask.clone(), inputs.cls_index.clone());
        let encoded = self.transformer.encoded_from(sum, inputs);
        Outputs {
            head: self.told(&encoded, p_mask, cls_index),
            encoded,
        }
    }
}
