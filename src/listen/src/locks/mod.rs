//! Who may come in, and who has to leave. A listener's socket enters; a connection leaves with a [`Pass`], or nobody.
//!
//! - [`options`]: what a listener is told: TLS, plain text outside loopback
//! - [`tls`]: certificates, keys and revocation lists, read again when their files change
//! - `certificate`: what a client's certificate says of it
//! - `socket`: a plain socket or one with TLS, each compiled for itself
//! - [`gate`]: one listener's, and who of those inside must go; `entry`: how one comes in; `guest`: one inside
//! - `pass`: what a connection holds
//! - [`clients`]: the file of clients: secrets (hashed), topics, machines, tables for rows
//! - `watch`: whether files have changed
//!
//! Invariants: what changes is in force for new connections at once and for open ones within a second; a file that cannot be
//! read leaves in force what was read before; with neither TLS nor clients configured nothing here is asked on the way of a
//! message.

pub mod clients;
pub mod gate;
pub mod options;
pub mod tls;

mod certificate;
mod entry;
mod guest;
mod pass;
mod socket;
mod watch;

#[cfg(test)]
mod tests;

pub use clients::{ClientOptions, Clients};
pub(crate) use clients::{Credentials, Denied};
pub use gate::Gate;
pub use options::{ClientCertificate, TlsOptions};
pub(crate) use pass::Pass;
pub(crate) use socket::{Secured, Socket};
pub use watch::LOOK_EVERY;

use std::path::PathBuf;
use std::sync::Arc;

/// Why a listener's locks, or the file of clients, cannot be used.
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
    #[error("{path} is not a file of clients: {cause}")]
    Form { path: PathBuf, cause: String },
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("{0}")]
    Client(String),
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
            | Self::Form { path, .. } => Some(path),
            Self::Tls(_) | Self::Client(_) => None,
        }
    }
}

/// All gates of a server, looked at together.
#[derive(Debug, Default)]
pub struct Locks {
    pub gates: Vec<Arc<Gate>>,
    pub clients: Option<Arc<Clients>>,
}

impl Locks {
    /// Nothing here ever changes.
    pub fn is_idle(&self) -> bool {
        self.clients.is_none() && self.gates.iter().all(|gate| gate.is_plain())
    }

    /// Reads again what has changed on disk, or everything, and sends away who may not stay. Blocks; call it every
    /// [`LOOK_EVERY`].
    pub fn look(&self, everything: bool) {
        if let Some(clients) = &self.clients {
            clients.look(everything);
        }
        self.gates.iter().for_each(|gate| gate.look(everything));
    }
}
