//! The normalisation of models that are trained here, as a `precompiled_charsmap`.
//!
//! What SentencePiece's default does: Unicode's NFKC, control characters dropped, all kinds of
//! spaces one. Characters have a rule each; so have letters that were typed in parts, in all ways
//! that the steps of [`super::steps`] compose. XLNet's own steps come before that, so that
//! SentencePiece's library, which knows the rules alone, gives the same pieces.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tokenizers::normalizers::{Lowercase, NFC, NFD, NFKC, NFKD, Nmt, StripAccents};

use super::unicode::apply_all;
use crate::tokenizer::xlnet::{QUOTES, XlnetLetters};

/// Keeps characters apart while text is normalised. A place that Unicode keeps for characters
/// without a picture: it is a grapheme by itself, whatever follows it.
pub(super) const BREAK: char = '\u{fff0}';

/// How many marks a letter has at most.
pub(super) const ROUNDS: usize = 3;

/// Planes with characters: letters and signs, Chinese characters, tags.
const PLANES: [std::ops::Range<u32>; 2] = [1..0x3_2000, 0xe_0000..0xe_0200];

/// Wide Latin letters, narrow Japanese ones, wide signs. Narrow Korean ones are left out: they are
/// not typed in parts.
const WIDE_FORMS: [std::ops::RangeInclusive<char>; 2] =
    ['\u{ff01}'..='\u{ff9f}', '\u{ffe0}'..='\u{ffee}'];

/// Korean syllables, and the letters they are made of: first, middle, last.
const HANGUL: std::ops::RangeInclusive<char> = '\u{ac00}'..='\u{d7a3}';
const HANGUL_FIRST: std::ops::RangeInclusive<char> = '\u{1100}'..='\u{1112}';
const HANGUL_MIDDLE: std::ops::RangeInclusive<char> = '\u{1161}'..='\u{1175}';
const HANGUL_LAST: std::ops::RangeInclusive<char> = '\u{11a8}'..='\u{11c2}';

/// Cells at the end of the trie that are tried for a node before it is made longer; more make it
/// smaller and building slower.
const MAX_TRIES: usize = 4096;

/// Offsets have 21 bits.
const MAX_UNITS: usize = 1 << 21;

/// The rules, with XLNet's steps before them if there are any; made once, in less than a second.
pub(super) fn trained(letters: Option<XlnetLetters>) -> Result<Arc<[u8]>, String> {
    type Compiled = (Option<XlnetLetters>, Arc<[u8]>);
    static COMPILED: Mutex<Vec<Compiled>> = Mutex::new(Vec::new());
    // Nothing half-made is ever in it.
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, charsmap)) = compiled.iter().find(|(known, _)| *known == letters) {
        return Ok(charsmap.clone());
    }
    let charsmap: Arc<[u8]> = compile(&rules(letters)?)?.into();
    compiled.push((letters, charsmap.clone()));
    Ok(charsmap)
}

/// Rules that make wide and narrow forms plain.
pub(super) fn plain_forms() -> Result<&'static [u8], String> {
    static COMPILED: LazyLock<Result<Vec<u8>, String>> = LazyLock::new(|| {
        let forms = plain_form_rules()?;
        let rules = forms
            .into_iter()
            .map(|(form, plain)| (form.to_string(), plain.to_string()))
            .collect();
        compile(&rules)
    });
    match &*COMPILED {
        Ok(charsmap) => Ok(charsmap),
        Err(reason) => Err(reason.clone()),
    }
}

/// Those that are one character again.
fn plain_form_rules() -> Result<HashMap<char, char>, String> {
    let forms: Vec<char> = WIDE_FORMS.into_iter().flatten().collect();
    let plain = apply_all(&NFKC, forms.iter().map(char::to_string))?;
    let rules = forms.into_iter().zip(plain).filter_map(|(form, plain)| {
        let mut plain = plain.chars();
        let first = plain.next().filter(|first| *first != form)?;
        plain.next().is_none().then_some((form, first))
    });
    Ok(rules.collect())
}

