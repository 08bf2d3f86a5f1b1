//! Each purge is entered in the audit trail: who, what table, how many rows, older than when.
//!
//! A PostgreSQL database has an outbox of changes, from which the entry reaches `user_activity_log` as every other action of
//! GenIMS does, also when the audit database is away; MySQL databases have none, and their purges are entered there at once.
//! What cannot be entered fails no purge; the report says so.

use super::report::{DatabaseRetention, TableReport};
use crate::actions::{self, Action};
use crate::errors::PlatformError;
use genims_databases::{Database, DatabaseError, Environment, MysqlSettings, PostgresClient};
use mysql_async::prelude::Queryable;
use uuid::Uuid;

/// Who purges.
const SERVICE: &str = "genims-retention";

const INSERT: &str = "INSERT INTO user_activity_log (event_uid, occurred_at, database_name, table_name, record_key, actor_type, \
    actor_id, session_id, application, module_name, activity_type, activity_description, rows_returned, outcome) \
    VALUES (?, UTC_TIMESTAMP(6), ?, ?, '*', 'service', ?, ?, 'genims', ?, 'delete', ?, ?, 'success')";

/// Enters what a run deleted from a PostgreSQL database into the outbox of that database.
pub(super) async fn record<'t>(
    client: &PostgresClient,
    module: &str,
    database: &str,
    tables: impl Iterator<Item = &'t TableReport>,
) -> Result<(), tokio_postgres::Error> {
    for table in tables.filter(|table| table.gone > 0) {
        let description = format!("retention: {}: {}", table.table, description(table));
        let (service, activity, rows) = (SERVICE, "delete", table.gone);
        let action = Action { service, activity, module, database, description: &description, rows };
        actions::record(client, &action).await?;
    }
    Ok(())
}

/// Enters what a run deleted from a MySQL database into the audit database; `session` is the run.
pub(super) async fn record_at_once(
    audit: &Database,
    environment: &Environment,
    session: Uuid,
    module: &str,
    report: &DatabaseRetention,
) -> Result<(), PlatformError> {
    let purged: Vec<_> = report.tables.iter().filter(|table| table.gone > 0).collect();
    if purged.is_empty() {
        return Ok(());
    }
    let settings = match MysqlSettings::from_environment(audit, environment) {
        Err(DatabaseError::NotConfigured { .. }) => return Ok(()),
        settings => settings?,
    };
    let mut connection = settings.connect().await?;
    for table in purged {
        let values = (
            Uuid::new_v4().to_string(),
            report.database.as_str(),
            table.table.as_str(),
            SERVICE,
            session.to_string(),
            module,
            format!("retention: {}", description(table)),
            i32::try_from(table.gone).unwrap_or(i32::MAX),
        );
        connection.exec_drop(INSERT, values).await.map_err(|source| settings.error(source))?;
    }
    genims_databases::mysql::disconnect(connection).await;
    Ok(())
}

fn description(table: &TableReport) -> String {
    let older = table.before.map_or_else(|| table.decides.clone(), |day| format!("{} before {day}", table.decides));
    format!("{} rows deleted, {older}", table.gone)
}
