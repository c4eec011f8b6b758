//! Sentences of words in the rows of tables, and in texts of records.

use super::*;

const EXPECTED: [(&str, &str); 2] = [
    ("Nora sat in Ghent .", "B-P O O B-L O"),
    ("It rains", "O O"),
];

#[test]
fn a_row_is_a_sentence_whatever_the_format() {
    let folder = Folder::new();
    for (name, content) in [
        (
            "a.csv",
            "words,tags\nNora sat  in Ghent .,B-P O O B-L O\nIt rains, O O \n",
        ),
        ("b.csv", "Nora sat in Ghent .,B-P O O B-L O\nIt rains,O O\n"),
        (
            "c.csv",
            "id,ner,sentence\n4,B-P O O B-L O,Nora sat in Ghent .\n5,O O,It rains\n",
        ),
        (
            "d.tsv",
            "Nora sat in Ghent .\tB-P O O B-L O\r\nIt rains\tO O\r\n",
        ),
        (
            "e.jsonl",
            "{\"tokens\": \"Nora sat in Ghent .\", \"tags\": \"B-P O O B-L O\"}\n\
             {\"tokens\": [\"It\", \"rains\"], \"tags\": \"O O\"}\n",
        ),
    ] {
        check(folder.spec(Task::Tag, name, content), &EXPECTED);
    }
    // Words that hold commas and quotes.
    let quoted = folder.spec(Task::Tag, "f.csv", "\"a \"\"b\"\" , c\",O O O B-X\n");
    check(quoted, &[("a \"b\" , c", "O O O B-X")]);
    let mut spec = folder.spec(Task::Tag, "g.csv", "x;O;a\ny;B-X;b\n");
    (spec.columns.text, spec.columns.labels) = (Some(Column::Number(3)), vec![Column::Number(2)]);
    check(spec, &[("a", "O"), ("b", "B-X")]);
}

#[test]
fn as_many_tags_as_words_or_an_error_with_the_line_and_both_counts() {
    for (name, content, expected) in [
        (
            "a.csv",
            "words,tags\na b,O O\na b c,O O\n",
            "a.csv: line 3: 3 words and 2 tags; give each word one tag",
        ),
        (
            "b.tsv",
            "a b\tO O O\n",
            "b.tsv: line 1: 2 words and 3 tags; give each word one tag",
        ),
        (
            "c.jsonl",
            "{\"tokens\": \"a b\", \"tags\": \"O\"}\n",
            "c.jsonl: line 1: 2 words and 1 tags; give each word one tag",
        ),
        (
            "d.csv",
            "words,tags\na b,\n",
            "d.csv: line 2: column \"tags\": no tags; give each word one",
        ),
        (
            "e.csv",
            "words,tags\n ,O\n",
            "e.csv: line 2: a sentence without words; leave it out",
        ),
    ] {
        assert_eq!(wrong(Task::Tag, name, content), expected);
    }
}

#[test]
fn a_word_a_line_under_the_name_of_a_table_is_not_taken_for_sentences() {
    let content = "Nora\tB-P\nsat\tO\n\nIt\tO\nrains\tO\n";
    let error = wrong(Task::Tag, "a.tsv", content);
    assert!(
        error.starts_with("a.tsv: blank lines stand in it"),
        "{error}"
    );
    let folder = Folder::new();
    let mut spec = folder.spec(Task::Tag, "a.tsv", content);
    spec.format = Some(Format::Conll);
    check(spec.clone(), &[("Nora sat", "B-P O"), ("It rains", "O O")]);
    spec.format = Some(Format::Tsv);
    assert_eq!(read(spec).unwrap().0.len(), 4);
    // At its end a table may have them.
    check(
        folder.spec(Task::Tag, "b.tsv", "a b\tO B-X\n\n"),
        &[("a b", "O B-X")],
    );
}

#[test]
fn sentences_without_tags_are_read_where_none_are_needed() {
    let folder = Folder::new();
    let labels = LabelMap::new(Labels::new(vec!["O".to_owned()]));
    for (name, content) in [
        ("a.csv", "words\na b\nc\n"),
        ("b.csv", "words,tags\na b,O O\nc,\n"),
        (
            "c.jsonl",
            "{\"id\": 1, \"tokens\": \"a b\"}\n{\"id\": 2, \"tokens\": \"c\"}\n",
        ),
    ] {
        let dataset = Dataset::open(folder.spec(Task::Tag, name, content), false).unwrap();
        let examples: Vec<Example> = dataset.examples(&labels).map(Result::unwrap).collect();
        assert_eq!(examples.len(), 2, "{name}");
        assert_eq!(examples[1].target, None, "{name}");
        assert_eq!(
            examples[0].input,
            Input::Words(vec!["a".into(), "b".into()]),
            "{name}"
        );
    }
}
