//! PostgreSQL: settings from the environment, connections, bounded pools.
//!
//! Enters: an [`Environment`]. Leaves: clients whose sessions run in UTC and are named `genims`. A setting comes from the
//! database's own URL, else from `GENIMS_POSTGRES_URL` with the database's name put in, else from the `PG*` variables.

use super::errors::DatabaseError;
use super::postgres_url::{self, Parsed};
use super::registry::Database;
use super::timelines::Timelines;
use super::tls::{self, Roots, SslMode};
use super::{APPLICATION_NAME, CONNECT_TIMEOUT, Environment};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, SimpleQueryMessage};

/// One server for all PostgreSQL databases.
pub const SERVER_VARIABLE: &str = "GENIMS_POSTGRES_URL";
const EXAMPLE: &str = "postgresql://user:password@host:5432/database?sslmode=verify-full&sslrootcert=/path/ca.pem";

/// Where PostgreSQL itself has databases; hosts take the first away, or close the second.
const MAINTENANCE_DATABASES: [&str; 2] = ["postgres", "template1"];

/// A peer that does not acknowledge for this long is gone; without it a pulled cable hangs a COPY for a quarter of an hour.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);

/// A peer that is silent for this long is asked whether it is there; the default of two hours is none.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;
/// What tokio-postgres takes when nothing is said.
const KEEPALIVE_IDLE_UNSAID: Duration = Duration::from_secs(2 * 60 * 60);

/// The cluster, the timeline it is on, and who answers. The control file still says the old timeline for a while after a promotion;
/// the name of the segment that is written does not. A standby writes none. What it calls is in [`TIMELINE_FUNCTIONS`].
///
/// [`TIMELINE_FUNCTIONS`]: super::TIMELINE_FUNCTIONS
const TIMELINE: &str = "SELECT system_identifier, \
    CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END, \
    coalesce(host(inet_server_addr()) || ':' || inet_server_port(), 'the server at its socket') \
    FROM pg_control_system()";

/// How to reach one database.
#[derive(Clone)]
pub struct PostgresSettings {
    /// The name in the registry, for messages.
    database: String,
    config: Config,
    ssl_mode: SslMode,
    roots: Option<Roots>,
    /// The database that the URL of the server names.
    named: Option<String>,
    /// What tells a primary of before a failover.
    timelines: Option<Arc<Timelines>>,
}

impl PostgresSettings {
    pub fn from_environment(database: &Database, environment: &Environment) -> Result<Self, DatabaseError> {
        let name = &database.name;
        let mut settings = if let Some(url) = environment.secret(&database.connection)? {
            Self::parse(name, &database.connection, &url)?
        } else if let Some(url) = environment.secret(SERVER_VARIABLE)? {
            let mut settings = Self::parse(name, SERVER_VARIABLE, &url)?;
            settings.named = settings.config.get_dbname().filter(|named| *named != name).map(str::to_owned);
            settings.config.dbname(name);
            settings
        } else {
            Self::from_libpq_variables(database, environment)?
        };
        if settings.config.get_password().is_none()
            && let Some(password) =
                environment.password(&database.connection, ["GENIMS_POSTGRES_PASSWORD", "PGPASSWORD"])?
        {
            settings.config.password(password);
        }
        settings.timelines = environment.timelines();
        Ok(settings)
    }

    /// From a libpq URL; a URL without a database name means `database`.
    pub fn from_url(database: &str, url: &str) -> Result<Self, DatabaseError> {
        Self::parse(database, "the URL", url)
    }

    fn parse(database: &str, variable: &str, url: &str) -> Result<Self, DatabaseError> {
        let wrong = |cause: String| DatabaseError::BadUrl {
            database: database.to_owned(),
            variable: variable.to_owned(),
            cause,
            example: EXAMPLE,
        };
        let Parsed { config, ssl_mode, roots } = postgres_url::parse(url).map_err(wrong)?;
        Ok(Self::with_defaults(database, config, ssl_mode, roots))
    }

