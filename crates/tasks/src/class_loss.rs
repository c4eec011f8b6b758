//! The cross-entropy of classes with a weight for each of them and smoothed labels, as PyTorch's
//! `CrossEntropyLoss(weight=w, label_smoothing=ε)` has it.
//!
//! With K classes, p the softmax of a row's logits, y its label, and r what the row weighs, 0 where it is
//! not scored:
//!
//! ```text
//! sum    = Σ r · ( (1 − ε) · w[y] · −log p[y]  +  ε/K · Σ over classes c of w[c] · −log p[c] )
//! weight = Σ r · w[y]
//! ```
//!
//! And the binary cross-entropy of labels of which a row can have several, as PyTorch's
//! `BCEWithLogitsLoss(pos_weight=v)` has it, whose sum is divided by the count of all rows' labels, whatever
//! they weigh. With σ the logistic function, x a logit, y what it is to be:
//!
//! ```text
//! sum    = Σ r · Σ over labels c of ( v[c] · y[c] · −log σ(x[c])  +  (1 − y[c]) · −log(1 − σ(x[c])) )
//! weight = Σ r · K
//! ```

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_nn::loss::cross_entropy_sum;
use kiln_nn::widened;

/// How the cross-entropy of classes is weighed and smoothed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClassLoss {
    /// w, one for each class, not negative; none: 1 for each.
    pub class_weights: Vec<f32>,
    /// ε, from 0 to below 1; 0: none.
    pub label_smoothing: f64,
    /// v, one for each label, not negative; none: 1 for each. Where a row can have several labels alone.
    pub positive_weights: Vec<f32>,
}

impl ClassLoss {
    /// Whether it is the plain cross-entropy of classes.
    pub fn is_plain(&self) -> bool {
        self.class_weights.is_empty() && self.label_smoothing == 0.0
    }

    /// r · w\[y\] for each row.
    ///
    /// `labels` and `rows` are as many: classes, and what each row weighs.
    pub fn weights(&self, labels: &[i32], rows: &[f32]) -> Vec<f32> {
        let weight_of = |label: i32| {
            let label = usize::try_from(label).ok();
            let weight = label.and_then(|label| self.class_weights.get(label));
            weight.copied().unwrap_or(1.0)
        };
        let rows = labels.iter().zip(rows);
        rows.map(|(&label, row)| row * weight_of(label)).collect()
    }

    /// What each number of rows of `values`, one for each label, is to be, and what its binary cross-entropy
    /// is multiplied by, so that the products are those with v; none: it is the plain one.
    ///
    /// v · y · A + (1 − y) · B is f · (t · A + (1 − t) · B) with f = v · y + 1 − y and t = v · y / f.
    pub(crate) fn of_positives(&self, values: &[f32]) -> Option<(Vec<f32>, Vec<f32>)> {
        if self.positive_weights.is_empty() {
            return None;
        }
        let labels = self.positive_weights.iter().cycle();
        let pairs = values.iter().zip(labels).map(|(&value, weight)| {
            let positive = weight * value;
            let factor = positive + 1.0 - value;
            // Where nothing is left of a number it can be anything.
            let target = if factor > 0.0 { positive / factor } else { 0.0 };
            (target, factor)
        });
        Some(pairs.unzip())
    }

    /// The loss of rows with these [`Self::weights`], on a device.
    pub(crate) fn upload(&self, weights: Vec<f32>, device: &Device) -> WeighedClasses {
        let divisor = weights.iter().map(|&weight| f64::from(weight)).sum();
        let flat = |values: Vec<f32>| {
            let n = values.len();
            Tensor::from_data(TensorData::new(values, [n]), device)
        };
        WeighedClasses {
            weights: flat(weights),
            divisor,
            class_weights: (!self.class_weights.is_empty())
                .then(|| flat(self.class_weights.clone())),
            label_smoothing: self.label_smoothing,
        }
    }
}

/// [`ClassLoss`] on a device, for the rows of a batch.
#[derive(Debug, Clone)]
pub struct WeighedClasses {
    /// `[n]`: r · w\[y\].
    pub weights: Tensor<1>,
    /// Their sum.
    pub divisor: f64,
    /// `[classes]`; none: 1 for each.
    pub class_weights: Option<Tensor<1>>,
    /// ε.
    pub label_smoothing: f64,
}

impl WeighedClasses {
    /// The sum `[1]`, in float32 at least.
    ///
    /// # Shapes
    /// - `logits`: `[n, classes]`
    /// - `labels`: `[n]`, each in `0..classes`
    /// - `rows`: `[n]`, what each row weighs
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub(crate) fn sum(
        self,
        logits: Tensor<2>,
        labels: Tensor<1, Int>,
        rows: Tensor<1>,
    ) -> Tensor<1> {
        let smoothing = self.label_smoothing;
        let told = cross_entropy_sum(logits.clone(), labels, self.weights);
        if smoothing == 0.0 {
            return told;
        }
        let [_, classes] = logits.dims();
        let losses = log_softmax(widened(logits), 1).neg();
        let losses = match self.class_weights {
            Some(weights) => losses * weights.unsqueeze(),
            None => losses,
        };
        let spread = (losses.sum_dim(1).squeeze_dim::<1>(1) * rows).sum();
        told.mul_scalar(1.0 - smoothing) + spread.mul_scalar(smoothing / classes as f64)
    }
}
