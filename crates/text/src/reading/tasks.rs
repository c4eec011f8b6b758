//! Sharing paragraphs out among threads.

use super::reader::Paragraph;
use crate::error::TextError;

/// More are of no use, and many more never end: a thread without work asks all others for some, and
/// rayon makes 65,535 of any larger number.
const MOST_THREADS: usize = 1024;

/// Threads of its own, so that the caller's setting holds whatever else the process does.
pub(crate) fn thread_pool(threads: usize) -> Result<rayon::ThreadPool, TextError> {
    let refused = |remedy: String| TextError::Setting {
        field: "threads",
        value: threads.to_string(),
        remedy,
    };
    if threads > MOST_THREADS {
        return Err(refused(format!(
            "choose at most {MOST_THREADS}, or leave it out for one a core"
        )));
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|reason| refused(format!("{reason}; choose fewer")))
}

/// Groups paragraphs into tasks of about `task_bytes`.
pub(crate) fn tasks<'a>(
    paragraphs: Vec<Paragraph<'a>>,
    task_bytes: usize,
) -> Vec<Vec<Paragraph<'a>>> {
    let mut tasks = Vec::new();
    let mut task = Vec::new();
    let mut bytes = 0;
    for paragraph in paragraphs {
        bytes += paragraph.text.len();
        task.push(paragraph);
        if bytes >= task_bytes {
            tasks.push(std::mem::take(&mut task));
            bytes = 0;
        }
    }
    tasks.push(task);
    tasks
}
