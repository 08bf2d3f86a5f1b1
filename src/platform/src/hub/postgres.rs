//! A PostgreSQL database as a source of the hub, through `postgres_fdw`: its catalogue becomes a [`Plan`], and a login there.

use super::foreign::{Login, Plan, name, options};
use genims_databases::{Database, PostgresClient, PostgresSettings};
use tokio_postgres::types::Type;

/// What decides whether foreign tables still fit: every column with its type, in order.
const SHAPE: &str = "SELECT count(DISTINCT c.oid), coalesce(md5(string_agg(concat_ws(' ', c.relname, a.attnum, a.attname, \
    format_type(a.atttypid, a.atttypmod), a.attnotnull), ',' ORDER BY c.relname, a.attnum)), ''), \
    array_agg(DISTINCT c.relname::text) FILTER (WHERE t.typnamespace <> 'pg_catalog'::regnamespace) \
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
    JOIN pg_type t ON t.oid = a.atttypid WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition";

/// Rows that one round trip brings; the extension's 100 is slow over a network.
const FETCH_SIZE: u32 = 10_000;

/// What the source looks like now.
pub(super) async fn plan(
    source: &PostgresClient,
    settings: &PostgresSettings,
    database: &Database,
) -> Result<Plan, tokio_postgres::Error> {
    let row = source.query_typed_one(SHAPE, &[]).await?;
    let left_out = row.get::<_, Option<Vec<String>>>(2).unwrap_or_default();
    let all = usize::try_from(row.get::<_, i64>(0)).unwrap_or_default();
    let options = server_options(settings);
    let except: Vec<String> = left_out.iter().map(|table| name(table)).collect();
    let except = if except.is_empty() { String::new() } else { format!("EXCEPT ({})", except.join(", ")) };
    let schema = name(&database.name);
    Ok(Plan {
        tables: all - left_out.len().min(all),
        fingerprint: format!("{} {options}", row.get::<_, String>(1)),
        wrapper: "postgres_fdw",
        options,
        user_option: "user",
        tables_sql: format!("IMPORT FOREIGN SCHEMA public {except} FROM SERVER {schema} INTO {schema}"),
        left_out,
    })
}

/// How the hub's server reaches the source: as we do, because for the sources' names and certificates there is one truth.
fn server_options(settings: &PostgresSettings) -> String {
    let mut pairs = settings.libpq_options();
    pairs.push(("fetch_size", FETCH_SIZE.to_string()));
    pairs.push(("updatable", "false".to_owned()));
    pairs.push(("use_remote_estimate", "true".to_owned()));
    pairs.push(("async_capable", "true".to_owned()));
    options(pairs)
}

/// Makes the login; only the verifier of its password is sent, so no log there ever holds the password.
pub(super) async fn make_login(
    source: &PostgresClient,
    settings: &PostgresSettings,
    login: &Login,
) -> Result<(), tokio_postgres::Error> {
    let Login { role, reader, password } = login;
    let verifier = postgres_protocol::password::scram_sha_256(password.as_bytes());
    let database = name(settings.database_name());
    let quoted = name(role);
    let known = !source.query_typed("SELECT FROM pg_roles WHERE rolname = $1", &[(role, Type::TEXT)]).await?.is_empty();
    let verb = if known { "ALTER" } else { "CREATE" };
    source
        .batch_execute(&format!(
            "SET client_min_messages = warning; {verb} ROLE {quoted} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{verifier}'; \
             GRANT {reader} TO {quoted}; GRANT CONNECT ON DATABASE {database} TO {quoted}; RESET client_min_messages"
        ))
        .await
}