    fn from_libpq_variables(database: &Database, environment: &Environment) -> Result<Self, DatabaseError> {
        let given = ["PGHOST", "PGHOSTADDR", "PGPORT"].iter().any(|name| environment.get(name).is_some());
        if !given {
            return Err(DatabaseError::NotConfigured {
                database: database.name.clone(),
                variable: database.connection.clone(),
                alternatives: ", GENIMS_POSTGRES_URL or PGHOST",
            });
        }
        let wrong = |variable: &str, cause: String| DatabaseError::BadUrl {
            database: database.name.clone(),
            variable: variable.to_owned(),
            cause,
            example: EXAMPLE,
        };
        let mut config = Config::new();
        config.dbname(&database.name);
        if let Some(user) = environment.get("PGUSER") {
            config.user(user);
        }
        let list = |name: &str| environment.get(name).map(str::to_owned).unwrap_or_default();
        for host in environment.get("PGHOST").into_iter().flat_map(|hosts| hosts.split(',')) {
            config.host(host);
        }
        for address in list("PGHOSTADDR").split(',').filter(|address| !address.is_empty()) {
            config.hostaddr(address.parse().map_err(|_| wrong("PGHOSTADDR", "it is no IP address".to_owned()))?);
        }
        for port in list("PGPORT").split(',').filter(|port| !port.is_empty()) {
            config.port(port.parse().map_err(|_| wrong("PGPORT", "it is no port number".to_owned()))?);
        }
        match environment.get("PGTARGETSESSIONATTRS").map(postgres_url::session_attributes) {
            Some(said) => {
                config.target_session_attrs(said.map_err(|cause| wrong("PGTARGETSESSIONATTRS", cause))?);
            }
            None if postgres_url::has_several_hosts(&config) => {
                config.target_session_attrs(TargetSessionAttrs::ReadWrite);
            }
            None => {}
        }
        postgres_url::reachable(&config).map_err(|cause| wrong("PGHOST or PGPORT", cause))?;
        let mode = environment.get("PGSSLMODE").map(postgres_url::mode).transpose();
        let mode = mode.map_err(|cause| wrong("PGSSLMODE", cause))?;
        let root = environment.get("PGSSLROOTCERT").map(str::to_owned);
        let (ssl_mode, roots) = postgres_url::trust(mode, root).map_err(|cause| wrong("PGSSLROOTCERT", cause))?;
        Ok(Self::with_defaults(&database.name, config, ssl_mode, roots))
    }

