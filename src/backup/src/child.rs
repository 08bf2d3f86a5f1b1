//! A program of an engine, run to its end. In: its arguments and what is fed to it. Out: what it writes, piece by piece, or the cause
//! why it failed. Invariants: memory is bounded; a program that does nothing for a quarter of an hour is ended; none outlives us.

use crate::errors::BackupError;
use crate::programs::Program;
use crate::saved::SavedFile;
use crate::scratch::Scratch;
use std::io::Read;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const PIECE: usize = 256 * 1024;
/// What is kept of its complaints.
const COMPLAINT_MAX: usize = 4 * 1024;
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(15 * 60);

pub(crate) struct Call<'a> {
    pub(crate) database: &'a str,
    pub(crate) program: &'a Program,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Where it works, as the account that owns that; none: here, as we are.
    pub(crate) scratch: Option<&'a Scratch>,
}

impl Call<'_> {
    /// `take` gets everything that it writes to its standard output.
    pub(crate) async fn read(&self, mut take: impl FnMut(&[u8]) -> Result<(), BackupError>) -> Result<(), BackupError> {
        let mut child = self.start(Stdio::null(), Stdio::piped())?;
        let complaint = tokio::spawn(complaint(child.stderr.take()));
        if let Some(mut stdout) = child.stdout.take() {
            let mut piece = vec![0; PIECE];
            loop {
                let count = self.bounded(stdout.read(&mut piece)).await?;
                if count == 0 {
                    break;
                }
                take(&piece[..count])?;
            }
        }
        self.end(child, complaint).await
    }

    /// `feed` writes what it is to read, and closes it.
    pub(crate) async fn feed<F>(&self, feed: impl FnOnce(Feed) -> F) -> Result<(), BackupError>
    where
        F: Future<Output = Result<(), BackupError>>,
    {
        let mut child = self.start(Stdio::piped(), Stdio::null())?;
        let complaint = tokio::spawn(complaint(child.stderr.take()));
        let fed = match child.stdin.take() {
            Some(stdin) => feed(Feed { stdin, silent: self.silent() }).await,
            None => Ok(()),
        };
        match fed {
            // A pipe that broke has its reason in what the program says.
            Err(error @ BackupError::Write { .. }) => self.end(child, complaint).await.and(Err(error)),
            Err(error) => Err(error),
            Ok(()) => self.end(child, complaint).await,
        }
    }

    fn start(&self, stdin: Stdio, stdout: Stdio) -> Result<Child, BackupError> {
        let mut command = command(self.program, self.scratch);
        command.args(&self.arguments).stdin(stdin).stdout(stdout).stderr(Stdio::piped());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.spawn().map_err(|error| self.failed(error.to_string()))
    }

    async fn end(&self, mut child: Child, complaint: JoinHandle<String>) -> Result<(), BackupError> {
        let status = self.bounded(child.wait()).await?;
        if status.success() {
            return Ok(());
        }
        let complaint = self.bounded(async { Ok(complaint.await.unwrap_or_default()) }).await?;
        Err(self.failed(if complaint.is_empty() { status.to_string() } else { complaint }))
    }

    async fn bounded<T>(&self, work: impl Future<Output = std::io::Result<T>>) -> Result<T, BackupError> {
        match timeout(SILENCE_MAX, work).await {
            Ok(result) => result.map_err(|error| self.failed(error.to_string())),
            Err(_) => Err(self.silent().error()),
        }
    }

    fn silent(&self) -> Silent {
        Silent { database: self.database.to_owned(), program: self.program.path.display().to_string() }
    }

    fn failed(&self, cause: String) -> BackupError {
        let program = self.program.path.display().to_string();
        BackupError::Program { database: self.database.to_owned(), program, cause }
    }
}

/// What runs a program: it ends with its handle.
pub(crate) fn command(program: &Program, scratch: Option<&Scratch>) -> Command {
    let mut command = Command::new(&program.path);
    command.kill_on_drop(true);
    // What our own environment says of another server must not reach it.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("PG") || text.starts_with("MYSQL") {
            command.env_remove(&name);
        }
    }
    command.env("LC_ALL", "C");
    if let Some(scratch) = scratch {
        // Programs put their passing files there as well, and need no home of their own.
        command.current_dir(scratch.path()).env("TMPDIR", scratch.path()).env("HOME", scratch.path());
        if let Some((user, group)) = scratch.account {
            command.uid(user).gid(group);
        }
    }
    command
}

/// Who it is that does nothing.
struct Silent {
    database: String,
    program: String,
}

impl Silent {
    fn error(&self) -> BackupError {
        let (database, program) = (self.database.clone(), self.program.clone());
        BackupError::Silent { database, program, minutes: SILENCE_MAX.as_secs() / 60 }
    }
}

/// The standard input of a program.
pub(crate) struct Feed {
    stdin: ChildStdin,
    silent: Silent,
}

impl Feed {
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        let Ok(written) = timeout(SILENCE_MAX, self.stdin.write_all(bytes)).await else {
            return Err(self.silent.error());
        };
        written.map_err(|source| BackupError::Write { path: "the program's input".to_owned(), source })
    }

    /// All of it, by way of `pass`, which is given nothing at the end.
    pub(crate) async fn copy(
        &mut self,
        file: &mut SavedFile,
        mut pass: impl FnMut(&[u8], &mut Vec<u8>),
    ) -> Result<(), BackupError> {
        let (mut piece, mut out) = (vec![0; PIECE], Vec::with_capacity(PIECE));
        loop {
            let count = file.read(&mut piece).map_err(BackupError::read(&file.path))?;
            pass(&piece[..count], &mut out);
            self.write(&out).await?;
            if count == 0 {
                return Ok(());
            }
            out.clear();
        }
    }
}

/// The end of what it complains of, on one line.
async fn complaint(stderr: Option<ChildStderr>) -> String {
    let Some(mut stderr) = stderr else { return String::new() };
    let (mut kept, mut piece) = (Vec::new(), vec![0; COMPLAINT_MAX]);
    while let Ok(count) = stderr.read(&mut piece).await {
        if count == 0 {
            break;
        }
        kept.extend_from_slice(&piece[..count]);
        let over = kept.len().saturating_sub(COMPLAINT_MAX);
        kept.drain(..over);
    }
    let text = String::from_utf8_lossy(&kept);
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The clock goes on by itself as soon as everybody waits.
    #[tokio::test(start_paused = true)]
    async fn a_program_that_does_nothing_is_ended_with_what_to_do() {
        let program = Program { path: "sleep".into(), version: String::new() };
        let (arguments, environment) = (vec!["1000".to_owned()], Vec::new());
        let call = Call { database: "genims_audit_db", program: &program, arguments, environment, scratch: None };
        let piece = vec![0; 4 * PIECE];
        let fed = call.feed(|mut feed| async move { feed.write(&piece).await }).await;
        for silent in [call.read(|_| Ok(())).await, fed] {
            let told = silent.expect_err("it says nothing and takes nothing").to_string();
            assert!(told.starts_with("genims_audit_db: sleep did nothing for 15 minutes"), "{told}");
            assert!(told.contains("genims backup servers"), "{told}");
        }
    }
}
