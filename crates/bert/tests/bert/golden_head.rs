//! A classifier's numbers on hidden states and weights from a formula.

use kiln_bert::{BertConfig, BertForSequenceClassification};
use kiln_tasks::class::Encoded;
use kiln_testing::check_golden_classifier;

#[test]
fn a_classifiers_numbers_are_those_known_beforehand() {
    let config = BertConfig {
        vocab_size: 7,
        hidden_size: 4,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        intermediate_size: 5,
        max_position_embeddings: 6,
        ..BertConfig::default()
    };
    let config = config.without_dropout();
    check_golden_classifier(
        &config,
        |init| BertForSequenceClassification::new(&config, init),
        |model, hidden_states| Encoded {
            pooled: model.bert.pool(hidden_states.clone()),
            ..Encoded::new(hidden_states)
        },
        &[-0.381744, 0.114116],
    );
}
