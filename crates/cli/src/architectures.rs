//! The one list of architectures. A new one is one line here.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use kiln_learner::Architecture;

/// All of them, in the order in which help shows them.
pub(crate) const ARCHITECTURES: &[&dyn Architecture] = &[&kiln_bert::Bert, &kiln_electra::Electra];

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

/// Takes exactly the names in the list.
pub(crate) fn parser() -> impl TypedValueParser<Value = Named> {
    PossibleValuesParser::new(names()).try_map(|name| {
        by_name(&name)
            .map(Named)
            .ok_or_else(|| format!("no architecture is called {name}"))
    })
}

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
}
