//! The rules by which SentencePiece normalises text: `precompiled_charsmap`.
//!
//! A little-endian length, a double-array trie over UTF-8 bytes in 32-bit units (Darts-clone), and
//! what the keys become, each ended by a zero byte; the value of a key is an offset into those.
//! At each place of a text the longest key that matches is replaced.

use std::collections::HashSet;

use crate::tokenizer::words::WORD_START;

/// Bytes of the longest key that is taken for one: published rules have 18.
const MAX_KEY_BYTES: usize = 64;

/// Keys for each unit of a trie at most: nodes with the same ends are shared, so there are more keys
/// than units (5 in published rules). A damaged trie that runs in circles has no end of them.
const MAX_KEYS_PER_UNIT: usize = 32;

const DAMAGED: &str =
    "the normalisation rules (precompiled_charsmap) are damaged; get the file again";

/// Refuses rules that lead outside of themselves: readers don't look.
pub(super) fn check(charsmap: &[u8]) -> Result<(), String> {
    let rules = Rules::new(charsmap).ok_or(DAMAGED)?;
    let mut bases = vec![rules.root];
    let mut seen = HashSet::from([rules.root]);
    while let Some(base) = bases.pop() {
        for label in 1..=u8::MAX {
            if let Some(child) = rules.child(base, label).ok_or(DAMAGED)?
                && seen.insert(child.base)
            {
                bases.push(child.base);
            }
        }
    }
    Ok(())
}

/// Whether a space stays one, and nothing else becomes a [`WORD_START`].
pub(super) fn leaves_spaces(charsmap: &[u8]) -> bool {
    Rules::new(charsmap).is_some_and(|rules| {
        let space = rules.child(rules.root, b' ');
        space.is_some_and(|node| node.is_none_or(|node| node.text.is_none()))
            && !rules.texts.contains(WORD_START)
    })
}

/// Calls `rule` with each key and what it becomes, in the order of the keys' bytes.
///
/// # Errors
/// As [`check`], and if there is no end of keys.
pub(super) fn visit(charsmap: &[u8], rule: &mut dyn FnMut(&str, &str)) -> Result<(), String> {
    let rules = Rules::new(charsmap).ok_or(DAMAGED)?;
    let mut walk = Walk {
        visits_left: rules.units.len() * MAX_KEYS_PER_UNIT,
        key: Vec::new(),
        rule,
        rules: &rules,
    };
    walk.below(rules.root).ok_or_else(|| DAMAGED.to_string())
}

/// A unit of the trie: for a node its label, its children's place and whether a key ends there; for
/// the end of a key its value.
#[derive(Debug, Clone, Copy)]
struct Unit(u32);

impl Unit {
    fn has_leaf(self) -> bool {
        self.0 >> 8 & 1 == 1
    }

    fn value(self) -> usize {
        (self.0 & !(1 << 31)) as usize
    }

    fn label(self) -> u32 {
        self.0 & (1 << 31 | 0xff)
    }

    fn offset(self) -> usize {
        ((self.0 >> 10) << ((self.0 & 1 << 9) >> 6)) as usize
    }
}

struct Rules<'a> {
    units: Vec<Unit>,
    /// Where the first bytes of keys stand.
    root: usize,
    /// What keys become, each ended by a zero byte.
    texts: &'a str,
}

/// A node of the trie, and the text if a key ends there.
struct Node<'a> {
    /// Its children stand around this place.
    base: usize,
    text: Option<&'a str>,
}

impl<'a> Rules<'a> {
    fn new(charsmap: &'a [u8]) -> Option<Self> {
        let (length, rest) = charsmap.split_first_chunk::<4>()?;
        let (trie, texts) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let (units, _) = trie.as_chunks::<4>();
        let units: Vec<Unit> = units
            .iter()
            .map(|&bytes| Unit(u32::from_le_bytes(bytes)))
            .collect();
        Some(Self {
            root: units.first()?.offset(),
            units,
            // Readers take all of it for UTF-8.
            texts: std::str::from_utf8(texts).ok()?,
        })
    }

    /// `None`: damaged; an inner `None`: no key goes on with this byte.
    fn child(&self, base: usize, label: u8) -> Option<Option<Node<'a>>> {
        // Readers look at this place for any text, so it has to exist.
        let at = base ^ usize::from(label);
        let unit = *self.units.get(at)?;
        if unit.label() != u32::from(label) {
            return Some(None);
        }
        let base = at ^ unit.offset();
        let text = if unit.has_leaf() {
            let text = self.texts.get(self.units.get(base)?.value()..)?;
            Some(text.split_once('\0')?.0)
        } else {
            None
        };
        Some(Some(Node { base, text }))
    }
}

struct Walk<'a> {
    rules: &'a Rules<'a>,
    key: Vec<u8>,
    rule: &'a mut dyn FnMut(&str, &str),
    visits_left: usize,
}

impl Walk<'_> {
    /// Visits the keys below a node whose children stand around `base`.
    fn below(&mut self, base: usize) -> Option<()> {
        self.visits_left = self.visits_left.checked_sub(1)?;
        if self.key.len() > MAX_KEY_BYTES {
            return None;
        }
        for label in 1..=u8::MAX {
            if let Some(child) = self.rules.child(base, label)? {
                self.key.push(label);
                if let Some(text) = child.text {
                    (self.rule)(std::str::from_utf8(&self.key).ok()?, text);
                }
                self.below(child.base)?;
                self.key.pop();
            }
        }
        Some(())
    }
}
