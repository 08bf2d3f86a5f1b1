//! A routed database and its gaps, from outside of a running server: which it has, and the events that it lacks made anew. The server
//! may run: what it writes and what is written here are told apart by the database itself.
//!
//! In: the configuration's routes, connections. Out: gaps, and what became of them.

use super::route_lookups::Lookups;
use super::{RoutedView, ServerError, routes};
use crate::settings::Settings;
use genims_catalogue::{Catalogue, Directory};
use genims_databases::{
    Database, DatabaseError, Engine, Environment, MongoSettings, MysqlSettings, PostgresSettings, Registry,
};
use genims_model::Cause;
use genims_resync::closing;
use genims_resync::request::{Asked, Made, ResyncError};
use genims_resync::span;
use genims_routes::{DatabaseRoutes, Routes};
use genims_stores::SinkError;
use genims_stores::master::load_master;
use genims_stores::postgres::stored::Stored;
use genims_stores::routed::gaps::{Gap, Gaps};
use genims_stores::routed::lookups::ROWS_MAX;
use genims_stores::routed::mongo::RoutedMongo;
use genims_stores::routed::mysql::RoutedMysql;
use genims_stores::routed::postgres::RoutedPostgres;
use genims_stores::routed::progress::Routed;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const OPERATIONS: &str = "genims_operations_db";
const MASTER: &str = "genims_master_db";
/// How long look-ups of other databases may take.
const LOOKUPS_WAIT: Duration = Duration::from_secs(30);
const LOOKUPS_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug, thiserror::Error)]
pub enum ResyncFailed {
    #[error("no route leads into {database}; routes lead into {routed}")]
    NotRouted { database: String, routed: String },
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Connection(#[from] DatabaseError),
    #[error("{database}: {source}")]
    Database { database: String, source: SinkError },
    #[error("{database}: {source}")]
    Resync { database: String, source: ResyncError },
    #[error(
        "{database}: the look-up {lookup} of its routes was not answered within {} s; check that its database runs \
         (`genims doctor`), and that it has no more than {} rows of the time of the gap (the log of this command says so)",
        LOOKUPS_WAIT.as_secs(),
        ROWS_MAX
    )]
    NotLookedUp { database: String, lookup: String },
    #[error("{database} lacks nothing that the log of events no longer held: leave --from out")]
    NothingLacks { database: String },
}

/// A database that routes lead into.
pub struct Place<'a> {
    settings: &'a Settings,
    environment: &'a Environment,
    registry: &'static Registry,
    routes: Arc<DatabaseRoutes>,
}

/// What is told meanwhile: of which gap (from 1) of how many, and what was made for it.
pub type Told<'a> = &'a (dyn Fn(usize, usize, &Made) + Send + Sync);

/// What is done with a database.
enum Work<'a> {
    Look,
    Close { since_us: Option<i64>, told: Told<'a> },
    Abandon,
}

/// What was found, or done.
#[derive(Default)]
pub struct ResyncOutcome {
    /// All gaps of the database.
    pub gaps: Vec<Gap>,
    /// Those that were closed now, in groups, with what was made for each.
    pub closed: Vec<(Vec<Gap>, Made)>,
}

impl<'a> Place<'a> {
    /// The databases that routes of the configuration lead into.
    pub fn all(
        settings: &'a Settings,
        environment: &'a Environment,
        routes: &Routes,
    ) -> Result<Vec<Self>, ResyncFailed> {
        let registry = routes::registry()?;
        let place = |routes: &Arc<DatabaseRoutes>| Self { settings, environment, registry, routes: routes.clone() };
        Ok(routes.databases().iter().map(place).collect())
    }

    /// The one of this database (or module).
    pub fn of(
        settings: &'a Settings,
        environment: &'a Environment,
        routes: &Routes,
        database: &Database,
    ) -> Result<Self, ResyncFailed> {
        let all = Self::all(settings, environment, routes)?;
        let routed: Vec<String> = all.iter().map(|place| place.database().name.clone()).collect();
        let found = all.into_iter().find(|place| place.database().name == database.name);
        let (database, routed) = (database.name.clone(), routed.join(", "));
        found.ok_or(ResyncFailed::NotRouted { database, routed })
    }

    pub fn database(&self) -> &Database {
        &self.routes.database
    }

    /// Whether a variable names it: the server leaves out the others.
    pub fn is_configured(&self) -> Result<bool, ResyncFailed> {
        Ok(routes::is_connected(self.database(), self.environment)?)
    }

    pub async fn gaps(&self) -> Result<Vec<Gap>, ResyncFailed> {
        Ok(self.work(Catalogue::default(), &Work::Look).await?.gaps)
    }

    /// Makes anew what it lacks; `since_us` for a gap that does not know its beginning.
    pub async fn close(&self, since_us: Option<i64>, told: Told<'_>) -> Result<ResyncOutcome, ResyncFailed> {
        let master = PostgresSettings::from_environment(self.registry.get(MASTER)?, self.environment)?;
        let loaded = load_master(&master, &mut master.connect().await?).await?;
        let mut catalogue = Catalogue::default();
        for machine in loaded.machines {
            catalogue.put_machine(machine);
        }
        for sensor in loaded.sensors {
            catalogue.put_sensor(sensor);
        }
        self.work(catalogue, &Work::Close { since_us, told }).await
    }

    /// Closes its gaps as they are.
    pub async fn abandon(&self) -> Result<ResyncOutcome, ResyncFailed> {
        self.work(Catalogue::default(), &Work::Abandon).await
    }

