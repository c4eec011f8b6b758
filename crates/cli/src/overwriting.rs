//! What a command reads is never overwritten by what it writes.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use kiln_checkpoint::{CONFIG_FILE, MANIFEST, WEIGHTS_FILES, parse_json};
use serde_json::Value;

use crate::failure::Failure;

/// How many folders deep a model's files are looked for behind links: those of a pair, of a
/// checkpoint's training state.
const DEPTH: usize = 2;

/// Refuses to write `output` where it is one of the files `read` or of those in the folders `models`,
/// directly or through links; and a name in them that would be taken for a part of the model. What is
/// replaced in such a folder are outputs of before: safetensors that are no part of the model.
///
/// # Errors
/// If it is so, or nothing can be written there at all.
pub(crate) fn refuse_overwriting(
    flag: &str,
    output: &Path,
    read: &[&Path],
    models: &[&Path],
) -> Result<(), Failure> {
    let refuse = |problem: &str| {
        Err(Failure::usage(format_args!(
            "{flag} {}: {problem}",
            output.display()
        )))
    };
    if output.is_dir() {
        return refuse("is a folder; name a file");
    }
    let parent = match output.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let (Ok(parent), Some(name)) = (parent.canonicalize(), output.file_name()) else {
        return Err(Failure::run(format_args!(
            "{}: cannot be written (its folder does not exist); make it, or choose another",
            output.display()
        )));
    };
    // The name itself, and, where it is a link, what it leads to.
    let place = parent.join(name);
    let places: Vec<PathBuf> = place.canonicalize().into_iter().chain([place]).collect();

    let mut files = read.iter().filter_map(|path| path.canonicalize().ok());
    if files.any(|path| places.contains(&path)) {
        return refuse("is a file that is read; choose another name");
    }
    for model in models {
        let Ok(model) = model.canonicalize() else {
            continue;
        };
        let mut linked = Vec::new();
        list(&model, DEPTH, &mut linked);
        linked.retain(|path| !path.starts_with(&model));
        for place in &places {
            let is_within = place.starts_with(&model);
            let is_replaceable = !place.exists() || is_outputs(place);
            if linked.contains(place) || is_within && !is_replaceable {
                return refuse("is a file of the model that is read; choose another name");
            }
            if is_within && place.file_name().is_some_and(is_looked_for) {
                return refuse("would be taken for a part of the model; choose another name");
            }
        }
    }
    Ok(())
}

/// Whether opening a model looks for a file of this name.
fn is_looked_for(name: &OsStr) -> bool {
    let mut names = WEIGHTS_FILES.into_iter().chain([CONFIG_FILE]);
    names.any(|looked_for| name == looked_for)
}

/// Whether a file in a model's folder can be outputs of before: no other kind of file, no weights,
/// whatever their name, and nothing of a training state.
fn is_outputs(path: &Path) -> bool {
    let (Some(folder), Some("safetensors")) =
        (path.parent(), path.extension().and_then(OsStr::to_str))
    else {
        return false;
    };
    let is_training = Path::new(MANIFEST)
        .file_name()
        .is_some_and(|name| folder.join(name).exists());
    let is_weights = WEIGHTS_FILES.iter().any(|name| {
        let file = folder.join(name);
        let is_same = file.canonicalize().is_ok_and(|file| file == path);
        is_same || shards(&file).any(|shard| path.ends_with(shard))
    });
    !is_training && !is_weights
}

/// The files that an index names.
fn shards(index: &Path) -> impl Iterator<Item = String> {
    let is_index = index.extension() == Some(OsStr::new("json"));
    let text = is_index.then(|| fs::read(index).ok()).flatten();
    let index = text.and_then(|text| parse_json::<Value>(&text).ok());
    let files = index.and_then(|mut index| match index.get_mut("weight_map")?.take() {
        Value::Object(files) => Some(files),
        _ => None,
    });
    let files = files.into_iter().flatten();
    files.filter_map(|(_, file)| Some(file.as_str()?.to_owned()))
}

