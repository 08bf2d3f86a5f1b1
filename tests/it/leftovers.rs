//! What runs leave behind: nothing when they passed, data and logs when they failed, servers never.
//!
//! A run that was killed (`kill -9`, power) cannot clean up; the next run does it: a folder names the process that made it,
//! and when that is dead its servers are stopped and its data is deleted.

use genims_dev::{ProcessId, Stack};
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// In the folder of a run that failed: its data is wanted.
const KEPT: &str = "kept-because-a-test-failed";
/// Older ones are deleted.
const KEPT_MAX: usize = 3;
/// Where stacks have their data while there is room; and their programs, see `genims_dev`.
pub(crate) const MEMORY: &str = "/dev/shm";
const DISK: &str = "/var/tmp";

/// Where all runs have their folders.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("stacks")
}

pub(crate) fn keep(run: &Path) {
    fs::write(run.join(KEPT), "").unwrap();
    for folder in folders(run) {
        if let Ok(Some(stack)) = Stack::open(&folder)
            && let Err(error) = stack.leave_memory()
        {
            eprintln!("{}: {error}", folder.display());
        }
    }
}

/// Stops the servers of every stack of a run.
pub(crate) fn stop_stacks(run: &Path) {
    for folder in folders(run) {
        match Stack::open(&folder) {
            Ok(Some(stack)) => stack.stop().unwrap_or_else(|error| eprintln!("{}: {error}", folder.display())),
            Ok(None) => {}
            Err(error) => eprintln!("{}: {error}", folder.display()),
        }
    }
}

/// Deletes a run's folder, and the data of its stacks wherever that is; their servers end.
pub(crate) fn delete(run: &Path) {
    for folder in folders(run) {
        if let Ok(Some(stack)) = Stack::open(&folder)
            && let Err(error) = stack.delete(None)
        {
            eprintln!("{}: {error}", folder.display());
        }
    }
    if let Err(error) = fs::remove_dir_all(run) {
        eprintln!("cannot delete {}: {error}", run.display());
    }
}

/// Ends what dead runs left.
pub(crate) fn clear() {
    let dead = folders(&root()).into_iter().filter(|run| !is_alive(run));
    let (mut kept, forgotten): (Vec<PathBuf>, Vec<PathBuf>) = dead.partition(|run| run.join(KEPT).exists());
    kept.sort_by_key(|run| fs::metadata(run.join(KEPT)).and_then(|found| found.modified()).ok());
    kept.truncate(kept.len().saturating_sub(KEPT_MAX));
    for run in forgotten.iter().chain(&kept) {
        delete(run);
    }
    give_memory_back(Path::new(MEMORY), Path::new(DISK));
}

/// Deletes data in memory whose folder somebody deleted (`cargo clean`), so that no run finds it any more.
pub(crate) fn give_memory_back(memory: &Path, disk: &Path) {
    for data in folders(memory) {
        let name = data.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Ok(origin) = fs::read(data.join("origin")) else { continue };
        let origin = Path::new(OsStr::from_bytes(&origin));
        let is_gone = fs::metadata(origin).is_err_and(|error| error.kind() == ErrorKind::NotFound);
        if !name.starts_with("genims-") || data.is_symlink() || !is_gone || is_used(&data) {
            continue;
        }
        if let Err(error) = fs::remove_dir_all(&data) {
            eprintln!("cannot delete {}: {error}", data.display());
        }
        // Most have none.
        let _ = fs::remove_dir_all(disk.join(format!("{name}-bin")));
    }
}

/// Whether a process works in a folder, or its command line names it.
fn is_used(folder: &Path) -> bool {
    let named = folder.as_os_str().as_bytes();
    folders(Path::new("/proc")).into_iter().any(|process| {
        let works_there = fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
        let command_line = fs::read(process.join("cmdline")).unwrap_or_default();
        works_there || command_line.windows(named.len()).any(|part| part == named)
    })
}

/// Whether the process that made a run's folder, `<pid>-<start ticks>`, still runs.
fn is_alive(run: &Path) -> bool {
    let name = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let process = name.split_once('-').and_then(|(pid, start_ticks)| {
        Some(ProcessId { pid: pid.parse().ok()?, start_ticks: start_ticks.parse().ok()? })
    });
    process.is_some_and(ProcessId::is_alive)
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect()
}
