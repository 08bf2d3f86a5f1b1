//! What goes wrong while provisioning, seeding and reading master data. Messages name the database, cause and remedy.

use genims_databases::DatabaseError;
use genims_databases::complaint::{Complaint, listed};
use genims_databases::errors::{postgres_cause, postgres_is_transient};
use std::error::Error;

#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    #[error(transparent)]
    Database(#[from] DatabaseError),

    #[error("{}; config/verify/README.md describes the form of rules", listed(.0))]
    Rules(Vec<Complaint>),

    #[error("{}; config/checklist/README.md describes the form of lines", listed(.0))]
    Checklist(Vec<Complaint>),

    #[error("{phase} is no phase of the checklist; use one of {known}")]
    UnknownPhase { phase: String, known: String },

    #[error("{id} is no line of the checklist; of those that people settle use one of {known}")]
    UnknownLine { id: String, known: String },

    #[error(
        "{id} ({must_hold}) is looked at and not signed: a signature would hide what is there; run `genims checklist --phase \"{phase}\"`"
    )]
    NotToSign { id: String, must_hold: String, phase: String },

    #[error("{place} has not answered within {seconds} s; look at the server's log and load")]
    Silent { place: String, seconds: u64 },

    #[error("a signature needs {what}; add {option}")]
    Unsigned { what: &'static str, option: &'static str },

    #[error("{module} is no module; use one of {known}")]
    UnknownModule { module: String, known: String },

    #[error("the embedded schema cannot be read: {cause}; this build is broken: report it")]
    Model { cause: String },

    #[error("{database}: {}; {}", migration_cause(source), migration_remedy(source))]
    Migration { database: String, source: Box<refinery::Error> },

    #[error(
        "{source}; it is statement {statement} of migration {migration}, where the next `genims provision` goes on"
    )]
    Statement { migration: String, statement: usize, source: DatabaseError },

    #[error("{database}: {cause}; {remedy}")]
    History { database: String, cause: String, remedy: &'static str },

    #[error("{database}: another run has worked on it for {waited_s} s; wait for it, or end it, and run this again")]
    Busy { database: String, waited_s: u64 },

    #[error(
        "{place} is no place for the hub: {holds}; name an empty database or one that does not exist in GENIMS_HUB_URL"
    )]
    NoPlaceForHub { place: String, holds: String },

    #[error(
        "{schema} has changed, and what somebody made in the hub stands on it: {objects}; drop that, and run this again"
    )]
    HubInTheWay { schema: String, objects: String },

    #[error("it is not in the hub: {cause}, and run `genims hub provision` again")]
    HubWithoutMysql { cause: String },

    #[error("{place} does not exist; `genims hub provision` makes it")]
    NoHub { place: String },

    #[error("{file}: {cause}; this build is broken: report it")]
    HubNames { file: &'static str, cause: String },

    #[error("config/hub/questions/{file}: {cause}; compare it with its neighbours")]
    HubQuestion { file: String, cause: String },

    #[error("{name} is no question of the hub; use one of {known}")]
    UnknownQuestion { name: String, known: String },

    #[error("{source_database} is not in the hub; see its own line above")]
    HubSource { source_database: String },

    #[error("{database} has no tables yet; run `genims provision` first")]
    NotProvisioned { database: String },

    #[error("config/retention/{file}: {cause}; config/retention/README.md describes its form")]
    Retention { file: String, cause: String },

    #[error("the legal holds cannot be read, so nothing may go: {cause}")]
    HoldsUnknown { cause: String },

    #[error(
        "{database}: {cause}; a purge needs the owner's login, as `genims provision` does: DELETE on the tables, and to own those that are partitioned"
    )]
    PurgeRight { database: String, cause: String },

    #[error("{day} is still to come, and what is young today would go; give --as-of a day that has been")]
    DayToCome { day: chrono::NaiveDate },

    #[error(
        "{database}: its maintenance window is closed until {}; wait for it, or add --now, which works on it at once",
        opens.format("%Y-%m-%d %H:%M UTC")
    )]
    WindowClosed { database: String, opens: chrono::DateTime<chrono::Utc> },

    #[error("{database} has no schema yet; add config/schema/{folder}/{database}/ or leave it out of --only")]
    NoSchema { database: String, folder: &'static str },
}

impl PlatformError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(error) | Self::Statement { source: error, .. } => error.is_transient(),
            Self::Busy { .. } => true,
            Self::Migration { source, .. } => postgres_error(source).is_some_and(postgres_is_transient),
            _ => false,
        }
    }
}

fn postgres_error(error: &refinery::Error) -> Option<&tokio_postgres::Error> {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = next {
        if let Some(found) = inner.downcast_ref() {
            return Some(found);
        }
        next = inner.source();
    }
    None
}

fn migration_cause(error: &refinery::Error) -> String {
    match (error.kind(), postgres_error(error)) {
        (refinery::error::Kind::Connection(what, _), Some(cause)) => format!("{what}: {}", postgres_cause(cause)),
        _ => error.to_string(),
    }
}

fn migration_remedy(error: &refinery::Error) -> &'static str {
    match error.kind() {
        refinery::error::Kind::DivergentVersion(..) => {
            "an applied migration must never change: restore its file and put the change into a new one"
        }
        refinery::error::Kind::MissingVersion(_) => {
            "the database is ahead of this program, or a migration was slipped in: use the matching release"
        }
        _ => "nothing of that migration was kept: remove the cause and run `genims provision` again",
    }
}
