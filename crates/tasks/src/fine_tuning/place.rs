//! Where a parameter stands in a model, by its path.

/// Where a parameter stands in a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Embeddings with their projection, DeBERTa's relative ones too, and what all layers share.
    Embeddings,
    /// A layer, from 0; DeBERTa's convolution is that of the layer which it stands beside.
    Layer(usize),
    /// All else: poolers and heads.
    Head,
}

impl Place {
    /// The place of the parameter at `path`.
    pub(super) fn of(path: &str) -> Self {
        let segments: Vec<&str> = path.split('.').collect();
        let layer = segments.windows(2).find_map(|pair| match pair {
            ["layer", number] => number.parse().ok(),
            ["encoder", "conv"] => Some(0),
            _ => None,
        });
        let is_embeddings = |segment: &&str| {
            [
                "embeddings",
                "embeddings_project",
                "rel_embeddings",
                "word_embedding",
                "mask_emb",
            ]
            .contains(segment)
        };
        match layer {
            Some(layer) => Self::Layer(layer),
            None if segments.iter().any(is_embeddings) => Self::Embeddings,
            // What all layers share, such as the norm of the relative embeddings.
            None if segments.contains(&"encoder") => Self::Embeddings,
            None => Self::Head,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_architectures_parameters_have_a_place() {
        for (path, place) in [
            ("bert.embeddings.word_embeddings.weight", Place::Embeddings),
            (
                "bert.encoder.layer.3.output.layer_norm.gamma",
                Place::Layer(3),
            ),
            ("bert.pooler.dense.weight", Place::Head),
            (
                "base_model.encoder.layer.0.intermediate.dense.bias",
                Place::Layer(0),
            ),
            ("classifier.weight", Place::Head),
            ("electra.body.embeddings_project.weight", Place::Embeddings),
            (
                "electra.body.encoder.layer.11.output.dense.weight",
                Place::Layer(11),
            ),
            ("classifier.out_proj.weight", Place::Head),
            (
                "deberta.embeddings.block.layer_norm.beta",
                Place::Embeddings,
            ),
            ("deberta.encoder.rel_embeddings.weight", Place::Embeddings),
            ("deberta.encoder.layer_norm.gamma", Place::Embeddings),
            ("deberta.encoder.conv.conv.weight", Place::Layer(0)),
            ("pooler.dense.weight", Place::Head),
            ("transformer.word_embedding.weight", Place::Embeddings),
            ("transformer.layer.1.ff.layer_1.weight", Place::Layer(1)),
            ("sequence_summary.summary.weight", Place::Head),
        ] {
            assert_eq!(Place::of(path), place, "{path}");
        }
    }
}
