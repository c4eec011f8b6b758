//! A checkpoint run on given tensors, so that anyone can hold Kiln against another implementation.
//!
//! ```text
//! ForwardRequest -> Inputs, checked -> a class -> Results -> outputs, gradients
//! ```
//!
//! Names, shapes and losses are Hugging Face's; dropout is off. Beside a head's outputs stand the
//! encoder's own. Without labels, inputs `cotangent.OUTPUT` make a loss of any outputs:
//! Σ output · cotangent.

mod entry;
mod results;
mod run;

use kiln_learner::LearnError;

pub use crate::arguments::{ClassSpec, InputError, Inputs};
pub use crate::heads::Named;
pub use entry::{ClassEntry, Classes};
pub use results::Results;

use crate::architecture::{ForwardRequest, Output};
use crate::replaced_tokens::Half;

/// Runs a Hugging Face folder's model on `request.inputs`, as the class that was asked for or that
/// config.json names. Of a pair it is the generator if the class is its own, else the discriminator.
///
/// # Errors
/// If the folder cannot be opened, lacks parameters of the class, or the inputs do not fit it.
pub fn forward<F: Classes>(request: &ForwardRequest) -> Result<Vec<Output>, LearnError> {
    let task = request.task.as_deref();
    let asked = task.and_then(ClassEntry::<F>::from_name);
    let half = asked.map_or(Half::Discriminator, ClassEntry::half);
    let folder = half.meant_by(&request.model);
    let config = F::open(&folder)?;
    let class = match (asked, task) {
        (Some(class), _) => class,
        (None, None) => ClassEntry::of_config(&config, &folder)?,
        (None, Some(task)) => return Err(ClassEntry::unknown(task, &config)),
    };
    class.forward(&config.for_inference(), &folder, request)
}
