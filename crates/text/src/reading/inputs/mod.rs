//! Where the text of a corpus comes from: files, folders of files, and pipes, found once before
//! anything slow, so that every part that reads them reads the same.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::files::{self, Looked, OpenFile};
use super::left_out::LeftOut;
use crate::error::{TextError, read_failed};

mod pipe;
mod walk;

use pipe::Spooled;

/// The field of a JSON record that holds its text, where nobody names another.
pub(crate) const TEXT_FIELD: &str = "text";

/// What to do with a line that is not UTF-8, or with a record without text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInvalid {
    /// Stop, and say where it is.
    #[default]
    Refuse,
    /// Leave it out and count it.
    Skip,
}

/// How text is taken out of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What to do with a line that is not UTF-8, or with a record without text.
    pub on_invalid: OnInvalid,
    /// The field of a JSON record that holds its text. For an object in an object, keys with dots
    /// between them.
    pub text_field: String,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            on_invalid: OnInvalid::default(),
            text_field: TEXT_FIELD.to_owned(),
        }
    }
}

/// What was left out or changed while a text was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// Lines that are not UTF-8.
    pub skipped_lines: u64,
    /// Records of JSON without text.
    pub skipped_records: u64,
    /// Halves of surrogate pairs that became U+FFFD.
    pub replaced_surrogates: u64,
    /// Files in folders and archives.
    pub left_out: LeftOut,
}

/// Text files, found.
#[derive(Debug)]
pub struct Inputs {
    given: Vec<PathBuf>,
    reading: Reading,
    inputs: Vec<Input>,
    left_out: LeftOut,
    /// Files that hold JSON though their names don't say so: how many, and the first.
    json_by_content: Option<(u64, PathBuf)>,
}

/// A file or a pipe.
#[derive(Debug)]
struct Input {
    /// As messages call it.
    name: PathBuf,
    location: Location,
    /// As stored; 0 if nobody knows yet.
    bytes: u64,
}

enum Location {
    File,
    /// Until it is read.
    Pipe(Mutex<Option<Box<dyn Read + Send>>>),
    Spooled(Spooled),
}

impl std::fmt::Debug for Location {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::File => "File",
            Self::Pipe(_) => "Pipe",
            Self::Spooled(_) => "Spooled",
        })
    }
}

impl Inputs {
    /// Finds what `paths` stand for: a folder for all text files below it, `-` for standard input.
    ///
    /// Every file's first bytes are looked at. One that holds no text is refused if it is named
    /// itself, and left out and counted if it is in a folder. Pipes are opened, and nothing is read
    /// from them yet.
    ///
    /// # Errors
    /// If a path can't be read or holds no text, or nobody writes into a pipe.
    pub fn find(paths: &[PathBuf], reading: Reading) -> Result<Self, TextError> {
        if reading.text_field.is_empty() {
            return Err(TextError::Setting {
                field: "--text-field",
                value: "\"\"".to_owned(),
                remedy: "name the field that holds the text".to_owned(),
            });
        }
        let mut inputs = Self {
            given: paths.to_vec(),
            reading,
            inputs: Vec::new(),
            left_out: LeftOut::default(),
            json_by_content: None,
        };
        for path in paths {
            if pipe::is_pipe(path)? {
                inputs.add_pipe(path)?;
            } else if path.is_dir() {
                inputs.add_folder(path)?;
            } else {
                inputs.add_file(path.clone(), false)?;
            }
        }
        Ok(inputs)
    }

    fn add_pipe(&mut self, path: &Path) -> Result<(), TextError> {
        let name = pipe::name(path);
        if self.inputs.iter().any(|input| input.name == name) {
            return Err(TextError::NotText {
                path: name,
                kind: "given twice, and a pipe can be read once only".to_owned(),
                remedy: "name it once".to_owned(),
            });
        }
        self.inputs.push(Input {
            name,
            location: Location::Pipe(Mutex::new(Some(pipe::open(path)?))),
            bytes: 0,
        });
        Ok(())
    }

