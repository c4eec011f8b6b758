//! One optimizer step: every part, every micro-batch, every device, every rank.

use std::sync::Arc;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use kiln_checkpoint::safetensors_bytes;
use kiln_text::HostBatch;
use kiln_text::rng::{Purpose, Rng};

use crate::collective::{Alone, Collective};
use crate::error::LearnError;
use crate::frozen::Frozen;
use crate::gradients;
use crate::objective::{Carry as _, Objective, PartSpec};
use crate::optimizer::AdamW;
use crate::orders::share;
use crate::placement::Placement;
use crate::precision::Precision;
use crate::readings::{Read, Readings};
use crate::settings::TrainingSettings;
use crate::terms::Terms;

/// What a step did.
#[derive(Debug)]
pub(crate) struct StepOutcome {
    /// Name and value: losses, accuracies, gradient norm.
    pub(crate) values: Vec<(String, f64)>,
    /// The parameters whose gradient was not finite; then neither the part they belong to nor those
    /// after it changed anything.
    pub(crate) not_finite: Option<Vec<String>>,
    /// Tokens in the step's batches, on all ranks, without padding.
    pub(crate) real_tokens: f64,
    /// Tokens in them, padding included.
    pub(crate) all_tokens: f64,
}

/// Makes optimizer steps. Holds what changes from step to step besides the model.
#[derive(Debug)]
pub(crate) struct Stepper<O: Objective> {
    objective: Arc<O>,
    parts: Vec<PartSpec>,
    terms: Terms,
    /// Autodiff devices.
    pub(crate) placement: Placement,
    /// The ranks that make the step together.
    pub(crate) collective: Arc<dyn Collective>,
    precision: Precision,
    seed: u64,
    pub(crate) optimizers: Vec<AdamW>,
    /// One for each of this rank's micro-batches of a step: what number m leaves is for number m of
    /// the next step.
    pub(crate) carries: Vec<O::Carry>,
    /// Found in the first step's model: it depends on paths alone.
    frozen: Option<Frozen>,
}

impl<O: Objective> Stepper<O> {
    /// A stepper at the start of a run, on the autodiff devices of `placement`.
    pub(crate) fn new(
        objective: Arc<O>,
        placement: Placement,
        collective: Arc<dyn Collective>,
        settings: &TrainingSettings,
    ) -> Self {
        let parts = objective.parts();
        Self {
            terms: Terms::of(&*objective),
            optimizers: parts
                .iter()
                .map(|&part| AdamW::new(settings.optimizer.clone(), part))
                .collect(),
            carries: placement
                .mine()
                .map(|m| objective.start_carry(placement.of(m).1))
                .collect(),
            parts,
            frozen: None,
            placement,
            collective,
            precision: settings.precision,
            seed: settings.seed,
            objective,
        }
    }

    /// Makes step `step` on `batches`, this rank's, each where it is placed.
    ///
    /// All ranks make the step, and leave the same model.
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
        let counts = match self.count(batches) {
            Ok(counts) => counts,
            Err(error) => return (model, Err(error)),
        };
        let totals = &counts.totals;
        let mine = self.placement.mine();
        let uploaded: Vec<O::Batch> = mine
            .clone()
            .zip(batches)
            .map(|(m, batch)| self.objective.upload(batch, self.placement.of(m).1))
            .collect();
        let mut scratches: Vec<O::Scratch> =
            batches.iter().map(|_| O::Scratch::default()).collect();
        let start_carries = self.carries.clone();
        let objective = &self.objective;
        let group = |path: &str| objective.group(path);
        let all_frozen = self
            .frozen
            .get_or_insert_with(|| Frozen::of(&model, &group));
        let mut values = Vec::new();
        let mut loss = 0.0;
        let mut squared_norms = 0.0;

