//! Whether each database of the registry answers, asked once a minute: also those that no reading goes to, and that a job or a route
//! would find away only when it needs them.

use genims_api::report::DatabaseReport;
use genims_databases::configured::if_configured;
use genims_databases::mysql::disconnect;
use genims_databases::{
    DatabaseError, Engine, Environment, MongoSettings, MysqlSettings, PostgresSettings, Registry, clock,
};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(60);
/// Longer than connecting may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// One database, and how it answered last.
pub(super) struct Asked {
    entry: genims_databases::Database,
    /// `None` where no connection is configured.
    place: Option<Place>,
    /// `None` before the first answer.
    last: Mutex<Option<Result<(), String>>>,
}

enum Place {
    Postgres(Box<PostgresSettings>),
    Mysql(MysqlSettings),
    Mongo(MongoSettings),
}

/// One whose URL cannot be read is away, and stops nobody.
pub(super) fn all(registry: &Registry, environment: &Environment) -> Vec<Arc<Asked>> {
    let asked = |entry: &genims_databases::Database| {
        let (place, last) = match Place::of(entry, environment) {
            Ok(place) => (place, None),
            Err(error) => (None, Some(Err(error.to_string()))),
        };
        Arc::new(Asked { entry: entry.clone(), place, last: Mutex::new(last) })
    };
    registry.all().iter().map(asked).collect()
}

impl Asked {
    pub(super) fn report(&self) -> DatabaseReport {
        let last = self.last.lock().clone();
        DatabaseReport {
            name: self.entry.name.clone(),
            module: self.entry.module.clone(),
            engine: self.entry.engine.to_string(),
            team: self.entry.team.clone(),
            answers: last.as_ref().map(Result::is_ok),
            last_error: last.and_then(Result::err),
        }
    }

    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let Some(place) = &self.place else { return };
        loop {
            let answered = tokio::select! {
                answered = tokio::time::timeout(PATIENCE, place.ask()) => answered,
                () = stop.cancelled() => return,
            };
            *self.last.lock() = Some(match answered {
                Ok(answered) => answered.map_err(|error| error.to_string()),
                Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
            });
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

impl Place {
    fn of(entry: &genims_databases::Database, environment: &Environment) -> Result<Option<Self>, DatabaseError> {
        Ok(match entry.engine {
            Engine::Postgresql => if_configured(PostgresSettings::from_environment(entry, environment))?
                .map(|settings| Self::Postgres(Box::new(settings))),
            Engine::Mysql => if_configured(MysqlSettings::from_environment(entry, environment))?.map(Self::Mysql),
            Engine::Mongodb => if_configured(MongoSettings::from_environment(entry, environment))?.map(Self::Mongo),
        })
    }

    /// A connection for each look: a pool's place is not held for a question a minute.
    async fn ask(&self) -> Result<(), DatabaseError> {
        match self {
            Self::Postgres(settings) => {
                let client = settings.connect().await?;
                clock::of_postgres(&client).await.map(drop).map_err(|error| settings.error(error))
            }
            Self::Mysql(settings) => {
                let mut connection = settings.connect().await?;
                let answered = clock::of_mysql(&mut connection).await.map(drop);
                disconnect(connection).await;
                answered.map_err(|error| settings.error(error))
            }
            Self::Mongo(settings) => {
                let client = settings.client().await?;
                let answered = clock::of_mongo(&client.database(settings.database_name())).await.map(drop);
                client.shutdown().await;
                answered.map_err(|error| settings.error(error))
            }
        }
    }
}
