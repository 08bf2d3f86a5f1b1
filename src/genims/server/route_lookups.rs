//! What routes must know of other databases, asked there again and again. A database that is away leaves what was known last;
//! one that was never made knows nothing, so that a plant without a module keeps the routes of the others.

use super::RoutedView;
use super::ServerError;
use genims_databases::configured::if_configured;
use genims_databases::{DatabaseError, Engine, Environment, PostgresClient, PostgresSettings, Registry};
use genims_model::Backoff;
use genims_routes::Lookup;
use genims_stores::routed::lookups::{ROWS_MAX, lately_us, look_up};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often it is seen whether a look-up is due.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a database may take to answer: the others wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// By database and name.
type Key = (&'static str, String);

/// SQLSTATEs of what was never made.
const DATABASE_MISSING: &str = "3D000";
const TABLE_MISSING: &str = "42P01";

pub(super) struct Lookups {
    routed: Vec<RoutedView>,
    /// By name of the database.
    sources: HashMap<String, Source>,
    /// When something may have happened that is looked up; without it as the last events say.
    times_us: Option<Range<i64>>,
    /// When each look-up was answered last.
    answered: HashMap<Key, Instant>,
    /// When those that were not answered are asked again.
    retries: HashMap<Key, (Instant, Backoff)>,
}

struct Source {
    settings: PostgresSettings,
    client: Option<PostgresClient>,
    /// The last failure was said.
    said: bool,
    /// The last answer was, which was said.
    is_cut: bool,
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
                sources.insert(database.name.clone(), Source { settings, client: None, said: false, is_cut: false });
            }
        }
        Ok(Self { routed, sources, times_us: None, answered: HashMap::new(), retries: HashMap::new() })
    }

    /// For events of a time that is over. What is cut then is no answer: all of it is known only once.
    pub(super) fn of_times(self, times_us: Option<Range<i64>>) -> Self {
        Self { times_us, ..self }
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

    /// Asks what is due; a database that does not answer is waited for once a round.
    async fn ask(&mut self) {
        let mut away: HashSet<String> = HashSet::new();
        for view in &self.routed {
            for lookup in &view.routed.routes().lookups {
                let key = (view.database, lookup.name.clone());
                let is_known = view.routed.knows(&lookup.name);
                if is_known && self.answered.get(&key).is_some_and(|at| at.elapsed() < lookup.refresh) {
                    continue;
                }
                if self.retries.get(&key).is_some_and(|(at, _)| Instant::now() < *at) {
                    continue;
                }
                let Some(source) = self.sources.get_mut(&lookup.database) else {
                    // No variable names it: as if it had never been made.
                    view.routed.put_lookup(lookup, "[]");
                    self.answered.insert(key, Instant::now());
                    continue;
                };
                if away.contains(&lookup.database) {
                    continue;
                }
                let times_us = self.times_us.as_ref();
                let since_us = times_us.map_or_else(|| lately_us(view.routed.received_us()), |times| times.start);
                match source.ask(lookup, since_us, times_us.map(|times| times.end)).await {
                    Ok(rows) => {
                        view.routed.put_lookup(lookup, &rows);
                        self.retries.remove(&key);
                        self.answered.insert(key, Instant::now());
                        source.said = false;
                    }
                    Err(error) => {
                        if error.is_away {
                            away.insert(lookup.database.clone());
                        }
                        if error.is_missing && !is_known {
                            view.routed.put_lookup(lookup, "[]");
                            self.answered.insert(key, Instant::now());
                        } else {
                            let fresh = || (Instant::now(), Backoff::default());
                            let (at, backoff) = self.retries.entry(key).or_insert_with(fresh);
                            *at = Instant::now() + backoff.next_delay();
                        }
                        source.failed(lookup, &error.text);
                    }
                }
            }
        }
    }
}

/// Why a look-up was not answered.
struct Unanswered {
    text: String,
    /// The database, or the table, is not there.
    is_missing: bool,
    /// It did not answer in time.
    is_away: bool,
}

impl From<DatabaseError> for Unanswered {
    fn from(error: DatabaseError) -> Self {
        let is_missing = match &error {
            DatabaseError::Postgres { source, .. } => {
                source.code().is_some_and(|state| matches!(state.code(), DATABASE_MISSING | TABLE_MISSING))
            }
            _ => false,
        };
        Self { text: error.to_string(), is_missing, is_away: false }
    }
}

impl Source {
    async fn ask(&mut self, lookup: &Lookup, since_us: i64, until_us: Option<i64>) -> Result<String, Unanswered> {
        let asked = async {
            let client = match &mut self.client {
                Some(client) => client,
                none => none.insert(self.settings.connect().await?),
            };
            let answer = look_up(client, lookup, since_us, until_us).await;
            let answer = answer.map_err(|error| Unanswered::from(self.settings.error(error)))?;
            if answer.is_cut && until_us.is_some() {
                let text = format!("it has more than {ROWS_MAX} rows");
                return Err(Unanswered { text, is_missing: false, is_away: false });
            }
            Ok(answer)
        };
        let text = || format!("no answer within {} s", PATIENCE.as_secs());
        let late = |_| Err(Unanswered { text: text(), is_missing: false, is_away: true });
        let answer = tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(late)?;
        if answer.is_cut && !self.is_cut {
            tracing::warn!(
                lookup = lookup.name,
                database = lookup.database,
                "a look-up has more than {ROWS_MAX} rows, and the rest is not known; narrow its query"
            );
        }
        self.is_cut = answer.is_cut;
        Ok(answer.rows)
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
