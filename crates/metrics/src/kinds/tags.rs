//! A tag a word: entities where the tags are IOB2, else words alone.

use crate::classes::{ClassCounts, ratio};
use crate::entities::{EntityCounts, Reading, entities, is_iob2, macro_f1, micro, sentence_counts};
use crate::rows::{Row, TagsRow};
use crate::sample::{Details, Sample};
use crate::scores::{ClassScores, Confusion, ScoreOptions};

use super::names::{Names, better, table_fits};

pub(crate) struct Tags {
    /// Whether the tags say where entities begin.
    iob2: bool,
    tags: Vec<String>,
    types: Vec<String>,
    sentences: Vec<Sentence>,
    /// True entities of each type that one tag for all words would hit.
    hits: Vec<Hits>,
    notes: Vec<String>,
}

struct Sentence {
    words: u64,
    right: u64,
    /// True tag, predicted tag, how many words.
    pairs: Vec<(usize, usize, u64)>,
    /// By type.
    lenient: Vec<(usize, EntityCounts)>,
    strict: Vec<(usize, EntityCounts)>,
}

/// Of one type: entities of a single word, lenient and strict, and lenient ones of a whole sentence.
#[derive(Debug, Clone, Copy, Default)]
struct Hits {
    single: u64,
    single_strict: u64,
    whole: u64,
}

/// What the scores of a sample are made of.
#[derive(Clone)]
struct Totals {
    words: u64,
    right: u64,
    lenient: Vec<EntityCounts>,
    strict: Vec<EntityCounts>,
}

impl Tags {
    pub(crate) fn new(rows: &[&Row], options: &ScoreOptions) -> Self {
        let rows: Vec<(&TagsRow, &Vec<String>)> = rows
            .iter()
            .filter_map(|row| match row {
                Row::Tags(row) => Some((row, row.tags.as_ref()?)),
                _ => None,
            })
            .collect();
        let mut tags = Names::new(options.labels.iter().map(String::as_str));
        let mut types = Names::new([]);
        let mut notes = Vec::new();
        let all = |row: &(&'_ TagsRow, &'_ Vec<String>)| {
            row.1
                .iter()
                .chain(&row.0.predictions)
                .all(|tag| is_iob2(tag))
        };
        let iob2 = options.labels.iter().all(|tag| is_iob2(tag)) && rows.iter().all(all);
        let mut sentences = Vec::with_capacity(rows.len());
        let mut hits: Vec<Hits> = Vec::new();
        for &(row, actual) in &rows {
            let mut sentence = Sentence {
                words: actual.len() as u64,
                right: 0,
                pairs: Vec::new(),
                lenient: Vec::new(),
                strict: Vec::new(),
            };
            let mut pairs: Vec<(usize, usize)> = Vec::with_capacity(actual.len());
            for (tag, prediction) in actual.iter().zip(&row.predictions) {
                sentence.right += u64::from(tag == prediction);
                pairs.push((tags.number(tag), tags.number(prediction)));
            }
            pairs.sort_unstable();
            for run in pairs.chunk_by(|a, b| a == b) {
                if let Some(&(tag, prediction)) = run.first() {
                    sentence.pairs.push((tag, prediction, run.len() as u64));
                }
            }
            if iob2 {
                let mut counted = |reading| {
                    sentence_counts(actual, &row.predictions, reading)
                        .into_iter()
                        .map(|(kind, counts)| (types.number(kind), counts))
                        .collect::<Vec<_>>()
                };
                sentence.lenient = counted(Reading::Lenient);
                sentence.strict = counted(Reading::Strict);
                count_hits(actual, &mut types, &mut hits);
            }
            sentences.push(sentence);
        }
        if !iob2 {
            notes.push(
                "the tags are not all O, B-… or I-…: words are scored, not entities".to_owned(),
            );
        }
        let unread: usize = rows.iter().map(|(row, _)| row.unread).sum();
        if unread > 0 {
            let words: usize = rows.iter().map(|(_, tags)| tags.len()).sum();
            notes.push(format!(
                "{unread} of {words} words were not read by the model; they count as O"
            ));
        }
        notes.extend(tags.note());
        let types = types.owned();
        hits.resize(types.len(), Hits::default());
        Self {
            iob2,
            tags: tags.owned(),
            types,
            sentences,
            hits,
            notes,
        }
    }

