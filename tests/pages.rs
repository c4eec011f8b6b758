//! What the pages say of the tree is there.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::path::{Path, PathBuf};

/// The repository's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All that `page` has in backticks, outside blocks of code.
fn quoted(page: &str) -> Vec<&str> {
    let blocks = page.split("\n```").step_by(2);
    blocks
        .flat_map(|text| text.split('`').skip(1).step_by(2))
        .collect()
}

/// Whether `quoted` is meant as a path: it has a slash or a file's ending, and no word beside it. What
/// stands in a user's run is none.
fn is_path(quoted: &str) -> bool {
    let has_ending = [".rs", ".py", ".sh", ".toml", ".md"]
        .iter()
        .any(|ending| quoted.ends_with(ending));
    let is_code = quoted.contains(|c: char| c.is_whitespace() || "():=#\"".contains(c));
    let is_in_run = quoted.starts_with("RUN/") || quoted.starts_with("checkpoints/");
    !is_code
        && !is_in_run
        && (quoted.contains('/') || has_ending)
        && !quoted.starts_with(['.', '<'])
}

/// The paths that are meant by one with `NAME`, `<name>` or `{a,b}` in it, where any is as good.
fn meant(path: &str) -> Vec<String> {
    let path = path
        .replace("<name>", "bert")
        .replace("NAME", "bert")
        .replace("crates/*", "crates/bert");
    match (path.find('{'), path.find('}')) {
        (Some(open), Some(close)) if open < close => path[open + 1..close]
            .split(',')
            .map(|name| format!("{}{name}{}", &path[..open], &path[close + 1..]))
            .collect(),
        _ => vec![path],
    }
}

/// The paths that `page` names and that are not there. One without a slash is looked for beside the
/// one before it.
fn missing(page: &str) -> Vec<String> {
    let mut missing = Vec::new();
    let mut beside = PathBuf::new();
    for path in quoted(page).into_iter().filter(|quoted| is_path(quoted)) {
        for path in meant(path) {
            let found = [root().join(&path), beside.join(&path)];
            match found.into_iter().find(|found| found.exists()) {
                Some(found) if found.is_dir() => beside = found,
                Some(found) => beside = found.parent().unwrap().to_path_buf(),
                None => missing.push(path),
            }
        }
    }
    missing
}

/// The pages of the root and of `docs/`.
fn pages() -> Vec<PathBuf> {
    let files = [root().to_path_buf(), root().join("docs")];
    let files = files
        .into_iter()
        .flat_map(|folder| folder.read_dir().unwrap());
    let files = files.map(|entry| entry.unwrap().path());
    let is_page = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "md");
    files.filter(is_page).collect()
}

#[test]
fn every_path_that_the_pages_name_exists() {
    for page in pages() {
        // README names what is in a user's folders, the changelog what was once.
        if !page.ends_with("README.md") && !page.ends_with("CHANGELOG.md") {
            let text = std::fs::read_to_string(&page).unwrap();
            assert_eq!(missing(&text), [] as [&str; 0], "{}", page.display());
        }
    }
}

#[test]
fn every_link_leads_somewhere_and_some_link_to_every_page() {
    let mut linked = vec![root().join("README.md")];
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if !link.starts_with("https://") {
                let target = page.parent().unwrap().join(link);
                assert!(target.exists(), "{}: {link}", page.display());
                linked.push(target);
            }
        }
    }
    for page in pages() {
        assert!(
            linked.contains(&page),
            "no page links to {}",
            page.display()
        );
    }
}

#[test]
fn a_path_that_is_not_there_is_told() {
    let page = "See `crates/bert/src/model.rs`, `layer.rs`, `crates/{bert,none}/src`,\n```text\n\
                `crates/no`\n```\n`scripts/no.py`, `kiln resume a/b`, `Objective`.";
    assert_eq!(missing(page), ["crates/none/src", "scripts/no.py"]);
}
