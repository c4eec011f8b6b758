//! AdamW over a whole module, with the original BERT code's variant.
//!
//! Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization"; Devlin et al. 2019,
//! appendix A.2. With gradient g scaled by the clipping factor s:
//!
//! ```text
//! m <- b1 m + (1 - b1) s g
//! v <- b2 v + (1 - b2) (s g)^2
//! p <- p (1 - lr wd) - lr (m / c1) / (sqrt(v / c2) + eps)
//! ```
//!
//! c1 = 1 - b1^t and c2 = 1 - b2^t with bias correction, 1 without. Burn's own AdamW always
//! corrects, clips tensor by tensor, and its loop keeps a second copy of every parameter alive
//! during the update.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use kiln_checkpoint::NamedTensor;
use kiln_nn::fused::{AdamWUpdate, adamw};

use crate::error::LearnError;
use crate::objective::{ParameterGroup, PartSpec};
use crate::paths::PathStack;
use crate::readings::read_values;
use crate::settings::OptimizerSettings;

/// The two moments of one parameter, flat: `[elements]`.
#[derive(Debug)]
struct Moments {
    first: Tensor<1>,
    second: Tensor<1>,
}

/// AdamW for one part of a step.
#[derive(Debug)]
pub(crate) struct AdamW {
    settings: OptimizerSettings,
    part: PartSpec,
    moments: BTreeMap<String, Moments>,
    updates: u64,
}

impl AdamW {
    pub(crate) fn new(settings: OptimizerSettings, part: PartSpec) -> Self {
        Self {
            settings,
            part,
            moments: BTreeMap::new(),
            updates: 0,
        }
    }

    /// The part of a step that it belongs to.
    pub(crate) fn part(&self) -> PartSpec {
        self.part
    }

    /// Updates made so far; a skipped step makes none.
    pub(crate) fn updates(&self) -> u64 {
        self.updates
    }

    /// Updates every parameter of the part that has a gradient.
    ///
    /// `norm` is the gradients' global norm, finite; `group` says how the parameter at a path is
    /// treated.
    pub(crate) fn step<M: Module>(
        &mut self,
        model: M,
        gradients: GradientsParams,
        norm: f64,
        learning_rate: f64,
        group: &dyn Fn(&str) -> ParameterGroup,
    ) -> M {
        self.updates += 1;
        let (beta1, beta2) = self.settings.betas;
        let t = self.updates as f64;
        let (correction1, correction2) = if self.settings.bias_correction {
            (1.0 - beta1.powf(t), 1.0 - beta2.powf(t))
        } else {
            (1.0, 1.0)
        };
        // PyTorch's clip_grad_norm_: the small number keeps a zero norm harmless.
        let clip = self.settings.clip_norm;
        let scale = if clip > 0.0 {
            (clip / (norm + 1e-6)).min(1.0)
        } else {
            1.0
        };
        let update = AdamWUpdate {
            beta1,
            beta2,
            scale,
            // lr (m / c1) / (sqrt(v / c2) + eps), with both corrections taken out of the tensors.
            step_size: learning_rate * correction2.sqrt() / correction1,
            epsilon: self.settings.epsilon * correction2.sqrt(),
            shrink: 1.0,
        };
        model.map(&mut Step {
            update,
            decay: learning_rate * self.settings.weight_decay,
            group,
            part: self.part,
            moments: &mut self.moments,
            gradients,
            path: PathStack::default(),
        })
    }

    /// The moments by name, for a checkpoint: `exp_avg.<path>` and `exp_avg_sq.<path>`, PyTorch's
    /// words, flat.
    pub(crate) fn tensors(&self) -> Result<Vec<NamedTensor>, LearnError> {
        let mut tensors = Vec::with_capacity(2 * self.moments.len());
        for (path, moments) in &self.moments {
            for (kind, tensor) in [("exp_avg", &moments.first), ("exp_avg_sq", &moments.second)] {
                let shape = tensor.dims().to_vec();
                let data = read_values(tensor.clone())?;
                tensors.push(NamedTensor {
                    name: format!("{kind}.{path}"),
                    shape,
                    data,
                });
            }
        }
        Ok(tensors)
    }

    /// Takes up the state that [`Self::tensors`] gave.
    pub(crate) fn restore(
        &mut self,
        updates: u64,
        tensors: Vec<NamedTensor>,
        device: &Device,
    ) -> Result<(), String> {
        let mut by_name: BTreeMap<String, Tensor<1>> = BTreeMap::new();
        for tensor in tensors {
            let count = tensor.data.len();
            let data = TensorData::new(tensor.data, [count]);
            by_name.insert(tensor.name, Tensor::from_data(data, device));
        }
        self.updates = updates;
        self.moments.clear();
        while let Some((name, first)) = by_name.pop_first() {
            let Some(path) = name.strip_prefix("exp_avg.") else {
                return Err(format!("{name}: not a name of the optimizer's state"));
            };
            let second = by_name
                .remove(&format!("exp_avg_sq.{path}"))
                .ok_or_else(|| format!("exp_avg_sq.{path} is missing"))?;
            if first.dims() != second.dims() {
                return Err(format!("{path}: the two moments differ in size"));
            }
            self.moments
                .insert(path.to_owned(), Moments { first, second });
        }
        Ok(())
    }
}

struct Step<'a> {
    /// Of a parameter with the learning rate as it is, and without decay.
    update: AdamWUpdate,
    /// The share of itself that a parameter with decay loses.
    decay: f64,
    group: &'a dyn Fn(&str) -> ParameterGroup,
    part: PartSpec,
    moments: &'a mut BTreeMap<String, Moments>,
    gradients: GradientsParams,
    path: PathStack,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.joined();
        if !self.part.trains(&path) {
            return param;
        }
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return param;
        };
        // Consuming keeps this the only handle, so that the update works in place.
        let (id, tensor, mapper) = param.consume();
        let requires_grad = tensor.is_require_grad();
        let is_autodiff = tensor.is_autodiff();
        let shape = tensor.shape();
        let count = shape.num_elements();
        let value = tensor.inner().reshape([count]);
        let moments = self.moments.remove(&path).unwrap_or_else(|| Moments {
            first: value.zeros_like(),
            second: value.zeros_like(),
        });
        let group = (self.group)(&path);
        let mut update = self.update;
        update.step_size *= group.rate_factor;
        if group.decays {
            update.shrink = 1.0 - self.decay * group.rate_factor;
        }
        let gradient = gradient.reshape([count]);
        let (value, first, second) = adamw(value, gradient, moments.first, moments.second, update);
        self.moments.insert(path, Moments { first, second });
        let value = value.reshape(shape);
        let value = if is_autodiff {
            Tensor::from_inner(value)
        } else {
            value
        };
        let value = if requires_grad {
            value.require_grad()
        } else {
            value
        };
        Param::from_mapped_value(id, value, mapper)
    }
}
