//! The triggers of the audit, left out while a table is seeded by a role that may not leave all triggers out: what is seeded is
//! accounted for in the ledger of seeding.
//!
//! Invariants: switched off and on again in the transaction of the rows, so that nobody else changes the table unnoticed; a role that
//! does not own the table lets its rows be audited.

use genims_databases::{Engine, literal, quoted};
use tokio_postgres::{Error, Transaction};

const TRIGGERS: [&str; 2] = ["genims_changes_insert", "genims_changes_update"];

pub(crate) async fn switch_off(transaction: &Transaction<'_>, table: &str) -> Result<(), Error> {
    switch(transaction, table, "DISABLE").await
}

/// Events that wait for the end of the transaction must have fired by now.
pub(crate) async fn switch_on(transaction: &Transaction<'_>, table: &str) -> Result<(), Error> {
    switch(transaction, table, "ENABLE").await
}

async fn switch(transaction: &Transaction<'_>, table: &str, how: &str) -> Result<(), Error> {
    let table = format!("public.{}", quoted(Engine::Postgresql, table));
    let name = literal(Engine::Postgresql, &table);
    let statements: Vec<String> = TRIGGERS
        .iter()
        .map(|trigger| {
            format!(
                "IF EXISTS (SELECT FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE t.tgname = '{trigger}' \
                 AND c.oid = {name}::regclass AND pg_has_role(c.relowner, 'USAGE')) \
                 THEN ALTER TABLE {table} {how} TRIGGER {trigger}; END IF;"
            )
        })
        .collect();
    transaction.batch_execute(&format!("DO $$ BEGIN {} END $$", statements.join(" "))).await
}
