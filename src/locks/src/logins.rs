//! Secrets verified aside from the threads that serve connections: hashing one takes tens of milliseconds, and all who were
//! connected come again at once after a restart.
//!
//! As many hash at once as the door is given; at most [`WAITING_MAX`] wait for them, each until its own deadline. What was right once is
//! remembered by a digest under a key that dies with the process: the same secret is then known at once, so that a storm of
//! reconnects costs nothing.

use super::secret;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

const WAITING_MAX: usize = 4_096;

/// Longer secrets are wrong.
const SECRET_BYTES_MAX: usize = 1_024;

#[derive(Debug)]
pub(crate) struct Logins {
    places: std::sync::Arc<Semaphore>,
    waiting: AtomicUsize,
    key: [u8; 32],
    right: Mutex<HashMap<Box<str>, [u8; 32]>>,
}

impl Logins {
    /// `hashing`: so many secrets are hashed at once.
    pub(crate) fn new(hashing: usize) -> Self {
        let places = Semaphore::new(hashing.max(1)).into();
        Self { places, waiting: AtomicUsize::new(0), key: rand::random(), right: Mutex::default() }
    }
}

/// One that waits, counted while it does.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Logins {
    /// Whether the secret is the one behind `hash`; without one it is verified against another and wrong. `None`: there are
    /// too many.
    pub(crate) async fn verify(&self, name: &str, shown: &[u8], hash: Option<&str>, deadline: Instant) -> Option<bool> {
        if shown.len() > SECRET_BYTES_MAX {
            return Some(false);
        }
        let digest = self.digest(shown, hash.unwrap_or_default());
        if hash.is_some() && self.right.lock().get(name) == Some(&digest) {
            return Some(true);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= WAITING_MAX {
            return None;
        }
        let place = timeout_at(deadline, self.places.clone().acquire_owned()).await.ok()?.ok()?;
        let (shown, compared) = (shown.to_vec(), hash.map(str::to_owned));
        let verified = spawn_blocking(move || {
            let right = secret::verify(&shown, compared.as_deref().unwrap_or_else(|| nobodys()));
            drop(place);
            right && compared.is_some()
        });
        let right = verified.await.ok()?;
        if right {
            self.right.lock().insert(name.into(), digest);
        }
        Some(right)
    }

    fn digest(&self, shown: &[u8], hash: &str) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.key);
        digest.update((hash.len() as u64).to_le_bytes());
        digest.update(hash);
        digest.update(shown);
        digest.finalize().into()
    }
}

/// A hash that no secret fits which anybody knows.
fn nobodys() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| secret::hash(secret::drawn().as_bytes()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_secret_is_hashed_once_and_known_afterwards_until_its_hash_changes() {
        let logins = Logins::new(1);
        let hash = secret::hash(b"right").expect("hashed");
        let deadline = Instant::now() + Duration::from_secs(60);
        assert_eq!(logins.verify("a", b"wrong", Some(&hash), deadline).await, Some(false));
        assert_eq!(logins.verify("a", b"right", Some(&hash), deadline).await, Some(true));
        assert_eq!(logins.verify("b", b"right", None, deadline).await, Some(false));
        // Nobody hashes any more: what is known is, what is not has to wait in vain.
        let all = logins.places.clone().acquire_many_owned(logins.places.available_permits() as u32).await;
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(logins.verify("a", b"right", Some(&hash), soon).await, Some(true));
        assert_eq!(logins.verify("a", b"wrong", Some(&hash), soon).await, None);
        let other = secret::hash(b"other").expect("hashed");
        assert_eq!(logins.verify("a", b"right", Some(&other), soon).await, None, "it has to be hashed again");
        drop(all);
        assert_eq!(logins.verify("a", b"right", Some(&other), deadline).await, Some(false));
    }

    #[tokio::test]
    async fn no_more_than_a_bound_wait() {
        let logins = Logins::new(1);
        logins.waiting.store(WAITING_MAX, Ordering::Relaxed);
        let deadline = Instant::now() + Duration::from_secs(60);
        assert_eq!(logins.verify("a", b"x", Some("y"), deadline).await, None);
        assert_eq!(logins.waiting.load(Ordering::Relaxed), WAITING_MAX, "it waits no longer");
    }
}