    fn totals(&self, weights: Option<&[u32]>) -> Totals {
        let mut totals = Totals {
            words: 0,
            right: 0,
            lenient: vec![EntityCounts::default(); self.types.len()],
            strict: vec![EntityCounts::default(); self.types.len()],
        };
        for (sentence, times) in self.weighted(weights) {
            totals.words += times * sentence.words;
            totals.right += times * sentence.right;
            let sides = [
                (&mut totals.lenient, &sentence.lenient),
                (&mut totals.strict, &sentence.strict),
            ];
            for (all, counts) in sides {
                for &(kind, count) in counts {
                    if let Some(total) = all.get_mut(kind) {
                        total.add(count, times);
                    }
                }
            }
        }
        totals
    }

    fn weighted<'a>(
        &'a self,
        weights: Option<&'a [u32]>,
    ) -> impl Iterator<Item = (&'a Sentence, u64)> {
        let times =
            move |index: usize| weights.map_or(1, |w| w.get(index).copied().map_or(0, u64::from));
        let sentences = self.sentences.iter().enumerate();
        sentences.map(move |(index, sentence)| (sentence, times(index)))
    }

    fn word_counts(&self, weights: Option<&[u32]>) -> ClassCounts {
        let mut counts = ClassCounts::new(self.tags.len());
        for (sentence, times) in self.weighted(weights) {
            for &(tag, prediction, words) in &sentence.pairs {
                counts.add(tag, prediction, times * words);
            }
        }
        counts
    }

    fn entity_baselines(&self) -> Vec<Option<f64>> {
        let mut actual = self.totals(None);
        for counts in actual.lenient.iter_mut().chain(&mut actual.strict) {
            (counts.correct, counts.predicted) = (0, 0);
        }
        let sentences = self.sentences.iter().filter(|s| s.words > 0).count() as u64;
        let majority = self.word_counts(None);
        actual.right = majority.majority().map_or(0, |tag| majority.actual(tag));
        let mut best = entity_scores(&actual);
        for (kind, hits) in self.hits.iter().enumerate() {
            // B- makes an entity of each word; I- one of each sentence, and none in the strict reading.
            let begin = (hits.single, hits.single_strict, actual.words, actual.words);
            let inside = (hits.whole, 0, sentences, 0);
            for (correct, correct_strict, predicted, predicted_strict) in [begin, inside] {
                let mut constant = actual.clone();
                if let Some(counts) = constant.lenient.get_mut(kind) {
                    (counts.correct, counts.predicted) = (correct, predicted);
                }
                if let Some(counts) = constant.strict.get_mut(kind) {
                    (counts.correct, counts.predicted) = (correct_strict, predicted_strict);
                }
                for (best, value) in best.iter_mut().zip(entity_scores(&constant)) {
                    *best = better(*best, value);
                }
            }
        }
        best
    }
}

fn count_hits<'a>(actual: &'a [String], types: &mut Names<'a>, hits: &mut Vec<Hits>) {
    for reading in [Reading::Lenient, Reading::Strict] {
        for entity in entities(actual, reading) {
            let kind = types.number(entity.kind);
            if hits.len() <= kind {
                hits.resize(kind + 1, Hits::default());
            }
            let Some(hits) = hits.get_mut(kind) else {
                continue;
            };
            let single = u64::from(entity.first == entity.last);
            match reading {
                Reading::Lenient => {
                    hits.single += single;
                    let whole = entity.first == 0 && entity.last + 1 == actual.len();
                    hits.whole += u64::from(whole);
                }
                Reading::Strict => hits.single_strict += single,
            }
        }
    }
}

