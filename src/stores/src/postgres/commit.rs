//! One batch, one transaction: position, rows, dead letters, ledger. What is too much for one becomes several.
//!
//! [`fill`] is that transaction; the sink and a seeding of the history commit what it has filled.

use crate::batch::Batch;
use crate::capacity::Capacity;
use crate::error::{SinkError, answered, answered_within};
use crate::order::OrderedReading;
use crate::postgres::copy::Refused;
use crate::postgres::days_kept::DaysKept;
use crate::postgres::dead_letters::{self, DeadLetterRows};
use crate::postgres::event_rows::{self, EventRows};
use crate::postgres::folding::{self, DeadLetterCounts};
use crate::postgres::isolate::{self, BatchMode, CopyRows, Rowwise, alone, refusal_in};
use crate::postgres::ledger::LedgerRow;
use crate::postgres::locked_days::{ROWS_MAX, is_kept_waiting};
use crate::postgres::partitions::{is_missing_partition, is_still_attached, partition_name};
use crate::postgres::replaced::Replaced;
use crate::postgres::scada_rows::{self, ScadaRows};
use crate::postgres::sensor_rows::{self, SensorRows, refused, sort};
use crate::postgres::session::{OPERATIONS, Session};
use crate::target::Committed;
use bytes::BytesMut;
use futures_util::future::try_join5;
use genims_catalogue::Catalogue;
use genims_model::{Position, now_us};
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Statement, Transaction};
use uuid::Uuid;

/// What writing one batch needs to know.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// What the log gave when the connection was opened: the batch is of its history.
    pub start: &'a Position,
    /// What the database has stored by now.
    pub position: u64,
    pub catalogue: &'a Catalogue,
    /// The listeners' names by number.
    pub sources: &'a [String],
    /// How long one statement may go unanswered.
    pub patience: Duration,
}

