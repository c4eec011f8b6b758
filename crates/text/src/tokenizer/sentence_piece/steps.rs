//! The steps by which `tokenizers` normalises text as SentencePiece does by a model's rules.
//!
//! SentencePiece replaces, at each place of a text, the longest key of its rules that matches.
//! `tokenizers` has a step of the name, `Precompiled`, with a fault: it looks at short graphemes
//! whole, takes the *shortest* key that they begin with, and loses the rest of them (`½` with an
//! accent is `1⁄2` without). So each character is kept apart from the marks on it there, and what
//! rules for several characters say is done before it, by Unicode's composition, NFC, a mark at a
//! time: first the one next to a letter, then the next one, if the first was taken. Thus nothing is
//! put in another order, and nothing joined across what stands between.
//!
//! | step | what for |
//! | --- | --- |
//! | [`BREAK`] before each mark | nothing is joined yet |
//! | wide and narrow forms plain, by [`rules::plain_forms`] | `ﾊﾟ` is joined as `ハ` and its mark are |
//! | [`ROUNDS`] times: the break behind what may take a mark goes; NFC | letters typed in parts are whole |
//! | breaks again where they are gone | |
//! | the model's rules | each character has its own |
//! | breaks go; spaces at the ends go, several become one | |
//!
//! For the rules of models that are trained here this is exactly what SentencePiece does with them:
//! they are made by these steps. The rules that SentencePiece's own trainer makes have no keys for a
//! whole letter and a mark that belongs before the one it has (`â` and a dot below), which are joined
//! here all the same.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tokenizers::normalizers::NFC;

use super::json::metaspace;
use super::rules::{BREAK, ROUNDS};
use super::{charsmap, rules, unicode};
use crate::tokenizer::words::WORD_START;

/// What was used before, a noncharacter.
const FORMER_BREAK: char = '\u{fdd0}';

/// Marks that take others, in vowel signs of two parts.
pub(super) const COMPOSING_MARKS: &str = "\u{9c7}\u{b47}\u{bc6}\u{bc7}\u{c46}\u{cbf}\u{cc6}\u{cca}\
    \u{d46}\u{d47}\u{dd9}\u{ddc}\u{1b3a}\u{1b3c}\u{1b3e}\u{1b3f}\u{1b42}\u{11131}\u{11132}\u{11347}\
    \u{114b9}\u{115b8}\u{115b9}";

/// What is in one grapheme with what stands before it, as a regular expression's class: marks,
/// joiners, Thai and Lao AM, narrow Japanese marks, skin colours, tags.
const EXTENDING: &str =
    r"\p{M}\x{200C}\x{200D}\x{E33}\x{EB3}\x{FF9E}\x{FF9F}\x{1F3FB}-\x{1F3FF}\x{E0020}-\x{E007F}";

/// Korean syllables, and letters that may end one.
const SYLLABLES: &str = r"\x{AC00}-\x{D7A3}";
const LAST_LETTERS: &str = r"\x{11A8}-\x{11C2}";

/// Marks of Hebrew and Arabic, which former steps kept apart.
const POINTS: &str =
    "\u{591}-\u{5c7}\u{610}-\u{61a}\u{64b}-\u{65f}\u{670}\u{6d6}-\u{6ed}\u{8d3}-\u{8ff}";

/// The rules are taken for Unicode's composition if at most one in this many keys says otherwise:
/// newer characters that the library here doesn't know yet.
const RULES_PER_EXCEPTION: usize = 100;

/// What rules for several characters do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Composition {
    /// There are none.
    None,
    /// Letters typed in parts are joined. `closes_syllables`: so are a Korean syllable and its last
    /// letter.
    Letters { closes_syllables: bool },
}

impl Composition {
    const ALL: [Self; 3] = [
        Self::None,
        Self::Letters {
            closes_syllables: false,
        },
        Self::Letters {
            closes_syllables: true,
        },
    ];
}

/// The normaliser for SentencePiece's rules, empty if the model has none.
///
/// # Errors
/// If the rules are damaged, or say something else than Unicode's composition does.
pub(in crate::tokenizer) fn normalizer(charsmap: &[u8]) -> Result<Value, String> {
    let (composition, keeps_marks) = composition(charsmap)?;
    let rules = (!charsmap.is_empty()).then(|| precompiled(charsmap));
    let mut steps = steps(rules, composition)?;
    if keeps_marks {
        steps.extend(marks());
    }
    Ok(json!({ "type": "Sequence", "normalizers": steps }))
}

/// `rules`: the step that applies the model's own.
fn steps(rules: Option<Value>, composition: Composition) -> Result<Vec<Value>, String> {
    let mut steps = Vec::new();
    match composition {
        Composition::None => steps.extend(rules),
        Composition::Letters { closes_syllables } => {
            let mut before = format!("(?!\\A)(?=[{EXTENDING}])");
            let mut joined = format!("(?:(?<=[^\\p{{M}}{BREAK}])|(?<=[{COMPOSING_MARKS}])){BREAK}");
            if !closes_syllables {
                before.push_str(&format!("|(?<=[{SYLLABLES}])(?=[{LAST_LETTERS}])"));
                joined.push_str(&format!("(?![{LAST_LETTERS}])"));
            }
            steps.push(replace_regex(&before, &BREAK.to_string()));
            steps.push(precompiled(rules::plain_forms()?));
            for _ in 0..ROUNDS {
                steps.push(replace_regex(&joined, ""));
                steps.push(json!({ "type": "NFC" }));
            }
            let again = format!("(?!\\A)(?<!{BREAK})(?=[{EXTENDING}])");
            steps.push(replace_regex(&again, &BREAK.to_string()));
            steps.extend(rules);
            steps.push(replace_regex(&BREAK.to_string(), ""));
        }
    }
    steps.extend(single_spaces());
    Ok(steps)
}

