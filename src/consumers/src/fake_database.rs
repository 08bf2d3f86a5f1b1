//! A database in memory that fails on demand.

use genims_model::{Group, Position};
use genims_stores::SinkError;
use genims_stores::batch::Batch;
use genims_stores::target::{Committed, Target};
use parking_lot::Mutex;
use std::sync::Arc;

/// What the database holds and what will go wrong next.
#[derive(Debug, Default)]
pub(crate) struct Database {
    pub(crate) offsets: Vec<u64>,
    pub(crate) groups: Vec<Arc<Group>>,
    pub(crate) position: Option<Position>,
    pub(crate) opens: u64,
    /// What each opening was told of what may be there.
    pub(crate) written: Vec<u64>,
    pub(crate) is_away: bool,
    /// Nothing but rows is for it.
    pub(crate) is_for_rows: bool,
    /// How the next commits go; then they succeed.
    pub(crate) faults: Vec<Fault>,
}

impl Database {
    /// An older state is restored.
    pub(crate) fn goes_back_to(&mut self, offset: u64) {
        self.offsets.retain(|known| *known < offset);
        if let Some(position) = &mut self.position {
            *position = position.moved_to(offset);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    Lost,
    /// The batch lands, the answer does not.
    LandsUnconfirmed,
    Hangs,
}

pub(crate) struct Fake {
    database: Arc<Mutex<Database>>,
    /// What the log gave last.
    start: Option<Position>,
    connected: bool,
}

impl Fake {
    pub(crate) fn new(database: &Arc<Mutex<Database>>) -> Self {
        Self { database: database.clone(), start: None, connected: false }
    }
}

impl Target for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn takes_events(&self) -> bool {
        !self.database.lock().is_for_rows
    }

    async fn open(&mut self, start: &Position, written: u64) -> Result<Position, SinkError> {
        let mut database = self.database.lock();
        database.written.push(written);
        if database.is_away {
            return Err(SinkError::Connect("gone".into()));
        }
        database.opens += u64::from(!std::mem::replace(&mut self.connected, true));
        self.start = Some(start.clone());
        Ok(database.position.get_or_insert_with(|| start.clone()).clone())
    }

    fn close(&mut self) {
        self.connected = false;
    }

    async fn commit(&mut self, batch: &Batch, position: u64) -> Result<Committed, SinkError> {
        let fault = self.database.lock().faults.pop();
        match fault {
            Some(Fault::Lost) => return Err(SinkError::Connect("lost".into())),
            Some(Fault::Hangs) => std::future::pending().await,
            _ => {}
        }
        let mut database = self.database.lock();
        if database.position.as_ref().is_none_or(|known| known.next_offset() != position) {
            return Err(SinkError::PositionMoved { expected: position });
        }
        database.offsets.extend(batch.first_offset..batch.next_offset);
        database.groups.extend(batch.groups.iter().cloned());
        database.position = self.start.as_ref().map(|start| start.moved_to(batch.next_offset));
        match fault {
            Some(_) => Err(SinkError::Connect("no answer".into())),
            None => Ok(Committed { refused: vec![(batch.first_offset, 0)], ..Committed::default() }),
        }
    }

    async fn recall(&mut self, batch: &Batch) -> Result<Committed, SinkError> {
        Ok(Committed { refused: vec![(batch.first_offset, 0)], ..Committed::default() })
    }
}
