//! What killed writers leave, of this version and of earlier ones.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::path::Path;

use kiln_files::{FileError, Leftover, WholeFile, WholeFolder, write};

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_writer_removes_what_killed_ones_of_the_same_name_left_and_nothing_else() {
    let parent = tempfile::tempdir().unwrap();
    let at = |name: &str| parent.path().join(name);
    fs::create_dir(at(".tmp-shard-999999-0")).unwrap();
    fs::write(at(".tmp-shard-999999-0/tokens.bin"), b"half").unwrap();
    fs::write(at(".tmp-shard-999999-0.lock"), b"").unwrap();
    fs::write(at(".tmp-config.json-999999-1"), b"{").unwrap();
    let others = [".tmp-notes", ".tmp-shard-2-999999-2", ".tmp-shard-x-y"];
    for name in others {
        fs::create_dir(at(name)).unwrap();
    }
    write(&at("config.json"), b"{}").unwrap();
    let folder = WholeFolder::create(&at("shard")).unwrap();
    assert_eq!(names(folder.path()), Vec::<String>::new());
    folder.commit().unwrap();
    let mut left = others.to_vec();
    left.extend(["config.json", "shard"]);
    assert_eq!(names(parent.path()), left);
}

#[test]
fn folders_of_earlier_versions_are_cleaned_unless_their_writer_lives() {
    let parent = tempfile::tempdir().unwrap();
    let at = |name: &str| parent.path().join(name);
    for name in [
        ".shard.partial-dead",
        ".shard.partial-alive",
        ".shard.partial-empty",
    ] {
        fs::create_dir(at(name)).unwrap();
    }
    fs::write(at(".shard.partial-dead/tokens.bin"), b"half").unwrap();
    fs::write(at(".shard.partial-dead/.lock"), b"").unwrap();
    let alive = File::create(at(".shard.partial-alive/.lock")).unwrap();
    alive.lock().unwrap();
    drop(WholeFolder::create(&at("shard")).unwrap());
    assert_eq!(names(parent.path()), [".shard.partial-alive"]);
}

#[test]
fn a_folder_that_was_being_replaced_has_its_name_back_before_it_is_replaced_again() {
    let parent = tempfile::tempdir().unwrap();
    let at = |name: &str| parent.path().join(name);
    fs::create_dir(at(".old-model-999999-0")).unwrap();
    fs::write(at(".old-model-999999-0/config.json"), b"{}").unwrap();
    // Begun and given up: the old folder stays.
    drop(WholeFolder::replace(&at("model")).unwrap());
    assert_eq!(names(parent.path()), ["model"]);
    assert_eq!(names(&at("model")), ["config.json"]);
}

#[test]
fn temporary_names_tell_what_they_stand_for() {
    let target = |name: &str| Leftover::at(Path::new(name)).map(|leftover| leftover.target);
    assert_eq!(target("x/.tmp-my-model-12-0").as_deref(), Some("my-model"));
    assert_eq!(
        target(".tmp-my-model-12-0.lock").as_deref(),
        Some("my-model")
    );
    assert_eq!(target(".old-model-12-0").as_deref(), Some("model"));
    assert_eq!(target(".shard.partial-aBc").as_deref(), Some("shard"));
    for name in ["model", ".tmp-model", ".tmp-a-b-c", ".hidden", ".tmp-1-2"] {
        assert_eq!(target(name), None, "{name}");
    }
    let parent = tempfile::tempdir().unwrap();
    let folder = WholeFolder::create(&parent.path().join("model")).unwrap();
    let leftover = Leftover::at(folder.path()).unwrap();
    assert!(leftover.lock.is_file());
    assert!(File::open(leftover.lock).unwrap().try_lock().is_err());
}

#[test]
fn an_empty_folder_does_not_take_a_name_and_a_folder_may_end_under_another() {
    let parent = tempfile::tempdir().unwrap();
    let at = |name: &str| parent.path().join(name);
    fs::create_dir(at("provisional")).unwrap();
    fs::create_dir(at("final")).unwrap();
    let folder = WholeFolder::create(&at("provisional")).unwrap();
    write(&folder.path().join("file"), b"whole").unwrap();
    folder.commit_as(&at("final")).unwrap();
    assert_eq!(names(&at("final")), ["file"]);
    assert_eq!(names(parent.path()), ["final", "provisional"]);
    let error = WholeFolder::create(&at("final")).unwrap_err();
    assert!(matches!(error, FileError::Exists { .. }), "{error}");
}

#[test]
fn a_file_given_up_leaves_the_one_before() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("config.json");
    write(&path, b"before").unwrap();
    drop(WholeFile::create(&path).unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"before");
    assert_eq!(names(parent.path()), ["config.json"]);
    assert!(matches!(
        write(Path::new(".."), b""),
        Err(FileError::Name { .. })
    ));
}
