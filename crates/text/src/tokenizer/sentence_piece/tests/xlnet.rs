//! XLNet's models: ids as transformers gives them, whichever file they come from.

use super::*;
use crate::tokenizer::sentence_piece::steps::replace_regex;

/// A model in XLNet's layout, with SentencePiece's own normalisation.
fn model_bytes() -> Vec<u8> {
    let bare = Path::new(FIXTURES)
        .with_file_name("xlnet")
        .join("bare.model");
    let mut model = Model::parse(&fs::read(bare).unwrap()).unwrap();
    model.charsmap = Model::parse(&nmt_nfkc_bytes()).unwrap().charsmap;
    model.to_bytes()
}

/// The model beside this tokenizer_config.json.
fn folder(config: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("spiece.model"), model_bytes()).unwrap();
    fs::write(dir.path().join("tokenizer_config.json"), config).unwrap();
    dir
}

fn opened(config: &str) -> Tokenizer {
    Tokenizer::open(folder(config).path()).unwrap()
}

/// As published, in small letters, with accents.
fn kinds() -> &'static [Tokenizer; 3] {
    static OPENED: LazyLock<[Tokenizer; 3]> = LazyLock::new(|| {
        [
            "{}",
            r#"{"do_lower_case": true}"#,
            r#"{"keep_accents": true}"#,
        ]
        .map(opened)
    });
    &OPENED
}

#[test]
fn ids_are_those_of_transformers_for_every_hard_text() {
    let ids = Path::new(FIXTURES).with_file_name("xlnet").join("ids.json");
    let cases: Vec<Value> = serde_json::from_slice(&fs::read(ids).unwrap()).unwrap();
    assert!(cases.len() > 300);
    for (name, tokenizer) in ["cased", "uncased"].into_iter().zip(kinds()) {
        for case in &cases {
            let text = case["text"].as_str().unwrap();
            let ids: Vec<u32> = serde_json::from_value(case[name].clone()).unwrap();
            let found = tokenizer.encode_with_specials(text).unwrap();
            assert_eq!(found, ids, "{name}: {text:?}");
        }
    }
}

