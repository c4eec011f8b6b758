//! Scores of words, and of what BERT is pretrained with beside them.

use burn::tensor::Tensor;
use kiln_learner::LearnError;

use super::named::Named;
use super::{Head, LossTerm, cross_entropy};
use crate::arguments::Inputs;
use crate::labels::Labels;
use crate::replaced_tokens::Half;

/// Scores of the vocabulary at every position, or at as many predicted ones as there are rows.
///
/// The loss is the cross-entropy over the positions that `labels` scores.
#[derive(Debug, Clone)]
pub struct WordLogits {
    /// `[batch * n, vocab_size]`
    pub logits: Tensor<2>,
}

impl WordLogits {
    fn named_as(&self, name: &'static str, batch: usize) -> Named {
        let [rows, vocab_size] = self.logits.dims();
        let shape = [batch, rows / batch.max(1), vocab_size];
        Named::new(name, self.logits.clone().reshape(shape))
    }
}

impl Head for WordLogits {
    const TASK: &'static str = "fill-mask";
    const HALF: Half = Half::Generator;
    const OUTPUTS: &'static [&'static str] = &["logits"];
    const LABELS: &'static [&'static str] = &["labels"];

    type Targets = Labels;

    fn named(&self, batch: usize) -> Vec<Named> {
        vec![self.named_as("logits", batch)]
    }

    fn targets(&self, inputs: &Inputs<'_>, _: Option<&str>) -> Result<Option<Labels>, LearnError> {
        let [rows, vocab_size] = self.logits.dims();
        let shape = [inputs.batch, rows / inputs.batch.max(1)];
        Ok(inputs.labels("labels", &shape, vocab_size)?)
    }

    fn losses(self, labels: Labels) -> Vec<LossTerm> {
        vec![cross_entropy("loss", self.logits, labels)]
    }
}

/// What BERT is pretrained with; Hugging Face `BertForPreTraining`.
///
/// The loss is that of the words and that of the sentences, if both are labelled.
#[derive(Debug, Clone)]
pub struct PretrainingLogits {
    /// The masked words.
    pub words: WordLogits,
    /// `[batch, 2]`, "follows" and "random"; `None` without that head.
    pub next_sentence: Option<Tensor<2>>,
}

impl Head for PretrainingLogits {
    const TASK: &'static str = "pretrain";
    const OUTPUTS: &'static [&'static str] = &["prediction_logits", "seq_relationship_logits"];
    const LABELS: &'static [&'static str] = &["labels", "next_sentence_label"];
    const TERMS: &'static [&'static str] = &["mlm_loss", "next_sentence_loss"];
    const TELLS_TERMS: bool = true;

    /// Of the words and of the sentences.
    type Targets = (Option<Labels>, Option<Labels>);

    fn named(&self, batch: usize) -> Vec<Named> {
        let words = self.words.named_as("prediction_logits", batch);
        let sentences = self.next_sentence.clone();
        let sentences = sentences.map(|logits| Named::new("seq_relationship_logits", logits));
        [words].into_iter().chain(sentences).collect()
    }

    fn targets(
        &self,
        inputs: &Inputs<'_>,
        _: Option<&str>,
    ) -> Result<Option<Self::Targets>, LearnError> {
        let words = self.words.targets(inputs, None)?;
        let sentences = inputs.labels("next_sentence_label", &[inputs.batch], 2)?;
        Ok(Some((words, sentences)))
    }

    fn losses(self, (words, sentences): Self::Targets) -> Vec<LossTerm> {
        let words = words.map(|labels| cross_entropy("mlm_loss", self.words.logits, labels));
        let sentences = self.next_sentence.zip(sentences);
        let sentences =
            sentences.map(|(logits, labels)| cross_entropy("next_sentence_loss", logits, labels));
        words.into_iter().chain(sentences).collect()
    }
}
