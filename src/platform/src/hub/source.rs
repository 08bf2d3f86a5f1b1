//! One database as a schema of the hub: a login of its own that may only read, a foreign server, foreign tables.
//!
//! Enters: what the source's engine says of it ([`postgres`], [`mysql`]). Invariants: the schema stands for what the source looked
//! like when it was imported, and says so in its comment; it is made anew, in one transaction, when that differs. The login's
//! password is drawn anew by every run and stored nowhere but in the hub's user mapping, which ordinary users cannot read.

use super::foreign::{Login, Plan, literal, name, options, reader_of};
use super::{SchemaStatus, mysql, postgres};
use crate::errors::PlatformError;
use genims_databases::{
    Database, Engine, Environment, MysqlConnection, MysqlSettings, PostgresClient, PostgresSettings,
};
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

/// A connected source.
enum Source {
    Postgres(Box<PostgresSettings>, PostgresClient),
    Mysql(MysqlSettings, Box<MysqlConnection>),
}

impl Source {
    async fn connect(database: &Database, environment: &Environment) -> Result<Self, PlatformError> {
        Ok(if database.engine == Engine::Mysql {
            let settings = MysqlSettings::from_environment(database, environment)?;
            let connection = Box::new(settings.connect().await?);
            Self::Mysql(settings, connection)
        } else {
            let settings = PostgresSettings::from_environment(database, environment)?;
            let client = settings.connect().await?;
            Self::Postgres(Box::new(settings), client)
        })
    }

    async fn plan(&mut self, database: &Database) -> Result<Plan, PlatformError> {
        Ok(match self {
            Self::Postgres(settings, client) => {
                postgres::plan(client, settings, database).await.map_err(|error| settings.error(error))?
            }
            Self::Mysql(settings, connection) => mysql::plan(connection, settings, database).await?,
        })
    }

    async fn make_login(&mut self, login: &Login) -> Result<(), PlatformError> {
        match self {
            Self::Postgres(settings, client) => {
                postgres::make_login(client, settings, login).await.map_err(|error| settings.error(error))?;
            }
            Self::Mysql(settings, connection) => {
                mysql::make_login(connection, settings, login).await.map_err(|error| settings.error(error))?;
            }
        }
        Ok(())
    }
}

/// `other_names`: how what stands on the tables under other names is dropped; it is made again later.
pub(super) async fn bring_in_step(
    hub: &mut PostgresClient,
    hub_settings: &PostgresSettings,
    database: &Database,
    environment: &Environment,
    other_names: Vec<String>,
    (check, left_out): (bool, &mut Vec<String>),
) -> Result<(SchemaStatus, usize), PlatformError> {
    let mut source = Source::connect(database, environment).await?;
    let plan = source.plan(database).await?;
    left_out.extend(plan.left_out.iter().cloned());
    if plan.tables == 0 {
        return Err(PlatformError::NotProvisioned { database: database.name.clone() });
    }
    let hub_failed = |error| PlatformError::from(hub_settings.error(error));
    let same =
        remembered(hub, &database.name).await.map_err(hub_failed)?.is_some_and(|known| known == plan.fingerprint);
    if check {
        if same {
            ask(hub, &database.name).await.map_err(hub_failed)?;
        }
        return Ok((if same { SchemaStatus::Same } else { SchemaStatus::Stale }, plan.tables));
    }
    let login = Login::new(database, hub_settings);
    source.make_login(&login).await?;
    // First of all the new password goes where the old one was: should the rest fail, what stands can still be asked.
    let known = "SELECT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = $1)";
    if hub.query_one(known, &[&database.name]).await.map_err(hub_failed)?.get(0) {
        let transaction = hub.transaction().await.map_err(hub_failed)?;
        map(&transaction, &database.name, &login, &plan).await.map_err(hub_failed)?;
        transaction.commit().await.map_err(hub_failed)?;
    }
    if same {
        return Ok((SchemaStatus::Same, plan.tables));
    }
    let transaction = hub.transaction().await.map_err(hub_failed)?;
    make_room(&transaction, hub_settings, database, other_names).await?;
    make_server(&transaction, database, &plan).await.map_err(hub_failed)?;
    map(&transaction, &database.name, &login, &plan).await.map_err(hub_failed)?;
    import(&transaction, database, &plan).await.map_err(hub_failed)?;
    // Only now, while nothing but the module's own tables is in the schema: other names come with rights of their own.
    grant(&transaction, hub_settings, database).await.map_err(hub_failed)?;
    transaction.commit().await.map_err(hub_failed)?;
    Ok((SchemaStatus::Imported, plan.tables))
}

