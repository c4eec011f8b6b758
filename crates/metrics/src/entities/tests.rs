use proptest::prelude::*;

use super::*;

fn sentence(tags: &str) -> Vec<&str> {
    tags.split_whitespace().collect()
}

fn scored(pairs: &[(&str, &str)], reading: Reading) -> BTreeMap<String, Tally> {
    let mut all: BTreeMap<String, Tally> = BTreeMap::new();
    for (tags, predictions) in pairs {
        let (tags, predictions) = (sentence(tags), sentence(predictions));
        for (kind, count) in sentence_counts(&tags, &predictions, reading) {
            all.entry(kind.to_owned()).or_default().add(count, 1);
        }
    }
    all
}

fn f1_of(pairs: &[(&str, &str)], reading: Reading) -> f64 {
    Tally::sum(scored(pairs, reading).values()).f1()
}

fn spans(tags: &str, reading: Reading) -> Vec<(String, usize, usize)> {
    entities(&sentence(tags), reading)
        .into_iter()
        .map(|entity| (entity.kind.to_owned(), entity.first, entity.last))
        .collect()
}

#[test]
fn a_stray_inside_is_an_entity_or_nothing() {
    let pairs = [("O B-PER I-PER O", "O I-PER I-PER O")];
    assert_eq!(f1_of(&pairs, Reading::Lenient), 1.0);
    assert_eq!(f1_of(&pairs, Reading::Strict), 0.0);
}

#[test]
fn a_change_of_type_ends_an_entity() {
    let pairs = [("O B-PER I-PER O", "O B-PER I-LOC O")];
    assert_eq!(f1_of(&pairs, Reading::Lenient), 0.0);
    assert_eq!(f1_of(&pairs, Reading::Strict), 0.0);
    assert_eq!(
        spans("O B-PER I-LOC O", Reading::Strict),
        [("PER".to_owned(), 1, 1)]
    );
}

#[test]
fn a_border_missed_is_an_entity_missed() {
    let pairs = [
        ("O O O B-M I-M I-M O", "O O B-M I-M I-M I-M O"),
        ("B-PER I-PER O", "B-PER I-PER O"),
    ];
    assert_eq!(f1_of(&pairs, Reading::Lenient), 0.5);
    assert_eq!(f1_of(&pairs, Reading::Strict), 0.5);
}

#[test]
fn types_weigh_alike_in_the_macro_mean() {
    let counts = scored(&[("B-A O B-B", "B-A B-A O")], Reading::Lenient);
    assert_eq!(Tally::sum(counts.values()).f1(), 0.5);
    // A has 2/3, B has 0.
    assert_eq!(macro_f1(counts.values()), 1.0 / 3.0);
}

#[test]
fn lenient_entities_begin_as_in_the_script_of_conll() {
    for tags in ["B-PER I-LOC", "B-PER O I-PER", "I-PER B-PER"] {
        assert_eq!(
            entities(&sentence(tags), Reading::Lenient).len(),
            2,
            "{tags}"
        );
    }
}

#[test]
fn after_a_stray_inside_a_strict_entity_does_not_go_on() {
    assert_eq!(
        spans("B-A I-B I-A", Reading::Strict),
        [("A".to_owned(), 0, 0)]
    );
    assert_eq!(
        entities(&sentence("B-A I-B I-A"), Reading::Lenient).len(),
        3
    );
}

#[test]
fn a_type_is_what_follows_the_first_hyphen() {
    assert_eq!(
        spans("B-creative-work I-creative-work", Reading::Strict),
        [("creative-work".to_owned(), 0, 1)]
    );
    assert_eq!(spans("B I", Reading::Lenient), [("_".to_owned(), 0, 1)]);
}

#[test]
fn tags_of_other_schemes_are_told_apart() {
    assert!(["O", "B-X", "I-a-b", "B", "I"].into_iter().all(is_iob2));
    assert!(
        !["NOUN", "E-X", "S-X", "Bad", "INTJ", "", "o"]
            .into_iter()
            .any(is_iob2)
    );
}

#[test]
fn entities_do_not_cross_sentences() {
    let counts = scored(&[("B-A", "B-A"), ("I-A", "I-A")], Reading::Lenient);
    assert_eq!(Tally::sum(counts.values()).actual, 2);
}

#[test]
fn no_entities_score_nothing() {
    let counts = scored(&[("O O", "O O")], Reading::Lenient);
    assert_eq!(Tally::sum(counts.values()).f1(), 0.0);
    assert_eq!(macro_f1(counts.values()), 0.0);
}

proptest! {
    #[test]
    fn well_formed_tags_read_alike_and_hold_their_words(
        tags in prop::collection::vec(prop::sample::select(vec!["O", "B-A", "I-A", "B-B", "I-B"]), 0..20),
    ) {
        let lenient = entities(&tags, Reading::Lenient);
        // As IOB2 writes the same entities.
        let mut written = vec!["O".to_owned(); tags.len()];
        for entity in &lenient {
            for (place, word) in (entity.first..=entity.last).enumerate() {
                let prefix = if place == 0 { "B" } else { "I" };
                written[word] = format!("{prefix}-{}", entity.kind);
            }
        }
        prop_assert_eq!(&entities(&written, Reading::Lenient), &lenient);
        prop_assert_eq!(&entities(&written, Reading::Strict), &lenient);
        let strict = entities(&tags, Reading::Strict).len();
        prop_assert_eq!(strict, tags.iter().filter(|tag| tag.starts_with('B')).count());
    }
}
