//! A server of our own, in passing: what a database is brought to a moment in.
//!
//! In: its program and arguments, a folder. Out: one that answers, or why it does not. Invariants: only it is ever told to end, by its
//! own id; whoever waits for it gives up when it neither answers nor says anything for a quarter of an hour; it ends with its handle.

use crate::child::{SILENCE_MAX, command};
use crate::errors::BackupError;
use crate::programs::Program;
use crate::scratch::Scratch;
use genims_model::Backoff;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::process::Child;
use tokio::time::{sleep, timeout};

const LOG: &str = "server.log";
const ASK_MIN: Duration = Duration::from_millis(50);
const ASK_MAX: Duration = Duration::from_millis(500);
/// Until it is ended the hard way; nothing of it is needed any more.
const STOP_MAX: Duration = Duration::from_secs(60);
/// Of what it said, in a message.
const SAID_MAX: u64 = 1_000;

pub(crate) struct Private {
    child: Child,
    database: String,
    program: &'static str,
    log: PathBuf,
    stop: Signal,
}

impl Private {
    /// `stop` ends it in order, whoever is connected.
    pub(crate) fn start(
        scratch: &Scratch,
        database: &str,
        (name, program): (&'static str, &Program),
        arguments: &[String],
        stop: Signal,
    ) -> Result<Self, BackupError> {
        let log = scratch.path().join(LOG);
        let file = scratch.open(&log)?;
        let also = file.try_clone().map_err(BackupError::write(&log))?;
        let mut command = command(program, Some(scratch));
        command.args(arguments).stdin(Stdio::null()).stdout(file).stderr(also);
        let child = command.spawn().map_err(|error| BackupError::Program {
            database: database.to_owned(),
            program: program.path.display().to_string(),
            cause: error.to_string(),
        })?;
        Ok(Self { child, database: database.to_owned(), program: name, log, stop })
    }

    /// Asks until it answers.
    pub(crate) async fn answers(&mut self, mut ask: impl AsyncFnMut() -> bool) -> Result<(), BackupError> {
        let mut pauses = Backoff::new(ASK_MIN, ASK_MAX);
        let (mut since, mut length) = (Instant::now(), 0);
        loop {
            if ask().await {
                return Ok(());
            }
            match self.child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => return Err(self.failed(ended(status))),
                Err(error) => return Err(self.failed(format!("cannot be watched ({error})"))),
            }
            let found = self.log.metadata().map_or(0, |found| found.len());
            if found != length {
                (since, length) = (Instant::now(), found);
            }
            if since.elapsed() > SILENCE_MAX {
                return Err(self.failed(format!("said nothing for {} minutes", SILENCE_MAX.as_secs() / 60)));
            }
            sleep(pauses.next_delay()).await;
        }
    }

    pub(crate) async fn stop(mut self) -> Result<(), BackupError> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        // Without an id it has ended.
        let told = id.is_some_and(|id| kill_process(id, self.stop).is_ok());
        if told && timeout(STOP_MAX, self.child.wait()).await.is_ok() {
            return Ok(());
        }
        self.child.kill().await.map_err(|error| self.failed(format!("cannot be ended ({error})")))
    }

    fn failed(&self, cause: String) -> BackupError {
        BackupError::Private { database: self.database.clone(), program: self.program, cause, said: self.said() }
    }

    /// The end of it, on one line.
    fn said(&self) -> String {
        let mut text = Vec::new();
        let read = std::fs::File::open(&self.log).and_then(|mut file| {
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(SAID_MAX)))?;
            file.read_to_end(&mut text)
        });
        match read {
            Ok(_) => {
                let text = String::from_utf8_lossy(&text);
                text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
            }
            Err(error) => format!("its log cannot be read: {error}"),
        }
    }
}

fn ended(status: ExitStatus) -> String {
    format!("ended before it answered ({status})")
}
