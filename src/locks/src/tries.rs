//! Whether a secret is right, and whether a try is heard at all. A name, a secret and the hash of the right one enter.

use super::file::NAME_BYTES_MAX;
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

    /// Whether the secret is the one behind `hash`. Without one it is wrong, and that takes as long to tell; a name that is too
    /// long for anybody is wrong at once, and nothing is kept of it.
    pub async fn verify(
        &self,
        (host, name): (&str, &str),
        shown: &[u8],
        hash: Option<&str>,
        deadline: Instant,
    ) -> Result<bool, Unheard> {
        if name.len() > NAME_BYTES_MAX {
            return Ok(false);
        }
        let is_heard = || !self.lockout.is_locked(host, name, Instant::now());
        if !is_heard() {
            return Err(Unheard::LockedOut);
        }
        let Some(verdict) = self.logins.verify((name, shown), hash, deadline, is_heard).await else {
            return Err(if is_heard() { Unheard::Busy } else { Unheard::LockedOut });
        };
        if verdict.is_right {
            self.lockout.succeeded(host, name);
        } else {
            self.lockout.failed(host, name, Instant::now());
        }
        Ok(verdict.is_right)
    }

    /// Whoever has a new secret may try it at once.
    pub fn forget(&self, name: &str) {
        self.lockout.forget(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret;
    use futures_util::future::join_all;

    #[tokio::test]
    async fn tries_made_at_once_are_no_more_than_those_made_one_behind_the_other() {
        let tries = Tries::new(3, Duration::from_secs(3_600), 1);
        let hash = secret::hash(b"right").expect("hashed");
        let deadline = Instant::now() + Duration::from_secs(60);
        let all = (0..20).map(|_| tries.verify(("h", "a"), b"wrong", Some(&hash), deadline));
        let told = join_all(all).await;
        assert_eq!(told.iter().filter(|told| **told == Ok(false)).count(), 3, "{told:?}");
        assert_eq!(told.iter().filter(|told| **told == Err(Unheard::LockedOut)).count(), 17, "{told:?}");
        // Whoever knows it is heard, however many come at once.
        let all = (0..20).map(|_| tries.verify(("h", "b"), b"right", Some(&hash), deadline));
        assert!(join_all(all).await.into_iter().all(|told| told == Ok(true)));
    }

    #[tokio::test]
    async fn of_names_that_nobody_can_have_nothing_is_kept() {
        let tries = Tries::new(1, Duration::from_secs(3_600), 1);
        let name = "n".repeat(NAME_BYTES_MAX + 1);
        for _ in 0..3 {
            assert_eq!(tries.verify(("h", &name), b"x", None, Instant::now()).await, Ok(false));
        }
    }
}
