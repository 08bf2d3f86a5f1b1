//! The way back of rows that their database refused: their dead letters are kept beside the logs, and go through the shards into the
//! first log like all others, whenever that has room. What refuses waits for nothing.

use super::stream::Stream;
use genims_consumers::SinkMetrics;
use genims_consumers::kept_dead_letters::KeptRowDeadLetters;
use genims_databases::Registry;
use genims_log::file::{Forwarded, RowDeadLetters, Spool, SpoolError};
use genims_model::{Accounts, Backoff, Mark, SourceNo};
use genims_pipeline::intake::Intake;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What all databases have refused.
pub(super) struct WayBack {
    row_dead_letters: Arc<RowDeadLetters>,
    intake: Arc<Intake>,
    accounts: Arc<Accounts>,
    /// The log of events, which the databases follow.
    log: Spool,
    registry: &'static Registry,
    /// Records of the log of events below were left by an earlier run, and are in the account of this source.
    recovered: (u64, SourceNo),
}

impl WayBack {
    /// What an earlier run left counts as received by this one.
    pub(super) fn new(stream: &Stream, log: &Spool, recovered_until: u64, registry: &'static Registry) -> Self {
        let (row_dead_letters, source) = (stream.row_dead_letters.clone(), stream.accounts.recovered());
        stream.accounts.received(source, row_dead_letters.waiting());
        let (intake, accounts, log) = (stream.intake.clone(), stream.accounts.clone(), log.clone());
        Self { row_dead_letters, intake, accounts, log, registry, recovered: (recovered_until, source) }
    }

    /// Where the dead letters of one database's rows go; `metrics` are its follower's.
    pub(super) fn of(&self, database: &str, metrics: &Arc<SinkMetrics>) -> KeptRowDeadLetters {
        KeptRowDeadLetters {
            row_dead_letters: self.row_dead_letters.clone(),
            log: self.log.id(),
            database: database.to_owned(),
            recovered: self.recovered,
            accounts: self.accounts.clone(),
            metrics: metrics.clone(),
        }
    }

    /// Brings dead letters into the first log until it is asked to stop.
    pub(super) async fn run(self, stop: CancellationToken) {
        repeat(|| self.forward_next(), &stop).await;
    }

    async fn forward_next(&self) -> Result<(), SpoolError> {
        self.forward(self.row_dead_letters.next().await?).await
    }

    async fn forward(&self, next: Forwarded) -> Result<(), SpoolError> {
        let Forwarded { serial, is_left, mut dead_letters } = next;
        if is_left {
            // The listeners of an earlier run may have been others.
            dead_letters.iter_mut().for_each(|dead_letter| dead_letter.source = self.recovered.1);
        }
        self.intake
            .set_aside_rows(dead_letters, Mark { client: RowDeadLetters::MARK.to_owned(), sequence: serial })
            .await;
        self.row_dead_letters.forwarded(serial, |log, database| self.passed(log, database))
    }

    /// How far a database is in a log; one that nobody follows any more is behind nothing.
    fn passed(&self, log: Uuid, database: &str) -> u64 {
        if log != self.log.id() {
            return u64::MAX;
        }
        let consumer = self.registry.get(database).ok();
        consumer.and_then(|database| self.log.cursor(&database.module)).unwrap_or(0)
    }
}

/// Takes a step after the other until `stop` is cancelled; one that fails, because a file cannot be read or written, is tried
/// again.
async fn repeat<F>(mut step: impl FnMut() -> F, stop: &CancellationToken)
where
    F: Future<Output = Result<(), SpoolError>>,
{
    let mut backoff = Backoff::default();
    loop {
        let done = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            done = step() => done,
        };
        match done {
            Ok(()) => backoff.reset(),
            Err(error) => {
                tracing::error!(%error, "dead letters of refused rows wait");
                if !backoff.wait(stop.cancelled()).await {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::ready;
    use std::time::Duration;
    use tokio::time::{Instant, sleep};

    #[tokio::test(start_paused = true)]
    async fn a_file_that_cannot_be_read_is_tried_again_ever_more_seldom_and_a_stop_waits_for_no_pause() {
        let (stop, tried) = (CancellationToken::new(), Cell::new(0));
        let fail = || {
            tried.set(tried.get() + 1);
            ready(Err(SpoolError::TooLarge(tried.get())))
        };
        let begun = Instant::now();
        tokio::join!(repeat(fail, &stop), async {
            sleep(Duration::from_secs(600)).await;
            stop.cancel();
        });
        assert_eq!(begun.elapsed().as_secs(), 600, "it ended with the stop");
        // Once a second they would be 600.
        assert!((60..=130).contains(&tried.get()), "{} attempts", tried.get());
    }
}
