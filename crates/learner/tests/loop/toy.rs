//! A small objective that uses everything the loop provides: two parts with an optimizer each, a
//! scratch value between them, a carried state, dropout.

use std::sync::Arc;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use kiln_checkpoint::{
    LoadOptions, ModelFile, NamedTensor, Names, OpenError, WriteError, load_module, module_tensors,
    write_safetensors,
};
use kiln_learner::upload::floats;
use kiln_learner::{
    Carry, ConstantGuess, Measure, ModelFiles, Objective, PartOutput, PartSpec, TermSpec,
    TrainingSettings,
};
use kiln_nn::{Dropout, Init, like, untracked, widened};
use kiln_text::rng::{Purpose, Rng};
use kiln_text::{BatchSource, HostBatch, TextError};

#[derive(Module, Debug)]
pub(crate) struct Toy {
    generator: Linear,
    discriminator: Linear,
    dropout: Dropout,
}

/// Part 0 fits y from x; part 1 fits y from part 0's detached answer and the carried mean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToyObjective;

impl ToyObjective {
    pub(crate) fn model(device: &Device) -> Toy {
        Self::model_with(device, 0.1)
    }

    pub(crate) fn model_without_dropout(device: &Device) -> Toy {
        Self::model_with(device, 0.0)
    }

    pub(crate) fn files() -> ModelFiles<Toy> {
        ModelFiles::new(
            |model, folder| {
                let tensors = module_tensors(model, &Names::SAME)?;
                write_safetensors(&folder.join("model.safetensors"), &tensors)
            },
            |model, folder| {
                let file = ModelFile::open(folder)?;
                Ok(load_module(model, &Names::SAME, &file, &LoadOptions::default())?.0)
            },
        )
    }

    fn model_with(device: &Device, dropout: f64) -> Toy {
        let mut init = Init::new(7, 0.5, device);
        Toy {
            generator: init.linear(3, 1),
            discriminator: init.linear(2, 1),
            dropout: Dropout::new(dropout),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct ToyBatch {
    x: Tensor<2>,
    y: Tensor<2>,
    weights: Tensor<2>,
}

#[derive(Debug, Default)]
pub(crate) struct Answer(Option<Tensor<2>>);

/// The carried mean, `[1]`.
#[derive(Debug, Clone)]
pub(crate) struct Mean(Tensor<1>);

impl Carry for Mean {
    fn tensors(&self) -> Result<Vec<NamedTensor>, WriteError> {
        let data = self.0.clone().into_data().try_into_vec_as::<f32>().unwrap();
        Ok(vec![NamedTensor {
            name: "mean".into(),
            shape: vec![1],
            data,
        }])
    }

    fn restored(self, tensors: Vec<NamedTensor>) -> Result<Self, OpenError> {
        let data = tensors.into_iter().next().expect("saved").data;
        let data = TensorData::new(data, [1]);
        Ok(Self(Tensor::from_data(data, &self.0.device())))
    }
}

impl Objective for ToyObjective {
    type Model = Toy;
    type Batch = ToyBatch;
    type Scratch = Answer;
    type Carry = Mean;

    fn parts(&self) -> Vec<PartSpec> {
        vec![
            PartSpec {
                name: "generator",
                trains: &["generator."],
            },
            PartSpec {
                name: "discriminator",
                trains: &["discriminator."],
            },
        ]
    }

    fn terms(&self) -> Vec<TermSpec> {
        let term = |name, part, coefficient| TermSpec {
            name,
            part,
            coefficient,
            is_perplexity: false,
            constant: ConstantGuess::Untold,
        };
        vec![
            term("generator_loss", 0, 1.0),
            term("discriminator_loss", 1, 2.0),
        ]
    }

    fn measure_names(&self) -> Vec<&'static str> {
        vec!["size"]
    }

    fn weights(&self, batch: &HostBatch) -> Vec<f64> {
        let sum: f64 = batch.floats["weights"]
            .data
            .iter()
            .map(|&w| f64::from(w))
            .sum();
        vec![sum, sum]
    }

    fn upload(&self, batch: &HostBatch, device: &Device) -> ToyBatch {
        ToyBatch {
            x: floats(batch, "x", device),
            y: floats(batch, "y", device),
            weights: floats(batch, "weights", device),
        }
    }

    fn start_carry(&self, device: &Device) -> Mean {
        Mean(Tensor::zeros([1], &device.clone().inner()))
    }

    fn forward(
        &self,
        model: &Toy,
        part: usize,
        batch: &ToyBatch,
        scratch: Answer,
        Mean(carry): &Mean,
    ) -> PartOutput<Self> {
        let weight = model.generator.weight.val();
        let x = like(model.dropout.forward(batch.x.clone()), &weight);
        let (prediction, scratch, next) = if part == 0 {
            let answer = model.generator.forward(x);
            let plain = untracked(answer.clone());
            (answer, Answer(Some(plain)), carry.clone())
        } else {
            let answer = scratch.0.expect("part 0 ran");
            let [rows, _] = answer.dims();
            let memory = carry.clone().reshape([1, 1]).repeat_dim(0, rows);
            let next = carry.clone() * 0.5 + widened(answer.clone()).mean() * 0.5;
            let inputs = Tensor::cat(vec![answer, like(memory, &weight)], 1);
            (model.discriminator.forward(inputs), Answer(None), next)
        };
        let error = (widened(prediction) - batch.y.clone()) * batch.weights.clone();
        PartOutput {
            sums: vec![error.clone().square().sum()],
            measures: vec![Measure {
                name: "size",
                sum: error.detach().abs().sum(),
                weight: batch.weights.clone().sum(),
            }],
            scratch,
            carry: Mean(next),
        }
    }
}

/// Rows of x with y = x summed up, as a function of the row's number; every third row weighs
/// nothing. Batch `poison_from..poison_to` holds an infinity.
#[derive(Debug, Clone)]
pub(crate) struct ToySource {
    pub(crate) batch_size: usize,
    pub(crate) poison: std::ops::Range<u64>,
}

impl ToySource {
    pub(crate) fn new(batch_size: usize) -> Arc<Self> {
        Arc::new(Self {
            batch_size,
            poison: 0..0,
        })
    }
}

impl BatchSource for ToySource {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let mut batch = HostBatch::default();
        let (mut x, mut y, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..self.batch_size as u64 {
            let number = index * self.batch_size as u64 + row;
            let mut rng = Rng::at(5, Purpose::Examples, number, 0);
            let values: Vec<f32> = (0..3).map(|_| rng.unit() as f32 - 0.5).collect();
            y.push(values.iter().sum());
            x.extend(values);
            weights.push(if number.is_multiple_of(3) { 0.0 } else { 1.0 });
        }
        if self.poison.contains(&index) {
            x[0] = f32::INFINITY;
            weights[0] = 1.0;
        }
        let rows = self.batch_size;
        batch.real_tokens = 3 * rows;
        batch.all_tokens = 4 * rows;
        batch.insert_floats("x", x, &[rows, 3]);
        batch.insert_floats("y", y, &[rows, 1]);
        batch.insert_floats("weights", weights, &[rows, 1]);
        Ok(batch)
    }
}

pub(crate) fn settings(steps: u64) -> TrainingSettings {
    TrainingSettings {
        steps,
        batch_size: 6,
        warmup: 2,
        eval_every: 4,
        save_every: 3,
        keep_last: 2,
        keep_best: 1,
        optimizer: kiln_learner::OptimizerSettings {
            learning_rate: 0.05,
            ..Default::default()
        },
        ..Default::default()
    }
}
