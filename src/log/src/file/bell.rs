//! Wakes one waiting thread, also when the ring comes before the wait.

use super::shared::lock;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: Mutex<bool>,
    waiter: Condvar,
}

impl Bell {
    pub(super) fn ring(&self) {
        *lock(&self.rung) = true;
        self.waiter.notify_one();
    }

    /// Returns after a ring or after `timeout`, whichever is first; takes the ring.
    pub(super) fn wait(&self, timeout: Duration) {
        let rung = lock(&self.rung);
        let (mut rung, _) =
            self.waiter.wait_timeout_while(rung, timeout, |rung| !*rung).unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }
}