/// The files below `folder`, links followed.
fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.filter_map(|entry| entry.ok()?.path().canonicalize().ok()) {
        if path.is_file() {
            files.push(path);
        } else if depth > 0 {
            list(&path, depth - 1, files);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model, inputs, and a folder beside them.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("cache/model/inner")).unwrap();
        fs::create_dir_all(at("cache/model/training")).unwrap();
        for name in [
            "x.safetensors",
            "y.safetensors",
            "cache/blob",
            "cache/model/config.json",
            "cache/model/inner/config.json",
            "cache/model/vocab.txt",
            "cache/model/before.safetensors",
            "cache/model/inner/before.safetensors",
            "cache/model/half.safetensors",
            "cache/model/training/checksums.json",
            "cache/model/training/optimizer.safetensors",
        ] {
            fs::write(at(name), b"{}").unwrap();
        }
        fs::write(
            at("cache/model/model.safetensors.index.json"),
            br#"{"weight_map": {"bias": "half.safetensors"}}"#,
        )
        .unwrap();
        folder
    }

    /// What is said of writing to `output`, if anything.
    fn refusal(folder: &Path, output: &str) -> Option<String> {
        let (inputs, model) = (folder.join("x.safetensors"), folder.join("cache/model"));
        let output = folder.join(output);
        let done = refuse_overwriting("--outputs", &output, &[&inputs], &[&model]);
        done.err()?.message()
    }

    #[test]
    fn what_is_read_is_not_written_by_any_of_its_paths() {
        let folder = folder();
        let folder = folder.path();
        for output in [
            "x.safetensors",
            "cache/../x.safetensors",
            "cache/model/config.json",
            "cache/model/inner/../config.json",
            "cache/model/inner/config.json",
            "cache/model/vocab.txt",
            "cache/model/half.safetensors",
            "cache/model/training/optimizer.safetensors",
        ] {
            let message = refusal(folder, output).unwrap();
            assert!(message.contains("that is read"), "{message}");
        }
        let message = refusal(folder, "cache/model/model.safetensors").unwrap();
        assert!(message.contains("would be taken for"), "{message}");
        let message = refusal(folder, "cache").unwrap();
        assert!(message.contains("is a folder"), "{message}");
        let message = refusal(folder, "nowhere/y.safetensors").unwrap();
        assert!(message.contains("does not exist"), "{message}");
    }

    #[test]
    fn an_index_of_another_shape_protects_nothing() {
        let folder = folder();
        let index = folder
            .path()
            .join("cache/model/model.safetensors.index.json");
        for damaged in ["[]", "3", "{}", r#"{"weight_map": []}"#] {
            fs::write(&index, damaged).unwrap();
            assert_eq!(refusal(folder.path(), "cache/model/half.safetensors"), None);
        }
    }

    #[test]
    fn other_files_are_written_and_replaced() {
        let folder = folder();
        for output in [
            "y.safetensors",
            "new.safetensors",
            "cache/model/y.safetensors",
            "cache/model/before.safetensors",
            "cache/model/inner/before.safetensors",
        ] {
            assert_eq!(refusal(folder.path(), output), None, "{output}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn links_lead_to_what_they_stand_for() {
        use std::os::unix::fs::symlink;
        let folder = folder();
        let folder = folder.path();
        let at = |name: &str| folder.join(name);
        // As in a cache: the model's file is a link to a file elsewhere.
        symlink("../blob", at("cache/model/model.safetensors")).unwrap();
        symlink("x.safetensors", at("link-to-inputs")).unwrap();
        symlink("cache/model", at("link-to-model")).unwrap();
        for output in [
            "cache/blob",
            "cache/model/model.safetensors",
            "link-to-inputs",
            "link-to-model/config.json",
        ] {
            assert!(refusal(folder, output).is_some(), "{output}");
        }
        symlink("y.safetensors", at("link-to-other")).unwrap();
        assert_eq!(refusal(folder, "link-to-other"), None);
    }
}
