//! Questions on texts: windows of a text with its question, the tokens that are an answer, and the spans
//! that a model points at.
//!
//! ```text
//! Example -> windows.rs: Features, with labels.rs' tokens of the answer
//! logits of each Feature -> search.rs, or beam.rs for XLNet -> decode.rs: Row::Answer
//! ```
//!
//! The rules are those of Hugging Face's example scripts `run_qa.py` and `run_qa_beam_search.py` and
//! what they use (transformers 5.23); each difference is told where it is.

mod beam;
mod decode;
mod labels;
mod layout;
mod search;
mod windows;

pub use beam::BeamOutput;
pub use decode::AnswerDecoder;
pub use layout::QuestionLayout;
pub use search::{Candidate, SearchSettings, SpanLogits};
pub use windows::{QuestionWindows, Stride, WindowSettings};
