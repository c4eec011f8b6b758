//! Kinds of files that people have beside text, and what to do with each.

use std::borrow::Cow;

use crate::error::TextError;

/// What a file is that no text can be read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::reading) struct NotText {
    /// `a PDF document`
    pub(in crate::reading) kind: Cow<'static, str>,
    /// What to do: a command to the reader.
    pub(in crate::reading) remedy: Cow<'static, str>,
}

impl NotText {
    pub(super) fn new(
        kind: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            kind: kind.into(),
            remedy: remedy.into(),
        }
    }

    pub(in crate::reading) fn error(self, name: &str) -> TextError {
        TextError::NotText {
            path: name.into(),
            kind: self.kind.into_owned(),
            remedy: self.remedy.into_owned(),
        }
    }
}

const TO_TEXT: &str = "extract its text into a .txt file";
const TO_RECORDS: &str = "write its text as JSON Lines, one {\"text\": …} a line";
const NO_TEXT: &str = "pass text";
const UNPACK: &str = "unpack it first";
const WEIGHTS: &str = "it holds numbers; pass text";

/// Kinds that are known by bytes at a fixed place: the place, the bytes, the kind, the remedy.
#[rustfmt::skip]
const BY_MAGIC: &[(usize, &[u8], &str, &str)] = &[
    (0, b"%PDF", "a PDF document", TO_TEXT),
    (0, b"{\\rtf", "a Rich Text document", TO_TEXT),
    (0, b"%!PS", "a PostScript document", TO_TEXT),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Microsoft Office document", TO_TEXT),
    (0, b"AT&TFORM", "a DjVu document", TO_TEXT),
    (60, b"BOOKMOBI", "a Mobipocket book", TO_TEXT),
    (0, b"\x89PNG", "a PNG image", NO_TEXT),
    (0, b"\xff\xd8\xff", "a JPEG image", NO_TEXT),
    (0, b"GIF87a", "a GIF image", NO_TEXT),
    (0, b"GIF89a", "a GIF image", NO_TEXT),
    (0, b"II*\0", "a TIFF image", NO_TEXT),
    (0, b"MM\0*", "a TIFF image", NO_TEXT),
    (0, b"8BPS", "a Photoshop image", NO_TEXT),
    (8, b"WEBP", "a WebP image", NO_TEXT),
    (8, b"WAVE", "a WAVE sound", NO_TEXT),
    (8, b"AVI ", "an AVI video", NO_TEXT),
    (4, b"ftyp", "an MPEG-4 file", NO_TEXT),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska video", NO_TEXT),
    (0, b"ID3", "an MP3 sound", NO_TEXT),
    (0, b"\xff\xfb", "an MP3 sound", NO_TEXT),
    (0, b"fLaC", "a FLAC sound", NO_TEXT),
    (0, b"OggS", "an Ogg sound or video", NO_TEXT),
    (0, b"wOFF", "a font", NO_TEXT),
    (0, b"wOF2", "a font", NO_TEXT),
    (0, b"\0\x01\0\0\0", "a font", NO_TEXT),
    (0, b"OTTO\0", "a font", NO_TEXT),
    (0, b"\x7fELF", "a program", NO_TEXT),
    (0, b"\xcf\xfa\xed\xfe", "a program", NO_TEXT),
    (0, b"\xca\xfe\xba\xbe", "a program", NO_TEXT),
    (0, b"\0asm", "a WebAssembly program", NO_TEXT),
    (0, b"SQLite format 3\0", "an SQLite database", TO_RECORDS),
    (0, b"\x93NUMPY", "a NumPy array", WEIGHTS),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", TO_RECORDS),
    (0, b"GGUF", "a GGUF model", WEIGHTS),
    (0, b"ARROW1", "an Arrow file", TO_RECORDS),
    (0, b"FEA1", "a Feather file", TO_RECORDS),
    (0, b"\xff\xff\xff\xff", "an Arrow stream", TO_RECORDS),
    (0, b"Obj\x01", "an Avro file", TO_RECORDS),
    (0, b"ORC", "an ORC file", TO_RECORDS),
    (0, b"PARE", "an encrypted Parquet file", TO_RECORDS),
    (0, b"SEQ\x06", "a Hadoop sequence file", TO_RECORDS),
    (0, b"\x80\x02", "a Python pickle", TO_RECORDS),
    (0, b"\x80\x03", "a Python pickle", TO_RECORDS),
    (0, b"\x80\x04\x95", "a Python pickle", TO_RECORDS),
    (0, b"\x80\x05\x95", "a Python pickle", TO_RECORDS),
    (0, b"RDX2\n", "an R data file", TO_RECORDS),
    (0, b"RDX3\n", "an R data file", TO_RECORDS),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (0, b"!<arch>\n", "an ar archive or a Debian package", UNPACK),
    (0, b"MSCF\0", "a cabinet archive", UNPACK),
    (0, b"xar!", "a xar archive", UNPACK),
    (0, b"070701", "a cpio archive", UNPACK),
    (0, b"070707", "a cpio archive", UNPACK),
    (0, b"\xed\xab\xee\xdb", "an RPM package", UNPACK),
    (0, b"PACK\0\0\0", "a git pack", UNPACK),
    (0, b"hsqs", "a squashfs image", UNPACK),
    (0, b"\x04\x22\x4d\x18", "an lz4 file", "decompress it first: lz4 -d"),
    (0, b"\x02\x21\x4c\x18", "an lz4 file", "decompress it first: lz4 -d"),
    (0, b"\xff\x06\0\0sNaPpY", "a snappy file", UNPACK),
    (0, b"\x1f\x9d", "a file of compress (.Z)", "decompress it first: gzip -d"),
    (0, b"\x1f\xa0", "a file of compress (.Z)", "decompress it first: gzip -d"),
    (0, b"LZIP", "an lzip file", UNPACK),
    (0, b"\x89LZO", "an lzop file", UNPACK),
    (0, b"\x5d\0\0", "an .lzma file", "decompress it first: xz -d"),
];

