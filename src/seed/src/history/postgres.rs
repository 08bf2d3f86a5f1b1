//! The history into `genims_operations_db`: one group is one transaction, with the position and the ledger row that the sink
//! would write, so a killed run goes on where it was and `genims verify` holds.
//!
//! `machine_faults` is written whole at the beginning, under ids from 1 that are taken out of the sequence: faults of live
//! traffic come behind them.

use super::faults::{COLUMNS as FAULT_COLUMNS, Fault};
use super::{PlantHistory, stored_us};
use crate::errors::SeedError;
use crate::value::Value;
use bytes::{BufMut, BytesMut};
use genims_catalogue::Catalogue;
use genims_databases::{PostgresSettings, pooling};
use genims_model::Position;
use genims_stores::SinkError;
use genims_stores::batch::Batch;
use genims_stores::postgres::commit::{copy_in, is_partition_gone, partition};
use genims_stores::postgres::copy::{EncodeRows, Refused, copy};
use genims_stores::postgres::days_kept::DaysKept;
use genims_stores::postgres::event_rows::{EventRows, HEALTH_COLUMNS};
use genims_stores::postgres::field::PutField;
use genims_stores::postgres::ledger::LedgerRow;
use genims_stores::postgres::partitions::is_still_attached;
use genims_stores::postgres::scada_rows::{self, ScadaRows};
use genims_stores::postgres::sensor_rows::{self, SensorRows, sort};
use genims_stores::postgres::session::{OPERATIONS, Session};
use std::sync::Arc;
use tokio_postgres::{Statement, Transaction};
use uuid::Uuid;

/// The history's row: the parameters, and the records that are there.
pub(super) const NAME: &str = "history";
/// There when everything is.
const LOADED: &str = "history.loaded";
/// One run at a time; the lock of a killed run goes with its connection. A seeding may load a slow server for long: a
/// statement has as much time as a group in MongoDB ([`PATIENCE`](super::load::PATIENCE)).
const LOCK: &str = "SET statement_timeout = '900s'; SET idle_in_transaction_session_timeout = '900s';
     SET lock_timeout = '60s'; SELECT pg_advisory_lock(hashtextextended('genims seed history', 0))";

/// Where a history begins: it is a log that is written once.
pub(super) fn start(log: uuid::Uuid) -> genims_model::Position {
    genims_model::Position { log, lineage: genims_model::Lineage::default(), offset: 0 }
}

pub(super) struct Store {
    settings: PostgresSettings,
    session: Session,
    log_id: Uuid,
    position: u64,
    catalogue: Catalogue,
    buffer: BytesMut,
}

impl Store {
    /// Connects, and writes the faults when nothing is there yet; refuses when another history is.
    pub(super) async fn open(settings: &PostgresSettings, history: &Arc<PlantHistory>) -> Result<Self, SeedError> {
        let failed = |source: SinkError| failed(settings, source);
        let mut session = Session::open(settings.connect().await?, OPERATIONS).await.map_err(failed)?;
        pooling::require_session(settings, &session.client).await?;
        session.client.batch_execute(LOCK).await.map_err(|error| failed(error.into()))?;
        let query = "SELECT digest FROM genims_internal.seed_history WHERE name = $1";
        let found = session.client.query_opt(query, &[&NAME]).await.map_err(|error| failed(error.into()))?;
        let (digest, log_id) = (history.parameters.digest(), history.parameters.log_id());
        match found.map(|row| row.get::<_, String>(0)) {
            Some(stored) if stored != digest => return Err(another(settings.database(), &stored)),
            Some(_) => {}
            None => {
                let walked = history.clone();
                let faults = tokio::task::spawn_blocking(move || super::faults::all(&walked)).await?;
                let rows = FaultRows { history, faults };
                if !enter_faults(&mut session, rows, &digest).await.map_err(failed)? {
                    return Err(taken(settings.database()));
                }
            }
        }
        let position = session.position(&start(log_id)).await.map_err(failed)?.offset;
        let catalogue = history.site.catalogue.clone();
        Ok(Self { settings: settings.clone(), session, log_id, position, catalogue, buffer: BytesMut::new() })
    }

    pub(super) async fn is_loaded(&self) -> Result<bool, SeedError> {
        let query = "SELECT EXISTS (SELECT FROM genims_internal.seed_history WHERE name = $1)";
        let row = self.session.client.query_one(query, &[&LOADED]).await.map_err(|error| self.failed(error.into()))?;
        Ok(row.get(0))
    }

    /// Everything is there.
    pub(super) async fn finish(&self) -> Result<(), SeedError> {
        let insert = "INSERT INTO genims_internal.seed_history (name, digest, rows)
             SELECT $2, digest, rows FROM genims_internal.seed_history WHERE name = $1 ON CONFLICT DO NOTHING";
        let entered = self.session.client.execute(insert, &[&NAME, &LOADED]).await;
        entered.map_err(|error| self.failed(error.into()))?;
        let analyze = "ANALYZE sensor_data, scada_machine_data, machine_faults, sensor_health";
        self.session.client.batch_execute(analyze).await.map_err(|error| self.failed(error.into()))
    }

    /// Writes the next group; one that is there already is passed over. True when it was written.
    pub(super) async fn take(&mut self, batch: &Batch) -> Result<bool, SeedError> {
        if batch.next_offset <= self.position {
            return Ok(false);
        }
        let mut written = self.write(batch).await;
        // Detached or dropped since its day was looked at: the default partition takes the rows.
        if written.as_ref().is_err_and(is_partition_gone) {
            self.session.forget();
            written = self.write(batch).await;
        }
        written.map_err(|source| self.failed(source))?;
        self.position = batch.next_offset;
        Ok(true)
    }

