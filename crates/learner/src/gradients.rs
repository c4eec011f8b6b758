//! Sums, norms and faults of all gradients of a part together.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use kiln_nn::fused::squared_sum;

use crate::collective::Collective;
use crate::error::LearnError;
use crate::objective::PartSpec;
use crate::optimizer::read;
use crate::paths::PathStack;

/// The squared Euclidean norm over all gradients that `part` trains with, `[1]`; none if there is
/// none.
pub(crate) fn squared_norm<M: Module>(
    model: &M,
    gradients: &GradientsParams,
    part: PartSpec,
) -> Option<Tensor<1>> {
    let mut visitor = SquaredNorm {
        gradients,
        part,
        path: PathStack::default(),
        sum: None,
    };
    model.visit(&mut visitor);
    visitor.sum
}

struct SquaredNorm<'a> {
    gradients: &'a GradientsParams,
    part: PartSpec,
    path: PathStack,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for SquaredNorm<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.part.trains(&self.path.joined()) {
            return;
        }
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let sum = squared_sum(gradient);
            self.sum = Some(match self.sum.take() {
                Some(before) => before + sum,
                None => sum,
            });
        }
    }
}

/// The paths of the parameters whose gradient holds a NaN or an infinity.
///
/// Reads every gradient back: for a step that has already failed.
pub(crate) fn not_finite<M: Module>(model: &M, gradients: &GradientsParams) -> Vec<String> {
    let mut visitor = NotFinite {
        gradients,
        path: PathStack::default(),
        found: Vec::new(),
    };
    model.visit(&mut visitor);
    visitor.found
}

struct NotFinite<'a> {
    gradients: &'a GradientsParams,
    path: PathStack,
    found: Vec<String>,
}

impl ModuleVisitor for NotFinite<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let finite =
                read(gradient).is_ok_and(|values| values.iter().all(|value| value.is_finite()));
            if !finite {
                self.found.push(self.path.joined());
            }
        }
    }
}

/// Adds up the gradients that `part` trains with over all ranks: every one of them gets the sums.
///
/// # Errors
/// If a rank has left or has gradients of other parameters, or a device fails.
pub(crate) fn sum<M: Module>(
    model: &M,
    gradients: &mut GradientsParams,
    part: PartSpec,
    collective: &dyn Collective,
) -> Result<(), LearnError> {
    if collective.ranks() == 1 {
        return Ok(());
    }
    let mut host = OnHost {
        gradients,
        part,
        path: PathStack::default(),
        values: Ok(Vec::new()),
    };
    model.visit(&mut host);
    let mut values = host.values?;
    collective.sum(&mut values)?;
    model.visit(&mut FromHost {
        gradients,
        part,
        path: PathStack::default(),
        values: &values,
    });
    Ok(())
}

/// Takes gradients to the host, one behind the other in the order of the parameters.
struct OnHost<'a> {
    gradients: &'a GradientsParams,
    part: PartSpec,
    path: PathStack,
    values: Result<Vec<f32>, LearnError>,
}

impl ModuleVisitor for OnHost<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.part.trains(&self.path.joined()) {
            return;
        }
        let Some(gradient) = self.gradients.get::<D>(param.id) else {
            return;
        };
        if let Ok(values) = &mut self.values {
            match read(gradient) {
                Ok(new) => values.extend(new),
                Err(error) => self.values = Err(error),
            }
        }
    }
}

/// Puts numbers from the host in the place of gradients, in the order of [`OnHost`].
struct FromHost<'a> {
    gradients: &'a mut GradientsParams,
    part: PartSpec,
    path: PathStack,
    values: &'a [f32],
}

impl ModuleVisitor for FromHost<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.part.trains(&self.path.joined()) {
            return;
        }
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return;
        };
        let (values, rest) = self.values.split_at(gradient.shape().num_elements());
        self.values = rest;
        let data = TensorData::new(values.to_vec(), gradient.shape());
        let summed = Tensor::<D>::from_data(data, &gradient.device());
        self.gradients.register(param.id, summed);
    }
}

/// Moves `gradients` to `device` and adds them to `total`, parameter by parameter.
pub(crate) fn add<M: Module>(
    model: &M,
    total: &mut GradientsParams,
    gradients: GradientsParams,
    device: &Device,
) {
    model.visit(&mut Add {
        total,
        gradients,
        device,
    });
}

struct Add<'a> {
    total: &'a mut GradientsParams,
    gradients: GradientsParams,
    device: &'a Device,
}

impl ModuleVisitor for Add<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(new) = self.gradients.remove::<D>(param.id) else {
            return;
        };
        let new = if new.device() == *self.device {
            new
        } else {
            new.to_device(self.device)
        };
        let sum = match self.total.remove::<D>(param.id) {
            Some(before) => before + new,
            None => new,
        };
        self.total.register(param.id, sum);
    }
}
