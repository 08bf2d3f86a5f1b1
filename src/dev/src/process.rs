//! Processes that outlive the command that started them.
//!
//! A pid alone is no identity: it is reused. A process is named by pid and start time, and is recognised only while its
//! command line still names the stack's folder; nothing else is ever signalled. A zombie counts as gone.

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const POLL_INTERVAL: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    pub pid: u32,
    /// Clock ticks from boot to the start of the process (`/proc/<pid>/stat`, field 22).
    pub start_ticks: u64,
}

impl ProcessId {
    /// The process that has this pid now; `None` when there is none, or only a zombie.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (state, start_ticks) = state_and_start(&stat)?;
        (!matches!(state, 'Z' | 'X')).then_some(Self { pid, start_ticks })
    }

    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Alive, and its command line names `folder`.
    pub(super) fn serves(self, folder: &Path) -> bool {
        let Ok(command_line) = fs::read(format!("/proc/{}/cmdline", self.pid)) else { return false };
        let folder = folder.as_os_str().as_encoded_bytes();
        self.is_alive() && memchr::memmem::find(&command_line, folder).is_some()
    }

    /// Signals the process if it is still this one; false when it is gone.
    pub(super) fn signal(self, signal: Signal) -> bool {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return false };
        self.is_alive() && kill_process(pid, signal).is_ok()
    }

    /// The process itself, then those that it started and that still run.
    pub(super) fn family(self) -> Vec<Self> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        let list = fs::read_to_string(path).unwrap_or_default();
        let children = list.split_whitespace().filter_map(|pid| Self::of(pid.parse().ok()?));
        std::iter::once(self).chain(children).collect()
    }

    /// Waits until the process is gone; false when it is not within `limit`.
    pub(super) fn wait_gone(self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        true
    }
}

/// The command name in `/proc/<pid>/stat` is in brackets and may itself contain blanks and brackets.
fn state_and_start(stat: &str) -> Option<(char, u64)> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace();
    let state = fields.next()?.chars().next()?;
    // `state` is field 3 of the line, the start time field 22.
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn state_and_start_are_read_behind_a_name_with_brackets() {
        let stat = "42 (a) (b c) S 1 42 42 0 -1 4194560 5 0 0 0 1 2 0 0 20 0 1 0 98765 1000 10 18446744073709551615";
        assert_eq!(state_and_start(stat), Some(('S', 98_765)));
    }

    #[test]
    fn a_process_is_recognised_only_by_pid_and_start_and_folder() {
        let mut child = Command::new("tail").args(["-f", "/dev/null"]).stdin(Stdio::null()).spawn().unwrap();
        let process = ProcessId::of(child.id()).unwrap();
        assert!(process.is_alive());
        assert!(!ProcessId { start_ticks: process.start_ticks + 1, ..process }.is_alive());
        assert!(!process.serves(Path::new("/tmp/another-stack")));
        assert!(!ProcessId { start_ticks: process.start_ticks + 1, ..process }.signal(Signal::KILL));
        assert!(process.is_alive());
        assert!(process.signal(Signal::KILL));
        assert!(process.wait_gone(Duration::from_secs(5)), "a zombie counts as gone");
        child.wait().unwrap();
    }
}
