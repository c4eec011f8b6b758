//! Module to file to module, on every device of this build.

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use kiln_checkpoint::{
    LoadOptions, ModelFile, NamedTensor, Names, gradient_tensors, load_module, module_tensors,
    parameters, parameters_by_name, write_safetensors,
};
use kiln_testing::devices;

use crate::model::{HIDDEN, INTERMEDIATE, NAMES, OPTIONS, PreTraining, VOCAB, filled, sorted};

fn with_name<'a>(tensors: &'a [NamedTensor], name: &str) -> &'a NamedTensor {
    tensors.iter().find(|tensor| tensor.name == name).unwrap()
}

#[test]
fn a_module_comes_back_bit_for_bit_and_its_file_byte_for_byte_on_every_device() {
    let folder = tempfile::tempdir().unwrap();
    for (name, plain) in devices() {
        for device in [plain.clone(), plain.autodiff()] {
            let (first, second) = (
                folder.path().join("1.safetensors"),
                folder.path().join("2.safetensors"),
            );
            let module = PreTraining::new(&device);
            let tensors = filled(&module);
            write_safetensors(&first, &tensors).unwrap();

            let file = ModelFile::open(&first).unwrap();
            let (module, report) = load_module(module, &NAMES, &file, &OPTIONS).unwrap();
            report.require_complete(&first).unwrap();
            assert_eq!(report.loaded.len(), 46, "{name}");

            let back = module_tensors(&module, &NAMES).unwrap();
            assert_eq!(sorted(back.clone()), tensors, "{name}");
            write_safetensors(&second, &back).unwrap();
            assert!(
                std::fs::read(&first).unwrap() == std::fs::read(&second).unwrap(),
                "{name}"
            );
        }
    }
}

#[test]
fn special_values_survive_to_the_bit() {
    let values = [
        f32::NAN,
        -0.0,
        f32::INFINITY,
        f32::MIN_POSITIVE / 4.0,
        f32::MAX,
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let tensor = NamedTensor {
        name: "a".into(),
        shape: vec![5],
        data: values.to_vec(),
    };
    write_safetensors(&path, &[tensor]).unwrap();
    let back = ModelFile::open(&path).unwrap().read("a").unwrap();
    assert!(
        back.iter()
            .map(|x| x.to_bits())
            .eq(values.iter().map(|x| x.to_bits()))
    );
}

#[test]
fn the_table_of_names_is_one_to_one_and_has_no_dead_rows() {
    let (_, device) = devices().remove(0);
    let module = PreTraining::new(&device);
    let table = parameters_by_name(&module, &NAMES).unwrap();
    assert_eq!(table.len(), 46);
    let query = &table["bert.encoder.layer.1.attention.self.query.weight"];
    assert_eq!(
        query.path,
        "bert.encoder.layer.1.attention.self_attention.query.weight"
    );
    for (name, field) in [("weight", "gamma"), ("bias", "beta")] {
        let norm = &table[&format!("bert.encoder.layer.0.output.LayerNorm.{name}")];
        let path = format!("bert.encoder.layer.0.output.layer_norm.{field}");
        assert_eq!(norm.path, path);
    }
    let paths = table.values().map(|parameter| parameter.path.as_str());
    assert!(NAMES.unused_rules(paths).is_empty());

    let merging = Names {
        rules: &[("key", "same"), ("query", "same")],
    };
    let clash = parameters_by_name(&module, &merging).unwrap_err();
    assert_eq!(
        clash.name,
        "bert.encoder.layer.0.attention.self_attention.same.weight"
    );
}

#[test]
fn linear_weights_lie_as_out_by_in_and_tables_as_they_are() {
    for (name, device) in devices() {
        let module = PreTraining::new(&device);
        let tensors = module_tensors(&module, &NAMES).unwrap();
        let weight = with_name(&tensors, "bert.encoder.layer.0.intermediate.dense.weight");
        assert_eq!(weight.shape, [INTERMEDIATE, HIDDEN], "{name}");
        let held = module.bert.encoder.layer[0].intermediate.dense.weight.val();
        let held = held.try_into_vec_as::<f32>().unwrap();
        for output in 0..INTERMEDIATE {
            for input in 0..HIDDEN {
                assert_eq!(
                    weight.data[output * HIDDEN + input],
                    held[input * INTERMEDIATE + output],
                    "{name}"
                );
            }
        }
        let words = with_name(&tensors, "bert.embeddings.word_embeddings.weight");
        assert_eq!(words.shape, [VOCAB, HIDDEN], "{name}");
    }
}

#[derive(Default)]
struct Tracked(Vec<(burn::module::ParamId, bool)>);

impl ModuleVisitor for Tracked {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push((param.id, param.val().is_require_grad()));
    }
}

