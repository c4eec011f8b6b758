//! The classes of transformers whose files Kiln reads: what each reads, has and gives.

use super::files::{
    BYTE_VOCABULARY, MERGES, SENTENCE_PIECE, VOCABULARY, XLM_ROBERTA_SENTENCE_PIECE,
    XLNET_SENTENCE_PIECE,
};

/// The named special tokens, in the order in which they are added.
pub(super) const NAMED: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

/// A class of transformers whose files Kiln reads as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// WordPiece by BERT's rules.
    Bert,
    /// GPT-2's byte-level BPE with DeBERTa's special tokens.
    Deberta,
    /// GPT-2's byte-level BPE with RoBERTa's special tokens.
    Roberta,
    /// GPT-2's byte-level BPE.
    Gpt2,
    /// SentencePiece, DeBERTa's since v2.
    DebertaV2,
    /// SentencePiece with XLNet's steps before it.
    Xlnet,
    /// SentencePiece with fairseq's numbers.
    XlmRoberta,
}

impl Class {
    /// Its name in transformers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bert => "BertTokenizer",
            Self::Deberta => "DebertaTokenizer",
            Self::Roberta => "RobertaTokenizer",
            Self::Gpt2 => "GPT2Tokenizer",
            Self::DebertaV2 => "DebertaV2Tokenizer",
            Self::Xlnet => "XLNetTokenizer",
            Self::XlmRoberta => "XLMRobertaTokenizer",
        }
    }

    /// The vocabulary files that it reads where there is no tokenizer.json.
    pub(super) fn files(self) -> &'static [&'static str] {
        match self {
            Self::Bert => &[VOCABULARY],
            Self::Deberta | Self::Roberta | Self::Gpt2 => &[BYTE_VOCABULARY, MERGES],
            Self::DebertaV2 => &[SENTENCE_PIECE],
            Self::Xlnet => &[XLNET_SENTENCE_PIECE],
            Self::XlmRoberta => &[XLM_ROBERTA_SENTENCE_PIECE],
        }
    }

    /// Whether it reads SentencePiece's models.
    pub(super) fn reads_pieces(self) -> bool {
        match self {
            Self::DebertaV2 | Self::Xlnet | Self::XlmRoberta => true,
            Self::Bert | Self::Deberta | Self::Roberta | Self::Gpt2 => false,
        }
    }

    /// The special token that it has in a field, one of [`NAMED`], where no file names another.
    pub(super) fn special_token(self, field: &str) -> Option<&'static str> {
        let all = match self {
            Self::Bert => {
                let [unk, sep, pad, cls, mask] =
                    ["[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"].map(Some);
                [None, None, unk, sep, pad, cls, mask]
            }
            Self::Deberta | Self::DebertaV2 => [
                "[CLS]", "[SEP]", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]",
            ]
            .map(Some),
            Self::Roberta | Self::XlmRoberta => {
                ["<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"].map(Some)
            }
            Self::Gpt2 => {
                let end = Some("<|endoftext|>");
                [end, end, end, None, None, None, None]
            }
            Self::Xlnet => ["<s>", "</s>", "<unk>", "<sep>", "<pad>", "<cls>", "<mask>"].map(Some),
        };
        let place = NAMED.iter().position(|named| *named == field)?;
        all.get(place).copied().flatten()
    }

    /// What it gives a model where no file says so.
    pub(super) fn inputs(self) -> &'static [&'static str] {
        match self {
            Self::Bert => &["input_ids", "token_type_ids", "attention_mask"],
            Self::Deberta | Self::DebertaV2 => &["input_ids", "attention_mask", "token_type_ids"],
            Self::Roberta | Self::Gpt2 => &["input_ids", "attention_mask"],
            Self::Xlnet | Self::XlmRoberta => &["input_ids", "token_type_ids", "attention_mask"],
        }
    }
}
