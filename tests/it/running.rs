//! A process under test: its output goes to a file, every wait is bounded, and dropping it kills it.

#![allow(dead_code, reason = "a tool box: which tools are in use changes with the topics")]

use crate::logs::holds_no_secret;
use chrono::{Days, NaiveDate, NaiveTime, Utc};
use std::fmt::Debug;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const POLL_INTERVAL: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Running {
    child: Arc<Mutex<Child>>,
    log: PathBuf,
}

impl Running {
    /// What the process prints is appended to `log`, so that one file tells the story of several runs.
    pub(crate) fn spawn(mut command: Command, log: PathBuf) -> Self {
        let file = File::options().create(true).append(true).open(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        Self { child: Arc::new(Mutex::new(child)), log }
    }

    pub(crate) fn child(&self) -> &Arc<Mutex<Child>> {
        &self.child
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    pub(crate) fn log_text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// `kill -9`.
    #[track_caller]
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        drop(child);
        holds_no_secret(&self.log);
    }

    /// Asks the process to end (SIGTERM).
    pub(crate) fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child.lock().unwrap());
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for the process to end by itself; `None` when it has not within `limit`.
    #[track_caller]
    pub(crate) fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            let ended = self.child.lock().unwrap().try_wait().unwrap();
            if ended.is_some() {
                holds_no_secret(&self.log);
            }
            if ended.is_some() || Instant::now() >= deadline {
                return ended;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Ok(mut child) = self.child.lock() else { return };
        // Already gone is as good.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Repeats `check` until it is true; panics when it is not within `limit`.
#[track_caller]
pub(crate) fn eventually(what: &str, limit: Duration, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !check() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Repeats `look` until it has nothing left to say; panics when it says the same for `limit`. How long all of it takes is up to
/// the machine, which other tests keep busy: what stands still has failed, and what goes round in circles for many times as long.
#[track_caller]
pub(crate) fn goes_on<P: PartialEq + Debug>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<P>) {
    let mut last = None;
    let end = Instant::now() + 15 * limit;
    let mut deadline = Instant::now() + limit;
    while let Some(now) = look() {
        if last.as_ref() != Some(&now) {
            deadline = Instant::now() + limit;
        }
        assert!(Instant::now() < deadline.min(end), "not a step within {limit:?}, or never done: {what}: {now:#?}");
        last = Some(now);
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Today, in UTC, with some minutes of it left: partitions are made a fortnight ahead, and who counts on having made them all must not
/// find one more day a moment later. Else the next day is waited for.
pub(crate) fn today_with_room() -> NaiveDate {
    const ROOM: Duration = Duration::from_secs(300);
    loop {
        let now = Utc::now();
        let midnight = (now.date_naive() + Days::new(1)).and_time(NaiveTime::MIN).and_utc();
        match (midnight - now).to_std() {
            Ok(left) if left < ROOM => std::thread::sleep(left),
            _ => return now.date_naive(),
        }
    }
}
