//! Why a model folder could not be opened, and why one could not be written.

use std::io;
use std::path::{Path, PathBuf};

use kiln_files::FileError;

/// How many names an error spells out before it goes on with a count.
const NAMED: usize = 5;

/// Why a model folder or one of its files could not be opened. The message is the whole line a user
/// needs: where, what, and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum OpenError {
    /// A file is missing or unreadable.
    #[error("{}: cannot be read ({reason}); check the path and its permissions", path.display())]
    Read { path: PathBuf, reason: io::Error },
    /// A folder holds no weights under any of the names in use.
    #[error(
        "{}: holds none of model.safetensors, model.safetensors.index.json, pytorch_model.bin and pytorch_model.bin.index.json; pass a Hugging Face model folder, which holds one of them",
        path.display()
    )]
    NoModel { path: PathBuf },
    /// A file or folder is of another kind than was looked for.
    #[error("{}: {what}", path.display())]
    Foreign { path: PathBuf, what: String },
    /// A weights file contradicts itself.
    #[error("{}: {problem}; the file is truncated or damaged, copy or download it again", path.display())]
    Malformed { path: PathBuf, problem: String },
    /// An index names a file that is not beside it.
    #[error("{}: names {shard}, which is not in the same folder; copy the missing file there", path.display())]
    MissingShard { path: PathBuf, shard: String },
    /// The elements of a tensor are not floating point numbers of a known width.
    #[error("{}: {name} has elements of type {dtype}, only F64, F32, F16 and BF16 are supported; convert the checkpoint", path.display())]
    Dtype {
        path: PathBuf,
        name: String,
        dtype: String,
    },
    /// A tensor was asked for that the file does not hold.
    #[error("{}: holds no tensor {name}; is this another model's checkpoint?", path.display())]
    NoTensor { path: PathBuf, name: String },
    /// A tensor and the model's config.json disagree.
    #[error("{}: {name} has shape {found:?}, {expected:?} follows from config.json; is this another model's config?", path.display())]
    Shape {
        path: PathBuf,
        name: String,
        found: Vec<usize>,
        expected: Vec<usize>,
    },
    /// Two tensors that are one in the model are stored with different values.
    #[error(
        "{}: {copy} differs from {owner}, but the two are one parameter in this model; {remedy}",
        path.display()
    )]
    Untied {
        path: PathBuf,
        copy: String,
        owner: String,
        remedy: String,
    },
    /// The names in a file begin with what the model's do not.
    #[error(
        "{}: its names begin with {prefix:?}, as {stored} for {name}; is this another architecture's checkpoint, or the state dict of a class around the model? Then save it again without {prefix:?}",
        path.display()
    )]
    Prefixed {
        path: PathBuf,
        prefix: String,
        stored: String,
        name: String,
    },
    /// The file lacks parameters of the model, or holds tensors the model has no place for.
    #[error("{}: {}; is this another model's checkpoint?", path.display(), incomplete(missing, unused))]
    Incomplete {
        path: PathBuf,
        missing: Vec<String>,
        unused: Vec<String>,
    },
    /// A file is not valid JSON.
    #[error("{}: not valid JSON ({reason}); correct that line or copy the file again", path.display())]
    Json {
        path: PathBuf,
        reason: serde_json::Error,
    },
    /// A field of a JSON file is absent or has a value it cannot have.
    #[error("{}: {field}: {reason}; correct this field", path.display())]
    Field {
        path: PathBuf,
        field: String,
        reason: String,
    },
    /// config.json names a class that nobody has, such as someone's own.
    #[error("{}: architectures: {class} is not a class that Kiln has; choose what to run with --task: {known}", path.display())]
    Class {
        path: PathBuf,
        class: String,
        known: String,
    },
    /// A file of a checkpoint is not what was written.
    #[error("{}: {problem}; this checkpoint is not whole, continue from an earlier one", path.display())]
    Torn { path: PathBuf, problem: String },
}

impl OpenError {
    /// An I/O error met while reading `path`; one that says the file ended too soon is reported as
    /// damage.
    pub(crate) fn read(path: &Path, reason: io::Error) -> Self {
        let path = path.to_path_buf();
        match reason.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => Self::Malformed {
                path,
                problem: reason.to_string(),
            },
            _ => Self::Read { path, reason },
        }
    }

    /// Shorthand for [`OpenError::Malformed`].
    pub(crate) fn malformed(path: &Path, problem: impl Into<String>) -> Self {
        Self::Malformed {
            path: path.to_path_buf(),
            problem: problem.into(),
        }
    }
}

