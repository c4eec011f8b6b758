//! Chooses the pieces of a unigram vocabulary: expectation maximisation and pruning.
//!
//! Kudo 2018, section 3.2, with the details of SentencePiece: two rounds of EM, whose maximisation
//! step makes rare pieces rarer (digamma, as under a sparse prior); then the pieces that text misses
//! least are dropped, a quarter at most, until one in ten is too many; the most probable ones stay.
//! Sums are made in one order, whatever the number of threads.

use std::collections::BTreeSet;

use rayon::ThreadPool;
use rayon::prelude::*;

use super::lattice::{Expectation, Pieces};
use super::seed::Counted;

/// Rounds of EM before each pruning.
const SUB_ITERATIONS: usize = 2;

/// What stays of the pieces at each pruning.
const SHRINKING_FACTOR: f64 = 0.75;

/// Pieces for each wanted one, when pruning ends.
const RESERVE: f64 = 1.1;

/// A piece that is expected less often is dropped.
const LEAST_EXPECTED: f64 = 0.5;

/// What each further character that lost its piece costs on top of the least probable piece.
const CHARACTER_PENALTY: f64 = 1e-4;

/// Parts of the text whose sums are made apart; a constant, so that results are the same for any
/// number of threads.
const PARTS: usize = 16;

/// A piece and its log-probability.
pub(super) type Scored = (Vec<char>, f64);

pub(super) struct Learner<'a> {
    words: &'a [Counted],
    alphabet: &'a BTreeSet<char>,
    /// Pieces wanted.
    size: usize,
    pieces: Vec<Scored>,
}

impl<'a> Learner<'a> {
    /// `seeds`: pieces to choose from, with their counts; the alphabet is among them.
    pub(super) fn new(
        words: &'a [Counted],
        alphabet: &'a BTreeSet<char>,
        seeds: Vec<Counted>,
        size: usize,
    ) -> Self {
        let weight = |(piece, count): &Counted| (count * piece.len() as u64) as f64;
        let all: f64 = seeds.iter().map(weight).sum();
        let pieces = seeds
            .into_iter()
            .map(|seed| (libm::log(weight(&seed) / all), seed))
            .map(|(score, (piece, _))| (piece, score))
            .collect();
        Self {
            words,
            alphabet,
            size,
            pieces,
        }
    }

    /// The vocabulary, most probable pieces first: as many as wanted, unless the text has fewer.
    pub(super) fn learn(
        mut self,
        pool: &ThreadPool,
        progress: &mut dyn FnMut(usize),
    ) -> Vec<Scored> {
        let reserve = (self.size as f64 * RESERVE) as usize;
        loop {
            for _ in 0..SUB_ITERATIONS {
                let pieces = Pieces::new(&self.pieces);
                let expected = pool.install(|| self.expected(&pieces));
                self.maximise(&expected, reserve);
            }
            progress(self.pieces.len());
            if self.pieces.len() <= reserve {
                return self.finish();
            }
            pool.install(|| self.prune(reserve));
        }
    }

    /// How often each piece is expected in the text.
    fn expected(&self, pieces: &Pieces) -> Vec<f64> {
        self.sums(|word, count, expected, memory: &mut Expectation| {
            memory.add(pieces, word, count, expected);
        })
    }

    /// One sum a piece, over all words, made in parts.
    fn sums<M: Default>(&self, add: impl Fn(&[char], u64, &mut [f64], &mut M) + Sync) -> Vec<f64> {
        let part = self.words.len().div_ceil(PARTS).max(1);
        let parts: Vec<&[Counted]> = self.words.chunks(part).collect();
        let mut sums = vec![0.0; self.pieces.len()];
        // As many at a time as there are threads: each has a sum for a million pieces.
        for parts in parts.chunks(rayon::current_num_threads().max(1)) {
            let of_parts: Vec<Vec<f64>> = parts
                .par_iter()
                .map(|words| {
                    let mut sums = vec![0.0; self.pieces.len()];
                    let mut memory = M::default();
                    for (word, count) in *words {
                        add(word, *count, &mut sums, &mut memory);
                    }
                    sums
                })
                .collect();
            for part in of_parts {
                for (sum, more) in sums.iter_mut().zip(part) {
                    *sum += more;
                }
            }
        }
        sums
    }

