//! `kiln forward` with inputs that do not fit the model.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::folder_with_run;
use crate::command::kiln;

type Input<'a> = (&'a str, &'a [usize], &'a [i64]);

fn write_inputs(path: &Path, inputs: &[Input<'_>]) {
    let bytes: Vec<Vec<u8>> = inputs
        .iter()
        .map(|(_, _, values)| {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        })
        .collect();
    let views: BTreeMap<&str, TensorView<'_>> = inputs
        .iter()
        .zip(&bytes)
        .map(|((name, shape, _), bytes)| {
            let view = TensorView::new(Dtype::I64, shape.to_vec(), bytes).unwrap();
            (*name, view)
        })
        .collect();
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Four ids of the vocabulary of 100.
const IDS: Input<'_> = ("input_ids", &[1, 4], &[2, 7, 8, 3]);

#[test]
fn inputs_that_do_not_fit_are_refused_by_file_name_and_entry_and_nothing_is_written() {
    let folder = folder_with_run();
    let folder = folder.path();
    let too_long = [2; 33];
    let faults: [(&[Input<'_>], &str); 12] = [
        (
            &[("input_ids", &[1, 4], &[2, 7, 100, 3])],
            "input_ids: entry 2 is 100, allowed are 0 to 99",
        ),
        (
            &[("input_ids", &[2, 2], &[2, -1, 8, 3])],
            "input_ids: entry 1 is -1, allowed are 0 to 99",
        ),
        (
            // Beyond 32 bits: must not come back as 1.
            &[("input_ids", &[1, 4], &[2, (1 << 40) + 1, 8, 3])],
            "input_ids: entry 1 is 1099511627777, allowed are 0 to 99",
        ),
        (
            &[("input_ids", &[4], &[2, 7, 8, 3])],
            "input_ids: has shape [4], [batch, seq_len] is needed",
        ),
        (
            &[("input_ids", &[0, 4], &[])],
            "input_ids: has shape [0, 4], at least one token is needed",
        ),
        (
            &[("input_ids", &[1, 33], &too_long)],
            "input_ids: 33 tokens, max_position_embeddings is 32; shorten them",
        ),
        (
            &[("attention_mask", &[1, 4], &[1, 1, 1, 1])],
            "input_ids: missing; BertForPreTraining needs it",
        ),
        (
            &[IDS, ("attention_mask", &[1, 3], &[1, 1, 1])],
            "attention_mask: has shape [1, 3], [1, 4] is needed",
        ),
        (
            &[IDS, ("attention_mask", &[1, 4], &[1, 2, 1, 1])],
            "attention_mask: entry 1 is 2, allowed are 0 to 1",
        ),
        (
            &[IDS, ("token_type_ids", &[1, 4], &[0, 0, 2, 0])],
            "token_type_ids: entry 2 is 2, allowed are 0 to 1",
        ),
        (
            &[IDS, ("labels", &[1, 4], &[-100, -100, 100, -100])],
            "labels: entry 2 is 100, allowed are 0 to 99 and -100",
        ),
        (
            &[IDS, ("inputs", &[1, 4], &[2, 7, 8, 3])],
            "inputs: BertForPreTraining takes no such input, but input_ids",
        ),
    ];
    let forward = "forward --model run --inputs x.safetensors --outputs y.safetensors";
    for (inputs, expected) in faults {
        write_inputs(&folder.join("x.safetensors"), inputs);
        let line = kiln(folder, forward).error(1);
        assert!(
            line.starts_with(&format!("error: x.safetensors: {expected}")),
            "{expected}: {line}"
        );
        assert!(!folder.join("y.safetensors").exists(), "{expected}");
    }
    write_inputs(&folder.join("x.safetensors"), &[IDS]);
    let line = kiln(folder, &format!("{forward} --grad")).error(1);
    assert!(line.contains("BertForPreTraining needs labels"), "{line}");
    let line = kiln(folder, &format!("{forward} --task dance")).error(2);
    assert!(line.contains("task dance: bert has "), "{line}");
    let line = kiln(folder, &forward.replace("y.safe", "none/y.safe")).error(1);
    assert!(
        line.contains("none/y.safetensors: cannot be written"),
        "{line}"
    );
    assert!(!folder.join("y.safetensors").exists());
    kiln(folder, forward).ok();
    assert!(folder.join("y.safetensors").exists());
}
