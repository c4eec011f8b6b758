//! Texts that are asked for together against texts that are asked for one by one.

use std::path::Path;

use burn::tensor::Device;
use kiln_nn::EncoderInputs;
use kiln_tasks::class::Class;
use kiln_tasks::family::Family;
use kiln_tasks::heads::ReplacedLogits;
use kiln_tasks::predict::{PredictWords, Predictor};

use crate::{Bound, assert_close};

/// Fails the test unless a model fills the masks of `texts` in padded batches as it fills each
/// alone, all words of its vocabulary in the same places.
///
/// # Panics
/// If it does not, or the folder can't be opened.
pub fn check_fill_mask<C: PredictWords>(folder: &Path, texts: &[&str], on: &(String, Device)) {
    let model = opened::<C>(folder, &on.1);
    let ask = |texts: &[&str]| {
        let filled = model.fill_mask(texts, usize::MAX);
        let filled = filled.unwrap_or_else(|error| panic!("{error}"));
        let answers = filled.into_iter().map(|masks| {
            let words = masks.into_iter().flat_map(|mut mask| {
                mask.candidates.sort_by_key(|candidate| candidate.id);
                let scores = mask.candidates.into_iter();
                let scores = scores.map(|candidate| candidate.score as f32);
                [mask.position as f32].into_iter().chain(scores)
            });
            words.collect()
        });
        answers.collect()
    };
    check(texts, &on.0, ask);
}

/// Fails the test unless a discriminator scores the tokens of `texts` in padded batches as it scores
/// those of each alone.
///
/// # Panics
/// If it does not, or the folder can't be opened.
pub fn check_replaced_tokens<C>(folder: &Path, texts: &[&str], on: &(String, Device))
where
    C: Class<Head = ReplacedLogits>,
    C::Config: Family<Inputs = EncoderInputs>,
{
    let model = opened::<C>(folder, &on.1);
    let ask = |texts: &[&str]| {
        let scored = model.replaced_tokens(texts);
        let scored = scored.unwrap_or_else(|error| panic!("{error}"));
        let answers = scored.into_iter();
        let answers = answers.map(|tokens| tokens.iter().map(|at| at.replaced as f32).collect());
        answers.collect()
    };
    check(texts, &on.0, ask);
}

fn opened<C: Class>(folder: &Path, device: &Device) -> Predictor<C> {
    Predictor::open(folder, device).unwrap_or_else(|error| panic!("{error}"))
}

fn check(texts: &[&str], device: &str, ask: impl Fn(&[&str]) -> Vec<Vec<f32>>) {
    let together = ask(texts);
    assert_eq!(together.len(), texts.len());
    for (together, text) in together.iter().zip(texts) {
        let alone = ask(&[*text]).concat();
        assert!(!alone.is_empty(), "{text}");
        assert_close(text, together, &alone, Bound::Output, device);
    }
}
