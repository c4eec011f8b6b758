//! What is refused, as it is printed.
//!
//! Each line of a table in `refusals/` is a shell's: it makes a refusal happen, and `kiln` comes last
//! in it. What is printed stands in the snapshot beside the table, sorted by the message: review it
//! like code. Lines that begin with `@` come first and make what all lines find in their folder,
//! together with `text.txt` and `model.json`; those with `#` are comments. `NAME[SHAPE]=NUMBERS` in
//! front of ` | ` are tensors in `x.safetensors`; `2x9` is nine times 2.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::command::{TINY_CONFIG, write_corpus};
use crate::faults::{copy, names_in};

/// `json FILE FIELD VALUE` gives a field of a JSON object a value: the last one of a name counts.
const JSON: &str = r#"json() { sed -i '$ s|}[[:space:]]*$|, "'"$2"'": '"$3"'}|' "$1"; }"#;

macro_rules! tables {
    ($($name:ident),+) => {$(
        #[test]
        fn $name() {
            let table = include_str!(concat!("refusals/", stringify!($name), ".txt"));
            let transcript = transcript(table);
            let mut settings = insta::Settings::clone_current();
            settings.set_snapshot_path("refusals");
            settings.set_prepend_module_to_snapshot(false);
            settings.set_omit_expression(true);
            settings.bind(|| insta::assert_snapshot!(stringify!($name), transcript));
        }
    )+};
}

tables!(
    asking, backends, configs, flags, runs, text, tokenizers, tuning, weights
);

