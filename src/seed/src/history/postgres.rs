//! The history into `genims_operations_db`: one group is one transaction, the sink's own ([`fill`]), so a killed run goes on
//! where it was and `genims verify` holds.
//!
//! `machine_faults` is written whole at the beginning, under ids from 1 that are taken out of the sequence: faults of live
//! traffic come behind them.

use super::faults::{COLUMNS as FAULT_COLUMNS, Fault};
use super::{PlantHistory, SOURCE, stored_us};
use crate::errors::SeedError;
use crate::value::Value;
use bytes::{BufMut, BytesMut};
use genims_catalogue::Catalogue;
use genims_databases::{PostgresSettings, pooling};
use genims_model::Position;
use genims_stores::SinkError;
use genims_stores::batch::Batch;
use genims_stores::postgres::commit::{Context, Effort, copy_in, fill, is_partition_gone};
use genims_stores::postgres::copy::{EncodeRows, Refused, copy};
use genims_stores::postgres::event_rows::EventRows;
use genims_stores::postgres::field::PutField;
use genims_stores::postgres::session::{OPERATIONS, Session};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The history's row: the parameters, and the records that are there.
pub(super) const NAME: &str = "history";
/// There when everything is.
const LOADED: &str = "history.loaded";
/// For one group, however slow the server is.
pub(super) const PATIENCE: Duration = Duration::from_secs(900);
/// One run at a time; the lock of a killed run goes with its connection. A seeding may load a slow server for long: a
/// statement has as much time as a group in MongoDB ([`PATIENCE`]).
const LOCK: &str = "SET statement_timeout = '900s'; SET idle_in_transaction_session_timeout = '900s';
     SET lock_timeout = '60s'; SELECT pg_advisory_lock(hashtextextended('genims seed history', 0))";

/// Where a history begins: it is a log that is written once.
pub(super) fn start(log: Uuid) -> Position {
    Position::beginning(log)
}

pub(super) struct Store {
    settings: PostgresSettings,
    session: Session,
    log_id: Uuid,
    position: u64,
    catalogue: Catalogue,
    sources: [String; 1],
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
        let position = session.position(&start(log_id)).await.map_err(failed)?.next_offset();
        let catalogue = history.site.catalogue.clone();
        let (settings, sources, buffer) = (settings.clone(), [SOURCE.to_owned()], BytesMut::new());
        Ok(Self { settings, session, log_id, position, catalogue, sources, buffer })
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

    /// The faults, which are there already, stay out; the history's own row says how far it is.
    async fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
        let Self { session, catalogue, sources, buffer, log_id, position, .. } = self;
        let start = start(*log_id);
        let context =
            Context { start: &start, position: *position, catalogue, sources: sources.as_slice(), patience: PATIENCE };
        let events = EventRows::of(batch, catalogue, stored_us(batch)).health_alone();
        let (transaction, _) = fill(session, batch, &context, events, buffer, &Effort::whole()).await?;
        let update = "UPDATE genims_internal.seed_history SET rows = $2, seeded_at = now() WHERE name = $1";
        transaction.execute(update, &[&NAME, &(batch.next_offset as i64)]).await?;
        transaction.commit().await?;
        Ok(())
    }

    fn failed(&self, source: SinkError) -> SeedError {
        failed(&self.settings, source)
    }
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
    if count > 0 {
        copy(&transaction, &statement, &mut rows, 0..count as usize, &mut BytesMut::new()).await?;
    }
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
