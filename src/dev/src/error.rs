//! What can go wrong with the private servers, each with what to do about it.

use super::Server;
use std::io;
use std::path::{Path, PathBuf};

pub type Result<T, E = DevstackError> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum DevstackError {
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },

    #[error("not on this machine: {missing}. Run `genims-dev install` first")]
    Missing { missing: String },

    #[error(
        "not on this machine: {missing}. Installing needs root or sudo without a password. \
         Have an administrator run\n\n  {command}\n\nand run `genims-dev install` again"
    )]
    NeedsRoot { missing: String, command: String },

    #[error(
        "there is no ready-made mongod for {platform}: put mongod {major_min}.0 or newer on PATH and run \
         `genims-dev install` again"
    )]
    NoMongod { platform: String, major_min: u32 },

    #[error(
        "PostgreSQL refuses to run as root and there is no account `postgres` to run it as. Run `genims-dev install`, \
         or run this command as an ordinary user"
    )]
    NoAccount,

    #[error("`{command}` failed ({status}); the end of its output:\n{output}")]
    Command { command: String, status: String, output: String },

    #[error("{} has the SHA-256 {found}, expected {expected}: delete it and run `genims-dev install` again", path.display())]
    Checksum { path: PathBuf, expected: &'static str, found: String },

    #[error("cannot read {}: {source}. Delete it and run `genims-dev install` again", path.display())]
    Archive { path: PathBuf, source: zip::result::ZipError },

    #[error("cannot make TLS certificates: {0}")]
    Certificate(#[from] rcgen::Error),

    #[error("{} is not a stack's state ({source}): `genims-dev down --delete` starts afresh", path.display())]
    State { path: PathBuf, source: serde_json::Error },

    #[error("{} belongs to somebody else: remove it, or choose another folder with --dir", path.display())]
    Foreign { path: PathBuf },

    #[error("another command has worked on {} for {waited_s} s: wait for it, or choose another folder with --dir", path.display())]
    Locked { path: PathBuf, waited_s: u64 },

    #[error("no free port between {first} and {last} on 127.0.0.1: stop something that listens there")]
    NoPort { first: u16, last: u16 },

    #[error("{server} ended while starting ({status}); the end of {}:\n{tail}", log.display())]
    Exited { server: Server, status: String, log: PathBuf, tail: String },

    #[error(
        "{server} did not answer within {waited_s} s (last: {reason}); the end of {}:\n{tail}",
        log.display()
    )]
    NotReady { server: Server, waited_s: u64, reason: String, log: PathBuf, tail: String },

    #[error(
        "{server} (pid {pid}) still runs {waited_s} s after SIGKILL: look at its state with `ps -o stat,wchan {pid}`"
    )]
    Unkillable { server: Server, pid: u32, waited_s: u64 },

    #[error("{server} runs: stop it before its data is copied")]
    Running { server: Server },

    #[error("{server} is not running: start it with `genims-dev up {server}`")]
    NotRunning { server: Server },
}

impl DevstackError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
