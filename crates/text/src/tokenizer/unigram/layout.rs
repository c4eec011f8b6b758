//! The pieces of a unigram model that are not learned.

use crate::tokenizer::special::SpecialTokens;
use crate::tokenizer::xlnet::{self, XlnetLetters};

/// Which pieces are not learned, where they stand, and what is done to text before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnigramLayout {
    /// `[PAD]`, `[CLS]`, `[SEP]`, `[UNK]` first, `[MASK]` last.
    #[default]
    Deberta,
    /// `<unk>`, `<s>`, `</s>`, `<cls>`, `<sep>`, `<pad>`, `<mask>`, `<eod>`, `<eop>` first, then the
    /// signs . ( ) " - – £ €, which are pieces by themselves.
    Xlnet(XlnetLetters),
}

impl UnigramLayout {
    /// How many pieces are not learned.
    pub(super) fn own_pieces(self) -> usize {
        match self {
            Self::Deberta => SpecialTokens::default().names().len(),
            // `<unk>` and `<eop>`.
            Self::Xlnet(_) => 2 + xlnet::CONTROLS.len() + xlnet::SIGNS.len(),
        }
    }

    /// XLNet's steps before SentencePiece's.
    pub(in crate::tokenizer) fn letters(self) -> Option<XlnetLetters> {
        match self {
            Self::Deberta => None,
            Self::Xlnet(letters) => Some(letters),
        }
    }

    /// What no piece holds that is learned.
    pub(super) fn signs(self) -> &'static [char] {
        match self {
            Self::Deberta => &[],
            Self::Xlnet(_) => &xlnet::SIGNS,
        }
    }
}