#[test]
fn special_tokens_are_found_by_the_pieces_and_have_xlnets_ids() {
    let tokenizer = &kinds()[0];
    let vocabulary = tokenizer.vocabulary().unwrap();
    let ids = [
        vocabulary.unk,
        vocabulary.cls,
        vocabulary.sep,
        vocabulary.pad,
        vocabulary.mask,
    ];
    assert_eq!(ids, [0, 3, 4, 5, 6]);
    assert_eq!(tokenizer.end_of_document(), Some(7));
    assert_eq!(nmt_nfkc().end_of_document(), None);
    assert!(!vocabulary.is_special[0]);
    assert!(vocabulary.is_special[1..9].iter().all(|&special| special));
    assert!(vocabulary.is_special[9..].iter().all(|&special| !special));
    // A sign begins a word of its own, and what follows it goes on with that.
    let text = tokenizer.encode("3.14").unwrap();
    let continues: Vec<bool> = text
        .iter()
        .map(|&id| vocabulary.is_continuation[id as usize])
        .collect();
    assert_eq!(text[1], tokenizer.id(".").unwrap());
    assert_eq!(continues[..3], [false, false, true]);

    let named = opened(r#"{"sep_token": "</s>", "unk_token": {"content": "<unk>"}}"#);
    assert_eq!(named.special_tokens().sep, "</s>");
    assert_eq!(named.special_tokens().cls, "<cls>");
}

#[test]
fn special_tokens_stand_behind_the_text_and_have_their_types() {
    let tokenizer = &kinds()[0];
    let hi = tokenizer.encode("Hi").unwrap();
    let n = hi.len();
    let encoding = tokenizer.inner.encode(("Hi", "Hi"), true).unwrap();
    assert_eq!(encoding.get_ids(), [&hi[..], &[4], &hi, &[4, 3]].concat());
    let types = [vec![0; n + 1], vec![1; n + 1], vec![2]].concat();
    assert_eq!(encoding.get_type_ids(), types);
    let encoding = tokenizer.inner.encode("Hi", true).unwrap();
    assert_eq!(encoding.get_ids(), [&hi[..], &[4, 3]].concat());
    assert_eq!(encoding.get_type_ids(), [vec![0; n + 1], vec![2]].concat());
}

#[test]
fn letters_are_what_the_config_asks_for() {
    let spelled = |tokenizer: &Tokenizer, text: &str| {
        let ids = tokenizer.encode(text).unwrap();
        tokenizer.decode(&ids).unwrap()
    };
    let [cased, uncased, accented] = kinds();
    let text = "The kiln'' was été й";
    assert_eq!(spelled(cased, text), "The kiln\" was ete и");
    assert_eq!(spelled(uncased, text), "the kiln\" was ete и");
    assert_eq!(spelled(accented, text), "The kiln\" was été й");
    let dir = folder(r#"{"do_lower_case": "no"}"#);
    let error = Tokenizer::open(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("do_lower_case = \"no\": write true or false"),
        "{error}"
    );
}

#[test]
fn saved_and_opened_again_it_is_the_same_tokenizer_from_either_file() {
    for tokenizer in kinds() {
        let dir = tempfile::tempdir().unwrap();
        tokenizer.save(dir.path()).unwrap();
        let config = fs::read(dir.path().join("tokenizer_config.json")).unwrap();
        let config: Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config["padding_side"], "left");
        assert_eq!(config["tokenizer_class"], "PreTrainedTokenizerFast");
        assert!(!dir.path().join("spm.model").exists());

        let opened = Tokenizer::open(dir.path()).unwrap();
        assert_eq!(opened.identity(), tokenizer.identity());
        let again = tempfile::tempdir().unwrap();
        opened.save(again.path()).unwrap();
        for name in ["tokenizer.json", "tokenizer_config.json", "spiece.model"] {
            assert_eq!(
                fs::read(dir.path().join(name)).unwrap(),
                fs::read(again.path().join(name)).unwrap(),
                "{name}"
            );
        }

        fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
        let bare = Tokenizer::open(dir.path()).unwrap();
        assert_eq!(bare.identity(), tokenizer.identity());

        // A tokenizer.json by itself: the names by its pieces.
        fs::remove_file(again.path().join("tokenizer_config.json")).unwrap();
        fs::remove_file(again.path().join("spiece.model")).unwrap();
        let alone = Tokenizer::open(again.path()).unwrap();
        assert_eq!(alone.vocabulary().unwrap(), tokenizer.vocabulary().unwrap());
    }
}

#[test]
fn a_step_more_for_spaces_and_another_mask_change_no_id() {
    let dir = tempfile::tempdir().unwrap();
    kinds()[0].save(dir.path()).unwrap();
    let file = dir.path().join("tokenizer.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let steps = json["normalizer"]["normalizers"].as_array_mut().unwrap();
    steps.push(replace_regex(" {2,}", " "));
    assert_eq!(json["added_tokens"][6]["content"], "<mask>");
    json["added_tokens"][6]["lstrip"] = true.into();
    fs::write(&file, json.to_string()).unwrap();
    let other = Tokenizer::open(&file).unwrap();
    assert_eq!(other.cuts, crate::tokenizer::Cuts::Spaces);
    let text = "the  kiln <mask> was  <mask>hot";
    let ids = other.encode(text).unwrap();
    assert_eq!(ids, kinds()[0].encode(text).unwrap());
    let mut again = Vec::new();
    other.encoder().encode(text, &mut again).unwrap();
    assert_eq!(again, ids);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_encoder_gives_the_ids_of_encode(
        text in r"(the|kiln|[ \t\n\u{a0}\u{200b}\u{200d}\u{1}\u{301}\u{5b0}\u{651}ﬁ½ｅ天한éÉ,.()`'😀]|<mask>|<s>|<eop>|.){0,30}",
    ) {
        for tokenizer in kinds() {
            prop_assert_eq!(tokenizer.cuts, crate::tokenizer::Cuts::Spaces);
            let mut ids = Vec::new();
            tokenizer.encoder().encode(&text, &mut ids).unwrap();
            prop_assert_eq!(&ids, &tokenizer.encode(&text).unwrap());
        }
    }
}
