//! The normalisation of models that are trained here, as a `precompiled_charsmap`.
//!
//! What SentencePiece's default does: Unicode's NFKC, control characters dropped, all kinds of
//! spaces one. Characters have a rule each; letters that were typed in parts have one for each order
//! of the parts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use tokenizers::normalizers::{NFC, NFD, NFKC, Nmt};
use tokenizers::{NormalizedString, Normalizer};

/// Planes with characters: letters and signs, Chinese characters, tags.
const PLANES: [std::ops::Range<u32>; 2] = [1..0x3_2000, 0xe_0000..0xe_0200];

/// Cells of the trie that are tried for a node before it goes to the end; more make it smaller and
/// building slower.
const MAX_TRIES: usize = 512;

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
    let mut rules = BTreeMap::new();
    for c in PLANES.into_iter().flatten().filter_map(char::from_u32) {
        let key = c.to_string();
        let text = apply(&NFKC, &apply(&Nmt, &key)?)?;
        let parts = apply(&NFD, &key)?;
        if parts != key {
            for typed in typed_in_parts(&parts)? {
                // Some letters stay in parts: Unicode excludes them from composition.
                if apply(&NFC, &typed)? == key {
                    rules.insert(typed, text.clone());
                }
            }
        }
        if text != key {
            rules.insert(key, text);
        }
    }
    Ok(rules)
}

/// The ways to type a letter in parts: its marks in any order, some joined to it already.
fn typed_in_parts(parts: &str) -> Result<Vec<String>, String> {
    let mut characters = parts.chars();
    let base: String = characters.by_ref().take(1).collect();
    let mut ways = Vec::new();
    for marks in orders(&characters.collect::<Vec<char>>()) {
        for joined in 0..marks.len() {
            let (first, rest) = marks.split_at(joined);
            let head = apply(&NFC, &(base.clone() + &String::from_iter(first)))?;
            // One character, or it is a way already.
            if head.chars().nth(1).is_none() {
                ways.push(head + &String::from_iter(rest));
            }
        }
    }
    Ok(ways)
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

fn apply(normalizer: &impl Normalizer, text: &str) -> Result<String, String> {
    let mut normalized = NormalizedString::from(text);
    normalizer
        .normalize(&mut normalized)
        .map_err(|reason| reason.to_string())?;
    Ok(normalized.get().to_string())
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
        (self.first_free..self.is_used.len())
            .filter(|&at| !self.is_used[at])
            .take(MAX_TRIES)
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
            ("\u{438}\u{306}", "й"),
        ] {
            assert_eq!(rules.get(key).map(String::as_str), Some(text), "{key:?}");
        }
        assert!(!rules.contains_key("й") && !rules.contains_key("e"));
    }
}