    async fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
        let Self { session, catalogue, buffer, log_id, position, .. } = self;
        let sorted = sort(batch, catalogue, &DaysKept::all()).rows;
        let (mut scada, _) = ScadaRows::of(batch, catalogue, &DaysKept::all());
        let mut health = EventRows::of(batch, catalogue, stored_us(batch)).health;
        let partition = partition(session, &sensor_rows::days(&sorted), scada.days()).await?;
        let mut sensors = SensorRows::new(catalogue, sorted);
        let table = partition.as_deref().unwrap_or("public.sensor_data");
        let transaction = session.begin().await?;
        let of_sensors = transaction.prepare(&copy_in(table, sensor_rows::COLUMNS)).await?;
        let of_scada = transaction.prepare(&copy_in("public.scada_machine_data", scada_rows::COLUMNS)).await?;
        let of_health = transaction.prepare(&copy_in("public.sensor_health", HEALTH_COLUMNS)).await?;
        let reached = Position { offset: batch.next_offset, ..start(*log_id) };
        OPERATIONS.move_to(&transaction, *position, &reached).await?;
        let sensor_rows = all(&transaction, &of_sensors, &mut sensors, buffer).await?;
        if let Some(partition) = partition
            && !is_still_attached(&transaction, &partition).await?
        {
            return Err(SinkError::Detached(partition));
        }
        let scada_rows = all(&transaction, &of_scada, &mut scada, buffer).await?;
        all(&transaction, &of_health, &mut health, buffer).await?;
        let ledger =
            LedgerRow { sensor_rows, scada_rows, events: batch.events().count() as u64, ..LedgerRow::default() };
        ledger.insert(&transaction, *log_id, batch).await?;
        let update = "UPDATE genims_internal.seed_history SET rows = $2, seeded_at = now() WHERE name = $1";
        transaction.execute(update, &[&NAME, &(batch.next_offset as i64)]).await?;
        transaction.commit().await?;
        Ok(())
    }

    fn failed(&self, source: SinkError) -> SeedError {
        failed(&self.settings, source)
    }
}

async fn all(
    transaction: &Transaction<'_>,
    statement: &Statement,
    rows: &mut dyn EncodeRows,
    buffer: &mut BytesMut,
) -> Result<u64, SinkError> {
    let count = rows.rows();
    Ok(if count == 0 { 0 } else { copy(transaction, statement, rows, 0..count, buffer).await?.rows })
}

fn failed(settings: &PostgresSettings, source: SinkError) -> SeedError {
    SeedError::Store { database: settings.database().to_owned(), source: Box::new(source) }
}

pub(super) fn another(database: &str, stored: &str) -> SeedError {
    SeedError::History {
        database: database.to_owned(),
        cause: format!("another history was loaded: {stored}"),
        remedy: "seed with these parameters, or into empty databases",
    }
}

fn taken(database: &str) -> SeedError {
    SeedError::History {
        database: database.to_owned(),
        cause: "machine_faults holds faults of live traffic under the ids of the history".to_owned(),
        remedy: "seed the history before the server writes, or into empty databases",
    }
}

/// Writes all faults and the history's ledger row in one transaction; false when their ids are taken.
async fn enter_faults(session: &mut Session, mut rows: FaultRows<'_>, digest: &str) -> Result<bool, SinkError> {
    let count = rows.rows() as i64;
    let transaction = session.begin().await?;
    let statement = transaction.prepare(&copy_in("public.machine_faults", &FAULT_COLUMNS.join(", "))).await?;
    // Readers go on; whoever would take an id waits.
    transaction.batch_execute("LOCK TABLE public.machine_faults IN SHARE ROW EXCLUSIVE MODE").await?;
    let query = "SELECT EXISTS (SELECT FROM public.machine_faults WHERE fault_id <= $1)";
    if transaction.query_one(query, &[&count]).await?.get(0) {
        return Ok(false);
    }
    all(&transaction, &statement, &mut rows, &mut BytesMut::new()).await?;
    let reserve = "SELECT setval('public.machine_faults_fault_id_seq', greatest($1, last_value))
         FROM public.machine_faults_fault_id_seq";
    transaction.execute(reserve, &[&count.max(1)]).await?;
    let insert = "INSERT INTO genims_internal.seed_history (name, digest, rows) VALUES ($1, $2, 0)";
    transaction.execute(insert, &[&NAME, &digest]).await?;
    transaction.commit().await?;
    Ok(true)
}

/// The rows of `machine_faults`, all columns.
struct FaultRows<'a> {
    history: &'a PlantHistory,
    faults: Vec<Fault>,
}

impl EncodeRows for FaultRows<'_> {
    fn rows(&self) -> usize {
        self.faults.len()
    }

    fn encode(&mut self, index: usize, out: &mut BytesMut) {
        let row = self.faults[index].row(self.history, index as i64 + 1);
        out.put_i16(row.len() as i16);
        for (column, value) in FAULT_COLUMNS.iter().zip(&row) {
            match value {
                Value::Integer(id) if *column == "fault_id" => out.put_int8(*id),
                Value::Integer(number) => out.put_int4(i32::try_from(*number).unwrap_or(i32::MAX)),
                Value::Number(number) => out.put_numeric(*number, 2),
                Value::Boolean(flag) => out.put_bool(*flag),
                Value::Timestamp(us) => out.put_timestamp(*us),
                Value::Text(text) => out.put_text(text),
                _ => out.put_null(),
            }
        }
    }

    fn refused(&self, index: usize) -> Refused {
        let (log_offset, payload) = (index as u64, Vec::new());
        Refused { log_offset, source: None, received_us: 0, payload, sqlstate: None, detail: String::new() }
    }
}
