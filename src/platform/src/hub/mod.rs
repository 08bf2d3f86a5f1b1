//! `genims hub provision`: one read-only PostgreSQL database in which all others can be asked together.
//!
//! Enters: the registry, the environment, config/hub/names.toml. Leaves: a database `hub` with one schema of foreign tables for
//! each PostgreSQL and MySQL database ([`source`]), views over them with the names of MongoDB's collections where a copy exists, and
//! the names that the platform's applications say besides ([`names`]); questions to ask there ([`questions`]).
//! Invariants: nothing in the 17 databases changes, except for one login a module that may only read; the hub keeps no data;
//! who may ask a table here is who may read it at its source; idempotent, each schema in a transaction of its own, and a
//! source that cannot be reached leaves its schema as it was and stops no other; so does a server without `mysql_fdw`.

mod foreign;
mod mysql;
mod names;
mod postgres;
pub mod questions;
mod source;

use crate::errors::PlatformError;
use crate::provision::postgres::{connect_existing, create_database, lock, set_utc};
use genims_databases::errors::postgres_cause;
use genims_databases::{Database, DatabaseError, Engine, Environment, PostgresClient, PostgresSettings, Registry};
use serde::Serialize;
use std::time::Instant;

pub use names::{HubName, HubNames};

/// Outside the names of the contract, so that nobody takes it for one of the 17.
pub const DATABASE: &str = "hub";
/// The environment variable that holds its URL; without it the hub is on the server of `GENIMS_POSTGRES_URL`.
pub const CONNECTION: &str = "GENIMS_HUB_URL";

/// A schema that readers hold on to is given up after this long, and the next run tries again.
const LOCK_TIMEOUT: &str = "30s";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SchemaStatus {
    /// As its source is now.
    Same,
    /// Made, or made anew because the source had changed.
    Imported,
    /// Differs from its source (only when nothing may be changed).
    Stale,
    Failed,
}

