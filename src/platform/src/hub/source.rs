//! One PostgreSQL database as a schema of the hub: a login of its own that may only read, a foreign server, foreign tables.
//!
//! Invariants: the schema stands for what the source looked like when it was imported, and says so in its comment; it is made
//! anew, in one transaction, when that differs. The login's password is drawn anew by every run and stored nowhere but in the
//! hub's user mapping, which ordinary users cannot read.

use super::Status;
use crate::errors::PlatformError;
use genims_databases::{Database, Engine, Environment, PostgresClient, PostgresSettings, quoted};
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

/// What decides whether foreign tables still fit: every column with its type, in order.
const SHAPE: &str = "SELECT count(DISTINCT c.oid), coalesce(md5(string_agg(concat_ws(' ', c.relname, a.attnum, a.attname, \
    format_type(a.atttypid, a.atttypmod), a.attnotnull), ',' ORDER BY c.relname, a.attnum)), ''), \
    array_agg(DISTINCT c.relname::text) FILTER (WHERE t.typnamespace <> 'pg_catalog'::regnamespace) \
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
    JOIN pg_type t ON t.oid = a.atttypid WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition";

/// Rows that one round trip brings; the extension's 100 is slow over a network.
const FETCH_SIZE: u32 = 10_000;

/// `other_names`: how what stands on the tables under other names is dropped; it is made again later.
pub(super) async fn bring_in_step(
    hub: &mut PostgresClient,
    hub_settings: &PostgresSettings,
    database: &Database,
    environment: &Environment,
    other_names: Vec<String>,
    (check, left_out): (bool, &mut Vec<String>),
) -> Result<(Status, usize), PlatformError> {
    let settings = PostgresSettings::from_environment(database, environment)?;
    let source = settings.connect().await?;
    let failed = |error| PlatformError::from(settings.error(error));
    let (tables, shape, own_types) = shape(&source).await.map_err(failed)?;
    left_out.extend(own_types);
    if tables == 0 {
        return Err(PlatformError::NotProvisioned { database: database.name.clone() });
    }
    let options = server_options(&settings);
    let wanted = format!("{shape} {options}");
    let hub_failed = |error| PlatformError::from(hub_settings.error(error));
    let same = remembered(hub, &database.name).await.map_err(hub_failed)?.is_some_and(|known| known == wanted);
    if check {
        if same {
            ask(hub, &database.name).await.map_err(hub_failed)?;
        }
        return Ok((if same { Status::Same } else { Status::Stale }, tables));
    }
    let login = Login::new(database, hub_settings);
    login.make(&source, &settings).await.map_err(failed)?;
    // First of all the new password goes where the old one was: should the rest fail, what stands can still be asked.
    let known = "SELECT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = $1)";
    if hub.query_one(known, &[&database.name]).await.map_err(hub_failed)?.get(0) {
        let transaction = hub.transaction().await.map_err(hub_failed)?;
        login.map(&transaction, &database.name).await.map_err(hub_failed)?;
        transaction.commit().await.map_err(hub_failed)?;
    }
    if same {
        return Ok((Status::Same, tables));
    }
    let transaction = hub.transaction().await.map_err(hub_failed)?;
    make_room(&transaction, hub_settings, database, other_names).await?;
    make_server(&transaction, database, &options).await.map_err(hub_failed)?;
    login.map(&transaction, &database.name).await.map_err(hub_failed)?;
    import(&transaction, database, &wanted, left_out).await.map_err(hub_failed)?;
    // Only now, while nothing but the module's own tables is in the schema: other names come with rights of their own.
    grant(&transaction, hub_settings, database).await.map_err(hub_failed)?;
    transaction.commit().await.map_err(hub_failed)?;
    Ok((Status::Imported, tables))
}

