//! The one list of architectures. A new one is one line here.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use kiln_learner::RunFolder;
use kiln_tasks::Architecture;

use crate::failure::Failure;

/// All of them, in the order in which help shows them.
pub(crate) const ARCHITECTURES: &[&dyn Architecture] = &[
    &kiln_bert::Bert,
    &kiln_electra::Electra,
    &kiln_deberta::Deberta,
    &kiln_xlnet::Xlnet,
    &kiln_roberta::Roberta,
];

/// An architecture that the command line named.
#[derive(Clone, Copy)]
pub(crate) struct Named(pub(crate) &'static dyn Architecture);

/// The names on the command line.
pub(crate) fn names() -> Vec<&'static str> {
    ARCHITECTURES
        .iter()
        .map(|architecture| architecture.name())
        .collect()
}

/// `bert tiny, small; electra tiny`: what every architecture has, for help.
pub(crate) fn presets() -> String {
    let of_one = |architecture: &&dyn Architecture| {
        let presets = architecture.presets().join(", ");
        format!("{} {presets}", architecture.name())
    };
    let all: Vec<String> = ARCHITECTURES.iter().map(of_one).collect();
    all.join("; ")
}

/// The architecture called `name`.
pub(crate) fn by_name(name: &str) -> Option<&'static dyn Architecture> {
    ARCHITECTURES
        .iter()
        .copied()
        .find(|architecture| architecture.name() == name)
}

/// The architecture called `name` in the settings of `run`.
///
/// # Errors
/// If this version has none of the name.
pub(crate) fn of_run(run: &RunFolder, name: &str) -> Result<&'static dyn Architecture, Failure> {
    by_name(name).ok_or_else(|| {
        Failure::run(format_args!(
            "{}: architecture = {name}: not one of this version, which has {}",
            run.config().display(),
            names().join(", ")
        ))
    })
}

/// The architecture that reads a config.json with this `model_type`.
pub(crate) fn by_model_type(model_type: &str) -> Option<&'static dyn Architecture> {
    ARCHITECTURES
        .iter()
        .copied()
        .find(|architecture| architecture.model_types().contains(&model_type))
}

/// The architecture whose classes are called like this one.
pub(crate) fn by_class(class: &str) -> Option<&'static dyn Architecture> {
    ARCHITECTURES.iter().copied().find(|architecture| {
        let prefix = architecture.class_prefix();
        prefix.is_some_and(|prefix| class.starts_with(prefix))
    })
}

/// Every `model_type` that is read, for messages.
pub(crate) fn model_types() -> String {
    let of_one = |architecture: &&dyn Architecture| architecture.model_types();
    let all: Vec<&str> = ARCHITECTURES.iter().flat_map(of_one).collect();
    all.join(", ")
}

/// Takes exactly the names in the list.
pub(crate) fn parser() -> impl TypedValueParser<Value = Named> {
    PossibleValuesParser::new(names()).try_map(|name| {
        by_name(&name)
            .map(Named)
            .ok_or_else(|| format!("no architecture is called {name}"))
    })
}

#[cfg(test)]
mod published;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_different_and_lead_back_to_their_architecture() {
        for name in names() {
            let same = names().into_iter().filter(|other| *other == name).count();
            assert_eq!(same, 1, "{name}");
            assert_eq!(by_name(name).unwrap().name(), name);
        }
    }

    #[test]
    fn classes_lead_to_the_architecture_that_reads_a_config_without_a_model_type() {
        let of = |class| by_class(class).map(Architecture::name);
        assert_eq!(of("BertForMaskedLM"), Some("bert"));
        assert_eq!(of("ElectraForPreTraining"), Some("electra"));
        assert_eq!(of("DebertaV2Model"), Some("deberta"));
        assert_eq!(of("XLNetLMHeadModel"), Some("xlnet"));
        // Its config would be read as v2's.
        assert_eq!(of("DebertaForMaskedLM"), None);
        assert_eq!(of("RobertaModel"), Some("roberta"));
        assert_eq!(of("BartModel"), None);
    }

    #[test]
    fn model_types_are_different_and_lead_back_to_their_architecture() {
        for architecture in ARCHITECTURES {
            for model_type in architecture.model_types() {
                let found = by_model_type(model_type).unwrap();
                assert_eq!(found.name(), architecture.name(), "{model_type}");
            }
        }
    }
}
