//! Adapters beside the layers that are meant.

use std::collections::{BTreeSet, HashMap};

use burn::module::Module;
use kiln_checkpoint::{Names, Parameter, parameters};
use kiln_nn::low_rank::correct;
use kiln_nn::{Dropout, Init, LowRank};

use super::super::place::Place;
use super::settings::{LoraScale, LoraSettings};

/// A model with adapters, and what adapter_config.json says of it.
#[derive(Debug)]
pub struct Adapters<M> {
    /// The model.
    pub model: M,
    /// The layers that have one, as PEFT takes them: by the ends of their names, or by their whole names
    /// where an end is that of a layer without one, too.
    pub target_modules: Vec<String>,
}

/// Which layers can have an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fine_tuning) enum Among {
    /// The encoder's: the head is trained as a whole.
    Encoder,
    /// All, as somebody else may have chosen.
    All,
}

/// Whether the parameter at `path` is an adapter's.
pub(in crate::fine_tuning) fn is_adapter(path: &str) -> bool {
    path.ends_with(".lora.a") || path.ends_with(".lora.b")
}

/// Puts an adapter beside each linear layer that is meant, of those that can have one: B zero, A drawn by `init` from a
/// normal distribution with the deviation of PEFT's uniform one, 1 / √(3 · inputs).
///
/// # Errors
/// If a target means no layer; the message lists those there are.
pub(in crate::fine_tuning) fn attach<M: Module>(
    model: M,
    (settings, scale, among): (&LoraSettings, LoraScale, Among),
    names: &Names,
    init: &mut Init,
) -> Result<Adapters<M>, String> {
    settings.validate()?;
    let linear = parameters(&model, names).into_iter();
    // A linear layer's weight is the one that a file holds transposed.
    let linear = linear.filter(|parameter| parameter.transposed);
    let (heads, encoder): (Vec<_>, Vec<_>) = linear.partition(|parameter| {
        among == Among::Encoder && Place::of(&parameter.path) == Place::Head
    });
    for target in &settings.targets {
        if !encoder
            .iter()
            .any(|layer| LoraSettings::means(target, name(layer)))
        {
            return Err(format!(
                "lora.targets: {target} is no linear layer of the encoder, which has {}",
                last_words(&encoder)
            ));
        }
    }
    let is_meant = |layer: &&Parameter| {
        let mut targets = settings.targets.iter();
        targets.any(|target| LoraSettings::means(target, name(layer)))
    };
    let is_ambiguous = settings.targets.iter().any(|target| target == "all-linear")
        || heads.iter().any(|layer| is_meant(&layer));
    let meant: Vec<&Parameter> = encoder.iter().filter(is_meant).collect();
    let target_modules = if is_ambiguous {
        meant.iter().map(|layer| name(layer).to_owned()).collect()
    } else {
        settings.targets.clone()
    };
    let factor = scale.factor(settings);
    let mut adapters = HashMap::new();
    for layer in meant {
        let [outputs, inputs] = *layer.shape.as_slice() else {
            continue;
        };
        // An adapter is to be smaller than its layer; the number may come from anybody's file.
        if settings.rank > inputs.max(outputs) {
            return Err(format!(
                "lora.rank = {}: {} is {outputs} by {inputs}; choose a rank below both, 8 is usual",
                settings.rank,
                name(layer)
            ));
        }
        let deviation = (3.0 * inputs as f64).sqrt().recip();
        let adapter = LowRank {
            a: init.parameter_with([inputs, settings.rank], deviation),
            b: init.filled([settings.rank, outputs], 0.0),
            scale: factor,
            dropout: Dropout::new(settings.dropout),
        };
        adapters.insert(layer.id, adapter);
    }
    Ok(Adapters {
        model: correct(model, adapters),
        target_modules,
    })
}

/// A layer's Hugging Face name.
fn name(weight: &Parameter) -> &str {
    let name = weight.name.as_str();
    name.strip_suffix(".weight").unwrap_or(name)
}

/// The last words of the layers' names, each once.
fn last_words(layers: &[Parameter]) -> String {
    let words = layers.iter().map(name);
    let words = words.map(|name| name.rsplit('.').next().unwrap_or(name));
    let words: BTreeSet<&str> = words.collect();
    words.into_iter().collect::<Vec<_>>().join(", ")
}