/// Writes the batch, in pieces when the server finds it too much at once. After an error, pieces may have landed; the
/// position says how many.
pub async fn commit(
    session: &mut Session,
    batch: &Batch,
    context: &Context<'_>,
    buffer: &mut BytesMut,
    capacity: &mut Capacity,
) -> Result<Committed, SinkError> {
    let mut report = Committed::default();
    let mut position = context.position;
    let mut open = batch.pieces(capacity.max());
    open.reverse();
    while let Some(piece) = open.pop() {
        match commit_piece(session, &piece, &Context { position, ..*context }, buffer).await {
            Ok(written) => {
                capacity.fitted(piece.len());
                position = piece.next_offset;
                report.add(written);
            }
            Err(error) if error.is_too_much() => {
                capacity.too_much(piece.len());
                // Without an answer this connection is no longer usable.
                let answered = matches!(error, SinkError::Postgres(_));
                let Some((first, second)) = piece.halves().filter(|_| answered) else { return Err(error) };
                tracing::info!(%error, records = piece.len(), "too much for one transaction; halving it");
                open.extend([second, first]);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}

/// In one transaction. Once more when a partition was dropped or detached behind our back; without old days that another session
/// has locked; with half as many days while a
/// single group has more than the server has locks for; and row by row where rows are refused, or where a single group is
/// too much.
async fn commit_piece(
    session: &mut Session,
    batch: &Batch,
    context: &Context<'_>,
    buffer: &mut BytesMut,
) -> Result<Committed, SinkError> {
    let mut effort = Effort::whole();
    if session.locked_days.may_hold(|| effort.days.of(batch))
        && let Some(fewer) = without_locked(session, batch, &effort.days).await?
    {
        effort.days = fewer;
    }
    let mut has_forgotten = false;
    loop {
        let error = match write(session, batch, context, buffer, &effort).await {
            Err(error) => error,
            written => return written,
        };
        if is_partition_gone(&error) && !has_forgotten {
            has_forgotten = true;
            session.forget();
        } else if is_kept_waiting(&error)
            && let Some(fewer) = without_locked(session, batch, &effort.days).await?
        {
            tracing::warn!(%error, first_offset = batch.first_offset, "another session has days locked; their rows are set aside");
            effort.days = fewer;
        } else if let Some(fewer) = effort.days.halved(batch).filter(|_| is_short_of_locks(&error, batch)) {
            tracing::info!(%error, first_offset = batch.first_offset, "more days than locks; trying fewer at once");
            effort.days = fewer;
        } else if effort.mode == BatchMode::Whole
            && (refusal_in(&error).is_some() || is_too_much_for_a_group(&error, batch))
        {
            tracing::info!(%error, first_offset = batch.first_offset, "rows refused; looking for them one by one");
            effort.mode = BatchMode::Isolating;
        } else {
            return Err(error);
        }
    }
}

/// The days left when those are passed over that somebody has locked; `None` when there are none, or too many rows of them.
async fn without_locked(session: &mut Session, batch: &Batch, kept: &DaysKept) -> Result<Option<DaysKept>, SinkError> {
    let found = session.locked_days.find(&session.client, &kept.of(batch), now_us()).await?;
    let fewer = kept.clone().without(&found);
    let is_lost = |time_us: i64| kept.contains(time_us) && !fewer.contains(time_us);
    let readings = batch.readings().filter(|(_, reading)| is_lost(reading.timestamp_us)).count();
    let snapshots = batch.snapshots().filter(|(_, snapshot)| is_lost(snapshot.timestamp_us)).count();
    Ok((!found.is_empty() && readings + snapshots <= ROWS_MAX).then_some(fewer))
}

/// How one batch is tried.
pub struct Effort {
    mode: BatchMode,
    days: DaysKept,
}

impl Effort {
    /// Everything at once: the first refused row fails the batch.
    pub fn whole() -> Self {
        Self { mode: BatchMode::Whole, days: DaysKept::all() }
    }
}

/// Whether a partition was dropped or detached behind our back: after [`Session::forget`], the same batch finds its place.
pub fn is_partition_gone(error: &SinkError) -> bool {
    match error {
        SinkError::Postgres(error) => is_missing_partition(error),
        SinkError::Detached(_) => true,
        _ => false,
    }
}

fn is_too_much_for_a_group(error: &SinkError, batch: &Batch) -> bool {
    batch.groups.len() == 1 && matches!(error, SinkError::Postgres(_)) && error.is_too_much()
}

/// Each partition takes locks, and a transaction holds all of them to its end. A batch of several groups is halved instead.
fn is_short_of_locks(error: &SinkError, batch: &Batch) -> bool {
    let code = match error {
        SinkError::Postgres(error) => error.code(),
        _ => None,
    };
    batch.groups.len() == 1 && code == Some(&SqlState::OUT_OF_MEMORY)
}

/// The prepared statements of one batch.
struct Statements {
    sensors: Statement,
    scada: Statement,
    faults: Statement,
    health: Statement,
    dead_letters: Statement,
}

async fn write(
    session: &mut Session,
    batch: &Batch,
    context: &Context<'_>,
    buffer: &mut BytesMut,
    effort: &Effort,
) -> Result<Committed, SinkError> {
    let events = EventRows::of(batch, context.catalogue, now_us());
    let (transaction, written) = fill(session, batch, context, events, buffer, effort).await?;
    answered_within(context.patience, transaction.commit()).await?;
    Ok(written)
}

/// Begins a transaction that moves the position and writes the batch's rows, its dead letters and its row of the ledger.
/// Nothing of it is there before the caller commits it.
pub async fn fill<'s>(
    session: &'s mut Session,
    batch: &Batch,
    context: &Context<'_>,
    mut events: EventRows<'_>,
    buffer: &mut BytesMut,
    Effort { mode, days: kept }: &Effort,
) -> Result<(Transaction<'s>, Committed), SinkError> {
    let (mode, catalogue, patience) = (*mode, context.catalogue, context.patience);
    let sorted = sort(batch, catalogue, kept);
    let set_aside: Vec<Refused> = sorted.unstorable.iter().map(|row| refused(catalogue, row, kept)).collect();
    let (mut scada, unstorable) = ScadaRows::of(batch, catalogue, kept);

    let partition = partition(session, &sensor_rows::days(&sorted.rows), scada.days()).await?;
    let transaction = session.begin().await?;
    if mode == BatchMode::Isolating {
        // A constraint that waits for the commit would refuse all rows for one.
        answered(transaction.batch_execute("SET CONSTRAINTS ALL IMMEDIATE")).await?;
    }
    // Prepared here and dropped before the end: outside of this transaction a pooler may have given the connection away.
    let statements = answered_within(patience, prepare(&transaction, partition.as_deref())).await?;
    let reached = context.start.moved_to(batch.next_offset);
    answered_within(patience, OPERATIONS.move_to(&transaction, context.position, &reached)).await?;
    let mut writer = Writer { transaction: &transaction, buffer, mode, patience, set_aside, bytes: 0 };
    writer.set_aside.extend(unstorable);
    let (replaced, rows) = writer.replace(catalogue, &sorted.replacing, sorted.rows).await?;
    let mut sensors = SensorRows::new(catalogue, rows);
    let sensor_rows = writer.copy(&statements.sensors, &mut sensors).await?;
    if let Some(partition) = partition.filter(|_| sensor_rows > 0)
        && !is_still_attached(&transaction, &partition).await?
    {
        return Err(SinkError::Detached(partition));
    }
    let scada_rows = writer.copy(&statements.scada, &mut scada).await?;
    writer.copy(&statements.faults, &mut events.faults).await?;
    writer.copy(&statements.health, &mut events.health).await?;
    writer.run(&mut events.closed).await?;
    let refused_rows = writer.dead_letters(&statements.dead_letters, context, batch).await?;

    let Writer { set_aside, bytes, .. } = writer;
    let refused_events = set_aside.iter().filter(|refused| refused.source.is_none()).count() as u64;
    let ledger = LedgerRow {
        sensor_rows,
        superseded_rows: sorted.superseded,
        replaced_rows: replaced,
        scada_rows,
        events: batch.events().count() as u64 - refused_events,
        dead_letters: batch.dead_letters().count() as u64,
        refused_rows,
    };
    enter(&transaction, mode, &ledger, context.start.log(), batch).await?;
    drop(statements);
    let counted = set_aside.iter().filter_map(|refused| refused.source.map(|source| (refused.log_offset, source)));
    let written =
        Committed { refused: counted.collect(), refused_uncounted: refused_events, bytes, ..Committed::default() };
    Ok((transaction, written))
}

/// Makes the partitions of these days; answers the one that takes all readings.
///
/// Straight into it saves the router's work, about 3 % of a COPY. Late data of many days would need as many COPYs, so they go
/// through the parent.
async fn partition(
    session: &mut Session,
    days: &[i64],
    scada_days: impl Iterator<Item = i64>,
) -> Result<Option<String>, SinkError> {
    let sensor_days = days.iter().map(|day| ("sensor_data", *day));
    let all_days = sensor_days.chain(scada_days.map(|day| ("scada_machine_data", day)));
    session.known_days.ensure(&mut session.client, &session.begun, now_us(), all_days).await?;
    Ok(match days {
        [day] if session.known_days.contains("sensor_data", *day) => partition_name("sensor_data", *day),
        _ => None,
    })
}

/// All at once, which takes one round trip.
async fn prepare(transaction: &Transaction<'_>, partition: Option<&str>) -> Result<Statements, tokio_postgres::Error> {
    let texts = [
        copy_in(partition.unwrap_or("public.sensor_data"), sensor_rows::COLUMNS),
        copy_in("public.scada_machine_data", scada_rows::COLUMNS),
        copy_in("public.machine_faults", event_rows::FAULT_COLUMNS),
        copy_in("public.sensor_health", event_rows::HEALTH_COLUMNS),
        copy_in("genims_internal.dead_letters", dead_letters::COLUMNS),
    ];
    let [sensors, scada, faults, health, dead_letters] = texts.each_ref().map(|text| transaction.prepare(text));
    let (sensors, scada, faults, health, dead_letters) =
        try_join5(sensors, scada, faults, health, dead_letters).await?;
    Ok(Statements { sensors, scada, faults, health, dead_letters })
}

/// The statement that [`crate::postgres::copy::copy`] runs.
pub fn copy_in(table: &str, columns: &str) -> String {
    format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)")
}

/// Enters the batch in the ledger. A ledger that refuses it (a trigger, a constraint of somebody's own) does not stop the
/// rows; `genims verify` shows the gap. A batch that it has already does: its rows may be there too.
async fn enter(
    transaction: &Transaction<'_>,
    mode: BatchMode,
    ledger: &LedgerRow,
    spool_id: Uuid,
    batch: &Batch,
) -> Result<(), SinkError> {
    let insert = ledger.insert(transaction, spool_id, batch);
    if mode == BatchMode::Whole {
        return insert.await;
    }
    match alone(transaction, insert).await? {
        Some(error) if refusal_in(&error).is_some_and(|db| *db.code() == SqlState::UNIQUE_VIOLATION) => Err(error),
        Some(error) => {
            let (first_offset, next_offset) = (batch.first_offset, batch.next_offset);
            tracing::error!(%error, first_offset, next_offset, "genims_internal.ingest_batches refused its row");
            Ok(())
        }
        None => Ok(()),
    }
}

/// Writes into one transaction, one table after the other, in one mode.
struct Writer<'a> {
    transaction: &'a Transaction<'a>,
    buffer: &'a mut BytesMut,
    mode: BatchMode,
    patience: Duration,
    set_aside: Vec<Refused>,
    bytes: u64,
}

