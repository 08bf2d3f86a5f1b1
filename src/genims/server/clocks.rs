//! Compares our clock with those of the databases that the stream goes to. Readings are judged by ours: a clock that is a
//! day off would make dead letters of them all, each with a reason that blames its sender.

use super::ServerError;
use crate::settings::Settings;
use genims_databases::clock::{self, Difference};
use genims_databases::{Environment, MongoSettings, PostgresSettings, Registry};
use genims_model::{Cause, Polling};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(60);
/// Longer than connecting may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// One database's clock.
pub(super) struct Watched {
    pub(super) database: &'static str,
    server: Server,
    last: Mutex<Option<Difference>>,
}

enum Server {
    Postgres(Box<PostgresSettings>),
    Mongo(MongoSettings),
}

/// The clocks of the databases that have a sink.
pub(super) fn watched(settings: &Settings, environment: &Environment) -> Result<Vec<Arc<Watched>>, ServerError> {
    let registry = Registry::load(None)?;
    let mut all = Vec::new();
    let mut watch = |database, server| all.push(Arc::new(Watched { database, server, last: Mutex::default() }));
    if settings.postgres.is_some() {
        let database = "genims_operations_db";
        let server = PostgresSettings::from_environment(registry.get(database)?, environment)?;
        watch(database, Server::Postgres(Box::new(server)));
    }
    if settings.mongodb.is_some() {
        let database = "genims_production";
        let server = MongoSettings::from_environment(registry.get(database)?, environment)?;
        watch(database, Server::Mongo(server));
    }
    Ok(all)
}

impl Watched {
    /// What was measured last; `None` before, and while the database cannot be asked.
    pub(super) fn difference(&self) -> Option<Difference> {
        *self.last.lock()
    }

    /// What is wrong, and what to do about it.
    pub(super) fn complaint(&self) -> Option<String> {
        self.difference()
            .filter(|difference| difference.is_too_much())
            .map(|difference| complaint(self.database, difference))
    }

    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let (mut said, mut polling) = (false, Polling::new(EVERY));
        loop {
            let asked = tokio::select! {
                asked = tokio::time::timeout(PATIENCE, self.ask()) => asked.ok().and_then(Result::ok).flatten(),
                () = stop.cancelled() => return,
            };
            *self.last.lock() = asked;
            match self.complaint() {
                Some(complaint) if !said => {
                    tracing::error!("{complaint}");
                    said = true;
                }
                None if said && asked.is_some() => {
                    tracing::info!(database = self.database, "its clock and ours agree again");
                    said = false;
                }
                _ => {}
            }
            if !polling.wait(asked.is_some(), stop.cancelled()).await {
                return;
            }
        }
    }

    /// A connection for each look: a pool's place is not held for a question a minute.
    async fn ask(&self) -> Result<Option<Difference>, Cause> {
        match &self.server {
            Server::Postgres(settings) => Ok(Some(clock::of_postgres(&settings.connect().await?).await?)),
            Server::Mongo(settings) => {
                let client = settings.client().await?;
                let difference = clock::of_mongo(&client.database(settings.database_name())).await;
                client.shutdown().await;
                Ok(difference?)
            }
        }
    }
}

fn complaint(database: &str, difference: Difference) -> String {
    let seconds = difference.us as f64 / 1_000_000.0;
    let direction = if seconds < 0.0 { "ahead of" } else { "behind" };
    format!(
        "this server's clock is {:.1} s {direction} that of {database}; readings are judged by ours, partitions and \
         retention by theirs: synchronise both (chrony or NTP)",
        seconds.abs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_complaint_says_which_way_and_what_to_do() {
        let of = |us| complaint("genims_operations_db", Difference { us, uncertain_us: 0 });
        assert!(of(86_400_000_000).contains("86400.0 s behind that of genims_operations_db"));
        assert!(of(-3_500_000).contains("3.5 s ahead of") && of(-1).contains("chrony"));
    }
}
