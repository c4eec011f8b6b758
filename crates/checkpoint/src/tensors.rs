//! A module's parameters or gradients as named tensors in memory, in Hugging Face's layout.

use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::parameters::{Parameter, Position};
use crate::{Names, WriteError};

/// Side of the square tiles a transposition copies at a time: 32 x 32 f32 fit the first cache.
const TILE: usize = 32;

/// A float32 tensor in memory, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// Hugging Face name.
    pub name: String,
    /// Extents, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// Elements in row-major order.
    pub data: Vec<f32>,
}

/// Every float parameter of `module` once, in the module's order.
///
/// Only values are read: nothing is recorded for differentiation, whatever device the module is on.
///
/// # Errors
/// If the device cannot give a parameter back.
pub fn module_tensors<M: Module>(
    module: &M,
    names: &Names,
) -> Result<Vec<NamedTensor>, WriteError> {
    collect(module, names, None, &|_| true)
}

/// Those of `module`'s parameters that are `wanted`, as [`module_tensors`]; the others are not read.
///
/// # Errors
/// If the device cannot give a parameter back.
pub fn tensors_where<M: Module>(
    module: &M,
    names: &Names,
    wanted: impl Fn(&Parameter) -> bool,
) -> Result<Vec<NamedTensor>, WriteError> {
    collect(module, names, None, &wanted)
}

/// The gradients of `module`'s parameters as `grad.<Hugging Face name>`, each in the shape of its
/// parameter in a Hugging Face file.
///
/// A parameter that took no part in the loss has no gradient and is left out.
///
/// # Errors
/// If the device cannot give a gradient back.
pub fn gradient_tensors<M: Module>(
    module: &M,
    gradients: &GradientsParams,
    names: &Names,
) -> Result<Vec<NamedTensor>, WriteError> {
    collect(module, names, Some(gradients), &|_| true)
}

fn collect<M: Module>(
    module: &M,
    names: &Names,
    gradients: Option<&GradientsParams>,
    wanted: &dyn Fn(&Parameter) -> bool,
) -> Result<Vec<NamedTensor>, WriteError> {
    let mut visitor = Collect {
        names,
        gradients,
        wanted,
        position: Position::default(),
        seen: HashSet::new(),
        result: Ok(Vec::new()),
    };
    module.visit(&mut visitor);
    visitor.result
}

struct Collect<'a> {
    names: &'a Names,
    /// Read these instead of the values.
    gradients: Option<&'a GradientsParams>,
    wanted: &'a dyn Fn(&Parameter) -> bool,
    position: Position,
    seen: HashSet<ParamId>,
    result: Result<Vec<NamedTensor>, WriteError>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.position.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.position.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Ok(tensors) = &mut self.result else {
            return;
        };
        if !self.seen.insert(param.id) {
            return;
        }
        let stored = param.lazy_shape();
        let mut parameter = self
            .position
            .parameter(self.names, param.id, stored.as_slice());
        if !(self.wanted)(&parameter) {
            return;
        }
        let value = match self.gradients {
            // Without `inner` a tracked computation would begin that no `backward` ever frees.
            None => param.val().inner(),
            Some(gradients) => match gradients.get::<D>(param.id) {
                Some(gradient) => gradient,
                None => return,
            },
        };
        if self.gradients.is_some() {
            parameter.name.insert_str(0, "grad.");
        }
        match value.try_into_vec_as::<f32>() {
            Ok(data) => tensors.push(NamedTensor {
                data: if parameter.transposed {
                    transpose(&data, stored.as_slice())
                } else {
                    data
                },
                name: parameter.name,
                shape: parameter.shape,
            }),
            Err(error) => {
                self.result = Err(WriteError::Device {
                    name: parameter.name,
                    reason: error.to_string(),
                });
            }
        }
    }
}

/// The transpose of a row-major matrix of shape `[rows, columns]`.
///
/// Done on the host so that the bytes are the same whichever device held the matrix.
pub(crate) fn transpose(data: &[f32], shape: &[usize]) -> Vec<f32> {
    let [rows, columns] = *shape else {
        return data.to_vec();
    };
    let mut out = vec![0.0; data.len()];
    for row_start in (0..rows).step_by(TILE) {
        let row_end = rows.min(row_start + TILE);
        for column_start in (0..columns).step_by(TILE) {
            let column_end = columns.min(column_start + TILE);
            for row in row_start..row_end {
                for column in column_start..column_end {
                    out[column * rows + row] = data[row * columns + column];
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposition_moves_every_element_across_tile_borders() {
        let (rows, columns) = (33, 70);
        let data: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
        let out = transpose(&data, &[rows, columns]);
        for row in 0..rows {
            for column in 0..columns {
                assert_eq!(out[column * rows + row], data[row * columns + column]);
            }
        }
        assert_eq!(transpose(&out, &[columns, rows]), data);
    }
}
