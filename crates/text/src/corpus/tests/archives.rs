//! Archives: what of their members is read, and what is left out.

use std::io::Read as _;

use super::kinds::{XZ, tar, zip};
use super::*;

/// A header of `tar` for something that takes `size` bytes there.
fn header(name: &str, kind: ::tar::EntryType, size: u64) -> ::tar::Header {
    let mut header = ::tar::Header::new_gnu();
    header.set_path(name).unwrap();
    header.set_entry_type(kind);
    header.set_size(size);
    header
}

#[test]
fn members_of_archives_that_are_no_text_are_left_out_and_counted() {
    let place = Place::new();
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut link = ::tar::Header::new_gnu();
    link.set_entry_type(::tar::EntryType::Symlink);
    link.set_size(0);
    builder.append_link(&mut link, "link", "a.txt").unwrap();
    let mut archive = builder.into_inner().unwrap();
    // Without the two empty blocks at the end.
    archive.truncate(512);
    let long = format!("{}/a.txt", "n".repeat(200));
    archive.extend(tar(&[
        (long.as_str(), b"a\n"),
        ("._a.txt", b"x"),
        ("t/.git/config", b"x"),
        ("b.png", b"\x89PNG\0"),
        ("c.jsonl", b"{\"body\": \"x\"}\n"),
        ("d.zip", &zip(&[("x", b"x")])),
        ("e.jsonl", b"{\"text\": \"b\"}\n"),
    ]));
    let (documents, header) = place
        .read(&[place.write("x.tar", archive)], Reading::default())
        .unwrap();
    assert_eq!(documents, [["a"], ["b"]]);
    assert_eq!(
        reasons(&header.left_out),
        [
            ("JSON without a text in \"text\"", 1),
            ("a PNG image", 1),
            ("hidden file or folder", 2),
            ("link in an archive", 1),
            ("zip archive in an archive", 1),
        ]
    );
}

#[test]
fn a_damaged_member_of_an_archive_is_named() {
    let place = Place::new();
    let mut packed = zip(&[("b", b"x"), ("a.txt", b"a b c d e f g")]);
    let at = packed.windows(5).position(|it| it == b"a b c").unwrap();
    packed[at] = b'z';
    let error = place
        .read(&[place.write("x.zip", packed)], Reading::default())
        .unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("x.zip:a.txt: cannot be read (the checksum"),
        "{error}"
    );
}

#[test]
fn what_follows_a_sparse_file_is_read() {
    let place = Place::new();
    // A hole of 1 MiB, as `tar --sparse --format=gnu` writes it: nothing of it is in the archive.
    let mut hole = header("hole", ::tar::EntryType::GNUSparse, 0);
    let gnu = hole.as_gnu_mut().unwrap();
    gnu.sparse[0].offset = *b"00004000000\0";
    gnu.sparse[0].numbytes = *b"00000000000\0";
    gnu.realsize = *b"00004000000\0";
    hole.set_cksum();
    let mut builder = ::tar::Builder::new(Vec::new());
    builder.append(&hole, &[][..]).unwrap();
    // As --format=posix does: where the text belongs stands before it.
    builder
        .append_pax_extensions([("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.minor", b"0")])
        .unwrap();
    let mut map = b"1\n0\n2\n".to_vec();
    map.resize(512, 0);
    map.extend(b"a\n");
    let mut posix = header("posix", ::tar::EntryType::Regular, map.len() as u64);
    posix.set_cksum();
    builder.append(&posix, &map[..]).unwrap();
    let mut archive = builder.into_inner().unwrap();
    archive.truncate(archive.len() - 1024);
    archive.extend(tar(&[("b.txt", b"b\n")]));
    let (documents, header) = place
        .read(&[place.write("x.tar", archive)], Reading::default())
        .unwrap();
    assert_eq!(documents, [["b"]]);
    assert_eq!(
        reasons(&header.left_out),
        [("sparse file in an archive", 2)]
    );
}

#[test]
fn what_an_archive_asks_for_in_memory_has_a_bound() {
    let place = Place::new();
    let size = 17 << 20;
    let mut attributes = header("x", ::tar::EntryType::XHeader, size);
    attributes.set_cksum();
    let mut builder = ::tar::Builder::new(Vec::new());
    builder
        .append(&attributes, std::io::repeat(b'a').take(size))
        .unwrap();
    let mut window = XZ.to_vec();
    // A dictionary of 4 GiB.
    window[16] = 40;
    let sum = crc32fast::hash(&window[12..20]);
    window[20..24].copy_from_slice(&sum.to_le_bytes());
    let files = [
        (
            "x.tar",
            builder.into_inner().unwrap(),
            "a file in the archive has a header of more than 16 MiB; unpack it first",
        ),
        (
            "x.xz",
            window,
            "x.xz: compressed with a window of more than 2 GiB; decompress it first",
        ),
    ];
    for (name, content, expected) in files {
        let error = place
            .read(&[place.write(name, content)], Reading::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn text_beside_arrays_is_read_and_arrays_alone_are_named() {
    let place = Place::new();
    let array: &[u8] = b"\x93NUMPY\x01\0v\0{'descr': '<f4'}";
    let pickle: &[u8] = b"\x80\x02}q\0.";
    let mixed = zip(&[
        ("a.txt", b"a\n"),
        ("emb/x.npy", array),
        ("m/data.pkl", pickle),
    ]);
    let (documents, header) = place
        .read(&[place.write("x.zip", mixed)], Reading::default())
        .unwrap();
    assert_eq!(documents, [["a"]]);
    assert_eq!(
        reasons(&header.left_out),
        [("a NumPy array", 1), ("a Python pickle", 1)]
    );
    let weights = zip(&[
        ("m/data.pkl", pickle),
        ("m/data/0", b"1"),
        ("m/version", b"3\n"),
    ]);
    for (name, content, expected) in [
        (
            "x.npz",
            zip(&[("a.npy", array), ("b.npy", array)]),
            "NumPy arrays (.npz); it holds numbers",
        ),
        ("x.pt", weights, "a PyTorch file; it holds numbers"),
    ] {
        let error = place
            .read(&[place.write(name, content)], Reading::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}
