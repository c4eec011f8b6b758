//! What is reported of the discriminator. Accuracy alone says little: calling every token original
//! is right nine times in ten.

use burn::tensor::{Tensor, assert_shape};
use kiln_learner::Measure;
use kiln_nn::widened;

/// Logits between which scores are told apart for the area under the curve, and how many bounds lie
/// there: steps of 0.16, within which two scores count as equal. (The original has 200 bounds on the
/// probability, most of them where no score is.)
const HIGHEST_BOUND: f32 = 10.0;
const BOUNDS: usize = 128;

/// The names of the discriminator's measures.
pub(super) const NAMES: [&str; 5] = [
    "discriminator_accuracy",
    "discriminator_precision",
    "discriminator_recall",
    "discriminator_auc",
    REPLACED,
];

/// The name of the share of replaced tokens.
pub(super) const REPLACED: &str = "replaced";

/// Accuracy, precision, recall, area under the receiver operating characteristic, and the share of
/// replaced tokens, over all real tokens.
///
/// The area is that over the tokens of a micro-batch; over several it is averaged by the number of
/// (replaced, original) pairs, each the chance that of such a pair the replaced token scores higher.
///
/// # Shapes
/// - `logits`, `replaced` (0 or 1), `weights` (1 = real token): `[n]`, plain tensors
pub(super) fn discriminator_measures(
    logits: Tensor<1>,
    replaced: Tensor<1>,
    weights: Tensor<1>,
) -> Vec<Measure> {
    let [n] = logits.dims();
    assert_shape!(replaced, [n]);
    assert_shape!(weights, [n]);
    let logits = widened(logits);

    let is_called = logits.clone().greater_elem(0.0).float() * weights.clone();
    let is_replaced = replaced * weights.clone();
    let is_hit = is_called.clone() * is_replaced.clone();
    let is_wrong = (is_called.clone() - is_replaced.clone()).abs();
    let [tokens, called, replaced, hits, wrong] = [
        weights.clone(),
        is_called,
        is_replaced.clone(),
        is_hit,
        is_wrong,
    ]
    .map(Tensor::sum);
    let (ordered, pairs) = ordered_pairs(logits, is_replaced, weights);
    let measure = |name, sum, weight| Measure { name, sum, weight };
    let [accuracy, precision, recall, auc, share] = NAMES;
    vec![
        measure(accuracy, tokens.clone() - wrong, tokens.clone()),
        measure(precision, hits.clone(), called),
        measure(recall, hits, replaced.clone()),
        measure(auc, ordered, pairs),
        measure(share, replaced, tokens),
    ]
}

