//! `genims provision --check` for PostgreSQL: what stands, compared with what the migrations say.
//!
//! The migrations are applied to an empty scratch database on the same server, and the catalogues of both are compared, so
//! the expectation is the sum of the migrations and never a second description of it. Partitions are left out: they come
//! and go with the days.

use super::super::drift::{Catalogue, differences};
use super::super::{Findings, Mode, Task, roles};
use crate::errors::PlatformError;
use genims_databases::{Engine, PostgresSettings, quoted};
use regex::{Captures, Regex};
use tokio_postgres::Client;

/// One row per column, index, constraint, sequence and function: what it is, and its definition.
const CATALOGUE: &str = "
WITH relation AS (
    SELECT c.oid AS relation_oid, c.relkind, format('%s.%s', n.nspname, c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('public', 'genims_internal') AND c.relkind IN ('r', 'p', 'v', 'm', 'S'))
SELECT format('table %s', name), CASE relkind WHEN 'p' THEN pg_get_partkeydef(relation_oid) ELSE relkind::text END
FROM relation WHERE relkind IN ('r', 'p')
UNION ALL
SELECT format('view %s', name), pg_get_viewdef(relation_oid) FROM relation WHERE relkind IN ('v', 'm')
UNION ALL
SELECT format('sequence %s', name), format('%s increment %s', s.seqtypid::regtype, s.seqincrement)
FROM relation JOIN pg_sequence s ON s.seqrelid = relation_oid
UNION ALL
SELECT format('column %s.%s', name, a.attname),
       format('%s, %s%s%s', row_number() OVER (PARTITION BY relation_oid ORDER BY a.attnum),
              format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN ' not null' ELSE '' END,
              coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), ''))
FROM relation JOIN pg_attribute a ON a.attrelid = relation_oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE relkind IN ('r', 'p')
UNION ALL
SELECT format('index %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
FROM relation JOIN pg_index i ON i.indrelid = relation_oid
UNION ALL
SELECT format('constraint %s on %s', k.conname, name),
       pg_get_constraintdef(k.oid) || CASE WHEN k.convalidated THEN '' ELSE ' (not validated)' END
FROM relation JOIN pg_constraint k ON k.conrelid = relation_oid
UNION ALL
SELECT format('trigger %s on %s', t.tgname, name),
       pg_get_triggerdef(t.oid) || CASE t.tgenabled WHEN 'O' THEN '' ELSE ' (switched off or for replicas)' END
FROM relation JOIN pg_trigger t ON t.tgrelid = relation_oid AND NOT t.tgisinternal
UNION ALL
SELECT format('function %s', p.oid::regprocedure), pg_get_functiondef(p.oid)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname IN ('public', 'genims_internal') AND p.prokind IN ('f', 'p')
UNION ALL
SELECT 'setting encoding', pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()
UNION ALL
SELECT 'setting ' || split_part(setting, '=', 1), split_part(setting, '=', 2)
FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) AS setting
WHERE d.datname = current_database() AND s.setrole = 0";

pub(super) async fn check(task: &Task<'_>, settings: &PostgresSettings) -> Result<Findings, PlatformError> {
    let mut findings = Findings::default();
    task.step("connecting");
    let Some(client) = super::connect_existing(settings).await? else {
        findings.drift.push(format!("database {} is missing: run `genims provision`", settings.database_name()));
        return Ok(findings);
    };
    // One check at a time per server and module, so that the scratch database's name can be fixed, and what a killed check
    // left behind is found by it.
    let scratch = settings.with_database(&format!("genims_check_{}", task.database.module));
    let (server, keeper) = super::connect_to_server(settings).await?;
    super::lock(&keeper, scratch.database_name()).await.map_err(|source| server.error(source))?;
    let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(Engine::Postgresql, scratch.database_name()));
    keeper.batch_execute(&drop).await.map_err(|source| server.error(source))?;
    task.step("applying the migrations to a scratch database");
    let expected = expected(task, &scratch).await;
    // Dropped whatever happened; the first error is the one to report.
    let dropped = keeper.batch_execute(&drop).await.map_err(|source| server.error(source));
    let expected = expected?;
    dropped?;
    task.step("comparing");
    let found = catalogue(&client).await.map_err(|source| settings.error(source))?;
    findings.drift = differences(&expected, &found);
    roles::apply_postgres(task, settings, &client, &mut findings).await?;
    Ok(findings)
}

async fn expected(task: &Task<'_>, scratch: &PostgresSettings) -> Result<Catalogue, PlatformError> {
    super::create_database(scratch).await?;
    let mut client = scratch.connect().await?;
    super::set_utc(&client).await.map_err(|source| scratch.error(source))?;
    super::migrate(task, scratch, &mut client).await?;
    let audited = super::changes::install(&client, task.database, Mode::Apply).await;
    audited.map_err(|source| scratch.error(source))?;
    Ok(catalogue(&client).await.map_err(|source| scratch.error(source))?)
}

async fn catalogue(client: &Client) -> Result<Catalogue, tokio_postgres::Error> {
    let rows = client.query(CATALOGUE, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), as_dumped(row.get(1)))).collect())
}

/// A cast of a list of texts as a dump writes it, element by element: a restored database means the same by other words.
fn as_dumped(definition: String) -> String {
    let Ok(list) = Regex::new(r"\(\(ARRAY\[([^\]]*)\]\)::text\[\]\)") else { return definition };
    let Ok(element) = Regex::new(r"'(?:[^']|'')*'::character varying") else { return definition };
    let each = |found: &Captures<'_>| format!("(ARRAY[{}])", element.replace_all(&found[1], "(${0})::text"));
    list.replace_all(&definition, each).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_means_the_same_before_and_after_a_restore() {
        let made = "CHECK (((a)::text = ANY ((ARRAY['x'::character varying, 'it''s'::character varying])::text[])))";
        let restored =
            "CHECK (((a)::text = ANY (ARRAY[('x'::character varying)::text, ('it''s'::character varying)::text])))";
        assert_eq!(as_dumped(made.to_owned()), restored);
        assert_eq!(as_dumped(restored.to_owned()), restored);
        assert_ne!(as_dumped(made.replace("'x'", "'y'")), restored);
    }
}
