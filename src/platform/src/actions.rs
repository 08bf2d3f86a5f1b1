//! What GenIMS itself does to a database, entered into that database's outbox of changes; from there it reaches `user_activity_log`.
//! MySQL databases have no outbox: theirs goes there at once.
//!
//! Invariants: where there is no outbox yet nothing is entered, and nothing fails for it.

use genims_databases::MysqlConnection;
use mysql_async::prelude::Queryable;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};
use uuid::Uuid;

/// One action.
#[derive(Clone, Copy, Debug)]
pub struct Action<'a> {
    /// The program's part that did it: `genims-provision`.
    pub service: &'a str,
    /// A word that `user_activity_log.activity_type` knows: `edit`, `delete`, `create` ...
    pub activity: &'a str,
    pub module: &'a str,
    /// What it was done to, by the name in the registry.
    pub database: &'a str,
    pub description: &'a str,
    /// Rows that were written or deleted.
    pub rows: u64,
}

/// Enters it; the statement commits by itself.
pub async fn record(client: &Client, action: &Action<'_>) -> Result<(), Error> {
    if !exists(client, "record_action").await? {
        return Ok(());
    }
    let rows = i64::try_from(action.rows).unwrap_or(i64::MAX);
    let values: [(&(dyn ToSql + Sync), Type); 6] = [
        (&action.service, Type::TEXT),
        (&action.activity, Type::TEXT),
        (&action.module, Type::TEXT),
        (&action.database, Type::TEXT),
        (&action.description, Type::TEXT),
        (&rows, Type::INT8),
    ];
    client.query_typed("SELECT genims_internal.record_action($1, $2, $3, $4, $5, $6)", &values).await.map(|_| ())
}

/// Enters that somebody at `host` was refused an action, so many times. Whether the database takes that: one of an earlier
/// release does not, nor one in which nothing is audited.
pub async fn record_refusal(client: &Client, action: &Action<'_>, host: &str) -> Result<bool, Error> {
    if !exists(client, "record_refusal").await? {
        return Ok(false);
    }
    let times = i64::try_from(action.rows).unwrap_or(i64::MAX);
    let values: [(&(dyn ToSql + Sync), Type); 6] = [
        (&action.service, Type::TEXT),
        (&action.activity, Type::TEXT),
        (&action.module, Type::TEXT),
        (&action.description, Type::TEXT),
        (&host, Type::TEXT),
        (&times, Type::INT8),
    ];
    client.query_typed("SELECT genims_internal.record_refusal($1, $2, $3, $4, $5, $6)", &values).await.map(|_| true)
}

async fn exists(client: &Client, function: &str) -> Result<bool, Error> {
    let exists = "SELECT EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
                  WHERE n.nspname = 'genims_internal' AND p.proname = $1)";
    Ok(client.query_typed_one(exists, &[(&function, Type::TEXT)]).await?.get(0))
}

const INSERT: &str = "INSERT INTO user_activity_log (event_uid, occurred_at, database_name, table_name, record_key, actor_type, \
    actor_id, session_id, application, module_name, activity_type, activity_description, rows_returned, outcome) \
    VALUES (?, UTC_TIMESTAMP(6), ?, ?, ?, 'service', ?, ?, 'genims', ?, ?, ?, ?, 'success')";
/// What the column takes.
const DESCRIPTION_CHARACTERS_MAX: usize = 500;

/// One action on a MySQL database, or on its bookkeeping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MysqlAction<'a> {
    pub(crate) service: &'a str,
    pub(crate) activity: &'a str,
    pub(crate) module: &'a str,
    pub(crate) database: &'a str,
    /// `*` for all of them, as `record`.
    pub(crate) table: &'a str,
    pub(crate) record: &'a str,
    pub(crate) description: &'a str,
    pub(crate) rows: u64,
}

impl MysqlAction<'_> {
    /// Enters it by a connection in the audit database; `session` is the run.
    pub(crate) async fn record(
        &self,
        connection: &mut MysqlConnection,
        session: Uuid,
    ) -> Result<(), mysql_async::Error> {
        let description: String = self.description.chars().take(DESCRIPTION_CHARACTERS_MAX).collect();
        let values = (
            Uuid::new_v4().to_string(),
            self.database,
            self.table,
            self.record,
            self.service,
            session.to_string(),
            self.module,
            self.activity,
            description,
            i32::try_from(self.rows).unwrap_or(i32::MAX),
        );
        connection.exec_drop(INSERT, values).await
    }
}
