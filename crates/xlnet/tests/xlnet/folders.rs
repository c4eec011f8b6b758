//! Folders written and opened: layers that share their vectors, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::path::Path;

use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use kiln_checkpoint::{ModelFile, gradient_tensors, write_model};
use kiln_nn::Init;
use kiln_tasks::Family;
use kiln_tasks::family::write_folder;
use kiln_testing::devices;
use kiln_xlnet::{XlnetConfig, XlnetInputs, XlnetLmHeadModel, XlnetPretraining, check_shared};

fn config(fields: &str) -> XlnetConfig {
    let config: XlnetConfig = serde_json::from_str(&format!(
        r#"{{"vocab_size":29,"d_model":12,"n_layer":3,"n_head":3,"d_inner":17,"dropout":0.0,
            "pad_token_id":0{fields}}}"#
    ))
    .unwrap();
    config.validate().unwrap();
    config
}

fn outputs(model: &XlnetLmHeadModel, device: &burn::tensor::Device) -> Vec<f32> {
    let ids: Vec<i32> = (1..13).collect();
    let (logits, _) = model.forward(XlnetInputs::new(Tensor::from_data(
        TensorData::new(ids, [2, 6]),
        device,
    )));
    logits.try_into_vec_as().unwrap()
}

/// The file holds every layer's vectors, so that a model without ties, such as Hugging Face's, is the
/// same function.
#[test]
fn layers_that_share_their_vectors_are_written_for_all_layers() {
    let tied = config(r#","untie_r":false"#);
    for (name, device) in devices() {
        let model = XlnetLmHeadModel::new(&tied, &mut Init::new(3, 0.3, &device));
        let folder = tempfile::tempdir().unwrap();
        write_folder(&model, &tied, folder.path()).unwrap();
        let file = ModelFile::open(folder.path()).unwrap();
        let read = |layer: usize, bias: &str| {
            let name = format!("transformer.layer.{layer}.rel_attn.{bias}");
            file.read(&name).unwrap()
        };
        for bias in ["r_w_bias", "r_r_bias", "r_s_bias"] {
            assert_eq!(read(0, bias), read(2, bias), "{name} {bias}");
            assert!(read(0, bias).iter().any(|&value| value != 0.0));
        }
        for config in [XlnetConfig::open(folder.path()).unwrap(), config("")] {
            config.check_sizes(&file).unwrap();
            let fresh = XlnetLmHeadModel::new(&config, &mut Init::zeros(&device));
            let (opened, report) = XlnetConfig::open_weights(fresh, &file).unwrap();
            report.require_complete(folder.path()).unwrap();
            assert_eq!(
                outputs(&opened, &device),
                outputs(&model, &device),
                "{name}"
            );
        }
    }
}

/// The loss's gradients by name, layer numbers left out: what stands in several layers is added up.
fn gradients_of_biases(
    model: &XlnetLmHeadModel,
    device: &burn::tensor::Device,
) -> std::collections::BTreeMap<String, Vec<f64>> {
    let ids: Vec<i32> = (1..13).collect();
    let (logits, _) = model.forward(XlnetInputs {
        token_type_ids: Some(Tensor::from_data(
            TensorData::new(vec![0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1], [2, 6]),
            device,
        )),
        segment_columns: 2,
        ..XlnetInputs::new(Tensor::from_data(TensorData::new(ids, [2, 6]), device))
    });
    let gradients = logits.powi_scalar(2).sum().backward();
    let gradients = GradientsParams::from_grads(gradients, model);
    let mut sums = std::collections::BTreeMap::new();
    for tensor in gradient_tensors(model, &gradients, &kiln_xlnet::names::NAMES).unwrap() {
        let Some((_, bias)) = tensor.name.split_once("rel_attn.r_") else {
            continue;
        };
        let sum = sums
            .entry(bias.to_owned())
            .or_insert_with(|| vec![0.0; tensor.data.len()]);
        for (sum, value) in sum.iter_mut().zip(tensor.data) {
            *sum += f64::from(value);
        }
    }
    sums
}

#[test]
fn shared_vectors_get_the_gradients_of_all_layers() {
    let tied = config(r#","untie_r":false"#);
    for (name, device) in devices() {
        let device = device.autodiff();
        let model = XlnetLmHeadModel::new(&tied, &mut Init::new(3, 0.3, &device));
        let folder = tempfile::tempdir().unwrap();
        write_folder(&model, &tied, folder.path()).unwrap();
        let file = ModelFile::open(folder.path()).unwrap();
        let fresh = XlnetLmHeadModel::new(&config(""), &mut Init::zeros(&device));
        let (untied, _) = XlnetConfig::open_weights(fresh, &file).unwrap();
        let found = gradients_of_biases(&model, &device);
        let expected = gradients_of_biases(&untied, &device);
        assert_eq!(found.len(), 3, "{name}");
        for (bias, found) in found {
            let expected = &expected[&bias];
            let size = expected
                .iter()
                .fold(0.0, |size: f64, value| size.max(value.abs()));
            assert!(size > 0.0);
            for (found, expected) in found.iter().zip(expected) {
                // The same sums, rounded in another order.
                assert!((found - expected).abs() < 1e-4 * size, "{name} {bias}");
            }
        }
    }
}

#[test]
fn layers_with_vectors_of_their_own_are_no_model_that_shares_them() {
    let (_, device) = devices().remove(0);
    let own = config("");
    let model = XlnetLmHeadModel::new(&own, &mut Init::new(3, 0.3, &device));
    let folder = tempfile::tempdir().unwrap();
    write_folder(&model, &own, folder.path()).unwrap();
    let file = ModelFile::open(folder.path()).unwrap();
    let shared = config(r#","untie_r":false"#);
    let error = check_shared(&shared, &file).unwrap_err().to_string();
    assert!(
        error.contains("layer.1.rel_attn.r_r_bias differs"),
        "{error}"
    );
    assert!(error.contains("set untie_r to true"), "{error}");
    assert!(check_shared(&own, &file).is_ok());
    // Run as it stands it has those of its file.
    assert!(shared.check_sizes(&file).is_ok());
    let fresh = XlnetLmHeadModel::new(&shared.with_own_biases(), &mut Init::zeros(&device));
    let (opened, _) = XlnetConfig::open_weights(fresh, &file).unwrap();
    assert_eq!(outputs(&opened, &device), outputs(&model, &device));
}

#[test]
fn an_objective_reads_what_it_wrote_to_the_last_bit() {
    for fields in ["", r#","untie_r":false"#] {
        let config = config(fields);
        let objective = XlnetPretraining::new(config, 2);
        for (name, device) in devices() {
            let model = objective.new_model(&mut Init::new(5, 0.3, &device));
            let folder = tempfile::tempdir().unwrap();
            objective.files(None).write(&model, folder.path()).unwrap();
            let fresh = objective.new_model(&mut Init::zeros(&device));
            let read = objective.files(None).read(fresh, folder.path()).unwrap();
            assert_eq!(outputs(&read, &device), outputs(&model, &device), "{name}");
        }
    }
}

/// A damaged config.json costs an error and not all memory.
#[test]
fn sizes_that_are_not_the_files_are_refused_before_anything_is_made() {
    let (_, device) = devices().remove(0);
    let small = config("");
    let model = XlnetLmHeadModel::new(&small, &mut Init::zeros(&device));
    let folder = tempfile::tempdir().unwrap();
    write_folder(&model, &small, folder.path()).unwrap();
    let file = ModelFile::open(folder.path()).unwrap();
    for fields in [
        r#","vocab_size":30"#,
        r#","n_layer":4"#,
        r#","d_inner":18"#,
        r#","n_head":2"#,
    ] {
        let text = r#"{"vocab_size":29,"d_model":12,"n_layer":3,"n_head":3,"d_inner":17}"#;
        let mut json: serde_json::Value = serde_json::from_str(text).unwrap();
        let change: serde_json::Value =
            serde_json::from_str(&format!("{{{}}}", &fields[1..])).unwrap();
        for (field, value) in change.as_object().unwrap() {
            json[field] = value.clone();
        }
        let other: XlnetConfig = serde_json::from_value(json).unwrap();
        assert!(other.check_sizes(&file).is_err(), "{fields}");
    }
    // A file that lacks the head is no language model.
    let tensors: Vec<_> = kiln_checkpoint::module_tensors(&model, &kiln_xlnet::names::NAMES)
        .unwrap()
        .into_iter()
        .filter(|tensor| !tensor.name.starts_with("lm_loss"))
        .collect();
    let headless = tempfile::tempdir().unwrap();
    write_model(headless.path(), &tensors, None).unwrap();
    let copy = |name: &str| std::fs::copy(folder.path().join(name), headless.path().join(name));
    copy("config.json").unwrap();
    refuse_headless(headless.path(), &device);
}

fn refuse_headless(folder: &Path, device: &burn::tensor::Device) {
    let file = ModelFile::open(folder).unwrap();
    let config = XlnetConfig::open(folder).unwrap();
    let fresh = XlnetLmHeadModel::new(&config, &mut Init::zeros(device));
    let (_, report) = XlnetConfig::open_weights(fresh, &file).unwrap();
    assert_eq!(report.missing, ["lm_loss.bias"]);
}
