//! Model folders as people have them: weights and config.json in all the ways in which transformers
//! opens them, and by what they are called where they are none.

mod configs;
mod messages;
mod outputs;
mod weights;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value};

use crate::command::{Done, kiln_with, read_json};

/// A tensor as it lies in a file.
#[derive(Clone, PartialEq)]
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// What a failed test shows: no table of bytes.
impl std::fmt::Debug for Stored {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let first = &self.bytes[..self.bytes.len().min(8)];
        write!(formatter, "{:?} {:?} {first:?}…", self.dtype, self.shape)
    }
}

type Tensors = BTreeMap<String, Stored>;

fn read(path: &Path) -> Tensors {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.iter().map(|(name, view)| {
        let stored = Stored {
            dtype: view.dtype(),
            shape: view.shape().to_vec(),
            bytes: view.data().to_vec(),
        };
        (name.to_owned(), stored)
    });
    tensors.collect()
}

fn write(path: &Path, tensors: &Tensors) {
    let views = tensors.iter().map(|(name, stored)| {
        let view = TensorView::new(stored.dtype, stored.shape.clone(), &stored.bytes).unwrap();
        (name.clone(), view)
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// A copy of a reference case's model in `folder/model`, and of its inputs beside it.
struct Model {
    folder: tempfile::TempDir,
}

impl Model {
    /// The case `name` of an architecture's fixtures (`scripts/make_reference.py`).
    fn of(architecture: &str, name: &str) -> Self {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let case = fixtures
            .join(architecture)
            .join("tests/fixtures")
            .join(name);
        let model = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(model.path("model")).unwrap();
        for (from, to) in [
            ("config.json", "model/config.json"),
            ("model.safetensors", "model/model.safetensors"),
            ("inputs.safetensors", "x.safetensors"),
        ] {
            fs::copy(case.join(from), model.path(to)).unwrap();
        }
        model
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn weights(&self) -> Tensors {
        read(&self.path("model/model.safetensors"))
    }

    fn change_weights(&self, change: impl FnOnce(&mut Tensors)) {
        let mut tensors = self.weights();
        change(&mut tensors);
        write(&self.path("model/model.safetensors"), &tensors);
    }

    /// Gives every tensor the name that `rename` makes of its own.
    fn rename(&self, rename: impl Fn(&str) -> String) {
        self.change_weights(|tensors| {
            let renamed = std::mem::take(tensors).into_iter();
            tensors.extend(renamed.map(|(name, stored)| (rename(&name), stored)));
        });
    }

    /// Sets the fields of config.json that the JSON object `fields` has.
    fn change_config(&self, fields: &Value) {
        let path = self.path("model/config.json");
        let mut config = read_json(&path);
        for (field, value) in fields.as_object().unwrap() {
            config[field] = value.clone();
        }
        fs::write(path, config.to_string()).unwrap();
    }

    fn remove_fields(&self, fields: &[&str]) {
        let path = self.path("model/config.json");
        let mut config: Map<String, Value> =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for field in fields {
            config.remove(*field);
        }
        fs::write(path, Value::Object(config).to_string()).unwrap();
    }

    /// Keeps of the inputs what every class takes.
    fn without_labels(&self) {
        let path = self.path("x.safetensors");
        let mut inputs = read(&path);
        inputs.retain(|name, _| ["input_ids", "attention_mask"].contains(&name.as_str()));
        write(&path, &inputs);
    }

    fn run(&self, flags: &[&str]) -> Done {
        let _ = fs::remove_file(self.path("y.safetensors"));
        let mut arguments = vec!["forward", "--model", "model"];
        arguments.extend(["--inputs", "x.safetensors", "--outputs", "y.safetensors"]);
        arguments.extend(flags);
        kiln_with(self.folder.path(), &arguments, "")
    }

    /// What a forward pass gives.
    #[track_caller]
    fn outputs(&self, flags: &[&str]) -> Tensors {
        self.run(flags).ok();
        let outputs = read(&self.path("y.safetensors"));
        assert!(!outputs.is_empty());
        outputs
    }

    /// The one line that says why there is no forward pass.
    #[track_caller]
    fn refusal(&self) -> String {
        self.run(&[]).error(1)
    }
}
