//! Paragraphs to sentences.
//!
//! Unicode Standard Annex 29, section 5 (sentence boundaries). It knows no abbreviations: "Dr. Who"
//! is cut before "Who". Next-sentence prediction and packing bear that.

use unicode_segmentation::UnicodeSegmentation;

/// The sentences of a paragraph; together they are the paragraph.
///
/// A piece without a letter or digit (a lone dash, closing quotes) stays with the sentence before
/// it, or with the first one.
pub(super) fn split(paragraph: &str) -> Vec<&str> {
    let mut sentences: Vec<&str> = Vec::new();
    let mut start = 0;
    let mut has_words = false;
    for (offset, piece) in paragraph.split_sentence_bound_indices() {
        let piece_has_words = piece.chars().any(char::is_alphanumeric);
        if has_words && piece_has_words {
            sentences.push(&paragraph[start..offset]);
            start = offset;
        }
        has_words |= piece_has_words;
    }
    sentences.push(&paragraph[start..]);
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn full_stops_question_marks_and_ideographic_stops_end_sentences() {
        assert_eq!(
            split("It rained. Did it? Yes! 3.5 mm fell."),
            ["It rained. ", "Did it? ", "Yes! ", "3.5 mm fell."]
        );
        assert_eq!(split("Ёж спит. Лес тих."), ["Ёж спит. ", "Лес тих."]);
        assert_eq!(split("天下雨了。他没来。"), ["天下雨了。", "他没来。"]);
    }

    #[test]
    fn a_piece_without_words_joins_its_neighbour() {
        assert_eq!(
            split("\u{2014} . Go on. \u{201d} . Then?"),
            ["\u{2014} . Go on. \u{201d} . ", "Then?"]
        );
        assert_eq!(split("..."), ["..."]);
    }

    proptest! {
        #[test]
        fn sentences_together_are_the_paragraph(paragraph in ".{0,80}") {
            prop_assert_eq!(split(&paragraph).concat(), paragraph);
        }
    }
}
