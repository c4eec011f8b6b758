//! What is read back from the devices: sums of loss terms, measures, a norm.

use burn::tensor::{Device, Tensor};
use kiln_nn::untracked;

use crate::collective::{Collective, CollectiveError};
use crate::error::LearnError;
use crate::objective::Measure;
use crate::orders::share;
use crate::terms::divisor;

/// Scalars on the device, gathered so that a part reads back once.
#[derive(Default)]
pub(crate) struct Readings {
    tensors: Vec<Tensor<1>>,
    slots: Vec<Slot>,
}

enum Slot {
    Term(usize),
    /// The sum, then the weight.
    Measure(&'static str),
}

impl Readings {
    /// Takes down what one part of a micro-batch gives: the sums of `terms`, and its measures.
    pub(crate) fn part(
        &mut self,
        terms: impl Iterator<Item = usize>,
        sums: &[Tensor<1>],
        measures: Vec<Measure>,
    ) {
        for (term, sum) in terms.zip(sums) {
            self.term(term, sum.clone());
        }
        for measure in measures {
            self.measure(measure);
        }
    }

    fn term(&mut self, term: usize, sum: Tensor<1>) {
        self.tensors.push(sum.detach());
        self.slots.push(Slot::Term(term));
    }

    fn measure(&mut self, measure: Measure) {
        self.tensors.push(measure.sum.detach());
        self.tensors.push(measure.weight.detach());
        self.slots.push(Slot::Measure(measure.name));
    }

    /// Reads everything back, and adds up what all ranks have read. The norm is rank 0's, so that no
    /// two of them can decide otherwise on it.
    pub(crate) fn read(
        self,
        squared_norm: Option<Tensor<1>>,
        collective: &dyn Collective,
    ) -> Result<Read, LearnError> {
        let has_norm = squared_norm.is_some();
        let tensors: Vec<Tensor<1>> = self
            .tensors
            .into_iter()
            .chain(squared_norm)
            .map(untracked)
            .collect();
        // The norm last, whether there is one or not.
        let mut mine: Vec<f64> = read_all(tensors)?.into_iter().map(f64::from).collect();
        mine.extend((!has_norm).then_some(0.0));

        let all = share(collective, &mine)?;
        let mut read = Read {
            squared_norm: all
                .first()
                .and_then(|first| first.last().copied())
                .unwrap_or(f64::NAN),
            ..Read::default()
        };
        for (rank, numbers) in all.into_iter().enumerate() {
            if numbers.len() != mine.len() {
                let problem = "has other measures than this one";
                return Err(CollectiveError::new(rank, problem).into());
            }
            let mut numbers = numbers.into_iter();
            let mut next = || numbers.next().unwrap_or(f64::NAN);
            for slot in &self.slots {
                match slot {
                    Slot::Term(term) => read.terms.push((*term, next())),
                    Slot::Measure(name) => {
                        let sum = next();
                        read.add(name, sum, next());
                    }
                }
            }
        }
        Ok(read)
    }
}

/// Reads scalars back: one transfer for each device they lie on.
fn read_all(tensors: Vec<Tensor<1>>) -> Result<Vec<f32>, LearnError> {
    let mut numbers = vec![f32::NAN; tensors.len()];
    let mut groups: Vec<(Device, Vec<usize>, Vec<Tensor<1>>)> = Vec::new();
    for (index, tensor) in tensors.into_iter().enumerate() {
        let device = tensor.device();
        match groups.iter_mut().find(|(known, _, _)| *known == device) {
            Some((_, indices, group)) => {
                indices.push(index);
                group.push(tensor);
            }
            None => groups.push((device, vec![index], vec![tensor])),
        }
    }
    for (_, indices, group) in groups {
        for (index, number) in indices.into_iter().zip(read_values(Tensor::cat(group, 0))?) {
            numbers[index] = number;
        }
    }
    Ok(numbers)
}

/// The numbers of a tensor on the host, row by row.
///
/// # Errors
/// If the device does not give them.
pub fn read_values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, LearnError> {
    tensor
        .try_into_vec_as::<f32>()
        .map_err(|error| LearnError::Device {
            step: 0,
            reason: error.to_string(),
        })
}

/// What readings say.
#[derive(Default)]
pub(crate) struct Read {
    terms: Vec<(usize, f64)>,
    measures: Vec<(&'static str, f64, f64)>,
    pub(crate) squared_norm: f64,
}

impl Read {
    fn add(&mut self, name: &'static str, sum: f64, weight: f64) {
        match self
            .measures
            .iter_mut()
            .find(|(known, _, _)| *known == name)
        {
            Some((_, total_sum, total_weight)) => {
                *total_sum += sum;
                *total_weight += weight;
            }
            None => self.measures.push((name, sum, weight)),
        }
    }

    /// Adds what another micro-batch says.
    pub(crate) fn extend(&mut self, other: Self) {
        self.terms.extend(other.terms);
        for (name, sum, weight) in other.measures {
            self.add(name, sum, weight);
        }
    }

    pub(crate) fn term_sum(&self, term: usize) -> f64 {
        self.terms
            .iter()
            .filter(|(known, _)| *known == term)
            .map(|(_, sum)| sum)
            .sum()
    }

    pub(crate) fn measures(&self) -> impl Iterator<Item = (String, f64)> + '_ {
        self.measures
            .iter()
            .map(|&(name, sum, weight)| (name.to_owned(), sum / divisor(weight)))
    }
}
