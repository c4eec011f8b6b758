//! Replaced token detection, whatever the two models are: a generator fills masks, a discriminator
//! says of every token whether the generator put another one there.
//!
//! | file | what |
//! | --- | --- |
//! | `batch.rs` | [`ReplacedTokenBatch`]: masked words, and what the discriminator's side needs of them |
//! | `replacement.rs` | replacements drawn and put in place; both losses |
//! | `measures.rs` | what is reported of the discriminator |
//! | `pair_folder.rs` | [`PairFolder`]: a checkpoint that holds both models |

mod batch;
mod measures;
mod pair_folder;
mod replacement;

pub use batch::ReplacedTokenBatch;
pub use measures::NAMES as DISCRIMINATOR_MEASURES;
pub use pair_folder::{Half, PairFolder};
pub use replacement::{
    Corrupted, GENERATOR_ACCURACY, REPLACED_SHARE, SAMPLED_ACCURACY, corrupt, draw,
    sampled_accuracy,
};
