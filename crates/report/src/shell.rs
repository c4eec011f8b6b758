//! Paths in commands that a reader copies.

use std::path::Path;

/// A path as a POSIX shell reads it back, quoted where it has to be.
pub fn shell(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || "/._-+=:,@%".contains(c))
        && !text.starts_with('-');
    if is_plain {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_spaces_and_quotes_survives_a_shell() {
        assert_eq!(shell(Path::new("runs/bert-1")), "runs/bert-1");
        assert_eq!(shell(Path::new("my run's")), r"'my run'\''s'");
        assert_eq!(shell(Path::new("a;b")), "'a;b'");
    }
}
