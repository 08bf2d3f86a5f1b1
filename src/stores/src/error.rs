//! What can go wrong in a sink, and whether trying again can help.

use genims_model::{Cause, LineageError};
use std::future::Future;
use std::time::Duration;
use uuid::Uuid;

#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    #[error("the spool cannot be read or written; check the disk below the data directory")]
    Log(#[source] Cause),
    #[error("dead letters of rows that the database refused cannot be kept, and its rows wait: {0}")]
    NotKept(Cause),
    #[error("cannot connect; check that the server runs and that URL, user and password are right")]
    Connect(#[source] Cause),
    #[error("PostgreSQL: {}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("MongoDB: {0}")]
    Mongo(#[from] mongodb::error::Error),
    #[error("MongoDB refused to write ({code}): {message}")]
    MongoWrite { code: i32, message: String },
    #[error("MySQL: {}", describe_mysql(.0))]
    Mysql(Box<mysql_async::Error>),
    #[error("route {route}: {source}")]
    Route { route: String, source: Box<SinkError> },
    #[error("the look-up {0} has not been answered yet; check that its database runs")]
    NotLookedUp(String),
    #[error("an earlier insert of this sink still runs in MongoDB; waiting for its end")]
    StillRunning,
    #[error("no answer within {}; the server is overloaded, or another session holds a lock", humantime(.0))]
    TimedOut(Duration),
    #[error("partition {0} was detached under the batch; its rows go to the default partition")]
    Detached(String),
    #[error(
        "{collection} was dropped under load and is an ordinary collection that holds {foreign} documents of other \
         clients; move them away, drop it, and run `genims provision`"
    )]
    NotTimeSeries { collection: String, foreign: u64 },
    #[error("the position is no longer {expected}: another writer moved it; it is read again")]
    PositionMoved { expected: u64 },
    #[error(
        "sink_positions says {position}, and genims_internal.ingest_batches has batches up to {entered}: the position went back \
         and the rows did not; they would be there twice. Restore both from one copy, or, where the rows are all there, \
         say so: UPDATE genims_internal.sink_positions SET next_offset = {entered}, history = '{history}' \
         WHERE spool_id = '{spool_id}' AND sink = 'postgres'"
    )]
    EnteredAlready { position: u64, entered: u64, spool_id: Uuid, history: String },
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
    #[error("{0} holds a row that this program did not write; restore the table from a copy")]
    Bookkeeping(&'static str),
    #[error("the position in sink_positions cannot be read")]
    Lineage(#[from] LineageError),
}

impl SinkError {
    /// Whether the server refused because of how much it was asked at once: with less at a time it may go well.
    pub fn is_too_much(&self) -> bool {
        const MAX_TIME_MS_EXPIRED: i32 = 50;
        // Of MariaDB, of MySQL.
        const STATEMENT_TIMEOUTS: [u16; 2] = [1969, 3024];
        match self {
            Self::Postgres(error) => error.code().is_some_and(|code| {
                // statement_timeout; memory, locks and other limits of the configuration; limits of the program.
                matches!(code.code(), "57014" | "53200" | "53400") || code.code().starts_with("54")
            }),
            Self::MongoWrite { code, .. } => *code == MAX_TIME_MS_EXPIRED,
            Self::Mongo(error) => match &*error.kind {
                mongodb::error::ErrorKind::Command(command) => command.code == MAX_TIME_MS_EXPIRED,
                _ => false,
            },
            Self::Mysql(error) => match error.as_ref() {
                mysql_async::Error::Server(refusal) => STATEMENT_TIMEOUTS.contains(&refusal.code),
                _ => false,
            },
            Self::TimedOut(_) => true,
            Self::Route { source, .. } => source.is_too_much(),
            _ => false,
        }
    }

    /// Whether waiting and trying again can help. Permanent ones end the sink; refused rows never get this far.
    pub fn is_transient(&self) -> bool {
        if let Self::Route { source, .. } = self {
            return source.is_transient();
        }
        !matches!(
            self,
            Self::Log(_) | Self::NotInHistory { .. } | Self::CutOff { .. } | Self::Bookkeeping(_) | Self::Lineage(_)
        )
    }
}

impl SinkError {
    /// The same, with the route that met it.
    pub(crate) fn in_route(self, route: &str) -> Self {
        Self::Route { route: route.to_owned(), source: Box::new(self) }
    }
}

impl From<mysql_async::Error> for SinkError {
    fn from(error: mysql_async::Error) -> Self {
        Self::Mysql(Box::new(error))
    }
}

/// How long one statement may go unanswered: longer than `statement_timeout`, so that a server that still answers says itself
/// what was too much.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(25);

/// The answer of the server, or none within [`ANSWER_TIMEOUT`].
pub async fn answered<V, E>(work: impl Future<Output = Result<V, E>>) -> Result<V, SinkError>
where
    SinkError: From<E>,
{
    answered_within(ANSWER_TIMEOUT, work).await
}

/// The same with another time.
pub(crate) async fn answered_within<V, E>(
    patience: Duration,
    work: impl Future<Output = Result<V, E>>,
) -> Result<V, SinkError>
where
    SinkError: From<E>,
{
    match tokio::time::timeout(patience, work).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(SinkError::TimedOut(patience)),
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
        "55P03" => "; another session holds a lock: look into pg_locks",
        "57014" => "; it took longer than statement_timeout allows, or somebody cancelled it",
        "42501" => "; grant the sink's role INSERT on the operations tables and all rights on genims_internal",
        code if code.starts_with("53") => "; the server is out of disk, memory or connections",
        _ => "",
    };
    format!("{} (SQLSTATE {}){remedy}", db.message(), db.code().code())
}

/// Tables or columns that are not there.
fn describe_mysql(error: &mysql_async::Error) -> String {
    const MISSING: [u16; 3] = [1049, 1054, 1146];
    match error {
        mysql_async::Error::Server(refusal) if MISSING.contains(&refusal.code) => {
            format!("{error}; bring the schema up to date with `genims provision`")
        }
        _ => error.to_string(),
    }
}

fn humantime(duration: &Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_of_an_earlier_release_is_told_what_to_do() {
        let error = |code| {
            let (message, state) = ("Table 'genims_internal.route_gaps' doesn't exist".to_owned(), "42S02".to_owned());
            SinkError::from(mysql_async::Error::Server(mysql_async::ServerError { code, message, state })).to_string()
        };
        assert!(error(1146).ends_with("with `genims provision`"), "{}", error(1146));
        assert!(!error(1213).contains("provision"));
    }
}
