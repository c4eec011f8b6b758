//! How much main memory this process may still take: the smallest of what the machine has free, what
//! its control groups leave, and what the limits of its shell leave.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the control groups' files are.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// From here on a limit is none: version 1 of the control groups writes a number near 2^63 for it.
const NO_LIMIT: u64 = 1 << 60;

/// Main memory that can still be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvailableMemory {
    /// Bytes.
    pub bytes: u64,
    /// What bounds it.
    pub bound: MemoryBound,
}

/// What bounds a process' memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryBound {
    /// What the machine has free.
    Machine,
    /// A control group: a container's or a batch system's limit.
    ControlGroup,
    /// `ulimit -v`.
    AddressSpace,
    /// `ulimit -d`.
    Data,
}

/// Main memory that this process can still take without swapping; `None` where the system does not
/// say (anything but Linux).
pub fn available_memory() -> Option<AvailableMemory> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| free(&text));
    let group = read("/proc/self/cgroup").and_then(|text| left_by_groups(&text, CONTROL_GROUPS));
    let (limits, status) = (read("/proc/self/limits"), read("/proc/self/status"));
    let left = |limit: &str, used: &str| {
        let limit = soft_limit(limits.as_deref()?, limit)?;
        let used = kibibytes(status.as_deref()?, used).unwrap_or(0);
        Some(limit.saturating_sub(used))
    };
    [
        (machine, MemoryBound::Machine),
        (group, MemoryBound::ControlGroup),
        (
            left("Max address space", "VmSize:"),
            MemoryBound::AddressSpace,
        ),
        (left("Max data size", "VmData:"), MemoryBound::Data),
    ]
    .into_iter()
    .filter_map(|(bytes, bound)| {
        Some(AvailableMemory {
            bytes: bytes?,
            bound,
        })
    })
    .min_by_key(|memory| memory.bytes)
}

/// `MemAvailable` of `/proc/meminfo`.
fn free(meminfo: &str) -> Option<u64> {
    kibibytes(meminfo, "MemAvailable:")
}

/// The number of a line `name 123 kB`, in bytes.
pub(crate) fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(1024)
}

/// The soft limit called `name` in `/proc/self/limits`; none if there is none.
fn soft_limit(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What the control groups named in `/proc/self/cgroup` leave: the least of a group's and of those
/// it is in.
fn left_by_groups(groups: &str, root: &str) -> Option<u64> {
    let of_line = |line: &str| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let path = path.trim_start_matches('/');
        if controllers.is_empty() {
            let files = ["memory.max", "memory.current", "inactive_file"];
            return least(Path::new(root), path, files);
        }
        let is_memory = controllers.split(',').any(|name| name == "memory");
        let files = [
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        ];
        let base = Path::new(root).join("memory");
        is_memory.then(|| least(&base, path, files)).flatten()
    };
    groups.lines().filter_map(of_line).min()
}

/// The least that a group in `base` and those around it leave. Inside a container the path may be
/// another's; its own files then lie in `base`.
fn least(base: &Path, path: &str, files: [&str; 3]) -> Option<u64> {
    let full: PathBuf = base.join(path);
    let groups = full.ancestors().take_while(|group| group.starts_with(base));
    groups.filter_map(|group| left(group, files)).min()
}

/// What one group leaves; what it holds of files that can be read again counts as free.
fn left(group: &Path, [limit, used, reclaimable]: [&str; 3]) -> Option<u64> {
    let number = |file: &str| -> Option<u64> {
        fs::read_to_string(group.join(file))
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    let limit = number(limit).filter(|&limit| limit < NO_LIMIT)?;
    let statistics = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let reclaimable = statistics.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        (name == reclaimable).then(|| value.trim().parse().ok())?
    });
    let used = number(used)?.saturating_sub(reclaimable.unwrap_or(0));
    Some(limit.saturating_sub(used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_memory_is_what_the_kernel_calls_available() {
        let text = "MemTotal:       24546024 kB\nMemFree:          524288 kB\n\
                    MemAvailable:   20971520 kB\n";
        assert_eq!(free(text), Some(20 << 30));
        assert_eq!(free("MemTotal: 1 kB"), None);
    }

    #[test]
    fn a_limit_is_the_soft_one_and_none_if_unlimited() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max data size             unlimited            unlimited            bytes     \n\
                    Max address space         614400000            700000000            bytes     \n";
        assert_eq!(soft_limit(text, "Max address space"), Some(614_400_000));
        assert_eq!(soft_limit(text, "Max data size"), None);
    }

    fn write(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn the_tightest_of_nested_groups_counts_and_files_it_holds_count_as_free() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let outer = folder.path().join("jobs");
        write(
            &outer,
            &[
                ("memory.max", "1000000\n"),
                ("memory.current", "900000\n"),
                ("memory.stat", "anon 5\ninactive_file 300000\n"),
            ],
        );
        write(
            &outer.join("one"),
            &[("memory.max", "max\n"), ("memory.current", "10\n")],
        );
        assert_eq!(left_by_groups("0::/jobs/one\n", root), Some(400_000));
        // A path that is not there: what lies at the root counts, here nothing.
        assert_eq!(left_by_groups("0::/elsewhere\n", root), None);
        write(
            folder.path(),
            &[("memory.max", "50"), ("memory.current", "20")],
        );
        assert_eq!(left_by_groups("0::/elsewhere\n", root), Some(30));
    }

    #[test]
    fn the_older_groups_have_a_folder_for_memory_and_a_huge_number_for_no_limit() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let memory = folder.path().join("memory");
        write(
            &memory,
            &[
                ("memory.limit_in_bytes", "9223372036854771712"),
                ("memory.usage_in_bytes", "77"),
            ],
        );
        write(
            &memory.join("a"),
            &[
                ("memory.limit_in_bytes", "100"),
                ("memory.usage_in_bytes", "70"),
            ],
        );
        let groups = "9:cpu:/a\n4:memory:/a\n0::/\n";
        assert_eq!(left_by_groups(groups, root), Some(30));
        assert_eq!(left_by_groups("4:memory:/\n", root), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_some_memory_left() {
        assert!(available_memory().is_some_and(|memory| memory.bytes > 0));
    }
}
