//! Wakes one waiting thread, also when the wake-up comes before the wait.

use parking_lot::{Condvar, Mutex};
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Wakeup {
    is_due: Mutex<bool>,
    waiter: Condvar,
}

impl Wakeup {
    pub(super) fn notify(&self) {
        *self.is_due.lock() = true;
        self.waiter.notify_one();
    }

    /// Returns after a wake-up or after `timeout`, whichever is first; takes the wake-up.
    pub(super) fn wait(&self, timeout: Duration) {
        let mut is_due = self.is_due.lock();
        self.waiter.wait_while_for(&mut is_due, |is_due| !*is_due, timeout);
        *is_due = false;
    }
}
