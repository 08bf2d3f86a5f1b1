//! The journal in folders that a simulation makes.

pub use super::folder::{Folder, StoredFile};

use super::error::JournalError;
use super::journal::Log;
use super::keeper::Keeper;
use uuid::Uuid;

/// See [`Keeper::open`]. `blank`: nothing was ever appended to the log of this `id`.
pub fn open(folder: &dyn Folder, log_folder: Box<dyn Folder>, id: Uuid, blank: bool) -> Result<Keeper, JournalError> {
    Keeper::open_in(folder, log_folder, Log { id, blank })
}