        for (index, &part) in self.parts.clone().iter().enumerate() {
            self.carries.clone_from(&start_carries);
            let others = self.placement.others().iter();
            let replicas: Vec<O::Model> = others.map(|device| model.clone().fork(device)).collect();
            let frozen: Vec<Option<O::Model>> = std::iter::once(&model)
                .chain(&replicas)
                .map(|model| all_frozen.constant_in(model))
                .collect();
            let mut gradients = GradientsParams::new();
            let mut readings = Readings::default();

            for (place, (m, batch)) in mine.clone().zip(&uploaded).enumerate() {
                let (replica, device) = self.placement.of(m);
                let on_device = match (&frozen[replica], replica) {
                    (Some(frozen), _) => frozen,
                    (None, 0) => &model,
                    (None, replica) => &replicas[replica - 1],
                };
                seed(device, self.seed, (step, m, index));
                // Anew for each: a backward pass uses its casts up.
                let cast = self.precision.cast(on_device);
                let output = self.objective.forward(
                    cast.as_ref().unwrap_or(on_device),
                    index,
                    batch,
                    std::mem::take(&mut scratches[place]),
                    &self.carries[place],
                );
                scratches[place] = output.scratch;
                self.carries[place] = output.carry;
                readings.part(self.terms.of_part(index), &output.sums, output.measures);
                if let Some(loss) = self.terms.share(index, output.sums, totals) {
                    let new = GradientsParams::from_grads(loss.backward(), on_device);
                    gradients::add(
                        &model,
                        &mut gradients,
                        new,
                        &self.placement.first().clone().inner(),
                    );
                }
            }
            drop((frozen, replicas));

            let read =
                gradients::sum(&model, &mut gradients, part, &*self.collective).and_then(|()| {
                    let squared = gradients::squared_norm(&model, &gradients, part);
                    readings.read(squared, &*self.collective)
                });
            let read = match read {
                Ok(read) => read,
                Err(error) => return (model, Err(error)),
            };
            let of_part = self.terms.of_part(index);
            let losses =
                self.terms
                    .report(of_part, |term| read.term_sum(term), totals, &mut values);
            for share in losses {
                loss += share;
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
                return (model, Ok(counts.outcome(values, Some(tensors))));
            }
            let optimizer = &mut self.optimizers[index];
            model = optimizer.step(model, gradients, norm, learning_rate, &group);
        }
        let values = with_totals(values, loss, squared_norms.sqrt());
        (model, Ok(counts.outcome(values, None)))
    }

    /// What the host counts in a step's batches on all ranks, of which `batches` are this one's.
    fn count(&self, batches: &[HostBatch]) -> Result<Counts, LearnError> {
        let mut mine = Vec::new();
        for batch in batches {
            mine.extend(self.objective.weights(batch));
            mine.extend([batch.real_tokens as f64, batch.all_tokens as f64]);
        }
        let terms = self.terms.all().len();
        let mut counts = Counts {
            totals: vec![0.0; terms],
            real_tokens: 0.0,
            all_tokens: 0.0,
        };
        // Rank by rank is in the order of the micro-batches.
        for batch in share(&*self.collective, &mine)?
            .iter()
            .flat_map(|rank| rank.chunks_exact(terms + 2))
        {
            Terms::count(&mut counts.totals, &batch[..terms]);
            counts.real_tokens += batch[terms];
            counts.all_tokens += batch[terms + 1];
        }
        Ok(counts)
    }

    /// What is carried from step to step, as safetensors files by the number of their micro-batch;
    /// empty where there is nothing. Every rank hands over its own, rank 0 gets them: `write` is
    /// called there alone.
    pub(crate) fn gather_carries(
        &self,
        mut write: impl FnMut(usize, &[u8]) -> Result<(), LearnError>,
    ) -> Result<(), LearnError> {
        // One of each rank at a time: a memory can be large.
        for (place, carry) in self.carries.iter().enumerate() {
            let tensors = carry.tensors()?;
            let bytes = match tensors.as_slice() {
                [] => Vec::new(),
                tensors => safetensors_bytes(tensors)?,
            };
            for (rank, bytes) in self.collective.gather(&bytes)?.iter().enumerate() {
                write(self.placement.number(rank, place), bytes)?;
            }
        }
        Ok(())
    }
}

/// What is counted on the host in a step's batches, on all ranks.
struct Counts {
    /// Of each term.
    totals: Vec<f64>,
    real_tokens: f64,
    all_tokens: f64,
}

impl Counts {
    fn outcome(&self, values: Vec<(String, f64)>, not_finite: Option<Vec<String>>) -> StepOutcome {
        StepOutcome {
            values,
            not_finite,
            real_tokens: self.real_tokens,
            all_tokens: self.all_tokens,
        }
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
    let terms = Terms::of(objective);
    let mut totals = vec![0.0; terms.all().len()];
    let mut all = Read::default();
    let mut carry = objective.start_carry(device);
    for (index, host) in batches.enumerate() {
        let host = host?;
        Terms::count(&mut totals, &objective.weights(&host));
        let batch = objective.upload(&host, device);
        let mut scratch = O::Scratch::default();
        let mut readings = Readings::default();
        let mut next_carry = carry.clone();
        for part in 0..objective.parts().len() {
            self::seed(device, seed, (0, index, part));
            let output = objective.forward(model, part, &batch, scratch, &carry);
            readings.part(terms.of_part(part), &output.sums, output.measures);
            scratch = output.scratch;
            next_carry = output.carry;
        }
        carry = next_carry;
        all.extend(readings.read(None, &Alone)?);
    }
    let mut values = vec![("loss".to_owned(), 0.0)];
    let losses = terms.report(terms.all(), |term| all.term_sum(term), &totals, &mut values);
    values[0].1 = losses.into_iter().fold(0.0, |loss, share| loss + share);
    values.extend(all.measures());
    Ok(values)
}

/// Seeds a device's generator for the forward pass of (step, micro-batch, part).
///
/// Dropout and sampling are functions of their address: a resumed run needs no generator's state.
/// SplitMix64 over it, so that neighbouring steps get unrelated seeds.
fn seed(device: &Device, seed: u64, (step, m, part): (u64, usize, usize)) {
    let address = ((m as u64) << 8) | part as u64;
    let mut rng = Rng::at(seed, Purpose::Device, step, address);
    kiln_backend::seed(device, rng.next_u64());
}

fn with_totals(mut values: Vec<(String, f64)>, loss: f64, norm: f64) -> Vec<(String, f64)> {
    values.insert(0, ("loss".to_owned(), loss));
    values.push(("grad_norm".to_owned(), norm));
    values
}
