//! Follows master data while the server runs: a cheap fingerprint every few seconds, a full read only when it changed.
//! Sensors registered at the door are entered in master data here.

use genims_catalogue::keeper::{Changes, Keeper, MasterData};
use genims_catalogue::shifts::FactoryShifts;
use genims_databases::{DatabaseError, Environment, PostgresClient, PostgresSettings, Registry};
use genims_model::{Backoff, Polling};
use genims_stores::master::{self, Fingerprint};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(5);
/// The doors wait for the first catalogue.
const FIRST_RETRY_MIN: Duration = Duration::from_millis(100);
const FIRST_RETRY_MAX: Duration = Duration::from_secs(1);

/// How following goes, for the report.
#[derive(Clone, Debug, Default)]
pub(super) struct Status {
    /// When the last good look began: what master data held by then is known.
    pub(super) refreshed_at: Option<Instant>,
    pub(super) last_error: Option<String>,
}

#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Journal(#[from] genims_catalogue::error::JournalError),
}

pub(super) struct Refresher {
    keeper: Arc<Keeper>,
    settings: PostgresSettings,
    status: Arc<Mutex<Status>>,
    connection: Option<PostgresClient>,
    seen: Option<Fingerprint>,
}

/// Shifts of these factories are told apart by the wrong clock.
fn tell_unknown_zones(factories: &[FactoryShifts]) {
    for (factory, zone) in factories.iter().filter_map(|factory| Some((factory, factory.unknown_zone()?))) {
        tracing::warn!(
            factory = factory.factory_id,
            zone,
            "there is no such time zone: its shifts are taken as UTC; write an IANA name such as Europe/Berlin in \
             genims_master_db.factories"
        );
    }
}

impl Refresher {
    pub(super) fn new(keeper: Arc<Keeper>, environment: &Environment) -> Result<Self, DatabaseError> {
        let registry = Registry::load(None)?;
        let settings = PostgresSettings::from_environment(registry.get("genims_master_db")?, environment)?;
        Ok(Self { keeper, settings, status: Arc::default(), connection: None, seen: None })
    }

    pub(super) fn status(&self) -> Arc<Mutex<Status>> {
        self.status.clone()
    }

    /// Tries until there is a catalogue, or the time is over.
    pub(super) async fn first_catalogue(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut backoff = Backoff::new(FIRST_RETRY_MIN, FIRST_RETRY_MAX);
        while !self.step().await {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let error = self.status.lock().last_error.clone();
                tracing::warn!(
                    error,
                    "no master data within {} s and none known from before: sensors are unknown until it can be followed",
                    patience.as_secs()
                );
                return;
            }
            tokio::time::sleep(backoff.next_delay().min(left)).await;
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut polling = Polling::new(EVERY);
        loop {
            let succeeded = self.step().await;
            if !polling.wait(succeeded, stop.cancelled()).await {
                return;
            }
        }
    }

    /// One look; true when master data could be read.
    async fn step(&mut self) -> bool {
        let began = Instant::now();
        let outcome = self.refresh().await;
        let mut status = self.status.lock();
        match outcome {
            Ok(()) => *status = Status { refreshed_at: Some(began), last_error: None },
            Err(error) => {
                self.connection = None;
                // Once for each new cause: the same one every five seconds tells nothing more.
                let error = error.to_string();
                if status.last_error.as_ref() != Some(&error) {
                    tracing::warn!(error, "master data cannot be followed; the catalogue stays as it is");
                }
                status.last_error = Some(error);
            }
        }
        status.last_error.is_none()
    }

    async fn refresh(&mut self) -> Result<(), RefreshError> {
        let mut client = match self.connection.take() {
            Some(client) => client,
            None => self.settings.connect().await?,
        };
        let registered = self.keeper.registered();
        if !registered.is_empty() {
            master::enter_sensors(&self.settings, &client, &registered).await?;
        }
        let now = master::fingerprint(&self.settings, &client).await?;
        if self.seen.as_ref() != Some(&now) || !registered.is_empty() {
            let master = master::load_master(&self.settings, &mut client).await?;
            let (sensors, machines, factories) = (master.sensors, master.machines, master.factories);
            if self.seen.as_ref() != Some(&now) {
                tell_unknown_zones(&factories);
            }
            let changes = self.keeper.follow(MasterData { machines, sensors, factories })?;
            if changes != Changes::default() {
                let (changed, retired) = (changes.entered_or_changed, changes.retired);
                tracing::info!(changed, retired, "the catalogue follows master data");
            }
            self.seen = Some(master.version);
        }
        self.connection = Some(client);
        Ok(())
    }
}
