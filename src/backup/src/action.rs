//! What was done to a database or to its backups, entered into the audit trail: of a PostgreSQL database through its own outbox, of
//! another one through that of the master data. In: the action. Out: that it is entered, or why not.

use crate::errors::BackupError;
use genims_databases::{Database, Engine, Environment, PostgresSettings, Registry};
use genims_platform::actions::{self, Action};
use genims_platform::provision::postgres::connect_existing;

/// Whose outbox takes the database's actions.
const MASTER: &str = "genims_master_db";

pub(crate) async fn record(
    registry: &Registry,
    environment: &Environment,
    database: &Database,
    (service, activity): (&str, &str),
    description: &str,
    rows: u64,
) -> Result<(), BackupError> {
    let outbox = if has_outbox(database) { database } else { registry.get(MASTER)? };
    let settings = PostgresSettings::from_environment(outbox, environment)?;
    let missing = || BackupError::Missing { database: outbox.name.clone() };
    let client = connect_existing(&settings).await?.ok_or_else(missing)?;
    let (module, name) = (&database.module, &database.name);
    let action = Action { service, activity, module, database: name, description, rows };
    Ok(actions::record(&client, &action).await.map_err(|source| settings.error(source))?)
}

/// Of its own.
pub(crate) fn has_outbox(database: &Database) -> bool {
    database.engine == Engine::Postgresql
}
