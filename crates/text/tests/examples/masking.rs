//! Masking as statistics: rates and shares over more than a million tokens, with a fixed seed and
//! bounds of three standard errors.

use std::sync::Arc;

use kiln_text::BatchSource;
use kiln_text::examples::{Example, Examples, MaskedLmSource};
use kiln_text::masking::Masking;

use crate::common::{CLS, FIRST, MASK, PAD, SEP, corpus, kinds, vocabulary};

const VOCAB: u32 = 1005;

/// What became of the chosen tokens.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) tokens: usize,
    pub(crate) chosen: usize,
    pub(crate) masked: usize,
    pub(crate) changed: usize,
    pub(crate) kept: usize,
    /// By eighth of the vocabulary: what stands in place of the changed ones.
    replacements: [usize; 8],
    /// By place in the sequence.
    places: Vec<usize>,
}

/// Counts an epoch and checks each row on the way: labels restore what the examples hold, specials
/// and padding stay, slots are in order.
pub(crate) fn count(examples: &Arc<dyn Examples>, masking: &Masking, epoch: u64) -> Counts {
    let (seq_len, slots) = (examples.seq_len(), masking.max_predictions);
    let source = MaskedLmSource::new(
        Arc::clone(examples),
        masking.clone(),
        vocabulary(VOCAB),
        1,
        7,
    )
    .unwrap();
    let mut counts = Counts {
        places: vec![0; seq_len],
        ..Counts::default()
    };
    let mut example = Example::default();
    for place in 0..examples.per_epoch() {
        examples.build(epoch, place, &mut example).unwrap();
        let batch = source.batch(epoch * examples.per_epoch() + place).unwrap();
        let ids =
            |name| -> Vec<u32> { batch.ints[name].data.iter().map(|&id| id as u32).collect() };
        let (mut restored, attention) = (ids("input_ids"), ids("attention_mask"));
        let (positions, labels) = (ids("positions"), ids("labels"));
        let weights = &batch.floats["weights"].data;
        let len = example.input_ids.len();

        let chosen = weights.iter().filter(|&&weight| weight == 1.0).count();
        assert_eq!((labels.len(), weights.len()), (slots, slots));
        assert!(chosen == masking.num_predictions(len) || masking.whole_word);
        assert!(positions[..chosen].windows(2).all(|pair| pair[0] < pair[1]));
        for slot in chosen..slots {
            assert_eq!((positions[slot], labels[slot], weights[slot]), (0, 0, 0.0));
        }
        for slot in 0..chosen {
            let (position, label) = (positions[slot] as usize, labels[slot]);
            assert!(position < len && label >= FIRST, "{label} at {position}");
            let shown = restored[position];
            assert!(
                shown == MASK || shown >= FIRST || shown == 1,
                "{shown} is special"
            );
            counts.places[position] += 1;
            if shown == MASK {
                counts.masked += 1;
            } else if shown == label {
                counts.kept += 1;
            } else {
                counts.changed += 1;
                counts.replacements[(shown * 8 / VOCAB) as usize] += 1;
            }
            restored[position] = label;
        }
        counts.tokens += len;
        counts.chosen += chosen;

        example.input_ids.resize(seq_len, PAD);
        assert_eq!(restored, example.input_ids);
        let is_token = |place| u32::from(place < len);
        assert!((0..seq_len).map(is_token).eq(attention));
        assert_eq!((batch.real_tokens, batch.all_tokens), (len, seq_len));
        let types = &batch.ints["token_type_ids"].data;
        let is_b = |place| i32::from(place >= example.first_segment && place < len);
        assert!((0..seq_len).map(is_b).eq(types.iter().copied()));
    }
    counts
}

/// Fails if `found` of `n` is further from `share` than three standard errors.
pub(crate) fn assert_share(name: &str, found: usize, n: usize, share: f64) {
    let bound = 3.0 * (share * (1.0 - share) / n as f64).sqrt();
    let seen = found as f64 / n as f64;
    assert!(
        (seen - share).abs() < bound,
        "{name}: {seen}, {share} +- {bound}"
    );
}

