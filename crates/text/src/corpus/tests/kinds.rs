//! Files of every kind, by what is in them and not by their names.

use super::*;

/// `tar` with one member after the other.
pub(super) fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A zip archive with its members stored as they are, or deflated.
pub(super) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let deflated = |content: &[u8]| {
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    };
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for (index, (name, content)) in members.iter().enumerate() {
        let (method, stored) = match index % 2 {
            0 => (8u16, deflated(content)),
            _ => (0, content.to_vec()),
        };
        // Version 2.0, UTF-8 names, no date.
        let mut common = [&20u16.to_le_bytes()[..], &0x800u16.to_le_bytes()].concat();
        common.extend(method.to_le_bytes());
        common.extend([0; 4]);
        common.extend(crc32fast::hash(content).to_le_bytes());
        common.extend((stored.len() as u32).to_le_bytes());
        common.extend((content.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0; 2]);
        let start = file.len() as u32;
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(name.as_bytes());
        file.extend(&stored);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(start.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, size) = (file.len() as u32, directory.len() as u32);
    file.extend(directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend((members.len() as u16).to_le_bytes());
    file.extend((members.len() as u16).to_le_bytes());
    file.extend(size.to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0; 2]);
    file
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `a b\n\nc\n` as xz 5 writes it.
pub(super) const XZ: &[u8] = &[
    0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46, 0x02, 0x00, 0x21, 0x01,
    0x16, 0x00, 0x00, 0x00, 0x74, 0x2f, 0xe5, 0xa3, 0x01, 0x00, 0x06, 0x61, 0x20, 0x62, 0x0a, 0x0a,
    0x63, 0x0a, 0x00, 0x00, 0xd8, 0xf3, 0x37, 0xc4, 0x1a, 0x97, 0xbc, 0x9f, 0x00, 0x01, 0x1f, 0x07,
    0x16, 0x2e, 0xb8, 0x73, 0x1f, 0xb6, 0xf3, 0x7d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x04, 0x59, 0x5a,
];

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 1).unwrap()
}

fn wide(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

/// `a b` and `c`, each a document.
const TEXT: &[u8] = b"a b\n\nc\n";

#[test]
fn text_is_read_however_it_is_packed_and_called() {
    let long_window = {
        let mut encoder = ::zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(28).unwrap();
        encoder.write_all(TEXT).unwrap();
        encoder.finish().unwrap()
    };
    let skippable = [b"\x50\x2a\x4d\x18\x03\0\0\0abc", &zstd(TEXT)[..]].concat();
    let padded = [gzip(TEXT), vec![0; 70_000]].concat();
    let members = [gzip(b"a b\n"), gzip(b""), vec![0; 512], gzip(b"\nc\n")].concat();
    let utf32: Vec<u8> = "\u{feff}a b\n\nc\n"
        .chars()
        .flat_map(|it| (it as u32).to_le_bytes())
        .collect();
    let tar_of = tar(&[("t/x", b"a b\n"), ("y.txt", b"c\n")]);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("plain", TEXT.to_vec()),
        ("plain.gz", TEXT.to_vec()),
        ("marked.txt", [b"\xef\xbb\xbf", TEXT].concat()),
        ("gzip.txt", gzip(TEXT)),
        ("padded.txt.gz", padded),
        ("members.gz", members),
        ("twice", gzip(&gzip(TEXT))),
        ("x.zst", zstd(TEXT)),
        ("long", long_window),
        ("skippable.zst", skippable),
        ("frames", [zstd(b"a b\n"), zstd(b"\nc\n")].concat()),
        ("bzip2.txt", bzip2(TEXT)),
        ("streams.bz2", [bzip2(b"a b\n\n"), bzip2(b"c\n")].concat()),
        ("xz", XZ.to_vec()),
        ("streams.xz", [XZ, &[0; 8], XZ].concat()),
        ("le.txt", wide("\u{feff}a b\r\n\r\nc", u16::to_le_bytes)),
        ("be.txt", wide("\u{feff}a b\n\nc\n", u16::to_be_bytes)),
        ("be.gz", gzip(&wide("\u{feff}a b\n\nc\n", u16::to_be_bytes))),
        ("utf32.txt", utf32),
        ("mac.txt", b"a b\r\rc\r".to_vec()),
        ("archive.tar", tar_of.clone()),
        ("archive.tgz", gzip(&tar_of)),
        ("archive.tar.zst", zstd(&tar_of)),
        ("archive.txt", bzip2(&tar_of)),
        (
            "inner.tar",
            tar(&[("x.gz", &gzip(b"a b\n")), ("y", &tar(&[("z", b"c")]))]),
        ),
        ("archive.zip", zip(&[("x", b"a b\n"), ("t/y.txt", b"c\n")])),
        (
            "archive",
            zip(&[("x.gz", &gzip(b"a b\n")), ("t.tar", &tar(&[("z", b"c")]))]),
        ),
        (
            "wiki_00",
            b"<doc id=\"1\" url=\"u\">\na b\n</doc>\n<doc id=\"2\">\nc\n</doc>\n".to_vec(),
        ),
    ];
    let place = Place::new();
    for (name, content) in cases {
        let file = place.write(name, &content);
        let (documents, header) = place
            .read(std::slice::from_ref(&file), Reading::default())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut expected = vec![vec!["a b".to_owned()], vec!["c".to_owned()]];
        if name == "streams.xz" {
            expected.extend(expected.clone());
            // One stream ends the document of the other.
            expected = vec![
                expected[0].clone(),
                [expected[1].clone(), expected[2].clone()].concat(),
                expected[3].clone(),
            ];
        }
        assert_eq!(documents, expected, "{name}");
        assert_eq!(
            (header.inputs.len(), header.counted()),
            (1, Counted::default()),
            "{name}"
        );
    }
}

