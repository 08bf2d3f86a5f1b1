//! How fast a client's frames are taken, and what is counted of them: once for all that a read brought, never for a record.

use super::{Connection, Staged};
use crate::talkers::Batch;
use crate::tcp::refusal::Refusal;
use crate::tcp::wire::{Stream, Wire};
use tokio::time::Instant;

impl Connection {
    /// What the input has, as far as it may be taken now.
    pub(super) fn take(&mut self, wire: &mut Wire<impl Stream>) -> (Staged, Option<Refusal>) {
        // All that limits cost those who have none: one branch for everything that a read brought, always the same way. The loop is
        // compiled twice, and theirs knows of no limit.
        let (staged, refused) = if self.pass.rate().is_some() || self.resumes_at.is_some() {
            self.take_limited(wire)
        } else {
            self.stage::<false>(wire, u64::MAX)
        };
        if staged.taken > 0 {
            let records = self.intake.staged_records() + staged.repeated;
            let dead_letters = self.intake.staged_dead_letters();
            self.pass.count(Batch { records, bytes: staged.taken_bytes, dead_letters });
        }
        (staged, refused)
    }

    /// As much as the client may send by now. The rest waits where it is, and in front of our socket once the input is full: nothing
    /// is lost, and nothing acknowledged that was not taken.
    fn take_limited(&mut self, wire: &mut Wire<impl Stream>) -> (Staged, Option<Refusal>) {
        self.heed();
        let now = Instant::now();
        let drawn = self.pass.draw(wire.ahead(), now);
        let (staged, refused) = self.stage::<true>(wire, drawn);
        let spent = self.spent(&staged);
        self.pass.settle(drawn, spent);
        // Whoever waits already is looked at whenever anything happens to its connection, and waits on.
        let resumes_at = self.resumes_at.take_if(|resumes_at| *resumes_at > now && spent == 0);
        self.resumes_at = staged.limited.then(|| resumes_at.unwrap_or_else(|| self.pass.wait(now)));
        (staged, refused)
    }

    /// What the round has cost the client so far. A frame without a record costs one.
    pub(super) fn spent(&self, staged: &Staged) -> u64 {
        (self.intake.staged_records() + staged.repeated).max(staged.taken)
    }
}
