use super::*;
use crate::rng::Purpose;

const CLS: u32 = 2;
const SEP: u32 = 3;
const MASK: u32 = 4;

/// Ids 0 to 4 are `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]`, `[MASK]`; ids from 50 continue a word.
fn vocabulary() -> Vocabulary {
    Vocabulary {
        size: 100,
        pad: 0,
        unk: 1,
        cls: CLS,
        sep: SEP,
        mask: MASK,
        is_special: (0..100).map(|id| id < 5 && id != 1).collect(),
        is_continuation: (0..100).map(|id| id >= 50).collect(),
    }
}

fn whole_words(max_predictions: usize) -> Masking {
    Masking {
        whole_word: true,
        max_predictions,
        ..Masking::bert(128)
    }
}

fn positions(masking: &Masking, ids: &[u32], seed: u64) -> Vec<usize> {
    let mut predictions = Predictions::default();
    let mut rng = Rng::at(seed, Purpose::Masking, 0, 0);
    masking.apply(&mut ids.to_vec(), &vocabulary(), &mut rng, &mut predictions);
    let chosen = predictions.chosen();
    assert!(chosen.iter().all(|p| ids[p.position] == p.original));
    chosen.iter().map(|p| p.position).collect()
}

#[test]
fn the_count_rounds_half_to_even_between_one_and_the_slots() {
    let masking = Masking::bert(128);
    // 4.5 -> 4 and 1.5 -> 2, as Python 3 rounds.
    let counts = [3, 10, 30, 50, 128, 512].map(|tokens| masking.num_predictions(tokens));
    assert_eq!(counts, [1, 2, 4, 8, 19, 20]);
}

#[test]
fn slots_are_the_share_rounded_up() {
    let slots = [1, 20, 40, 128, 512].map(|seq_len| default_max_predictions(seq_len, 0.15));
    assert_eq!(slots, [1, 3, 6, 20, 77]);
}

#[test]
fn electras_slots_are_a_little_more_than_the_share() {
    let slots = |seq_len, rate| Masking::electra(seq_len, rate).max_predictions;
    assert_eq!(
        [128, 512, 64, 5].map(|len| slots(len, 0.15)),
        [19, 79, 9, 1]
    );
    assert_eq!([512, 128].map(|len| slots(len, 0.25)), [130, 32]);
    assert_eq!(slots(200, 0.15), 31, "0.155 x 200 is 31 to the last digit");
    // 0.035 x 200 is 7, but Python's `int((0.03 + 0.005) * 200)` is 6.
    assert_eq!(slots(200, 0.03), 6);
}

#[test]
fn chosen_positions_ascend_and_spare_special_tokens() {
    let ids = [&[CLS][..], &[10; 60], &[SEP], &[11; 60], &[SEP]].concat();
    let mut seen = vec![false; ids.len()];
    for seed in 0..400 {
        let chosen = positions(&Masking::bert(128), &ids, seed);
        assert_eq!(chosen.len(), 18, "0.15 x 123 = 18.45");
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
        for position in chosen {
            seen[position] = true;
        }
    }
    // A position is missed in all 400 draws with probability 0.85^400 < 1e-28.
    let spared: Vec<_> = (0..ids.len()).filter(|&place| !seen[place]).collect();
    assert_eq!(spared, [0, 61, 122]);
}

#[test]
fn the_pieces_of_a_word_are_chosen_together_or_not_at_all() {
    // Words of one, two and three pieces.
    let ids = [&[CLS][..], &[10, 20, 60, 30, 70, 71].repeat(10), &[SEP]].concat();
    for seed in 0..200 {
        let chosen = positions(&whole_words(20), &ids, seed);
        assert!(!chosen.is_empty() && chosen.len() <= 9, "0.15 x 62 = 9.3");
        for word in (0..10).flat_map(|n| {
            let at = 1 + 6 * n;
            [at..at + 1, at + 1..at + 3, at + 3..at + 6]
        }) {
            let pieces = word.clone().filter(|place| chosen.contains(place)).count();
            assert!(
                pieces == 0 || pieces == word.len(),
                "{word:?} of {chosen:?}"
            );
        }
    }
}

#[test]
fn a_continuation_after_a_separator_does_not_join_the_word_before_it() {
    // Two units of one piece at either side of [SEP]: with one prediction each is taken half
    // the time. Joined they would be a unit of two, too large to be taken ever.
    let ids = [CLS, 10, SEP, 60, SEP];
    let chosen: Vec<_> = (0..100)
        .map(|seed| positions(&whole_words(20), &ids, seed))
        .collect();
    assert!(chosen.iter().all(|chosen| chosen.len() == 1));
    assert!(chosen.contains(&vec![1]) && chosen.contains(&vec![3]));
}

#[test]
fn words_with_more_pieces_than_predictions_are_passed_over() {
    let ids = [CLS, 10, 60, 61, 62, SEP];
    assert_eq!(positions(&whole_words(20), &ids, 0), Vec::<usize>::new());
    // A shorter word after it is still found, whichever comes first in the draw.
    let ids = [CLS, 10, 60, 61, 62, 11, SEP];
    for seed in 0..20 {
        assert_eq!(positions(&whole_words(20), &ids, seed), [5]);
    }
}

#[test]
fn shares_of_one_leave_no_other_outcome() {
    let mut ids = [&[CLS][..], &[10; 100], &[SEP]].concat();
    let mut predictions = Predictions::default();
    let electra = Masking {
        mask_share: 1.0,
        random_share: 0.0,
        ..Masking::bert(128)
    };
    let mut rng = Rng::at(0, Purpose::Masking, 0, 0);
    electra.apply(&mut ids, &vocabulary(), &mut rng, &mut predictions);
    assert_eq!(predictions.chosen().len(), 15);
    assert_eq!(ids.iter().filter(|&&id| id == MASK).count(), 15);
}

