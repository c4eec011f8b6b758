//! The sizes of a generator: derived from its discriminator's, and held against them.

use kiln_learner::LearnError;

use crate::model_config::ConfigError;

/// A size scaled by `share`, at least 1.
pub fn scaled(full: usize, share: f64) -> usize {
    ((full as f64 * share).round() as usize).max(1)
}

/// Heads of at least `head_size` numbers for a width of `hidden_size`: as many as divide it. A width
/// that the size of a head does not divide still needs a number of heads that does.
pub fn heads_for(hidden_size: usize, head_size: usize) -> usize {
    let most = (hidden_size / head_size.max(1)).max(1);
    (1..=most)
        .rev()
        .find(|&heads| hidden_size.is_multiple_of(heads))
        .unwrap_or(1)
}

/// Says of an error that it is the generator's.
pub fn of_generator(error: ConfigError) -> LearnError {
    LearnError::Settings(format!("the generator's {error}; or choose another size"))
}

/// Makes an error of a config one of the generator's, which stands in another file than the model's.
pub fn in_generator(error: LearnError) -> LearnError {
    match error {
        LearnError::Config { field, reason } => {
            LearnError::Settings(format!("{field} in the generator's config: {reason}"))
        }
        error => error,
    }
}

/// Refuses two models that can't share what the settings have them share: each size by its field, the
/// discriminator's first.
///
/// # Errors
/// With the first field that differs.
pub fn check_fit(sizes: &[(&str, usize, usize)]) -> Result<(), LearnError> {
    match sizes.iter().find(|(_, ours, theirs)| ours != theirs) {
        None => Ok(()),
        Some((field, ours, theirs)) => Err(LearnError::Settings(format!(
            "{field} = {theirs} in the generator's config: the discriminator has {ours}; choose the \
             same, or let them share less"
        ))),
    }
}
