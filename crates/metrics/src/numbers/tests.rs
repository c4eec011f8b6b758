use proptest::prelude::*;

use super::*;

/// Sums of a few dozen numbers in another order differ by some units in the last place.
const ROUNDING: f64 = 1e-12;

/// Ranks from 1.
fn ranks(values: &[f64]) -> Vec<f64> {
    Side::new(values).ranks(None)
}

fn spearman(x: &[f64], y: &[f64], weights: Weights<'_>) -> Option<f64> {
    Ranking::new(x, y).spearman(weights)
}

#[test]
fn equal_numbers_share_their_average_rank() {
    assert_eq!(ranks(&[1.0, 2.0, 2.0, 3.0]), [1.0, 2.5, 2.5, 4.0]);
    assert_eq!(ranks(&[0.0, -0.0, -1.0]), [2.5, 2.5, 1.0]);
}

#[test]
fn ranks_correlate_as_in_the_worked_example() {
    let rho = spearman(&[1.0, 2.0, 2.0, 3.0], &[1.0, 3.0, 2.0, 4.0], None).unwrap();
    // Six digits are given.
    assert!((rho - 0.948_683).abs() < 5e-7, "{rho}");
}

#[test]
fn a_constant_correlates_with_nothing() {
    let constant = [0.1; 3];
    let other = [1.0, 2.0, 4.0];
    assert_eq!(pearson(&constant, &other, None), None);
    assert_eq!(pearson(&other, &constant, None), None);
    assert_eq!(spearman(&other, &constant, None), None);
    assert_eq!(r2(&constant, &other, None), None);
    assert_eq!(pearson(&[1.0], &[2.0], None), None);
    assert_eq!(pearson(&[], &[], None), None);
    assert_eq!(mean_squared_error(&[], &[], None), None);
    // The weights leave one number over.
    assert_eq!(pearson(&other, &[3.0, 1.0, 2.0], Some(&[0, 4, 0])), None);
}

#[test]
fn a_line_correlates_fully_however_large_or_small_its_numbers() {
    let x = [1.0, 2.0, 3.0, 4.0];
    for scale in [1e-200, 1e-3, 1.0, 1e200] {
        let y = x.map(|x| x * -scale);
        let r = pearson(&x, &y, None).unwrap();
        assert!((r + 1.0).abs() < ROUNDING, "{scale}: {r}");
    }
}

#[test]
fn errors_and_their_baselines() {
    let targets = [1.0, 2.0, 6.0];
    let predictions = [1.0, 4.0, 5.0];
    assert_eq!(
        mean_squared_error(&targets, &predictions, None),
        Some(5.0 / 3.0)
    );
    assert_eq!(mean_absolute_error(&targets, &predictions, None), Some(1.0));
    // Squares of the targets' distance from 3: 4, 1, 9.
    assert_eq!(
        constant_mean_squared_error(&targets, None),
        Some(14.0 / 3.0)
    );
    // From the median 2: 1, 0, 4.
    assert_eq!(constant_mean_absolute_error(&targets), Some(5.0 / 3.0));
    let r2 = r2(&targets, &predictions, None).unwrap();
    assert!((r2 - (1.0 - 5.0 / 14.0)).abs() < ROUNDING);
}

#[test]
fn several_targets_have_a_mean_only_where_each_is_defined() {
    assert_eq!(over_targets(&[Some(1.0), Some(2.0)]), Some(1.5));
    assert_eq!(over_targets(&[Some(1.0), None]), None);
    assert_eq!(over_targets(&[]), None);
}

#[test]
fn a_median_lies_in_the_middle() {
    assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    assert_eq!(median(&[]), None);
}

proptest! {
    #[test]
    fn a_weight_counts_as_that_many_copies(
        rows in prop::collection::vec((-5i32..5, -5i32..5, 0u32..4), 2..30),
    ) {
        let x: Vec<f64> = rows.iter().map(|row| f64::from(row.0)).collect();
        let y: Vec<f64> = rows.iter().map(|row| f64::from(row.1)).collect();
        let weights: Vec<u32> = rows.iter().map(|row| row.2).collect();
        let copies = |side: &[f64]| -> Vec<f64> {
            side.iter()
                .zip(&weights)
                .flat_map(|(&value, &times)| std::iter::repeat_n(value, times as usize))
                .collect()
        };
        let (many_x, many_y) = (copies(&x), copies(&y));
        for measure in [pearson, spearman, mean_squared_error, mean_absolute_error, r2] {
            let weighted = measure(&x, &y, Some(&weights));
            let copied = measure(&many_x, &many_y, None);
            prop_assert_eq!(weighted.is_some(), copied.is_some());
            if let (Some(weighted), Some(copied)) = (weighted, copied) {
                prop_assert!((weighted - copied).abs() <= ROUNDING * copied.abs().max(1.0));
            }
        }
    }
}
