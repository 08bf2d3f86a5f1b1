//! One inside, as the gate sees him: by which certificate and as which client he came, and whether he was asked to leave.

use genims_locks::certificate::Certificate;
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;

/// Why an open connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eviction {
    /// Revoked, or its authority is trusted no longer.
    Revoked,
    Expired,
    Disabled,
}

impl Eviction {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Revoked => "the client's certificate is no longer accepted",
            Self::Expired => "the client's certificate has expired",
            Self::Disabled => "the client was disabled",
        }
    }
}

/// One inside, as the gate sees him.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) number: u64,
    pub(super) certificate: Option<Arc<Certificate>>,
    client: OnceLock<Box<str>>,
    leave: CancellationToken,
    why: OnceLock<Eviction>,
}

impl Guest {
    pub(super) fn new(number: u64, certificate: Option<Arc<Certificate>>, leave: CancellationToken) -> Self {
        Self { number, certificate, client: OnceLock::new(), leave, why: OnceLock::new() }
    }

    pub(super) fn identity(&self) -> Option<&str> {
        self.certificate.as_ref().map(|certificate| &*certificate.identity)
    }

    /// The name that it has logged in under.
    pub(super) fn client(&self) -> Option<&str> {
        self.client.get().map(|name| &**name)
    }

    pub(super) fn log_in(&self, name: Box<str>) {
        // Once for each connection.
        let _ = self.client.set(name);
    }

    pub(super) fn eviction(&self) -> Option<Eviction> {
        self.why.get().copied()
    }

    /// False when it was asked to leave before.
    pub(super) fn evict(&self, why: Eviction) -> bool {
        let first = self.why.set(why).is_ok();
        self.leave.cancel();
        first
    }
}
