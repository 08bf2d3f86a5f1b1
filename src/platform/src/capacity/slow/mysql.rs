//! What a MySQL or MariaDB server counted (performance_schema) and runs.

use super::text::sql;
use super::{RUNNING_SECONDS_MIN, RunningStatement, STATEMENTS_MAX, Seen, SlowStatement};
use genims_databases::errors::mysql_code;
use genims_databases::mysql::disconnect;
use genims_databases::{DatabaseError, Engine, MysqlConnection, MysqlSettings, literal};
use mysql_async::Error;
use mysql_async::prelude::Queryable;

/// Database, text, calls, seconds of all of them and of the longest.
type Digest = (String, String, u64, f64, f64);

/// In picoseconds there.
const SECOND: &str = "1e12";
/// Threads that serve nobody.
const OF_THE_SERVER: &str = "'Sleep', 'Daemon', 'Binlog Dump', 'Binlog Dump GTID'";

/// `all` are databases of one server.
pub(super) async fn ask(server: &str, all: &[MysqlSettings]) -> Result<Seen, DatabaseError> {
    let mut seen = Seen::default();
    let Some(first) = all.first() else { return Ok(seen) };
    let names: Vec<String> = all.iter().map(|settings| literal(Engine::Mysql, settings.database_name())).collect();
    let names = names.join(", ");
    let mut connection = first.connect().await?;
    let asked = look(&mut connection, server, &names, &mut seen).await;
    disconnect(connection).await;
    asked.map_err(|source| first.error(source))?;
    Ok(seen)
}

async fn look(connection: &mut MysqlConnection, server: &str, names: &str, seen: &mut Seen) -> Result<(), Error> {
    // Without the right PROCESS a login sees its own.
    let query = format!(
        "SELECT COALESCE(`db`, ''), `user`, CONCAT_WS(', ', `command`, NULLIF(`state`, '')), CAST(`time` AS DOUBLE), \
         COALESCE(`info`, '') FROM information_schema.processlist \
         WHERE `id` <> CONNECTION_ID() AND `command` NOT IN ({OF_THE_SERVER}) AND `db` IN ({names})"
    );
    let rows: Vec<(String, String, String, f64, String)> = connection.query(query).await?;
    let running = rows.into_iter().map(|(database, login, state, seconds, text)| RunningStatement {
        engine: Engine::Mysql,
        database,
        login,
        state,
        seconds,
        text: sql(Engine::Mysql, &text),
    });
    // Whole seconds.
    seen.running.extend(running.filter(|statement| statement.seconds >= RUNNING_SECONDS_MIN));
    let is_counted: Option<bool> = connection.query_first("SELECT @@global.performance_schema = 1").await?;
    if is_counted != Some(true) {
        seen.remarks.push(format!(
            "{server} counts no statements: set performance_schema = ON below [mysqld] in its file, and restart it"
        ));
    }
    let query = format!(
        "SELECT schema_name, COALESCE(digest_text, ''), CAST(count_star AS UNSIGNED), \
         sum_timer_wait / {SECOND}, max_timer_wait / {SECOND} FROM performance_schema.events_statements_summary_by_digest \
         WHERE schema_name IN ({names}) ORDER BY sum_timer_wait DESC LIMIT {STATEMENTS_MAX}"
    );
    match connection.query::<Digest, _>(query).await {
        Ok(rows) => {
            seen.slowest.extend(rows.into_iter().map(|(database, text, calls, total_seconds, longest_seconds)| {
                let (engine, text) = (Engine::Mysql, sql(Engine::Mysql, &text));
                SlowStatement { engine, database, text, calls, total_seconds, longest_seconds }
            }))
        }
        Err(error) if mysql_code(&error).is_some() => {
            let remedy = "grant SELECT on performance_schema.* to the login";
            seen.remarks.push(format!("{server}: what it counted is not to be seen: {error}; {remedy}"));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
