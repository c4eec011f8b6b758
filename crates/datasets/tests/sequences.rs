//! Texts, pairs, words and padding as transformers makes them (`scripts/make_feature_fixtures.py`).

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its fixtures has failed"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_datasets::batching::{BatchSettings, Batcher, PadTo};
use kiln_datasets::features::{Layout, Padding};
use kiln_datasets::{
    Example, Feature, FeatureSettings, Featurizer, Input, Labels, Place, Problem, RowTarget,
    Target, TokenMap,
};
use kiln_text::Tokenizer;
use serde::Deserialize;

/// Any number of types, as XLNet has.
const ANY_TYPE: usize = 256;

#[derive(Debug, Deserialize)]
struct Case {
    model_type: String,
    files: BTreeMap<String, Content>,
    singles: Vec<Cut>,
    pairs: Vec<Cut>,
    words: Vec<Sentence>,
    padded: Padded,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    Text(String),
    File(PathBuf),
}

#[derive(Debug, Deserialize)]
struct Cut {
    first: String,
    second: Option<String>,
    max_len: usize,
    row: [Vec<u32>; 2],
}

#[derive(Debug, Deserialize)]
struct Sentence {
    words: Vec<String>,
    row: [Vec<u32>; 2],
    word_ids: Vec<Option<u32>>,
}

#[derive(Debug, Deserialize)]
struct Padded {
    pairs: Vec<[String; 2]>,
    rows: [Vec<Vec<i32>>; 3],
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let cases = fs::read_to_string(folder.join("sequences.json")).unwrap();
    serde_json::from_str(&cases).unwrap()
}

