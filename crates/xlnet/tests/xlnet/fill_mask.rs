//! Filling masks is a forward pass whose order hides the masked places from all, themselves too.

use std::collections::BTreeMap;

use burn::tensor::TensorData;
use kiln_nn::Init;
use kiln_tasks::Predictor;
use kiln_tasks::architecture::ForwardRequest;
use kiln_tasks::family::write_folder;
use kiln_tasks::forward::forward;
use kiln_testing::{check_embed, check_fill_mask, devices};
use kiln_text::tokenizer::{UnigramSettings, XlnetLetters, train_unigram_on_texts};
use kiln_xlnet::{XlnetConfig, XlnetLmHeadModel, XlnetModel};

const TEXT: &str = "the <mask> watched the <mask> near the old wall";

#[test]
fn masks_are_filled_from_all_that_is_not_masked() {
    let texts = [
        "the potter watched the kiln near the old wall",
        "the vessel cooled near the river before the morning came",
        "a glaze is painted with great care after the fire",
    ];
    let settings = UnigramSettings {
        vocab_size: 60,
        ..UnigramSettings::xlnet(XlnetLetters::default())
    };
    let tokenizer = train_unigram_on_texts(texts, &settings).unwrap();
    let vocabulary = tokenizer.vocabulary().unwrap();
    let ids = tokenizer.encode_with_specials(TEXT).unwrap();
    assert_eq!(ids[ids.len() - 2..], [vocabulary.sep, vocabulary.cls]);
    let len = ids.len();
    let is_mask = |at: usize| ids[at] == vocabulary.mask;
    let is_functional = |at: usize| at >= len - 2;
    // Words see words, the functional tokens words and themselves, masks all of these.
    let mut hidden = vec![0i64; len * len];
    for (query, row) in hidden.chunks_mut(len).enumerate() {
        for (key, hidden) in row.iter_mut().enumerate() {
            let is_word = !is_mask(query) && !is_functional(query);
            *hidden = i64::from(is_mask(key) || (is_functional(key) && is_word));
        }
    }
    let masks: Vec<usize> = (0..len).filter(|&at| is_mask(at)).collect();
    assert_eq!(masks.len(), 2);
    let mut mapping = vec![0i64; 2 * len];
    for (slot, &position) in masks.iter().enumerate() {
        mapping[slot * len + position] = 1;
    }
    let mut types = vec![0i64; len];
    types[len - 1] = 2;

    for (name, device) in devices() {
        // A run's own config reads in two directions, and a text alone has one.
        for bi_data in [false, true] {
            let config: XlnetConfig = serde_json::from_str(&format!(
                r#"{{"vocab_size":{},"d_model":12,"n_layer":2,"n_head":3,"d_inner":17,
                    "bi_data":{bi_data}}}"#,
                tokenizer.vocab_size()
            ))
            .unwrap();
            let model = XlnetLmHeadModel::new(&config, &mut Init::new(3, 0.3, &device));
            let folder = tempfile::tempdir().unwrap();
            write_folder(&model, &config, folder.path()).unwrap();
            tokenizer.save(folder.path()).unwrap();
            let filler = Predictor::<XlnetLmHeadModel>::open(folder.path(), &device).unwrap();
            let filled = filler.fill_mask(&[TEXT], 5).unwrap().remove(0);

            // The same row twice where half of the batch reads backwards.
            let rows = if bi_data { 2 } else { 1 };
            let tensor = |values: &[i64], shape: &[usize]| {
                let shape: Vec<usize> = [&[rows], shape].concat();
                TensorData::new(values.repeat(rows), shape)
            };
            let own: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
            let outputs = forward::<XlnetConfig>(&ForwardRequest {
                model: folder.path().to_path_buf(),
                inputs: BTreeMap::from([
                    ("input_ids".to_owned(), tensor(&own, &[len])),
                    ("token_type_ids".to_owned(), tensor(&types, &[len])),
                    ("perm_mask".to_owned(), tensor(&hidden, &[len, len])),
                    ("target_mapping".to_owned(), tensor(&mapping, &[2, len])),
                ]),
                task: None,
                gradients: false,
                device: device.clone(),
                warn: |_| {},
            })
            .unwrap();
            let logits = outputs
                .iter()
                .find(|output| output.name == "logits")
                .unwrap();
            let logits = logits.data.try_to_vec::<f32>().unwrap();
            let texts = [
                TEXT,
                "<mask>",
                "a glaze <mask> painted",
                "the river <mask> <mask>",
            ];
            let on = (name.clone(), device.clone());
            check_fill_mask::<XlnetLmHeadModel>(folder.path(), &texts, &on);
            check_embed::<XlnetModel>(folder.path(), &texts, &on);
            for (slot, filling) in filled.iter().enumerate() {
                assert_eq!(filling.position, masks[slot]);
                let words = tokenizer.vocab_size() as usize;
                let row = &logits[slot * words..(slot + 1) * words];
                let sum: f64 = row.iter().map(|&logit| f64::from(logit).exp()).sum();
                for candidate in &filling.candidates {
                    let expected = f64::from(row[candidate.id as usize]).exp() / sum;
                    // Rounding of a softmax of logits of size 1.
                    let error = (candidate.score - expected).abs();
                    assert!(error < 1e-5, "{name}: {} for {expected}", candidate.score);
                }
            }
        }
    }
}
