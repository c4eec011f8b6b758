//! Folders that appear whole or not at all, whatever happens to their writer.

use std::fs;
use std::path::{Path, PathBuf};

use kiln_checkpoint::{
    CheckpointFolder, NamedTensor, OpenError, WriteError, verify, write_bytes, write_safetensors,
};
use kiln_files::clean_stale;

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A sealed checkpoint of two files and a subfolder.
fn checkpoint(path: &Path) -> PathBuf {
    let folder = CheckpointFolder::create(path).unwrap();
    write_bytes(&folder.path().join("config.json"), b"{}").unwrap();
    let training = folder.subfolder("training").unwrap();
    write_bytes(&training.join("optimizer.bin"), &[7; 1000]).unwrap();
    folder.seal().unwrap();
    folder.commit().unwrap();
    path.to_path_buf()
}

#[test]
fn a_folder_appears_at_the_commit_and_not_before() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("checkpoints/step-00000500");
    let folder = CheckpointFolder::create(&path).unwrap();
    write_bytes(&folder.path().join("config.json"), b"{}").unwrap();
    assert!(!path.exists());
    folder.commit().unwrap();
    assert_eq!(fs::read(path.join("config.json")).unwrap(), b"{}");
    assert_eq!(names(path.parent().unwrap()), ["step-00000500"]);
}

#[test]
fn a_folder_given_up_leaves_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let folder = CheckpointFolder::create(&parent.path().join("model")).unwrap();
    write_bytes(&folder.path().join("config.json"), b"{}").unwrap();
    drop(folder);
    assert_eq!(names(parent.path()), Vec::<String>::new());
}

#[test]
fn a_name_that_is_taken_is_refused_at_the_start_and_at_the_end() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("model");
    let late = CheckpointFolder::create(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("theirs"), b"kept").unwrap();
    assert!(matches!(
        CheckpointFolder::create(&path),
        Err(WriteError::Exists { .. })
    ));
    assert!(matches!(late.commit(), Err(WriteError::Exists { .. })));
    assert_eq!(names(parent.path()), ["model"]);
    assert_eq!(names(&path), ["theirs"]);
    assert!(matches!(
        CheckpointFolder::create(Path::new("/")),
        Err(WriteError::Exists { .. })
    ));
    assert!(matches!(
        CheckpointFolder::replace(Path::new("..")),
        Err(WriteError::Name { .. })
    ));
}

#[test]
fn a_replaced_folder_stays_until_the_new_one_is_whole() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("model");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("old"), b"").unwrap();
    drop(CheckpointFolder::replace(&path).unwrap());
    assert_eq!(names(&path), ["old"]);

    let folder = CheckpointFolder::replace(&path).unwrap();
    write_bytes(&folder.path().join("new"), b"").unwrap();
    assert_eq!(names(&path), ["old"]);
    folder.commit().unwrap();
    assert_eq!(names(&path), ["new"]);
    assert_eq!(names(parent.path()), ["model"]);
}

#[test]
fn what_killed_writers_leave_is_cleaned_and_a_living_writer_is_not_harmed() {
    let parent = tempfile::tempdir().unwrap();
    let at = |name: &str| parent.path().join(name);
    // As a killed process leaves them: nobody holds their locks.
    fs::create_dir_all(at(".tmp-step-1-999999-0/training")).unwrap();
    fs::write(at(".tmp-step-1-999999-0/training/half"), b"written").unwrap();
    fs::write(at(".tmp-step-1-999999-0.lock"), b"").unwrap();
    fs::create_dir(at(".tmp-step-2-999999-1")).unwrap();
    fs::write(at(".tmp-config.json-999999-2"), b"{").unwrap();
    fs::write(at("metrics.jsonl"), b"").unwrap();

    let living = CheckpointFolder::create(&at("step-3")).unwrap();
    write_bytes(&living.path().join("config.json"), b"{}").unwrap();
    clean_stale(parent.path()).unwrap();
    assert_eq!(names(parent.path()).len(), 3, "{:?}", names(parent.path()));
    assert_eq!(names(living.path()), ["config.json"]);
    living.commit().unwrap();
    assert_eq!(names(parent.path()), ["metrics.jsonl", "step-3"]);
    clean_stale(&at("absent")).unwrap();
}

#[test]
fn a_folder_whose_replacement_was_cut_short_gets_its_name_back() {
    let parent = tempfile::tempdir().unwrap();
    let at = |name: &str| parent.path().join(name);
    // Killed between putting the old one aside and renaming the new one.
    fs::create_dir(at(".old-my-model-999999-4")).unwrap();
    fs::write(at(".old-my-model-999999-4/config.json"), b"{}").unwrap();
    fs::create_dir(at(".tmp-my-model-999999-4")).unwrap();
    fs::write(at(".tmp-my-model-999999-4.lock"), b"").unwrap();
    // Killed after it: the new one is there.
    fs::create_dir(at("other")).unwrap();
    fs::create_dir(at(".old-other-999999-5")).unwrap();
    clean_stale(parent.path()).unwrap();
    assert_eq!(names(parent.path()), ["my-model", "other"]);
    assert_eq!(names(&at("my-model")), ["config.json"]);
}

