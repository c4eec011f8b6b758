//! Files and folders that are left out by their names alone, in folders and in archives.

/// Folders in which version control and archivers keep what is theirs; those with a dot in front are
/// hidden anyway.
const NOT_TEXT: [&str; 2] = ["CVS", "__MACOSX"];

/// Whether a file or folder of that name is left out unseen, and the reason for it.
pub(super) fn passed_over(name: &[u8]) -> Option<&'static str> {
    if NOT_TEXT.iter().any(|it| it.as_bytes() == name) {
        Some("folder of version control or of an archiver")
    } else if name.starts_with(b".") && name != b"." && name != b".." {
        Some("hidden file or folder")
    } else {
        None
    }
}
