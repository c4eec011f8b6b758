//! All ways to write a word in pieces: the best one, and how often each piece is expected.
//!
//! With the pieces' log-probabilities, the forward-backward and Viterbi recursions over the places
//! between characters. A character without a piece costs [`UNKNOWN_PENALTY`] more than the least
//! probable piece, as in SentencePiece.

/// What an unknown character costs on top of the least probable piece.
const UNKNOWN_PENALTY: f64 = 10.0;

/// The pieces and their log-probabilities.
#[derive(Debug)]
pub(super) struct Pieces {
    /// Children of nodes, ordered by node and character: `children[range of node]`.
    children: Vec<(char, u32)>,
    /// By node: where its children are, and the piece that ends there.
    nodes: Vec<TrieNode>,
    scores: Vec<f64>,
    unknown_score: f64,
}

#[derive(Debug, Clone, Default)]
struct TrieNode {
    children: std::ops::Range<u32>,
    piece: Option<u32>,
}

/// A piece and its index.
type Indexed<'a> = (&'a [char], u32);

/// A piece in a word.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Edge {
    start: usize,
    end: usize,
    /// `None`: an unknown character.
    piece: Option<u32>,
    score: f64,
}

impl Pieces {
    /// From pieces, none of them empty and each once, and the log-probability of each.
    pub(super) fn new(pieces: &[(Vec<char>, f64)]) -> Self {
        let mut sorted: Vec<Indexed> = pieces
            .iter()
            .zip(0..)
            .map(|((piece, _), index)| (piece.as_slice(), index))
            .collect();
        sorted.sort_unstable();
        let least = pieces.iter().map(|(_, score)| *score).fold(0.0, f64::min);
        let mut trie = Self {
            children: Vec::new(),
            nodes: vec![TrieNode::default()],
            scores: pieces.iter().map(|(_, score)| *score).collect(),
            unknown_score: least - UNKNOWN_PENALTY,
        };
        // Nodes whose children are still to be made: node, pieces below it, length so far.
        let mut pending: Vec<(usize, &[Indexed], usize)> = vec![(0, &sorted, 0)];
        while let Some((node, below, depth)) = pending.pop() {
            let (ends, longer) = below.split_at(below.partition_point(|(p, _)| p.len() == depth));
            let first = trie.children.len() as u32;
            for group in longer.chunk_by(|(one, _), (other, _)| one.get(depth) == other.get(depth))
            {
                let c = group.first().and_then(|(piece, _)| piece.get(depth));
                let child = trie.nodes.len();
                trie.nodes.push(TrieNode::default());
                trie.children.extend(c.map(|&c| (c, child as u32)));
                pending.push((child, group, depth + 1));
            }
            trie.nodes[node] = TrieNode {
                children: first..trie.children.len() as u32,
                piece: ends.first().map(|(_, index)| *index),
            };
        }
        trie
    }

    fn child(&self, node: u32, c: char) -> Option<u32> {
        let range = &self.nodes[node as usize].children;
        let children = &self.children[range.start as usize..range.end as usize];
        let at = children.binary_search_by_key(&c, |(c, _)| *c).ok()?;
        children.get(at).map(|(_, child)| *child)
    }

    /// All pieces in a word, ordered by their starts.
    fn edges(&self, word: &[char], into: &mut Vec<Edge>) {
        into.clear();
        for start in 0..word.len() {
            let mut node = 0;
            let mut is_known = false;
            for (end, &c) in (start + 1..).zip(&word[start..]) {
                let Some(child) = self.child(node, c) else {
                    break;
                };
                node = child;
                if let Some(piece) = self.nodes[node as usize].piece {
                    is_known |= end == start + 1;
                    into.push(Edge {
                        start,
                        end,
                        piece: Some(piece),
                        score: self.scores[piece as usize],
                    });
                }
            }
            if !is_known {
                into.push(Edge {
                    start,
                    end: start + 1,
                    piece: None,
                    score: self.unknown_score,
                });
            }
        }
    }

