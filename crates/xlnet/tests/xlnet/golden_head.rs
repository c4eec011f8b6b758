//! The numbers of heads on hidden states and weights from a formula.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use burn::tensor::{Int, Tensor};
use kiln_nn::Init;
use kiln_tasks::beam::states_at;
use kiln_tasks::class::{Class, Encoded};
use kiln_testing::{
    check_golden, check_golden_classifier, devices, golden_hidden_states, with_golden_head,
};
use kiln_xlnet::{XlnetConfig, XlnetForQuestionAnswering, XlnetForSequenceClassification};

fn config() -> XlnetConfig {
    let config = XlnetConfig {
        vocab_size: 7,
        d_model: 4,
        n_layer: 1,
        n_head: 2,
        d_inner: 5,
        ..XlnetConfig::default()
    };
    config.without_dropout()
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

#[test]
fn a_classifiers_numbers_are_those_known_beforehand() {
    let config = config();
    let summary = config.summary().unwrap();
    check_golden_classifier(
        &config,
        |init| XlnetForSequenceClassification::new(&config, summary, init),
        |_, hidden_states| Encoded::new(hidden_states),
        &[0.662407, 0.280161],
    );
}

#[test]
fn the_numbers_of_spans_with_a_beam_are_those_known_beforehand() {
    let config = config();
    for (name, device) in devices() {
        let model = XlnetForQuestionAnswering::new(&config, &mut Init::new(3, 0.2, &device));
        let model = with_golden_head(model, &config);
        let hidden = golden_hidden_states(&device);
        let head = model.head(&Encoded::new(hidden.clone()));
        let beam = head.beam;

        let starts = floats(beam.start(hidden.clone(), None));
        check_golden(&name, &starts, &[-0.236840, 0.630361, -1.486839]);
        let one = Tensor::<2, Int>::from_data([[1]], &device);
        let ends = floats(beam.ends(hidden.clone(), one, None));
        check_golden(&name, &ends, &[1.060766, -0.283567, 1.547752]);
        let at = |position: i32| {
            let position = Tensor::<1, Int>::from_data([position], &device);
            states_at(hidden.clone(), Some(&position))
        };
        check_golden(&name, &floats(beam.no_answer(at(1), at(2))), &[-0.522106]);
        // The last token is <cls> where none is named.
        let found = beam.search(hidden.clone(), None, None, [3, 3]);
        check_golden(&name, &floats(found.no_answer), &[-0.484046]);
    }
}