#[test]
fn the_whole_of_a_file_is_in_its_hash_whatever_of_it_is_read() {
    let place = Place::new();
    let packed = zip(&[("a.txt", b"a"), ("image", b"\x89PNG\0")]);
    let archive = [tar(&[("a.txt", b"b")]), vec![7; 100_000]].concat();
    let files = [
        place.write("a.zip", &packed),
        place.write("b.tar", &archive),
        place.write("c.gz", [gzip(b"c"), vec![0; 100_000]].concat()),
    ];
    let corpus = place.prepare(&files, "shard").unwrap();
    assert_eq!(contents(&corpus).unwrap(), [["a"], ["b"], ["c"]]);
    for (file, input) in files.iter().zip(&corpus.header().unwrap().inputs) {
        let stored = fs::read(file).unwrap();
        assert_eq!(input.bytes, stored.len() as u64, "{}", input.path);
        assert_eq!(
            input.sha256,
            hex(&Sha256::digest(&stored)),
            "{}",
            input.path
        );
    }
}

#[test]
fn what_is_no_text_is_refused_by_its_kind_with_a_remedy() {
    let safetensors = [&16u64.to_le_bytes()[..], b"{\"a\":{\"dtype\": 1}"].concat();
    let numbers: Vec<u8> = (0..2000u16).flat_map(|n| (n % 30).to_le_bytes()).collect();
    let noise: Vec<u8> = (0..5000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let office = zip(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("word/document.xml", b"<w/>"),
    ]);
    let mut encrypted = zip(&[("a", b"a")]);
    encrypted[6] |= 1;
    let directory = encrypted
        .windows(4)
        .position(|it| it == b"PK\x01\x02")
        .unwrap();
    encrypted[directory + 8] |= 1;
    let thrice = gzip(&gzip(&gzip(&gzip(TEXT))));
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "a.txt",
            b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj".to_vec(),
            "a PDF document; extract its text",
        ),
        (
            "b.txt",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(),
            "a PNG image; pass text",
        ),
        (
            "c.txt",
            b"\xff\xd8\xff\xe0\0\x10JFIF\0".to_vec(),
            "a JPEG image; pass text",
        ),
        (
            "d.txt",
            office,
            "a Microsoft Office document; extract its text",
        ),
        (
            "e.txt",
            b"SQLite format 3\0\x10\0".to_vec(),
            "an SQLite database; write its text as JSON Lines",
        ),
        (
            "f.txt",
            b"\x93NUMPY\x01\0v\0{'descr': '<f4'}".to_vec(),
            "a NumPy array; it holds numbers",
        ),
        ("g.txt", safetensors, "a safetensors file; it holds numbers"),
        (
            "h.txt",
            b"ARROW1\0\0\xff\xff\xff\xff".to_vec(),
            "an Arrow file; write its text as JSON Lines",
        ),
        (
            "i.txt",
            b"\xff\xff\xff\xff\x10\x01\0\0".to_vec(),
            "an Arrow stream; write its text",
        ),
        (
            "j.txt",
            b"WARC/1.0\r\nWARC-Type: warcinfo\r\n".to_vec(),
            "a web archive (WARC, WET or WAT); write its text",
        ),
        (
            "k.txt",
            b"\n <!DOCTYPE HTML>\n<html>".to_vec(),
            "an HTML page; extract its text",
        ),
        (
            "l.txt",
            b"\xef\xbb\xbf<?xml version=\"1.0\"?>".to_vec(),
            "an XML document; extract its text",
        ),
        (
            "m.txt",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n".to_vec(),
            "a Git LFS pointer, not the file it stands for; fetch the file: git lfs pull",
        ),
        (
            "n.csv",
            b"id,text\n1,a\n".to_vec(),
            "a table (.csv); write its column of text as JSON Lines",
        ),
        (
            "o.tsv.gz",
            gzip(b"id\ttext\n1\ta\n"),
            "a table (.tsv); write its column",
        ),
        (
            "p.txt",
            wide("a b c d e f\n", u16::to_le_bytes),
            "text in UTF-16LE without a byte order mark; convert it: iconv -f UTF-16LE -t UTF-8",
        ),
        (
            "q.txt",
            wide("Печь горяча\n", u16::to_be_bytes),
            "text in UTF-16BE without a byte order mark",
        ),
        ("r.txt", numbers, "a binary file; pass text"),
        ("s.txt", noise, "a binary file; pass text"),
        ("t.txt", vec![0; 2000], "a binary file; pass text"),
        ("w.txt", vec![0xf0; 2000], "a binary file; pass text"),
        (
            "u.txt",
            b"7z\xbc\xaf\x27\x1c\0\x04".to_vec(),
            "a 7z archive; unpack it first",
        ),
        (
            "v.txt",
            b"\x04\x22\x4d\x18\x64\x40".to_vec(),
            "an lz4 file; decompress it first: lz4 -d",
        ),
        (
            "x.txt",
            gzip(b"%PDF-1.7\n"),
            "a PDF document; extract its text",
        ),
        (
            "y.txt",
            gzip(&zip(&[("a", b"a")])),
            "a zip archive inside of another file; unpack the outer one",
        ),
        (
            "z.txt",
            thrice,
            "compressed more than 3 times; decompress it first",
        ),
        ("A.txt", encrypted, "left out: archive without text: 1 ("),
        ("B.txt", zip(&[]), "left out: archive without text: 1 ("),
        ("C.txt", tar(&[("a.png", b"\x89PNG\0")]), "a PNG image: 1 ("),
        (
            "D.txt",
            [gzip(TEXT), b"rest".to_vec()].concat(),
            "something that is no gzip follows after its end",
        ),
        (
            "E.txt",
            tar(&[("a", &[b'a'; 2000])])[..1500].to_vec(),
            "the archive ends inside of a file",
        ),
    ];
    let place = Place::new();
    for (name, content, expected) in cases {
        let file = place.write(name, content);
        for reading in [Reading::default(), skipping()] {
            let error = place
                .read(std::slice::from_ref(&file), reading)
                .unwrap_err();
            let error = error.to_string();
            let start = format!("{}:", file.display());
            assert!(
                error.starts_with(&start) && error.contains(expected),
                "{error}"
            );
        }
    }
}

