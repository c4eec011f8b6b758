//! Every reference case on every device: outputs, losses, gradients; and the buckets of distances.

use kiln_deberta::{DebertaConfig, RelativePositions};
use kiln_tasks::architecture::ForwardRequest;
use kiln_tasks::forward::forward;
use kiln_testing::{
    Bound, Fixture, Report, cases, check_parity, devices, fixtures_dir, named, request,
};

#[test]
fn outputs_losses_and_gradients_are_the_references() {
    check_parity(
        "deberta",
        env!("CARGO_MANIFEST_DIR"),
        forward::<DebertaConfig>,
    );
}

/// What means nothing is what it is in transformers all the same, where a query that is padding
/// averages all values.
#[test]
fn hidden_states_at_padding_are_the_references_too() {
    let mut report = Report::new("deberta at padding");
    for folder in cases("deberta", env!("CARGO_MANIFEST_DIR")) {
        let fixture = Fixture::open(&folder);
        if fixture.class().is_none() {
            continue;
        }
        assert!(fixture.input("attention_mask").ints().contains(&0));
        let expected = fixture.output("last_hidden_state").floats();
        for (device_name, device) in devices() {
            let request = ForwardRequest {
                gradients: false,
                ..request(&fixture, &device)
            };
            let found = named(forward::<DebertaConfig>(&request).unwrap());
            let found = &found["last_hidden_state"].1;
            report.check(&fixture.name, &device_name, found, expected, Bound::Output);
        }
    }
    report.finish();
}

/// Every distance for every small pair of buckets and largest distance, most of which fall back where
/// the largest distance lies below half the buckets; and far beyond it for published ones.
#[test]
fn distances_fall_into_the_references_buckets_where_the_largest_is_short() {
    let folder = fixtures_dir("deberta", env!("CARGO_MANIFEST_DIR")).join("log_buckets_short");
    let fixture = Fixture::open(&folder);
    let config = |buckets: i64, largest: i64| DebertaConfig {
        relative_attention: true,
        position_buckets: Some(buckets),
        max_relative_positions: largest,
        ..DebertaConfig::v2()
    };
    let check = |buckets: i64, largest: i64, expected: &[i32]| {
        let positions = RelativePositions::new(&config(buckets, largest));
        for (distance, &bucket) in (0..).zip(expected) {
            let rows = [1, -1].map(|sign| positions.row(sign * distance) as i64);
            let expected = [1, -1].map(|sign| buckets + sign * i64::from(bucket));
            let expected = expected.map(|row| row.clamp(0, 2 * buckets - 1));
            assert_eq!(rows, expected, "{buckets} {largest}: {distance}");
        }
    };
    let small = fixture.output("small");
    let [counts, sizes, distances] = small.shape[..] else {
        panic!("{:?}", small.shape);
    };
    let mut tables = small.ints().chunks(distances);
    for buckets in (2..).take(counts) {
        for largest in (1..).take(sizes) {
            let table = tables.next().unwrap();
            if largest == buckets / 2 + 1 {
                // Divided by zero: no model.
                let error = config(buckets, largest).validate().unwrap_err();
                assert_eq!(error.field, "max_relative_positions");
            } else {
                assert_eq!(config(buckets, largest).validate(), Ok(()));
                check(buckets, largest, table);
            }
        }
    }
    for largest in [64, 100, 128] {
        check(
            256,
            largest,
            fixture.output(&format!("256_{largest}")).ints(),
        );
    }
}

/// Every distance within the largest, for seven pairs of buckets and largest distances.
#[test]
fn distances_fall_into_the_references_buckets() {
    let folder = fixtures_dir("deberta", env!("CARGO_MANIFEST_DIR")).join("log_buckets");
    let fixture = Fixture::open(&folder);
    assert!(!fixture.outputs.is_empty(), "{}", folder.display());
    for (name, expected) in &fixture.outputs {
        let (buckets, largest) = name.split_once('_').unwrap();
        let span: i64 = buckets.parse().unwrap();
        let positions = RelativePositions::new(&DebertaConfig {
            position_buckets: Some(span),
            max_relative_positions: largest.parse().unwrap(),
            ..DebertaConfig::v2()
        });
        for (distance, &bucket) in (0..).zip(expected.ints()) {
            let bucket = i64::from(bucket);
            let row = |distance| positions.row(distance) as i64;
            let found = (row(distance), row(-distance));
            let above = (span + bucket).min(2 * span - 1);
            assert_eq!(found, (above, span - bucket), "{name}: {distance}");
        }
    }
}
