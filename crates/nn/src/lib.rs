//! Layers that the encoders of the BERT family share.
//!
//! ```text
//! activation  dropout   embeddings, linear layers and norms are made by   init
//! attention   the one place where scores become context                   fused (softmax)
//! feed_forward post-norm's feed-forward block, and the residual that ends attention  fused (GELU, residual)
//! relative    terms of the scores by relative position
//! cached      tables that depend on lengths alone
//! inputs      what an encoder reads
//! words       the word table's rows
//! decoder     scores of all words                                         fused (tied linear)
//! word_head   what stands between hidden states and decoder
//! gather      hidden states at the predicted positions
//! low_rank    a linear layer with a low-rank correction of its matrix
//! loss        sums of weighted cross-entropies                            fused (cross-entropy)
//! sampling    tokens drawn from a softmax on the device
//! precision   what is float32 all the same where a model is bfloat16
//! untracked   values without their graph
//! launches    the kernels that graphics processors are asked to run
//! fused       operations that Burn lacks, with gradients written by hand
//! ```
//!
//! A layer stands here when two architectures compute the same function; what only looks alike is
//! written in each.

pub mod activation;
pub mod attention;
pub mod cached;
pub mod decoder;
pub mod dropout;
pub mod feed_forward;
#[allow(
    deprecated,
    reason = "burn marks its ndarray and libtorch backends as deprecated; they are supported here"
)]
pub mod fused;
pub mod gather;
pub mod init;
pub mod inputs;
pub mod launches;
pub mod layer_norm;
pub mod loss;
pub mod low_rank;
pub mod precision;
pub mod relative;
pub mod sampling;
pub mod untracked;
pub mod word_head;
pub mod words;

pub use activation::{Activation, UnknownActivation};
pub use attention::{AttentionOptions, attend, is_padding, merge_heads, split_heads};
pub use cached::Cached;
pub use decoder::{Apart, Decoder};
pub use dropout::Dropout;
pub use feed_forward::{Intermediate, ResidualOutput};
pub use gather::gather_positions;
pub use init::Init;
pub use inputs::EncoderInputs;
pub use layer_norm::LayerNorm;
pub use low_rank::{LowRank, project};
pub use precision::{like, widened};
pub use relative::{RelativeIndex, RelativeScores};
pub use untracked::untracked;
pub use word_head::{HeadTransform, LmHead, MaskedLmHead};
pub use words::embed_words;
