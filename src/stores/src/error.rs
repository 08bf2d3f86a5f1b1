//! What can go wrong in a sink, and whether trying again can help.

use genims_model::{Cause, LineageError};
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    #[error("the spool cannot be read; check the disk below the data directory")]
    Log(#[source] Cause),
    #[error("cannot connect; check that the server runs and that URL, user and password are right")]
    Connect(#[source] Cause),
    #[error("PostgreSQL: {}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("MongoDB: {0}")]
    Mongo(#[from] mongodb::error::Error),
    #[error("MongoDB refused to write ({code}): {message}")]
    MongoWrite { code: i32, message: String },
    #[error("an earlier insert of this sink still runs in MongoDB; waiting for its end")]
    StillRunning,
    #[error("no answer within {}; the server is overloaded, or another session holds a lock", humantime(.0))]
    TimedOut(Duration),
    #[error("the position is no longer {expected}: another writer moved it; it is read again")]
    PositionMoved { expected: u64 },
    #[error(
        "{sink} has the records below {position} of a history that this log, which ends at {end}, does not hold: the log \
         was restored from an older copy, and going on would lose new records. Nothing is acknowledged. Stop the server \
         and restore the newer data folder, or go on from this one with `genims log adopt`"
    )]
    NotInHistory { sink: &'static str, position: u64, end: u64 },
    #[error(
        "{sink} is cut off at {position}: the log, which begins at {first}, no longer holds what it lacks; bring its \
         database back from the operations database"
    )]
    CutOff { sink: &'static str, position: u64, first: u64 },
    #[error("the position in sink_positions cannot be read")]
    Lineage(#[from] LineageError),
}

impl SinkError {
    /// Whether waiting and trying again can help. Permanent ones end the sink; refused rows never get this far.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Log(_) | Self::NotInHistory { .. } | Self::CutOff { .. } | Self::Lineage(_))
    }
}

/// `tokio_postgres::Error` alone says only "db error".
fn describe(error: &tokio_postgres::Error) -> String {
    let Some(db) = error.as_db_error() else {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        return format!("{error}{cause}");
    };
    let remedy = match db.code().code() {
        "42P01" | "42703" | "3F000" => "; bring the schema up to date with `genims provision`",
        "42501" => "; grant the sink's role INSERT on the operations tables and all rights on genims_internal",
        code if code.starts_with("53") => "; the server is out of disk, memory or connections",
        _ => "",
    };
    format!("{} (SQLSTATE {}){remedy}", db.message(), db.code().code())
}

fn humantime(duration: &Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
