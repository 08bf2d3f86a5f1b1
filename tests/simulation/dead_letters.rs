//! Dead letters of rows that their database refused, on their way into the first log, as production brings them there: through the
//! shards, with a mark of which have gone.

use crate::database::{Database, lock};
use crate::plan::{Broken, Plan};
use crate::rows;
use crate::server::DATA;
use genims_consumers::SinkMetrics;
use genims_consumers::kept_dead_letters::KeptRowDeadLetters;
use genims_log::file::simulated::{self, FakeDisk};
use genims_log::file::{Forwarded, RowDeadLetters, Spool, SpoolError};
use genims_model::{Accounts, Mark, SourceNo};
use genims_pipeline::intake::Intake;
use genims_stores::rows::RowDesk;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Those of one life.
pub(crate) struct DeadLetters {
    kept: Arc<RowDeadLetters>,
    accounts: Arc<Accounts>,
    /// They are taken for stored before they are, which a run must notice.
    loses: bool,
}

impl DeadLetters {
    /// Where programs send rows. `marks` are those of the first log: they say which dead letters it has.
    pub(crate) fn open(
        plan: &Plan,
        disk: &FakeDisk,
        marks: &HashMap<String, u64>,
        accounts: &Arc<Accounts>,
    ) -> Result<Option<Self>, SpoolError> {
        if !plan.has_rows {
            return Ok(None);
        }
        let forgets = plan.broken == Broken::ForgetsForwarded;
        let forwarded = marks.get(RowDeadLetters::MARK).copied().filter(|_| !forgets).unwrap_or(0);
        let kept = Arc::new(simulated::row_dead_letters(disk, Path::new(DATA), forwarded)?);
        accounts.received(accounts.recovered(), kept.waiting());
        Ok(Some(Self { kept, accounts: accounts.clone(), loses: plan.broken == Broken::LosesDeadLetters }))
    }

    /// All of them are in the first log.
    pub(crate) fn are_forwarded(&self) -> bool {
        self.kept.waiting() == 0
    }

    /// What the writer of a database's rows asks. `log` is what the database follows; what is below `recovered_until` an earlier
    /// life left there.
    pub(crate) fn desk(
        &self,
        database: &str,
        log: &Spool,
        recovered_until: u64,
        metrics: &Arc<SinkMetrics>,
    ) -> Arc<RowDesk> {
        let kept = KeptRowDeadLetters {
            row_dead_letters: self.kept.clone(),
            log: log.id(),
            database: database.to_owned(),
            recovered: (recovered_until, self.accounts.recovered()),
            accounts: self.accounts.clone(),
            metrics: metrics.clone(),
        };
        Arc::new(RowDesk::new(database, Arc::new(kept)))
    }

    /// Brings them into the first log until it is aborted. `routed` has refused them, and follows `log`.
    pub(crate) fn start(&self, intake: Arc<Intake>, log: Spool, routed: &Arc<Mutex<Database>>) -> JoinHandle<()> {
        let (kept, recovered, routed) = (self.kept.clone(), self.accounts.recovered(), routed.clone());
        let forwarding = Forwarding { kept, intake, log, routed, recovered, loses: self.loses, may_be_there: true };
        tokio::spawn(forwarding.run())
    }
}

struct Forwarding {
    kept: Arc<RowDeadLetters>,
    intake: Arc<Intake>,
    log: Spool,
    routed: Arc<Mutex<Database>>,
    recovered: SourceNo,
    loses: bool,
    /// The log may have what comes next, and not the mark of it: marks come last, and an earlier life may have ended before.
    may_be_there: bool,
}

impl Forwarding {
    async fn run(mut self) {
        loop {
            if self.forward_next().await.is_err() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }

    async fn forward_next(&mut self) -> Result<(), SpoolError> {
        let Forwarded { serial, is_left, mut dead_letters } = self.kept.next().await?;
        if is_left {
            dead_letters.iter_mut().for_each(|dead_letter| dead_letter.source = self.recovered);
        }
        if std::mem::take(&mut self.may_be_there) && is_left {
            lock(&self.routed).may_have_again(dead_letters.iter().filter_map(rows::id_of_dead_letter));
        }
        if !self.loses {
            let mark = Mark { client: RowDeadLetters::MARK.to_owned(), sequence: serial };
            self.intake.set_aside_rows(dead_letters, mark).await;
        }
        let cursor = self.log.cursor(lock(&self.routed).name).unwrap_or(0);
        self.kept.forwarded(serial, |log, _| if log == self.log.id() { cursor } else { u64::MAX })
    }
}
