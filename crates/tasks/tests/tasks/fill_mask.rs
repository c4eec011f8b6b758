//! Texts to ids and probabilities to tokens, without any model.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::path::Path;

use kiln_learner::LearnError;
use kiln_tasks::family::Sizes;
use kiln_tasks::predict::{TextBatch, Texts};
use kiln_text::tokenizer::Tokenizer;

const VOCABULARY: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncat\nsat\n";

/// A model with one word more than the tokenizer and six positions.
const SIZES: Sizes = Sizes {
    vocab_size: 9,
    type_vocab_size: 2,
    max_position_embeddings: 6,
    first_position: 0,
};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("vocab.txt"), VOCABULARY).unwrap();
    folder
}

fn open(folder: &Path, sizes: Sizes) -> Result<Texts, LearnError> {
    Texts::new(Tokenizer::open(folder)?, folder, sizes)
}

#[test]
fn every_mask_gets_the_best_tokens_of_its_row() {
    let folder = folder();
    let texts = open(folder.path(), SIZES).unwrap();
    let vocabulary = texts.vocabulary().unwrap();
    let model = |batch: &TextBatch<'_>| {
        let [text] = batch.texts() else {
            panic!("{batch:?}")
        };
        assert_eq!(text.ids, [2, 4, 6, 4, 3]);
        assert_eq!(text.positions, [1, 3]);
        // The ninth entry has no token; entries 5 and 7 of the second row are equal.
        let first = [0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.125, 0.0, 0.625];
        let second = [0.0, 0.0, 0.0, 0.0, 0.0, 0.375, 0.25, 0.375, 0.0];
        Ok([first, second].concat())
    };
    let fillings = texts.fill_mask(&["[MASK] cat [MASK]"], 2, &vocabulary, model);
    let fillings = fillings.unwrap();
    let found: Vec<(usize, &str, u32, f64)> = fillings
        .iter()
        .flatten()
        .flat_map(|filling| {
            let candidates = filling.candidates.iter();
            candidates.map(|found| {
                (
                    filling.position,
                    found.token.as_str(),
                    found.id,
                    found.score,
                )
            })
        })
        .collect();
    assert_eq!(
        found,
        [
            (1, "the", 5, 0.25),
            (1, "cat", 6, 0.125),
            (3, "the", 5, 0.375),
            (3, "sat", 7, 0.375),
        ]
    );
}

#[test]
fn a_text_or_tokenizer_that_does_not_fit_is_refused_before_the_model_runs() {
    let folder = folder();
    let texts = open(folder.path(), SIZES).unwrap();
    let vocabulary = texts.vocabulary().unwrap();
    let refused = |text: &str| {
        let never = |_: &TextBatch<'_>| unreachable!("the model must not run");
        let result = texts.fill_mask(&["[MASK]", text], 1, &vocabulary, never);
        result.unwrap_err().to_string()
    };
    assert_eq!(
        refused("the cat"),
        "settings: \"the cat\": no mask in this text; write [MASK] where a word is to be filled in"
    );
    assert_eq!(
        refused("the cat sat the [MASK]"),
        "settings: \"the cat sat the [MASK]\": 7 tokens, the model takes 6; shorten the text"
    );
    let small = Sizes {
        vocab_size: 7,
        ..SIZES
    };
    let error = open(folder.path(), small).unwrap_err();
    let path = folder.path().display();
    assert_eq!(
        error.to_string(),
        format!(
            "settings: {path}: the tokenizer has 8 tokens, the model 7; they do not belong together; \
             use the tokenizer that the model was trained with"
        )
    );
}

#[test]
fn texts_of_all_lengths_come_back_in_their_order() {
    let folder = folder();
    let texts = open(folder.path(), SIZES).unwrap();
    let vocabulary = texts.vocabulary().unwrap();
    // The best word of a place is the one that its column names.
    let model = |batch: &TextBatch<'_>| {
        assert!(batch.texts().len() <= 16);
        let slots = batch.num_positions();
        let mut probabilities = vec![0.0; batch.texts().len() * slots * 9];
        for (row, text) in batch.texts().iter().enumerate() {
            assert!(text.ids.len() <= batch.seq_len());
            for (slot, position) in text.positions.iter().enumerate() {
                probabilities[(row * slots + slot) * 9 + position] = 1.0;
            }
        }
        Ok(probabilities)
    };
    let asked = [
        "the [MASK]",
        "[MASK]",
        "cat [MASK] [MASK] sat",
        "[MASK] cat",
    ];
    let asked = asked.repeat(7);
    let filled = texts.fill_mask(&asked, 1, &vocabulary, model).unwrap();
    assert_eq!(filled.len(), asked.len());
    for (filled, text) in filled.iter().zip(&asked) {
        let places = text.split(' ').enumerate();
        let places = places.filter(|(_, word)| *word == "[MASK]");
        let expected: Vec<usize> = places.map(|(place, _)| place + 1).collect();
        let found: Vec<usize> = filled.iter().map(|mask| mask.position).collect();
        assert_eq!(found, expected, "{text}");
        for mask in filled {
            assert_eq!(mask.candidates[0].id as usize, mask.position, "{text}");
        }
    }
}
