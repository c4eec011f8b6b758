//! Texts to ids and probabilities to tokens, without any model.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use kiln_tasks::fill_mask::TextFiller;
use kiln_tasks::forward::Sizes;

const VOCABULARY: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncat\nsat\n";

/// A model with one word more than the tokenizer and six positions.
const SIZES: Sizes = Sizes {
    vocab_size: 9,
    type_vocab_size: 2,
    max_position_embeddings: 6,
};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("vocab.txt"), VOCABULARY).unwrap();
    folder
}

#[test]
fn every_mask_gets_the_best_tokens_of_its_row() {
    let folder = folder();
    let texts = TextFiller::open(folder.path(), SIZES).unwrap();
    let model = |ids: &[u32], positions: &[usize]| {
        assert_eq!(ids, [2, 4, 6, 4, 3]);
        assert_eq!(positions, [1, 3]);
        // The ninth entry has no token; entries 5 and 7 of the second row are equal.
        let first = [0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.125, 0.0, 0.625];
        let second = [0.0, 0.0, 0.0, 0.0, 0.0, 0.375, 0.25, 0.375, 0.0];
        Ok([first, second].concat())
    };
    let fillings = texts.fill("[MASK] cat [MASK]", 2, model).unwrap();
    let found: Vec<(usize, &str, u32, f64)> = fillings
        .iter()
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
    let texts = TextFiller::open(folder.path(), SIZES).unwrap();
    let refused = |text: &str| {
        let result = texts.fill(text, 1, |_, _| unreachable!("the model must not run"));
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
    let error = TextFiller::open(folder.path(), small).unwrap_err();
    let path = folder.path().display();
    assert_eq!(
        error.to_string(),
        format!(
            "settings: {path}: the tokenizer has 8 tokens, the model 7; they do not belong together"
        )
    );
}
