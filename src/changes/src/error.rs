//! What can go wrong between an outbox and the audit trail. Messages name the database, the cause and the remedy.

use genims_databases::DatabaseError;

#[derive(Debug, thiserror::Error)]
pub enum ChangesError {
    #[error(transparent)]
    Database(#[from] DatabaseError),

    #[error("{database} has no outbox of changes; run `genims provision`")]
    NoOutbox { database: String },

    #[error("{database}: row {id} of genims_internal.changes cannot be read: {cause}; was it altered by hand?")]
    BadRow { database: String, id: i64, cause: String },

    #[error("{database}: {what} has not answered within {seconds} s; look at that server's log")]
    Hung { database: String, what: &'static str, seconds: u64 },

    #[error(
        "the heads of the audit trail cannot be kept in {path}: {source}; make the folder writable, with room for them"
    )]
    Heads { path: String, source: std::io::Error },

    #[error("{path} does not hold the heads of the audit trail: {cause}; restore it from a backup, or set it aside")]
    BadHeads { path: String, cause: String },

    #[error(
        "{path}, the heads of the audit trail, has format {found}, this program reads 1; start the release that wrote it, or a later one"
    )]
    LaterHeads { path: String, found: u64 },

    #[error("{database}: nothing may be deleted before {allowed}: the registry keeps the audit trail for that long")]
    TooYoung { database: String, allowed: String },

    #[error("{database}: legal hold {holds} is not released; nothing that it may cover is deleted")]
    Held { database: String, holds: String },

    #[error("the export cannot be written: {0}; free space, or name another place")]
    Export(#[source] std::io::Error),
}
