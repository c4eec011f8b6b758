//! A classifier's passes under SiFT, one by one.

use burn::tensor::{Device, Int, Tensor};
use kiln_bert::{BertConfig, BertForSequenceClassification, BertInputs};
use kiln_checkpoint::ModelFile;
use kiln_nn::Init;
use kiln_tasks::Family;
use kiln_tasks::sift::{AscentLoss, CleanPass, Disturbed, SiftSettings};
use kiln_testing::{Fixture, fixtures_dir};

/// The reference's settings: steps far above the published ones, so that their direction shows.
pub(crate) fn settings(ascent_loss: AscentLoss) -> SiftSettings {
    SiftSettings {
        weight: 5.0,
        step_size: 0.1,
        init_perturbation: 0.1,
        ascent_loss,
    }
}

/// The folder of a case.
pub(crate) fn case(name: &str) -> std::path::PathBuf {
    fixtures_dir("bert", env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The configuration that both cases start from, without dropout.
pub(crate) fn config() -> BertConfig {
    let fixture = Fixture::open(&case("sequence_classification"));
    let config: BertConfig = serde_json::from_value(fixture.config).unwrap();
    config.without_dropout()
}

/// The weights that both cases start from.
pub(crate) fn classifier(device: &Device) -> BertForSequenceClassification {
    let model = BertForSequenceClassification::new(&config(), &mut Init::zeros(device));
    let file = ModelFile::open(case("sequence_classification")).unwrap();
    BertConfig::open_weights(model, &file).unwrap().0
}

/// One micro-batch on a device.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) inputs: BertInputs,
    /// `[batch]`
    pub(crate) labels: Tensor<1, Int>,
    /// `[batch]`
    pub(crate) weights: Tensor<1>,
    /// `[batch, seq_len, hidden_size]`
    pub(crate) delta: Tensor<3>,
}

impl Batch {
    /// The single batch of a case.
    pub(crate) fn of(fixture: &Fixture, device: &Device) -> Self {
        let ids = |name| fixture.input(name).int_tensor::<2>(device);
        Self {
            inputs: BertInputs {
                input_ids: ids("input_ids"),
                attention_mask: Some(ids("attention_mask")),
                token_type_ids: ids("token_type_ids"),
            },
            labels: fixture.input("labels").int_tensor::<1>(device),
            weights: Tensor::ones(fixture.input("labels").shape.clone(), device),
            delta: fixture.input("delta_0").tensor::<3>(device),
        }
    }

    /// The model from the embeddings' LayerNorm on.
    pub(crate) fn logits_of(
        &self,
    ) -> impl Fn(&BertForSequenceClassification, Tensor<3>) -> Tensor<2> + use<> {
        let attention_mask = self.inputs.attention_mask.clone();
        move |model, sum| {
            let embedded = model.bert.embeddings.finish(sum);
            let hidden_states = model.bert.encode(embedded, attention_mask.clone());
            model.logits(model.bert.pool(hidden_states).unwrap())
        }
    }

    /// The clean pass.
    pub(crate) fn clean(&self, model: &BertForSequenceClassification) -> CleanPass {
        let BertInputs {
            input_ids,
            token_type_ids,
            ..
        } = self.inputs.clone();
        let read = Disturbed::normalised(model.bert.embeddings.sum(input_ids, token_type_ids));
        CleanPass {
            logits: self.logits_of()(model, read.embedded.clone()),
            read,
            row_weights: self.weights.clone(),
        }
    }
}