/// In the order of the names.
fn entity_scores(totals: &Totals) -> Vec<Option<f64>> {
    let (lenient, strict) = (micro(&totals.lenient), micro(&totals.strict));
    vec![
        Some(lenient.f1()),
        Some(lenient.precision()),
        Some(lenient.recall()),
        Some(macro_f1(&totals.lenient)),
        Some(strict.f1()),
        Some(strict.precision()),
        Some(strict.recall()),
        ratio(totals.right, totals.words),
    ]
}

fn word_scores(counts: &ClassCounts) -> Vec<Option<f64>> {
    vec![counts.accuracy(), counts.macro_f1()]
}

impl Sample for Tags {
    fn examples(&self) -> usize {
        self.sentences.len()
    }

    fn names(&self) -> Vec<String> {
        let names: &[&str] = match self.iob2 {
            true => &[
                "f1",
                "precision",
                "recall",
                "f1_macro",
                "f1_strict",
                "precision_strict",
                "recall_strict",
                "accuracy",
            ],
            false => &["accuracy", "f1_macro"],
        };
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn main(&self) -> &'static str {
        if self.iob2 { "f1" } else { "accuracy" }
    }

    fn values(&self, weights: Option<&[u32]>) -> Vec<Option<f64>> {
        if self.iob2 {
            entity_scores(&self.totals(weights))
        } else {
            word_scores(&self.word_counts(weights))
        }
    }

    fn baselines(&self) -> Vec<Option<f64>> {
        if self.iob2 {
            return self.entity_baselines();
        }
        let counts = self.word_counts(None);
        let mut best = vec![None; 2];
        for tag in 0..self.tags.len() {
            for (best, value) in best.iter_mut().zip(word_scores(&counts.constant(tag))) {
                *best = better(*best, value);
            }
        }
        best
    }

    /// Sentences that are right in every word: words of a sentence are not independent.
    fn right(&self) -> Option<Vec<bool>> {
        Some(self.sentences.iter().map(|s| s.right == s.words).collect())
    }

    fn details(&self) -> Details {
        let words = self.word_counts(None);
        let mut notes = self.notes.clone();
        let confusion = match table_fits(self.tags.len()) {
            Ok(()) => {
                let mut counts = vec![vec![0; self.tags.len()]; self.tags.len()];
                for &(tag, prediction, times) in self.sentences.iter().flat_map(|s| &s.pairs) {
                    if let Some(cell) = counts.get_mut(tag).and_then(|row| row.get_mut(prediction))
                    {
                        *cell += times;
                    }
                }
                Some(Confusion {
                    names: self.tags.clone(),
                    counts,
                })
            }
            Err(note) => {
                notes.push(note);
                None
            }
        };
        let used = |count: &dyn Fn(usize) -> u64| {
            (0..self.tags.len()).filter(|&tag| count(tag) > 0).count()
        };
        let collapsed =
            used(&|tag| words.actual(tag)) > 1 && used(&|tag| words.predicted(tag)) == 1;
        let per_class = if self.iob2 {
            let totals = self.totals(None);
            let types = self.types.iter().zip(&totals.lenient);
            types
                .map(|(name, counts)| ClassScores {
                    name: name.clone(),
                    precision: Some(counts.precision()),
                    recall: Some(counts.recall()),
                    f1: counts.f1(),
                    actual: counts.actual,
                    predicted: counts.predicted,
                })
                .collect()
        } else {
            let tags = self.tags.iter().enumerate();
            tags.map(|(tag, name)| ClassScores {
                name: name.clone(),
                precision: words.precision(tag),
                recall: words.recall(tag),
                f1: words.f1(tag),
                actual: words.actual(tag),
                predicted: words.predicted(tag),
            })
            .collect()
        };
        Details {
            per_class,
            confusion,
            facts: Vec::new(),
            collapsed,
            notes,
        }
    }
}
