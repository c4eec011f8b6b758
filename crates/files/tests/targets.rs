//! What stands under the name already: files are replaced, links followed, all else is written to.
#![cfg(unix)]

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::process::Command;

use kiln_files::write;

#[test]
fn links_are_followed_and_stay() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("inner")).unwrap();
    fs::write(at("inner/real"), "before").unwrap();
    symlink("inner/real", at("link")).unwrap();
    symlink("link", at("link-to-link")).unwrap();
    symlink("inner/new", at("leads-nowhere")).unwrap();
    write(&at("link-to-link"), b"after").unwrap();
    write(&at("leads-nowhere"), b"made").unwrap();
    assert_eq!(fs::read_to_string(at("inner/real")).unwrap(), "after");
    assert_eq!(fs::read_to_string(at("inner/new")).unwrap(), "made");
    for name in ["link", "link-to-link", "leads-nowhere"] {
        assert!(at(name).is_symlink(), "{name}");
    }
    symlink("round-1", at("round-2")).unwrap();
    symlink("round-2", at("round-1")).unwrap();
    // In the place of a link that leads to itself there is room for a file.
    write(&at("round-1"), b"ended").unwrap();
}

#[test]
fn a_pipe_is_written_to_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let reader = {
        let pipe = pipe.clone();
        std::thread::spawn(move || {
            let mut text = String::new();
            fs::File::open(pipe)
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
            text
        })
    };
    write(&pipe, b"whole").unwrap();
    assert_eq!(reader.join().unwrap(), "whole");
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
}
