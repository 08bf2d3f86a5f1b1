//! Each purge is entered in the audit trail: who, what table, how many rows, older than when.
//!
//! A PostgreSQL database has an outbox of changes, from which the entry reaches `user_activity_log` as every other action of
//! GenIMS does, also when the audit database is away; MySQL databases have none, and their purges are entered there at once.
//! What cannot be entered fails no purge; the report says so.

use super::report::{DatabaseRetention, TableReport};
use crate::actions::{self, Action, MysqlAction};
use crate::errors::PlatformError;
use genims_databases::{Database, DatabaseError, Environment, MysqlSettings, PostgresClient};
use genims_model::counted;
use uuid::Uuid;

/// Who purges.
const SERVICE: &str = "genims-retention";

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
        let description = format!("retention: {}", description(table));
        let entry = MysqlAction {
            service: SERVICE,
            activity: "delete",
            module,
            database: &report.database,
            table: &table.table,
            record: "*",
            description: &description,
            rows: table.gone,
        };
        entry.record(&mut connection, session).await.map_err(|source| settings.error(source))?;
    }
    genims_databases::mysql::disconnect(connection).await;
    Ok(())
}

fn description(table: &TableReport) -> String {
    let older = table.before.map_or_else(|| table.decides.clone(), |day| format!("{} before {day}", table.decides));
    format!("{} deleted, {older}", counted(table.gone, "row"))
}