    /// New probabilities from expected counts. Rare pieces go, but `reserve` are kept if there are as
    /// many: a vocabulary shall have the size that was asked for.
    fn maximise(&mut self, expected: &[f64], reserve: usize) {
        let mut order: Vec<usize> = (0..expected.len()).collect();
        order.sort_by(|&one, &other| expected[other].total_cmp(&expected[one]));
        let common = order.partition_point(|&piece| expected[piece] >= LEAST_EXPECTED);
        order.truncate(common.max(reserve.min(order.len())));
        order.sort_unstable();
        let counts: Vec<f64> = order
            .iter()
            .map(|&piece| expected[piece].max(LEAST_EXPECTED))
            .collect();
        let all = digamma(counts.iter().sum());
        self.pieces = order
            .into_iter()
            .zip(counts)
            .map(|(piece, count)| {
                let text = std::mem::take(&mut self.pieces[piece].0);
                (text, digamma(count) - all)
            })
            .collect();
    }

    /// Drops the pieces whose loss changes the probability of the text least.
    fn prune(&mut self, reserve: usize) {
        let pieces = Pieces::new(&self.pieces);
        let counts = self.sums(|word, count, counts, _: &mut ()| {
            for piece in pieces.best(word, None) {
                counts[piece as usize] += count as f64;
            }
        });
        let all: f64 = counts.iter().sum();
        // What the text loses with each piece, if it is written in the next best way instead;
        // `None`: it can't be.
        let losses: Vec<Option<f64>> = (0..self.pieces.len() as u32)
            .into_par_iter()
            .map(|piece| {
                let text = &self.pieces[piece as usize].0;
                let count = counts[piece as usize];
                let others = pieces.best(text, Some(piece));
                if text.len() == 1 || others.is_empty() {
                    return None;
                }
                if count == 0.0 {
                    return Some(0.0);
                }
                let log_all = libm::log(all);
                let log_all_others = libm::log(all + count * (others.len() - 1) as f64);
                let with = libm::log(count) - log_all;
                let without: f64 = others
                    .iter()
                    .map(|&other| libm::log(counts[other as usize] + count) - log_all_others)
                    .sum();
                Some(count / all * (with - without))
            })
            .collect();
        let keep = reserve.max((self.pieces.len() as f64 * SHRINKING_FACTOR) as usize);
        let mut order: Vec<usize> = (0..losses.len()).collect();
        let loss = |piece: usize| losses[piece].unwrap_or(f64::INFINITY);
        order.sort_by(|&one, &other| loss(other).total_cmp(&loss(one)));
        order.truncate(keep);
        order.sort_unstable();
        self.pieces = order
            .into_iter()
            .map(|piece| std::mem::take(&mut self.pieces[piece]))
            .collect();
    }

    /// The whole alphabet, and the most probable of the other pieces.
    fn finish(self) -> Vec<Scored> {
        let least = self
            .pieces
            .iter()
            .map(|(_, score)| *score)
            .fold(0.0, f64::min);
        let (single, mut several): (Vec<Scored>, Vec<Scored>) = self
            .pieces
            .into_iter()
            .partition(|(piece, _)| piece.len() == 1);
        let kept: BTreeSet<char> = single
            .iter()
            .flat_map(|(piece, _)| piece)
            .copied()
            .collect();
        let lost = self.alphabet.difference(&kept).zip(0..);
        let mut pieces: Vec<Scored> = lost
            .map(|(&c, rank)| (vec![c], least - f64::from(rank) * CHARACTER_PENALTY))
            .chain(single)
            .collect();
        by_score(&mut several);
        several.truncate(self.size.saturating_sub(pieces.len()));
        pieces.extend(several);
        by_score(&mut pieces);
        pieces
    }
}

fn by_score(pieces: &mut [Scored]) {
    pieces.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
}

/// The derivative of ln Γ for x > 0: up by its recursion to where the asymptotic series is exact.
fn digamma(mut x: f64) -> f64 {
    let mut result = 0.0;
    while x < 7.0 {
        result -= 1.0 / x;
        x += 1.0;
    }
    // Bernoulli's numbers: ln x − 1/2x − 1/12x² + 1/120x⁴ − 1/252x⁶ + 1/240x⁸.
    let inverse = 1.0 / (x * x);
    let series = inverse
        * (1.0 / 12.0 - inverse * (1.0 / 120.0 - inverse * (1.0 / 252.0 - inverse / 240.0)));
    result + libm::log(x) - 0.5 / x - series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digamma_has_its_known_values() {
        // −γ, and −γ − 2 ln 2; the series is cut after terms of 1e-11.
        for (x, value) in [
            (1.0, -0.577_215_664_901_532_9),
            (0.5, -1.963_510_026_021_423_5),
        ] {
            assert!((digamma(x) - value).abs() < 1e-10, "{x}: {}", digamma(x));
        }
        assert!((digamma(1e6) - 1e6_f64.ln() + 5e-7).abs() < 1e-12);
    }
}