/// What each key becomes.
fn rules(letters: Option<XlnetLetters>) -> Result<BTreeMap<String, String>, String> {
    let keys: Vec<String> = PLANES
        .into_iter()
        .flatten()
        .filter_map(char::from_u32)
        // Not characters; some are used to keep texts apart.
        .filter(|c| !('\u{fdd0}'..='\u{fdef}').contains(c))
        .map(String::from)
        .collect();
    let lower = |texts: Vec<String>| match letters {
        Some(letters) if letters.lowercase => apply_all(&Lowercase, texts),
        _ => Ok(texts),
    };
    let mut rules = BTreeMap::new();
    if letters.is_some_and(|letters| !letters.keep_accents) {
        let parts = apply_all(&StripAccents, apply_all(&NFKD, &keys)?)?;
        for (key, text) in keys.iter().zip(apply_all(&Nmt, lower(parts)?)?) {
            if *key != text {
                rules.insert(key.clone(), text);
            }
        }
    } else {
        let texts = apply_all(&NFKC, apply_all(&Nmt, &keys)?)?;
        let texts: HashMap<char, String> = (keys.iter())
            .zip(texts)
            .filter_map(|(key, text)| Some((key.chars().next()?, text)))
            .collect();
        let text = |c: char| texts.get(&c).cloned().unwrap_or_else(|| c.to_string());
        let composed = composed(&keys, lower(keys.clone())?)?;
        for (key, composed) in composed {
            let text: String = composed.chars().map(text).collect();
            if key != text {
                rules.insert(key, text);
            }
        }
    }
    if letters.is_some() {
        rules.extend(QUOTES.map(|quote| (quote.to_string(), "\"".to_string())));
        // Text is cut at all kinds of spaces afterwards.
        let spaces = keys
            .iter()
            .filter(|key| key.chars().all(char::is_whitespace));
        for space in spaces.filter(|space| *space != " ") {
            rules
                .entry(space.clone())
                .or_insert_with(|| " ".to_string());
        }
    }
    // The steps use it, and so drop it.
    rules.insert(BREAK.to_string(), String::new());
    Ok(rules)
}

/// All characters, and the sequences of them that the steps compose, each with what it is then.
/// `prepared`: what the characters are before that.
fn composed(
    characters: &[String],
    mut prepared: Vec<String>,
) -> Result<Vec<(String, String)>, String> {
    let plain = plain_form_rules()?;
    for text in &mut prepared {
        *text = (text.chars())
            .map(|c| plain.get(&c).copied().unwrap_or(c))
            .collect();
    }
    let whole = apply_all(&NFC, &prepared)?;
    let letters = ComposingLetters::new(characters)?;
    let marks: Vec<(&String, &String)> = (characters.iter().zip(&whole))
        .filter(|(_, whole)| {
            whole
                .chars()
                .next()
                .is_some_and(|c| letters.marks.contains(&c))
        })
        .collect();
    let mut all: Vec<(String, String)> = characters
        .iter()
        .cloned()
        .zip(whole.iter().cloned())
        .collect();
    let mut heads = all.clone();
    for _ in 0..ROUNDS {
        heads.retain(|(_, whole)| {
            whole
                .chars()
                .last()
                .is_some_and(|c| letters.heads.contains(&c))
        });
        let typed: Vec<(String, String)> = heads
            .iter()
            .flat_map(|(head, whole)| {
                marks
                    .iter()
                    .map(move |(mark, rest)| (format!("{head}{mark}"), format!("{whole}{rest}")))
            })
            .collect();
        let joined = apply_all(&NFC, typed.iter().map(|(_, parts)| parts))?;
        // What stays in parts needs no rule of its own.
        heads = typed
            .into_iter()
            .zip(joined)
            .filter(|((_, parts), joined)| parts != joined)
            .map(|((typed, _), joined)| (typed, joined))
            .collect();
        all.extend(heads.iter().cloned());
    }
    all.extend(hangul()?);
    Ok(all)
}

/// Korean letters typed one by one, and the last letter behind its syllable.
fn hangul() -> Result<Vec<(String, String)>, String> {
    let open: Vec<String> = HANGUL_FIRST
        .flat_map(|first| HANGUL_MIDDLE.map(move |middle| format!("{first}{middle}")))
        .collect();
    let whole = apply_all(&NFC, &open)?;
    let closed: Vec<String> = (open.iter().chain(&whole))
        .flat_map(|open| HANGUL_LAST.map(move |last| format!("{open}{last}")))
        .collect();
    let whole_closed = apply_all(&NFC, &closed)?;
    let typed = open.into_iter().chain(closed);
    Ok(typed.zip(whole.into_iter().chain(whole_closed)).collect())
}

/// What Unicode composes letters of, Korean ones aside.
struct ComposingLetters {
    /// What a mark may be joined to.
    heads: HashSet<char>,
    marks: HashSet<char>,
}

