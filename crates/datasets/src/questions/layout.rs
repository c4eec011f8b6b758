//! In which order a question, its context and special tokens stand in a row.

use kiln_text::tokenizer::Around;

/// The order of a row, and the special tokens in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionLayout {
    /// What stands around the two texts.
    pub around: Around,
    /// Whether the question stands before the context. "No answer" is the row's first token then, else its
    /// last one, as XLNet's `<cls>`.
    pub question_first: bool,
}

impl QuestionLayout {
    /// `[CLS] question [SEP] context [SEP]`, types 0 and 1: BERT, ELECTRA, DeBERTa.
    pub fn bert(cls: u32, sep: u32) -> Self {
        Self {
            question_first: true,
            around: Around {
                before: vec![(cls, 0)],
                between: vec![(sep, 0)],
                after: vec![(sep, 1)],
                types: [0, 1],
            },
        }
    }

    /// `<s> question </s></s> context </s>`, all of type 0: RoBERTa.
    pub fn roberta(cls: u32, sep: u32) -> Self {
        Self {
            question_first: true,
            around: Around {
                before: vec![(cls, 0)],
                between: vec![(sep, 0), (sep, 0)],
                after: vec![(sep, 0)],
                types: [0, 0],
            },
        }
    }

    /// `context <sep> question <sep> <cls>`, types 0, 1 and 2: XLNet.
    pub fn xlnet(cls: u32, sep: u32) -> Self {
        Self {
            question_first: false,
            around: Around {
                before: Vec::new(),
                between: vec![(sep, 0)],
                after: vec![(sep, 1), (cls, 2)],
                types: [0, 1],
            },
        }
    }

    /// Whether "no answer" is the row's last token, not its first.
    pub(super) fn no_answer_last(&self) -> bool {
        !self.question_first
    }
}
