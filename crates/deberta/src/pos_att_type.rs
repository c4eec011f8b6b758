//! config.json's `pos_att_type`: the terms of the scores beside content to content.

use serde::{Deserialize, Serialize};

/// The words in either of the forms that config.json may have, and written back in the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PosAttType {
    /// Words with `|` between them, as in the original: `"c2p|p2c"`.
    Words(String),
    /// One word an entry, as Hugging Face writes it.
    List(Vec<String>),
}

impl PosAttType {
    /// The words in the order given; those of one string in lower case and without spaces, those of a
    /// list as they are, as in Hugging Face.
    pub fn terms(&self) -> Vec<String> {
        match self {
            Self::Words(words) => {
                let words = words.split('|');
                words.map(|word| word.trim().to_lowercase()).collect()
            }
            Self::List(words) => words.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_have_the_same_words() {
        let words = PosAttType::Words("C2P| p2c".into());
        let list = PosAttType::List(vec!["c2p".into(), "p2c".into()]);
        assert_eq!(words.terms(), list.terms());
        assert_eq!(PosAttType::Words(String::new()).terms(), [""]);
        let list = PosAttType::List(vec!["C2P".into()]);
        assert_eq!(list.terms(), ["C2P"]);
    }
}
