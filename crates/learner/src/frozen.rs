//! The model as a pass sees it in which some parameters stay as they are.
//!
//! A frozen parameter is a constant of the pass: nothing is tracked for it, so that a backward pass ends
//! above it, and it has no gradient that could be added up, clipped or stepped on.

use std::collections::HashSet;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

use crate::objective::ParameterGroup;
use crate::paths::PathStack;

/// The parameters of a model that stay as they are. Steps and forks leave a parameter its id.
#[derive(Debug)]
pub(crate) struct Frozen(HashSet<ParamId>);

impl Frozen {
    /// Those of `model`; `group` says how the parameter at a path is treated.
    pub(crate) fn of<M: Module>(model: &M, group: &dyn Fn(&str) -> ParameterGroup) -> Self {
        let mut find = Find {
            group,
            path: PathStack::default(),
            found: HashSet::new(),
        };
        model.visit(&mut find);
        Self(find.found)
    }

    /// A copy of `model` whose frozen parameters are constants; none if there are none.
    pub(crate) fn constant_in<M: Module>(&self, model: &M) -> Option<M> {
        (!self.0.is_empty()).then(|| model.clone().map(&mut Freeze(&self.0)))
    }
}

struct Find<'a> {
    group: &'a dyn Fn(&str) -> ParameterGroup,
    path: PathStack,
    found: HashSet<ParamId>,
}

impl ModuleVisitor for Find<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if (self.group)(&self.path.joined()).is_frozen {
            self.found.insert(param.id);
        }
    }
}

struct Freeze<'a>(&'a HashSet<ParamId>);

impl ModuleMapper for Freeze<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.0.contains(&param.id) {
            param.set_require_grad(false)
        } else {
            param
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Linear, LinearConfig};

    use super::*;

    fn model() -> Linear {
        let (_, device) = kiln_testing::devices().remove(0);
        LinearConfig::new(2, 3).init(&device.autodiff()).train()
    }

    #[test]
    fn what_is_frozen_is_a_constant_and_the_rest_is_tracked() {
        let frozen = |path: &str| ParameterGroup {
            is_frozen: path == "bias",
            ..ParameterGroup::by_name(path)
        };
        let model = model();
        let constant = Frozen::of(&model, &frozen).constant_in(&model).unwrap();
        assert!(constant.weight.is_require_grad());
        assert!(!constant.bias.unwrap().is_require_grad());
        assert!(model.bias.unwrap().is_require_grad());
    }

    #[test]
    fn a_model_of_which_nothing_is_frozen_is_not_copied() {
        let model = model();
        let frozen = Frozen::of(&model, &ParameterGroup::by_name);
        assert!(frozen.constant_in(&model).is_none());
    }
}