    fn add_folder(&mut self, folder: &Path) -> Result<(), TextError> {
        if folder.join("header.json").is_file() && folder.join("tokens.bin").is_file() {
            return Err(TextError::NotText {
                path: folder.to_path_buf(),
                kind: "a folder of tokens that kiln prepare made".to_owned(),
                remedy: "pass it with --data, or pass the text it was made from".to_owned(),
            });
        }
        let before = self.inputs.len();
        let mut left_out = LeftOut::default();
        let files = walk::walk(folder, &mut left_out)?;
        std::mem::swap(&mut left_out, &mut self.left_out);
        for path in files {
            self.add_file(path, true)?;
        }
        // What this folder lacks, then what all do.
        std::mem::swap(&mut left_out, &mut self.left_out);
        if self.inputs.len() == before {
            let reasons = if left_out.is_empty() {
                "a folder without files".to_owned()
            } else {
                format!("a folder without text files; left out: {left_out}")
            };
            return Err(TextError::EmptyCorpus {
                inputs: format!("{}: {reasons}", folder.display()),
            });
        }
        self.left_out.extend(&left_out);
        Ok(())
    }

    fn add_file(&mut self, path: PathBuf, is_in_folder: bool) -> Result<(), TextError> {
        let looked = files::look_at(&path, &path, is_in_folder, &self.reading.text_field);
        let looked = match looked {
            Err(TextError::Read { path, reason }) if is_in_folder => {
                self.left_out
                    .add(format!("cannot be read ({reason})"), path.display());
                return Ok(());
            }
            looked => looked?,
        };
        match looked {
            Looked::Readable { is_json_by_content } => {
                if is_json_by_content {
                    let (files, _) = self.json_by_content.get_or_insert((0, path.clone()));
                    *files += 1;
                }
                let bytes = fs::metadata(&path).map_err(read_failed(&path))?.len();
                self.inputs.push(Input {
                    name: path,
                    location: Location::File,
                    bytes,
                });
            }
            Looked::NotText(not_text) if is_in_folder => {
                self.left_out.add(not_text.kind, path.display());
            }
            Looked::NotText(not_text) => {
                return Err(not_text.error(&path.display().to_string()));
            }
        }
        Ok(())
    }

    /// Copies what comes through pipes to temporary files, so that it can be read more than once,
    /// and looks at it. `progress` is told the pipe's name and how many bytes came.
    ///
    /// # Errors
    /// If nothing comes, what comes is no text, or the disk is full.
    pub fn keep_pipes(&mut self, progress: &mut dyn FnMut(&Path, u64)) -> Result<(), TextError> {
        for input in &mut self.inputs {
            let Location::Pipe(pipe) = &input.location else {
                continue;
            };
            let content = take(pipe, &input.name)?;
            let name = &input.name;
            let spooled = pipe::spool(name, content, &mut |bytes| progress(name, bytes))?;
            if spooled.bytes == 0 {
                return Err(TextError::EmptyCorpus {
                    inputs: name.display().to_string(),
                });
            }
            match files::look_at(&spooled.path, name, false, &self.reading.text_field)? {
                Looked::Readable { .. } => {}
                Looked::NotText(not_text) => {
                    return Err(not_text.error(&name.display().to_string()));
                }
            }
            input.bytes = spooled.bytes;
            input.location = Location::Spooled(spooled);
        }
        Ok(())
    }

    /// How text is taken out of the inputs.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Number of files and pipes.
    pub fn num_files(&self) -> usize {
        self.inputs.len()
    }

    /// Bytes of all files, as stored; of pipes those that are kept.
    pub fn stored_bytes(&self) -> u64 {
        self.inputs.iter().map(|input| input.bytes).sum()
    }

    /// Whether the inputs can be read more than once.
    pub fn is_kept(&self) -> bool {
        !self
            .inputs
            .iter()
            .any(|input| matches!(input.location, Location::Pipe(_)))
    }

    /// Files in folders that are no text.
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Files that are read as JSON though their names don't say so: how many, and the first.
    pub fn json_by_content(&self) -> Option<(u64, &Path)> {
        self.json_by_content
            .as_ref()
            .map(|(files, first)| (*files, first.as_path()))
    }

    /// The paths for a message.
    pub(crate) fn names(&self) -> String {
        names(&self.given)
    }

