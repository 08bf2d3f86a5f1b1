//! Databases in memory that fail as real ones do: a commit is lost, or lands and its answer is lost, or lands long after
//! everybody has given it up; connections hang or fail; an older state comes back.
//!
//! What they judge themselves: a batch begins where the position stands, or where the log goes on behind what is gone; no
//! record of a log lands twice; positions go back by a restore alone.

use crate::rows;
use genims_catalogue::Directory;
use genims_log::file::Spool;
use genims_model::{Event, Position, Reading, Row, SourceNo};
use genims_stores::SinkError;
use genims_stores::batch::Batch;
use genims_stores::rows::{RowDesk, Unwritten};
use genims_stores::target::{Committed, Target};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// The database that keeps dead letters, too.
pub(crate) const OPERATIONS: &str = "postgres";

/// Begins the names of sensors whose readings are known by their values: they get the time of receipt.
pub(crate) const UNTIMED: char = 'U';

/// What a reading is, wherever it is stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) sensor: String,
    pub(crate) timestamp_us: i64,
    pub(crate) value_bits: u64,
}

/// How the next commit goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Rolled back, and said so.
    Lost,
    /// Committed, and the answer lost.
    Unconfirmed,
    /// No answer, ever; rolled back.
    Hangs,
    /// No answer, and the commit lands this long after it was asked for, unless another one came first.
    LandsLate(Duration),
    /// A mirror without transactions: half of the batch is there, the position where it was.
    Half,
    Slow(Duration),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    /// By log and offset.
    pub(crate) rows: BTreeMap<(Uuid, u64), Key>,
    /// Of a database that has routes.
    pub(crate) events: BTreeMap<(Uuid, u64), String>,
    /// Rows of programs by their keys, and where in which log each was read.
    pub(crate) table: BTreeMap<u64, (Uuid, u64)>,
    /// Dead letters of refused rows, by log and offset: the keys of these rows.
    pub(crate) dead_letters: BTreeMap<(Uuid, u64), u64>,
    pub(crate) positions: BTreeMap<Uuid, Position>,
}

#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) name: &'static str,
    /// A commit is all or nothing, and a record that is there already is a fault; else it is passed over.
    has_transactions: bool,
    pub(crate) contents: Contents,
    /// Every event that was ever on its way into it.
    pub(crate) told: BTreeMap<(Uuid, u64), String>,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) is_away: bool,
    /// Offsets that the log no longer held when this database asked for them.
    pub(crate) gaps: Vec<(Uuid, u64, u64)>,
    /// Rows that a restore took out of it, unless its log was seen to hold them for it.
    pub(crate) may_lack: BTreeSet<u64>,
    /// How many dead letters each row may have that it refused.
    pub(crate) refused: BTreeMap<u64, usize>,
    /// How often it met records of which the log had kept the offsets alone.
    pub(crate) passed: usize,
    /// What it is asked is shown as it comes.
    shows: bool,
}

