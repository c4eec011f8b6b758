//! What is put around a text and around a pair of texts, class by class.

use serde_json::{Value, json};

use super::class::Class;
use super::special::Place::{Cls, Sep, Text};
use super::special::{self, SpecialTokens};
use super::{bert, xlnet};

/// What is put around a text and around a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Template {
    /// `[CLS] A [SEP]`, `[CLS] A [SEP] B [SEP]` with types 0 and 1.
    Bert,
    /// `[CLS] A [SEP]`, `[CLS] A [SEP] [SEP] B [SEP]`, all of type 0.
    Deberta,
    /// `<s> A </s>`, `<s> A </s> </s> B </s>`, all of type 0.
    Roberta,
    /// `A <sep> <cls>`, `A <sep> B <sep> <cls>` with types 0, 1 and 2.
    Xlnet,
}

impl Template {
    /// The class's; none where it leaves that to the file.
    pub(super) fn of(class: Class) -> Option<Self> {
        match class {
            Class::Bert | Class::DebertaV2 => Some(Self::Bert),
            Class::Deberta | Class::XlmRoberta => Some(Self::Deberta),
            Class::Roberta => Some(Self::Roberta),
            Class::Gpt2 => None,
            Class::Xlnet => Some(Self::Xlnet),
        }
    }

    /// As a tokenizer.json's `post_processor`.
    pub(super) fn json(self, special: &SpecialTokens, cls: u64, sep: u64) -> Value {
        match self {
            Self::Bert => bert::template_json(special, cls, sep),
            Self::Deberta => special::template_json(
                special,
                [cls, sep],
                &[Cls(0), Text("A", 0), Sep(0)],
                &[Cls(0), Text("A", 0), Sep(0), Sep(0), Text("B", 0), Sep(0)],
            ),
            Self::Roberta => json!({
                "type": "RobertaProcessing",
                "sep": [special.sep, sep],
                "cls": [special.cls, cls],
                "trim_offsets": true,
                "add_prefix_space": false,
            }),
            Self::Xlnet => xlnet::template_json(special, cls, sep),
        }
    }
}
