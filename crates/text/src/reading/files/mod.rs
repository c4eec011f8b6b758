//! What is in files, whatever their names say: compressed text is unpacked, archives are read member
//! by member, and what is no text is refused by its kind.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use super::record::{self, Flaw};
use crate::error::{TextError, read_failed};

mod bytes;
mod gzip;
mod json;
mod kind;
mod known;
mod open_file;
#[cfg(feature = "parquet")]
mod parquet;
mod tar;
mod unpacked;
mod wide;
mod zip;

use bytes::{BUFFER_BYTES, Bytes};
pub(super) use json::JsonForm;
pub(super) use kind::HEAD_BYTES;
use kind::{Compression, Kind};
pub(super) use known::NotText;
pub(super) use open_file::OpenFile;
#[cfg(feature = "parquet")]
pub use parquet::Rows;
pub use unpacked::{Content, Unpacked};

/// A file that is compressed more often is refused.
const MAX_COMPRESSIONS: usize = 3;

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
    /// The file is read; its name is that of another kind if the flag is set.
    Readable {
        is_json_by_content: bool,
    },
    NotText(NotText),
}

/// Whether what begins with `head` has to be on disk: what is in it stands at its end.
pub(super) fn is_sought(head: &[u8]) -> bool {
    let is_whole = head.len() < HEAD_BYTES;
    matches!(kind::kind(head, is_whole), Kind::Zip | Kind::Parquet)
}

/// For a file whose parts have to be sought.
fn needs_disk(kind: &str) -> NotText {
    NotText::new(
        format!("{kind} inside of another file"),
        "unpack the outer one, and pass the folder",
    )
}

fn open_zip(on_disk: Option<&Path>, name: &Path) -> Result<Result<zip::Zip, NotText>, TextError> {
    let Some(path) = on_disk else {
        return Ok(Err(needs_disk("a zip archive")));
    };
    match zip::Zip::open(path.to_path_buf()) {
        Ok(zip) => Ok(Ok(zip)),
        Err(zip::Refused::NotText(not_text)) => Ok(Err(not_text)),
        Err(zip::Refused::Io(reason)) => Err(read_failed(name)(reason)),
    }
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
        .and_then(|file| parquet::TextRows::open(file, text_field))
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
    let reader = Box::new(BufReader::with_capacity(HEAD_BYTES, file));
    let mut is_json_by_content = false;
    let text = match look(name, reader)? {
        Found::Text(text) => {
            let is_json = matches!(text.form, Form::Json(_));
            is_json_by_content = is_json && !json::is_named(&extension(name));
            Ok(Some(text))
        }
        Found::Parquet => rows(Some(path), name, text_field)?.map(Some),
        Found::Tar(_) => Ok(None),
        Found::Zip => open_zip(Some(path), name)?.map(|_| None),
        Found::NotText(not_text) => Err(not_text),
    };
    let looked = match text {
        Ok(Some(text)) if is_member => lacking(text, text_field)?.map(drop),
        text => text.map(drop),
    };
    Ok(match looked {
        Ok(()) => Looked::Readable { is_json_by_content },
        Err(not_text) => Looked::NotText(not_text),
    })
}

/// Unpacks a stream as often as it is compressed, and tells what is in it. Tables hold no text.
fn look(name: &Path, reader: Bytes) -> Result<Found, TextError> {
    look_into(name, reader, false)
}

/// [`look`], where `takes_tables` says whether a name that promises a table is one of text.
fn look_into(name: &Path, mut reader: Bytes, takes_tables: bool) -> Result<Found, TextError> {
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
                let table = known::by_name(&extension(name)).filter(|_| !takes_tables);
                if let Some(not_text) = table {
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
    // Most often they lie in its buffer: then nothing comes between the stream and its lines.
    let buffered = loop {
        match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            filled => break filled?.get(..HEAD_BYTES).map(<[u8]>::to_vec),
        }
    };
    if let Some(head) = buffered {
        return Ok((head, false));
    }
    let mut head = Vec::with_capacity(HEAD_BYTES);
    reader.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    let rest = std::mem::replace(reader, Box::new(io::empty()));
    *reader = Box::new(Cursor::new(head.clone()).chain(rest));
    let is_whole = head.len() < HEAD_BYTES;
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
fn lacking(mut text: Text, field: &str) -> Result<Result<Text, NotText>, TextError> {
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
        Err(NotText::new(
            format!("JSON without a text in \"{field}\""),
            "",
        ))
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
