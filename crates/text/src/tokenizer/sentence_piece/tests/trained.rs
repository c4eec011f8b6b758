//! Models that are trained here, under SentencePiece's own library
//! (scripts/make_sentence_piece_fixtures.py).

use super::*;
use crate::tokenizer::unigram::UnigramLayout;
use crate::tokenizer::xlnet::XlnetLetters;

const FIXTURES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/sentence_piece_trained"
);

/// The model file as it was trained: its rules are the same for all.
fn model(name: &str, layout: UnigramLayout) -> Vec<u8> {
    let bare = fs::read(Path::new(FIXTURES).join(name)).unwrap();
    let mut model = Model::parse(&bare).unwrap();
    model.charsmap = rules::trained(layout.letters()).unwrap().to_vec();
    model.to_bytes()
}

#[test]
fn trained_models_give_sentencepieces_ids_for_every_hard_text() {
    let cases: Vec<Value> =
        serde_json::from_slice(&fs::read(Path::new(FIXTURES).join("ids.json")).unwrap()).unwrap();
    assert!(cases.len() > 400);
    let xlnet = UnigramLayout::Xlnet(XlnetLetters::default());
    for (name, file, layout) in [
        ("deberta", "spm.model", UnigramLayout::Deberta),
        ("xlnet", "spiece.model", xlnet),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let bytes = model(&format!("{name}.model"), layout);
        fs::write(dir.path().join(file), &bytes).unwrap();
        let tokenizer = Tokenizer::open(dir.path()).unwrap();
        // And from the tokenizer.json that a checkpoint has.
        let saved = tempfile::tempdir().unwrap();
        tokenizer.save(saved.path()).unwrap();
        assert_eq!(fs::read(saved.path().join(file)).unwrap(), bytes);
        let opened = Tokenizer::open(saved.path()).unwrap();
        for case in &cases {
            let text = case["text"].as_str().unwrap();
            let ids: Vec<u32> = serde_json::from_value(case[name].clone()).unwrap();
            for tokenizer in [&tokenizer, &opened] {
                assert_eq!(tokenizer.encode(text).unwrap(), ids, "{name}: {text:?}");
            }
            let mut encoded = Vec::new();
            opened.encoder().encode(text, &mut encoded).unwrap();
            assert_eq!(encoded, ids, "{name}, word by word: {text:?}");
        }
    }
}