/// Kinds that are known by their first words, in lower case.
#[rustfmt::skip]
const BY_WORDS: &[(&str, &str, &str)] = &[
    ("version https://git-lfs.github.com/spec/", "a Git LFS pointer, not the file it stands for", "fetch the file: git lfs pull"),
    ("# xet version", "a Xet pointer, not the file it stands for", "download the file itself"),
    ("warc/0.", "a web archive (WARC, WET or WAT)", TO_RECORDS),
    ("warc/1.", "a web archive (WARC, WET or WAT)", TO_RECORDS),
    ("<!doctype html", "an HTML page", TO_TEXT),
    ("<html", "an HTML page", TO_TEXT),
    ("<mediawiki", "a MediaWiki dump", "extract its articles as JSON Lines, e.g. with WikiExtractor's --json"),
    ("<?xml", "an XML document", TO_TEXT),
    ("-----begin pgp message", "an encrypted message", "decrypt it first"),
];

/// What begins with `head`, if it is one of the kinds that are known.
pub(super) fn by_first_bytes(head: &[u8]) -> Option<NotText> {
    for &(place, magic, kind, remedy) in BY_MAGIC {
        if head
            .get(place..)
            .is_some_and(|rest| rest.starts_with(magic))
            && is_sure(head, place, magic)
        {
            return Some(NotText::new(kind, remedy));
        }
    }
    if is_safetensors(head) {
        return Some(NotText::new("a safetensors file", WEIGHTS));
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let start = text.trim_ascii_start();
    let start = start.get(..start.len().min(64)).unwrap_or_default();
    let start = String::from_utf8_lossy(start).to_ascii_lowercase();
    BY_WORDS
        .iter()
        .find(|(words, _, _)| start.starts_with(words))
        .map(|&(_, kind, remedy)| NotText::new(kind, remedy))
}

/// Bytes that text could begin with tell a kind only where something follows that text has not.
fn is_sure(head: &[u8], place: usize, magic: &[u8]) -> bool {
    let is_letters = magic.iter().all(|byte| (b' '..0x7f).contains(byte));
    let is_document = matches!(magic, b"%PDF" | b"{\\rtf" | b"%!PS");
    if !is_letters || is_document {
        return true;
    }
    let has_controls = |bytes: &[u8]| {
        bytes
            .iter()
            .any(|&byte| byte < b' ' && !byte.is_ascii_whitespace())
    };
    // cpio's header has digits alone; what follows is the name and a zero.
    let near = head.get(..head.len().min(512)).unwrap_or_default();
    has_controls(near) && (place != 8 || head.starts_with(b"RIFF"))
}

/// The length of a header of JSON in eight bytes, then the header.
fn is_safetensors(head: &[u8]) -> bool {
    let Some((length, rest)) = head.split_first_chunk::<8>() else {
        return false;
    };
    let length = u64::from_le_bytes(*length);
    (2..100_000_000).contains(&length) && rest.starts_with(b"{\"")
}

/// What is known of a file by the ending of its name alone, `extension` in lower case.
pub(super) fn by_name(extension: &str) -> Option<NotText> {
    let kind = match extension {
        "csv" => "a table (.csv)",
        "tsv" => "a table (.tsv)",
        _ => return None,
    };
    Some(NotText::new(
        kind,
        "write its column of text as JSON Lines, one {\"text\": …} a line, or name it .txt to read \
         all of each line as text",
    ))
}

/// What a zip archive with members of these names is, if it is more than an archive.
pub(super) fn by_zip_members(names: &[Cow<'_, str>]) -> Option<NotText> {
    let has = |name: &str| names.iter().any(|it| it == name);
    let is_pytorch = names.first().and_then(|first| first.split_once('/'));
    let is_pytorch = is_pytorch.is_some_and(|(root, _)| {
        has(&format!("{root}/data.pkl")) && has(&format!("{root}/version"))
    });
    let (kind, remedy) = if has("[Content_Types].xml") {
        ("a Microsoft Office document", TO_TEXT)
    } else if has("mimetype") {
        ("an e-book or an OpenDocument file", TO_TEXT)
    } else if has("META-INF/MANIFEST.MF") {
        ("a Java archive", NO_TEXT)
    } else if has("AndroidManifest.xml") {
        ("an Android package", NO_TEXT)
    } else if !names.is_empty() && names.iter().all(|name| name.ends_with(".npy")) {
        ("NumPy arrays (.npz)", WEIGHTS)
    } else if is_pytorch {
        ("a PyTorch file", WEIGHTS)
    } else {
        return None;
    };
    Some(NotText::new(kind, remedy))
}
