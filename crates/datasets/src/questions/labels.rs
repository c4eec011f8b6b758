//! An answer's characters to the tokens that it begins and ends with.

use std::ops::Range;

/// The first and the last of a context's tokens that an answer is made of; none if no token stands for a
/// character of it.
///
/// `tokens` are those of [`kiln_text::Tokenizer::encode_with_offsets`], `answer` the characters
/// `[start, end)` in the same text. Hugging Face's rule: the last token that starts at the answer's start
/// or before, the first one that ends at its end or behind. Two cases go otherwise there:
/// - An answer that begins or ends with a blank: that rule takes the word on the other side of the
///   blank along. Here only tokens count that stand for a character of the answer.
/// - An answer of one character that has several tokens, in byte-level BPE: that rule takes the last of
///   them for the start and the first for the end, a span that runs backwards. Here it is all of them.
pub(super) fn answer_tokens(
    tokens: &[(u32, Range<usize>)],
    answer: Range<usize>,
) -> Option<(usize, usize)> {
    let first = tokens.partition_point(|(_, range)| range.end <= answer.start);
    let behind = tokens.partition_point(|(_, range)| range.start < answer.end);
    let within = tokens.get(first..behind)?;
    let within = (first..).zip(within.iter().map(|(_, range)| range));
    let within = within.filter(|(_, range)| range.start < range.end);
    let start = within
        .clone()
        .filter(|(_, range)| range.start <= answer.start)
        .last()
        .or_else(|| within.clone().next())?;
    let end = within
        .clone()
        .find(|(_, range)| range.end >= answer.end)
        .or_else(|| within.clone().last())?;
    if start.0 <= end.0 {
        return Some((start.0, end.0));
    }
    // A token may also have the last byte of a character and more of the next one.
    let is_inside = |(_, range): &(usize, &Range<usize>)| {
        range.start >= answer.start && range.end <= answer.end
    };
    let mut inside = within.filter(is_inside).map(|(at, _)| at);
    let first = inside.next();
    let last = inside.last().or(first);
    Some(first.zip(last).unwrap_or((end.0, start.0)))
}

#[cfg(test)]
mod tests;
