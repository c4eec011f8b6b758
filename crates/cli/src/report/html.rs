//! Text that is safe inside a page.

/// `text` for element content and quoted attributes: a run may be called `<b>`.
///
/// Control characters, which HTML forbids, become U+FFFD.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(character),
            control if control.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

/// `argument` as a POSIX shell reads it back: quoted where it has to be.
pub(super) fn shell_quoted(argument: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:@%,".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_element_or_attribute() {
        assert_eq!(
            escape("<b a=\"1\">'&\u{7}"),
            "&lt;b a=&quot;1&quot;&gt;&#39;&amp;\u{fffd}"
        );
    }

    #[test]
    fn a_path_with_blanks_or_quotes_stays_one_argument() {
        assert_eq!(shell_quoted("runs/bert-1"), "runs/bert-1");
        assert_eq!(shell_quoted("my run's"), r"'my run'\''s'");
    }
}
