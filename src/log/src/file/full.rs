//! Why no segment can be made right now: what the log says of it, to the operator's log and to whoever asks.

use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Cap,
    Disk,
    Handles,
}

impl Full {
    /// Once an episode: those who wait see it in the log.
    pub(super) fn report(self, directory: &Path, (bytes, max_bytes): (u64, u64), waiting_for: &str) {
        match self {
            Self::Cap => tracing::warn!(
                bytes,
                max_bytes,
                waiting_for,
                "the spool is full: senders wait until a sink catches up; bring its database back or raise max_bytes"
            ),
            Self::Disk => tracing::warn!(
                bytes,
                directory = %directory.display(),
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
    pub(super) fn told(self, directory: &Path) -> String {
        match self {
            Self::Cap => "the spool is at its cap; senders wait until a sink catches up".to_owned(),
            Self::Disk => format!(
                "the disk of {} is full; senders wait: free some room on it, it goes on by itself",
                directory.display()
            ),
            Self::Handles => {
                "the next segment of the spool needs a file handle and there is none; senders wait: raise `ulimit -n`"
                    .to_owned()
            }
        }
    }
}
