//! Whatever bytes a file has, reading it ends with examples or an error.

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 6] = ["a.csv", "a.tsv", "a.jsonl", "a.conll", "a.txt", "a"];

fn try_all(name: &str, content: &[u8]) {
    let folder = Folder::new();
    let path = folder.write(name, content);
    for task in Task::ALL {
        for needs_labels in [true, false] {
            let spec = DatasetSpec::new(task, vec![path.clone()]);
            let Ok(dataset) = Dataset::open(spec, needs_labels) else {
                continue;
            };
            let labels = dataset.survey().map(|it| it.labels).unwrap_or_default();
            let labels = LabelMap::new(labels);
            let _ = dataset
                .examples(&labels)
                .map(|it| it.map_err(|it| it.to_string()))
                .last();
            let _ = crate::splits::held_out(&dataset, &labels, 0.3, 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_give_examples_or_an_error(
        name in prop::sample::select(NAMES.as_slice()),
        content in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        try_all(name, &content);
    }

    #[test]
    fn any_text_with_the_marks_of_formats_gives_examples_or_an_error(
        name in prop::sample::select(NAMES.as_slice()),
        pieces in prop::collection::vec(prop::sample::select([
            "text", "label", "a", "\"", "\t", ",", "\n", "\r\n", "\r", "{", "}", "[", "]", ":", "\\",
            "\"data\"", "\"paragraphs\"", "\"answers\"", "1", "-1", "O", "B-X", "I-X", "E-X", " ", "\0",
            "\u{feff}", "é", "null", "{\"text\": \"a\", \"label\": 1}", "context", "question", "😀",
        ].as_slice()), 0..60),
    ) {
        try_all(name, pieces.concat().as_bytes());
    }
}
