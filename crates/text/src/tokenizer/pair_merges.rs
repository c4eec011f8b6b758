//! Byte pair encoding (Sennrich et al. 2016): the most frequent pair of neighbours in words is joined
//! to a new piece, until the vocabulary is full. Ties are broken by id and all orders are fixed, so
//! that the same counts give the same pieces every time.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use super::progress::TrainProgress;

/// Merges between two reports of progress.
const MERGES_PER_REPORT: usize = 500;

type Pair = (u32, u32);

/// A word as pieces, and how often it comes.
struct Word {
    pieces: Vec<u32>,
    count: u64,
}

/// How often a pair comes, and in which words it may be: all it is in, and some it was in.
#[derive(Default)]
struct PairUse {
    count: u64,
    words: Vec<u32>,
}

/// The vocabulary as it grows, and the words as they get shorter.
pub(super) struct PairMerges {
    /// By id.
    tokens: Vec<String>,
    ids: HashMap<String, u32>,
    /// What marks a piece that continues a word; may be empty.
    continuation: &'static str,
    words: Vec<Word>,
    pairs: HashMap<Pair, PairUse>,
    /// In the order in which they were joined.
    merges: Vec<Pair>,
}

impl PairMerges {
    /// From the pieces there are, in the order of their ids, and no words.
    pub(super) fn new(tokens: Vec<String>, continuation: &'static str) -> Self {
        Self {
            ids: tokens.iter().cloned().zip(0..).collect(),
            tokens,
            continuation,
            words: Vec::new(),
            pairs: HashMap::new(),
            merges: Vec::new(),
        }
    }

    /// Counts the pairs of a word, given as pieces there are.
    pub(super) fn add_word<'a>(&mut self, word: impl Iterator<Item = &'a str>, count: u64) {
        let pieces: Vec<u32> = word
            .filter_map(|piece| self.ids.get(piece))
            .copied()
            .collect();
        let index = self.words.len() as u32;
        for pair in pieces.windows(2) {
            let used = self.pairs.entry((pair[0], pair[1])).or_default();
            used.count += count;
            if used.words.last() != Some(&index) {
                used.words.push(index);
            }
        }
        self.words.push(Word { pieces, count });
    }

    /// Pieces by id.
    pub(super) fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// The pairs that were joined, in their order.
    pub(super) fn merges(&self) -> impl Iterator<Item = (&str, &str)> {
        let piece = |id: u32| self.tokens.get(id as usize).map_or("", String::as_str);
        self.merges
            .iter()
            .map(move |&(first, second)| (piece(first), piece(second)))
    }

    /// Joins the most frequent pair until the vocabulary is full.
    pub(super) fn learn(
        &mut self,
        vocab_size: usize,
        min_frequency: u64,
        progress: &mut dyn FnMut(TrainProgress),
    ) {
        let mut queue: BinaryHeap<(u64, Reverse<Pair>)> = self
            .pairs
            .iter()
            .map(|(&pair, used)| (used.count, Reverse(pair)))
            .collect();
        while self.tokens.len() < vocab_size {
            let Some((count, Reverse(pair))) = queue.pop() else {
                break;
            };
            // Counts in the queue are corrected when they come up: they only fall between two
            // entries for the same pair.
            let current = self.pairs.get(&pair).map_or(0, |used| used.count);
            if current != count {
                if current > 0 {
                    queue.push((current, Reverse(pair)));
                }
                continue;
            }
            if count < min_frequency.max(1) {
                break;
            }
            for changed in self.join(pair) {
                if let Some(used) = self.pairs.get(&changed) {
                    queue.push((used.count, Reverse(changed)));
                }
            }
            self.merges.push(pair);
            if self.merges.len().is_multiple_of(MERGES_PER_REPORT) {
                progress(TrainProgress::Merging {
                    entries: self.tokens.len(),
                    vocab_size,
                });
            }
        }
    }

    /// Joins a pair in all words; gives the pairs that came about.
    fn join(&mut self, pair: Pair) -> BTreeSet<Pair> {
        let joined = self.joined_id(pair);
        let Some(used) = self.pairs.remove(&pair) else {
            return BTreeSet::new();
        };
        let mut places = used.words;
        places.sort_unstable();
        places.dedup();
        let mut made = BTreeSet::new();
        for place in places {
            let Some(word) = self.words.get_mut(place as usize) else {
                continue;
            };
            let count = word.count;
            let after = join_pieces(&word.pieces, pair, joined);
            if after.len() == word.pieces.len() {
                continue;
            }
            let before = std::mem::replace(&mut word.pieces, after);
            for neighbours in before.windows(2) {
                if let Some(used) = self.pairs.get_mut(&(neighbours[0], neighbours[1])) {
                    used.count -= count;
                }
            }
            for neighbours in word.pieces.windows(2) {
                let neighbours = (neighbours[0], neighbours[1]);
                let used = self.pairs.entry(neighbours).or_default();
                used.count += count;
                if neighbours.0 == joined || neighbours.1 == joined {
                    used.words.push(place);
                    made.insert(neighbours);
                }
            }
        }
        made
    }

    /// The id of a pair joined, new unless another pair gave the same piece before.
    fn joined_id(&mut self, (first, second): Pair) -> u32 {
        let piece = |id: u32| self.tokens.get(id as usize).map_or("", String::as_str);
        let second = piece(second);
        let text = format!(
            "{}{}",
            piece(first),
            second.strip_prefix(self.continuation).unwrap_or(second)
        );
        let next = self.tokens.len() as u32;
        *self.ids.entry(text).or_insert_with_key(|text| {
            self.tokens.push(text.clone());
            next
        })
    }
}

/// `pieces` with every `pair` in it, from the left, as `joined`.
fn join_pieces(pieces: &[u32], pair: Pair, joined: u32) -> Vec<u32> {
    let mut after = Vec::with_capacity(pieces.len());
    let mut rest = pieces;
    while let Some((&first, tail)) = rest.split_first() {
        if first == pair.0 && tail.first() == Some(&pair.1) {
            after.push(joined);
            rest = &tail[1..];
        } else {
            after.push(first);
            rest = tail;
        }
    }
    after
}