impl ComposingLetters {
    fn new(characters: &[String]) -> Result<Self, String> {
        let parts = apply_all(&NFD, characters)?;
        let whole = apply_all(&NFC, characters)?;
        let letters: Vec<(&String, &String)> = (characters.iter().zip(&parts).zip(&whole))
            .filter(|((letter, parts), whole)| letter != parts && letter == whole)
            .filter(|((letter, _), _)| !letter.starts_with(|c| HANGUL.contains(&c)))
            .map(|(letter, _)| letter)
            .collect();
        let marks = letters.iter().flat_map(|(_, parts)| parts.chars().skip(1));
        // A letter, or the first part of a vowel sign.
        let without_last = letters.iter().map(|(_, parts)| {
            let last = parts.char_indices().next_back().map_or(0, |(at, _)| at);
            parts.get(..last).unwrap_or_default()
        });
        let taking = apply_all(&NFC, without_last)?;
        let bare = apply_all(&StripAccents, letters.iter().map(|(letter, _)| letter))?;
        let not_marks = letters
            .iter()
            .zip(&bare)
            .filter(|(_, bare)| !bare.is_empty());
        let heads = (taking.iter())
            .chain(not_marks.map(|((letter, _), _)| *letter))
            .filter_map(|head| head.chars().last());
        Ok(Self {
            heads: heads.collect(),
            marks: marks.collect(),
        })
    }
}

/// The rules as readers of [`super::charsmap`] find them.
pub(super) fn compile(rules: &BTreeMap<String, String>) -> Result<Vec<u8>, String> {
    let mut texts = String::new();
    let mut offsets: HashMap<&str, u32> = HashMap::new();
    let mut keys: Vec<(&[u8], u32)> = Vec::with_capacity(rules.len());
    for (key, text) in rules {
        let offset = *offsets.entry(text).or_insert_with(|| {
            let offset = texts.len() as u32;
            texts.push_str(text);
            texts.push('\0');
            offset
        });
        keys.push((key.as_bytes(), offset));
    }
    let mut trie = DoubleArray::default();
    trie.reserve(0);
    // SentencePiece takes the root for a leaf if it is its own base.
    trie.bases.insert(0);
    trie.place(0, &keys, 0);
    if trie.units.len() > MAX_UNITS {
        return Err("too many normalisation rules".to_string());
    }
    let mut bytes = Vec::with_capacity(4 + trie.units.len() * 4 + texts.len());
    bytes.extend((trie.units.len() as u32 * 4).to_le_bytes());
    bytes.extend(trie.units.iter().flat_map(|unit| unit.to_le_bytes()));
    bytes.extend(texts.as_bytes());
    Ok(bytes)
}

/// A trie whose nodes stand among each other: the child of a node for byte `b` at the node's base,
/// exclusive or `b`; its value, if a key ends there, at the base.
#[derive(Default)]
struct DoubleArray {
    units: Vec<u32>,
    is_used: Vec<bool>,
    /// Two nodes with one base would have each other's children.
    bases: HashSet<usize>,
    /// All cells before it are used.
    first_free: usize,
}

impl DoubleArray {
    /// Takes a cell, and makes place for its neighbours: readers look at 256 at a time.
    fn reserve(&mut self, at: usize) {
        if at >= self.units.len() {
            let length = (at / 256 + 1) * 256;
            self.units.resize(length, 0);
            self.is_used.resize(length, false);
        }
        self.is_used[at] = true;
        while self.is_used.get(self.first_free) == Some(&true) {
            self.first_free += 1;
        }
    }

    /// Puts the sorted `keys`, which agree in the bytes before `depth`, below the node `at`.
    fn place(&mut self, at: usize, keys: &[(&[u8], u32)], depth: usize) {
        let label = |key: &[u8]| key.get(depth).copied().unwrap_or(0);
        let groups: Vec<&[(&[u8], u32)]> = keys
            .chunk_by(|(one, _), (other, _)| label(one) == label(other))
            .collect();
        let labels: Vec<u8> = groups.iter().map(|group| label(group[0].0)).collect();
        let base = self.base(&labels);
        self.bases.insert(base);
        self.units[at] |= ((at ^ base) as u32) << 10;
        for &label in &labels {
            self.reserve(base ^ usize::from(label));
        }
        for (group, label) in groups.into_iter().zip(labels) {
            let child = base ^ usize::from(label);
            if label == 0 {
                self.units[at] |= 1 << 8;
                self.units[child] = group[0].1 | 1 << 31;
            } else {
                self.units[child] = label.into();
                self.place(child, group, depth + 1);
            }
        }
    }

