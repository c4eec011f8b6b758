//! CoNLL's columns: a word a line, its columns between tabs or spaces, a blank line behind a sentence.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use super::lines::{Lines, problem};
use super::record::{Content, Record};
use super::spec::{Column, Columns};
use crate::DataError;

/// More words without a blank line between them are no sentence.
const MAX_WORDS: usize = 100_000;

/// A file of sentences on its way.
pub(super) struct Conll {
    file: Arc<Path>,
    lines: Lines,
    layout: Option<Layout>,
    word: usize,
    /// None: the last one.
    tag: Option<usize>,
    has_comments: bool,
}

/// What the first word's line tells of all.
#[derive(Clone, Copy)]
struct Layout {
    has_tabs: bool,
    width: usize,
    /// It looks like a comment.
    has_hash: bool,
}

impl Conll {
    pub(super) fn new(
        file: Arc<Path>,
        reader: Box<dyn BufRead + Send>,
        columns: &Columns,
        has_comments: bool,
    ) -> Result<Self, DataError> {
        let number = |column: &Column| match column {
            Column::Number(number) if *number > 0 => Ok(number - 1),
            column => Err(DataError::Settings(format!(
                "column {column}: CoNLL columns have no names; give a number from 1"
            ))),
        };
        let tag = columns.labels.first().map(number).transpose()?;
        let word = columns.text.as_ref().map(number).transpose()?;
        Ok(Self {
            lines: Lines::new(Arc::clone(&file), reader),
            file,
            layout: None,
            word: word.unwrap_or(0),
            tag,
            has_comments,
        })
    }

    /// The next sentence.
    pub(super) fn next(&mut self) -> Result<Option<Record>, DataError> {
        let mut lines = Vec::new();
        let mut words = Vec::new();
        let mut tags = Vec::new();
        while let Some((line, text)) = self.lines.next(b'\t')? {
            let is_comment = self.has_comments && (text.starts_with("# ") || text == "#");
            if is_comment {
                continue;
            }
            let is_document = text.starts_with("-DOCSTART-");
            if is_document || text.chars().all(is_blank) {
                if words.is_empty() {
                    continue;
                }
                break;
            }
            let layout = *self.layout.get_or_insert_with(|| {
                let has_tabs = text.contains('\t');
                Layout {
                    has_tabs,
                    width: cells(text, has_tabs).count(),
                    has_hash: text.starts_with("# "),
                }
            });
            let cells: Vec<&str> = cells(text, layout.has_tabs).collect();
            let wrong = |reason: String| Err(problem(&self.file, line, reason));
            if cells.len() != layout.width {
                let remedy = if layout.has_hash || text.starts_with("# ") {
                    "if lines that begin with # are comments, say so with --comments"
                } else {
                    "mend the line"
                };
                return wrong(format!(
                    "{} columns, the lines before have {}; {remedy}",
                    cells.len(),
                    layout.width
                ));
            }
            let cell = |index: usize| {
                cells.get(index).copied().ok_or_else(|| {
                    let reason = format!(
                        "no column {}: the file has {}; choose another",
                        index + 1,
                        layout.width
                    );
                    problem(&self.file, line, reason)
                })
            };
            let word = cell(self.word)?;
            if word.chars().all(is_blank) {
                return wrong(format!("column {}: an empty word", self.word + 1));
            }
            let tag = self.tag.unwrap_or(layout.width - 1);
            if self.tag.is_some() || tag != self.word {
                let text = cell(tag)?.trim();
                if text.is_empty() {
                    return wrong(format!("column {}: an empty tag", tag + 1));
                }
                tags.push(text.to_owned());
            }
            lines.push(line);
            words.push(word.to_owned());
            if words.len() > MAX_WORDS {
                return wrong(format!(
                    "{MAX_WORDS} words without a blank line; put one behind each sentence"
                ));
            }
        }
        let Some(&line) = lines.first() else {
            return Ok(None);
        };
        let tags = (!tags.is_empty()).then_some(tags);
        Ok(Some(Record {
            line,
            content: Content::Sentence { words, tags, lines },
        }))
    }
}

fn cells(line: &str, has_tabs: bool) -> impl Iterator<Item = &str> {
    let separator = if has_tabs { '\t' } else { ' ' };
    line.split(separator)
        .filter(move |cell| has_tabs || !cell.is_empty())
}

/// Spaces, and the byte order mark that joined files have in the middle.
fn is_blank(char: char) -> bool {
    char.is_whitespace() || char == '\u{feff}'
}