/// How many (replaced, original) pairs stand in the right order, ties counting half, and how many
/// there are.
fn ordered_pairs(
    logits: Tensor<1>,
    is_replaced: Tensor<1>,
    weights: Tensor<1>,
) -> (Tensor<1>, Tensor<1>) {
    let [n] = logits.dims();
    let bounds: Vec<f32> = (0..BOUNDS)
        .map(|bound| HIGHEST_BOUND * (2.0 * bound as f32 / (BOUNDS - 1) as f32 - 1.0))
        .collect();
    let bounds = Tensor::<1>::from_data(bounds.as_slice(), &logits.device());
    let is_above = logits
        .reshape([n, 1])
        .greater_equal(bounds.reshape([1, BOUNDS]))
        .float();
    let is_original = weights - is_replaced.clone();
    let classes = Tensor::<1>::stack::<2>(vec![is_replaced, is_original], 0);
    // Counts of either class above each bound, and above none and all of them: [2, BOUNDS + 2].
    let above = classes.clone().matmul(is_above);
    let all = classes.sum_dim(1);
    let none = all.zeros_like();
    let above = Tensor::cat(vec![all, above, none], 1);
    let class = |index| above.clone().narrow(0, index, 1).squeeze_dim::<1>(0);
    let from = |counts: &Tensor<1>, start| counts.clone().narrow(0, start, BOUNDS + 1);
    let (replaced, original) = (class(0), class(1));
    let within = from(&replaced, 0) - from(&replaced, 1);
    let [replaced, originals] = [&replaced, &original].map(|counts| counts.clone().narrow(0, 0, 1));
    let middle = (from(&original, 0) + from(&original, 1)).mul_scalar(0.5);
    let below = originals.clone().expand([BOUNDS + 1]) - middle;
    ((within * below).sum(), replaced * originals)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use burn::tensor::Device;
    use kiln_text::rng::{Purpose, Rng};

    use super::*;

    fn found(device: &Device, tokens: &[(f32, f32, f32)]) -> BTreeMap<&'static str, f64> {
        let column = |of: fn(&(f32, f32, f32)) -> f32| {
            let values: Vec<f32> = tokens.iter().map(of).collect();
            Tensor::<1>::from_data(values.as_slice(), device)
        };
        let measures = discriminator_measures(column(|t| t.0), column(|t| t.1), column(|t| t.2));
        let value = |tensor: Tensor<1>| f64::from(tensor.into_scalar::<f32>());
        measures
            .into_iter()
            .map(|measure| (measure.name, value(measure.sum) / value(measure.weight)))
            .collect()
    }

    #[test]
    fn padding_counts_nowhere_and_the_rest_by_hand() {
        for (name, device) in kiln_testing::devices() {
            let tokens = [
                (2.0, 1.0, 1.0),
                (-1.0, 1.0, 1.0),
                (0.5, 0.0, 1.0),
                (-2.0, 0.0, 1.0),
                (-3.0, 0.0, 1.0),
                (5.0, 0.0, 0.0),
                (-5.0, 1.0, 0.0),
            ];
            let found = found(&device, &tokens);
            let expected = [
                ("discriminator_accuracy", 3.0 / 5.0),
                ("discriminator_precision", 1.0 / 2.0),
                ("discriminator_recall", 1.0 / 2.0),
                // Of six pairs five: the second replaced token is below the first original one.
                ("discriminator_auc", 5.0 / 6.0),
                ("replaced", 2.0 / 5.0),
            ];
            for (key, value) in expected {
                assert!((found[key] - value).abs() < 1e-6, "{name} {key}: {found:?}");
            }
        }
    }

    #[test]
    fn the_area_is_that_over_all_pairs_but_for_the_width_of_a_step() {
        let mut rng = Rng::at(3, Purpose::Examples, 0, 0);
        let tokens: Vec<(f32, f32, f32)> = (0..2_000)
            .map(|_| {
                let replaced = f32::from(u8::from(rng.chance(0.1)));
                let noise: f64 = (0..6).map(|_| rng.unit() - 0.5).sum();
                ((2.0 * noise - 2.0) as f32 + replaced, replaced, 1.0)
            })
            .collect();
        let (mut right, mut pairs) = (0.0, 0.0);
        for high in tokens.iter().filter(|token| token.1 == 1.0) {
            for low in tokens.iter().filter(|token| token.1 == 0.0) {
                pairs += 1.0;
                right += match high.0.total_cmp(&low.0) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
        for (name, device) in kiln_testing::devices() {
            let area = found(&device, &tokens)["discriminator_auc"];
            // Ties count half, so the step's width has an effect of second order only.
            assert!((area - right / pairs).abs() < 1e-3, "{name}: {area}");
        }
    }

    #[test]
    fn scores_beyond_the_bounds_still_have_an_order_or_tie() {
        for (name, device) in kiln_testing::devices() {
            let sure = [(90.0, 1.0, 1.0), (-90.0, 0.0, 1.0)];
            assert_eq!(found(&device, &sure)["discriminator_auc"], 1.0, "{name}");
            let tied = [(90.0, 1.0, 1.0), (80.0, 0.0, 1.0)];
            assert_eq!(found(&device, &tied)["discriminator_auc"], 0.5, "{name}");
        }
    }
}
