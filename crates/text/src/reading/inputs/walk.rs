//! What a folder holds: files in all its subfolders, in the order of their names.

use std::collections::HashSet;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{TextError, read_failed};
use crate::reading::left_out::LeftOut;
use crate::reading::passed_over::passed_over;

/// The files below `folder`, sorted by path. Hidden ones, links that lead nowhere, and what is no
/// file are left out and counted; a folder that links lead to again is read once.
pub(super) fn walk(folder: &Path, left_out: &mut LeftOut) -> Result<Vec<PathBuf>, TextError> {
    let root = fs::canonicalize(folder).map_err(read_failed(folder))?;
    let mut walk = Walk {
        root,
        files: Vec::new(),
        links: Vec::new(),
        seen: HashSet::new(),
        left_out,
    };
    walk.enter(folder).map_err(read_failed(folder))?;
    let Walk {
        mut files, links, ..
    } = walk;
    if !links.is_empty() {
        let targets: HashSet<PathBuf> = files
            .iter()
            .filter_map(|file| fs::canonicalize(file).ok())
            .collect();
        let mut linked = HashSet::new();
        for (link, target) in links {
            if targets.contains(&target) || !linked.insert(target) {
                left_out.add("link to a file that is read already", link.display());
            } else {
                files.push(link);
            }
        }
    }
    files.sort();
    Ok(files)
}

struct Walk<'a> {
    /// The folder's one true path.
    root: PathBuf,
    files: Vec<PathBuf>,
    /// Links to files, and where they lead.
    links: Vec<(PathBuf, PathBuf)>,
    /// Folders that were entered, by their one true path.
    seen: HashSet<PathBuf>,
    left_out: &'a mut LeftOut,
}

impl Walk<'_> {
    fn enter(&mut self, folder: &Path) -> io::Result<()> {
        // Not by recursion: depth is the folder's, and the stack ours.
        let mut waiting = vec![folder.to_path_buf()];
        while let Some(next) = waiting.pop() {
            let entries = fs::canonicalize(&next).and_then(|path| {
                // A link to what the folder itself lies in would bring its neighbours along.
                let is_above = path != self.root && self.root.starts_with(&path);
                if !is_above && self.seen.insert(path) {
                    sorted(&next).map(Some)
                } else {
                    Ok(None)
                }
            });
            let entries = match entries {
                Ok(Some(entries)) => entries,
                Ok(None) => {
                    let reason = "link to a folder that is read already, or that this one is in";
                    self.left_out.add(reason, next.display());
                    continue;
                }
                Err(error) if next == folder => return Err(error),
                Err(error) => {
                    self.unreadable(&next, &error);
                    continue;
                }
            };
            let mut folders = Vec::new();
            for entry in entries {
                if let Some(folder) = self.look_at(&entry) {
                    folders.push(folder);
                }
            }
            // Links last, so that a folder is known by its own path where it has one here.
            let (links, folders): (Vec<_>, Vec<_>) =
                folders.into_iter().partition(|path| path.is_symlink());
            waiting.splice(0..0, links);
            waiting.extend(folders);
        }
        Ok(())
    }

    /// Notes a file; hands a folder back.
    fn look_at(&mut self, entry: &DirEntry) -> Option<PathBuf> {
        let path = entry.path();
        if let Some(reason) = passed_over(entry.file_name().as_encoded_bytes()) {
            self.left_out.add(reason, path.display());
            return None;
        }
        let kind = match fs::metadata(&path) {
            Ok(metadata) => metadata.file_type(),
            Err(_) if path.is_symlink() => {
                self.left_out.add("broken link", path.display());
                return None;
            }
            Err(error) => {
                self.unreadable(&path, &error);
                return None;
            }
        };
        if kind.is_dir() {
            return Some(path);
        }
        if !kind.is_file() {
            let reason = "pipe, socket or device";
            self.left_out.add(reason, path.display());
        } else if path.is_symlink() {
            match fs::canonicalize(&path) {
                Ok(target) => self.links.push((path, target)),
                Err(error) => self.unreadable(&path, &error),
            }
        } else {
            self.files.push(path);
        }
        None
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        self.left_out
            .add(format!("cannot be read ({error})"), path.display());
    }
}

fn sorted(folder: &Path) -> io::Result<Vec<DirEntry>> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}
