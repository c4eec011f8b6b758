//! Text through pipes: read once, or kept to be read again.

#![cfg(unix)]

use std::process::Command;

use super::*;

/// A named pipe, and a thread that writes into it.
fn pipe(place: &Place, name: &str, content: &[u8]) -> (PathBuf, std::thread::JoinHandle<()>) {
    let path = place.path(name);
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let (to, content) = (path.clone(), content.to_vec());
    let writer = std::thread::spawn(move || {
        // Whoever reads may have seen enough.
        let _ = fs::write(to, content);
    });
    (path, writer)
}

#[test]
fn what_comes_through_a_pipe_is_read_whatever_it_is() {
    let place = Place::new();
    let cases: [(&str, Vec<u8>); 4] = [
        ("plain", b"a b\n\nc\n".to_vec()),
        ("gzip", gzip(b"a b\n\nc\n")),
        ("json", b"{\"text\": \"a b\"}\n{\"text\": \"c\"}\n".to_vec()),
        ("list", b"[{\"text\": \"a b\"}, {\"text\": \"c\"}]".to_vec()),
    ];
    for (name, content) in cases {
        let (path, writer) = pipe(&place, name, &content);
        let corpus = place.prepare(&[path], &format!("shard-{name}")).unwrap();
        writer.join().unwrap();
        assert_eq!(contents(&corpus).unwrap(), [["a b"], ["c"]], "{name}");
        let input = &corpus.header().unwrap().inputs[0];
        assert!(input.is_pipe, "{name}");
        assert_eq!(input.bytes, content.len() as u64, "{name}");
        assert_eq!(input.sha256, hex(&Sha256::digest(&content)), "{name}");
    }
}

#[test]
fn a_pipe_that_is_kept_is_read_twice_and_found_in_the_cache_by_its_content() {
    let place = Place::new();
    let file = place.write("x.txt", "c\n");
    let get = |name: &str| {
        let (path, writer) = pipe(&place, name, b"a b\n");
        let mut inputs = Inputs::find(&[path, file.clone()], Reading::default()).unwrap();
        assert!(!inputs.is_kept());
        let mut told = Vec::new();
        inputs
            .keep_pipes(&mut |path, bytes| told.push((path.to_path_buf(), bytes)))
            .unwrap();
        writer.join().unwrap();
        assert!(inputs.is_kept());
        assert_eq!(told, [(place.path(name), 4)]);
        assert_eq!(inputs.stored_bytes(), 6);
        let mut reports = 0;
        for _ in 0..2 {
            let settings = PrepareSettings::default();
            let cache = place.path("cache");
            let corpus = cached(&inputs, &tokenizer(), &cache, &settings, &mut |_| {
                reports += 1
            })
            .unwrap();
            assert_eq!(contents(&corpus).unwrap(), [["a b"], ["c"]]);
            assert!(corpus.header().unwrap().inputs[0].is_pipe);
        }
        reports
    };
    assert!(get("first") > 0);
    assert_eq!(get("second"), 0, "the same came through it");
}

#[test]
fn a_pipe_is_refused_where_it_would_be_waited_for_or_read_in_vain() {
    let place = Place::new();
    let path = place.path("nobody");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let error = Inputs::find(std::slice::from_ref(&path), Reading::default()).unwrap_err();
    let expected = format!(
        "{}: a pipe that no program opened for writing within 5 s; start its writer first",
        path.display()
    );
    assert_eq!(error.to_string(), expected);

    let (path, writer) = pipe(&place, "empty", b"");
    let mut inputs = Inputs::find(std::slice::from_ref(&path), Reading::default()).unwrap();
    let error = inputs.keep_pipes(&mut |_, _| {}).unwrap_err();
    writer.join().unwrap();
    assert!(
        error.to_string().contains("empty: no text in it"),
        "{error}"
    );

    let (path, writer) = pipe(&place, "image", b"\x89PNG\0");
    let mut inputs = Inputs::find(std::slice::from_ref(&path), Reading::default()).unwrap();
    let error = inputs.keep_pipes(&mut |_, _| {}).unwrap_err();
    writer.join().unwrap();
    assert!(
        error.to_string().contains("image: a PNG image; pass text"),
        "{error}"
    );

    let (path, writer) = pipe(&place, "twice", b"a");
    let error = Inputs::find(&[path.clone(), path], Reading::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("twice: given twice, and a pipe can be read once only"),
        "{error}"
    );
    writer.join().unwrap();

    let (path, writer) = pipe(&place, "again", b"a");
    let inputs = Inputs::find(&[path], Reading::default()).unwrap();
    let settings = PrepareSettings::default();
    let read = |name: &str| {
        prepare(
            &inputs,
            &tokenizer(),
            &place.path(name),
            &settings,
            &mut |_| {},
        )
    };
    read("one").unwrap();
    writer.join().unwrap();
    let error = read("two").unwrap_err().to_string();
    assert!(
        error.contains("again: a pipe that was read already; save what comes"),
        "{error}"
    );
}
