use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use kiln_text::TextError;

use super::*;

/// Words of unequal frequency: of 16 labels a batch half are 1, a quarter 2, and so on; one more is
/// not scored. Counts the batches that it builds, and can't build those from `broken` on.
struct Words {
    built: AtomicU64,
    broken: u64,
}

impl Words {
    fn up_to(broken: u64) -> Arc<Self> {
        Arc::new(Self {
            built: AtomicU64::new(0),
            broken,
        })
    }
}

const LABELS: [i32; 17] = [1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 4, 9];

impl BatchSource for Words {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        self.built.fetch_add(1, Ordering::Relaxed);
        if index >= self.broken {
            return Err(TextError::BatchPanicked {
                index,
                message: "no such disk".into(),
            });
        }
        let mut batch = HostBatch::default();
        let mut weights = vec![1.0; LABELS.len()];
        weights[LABELS.len() - 1] = 0.0;
        batch.insert_ints("labels", LABELS.to_vec(), &[LABELS.len()]);
        batch.insert_floats("weights", weights, &[LABELS.len()]);
        Ok(batch)
    }
}

/// 1/2 ln 2 + 1/4 ln 4 + 2/8 ln 8
fn words_entropy() -> f64 {
    1.75 * 2f64.ln()
}

fn terms() -> Vec<TermSpec> {
    let term = |name, constant| TermSpec {
        name,
        part: 0,
        coefficient: 1.0,
        is_perplexity: false,
        constant,
    };
    let share = ConstantGuess::Share {
        measure: "replaced",
        knows: "the share of replaced tokens",
    };
    vec![
        term("mlm_loss", ConstantGuess::WORDS),
        term("discriminator_loss", share),
        term("other_loss", ConstantGuess::Untold),
    ]
}

/// A step of a model whose losses are these shares of the constant guesses'.
fn record(step: u64, words: f64, replaced: f64) -> Record {
    Record {
        kind: RecordKind::Train,
        step,
        values: vec![
            ("mlm_loss".into(), words * words_entropy()),
            ("discriminator_loss".into(), replaced * binary_entropy(0.13)),
            ("other_loss".into(), 9.0),
            ("replaced".into(), 0.13),
        ],
    }
}

fn watch(steps: u64, history: &[Record]) -> Watch {
    Watch::new(terms(), steps, (Words::up_to(u64::MAX), 2), history)
}

/// Tells a watch of a step and of its two batches.
fn step(watch: &mut Watch, record: &Record) -> Vec<Stall> {
    let words = Words::up_to(u64::MAX);
    let batches = [0, 1].map(|index| words.batch(index).unwrap());
    watch.step(record, &batches).unwrap()
}

/// What is told over a run, by step.
fn told(steps: u64, of_step: impl Fn(u64) -> (f64, f64)) -> BTreeMap<u64, Vec<String>> {
    let mut watch = watch(steps, &[]);
    let mut told = BTreeMap::new();
    for step in 1..=steps {
        let (words, replaced) = of_step(step);
        let stalls = self::step(&mut watch, &record(step, words, replaced));
        if !stalls.is_empty() {
            told.insert(step, stalls.into_iter().map(|stall| stall.term).collect());
        }
    }
    told
}

#[test]
fn a_term_that_stays_at_its_constant_guess_is_told_once_at_half_of_the_steps() {
    let both = vec!["mlm_loss".to_owned(), "discriminator_loss".to_owned()];
    assert_eq!(
        told(2000, |_| (1.0, 1.0)),
        BTreeMap::from([(1000, both.clone())])
    );
    // Worse than the guess is no better.
    assert_eq!(told(2000, |_| (1.3, 3.0)), BTreeMap::from([(1000, both)]));
}

#[test]
fn what_has_learned_something_by_then_is_not_told() {
    assert!(told(2000, |_| (0.98, 0.98)).is_empty());
    // However late it began.
    let late = |step| if step > 850 { (0.9, 0.9) } else { (1.0, 1.0) };
    assert!(told(2000, late).is_empty());
    let one = |_| (0.9, 1.0);
    let expected = BTreeMap::from([(1000, vec!["discriminator_loss".to_owned()])]);
    assert_eq!(told(2000, one), expected);
}

#[test]
fn what_is_lost_again_is_told_at_the_tenth_in_which_it_was() {
    let lost = |step| (0.9, if step > 1400 { 1.001 } else { 0.9 });
    let expected = BTreeMap::from([(1600, vec!["discriminator_loss".to_owned()])]);
    assert_eq!(told(2000, lost), expected);
}

#[test]
fn a_slow_learner_near_the_bound_is_not_told_for_its_noise() {
    let slow = |step| {
        if step <= 1000 {
            (0.997, 0.997)
        } else {
            (0.999, 0.999)
        }
    };
    assert!(told(2000, slow).is_empty());
}

#[test]
fn a_run_of_few_steps_is_not_judged() {
    assert!(told(480, |_| (1.0, 1.0)).is_empty());
    assert_eq!(told(500, |_| (1.0, 1.0)).len(), 1);
}

