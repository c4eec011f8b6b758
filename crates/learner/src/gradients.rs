//! Sums, norms and faults of all gradients of a part together.

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use kiln_nn::fused::add_squared_sum;

use crate::collective::Collective;
use crate::error::LearnError;
use crate::objective::PartSpec;
use crate::paths::PathStack;
use crate::readings::read_values;

/// What is done with one parameter's gradient after another's.
trait EachParameter {
    /// Comes to the parameter `id`, which stands at `path`.
    fn parameter<const D: usize>(&mut self, path: &str, id: ParamId);
}

/// Leads `each` through the parameters that `part` trains, in the model's order.
fn visit<M: Module, E: EachParameter>(model: &M, part: PartSpec, each: E) -> E {
    let mut visitor = Trained {
        part,
        path: PathStack::default(),
        each,
    };
    model.visit(&mut visitor);
    visitor.each
}

struct Trained<E> {
    part: PartSpec,
    path: PathStack,
    each: E,
}

impl<E: EachParameter> ModuleVisitor for Trained<E> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.joined();
        if self.part.trains(&path) {
            self.each.parameter::<D>(&path, param.id);
        }
    }
}

/// The squared Euclidean norm over all gradients that `part` trains with, `[1]`; none if there is
/// none.
pub(crate) fn squared_norm<M: Module>(
    model: &M,
    gradients: &GradientsParams,
    part: PartSpec,
) -> Option<Tensor<1>> {
    let norm = SquaredNorm {
        gradients,
        sum: None,
    };
    visit(model, part, norm).sum
}

struct SquaredNorm<'a> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl EachParameter for SquaredNorm<'_> {
    fn parameter<const D: usize>(&mut self, _: &str, id: ParamId) {
        if let Some(gradient) = self.gradients.get::<D>(id) {
            let before = self.sum.take();
            let before = before.unwrap_or_else(|| Tensor::zeros([1], &gradient.device()));
            self.sum = Some(add_squared_sum(before, gradient));
        }
    }
}

/// The paths of the parameters whose gradient holds a NaN or an infinity, whichever part trains them.
///
/// Reads every gradient back: for a step that has already failed.
pub(crate) fn not_finite<M: Module>(model: &M, gradients: &GradientsParams) -> Vec<String> {
    let faults = NotFinite {
        gradients,
        found: Vec::new(),
    };
    visit(model, PartSpec::WHOLE, faults).found
}

struct NotFinite<'a> {
    gradients: &'a GradientsParams,
    found: Vec<String>,
}

impl EachParameter for NotFinite<'_> {
    fn parameter<const D: usize>(&mut self, path: &str, id: ParamId) {
        if let Some(gradient) = self.gradients.get::<D>(id) {
            let finite = read_values(gradient)
                .is_ok_and(|values| values.iter().all(|value| value.is_finite()));
            if !finite {
                self.found.push(path.to_owned());
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
    let to_host = ToHost {
        gradients,
        values: Ok(Vec::new()),
    };
    let mut values = visit(model, part, to_host).values?;
    collective.sum(&mut values)?;
    let from_host = FromHost {
        gradients,
        values: &values,
    };
    visit(model, part, from_host);
    Ok(())
}

/// Takes gradients to the host, one behind the other.
struct ToHost<'a> {
    gradients: &'a GradientsParams,
    values: Result<Vec<f32>, LearnError>,
}

impl EachParameter for ToHost<'_> {
    fn parameter<const D: usize>(&mut self, _: &str, id: ParamId) {
        if let Ok(values) = &mut self.values
            && let Some(gradient) = self.gradients.get::<D>(id)
        {
            match read_values(gradient) {
                Ok(new) => values.extend(new),
                Err(error) => self.values = Err(error),
            }
        }
    }
}

/// Puts numbers from the host in the place of the gradients that [`ToHost`] took there.
struct FromHost<'a> {
    gradients: &'a mut GradientsParams,
    values: &'a [f32],
}

impl EachParameter for FromHost<'_> {
    fn parameter<const D: usize>(&mut self, _: &str, id: ParamId) {
        let Some(gradient) = self.gradients.remove::<D>(id) else {
            return;
        };
        let (values, rest) = self.values.split_at(gradient.shape().num_elements());
        self.values = rest;
        let data = TensorData::new(values.to_vec(), gradient.shape());
        let summed = Tensor::<D>::from_data(data, &gradient.device());
        self.gradients.register(id, summed);
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
