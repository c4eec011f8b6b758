//! `--class-weights`, `--positive-weights`.

use kiln_datasets::Labels;
use kiln_datasets::batching::{balanced_positive_weights, balanced_weights};

use crate::failure::Failure;

/// What each label weighs, in the order of their ids: `balanced`, or names and numbers.
///
/// # Errors
/// If a label is unknown or left out, or a number is none.
pub(super) fn of_classes(
    text: &str,
    labels: &Labels,
    frequencies: &[u64],
) -> Result<Vec<f64>, Failure> {
    if text == "balanced" {
        return Ok(balanced_weights(frequencies));
    }
    listed("--class-weights", text, labels)
}

/// What each label weighs where an example has it, of so many examples in which they come so often; as
/// [`of_classes`].
///
/// # Errors
/// As [`of_classes`].
pub(super) fn of_positives(
    text: &str,
    labels: &Labels,
    (frequencies, examples): (&[u64], u64),
) -> Result<Vec<f64>, Failure> {
    if text == "balanced" {
        return Ok(balanced_positive_weights(frequencies, examples));
    }
    listed("--positive-weights", text, labels)
}

/// The weights that a flag lists by the labels' names.
fn listed(flag: &str, text: &str, labels: &Labels) -> Result<Vec<f64>, Failure> {
    let wrong = |problem: &str| {
        Failure::usage(format_args!(
            "{flag} {text}: {problem}; write balanced, or each label as no=1,yes=3"
        ))
    };
    let mut weights = vec![None; labels.len()];
    for part in text.split(',') {
        let (name, weight) = part
            .rsplit_once('=')
            .ok_or_else(|| wrong("a part has no ="))?;
        let id = labels.id(name.trim());
        let id = id.ok_or_else(|| wrong(&format!("{name} is none of the labels")))?;
        let weight = weight.trim().parse::<f64>();
        let weight = weight.map_err(|_| wrong(&format!("{part} has no number")))?;
        if let Some(slot) = weights.get_mut(id) {
            *slot = Some(weight);
        }
    }
    let named = weights.iter().zip(labels.names());
    if let Some((_, name)) = named.into_iter().find(|(weight, _)| weight.is_none()) {
        return Err(wrong(&format!("{name} is left out")));
    }
    Ok(weights.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Labels {
        Labels::new(vec!["no".to_owned(), "yes".to_owned()])
    }

    #[test]
    fn balanced_weights_are_scikit_learns() {
        // compute_class_weight("balanced") of six times 0 and twice 1.
        let weights = of_classes("balanced", &labels(), &[6, 2]).unwrap();
        assert_eq!(weights, [8.0 / 12.0, 2.0]);
    }

    #[test]
    fn weights_are_told_by_name() {
        let given = "yes=3, no=0.5";
        assert_eq!(of_classes(given, &labels(), &[]).unwrap(), [0.5, 3.0]);
        assert_eq!(
            of_positives(given, &labels(), (&[], 0)).unwrap(),
            [0.5, 3.0]
        );
        for wrong in ["yes=3", "yes=3,maybe=1", "yes,no", "yes=x,no=1"] {
            assert!(of_classes(wrong, &labels(), &[]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn balanced_positives_weigh_as_much_as_negatives() {
        let weights = of_positives("balanced", &labels(), (&[6, 2], 8)).unwrap();
        assert_eq!(weights, [2.0 / 6.0, 6.0 / 2.0]);
    }
}
