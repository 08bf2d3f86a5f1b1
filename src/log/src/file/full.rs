//! Why no segment can be made right now: what the log says of it, to the operator's log and to whoever asks.

use super::shared::Shared;
use std::sync::atomic::Ordering;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Cap,
    Disk,
    Handles,
}

impl Full {
    /// Once an episode: those who wait see it in the log.
    pub(super) fn report(self, shared: &Shared) {
        let bytes = shared.bytes.load(Ordering::Relaxed);
        let waiting_for = shared.slowest_sink().unwrap_or_default();
        match self {
            Self::Cap => tracing::warn!(
                bytes,
                max_bytes = shared.sizes.max_bytes,
                waiting_for,
                "the spool is full: senders wait until a sink catches up; bring its database back or raise max_bytes"
            ),
            Self::Disk => tracing::warn!(
                bytes,
                directory = %shared.directory.display(),
                waiting_for,
                "the disk is full: senders wait; free space on the spool's disk or let the sinks catch up"
            ),
            Self::Handles => {
                tracing::warn!(
                    "the next segment needs a file handle and there is none: senders wait; raise `ulimit -n`"
                );
            }
        }
    }

    /// As a condition that lasts, with its remedy.
    pub(super) fn told(self, shared: &Shared) -> String {
        match self {
            Self::Cap => "the spool is at its cap; senders wait until a sink catches up".to_owned(),
            Self::Disk => format!(
                "the disk of {} is full; senders wait: free some room on it, it goes on by itself",
                shared.directory.display()
            ),
            Self::Handles => {
                "the next segment of the spool needs a file handle and there is none; senders wait: raise `ulimit -n`"
                    .to_owned()
            }
        }
    }
}