/// How many tables there are, what they look like, and which of them have types of their own.
async fn shape(source: &PostgresClient) -> Result<(usize, String, Vec<String>), tokio_postgres::Error> {
    let row = source.query_typed_one(SHAPE, &[]).await?;
    let own_types = row.get::<_, Option<Vec<String>>>(2).unwrap_or_default();
    let tables = usize::try_from(row.get::<_, i64>(0)).unwrap_or_default();
    Ok((tables - own_types.len().min(tables), row.get(1), own_types))
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

/// How the hub's server reaches the source: as we do, because for the sources' names and certificates there is one truth.
fn server_options(settings: &PostgresSettings) -> String {
    let mut options = settings.libpq_options();
    options.push(("fetch_size", FETCH_SIZE.to_string()));
    options.push(("updatable", "false".to_owned()));
    options.push(("use_remote_estimate", "true".to_owned()));
    options.push(("async_capable", "true".to_owned()));
    let told: Vec<String> = options.iter().map(|(key, value)| format!("{key} {}", literal(value))).collect();
    told.join(", ")
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
    options: &str,
) -> Result<(), tokio_postgres::Error> {
    let schema = name(&database.name);
    transaction
        .batch_execute(&format!(
            "CREATE SCHEMA IF NOT EXISTS {schema}; \
             CREATE SERVER {schema} FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({options})"
        ))
        .await
}

/// The foreign tables, and what they were made from.
async fn import(
    transaction: &Transaction<'_>,
    database: &Database,
    wanted: &str,
    left_out: &[String],
) -> Result<(), tokio_postgres::Error> {
    let except: Vec<String> = left_out.iter().map(|table| name(table)).collect();
    let except = if except.is_empty() { String::new() } else { format!("EXCEPT ({})", except.join(", ")) };
    let schema = name(&database.name);
    transaction
        .batch_execute(&format!(
            "IMPORT FOREIGN SCHEMA public {except} FROM SERVER {schema} INTO {schema}; COMMENT ON SCHEMA {schema} IS {}",
            literal(wanted)
        ))
        .await
}

/// The reader of the module at its source, under a name that only the hub uses.
struct Login {
    role: String,
    reader: String,
    password: String,
}

impl Login {
    /// Each hub has its own, so that two of them do not change each other's passwords.
    fn new(database: &Database, hub: &PostgresSettings) -> Self {
        let password = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        Self { role: format!("genims_{}_{}", database.module, hub.database_name()), reader: reader(database), password }
    }

    /// At the source; only the verifier is sent, so no log there ever holds the password.
    async fn make(&self, source: &PostgresClient, settings: &PostgresSettings) -> Result<(), tokio_postgres::Error> {
        let Self { role, reader, password } = self;
        let verifier = postgres_protocol::password::scram_sha_256(password.as_bytes());
        let database = name(settings.database_name());
        let quoted = name(role);
        let known =
            !source.query_typed("SELECT FROM pg_roles WHERE rolname = $1", &[(role, Type::TEXT)]).await?.is_empty();
        let verb = if known { "ALTER" } else { "CREATE" };
        source
            .batch_execute(&format!(
                "SET client_min_messages = warning; {verb} ROLE {quoted} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{verifier}'; \
                 GRANT {reader} TO {quoted}; GRANT CONNECT ON DATABASE {database} TO {quoted}; RESET client_min_messages"
            ))
            .await
    }

    /// In the hub: for everybody, because who may ask is decided by the rights on the schema.
    async fn map(&self, transaction: &Transaction<'_>, schema: &str) -> Result<(), tokio_postgres::Error> {
        let server = name(schema);
        // Not everybody who provisions may set this; then the server's own settings decide what its log shows.
        let hidden = "SAVEPOINT quiet; SET LOCAL log_statement = 'none'; SET LOCAL log_min_error_statement = 'panic'";
        if transaction.batch_execute(hidden).await.is_err() {
            transaction.batch_execute("ROLLBACK TO SAVEPOINT quiet").await?;
        }
        transaction
            .batch_execute(&format!(
                "DROP USER MAPPING IF EXISTS FOR PUBLIC SERVER {server}; \
                 CREATE USER MAPPING FOR PUBLIC SERVER {server} OPTIONS (user {}, password '{}')",
                literal(&self.role),
                self.password
            ))
            .await
    }
}

/// Who may read the module at its source may read it here.
async fn grant(
    transaction: &Transaction<'_>,
    hub: &PostgresSettings,
    database: &Database,
) -> Result<(), tokio_postgres::Error> {
    let (schema, reader) = (name(&database.name), reader(database));
    let known = transaction.query_opt("SELECT FROM pg_roles WHERE rolname = $1", &[&reader]).await?.is_some();
    if !known {
        // The hub is on another server than the source: its people get the role there.
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

fn reader(database: &Database) -> String {
    reader_of(&database.module)
}

/// The role of those who may read a module.
pub(super) fn reader_of(module: &str) -> String {
    format!("genims_{module}_reader")
}

pub(super) fn name(identifier: &str) -> String {
    quoted(Engine::Postgresql, identifier)
}

pub(super) fn literal(text: &str) -> String {
    postgres_protocol::escape::escape_literal(text)
}
