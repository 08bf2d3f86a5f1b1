//! The housekeeping thread: makes moved cursors durable at most once a second, removes consumed segments and makes the
//! next one ready, so that neither the writer nor a sink ever waits for these syncs.
//!
//! It ends by itself when the spool is closed or dropped.

use super::shared::Shared;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;
use std::{io, thread};

/// How far a cursor file may lag. The databases remember their own position, so this only decides how many groups a
/// sink looks at again after a crash, and how long a consumed segment stays.
const CURSOR_SAVE_INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn start(shared: &Arc<Shared>) -> io::Result<()> {
    let (weak, wakeup) = (Arc::downgrade(shared), shared.keeper.clone());
    thread::Builder::new().name("spool-keeper".to_owned()).spawn(move || {
        loop {
            wakeup.wait(CURSOR_SAVE_INTERVAL);
            if !tend(&weak) {
                return;
            }
        }
    })?;
    Ok(())
}

/// One round; false when there is nothing left to tend.
fn tend(weak: &Weak<Shared>) -> bool {
    let Some(shared) = weak.upgrade() else { return false };
    if shared.closed.load(Ordering::Acquire) || shared.failure.get().is_some() {
        return false;
    }
    if let Err(error) = shared.maintain() {
        tracing::warn!(%error, "spool housekeeping failed");
    }
    // The last one who holds the spool has nobody to work for, and would keep the next one out of the directory.
    if let Err(error) = shared.prepare_blank(|| Arc::strong_count(&shared) > 1) {
        tracing::debug!(%error, "the next segment could not be made ready");
    }
    true
}
