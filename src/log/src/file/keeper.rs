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
        let mut failing = None;
        loop {
            wakeup.wait(CURSOR_SAVE_INTERVAL);
            if !tend(&weak, &mut failing) {
                return;
            }
        }
    })?;
    Ok(())
}

/// One round; false when there is nothing left to tend. `failing`: what the rounds before have said.
fn tend(weak: &Weak<Shared>, failing: &mut Option<String>) -> bool {
    let Some(shared) = weak.upgrade() else { return false };
    if shared.closed.load(Ordering::Acquire) || shared.failure.get().is_some() {
        return false;
    }
    // Once for each new cause: a full disk fails every round.
    let failed = shared.maintain().err().map(|error| error.to_string());
    match &failed {
        Some(error) if failing.as_ref() != Some(error) => tracing::warn!(error, "spool housekeeping failed"),
        None if failing.is_some() => tracing::info!("spool housekeeping goes on"),
        _ => {}
    }
    *failing = failed;
    // The last one who holds the spool has nobody to work for, and would keep the next one out of the directory.
    if let Err(error) = shared.prepare_blank(|| Arc::strong_count(&shared) > 1) {
        tracing::debug!(%error, "the next segment could not be made ready");
    }
    true
}
