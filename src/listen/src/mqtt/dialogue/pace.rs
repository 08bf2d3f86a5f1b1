//! How fast a client's messages are taken, and what is counted of them: once for all that a read brought, never for a message.

use super::{Dialogue, Progress, ROUND_BYTES_MAX, Taken};
use crate::count;
use crate::talkers::Batch;
use tokio::time::Instant;

/// What a turn takes of a client that may send only so much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) enum Limit {
    /// As much as it may have sent by now.
    Kept,
    /// What waits as well, since the connection ends and nobody would send it again. It is paid for by whoever comes next under
    /// the same account.
    Lifted,
}

impl Dialogue {
    #[inline]
    pub(super) fn is_limited(&self) -> bool {
        self.pass.as_ref().is_some_and(|pass| pass.rate().is_some())
    }

    /// What does not go beyond the limit. The rest waits where it is, and in front of our socket once the input is full: nothing
    /// is lost, and nothing acknowledged that was not taken.
    pub(super) fn take_limited(&mut self, bytes: &[u8], limit: Limit) -> Taken {
        let now = Instant::now();
        let drawn = self.pass.as_ref().map_or(u64::MAX, |pass| pass.draw(bytes.len().min(ROUND_BYTES_MAX), now));
        let records_max = match limit {
            Limit::Kept => drawn,
            Limit::Lifted => u64::MAX,
        };
        let taken = self.take::<true>(bytes, records_max);
        let spent = self.spent(taken.messages);
        if let Some(pass) = &self.pass {
            pass.settle(drawn, spent);
        }
        let waits = matches!(taken.result, Ok(Progress::Limited));
        // Whoever waits already is looked at whenever anything happens to its connection, and waits on.
        let resumes_at = self.resumes_at.take_if(|resumes_at| *resumes_at > now && spent == 0);
        self.resumes_at = match &self.pass {
            Some(pass) if waits => resumes_at.or_else(|| Some(pass.wait(now))),
            _ => None,
        };
        taken
    }

    /// What the round has cost the client so far. A message without a record costs one, as does one that was sent again.
    #[inline]
    pub(super) fn spent(&self, messages: u64) -> u64 {
        self.staged().max(messages)
    }

    fn staged(&self) -> u64 {
        self.intake.as_ref().map_or(0, |intake| intake.staged_records())
    }

    /// A pass is over an empty round, whose records are therefore its own.
    #[inline]
    pub(super) fn count(&self, taken: &Taken) {
        if taken.messages == 0 {
            return;
        }
        count(&self.shared.metrics.messages_total, taken.messages);
        if let Some(pass) = &self.pass {
            let dead_letters = self.intake.as_ref().map_or(0, |intake| intake.staged_dead_letters());
            pass.count(Batch { records: self.staged(), bytes: taken.bytes as u64, dead_letters });
        }
    }
}
