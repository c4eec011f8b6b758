//! A run that is asked to stop, and goes on.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::command::{TINY_CONFIG, kiln, write_corpus};

const STEPS: usize = 300;

/// Starts a run that takes long enough, its disposition of signals set by `shell`; gives it once two
/// steps are made.
fn start(folder: &Path, shell: &str) -> (Child, BufReader<ChildStderr>) {
    write_corpus(&folder.join("text.txt"));
    fs::write(folder.join("tiny.json"), TINY_CONFIG).unwrap();
    let command = format!(
        "pretrain bert --corpus text.txt --config tiny.json --vocab-size 150 --output run \
         --steps {STEPS} --batch-size 4 --seq-len 32 --log-every 1 --eval-every 0"
    );
    let mut sh = Command::new("sh");
    hear_all_signals(&mut sh);
    let mut child = sh
        .args([
            "-c",
            &format!("{shell} exec \"$0\" \"$@\""),
            env!("CARGO_BIN_EXE_kiln"),
        ])
        .args(command.split_whitespace())
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("KILN_BACKEND", "flex")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    wait_for(&mut stderr, "step 2/");
    (child, stderr)
}

/// The tests themselves may run where signals are ignored, as in the background of a shell.
#[expect(unsafe_code, reason = "dispositions have no safe interface")]
pub(crate) fn hear_all_signals(command: &mut Command) {
    // SAFETY: `signal` may be called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            for signal in [libc::SIGINT, libc::SIGHUP, libc::SIGTERM] {
                libc::signal(signal, libc::SIG_DFL);
            }
            Ok(())
        });
    }
}

fn wait_for(stderr: &mut BufReader<ChildStderr>, start: &str) {
    let mut line = String::new();
    while !line.starts_with(start) {
        line.clear();
        let read = stderr.read_line(&mut line).unwrap();
        assert!(read > 0, "the run ended before {start}");
    }
}

pub(crate) fn send(child: &Child, signal: &str) {
    let kill = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
}

#[test]
fn an_ignored_signal_stays_ignored_and_the_exit_code_is_that_of_the_one_that_stops() {
    // nohup ignores one, a shell the other of what it runs in the background.
    for (ignored, signal, other, code) in
        [("HUP", "-HUP", "-INT", 130), ("INT", "-INT", "-TERM", 143)]
    {
        let folder = tempfile::tempdir().unwrap();
        let (child, mut stderr) = start(folder.path(), &format!("trap '' {ignored};"));
        send(&child, signal);
        // Three steps on: a run that had heard it would have stopped after one.
        wait_for(&mut stderr, "step 8/");
        send(&child, other);
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{ignored}: {rest}");
        assert!(rest.contains("stopping after this step"), "{rest}");
    }
}

#[test]
fn a_signal_stops_after_the_step_and_resume_goes_on_without_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (child, mut stderr) = start(folder, "");
    send(&child, "-TERM");
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(143), "{rest}");
    assert!(rest.contains("stopping after this step"), "{rest}");
    assert!(stdout.contains("(interrupted, "), "{stdout}");
    assert!(stdout.contains("go on with: kiln resume run"), "{stdout}");

    let stdout = kiln(folder, "resume run").ok();
    assert!(
        stdout.contains(&format!("(done, {STEPS} of {STEPS} steps)")),
        "{stdout}"
    );
    let metrics = fs::read_to_string(folder.join("run/metrics.jsonl")).unwrap();
    let steps: Vec<u64> = metrics
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|record| record["kind"] == "train")
        .map(|record| record["step"].as_u64().unwrap())
        .collect();
    assert_eq!(steps, (1..=STEPS as u64).collect::<Vec<_>>());
}