#[test]
fn text_that_looks_like_something_else_is_text() {
    let place = Place::new();
    let letters = "a b c d e f g h i j k l m n o p q r s t u v w x y z ".repeat(3);
    for (name, start) in [
        ("a.txt", "BM "),
        ("b.txt", "ORC "),
        ("c.txt", "ID3 "),
        ("d.txt", "PAR1 "),
        ("e.txt", "BZh "),
        ("f.txt", "{x} "),
        ("g.txt", "[1] "),
        ("h.txt", "070701 "),
        ("i.txt", "\u{0}"),
        ("j.txt", "<a> "),
        ("k.txt", "LZIP "),
        ("l.txt", "\u{1b}[1m"),
    ] {
        let file = place.write(name, format!("{start}{letters}"));
        let (documents, _) = place.read(&[file], Reading::default()).unwrap();
        assert!(documents[0][0].ends_with("x y z"), "{name}: {documents:?}");
    }
}

#[test]
fn half_a_character_in_wide_text_is_named_by_its_line_or_left_out() {
    let place = Place::new();
    let mut half = wide("\u{feff}a\n", u16::to_le_bytes);
    half.extend(0xd83du16.to_le_bytes());
    half.extend(wide(" b\nc", u16::to_le_bytes));
    half.push(b'd');
    let file = place.write("x.txt", half);
    let error = place
        .read(std::slice::from_ref(&file), Reading::default())
        .unwrap_err();
    assert!(
        error.to_string().contains("x.txt: line 2: byte 5 of"),
        "{error}"
    );
    let (documents, header) = place.read(&[file], skipping()).unwrap();
    assert_eq!(documents, [["a"]]);
    assert_eq!(header.counted().skipped_lines, 2);
}

