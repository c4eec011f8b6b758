//! One optimizer step: every part, every micro-batch, every device.

use std::sync::Arc;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use kiln_text::HostBatch;

use crate::error::LearnError;
use crate::gradients;
use crate::objective::{Measure, Objective, PartSpec, TermSpec, Weight};
use crate::optimizer::{AdamW, read};
use crate::settings::TrainingSettings;

/// What a step did.
#[derive(Debug)]
pub(crate) struct StepOutcome {
    /// Name and value: losses, accuracies, gradient norm.
    pub(crate) values: Vec<(String, f64)>,
    /// The parameters whose gradient was not finite; then neither the part they belong to nor those
    /// after it changed anything.
    pub(crate) not_finite: Option<Vec<String>>,
}

/// Makes optimizer steps. Holds what changes from step to step besides the model.
#[derive(Debug)]
pub(crate) struct Stepper<O: Objective> {
    objective: Arc<O>,
    parts: Vec<PartSpec>,
    terms: Vec<TermSpec>,
    devices: Vec<Device>,
    seed: u64,
    pub(crate) optimizers: Vec<AdamW>,
    /// One a micro-batch of a step: what number m leaves is for number m of the next step.
    pub(crate) carries: Vec<O::Carry>,
}

impl<O: Objective> Stepper<O> {
    /// A stepper at the start of a run. `devices` are autodiff devices; the first holds the model.
    pub(crate) fn new(
        objective: Arc<O>,
        devices: Vec<Device>,
        settings: &TrainingSettings,
    ) -> Self {
        let parts = objective.parts();
        Self {
            terms: objective.terms(),
            optimizers: parts
                .iter()
                .map(|&part| AdamW::new(settings.optimizer.clone(), part))
                .collect(),
            carries: (0..devices.len() * settings.accumulate)
                .map(|m| objective.start_carry(&devices[m % devices.len()]))
                .collect(),
            parts,
            devices,
            seed: settings.seed,
            objective,
        }
    }

    /// Makes step `step` on `batches`: micro-batch m runs on device m mod devices.
    ///
    /// The devices take turns: on a GPU the work of one goes on while the next is fed, and the
    /// process-wide random generators that Burn's backends share are drawn from in a fixed order.
    pub(crate) fn step(
        &mut self,
        mut model: O::Model,
        step: u64,
        batches: &[HostBatch],
        learning_rate: f64,
    ) -> (O::Model, Result<StepOutcome, LearnError>) {
        let lanes = self.devices.len();
        let weights: Vec<Vec<f64>> = batches
            .iter()
            .map(|batch| self.objective.weights(batch))
            .collect();
        let totals: Vec<f64> = (0..self.terms.len())
            .map(|term| weights.iter().map(|w| w[term]).sum())
            .collect();
        let uploaded: Vec<O::Batch> = batches
            .iter()
            .enumerate()
            .map(|(m, batch)| self.objective.upload(batch, &self.devices[m % lanes]))
            .collect();
        let mut scratches: Vec<O::Scratch> =
            batches.iter().map(|_| O::Scratch::default()).collect();
        let start_carries = self.carries.clone();
        let mut values = Vec::new();
        let mut loss = 0.0;
        let mut squared_norms = 0.0;

        for (index, &part) in self.parts.clone().iter().enumerate() {
            self.carries.clone_from(&start_carries);
            let replicas: Vec<O::Model> = self.devices[1..]
                .iter()
                .map(|device| model.clone().fork(device))
                .collect();
            let mut gradients = GradientsParams::new();
            let mut readings = Readings::default();

            for (m, batch) in uploaded.iter().enumerate() {
                let lane = m % lanes;
                let device = &self.devices[lane];
                let on_device = if lane == 0 {
                    &model
                } else {
                    &replicas[lane - 1]
                };
                // Dropout and sampling are functions of their address: a resumed run needs no
                // generator's state.
                kiln_backend::seed(device, device_seed(self.seed, step, m as u64, index as u64));
                let output = self.objective.forward(
                    on_device,
                    index,
                    batch,
                    std::mem::take(&mut scratches[m]),
                    &self.carries[m],
                );
                scratches[m] = output.scratch;
                self.carries[m] = output.carry;

                let mut micro_loss: Option<Tensor<1>> = None;
                for (term, sum) in self.terms_of(index).zip(output.sums) {
                    readings.term(term, sum.clone().detach());
                    let divisor = divisor(totals[term]);
                    let share = sum.mul_scalar(self.terms[term].coefficient / divisor);
                    micro_loss = Some(match micro_loss {
                        Some(before) => before + share,
                        None => share,
                    });
                }
                for measure in output.measures {
                    readings.measure(measure);
                }
                if let Some(micro_loss) = micro_loss {
                    let new = GradientsParams::from_grads(micro_loss.backward(), on_device);
                    gradients::add(
                        &model,
                        &mut gradients,
                        new,
                        &self.devices[0].clone().inner(),
                    );
                }
            }
            drop(replicas);

            let squared = gradients::squared_norm(&model, &gradients, part);
            let read = match readings.read(squared) {
                Ok(read) => read,
                Err(error) => return (model, Err(error)),
            };
            for term in self.terms_of(index) {
                let mean = read.term_sum(term) / divisor(totals[term]);
                values.push((self.terms[term].name.to_owned(), mean));
                if self.terms[term].is_perplexity {
                    let name = self.terms[term].name.trim_end_matches("loss");
                    values.push((format!("{name}perplexity"), mean.exp()));
                }
                loss += self.terms[term].coefficient * mean;
            }
            values.extend(read.measures());
            squared_norms += read.squared_norm;

            let norm = read.squared_norm.sqrt();
            if !norm.is_finite() {
                self.carries = start_carries;
                let mut tensors = gradients::not_finite(&model, &gradients);
                if tensors.is_empty() {
                    // Each one finite, the sum of their squares not.
                    tensors.push("all parameters together (their norm overflows)".to_owned());
                }
                let values = with_totals(values, loss, norm);
                return (
                    model,
                    Ok(StepOutcome {
                        values,
                        not_finite: Some(tensors),
                    }),
                );
            }
            model = self.optimizers[index].step(model, gradients, norm, learning_rate);
        }
        let values = with_totals(values, loss, squared_norms.sqrt());
        (
            model,
            Ok(StepOutcome {
                values,
                not_finite: None,
            }),
        )
    }

