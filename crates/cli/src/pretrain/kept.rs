//! Why a run keeps what a flag of `kiln pretrain` said.

pub(crate) const MODEL: &str = "the weights that are trained have that shape";
pub(crate) const MODEL_SETTING: &str =
    "it is written into the model's config.json, which a run keeps";
pub(crate) const SEQUENCES: &str =
    "sequences, and the share of them that is evaluated on, are cut for it";
pub(crate) const TASK: &str = "the losses before and after would be of different tasks";
pub(crate) const WEIGHTS: &str = "the run has weights of its own by now";
