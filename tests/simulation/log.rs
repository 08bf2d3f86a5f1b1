//! The log as sinks follow it. Reading is production's, but on this thread: a pool's threads would make the order of things
//! depend on the machine.

use crate::database::{Database, lock};
use crate::rows;
use genims_log::contract::{Log, LogReader};
use genims_log::file::{Reader, Spool};
use genims_log::history::Resume;
use genims_model::{Cause, Group, Position};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

#[derive(Clone)]
pub(crate) struct Followed {
    pub(crate) spool: Spool,
    /// Notified after each append.
    pub(crate) appended: Arc<Notify>,
    /// A group is passed over now and then, which a run must notice.
    pub(crate) skips: bool,
    /// The database that rows of this log are for.
    pub(crate) routed: Option<Arc<Mutex<Database>>>,
    /// A database that went back gets nothing again, which a run must notice.
    pub(crate) goes_on_behind: bool,
}

pub(crate) struct Following {
    reader: Reader,
    appended: Arc<Notify>,
    skips: bool,
    groups: u64,
}

impl Log for Followed {
    type Reader = Following;

    fn first_offset(&self) -> u64 {
        self.spool.first_offset()
    }

    fn next_offset(&self) -> u64 {
        self.spool.next_offset()
    }

    fn position(&self, offset: u64) -> Position {
        self.spool.position(offset)
    }

    fn resume(&self, remembered: &Position) -> Resume {
        match (self.spool.resume(remembered), &self.routed) {
            (Resume::At(offset), Some(routed)) if self.goes_on_behind => {
                Resume::At(self.spool.cursor(lock(routed).name).unwrap_or(0).max(offset))
            }
            (resume, _) => resume,
        }
    }

    fn cursor(&self, consumer: &str) -> Option<u64> {
        self.spool.cursor(consumer)
    }

    fn reader(&self, from: u64) -> Result<Following, Cause> {
        let reader = Log::reader(&self.spool, from)?;
        Ok(Following { reader, appended: self.appended.clone(), skips: self.skips, groups: 0 })
    }

    fn save_cursor(&self, consumer: &str, next_offset: u64) -> Result<(), Cause> {
        Log::save_cursor(&self.spool, consumer, next_offset)
    }

    fn rewind(&self, consumer: &str, offset: u64) -> Result<u64, Cause> {
        let resume = Log::rewind(&self.spool, consumer, offset)?;
        // What is held now stays until the cursor has passed it again. A disk that fails may hide it.
        if let Some(routed) = &self.routed
            && let Ok(held) = rows::held(&self.spool, resume)
        {
            let mut routed = lock(routed);
            held.iter().for_each(|id| _ = routed.may_lack.remove(id));
        }
        Ok(resume)
    }

    fn refuse(&self, consumer: &str, cause: Option<String>) {
        self.spool.refuse(consumer, cause);
    }

    fn restart_at(&self, consumer: &str, offset: u64) -> Result<(), Cause> {
        Log::restart_at(&self.spool, consumer, offset)
    }

    fn is_cut_off(&self, consumer: &str) -> bool {
        self.spool.is_cut_off(consumer)
    }
}

impl LogReader for Following {
    async fn next(&mut self) -> Result<Arc<Group>, Cause> {
        loop {
            // A place among the waiting first: what is appended meanwhile ends the wait.
            let appended = self.appended.clone();
            let appended = appended.notified();
            if let Some(group) = self.try_next()? {
                return Ok(group);
            }
            appended.await;
        }
    }

    fn try_next(&mut self) -> Result<Option<Arc<Group>>, Cause> {
        let group = self.reader.try_next()?;
        self.groups += u64::from(group.is_some());
        if self.skips && group.is_some() && self.groups == 5 {
            return self.try_next();
        }
        Ok(group)
    }
}
