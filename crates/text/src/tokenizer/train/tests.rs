//! What a tokenizer is trained on, and what is told of it.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::super::{SampleSettings, SampleSize};
use super::*;
use crate::reading::{OnInvalid, Reading};
use crate::rng::{Purpose, Rng};

/// Paragraphs without spaces: 40 of 600 Chinese characters each, and a full stop.
fn paragraphs(number: u64) -> Vec<String> {
    let paragraph = |index| {
        let mut rng = Rng::at(7, Purpose::Examples, index, 0);
        let characters = (0..40).map(|_| char::from_u32(0x4e00 + rng.below(600) as u32));
        format!("{}。", characters.map(Option::unwrap).collect::<String>())
    };
    (0..number).map(paragraph).collect()
}

fn byte_bpe(size: SampleSize, seed: u64) -> TrainSettings {
    TrainSettings::ByteBpe(ByteBpeSettings {
        vocab_size: 400,
        sample: SampleSettings { size, seed },
        ..ByteBpeSettings::default()
    })
}

fn found(input: &Path) -> Inputs {
    Inputs::find(&[input.to_path_buf()], Default::default()).unwrap()
}

fn trained(input: &Path, settings: &TrainSettings) -> Trained {
    train(&found(input), settings, &mut |_| {}).unwrap()
}

#[test]
fn a_sample_is_the_same_wherever_the_text_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let paragraphs = paragraphs(3000);
    let text = paragraphs.join("\n");
    fs::write(path("plain.txt"), &text).unwrap();
    let file = fs::File::create(path("packed.txt.gz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap();
    let records: String = paragraphs
        .iter()
        .map(|text| format!("{}\n", serde_json::json!({ "text": text })))
        .collect();
    fs::write(path("records.jsonl"), records).unwrap();
    fs::create_dir(path("folder")).unwrap();
    for (index, part) in paragraphs.chunks(700).enumerate() {
        fs::write(path(&format!("folder/{index}.txt")), part.join("\n")).unwrap();
    }

    let settings = byte_bpe(SampleSize::Bytes(100_000), 1);
    let expected = trained(&path("plain.txt"), &settings);
    let sampled = expected.text.sampled_bytes.unwrap();
    // Of 369,000 bytes; 813 paragraphs of 123, with six standard deviations of their number.
    assert!((80_000..120_000).contains(&sampled), "{sampled}");
    for name in ["packed.txt.gz", "records.jsonl", "folder"] {
        let other = trained(&path(name), &settings);
        assert_eq!(other.text.sampled_bytes, Some(sampled), "{name}");
        assert_eq!(other.tokenizer.identity(), expected.tokenizer.identity());
    }
    let seed = trained(&path("plain.txt"), &byte_bpe(SampleSize::Bytes(100_000), 2));
    assert_ne!(seed.tokenizer.identity(), expected.tokenizer.identity());

    let all = trained(&path("plain.txt"), &byte_bpe(SampleSize::All, 1));
    assert_ne!(all.tokenizer.identity(), expected.tokenizer.identity());
    for size in [SampleSize::Auto, SampleSize::Bytes(400_000)] {
        let whole = trained(&path("plain.txt"), &byte_bpe(size, 1));
        assert_eq!(whole.text.sampled_bytes, None);
        assert_eq!(whole.tokenizer.identity(), all.tokenizer.identity());
    }
    let tiny = byte_bpe(SampleSize::Bytes(1), 1);
    let refused = train(&found(&path("plain.txt")), &tiny, &mut |_| {}).unwrap_err();
    assert!(refused.to_string().starts_with("sample = 1: "), "{refused}");
}

#[test]
fn what_of_a_text_is_lost_on_a_tokenizer_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("text.txt");
    let long = "acgt".repeat(50);
    let text = format!("The kiln [MASK] is hot {long}.\nA [SEP] and [SEP]([MASK]) again {long}\n");
    fs::write(&file, [text.as_bytes(), b"\xff\xfe\n"].concat()).unwrap();
    let settings = TrainSettings::WordPiece(WordPieceSettings {
        vocab_size: 100,
        ..WordPieceSettings::default()
    });
    let reading = Reading {
        on_invalid: OnInvalid::Skip,
        ..Reading::default()
    };
    let inputs = Inputs::find(std::slice::from_ref(&file), reading).unwrap();
    let Trained { text, dropped, .. } = train(&inputs, &settings, &mut |_| {}).unwrap();
    assert_eq!((text.counted.skipped_lines, text.long_words), (1, 2));
    // 400 characters in long words; the others: thekilnmaskishot. asepandsepmaskagain and signs.
    let known = "thekiln[mask]ishot.a[sep]and[sep]([mask])again".len() as f64;
    assert_eq!(text.long_word_share, 400.0 / (400.0 + known));
    let special = [("[MASK]".to_string(), 2), ("[SEP]".to_string(), 2)];
    assert_eq!(text.special_tokens, special.into());
    assert_eq!(dropped, None);

    fs::write(&file, format!("{long}\n\n{long}\n")).unwrap();
    let refused = train(&found(&file), &settings, &mut |_| {}).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "{}: every word in it has more than 100 characters, and WordPiece takes such words for \
             unknown; train byte-level BPE or unigram on it",
            file.display()
        )
    );
    trained(&file, &byte_bpe(SampleSize::Auto, 1));
}

#[test]
fn an_alphabet_has_more_than_a_thousand_characters_where_a_text_does() {
    let text = paragraphs(2000).join("\n");
    let more: String = (0..1400)
        .filter_map(|n| char::from_u32(0x7000 + n))
        .collect();
    let words = "the kiln was hot and the clay was cold\n".repeat(20);
    let text = format!("{text}\n{more}\n{more}\n{more}\n");
    let train = |text: &str, vocab_size, limit_alphabet| {
        let settings = TrainSettings::WordPiece(WordPieceSettings {
            vocab_size,
            limit_alphabet,
            ..WordPieceSettings::default()
        });
        let trained = train_on_texts([text], &settings).unwrap();
        let dropped = trained.dropped.map_or(0, |dropped| dropped.characters);
        (trained.tokenizer.vocab_size(), dropped)
    };
    // No pair can be joined: room for all of 600 + 1,400 characters and the full stop.
    assert_eq!(train(&text, 4000, None), (2006, 0));
    assert_eq!(train(&text, 4000, Some(1000)), (1005, 1001));
    // Words want the room: of 86,820 characters eight may go, in threes.
    let text = format!("{text}\n{words}");
    assert_eq!(train(&text, 2040, None), (2040, 2));
}
