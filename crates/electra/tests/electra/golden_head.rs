//! A classifier's numbers on hidden states and weights from a formula.

use kiln_electra::{ElectraConfig, ElectraForSequenceClassification};
use kiln_nn::Init;
use kiln_tasks::class::{Class, Encoded};
use kiln_testing::{check_golden, devices, golden_hidden_states, with_golden_head};

#[test]
fn a_classifiers_numbers_are_those_known_beforehand() {
    let config = ElectraConfig {
        vocab_size: 7,
        embedding_size: Some(4),
        hidden_size: 4,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        intermediate_size: 5,
        max_position_embeddings: 6,
        ..ElectraConfig::default()
    };
    let config = config.without_dropout();
    for (name, device) in devices() {
        let init = &mut Init::new(3, 0.2, &device);
        let model = with_golden_head(
            ElectraForSequenceClassification::new(&config, init),
            &config,
        );
        let encoded = Encoded::new(golden_hidden_states(&device));
        let logits: Vec<f32> = model.head(&encoded).logits.try_into_vec_as().unwrap();
        check_golden(&name, &logits, &[-0.472960, -0.037727]);
    }
}
