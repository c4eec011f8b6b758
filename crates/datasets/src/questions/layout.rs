//! In which order a question, its context and special tokens stand in a row.

/// The order of a row, and the special tokens in it, each with its `token_type_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionLayout {
    /// Whether the question stands before the context.
    pub question_first: bool,
    /// What stands before the first text.
    pub before: Vec<(u32, u8)>,
    /// What stands between the two.
    pub between: Vec<(u32, u8)>,
    /// What stands behind the second text.
    pub after: Vec<(u32, u8)>,
    /// The type of the first text's tokens, and of the second's.
    pub types: [u8; 2],
    /// Whether "no answer" is the row's last token, as XLNet's `<cls>`, not its first.
    pub no_answer_last: bool,
}

impl QuestionLayout {
    /// `[CLS] question [SEP] context [SEP]`, types 0 and 1: BERT, ELECTRA, DeBERTa.
    pub fn bert(cls: u32, sep: u32) -> Self {
        Self {
            question_first: true,
            before: vec![(cls, 0)],
            between: vec![(sep, 0)],
            after: vec![(sep, 1)],
            types: [0, 1],
            no_answer_last: false,
        }
    }

    /// `<s> question </s></s> context </s>`, all of type 0: RoBERTa.
    pub fn roberta(cls: u32, sep: u32) -> Self {
        Self {
            between: vec![(sep, 0), (sep, 0)],
            after: vec![(sep, 0)],
            types: [0, 0],
            ..Self::bert(cls, sep)
        }
    }

    /// `context <sep> question <sep> <cls>`, types 0, 1 and 2: XLNet.
    pub fn xlnet(cls: u32, sep: u32) -> Self {
        Self {
            question_first: false,
            before: Vec::new(),
            between: vec![(sep, 0)],
            after: vec![(sep, 1), (cls, 2)],
            types: [0, 1],
            no_answer_last: true,
        }
    }

    /// How many special tokens a row has.
    pub fn special_tokens(&self) -> usize {
        self.before.len() + self.between.len() + self.after.len()
    }
}