    /// The most probable pieces of a word, in order; unknown characters are left out. `except`: a
    /// piece that may not be used. The first of ways that are equally good.
    pub(super) fn best(&self, word: &[char], except: Option<u32>) -> Vec<u32> {
        let mut edges = Vec::new();
        self.edges(word, &mut edges);
        edges.retain(|edge| edge.piece.is_none() || edge.piece != except);
        let mut best: Vec<(f64, Option<Edge>)> = vec![(f64::NEG_INFINITY, None); word.len() + 1];
        best[0].0 = 0.0;
        for edge in edges {
            let score = best[edge.start].0 + edge.score;
            if score > best[edge.end].0 {
                best[edge.end] = (score, Some(edge));
            }
        }
        let mut pieces = Vec::new();
        let mut end = word.len();
        while let Some((_, Some(edge))) = best.get(end) {
            pieces.extend(edge.piece);
            end = edge.start;
        }
        pieces.reverse();
        pieces
    }
}

/// Adds up how often pieces are expected; keeps its memory from word to word.
#[derive(Debug, Default)]
pub(super) struct Expectation {
    edges: Vec<Edge>,
    forward: Vec<f64>,
    backward: Vec<f64>,
}

impl Expectation {
    /// Adds to `expected`, by piece, how often each is expected in `count` times this word.
    pub(super) fn add(&mut self, pieces: &Pieces, word: &[char], count: u64, expected: &mut [f64]) {
        pieces.edges(word, &mut self.edges);
        for sums in [&mut self.forward, &mut self.backward] {
            sums.clear();
            sums.resize(word.len() + 1, f64::NEG_INFINITY);
        }
        self.forward[0] = 0.0;
        for edge in &self.edges {
            let sum = self.forward[edge.start] + edge.score;
            self.forward[edge.end] = log_sum(self.forward[edge.end], sum);
        }
        self.backward[word.len()] = 0.0;
        for edge in self.edges.iter().rev() {
            let sum = self.backward[edge.end] + edge.score;
            self.backward[edge.start] = log_sum(self.backward[edge.start], sum);
        }
        let all = self.forward[word.len()];
        for edge in &self.edges {
            if let Some(piece) = edge.piece {
                let share = libm::exp(
                    self.forward[edge.start] + edge.score + self.backward[edge.end] - all,
                );
                expected[piece as usize] += share * count as f64;
            }
        }
    }
}

/// ln(exp a + exp b). With `libm`, whose results are the same on every machine.
fn log_sum(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY {
        return high;
    }
    high + libm::log1p(libm::exp(low - high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(pieces: &[(&str, f64)]) -> Pieces {
        let pieces: Vec<(Vec<char>, f64)> = pieces
            .iter()
            .map(|(piece, probability)| (piece.chars().collect(), probability.ln()))
            .collect();
        Pieces::new(&pieces)
    }

    fn word(word: &str) -> Vec<char> {
        word.chars().collect()
    }

    #[test]
    fn the_most_probable_way_wins() {
        let pieces = pieces(&[
            ("a", 0.2),
            ("b", 0.2),
            ("ab", 0.05),
            ("bb", 0.1),
            ("abb", 0.001),
        ]);
        // a + bb 0.02, ab + b 0.01, a + b + b 0.008, abb 0.001.
        assert_eq!(pieces.best(&word("abb"), None), [0, 3]);
        assert_eq!(pieces.best(&word("abb"), Some(3)), [2, 1]);
        assert_eq!(pieces.best(&word("ab"), None), [2]);
        // x is unknown.
        assert_eq!(pieces.best(&word("axb"), None), [0, 1]);
        assert_eq!(pieces.best(&word(""), None), [0_u32; 0]);
    }

    #[test]
    fn expected_counts_are_those_of_all_ways_by_their_probability() {
        let pieces = pieces(&[("a", 0.2), ("b", 0.3), ("ab", 0.05)]);
        // ab: a + b with 0.06, ab with 0.05.
        let mut expected = [0.0; 3];
        Expectation::default().add(&pieces, &word("ab"), 11, &mut expected);
        // Sums and logarithms of numbers near 1: some units in the last place.
        for (expected, count) in expected.into_iter().zip([6.0, 6.0, 5.0]) {
            assert!((expected - count).abs() < 1e-12, "{expected} for {count}");
        }
    }
}
