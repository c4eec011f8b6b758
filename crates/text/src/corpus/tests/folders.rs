//! Folders of anything: text in all their depths is read in one order, the rest is left out and
//! counted.

use super::*;

#[cfg(unix)]
#[test]
fn text_in_all_depths_is_read_by_name_and_the_rest_is_counted() {
    use std::os::unix::fs::symlink;

    let place = Place::new();
    let folder = place.path("text");
    for sub in ["sub/deep", ".git", "__MACOSX"] {
        fs::create_dir_all(folder.join(sub)).unwrap();
    }
    for (name, text) in [
        ("b.txt", "b"),
        ("wiki_00", "e"),
        ("sub/c.md", "c"),
        ("sub/deep/d", "d"),
        ("a.ndjson", "{\"text\": \"a\"}"),
        ("empty.txt", ""),
        (".hidden.txt", "x"),
        ("sub/._c.md", "x"),
        (".git/config", "x"),
        ("__MACOSX/x.txt", "x"),
        ("config.json", "{\n \"name\": \"x\"\n}"),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    fs::write(folder.join("p.png"), b"\x89PNG\0").unwrap();
    fs::write(folder.join("q.png"), b"\x89PNG\0").unwrap();
    fs::write(folder.join("torn.gz"), &gzip(b"a")[..8]).unwrap();
    symlink("gone.txt", folder.join("gone")).unwrap();
    symlink(".", folder.join("sub/loop")).unwrap();
    symlink("../..", folder.join("sub/deep/up")).unwrap();
    symlink(place.dir.path(), folder.join("above")).unwrap();
    symlink("b.txt", folder.join("again.txt")).unwrap();
    // Elsewhere: read, and under the name it has here.
    fs::write(place.path("elsewhere"), "f").unwrap();
    symlink("../elsewhere", folder.join("z")).unwrap();

    let (documents, header) = place
        .read(std::slice::from_ref(&folder), Reading::default())
        .unwrap();
    assert_eq!(documents, [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]);
    // With the empty one.
    assert_eq!(header.inputs.len(), 7);
    let torn = "cannot be read (unexpected end of file)";
    assert_eq!(
        reasons(&header.counted().left_out),
        [
            ("JSON without a text in \"text\"", 1),
            ("a PNG image", 2),
            ("broken link", 1),
            (torn, 1),
            ("folder of version control or of an archiver", 1),
            ("hidden file or folder", 3),
            ("link to a file that is read already", 1),
            (
                "link to a folder that is read already, or that this one is in",
                3
            ),
        ]
    );
    // In any order of the system's own.
    let (again, _) = place.read(&[folder], Reading::default()).unwrap();
    assert_eq!(again, documents);
}

#[test]
fn a_file_that_is_named_is_refused_where_one_in_a_folder_is_left_out() {
    let place = Place::new();
    fs::create_dir(place.path("text")).unwrap();
    let image = place.write("text/a.png", b"\x89PNG\0");
    place.write("text/b.txt", "b");
    let folder = place.path("text");
    assert!(
        place
            .read(std::slice::from_ref(&folder), Reading::default())
            .is_ok()
    );
    let error = place
        .read(&[folder, image], Reading::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("a.png: a PNG image; pass text"), "{error}");
}

#[test]
fn a_folder_without_text_is_refused_with_what_it_has() {
    let place = Place::new();
    let folder = place.path("text");
    fs::create_dir(&folder).unwrap();
    let read = || {
        place
            .read(std::slice::from_ref(&folder), Reading::default())
            .unwrap_err()
            .to_string()
    };
    assert!(
        read().contains("text: a folder without files: no text in it"),
        "{}",
        read()
    );
    place.write("text/a.png", b"\x89PNG\0");
    place.write("text/b.jsonl", "{\"body\": \"b\"}\n");
    place.write("text/c.jsonl", "{\"body\": \"c\"}\n");
    let expected = format!(
        "{}: a folder without text files; left out: JSON without a text in \"text\": 2 ({}, …); a PNG image: 1 ({}): no text in it",
        folder.display(),
        place.path("text/b.jsonl").display(),
        place.path("text/a.png").display()
    );
    assert!(read().starts_with(&expected), "{}\n{expected}", read());
    assert!(
        read().ends_with("(another field: --text-field)"),
        "{}",
        read()
    );
}

#[test]
fn a_folder_of_tokens_is_named_as_such() {
    let place = Place::new();
    let file = place.write("x.txt", "a b");
    place.prepare(&[file], "shards").unwrap();
    let error = place
        .read(&[place.path("shards")], Reading::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("shards: a folder of tokens that kiln prepare made; pass it with --data"),
        "{error}"
    );
}

#[test]
fn a_file_of_a_folder_is_read_if_any_of_its_first_records_has_the_field() {
    let place = Place::new();
    let folder = place.path("text");
    let record = "{\"text\": \"x\"}";
    let names = ["null.jsonl", "other.jsonl", "list.json", "none.jsonl"];
    let read = |content: &str, reading: Reading| {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        place.write("text/b.txt", "b");
        place.write("text/a.jsonl", content);
        place.read(std::slice::from_ref(&folder), reading)
    };
    let cases = [
        (names[0], format!("{{\"text\": null}}\n{record}\n"), 1),
        (
            names[1],
            format!("{{\"meta\": 1}}\n{{\"meta\": 2}}\n{record}\n"),
            2,
        ),
        (names[2], format!("[{{\"text\": 3}},\n {{}}, {record}]"), 2),
        (names[3], "{\"meta\": 1}\n{\"meta\": 2}\n".to_owned(), 0),
    ];
    for (name, content, skipped) in cases {
        let (documents, header) = read(&content, skipping()).unwrap();
        let counted = header.counted();
        if skipped == 0 {
            assert_eq!(documents, [["b"]], "{name}");
            let left_out = ("JSON without a text in \"text\"", 1);
            assert_eq!(reasons(&counted.left_out), [left_out], "{name}");
            continue;
        }
        assert_eq!(documents, [["x"], ["b"]], "{name}");
        assert_eq!(counted.skipped_records, skipped, "{name}");
        let error = read(&content, Reading::default()).unwrap_err();
        assert!(error.to_string().contains("a.jsonl: line 1: "), "{error}");
    }
}
