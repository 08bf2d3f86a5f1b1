//! Names that were tried with wrong secrets too often. Failures enter, by address and name; leaves whether another try is heard.
//!
//! By both, because by name alone anybody could lock out anybody, and by address alone one misled device would lock out all
//! that stand behind the same gateway. At most [`TRIED_MAX`] are kept in mind, [`OF_HOST_MAX`] of one address: the oldest that is
//! not locked makes room, so that whoever tries is counted however many were tried before.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

const TRIED_MAX: usize = 16_384;
/// One address that tries many names makes nobody else forgotten.
const OF_HOST_MAX: usize = 1_024;

#[derive(Clone, Copy, Debug)]
struct Tried {
    failures: u32,
    last: Instant,
}

/// By address, and then by the name that was said.
#[derive(Debug, Default)]
struct Kept {
    all: usize,
    by_host: HashMap<Box<str>, HashMap<Box<str>, Tried>>,
}

impl Kept {
    fn found(&self, host: &str, name: &str) -> Option<&Tried> {
        self.by_host.get(host)?.get(name)
    }

    fn of(&self, host: &str) -> usize {
        self.by_host.get(host).map_or(0, HashMap::len)
    }

    fn retain(&mut self, stays: impl Fn(&str, &Tried) -> bool) {
        self.by_host.retain(|_, names| {
            names.retain(|name, tried| stays(name, tried));
            !names.is_empty()
        });
        self.all = self.by_host.values().map(HashMap::len).sum();
    }

    fn remove(&mut self, host: &str, name: &str) {
        let Some(names) = self.by_host.get_mut(host) else { return };
        if names.remove(name).is_some() {
            self.all -= 1;
        }
        if names.is_empty() {
            self.by_host.remove(host);
        }
    }
}

#[derive(Debug)]
pub(crate) struct Lockout {
    failures_max: u32,
    lasts: Duration,
    tried: Mutex<Kept>,
}

impl Lockout {
    pub(crate) fn new(failures_max: u32, lasts: Duration) -> Self {
        Self { failures_max, lasts, tried: Mutex::default() }
    }

    pub(crate) fn is_locked(&self, host: &str, name: &str, now: Instant) -> bool {
        let tried = self.tried.lock();
        let found = tried.found(host, name);
        found.is_some_and(|found| found.failures >= self.failures_max && self.is_fresh(found, now))
    }

    fn is_fresh(&self, tried: &Tried, now: Instant) -> bool {
        now.duration_since(tried.last) < self.lasts
    }

    pub(crate) fn failed(&self, host: &str, name: &str, now: Instant) {
        let mut tried = self.tried.lock();
        let before = match tried.found(host, name) {
            Some(found) if self.is_fresh(found, now) => found.failures,
            Some(_) => 0,
            None => {
                self.make_room(&mut tried, host, now);
                tried.all += 1;
                0
            }
        };
        let entry = Tried { failures: before.saturating_add(1), last: now };
        tried.by_host.entry(host.into()).or_default().insert(name.into(), entry);
    }

    /// For one more of this address.
    fn make_room(&self, tried: &mut Kept, host: &str, now: Instant) {
        let is_full = |tried: &Kept| tried.all >= TRIED_MAX || tried.of(host) >= OF_HOST_MAX;
        if is_full(tried) {
            tried.retain(|_, tried| self.is_fresh(tried, now));
        }
        if !is_full(tried) {
            return;
        }
        let own_alone = tried.of(host) >= OF_HOST_MAX;
        let hosts = tried.by_host.iter().filter(|(found, _)| !own_alone || &***found == host);
        let among = hosts.flat_map(|(host, names)| names.iter().map(move |(name, tried)| (host, name, tried)));
        // Where all are locked, the one that would be free first.
        let oldest = among.min_by_key(|(.., tried)| (tried.failures >= self.failures_max, tried.last));
        if let Some((host, name)) = oldest.map(|(host, name, _)| (host.clone(), name.clone())) {
            tried.remove(&host, &name);
        }
    }

    pub(crate) fn succeeded(&self, host: &str, name: &str) {
        self.tried.lock().remove(host, name);
    }

    /// Whatever was tried under this name.
    pub(crate) fn forget(&self, name: &str) {
        self.tried.lock().retain(|tried, _| tried != name);
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
        let later = |no: usize| begun + Duration::from_millis(no as u64);
        for no in 0..TRIED_MAX + 100 {
            lockout.failed(&(no / OF_HOST_MAX).to_string(), &no.to_string(), later(no));
        }
        let now = later(TRIED_MAX + 100);
        assert_eq!(lockout.tried.lock().all, TRIED_MAX);
        assert!(lockout.is_locked("16", &(TRIED_MAX + 99).to_string(), now), "the last is counted all the same");
        assert!(!lockout.is_locked("0", "99", now) && lockout.is_locked("0", "100", now), "the oldest made room");
        lockout.failed("h", "later", now + Duration::from_secs(60));
        assert_eq!(lockout.tried.lock().all, 1);
    }

    #[test]
    fn whoever_tries_many_names_makes_no_lock_forgotten_and_no_try_uncounted() {
        let (lockout, now) = (Lockout::new(2, Duration::from_secs(3_600)), Instant::now());
        let later = |no: usize| now + Duration::from_millis(no as u64);
        for name in ["locked", "locked", "tried"] {
            lockout.failed("victim", name, now);
        }
        for name in ["own", "own"] {
            lockout.failed("h", name, now);
        }
        for no in 0..3 * OF_HOST_MAX {
            lockout.failed("h", &no.to_string(), later(no));
        }
        let end = later(TRIED_MAX + 200);
        assert_eq!(lockout.tried.lock().of("h"), OF_HOST_MAX);
        assert!(lockout.is_locked("victim", "locked", end) && lockout.is_locked("h", "own", end));
        lockout.failed("victim", "tried", end);
        assert!(lockout.is_locked("victim", "tried", end), "what others had tried is not forgotten");
        // From many addresses: the table is full, and a lock stays, and the next name is counted.
        for no in 0..TRIED_MAX + 200 {
            lockout.failed(&format!("h{}", no % 100), &no.to_string(), later(no));
        }
        lockout.failed("h", "admin", end);
        lockout.failed("h", "admin", end);
        assert!(lockout.is_locked("h", "admin", end) && lockout.is_locked("victim", "locked", end));
        assert_eq!(lockout.tried.lock().all, TRIED_MAX);
    }
}
