//! Sign-in: who may see and do what over HTTP. Requests enter; leave with who asks, or refused, counted and told.
//!
//! - [`file`]: the file of users; [`users`]: users as the running server knows them
//! - [`first`]: the one-time secret with which the first admin is made
//! - [`role`]: roles and what they may
//! - `sessions`: who is signed in with a browser
//! - `guard`: what stands before each path; `origin`: from where a request comes, and whether a page of ours asks
//! - `pages`: signing in and out, and the first admin
//!
//! Invariants: a path says itself which right it asks for, so no way of writing a path goes around it; another secret, a
//! disabled user and a sign-out are in force for the next request, and end what is open within seconds; what changes anything
//! on the word of a cookie shows a proof that no other page can read. `Access` of a request never outlives what it is made of:
//! streams ask it again.

pub mod file;
pub mod first;
pub mod role;
pub mod users;

mod guard;
mod origin;
mod pages;
mod sessions;

#[cfg(test)]
mod tests;

pub(crate) use guard::{Access, BODY_BYTES_MAX, PROOF, guarded};
pub(crate) use origin::only_here;
pub(crate) use pages::{Signed, router};
pub use users::Users;

use crate::socket::DOOR;
use genims_locks::refusals::{RefusalKind, Refusals};
use genims_locks::tls::Tls;
use role::Right;
use sessions::Sessions;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// A session's, where there is no TLS.
pub(crate) const COOKIE: &str = "genims";

/// Counts what was refused over HTTP, and tells it to the audit.
pub(crate) fn refused(refusals: &Refusals, kind: RefusalKind, name: &str, host: &str) {
    refusals.tell(kind, DOOR, name, host);
    tracing::debug!(kind = kind.as_str(), name, host, "refused");
}

/// How the HTTP side is reached, and by whom.
#[derive(Clone, Debug, Default)]
pub struct Doorway {
    pub tls: Option<Arc<Tls>>,
    /// Without it everybody reads.
    pub sign: Option<Arc<Sign>>,
    /// Nobody signs in and nobody but this machine is meant to reach it: so that no page of elsewhere reads it by a name of its
    /// own for loopback, nothing is answered under other names.
    pub only_here: bool,
    /// Metrics for everybody, although others have to sign in.
    pub open_metrics: bool,
    /// Of all doors.
    pub refusals: Arc<Refusals>,
    /// Certificates, clients and users are to be read again.
    pub reload: Arc<Notify>,
}

impl Doorway {
    /// Whether only those who have signed in may: without sign-in everybody reads and nobody acts.
    pub(crate) fn asks(&self, right: Right) -> bool {
        self.sign.is_some() || !matches!(right, Right::Read | Right::Audit)
    }
}

/// What sign-in needs.
#[derive(Debug)]
pub struct Sign {
    pub(crate) users: Arc<Users>,
    sessions: Sessions,
    refusals: Arc<Refusals>,
    /// TLS: cookies must not travel without it.
    secure: bool,
}

impl Sign {
    pub fn new(
        users: Arc<Users>,
        (idle, longest): (Duration, Duration),
        refusals: Arc<Refusals>,
        secure: bool,
    ) -> Arc<Self> {
        Arc::new(Self { users, sessions: Sessions::new(idle, longest), refusals, secure })
    }

    /// Reads the users anew if their file has changed, or `everything` is to be.
    pub fn look(&self, everything: bool) {
        if self.users.look(everything) {
            self.sessions.sweep(&self.users);
        }
    }

    /// Whether the one-time secret opens anything.
    pub fn awaits_first(&self) -> bool {
        self.users.awaits_first()
    }

    /// How many sessions a user has.
    pub(crate) fn sessions_of(&self, name: &str) -> usize {
        self.sessions.of(name, tokio::time::Instant::now())
    }

    fn refused(&self, kind: RefusalKind, name: &str, host: &str) {
        refused(&self.refusals, kind, name, host);
    }

    /// The prefix makes browsers refuse to take it from elsewhere.
    pub(crate) fn cookie(&self) -> &'static str {
        if self.secure { "__Host-genims" } else { COOKIE }
    }
}
