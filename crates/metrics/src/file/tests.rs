use proptest::prelude::*;

use super::*;
use crate::rows::{ClassRow, NumbersRow};
use crate::scores::ScoreOptions;

fn numbers(id: usize, target: f64, prediction: f64) -> Row {
    Row::Numbers(NumbersRow {
        id: id.to_string(),
        targets: Some(vec![target]),
        predictions: vec![prediction],
    })
}

fn written(rows: &[Row]) -> Vec<u8> {
    let mut writer = RowWriter::new(Vec::new(), "predictions.jsonl");
    for row in rows {
        writer.write(row).unwrap();
    }
    writer.finish().unwrap()
}

fn message(text: &str) -> String {
    let read: Result<Vec<Row>, _> = RowReader::new(text.as_bytes(), "p.jsonl").collect();
    read.unwrap_err().to_string()
}

proptest! {
    #[test]
    fn what_is_read_scores_as_what_was_written(
        pairs in prop::collection::vec((-1e3f64..1e3, -1e3f64..1e3), 2..20),
    ) {
        let rows: Vec<Row> = pairs
            .iter()
            .enumerate()
            .map(|(id, &(target, prediction))| numbers(id, target, prediction / 3.0))
            .collect();
        let bytes = written(&rows);
        let read: Result<Vec<Row>, _> = RowReader::new(&bytes[..], "p.jsonl").collect();
        let read = read.unwrap();
        prop_assert_eq!(&read, &rows);
        let options = ScoreOptions { resamples: 20, ..ScoreOptions::default() };
        prop_assert_eq!(
            crate::score(&read, &options).unwrap(),
            crate::score(&rows, &options).unwrap()
        );
    }

    #[test]
    fn any_bytes_are_rows_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _: Result<Vec<Row>, _> = RowReader::new(&bytes[..], "p.jsonl").collect();
    }
}

#[test]
fn a_line_names_its_task() {
    let row = Row::Class(ClassRow {
        id: "7".to_owned(),
        label: None,
        prediction: "a".to_owned(),
        probabilities: vec![("a".to_owned(), 1.0)],
    });
    let line = String::from_utf8(written(std::slice::from_ref(&row))).unwrap();
    assert_eq!(
        line,
        "{\"task\":\"class\",\"id\":\"7\",\"prediction\":\"a\",\"probabilities\":[[\"a\",1.0]]}\n"
    );
}

#[test]
fn a_broken_line_is_named() {
    let good = String::from_utf8(written(&[numbers(1, 0.5, 0.25)])).unwrap();
    let start = "p.jsonl: line 3: ";
    for bad in ["{\"task\":\"class\"}", "{", "7", "{\"task\":\"x\"}"] {
        let message = message(&format!("{good}\n{bad}\n"));
        assert!(message.starts_with(start), "{message}");
        assert!(!message.contains("column"), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
    let uneven = "{\"task\":\"numbers\",\"id\":\"a\",\"targets\":[1,2],\"predictions\":[1]}";
    assert!(message(uneven).starts_with("p.jsonl: line 1: 2 targets and 1 predictions"));
}

#[test]
fn numbers_that_json_lacks_are_not_written() {
    let mut writer = RowWriter::new(Vec::new(), "p.jsonl");
    let error = writer.write(&numbers(3, 0.5, f64::NAN)).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("example 3: a number is not finite")
    );
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.jsonl");
    let message = read_rows(&path).unwrap_err().to_string();
    assert!(message.contains("none.jsonl: cannot be read"), "{message}");
}
