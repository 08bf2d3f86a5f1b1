//! The mirror's loop: it follows the log, and when the log no longer holds what it lacks, it is brought back from the
//! operations database and follows again.

use crate::follow::{FollowOptions, Follower, error_text};
use crate::gather::BatchLimits;
use crate::metrics::SinkMetrics;
use genims_catalogue::Directory;
use genims_log::contract::Log;
use genims_model::Backoff;
use genims_stores::SinkError;
use genims_stores::mongo::MongoTarget;
use genims_stores::mongo::resync::{Compared, Resynced};
use genims_stores::postgres::Connector;
use genims_stores::postgres::stored::Stored;
use genims_stores::target::Target;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What the loop needs; it may be run again and again.
pub struct Mirror<L, C> {
    pub log: L,
    pub limits: BatchLimits,
    pub metrics: Arc<SinkMetrics>,
    /// To the operations database, from which the mirror is brought back; without it a cut-off is the end.
    pub operations: Option<C>,
    pub directory: Arc<Directory>,
}

impl<L: Log + Clone, C: Connector> Mirror<L, C> {
    /// Runs until `shutdown` turns true, or until something fails that another start may mend. `target` makes the mirror's
    /// side of each attempt.
    pub async fn run(
        &self,
        mut target: impl FnMut() -> MongoTarget,
        shutdown: CancellationToken,
    ) -> Result<(), SinkError> {
        let mut compared = Compared::default();
        let options = FollowOptions { gap_ends: self.operations.is_some(), ..FollowOptions::default() };
        loop {
            let (log, limits, metrics) = (self.log.clone(), self.limits.clone(), self.metrics.clone());
            let follower = Follower::new(target(), log, limits, metrics, None).with_options(options);
            let error = match follower.run(shutdown.clone()).await {
                Err(error @ SinkError::CutOff { .. }) => error,
                ended => return ended,
            };
            let Some(operations) = &self.operations else { return Err(error) };
            tracing::error!(error = error_text(&error), "the mirror is brought back from the operations database");
            self.metrics.cut_off(error_text(&error));
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = self.bring_back(&mut target, operations, &mut compared) => {}
            }
        }
    }

    /// Tries until it is done.
    async fn bring_back(&self, target: &mut impl FnMut() -> MongoTarget, operations: &C, compared: &mut Compared) {
        let mut backoff = Backoff::default();
        while let Err(error) = self.try_to_bring_back(target(), operations, compared).await {
            self.metrics.cut_off(format!("cut off, and not brought back yet: {}", error_text(&error)));
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    async fn try_to_bring_back(
        &self,
        mut target: MongoTarget,
        operations: &C,
        compared: &mut Compared,
    ) -> Result<(), SinkError> {
        let start = self.log.position(self.log.first_offset());
        // Nothing is kept for a mirror that cannot be reached.
        target.open(&start, 0).await?;
        let client = operations.connect().await.map_err(SinkError::Connect)?;
        let stored = Stored::open(client, self.directory.load()).await?;
        let reached = stored.position(start.log()).await?.unwrap_or_else(|| start.clone());
        // From here on the log keeps everything for the mirror again. When it is stopped before its end, the position that
        // MongoDB remembers says so.
        self.log.restart_at(target.name(), reached.next_offset()).map_err(SinkError::Log)?;
        let told = &|done: &Resynced| self.metrics.cut_off(progress(done));
        let done = target.resync(&stored, &start, &reached, compared, told).await?;
        tracing::info!(
            readings = done.readings,
            snapshots = done.snapshots,
            faults = done.faults,
            unknown = done.unknown,
            position = reached.next_offset(),
            "the mirror is back; state changes, counted parts and OEE hours meanwhile are not in the operations database"
        );
        Ok(())
    }
}

fn progress(done: &Resynced) -> String {
    format!(
        "cut off; being brought back from the operations database: {} readings, {} snapshots and {} faults so far",
        done.readings, done.snapshots, done.faults
    )
}
