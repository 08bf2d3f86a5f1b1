//! The log on a simulated disk, without threads of its own: the simulation of the whole walk decides when each step of the
//! writer and of the housekeeping is done.

pub use super::fake_disk::{Copy, FakeDisk, FakeFile};
pub use super::fake_errors::Call;

use super::{Appender, QuarantineReport, Recovered, RowDeadLetters, Spool, SpoolError, SpoolOptions};
use std::path::Path;
use std::sync::Arc;

pub fn open(disk: &FakeDisk, options: &SpoolOptions) -> Result<(Appender, Spool, Recovered), SpoolError> {
    super::open_on(Arc::new(disk.clone()), options)
}

/// See [`RowDeadLetters::open`].
pub fn row_dead_letters(disk: &FakeDisk, folder: &Path, forwarded: u64) -> Result<RowDeadLetters, SpoolError> {
    RowDeadLetters::open_on(Arc::new(disk.clone()), folder, forwarded)
}

/// One round of housekeeping.
pub fn maintain(spool: &Spool) -> Result<(), SpoolError> {
    spool.shared().maintain()?;
    spool.shared().prepare_blank(|| true)
}

/// See [`super::quarantine`].
pub fn quarantine(disk: &FakeDisk, directory: &Path) -> Result<QuarantineReport, SpoolError> {
    let _lock = super::hold_lock(disk, directory)?;
    super::quarantine::mend(disk, directory, None)
}