    /// A base whose cells for all `labels` are free.
    fn base(&self, labels: &[u8]) -> usize {
        let fits = |base: usize| {
            !self.bases.contains(&base)
                && labels.iter().all(|&label| {
                    let at = base ^ usize::from(label);
                    self.is_used.get(at) != Some(&true)
                })
        };
        let first = labels.first().copied().map_or(0, usize::from);
        let length = self.is_used.len();
        (self.first_free.max(length.saturating_sub(MAX_TRIES))..length)
            .filter(|&at| !self.is_used[at])
            .map(|at| at ^ first)
            .find(|&base| fits(base))
            .unwrap_or(self.units.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::charsmap;
    use super::super::steps::COMPOSING_MARKS;
    use super::*;

    const LOWER: XlnetLetters = XlnetLetters {
        lowercase: true,
        keep_accents: true,
    };

    #[test]
    fn the_compiled_rules_are_read_as_they_were_written() {
        for letters in [None, Some(XlnetLetters::default())] {
            let rules = rules(letters).unwrap();
            let compiled = trained(letters).unwrap();
            charsmap::check(&compiled).unwrap();
            let mut read = BTreeMap::new();
            charsmap::visit(&compiled, &mut |key, text| {
                read.insert(key.to_string(), text.to_string());
            })
            .unwrap();
            assert_eq!(read.len(), rules.len());
            assert!(read == rules);
            // SentencePiece wants blocks of 256 units.
            assert_eq!(compiled[0], 0);
            assert_eq!(compiled[1] & 3, 0);
        }
    }

    #[test]
    fn spaces_become_one_kind_letters_whole_and_control_characters_nothing() {
        let rules = rules(None).unwrap();
        for (key, text) in [
            ("\u{a0}", " "),
            ("\u{200b}", " "),
            ("\n", " "),
            ("▁", " "),
            ("\u{1}", ""),
            ("ﬁ", "fi"),
            ("ｅ", "e"),
            ("e\u{302}\u{301}", "ế"),
            ("ê\u{301}", "ế"),
            ("a\u{302}\u{323}", "ậ"),
            ("\u{1112}\u{1161}\u{11ab}", "한"),
            ("하\u{11ab}", "한"),
            ("ｅ\u{301}", "é"),
            ("ﾊﾟ", "パ"),
            ("\u{438}\u{306}", "й"),
            ("\u{3c9}\u{314}\u{342}\u{345}", "ᾧ"),
            ("\u{9c7}\u{9be}", "ো"),
        ] {
            assert_eq!(rules.get(key).map(String::as_str), Some(text), "{key:?}");
        }
        // Letters that stay as they are, and marks that no letter takes.
        for key in ["й", "e", "q\u{323}", "ㄱㅏ"] {
            assert!(!rules.contains_key(key), "{key:?}");
        }
    }

    #[test]
    fn xlnets_rules_drop_accents_and_join_its_quotes() {
        let cased = rules(Some(XlnetLetters::default())).unwrap();
        for (key, text) in [
            ("É", "E"),
            ("\u{301}", ""),
            ("``", "\""),
            ("''", "\""),
            ("½", "1⁄2"),
        ] {
            assert_eq!(cased.get(key).map(String::as_str), Some(text), "{key:?}");
        }
        assert!(!cased.contains_key("E"));
        let lower = rules(Some(LOWER)).unwrap();
        for (key, text) in [
            ("É", "é"),
            ("E\u{301}", "é"),
            ("Ｅ", "e"),
            ("İ", "i\u{307}"),
        ] {
            assert_eq!(lower.get(key).map(String::as_str), Some(text), "{key:?}");
        }
    }

    /// The steps know them by name; four marks on one letter are never one.
    #[test]
    fn the_marks_that_letters_begin_with_are_those_of_unicode() {
        let characters: Vec<String> = (1..0x2_0000)
            .filter_map(char::from_u32)
            .filter(|c| !('\u{fdd0}'..='\u{fdef}').contains(c))
            .map(String::from)
            .collect();
        let letters = ComposingLetters::new(&characters).unwrap();
        let mut heads: Vec<String> = letters.heads.iter().map(char::to_string).collect();
        heads.sort_unstable();
        let bare = apply_all(&StripAccents, &heads).unwrap();
        let marks: String = (heads.iter().zip(bare))
            .filter(|(_, bare)| bare.is_empty())
            .map(|(mark, _)| mark.as_str())
            .collect();
        assert_eq!(marks, COMPOSING_MARKS);
        let parts = apply_all(&NFD, &characters).unwrap();
        let most = parts.iter().map(|parts| parts.chars().count()).max();
        assert_eq!(most, Some(1 + ROUNDS));
    }
}
