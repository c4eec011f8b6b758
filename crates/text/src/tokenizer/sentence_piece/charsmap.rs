//! The rules by which SentencePiece normalises text: `precompiled_charsmap`.
//!
//! A little-endian length, a double-array trie over UTF-8 bytes in 32-bit units (Darts-clone), and
//! what the keys become, each ended by a zero byte; the value of a key is an offset into those.
//! At each place of a text the longest key that matches is replaced.

/// Bytes of the longest key that is taken for one: published rules have 18.
const MAX_KEY_BYTES: usize = 64;

/// Calls `rule` with each key and what it becomes, in the order of the keys' bytes.
///
/// # Errors
/// If an offset leads outside, or a text is not UTF-8: readers of the trie check neither.
pub(super) fn visit(charsmap: &[u8], rule: &mut dyn FnMut(&str, &str)) -> Result<(), String> {
    visit_all(charsmap, rule).ok_or_else(|| {
        "the normalisation rules (precompiled_charsmap) are damaged; get the file again".to_string()
    })
}

fn visit_all(charsmap: &[u8], rule: &mut dyn FnMut(&str, &str)) -> Option<()> {
    let (length, rest) = charsmap.split_first_chunk::<4>()?;
    let (trie, texts) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let units: Vec<Unit> = trie
        .as_chunks::<4>()
        .0
        .iter()
        .map(|&bytes| Unit(u32::from_le_bytes(bytes)))
        .collect();
    let root = units.first()?.offset();
    let mut walk = Walk {
        visits_left: units.len(),
        units: &units,
        // Readers take all of it for UTF-8.
        texts: std::str::from_utf8(texts).ok()?,
        key: Vec::new(),
        rule,
    };
    walk.below(root)
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

struct Walk<'a> {
    units: &'a [Unit],
    texts: &'a str,
    key: Vec<u8>,
    rule: &'a mut dyn FnMut(&str, &str),
    /// Every node has a unit of its own; more visits mean that a damaged trie runs in circles.
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
            // Readers look at this place for any text, so it has to exist.
            let at = base ^ usize::from(label);
            let unit = *self.units.get(at)?;
            if unit.label() != u32::from(label) {
                continue;
            }
            self.key.push(label);
            let base = at ^ unit.offset();
            if unit.has_leaf() {
                let text = self.texts.get(self.units.get(base)?.value()..)?;
                let (text, _) = text.split_once('\0')?;
                (self.rule)(std::str::from_utf8(&self.key).ok()?, text);
            }
            self.below(base)?;
            self.key.pop();
        }
        Some(())
    }
}
