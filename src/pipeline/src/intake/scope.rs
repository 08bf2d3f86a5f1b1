//! What a client may send: whose records, and into which tables rows. What it may not is set aside, so that nothing is
//! acknowledged that is not on disk.

use std::collections::HashSet;
use std::sync::Arc;

pub use genims_rows::Tables;

/// The ids of the machines that a client may speak for.
pub type Machines = Arc<HashSet<Box<str>>>;

/// What a client may send.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Whose records; `None` is all.
    pub machines: Option<Machines>,
    /// Into which tables rows; `None` for a client without an account, of which the gate knows what it may.
    pub tables: Option<Tables>,
}