impl Database {
    pub(crate) fn new(name: &'static str, has_transactions: bool) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            name,
            has_transactions,
            contents: Contents::default(),
            told: BTreeMap::new(),
            faults: VecDeque::new(),
            is_away: false,
            gaps: Vec::new(),
            may_lack: BTreeSet::new(),
            refused: BTreeMap::new(),
            passed: 0,
            shows: std::env::var_os("GENIMS_SEED").is_some(),
        }))
    }

    /// Where it stands in a log.
    pub(crate) fn offset(&self, log: Uuid) -> Option<u64> {
        self.contents.positions.get(&log).map(Position::next_offset)
    }

    /// How much it holds: readings, events, rows, and dead letters of rows.
    pub(crate) fn rows(&self) -> [usize; 4] {
        let Contents { rows, events, table, dead_letters, .. } = &self.contents;
        [rows.len(), events.len(), table.len(), dead_letters.len()]
    }

    /// It is put back to what it held before.
    pub(crate) fn goes_back_to(&mut self, backup: Contents) {
        let later = std::mem::replace(&mut self.contents, backup);
        self.may_lack.extend(later.table.into_keys().filter(|id| !self.contents.table.contains_key(id)));
    }

    /// Rows with these keys may have one dead letter more.
    pub(crate) fn may_have_again(&mut self, refused: impl Iterator<Item = u64>) {
        refused.for_each(|id| *self.refused.entry(id).or_default() += 1);
    }

    fn store(&mut self, log: Uuid, rows: impl Iterator<Item = (u64, Key)>) {
        for (offset, key) in rows {
            let before = self.contents.rows.insert((log, offset), key.clone());
            assert!(before.is_none() || !self.has_transactions, "{}: {key:?} lands twice at {offset}", self.name);
            assert!(before.is_none_or(|before| before == key), "{}: {offset} has become {key:?}", self.name);
        }
    }

    fn store_events(&mut self, log: Uuid, events: impl Iterator<Item = (u64, String)>) {
        for (offset, event) in events {
            let before = self.contents.events.insert((log, offset), event.clone());
            assert!(before.is_none() || !self.has_transactions, "{}: {event} lands twice at {offset}", self.name);
            assert!(before.is_none_or(|before| before == event), "{}: {offset} has become {event}", self.name);
        }
    }

    /// A row whose key is there stays as it is; answers with those.
    fn write_rows(&mut self, log: Uuid, rows: &[RowOfLog]) -> Vec<(u64, SourceNo)> {
        let mut done_before = Vec::new();
        for &RowOfLog { offset, source, id } in rows {
            match self.contents.table.get(&id) {
                None => {
                    self.contents.table.insert(id, (log, offset));
                }
                Some(before) => {
                    let is_same = *before == (log, offset);
                    assert!(!is_same || !self.has_transactions, "{}: row {id} lands twice at {offset}", self.name);
                    done_before.push((offset, source));
                }
            }
        }
        done_before
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection to it.
pub(crate) struct Connection {
    database: Arc<Mutex<Database>>,
    directory: Arc<Directory>,
    /// What the log holds decides what this database may lack.
    log: Spool,
    name: &'static str,
    start: Option<Start>,
    events: Events,
    /// Where rows of programs are for it: which of them are not to be written, as production has it.
    desk: Option<Arc<RowDesk>>,
}

/// What a database does with the events of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Events {
    /// No run asks for them.
    PassedOver,
    /// Known to have been told.
    Noted,
    Stored,
}

/// What a connection was opened with, and where the log began then.
#[derive(Clone)]
struct Start {
    position: Position,
    first_offset: u64,
}

impl Connection {
    pub(crate) fn new(
        database: &Arc<Mutex<Database>>,
        directory: &Arc<Directory>,
        log: &Spool,
        events: Events,
        desk: Option<Arc<RowDesk>>,
    ) -> Self {
        let (name, start) = (lock(database).name, None);
        let (database, directory, log) = (database.clone(), directory.clone(), log.clone());
        Self { database, directory, log, name, start, events, desk }
    }

    fn key(&self, reading: &Reading) -> Key {
        let catalogue = self.directory.load();
        let Some(entry) = catalogue.sensor(reading.sensor) else {
            panic!("{:?} is in the log, and nobody knows whose it is", reading.sensor);
        };
        let sensor = entry.sensor.sensor_id.clone();
        let timestamp_us = if sensor.starts_with(UNTIMED) { 0 } else { reading.timestamp_us };
        Key { sensor, timestamp_us, value_bits: reading.value.to_bits() }
    }

