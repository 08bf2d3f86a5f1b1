//! What a PostgreSQL server counted (pg_stat_statements) and runs.

use super::text::sql;
use super::{RUNNING_SECONDS_MIN, RunningStatement, STATEMENTS_MAX, Seen, SlowStatement};
use genims_databases::{DatabaseError, Engine, PostgresClient, PostgresError, PostgresRow, PostgresSettings, quoted};
use genims_model::counted;
use tokio_postgres::types::Type;

/// The schema of the extension, if it is in this database.
const EXTENSION: &str = "SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
    WHERE e.extname = 'pg_stat_statements'";

/// An open transaction that does nothing keeps its locks, so it runs, too.
const RUNNING: &str = "SELECT a.datname::text, coalesce(a.usename::text, ''), \
    concat_ws(', ', a.state, a.wait_event_type || ': ' || a.wait_event), \
    extract(epoch FROM clock_timestamp() - CASE a.state WHEN 'active' THEN a.query_start ELSE a.xact_start END)::float8, \
    coalesce(a.query, '') FROM pg_stat_activity a \
    WHERE a.datname::text = ANY($1) AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend' \
      AND a.state IN ('active', 'idle in transaction', 'idle in transaction (aborted)', 'fastpath function call')";

/// Sessions of others, of which a login without the right sees that they are there.
const HIDDEN: &str = "SELECT count(*) FROM pg_stat_activity \
    WHERE datname::text = ANY($1) AND query = '<insufficient privilege>'";

/// `all` are databases of one server. Its statements are counted once for all of them, and seen from any database with the extension.
pub(super) async fn ask(server: &str, all: &[PostgresSettings]) -> Result<Seen, DatabaseError> {
    let names: Vec<String> = all.iter().map(|settings| settings.database_name().to_owned()).collect();
    let mut seen = Seen::default();
    let (mut counted, mut answered, mut failure) = (false, false, None);
    let more: Vec<PostgresSettings> = all.first().map(|first| first.maintenance().collect()).unwrap_or_default();
    for settings in all.iter().chain(&more) {
        let client = match settings.connect().await {
            Ok(client) => client,
            Err(error) => {
                failure = failure.or(Some(error));
                continue;
            }
        };
        if !answered {
            answered = true;
            running(&client, server, &names, &mut seen).await.map_err(|source| settings.error(source))?;
        }
        match slowest(&client, &names).await {
            Ok(None) => {}
            Ok(Some(found)) => {
                (counted, seen.slowest) = (true, found);
                break;
            }
            // It is there, and the server was started without it, or the login may not.
            Err(source) if source.as_db_error().is_some() => {
                seen.remarks.push(format!("{server}: {}", settings.error(source)));
            }
            Err(source) => return Err(settings.error(source)),
        }
    }
    if let (false, Some(error)) = (answered, failure) {
        return Err(error);
    }
    if !counted {
        seen.remarks.push(format!(
            "{server} counts no statements: add pg_stat_statements to shared_preload_libraries, restart it, and run CREATE EXTENSION \
             pg_stat_statements in one of its databases"
        ));
    }
    Ok(seen)
}

async fn running(
    client: &PostgresClient,
    server: &str,
    names: &[String],
    seen: &mut Seen,
) -> Result<(), PostgresError> {
    let rows = client.query_typed(RUNNING, &[(&names, Type::TEXT_ARRAY)]).await?;
    let all = rows.iter().map(|row| RunningStatement {
        engine: Engine::Postgresql,
        database: row.get(0),
        login: row.get(1),
        state: row.get(2),
        seconds: row.get::<_, Option<f64>>(3).unwrap_or(0.0),
        text: sql(Engine::Postgresql, row.get(4)),
    });
    seen.running.extend(all.filter(|statement| statement.seconds > RUNNING_SECONDS_MIN));
    let hidden: i64 = client.query_typed_one(HIDDEN, &[(&names, Type::TEXT_ARRAY)]).await?.get(0);
    if hidden > 0 {
        let remedy = "grant pg_read_all_stats to the login";
        let sessions = counted(hidden, "session");
        seen.remarks.push(format!("{server}: what {sessions} of other logins run is not to be seen: {remedy}"));
    }
    Ok(())
}

/// None where nobody made the extension.
async fn slowest(client: &PostgresClient, names: &[String]) -> Result<Option<Vec<SlowStatement>>, PostgresError> {
    let schema = client.query_typed(EXTENSION, &[]).await?;
    let Some(schema) = schema.first().map(|row| row.get::<_, String>(0)) else { return Ok(None) };
    let query = format!(
        "SELECT d.datname::text, coalesce(s.query, ''), s.calls, s.total_exec_time / 1000, s.max_exec_time / 1000 \
         FROM {}.pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname::text = ANY($1) \
         ORDER BY s.total_exec_time DESC LIMIT {STATEMENTS_MAX}",
        quoted(Engine::Postgresql, &schema)
    );
    let rows = client.query_typed(&query, &[(&names, Type::TEXT_ARRAY)]).await?;
    Ok(Some(rows.iter().map(statement).collect()))
}

fn statement(row: &PostgresRow) -> SlowStatement {
    SlowStatement {
        engine: Engine::Postgresql,
        database: row.get(0),
        text: sql(Engine::Postgresql, row.get(1)),
        calls: row.get::<_, i64>(2).unsigned_abs(),
        total_seconds: row.get(3),
        longest_seconds: row.get(4),
    }
}
