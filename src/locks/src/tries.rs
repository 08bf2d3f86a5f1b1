//! Whether a secret is right, and whether a try is heard at all. A name, a secret and the hash of the right one enter.

use super::lockout::Lockout;
use super::logins::Logins;
use std::time::Duration;
use tokio::time::Instant;

/// Why a secret was not even looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheard {
    LockedOut,
    Busy,
}

/// The tries at one kind of account.
#[derive(Debug)]
pub struct Tries {
    logins: Logins,
    lockout: Lockout,
}

impl Tries {
    /// So many wrong secrets in a row, from one address for one name, lock the name for that address, for so long. `hashing`:
    /// so many secrets are hashed at once.
    pub fn new(failures_max: u32, lockout: Duration, hashing: usize) -> Self {
        Self { logins: Logins::new(hashing), lockout: Lockout::new(failures_max, lockout) }
    }

    /// Whether the secret is the one behind `hash`. Without one it is wrong, and that takes as long to tell.
    pub async fn verify(
        &self,
        (host, name): (&str, &str),
        shown: &[u8],
        hash: Option<&str>,
        deadline: Instant,
    ) -> Result<bool, Unheard> {
        if self.lockout.is_locked(host, name, Instant::now()) {
            return Err(Unheard::LockedOut);
        }
        let right = self.logins.verify(name, shown, hash, deadline).await.ok_or(Unheard::Busy)?;
        if right {
            self.lockout.succeeded(host, name);
        } else {
            self.lockout.failed(host, name, Instant::now());
        }
        Ok(right)
    }

    /// Whoever has a new secret may try it at once.
    pub fn forget(&self, name: &str) {
        self.lockout.forget(name);
    }
}