    /// By the writer that the server has for it.
    async fn work(&self, catalogue: Catalogue, work: &Work<'_>) -> Result<ResyncOutcome, ResyncFailed> {
        let (database, environment) = (self.database(), self.environment);
        let name = self.registry.get(&database.name)?.module.as_str();
        let directory = Arc::new(Directory::new(catalogue));
        let routed = Arc::new(Routed::new(self.routes.clone()));
        let parts = (directory.clone(), routed.clone());
        match database.engine {
            Engine::Postgresql => {
                let settings = PostgresSettings::from_environment(database, environment)?;
                let target = RoutedPostgres::new(name, connect(settings), directory, routed);
                self.work_on(target, name, parts, work).await
            }
            Engine::Mysql => {
                let settings = MysqlSettings::from_environment(database, environment)?;
                self.work_on(RoutedMysql::new(name, settings, directory, routed), name, parts, work).await
            }
            Engine::Mongodb => {
                let settings = MongoSettings::from_environment(database, environment)?;
                let (client, place) = (settings.client().await?, settings.database_name().to_owned());
                self.work_on(RoutedMongo::new(name, client, place, directory, routed), name, parts, work).await
            }
        }
    }

    async fn work_on<T: Gaps>(
        &self,
        mut target: T,
        name: &'static str,
        (directory, routed): (Arc<Directory>, Arc<Routed>),
        work: &Work<'_>,
    ) -> Result<ResyncOutcome, ResyncFailed> {
        let database = || self.database().name.clone();
        let gaps = target.gaps().await.map_err(|source| ResyncFailed::Database { database: database(), source })?;
        let open: Vec<Gap> = gaps.iter().filter(|gap| gap.closed.is_none()).cloned().collect();
        let groups = span::together(open);
        let mut outcome = ResyncOutcome { gaps, ..ResyncOutcome::default() };
        let failed = |source| ResyncFailed::Resync { database: database(), source };
        let (since_us, told) = match work {
            Work::Look => return Ok(outcome),
            Work::Abandon => {
                for group in groups {
                    let made = closing::abandon(&mut target, &group).await.map_err(failed)?;
                    outcome.closed.push((group, made));
                }
                return Ok(outcome);
            }
            Work::Close { since_us, told } => (since_us, told),
        };
        if groups.is_empty() && since_us.is_some() {
            return Err(ResyncFailed::NothingLacks { database: database() });
        }
        let stop = CancellationToken::new();
        let _stopped = stop.clone().drop_guard();
        let asking = Lookups::new(
            self.registry.clone(),
            self.environment,
            vec![RoutedView { database: name, routed: routed.clone() }],
        )?
        .of_times(times_of(&groups, *since_us));
        tokio::spawn(asking.run(stop));
        self.looked_up(&routed).await?;
        let wanted = self.routes.routes.iter().flat_map(|route| route.events.iter().cloned()).collect::<BTreeSet<_>>();
        let count = groups.len();
        for (index, group) in groups.iter().enumerate() {
            let behind = groups.get(index + 1).and_then(|next| next.first());
            let asked = Asked {
                until_us: behind.map_or(i64::MAX, span::begins_us),
                // Of several only one may begin before all that is known.
                since_us: since_us.filter(|_| group.iter().any(|gap| gap.received_from_us.is_none()) || count == 1),
                wanted: &wanted,
                rules: self.settings.pipeline.rules(),
                catalogue: directory.load(),
                told: &|made| told(index + 1, count, made),
            };
            let look = async || self.stored(directory.load()).await;
            let made = closing::close(&mut target, &look, group, &asked).await.map_err(failed)?;
            outcome.closed.push((group.clone(), made));
        }
        Ok(outcome)
    }

    /// One moment of the operations database.
    async fn stored(&self, catalogue: Arc<Catalogue>) -> Result<Stored, ResyncError> {
        let connect = async || {
            PostgresSettings::from_environment(self.registry.get(OPERATIONS)?, self.environment)?.connect().await
        };
        let opened = async {
            let client = connect().await.map_err(|error| SinkError::Connect(Box::new(error)))?;
            Stored::open(client, catalogue).await
        };
        opened.await.map_err(ResyncError::Operations)
    }

    /// Waits until every look-up of the routes was answered once.
    async fn looked_up(&self, routed: &Routed) -> Result<(), ResyncFailed> {
        let deadline = Instant::now() + LOOKUPS_WAIT;
        while let Some(lookup) = self.routes.lookups.iter().find(|lookup| !routed.knows(&lookup.name)) {
            if Instant::now() >= deadline {
                let (database, lookup) = (self.database().name.clone(), lookup.name.clone());
                return Err(ResyncFailed::NotLookedUp { database, lookup });
            }
            tokio::time::sleep(LOOKUPS_EVERY).await;
        }
        Ok(())
    }
}

/// When what is made anew may have happened.
fn times_of(groups: &[Vec<Gap>], since_us: Option<i64>) -> Option<Range<i64>> {
    let gaps = || groups.iter().flatten();
    let begins_us = since_us.or_else(|| gaps().map(span::begins_us).min())?;
    Some(begins_us..gaps().map(span::ends_us).max()?)
}

fn connect(settings: PostgresSettings) -> impl genims_stores::postgres::Connector {
    move || {
        let settings = settings.clone();
        async move { settings.connect().await.map_err(|error| Box::new(error) as Cause) }
    }
}
