//! A classifier's numbers on hidden states and weights from a formula.

use kiln_electra::{ElectraConfig, ElectraForSequenceClassification};
use kiln_tasks::class::Encoded;
use kiln_testing::check_golden_classifier;

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
    check_golden_classifier(
        &config,
        |init| ElectraForSequenceClassification::new(&config, init),
        |_, hidden_states| Encoded::new(hidden_states),
        &[-0.472960, -0.037727],
    );
}