#[test]
fn many_writers_of_one_folder_and_a_cleaner_do_not_disturb_each_other() {
    let parent = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let parent = parent.path();
            scope.spawn(move || {
                for round in 0..10 {
                    checkpoint(&parent.join(format!("step-{writer}-{round}")));
                }
            });
        }
        for _ in 0..50 {
            clean_stale(parent.path()).unwrap();
        }
    });
    let names = names(parent.path());
    assert_eq!(names.len(), 40, "{names:?}");
    for name in names {
        verify(&parent.path().join(name)).unwrap();
    }
}

#[test]
fn a_changed_shortened_or_missing_file_unseals_a_checkpoint() {
    let parent = tempfile::tempdir().unwrap();
    let path = checkpoint(&parent.path().join("step-1"));
    verify(&path).unwrap();
    // Files that came later are no harm.
    fs::write(path.join("README.md"), b"mine").unwrap();
    verify(&path).unwrap();

    let file = path.join("training/optimizer.bin");
    let torn = |expected: &str| {
        let error = verify(&path).unwrap_err();
        assert!(matches!(error, OpenError::Torn { .. }));
        assert!(error.to_string().contains(expected), "{error}");
    };
    let mut bytes = fs::read(&file).unwrap();
    bytes[500] ^= 1;
    fs::write(&file, &bytes).unwrap();
    torn("optimizer.bin: is not what was written");
    fs::write(&file, &bytes[..999]).unwrap();
    torn("has 999 bytes, 1000 were written");
    fs::remove_file(&file).unwrap();
    torn("optimizer.bin: is missing");
    let manifest = path.join(kiln_checkpoint::MANIFEST);
    fs::write(
        &manifest,
        br#"{"files": {"../x": {"bytes": 1, "crc32": 1}}}"#,
    )
    .unwrap();
    torn("outside the checkpoint");
    fs::remove_file(manifest).unwrap();
    torn("checksums.json: is missing");
}

#[test]
fn a_writer_killed_at_any_moment_leaves_whole_checkpoints_only() {
    const FOLDER: &str = "KILN_TEST_WRITE_CHECKPOINTS_INTO";
    if let Some(folder) = std::env::var_os(FOLDER) {
        // The process to be killed: this same test, run again.
        for step in 0..u32::MAX {
            checkpoint(&Path::new(&folder).join(format!("step-{step:08}")));
        }
    }
    let parent = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let run = parent.path().join(format!("run-{round}"));
        fs::create_dir(&run).unwrap();
        let mut writer = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "folders::a_writer_killed_at_any_moment_leaves_whole_checkpoints_only",
            ])
            .env(FOLDER, &run)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Some are finished and the next is being written.
        loop {
            let (hidden, finished): (Vec<_>, Vec<_>) = names(&run)
                .into_iter()
                .partition(|name| name.starts_with('.'));
            if finished.len() > round && !hidden.is_empty() {
                break;
            }
            assert!(
                writer.try_wait().unwrap().is_none(),
                "the writer ended by itself"
            );
            std::thread::yield_now();
        }
        writer.kill().unwrap();
        writer.wait().unwrap();

        clean_stale(&run).unwrap();
        let names = names(&run);
        assert!(names.len() > round, "{names:?}");
        for name in names {
            assert!(name.starts_with("step-"), "{name}");
            verify(&run.join(name)).unwrap();
        }
    }
}

/// A file system of 64 KiB, where this user may mount one.
#[cfg(target_os = "linux")]
struct TinyDisk(tempfile::TempDir);

#[cfg(target_os = "linux")]
impl TinyDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(folder.path())
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(Self(folder))
    }
}

#[cfg(target_os = "linux")]
impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg(self.0.path())
            .status();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_one_clear_error_and_leaves_nothing() {
    let Some(disk) = TinyDisk::mount() else {
        eprintln!("left out: mounting a small file system is not permitted here");
        return;
    };
    let parent = disk.0.path();
    let path = parent.join("model");
    let kept = checkpoint(&parent.join("step-1"));
    let tensor = |elements: usize| NamedTensor {
        name: "a".into(),
        shape: vec![elements],
        data: vec![0.5; elements],
    };

    let folder = CheckpointFolder::create(&path).unwrap();
    let file = folder.path().join("model.safetensors");
    let error = write_safetensors(&file, &[tensor(1 << 15)]).unwrap_err();
    assert!(matches!(error, WriteError::DiskFull { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("model.safetensors: the disk is full"),
        "{error}"
    );
    assert!(!file.exists());
    drop(folder);
    assert_eq!(names(parent), ["step-1"]);
    verify(&kept).unwrap();

    // With room again the same name works.
    let folder = CheckpointFolder::create(&path).unwrap();
    write_safetensors(&folder.path().join("model.safetensors"), &[tensor(8)]).unwrap();
    folder.commit().unwrap();
    assert_eq!(names(parent), ["model", "step-1"]);
}
