//! Zip archives: the list of what is in them stands at their end, so they have to be on the disk.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;

use flate2::bufread::DeflateDecoder;
use zip::CompressionMethod;
use zip::read::ZipArchive;

use super::bytes::{BUFFER_BYTES, Bytes};
use super::known::{self, NotText};

/// An archive that is being read.
pub(super) struct Zip {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
    next: usize,
}

/// What was found next.
pub(super) enum Next {
    /// A file's name and its content.
    File(String, Bytes),
    /// A file that cannot be read: its name, and the reason.
    Other(String, String),
}

/// Why there is nothing to read.
pub(super) enum Refused {
    Io(io::Error),
    NotText(NotText),
}

impl Zip {
    /// Reads the list of members.
    pub(super) fn open(path: PathBuf) -> Result<Self, Refused> {
        let file = File::open(&path).map_err(Refused::Io)?;
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| failed(&error))?;
        let names: Vec<_> = archive
            .file_names_raw()
            .map(String::from_utf8_lossy)
            .collect();
        match known::by_zip_members(&names) {
            Some(known) => Err(Refused::NotText(known)),
            None => Ok(Self {
                path,
                archive,
                next: 0,
            }),
        }
    }

    /// The next member that is no folder.
    pub(super) fn next(&mut self) -> io::Result<Option<Next>> {
        while self.next < self.archive.len() {
            let index = self.next;
            self.next += 1;
            let member = self.archive.by_index_raw(index).map_err(io_error)?;
            if member.is_dir() {
                continue;
            }
            let name = member
                .name()
                .map(|name| name.into_owned())
                .unwrap_or_else(|_| format!("member {}", index + 1));
            if member.encrypted() {
                return Ok(Some(Next::Other(name, "encrypted file".to_owned())));
            }
            let Some(start) = member.data_start() else {
                return Ok(Some(Next::Other(name, "damaged member".to_owned())));
            };
            let method = member.compression();
            let (size, crc) = (member.compressed_size(), member.crc32());
            drop(member);
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(start))?;
            let stored = BufReader::with_capacity(BUFFER_BYTES, file.take(size));
            let content: Bytes = match number(method) {
                0 => checked(stored, crc),
                8 => checked(DeflateDecoder::new(stored), crc),
                // bzip2, zstd and xz in a zip are what they are in a file, and known as such.
                12 | 93 | 95 => Box::new(stored),
                number => {
                    let reason =
                        format!("file compressed in a way that is not read (method {number})");
                    return Ok(Some(Next::Other(name, reason)));
                }
            };
            return Ok(Some(Next::File(name, content)));
        }
        Ok(None)
    }
}

/// The method as it stands in the file.
#[expect(
    deprecated,
    reason = "the library knows a method by name only where it can unpack it itself"
)]
fn number(method: CompressionMethod) -> u16 {
    method.to_u16()
}

fn checked(content: impl Read + Send + 'static, crc: u32) -> Bytes {
    Box::new(BufReader::with_capacity(
        BUFFER_BYTES,
        Checked {
            content,
            hasher: crc32fast::Hasher::new(),
            expected: crc,
        },
    ))
}

/// Compares a member's checksum at its end.
struct Checked<R> {
    content: R,
    hasher: crc32fast::Hasher,
    expected: u32,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        if read == 0 && !buffer.is_empty() && self.hasher.clone().finalize() != self.expected {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the checksum of a file in the archive differs",
            ));
        }
        Ok(read)
    }
}

fn failed(error: &zip::result::ZipError) -> Refused {
    Refused::Io(io::Error::new(
        io::ErrorKind::InvalidData,
        format!("as a zip archive: {error}"),
    ))
}

fn io_error(error: zip::result::ZipError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("zip: {error}"))
}
