//! GPT-2's alphabet of bytes: every byte is a visible character, so that pieces are texts.
//!
//! Printable bytes of Latin-1 stand for themselves, the others for the characters from U+0100 on,
//! in order: a space is `Ġ`.

use serde_json::{Value, json};

/// A space.
pub(super) const SPACE: char = 'Ġ';

/// Where the bytes start that don't stand for themselves.
const FIRST_SHIFTED: u32 = 0x100;

/// The character of each byte.
pub(super) fn alphabet() -> [char; 256] {
    let mut shifted = (FIRST_SHIFTED..).filter_map(char::from_u32);
    let mut alphabet = ['\0'; 256];
    for (byte, c) in (0..=u8::MAX).zip(&mut alphabet) {
        *c = if stands_for_itself(byte) {
            char::from(byte)
        } else {
            shifted.next().unwrap_or(SPACE)
        };
    }
    alphabet
}

/// The text of a token; `None` if it is not whole characters, or not in the alphabet.
pub(super) fn text(token: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> = token.chars().map(byte).collect();
    String::from_utf8(bytes?).ok()
}

/// GPT-2's splitter: words with the space before them, numbers, signs, spaces.
pub(super) fn splitter_json(add_prefix_space: bool) -> Value {
    json!({
        "type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": true,
        "use_regex": true,
    })
}

/// Whether a splitter cuts before every space that something else follows, and puts nothing in.
pub(super) fn splits_before_spaces(pre_tokenizer: &Value) -> bool {
    pre_tokenizer["type"] == "ByteLevel"
        && pre_tokenizer["add_prefix_space"] == false
        && pre_tokenizer["use_regex"] != false
}

fn stands_for_itself(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..)
}

fn byte(c: char) -> Option<u8> {
    if let Ok(byte) = u8::try_from(u32::from(c)) {
        return stands_for_itself(byte).then_some(byte);
    }
    let index = u32::from(c).checked_sub(FIRST_SHIFTED)?;
    (0..=u8::MAX)
        .filter(|&byte| !stands_for_itself(byte))
        .nth(index as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character_of_its_own() {
        let alphabet = alphabet();
        for (byte_value, &c) in (0..=u8::MAX).zip(&alphabet) {
            assert_eq!(byte(c), Some(byte_value));
        }
        // As published in GPT-2's encoder.json.
        assert_eq!(alphabet[0], 'Ā');
        assert_eq!(alphabet[b' ' as usize], SPACE);
        assert_eq!(alphabet[b'\n' as usize], 'Ċ');
        assert_eq!(alphabet[0xad], 'Ń');
        assert_eq!(text("ĠÑĳ").as_deref(), Some(" ё"));
        assert_eq!(text("Ñ"), None);
        assert_eq!(text("天"), None);
    }
}
