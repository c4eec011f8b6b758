//! How a class is fine-tuned, beside what every run is told.

use kiln_datasets::Problem;
use serde::{Deserialize, Serialize};

use super::layer_decay::LayerDecay;
use super::lora::{LoraSettings, is_adapter};
use super::place::Place;
use crate::class::Class;
use crate::class_loss::ClassLoss;
use crate::family::Family;
use crate::heads::Head;
use crate::sift::SiftSettings;

/// How a class is fine-tuned.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FineTuningSettings {
    /// Rates that fall towards the embeddings; none: one rate for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer_decay: Option<LayerDecay>,
    /// Predictions that disturbed embeddings shall not change; none: the loss of the labels alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sift: Option<SiftSettings>,
    /// What each label weighs in the loss, in the order of the labels; none: all the same. The sum of what
    /// is scored weighs divides the loss, as in PyTorch's `CrossEntropyLoss(weight)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_weights: Vec<f64>,
    /// What each label weighs in the loss where an example has it, in the order of the labels, of which an
    /// example can have several; none: as much as where it has it not. As in PyTorch's
    /// `BCEWithLogitsLoss(pos_weight)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positive_weights: Vec<f64>,
    /// ε, the share of a label's weight that is spread over all labels evenly, the label's own too, as in
    /// PyTorch's `CrossEntropyLoss(label_smoothing)`; from 0 to below 1.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub label_smoothing: f64,
    /// Whether the embeddings stay as they are: tables, their LayerNorm and projection, and what all
    /// layers share, such as DeBERTa's relative embeddings.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub freeze_embeddings: bool,
    /// How many layers stay as they are, from the lowest on.
    #[serde(default, skip_serializing_if = "is_none")]
    pub freeze_layers: usize,
    /// Low-rank adapters are trained beside the head, and nothing else; none: the weights themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraSettings>,
}

fn is_zero(share: &f64) -> bool {
    *share == 0.0
}

fn is_none(layers: &usize) -> bool {
    *layers == 0
}

impl FineTuningSettings {
    /// Refuses settings that nothing can be trained with.
    ///
    /// # Errors
    /// A sentence that names the field, its value and the remedy.
    pub fn validate(&self) -> Result<(), String> {
        self.layer_decay.map_or(Ok(()), |decay| decay.validate())?;
        self.lora.as_ref().map_or(Ok(()), LoraSettings::validate)?;
        if let Some(weight) = self
            .class_weights
            .iter()
            .find(|weight| !is_weight(**weight))
        {
            return Err(format!(
                "class_weights: {weight} is no weight; choose numbers from 0 up, e.g. 1"
            ));
        }
        let mut positive = self.positive_weights.iter();
        if let Some(weight) = positive.find(|weight| !is_weight(**weight)) {
            return Err(format!(
                "positive_weights: {weight} is no weight; choose numbers from 0 up, e.g. 1"
            ));
        }
        if !self.class_weights.is_empty() && self.class_weights.iter().all(|&weight| weight == 0.0)
        {
            return Err(
                "class_weights: all are 0, so nothing is learned; choose one above 0".to_owned(),
            );
        }
        if !(self.label_smoothing >= 0.0 && self.label_smoothing < 1.0) {
            return Err(format!(
                "label_smoothing = {}: choose a number from 0 to below 1, e.g. 0.1",
                self.label_smoothing
            ));
        }
        let sift = self.sift.as_ref();
        sift.map_or(Ok(()), SiftSettings::validate)
    }

    /// Refuses settings that a class has no use for.
    ///
    /// # Errors
    /// As [`Self::validate`].
    pub(super) fn suits<C: Class>(
        &self,
        config: &C::Config,
        problem: Problem,
    ) -> Result<(), String> {
        let (layers, labels) = (config.num_layers(), config.num_labels());
        if !self.class_weights.is_empty() {
            if !weighs_classes(problem) {
                return Err(format!(
                    "class_weights: {} has no classes to weigh; leave them out",
                    what::<C>(problem)
                ));
            }
            if self.class_weights.len() != labels {
                return Err(format!(
                    "class_weights: {} numbers, the model has {labels} labels; give one for each, in \
                     the order of their ids",
                    self.class_weights.len()
                ));
            }
        }
        if !self.positive_weights.is_empty() {
            if problem != Problem::MultiLabel {
                return Err(format!(
                    "positive_weights: {} has no labels of which a sequence can have several; leave \
                     them out",
                    what::<C>(problem)
                ));
            }
            if self.positive_weights.len() != labels {
                return Err(format!(
                    "positive_weights: {} numbers, the model has {labels} labels; give one for each, \
                     in the order of their ids",
                    self.positive_weights.len()
                ));
            }
        }
        let smooths_labels = weighs_classes(problem) || problem == Problem::Choice;
        if self.label_smoothing != 0.0 && !smooths_labels {
            return Err(format!(
                "label_smoothing = {}: {} has no classes to spread it over; leave it out",
                self.label_smoothing,
                what::<C>(problem)
            ));
        }
        if self.freeze_layers > layers {
            return Err(format!(
                "freeze_layers = {}: the model has {layers} layers; choose at most {layers}",
                self.freeze_layers
            ));
        }
        Ok(())
    }

    /// How the cross-entropy of classes, or of each label by itself, is computed.
    pub(super) fn class_loss(&self) -> ClassLoss {
        ClassLoss {
            class_weights: self.class_weights.iter().map(|&w| w as f32).collect(),
            label_smoothing: self.label_smoothing,
            positive_weights: self.positive_weights.iter().map(|&w| w as f32).collect(),
        }
    }

    /// Whether the parameter at `path` stays as it is.
    pub(super) fn freezes(&self, path: &str) -> bool {
        match Place::of(path) {
            Place::Head => false,
            _ if self.lora.is_some() && !is_adapter(path) => true,
            Place::Embeddings => self.freeze_embeddings,
            Place::Layer(layer) => layer < self.freeze_layers,
        }
    }
}

/// A class and what its labels mean, for a message.
fn what<C: Class>(problem: Problem) -> String {
    let task = C::Head::TASK;
    match problem {
        Problem::MultiLabel => format!("{task} with several labels a sequence"),
        Problem::Regression => format!("{task} with numbers"),
        _ => task.to_owned(),
    }
}

/// Whether its labels are classes that may weigh differently.
fn weighs_classes(problem: Problem) -> bool {
    matches!(problem, Problem::SingleLabel | Problem::Tags)
}

fn is_weight(weight: f64) -> bool {
    weight.is_finite() && weight >= 0.0
}

#[cfg(test)]
mod tests;