#[test]
fn a_resumed_run_tells_at_the_same_step_and_nothing_twice() {
    let steps = 30_000;
    let at = steps / 2;
    // Between the beginning of the window and its end, and beyond what a run remembers.
    for resumed_after in [at - 1, at - 400, at - REMEMBERED as u64, at - 2500] {
        let first = resumed_after.saturating_sub(REMEMBERED as u64) + 1;
        let history: Vec<_> = (first..=resumed_after)
            .map(|step| record(step, 1.0, 1.0))
            .collect();
        let mut watch = watch(steps, &history);
        let mut stalls = Vec::new();
        for step in resumed_after + 1..=at + 10 {
            stalls.extend(self::step(&mut watch, &record(step, 1.0, 1.0)));
        }
        assert_eq!(stalls.len(), 2);
        assert!(stalls.iter().all(|stall| stall.step == at));
        let records: Vec<_> = stalls.iter().map(Stall::to_record).collect();
        let mut again = self::watch(steps, &records);
        for step in at + 11..=steps {
            assert!(self::step(&mut again, &record(step, 1.0, 1.0)).is_empty());
        }
    }
}

#[test]
fn batches_are_counted_as_they_come_and_built_again_behind_a_resume_alone() {
    let words = Words::up_to(u64::MAX);
    let mut watch = Watch::new(terms(), 1000, (words.clone(), 2), &[]);
    let straight: Vec<Stall> = (1..=1000)
        .flat_map(|at| step(&mut watch, &record(at, 1.0, 0.5)))
        .collect();
    assert_eq!(words.built.load(Ordering::Relaxed), 0);
    // The window is of steps 401 to 500, of two batches each.
    let history: Vec<_> = (1..=450).map(|at| record(at, 1.0, 0.5)).collect();
    let mut watch = Watch::new(terms(), 1000, (words.clone(), 2), &history);
    let resumed: Vec<Stall> = (451..=1000)
        .flat_map(|at| step(&mut watch, &record(at, 1.0, 0.5)))
        .collect();
    assert_eq!(words.built.load(Ordering::Relaxed), 100);
    assert_eq!((straight.len(), resumed), (1, straight));
}

#[test]
fn a_batch_that_cannot_be_built_again_is_told_once_and_other_windows_are_watched() {
    let history: Vec<_> = (1..=450).map(|at| record(at, 1.0, 0.5)).collect();
    let words = Words::up_to(850);
    let mut watch = Watch::new(terms(), 1000, (words.clone(), 2), &history);
    let batches = [0, 1].map(|index| words.batch(index).unwrap());
    assert!(watch.step(&record(451, 1.0, 0.5), &batches).is_err());
    let told: Vec<u64> = (452..=1000)
        .flat_map(|at| step(&mut watch, &record(at, 1.001, 0.5)))
        .map(|stall| stall.step)
        .collect();
    assert_eq!(told, [600]);
}

#[test]
fn a_stall_says_what_it_saw_and_its_record_reads_back() {
    let mut watch = watch(500, &[]);
    let mut stalls = Vec::new();
    for step in 1..=250 {
        stalls.extend(self::step(&mut watch, &record(step, 1.05, 0.5)));
    }
    let [stall] = stalls.as_slice() else {
        panic!("{stalls:?}");
    };
    // Both halves have the same frequencies: nothing is to be corrected.
    assert!((stall.constant - words_entropy()).abs() < 1e-9, "{stall:?}");
    assert!(
        (stall.loss - 1.05 * words_entropy()).abs() < 1e-9,
        "{stall:?}"
    );
    assert_eq!(stall.knows, "word frequencies");
    let line = stall.to_record().to_json();
    let read = Stall::from_record(&Record::parse(&line).unwrap()).unwrap();
    assert_eq!(
        read,
        Stall {
            knows: "",
            ..stall.clone()
        }
    );
}

#[test]
fn steps_that_are_not_finite_decide_nothing() {
    let mut watch = watch(500, &[]);
    for step in 1..=500 {
        let losses = if step % 4 == 0 {
            (0.5, 0.5)
        } else {
            (f64::NAN, f64::NAN)
        };
        assert!(self::step(&mut watch, &record(step, losses.0, losses.1)).is_empty());
    }
}

#[test]
fn the_entropy_of_a_sample_is_corrected_to_that_of_its_distribution() {
    // 200 words by Zipf's law, few of each: the frequencies seen alone are too low by 0.05.
    let shares: Vec<f64> = (1..=200).map(|rank| 1.0 / f64::from(rank)).collect();
    let whole: f64 = shares.iter().sum();
    let expected: f64 = shares
        .iter()
        .map(|share| -share / whole * (share / whole).ln())
        .sum();
    let mut counts = Counts::default();
    let mut rng = kiln_text::rng::Rng::at(1, kiln_text::rng::Purpose::Order, 0, 0);
    for draw in 0..2000 {
        let mut left = rng.unit() * whole;
        let word = shares.iter().position(|share| {
            left -= share;
            left <= 0.0
        });
        let half = draw % 2;
        counts.counts.entry(word.unwrap_or(199) as i32).or_default()[half] += 1;
        counts.totals[half] += 1;
    }
    let seen = entropy(counts.counts.values().map(|halves| halves.iter().sum()));
    let corrected = counts.entropy().unwrap();
    assert!(seen < expected - 0.02, "{seen} {expected}");
    assert!(
        (corrected - expected).abs() < (seen - expected).abs() / 2.0,
        "{corrected} {expected}"
    );
}

#[test]
fn too_few_labels_have_no_entropy_of_their_own() {
    let mut counts = Counts::default();
    for label in 0..100 {
        counts.counts.insert(
            label,
            [u64::from(label % 2 == 0), u64::from(label % 2 == 1)],
        );
        counts.totals[usize::from(label % 2 == 1)] += 1;
    }
    // Each label once: half of them would have ln 50, all have ln 100.
    assert!(counts.entropy().is_none());
    assert!(Counts::default().entropy().is_none());
}