    /// Everything that one commit brings.
    fn transaction(&self, batch: &Batch, position: u64) -> Result<Transaction, SinkError> {
        let Some(start) = self.start.clone() else { return Err(gone("no connection")) };
        let is_whole = batch.groups.windows(2).all(|pair| pair[0].next_offset() == pair[1].first_offset);
        assert!(is_whole, "{}: a batch from {} has a hole", self.name, batch.first_offset);
        let shown = |(offset, event): (u64, &Event)| (offset, format!("{event:?}"));
        let events: Vec<_> = match self.events {
            Events::PassedOver => Vec::new(),
            Events::Noted | Events::Stored => batch.events().map(shown).collect(),
        };
        if self.events == Events::Noted {
            let told = events.iter().map(|(offset, event)| ((start.position.log(), *offset), event.clone()));
            lock(&self.database).told.extend(told);
        }
        let is_routed = self.events == Events::Stored;
        let waiting = self.desk.as_ref().map(|desk| desk.waiting(batch)).unwrap_or_default();
        let own_rows =
            waiting.into_iter().map(|(offset, row)| RowOfLog { offset, source: row.source, id: rows::id(row) });
        let dead_letters = batch.dead_letters().filter(|_| self.name == OPERATIONS);
        let skipped = batch.groups.iter().filter(|group| is_routed && group.skipped > 0);
        Ok(Transaction {
            database: self.database.clone(),
            events: if is_routed { events } else { Vec::new() },
            table: own_rows.filter(|row| !rows::is_refused(row.id)).collect(),
            dead_letters: dead_letters
                .filter_map(|(offset, dead_letter)| Some((offset, rows::id_of_dead_letter(dead_letter)?)))
                .collect(),
            passed: skipped.map(|group| (group.first_offset, group.next_offset())).collect(),
            // Where rows alone are kept, what was before it may go while others are read.
            first_offset: if is_routed { self.log.first_offset() } else { start.first_offset },
            rows: batch.readings().map(|(offset, reading)| (offset, self.key(reading))).collect(),
            from: batch.first_offset,
            to: batch.next_offset,
            position,
            start,
        })
    }

    /// Dead letters of what the database refuses are durable before it commits. What has one is not among what waits.
    fn set_aside(&self, batch: &Batch) -> Result<(), SinkError> {
        let Some(desk) = &self.desk else { return Ok(()) };
        let is_refused = |(_, row): &(u64, &Row)| rows::is_refused(rows::id(row));
        let refused = desk.waiting(batch).into_iter().filter(is_refused);
        let refused: Vec<_> = refused.map(|(offset, row)| rows::refusal(offset, row)).collect();
        lock(&self.database).may_have_again(refused.iter().map(|refused| rows::id(refused.row)));
        desk.set_aside(Unwritten { refused, ..Unwritten::default() })
    }

    /// What of a batch that landed was not written.
    fn report(&self, batch: &Batch, mut committed: Committed) -> Committed {
        self.desk.iter().for_each(|desk| desk.report(batch, &mut committed));
        committed
    }
}

#[derive(Clone)]
struct Transaction {
    database: Arc<Mutex<Database>>,
    rows: Vec<(u64, Key)>,
    events: Vec<(u64, String)>,
    table: Vec<RowOfLog>,
    /// Offsets of dead letters of refused rows, with the keys of these.
    dead_letters: Vec<(u64, u64)>,
    /// Of which the log holds no more than the offsets.
    passed: Vec<(u64, u64)>,
    /// Where the log begins.
    first_offset: u64,
    from: u64,
    to: u64,
    position: u64,
    start: Start,
}

/// A row of a program, as its database gets it.
#[derive(Clone, Copy)]
struct RowOfLog {
    offset: u64,
    source: SourceNo,
    id: u64,
}

