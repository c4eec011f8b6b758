//! The normalisation of models that are trained here, as a `precompiled_charsmap`.
//!
//! What SentencePiece's default does: Unicode's NFKC, control characters dropped, all kinds of
//! spaces one. Characters have a rule each; letters that were typed in parts have one for each order
//! of the parts, wide and narrow ones among them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use tokenizers::normalizers::{NFC, NFD, NFKC, Nmt};

use super::unicode::apply_all;

/// Planes with characters: letters and signs, Chinese characters, tags.
const PLANES: [std::ops::Range<u32>; 2] = [1..0x3_2000, 0xe_0000..0xe_0200];

/// Wide Latin letters, narrow Japanese ones.
const WIDE_FORMS: std::ops::RangeInclusive<char> = '\u{ff00}'..='\u{ffef}';

/// Korean syllables; they are not typed in narrow parts.
const HANGUL: std::ops::RangeInclusive<char> = '\u{ac00}'..='\u{d7a3}';

/// Cells at the end of the trie that are tried for a node before it is made longer; more make it
/// smaller and building slower.
const MAX_TRIES: usize = 4096;

/// Offsets have 21 bits.
const MAX_UNITS: usize = 1 << 21;

/// The rules; made once, in less than a second.
pub(super) fn nmt_nfkc() -> Result<&'static [u8], String> {
    static COMPILED: LazyLock<Result<Vec<u8>, String>> =
        LazyLock::new(|| compile(&nmt_nfkc_rules()?));
    match &*COMPILED {
        Ok(charsmap) => Ok(charsmap),
        Err(reason) => Err(reason.clone()),
    }
}

/// What each key becomes.
fn nmt_nfkc_rules() -> Result<BTreeMap<String, String>, String> {
    let keys: Vec<String> = PLANES
        .into_iter()
        .flatten()
        .filter_map(char::from_u32)
        // Not characters; the first of them are used to keep texts apart.
        .filter(|c| !('\u{fdd0}'..='\u{fdef}').contains(c))
        .map(String::from)
        .collect();
    let texts = apply_all(&NFKC, apply_all(&Nmt, &keys)?)?;
    let parts = apply_all(&NFD, &keys)?;

    // Ways to type letters in parts, each with the index of its letter.
    let mut heads: Vec<(String, String, usize)> = Vec::new();
    for (index, parts) in parts.iter().enumerate() {
        if parts != &keys[index] {
            heads.extend(typed_in_parts(parts).map(|(head, rest)| (head, rest, index)));
        }
    }
    let joined = apply_all(&NFC, heads.iter().map(|(head, _, _)| head))?;
    let typed: Vec<(String, usize)> = joined
        .into_iter()
        .zip(heads)
        // A head that is not one character is a way without it already.
        .filter(|(head, _)| head.chars().nth(1).is_none())
        .map(|(head, (_, rest, index))| (head + &rest, index))
        .collect();
    let composed = apply_all(&NFC, typed.iter().map(|(typed, _)| typed))?;

    let wide = wide_forms(&keys, &texts);
    let mut rules = BTreeMap::new();
    for ((typed, index), composed) in typed.into_iter().zip(composed) {
        // Some letters stay in parts: Unicode excludes them from composition.
        if composed != keys[index] {
            continue;
        }
        if !keys[index].chars().any(|c| HANGUL.contains(&c)) {
            for typed in in_wide_forms(&typed, &wide) {
                rules.insert(typed, texts[index].clone());
            }
        }
        rules.insert(typed, texts[index].clone());
    }
    for (key, text) in keys.into_iter().zip(texts) {
        if key != text {
            rules.insert(key, text);
        }
    }
    Ok(rules)
}

/// The wide and narrow forms of letters and marks.
fn wide_forms(keys: &[String], texts: &[String]) -> HashMap<char, char> {
    let forms = keys.iter().zip(texts).filter_map(|(key, text)| {
        let form = key.chars().next().filter(|c| WIDE_FORMS.contains(c))?;
        let mut text = text.chars();
        let letter = text.next()?;
        text.next().is_none().then_some((letter, form))
    });
    forms.collect()
}

/// The same letters with some or all of them in their wide form.
fn in_wide_forms(typed: &str, wide: &HashMap<char, char>) -> Vec<String> {
    let mut forms = vec![String::new()];
    for c in typed.chars() {
        let other = wide.get(&c).copied();
        forms = [Some(c), other]
            .into_iter()
            .flatten()
            .flat_map(|c| {
                forms
                    .iter()
                    .map(move |form| form.clone() + &String::from(c))
            })
            .collect();
    }
    forms
}

/// The ways to type a letter in parts: its marks in any order, some of them joined to it already;
/// what is joined, and the rest.
fn typed_in_parts(parts: &str) -> impl Iterator<Item = (String, String)> {
    let mut characters = parts.chars();
    let base: String = characters.by_ref().take(1).collect();
    orders(&characters.collect::<Vec<char>>())
        .into_iter()
        .flat_map(move |marks| {
            let base = base.clone();
            (0..marks.len()).map(move |joined| {
                let (first, rest) = marks.split_at(joined);
                (
                    base.clone() + &String::from_iter(first),
                    String::from_iter(rest),
                )
            })
        })
}

/// All orders of some marks; letters have three at most.
fn orders(marks: &[char]) -> Vec<Vec<char>> {
    if marks.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, &mark) in marks.iter().enumerate() {
        let mut others = marks.to_vec();
        others.remove(at);
        for mut order in orders(&others) {
            order.insert(0, mark);
            all.push(order);
        }
    }
    all
}

/// The rules as readers of [`super::charsmap`] find them.
fn compile(rules: &BTreeMap<String, String>) -> Result<Vec<u8>, String> {
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
    use super::*;

    #[test]
    fn the_compiled_rules_are_read_as_they_were_written() {
        let rules = nmt_nfkc_rules().unwrap();
        let compiled = nmt_nfkc().unwrap();
        charsmap::check(compiled).unwrap();
        let mut read = BTreeMap::new();
        charsmap::visit(compiled, &mut |key, text| {
            read.insert(key.to_string(), text.to_string());
        })
        .unwrap();
        assert_eq!(read.len(), rules.len());
        assert!(read == rules);
        // SentencePiece wants blocks of 256 units.
        assert_eq!(compiled[0], 0);
        assert_eq!(compiled[1] & 3, 0);
    }

    #[test]
    fn spaces_become_one_kind_letters_whole_and_control_characters_nothing() {
        let rules = nmt_nfkc_rules().unwrap();
        for (key, text) in [
            ("\u{a0}", " "),
            ("\u{200b}", " "),
            ("\n", " "),
            ("\u{1}", ""),
            ("ﬁ", "fi"),
            ("ｅ", "e"),
            ("e\u{302}\u{301}", "ế"),
            ("ê\u{301}", "ế"),
            ("a\u{302}\u{323}", "ậ"),
            ("\u{1112}\u{1161}\u{11ab}", "한"),
            ("ｅ\u{301}", "é"),
            ("ﾊﾟ", "パ"),
            ("\u{438}\u{306}", "й"),
        ] {
            assert_eq!(rules.get(key).map(String::as_str), Some(text), "{key:?}");
        }
        assert!(!rules.contains_key("й") && !rules.contains_key("e"));
    }
}
