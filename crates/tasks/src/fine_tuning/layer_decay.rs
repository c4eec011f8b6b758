//! Learning rates that fall from the head towards the embeddings, layer by layer.

use serde::{Deserialize, Serialize};

use super::place::Place;

/// How the rates fall.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerDecay {
    /// What a layer's rate is multiplied by to give the rate of the layer below: above 0, at most 1.
    pub factor: f64,
    /// Where the count begins, and what it leaves out.
    pub count: LayerCount,
}

/// Whose way of counting layers is meant, of which there are L.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerCount {
    /// ELECTRA's original: factor^(L + 2 − depth), where the embeddings with their projection have the
    /// depth 0, layer i has i + 1, and the head L + 2. The top layer gets the factor's square: no depth
    /// is L + 1. DeBERTa's relative embeddings count as embeddings, its convolution as the layer that it
    /// stands beside.
    Electra,
    /// XLNet's original: factor^(L − 1 − i) for layer i; embeddings and head keep their rate. (There it is
    /// the clipped gradient that is multiplied, which Adam's division undoes; here it is the rate.)
    Xlnet,
}

impl LayerDecay {
    /// As ELECTRA counts, with the published 0.8 for small and base; large has 0.9.
    pub fn electra() -> Self {
        Self {
            factor: 0.8,
            count: LayerCount::Electra,
        }
    }

    /// As XLNet counts, with the 0.75 published for answering questions.
    pub fn xlnet() -> Self {
        Self {
            factor: 0.75,
            count: LayerCount::Xlnet,
        }
    }

    /// Refuses factors that nothing can be trained with.
    ///
    /// # Errors
    /// A sentence that names the field, its value and the remedy.
    pub fn validate(&self) -> Result<(), String> {
        if self.factor > 0.0 && self.factor <= 1.0 {
            return Ok(());
        }
        Err(format!(
            "layer_decay.factor = {}: choose a number above 0, at most 1, e.g. 0.8",
            self.factor
        ))
    }

    /// What the rate of the parameter at `path` is multiplied by in a model of so many `layers`.
    pub fn rate_factor(&self, path: &str, layers: usize) -> f64 {
        let steps = match (self.count, Place::of(path)) {
            (_, Place::Head) | (LayerCount::Xlnet, Place::Embeddings) => 0,
            (LayerCount::Electra, Place::Embeddings) => layers + 2,
            (LayerCount::Electra, Place::Layer(layer)) => (layers + 1).saturating_sub(layer),
            (LayerCount::Xlnet, Place::Layer(layer)) => layers.saturating_sub(layer + 1),
        };
        self.factor.powi(i32::try_from(steps).unwrap_or(i32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_the_originals() {
        let factor = |decay: LayerDecay, path: &str| decay.rate_factor(path, 12);
        let electra = |path: &str| factor(LayerDecay::electra(), path);
        assert_eq!(electra("classifier.out_proj.weight"), 1.0);
        assert_eq!(electra("electra.body.encoder.layer.11.x"), 0.8_f64.powi(2));
        assert_eq!(electra("electra.body.encoder.layer.0.x"), 0.8_f64.powi(13));
        // Base: 1e-4 of the head is 4.4e-6 of the embeddings.
        let embeddings = electra("electra.embeddings.word_embeddings.weight");
        assert!((1e-4 * embeddings - 4.4e-6).abs() < 5e-8);
        let xlnet = |path: &str| factor(LayerDecay::xlnet(), path);
        assert_eq!(xlnet("transformer.layer.11.x"), 1.0);
        assert_eq!(xlnet("transformer.layer.0.x"), 0.75_f64.powi(11));
        assert_eq!(xlnet("transformer.word_embedding.weight"), 1.0);
    }

    #[test]
    fn a_factor_that_is_none_is_refused() {
        for factor in [0.0, -0.5, 1.5, f64::NAN] {
            let decay = LayerDecay {
                factor,
                ..LayerDecay::electra()
            };
            assert!(decay.validate().unwrap_err().contains("layer_decay.factor"));
        }
    }
}
