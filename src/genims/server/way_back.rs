//! The way back of rows that their database refused: their letters are kept beside the logs, and go through the shards into the
//! first log like all others, whenever that has room. What refuses waits for nothing.

use super::stream::Stream;
use genims_databases::Registry;
use genims_log::file::{Forwarded, RowLetters, Spool, SpoolError};
use genims_model::{Cause, DeadLetter, Mark, SourceNo};
use genims_pipeline::intake::Intake;
use genims_stores::rows::Aside;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A file that cannot be read is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// What all databases have refused.
pub(super) struct WayBack {
    row_letters: Arc<RowLetters>,
    intake: Arc<Intake>,
    /// The log of events, which the databases follow.
    log: Spool,
    registry: &'static Registry,
    /// Records of the log of events below were left by an earlier run, and are in the account of this source.
    recovered: (u64, SourceNo),
}

impl WayBack {
    /// What an earlier run left counts as received by this one.
    pub(super) fn new(stream: &Stream, log: &Spool, recovered_until: u64, registry: &'static Registry) -> Self {
        let (row_letters, source) = (stream.row_letters.clone(), stream.accounts.recovered());
        stream.accounts.received(source, row_letters.waiting());
        let (intake, log) = (stream.intake.clone(), log.clone());
        Self { row_letters, intake, log, registry, recovered: (recovered_until, source) }
    }

    /// Where the rows of one database go.
    pub(super) fn of(&self, database: &str) -> Kept {
        let (row_letters, log) = (self.row_letters.clone(), self.log.id());
        Kept { row_letters, log, database: database.to_owned(), recovered: self.recovered }
    }

    /// Brings letters into the first log until it is asked to stop.
    pub(super) async fn run(self, stop: CancellationToken) {
        loop {
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                next = self.row_letters.next() => next,
            };
            let done = match next {
                Ok(next) => tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    done = self.forward(next) => done,
                },
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                tracing::error!(%error, "letters of refused rows wait");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn forward(&self, next: Forwarded) -> Result<(), SpoolError> {
        let Forwarded { serial, is_left, mut letters } = next;
        if is_left {
            // The listeners of an earlier run may have been others.
            letters.iter_mut().for_each(|letter| letter.source = self.recovered.1);
        }
        self.intake.set_aside_rows(letters, Mark { client: RowLetters::MARK.to_owned(), sequence: serial }).await;
        self.row_letters.forwarded(serial, |log, database| self.passed(log, database))
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

/// See [`WayBack::of`].
pub(super) struct Kept {
    row_letters: Arc<RowLetters>,
    log: Uuid,
    database: String,
    recovered: (u64, SourceNo),
}

impl Aside for Kept {
    fn keep(&self, mut letters: Vec<(u64, DeadLetter)>) -> Result<(), Cause> {
        let (until, source) = self.recovered;
        for (_, letter) in letters.iter_mut().filter(|(offset, _)| *offset < until) {
            letter.source = source;
        }
        Ok(self.row_letters.keep(self.log, &self.database, letters)?)
    }

    fn offsets(&self) -> Vec<u64> {
        self.row_letters.offsets(self.log, &self.database)
    }
}
