//! Text that comes through a pipe: it can be read once, and its end is where the writer stops.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempPath;

use crate::error::{TextError, read_failed};

/// The path that stands for standard input.
pub(super) const STANDARD_INPUT: &str = "-";

/// How long a named pipe may have no writer: opening it waits for one, for ever if there is none.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes that are copied at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// Whether a path names something that can be read once only.
pub(super) fn is_pipe(path: &Path) -> Result<bool, TextError> {
    if path.as_os_str() == STANDARD_INPUT {
        return Ok(true);
    }
    let kind = fs::metadata(path).map_err(read_failed(path))?.file_type();
    if kind.is_file() || kind.is_dir() {
        return Ok(false);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_fifo() || kind.is_char_device() {
            return Ok(true);
        }
    }
    Err(TextError::NotText {
        path: path.to_path_buf(),
        kind: "a socket or a device".to_owned(),
        remedy: "pass files, folders or pipes".to_owned(),
    })
}

/// Opens a pipe.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read + Send>, TextError> {
    let refused = |kind: &str, remedy: &str| TextError::NotText {
        path: path.to_path_buf(),
        kind: kind.to_owned(),
        remedy: remedy.to_owned(),
    };
    let is_standard = path.as_os_str() == STANDARD_INPUT;
    let terminal = "a terminal, which no text comes from";
    let remedy = "pipe text into the command, or pass files";
    if is_standard {
        if io::IsTerminal::is_terminal(&io::stdin()) {
            return Err(refused(terminal, remedy));
        }
        return Ok(Box::new(io::stdin()));
    }
    let (sender, receiver) = mpsc::channel();
    let pipe = path.to_path_buf();
    // A thread of its own, which waits for ever where no writer comes; the process ends without it.
    std::thread::Builder::new()
        .spawn(move || sender.send(File::open(pipe)))
        .map_err(|reason| TextError::Thread { reason })?;
    match receiver.recv_timeout(PATIENCE) {
        Ok(file) => {
            let file = file.map_err(read_failed(path))?;
            if io::IsTerminal::is_terminal(&file) {
                return Err(refused(terminal, remedy));
            }
            Ok(Box::new(file))
        }
        Err(_) => Err(refused(
            &format!(
                "a pipe that no program opened for writing within {} s",
                PATIENCE.as_secs()
            ),
            "start its writer first",
        )),
    }
}

/// What came through a pipe, in a file that goes away with this.
#[derive(Debug)]
pub(super) struct Spooled {
    pub(super) path: TempPath,
    pub(super) bytes: u64,
}

/// Copies all that comes to a temporary file.
pub(super) fn spool(
    path: &Path,
    mut pipe: impl Read,
    progress: &mut dyn FnMut(u64),
) -> Result<Spooled, TextError> {
    let write_failed = |reason: io::Error| TextError::Spool {
        path: path.to_path_buf(),
        folder: std::env::temp_dir(),
        reason,
    };
    let mut file = tempfile::Builder::new()
        .prefix("kiln-pipe-")
        .tempfile()
        .map_err(write_failed)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut bytes = 0;
    loop {
        let read = match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(read_failed(path)(error)),
        };
        let piece = buffer.get(..read).unwrap_or_default();
        file.write_all(piece).map_err(write_failed)?;
        bytes += read as u64;
        progress(bytes);
    }
    file.flush().map_err(write_failed)?;
    Ok(Spooled {
        path: file.into_temp_path(),
        bytes,
    })
}

/// What a message calls it.
pub(super) fn name(path: &Path) -> PathBuf {
    if path.as_os_str() == STANDARD_INPUT {
        PathBuf::from("standard input")
    } else {
        path.to_path_buf()
    }
}
