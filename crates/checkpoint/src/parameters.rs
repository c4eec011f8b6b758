//! What a module's parameters are called and how they lie in a Hugging Face file.
//!
//! Burn's `Linear` keeps its weight as `[in, out]` where PyTorch has `[out, in]`, and its
//! `LayerNorm` calls `gamma` and `beta` what PyTorch calls `weight` and `bias`. Both are recognised
//! by the name of the struct that holds the parameter, so a struct of ours with one of these names
//! is treated alike.
//!
//! A low-rank adapter of a weight (Hu et al. 2021) is Burn's `weight.lora.a`, `[in, rank]`, and
//! `weight.lora.b`, `[rank, out]`; PEFT has `lora_A.weight`, `[rank, in]`, and `lora_B.weight`,
//! `[out, rank]`, in the place of `weight`.

use std::collections::BTreeMap;
use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

use crate::Names;

/// One float parameter of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Path in the Burn module, such as `encoder.layer.0.intermediate.dense.weight`.
    pub path: String,
    /// Hugging Face name.
    pub name: String,
    /// The identifier Burn keeps it under, also in gradients and optimizer states.
    pub id: ParamId,
    /// Shape in a Hugging Face file.
    pub shape: Vec<usize>,
    /// Whether the module holds the transpose of what the file holds.
    pub transposed: bool,
}

/// Every float parameter of `module`, in the module's order, each once however many fields share it.
#[must_use]
pub fn parameters<M: Module>(module: &M, names: &Names) -> Vec<Parameter> {
    let mut visitor = Walk {
        names,
        position: Position::default(),
        seen: HashSet::new(),
        found: Vec::new(),
    };
    module.visit(&mut visitor);
    visitor.found
}

/// Two parameters that end up under one Hugging Face name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{first} and {second} are both called {name} in Hugging Face's naming; correct the table of names"
)]
pub struct NameClash {
    /// The name both get.
    pub name: String,
    /// Path of the first in the module.
    pub first: String,
    /// Path of the second.
    pub second: String,
}

/// The module's parameters by Hugging Face name: the inverse of `names` on this module.
///
/// That it can be built is the proof that the table is one-to-one; a test of each architecture
/// calls it.
///
/// # Errors
/// If two parameters share a name.
pub fn parameters_by_name<M: Module>(
    module: &M,
    names: &Names,
) -> Result<BTreeMap<String, Parameter>, NameClash> {
    let mut table: BTreeMap<String, Parameter> = BTreeMap::new();
    for parameter in parameters(module, names) {
        if let Some(first) = table.get(&parameter.name) {
            return Err(NameClash {
                name: parameter.name,
                first: first.path.clone(),
                second: parameter.path,
            });
        }
        table.insert(parameter.name.clone(), parameter);
    }
    Ok(table)
}

/// Where a visitor or mapper stands in a module: names of fields and, for each, of its owner.
#[derive(Debug, Default)]
pub(crate) struct Position {
    segments: Vec<(String, String)>,
}

impl Position {
    /// Follows `enter_module`.
    pub(crate) fn enter(&mut self, name: &str, container: &str) {
        self.segments.push((name.to_owned(), container.to_owned()));
    }

    /// Follows `exit_module`.
    pub(crate) fn exit(&mut self) {
        self.segments.pop();
    }

    /// The parameter standing here. `shape` is the one the module holds.
    pub(crate) fn parameter(&self, names: &Names, id: ParamId, shape: &[usize]) -> Parameter {
        let mut segments: Vec<&str> = self
            .segments
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        let path = segments.join(".");
        let mut shape = shape.to_vec();
        let mut transposed = false;
        if let Some((field, container)) = self.segments.last() {
            match (container.as_str(), field.as_str()) {
                ("Struct:Linear", "weight") if shape.len() == 2 => {
                    transposed = true;
                    shape.reverse();
                }
                ("Struct:LayerNorm", "gamma") => replace_last(&mut segments, "weight"),
                ("Struct:LayerNorm", "beta") => replace_last(&mut segments, "bias"),
                ("Struct:LowRank" | "Struct:LoraAdapter", "a" | "b") => {
                    transposed = true;
                    shape.reverse();
                    let factor = if field == "a" { "lora_A" } else { "lora_B" };
                    // Kiln's and Burn's own; behind the layer: weight, lora, a.
                    segments.truncate(segments.len().saturating_sub(3));
                    segments.extend([factor, "weight"]);
                }
                _ => {}
            }
        }
        Parameter {
            name: names.to_hugging_face(&segments.join(".")),
            path,
            id,
            shape,
            transposed,
        }
    }
}

fn replace_last<'a>(segments: &mut [&'a str], by: &'a str) {
    if let Some(last) = segments.last_mut() {
        *last = by;
    }
}

struct Walk<'a> {
    names: &'a Names,
    position: Position,
    seen: HashSet<ParamId>,
    found: Vec<Parameter>,
}

impl ModuleVisitor for Walk<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.position.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.position.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.seen.insert(param.id) {
            let shape = param.lazy_shape();
            let parameter = self
                .position
                .parameter(self.names, param.id, shape.as_slice());
            self.found.push(parameter);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::{Lora, ParamGroup};
    use burn::nn::LinearConfig;

    use super::*;

    #[test]
    fn an_adapter_stands_beside_its_weight_as_peft_has_it() {
        let device = kiln_testing::devices().remove(0).1;
        let linear = LinearConfig::new(5, 3).init(&device);
        let group = ParamGroup::from_paths(vec!["weight"]);
        let linear = linear.apply_lora(Lora::new(2, 4.0).set_param_group(group));
        let found = parameters(&linear, &Names::SAME);
        let found: Vec<(&str, &[usize], bool)> = found
            .iter()
            .map(|found| {
                (
                    found.name.as_str(),
                    found.shape.as_slice(),
                    found.transposed,
                )
            })
            .collect();
        let expected: [(&str, &[usize], bool); 4] = [
            ("weight", &[3, 5], true),
            ("lora_A.weight", &[2, 5], true),
            ("lora_B.weight", &[3, 2], true),
            ("bias", &[3], false),
        ];
        assert_eq!(found, expected);
    }
}
