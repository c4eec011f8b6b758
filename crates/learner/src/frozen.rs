//! The model as a pass sees it in which some parameters stay as they are.
//!
//! A frozen parameter is a constant of the pass: nothing is tracked for it, so that a backward pass ends
//! above it, and it has no gradient that could be added up, clipped or stepped on.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::objective::ParameterGroup;
use crate::paths::PathStack;

/// A copy of `model` whose frozen parameters are constants; none if there are none.
pub(crate) fn with_frozen<M: Module>(
    model: &M,
    group: &dyn Fn(&str) -> ParameterGroup,
) -> Option<M> {
    let mut find = Find {
        group,
        path: PathStack::default(),
        is_found: false,
    };
    model.visit(&mut find);
    find.is_found.then(|| {
        let path = PathStack::default();
        model.clone().map(&mut Freeze { group, path })
    })
}

/// Whether there is a frozen parameter.
struct Find<'a> {
    group: &'a dyn Fn(&str) -> ParameterGroup,
    path: PathStack,
    is_found: bool,
}

impl ModuleVisitor for Find<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
        self.is_found |= (self.group)(&self.path.joined()).is_frozen;
    }
}

struct Freeze<'a> {
    group: &'a dyn Fn(&str) -> ParameterGroup,
    path: PathStack,
}

impl ModuleMapper for Freeze<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if (self.group)(&self.path.joined()).is_frozen {
            param.set_require_grad(false)
        } else {
            param
        }
    }
}
