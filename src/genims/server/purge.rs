//! Keeps the table of dead letters within its bounds: enters what the configuration keeps, leaves a table that holds no more.

use super::ServerError;
use crate::settings::Settings;
use genims_databases::{Environment, PostgresSettings, Registry};
use genims_model::Cause;
use genims_platform::dead_letters::purge::{self, DeadLetterOptions, Purged, Which};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(600);
/// Connecting, and deleting whatever is too much; what is not finished goes on the next time.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) struct Purge {
    kept: DeadLetterOptions,
    operations: PostgresSettings,
}

impl Purge {
    /// `None` without a sink that could set anything aside.
    pub(super) fn of(settings: &Settings, environment: &Environment) -> Result<Option<Self>, ServerError> {
        if settings.postgres.is_none() {
            return Ok(None);
        }
        let registry = Registry::load(None)?;
        let operations = PostgresSettings::from_environment(registry.get("genims_operations_db")?, environment)?;
        Ok(Some(Self { kept: settings.dead_letters.clone(), operations }))
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        let mut said = None;
        loop {
            let purged = tokio::select! {
                purged = tokio::time::timeout(PATIENCE, self.once()) => purged,
                () = stop.cancelled() => return,
            };
            let failure = match purged {
                Ok(Ok(Purged { rows: 0, .. })) => None,
                Ok(Ok(Purged { rows, dead_letters, .. })) => {
                    tracing::info!(rows, dead_letters, "dead letters beyond what [dead_letters] keeps were deleted");
                    None
                }
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("it took longer than {} s", PATIENCE.as_secs())),
            };
            // Once for each new cause: the same one every ten minutes tells nothing more.
            if let Some(error) = failure.as_ref().filter(|_| failure != said) {
                tracing::warn!(
                    error,
                    "dead letters cannot be purged; the table may grow beyond its bounds until they can"
                );
            }
            said = failure;
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// A connection for each look: a pool's place is not held for a question every ten minutes.
    async fn once(&self) -> Result<Purged, Cause> {
        let client = self.operations.connect().await?;
        let keep_for = chrono::Duration::from_std(self.kept.keep_for)?;
        let before = chrono::Utc::now().checked_sub_signed(keep_for);
        let mut purged = Purged::default();
        if before.is_some() {
            purged.add(purge::purge(&client, &Which { before, ..Which::default() }).await?);
        }
        purged.add(purge::purge_to_size(&client, self.kept.max_bytes).await?);
        Ok(purged)
    }
}
