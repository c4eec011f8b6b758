//! A discriminator on texts: for every token the probability that another one stood there.

use burn::tensor::activation::sigmoid;
use kiln_learner::{LearnError, read_values};
use kiln_nn::EncoderInputs;

use super::batch::in_order;
use super::{Predictor, Text, TextBatch, Texts};
use crate::architecture::{ReplacedTokensRequest, TokenScore};
use crate::class::Class;
use crate::family::Family;
use crate::heads::ReplacedLogits;

impl<C> Predictor<C>
where
    C: Class<Head = ReplacedLogits>,
    C::Config: Family<Inputs = EncoderInputs>,
{
    /// A score for every token of each text, those the tokenizer adds included.
    ///
    /// # Errors
    /// If a text is longer than the model's positions.
    pub fn replaced_tokens<T: AsRef<str>>(
        &self,
        texts: &[T],
    ) -> Result<Vec<Vec<TokenScore>>, LearnError> {
        self.texts.replaced_tokens(texts, |batch| {
            let outputs = self.model.outputs(batch.inputs(&self.device));
            read_values(sigmoid(outputs.head.logits))
        })
    }
}

impl Texts {
    /// A score for every token of each text, those the tokenizer adds included.
    ///
    /// `probabilities` is the model: for a batch it returns for each token the probability that
    /// another one stood there, flat `[batch * seq_len]`.
    ///
    /// # Errors
    /// If a text is longer than the model's positions, or as `probabilities`.
    pub fn replaced_tokens<T: AsRef<str>>(
        &self,
        texts: &[T],
        probabilities: impl Fn(&TextBatch<'_>) -> Result<Vec<f32>, LearnError>,
    ) -> Result<Vec<Vec<TokenScore>>, LearnError> {
        let texts = texts.iter().enumerate();
        let texts = texts.map(|(index, text)| {
            Ok(Text {
                index,
                ids: self.read(text.as_ref(), |_, _| Ok(()))?,
                positions: Vec::new(),
            })
        });
        let mut texts = texts.collect::<Result<Vec<Text>, LearnError>>()?;
        let mut answers = Vec::with_capacity(texts.len());
        for batch in TextBatch::all(&mut texts) {
            let probabilities = probabilities(&batch)?;
            let rows = probabilities.chunks(batch.seq_len().max(1));
            for (text, row) in batch.texts().iter().zip(rows) {
                let tokens = text.ids.iter().zip(row).enumerate();
                let scores = tokens.map(|(position, (&id, &replaced))| TokenScore {
                    token: self.tokenizer.token(id).unwrap_or_default(),
                    id,
                    position,
                    replaced: f64::from(replaced),
                });
                answers.push((text.index, scores.collect()));
            }
        }
        Ok(in_order(answers))
    }
}

/// Scores all texts of a request, by a model of the class `C`.
///
/// # Errors
/// As [`Predictor::open`] and [`Predictor::replaced_tokens`].
pub fn replaced_tokens<C>(
    request: &ReplacedTokensRequest,
) -> Result<Vec<Vec<TokenScore>>, LearnError>
where
    C: Class<Head = ReplacedLogits>,
    C::Config: Family<Inputs = EncoderInputs>,
{
    let predictor = Predictor::<C>::open(&request.model, &request.device)?;
    predictor.replaced_tokens(&request.texts)
}
