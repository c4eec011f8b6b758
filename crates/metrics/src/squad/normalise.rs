//! Answers without what does not count: case, punctuation, articles, spaces.

/// Lower case; the 32 ASCII punctuation characters deleted; the words a, an, the replaced by a space;
/// spaces collapsed.
///
/// Case and spaces are Python's, whose scripts are official. A word ends where no letter, number or
/// underscore stands; marks that Unicode counts as alphabetic (a small letter above another, say) count
/// as letters here, not in Python: an article right before one stays.
pub(super) fn normalise(text: &str) -> String {
    let kept: String = text
        .to_lowercase()
        .chars()
        .filter(|letter| !letter.is_ascii_punctuation())
        .collect();
    let mut words = String::with_capacity(kept.len());
    let mut rest = kept.as_str();
    while let Some(first) = rest.chars().next() {
        let inside = is_word(first);
        let end = rest
            .find(|letter| is_word(letter) != inside)
            .unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end);
        words.push_str(match part {
            "a" | "an" | "the" => " ",
            _ => part,
        });
        rest = behind;
    }
    let mut normalised = String::with_capacity(words.len());
    for word in words.split(is_space).filter(|word| !word.is_empty()) {
        if !normalised.is_empty() {
            normalised.push(' ');
        }
        normalised.push_str(word);
    }
    normalised
}

/// `\w` but for the underscore, which is punctuation and gone.
fn is_word(letter: char) -> bool {
    letter.is_alphanumeric()
}

/// What Python's `split()` splits at: Unicode's spaces and the four separators of ASCII.
fn is_space(letter: char) -> bool {
    letter.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&letter)
}
