//! What a model says of one example, as it is scored and as a line of `predictions.jsonl` has it.
//!
//! Names stand in a line, never numbers of labels: it is read without the model.

use serde::{Deserialize, Serialize};

/// One of several classes for an example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassRow {
    /// The example's own id, or its number in the file, from 1.
    pub id: String,
    /// The label in the file; none: the file has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The most probable label.
    pub prediction: String,
    /// The probabilities of all labels, in the order of the model's.
    pub probabilities: Vec<(String, f64)>,
}

/// Yes or no for each of several labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelsRow {
    /// As [`ClassRow::id`].
    pub id: String,
    /// The labels in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// Those above the threshold.
    pub predictions: Vec<String>,
    /// The probability of each label, by itself.
    pub probabilities: Vec<(String, f64)>,
}

/// Numbers for an example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumbersRow {
    /// As [`ClassRow::id`].
    pub id: String,
    /// The numbers in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Vec<f64>>,
    /// As many numbers as the model gives.
    pub predictions: Vec<f64>,
}

/// A tag for each word of a sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TagsRow {
    /// As [`ClassRow::id`].
    pub id: String,
    /// The words.
    pub words: Vec<String>,
    /// The words' tags in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// A tag for each word; `O` for a word that the model has not read.
    pub predictions: Vec<String>,
    /// Words that the model has not read: no token came of them.
    #[serde(default)]
    pub unread: usize,
}

/// A candidate for an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerCandidate {
    /// Cut out of the context; empty: no answer.
    pub text: String,
    /// The first character, counted in characters of the context.
    pub start: usize,
    /// Behind the last character.
    pub end: usize,
    /// Among the candidates.
    pub probability: f64,
    /// The sum of the logits of start and end.
    pub score: f64,
}

/// An answer out of a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerRow {
    /// The question's id.
    pub id: String,
    /// The answers in the file; empty: there is none in the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Vec<String>>,
    /// The answer; empty: none.
    pub prediction: String,
    /// The best answer that is not empty; empty where no span survived.
    pub best_non_empty: String,
    /// Score of no answer less that of the best answer; the higher, the less there is one.
    pub null_odds: f64,
    /// The best candidates, best first; that of no answer among them where there may be none.
    pub n_best: Vec<AnswerCandidate>,
}

/// One of several continuations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChoiceRow {
    /// As [`ClassRow::id`].
    pub id: String,
    /// The right one in the file, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<usize>,
    /// The most probable one, from 0.
    pub prediction: usize,
    /// The probability of each.
    pub probabilities: Vec<f64>,
}

/// What a model says of one example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "kebab-case")]
pub enum Row {
    /// One of several classes.
    Class(ClassRow),
    /// Yes or no for each label.
    Labels(LabelsRow),
    /// Numbers.
    Numbers(NumbersRow),
    /// A tag a word.
    Tags(TagsRow),
    /// An answer out of a text.
    Answer(AnswerRow),
    /// One of several continuations.
    Choice(ChoiceRow),
}

impl Row {
    /// The example's id.
    pub fn id(&self) -> &str {
        match self {
            Self::Class(row) => &row.id,
            Self::Labels(row) => &row.id,
            Self::Numbers(row) => &row.id,
            Self::Tags(row) => &row.id,
            Self::Answer(row) => &row.id,
            Self::Choice(row) => &row.id,
        }
    }

    /// What the line calls its task.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Class(_) => "class",
            Self::Labels(_) => "labels",
            Self::Numbers(_) => "numbers",
            Self::Tags(_) => "tags",
            Self::Answer(_) => "answer",
            Self::Choice(_) => "choice",
        }
    }

    /// Whether the file told what is right.
    pub fn has_target(&self) -> bool {
        match self {
            Self::Class(row) => row.label.is_some(),
            Self::Labels(row) => row.labels.is_some(),
            Self::Numbers(row) => row.targets.is_some(),
            Self::Tags(row) => row.tags.is_some(),
            Self::Answer(row) => row.answers.is_some(),
            Self::Choice(row) => row.label.is_some(),
        }
    }

    /// Whether both rows were scored by the same, if by anything.
    pub fn same_target(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Class(a), Self::Class(b)) => a.label == b.label,
            (Self::Labels(a), Self::Labels(b)) => a.labels == b.labels,
            (Self::Numbers(a), Self::Numbers(b)) => a.targets == b.targets,
            (Self::Tags(a), Self::Tags(b)) => a.tags == b.tags,
            (Self::Answer(a), Self::Answer(b)) => a.answers == b.answers,
            (Self::Choice(a), Self::Choice(b)) => a.label == b.label,
            _ => false,
        }
    }

    /// What is wrong with the row by itself: numbers that are not finite, which JSON can't hold, lists that
    /// should be of one length, and counts of more than there is.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        let finite = match self {
            Self::Class(row) => row.probabilities.iter().all(|(_, p)| p.is_finite()),
            Self::Labels(row) => row.probabilities.iter().all(|(_, p)| p.is_finite()),
            Self::Numbers(row) => row
                .targets
                .iter()
                .flatten()
                .chain(&row.predictions)
                .all(|number| number.is_finite()),
            Self::Tags(_) => true,
            Self::Answer(row) => {
                row.null_odds.is_finite()
                    && row
                        .n_best
                        .iter()
                        .all(|best| best.probability.is_finite() && best.score.is_finite())
            }
            Self::Choice(row) => row.probabilities.iter().all(|p| p.is_finite()),
        };
        if !finite {
            return Err(
                "a number is not finite; the model gives no usable output, train it anew at a lower \
                 rate"
                    .to_owned(),
            );
        }
        match self {
            Self::Numbers(row) => match &row.targets {
                Some(targets) if targets.len() != row.predictions.len() => Err(format!(
                    "{} targets and {} predictions; there must be one for each",
                    targets.len(),
                    row.predictions.len()
                )),
                _ => Ok(()),
            },
            Self::Tags(row) => {
                let words = row.words.len();
                let tags = row.tags.as_ref().map_or(words, Vec::len);
                if tags != words || row.predictions.len() != words {
                    return Err(format!(
                        "{words} words, {tags} tags and {} predicted tags; there must be one for each \
                         word",
                        row.predictions.len()
                    ));
                }
                if row.unread > words {
                    return Err(format!(
                        "{} of {words} words were not read; there are not so many",
                        row.unread
                    ));
                }
                Ok(())
            }
            Self::Choice(row) => {
                let count = row.probabilities.len();
                let outside = row.prediction >= count || row.label.is_some_and(|l| l >= count);
                if outside {
                    return Err(format!(
                        "a choice that is not among the {count} continuations; they are counted from 0"
                    ));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
