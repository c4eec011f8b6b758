//! What is in files, whatever their names say: compressed text is unpacked, archives are read member
//! by member, and what is no text is refused by its kind.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tempfile::TempPath;

use super::header::{DataFile, InputFile};
use super::inputs::left_out::LeftOut;
use super::inputs::walk::passed_over;
use super::record::{self, Flaw};
use super::{file_digest, hex};
use crate::error::{TextError, read_failed};

mod gzip;
mod json;
mod kind;
mod known;
#[cfg(feature = "parquet")]
mod parquet;
mod tar;
mod wide;
mod zip;

pub(super) use json::JsonForm;
use kind::{Compression, Kind};
pub(super) use known::NotText;

/// A stream of bytes.
pub(super) type Bytes = Box<dyn BufRead + Send>;

pub(super) const BUFFER_BYTES: usize = 1 << 16;

/// A file that is compressed more often is refused.
const MAX_COMPRESSIONS: usize = 3;

/// Archives in one another; more are refused.
const MAX_ARCHIVES: usize = 3;

/// The largest window of a Zstandard frame, as a power of two: what `zstd --long=31` makes.
const MAX_WINDOW_LOG: u32 = 31;

/// The most memory that unpacking .xz may take, in KiB: a file can ask for 4 GiB, and `xz` itself
/// makes none that takes more than 1.5.
const MAX_XZ_KIB: u32 = 2 << 20;

/// How a text is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Lines of prose.
    Plain,
    /// Lines of prose, and lines `<doc …>` and `</doc>` around each document, as WikiExtractor
    /// writes them.
    WikiDocuments,
    Json(JsonForm),
}

/// A text in UTF-8, or what should be: a file, or a file in an archive.
pub(super) struct Text {
    /// As messages call it.
    pub(super) name: PathBuf,
    pub(super) form: Form,
    pub(super) reader: Bytes,
}

/// What a file was found to hold.
enum Found {
    Text(Text),
    Tar(tar::Tar),
    Zip,
    Parquet,
    NotText(NotText),
}

/// What the first bytes of a file tell.
pub(super) enum Looked {
    /// It is read; another name than its kind's if the flag is set.
    Readable {
        is_json_by_content: bool,
    },
    NotText(NotText),
}

/// A file that is being read.
pub(super) struct OpenFile {
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
    pub(super) fn open(
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
        match look(name, reader)? {
            Found::Text(text) => file.first = Some(text),
            Found::Tar(tar) => file.archives.push((name.to_path_buf(), Archive::Tar(tar))),
            Found::Zip => match file.open_zip()? {
                Ok(zip) => file.archives.push((name.to_path_buf(), zip)),
                Err(not_text) => return Err(not_text.error(&name.display().to_string())),
            },
            Found::Parquet => match rows(on_disk, name, text_field)? {
                Ok(text) => file.first = Some(text),
                Err(not_text) => return Err(not_text.error(&name.display().to_string())),
            },
            Found::NotText(not_text) => return Err(not_text.error(&name.display().to_string())),
        }
        Ok(file)
    }

    /// Its content came through a pipe, and lies in that temporary file if there is one.
    pub(super) fn through_pipe(self, spooled: Option<TempPath>) -> Self {
        Self {
            is_pipe: true,
            _spooled: spooled,
            ..self
        }
    }

    fn open_zip(&self) -> Result<Result<Archive, NotText>, TextError> {
        let Some(path) = &self.on_disk else {
            return Ok(Err(needs_disk("a zip archive")));
        };
        match zip::Zip::open(path.clone()) {
            Ok(zip) => Ok(Ok(Archive::Zip(Box::new(zip)))),
            Err(zip::Refused::NotText(not_text)) => Ok(Err(not_text)),
            Err(zip::Refused::Io(reason)) => Err(read_failed(&self.name)(reason)),
        }
    }

