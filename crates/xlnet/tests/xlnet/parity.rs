//! Every reference case on every device: outputs, new memories, losses, gradients.

use burn::tensor::TensorData;
use kiln_tasks::architecture::ForwardRequest;
use kiln_tasks::forward::forward;
use kiln_testing::{Bound, Fixture, Report, check_parity, devices, fixtures_dir, named, request};
use kiln_xlnet::XlnetConfig;

#[test]
fn outputs_losses_and_gradients_are_the_references() {
    check_parity("xlnet", env!("CARGO_MANIFEST_DIR"), forward::<XlnetConfig>);
}

/// The cases `memory_1` to `memory_3` are one text: here each segment reads what Kiln itself kept of
/// the one before.
#[test]
fn a_text_in_three_segments_is_the_references() {
    let mut report = Report::new("xlnet memory");
    for (device_name, device) in devices() {
        let mut memory: Vec<(String, TensorData)> = Vec::new();
        for number in 1..=3 {
            let folder = fixtures_dir("xlnet", env!("CARGO_MANIFEST_DIR"));
            let fixture = Fixture::open(&folder.join(format!("memory_{number}")));
            let asked = request(&fixture, &device);
            let mut inputs = asked.inputs;
            inputs.retain(|name, _| !name.starts_with("mems."));
            inputs.extend(memory.drain(..));
            let outputs = forward::<XlnetConfig>(&ForwardRequest {
                inputs,
                gradients: false,
                ..asked
            });
            let outputs = named(outputs.unwrap());
            for (name, expected) in &fixture.outputs {
                if name == "loss" {
                    continue;
                }
                let (shape, values) = &outputs[name];
                assert_eq!(shape, &expected.shape);
                let row = format!("{} {name}", fixture.name);
                report.check(&row, &device_name, values, expected.floats(), Bound::Output);
                if name.starts_with("mems.") {
                    let data = TensorData::new(values.clone(), shape.clone());
                    memory.push((name.clone(), data));
                }
            }
        }
    }
    report.finish();
}