    /// That nothing was in them but what was left out.
    pub(super) fn empty(&self, counted: &Counted) -> TextError {
        let mut inputs = names(&self.given);
        let mut reasons = Vec::new();
        if counted.skipped_lines > 0 {
            reasons.push(format!(
                "{} lines that are not UTF-8",
                counted.skipped_lines
            ));
        }
        if counted.skipped_records > 0 {
            let field = &self.reading.text_field;
            reasons.push(format!(
                "{} records without a text in \"{field}\"",
                counted.skipped_records
            ));
        }
        if !counted.left_out.is_empty() {
            reasons.push(counted.left_out.to_string());
        }
        if !reasons.is_empty() {
            inputs = format!("{inputs}: left out: {}", reasons.join("; "));
        }
        TextError::EmptyCorpus { inputs }
    }

    /// Opens file `index`; nothing if there are not so many.
    pub(super) fn open(&self, index: usize) -> Result<Option<OpenFile>, TextError> {
        let Some(input) = self.inputs.get(index) else {
            return Ok(None);
        };
        let field = &self.reading.text_field;
        let name = &input.name;
        let open = |path: &Path| {
            let file = File::open(path).map_err(read_failed(name))?;
            OpenFile::open(name, Some(path), Box::new(file), field)
        };
        let file = match &input.location {
            Location::File => open(name)?,
            Location::Spooled(spooled) => open(&spooled.path)?.through_pipe(None),
            Location::Pipe(pipe) => {
                let mut content = take(pipe, name)?;
                let mut head = Vec::new();
                (&mut content)
                    .take(files::HEAD_BYTES as u64)
                    .read_to_end(&mut head)
                    .map_err(read_failed(name))?;
                let is_sought = files::is_sought(&head);
                let content = Cursor::new(head).chain(content);
                if is_sought {
                    let spooled = pipe::spool(name, content, &mut |_| {})?;
                    let file = open(&spooled.path)?;
                    file.through_pipe(Some(spooled.path))
                } else {
                    OpenFile::open(name, None, Box::new(content), field)?.through_pipe(None)
                }
            }
        };
        Ok(Some(file))
    }

    /// Where what they hold lies, to be read as often as one likes.
    pub(crate) fn paths(&self) -> Result<Vec<PathBuf>, TextError> {
        let path = |input: &Input| match &input.location {
            Location::File => Ok(input.name.clone()),
            Location::Spooled(spooled) => Ok(spooled.path.to_path_buf()),
            Location::Pipe(_) => Err(read_already(&input.name)),
        };
        self.inputs.iter().map(path).collect()
    }

    /// The one true path of each, the same for all that came through pipes, with the ending of the
    /// name it was given by, which has a say in how it is read.
    pub(crate) fn identities(&self) -> Result<Vec<OsString>, TextError> {
        let identity = |input: &Input| {
            let name = &input.name;
            let mut identity = match input.location {
                Location::File => fs::canonicalize(name).map_err(read_failed(name))?,
                Location::Spooled(_) | Location::Pipe(_) => PathBuf::from("pipe"),
            }
            .into_os_string();
            identity.push("\0");
            identity.push(files::extension(name));
            Ok(identity)
        };
        self.inputs.iter().map(identity).collect()
    }
}

fn take(
    pipe: &Mutex<Option<Box<dyn Read + Send>>>,
    name: &Path,
) -> Result<Box<dyn Read + Send>, TextError> {
    let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
    pipe.take().ok_or_else(|| read_already(name))
}

fn read_already(name: &Path) -> TextError {
    TextError::NotText {
        path: name.to_path_buf(),
        kind: "a pipe that was read already".to_owned(),
        remedy: "save what comes through it to a file, and pass the file".to_owned(),
    }
}

/// Paths for a message: the first five and the count.
fn names(inputs: &[PathBuf]) -> String {
    let mut shown: Vec<String> = inputs
        .iter()
        .take(5)
        .map(|path| pipe::name(path).display().to_string())
        .collect();
    if inputs.len() > shown.len() {
        shown.push(format!("… ({} in all)", inputs.len()));
    }
    shown.join(", ")
}
