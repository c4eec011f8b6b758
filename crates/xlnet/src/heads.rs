//! The stack with one head of fine-tuning: sequences, tokens, spans.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use kiln_checkpoint::{CONFIG_FILE, ModelFile, OpenError};
use kiln_nn::{Activation, Dropout, Init};
use kiln_tasks::Family;
use kiln_tasks::class::{Class, Encoded};
use kiln_tasks::heads::{RealLabels, SequenceLogits};
use kiln_tasks::token_heads::{QuestionAnswering, TokenClassification};

use crate::config::{Summary, SummaryType, XlnetConfig};
use crate::model::XlnetModel;

/// A label for each token.
#[doc(alias = "XLNetForTokenClassification")]
pub type XlnetForTokenClassification = TokenClassification<XlnetModel>;

/// The start and the end of an answer within the sequence, each by itself.
#[doc(alias = "XLNetForQuestionAnsweringSimple")]
pub type XlnetForQuestionAnsweringSimple = QuestionAnswering<XlnetModel>;

/// One vector for a sequence; Hugging Face `XLNetSequenceSummary`.
#[derive(Module, Debug)]
pub struct SequenceSummary {
    summary: Option<Linear>,
    dropout: Dropout,
    #[module(skip)]
    kind: SummaryType,
    #[module(skip)]
    activation: Option<Activation>,
}

impl SequenceSummary {
    fn new(config: &XlnetConfig, summary: Summary, init: &mut Init) -> Self {
        Self {
            summary: config
                .summary_use_proj
                .then(|| init.linear(config.d_model, config.d_model)),
            dropout: Dropout::new(config.summary_last_dropout),
            kind: summary.kind,
            activation: summary.activation,
        }
    }

    fn forward(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let [_, seq_len, _] = hidden_states.dims();
        let at = |position: usize| hidden_states.clone().narrow(1, position, 1);
        let summary = match self.kind {
            SummaryType::Last | SummaryType::ClsIndex => at(seq_len.saturating_sub(1)),
            SummaryType::First => at(0),
            SummaryType::Mean => hidden_states.clone().mean_dim(1),
        };
        let summary = summary.squeeze_dim::<2>(1);
        let projected = match &self.summary {
            Some(projection) => projection.forward(summary),
            None => summary,
        };
        self.dropout.forward(match self.activation {
            Some(activation) => activation.forward(projected),
            None => projected,
        })
    }
}

/// A label, or a number, for each sequence.
#[derive(Module, Debug)]
#[doc(alias = "XLNetForSequenceClassification")]
pub struct XlnetForSequenceClassification {
    /// The stack.
    pub transformer: XlnetModel,
    sequence_summary: SequenceSummary,
    logits_proj: Linear,
}

impl XlnetForSequenceClassification {
    /// Draws stack and head; `summary` is [`XlnetConfig::summary`].
    pub fn new(config: &XlnetConfig, summary: Summary, init: &mut Init) -> Self {
        Self {
            transformer: XlnetModel::new(config, init),
            sequence_summary: SequenceSummary::new(config, summary, init),
            logits_proj: init.linear(config.d_model, config.num_labels()),
        }
    }

    /// Sums up sequences and scores their labels.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, d_model]`
    /// - returns `[batch, num_labels]`
    pub fn logits(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        self.logits_proj
            .forward(self.sequence_summary.forward(hidden_states))
    }
}

impl Class for XlnetForSequenceClassification {
    type Config = XlnetConfig;
    type Encoder = XlnetModel;
    type Head = SequenceLogits;

    const NAMES: &'static [&'static str] = &["XLNetForSequenceClassification"];

    fn for_file(
        config: &XlnetConfig,
        file: &ModelFile,
        init: &mut Init,
    ) -> Result<Self, OpenError> {
        let summary = config.summary();
        let config_file = file.path().with_file_name(CONFIG_FILE);
        let summary = summary.map_err(|error| error.in_file(&config_file))?;
        Ok(Self::new(config, summary, init))
    }

    fn encoder(&self) -> &XlnetModel {
        &self.transformer
    }

    fn head(&self, encoded: &Encoded) -> SequenceLogits {
        SequenceLogits {
            logits: self.logits(encoded.hidden_states.clone()),
            real_labels: RealLabels::YesOrNo,
        }
    }
}