#[cfg(not(feature = "parquet"))]
#[test]
fn parquet_is_refused_with_the_feature_that_reads_it() {
    let place = Place::new();
    let file = place.write("x.parquet", b"PAR1\x15\x04\x15");
    let error = place
        .read(std::slice::from_ref(&file), Reading::default())
        .unwrap_err();
    let expected = "x.parquet: a Parquet file, which this build does not read; rebuild with \
                    --features parquet (cargo run --release --features parquet -- …), or write its \
                    text as JSON Lines";
    assert!(error.to_string().contains(expected), "{error}");
}

#[cfg(feature = "parquet")]
#[test]
fn rows_of_parquet_are_documents() {
    use std::sync::Arc;

    use ::parquet::data_type::{ByteArray, ByteArrayType};
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;

    let place = Place::new();
    let schema = parse_message_type("message m { optional binary text (UTF8); }").unwrap();
    let file = fs::File::create(place.path("x.parquet")).unwrap();
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let texts = ["a b\nc", "d"].map(ByteArray::from);
    column
        .typed::<ByteArrayType>()
        .write_batch(&texts, Some(&[1, 0, 1]), None)
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    let file = place.path("x.parquet");
    let (documents, header) = place.read(std::slice::from_ref(&file), skipping()).unwrap();
    assert_eq!(documents, [vec!["a b", "c"], vec!["d"]]);
    assert_eq!(header.counted().skipped_records, 1);
    let error = place
        .read(std::slice::from_ref(&file), Reading::default())
        .unwrap_err();
    let expected = "x.parquet: line 2: column 12: null in the place of a string";
    assert!(error.to_string().contains(expected), "{error}");
    let corpus = place
        .prepare_rest(std::slice::from_ref(&file), "shard")
        .map(|_| ());
    corpus.unwrap();
    let corpus = Corpus::open(&place.path("shard"), &tokenizer()).unwrap();
    let stored = fs::read(&file).unwrap();
    let input = &corpus.header().unwrap().inputs[0];
    assert_eq!(input.sha256, hex(&Sha256::digest(&stored)));
    place.write("whole", &stored[..stored.len() - 5]);
    let error = place
        .read(&[place.path("whole")], Reading::default())
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("whole: cannot be read (as Parquet: "),
        "{error}"
    );
}
