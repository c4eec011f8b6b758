//! Texts that are asked for together against texts that are asked for one by one.

use std::path::Path;

use burn::tensor::Device;
use kiln_nn::EncoderInputs;
use kiln_tasks::class::{Class, Encoder};
use kiln_tasks::embedding::{EmbedRequest, Pooling};
use kiln_tasks::family::Family;
use kiln_tasks::heads::ReplacedLogits;
use kiln_tasks::predict::{PredictWords, Predictor, embedder};

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

/// Fails the test unless an encoder gives each of `texts` in padded batches the vector that it gives
/// it alone, and another one for another text.
///
/// Vectors have length 1, where float32 has a spacing of 6e-8: 1e-6 on processors, a tenth of
/// [`Bound::Output`].
///
/// # Panics
/// If it does not, or the folder can't be opened.
pub fn check_embed<E: Encoder>(folder: &Path, texts: &[&str], on: &(String, Device)) {
    let request = EmbedRequest {
        model: folder.to_path_buf(),
        pooling: Pooling::ALL.to_vec(),
        normalize: Some(true),
        device: on.1.clone(),
        warn: |_| {},
    };
    let model = embedder::<E>(&request).unwrap_or_else(|error| panic!("{error}"));
    let ask = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        let embedded = model.embed(&texts);
        let embedded = embedded.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(embedded.cut, [0; 0]);
        embedded.vectors
    };
    let together = ask(texts);
    assert_eq!(together.len(), texts.len());
    for (index, (vector, text)) in together.iter().zip(texts).enumerate() {
        assert_eq!(vector.len(), model.width());
        let alone = ask(&[*text]).concat();
        let distance = largest_difference(vector, &alone);
        let limit = Bound::Output.limit(&on.0) / 10.0;
        assert!(distance <= limit, "{text:?} on {}: {distance}", on.0);
        let others = together.iter().take(index);
        for other in others {
            assert!(largest_difference(vector, other) > 1e-3, "{text:?}");
        }
    }
}

fn largest_difference(a: &[f32], b: &[f32]) -> f64 {
    let differences = a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs()));
    differences.fold(0.0, f64::max)
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
