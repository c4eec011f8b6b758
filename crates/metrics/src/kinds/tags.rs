//! A tag a word: entities where the tags are IOB2, else words alone.

use crate::classes::ClassCounts;
use crate::entities::{Reading, entities, is_iob2, macro_f1, sentence_counts};
use crate::rows::{Row, TagsRow};
use crate::sample::{Details, Sample};
use crate::scores::{ClassScores, ScoreOptions};
use crate::tally::{Tally, by_name, ratio};
use crate::weights::{Weights, times};

use super::names::{Names, best_of, confusion};

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
    lenient: Vec<(usize, Tally)>,
    strict: Vec<(usize, Tally)>,
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
    lenient: Vec<Tally>,
    strict: Vec<Tally>,
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

    fn totals(&self, weights: Weights<'_>) -> Totals {
        let mut totals = Totals {
            words: 0,
            right: 0,
            lenient: vec![Tally::default(); self.types.len()],
            strict: vec![Tally::default(); self.types.len()],
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

    fn weighted<'a>(&'a self, weights: Weights<'a>) -> impl Iterator<Item = (&'a Sentence, u64)> {
        let sentences = self.sentences.iter().enumerate();
        sentences.map(move |(index, sentence)| (sentence, u64::from(times(weights, index))))
    }

    fn word_counts(&self, weights: Weights<'_>) -> ClassCounts {
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
        let words = self.word_counts(None);
        actual.right = words.majority().map_or(0, |tag| words.class(tag).actual);
        // B- makes an entity of each word; I- one of each sentence, and none in the strict reading.
        let begin = Constant {
            predicted: actual.words,
            predicted_strict: actual.words,
            hits: |hits| (hits.single, hits.single_strict),
        };
        let inside = Constant {
            predicted: sentences,
            predicted_strict: 0,
            hits: |hits| (hits.whole, 0),
        };
        let constants = [begin, inside].into_iter().flat_map(|constant| {
            let best = constant.best(&actual, &self.hits);
            best.map(|kind| constant.totals(&actual, kind, &self.hits))
        });
        let nothing = std::iter::once(actual.clone());
        let scores = nothing
            .chain(constants)
            .map(|totals| entity_scores(&totals));
        best_of(scores).unwrap_or_default()
    }
}

/// One tag for all words, of any type.
struct Constant {
    /// Entities that it makes, and in the strict reading.
    predicted: u64,
    predicted_strict: u64,
    /// Those of a type that it hits, and in the strict reading.
    hits: fn(&Hits) -> (u64, u64),
}

impl Constant {
    /// The types one of which is the best by any score: as many entities are predicted whatever the type, so
    /// that all scores but macro F1 grow with the hits alone, and macro F1 with the type's own F1.
    fn best(&self, actual: &Totals, hits: &[Hits]) -> [usize; 3] {
        let most = |score: &dyn Fn(usize, &Hits) -> f64| {
            let scores = hits.iter().enumerate();
            let scores = scores.map(|(kind, hits)| (kind, score(kind, hits)));
            let best = scores.max_by(|a, b| a.1.total_cmp(&b.1));
            best.map_or(0, |(kind, _)| kind)
        };
        let f1 = |kind: usize, hits: &Hits| {
            let tally = Tally {
                correct: (self.hits)(hits).0,
                actual: actual.lenient.get(kind).map_or(0, |it| it.actual),
                predicted: self.predicted,
            };
            tally.f1()
        };
        [
            most(&|_, hits| (self.hits)(hits).0 as f64),
            most(&|_, hits| (self.hits)(hits).1 as f64),
            most(&f1),
        ]
    }

    fn totals(&self, actual: &Totals, kind: usize, hits: &[Hits]) -> Totals {
        let mut totals = actual.clone();
        let (correct, correct_strict) = hits.get(kind).map_or((0, 0), self.hits);
        if let Some(counts) = totals.lenient.get_mut(kind) {
            (counts.correct, counts.predicted) = (correct, self.predicted);
        }
        if let Some(counts) = totals.strict.get_mut(kind) {
            (counts.correct, counts.predicted) = (correct_strict, self.predicted_strict);
        }
        totals
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

/// Of entities 0 where there is nothing to divide by, as seqeval has it.
fn or_zero(score: Option<f64>) -> Option<f64> {
    score.or(Some(0.0))
}

/// In the order of the names.
fn entity_scores(totals: &Totals) -> Vec<Option<f64>> {
    let (lenient, strict) = (Tally::sum(&totals.lenient), Tally::sum(&totals.strict));
    vec![
        Some(lenient.f1()),
        or_zero(lenient.precision()),
        or_zero(lenient.recall()),
        Some(macro_f1(&totals.lenient)),
        Some(strict.f1()),
        or_zero(strict.precision()),
        or_zero(strict.recall()),
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

    fn values(&self, weights: Weights<'_>) -> Vec<Option<f64>> {
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
        // Both scores grow with how often the tag is right.
        let counts = self.word_counts(None);
        let majority = counts.majority();
        majority.map_or_else(|| vec![None; 2], |tag| word_scores(&counts.constant(tag)))
    }

    /// Sentences that are right in every word: words of a sentence are not independent.
    fn right(&self) -> Option<Vec<bool>> {
        Some(self.sentences.iter().map(|s| s.right == s.words).collect())
    }

    fn details(&self) -> Details {
        let words = self.word_counts(None);
        let mut notes = self.notes.clone();
        let pairs = self.sentences.iter().flat_map(|s| &s.pairs).copied();
        let confusion = confusion(&self.tags, pairs);
        let used =
            |count: fn(&Tally) -> u64| words.classes().iter().filter(|tag| count(tag) > 0).count();
        let per_class = if self.iob2 {
            let mut types = by_name(&self.types, &self.totals(None).lenient);
            for ClassScores {
                precision, recall, ..
            } in &mut types
            {
                (*precision, *recall) = (or_zero(*precision), or_zero(*recall));
            }
            types
        } else {
            by_name(&self.tags, words.classes())
        };
        Details {
            per_class,
            confusion: confusion.map_err(|note| notes.push(note)).ok(),
            facts: Vec::new(),
            collapsed: used(|tag| tag.actual) > 1 && used(|tag| tag.predicted) == 1,
            notes,
        }
    }
}
