//! `genims provision --check` for MySQL: what stands, compared with what the migrations say.
//!
//! The migrations are applied to an empty scratch database on the same server, and the definitions of both are compared in
//! the server's own words (`SHOW CREATE TABLE`, information_schema), so that no list of what can differ has to be kept.
//! Partitions and the next AUTO_INCREMENT are left out: they come and go with the rows.

use super::super::drift::{Catalogue, differences};
use super::super::roles;
use super::{Findings, Task, create_database, end, exists, lock, migrations};
use crate::errors::PlatformError;
use genims_databases::{Engine, MysqlConnection, MysqlSettings, quoted};
use mysql_async::Error;
use mysql_async::prelude::Queryable;

/// Everything but tables: what it is, and its definition.
const AROUND_TABLES: [&str; 4] = [
    "SELECT 'setting collation', default_collation_name FROM information_schema.schemata WHERE schema_name = ?",
    "SELECT CONCAT('view ', table_name), view_definition FROM information_schema.views WHERE table_schema = ?",
    "SELECT CONCAT('trigger ', trigger_name, ' on ', event_object_table), \
     CONCAT(action_timing, ' ', event_manipulation, ' ', action_statement) \
     FROM information_schema.triggers WHERE trigger_schema = ?",
    "SELECT CONCAT(LOWER(routine_type), ' ', routine_name), COALESCE(routine_definition, '') \
     FROM information_schema.routines WHERE routine_schema = ?",
];

pub(super) async fn check(task: &Task<'_>, settings: &MysqlSettings) -> Result<Findings, PlatformError> {
    let mut findings = Findings::default();
    task.step("connecting");
    let mut connection = settings.connect_to_server().await?;
    let name = settings.database_name();
    if !exists(&mut connection, name).await.map_err(|source| settings.error(source))? {
        findings.drift.push(format!("database {name} is missing: run `genims provision`"));
        return Ok(findings);
    }
    // One check at a time per server and module, so that the scratch database's name can be fixed, and what a killed check
    // left behind is found by it.
    let scratch = settings.with_database(&format!("genims_check_{}", task.database.module));
    lock(&mut connection, settings, scratch.database_name()).await?;
    let drop = format!("DROP DATABASE IF EXISTS {}", quoted(Engine::Mysql, scratch.database_name()));
    connection.query_drop(&drop).await.map_err(|source| scratch.error(source))?;
    task.step("applying the migrations to a scratch database");
    let expected = expected(task, &scratch, &mut connection).await;
    // Dropped whatever happened; the first error is the one to report.
    let dropped = connection.query_drop(&drop).await.map_err(|source| scratch.error(source));
    let expected = expected?;
    dropped?;
    task.step("comparing");
    let found = catalogue(&mut connection, name).await.map_err(|source| settings.error(source))?;
    findings.drift = differences(&expected, &found);
    roles::apply_mysql(task, settings, &mut connection, &mut findings).await?;
    end(connection).await;
    Ok(findings)
}

async fn expected(
    task: &Task<'_>,
    scratch: &MysqlSettings,
    connection: &mut MysqlConnection,
) -> Result<Catalogue, PlatformError> {
    let failed = |source| scratch.error(source);
    let name = scratch.database_name();
    create_database(connection, name).await.map_err(failed)?;
    connection.query_drop(format!("USE {}", quoted(Engine::Mysql, name))).await.map_err(failed)?;
    for migration in migrations(task)? {
        for (index, statement) in migration.statements.iter().enumerate() {
            connection.query_drop(*statement).await.map_err(|source| PlatformError::Statement {
                migration: migration.to_string(),
                statement: index + 1,
                source: failed(source),
            })?;
        }
    }
    Ok(catalogue(connection, name).await.map_err(failed)?)
}

async fn catalogue(connection: &mut MysqlConnection, name: &str) -> Result<Catalogue, Error> {
    let mut catalogue = Catalogue::new();
    // Definitions of views name their database.
    let own = format!("{}.", quoted(Engine::Mysql, name));
    for query in AROUND_TABLES {
        let rows: Vec<(String, String)> = connection.exec(query, (name,)).await?;
        catalogue.extend(rows.into_iter().map(|(what, definition)| (what, definition.replace(&own, ""))));
    }
    let query = "SELECT table_name FROM information_schema.tables WHERE table_schema = ? AND table_type <> 'VIEW'";
    let tables: Vec<String> = connection.exec(query, (name,)).await?;
    for table in tables {
        let show = format!("SHOW CREATE TABLE {own}{}", quoted(Engine::Mysql, &table));
        let answer: Option<(String, String)> = connection.query_first(show).await?;
        catalogue.extend(answer.into_iter().flat_map(|(_, definition)| parts(&table, &definition)));
    }
    Ok(catalogue)
}

/// The lines of a CREATE TABLE: one per column, index and constraint, and the options of the table.
fn parts(table: &str, definition: &str) -> Vec<(String, String)> {
    let mut parts = Vec::new();
    let mut position = 0;
    let mut lines = definition.lines().skip(1);
    for line in lines.by_ref() {
        if line.starts_with(')') {
            parts.push((format!("table {table}"), options(line)));
            break;
        }
        let line = line.trim().trim_end_matches(',');
        // The first quoted name; a primary key has none of its own.
        let named = line.split('`').nth(1).unwrap_or_default();
        if line.starts_with('`') {
            position += 1;
            let kind = line.get(named.len() + 2..).unwrap_or_default().trim_start();
            parts.push((format!("column {table}.{named}"), format!("{position}, {kind}")));
        } else if line.starts_with("PRIMARY KEY") {
            parts.push((format!("primary key of {table}"), line.to_owned()));
        } else if line.starts_with("CONSTRAINT") {
            parts.push((format!("constraint {named} on {table}"), line.to_owned()));
        } else {
            parts.push((format!("index {named} on {table}"), line.to_owned()));
        }
    }
    if let Some(line) = lines.next() {
        parts.push((format!("partitioning of {table}"), line.trim().to_owned()));
    }
    parts
}

fn options(line: &str) -> String {
    let words = line.trim_start_matches(')').split_whitespace().filter(|word| !word.starts_with("AUTO_INCREMENT="));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_s_definition_falls_into_its_parts() {
        let definition = "CREATE TABLE `t` (\n  `id` bigint(20) NOT NULL AUTO_INCREMENT,\n  `a,b` text DEFAULT 'x',\n  \
                          PRIMARY KEY (`id`),\n  UNIQUE KEY `u` (`a,b`(10)),\n  CONSTRAINT `f` FOREIGN KEY (`id`) \
                          REFERENCES `s` (`id`)\n) ENGINE=InnoDB AUTO_INCREMENT=17 DEFAULT CHARSET=utf8mb4\n \
                          PARTITION BY HASH (`id`)\nPARTITIONS 4";
        let expected = [
            ("column t.id", "1, bigint(20) NOT NULL AUTO_INCREMENT"),
            ("column t.a,b", "2, text DEFAULT 'x'"),
            ("primary key of t", "PRIMARY KEY (`id`)"),
            ("index u on t", "UNIQUE KEY `u` (`a,b`(10))"),
            ("constraint f on t", "CONSTRAINT `f` FOREIGN KEY (`id`) REFERENCES `s` (`id`)"),
            ("table t", "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"),
            ("partitioning of t", "PARTITION BY HASH (`id`)"),
        ];
        assert_eq!(parts("t", definition), expected.map(|(what, is)| (what.to_owned(), is.to_owned())));
    }
}
