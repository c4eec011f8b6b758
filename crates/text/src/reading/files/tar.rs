//! Tar archives, read member by member as they come: nothing is sought, so that compressed ones and
//! pipes can be read too.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use tar::EntryType;

use super::bytes::Bytes;

/// Members begin at multiples of it.
const BLOCK_BYTES: u64 = 512;

/// What may stand before a member's content: its header, and those with its long name and its
/// attributes, which are held in memory.
const MAX_HEADER_BYTES: u64 = 1 << 24;

/// Whether `head` begins with a member's header: its sum of bytes is in it.
pub(super) fn is_header(head: &[u8]) -> bool {
    let Some(block) = head.get(..BLOCK_BYTES as usize) else {
        return false;
    };
    let mut header = tar::Header::new_old();
    header.as_mut_bytes().copy_from_slice(block);
    // The field itself counts as spaces.
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(place, &byte)| {
            let is_sum = (148..156).contains(&place);
            u32::from(if is_sum { b' ' } else { byte })
        })
        .sum();
    block.first() != Some(&0) && header.cksum().is_ok_and(|known| known == sum)
}

/// An archive that is being read.
pub(super) struct Tar {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    reader: Bytes,
    /// Of the current member, not read yet.
    left: u64,
    /// Behind the current member, up to the next.
    padding: u64,
}

/// A file in an archive.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) content: MemberReader,
}

/// What was found next.
pub(super) enum Next {
    File(Member),
    /// Something whose content is not here: its name and what it is.
    Other(String, &'static str),
}

impl Tar {
    pub(super) fn new(reader: Bytes) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Shared {
                reader,
                left: 0,
                padding: 0,
            })),
        }
    }

    /// The next member that is no folder; what was not read of the last is passed over.
    pub(super) fn next(&mut self) -> io::Result<Option<Next>> {
        let mut shared = lock(&self.shared);
        loop {
            shared.finish_member()?;
            // An archive of the rest: the library reads no further than to the member's content.
            let mut headers = (&mut shared.reader).take(MAX_HEADER_BYTES);
            let header = read_header(&mut headers);
            if headers.limit() == 0 {
                return Err(io::Error::other(format!(
                    "a file in the archive has a header of more than {} MiB; unpack it first",
                    MAX_HEADER_BYTES >> 20
                )));
            }
            let Some(Header {
                name,
                kind,
                size,
                is_sparse,
            }) = header?
            else {
                return Ok(None);
            };
            let padded = size.checked_next_multiple_of(BLOCK_BYTES);
            shared.left = size;
            shared.padding = padded.ok_or_else(ends_early)? - size;
            let other = match kind {
                _ if is_sparse => "sparse file in an archive",
                EntryType::Regular | EntryType::Continuous => {
                    let content = MemberReader {
                        shared: Arc::clone(&self.shared),
                    };
                    return Ok(Some(Next::File(Member { name, content })));
                }
                EntryType::Directory | EntryType::XGlobalHeader => continue,
                EntryType::Link | EntryType::Symlink => {
                    // Some writers give a link the size of what it leads to, without the content.
                    shared.left = 0;
                    shared.padding = 0;
                    "link in an archive"
                }
                _ => "pipe, socket or device",
            };
            return Ok(Some(Next::Other(name, other)));
        }
    }

    /// Reads to the end of the file that the archive is in.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        io::copy(&mut lock(&self.shared).reader, &mut io::sink()).map(drop)
    }
}

/// What is known of a member before its content.
struct Header {
    name: String,
    kind: EntryType,
    /// Bytes in the archive.
    size: u64,
    /// They are no text: before them, or between them, is what tells where they belong.
    is_sparse: bool,
}

/// Reads to the content of the next member.
fn read_header(reader: &mut impl Read) -> io::Result<Option<Header>> {
    let mut archive = tar::Archive::new(reader);
    let Some(entry) = archive.entries()?.next() else {
        return Ok(None);
    };
    let mut entry = entry?;
    let kind = entry.header().entry_type();
    let mut header = Header {
        name: String::from_utf8_lossy(&entry.path_bytes()).into_owned(),
        kind,
        size: entry.size(),
        is_sparse: false,
    };
    if kind.is_gnu_sparse() {
        // Of the entry it is the size with the holes.
        header.size = entry.header().entry_size()?;
        header.is_sparse = true;
    } else if kind.is_file() {
        // Of these the library has read the attributes already.
        let mut attributes = entry.pax_extensions()?.into_iter().flatten().flatten();
        header.is_sparse = attributes.any(|it| it.key_bytes().starts_with(b"GNU.sparse."));
    }
    Ok(Some(header))
}

impl Shared {
    fn finish_member(&mut self) -> io::Result<()> {
        let rest = self.left + self.padding;
        let skipped = io::copy(&mut (&mut self.reader).take(rest), &mut io::sink())?;
        if skipped < self.left {
            return Err(ends_early());
        }
        self.left = 0;
        self.padding = 0;
        Ok(())
    }
}

/// The content of a member, as long as it is the current one.
pub(super) struct MemberReader {
    shared: Arc<Mutex<Shared>>,
}

impl Read for MemberReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut shared = lock(&self.shared);
        let limit = shared.left;
        let read = (&mut shared.reader).take(limit).read(buffer)?;
        if read == 0 && limit > 0 && !buffer.is_empty() {
            return Err(ends_early());
        }
        shared.left -= read as u64;
        Ok(read)
    }
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ends_early() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the archive ends inside of a file",
    )
}
