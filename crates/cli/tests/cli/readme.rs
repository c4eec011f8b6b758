//! The commands that README.md and the other pages show, run as they stand there, but for what makes
//! them short.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{Done, shell};

/// What is run in place of what is shown: the program that the tests were built with, and fewer
/// steps. `examples/` and `text/` are put into the folder where all this is run.
const SHORTENED: [(&str, &str); 6] = [
    ("cargo run --release -- ", "kiln "),
    ("--steps 3000 ", "--steps 4 "),
    ("--steps 6000", "--steps 6"),
    ("--steps 4000", "--steps 2"),
    ("step-00003000", "step-00000004"),
    ("--log-every 100", "--log-every 1"),
];

/// What is shown and can't be run here, with the reason.
const NOT_RUN: [(&str, &str); 3] = [
    ("scripts/test.sh", "it runs these tests"),
    (
        "cargo install --path crates/cli",
        "it compiles everything anew",
    ),
    ("cargo run --release --features wgpu -- ", "so does it"),
];

/// The most steps that a command is run with.
const MAX_STEPS: u32 = 10;

/// The commands of a page's `sh` blocks in their order, each on one line.
fn commands(page: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for block in page.split("\n```sh\n").skip(1) {
        let block = block.split("\n```").next().unwrap_or_default();
        let block = block.replace("\\\n", " ");
        let lines = block.lines().map(str::trim);
        commands.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
    }
    commands
}

/// What to run for a command that a page shows; none: it is known not to be run.
fn shortened(page: &Path, command: &str) -> Option<String> {
    if NOT_RUN.iter().any(|(shown, _)| command.starts_with(shown)) {
        return None;
    }
    let mut short = command.to_owned();
    for (shown, run) in SHORTENED {
        short = short.replace(shown, run);
    }
    let where_shown = format!("{}: {command}", page.display());
    assert!(
        short.starts_with("kiln "),
        "{where_shown}: no command that is known here; add it to SHORTENED or NOT_RUN"
    );
    let steps = short.split("--steps ").nth(1).map(|rest| {
        let number = rest.split(' ').next().unwrap_or_default();
        number.parse::<u32>().unwrap_or(u32::MAX)
    });
    let trains = short.starts_with("kiln pretrain ") || short.starts_with("kiln resume ");
    assert!(
        !trains || steps.is_some_and(|steps| steps <= MAX_STEPS),
        "{where_shown}: it trains for long; let SHORTENED have fewer steps for it"
    );
    Some(short)
}

/// The repository's root, whose pages are read.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A folder with the sample texts where the commands expect them.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let examples = root().join("examples").canonicalize().unwrap();
    std::os::unix::fs::symlink(&examples, folder.path().join("examples")).unwrap();
    let text = folder.path().join("text");
    fs::create_dir(&text).unwrap();
    for number in 1..=3 {
        let name = format!("english-{number}.txt");
        fs::copy(examples.join("data").join(&name), text.join(&name)).unwrap();
    }
    folder
}

/// All pages that show commands, as paths from the root; README first.
fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).unwrap();
    let mut docs: Vec<_> = docs
        .map(|entry| Path::new("docs").join(entry.unwrap().file_name()))
        .filter(|page| page.extension().is_some_and(|ending| ending == "md"))
        .collect();
    docs.sort();
    let pages = ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"];
    pages.into_iter().map(PathBuf::from).chain(docs).collect()
}

#[test]
fn every_command_shown_works_and_the_first_one_prints_what_readme_says() {
    let folder = folder();
    let mut done: Vec<Done> = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(root().join(&page)).unwrap();
        for command in commands(&text) {
            if let Some(short) = shortened(&page, &command) {
                let result = shell(folder.path(), &short);
                let shown = format!("{}: {command}: run as {short}", page.display());
                assert_eq!(result.code, 0, "{shown}: {result:?}");
                done.push(result);
            }
        }
    }

    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let shown = readme.split("\n```text\n").nth(1).unwrap();
    let shown = shown.split("\n```").next().unwrap();
    let printed = &done.first().unwrap().stdout;
    for line in shown.lines() {
        // "loss        5.446 after step 3,000": a label, and a number that differs.
        let Some((label, _)) = line.split_once("  ").filter(|(label, _)| !label.is_empty()) else {
            continue;
        };
        assert!(
            printed.lines().any(|printed| printed.starts_with(label)),
            "README shows a line {label:?}, which is not printed: {printed}"
        );
    }
}

#[test]
fn a_command_that_is_new_to_the_test_is_refused() {
    let page = Path::new("README.md");
    for command in [
        "cargo bench",
        "kiln pretrain bert",
        "kiln resume runs/a --steps 5000",
    ] {
        let known = std::panic::catch_unwind(|| shortened(page, command));
        assert!(known.is_err(), "{command}: {known:?}");
    }
    assert_eq!(shortened(page, "scripts/test.sh"), None);
    let page = "Say:\n```sh\nkiln a \\\n    --b\n\nkiln c\n```\nand\n```text\nkiln d\n```\n";
    assert_eq!(commands(page), ["kiln a      --b", "kiln c"]);
}