/// Commands of a table with what they print and their exit codes, by what they print.
fn transcript(table: &str) -> String {
    let template = tempfile::tempdir().unwrap();
    let template = template.path();
    write_corpus(&template.join("text.txt"));
    fs::write(template.join("model.json"), TINY_CONFIG).unwrap();
    let lines = table.lines().map(str::trim);
    let (setup, cases): (Vec<_>, Vec<_>) = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .partition(|line| line.starts_with('@'));
    for line in setup {
        let (code, printed) = shell(template, &line[1..]);
        assert_eq!(code, 0, "{line}: {printed}");
    }
    let mut refusals = Vec::new();
    let mut faults = Vec::new();
    for case in cases {
        match refusal(template, case) {
            Ok((code, printed)) => {
                let block = format!("$ {case}\n{printed}\n[{code}]\n");
                refusals.push((printed, block));
            }
            Err(fault) => faults.push(format!("{case}\n    {fault}")),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    refusals.sort();
    let blocks: Vec<String> = refusals.into_iter().map(|(_, block)| block).collect();
    blocks.join("\n")
}

/// The exit code of a case, and what it prints from its error on; or what is wrong with that.
fn refusal(template: &Path, case: &str) -> Result<(i32, String), String> {
    // A refusal leaves nothing behind, so that only those that prepare something need a copy.
    let own = tempfile::tempdir().unwrap();
    let is_bare = case.starts_with("kiln ");
    let folder = if is_bare {
        template
    } else {
        copy(template, own.path());
        own.path()
    };
    let before = names_in(folder);
    let command = match case.split_once(" | ") {
        Some((tensors, command)) if tensors.contains("]=") => {
            write_tensors(&folder.join("x.safetensors"), tensors);
            command
        }
        _ => case,
    };
    let (code, printed) = shell(folder, command);
    let new = names_in(folder).into_iter();
    let mut new = new.filter(|name| name != "cache" && !before.contains(name));
    if let (true, Some(name)) = (is_bare, new.next()) {
        return Err(format!("leaves {name} behind, exit code {code}: {printed}"));
    }
    let Some((_, error)) = printed.split_once("error: ") else {
        return Err(format!("is not refused, exit code {code}: {printed}"));
    };
    // What clap says has its usage behind it; all else is one line.
    let error = error.trim_end();
    let is_line = !error.contains('\n') || error.contains("\nUsage: ") || error.contains("--help");
    let is_one = is_line && !error.contains("\nerror: ") && !error.contains("internal fault");
    if !(is_one && (code == 1 || code == 2)) {
        return Err(format!(
            "is not refused in a line, exit code {code}: {printed}"
        ));
    }
    let folder = folder.canonicalize().unwrap();
    let error = error.replace(&folder.display().to_string(), "[folder]");
    Ok((code, stable(&format!("error: {error}"))))
}

/// Runs a line of shell in which `kiln` is the binary; its exit code and what it printed.
fn shell(folder: &Path, line: &str) -> (i32, String) {
    let binary = Path::new(env!("CARGO_BIN_EXE_kiln"));
    let folders = std::env::var("PATH").unwrap_or_default();
    let folders = format!("{}:{folders}", binary.parent().unwrap().display());
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new("timeout")
        .args(["120", "sh", "-e", "-c", &format!("{JSON}\n{line}")])
        .env("CRATES", fixtures)
        .current_dir(folder)
        .env("PATH", folders)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("KILN_BACKEND", "flex")
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .env_remove("RUST_LOG")
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap_or(-1), stdout + &stderr)
}

/// What differs from machine to machine, from build to build, and with every word of a text is left
/// out: sizes of memory, backends, hashes.
fn stable(printed: &str) -> String {
    // A state holds seconds.
    if printed.starts_with("error: not enough memory") || printed.contains("state.json: has ") {
        return without_words(printed, "[n]", |word| {
            word.bytes().all(|b| b.is_ascii_digit())
        });
    }
    let mut hidden = without_words(printed, "[hash]", |word| {
        let is_hash = word.len() >= 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash && word.bytes().any(|byte| byte.is_ascii_alphabetic())
    });
    if let Some((before, after)) = hidden.split_once("/kiln-pipe-") {
        let end = after.find('"').unwrap_or(after.len());
        hidden = format!("{before}/kiln-pipe-[random]{}", &after[end..]);
    }
    let present = "this build has ";
    match hidden.split_once(present) {
        Some((before, after)) => {
            let end = after.find(')').unwrap_or(after.len());
            format!("{before}{present}[backends]{}", &after[end..])
        }
        None => hidden,
    }
}

/// `text` with `stand_in` in the place of words of letters and digits that `is_hidden` names.
fn without_words(text: &str, stand_in: &str, is_hidden: impl Fn(&str) -> bool) -> String {
    let mut shown = String::new();
    for part in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let word = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if !word.is_empty() && is_hidden(word) {
            shown.push_str(stand_in);
            shown.push_str(&part[word.len()..]);
        } else {
            shown.push_str(part);
        }
    }
    shown
}

/// Writes tensors that are given as `NAME[SHAPE]=NUMBERS`: whole numbers as int64, others as float32.
fn write_tensors(path: &Path, tensors: &str) {
    let tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> =
        tensors.split_whitespace().map(tensor).collect();
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn tensor(text: &str) -> (String, Dtype, Vec<usize>, Vec<u8>) {
    let (name, rest) = text.split_once('[').unwrap();
    let (shape, numbers) = rest.split_once("]=").unwrap();
    let list = |text: &str| -> Vec<String> {
        let items = text.split(',').filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    };
    let shape = list(shape)
        .iter()
        .map(|size| size.parse().unwrap())
        .collect();
    let numbers: Vec<String> = match numbers.split_once('x') {
        Some((number, times)) => vec![number.to_owned(); times.parse().unwrap()],
        None => list(numbers),
    };
    if numbers.iter().any(|number| number.contains('.')) {
        let bytes = numbers
            .iter()
            .flat_map(|n| n.parse::<f32>().unwrap().to_le_bytes());
        (name.to_owned(), Dtype::F32, shape, bytes.collect())
    } else {
        let bytes = numbers
            .iter()
            .flat_map(|n| n.parse::<i64>().unwrap().to_le_bytes());
        (name.to_owned(), Dtype::I64, shape, bytes.collect())
    }
}
