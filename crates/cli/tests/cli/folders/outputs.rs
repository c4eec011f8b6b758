//! `kiln forward` writes over nothing that it reads.

use std::fs;

use super::Model;
use crate::command::kiln;

#[test]
fn neither_inputs_nor_a_file_of_the_model_are_overwritten() {
    let model = Model::of("bert", "encoder");
    let folder = model.folder.path();
    let files = [
        "x.safetensors",
        "model/config.json",
        "model/model.safetensors",
    ];
    let before = files.map(|file| fs::read(folder.join(file)).unwrap());
    let outputs = [
        "x.safetensors",
        "./model/../x.safetensors",
        "model/model.safetensors",
        "model/config.json",
        "model/pytorch_model.bin",
    ];
    for output in outputs {
        let command = format!("forward --model model --inputs x.safetensors --outputs {output}");
        let line = kiln(folder, &command).error(2);
        assert!(line.contains(&format!("--outputs {output}: ")), "{line}");
        assert!(line.contains("choose another name"), "{line}");
    }
    assert_eq!(
        files.map(|file| fs::read(folder.join(file)).unwrap()),
        before
    );
    assert!(!folder.join("model/pytorch_model.bin").exists());
    // Outputs of before are replaced, in the model's own folder as well.
    let expected = model.outputs(&[]);
    for _ in 0..2 {
        for (place, arguments) in [
            (".", "--model model --inputs x.safetensors"),
            ("model", "--model . --inputs ../x.safetensors"),
        ] {
            let place = folder.join(place);
            let command = format!("forward {arguments} --outputs y.safetensors");
            kiln(&place, &command).ok();
            assert_eq!(super::read(&place.join("y.safetensors")), expected);
        }
    }
}
