//! Each purge is entered in `user_activity_log` of the audit database: who, what table, how many rows, older than when.
//!
//! An audit database that is away fails no purge; the report says so.

use super::report::DatabaseReport;
use crate::errors::PlatformError;
use genims_databases::{Database, DatabaseError, Environment, MysqlSettings};
use mysql_async::prelude::Queryable;
use uuid::Uuid;

const INSERT: &str = "INSERT INTO user_activity_log (event_uid, occurred_at, database_name, table_name, record_key, actor_type, \
    actor_id, session_id, application, module_name, activity_type, activity_description, rows_returned, outcome) \
    VALUES (?, UTC_TIMESTAMP(6), ?, ?, '*', 'service', 'genims-retention', ?, 'genims', ?, 'delete', ?, ?, 'success')";

/// Writes what a run did to a database; `session` is the run. How many entries were written.
pub(super) async fn record(
    audit: &Database,
    environment: &Environment,
    session: Uuid,
    module: &str,
    report: &DatabaseReport,
) -> Result<u64, PlatformError> {
    let purged: Vec<_> = report.tables.iter().filter(|table| table.gone > 0).collect();
    if purged.is_empty() {
        return Ok(0);
    }
    let settings = match MysqlSettings::from_environment(audit, environment) {
        Err(DatabaseError::NotConfigured { .. }) => return Ok(0),
        settings => settings?,
    };
    let mut connection = settings.connect().await?;
    for table in &purged {
        let older = table.before.map_or_else(|| table.decides.clone(), |day| format!("{} before {day}", table.decides));
        let description = format!("retention: {} rows deleted, {older}", table.gone);
        let rows = i32::try_from(table.gone).unwrap_or(i32::MAX);
        let values = (
            Uuid::new_v4().to_string(),
            report.database.as_str(),
            table.table.as_str(),
            session.to_string(),
            module,
            description,
            rows,
        );
        connection.exec_drop(INSERT, values).await.map_err(|source| settings.error(source))?;
    }
    let _ = connection.disconnect().await;
    Ok(purged.len() as u64)
}
