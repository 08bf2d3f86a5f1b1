//! Who may come in, and who has to leave. A listener's socket enters; a connection leaves with a [`Pass`], or nobody.
//!
//! - `socket`: a plain socket or one with TLS, each compiled for itself; `ahead`: what TLS reads from
//! - [`gate`]: one listener's, and who of those inside must go; `entry`: how one comes in; `guest`: one inside
//! - `pass`: what a connection holds
//! - `places`: connections at once; `usage`: what one client takes
//! - [`clients`]: the file of clients: secrets (hashed), topics, machines, tables for rows, limits
//!
//! Certificates, secrets, lock-out and files are those of `genims-locks`, which other doors have as well.
//!
//! Invariants: what changes is in force for new connections at once and for open ones within a second; a file that cannot be
//! read leaves in force what was read before; with neither TLS nor clients configured nothing here is asked on the way of a
//! message.

pub mod clients;
pub mod gate;

mod ahead;
mod entry;
mod guest;
mod pass;
mod places;
mod socket;
mod usage;

#[cfg(test)]
mod tests;

pub use clients::{ClientOptions, Clients};
pub(crate) use clients::{Credentials, Denied};
pub use gate::{AnonymousPolicy, ListenerGate};
pub use genims_locks::LockError;
pub use genims_locks::options::{ClientCertificate, TlsOptions};
pub use genims_locks::watch::LOOK_EVERY;
pub(crate) use pass::Pass;
pub(crate) use socket::{Secured, Socket};

use std::sync::Arc;

/// All gates of a server, looked at together.
#[derive(Debug, Default)]
pub struct Locks {
    pub gates: Vec<Arc<ListenerGate>>,
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