/// Why a checkpoint or a file of it could not be written. Nothing is left under the final name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum WriteError {
    /// A file of another kind, e.g. a tokenizer's, cannot be written.
    #[error("{}: {problem}", path.display())]
    Other { path: PathBuf, problem: String },
    /// The file system refused.
    #[error("{}: cannot be written ({reason}); check free space, the path and its permissions", path.display())]
    Write { path: PathBuf, reason: io::Error },
    /// No room is left on the file system, or the quota is used up.
    #[error(
        "{}: the disk is full ({reason}); free some space, earlier checkpoints are untouched",
        path.display()
    )]
    DiskFull { path: PathBuf, reason: io::Error },
    /// The name is taken.
    #[error("{}: exists already; choose another name or remove it", path.display())]
    Exists { path: PathBuf },
    /// The final name has no parent folder, or is none at all.
    #[error("{}: is not a name a folder can have; pass a path such as run/model", path.display())]
    Name { path: PathBuf },
    /// Two tensors have the same name.
    #[error("{}: {name} would be written twice; every tensor needs a name of its own", path.display())]
    DuplicateTensor { path: PathBuf, name: String },
    /// A tensor's shape and the number of its elements contradict each other.
    #[error("{}: {name} of shape {shape:?} has {elements} elements; the shape must account for each", path.display())]
    TensorLength {
        path: PathBuf,
        name: String,
        shape: Vec<usize>,
        elements: usize,
    },
    /// A parameter could not be copied from the device to memory.
    #[error(
        "{name}: cannot be read back from the device ({reason}); restart the process and resume from the last checkpoint"
    )]
    Device { name: String, reason: String },
    /// A value has no JSON form.
    #[error("{}: cannot be written as JSON ({reason}); please report this", path.display())]
    Json {
        path: PathBuf,
        reason: serde_json::Error,
    },
}

impl From<FileError> for WriteError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Exists { path } => Self::Exists { path },
            FileError::Name { path } => Self::Name { path },
            FileError::Io { path, reason } => Self::io(&path, reason),
        }
    }
}

impl WriteError {
    /// An I/O error met while writing `path`.
    pub(crate) fn io(path: &Path, reason: io::Error) -> Self {
        let path = path.to_path_buf();
        match reason.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path, reason }
            }
            _ => Self::Write { path, reason },
        }
    }

    /// This failure as one of the folder `to`, where it was met in the folder `from`: whoever reads
    /// of it finds nothing under a temporary name.
    #[must_use]
    pub fn relocated(mut self, from: &Path, to: &Path) -> Self {
        let path = match &mut self {
            Self::Other { path, .. }
            | Self::Write { path, .. }
            | Self::DiskFull { path, .. }
            | Self::Json { path, .. }
            | Self::Exists { path }
            | Self::Name { path } => path,
            _ => return self,
        };
        if let Ok(file) = path.strip_prefix(from) {
            *path = to.join(file);
        }
        self
    }
}

/// `3 parameters are not in the file (a, b, c) and 1 tensor has no place in the model (d)`.
fn incomplete(missing: &[String], unused: &[String]) -> String {
    let count = |names: &[String], one: &str, many: &str| match names.len() {
        1 => format!("1 {one}"),
        n => format!("{n} {many}"),
    };
    let mut parts = Vec::new();
    if !missing.is_empty() {
        let count = count(missing, "parameter is", "parameters are");
        parts.push(format!(
            "{count} not in the file ({})",
            first_names(missing)
        ));
    }
    if !unused.is_empty() {
        let count = count(unused, "tensor has", "tensors have");
        parts.push(format!(
            "{count} no place in the model ({})",
            first_names(unused)
        ));
    }
    parts.join(" and ")
}

/// The first few names, then how many more there are.
pub(crate) fn first_names(names: &[String]) -> String {
    let shown = names.get(..NAMED).unwrap_or(names).join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_file_names_five_of_each_and_counts_the_rest() {
        let names = |n: usize| (0..n).map(|i| format!("p{i}")).collect::<Vec<_>>();
        let error = OpenError::Incomplete {
            path: "m/model.safetensors".into(),
            missing: names(7),
            unused: names(1),
        };
        assert_eq!(
            error.to_string(),
            "m/model.safetensors: 7 parameters are not in the file (p0, p1, p2, p3, p4 and 2 more) \
             and 1 tensor has no place in the model (p0); is this another model's checkpoint?"
        );
    }

    #[test]
    fn a_failure_under_a_temporary_name_is_told_of_the_final_one() {
        let error = || WriteError::io(Path::new("a/.tmp-1/x/y"), io::ErrorKind::StorageFull.into());
        let told = error().relocated(Path::new("a/.tmp-1"), Path::new("a/step-1"));
        assert!(told.to_string().starts_with("a/step-1/x/y: "), "{told}");
        let elsewhere = error().relocated(Path::new("b"), Path::new("c"));
        assert!(elsewhere.to_string().starts_with("a/.tmp-1/x/y: "));
    }

    #[test]
    fn a_full_disk_is_told_apart_from_other_write_errors() {
        let error = WriteError::io(Path::new("x"), io::ErrorKind::StorageFull.into());
        assert!(matches!(error, WriteError::DiskFull { .. }));
        let error = WriteError::io(Path::new("x"), io::ErrorKind::PermissionDenied.into());
        assert!(matches!(error, WriteError::Write { .. }));
    }
}
