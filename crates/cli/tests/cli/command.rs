//! Runs the binary.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// The command must have succeeded; its stdout.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// The one object on stdout.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let stdout = self.ok();
        assert_eq!(stdout.lines().count(), 1, "{stdout}");
        serde_json::from_str(&stdout).unwrap()
    }

    /// The command must have failed with `code` and exactly one line on stderr; that line.
    #[track_caller]
    pub(crate) fn error(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        let mut lines = self.stderr.lines();
        let line = lines.next().unwrap_or_default().to_owned();
        assert!(
            line.starts_with("error: ") && lines.next().is_none(),
            "{}",
            self.stderr
        );
        line
    }

    /// The command must have failed with `code` after some work: its last line on stderr, which is
    /// the only error.
    #[track_caller]
    pub(crate) fn late_error(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        let lines = self.stderr.lines();
        let errors = lines.clone().filter(|line| line.starts_with("error: "));
        assert_eq!(errors.count(), 1, "{}", self.stderr);
        let last = lines.last().unwrap_or_default().to_owned();
        assert!(last.starts_with("error: "), "{}", self.stderr);
        last
    }
}

/// Runs `kiln` in `folder`, with words of `command` split at spaces, and a cache of its own.
pub(crate) fn kiln(folder: &Path, command: &str) -> Done {
    kiln_with(folder, &command.split_whitespace().collect::<Vec<_>>(), "")
}

/// Runs `kiln` with arguments that may have spaces in them, and a text on stdin.
pub(crate) fn kiln_with(folder: &Path, arguments: &[&str], stdin: &str) -> Done {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
    command.args(arguments);
    run(command, folder, stdin)
}

/// Runs a command line of a shell in `folder`, to which `kiln` is the program that was built.
#[cfg(unix)]
pub(crate) fn shell(folder: &Path, line: &str) -> Done {
    let built = Path::new(env!("CARGO_BIN_EXE_kiln")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(built.to_owned()).chain(std::env::split_paths(&path));
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    command.env("PATH", std::env::join_paths(folders).unwrap());
    run(command, folder, "")
}

/// Runs `kiln` as [`kiln`] does, on a system where no file may grow beyond `blocks` of 512 bytes:
/// writing fails then as on a full disk, without one.
#[cfg(unix)]
pub(crate) fn kiln_with_room(folder: &Path, blocks: usize, command: &str) -> Done {
    // The signal that comes with it would end the process; ignored, the write gives an error.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_kiln")]);
    shell.args(command.split_whitespace());
    run(shell, folder, "")
}

/// Runs `kiln` as [`kiln`] does, with `kilobytes` of address space beyond what it takes to start: a
/// build with libtorch maps half a gigabyte of libraries.
#[cfg(target_os = "linux")]
pub(crate) fn kiln_with_memory(folder: &Path, kilobytes: usize, command: &str) -> Done {
    let limited = |kilobytes: usize, command: &str| {
        let script = format!("ulimit -v {kilobytes}; exec \"$0\" \"$@\"");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_kiln")]);
        shell.args(command.split_whitespace());
        run(shell, folder, "")
    };
    let to_start = (1..100)
        .map(|step| step * 30_000)
        .find(|&kilobytes| limited(kilobytes, "--version").code == 0)
        .unwrap();
    limited(to_start + kilobytes, command)
}

fn run(mut command: Command, folder: &Path, stdin: &str) -> Done {
    let mut child = command
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("KILN_BACKEND", "flex")
        .env_remove("RUST_LOG")
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Done {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A file that holds one JSON value.
pub(crate) fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A folder with text.txt and tiny.json, a small model's config.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_corpus(&folder.path().join("text.txt"));
    std::fs::write(folder.path().join("tiny.json"), TINY_CONFIG).unwrap();
    folder
}

/// A corpus of 40 documents of a few sentences over some thirty words.
pub(crate) fn write_corpus(path: &Path) {
    let nouns = [
        "potter", "kiln", "clay", "glaze", "vessel", "workshop", "furnace", "river",
    ];
    let verbs = [
        "opened", "watched", "carried", "cooled", "painted", "measured",
    ];
    let ends = [
        "before the morning came",
        "with great care",
        "after the fire",
        "near the old wall",
    ];
    let mut text = String::new();
    for document in 0..40usize {
        for sentence in 0..6usize {
            let pick = document * 7 + sentence * 3;
            let (noun, object) = (nouns[pick % 8], nouns[(pick / 2 + 3) % 8]);
            let (verb, end) = (verbs[pick % 6], ends[(pick / 3) % 4]);
            text.push_str(&format!("The {noun} slowly {verb} the {object} {end}. "));
        }
        text.push_str("\n\n");
    }
    std::fs::write(path, text).unwrap();
}

/// The smallest BERT worth the name: 32 wide, one layer, 32 positions.
pub(crate) const TINY_CONFIG: &str = r#"{"model_type": "bert", "hidden_size": 32,
    "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64,
    "max_position_embeddings": 32}"#;
