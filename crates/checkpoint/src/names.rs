//! Parameter names: Burn's module paths on one side, Hugging Face's on the other.
//!
//! A module whose fields carry Hugging Face's names needs no table at all; a table says where the
//! two differ, for instance where Hugging Face's name is a word that Rust reserves (`self`).

/// Translation of a module path to a Hugging Face parameter name, as a table of dotted fragments.
///
/// A path is read from left to right. Where the left side of a rule matches whole segments, its
/// right side (which may be empty) takes their place and reading goes on behind them; of several
/// matching rules the first in the table wins; a segment that no rule matches stays as it is.
///
/// ```
/// use kiln_checkpoint::Names;
/// const NAMES: Names = Names { rules: &[("attention.self_attention", "attention.self")] };
/// assert_eq!(
///     NAMES.to_hugging_face("layer.0.attention.self_attention.query.weight"),
///     "layer.0.attention.self.query.weight",
/// );
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Names {
    /// Pairs of (fragment of the module path, fragment of the Hugging Face name).
    pub rules: &'static [(&'static str, &'static str)],
}

impl Names {
    /// A table without rules: both sides agree.
    pub const SAME: Self = Self { rules: &[] };

    /// The Hugging Face name of the parameter at `path`.
    #[must_use]
    pub fn to_hugging_face(&self, path: &str) -> String {
        let segments: Vec<&str> = path.split('.').collect();
        let mut name: Vec<&str> = Vec::with_capacity(segments.len());
        let mut rest = segments.as_slice();
        while let Some((first, behind)) = rest.split_first() {
            match self.matching_rule(rest) {
                Some((index, length)) => {
                    let replacement = self.rules.get(index).map_or("", |rule| rule.1);
                    name.extend(replacement.split('.').filter(|segment| !segment.is_empty()));
                    rest = rest.get(length..).unwrap_or_default();
                }
                None => {
                    name.push(first);
                    rest = behind;
                }
            }
        }
        name.join(".")
    }

    /// The rules that change none of `paths`: a table with such rows has outlived its module.
    #[must_use]
    pub fn unused_rules<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a str>,
    ) -> Vec<(&'static str, &'static str)> {
        let mut used = vec![false; self.rules.len()];
        for path in paths {
            let segments: Vec<&str> = path.split('.').collect();
            let mut rest = segments.as_slice();
            while !rest.is_empty() {
                let mut step = 1;
                if let Some((index, length)) = self.matching_rule(rest) {
                    if let Some(flag) = used.get_mut(index) {
                        *flag = true;
                    }
                    step = length;
                }
                rest = rest.get(step..).unwrap_or_default();
            }
        }
        let rules = self.rules.iter().zip(used);
        rules
            .filter(|(_, used)| !used)
            .map(|(rule, _)| *rule)
            .collect()
    }

    /// The first rule whose left side begins `segments`, with the number of segments it covers.
    fn matching_rule(&self, segments: &[&str]) -> Option<(usize, usize)> {
        self.rules
            .iter()
            .enumerate()
            .find_map(|(index, (from, _))| {
                let length = from.split('.').count();
                let covered = segments.get(..length)?;
                from.split('.')
                    .eq(covered.iter().copied())
                    .then_some((index, length))
            })
    }
}

/// Whether `fragment` occurs in `name` on whole segments (`position_ids` in
/// `bert.embeddings.position_ids`, but not in `old_position_ids`).
pub(crate) fn contains_fragment(name: &str, fragment: &str) -> bool {
    let name: Vec<&str> = name.split('.').collect();
    let fragment: Vec<&str> = fragment.split('.').collect();
    name.windows(fragment.len())
        .any(|window| window == fragment)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names = Names {
        rules: &[
            ("self_attention", "attention.self"),
            ("a.b", "first"),
            ("a", "second"),
            ("variant", ""),
            ("never", "used"),
        ],
    };

    #[test]
    fn rules_match_whole_segments_only() {
        assert_eq!(
            NAMES.to_hugging_face("x.self_attention.q"),
            "x.attention.self.q"
        );
        assert_eq!(
            NAMES.to_hugging_face("x.my_self_attention.q"),
            "x.my_self_attention.q"
        );
    }

    #[test]
    fn the_first_matching_rule_wins_and_its_result_is_not_read_again() {
        assert_eq!(NAMES.to_hugging_face("a.b.a.c"), "first.second.c");
    }

    #[test]
    fn an_empty_right_side_drops_the_segment() {
        assert_eq!(NAMES.to_hugging_face("head.variant.weight"), "head.weight");
    }

    #[test]
    fn a_rule_that_changes_nothing_is_reported() {
        let unused = NAMES.unused_rules(["a.b", "a.variant", "self_attention"]);
        assert_eq!(unused, [("never", "used")]);
    }

    #[test]
    fn fragments_are_found_on_whole_segments() {
        assert!(contains_fragment(
            "bert.embeddings.position_ids",
            "position_ids"
        ));
        assert!(contains_fragment(
            "cls.seq_relationship.bias",
            "cls.seq_relationship"
        ));
        assert!(!contains_fragment("old_position_ids", "position_ids"));
        assert!(!contains_fragment("a", "a.b"));
    }
}
