//! How many changes of business rows a second reach the audit trail: from the first statement, through triggers and outbox, until
//! all stand in MySQL and MongoDB.

use super::figure::{Bound, Figure, Promise};
use super::lab::{Lab, Setup};
use crate::bench::announce;
use anyhow::{Context, bail};
use mysql_async::prelude::Queryable;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls};

const DATABASE: &str = "genims_erp_db";
const WRITERS: u32 = 4;
/// Transactions of a writer.
const TRANSACTIONS: u32 = 100;
/// Rows of a transaction; each writer has its own.
const ROWS: u32 = 100;
const CHANGES: u32 = WRITERS * TRANSACTIONS * ROWS;
/// From the last statement until nothing waits.
const DELIVERY_WAIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(20);

const UPDATE: &str = "UPDATE inventory_transactions SET reason_text = 'figures ' || $1 WHERE transaction_id IN \
     (SELECT transaction_id FROM inventory_transactions ORDER BY transaction_id LIMIT $2 OFFSET $3)";
/// A row goes when every target has it.
const WAITS: &str = "SELECT EXISTS (SELECT FROM genims_internal.changes)";
const AUDITED: &str = "SELECT COUNT(*) FROM genims_audit_db.data_change_audit \
     WHERE database_name = 'genims_erp_db' AND table_name = 'inventory_transactions'";

const CHANGED: Promise = Promise {
    name: "changes",
    what: "audited changes until they stand in the audit trail",
    unit: "/s",
    bound: Bound::AtLeast(5_000.0),
};

pub(super) fn measure(lab: &mut Lab, rounds: u32) -> anyhow::Result<Vec<Figure>> {
    lab.serve(Setup::Shipped)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut rates = Vec::new();
    for round in 1..=rounds {
        announce(&format!("{CHANGES} changes, round {round} of {rounds}"));
        rates.push(runtime.block_on(per_second(lab, round))?);
    }
    lab.bench.stop_server();
    let settings = format!(
        "{WRITERS} connections with {TRANSACTIONS} transactions each, an UPDATE of {ROWS} rows of 28 columns; \
         until the outbox is empty and MySQL has all"
    );
    Ok(vec![Figure::new(CHANGED, rates, settings)])
}

async fn per_second(lab: &Lab, round: u32) -> anyhow::Result<f64> {
    let url = lab.stack.postgres_url(DATABASE);
    let mut trail = mysql_async::Conn::from_url(lab.stack.mysql_url("")).await?;
    let watching = connect(&url).await?;
    delivered(&watching).await?;
    let before: u64 = trail.query_first(AUDITED).await?.unwrap_or(0);
    let begun = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let url = url.clone();
        writers.spawn(async move { change(&connect(&url).await?, writer, round).await });
    }
    while let Some(written) = writers.join_next().await {
        written.context("a writer panicked")??;
    }
    delivered(&watching).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let after: u64 = trail.query_first(AUDITED).await?.unwrap_or(0);
    trail.disconnect().await?;
    if after - before != u64::from(CHANGES) {
        bail!("{CHANGES} rows were changed, and the audit trail has {} of them", after - before);
    }
    Ok(f64::from(CHANGES) / seconds)
}

async fn change(client: &Client, writer: u32, round: u32) -> anyhow::Result<()> {
    let (rows, first) = (i64::from(ROWS), i64::from(writer * ROWS));
    for transaction in 0..TRANSACTIONS {
        let text = format!("{round} {transaction}");
        let values: [(&(dyn ToSql + Sync), Type); 3] = [(&text, Type::TEXT), (&rows, Type::INT8), (&first, Type::INT8)];
        let changed = client.execute_typed(UPDATE, &values).await?;
        if changed != u64::from(ROWS) {
            bail!("{ROWS} rows were to be changed, and {changed} were: {DATABASE} has too few");
        }
    }
    Ok(())
}

/// Waits until the outbox is empty.
async fn delivered(client: &Client) -> anyhow::Result<()> {
    let deadline = Instant::now() + DELIVERY_WAIT;
    while client.query_typed_one(WAITS, &[]).await?.get::<_, bool>(0) {
        if Instant::now() > deadline {
            bail!("changes still wait in the outbox of {DATABASE} after {} s", DELIVERY_WAIT.as_secs());
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
