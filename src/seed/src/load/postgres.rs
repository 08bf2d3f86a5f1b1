//! COPY into PostgreSQL.

use super::foreign_keys;
use super::ledger::{SeedLedger, written};
use super::{Message, Plan, SeedProgress, SeededDatabase, Show};
use crate::audit;
use crate::errors::SeedError;
use crate::world::Parameters;
use bytes::Bytes;
use futures_util::SinkExt;
use genims_databases::{Engine, PostgresSettings, literal, pooling, quoted};
use std::pin::Pin;
use tokio::sync::mpsc::Receiver;
use tokio_postgres::{CopyInSink, Transaction};

pub(super) async fn ledger(settings: &PostgresSettings) -> Result<SeedLedger, SeedError> {
    let client = settings.connect().await?;
    let failed = |error| SeedError::from(settings.error(error));
    let rows = client
        .query("SELECT table_name, parameters FROM genims_internal.seed_ledger ORDER BY 1", &[])
        .await
        .map_err(failed)?;
    Ok(SeedLedger::new(rows.iter().map(|row| (row.get(0), row.get(1))).collect()))
}

pub(super) async fn load(
    settings: &PostgresSettings,
    parameters: Parameters,
    mut receiver: Receiver<Message>,
    report: &mut SeededDatabase,
    show: Show<'_>,
) -> Result<(), SeedError> {
    let failed = |error| SeedError::from(settings.error(error));
    let mut client = settings.connect().await?;
    pooling::require_session(settings, &client).await?;
    // One seeding at a time; the lock ends with the connection.
    client
        .batch_execute(
            "SET lock_timeout = '60s'; SELECT pg_advisory_lock(hashtextextended('genims seed', 0)); RESET lock_timeout",
        )
        .await
        .map_err(failed)?;
    let leaves_out = foreign_keys::may_leave_out(&client).await.map_err(failed)?;
    while let Some(message) = receiver.recv().await {
        match message {
            Message::Begin => {}
            Message::Failed(cause) => return Err(SeedError::Specs { cause }),
            _ => continue,
        }
        let transaction = client.transaction().await.map_err(failed)?;
        transaction.batch_execute("SET CONSTRAINTS ALL DEFERRED").await.map_err(failed)?;
        if leaves_out {
            foreign_keys::leave_out(&transaction).await.map_err(failed)?;
        }
        let mut loaded = Group {
            transaction: &transaction,
            settings,
            parameters,
            report,
            show,
            audited: !leaves_out,
            current: None,
            tables: Vec::new(),
        };
        if loaded.all(&mut receiver).await? {
            let tables = loaded.tables;
            if leaves_out {
                foreign_keys::check(&transaction, settings, &tables).await?;
            } else {
                transaction.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await.map_err(failed)?;
                for table in &tables {
                    audit::switch_on(&transaction, table).await.map_err(failed)?;
                }
            }
            transaction.commit().await.map_err(failed)?;
            report.loaded += tables.len();
        }
    }
    client.batch_execute("ANALYZE").await.map_err(failed)
}

struct Copying {
    plan: Plan,
    sink: Pin<Box<CopyInSink<Bytes>>>,
}

/// The tables of one transaction.
struct Group<'a> {
    transaction: &'a Transaction<'a>,
    settings: &'a PostgresSettings,
    parameters: Parameters,
    report: &'a mut SeededDatabase,
    show: Show<'a>,
    /// Triggers fire.
    audited: bool,
    current: Option<Copying>,
    tables: Vec<String>,
}

impl Group<'_> {
    /// True when the group came completely.
    async fn all(&mut self, receiver: &mut Receiver<Message>) -> Result<bool, SeedError> {
        while let Some(message) = receiver.recv().await {
            match message {
                Message::Table(plan) => {
                    self.finish().await?;
                    self.start(plan).await?;
                }
                Message::Chunk(bytes) => {
                    self.report.bytes += bytes.len() as u64;
                    if let Some(copying) = &mut self.current {
                        let table = &copying.plan.table;
                        copying.sink.send(bytes).await.map_err(|error| refused(self.settings, table, error))?;
                    }
                }
                Message::Commit => {
                    self.finish().await?;
                    return Ok(true);
                }
                Message::Failed(cause) => return Err(SeedError::Specs { cause }),
                Message::Begin | Message::Documents(_) => {}
            }
        }
        Ok(false)
    }

    async fn start(&mut self, plan: Plan) -> Result<(), SeedError> {
        let table = &plan.table;
        let target = format!("public.{}", quoted(Engine::Postgresql, table));
        let check = format!("SELECT EXISTS (SELECT FROM {target})");
        let failed = |error| refused(self.settings, table, error);
        if self.transaction.query_one(&check, &[]).await.map_err(failed)?.get(0) {
            return Err(SeedError::NotEmpty { database: self.settings.database().to_owned(), table: table.clone() });
        }
        if self.audited {
            audit::switch_off(self.transaction, table).await.map_err(failed)?;
        }
        let columns: Vec<String> = plan.columns.iter().map(|column| quoted(Engine::Postgresql, column)).collect();
        let statement = format!("COPY {target} ({}) FROM STDIN", columns.join(", "));
        let sink = Box::pin(self.transaction.copy_in(&statement).await.map_err(failed)?);
        self.current = Some(Copying { plan, sink });
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), SeedError> {
        let Some(Copying { plan, mut sink }) = self.current.take() else { return Ok(()) };
        let failed = |error| refused(self.settings, &plan.table, error);
        let rows = sink.as_mut().finish().await.map_err(failed)?;
        if let Some(column) = &plan.numbered {
            // What is numbered next goes on behind the rows.
            let table = format!("public.{}", quoted(Engine::Postgresql, &plan.table));
            let next = format!(
                "SELECT setval(pg_get_serial_sequence({}, {}), max({})) FROM {table}",
                literal(Engine::Postgresql, &table),
                literal(Engine::Postgresql, column),
                quoted(Engine::Postgresql, column),
            );
            self.transaction.execute(&next, &[]).await.map_err(failed)?;
        }
        let entry = "INSERT INTO genims_internal.seed_ledger (table_name, parameters, rows) VALUES ($1, $2, $3)";
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&plan.table, &written(self.parameters), &(rows as i64)];
        self.transaction.execute(entry, &values).await.map_err(failed)?;
        self.report.rows += rows;
        (self.show)(SeedProgress::Table { database: self.settings.database(), table: &plan.table, rows });
        self.tables.push(plan.table);
        Ok(())
    }
}

fn refused(settings: &PostgresSettings, table: &str, error: tokio_postgres::Error) -> SeedError {
    SeedError::Table { table: table.to_owned(), source: settings.error(error) }
}
