//! Filling masks: the masked places come last in the order, so that each is predicted from all tokens
//! that are there.

use burn::tensor::{Device, Tensor};
use kiln_tasks::predict::{PredictWords, TextBatch};
use kiln_text::Vocabulary;

use crate::model::{Targets, XlnetInputs};
use crate::{Visibility, XlnetLmHeadModel};

/// Ranks, as in training, of an order of three steps: ordinary tokens see each other, `<sep>` and
/// `<cls>` see them too, and the masked ones all of those, but neither themselves nor each other.
const ORDINARY: Ranks = Ranks { query: 0, key: -1 };
const FUNCTIONAL: Ranks = Ranks { query: 1, key: 0 };
const MASKED: Ranks = Ranks { query: 1, key: 1 };

/// As a key padding is seen by none.
const PADDING: Ranks = Ranks { query: 0, key: 1 };

#[derive(Clone, Copy)]
struct Ranks {
    query: i32,
    key: i32,
}

impl PredictWords for XlnetLmHeadModel {
    fn word_logits(
        &self,
        batch: &TextBatch<'_>,
        vocabulary: &Vocabulary,
        device: &Device,
    ) -> Tensor<2> {
        let &Vocabulary { cls, sep, mask, .. } = vocabulary;
        let ranks = |id| match id {
            id if id == mask => MASKED,
            id if id == cls || id == sep => FUNCTIONAL,
            _ => ORDINARY,
        };
        let inputs = XlnetInputs {
            input_ids: batch.tokens(|id| id as i32, 0, device),
            token_type_ids: Some(batch.tokens(|id| if id == cls { 2 } else { 0 }, 0, device)),
            segment_columns: 3,
            visibility: Visibility::Ranks {
                queries: batch.tokens(|id| ranks(id).query, PADDING.query, device),
                keys: batch.tokens(|id| ranks(id).key, PADDING.key, device),
            },
            targets: Some(Targets {
                positions: batch.positions(device),
                is_present: None,
            }),
            memory: None,
            p_mask: None,
            cls_index: None,
            attention_mask: None,
        };
        let (logits, _) = self.forward(inputs);
        logits
    }
}
