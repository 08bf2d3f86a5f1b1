//! Foreign keys of freshly loaded tables, checked by one join each.
//!
//! PostgreSQL checks them row by row, and locks the row referred to each time, which writes it again. So the
//! loading transaction leaves the triggers out and does not commit before the joins have found every row referred to. A role that may not leave triggers out gets PostgreSQL's own checks.

use crate::errors::SeedError;
use genims_databases::PostgresSettings;
use tokio_postgres::{Client, Error, Transaction};

/// Each foreign key of a table as a query for one value that refers to nothing. A key with a NULL in it refers to nothing by
/// right (`MATCH SIMPLE`).
const ORPHANS: &str = "
    SELECT conname::text, format(
        'SELECT concat_ws('', '', %s) FROM %s AS child WHERE %s AND NOT EXISTS (SELECT FROM %s AS parent WHERE %s) LIMIT 1',
        string_agg(format('child.%I', c.attname), ', ' ORDER BY position), conrelid::regclass,
        string_agg(format('child.%I IS NOT NULL', c.attname), ' AND '), confrelid::regclass,
        string_agg(format('parent.%I = child.%I', p.attname, c.attname), ' AND '))
    FROM pg_constraint,
        unnest(conkey, confkey) WITH ORDINALITY AS pair (child_key, parent_key, position)
        JOIN pg_attribute AS c ON true JOIN pg_attribute AS p ON true
    WHERE contype = 'f' AND conrelid = to_regclass(format('public.%I', $1::text))
        AND c.attrelid = conrelid AND c.attnum = child_key AND p.attrelid = confrelid AND p.attnum = parent_key
    GROUP BY pg_constraint.oid, conname, conrelid, confrelid
    ORDER BY conname";

/// Whether this role may leave triggers out.
pub(super) async fn may_leave_out(client: &Client) -> Result<bool, Error> {
    Ok(client.query_one("SELECT has_parameter_privilege('session_replication_role', 'SET')", &[]).await?.get(0))
}

pub(super) async fn leave_out(transaction: &Transaction<'_>) -> Result<(), Error> {
    transaction.batch_execute("SET LOCAL session_replication_role = replica").await
}

/// Tables just filled have no statistics yet, and a nested loop chosen for a few rows would run for minutes.
const HASH_JOINS: &str = "SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '64MB'";

/// Fails with the first value that refers to nothing.
pub(super) async fn check(
    transaction: &Transaction<'_>,
    settings: &PostgresSettings,
    tables: &[String],
) -> Result<(), SeedError> {
    transaction.batch_execute(HASH_JOINS).await.map_err(|error| settings.error(error))?;
    for table in tables {
        let failed = |source| SeedError::Table { table: table.clone(), source: settings.error(source) };
        for constraint in transaction.query(ORPHANS, &[table]).await.map_err(failed)? {
            let (name, query): (String, String) = (constraint.get(0), constraint.get(1));
            if let Some(orphan) = transaction.query_opt(&query, &[]).await.map_err(failed)? {
                let value: String = orphan.get(0);
                let cause = format!("{}.{table}: {name}: {value} refers to no row", settings.database());
                return Err(SeedError::Specs { cause });
            }
        }
    }
    Ok(())
}
