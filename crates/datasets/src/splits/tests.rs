use proptest::prelude::*;

use super::*;
use crate::Task;
use crate::reading::DatasetSpec;

fn dataset(task: Task, name: &str, content: &str) -> (tempfile::TempDir, Dataset, LabelMap) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let dataset = Dataset::open(DatasetSpec::new(task, vec![path]), true).unwrap();
    let labels = LabelMap::new(dataset.survey().unwrap().labels);
    (folder, dataset, labels)
}

fn classes(labels: &[u8]) -> (tempfile::TempDir, Dataset, LabelMap) {
    let rows: String = labels
        .iter()
        .map(|label| format!("a text\tl{label}\n"))
        .collect();
    dataset(Task::Classify, "a.tsv", &format!("text\tlabel\n{rows}"))
}

proptest! {
    #[test]
    fn every_label_gives_its_share_and_every_fold_its_part(
        labels in prop::collection::vec(0u8..5, 20..200),
        share in 0.1f64..0.9,
        k in 2u32..7,
        seed: u64,
    ) {
        let (_folder, data, map) = classes(&labels);
        let held = held_out(&data, &map, share, seed).unwrap();
        let folded = folds(&data, &map, k, seed).unwrap();
        prop_assert_eq!(&held, &held_out(&data, &map, share, seed).unwrap());
        prop_assert_eq!(&folded, &folds(&data, &map, k, seed).unwrap());
        prop_assert_eq!(folded.counts().iter().sum::<u64>(), labels.len() as u64);
        prop_assert_eq!(held.part(labels.len() as u64), None);
        for label in 0u8..5 {
            let mine: Vec<u64> = (0..).zip(&labels).filter(|it| *it.1 == label).map(|it| it.0).collect();
            let count = mine.len() as f64;
            let held = mine.iter().filter(|it| held.part(**it) == Some(1)).count() as f64;
            prop_assert!((held - count * share).abs() <= 1.0, "{held} of {count}");
            prop_assert!(mine.is_empty() || held < count);
            for fold in 0..k {
                let found = mine.iter().filter(|it| folded.part(**it) == Some(fold)).count() as f64;
                prop_assert!((found - count / f64::from(k)).abs() < 1.0);
            }
        }
        let (most, least) = (folded.counts().iter().max(), folded.counts().iter().min());
        prop_assert!(most.unwrap() - least.unwrap() <= 1);
    }
}

#[test]
fn another_seed_gives_another_part() {
    let (_folder, data, map) = classes(&[1; 100]);
    let first = held_out(&data, &map, 0.5, 1).unwrap();
    assert_ne!(first, held_out(&data, &map, 0.5, 2).unwrap());
    assert_eq!(first.counts(), [50, 50]);
}

#[test]
fn numbers_are_split_by_ranges() {
    let rows: String = (0..100)
        .map(|n| format!("a text\t{}\n", n as f32 - 50.0))
        .collect();
    let (_folder, data, map) = dataset(Task::Regress, "a.tsv", &rows);
    let parts = held_out(&data, &map, 0.1, 1).unwrap();
    // Ten ranges of ten numbers, in order: one of each is held out.
    for range in 0..10 {
        let held = (0..10)
            .filter(|n| parts.part(range * 10 + n) == Some(1))
            .count();
        assert_eq!(held, 1, "{range}");
    }
}

#[test]
fn questions_on_a_text_stay_together() {
    let row = |n: usize| {
        format!(
            "{{\"question\": \"q\", \"context\": \"text {}\", \"answers\": []}}\n",
            n % 17
        )
    };
    let rows: String = (0..170).map(row).collect();
    let (_folder, data, map) = dataset(Task::Qa, "a.jsonl", &rows);
    for parts in [
        held_out(&data, &map, 0.3, 5).unwrap(),
        folds(&data, &map, 4, 5).unwrap(),
    ] {
        for n in 17..170 {
            assert_eq!(parts.part(n), parts.part(n % 17));
        }
        assert!(
            parts.counts().iter().all(|count| *count >= 40),
            "{:?}",
            parts.counts()
        );
    }
}

#[test]
fn shares_and_folds_that_leave_nothing_are_refused() {
    let (_folder, data, map) = classes(&[1, 2, 3]);
    for share in [0.0, 1.0, -0.5, f64::NAN, f64::INFINITY, 0.5] {
        let error = held_out(&data, &map, share, 1).unwrap_err().to_string();
        assert!(error.starts_with("held-out share"), "{error}");
    }
    for k in [0, 1, 4, 1001] {
        let error = folds(&data, &map, k, 1).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{k} folds")), "{error}");
    }
    assert_eq!(folds(&data, &map, 3, 1).unwrap().counts(), [1, 1, 1]);
}
