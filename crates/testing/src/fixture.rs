//! Reference tensors: what another implementation computed from the same weights and inputs.
//!
//! One folder a case, made by `scripts/make_reference.py`:
//! ```text
//! crates/bert/tests/fixtures/CASE/        or, if KILN_FIXTURES is set, $KILN_FIXTURES/bert/CASE/
//!     config.json             the model's configuration
//!     model.safetensors       its weights, by Hugging Face name
//!     inputs.safetensors      arguments by Hugging Face name
//!     outputs.safetensors     results by Hugging Face name, and the losses
//!     gradients.safetensors   grad.NAME for every parameter
//!     parameters.safetensors  after the last step, for cases that train
//!     settings.json           of that training
//! ```
//! A case need not have all of them.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// Names a folder that replaces the committed reference tensors: `$KILN_FIXTURES/bert/CASE/…`.
pub const FIXTURES_VARIABLE: &str = "KILN_FIXTURES";

/// The folder with an architecture's cases.
///
/// `manifest_dir` is the caller's `env!("CARGO_MANIFEST_DIR")`: its `tests/fixtures`, unless
/// [`FIXTURES_VARIABLE`] is set.
///
/// # Panics
/// If the folder does not exist.
pub fn fixtures_dir(architecture: &str, manifest_dir: &str) -> PathBuf {
    let (folder, remedy) = match std::env::var_os(FIXTURES_VARIABLE) {
        Some(root) => (
            Path::new(&root).join(architecture),
            "KILN_FIXTURES must hold ARCHITECTURE/CASE/inputs.safetensors and so on",
        ),
        None => (
            Path::new(manifest_dir).join("tests").join("fixtures"),
            "make them with scripts/make_reference.py",
        ),
    };
    assert!(
        folder.is_dir(),
        "{}: no reference tensors there; {remedy}",
        folder.display()
    );
    folder
}

/// The folders of an architecture's cases, in the order of their names.
///
/// # Panics
/// If there are none.
pub fn cases(architecture: &str, manifest_dir: &str) -> Vec<PathBuf> {
    let folder = fixtures_dir(architecture, manifest_dir);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) => panic!("{}: {error}", folder.display()),
    };
    let mut cases: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    assert!(!cases.is_empty(), "{}: holds no case", folder.display());
    cases.sort();
    cases
}

/// One case, read into memory.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// The folder's name.
    pub name: String,
    /// The folder; config.json and model.safetensors in it open as a model folder.
    pub folder: PathBuf,
    /// config.json; null if there is none.
    pub config: Value,
    /// settings.json; null if there is none.
    pub settings: Value,
    /// Arguments by Hugging Face name.
    pub inputs: BTreeMap<String, FixtureTensor>,
    /// Results by Hugging Face name.
    pub outputs: BTreeMap<String, FixtureTensor>,
    /// `grad.NAME`, each in its parameter's Hugging Face shape.
    pub gradients: BTreeMap<String, FixtureTensor>,
    /// Parameters after the last training step.
    pub parameters: BTreeMap<String, FixtureTensor>,
}

/// A tensor on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct FixtureTensor {
    /// Lengths of the axes; empty for a scalar.
    pub shape: Vec<usize>,
    /// The entries in row-major order.
    pub values: Values,
}

/// The entries of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Floats; float64 in the file is rounded.
    Floats(Vec<f32>),
    /// Integers and Booleans; those of 64 bits must fit into 32.
    Ints(Vec<i32>),
}

impl Fixture {
    /// Reads a case's files; an absent one counts as empty.
    ///
    /// # Panics
    /// If a file is unreadable or malformed.
    pub fn open(folder: &Path) -> Self {
        let name = folder.file_name().unwrap_or(folder.as_os_str());
        Self {
            name: name.to_string_lossy().into_owned(),
            folder: folder.to_owned(),
            config: read_json(&folder.join("config.json")),
            settings: read_json(&folder.join("settings.json")),
            inputs: read_tensors(&folder.join("inputs.safetensors")),
            outputs: read_tensors(&folder.join("outputs.safetensors")),
            gradients: read_tensors(&folder.join("gradients.safetensors")),
            parameters: read_tensors(&folder.join("parameters.safetensors")),
        }
    }

    /// The weights, by Hugging Face name.
    ///
    /// # Panics
    /// If model.safetensors is malformed.
    pub fn model(&self) -> BTreeMap<String, FixtureTensor> {
        read_tensors(&self.folder.join("model.safetensors"))
    }

    /// The model's class: the first entry of config.json's `architectures`.
    pub fn class(&self) -> Option<&str> {
        self.config.get("architectures")?.get(0)?.as_str()
    }

    /// The argument called `name`.
    ///
    /// # Panics
    /// If the case has no such argument.
    pub fn input(&self, name: &str) -> &FixtureTensor {
        self.named(&self.inputs, "inputs", name)
    }

    /// The result called `name`.
    ///
    /// # Panics
    /// If the case has no such result.
    pub fn output(&self, name: &str) -> &FixtureTensor {
        self.named(&self.outputs, "outputs", name)
    }

    /// The gradient of the parameter of that Hugging Face name.
    ///
    /// # Panics
    /// If the case has no such gradient.
    pub fn gradient(&self, parameter: &str) -> &FixtureTensor {
        self.named(&self.gradients, "gradients", &format!("grad.{parameter}"))
    }

    fn named<'a>(
        &self,
        tensors: &'a BTreeMap<String, FixtureTensor>,
        file: &str,
        name: &str,
    ) -> &'a FixtureTensor {
        match tensors.get(name) {
            Some(tensor) => tensor,
            None => panic!(
                "{}/{file}.safetensors: no {name}; it holds {:?}",
                self.folder.display(),
                tensors.keys()
            ),
        }
    }
}