impl Transaction {
    fn commit(self) -> Result<Committed, SinkError> {
        let mut database = lock(&self.database);
        let (log, first) = (self.start.position.log(), self.first_offset);
        if database.offset(log) != Some(self.position) {
            return Err(SinkError::PositionMoved { expected: self.position });
        }
        // What is passed without being held may begin before the position.
        let is_passed = self.passed.first().is_some_and(|(from, to)| *from == self.from && *to >= self.position);
        let follows = match self.from.cmp(&self.position) {
            Ordering::Less => is_passed,
            Ordering::Equal => true,
            Ordering::Greater => self.from <= first,
        };
        assert!(follows, "{}: {} follows {}, the log begins at {first}", database.name, self.from, self.position);
        assert!(self.to > self.position, "{}: a position goes back", database.name);
        if database.shows {
            println!("{}: {} to {} of {log}, {} rows", database.name, self.from, self.to, self.rows.len());
        }
        database.store(log, self.rows.into_iter());
        database.store_events(log, self.events.into_iter());
        let done_before = database.write_rows(log, &self.table);
        database.contents.dead_letters.extend(self.dead_letters.into_iter().map(|(offset, id)| ((log, offset), id)));
        database.passed += self.passed.len();
        let known_gone = self.position.max(self.start.first_offset);
        let passed = self.passed.into_iter().map(|(from, to)| (from.max(self.position), to));
        let gone = [(known_gone, self.from)].into_iter().chain(passed).filter(|(from, to)| from < to);
        database.gaps.extend(gone.map(|(from, to)| (log, from, to)));
        let position = self.start.position.moved_to(self.to);
        database.contents.positions.insert(log, position);
        Ok(Committed { done_before, ..Committed::default() })
    }

    fn store_half(&self) {
        let (log, mut database) = (self.start.position.log(), lock(&self.database));
        database.store(log, self.rows[..self.rows.len() / 2].iter().cloned());
        database.store_events(log, self.events[..self.events.len() / 2].iter().cloned());
        database.write_rows(log, &self.table[..self.table.len() / 2]);
    }
}

fn gone(what: &'static str) -> SinkError {
    SinkError::Connect(what.into())
}

impl Target for Connection {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn open(&mut self, start: &Position, _: u64) -> Result<Position, SinkError> {
        let mut database = lock(&self.database);
        if database.is_away {
            return Err(gone("away"));
        }
        let known = database.contents.positions.get(&start.log()).cloned();
        // One that was put back to a time before its first position gets what the log holds, like a new one.
        let from = known.as_ref().map_or(0, Position::next_offset);
        let first_offset = self.log.first_offset();
        if from < first_offset {
            database.gaps.push((start.log(), from, first_offset));
        }
        let position = known.unwrap_or_else(|| start.clone());
        database.contents.positions.insert(start.log(), position.clone());
        if database.shows {
            println!("{} opens at {}", database.name, position.next_offset());
        }
        self.start = Some(Start { position: start.clone(), first_offset });
        Ok(position)
    }

    fn close(&mut self) {
        self.start = None;
    }

    async fn commit(&mut self, batch: &Batch, position: u64) -> Result<Committed, SinkError> {
        let transaction = self.transaction(batch, position)?;
        let fault = {
            let mut database = lock(&self.database);
            if database.is_away {
                return Err(gone("away"));
            }
            let has_transactions = database.has_transactions;
            database.faults.pop_front().map(|fault| match fault {
                Fault::Half if has_transactions => Fault::Lost,
                fault => fault,
            })
        };
        self.set_aside(batch)?;
        match fault {
            None => {}
            Some(Fault::Lost) => return Err(gone("lost")),
            Some(Fault::Half) => {
                transaction.store_half();
                return Err(gone("lost in the middle"));
            }
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
            Some(Fault::LandsLate(time)) => {
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    // Whoever was faster has moved the position: then nothing of it lands.
                    let _ = transaction.commit();
                });
                return std::future::pending().await;
            }
            Some(Fault::Unconfirmed) => {
                transaction.commit()?;
                return Err(gone("no answer"));
            }
        }
        Ok(self.report(batch, transaction.commit()?))
    }

    async fn recall(&mut self, batch: &Batch) -> Result<Committed, SinkError> {
        Ok(self.report(batch, Committed::default()))
    }
}