    fn terms_of(&self, part: usize) -> impl Iterator<Item = usize> + use<'_, O> {
        (0..self.terms.len()).filter(move |&term| self.terms[term].part == part)
    }
}

/// Runs all parts of `objective` on `batches` without gradients and gives the means.
///
/// `model` and `device` are plain (not autodiff): dropout is off and nothing is tracked.
pub(crate) fn evaluate<O: Objective>(
    objective: &O,
    model: &O::Model,
    device: &Device,
    batches: impl Iterator<Item = Result<HostBatch, LearnError>>,
    seed: u64,
) -> Result<Vec<(String, f64)>, LearnError> {
    let terms = objective.terms();
    let mut totals = vec![0.0; terms.len()];
    let mut sums = vec![0.0; terms.len()];
    let mut measures: Vec<(&'static str, f64, f64)> = Vec::new();
    let mut carry = objective.start_carry(device);
    for (index, host) in batches.enumerate() {
        let host = host?;
        for (total, weight) in totals.iter_mut().zip(objective.weights(&host)) {
            *total += weight;
        }
        let batch = objective.upload(&host, device);
        let mut scratch = O::Scratch::default();
        let mut readings = Readings::default();
        let mut next_carry = carry.clone();
        for part in 0..objective.parts().len() {
            kiln_backend::seed(device, device_seed(seed, 0, index as u64, part as u64));
            let output = objective.forward(model, part, &batch, scratch, &carry);
            let of_part = (0..terms.len()).filter(|&term| terms[term].part == part);
            for (term, sum) in of_part.zip(output.sums) {
                readings.term(term, sum);
            }
            for measure in output.measures {
                readings.measure(measure);
            }
            scratch = output.scratch;
            next_carry = output.carry;
        }
        carry = next_carry;
        let read = readings.read(None)?;
        for (term, sum) in sums.iter_mut().enumerate() {
            *sum += read.term_sum(term);
        }
        for (name, sum, weight) in &read.measures {
            match measures.iter_mut().find(|(known, _, _)| known == name) {
                Some((_, total_sum, total_weight)) => {
                    *total_sum += sum;
                    *total_weight += weight;
                }
                None => measures.push((name, *sum, *weight)),
            }
        }
    }
    let mut values = Vec::new();
    let mut loss = 0.0;
    for ((term, sum), total) in terms.iter().zip(sums).zip(totals) {
        let mean = sum / divisor(total);
        loss += term.coefficient * mean;
        values.push((term.name.to_owned(), mean));
        if term.is_perplexity {
            let name = term.name.trim_end_matches("loss");
            values.push((format!("{name}perplexity"), mean.exp()));
        }
    }
    values.insert(0, ("loss".to_owned(), loss));
    values.extend(
        measures
            .into_iter()
            .map(|(name, sum, weight)| (name.to_owned(), sum / divisor(weight))),
    );
    Ok(values)
}

/// The seed of a device's generator for one forward pass.
///
/// SplitMix64 over the address, so that neighbouring steps get unrelated seeds.
fn device_seed(seed: u64, step: u64, micro_step: u64, part: u64) -> u64 {
    kiln_text::rng::Rng::at(
        seed,
        kiln_text::rng::Purpose::Device,
        step,
        (micro_step << 8) | part,
    )
    .next_u64()
}

/// A term that nothing was counted for has the sum 0: its mean is 0, not 0/0.
fn divisor(weight: f64) -> f64 {
    if weight > 0.0 { weight } else { 1.0 }
}

fn with_totals(mut values: Vec<(String, f64)>, loss: f64, norm: f64) -> Vec<(String, f64)> {
    values.insert(0, ("loss".to_owned(), loss));
    values.push(("grad_norm".to_owned(), norm));
    values
}

/// Scalars on the device, gathered so that a part reads back once.
#[derive(Default)]
struct Readings {
    tensors: Vec<Tensor<1>>,
    slots: Vec<Slot>,
}

enum Slot {
    Term(usize),
    Measure {
        name: &'static str,
        weight: f64,
    },
    /// The sum, then the weight, of a measure counted on the device.
    MeasureOnDevice {
        name: &'static str,
    },
}

impl Readings {
    fn term(&mut self, term: usize, sum: Tensor<1>) {
        self.tensors.push(sum);
        self.slots.push(Slot::Term(term));
    }

    fn measure(&mut self, measure: Measure) {
        self.tensors.push(measure.sum.detach());
        match measure.weight {
            Weight::Host(weight) => {
                self.slots.push(Slot::Measure {
                    name: measure.name,
                    weight,
                });
            }
            Weight::Device(weight) => {
                self.tensors.push(weight.detach());
                self.slots
                    .push(Slot::MeasureOnDevice { name: measure.name });
            }
        }
    }

    fn read(self, squared_norm: Option<Tensor<1>>) -> Result<Read, LearnError> {
        let has_norm = squared_norm.is_some();
        let tensors: Vec<Tensor<1>> = self
            .tensors
            .into_iter()
            .chain(squared_norm)
            .map(|tensor| {
                if tensor.is_autodiff() {
                    tensor.inner()
                } else {
                    tensor
                }
            })
            .collect();
        let numbers = read_all(tensors)?;
        let mut numbers = numbers.into_iter();
        let mut next = || numbers.next().map_or(f64::NAN, f64::from);
        let mut read = Read::default();
        for slot in self.slots {
            match slot {
                Slot::Term(term) => read.terms.push((term, next())),
                Slot::Measure { name, weight } => read.add(name, next(), weight),
                Slot::MeasureOnDevice { name } => {
                    let sum = next();
                    read.add(name, sum, next());
                }
            }
        }
        if has_norm {
            read.squared_norm = next();
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
        for (index, number) in indices.into_iter().zip(read(Tensor::cat(group, 0))?) {
            numbers[index] = number;
        }
    }
    Ok(numbers)
}

/// What a part's readings say.
#[derive(Default)]
struct Read {
    terms: Vec<(usize, f64)>,
    measures: Vec<(&'static str, f64, f64)>,
    squared_norm: f64,
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

    fn term_sum(&self, term: usize) -> f64 {
        self.terms
            .iter()
            .filter(|(known, _)| *known == term)
            .map(|(_, sum)| sum)
            .sum()
    }

    fn measures(&self) -> impl Iterator<Item = (String, f64)> + '_ {
        self.measures
            .iter()
            .map(|&(name, sum, weight)| (name.to_owned(), sum / divisor(weight)))
    }
}