impl FixtureTensor {
    /// The entries of a float tensor.
    ///
    /// # Panics
    /// If it holds integers.
    pub fn floats(&self) -> &[f32] {
        match &self.values {
            Values::Floats(values) => values,
            Values::Ints(_) => panic!("a tensor of integers where floats are wanted"),
        }
    }

    /// The entries of an integer tensor.
    ///
    /// # Panics
    /// If it holds floats.
    pub fn ints(&self) -> &[i32] {
        match &self.values {
            Values::Ints(values) => values,
            Values::Floats(_) => panic!("a tensor of floats where integers are wanted"),
        }
    }

    /// The float tensor on a device, with the shape in the file.
    ///
    /// # Panics
    /// If it holds integers or has another number of axes than `D`.
    pub fn tensor<const D: usize>(&self, device: &Device) -> Tensor<D> {
        let data = TensorData::new(self.floats().to_vec(), self.shape.clone());
        Tensor::from_data(data, device)
    }

    /// The integer tensor on a device, with the shape in the file.
    ///
    /// # Panics
    /// If it holds floats or has another number of axes than `D`.
    pub fn int_tensor<const D: usize>(&self, device: &Device) -> Tensor<D, Int> {
        let data = TensorData::new(self.ints().to_vec(), self.shape.clone());
        Tensor::from_data(data, device)
    }
}

fn read_if_there(path: &Path) -> Option<Vec<u8>> {
    match std::fs::read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

fn read_json(path: &Path) -> Value {
    let Some(bytes) = read_if_there(path) else {
        return Value::Null;
    };
    match serde_json::from_slice(&bytes) {
        Ok(value) => value,
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

fn read_tensors(path: &Path) -> BTreeMap<String, FixtureTensor> {
    let Some(bytes) = read_if_there(path) else {
        return BTreeMap::new();
    };
    let file = match SafeTensors::deserialize(&bytes) {
        Ok(file) => file,
        Err(error) => panic!("{}: {error}", path.display()),
    };
    file.iter()
        .map(|(name, view)| {
            let Some(values) = read_values(view.dtype(), view.data()) else {
                panic!(
                    "{}: {name}: {:?} with values that Kiln's tests cannot hold",
                    path.display(),
                    view.dtype()
                );
            };
            let shape = view.shape().to_vec();
            (name.to_owned(), FixtureTensor { shape, values })
        })
        .collect()
}

/// Little-endian entries as f32 or i32; `None` for other types and for integers that do not fit.
fn read_values(dtype: Dtype, data: &[u8]) -> Option<Values> {
    let ints = |values: Option<Vec<i32>>| values.map(Values::Ints);
    match dtype {
        Dtype::F32 => Some(Values::Floats(numbers(data, f32::from_le_bytes).collect())),
        Dtype::F64 => Some(Values::Floats(
            numbers(data, f64::from_le_bytes)
                .map(|value| value as f32)
                .collect(),
        )),
        Dtype::I64 => ints(
            numbers(data, i64::from_le_bytes)
                .map(|v| i32::try_from(v).ok())
                .collect(),
        ),
        Dtype::I32 => ints(Some(numbers(data, i32::from_le_bytes).collect())),
        Dtype::U8 | Dtype::BOOL => ints(Some(data.iter().map(|&byte| i32::from(byte)).collect())),
        _ => None,
    }
}

fn numbers<const N: usize, T>(
    data: &[u8],
    from_le_bytes: impl Fn([u8; N]) -> T,
) -> impl Iterator<Item = T> {
    let (entries, _) = data.as_chunks::<N>();
    entries.iter().map(move |entry| from_le_bytes(*entry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::{TensorView, serialize};

    fn folder_with(
        file: &str,
        name: &str,
        dtype: Dtype,
        shape: &[usize],
        data: &[u8],
    ) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let view = TensorView::new(dtype, shape.to_vec(), data).unwrap();
        let bytes = serialize([(name, view)], None).unwrap();
        std::fs::write(folder.path().join(file), bytes).unwrap();
        folder
    }

    #[test]
    fn tensors_come_back_with_shape_and_values() {
        let data: Vec<u8> = [7i64, -100, 3]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let folder = folder_with("inputs.safetensors", "labels", Dtype::I64, &[1, 3], &data);
        std::fs::write(
            folder.path().join("config.json"),
            r#"{"architectures": ["BertModel"]}"#,
        )
        .unwrap();
        let fixture = Fixture::open(folder.path());
        assert_eq!(fixture.class(), Some("BertModel"));
        assert_eq!(fixture.input("labels").shape, [1, 3]);
        assert_eq!(fixture.input("labels").ints(), [7, -100, 3]);
        for (name, device) in crate::devices() {
            let tensor = fixture.input("labels").int_tensor::<2>(&device);
            let back = tensor.try_into_vec_as::<i32>().unwrap();
            assert_eq!(back, [7, -100, 3], "{name}");
        }
        assert!(fixture.outputs.is_empty());
    }

    #[test]
    #[should_panic(expected = "cannot hold")]
    fn an_integer_beyond_32_bits_is_refused() {
        let data = (1i64 << 40).to_le_bytes();
        let folder = folder_with("inputs.safetensors", "input_ids", Dtype::I64, &[1], &data);
        Fixture::open(folder.path());
    }

    #[test]
    #[should_panic(expected = "no logits; it holds [\"loss\"]")]
    fn an_absent_tensor_is_answered_with_those_there() {
        let folder = folder_with(
            "outputs.safetensors",
            "loss",
            Dtype::F32,
            &[],
            &1f32.to_le_bytes(),
        );
        Fixture::open(folder.path()).output("logits");
    }
}
