//! Rows for tables at the door: for which databases, and what the live catalogues say, asked again and again.
//!
//! - What a catalogue said last is kept in the data folder: rows are taken while their database is down, after a start too.
//! - While the log of events is full for a database, no more of its rows are taken; everything else is.

use super::{ServerError, Stage};
use crate::settings::Settings;
use genims_databases::configured::if_configured;
use genims_databases::{
    Database, DatabaseError, Engine, Environment, MongoSettings, MysqlSettings, PostgresSettings, Registry,
};
use genims_log::file::Spool;
use genims_model::Polling;
use genims_rows::{Gate, Schema, Tables};
use genims_stores::mongo::collections;
use genims_stores::rows::catalogue::Source;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a start waits for the catalogues.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// How long one answer may take.
const READ_MAX: Duration = Duration::from_secs(30);
/// How often a catalogue is asked that was read before.
const INTERVAL: Duration = Duration::from_secs(10);
/// How often the log is asked whether it is full for a database.
const ROOM_INTERVAL: Duration = Duration::from_millis(20);
/// The folder of what catalogues said, in the data folder.
const CATALOGUES: &str = "catalogues";

/// Tables that GenIMS alone writes though nobody else is kept out by their audit: the trail itself.
const TRAIL: [(&str, &str); 4] = [
    ("genims_audit_db", "system_audit_log"),
    ("genims_audit_db", "data_change_audit"),
    ("genims_audit_db", "user_activity_log"),
    ("genims_production", "entity_change_stream"),
];

/// The gate, and where its catalogues are.
#[derive(Clone)]
pub(super) struct Rows {
    gate: Arc<Gate>,
    places: Vec<Place>,
}

#[derive(Clone)]
struct Place {
    database: String,
    /// Its consumer in the log of events.
    consumer: String,
    source: Source,
    file: PathBuf,
}

impl Rows {
    /// `None` where the configuration takes no rows.
    pub(super) fn configured(settings: &Settings, environment: &Environment) -> Result<Option<Self>, ServerError> {
        let Some(options) = &settings.rows else { return Ok(None) };
        let folder = settings.data_dir.join(CATALOGUES);
        std::fs::create_dir_all(&folder).map_err(|source| ServerError::DataDir { path: folder.clone(), source })?;
        // The settings have been checked; what could not be read would be denied.
        let mut gate = Gate::new(Tables::new(&options.anonymous).unwrap_or_default());
        let mut places = Vec::new();
        for database in Registry::load(None)?.all().iter().filter(|database| options.reaches(&database.name)) {
            let name = &database.name;
            let Some(source) = if_configured(source(database, environment))? else {
                tracing::warn!(
                    database = name,
                    "[rows] names it, but no connection is configured: its rows are set aside"
                );
                continue;
            };
            gate.open(name, source.dialect(), closed(database));
            let (consumer, file) = (database.module.clone(), folder.join(format!("{name}.json")));
            let place = Place { database: name.clone(), consumer, source, file };
            if let Some(schema) = kept(&place.file) {
                gate.learn(name, schema);
            }
            places.push(place);
        }
        Ok(Some(Self { gate: Arc::new(gate), places }))
    }

    pub(super) fn gate(&self) -> Arc<Gate> {
        self.gate.clone()
    }

    /// Reads all catalogues before the doors open, as far as they answer.
    async fn first(&self) {
        let mut reading = JoinSet::new();
        for place in self.places.clone() {
            let gate = self.gate.clone();
            reading.spawn(async move { place.read(&gate).await });
        }
        // Those that take longer are asked again.
        let _ = tokio::time::timeout(FIRST_WAIT, async { while reading.join_next().await.is_some() {} }).await;
    }

    /// Whether the log has room for rows of each database.
    fn look_for_room(&self, events: &Spool) {
        for Place { database, consumer, .. } in &self.places {
            let full = events.is_full_for(consumer);
            match self.gate.set_full(database, full) {
                true if full => {
                    tracing::warn!(database, "too many rows wait for it: no more are taken until it has some of them");
                }
                true => tracing::info!(database, "there is room for its rows again"),
                false => {}
            }
        }
    }

    async fn follow_room(&self, events: Spool, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ROOM_INTERVAL) => self.look_for_room(&events),
            }
        }
    }

    /// Follows the catalogues and the log until it is asked to stop.
    async fn run(self, events: Option<Spool>, stop: CancellationToken) {
        let mut following = JoinSet::new();
        if let Some(events) = events {
            let (rows, stop) = (self.clone(), stop.clone());
            following.spawn(async move { rows.follow_room(events, stop).await });
        }
        for place in self.places {
            following.spawn(place.follow(self.gate.clone(), stop.clone()));
        }
        while following.join_next().await.is_some() {}
    }
}

/// Before the doors open: reads the catalogues, then follows them, and what room the log of events has.
pub(super) async fn start(rows: Option<Rows>, events: Option<Spool>, stage: &mut Stage) {
    let Some(rows) = rows else { return };
    rows.first().await;
    stage.tasks.spawn(rows.run(events, stage.stop.clone()));
}

impl Place {
    async fn follow(self, gate: Arc<Gate>, stop: CancellationToken) {
        let mut polling = Polling::new(INTERVAL);
        while polling.wait(gate.known(&self.database).is_some(), stop.cancelled()).await {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.read(&gate) => {}
            }
        }
    }

    /// What cannot be read now leaves what is known; the database's own sink says that it is away.
    async fn read(&self, gate: &Gate) {
        let read = tokio::time::timeout(READ_MAX, self.source.read()).await;
        let schema = match read {
            Ok(Ok(schema)) => schema,
            Ok(Err(error)) => return tracing::debug!(database = self.database, %error, "its catalogue cannot be read"),
            Err(_) => return tracing::debug!(database = self.database, "its catalogue was not read in time"),
        };
        if gate.known(&self.database).is_some_and(|known| *known == schema) {
            return;
        }
        if let Err(error) = keep(&self.file, &schema) {
            tracing::warn!(%error, file = %self.file.display(), "what the catalogue said cannot be kept");
        }
        gate.learn(&self.database, schema);
    }
}

fn source(database: &Database, environment: &Environment) -> Result<Source, DatabaseError> {
    Ok(match database.engine {
        Engine::Postgresql => Source::Postgres(Box::new(PostgresSettings::from_environment(database, environment)?)),
        Engine::Mysql => Source::Mysql(MysqlSettings::from_environment(database, environment)?),
        Engine::Mongodb => Source::Mongo(MongoSettings::from_environment(database, environment)?),
    })
}

/// Tables of the stream and of the audit trail.
fn closed(database: &Database) -> BTreeSet<String> {
    let trail = TRAIL.iter().filter(|(of, _)| *of == database.name).map(|(_, table)| (*table).to_owned());
    let mut closed: BTreeSet<String> = database.unaudited.keys().cloned().chain(trail).collect();
    if database.engine == Engine::Mongodb {
        closed.extend(collections::ALL.iter().map(|collection| collection.name.to_owned()));
    }
    closed
}

fn kept(file: &Path) -> Option<Schema> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

/// Whole or not at all, also when the power fails: a file that breaks off would be read as none.
fn keep(file: &Path, schema: &Schema) -> io::Result<()> {
    let path = file.with_extension("new");
    let mut fresh = File::create(&path)?;
    fresh.write_all(&serde_json::to_vec(schema)?)?;
    fresh.sync_all()?;
    std::fs::rename(path, file)
}