fn tokenizer(case: &Case) -> Tokenizer {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../text/tests/fixtures");
    let folder = tempfile::tempdir().unwrap();
    let config = format!("{{\"model_type\": {:?}}}", case.model_type);
    fs::write(folder.path().join("config.json"), config).unwrap();
    for (name, content) in &case.files {
        let bytes = match content {
            Content::Text(text) => text.clone().into_bytes(),
            Content::File(path) => fs::read(fixtures.join(path)).unwrap(),
        };
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    Tokenizer::open(folder.path()).unwrap()
}

fn example(input: Input, target: Option<Target>) -> Example {
    Example {
        id: "1".into(),
        place: Place {
            file: Arc::from(Path::new("train.tsv")),
            line: 1,
        },
        input,
        target,
    }
}

fn pair(first: &str, second: Option<&str>) -> Input {
    Input::Text {
        first: first.into(),
        second: second.map(Into::into),
    }
}

/// The rows of an input, and the layout they were made with.
fn made(
    tokenizer: &Tokenizer,
    type_vocab_size: usize,
    problem: Problem,
    max_len: usize,
    example: &Example,
) -> Vec<Feature> {
    let layout = Layout::new(tokenizer, type_vocab_size).unwrap();
    let labels = Labels::new(vec!["O".into(), "B-PER".into(), "I-PER".into()]);
    let settings = FeatureSettings {
        max_len,
        ..FeatureSettings::default()
    };
    let mut featurizer = Featurizer::new(tokenizer, layout, problem, &labels, &settings).unwrap();
    featurizer.features(0, example).unwrap()
}

fn row(feature: &Feature) -> [Vec<u32>; 2] {
    let types = feature.type_ids[0].iter().map(|&type_id| type_id.into());
    [feature.ids[0].clone(), types.collect()]
}

#[test]
fn texts_and_pairs_are_those_of_transformers_wherever_they_are_cut() {
    let mut compared = 0;
    for case in cases() {
        let tokenizer = tokenizer(&case);
        for cut in case.singles.iter().chain(&case.pairs) {
            let example = example(pair(&cut.first, cut.second.as_deref()), None);
            let rows = made(
                &tokenizer,
                ANY_TYPE,
                Problem::SingleLabel,
                cut.max_len,
                &example,
            );
            assert_eq!(rows.len(), 1);
            assert_eq!(row(&rows[0]), cut.row, "{}: {cut:?}", case.model_type);
            assert_eq!(rows[0].target, RowTarget::None);
            compared += 1;
        }
    }
    assert_eq!(compared, 6 * (4 * 4 + 4 * 4 * 4));
}

#[test]
fn continuations_are_pairs_with_what_they_follow() {
    for case in cases() {
        let tokenizer = tokenizer(&case);
        let cuts: Vec<&Cut> = case.pairs.iter().filter(|cut| cut.max_len == 13).collect();
        for cuts in cuts.chunks(4) {
            let endings = cuts.iter().filter_map(|cut| cut.second.clone());
            let input = Input::Choices {
                first: cuts[0].first.clone(),
                endings: endings.collect(),
            };
            let example = example(input, Some(Target::Choice(3)));
            let rows = made(&tokenizer, ANY_TYPE, Problem::Choice, 13, &example);
            assert_eq!(rows.len(), 1, "one row for all continuations");
            let expected: Vec<&Vec<u32>> = cuts.iter().map(|cut| &cut.row[0]).collect();
            assert_eq!(rows[0].ids.iter().collect::<Vec<_>>(), expected);
            assert_eq!(rows[0].target, RowTarget::Class(3));
        }
    }
}

#[test]
fn words_are_those_of_transformers_and_each_has_its_label_once() {
    for case in cases() {
        let tokenizer = tokenizer(&case);
        for sentence in &case.words {
            let tags: Vec<usize> = (0..sentence.words.len()).map(|word| word % 3).collect();
            let target = Some(Target::Tags(tags.clone()));
            let example = example(Input::Words(sentence.words.clone()), target);
            let rows = made(&tokenizer, ANY_TYPE, Problem::Tags, 64, &example);
            let name = format!("{}: {sentence:?}", case.model_type);
            assert_eq!(rows.len(), 1, "{name}");
            assert_eq!(row(&rows[0]), sentence.row, "{name}");

            let mut firsts = BTreeMap::new();
            for (position, word) in (0..).zip(&sentence.word_ids) {
                if let Some(word) = word {
                    firsts.entry(*word).or_insert(position);
                }
            }
            let expected: Vec<(u32, u32)> = firsts.into_iter().collect();
            assert_eq!(rows[0].map, TokenMap::Words(expected.clone()), "{name}");

            let mut labels = vec![-100; sentence.word_ids.len()];
            for (word, position) in expected {
                labels[position as usize] = tags[word as usize] as i32;
            }
            assert_eq!(rows[0].target, RowTarget::Tokens(labels), "{name}");
        }
    }
}

#[test]
fn rows_are_filled_up_on_the_side_and_with_the_ids_of_transformers() {
    for case in cases() {
        let tokenizer = tokenizer(&case);
        let is_xlnet = case.model_type == "xlnet";
        let layout = Layout::new(&tokenizer, ANY_TYPE).unwrap();
        let padding = layout.padding();
        assert_eq!(padding.left, is_xlnet, "{}", case.model_type);
        let rows: Vec<Feature> = case
            .padded
            .pairs
            .iter()
            .flat_map(|[first, second]| {
                let example = example(pair(first, Some(second)), None);
                made(&tokenizer, ANY_TYPE, Problem::SingleLabel, 64, &example)
            })
            .collect();
        let settings = BatchSettings {
            problem: Problem::SingleLabel,
            num_labels: 3,
            padding,
            pad_to: PadTo { multiple: 1 },
            max_len: 64,
        };
        let batch = Batcher::new(settings).unwrap().batch(&rows, 2).unwrap();
        let [ids, mask, types] = &case.padded.rows;
        for (name, expected) in [("input_ids", ids), ("attention_mask", mask)] {
            assert_eq!(
                batch.ints[name].data,
                expected.concat(),
                "{} {name}",
                case.model_type
            );
        }
        // Transformers' class for XLNet declares 3 for padding, but 5.23 writes 0.
        let mask = mask.concat();
        let types = types
            .concat()
            .into_iter()
            .zip(&mask)
            .map(|(id, &mask)| if is_xlnet && mask == 0 { 3 } else { id });
        let found = &batch.ints["token_type_ids"].data;
        assert_eq!(found, &types.collect::<Vec<_>>(), "{}", case.model_type);
    }
}

#[test]
fn a_model_without_a_table_of_types_gets_none_that_it_lacks() {
    for case in cases() {
        let tokenizer = tokenizer(&case);
        for (type_vocab_size, most) in [(0, 0), (1, 0), (2, 1)] {
            let example = example(pair("the", Some("the kiln")), None);
            let rows = made(
                &tokenizer,
                type_vocab_size,
                Problem::SingleLabel,
                64,
                &example,
            );
            assert!(rows[0].type_ids[0].iter().all(|&type_id| type_id <= most));
            let layout = Layout::new(&tokenizer, type_vocab_size).unwrap();
            let Padding { type_id, .. } = layout.padding();
            assert!(type_id <= most);
            let questions = layout.questions().around;
            let special = [&questions.before, &questions.between, &questions.after];
            let special = special.into_iter().flatten().map(|(_, type_id)| type_id);
            assert!(
                special
                    .chain(&questions.types)
                    .all(|&type_id| type_id <= most)
            );
        }
    }
}

#[test]
fn a_question_stands_before_its_context_but_behind_it_for_xlnet() {
    for case in cases() {
        let tokenizer = tokenizer(&case);
        let questions = Layout::new(&tokenizer, ANY_TYPE).unwrap().questions();
        let special = tokenizer.special_tokens();
        let [cls, sep] = [&special.cls, &special.sep].map(|token| tokenizer.id(token).unwrap());
        let expected = match case.model_type.as_str() {
            "xlnet" => kiln_datasets::questions::QuestionLayout::xlnet(cls, sep),
            "roberta" | "deberta" => kiln_datasets::questions::QuestionLayout::roberta(cls, sep),
            "bert" | "electra" | "deberta-v2" => {
                kiln_datasets::questions::QuestionLayout::bert(cls, sep)
            }
            other => panic!("{other} has no layout here"),
        };
        assert_eq!(questions, expected, "{}", case.model_type);
    }
}
