//! Whether a model is worth a checkpoint.
//!
//! A step whose gradient is finite can still leave weights that give no finite loss any more: a
//! learning rate far too high does. Written as the newest checkpoint, such a model is what the run
//! would go on from for ever, while the good ones before it are deleted one by one.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use kiln_nn::untracked;

use crate::error::LearnError;
use crate::readings::read_values;

/// A loss so many times that of the first step is no model's: even guessing gives about the first.
const BLOWN_UP: f64 = 10.0;

/// First losses below this count as this: ten times next to nothing is still nothing.
const SMALLEST_FIRST: f64 = 1.0;

/// What is wrong with a model of this loss, where the run began with `first`.
pub(crate) fn fault_of_loss(loss: f64, first: Option<f64>) -> Option<String> {
    if !loss.is_finite() {
        return Some("the loss is not finite".to_owned());
    }
    let first = first?;
    (loss > BLOWN_UP * first.max(SMALLEST_FIRST))
        .then(|| format!("the loss has blown up to {loss:.4e}, from {first:.4} at first"))
}

/// What is wrong with weights that hold a NaN or an infinity; one transfer from the device.
pub(crate) fn fault_of_weights<M: Module>(model: &M) -> Result<Option<String>, LearnError> {
    let mut visitor = Finite { sum: None };
    model.visit(&mut visitor);
    let finite = match visitor.sum {
        Some(sum) => read_values(sum)?.iter().all(|value| value.is_finite()),
        None => true,
    };
    Ok((!finite).then(|| "the weights are not finite".to_owned()))
}

/// Sums up zero times every weight: zero, unless one of them is not finite.
struct Finite {
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for Finite {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let sum = untracked(param.val()).mul_scalar(0.0).sum();
        self.sum = Some(match self.sum.take() {
            Some(before) => before + sum,
            None => sum,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loss_far_above_the_first_is_a_fault() {
        assert_eq!(fault_of_loss(46.0, Some(4.7)), None);
        assert_eq!(fault_of_loss(46.0, None), None);
        // A model that was trained before begins low.
        assert_eq!(fault_of_loss(9.9, Some(0.01)), None);
        assert!(fault_of_loss(47.1, Some(4.7)).is_some_and(|fault| fault.contains("4.71")));
        assert!(fault_of_loss(f64::NAN, None).is_some());
        assert!(fault_of_loss(f64::INFINITY, Some(4.7)).is_some());
    }
}