#[test]
fn numbers_outside_their_range_are_refused_by_name() {
    let name = |masking: Masking| masking.validate().unwrap_err().to_string();
    let bert = || Masking::bert(128);
    assert!(bert().validate().is_ok());
    for rate in [0.0, -0.1, 1.1, f64::NAN] {
        assert!(name(Masking { rate, ..bert() }).starts_with("rate = "));
    }
    assert!(
        name(Masking {
            mask_share: 1.5,
            ..bert()
        })
        .starts_with("mask_share = 1.5")
    );
    assert!(
        name(Masking {
            random_share: -1.0,
            ..bert()
        })
        .starts_with("random_share = ")
    );
    let both = Masking {
        random_share: 0.3,
        ..bert()
    };
    assert!(name(both).starts_with("mask_share + random_share = 1.1"));
    assert!(
        name(Masking {
            max_predictions: 0,
            ..bert()
        })
        .starts_with("max_predictions = 0")
    );
}

#[test]
fn masks_of_single_tokens_and_words_are_what_they_always_were() {
    // FNV-1a over positions and what stands there, of 200 sequences. A change moves the data of
    // every run, so old ones would no longer repeat.
    let digest = |masking: Masking| {
        let ids: Vec<u32> = [CLS]
            .into_iter()
            .chain((0..60).map(|n| 5 + n * 37 % 95))
            .chain([SEP])
            .chain((0..60).map(|n| 5 + n * 41 % 95))
            .chain([SEP])
            .collect();
        let mut predictions = Predictions::default();
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for seed in 0..200 {
            let mut masked = ids.clone();
            let mut rng = Rng::at(seed, Purpose::Masking, 0, 0);
            masking.apply(&mut masked, &vocabulary(), &mut rng, &mut predictions);
            for chosen in predictions.chosen() {
                for part in [chosen.position as u64, u64::from(masked[chosen.position])] {
                    hash = (hash ^ part).wrapping_mul(0x100_0000_01b3);
                }
            }
        }
        hash
    };
    assert_eq!(
        [
            digest(Masking::bert(128)),
            digest(Masking::electra(128, 0.15)),
            digest(whole_words(20)),
        ],
        [
            13_617_188_971_571_095_274,
            16_609_844_299_817_998_222,
            7_155_389_219_375_214_865
        ]
    );
}

#[test]
fn debertas_presets_are_the_published_ones() {
    let mlm = Masking::deberta_mlm(512);
    assert_eq!(
        (mlm.rate, mlm.mask_share, mlm.random_share),
        (0.15, 0.8, 0.1)
    );
    assert_eq!((mlm.max_ngram, mlm.whole_word), (3, true));
    let rtd = Masking::deberta_rtd(512);
    assert_eq!(
        (rtd.rate, rtd.mask_share, rtd.random_share),
        (0.15, 1.0, 0.0)
    );
    assert_eq!((rtd.max_ngram, rtd.whole_word), (1, false));
    // The published count for 512 tokens, and no slot that stays empty.
    for masking in [mlm, rtd] {
        assert!(masking.validate().is_ok());
        assert_eq!(masking.num_predictions(512), 77);
        assert_eq!(masking.max_predictions, 77);
    }
    let none = Masking {
        max_ngram: 0,
        ..Masking::bert(128)
    };
    let said = none.validate().unwrap_err().to_string();
    assert!(said.starts_with("max_ngram = 0"), "{said}");
}

#[test]
fn visited_runs_keep_the_law_of_their_lengths() {
    // The count stops the visits, so by Wald's identity visits of length g are p(g) of all visits;
    // the one run in 300 that the end of the sequence cuts moves a share by less than 0.001.
    let masking = Masking {
        max_ngram: 3,
        ..Masking::bert(512)
    };
    let ids = [&[CLS][..], &[10; 510], &[SEP]].concat();
    let mut predictions = Predictions::default();
    let mut counts = [0.0; 3];
    for seed in 0..2_000 {
        let mut rng = Rng::at(seed, Purpose::Masking, 0, 0);
        masking.apply(&mut ids.clone(), &vocabulary(), &mut rng, &mut predictions);
        assert_eq!(predictions.chosen().len(), 77);
        let mut left = 77;
        for run in &predictions.runs {
            counts[run.len() - 1] += 1.0;
            if run.len() >= left {
                break;
            }
            left -= run.len();
        }
    }
    // 94,000 runs: three standard errors are 0.0049 at most.
    let n = counts.iter().sum::<f64>();
    for (count, share) in counts.iter().zip([6.0, 3.0, 2.0].map(|share| share / 11.0)) {
        let bound = 3.0 * (share * (1.0 - share) / n).sqrt() + 0.001;
        assert!((count / n - share).abs() < bound, "{counts:?} of {n}");
    }
}

#[test]
fn the_run_that_reaches_the_count_is_cut_there() {
    // Two predictions of twelve tokens, runs of one or two.
    let masking = Masking {
        max_ngram: 20,
        ..Masking::bert(12)
    };
    let ids = [&[CLS][..], &[10; 10], &[SEP]].concat();
    let chosen: Vec<_> = (0..200)
        .map(|seed| positions(&masking, &ids, seed))
        .collect();
    assert!(chosen.iter().all(|chosen| chosen.len() == 2));
    let touching = chosen.iter().filter(|pair| pair[0] + 1 == pair[1]).count();
    // A pair is drawn at once more than a third of the time; single tokens touch 20 % of the time.
    assert!((70..120).contains(&touching), "{touching}");
}
