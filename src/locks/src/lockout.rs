//! Names that were tried with wrong secrets too often. Failures enter, by address and name; leaves whether another try is heard.
//!
//! By both, because by name alone anybody could lock out anybody, and by address alone one misled device would lock out all
//! that stand behind the same gateway. At most [`TRIED_MAX`] are kept in mind; while all of them are fresh, others are not
//! counted (the queue of logins bounds how fast they can try).

use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

const TRIED_MAX: usize = 16_384;

/// From where it came, and the name that was said.
type HostAndName = (Box<str>, Box<str>);

#[derive(Clone, Copy, Debug)]
struct Tried {
    failures: u32,
    last: Instant,
}

#[derive(Debug)]
pub(crate) struct Lockout {
    failures_max: u32,
    lasts: Duration,
    tried: Mutex<HashMap<HostAndName, Tried>>,
}

impl Lockout {
    pub(crate) fn new(failures_max: u32, lasts: Duration) -> Self {
        Self { failures_max, lasts, tried: Mutex::default() }
    }

    pub(crate) fn is_locked(&self, host: &str, name: &str, now: Instant) -> bool {
        let tried = self.tried.lock();
        let found = tried.get(&(host.into(), name.into()));
        found.is_some_and(|found| found.failures >= self.failures_max && self.is_fresh(found, now))
    }

    fn is_fresh(&self, tried: &Tried, now: Instant) -> bool {
        now.duration_since(tried.last) < self.lasts
    }

    pub(crate) fn failed(&self, host: &str, name: &str, now: Instant) {
        let mut tried = self.tried.lock();
        let key = (host.into(), name.into());
        if tried.len() >= TRIED_MAX && !tried.contains_key(&key) {
            tried.retain(|_, tried| self.is_fresh(tried, now));
            if tried.len() >= TRIED_MAX {
                return;
            }
        }
        let entry = tried.entry(key).or_insert(Tried { failures: 0, last: now });
        if !self.is_fresh(entry, now) {
            entry.failures = 0;
        }
        *entry = Tried { failures: entry.failures + 1, last: now };
    }

    pub(crate) fn succeeded(&self, host: &str, name: &str) {
        self.tried.lock().remove(&(host.into(), name.into()));
    }

    /// Whatever was tried under this name.
    pub(crate) fn forget(&self, name: &str) {
        self.tried.lock().retain(|(_, tried), _| &**tried != name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_locked_for_an_address_until_a_while_has_passed() {
        let (lockout, begun) = (Lockout::new(3, Duration::from_secs(60)), Instant::now());
        for _ in 0..2 {
            lockout.failed("h", "a", begun);
        }
        assert!(!lockout.is_locked("h", "a", begun));
        lockout.succeeded("h", "a");
        for _ in 0..3 {
            assert!(!lockout.is_locked("h", "a", begun));
            lockout.failed("h", "a", begun);
        }
        assert!(lockout.is_locked("h", "a", begun));
        assert!(!lockout.is_locked("other", "a", begun) && !lockout.is_locked("h", "b", begun));
        let later = begun + Duration::from_secs(60);
        assert!(!lockout.is_locked("h", "a", later));
        lockout.failed("h", "a", later);
        assert!(!lockout.is_locked("h", "a", later), "it counts from the beginning");
        lockout.failed("h", "a", later);
        lockout.failed("h", "a", later);
        assert!(lockout.is_locked("h", "a", later));
        lockout.forget("a");
        assert!(!lockout.is_locked("h", "a", later));
    }

    #[test]
    fn the_memory_of_tries_is_bounded() {
        let (lockout, begun) = (Lockout::new(1, Duration::from_secs(60)), Instant::now());
        for no in 0..2 * TRIED_MAX {
            lockout.failed("h", &no.to_string(), begun);
        }
        assert_eq!(lockout.tried.lock().len(), TRIED_MAX);
        lockout.failed("h", "later", begun + Duration::from_secs(60));
        assert_eq!(lockout.tried.lock().len(), 1);
    }
}
