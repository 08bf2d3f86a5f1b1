//! The outbox of changes and the triggers that fill it: one each for INSERT, UPDATE, DELETE and TRUNCATE on every audited
//! table of `public`.
//!
//! In: a migrated database and what the registry leaves out of the audit. Out: each trigger as it must be. Invariants: a trigger
//! that is right is not touched, so nobody waits for a lock; one whose table got another primary key, or that somebody
//! switched off, is made anew; a table that is no longer audited loses its triggers.

use super::super::Mode;
use genims_databases::{Database, Engine, literal, quoted};
use genims_model::counted;
use tokio_postgres::{Client, Error};

/// Tables, functions, and what they are for.
const OUTBOX: &str = include_str!("changes.sql");

/// How long a statement waits for a table that somebody uses; then nothing of that table's triggers is changed.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '30s'";

/// What fires when, and the transition tables it sees.
const KINDS: [(&str, &str); 4] = [
    ("insert", "AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows"),
    ("update", "AFTER UPDATE ON {table} REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"),
    ("delete", "AFTER DELETE ON {table} REFERENCING OLD TABLE AS old_rows"),
    // Before: the rows are counted.
    ("truncate", "BEFORE TRUNCATE ON {table}"),
];

/// Every table with the columns of its primary key, and the triggers of ours that are as they must be.
const TABLES: &str = r"
    SELECT c.relname::text, key.columns, coalesce((
        SELECT array_agg(t.tgname::text) FROM pg_trigger t
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled = 'O' AND t.tgqual IS NULL
          AND t.tgfoid = to_regproc('genims_internal.record_change') AND t.tgargs = key.arguments), '{}'),
        coalesce((SELECT array_agg(t.tgname::text ORDER BY 1) FROM pg_trigger t
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgname LIKE 'genims\_changes\_%'), '{}')
    FROM pg_class c CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(a.attname::text ORDER BY k.nth), '{}') AS columns,
            coalesce(string_agg(convert_to(a.attname, 'UTF8') || '\x00'::bytea, ''::bytea ORDER BY k.nth), ''::bytea) AS arguments
        FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, nth)
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE i.indrelid = c.oid AND i.indisprimary) AS key
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY 1";

/// Makes the outbox (in mode apply) and the triggers, or says which it would make.
pub(super) async fn install(client: &Client, database: &Database, mode: Mode) -> Result<Vec<String>, Error> {
    if mode == Mode::Apply {
        client.batch_execute(OUTBOX).await?;
    }
    let mut made = 0_usize;
    let mut changes = Vec::new();
    for row in client.query(TABLES, &[]).await? {
        let (table, key): (String, Vec<String>) = (row.get(0), row.get(1));
        let (right, there): (Vec<String>, Vec<String>) = (row.get(2), row.get(3));
        let wanted = !database.unaudited.contains_key(&table);
        let statements = if wanted { missing(&table, &key, &right, &there) } else { dropped(&table, &there) };
        if statements.is_empty() {
            continue;
        }
        if wanted {
            made += 1;
        } else {
            changes.push(format!("changes of {table} are no longer audited"));
        }
        if mode == Mode::Apply {
            // One transaction: a table never has some of its triggers.
            let statements = statements.join("; ");
            client.batch_execute(&format!("BEGIN; {LOCK_TIMEOUT}; {statements}; COMMIT")).await?;
        }
    }
    if made > 0 {
        changes.push(format!("changes of {} are audited", counted(made, "table")));
    }
    Ok(changes)
}

fn name(kind: &str) -> String {
    format!("genims_changes_{kind}")
}

fn missing(table: &str, key: &[String], right: &[String], there: &[String]) -> Vec<String> {
    let table = format!("public.{}", quoted(Engine::Postgresql, table));
    let arguments: Vec<String> = key.iter().map(|column| literal(Engine::Postgresql, column)).collect();
    let kinds = KINDS.iter().filter(|(kind, _)| !right.contains(&name(kind)));
    kinds
        .flat_map(|(kind, when)| {
            let (trigger, when) = (name(kind), when.replace("{table}", &table));
            let create = format!(
                "CREATE TRIGGER {trigger} {when} FOR EACH STATEMENT EXECUTE FUNCTION genims_internal.record_change({})",
                arguments.join(", ")
            );
            let wrong = there.contains(&trigger).then(|| format!("DROP TRIGGER {trigger} ON {table}"));
            wrong.into_iter().chain([create])
        })
        .collect()
}

fn dropped(table: &str, there: &[String]) -> Vec<String> {
    let table = format!("public.{}", quoted(Engine::Postgresql, table));
    there.iter().map(|trigger| format!("DROP TRIGGER {} ON {table}", quoted(Engine::Postgresql, trigger))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_right_is_made_anew_and_names_are_quoted() {
        let key = ["order_id".to_owned(), "it's".to_owned()];
        let all = missing("or\"der", &key, &[], &[]);
        assert_eq!(all.len(), 4);
        assert!(all[0].contains("ON public.\"or\"\"der\" REFERENCING"), "{}", all[0]);
        assert!(all[0].ends_with("record_change('order_id', 'it''s')"), "{}", all[0]);
        let right = ["insert", "update", "truncate"].map(name);
        let rest = missing("orders", &key, &right, &KINDS.map(|(kind, _)| name(kind)));
        assert_eq!(rest.len(), 2);
        assert!(rest[1].starts_with("CREATE TRIGGER genims_changes_delete AFTER DELETE ON"), "{}", rest[1]);
        let all = KINDS.map(|(kind, _)| name(kind));
        assert!(missing("orders", &key, &all, &all).is_empty());
    }
}
