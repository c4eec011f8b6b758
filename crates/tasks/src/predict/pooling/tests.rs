use super::*;

/// A text of three tokens, and one of a single token before two places of padding.
fn pooled(mode: Pooling, padding: f32) -> Vec<f32> {
    let device = Device::default();
    let states = [
        [[1.0, -4.0], [2.0, 8.0], [6.0, -1.0]],
        [[-3.0, 5.0], [padding, padding], [padding, padding]],
    ];
    let states = Tensor::<3>::from_data(states, &device);
    pool(states, &[3, 1], &[mode])
        .try_into_vec_as::<f32>()
        .unwrap()
}

#[test]
fn each_mode_makes_its_vector_whatever_stands_at_padding() {
    let root = 3.0_f32.sqrt();
    for (mode, expected) in [
        (Pooling::Cls, [1.0, -4.0, -3.0, 5.0]),
        (Pooling::Max, [6.0, 8.0, -3.0, 5.0]),
        (Pooling::Mean, [3.0, 1.0, -3.0, 5.0]),
        (Pooling::MeanSqrtLen, [9.0 / root, 3.0 / root, -3.0, 5.0]),
        // (1 + 4 + 18) / 6 and (-4 + 16 - 3) / 6.
        (Pooling::WeightedMean, [23.0 / 6.0, 1.5, -3.0, 5.0]),
        (Pooling::LastToken, [6.0, -1.0, -3.0, 5.0]),
    ] {
        for padding in [0.0, 1e6, f32::NAN] {
            let found = pooled(mode, padding);
            for (found, expected) in found.iter().zip(expected) {
                // Three sums and a division: a rounding each.
                assert!((found - expected).abs() < 1e-6, "{mode} {padding}: {found}");
            }
        }
    }
}

#[test]
fn several_modes_stand_side_by_side() {
    let device = Device::default();
    let states = Tensor::<3>::from_data([[[1.0, 2.0], [3.0, 6.0]]], &device);
    let modes = [Pooling::Mean, Pooling::Cls];
    let found = pool(states, &[2], &modes).try_into_vec_as::<f32>().unwrap();
    assert_eq!(found, [2.0, 4.0, 1.0, 2.0]);
}

#[test]
fn a_vector_of_length_one_or_nothing_at_all() {
    let mut vector = [3.0, 4.0];
    normalize(&mut vector);
    assert_eq!(vector, [0.6, 0.8]);
    let mut vector = [0.0; 2];
    normalize(&mut vector);
    assert_eq!(vector, [0.0; 2]);
}
