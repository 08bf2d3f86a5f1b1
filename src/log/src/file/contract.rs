//! The spool as the log that sinks follow.

use crate::contract::{Log, LogReader};
use crate::file::{Reader, Spool};
use crate::history::Resume;
use genims_model::{Cause, Group, Position};
use std::sync::Arc;

impl Log for Spool {
    type Reader = Reader;

    fn first_offset(&self) -> u64 {
        Self::first_offset(self)
    }

    fn next_offset(&self) -> u64 {
        Self::next_offset(self)
    }

    fn position(&self, offset: u64) -> Position {
        Self::position(self, offset)
    }

    fn resume(&self, remembered: &Position) -> Resume {
        Self::resume(self, remembered)
    }

    fn cursor(&self, consumer: &str) -> Option<u64> {
        Self::cursor(self, consumer)
    }

    fn reader(&self, from: u64) -> Result<Reader, Cause> {
        Ok(Self::reader(self, from.max(Self::first_offset(self)))?)
    }

    fn save_cursor(&self, consumer: &str, next_offset: u64) -> Result<(), Cause> {
        Ok(Self::save_cursor(self, consumer, next_offset)?)
    }

    fn rewind(&self, consumer: &str, offset: u64) -> Result<u64, Cause> {
        Ok(Self::rewind(self, consumer, offset)?)
    }

    fn refuse(&self, consumer: &str, cause: Option<String>) {
        Self::refuse(self, consumer, cause);
    }

    fn restart_at(&self, consumer: &str, offset: u64) -> Result<(), Cause> {
        Ok(Self::restart_at(self, consumer, offset)?)
    }

    fn is_cut_off(&self, consumer: &str) -> bool {
        Self::is_cut_off(self, consumer)
    }
}

impl LogReader for Reader {
    async fn next(&mut self) -> Result<Arc<Group>, Cause> {
        Ok(Self::next(self).await?)
    }

    fn try_next(&mut self) -> Result<Option<Arc<Group>>, Cause> {
        Ok(Self::try_next(self)?)
    }
}