#[test]
fn of_a_million_tokens_the_exact_number_is_chosen_and_split_80_10_10() {
    let [_, _, packed] = kinds(&corpus(900, 80, 60, VOCAB), 128, 3);
    let counts = count(&packed, &Masking::bert(128), 0);
    assert!(counts.tokens > 1_000_000, "{}", counts.tokens);

    // 19 of 128 in full sequences (19.2 rounded); the last one is shorter.
    let rate = counts.chosen as f64 / counts.tokens as f64;
    assert!((rate - 19.0 / 128.0).abs() < 1e-5, "{rate}");

    // About 160,000 draws: bounds of 0.003 (mask) and 0.0023. A random draw is the true token, and
    // so counted as kept, once in the 1,001 ids that are not special.
    let n = counts.chosen;
    let hit = 0.1 / 1001.0;
    assert_share("masked", counts.masked, n, 0.8);
    assert_share("changed", counts.changed, n, 0.1 - hit);
    assert_share("kept", counts.kept, n, 0.1 + hit);

    // Random tokens are uniform: each eighth holds 1/8 of the ids, but the first lacks 4 special
    // ones. Chi-squared with 7 degrees of freedom is above 24.3 with probability 0.001.
    let expected = |eighth: u32| {
        let ids = (0..VOCAB).filter(|id| id * 8 / VOCAB == eighth && (*id == 1 || *id >= FIRST));
        ids.count() as f64 / 1001.0 * counts.changed as f64
    };
    let statistic: f64 = (0..8)
        .map(|eighth| {
            let expected = expected(eighth);
            (counts.replacements[eighth as usize] as f64 - expected).powi(2) / expected
        })
        .sum();
    assert!(statistic < 24.3, "{statistic}: {:?}", counts.replacements);

    // Every place but the first and last is as likely: 126 places, chi-squared with 125 degrees of
    // freedom has mean 125 and standard deviation 15.8. Separators between documents (in the
    // middle at random) and drawing without replacement only lower it.
    let inner = &counts.places[1..127];
    assert_eq!((counts.places[0], counts.places[127]), (0, 0));
    let expected = inner.iter().sum::<usize>() as f64 / 126.0;
    let statistic: f64 = inner
        .iter()
        .map(|&count| (count as f64 - expected).powi(2) / expected)
        .sum();
    assert!(statistic < 125.0 + 3.0 * 15.8, "{statistic}");
}

#[test]
fn pairs_with_whole_words_choose_no_more_than_asked_and_nearly_as_many() {
    let corpus = corpus(300, 40, 40, VOCAB);
    let [pairs, _, _] = kinds(&corpus, 64, 4);
    let single = count(&pairs, &Masking::bert(64), 1);
    let masking = Masking {
        whole_word: true,
        ..Masking::bert(64)
    };
    let whole = count(&pairs, &masking, 1);
    assert!(whole.chosen <= single.chosen);
    // A quarter of the ids continue a word: words longer than what is left are passed over, and
    // shorter ones nearly always fill the count.
    assert!(whole.chosen as f64 > 0.99 * single.chosen as f64);
    let n = whole.chosen;
    assert!(n > 20_000, "{n}");
    assert_share("masked", whole.masked, n, 0.8);
}

#[test]
fn electra_chooses_15_percent_masks_85_percent_of_them_and_changes_no_other() {
    let masking = Masking::electra(128, 0.15);
    // `count` holds that the positions of a sequence ascend, so are distinct, and are no special
    // token's.
    for examples in kinds(&corpus(300, 40, 60, VOCAB), 128, 4) {
        let counts = count(&examples, &masking, 0);
        // The count is rounded in each sequence: by half a token at most, or up to one where there
        // would be none.
        let off = counts.chosen as f64 - 0.15 * counts.tokens as f64;
        assert!(off.abs() < 0.6 * examples.per_epoch() as f64, "{off}");
        let rate = counts.chosen as f64 / counts.tokens as f64;
        assert!((rate - 0.15).abs() < 0.003, "{rate}");

        assert!(counts.chosen > 20_000, "{}", counts.chosen);
        assert_eq!(counts.changed, 0);
        assert_eq!(counts.masked + counts.kept, counts.chosen);
        assert_share("masked", counts.masked, counts.chosen, 0.85);
    }
}

#[test]
fn masks_differ_from_epoch_to_epoch_for_the_same_sequence() {
    // One sequence per epoch, so that the text is the same.
    let documents = vec![vec![(FIRST..FIRST + 40).collect()]];
    let corpus = Arc::new(kiln_text::corpus::Corpus::in_memory(documents, VOCAB));
    let [_, _, packed] = kinds(&corpus, 64, 0);
    let source = MaskedLmSource::new(packed, Masking::bert(64), vocabulary(VOCAB), 1, 0).unwrap();
    let positions = |index| source.batch(index).unwrap().ints["positions"].clone();
    assert_eq!(source.examples_per_epoch(), 1);
    assert_ne!(positions(0), positions(1));
    let first = source.batch(0).unwrap();
    assert_eq!(first.ints["input_ids"].data[0], CLS as i32);
    assert_eq!(first.ints["input_ids"].data[41], SEP as i32);
}
