//! Why locks, or a file of accounts, cannot be used.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("{path} cannot be read: {source}; check the path and its rights")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} cannot be written: {source}; check the folder, its rights and the room on the disk")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("{path} holds no {what} in PEM form; name a file that does")]
    Empty { path: PathBuf, what: &'static str },
    #[error("{path} holds a {what} that cannot be used: {cause}")]
    Unusable { path: PathBuf, what: &'static str, cause: String },
    #[error("{path} can be read or written by others (mode {mode:03o}); chmod 600 {path}")]
    Open { path: PathBuf, mode: u32 },
    #[error("{path} belongs to user {owner}, who could let anybody in; chown it to whom genims runs as, or to root")]
    Owner { path: PathBuf, owner: u32 },
    #[error("{path} is not a file of {what}; mend it, or start the release that wrote it: {cause}")]
    Form { path: PathBuf, what: &'static str, cause: String },
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("{0}")]
    Account(String),
}

impl LockError {
    /// The file at fault.
    pub fn path(&self) -> Option<&PathBuf> {
        match self {
            Self::Read { path, .. }
            | Self::Write { path, .. }
            | Self::Empty { path, .. }
            | Self::Unusable { path, .. }
            | Self::Open { path, .. }
            | Self::Owner { path, .. }
            | Self::Form { path, .. } => Some(path),
            Self::Tls(_) | Self::Account(_) => None,
        }
    }
}
