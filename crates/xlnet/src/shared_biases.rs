//! Vectors that all layers may share, which a file holds for each of them.

use kiln_checkpoint::{ModelFile, NamedTensor, OpenError};

use crate::XlnetConfig;
use crate::names::QUERY_BIASES;

/// Holds the vectors that are added to queries in all layers against the first one's, which a model
/// that shares them is trained with in their place.
///
/// # Errors
/// If the configuration shares them, and the file has others, or lacks them.
pub fn check_shared(config: &XlnetConfig, file: &ModelFile) -> Result<(), OpenError> {
    if !config.ties_biases() {
        return Ok(());
    }
    let is_whole = file.names().any(|name| name.starts_with("transformer."));
    let prefix = if is_whole { "transformer." } else { "" };
    for bias in QUERY_BIASES {
        let name = |layer: usize| format!("{prefix}layer.{layer}.rel_attn.{bias}");
        let owner = file.read(&name(0))?;
        for layer in 1..config.n_layer {
            if file.read(&name(layer))? != owner {
                return Err(OpenError::Untied {
                    path: file.path().to_path_buf(),
                    copy: name(layer),
                    owner: name(0),
                    remedy: "set untie_r to true in config.json to train those of each layer"
                        .to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// The first layer's vectors under the names of all others.
pub(crate) fn copies(tensors: &[NamedTensor], n_layer: usize) -> Vec<NamedTensor> {
    let is_shared = |tensor: &&NamedTensor| {
        let mut names = QUERY_BIASES.iter();
        names.any(|name| tensor.name.ends_with(&format!("layer.0.rel_attn.{name}")))
    };
    let of_first = tensors.iter().filter(is_shared);
    let copies = of_first.flat_map(|tensor| {
        (1..n_layer).map(|layer| NamedTensor {
            name: tensor.name.replace("layer.0.", &format!("layer.{layer}.")),
            ..tensor.clone()
        })
    });
    copies.collect()
}
