//! What routes must know of other databases, asked there again and again. A database that is away leaves what was known last.

use super::RoutedView;
use super::ServerError;
use genims_databases::configured::if_configured;
use genims_databases::{Engine, Environment, PostgresClient, PostgresSettings, Registry};
use genims_routes::Lookup;
use genims_stores::routed::lookups::look_up;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often it is seen whether a look-up is due.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a database may take to answer: the others wait.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Lookups {
    routed: Vec<RoutedView>,
    /// By name of the database.
    sources: HashMap<String, Source>,
    /// When each look-up was answered last, by database and name.
    answered: HashMap<(&'static str, String), Instant>,
}

struct Source {
    settings: PostgresSettings,
    client: Option<PostgresClient>,
    /// The last failure was said.
    said: bool,
}

impl Lookups {
    /// Of all PostgreSQL databases that are configured: which are asked may change with the route files.
    pub(super) fn new(
        registry: Registry,
        environment: &Environment,
        routed: Vec<RoutedView>,
    ) -> Result<Self, ServerError> {
        let mut sources = HashMap::new();
        for database in registry.all().iter().filter(|database| database.engine == Engine::Postgresql) {
            if let Some(settings) = if_configured(PostgresSettings::from_environment(database, environment))? {
                sources.insert(database.name.clone(), Source { settings, client: None, said: false });
            }
        }
        Ok(Self { routed, sources, answered: HashMap::new() })
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.ask() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    /// Asks what is due.
    async fn ask(&mut self) {
        for view in &self.routed {
            for lookup in &view.routed.routes().lookups {
                let key = (view.database, lookup.name.clone());
                if self.answered.get(&key).is_some_and(|at| at.elapsed() < lookup.refresh) {
                    continue;
                }
                let Some(source) = self.sources.get_mut(&lookup.database) else { continue };
                match source.ask(lookup).await {
                    Ok(rows) => {
                        view.routed.put_lookup(&lookup.name, &rows);
                        self.answered.insert(key, Instant::now());
                        source.said = false;
                    }
                    Err(error) => source.failed(lookup, &error),
                }
            }
        }
    }
}

impl Source {
    async fn ask(&mut self, lookup: &Lookup) -> Result<String, String> {
        let asked = async {
            let client = match &mut self.client {
                Some(client) => client,
                none => none.insert(self.settings.connect().await.map_err(|error| error.to_string())?),
            };
            look_up(client, lookup).await.map_err(|error| self.settings.error(error).to_string())
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }

    fn failed(&mut self, lookup: &Lookup, error: &str) {
        self.client = None;
        if !self.said {
            tracing::warn!(
                lookup = lookup.name,
                database = lookup.database,
                error,
                "a look-up was not answered; asking again"
            );
            self.said = true;
        }
    }
}