    fn with_defaults(database: &str, mut config: Config, mut ssl_mode: SslMode, roots: Option<Roots>) -> Self {
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host("localhost");
        }
        if config.get_dbname().is_none_or(str::is_empty) {
            config.dbname(database);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(TCP_USER_TIMEOUT);
        }
        if config.get_keepalives_idle() == KEEPALIVE_IDLE_UNSAID {
            config.keepalives_idle(KEEPALIVE_IDLE);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(KEEPALIVE_INTERVAL);
        }
        if config.get_keepalives_retries().is_none() {
            config.keepalives_retries(KEEPALIVE_RETRIES);
        }
        if config.get_application_name().is_none() {
            config.application_name(APPLICATION_NAME);
        }
        if postgres_url::is_local(&config) {
            ssl_mode = SslMode::Disable;
        }
        config.ssl_mode(ssl_mode.negotiation());
        Self { database: database.to_owned(), config, ssl_mode, roots, named: None, timelines: None }
    }

    /// The same server, another database.
    pub fn with_database(&self, name: &str) -> Self {
        let mut settings = self.clone();
        settings.config.dbname(name);
        settings
    }

    /// The same server's databases that may be there before ours are: databases are created from one of them.
    pub fn maintenance(&self) -> impl Iterator<Item = Self> {
        let usual = MAINTENANCE_DATABASES.iter().filter(|name| self.named.as_deref() != Some(**name));
        self.named.as_deref().into_iter().chain(usual.copied()).map(|name| self.with_database(name))
    }

    /// The name in the registry.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The name on the server.
    pub fn database_name(&self) -> &str {
        self.config.get_dbname().unwrap_or(&self.database)
    }

    /// `host:port/database`, for messages; several hosts with commas between.
    pub fn place(&self) -> String {
        let ports = self.config.get_ports();
        let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432);
        let name = |host: &Host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        let mut hosts: Vec<String> = self.config.get_hosts().iter().map(name).collect();
        if hosts.is_empty() {
            hosts.extend(self.config.get_hostaddrs().iter().map(ToString::to_string));
        }
        let places: Vec<String> =
            hosts.iter().enumerate().map(|(index, host)| format!("{host}:{}", port(index))).collect();
        format!("{}/{}", places.join(","), self.database_name())
    }

    /// Whether its TLS can be set up; says so before anybody connects.
    pub fn check(&self) -> Result<(), DatabaseError> {
        tls::connector(&self.database, self.ssl_mode, self.roots.as_ref()).map(|_| ())
    }

    /// How a server of the same network reaches this database through libpq: everything but user and password.
    pub fn libpq_options(&self) -> Vec<(&'static str, String)> {
        let place = self.place();
        let hosts = place.rsplit_once('/').map_or(place.as_str(), |(hosts, _)| hosts).split(',');
        let (hosts, ports): (Vec<&str>, Vec<&str>) = hosts.filter_map(|host| host.rsplit_once(':')).unzip();
        let mut options = vec![
            ("host", hosts.join(",")),
            ("port", ports.join(",")),
            ("dbname", self.database_name().to_owned()),
            ("sslmode", self.ssl_mode.word().to_owned()),
        ];
        // libpq knows the operating system's by a word only since version 16.
        let roots = match &self.roots {
            Some(Roots::File(path)) => Some(path.clone()),
            Some(Roots::System) => super::roots::file(),
            None => None,
        };
        options.extend(roots.map(|path| ("sslrootcert", path.display().to_string())));
        options
    }

    /// What PostgreSQL's own programs find in their environment, user and password too: arguments can be seen by everybody.
    pub fn libpq_environment(&self) -> Vec<(&'static str, String)> {
        let variable = |option: &str| match option {
            "host" => "PGHOST",
            "port" => "PGPORT",
            "dbname" => "PGDATABASE",
            "sslmode" => "PGSSLMODE",
            _ => "PGSSLROOTCERT",
        };
        let mut variables: Vec<_> =
            self.libpq_options().into_iter().map(|(option, value)| (variable(option), value)).collect();
        variables.extend(self.config.get_user().map(|user| ("PGUSER", user.to_owned())));
        let password = self.config.get_password().map(|password| String::from_utf8_lossy(password).into_owned());
        variables.extend(password.map(|password| ("PGPASSWORD", password)));
        if self.config.get_target_session_attrs() == TargetSessionAttrs::ReadWrite {
            variables.push(("PGTARGETSESSIONATTRS", "read-write".to_owned()));
        }
        variables.push(("PGAPPNAME", APPLICATION_NAME.to_owned()));
        variables.push(("PGTZ", "UTC".to_owned()));
        variables
    }

    /// A connection of its own, driven by a task that ends when the client is dropped.
    pub async fn connect(&self) -> Result<Client, DatabaseError> {
        let connector = tls::connector(&self.database, self.ssl_mode, self.roots.as_ref())?;
        let attempt = self.config.connect(connector);
        let (client, connection) = attempt.await.map_err(|source| self.error(source))?;
        let place = self.place();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%place, cause = super::errors::postgres_cause(&error), "connection ended");
            }
        });
        // Not among the options of the connection, which a pooler refuses; a pooler carries the time zone along.
        client.batch_execute("SET TIME ZONE 'UTC'").await.map_err(|source| self.error(source))?;
        self.admit(&client).await?;
        Ok(client)
    }

    /// A server that comes back from before a failover takes writes as before, and may be the first of several hosts.
    async fn admit(&self, client: &Client) -> Result<(), DatabaseError> {
        let Some(timelines) = &self.timelines else { return Ok(()) };
        let answers = match client.simple_query(TIMELINE).await {
            Ok(answers) => answers,
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                timelines.cannot_ask(&self.database);
                return Ok(());
            }
            // What speaks as PostgreSQL and has no timelines fails over in its own way.
            Err(error) if error.as_db_error().is_some() => return Ok(()),
            Err(error) => return Err(self.error(error)),
        };
        let said = answers.iter().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => Some((row.get(0)?, row.get(1)?, row.get(2)?)),
            _ => None,
        });
        let Some((cluster, timeline, server)) = said else { return Ok(()) };
        let Ok(timeline) = u32::from_str_radix(timeline, 16) else { return Ok(()) };
        timelines.admit(cluster, timeline).map_err(|newest| DatabaseError::OldPrimary {
            database: self.database.as_str().into(),
            place: self.place().into(),
            server: server.into(),
            timeline,
            newest,
            file: timelines.file().into(),
        })
    }

    /// An error of this database's client, with its name and place.
    pub fn error(&self, source: tokio_postgres::Error) -> DatabaseError {
        DatabaseError::Postgres { database: self.database.clone(), place: self.place(), source }
    }
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PostgresSettings")
            .field("place", &self.place())
            .field("user", &self.config.get_user())
            .field("password", &self.config.get_password().map(|_| "redacted"))
            .field("ssl_mode", &self.ssl_mode)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;
    use proptest::prelude::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<PostgresSettings, DatabaseError> {
        let registry = Registry::load(None).expect("the embedded registry");
        let database = registry.get("genims_hr_db").expect("in the registry");
        PostgresSettings::from_environment(database, &Environment::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn the_own_url_wins_then_the_server_s_then_the_libpq_variables() {
        let own = ("GENIMS_HR_DB_URL", "postgresql://hr:pw@own:1111/people");
        let server = ("GENIMS_POSTGRES_URL", "postgresql://all:pw@server:2222/postgres");
        let libpq = [("PGHOST", "libpq"), ("PGPORT", "3333"), ("PGDATABASE", "ignored")];
        let place = |pairs: &[(&str, &str)]| settings(pairs).expect("configured").place();
        assert_eq!(place(&[own, server, libpq[0], libpq[1]]), "own:1111/people");
        assert_eq!(place(&[server, libpq[0], libpq[1]]), "server:2222/genims_hr_db");
        assert_eq!(place(&libpq), "libpq:3333/genims_hr_db");
        assert_eq!(place(&[("PGHOST", "a,b"), ("PGPORT", "1,2")]), "a:1,b:2/genims_hr_db");
        assert_eq!(place(&[("PGHOST", "/run/postgresql")]), "/run/postgresql:5432/genims_hr_db");
        let error = settings(&[]).expect_err("nothing is set").to_string();
        assert!(error.contains("GENIMS_HR_DB_URL") && error.contains("GENIMS_POSTGRES_URL"), "{error}");
    }

    #[test]
    fn tls_options_are_understood_and_unknown_ones_refused_without_being_shown() {
        let url = "postgresql://u@h/d?sslmode=verify-full&sslrootcert=%2Fetc%2Fmy%20ca.pem&application_name=x";
        let parsed = PostgresSettings::from_url("d", url).expect("a good URL");
        assert_eq!(parsed.ssl_mode, SslMode::VerifyFull);
        assert_eq!(parsed.roots, Some(Roots::File("/etc/my ca.pem".into())));
        assert_eq!(parsed.config.get_application_name(), Some("x"));
        let error = PostgresSettings::from_url("d", "postgresql://u:se?cret@h/d").expect_err("an unescaped ?");
        assert!(!error.to_string().contains("cret@"), "{error}");
        assert!(PostgresSettings::from_url("d", "postgresql://h/d?sslmode=sometimes").is_err());
        assert!(PostgresSettings::from_url("d", "mysql://h/d").is_err());
    }

    #[test]
    fn sessions_are_named_and_options_of_the_url_are_left_alone() {
        let parsed = PostgresSettings::from_url("d", "postgresql://h/d?options=-c%20work_mem%3D8MB").expect("good");
        assert_eq!(parsed.config.get_options(), Some("-c work_mem=8MB"));
        assert_eq!(PostgresSettings::from_url("d", "postgresql://h/d").expect("good").config.get_options(), None);
        assert_eq!(parsed.config.get_application_name(), Some("genims"));
        assert_eq!(parsed.with_database("other").place(), "h:5432/other");
    }

    #[test]
    fn databases_are_created_from_the_one_that_the_server_s_url_names() {
        let names = |url: &str| {
            let settings = settings(&[("GENIMS_POSTGRES_URL", url)]).expect("configured");
            settings.maintenance().map(|server| server.database_name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names("postgresql://h/defaultdb"), ["defaultdb", "postgres", "template1"]);
        assert_eq!(names("postgresql://h/postgres"), ["postgres", "template1"]);
        assert_eq!(names("postgresql://h"), ["postgres", "template1"]);
    }

    #[test]
    fn a_password_comes_from_a_file_and_is_never_shown() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "hunter2\n").expect("written");
        let path = file.path().display().to_string();
        let parsed = settings(&[("PGHOST", "h"), ("GENIMS_HR_DB_PASSWORD_FILE", &path), ("PGPASSWORD", "other")]);
        let parsed = parsed.expect("configured");
        assert_eq!(parsed.config.get_password(), Some("hunter2".as_bytes()));
        assert!(!format!("{parsed:?}").contains("hunter2"));
        let in_url = PostgresSettings::from_url("d", "postgresql://u:hunter2@h/d").expect("good");
        assert!(!format!("{in_url:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_but_never_panics(text in "(postgresql://)?\\PC{0,60}") {
            let _ = PostgresSettings::from_url("d", &text);
        }

        #[test]
        fn an_error_never_shows_the_password(password in "[a-z0-9?&#@:/]{8,20}") {
            let url = format!("postgresql://user:{password}@host/db?nonsense=1");
            if let Err(error) = PostgresSettings::from_url("d", &url) {
                prop_assert!(!error.to_string().contains(&password));
            }
        }
    }
}