/// What became of one schema.
#[derive(Clone, Debug, Serialize)]
pub struct SchemaReport {
    pub schema: String,
    pub status: SchemaStatus,
    /// Foreign tables, or views of a schema that is another name.
    pub tables: usize,
    /// Tables of the source that no other database can have: with types of its own.
    pub left_out: Vec<String>,
    pub error: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct HubReport {
    /// `host:port/database`
    pub place: String,
    pub schemas: Vec<SchemaReport>,
    pub seconds: f64,
}

impl HubReport {
    pub fn ok(&self) -> bool {
        self.schemas.iter().all(|schema| matches!(schema.status, SchemaStatus::Same | SchemaStatus::Imported))
    }
}

/// Makes the hub, or brings it in step with its sources; with `check` only says what differs.
pub async fn run(
    registry: &Registry,
    environment: &Environment,
    check: bool,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<HubReport, PlatformError> {
    let started = Instant::now();
    let names = HubNames::load(registry)?;
    let settings = settings(environment)?;
    let failed = |error| PlatformError::from(settings.error(error));
    let mut client = connect(&settings, registry, check).await?;
    lock(&client, "genims hub").await.map_err(failed)?;
    require_hub(&client, &settings).await?;
    let session = format!("SET lock_timeout = '{LOCK_TIMEOUT}'; SET default_transaction_read_only = off");
    client.batch_execute(&session).await.map_err(failed)?;
    if !check {
        prepare(&client, &settings).await.map_err(failed)?;
    }
    let without_mysql = mysql_extension(&client, &settings, check).await.err();
    let mut schemas = Vec::new();
    for database in registry.all().iter().filter(|database| database.engine != Engine::Mongodb) {
        progress(&database.name);
        if let Some(cause) = without_mysql.as_ref().filter(|_| database.engine == Engine::Mysql) {
            schemas.push(told(&database.name, Err(PlatformError::HubWithoutMysql { cause: cause.clone() })));
            continue;
        }
        let mut left_out = Vec::new();
        let outcome = source::bring_in_step(
            &mut client,
            &settings,
            database,
            environment,
            names.drop_of(&database.name),
            (check, &mut left_out),
        )
        .await;
        schemas.push(SchemaReport { left_out, ..told(&database.name, outcome) });
    }
    progress("other names");
    let missing: Vec<&str> = schemas
        .iter()
        .filter(|schema| schema.status == SchemaStatus::Failed)
        .map(|schema: &SchemaReport| schema.schema.as_str())
        .collect();
    let others = names::bring_in_step(&mut client, &settings, &names, &missing, check).await;
    schemas.extend(others);
    Ok(HubReport { place: settings.place(), schemas, seconds: started.elapsed().as_secs_f64() })
}

fn told(schema: &str, outcome: Result<(SchemaStatus, usize), PlatformError>) -> SchemaReport {
    let (status, tables, error) = match outcome {
        Ok((status, tables)) => (status, tables, None),
        Err(error) => (SchemaStatus::Failed, 0, Some(error.to_string())),
    };
    SchemaReport { schema: schema.to_owned(), status, tables, left_out: Vec::new(), error }
}

/// Where the hub is.
fn settings(environment: &Environment) -> Result<PostgresSettings, DatabaseError> {
    PostgresSettings::from_environment(&entry(), environment)
}

/// The hub, as the registry would say it if it were one of the databases.
pub fn entry() -> Database {
    Database {
        name: DATABASE.to_owned(),
        engine: Engine::Postgresql,
        module: DATABASE.to_owned(),
        team: "Shared".to_owned(),
        purpose: String::new(),
        tables: 0,
        retention: None,
        // Nobody saves it: it holds nothing of its own.
        backup_every: std::time::Duration::MAX,
        backups_kept: std::time::Duration::MAX,
        maintenance: genims_databases::MaintenanceWindow::default(),
        load_order: 0,
        size_class: genims_databases::registry::SizeClass::Small,
        connection: CONNECTION.to_owned(),
        unaudited: std::collections::BTreeMap::new(),
    }
}

/// Whether a database of this name is another one.
pub fn misplaced(registry: &Registry, name: &str) -> bool {
    registry.get(name).is_ok() || ["postgres", "template0", "template1"].contains(&name)
}

async fn connect(
    settings: &PostgresSettings,
    registry: &Registry,
    check: bool,
) -> Result<PostgresClient, PlatformError> {
    let name = settings.database_name();
    if misplaced(registry, name) {
        return Err(PlatformError::NoPlaceForHub {
            place: settings.place(),
            holds: "it is another database".to_owned(),
        });
    }
    if let Some(client) = connect_existing(settings).await? {
        return Ok(client);
    }
    if check {
        return Err(PlatformError::NoHub { place: settings.place() });
    }
    create_database(settings).await?;
    Ok(settings.connect().await?)
}

/// What a hub's database says of itself.
const MARK: &str = "The hub of GenIMS: made and kept by `genims hub provision`";

/// Nothing is made in a database that somebody else uses: it is a hub already, or it is empty.
async fn require_hub(client: &PostgresClient, settings: &PostgresSettings) -> Result<(), PlatformError> {
    let query = "SELECT coalesce(shobj_description(d.oid, 'pg_database') = $1, false), \
                 (SELECT string_agg(DISTINCT n.nspname || '.' || c.relname, ', ') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%') \
                 FROM pg_database d WHERE d.datname = current_database()";
    let row = client.query_one(query, &[&MARK]).await.map_err(|error| settings.error(error))?;
    match (row.get::<_, bool>(0), row.get::<_, Option<String>>(1)) {
        (false, Some(objects)) => {
            let holds = format!("it holds {}", objects.chars().take(200).collect::<String>());
            Err(PlatformError::NoPlaceForHub { place: settings.place(), holds })
        }
        _ => Ok(()),
    }
}

/// Makes the extension by which the MySQL databases are read; where that is not to be had, why and what to do.
async fn mysql_extension(client: &PostgresClient, settings: &PostgresSettings, check: bool) -> Result<(), String> {
    let place = settings.place();
    let known = "SELECT current_setting('server_version_num')::int / 10000, \
                 EXISTS (SELECT FROM pg_available_extensions WHERE name = 'mysql_fdw')";
    let row = client.query_one(known, &[]).await.map_err(|error| postgres_cause(&error))?;
    let (version, available): (i32, bool) = (row.get(0), row.get(1));
    if !available {
        return Err(format!(
            "the server of {place} does not have the extension mysql_fdw; install it there (Debian: apt-get install \
             postgresql-{version}-mysql-fdw, or `genims-dev install` for private servers)"
        ));
    }
    if check {
        return Ok(());
    }
    let make = "SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS mysql_fdw; RESET client_min_messages";
    let made = client.batch_execute(make).await;
    made.map_err(|error| {
        let cause = postgres_cause(&error);
        format!("mysql_fdw cannot be set up in {place}: {cause}; have a superuser run CREATE EXTENSION mysql_fdw there")
    })
}

/// What the database itself needs: the extension, and the promise that a session only reads unless it says otherwise.
async fn prepare(client: &PostgresClient, settings: &PostgresSettings) -> Result<(), tokio_postgres::Error> {
    set_utc(client).await?;
    let database = genims_databases::quoted(Engine::Postgresql, settings.database_name());
    // No JIT: foreign tables cost so much by estimate that queries would be compiled which have next to nothing to compute here.
    // No merge joins: mysql_fdw takes the order of MySQL's collations for PostgreSQL's, and rows would be lost between the two.
    client
        .batch_execute(&format!(
            "SET client_min_messages = warning; COMMENT ON DATABASE {database} IS '{MARK}'; \
             CREATE EXTENSION IF NOT EXISTS postgres_fdw; \
             ALTER DATABASE {database} SET default_transaction_read_only = on; \
             ALTER DATABASE {database} SET search_path = {names}, public; \
             ALTER DATABASE {database} SET jit = off; ALTER DATABASE {database} SET enable_mergejoin = off; \
             REVOKE ALL ON DATABASE {database} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC",
            names = names::UNQUALIFIED,
        ))
        .await
}