impl Writer<'_> {
    async fn copy<R: crate::postgres::copy::EncodeRows>(
        &mut self,
        statement: &Statement,
        rows: &mut R,
    ) -> Result<u64, SinkError> {
        let mut refused = Vec::new();
        let mut work = CopyRows { statement, rows, buffer: self.buffer, patience: self.patience };
        let copied = isolate::run(self.transaction, self.mode, &mut work, &mut refused).await?;
        self.set_aside.extend(refused.into_iter().map(|(_, refused)| refused));
        self.bytes += copied.bytes;
        Ok(copied.rows)
    }

    async fn run<W: Rowwise>(&mut self, work: &mut W) -> Result<(), SinkError> {
        let mut refused = Vec::new();
        isolate::run(self.transaction, self.mode, work, &mut refused).await?;
        self.set_aside.extend(refused.into_iter().map(|(_, refused)| refused));
        Ok(())
    }

    /// Deletes what earlier batches stored under the same sensor and timestamp (`same_timestamp = "last"`); answers how
    /// many, and the rows to write. A reading whose predecessor stays is set aside with it.
    async fn replace<'b>(
        &mut self,
        catalogue: &Catalogue,
        replacing: &[OrderedReading<'b>],
        mut rows: Vec<OrderedReading<'b>>,
    ) -> Result<(u64, Vec<OrderedReading<'b>>), SinkError> {
        let mut refused = Vec::new();
        let mut work = Replaced { catalogue, replacing };
        let deleted = isolate::run(self.transaction, self.mode, &mut work, &mut refused).await?.rows;
        for (index, refused) in refused {
            let offset = replacing[index].offset;
            let before = rows.len();
            rows.retain(|row| row.offset != offset);
            // One that a later reading of this batch supersedes is not written anyway.
            if rows.len() < before {
                self.set_aside.push(refused);
            }
        }
        Ok((deleted, rows))
    }

    /// Writes the dead letters that came and those that this batch made; answers how many the latter are. What the table
    /// refuses goes in once more without its content.
    async fn dead_letters(
        &mut self,
        statement: &Statement,
        context: &Context<'_>,
        batch: &Batch,
    ) -> Result<u64, SinkError> {
        let (spool_id, sources) = (context.start.log(), context.sources);
        let came = folding::fold(self.transaction, self.mode, spool_id, sources, batch.dead_letters()).await?;
        let made: Vec<(Refused, DeadLetterCounts)> =
            self.set_aside.iter().map(|refused| (refused.clone(), DeadLetterCounts::ONE)).collect();
        let mut rows = DeadLetterRows { spool_id, sources, dead_letters: &came, refused: &made };
        let mut lost = Vec::new();
        let mut work = CopyRows { statement, rows: &mut rows, buffer: self.buffer, patience: self.patience };
        self.bytes += isolate::run(self.transaction, self.mode, &mut work, &mut lost).await?.bytes;
        let bare: Vec<(Refused, DeadLetterCounts)> =
            lost.into_iter().map(|(index, dead_letter)| (dead_letter.bare(), rows.counts(index))).collect();
        let mut rows = DeadLetterRows { spool_id, sources, dead_letters: &[], refused: &bare };
        let mut lost = Vec::new();
        let mut work = CopyRows { statement, rows: &mut rows, buffer: self.buffer, patience: self.patience };
        isolate::run(self.transaction, self.mode, &mut work, &mut lost).await?;
        for (_, Refused { log_offset, detail, .. }) in lost {
            tracing::error!(
                log_offset,
                detail,
                "genims_internal.dead_letters refused a dead letter even without content"
            );
        }
        Ok(made.len() as u64)
    }
}
