//! The terms of a loss: from the sums of micro-batches to what is stepped on and what is reported.

use burn::tensor::Tensor;

use crate::objective::{Objective, TermSpec};

/// The loss terms of an objective.
#[derive(Debug, Clone)]
pub(crate) struct Terms(Vec<TermSpec>);

impl Terms {
    /// The terms of `objective`.
    pub(crate) fn of<O: Objective>(objective: &O) -> Self {
        Self(objective.terms())
    }

    /// The indices of the terms of `part`.
    pub(crate) fn of_part(&self, part: usize) -> impl Iterator<Item = usize> + use<'_> {
        (0..self.0.len()).filter(move |&term| self.0[term].part == part)
    }

    /// The indices of all terms.
    pub(crate) fn all(&self) -> std::ops::Range<usize> {
        0..self.0.len()
    }

    /// Adds the weights of a micro-batch to those of others, term by term.
    pub(crate) fn count(totals: &mut [f64], weights: &[f64]) {
        for (total, weight) in totals.iter_mut().zip(weights) {
            *total += weight;
        }
    }

    /// The share of a micro-batch in the loss of `part`, `[1]`: each sum over the whole step's weight.
    /// None: the part has no terms.
    pub(crate) fn share(
        &self,
        part: usize,
        sums: Vec<Tensor<1>>,
        totals: &[f64],
    ) -> Option<Tensor<1>> {
        let shares = self
            .of_part(part)
            .zip(sums)
            .map(|(term, sum)| sum.mul_scalar(self.0[term].coefficient / divisor(totals[term])));
        shares.reduce(|before, share| before + share)
    }

    /// Reports the means of `terms`, with a perplexity where it is worth showing, and gives what they
    /// add to the loss.
    pub(crate) fn report(
        &self,
        terms: impl Iterator<Item = usize>,
        sum: impl Fn(usize) -> f64,
        totals: &[f64],
        values: &mut Vec<(String, f64)>,
    ) -> Vec<f64> {
        let mut losses = Vec::new();
        for term in terms {
            let spec = &self.0[term];
            let mean = sum(term) / divisor(totals[term]);
            values.push((spec.name.to_owned(), mean));
            if spec.is_perplexity {
                let name = spec.name.trim_end_matches("loss");
                values.push((format!("{name}perplexity"), mean.exp()));
            }
            losses.push(spec.coefficient * mean);
        }
        losses
    }
}

/// A term that nothing was counted for has the sum 0: its mean is 0, not 0/0.
pub(crate) fn divisor(weight: f64) -> f64 {
    if weight > 0.0 { weight } else { 1.0 }
}
