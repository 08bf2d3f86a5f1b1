//! Whether a secret is right, and whether a try is heard at all. A name, a secret and the hash of the right one enter.

use super::file::NAME_BYTES_MAX;
use super::lockout::Lockout;
use super::logins::Logins;
use super::network;
use super::secret::SECRET_BYTES_MAX;
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

    /// At most so many of one address wait to be looked at.
    #[must_use]
    pub fn waiting_of_one(mut self, most: usize) -> Self {
        self.logins.of_host_max = most;
        self
    }

    /// Whether the secret is the one behind `hash`. Without one it is wrong, and that takes as long to tell; a name or a secret
    /// that is too long for anybody is wrong at once, and nothing is kept of it: a count that costs no hashing would let
    /// whoever sends many push out those of others.
    pub async fn verify(
        &self,
        (host, name): (&str, &str),
        shown: &[u8],
        hash: Option<&str>,
        deadline: Instant,
    ) -> Result<bool, Unheard> {
        if name.len() > NAME_BYTES_MAX || shown.len() > SECRET_BYTES_MAX {
            return Ok(false);
        }
        let host = &*network::named(host);
        let is_heard = || !self.lockout.is_locked(host, name, Instant::now());
        if !is_heard() {
            return Err(Unheard::LockedOut);
        }
        let Some(verdict) = self.logins.verify((host, name, shown), hash, deadline, is_heard).await else {
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
    async fn secrets_that_nobody_can_have_are_wrong_and_count_for_nothing() {
        let tries = Tries::new(1, Duration::from_secs(3_600), 1);
        let hash = secret::hash(b"right").expect("hashed");
        let deadline = Instant::now() + Duration::from_secs(60);
        let long = vec![b'x'; SECRET_BYTES_MAX + 1];
        for name in ["a", "a", "b"] {
            assert_eq!(tries.verify(("h", name), &long, Some(&hash), deadline).await, Ok(false));
        }
        assert_eq!(tries.verify(("h", "a"), b"right", Some(&hash), deadline).await, Ok(true), "it is not locked");
        assert_eq!(tries.verify(("h", "a"), &long[1..], Some(&hash), deadline).await, Ok(false));
        assert_eq!(tries.verify(("h", "a"), b"right", Some(&hash), deadline).await, Err(Unheard::LockedOut));
    }

    #[tokio::test]
    async fn addresses_of_one_network_of_ipv6_are_one() {
        let tries = Tries::new(1, Duration::from_secs(3_600), 1);
        let hash = secret::hash(b"right").expect("hashed");
        let deadline = Instant::now() + Duration::from_secs(60);
        let ask = |host: &'static str, shown: &'static [u8]| tries.verify((host, "a"), shown, Some(&hash), deadline);
        assert_eq!(ask("2001:db8::1", b"wrong").await, Ok(false));
        assert_eq!(ask("2001:db8::ffff:2", b"right").await, Err(Unheard::LockedOut));
        assert_eq!(ask("2001:db8:0:1::1", b"right").await, Ok(true), "another network");
    }

    #[tokio::test]
    async fn who_asks_much_at_once_keeps_nobody_else_waiting() {
        let tries = Tries::new(1_000, Duration::from_secs(3_600), 1).waiting_of_one(4);
        let hash = secret::hash(b"right").expect("hashed");
        let deadline = Instant::now() + Duration::from_secs(60);
        let many = join_all((0..20).map(|_| tries.verify(("::ffff:10.0.0.1", "a"), b"wrong", Some(&hash), deadline)));
        let other = tries.verify(("10.0.0.2", "a"), b"right", Some(&hash), deadline);
        let (many, other) = tokio::join!(many, other);
        assert_eq!(many.iter().filter(|told| **told == Err(Unheard::Busy)).count(), 16, "{many:?}");
        assert_eq!(many.iter().filter(|told| **told == Ok(false)).count(), 4, "{many:?}");
        assert_eq!(other, Ok(true));
        let again = tries.verify(("10.0.0.1", "a"), b"wrong", Some(&hash), deadline).await;
        assert_eq!(again, Ok(false), "places are given back");
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
