//! Which pieces of a vocabulary continue the word before them: what masking whole words asks.

use serde_json::Value;
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::tokenizer::{
    OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, SplitDelimiterBehavior,
};

use super::byte_level;

/// What stands for a space in SentencePiece's pieces, and so begins a word.
pub(super) const WORD_START: char = '▁';

/// How a vocabulary tells the pieces of a word from its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WordMarks {
    /// Not at all: every piece is a word.
    None,
    /// WordPiece: `##` or the like before what continues a word.
    Continuation(String),
    /// SentencePiece: `▁` before what begins one.
    Start(char),
    /// Byte-level BPE: a space before what begins one.
    ByteLevel,
}

impl WordMarks {
    /// From the whole tokenizer.json.
    pub(super) fn of(full: &Value) -> Self {
        let model = &full["model"];
        let continuation = || {
            let prefix = model["continuing_subword_prefix"].as_str();
            prefix.map_or(Self::None, |prefix| Self::Continuation(prefix.to_string()))
        };
        let pre_tokenizer = &full["pre_tokenizer"];
        match model["type"].as_str() {
            Some("WordPiece") => continuation(),
            Some("Unigram" | "BPE") => {
                if let Some(step) = find(pre_tokenizer, "Metaspace") {
                    let start = step["replacement"]
                        .as_str()
                        .and_then(|mark| mark.chars().next());
                    start.map_or(Self::None, Self::Start)
                } else if find(pre_tokenizer, "ByteLevel").is_some() {
                    Self::ByteLevel
                } else {
                    Self::None
                }
            }
            _ => Self::None,
        }
    }

    /// Whether a token that is not special continues a word. Where the beginning is what is marked,
    /// a single character that is punctuation, a space or a control character stands alone, as in
    /// DeBERTa's masking of whole words.
    pub(super) fn continues(&self, token: &str) -> bool {
        match self {
            Self::None => false,
            Self::Continuation(prefix) => token
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| !rest.is_empty()),
            Self::Start(mark) => !token.starts_with(*mark) && !stands_alone(token),
            Self::ByteLevel => match byte_level::text(token) {
                Some(text) => !text.starts_with(' ') && !stands_alone(&text),
                // A part of a character: the first of one that begins a word has the space.
                None => !token.starts_with(byte_level::SPACE),
            },
        }
    }
}

/// The step of this type, alone or in a sequence.
pub(super) fn find<'a>(steps: &'a Value, kind: &str) -> Option<&'a Value> {
    if steps["type"] == kind {
        return Some(steps);
    }
    let steps = steps["pretokenizers"].as_array()?;
    steps.iter().find_map(|step| find(step, kind))
}

fn stands_alone(token: &str) -> bool {
    let mut characters = token.chars();
    match (characters.next(), characters.next()) {
        (Some(c), None) => c.is_whitespace() || c.is_control() || is_punctuation(c),
        _ => false,
    }
}

/// As BERT's splitter has it: ASCII's signs and Unicode's category P.
fn is_punctuation(c: char) -> bool {
    if c.is_ascii() || c.is_alphanumeric() {
        return c.is_ascii_punctuation();
    }
    // `tokenizers` keeps its table to itself, but shows it by where it splits.
    let mut text = PreTokenizedString::from(format!("a{c}"));
    let split = Punctuation::new(SplitDelimiterBehavior::Isolated).pre_tokenize(&mut text);
    let parts = text.get_splits(OffsetReferential::Original, OffsetType::Byte);
    split.is_ok() && parts.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_continues_a_word_unless_it_begins_one_or_stands_alone() {
        let pieces = WordMarks::Start('▁');
        for token in ["s", "ing", "ём", "...", "天", "<0x41>"] {
            assert!(pieces.continues(token), "{token}");
        }
        for token in ["▁", "▁the", ",", "—", "$", "«", "。", "\u{a0}"] {
            assert!(!pieces.continues(token), "{token}");
        }
        let bytes = WordMarks::ByteLevel;
        for token in ["ing", "ÑĳÐ¼", "...", "Ñ"] {
            assert!(bytes.continues(token), "{token}");
        }
        // Space, "the" and a dash after a space, comma, dash, line end.
        for token in ["Ġ", "Ġthe", "ĠâĢĶ", ",", "âĢĶ", "Ċ"] {
            assert!(!bytes.continues(token), "{token}");
        }
        let marked = WordMarks::Continuation("##".to_string());
        assert!(marked.continues("##s") && marked.continues("##,"));
        assert!(!marked.continues("##") && !marked.continues("s"));
    }
}
