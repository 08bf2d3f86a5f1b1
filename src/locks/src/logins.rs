//! Secrets verified aside from the threads that serve connections: hashing one takes tens of milliseconds, and all who were
//! connected come again at once after a restart.
//!
//! As many hash at once as the door is given; at most [`WAITING_MAX`] wait for them, a part of them of one address, each until
//! its own deadline. Whoever's turn
//! comes is asked once more whether he is heard: those before him may have failed. What was right once is remembered by a digest
//! under a key that dies with the process: the same secret is then known at once, so that a storm of reconnects costs nothing.

use super::secret;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::OnceLock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

const WAITING_MAX: usize = 4_096;
/// Of one address, where the door says nothing else: a gateway may stand before many.
const OF_HOST_MAX: usize = WAITING_MAX / 2;

#[derive(Debug)]
pub(crate) struct Logins {
    places: std::sync::Arc<Semaphore>,
    waiting: Mutex<Waiting>,
    pub(crate) of_host_max: usize,
    key: [u8; 32],
    right: Mutex<HashMap<Box<str>, [u8; 32]>>,
}

impl Logins {
    /// `hashing`: so many secrets are hashed at once.
    pub(crate) fn new(hashing: usize) -> Self {
        let places = Semaphore::new(hashing.max(1)).into();
        let (waiting, right) = (Mutex::default(), Mutex::default());
        Self { places, waiting, of_host_max: OF_HOST_MAX, key: rand::random(), right }
    }
}

/// How many wait, and of whom.
#[derive(Debug, Default)]
struct Waiting {
    all: usize,
    by_host: HashMap<Box<str>, usize>,
}

/// One that waits, counted while it does.
struct Turn<'a>(&'a Mutex<Waiting>, &'a str);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.all -= 1;
        if let Some(own) = waiting.by_host.get_mut(self.1) {
            *own -= 1;
            if *own == 0 {
                waiting.by_host.remove(self.1);
            }
        }
    }
}

/// What a secret was found to be. The next one's turn comes when this is gone.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) is_right: bool,
    _place: Option<OwnedSemaphorePermit>,
}

impl Verdict {
    fn at_once(is_right: bool) -> Self {
        Self { is_right, _place: None }
    }
}

impl Logins {
    /// Whether the secret is the one behind `hash`; without one it is verified against another and wrong. `None`: there are
    /// too many, or it is not heard when its turn comes.
    pub(crate) async fn verify(
        &self,
        (host, name, shown): (&str, &str, &[u8]),
        hash: Option<&str>,
        deadline: Instant,
        is_heard: impl Fn() -> bool,
    ) -> Option<Verdict> {
        let digest = self.digest(shown, hash.unwrap_or_default());
        let is_known = || hash.is_some() && self.right.lock().get(name) == Some(&digest);
        if is_known() {
            return Some(Verdict::at_once(true));
        }
        let _turn = self.turn(host)?;
        let place = timeout_at(deadline, self.places.clone().acquire_owned()).await.ok()?.ok()?;
        if is_known() {
            return Some(Verdict::at_once(true));
        }
        if !is_heard() {
            return None;
        }
        let (shown, compared) = (shown.to_vec(), hash.map(str::to_owned));
        let verified = spawn_blocking(move || {
            let is_right = secret::verify(&shown, compared.as_deref().unwrap_or_else(|| nobodys()));
            // With its place: whoever asked may be gone, and the core is taken until now.
            Verdict { is_right: is_right && compared.is_some(), _place: Some(place) }
        });
        let verdict = verified.await.ok()?;
        if verdict.is_right {
            self.right.lock().insert(name.into(), digest);
        }
        Some(verdict)
    }

    fn turn<'a>(&'a self, host: &'a str) -> Option<Turn<'a>> {
        let mut waiting = self.waiting.lock();
        let own = waiting.by_host.get(host).copied().unwrap_or(0);
        if waiting.all >= WAITING_MAX || own >= self.of_host_max {
            return None;
        }
        waiting.all += 1;
        waiting.by_host.insert(host.into(), own + 1);
        Some(Turn(&self.waiting, host))
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

    async fn ask(
        logins: &Logins,
        name: &str,
        shown: &[u8],
        hash: Option<&str>,
        deadline: Instant,
        is_heard: bool,
    ) -> Option<bool> {
        logins.verify(("h", name, shown), hash, deadline, || is_heard).await.map(|verdict| verdict.is_right)
    }

    #[tokio::test]
    async fn a_secret_is_hashed_once_and_known_afterwards_until_its_hash_changes() {
        let logins = Logins::new(1);
        let hash = secret::hash(b"right").expect("hashed");
        let deadline = Instant::now() + Duration::from_secs(60);
        assert_eq!(ask(&logins, "a", b"wrong", Some(&hash), deadline, true).await, Some(false));
        assert_eq!(ask(&logins, "a", b"right", Some(&hash), deadline, true).await, Some(true));
        assert_eq!(ask(&logins, "b", b"right", None, deadline, true).await, Some(false));
        assert_eq!(ask(&logins, "a", b"wrong", Some(&hash), deadline, false).await, None, "not heard");
        // Nobody hashes any more: what is known is, what is not has to wait in vain.
        let all = logins.places.clone().acquire_many_owned(logins.places.available_permits() as u32).await;
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(ask(&logins, "a", b"right", Some(&hash), soon, true).await, Some(true));
        assert_eq!(ask(&logins, "a", b"wrong", Some(&hash), soon, true).await, None);
        let other = secret::hash(b"other").expect("hashed");
        assert_eq!(ask(&logins, "a", b"right", Some(&other), soon, true).await, None, "it has to be hashed again");
        drop(all);
        assert_eq!(ask(&logins, "a", b"right", Some(&other), deadline, true).await, Some(false));
    }

    #[tokio::test]
    async fn no_more_than_a_bound_wait() {
        let logins = Logins::new(1);
        logins.waiting.lock().all = WAITING_MAX;
        let deadline = Instant::now() + Duration::from_secs(60);
        assert_eq!(ask(&logins, "a", b"x", Some("y"), deadline, true).await, None);
        logins.waiting.lock().all = 0;
        let turns: Vec<_> = (0..=OF_HOST_MAX).map_while(|_| logins.turn("one")).collect();
        assert!(turns.len() == OF_HOST_MAX && logins.turn("other").is_some(), "{}", turns.len());
        drop(turns);
        let waiting = logins.waiting.lock();
        assert!(waiting.all == 0 && waiting.by_host.is_empty(), "nothing is kept of those who left");
    }
}
