//! Ids that stand in a file twice.
//!
//! Predictions are told apart by them. Files that are read as one may number their examples alike, as
//! parts of a set do, and so an id has to be of one example of its own file alone.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

/// The ids of a file up to here, as 8 bytes each: files are streamed, however long ids are. Two ids can
/// have one hash, so what is known by its hash has to be compared.
#[derive(Debug, Default)]
pub(super) struct Ids {
    hasher: RandomState,
    hashes: HashSet<u64>,
    /// Examples of the file up to here.
    pub(super) examples: u64,
}

impl Ids {
    /// Counts an example; whether its id may have been there before.
    pub(super) fn may_repeat(&mut self, id: Option<&str>) -> bool {
        self.examples += 1;
        id.is_some_and(|id| !self.hashes.insert(self.hasher.hash_one(id)))
    }
}

/// An example with an id, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbered {
    /// Among the examples of its file, from 1.
    pub(super) number: u64,
    pub(super) line: u64,
}

/// What is wrong with a second example of an id; `has_column`: a column says the ids.
pub(super) fn repeated(id: &str, first: Numbered, second: Numbered, has_column: bool) -> String {
    let other = if has_column {
        ", or name another column with --id"
    } else {
        ""
    };
    format!(
        "id \"{id}\": example {} of the file has it, and so has example {} in line {}; give each its \
         own, leave one out{other}",
        second.number, first.number, first.line
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_known_by_its_hash_alone() {
        let mut ids = Ids::default();
        let told = [Some("a"), Some("b"), None, Some("a"), None].map(|id| ids.may_repeat(id));
        assert_eq!(told, [false, false, false, true, false]);
        assert_eq!(ids.examples, 5);
    }
}