/// Asks one table, as anybody would: what is remembered says nothing of the login.
async fn ask(hub: &PostgresClient, schema: &str) -> Result<(), tokio_postgres::Error> {
    let any = "SELECT min(relname)::text FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind = 'f'";
    let table: Option<String> = hub.query_one(any, &[&schema]).await?.get(0);
    let Some(table) = table else { return Ok(()) };
    hub.batch_execute(&format!("SELECT 1 FROM {}.{} LIMIT 1", name(schema), name(&table))).await
}

/// What the hub's schema was made from; `None` when there is none.
pub(super) async fn remembered(hub: &PostgresClient, schema: &str) -> Result<Option<String>, tokio_postgres::Error> {
    let query = "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = $1";
    Ok(hub.query_opt(query, &[&schema]).await?.and_then(|row| row.get(0)))
}

/// Takes away what an earlier run made, and nothing else: what somebody built on it is named and left, with all the rest.
async fn make_room(
    transaction: &Transaction<'_>,
    hub: &PostgresSettings,
    database: &Database,
    other_names: Vec<String>,
) -> Result<(), PlatformError> {
    let failed = |error| PlatformError::from(hub.error(error));
    let schema = name(&database.name);
    let tables = "SELECT string_agg(c.oid::regclass::text, ', ') FROM pg_class c WHERE c.relkind = 'f' AND c.relnamespace = to_regnamespace($1)";
    let tables: Option<String> = transaction.query_one(tables, &[&database.name]).await.map_err(failed)?.get(0);
    let mut steps = other_names;
    steps.extend(tables.map(|tables| format!("DROP FOREIGN TABLE {tables}")));
    steps.push(format!("DROP USER MAPPING IF EXISTS FOR PUBLIC SERVER {schema}"));
    steps.push(format!("DROP SERVER IF EXISTS {schema}"));
    let quiet = "SET LOCAL client_min_messages = warning";
    let steps = format!("{quiet}; {}", steps.join("; "));
    transaction.batch_execute(&steps).await.map_err(|error| match error.as_db_error() {
        Some(cause) if *cause.code() == SqlState::DEPENDENT_OBJECTS_STILL_EXIST => PlatformError::HubInTheWay {
            schema: database.name.clone(),
            objects: cause.detail().unwrap_or(cause.message()).replace('\n', "; "),
        },
        _ => failed(error),
    })
}

async fn make_server(
    transaction: &Transaction<'_>,
    database: &Database,
    plan: &Plan,
) -> Result<(), tokio_postgres::Error> {
    let schema = name(&database.name);
    let Plan { wrapper, options, .. } = plan;
    transaction
        .batch_execute(&format!(
            "CREATE SCHEMA IF NOT EXISTS {schema}; CREATE SERVER {schema} FOREIGN DATA WRAPPER {wrapper} OPTIONS ({options})"
        ))
        .await
}

/// In the hub, for everybody: who may ask is decided by the rights on the schema.
async fn map(
    transaction: &Transaction<'_>,
    schema: &str,
    login: &Login,
    plan: &Plan,
) -> Result<(), tokio_postgres::Error> {
    let server = name(schema);
    // Not everybody who provisions may set this; then the server's own settings decide what its log shows.
    let hidden = "SAVEPOINT quiet; SET LOCAL log_statement = 'none'; SET LOCAL log_min_error_statement = 'panic'";
    if transaction.batch_execute(hidden).await.is_err() {
        transaction.batch_execute("ROLLBACK TO SAVEPOINT quiet").await?;
    }
    let who = options([(plan.user_option, login.role.clone()), ("password", login.password.clone())]);
    transaction
        .batch_execute(&format!(
            "DROP USER MAPPING IF EXISTS FOR PUBLIC SERVER {server}; CREATE USER MAPPING FOR PUBLIC SERVER {server} OPTIONS ({who})"
        ))
        .await
}

/// The foreign tables, and what they were made from.
async fn import(transaction: &Transaction<'_>, database: &Database, plan: &Plan) -> Result<(), tokio_postgres::Error> {
    transaction
        .batch_execute(&format!(
            "{}; COMMENT ON SCHEMA {} IS {}",
            plan.tables_sql,
            name(&database.name),
            literal(&plan.fingerprint)
        ))
        .await
}

/// Who may read the module at its source may read it here.
async fn grant(
    transaction: &Transaction<'_>,
    hub: &PostgresSettings,
    database: &Database,
) -> Result<(), tokio_postgres::Error> {
    let (schema, reader) = (name(&database.name), reader_of(&database.module));
    let known = transaction.query_opt("SELECT FROM pg_roles WHERE rolname = $1", &[&reader]).await?.is_some();
    if !known {
        // The source is on another server, or no PostgreSQL at all: its people get the role here.
        transaction.batch_execute(&format!("CREATE ROLE {reader}")).await?;
    }
    transaction
        .batch_execute(&format!(
            "GRANT CONNECT ON DATABASE {} TO {reader}; GRANT USAGE ON SCHEMA {schema} TO {reader}; \
             GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader}",
            name(hub.database_name())
        ))
        .await
}