fn tracked<M: Module>(module: &M) -> Vec<(burn::module::ParamId, bool)> {
    let mut visitor = Tracked::default();
    module.visit(&mut visitor);
    visitor.0
}

#[test]
fn loading_keeps_identifiers_and_what_requires_a_gradient() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    for (name, plain) in devices() {
        let mut module = PreTraining::new(&plain.clone().autodiff());
        module.cls.predictions.bias = module.cls.predictions.bias.set_require_grad(false);
        write_safetensors(&path, &filled(&module)).unwrap();
        let before = tracked(&module);
        assert_eq!(
            before.iter().filter(|(_, tracked)| !tracked).count(),
            1,
            "{name}"
        );

        let file = ModelFile::open(&path).unwrap();
        let (module, _) = load_module(module, &NAMES, &file, &OPTIONS).unwrap();
        assert_eq!(tracked(&module), before, "{name}");
        // A module loaded on a plain device can still be made trainable, the frozen part excepted.
        let (valid, _) = load_module(module.valid(), &NAMES, &file, &OPTIONS).unwrap();
        assert!(
            tracked(&valid).iter().all(|(_, tracked)| !tracked),
            "{name}"
        );
        assert_eq!(tracked(&valid.train()), before, "{name}");
    }
}

#[test]
fn gradients_have_the_names_and_shapes_of_their_parameters() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let module = PreTraining::new(&device);
        // d/dW sum(W * C) = C, held as [in, out].
        let constant: Vec<f32> = (0..HIDDEN * INTERMEDIATE).map(|i| i as f32).collect();
        let dense = &module.bert.encoder.layer[0].intermediate.dense;
        let factor = Tensor::<1>::from_data(constant.as_slice(), &device);
        let factor = factor.reshape([HIDDEN, INTERMEDIATE]);
        let loss = (dense.weight.val() * factor).sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &module);

        let gradients = gradient_tensors(&module, &gradients, &NAMES).unwrap();
        // Parameters without a part in the loss have none.
        assert_eq!(gradients.len(), 1, "{name}");
        let gradient = &gradients[0];
        assert_eq!(
            gradient.name,
            "grad.bert.encoder.layer.0.intermediate.dense.weight"
        );
        assert_eq!(gradient.shape, [INTERMEDIATE, HIDDEN], "{name}");
        for output in 0..INTERMEDIATE {
            for input in 0..HIDDEN {
                let expected = constant[input * INTERMEDIATE + output];
                assert_eq!(gradient.data[output * HIDDEN + input], expected, "{name}");
            }
        }
    }
}

#[derive(Module, Debug)]
struct Shared {
    first: Linear,
    second: Linear,
}

#[test]
fn a_parameter_in_two_fields_is_listed_and_written_once() {
    let (_, device) = devices().remove(0);
    let first = LinearConfig::new(2, 3).with_bias(false).init(&device);
    let module = Shared {
        second: first.clone(),
        first,
    };
    assert_eq!(parameters(&module, &Names::SAME).len(), 1);
    let tensors = module_tensors(&module, &Names::SAME).unwrap();
    assert_eq!(tensors.len(), 1);
    assert_eq!(tensors[0].name, "first.weight");

    // Both fields take the file's value.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut changed = tensors;
    changed[0].data = vec![7.0; 6];
    write_safetensors(&path, &changed).unwrap();
    let file = ModelFile::open(&path).unwrap();
    let (module, _) = load_module(module, &Names::SAME, &file, &LoadOptions::default()).unwrap();
    for weight in [module.first.weight.val(), module.second.weight.val()] {
        assert_eq!(weight.try_into_vec_as::<f32>().unwrap(), [7.0; 6]);
    }
}
