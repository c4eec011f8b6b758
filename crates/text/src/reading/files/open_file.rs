//! A file that is read to its end: one text, or those of an archive, one after the other.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tempfile::TempPath;

use super::bytes::{BUFFER_BYTES, Bytes};
use super::known::NotText;
use super::{Found, Text, lacking, look, open_zip, rows, tar, zip};
use crate::error::{TextError, read_failed};
use crate::reading::digest::{DataFile, InputFile, file_digest, hex};
use crate::reading::left_out::LeftOut;
use crate::reading::passed_over::passed_over;

/// Archives in one another; more are refused.
const MAX_ARCHIVES: usize = 3;

/// A file that is being read.
pub(in crate::reading) struct OpenFile {
    /// As messages call it.
    name: PathBuf,
    /// Where it lies, if it can be read anywhere and again.
    on_disk: Option<PathBuf>,
    stored: Arc<Mutex<Stored>>,
    /// What is found in it before anything else.
    first: Option<Text>,
    /// The archives that are open, each in the one before.
    archives: Vec<(PathBuf, Archive)>,
    text_field: String,
    is_pipe: bool,
    /// Removed when the file is closed.
    _spooled: Option<TempPath>,
}

enum Archive {
    Tar(tar::Tar),
    Zip(Box<zip::Zip>),
}

/// What a file held so far, before decompression.
#[derive(Clone, Default)]
struct Stored {
    bytes: u64,
    hasher: Sha256,
}

impl OpenFile {
    /// Opens a file called `name` whose bytes come from `content`, or lie at `on_disk`.
    pub(in crate::reading) fn open(
        name: &Path,
        on_disk: Option<&Path>,
        content: Box<dyn Read + Send>,
        text_field: &str,
    ) -> Result<Self, TextError> {
        let stored = Arc::new(Mutex::new(Stored::default()));
        let counted = Counted {
            content,
            stored: Arc::clone(&stored),
        };
        let reader = Box::new(BufReader::with_capacity(BUFFER_BYTES, counted));
        let mut file = Self {
            name: name.to_path_buf(),
            on_disk: on_disk.map(Path::to_path_buf),
            stored,
            first: None,
            archives: Vec::new(),
            text_field: text_field.to_owned(),
            is_pipe: false,
            _spooled: None,
        };
        let refused = |not_text: NotText| not_text.error(&name.display().to_string());
        match look(name, reader)? {
            Found::Text(text) => file.first = Some(text),
            Found::Tar(tar) => file.archives.push((name.to_path_buf(), Archive::Tar(tar))),
            Found::Zip => {
                let zip = Box::new(open_zip(on_disk, name)?.map_err(refused)?);
                file.archives.push((name.to_path_buf(), Archive::Zip(zip)));
            }
            Found::Parquet => {
                file.first = Some(rows(on_disk, name, text_field)?.map_err(refused)?);
            }
            Found::NotText(not_text) => return Err(refused(not_text)),
        }
        Ok(file)
    }

    /// Its content came through a pipe, and lies in that temporary file if there is one.
    pub(in crate::reading) fn through_pipe(self, spooled: Option<TempPath>) -> Self {
        Self {
            is_pipe: true,
            _spooled: spooled,
            ..self
        }
    }

    /// The next text in the file. Files in archives that are none are counted in `left_out`.
    pub(in crate::reading) fn next_text(
        &mut self,
        left_out: &mut LeftOut,
    ) -> Result<Option<Text>, TextError> {
        if let Some(text) = self.first.take() {
            return Ok(Some(text));
        }
        while let Some((path, archive)) = self.archives.last_mut() {
            let next = match archive {
                Archive::Tar(tar) => tar.next().map(|next| {
                    next.map(|next| match next {
                        tar::Next::File(member) => {
                            let content: Bytes =
                                Box::new(BufReader::with_capacity(BUFFER_BYTES, member.content));
                            (member.name, Ok(content))
                        }
                        tar::Next::Other(name, reason) => (name, Err(reason.to_owned())),
                    })
                }),
                Archive::Zip(zip) => zip.next().map(|next| {
                    next.map(|next| match next {
                        zip::Next::File(name, content) => (name, Ok(content)),
                        zip::Next::Other(name, reason) => (name, Err(reason)),
                    })
                }),
            };
            let Some((member, content)) = next.map_err(read_failed(path))? else {
                if let Some((path, Archive::Tar(mut tar))) = self.archives.pop() {
                    tar.drain().map_err(read_failed(&path))?;
                }
                continue;
            };
            let name = PathBuf::from(format!("{}:{member}", path.display()));
            if let Some(reason) = member
                .split('/')
                .find_map(|part| passed_over(part.as_bytes()))
            {
                left_out.add(reason, name.display());
                continue;
            }
            let content = match content {
                Ok(content) => content,
                Err(reason) => {
                    left_out.add(reason, name.display());
                    continue;
                }
            };
            match look(&name, content)? {
                Found::Text(text) => match lacking(text, &self.text_field)? {
                    Ok(text) => return Ok(Some(text)),
                    Err(not_text) => left_out.add(not_text.kind, name.display()),
                },
                Found::Tar(tar) if self.archives.len() < MAX_ARCHIVES => {
                    self.archives.push((name, Archive::Tar(tar)));
                }
                Found::Tar(_) => left_out.add("archive too deep in others", name.display()),
                Found::Zip => left_out.add("zip archive in an archive", name.display()),
                Found::Parquet => left_out.add("Parquet file in an archive", name.display()),
                Found::NotText(not_text) => left_out.add(not_text.kind, name.display()),
            }
        }
        Ok(None)
    }

    /// Bytes of the file so far, as stored.
    pub(in crate::reading) fn bytes_read(&self) -> u64 {
        lock(&self.stored).bytes
    }

    /// What is known of the file at its end.
    pub(in crate::reading) fn finish(&self) -> Result<InputFile, TextError> {
        let Stored { bytes, hasher } = lock(&self.stored).clone();
        let mut file = DataFile {
            bytes,
            sha256: hex(&hasher.finalize()),
        };
        // Of a zip archive parts are read, and some files go on behind their end.
        if let Some(path) = &self.on_disk
            && std::fs::metadata(path).is_ok_and(|it| it.is_file() && it.len() != file.bytes)
        {
            file = file_digest(path).map_err(read_failed(&self.name))?;
        }
        Ok(InputFile {
            path: self.name.display().to_string(),
            bytes: file.bytes,
            sha256: file.sha256,
            is_pipe: self.is_pipe,
        })
    }
}

/// Counts and hashes what passes.
struct Counted {
    content: Box<dyn Read + Send>,
    stored: Arc<Mutex<Stored>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        let mut stored = lock(&self.stored);
        stored.bytes += read as u64;
        stored.hasher.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

fn lock(stored: &Mutex<Stored>) -> std::sync::MutexGuard<'_, Stored> {
    stored.lock().unwrap_or_else(PoisonError::into_inner)
}
