//! Replaced token detection, whatever the two models are: a generator fills masks, a discriminator
//! says of every token whether the generator put another one there.
//!
//! | file | what |
//! | --- | --- |
//! | `objective.rs` | [`ReplacedTokens`]: the objective, for any [`ModelPair`] |
//! | `run.rs` | [`pretrain`]: a run of it |
//! | `generator_size.rs` | a generator's sizes |
//! | `origins.rs` | [`Origins`]: where first weights come from |
//! | `batch.rs` | [`ReplacedTokenBatch`]: masked words, and what the discriminator's side needs of them |
//! | `replacement.rs` | replacements drawn and put in place; both losses |
//! | `measures.rs` | what is reported of the discriminator |
//! | `pair_folder.rs` | [`PairFolder`]: a checkpoint that holds both models |

mod batch;
mod generator_size;
mod measures;
mod objective;
mod origins;
mod pair_folder;
mod replacement;
mod run;

pub use batch::ReplacedTokenBatch;
pub use generator_size::{check_fit, heads_for, in_generator, of_generator, scaled};
pub use objective::{ModelPair, ReplacedTokens};
pub use origins::Origins;
pub use pair_folder::{Half, PairFolder};
pub use replacement::{Corrupted, corrupt, draw};
pub use run::pretrain;