    /// The next text in the file. Files in archives that are none are counted in `left_out`.
    pub(super) fn next_text(&mut self, left_out: &mut LeftOut) -> Result<Option<Text>, TextError> {
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
                    Err(reason) => left_out.add(reason, name.display()),
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
    pub(super) fn bytes_read(&self) -> u64 {
        lock(&self.stored).bytes
    }

    /// What is known of the file at its end.
    pub(super) fn finish(&self) -> Result<InputFile, TextError> {
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

/// For a file whose parts have to be sought.
fn needs_disk(kind: &str) -> NotText {
    NotText::new(
        format!("{kind} inside of another file"),
        "unpack the outer one, and pass the folder",
    )
}

/// The rows of a Parquet file as records, one a line.
#[cfg(feature = "parquet")]
fn rows(
    on_disk: Option<&Path>,
    name: &Path,
    text_field: &str,
) -> Result<Result<Text, NotText>, TextError> {
    let Some(path) = on_disk else {
        return Ok(Err(needs_disk("a Parquet file")));
    };
    let rows = File::open(path)
        .and_then(|file| parquet::Rows::open(file, text_field))
        .map_err(read_failed(name))?;
    Ok(Ok(Text {
        name: name.to_path_buf(),
        form: Form::Json(JsonForm::Lines),
        reader: Box::new(BufReader::with_capacity(BUFFER_BYTES, rows)),
    }))
}

#[cfg(not(feature = "parquet"))]
fn rows(_: Option<&Path>, _: &Path, _: &str) -> Result<Result<Text, NotText>, TextError> {
    Ok(Err(NotText::new(
        "a Parquet file, which this build does not read",
        "rebuild with --features parquet (cargo run --release --features parquet -- …), or write its \
         text as JSON Lines, one {\"text\": …} a line",
    )))
}

/// What the file at `path` is, by its first bytes, if it is called `name`; `is_member` if it is one
/// of many, so that JSON without the field is left out.
pub(super) fn look_at(
    path: &Path,
    name: &Path,
    is_member: bool,
    text_field: &str,
) -> Result<Looked, TextError> {
    let file = File::open(path).map_err(read_failed(name))?;
    let reader = Box::new(BufReader::with_capacity(kind::HEAD_BYTES, file));
    let looked = match look(name, reader)? {
        Found::Text(text) => {
            let is_json = matches!(text.form, Form::Json(_));
            let is_json_by_content = is_json && !json::is_named(&extension(name));
            let text = if is_member {
                lacking(text, text_field)?
            } else {
                Ok(text)
            };
            match text {
                Ok(_) => Looked::Readable { is_json_by_content },
                Err(reason) => Looked::NotText(NotText::new(reason, "")),
            }
        }
        Found::Tar(_) => Looked::Readable {
            is_json_by_content: false,
        },
        Found::Parquet => match rows(Some(path), name, text_field)? {
            Ok(text) if is_member => match lacking(text, text_field)? {
                Ok(_) => Looked::Readable {
                    is_json_by_content: false,
                },
                Err(reason) => Looked::NotText(NotText::new(reason, "")),
            },
            Ok(_) => Looked::Readable {
                is_json_by_content: false,
            },
            Err(not_text) => Looked::NotText(not_text),
        },
        Found::Zip => match zip::Zip::open(path.to_path_buf()) {
            Ok(_) => Looked::Readable {
                is_json_by_content: false,
            },
            Err(zip::Refused::NotText(not_text)) => Looked::NotText(not_text),
            Err(zip::Refused::Io(reason)) => return Err(read_failed(name)(reason)),
        },
        Found::NotText(not_text) => Looked::NotText(not_text),
    };
    Ok(looked)
}

/// Unpacks a stream as often as it is compressed, and tells what is in it.
fn look(name: &Path, mut reader: Bytes) -> Result<Found, TextError> {
    let failed = || read_failed(name);
    for compressions in 0.. {
        let (head, is_whole) = match peek(&mut reader) {
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
                return Ok(Found::NotText(NotText::new(
                    "compressed with a window of more than 2 GiB",
                    "decompress it first",
                )));
            }
            head => head.map_err(failed())?,
        };
        match kind::kind(&head, is_whole) {
            Kind::Compressed(_) if compressions == MAX_COMPRESSIONS => {
                return Ok(Found::NotText(NotText::new(
                    format!("compressed more than {MAX_COMPRESSIONS} times"),
                    "decompress it first",
                )));
            }
            Kind::Compressed(compression) => {
                reader = decompressed(reader, compression).map_err(failed())?;
            }
            Kind::Tar => return Ok(Found::Tar(tar::Tar::new(reader))),
            Kind::Zip if compressions == 0 => return Ok(Found::Zip),
            Kind::Zip => return Ok(Found::NotText(needs_disk("a zip archive"))),
            Kind::Parquet if compressions == 0 => return Ok(Found::Parquet),
            Kind::Parquet => return Ok(Found::NotText(needs_disk("a Parquet file"))),
            Kind::Wide(width) => {
                let reader = Box::new(wide::Decoded::new(reader, width));
                return text(name, reader).map(Found::Text).map_err(failed());
            }
            Kind::Text => {
                if let Some(not_text) = known::by_name(&extension(name)) {
                    return Ok(Found::NotText(not_text));
                }
                return text(name, reader).map(Found::Text).map_err(failed());
            }
            Kind::Other(not_text) => return Ok(Found::NotText(not_text)),
        }
    }
    Err(failed()(io::ErrorKind::InvalidData.into()))
}

/// The first bytes, and whether they are all. They stay in the stream.
fn peek(reader: &mut Bytes) -> io::Result<(Vec<u8>, bool)> {
    let mut head = Vec::with_capacity(kind::HEAD_BYTES);
    reader
        .take(kind::HEAD_BYTES as u64)
        .read_to_end(&mut head)?;
    let rest = std::mem::replace(reader, Box::new(io::empty()));
    *reader = Box::new(Cursor::new(head.clone()).chain(rest));
    let is_whole = head.len() < kind::HEAD_BYTES;
    Ok((head, is_whole))
}

fn decompressed(reader: Bytes, compression: Compression) -> io::Result<Bytes> {
    fn buffered(decoder: impl Read + Send + 'static) -> Bytes {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
    }
    Ok(match compression {
        Compression::Gzip => buffered(gzip::GzipMembers::new(reader)),
        Compression::Bzip2 => buffered(bzip2::bufread::MultiBzDecoder::new(reader)),
        Compression::Xz => buffered(lzma_rust2::XzReader::new_mem_limit(
            reader, true, MAX_XZ_KIB,
        )),
        Compression::Zstandard => {
            let mut decoder = zstd::Decoder::with_buffer(reader)?;
            decoder.window_log_max(MAX_WINDOW_LOG)?;
            buffered(decoder)
        }
    })
}

/// A text and the form it has.
fn text(name: &Path, mut reader: Bytes) -> io::Result<Text> {
    let (head, is_whole) = peek(&mut reader)?;
    let head = valid(&head);
    let form = match json::form(head, is_whole, json::is_named(&extension(name))) {
        Some(form) => Form::Json(form),
        None if head.starts_with("<doc id=") => Form::WikiDocuments,
        None => Form::Plain,
    };
    let complete = head.len() - usize::from(head.ends_with('\r'));
    let has_returns = head.get(..complete).is_some_and(|it| it.contains('\r'));
    if has_returns && !head.contains('\n') {
        reader = Box::new(BufReader::with_capacity(BUFFER_BYTES, OldMac(reader)));
    }
    Ok(Text {
        name: name.to_path_buf(),
        form,
        reader,
    })
}

/// As much of the start as is UTF-8, without a byte order mark.
fn valid(head: &[u8]) -> &str {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => {
            let valid = head.get(..error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(valid).unwrap_or_default()
        }
    }
}

/// Lines that end as those of the first Macintosh did.
struct OldMac(Bytes);

impl Read for OldMac {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        for byte in buffer.iter_mut().take(read) {
            if *byte == b'\r' {
                *byte = b'\n';
            }
        }
        Ok(read)
    }
}

/// The text again, or, if it holds JSON and none of its first records has the field, the reason to
/// leave it out.
fn lacking(mut text: Text, field: &str) -> Result<Result<Text, String>, TextError> {
    let Form::Json(form) = text.form else {
        return Ok(Ok(text));
    };
    let (head, _) = peek(&mut text.reader).map_err(read_failed(&text.name))?;
    let lacks = |record: &str| {
        let is_string = form == JsonForm::List && record.starts_with('"');
        !is_string && record::text_of(record, field).is_err_and(|bad| bad.flaw == Flaw::NoField)
    };
    let mut records = json::records(valid(&head), form).peekable();
    Ok(if records.peek().is_some() && records.all(lacks) {
        Err(format!("JSON without a text in \"{field}\""))
    } else {
        Ok(text)
    })
}

/// The ending that says what kind of text it is, in lower case and without those of compression:
/// `txt` for `a.TXT.gz`.
pub(super) fn extension(name: &Path) -> String {
    let mut name = name.to_path_buf();
    loop {
        let extension = name
            .extension()
            .map(|it| it.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        if !matches!(extension.as_str(), "gz" | "zst" | "bz2" | "xz") {
            return extension;
        }
        name.set_extension("");
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
