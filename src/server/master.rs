//! Follows master data while the server runs: a cheap fingerprint every few seconds, a full read only when it changed.
//! Sensors registered at the door are entered in master data here.

use crate::catalogue::keeper::Keeper;
use crate::databases::{DatabaseError, Environment, PostgresSettings, Registry};
use crate::platform::master::{self, Fingerprint};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_postgres_client::Client;

const EVERY: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(500);

/// How following goes, for the report.
#[derive(Clone, Debug, Default)]
pub(super) struct Status {
    pub(super) refreshed_at: Option<Instant>,
    pub(super) last_error: Option<String>,
}

pub(super) struct Follower {
    keeper: Arc<Keeper>,
    settings: PostgresSettings,
    status: Arc<Mutex<Status>>,
}
