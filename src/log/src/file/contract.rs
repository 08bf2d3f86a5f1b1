//! The spool as the log that sinks follow.

use crate::contract::{Log, LogReader};
use crate::file::{Reader, Spool};
use genims_model::{Cause, Group};
use std::sync::Arc;
use uuid::Uuid;

impl Log for Spool {
    type Reader = Reader;

    fn id(&self) -> Uuid {
        Self::id(self)
    }

    fn first_offset(&self) -> u64 {
        Self::first_offset(self)
    }

    fn next_offset(&self) -> u64 {
        Self::next_offset(self)
    }

    fn cursor(&self, sink: &str) -> Option<u64> {
        Self::cursor(self, sink)
    }

    fn reader(&self, from: u64) -> Result<Reader, Cause> {
        Ok(Self::reader(self, from.max(Self::first_offset(self)))?)
    }

    fn save_cursor(&self, sink: &str, next_offset: u64) -> Result<(), Cause> {
        Ok(Self::save_cursor(self, sink, next_offset)?)
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
