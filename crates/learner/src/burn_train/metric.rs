//! Kiln's values as burn-train metrics: what the dashboard draws and early stopping reads.

use std::collections::HashMap;
use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::logger::MetricLogger;
use burn::train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{
    Adaptor, Metric, MetricAttributes, MetricDefinition, MetricId, MetricMetadata, MetricName,
    Numeric, NumericAttributes, NumericEntry, SerializedEntry,
};

use super::trainee::StepItem;

impl Adaptor<StepItem> for StepItem {
    fn adapt(&self) -> StepItem {
        self.clone()
    }
}

/// One named value of the steps and evaluations, e.g. `mlm_loss`.
#[derive(Debug, Clone)]
pub(crate) struct StepMetric {
    name: MetricName,
    sum: f64,
    count: usize,
    last: Option<f64>,
}

impl StepMetric {
    /// The metric called `name` in `metrics.jsonl`.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: Arc::new(name.to_owned()),
            sum: 0.0,
            count: 0,
            last: None,
        }
    }

    fn mean(&self) -> f64 {
        if self.count == 0 {
            f64::NAN
        } else {
            self.sum / self.count as f64
        }
    }

    fn entry(&self) -> SerializedEntry {
        match self.last {
            Some(last) => SerializedEntry::new(
                format!("mean {:.4} - last {last:.4}", self.mean()),
                NumericEntry::Value(last).serialize(),
            ),
            None => SerializedEntry::not_available(None),
        }
    }
}

impl Metric for StepMetric {
    type Input = StepItem;

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes {
            unit: None,
            higher_is_better: self.name.ends_with("_accuracy"),
        }
        .into()
    }

    fn update(
        &mut self,
        item: &StepItem,
        _: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        let value = item
            .values
            .iter()
            .find(|(name, _)| *name == *self.name)
            .map(|&(_, v)| v);
        if let Some(value) = value {
            self.sum += value;
            self.count += 1;
        }
        self.last = value;
        Ok(self.entry())
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.entry())
    }

    fn clear(&mut self) {
        *self = Self {
            name: self.name.clone(),
            sum: 0.0,
            count: 0,
            last: None,
        };
    }
}

impl Numeric for StepMetric {
    fn value(&self) -> Option<NumericEntry> {
        self.last.map(NumericEntry::Value)
    }

    fn running_value(&self) -> Option<NumericEntry> {
        (self.count > 0).then(|| NumericEntry::Value(self.mean()))
    }

    fn final_value(&self) -> NumericEntry {
        NumericEntry::Final(self.mean())
    }
}

/// Keeps the evaluations' values, which early stopping looks up, and nothing of the steps: a
/// million of those are in `metrics.jsonl` already.
#[derive(Debug, Default)]
pub(crate) struct EvaluationLog {
    names: HashMap<MetricId, String>,
    values: HashMap<(String, usize), Vec<NumericEntry>>,
}

impl MetricLogger for EvaluationLog {
    fn log(&mut self, update: MetricsUpdate, epoch: usize, split: &Split) {
        if *split != Split::Valid {
            return;
        }
        for update in update.entries_numeric {
            let (Some(name), Some(entry)) = (
                self.names.get(&update.entry.metric_id),
                update.numeric_entry,
            ) else {
                continue;
            };
            self.values
                .entry((name.clone(), epoch))
                .or_default()
                .push(entry);
        }
    }

    fn read_numeric(
        &mut self,
        name: &str,
        epoch: usize,
        split: &Split,
    ) -> Result<Vec<NumericEntry>, String> {
        if *split != Split::Valid {
            return Ok(Vec::new());
        }
        Ok(self
            .values
            .get(&(name.to_owned(), epoch))
            .cloned()
            .unwrap_or_default())
    }

    fn log_metric_definition(&mut self, definition: MetricDefinition) {
        self.names
            .insert(definition.metric_id, definition.name.to_string());
    }

    fn log_epoch_summary(&mut self, _: EpochSummary) {}
}