/// The steps of tokenizers that were trained here before; read as they are, and still fast.
fn former_steps(rules: Option<Value>) -> Vec<Value> {
    let between_points = format!("(?<![{POINTS}]){FORMER_BREAK}|{FORMER_BREAK}(?![{POINTS}])");
    let mut steps = vec![replace_regex(
        r"(?!\A)(?=[\p{M}\x{200D}])",
        &FORMER_BREAK.to_string(),
    )];
    steps.extend(rules);
    steps.extend([
        replace_regex(&between_points, ""),
        json!({ "type": "NFC" }),
        replace_regex(&FORMER_BREAK.to_string(), ""),
    ]);
    steps.extend(single_spaces());
    steps
}

fn single_spaces() -> [Value; 2] {
    [replace_regex(" {2,}", " "), replace_regex(r"\A +| +\z", "")]
}

/// Marks of spaces in the text are taken for such at its end, and for text at its start.
fn marks() -> [Value; 2] {
    [
        replace_regex(&format!("[ {WORD_START}]+\\z"), ""),
        replace_regex(&format!("\\A(?={WORD_START})"), " "),
    ]
}

pub(in crate::tokenizer) fn replace_regex(pattern: &str, content: &str) -> Value {
    json!({ "type": "Replace", "pattern": { "Regex": pattern }, "content": content })
}

pub(in crate::tokenizer) fn precompiled(charsmap: &[u8]) -> Value {
    json!({ "type": "Precompiled", "precompiled_charsmap": BASE64.encode(charsmap) })
}

/// What the rules for several characters do, and whether the marks of spaces in the text stay.
///
/// # Errors
/// If the rules are damaged, or say something else than Unicode's composition does.
fn composition(charsmap: &[u8]) -> Result<(Composition, bool), String> {
    if charsmap.is_empty() {
        return Ok((Composition::None, true));
    }
    let mut single: HashMap<char, String> = HashMap::new();
    let mut several: Vec<(String, String)> = Vec::new();
    let mut closes_syllables = false;
    charsmap::visit(charsmap, &mut |key, text| {
        let mut characters = key.chars();
        match (characters.next(), characters.next()) {
            (Some(c), None) => _ = single.insert(c, text.to_string()),
            _ => several.push((key.to_string(), text.to_string())),
        }
        closes_syllables |= key == "가\u{11a8}";
    })?;
    let keeps_marks = !single.contains_key(&WORD_START);
    // Published rules have 220,000, most of them permutations of each other.
    let sampled = || several.iter().step_by(several.len() / 10_000 + 1);
    let mapped = sampled().map(|(key, _)| {
        let text = |c: char| single.get(&c).cloned().unwrap_or_else(|| c.to_string());
        key.chars().map(text).collect::<String>()
    });
    let composed = unicode::apply_all(&NFC, mapped)?;
    let count = composed.len();
    let exceptions: Vec<&String> = sampled()
        .zip(composed)
        .filter_map(|((key, text), composed)| (*text != composed).then_some(key))
        .collect();
    match exceptions.first() {
        Some(key) if exceptions.len() * RULES_PER_EXCEPTION > count => Err(format!(
            "its rule for {key:?} is not one of Unicode's, and rules for several characters are \
             not supported otherwise; train it with nmt_nfkc, nfkc or identity"
        )),
        _ if several.is_empty() => Ok((Composition::None, keeps_marks)),
        _ => Ok((Composition::Letters { closes_syllables }, keeps_marks)),
    }
}

/// Refuses a tokenizer.json whose normalisation rules are damaged: readers would panic.
pub(in crate::tokenizer) fn check_charsmaps(normalizer: &Value) -> Result<(), String> {
    for charsmap in charsmaps(normalizer) {
        charsmap::check(&charsmap?)?;
    }
    Ok(())
}

/// Whether all steps of a tokenizer.json leave what stands on two sides of a space alone, in a text
/// without marks of spaces: whether they are exactly those made here.
pub(in crate::tokenizer) fn splits_at_spaces(normalizer: &Value, pre_tokenizer: &Value) -> bool {
    let Some(found) = normalizer["normalizers"].as_array() else {
        return false;
    };
    let marks = marks();
    let found = found.strip_suffix(&marks).unwrap_or(found);
    let rules = found.iter().rfind(|step| step["type"] == "Precompiled");
    let is_made_here =
        |composition| steps(rules.cloned(), composition).is_ok_and(|made_here| made_here == found);
    normalizer["type"] == "Sequence"
        && pre_tokenizer == &metaspace(true, true)
        && (Composition::ALL.into_iter().any(is_made_here) || former_steps(rules.cloned()) == found)
}

/// Whether the rules in the steps of a tokenizer.json do nothing to a space, and make no marks of
/// spaces.
pub(in crate::tokenizer) fn leaves_spaces(normalizer: &Value) -> bool {
    charsmaps(normalizer).iter().all(|rules| {
        rules
            .as_ref()
            .is_ok_and(|rules| charsmap::leaves_spaces(rules))
    })
}

/// The rules in the steps of a tokenizer.json, whichever way these lie in each other.
pub(in crate::tokenizer) fn charsmaps(normalizer: &Value) -> Vec<Result<Vec<u8>, String>> {
    let own = normalizer["precompiled_charsmap"].as_str().map(|text| {
        BASE64
            .decode(text)
            .map_err(|reason| format!("precompiled_charsmap: {reason}"))
    });
    let steps = normalizer["normalizers"].as_array();
    own.into_iter()
        .chain(steps.into_iter().flatten().flat_map(charsmaps))
        .collect()
}
