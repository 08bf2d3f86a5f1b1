//! MySQL and MariaDB: settings from the environment, connections.
//!
//! Enters: an [`Environment`]. Leaves: connections whose sessions run in UTC and in strict mode. A setting comes from the
//! database's own URL, else from `GENIMS_MYSQL_URL` with the database's name put in.

use super::errors::{DatabaseError, mysql_refuses_tls};
use super::registry::Database;
use super::tls::Roots;
use super::{APPLICATION_NAME, CONNECT_TIMEOUT, Environment};
use super::{pem, roots, url};
use mysql_async::{Conn, Opts, OptsBuilder, SslOpts};
use percent_encoding::percent_decode_str;
use rustls::RootCertStore;
use std::fmt;
use std::time::Duration;

/// One server for all MySQL databases.
pub const SERVER_VARIABLE: &str = "GENIMS_MYSQL_URL";
/// The database of our own bookkeeping, so that the databases of the contract hold exactly its tables.
pub const INTERNAL_DATABASE: &str = "genims_internal";
/// Where jobs keep what they compute until it is moved: who may write there need not reach the bookkeeping.
pub const STAGING_DATABASE: &str = "genims_staging";

const EXAMPLE: &str = "mysql://user:password@host:3306/database?ssl-mode=VERIFY_IDENTITY&ssl-ca=/path/ca.pem";

/// What every session starts with. Strict: a value that does not fit is an error and is never cut to fit.
const SESSION: &str = "SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_TRANS_TABLES,STRICT_ALL_TABLES,\
     NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'";
/// After it, because `SET SESSION` and `SET NAMES` cannot share a statement everywhere.
const SESSION_CHARACTERS: &str = "SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci";

const GOODBYE_MAX: Duration = Duration::from_secs(2);
/// So long a bounded session waits for a lock.
const LOCK_WAIT_S: u64 = 10;

/// Probes an idle connection, so that a peer that is gone is noticed.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// MySQL's `ssl-mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SslMode {
    Disabled,
    Preferred,
    Required,
    VerifyCa,
    VerifyIdentity,
}

impl SslMode {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "DISABLED" => Self::Disabled,
            "PREFERRED" => Self::Preferred,
            "REQUIRED" => Self::Required,
            "VERIFY_CA" => Self::VerifyCa,
            "VERIFY_IDENTITY" => Self::VerifyIdentity,
            _ => return None,
        })
    }
}

/// `ssl-mode` and `ssl-ca` together. Who names an authority wants it to be asked; who wants host and certificate compared and
/// names none means those that the operating system trusts. A Unix socket leads nowhere else.
fn trust(
    mode: Option<SslMode>,
    roots: Option<Roots>,
    through_socket: bool,
) -> Result<(SslMode, Option<Roots>), String> {
    match (mode, roots) {
        _ if through_socket => Ok((SslMode::Disabled, None)),
        (None | Some(SslMode::VerifyIdentity), Some(Roots::System)) | (Some(SslMode::VerifyIdentity), None) => {
            Ok((SslMode::VerifyIdentity, Some(Roots::System)))
        }
        (Some(_), Some(Roots::System)) => {
            Err("ssl-ca=system goes with ssl-mode=VERIFY_IDENTITY alone: write that".to_owned())
        }
        (None | Some(SslMode::Required), Some(file)) => Ok((SslMode::VerifyCa, Some(file))),
        (mode, roots) => Ok((mode.unwrap_or(SslMode::Preferred), roots)),
    }
}

/// How to reach one database.
#[derive(Clone)]
pub struct MysqlSettings {
    /// The name in the registry, for messages.
    database: String,
    /// The name on the server.
    database_name: String,
    options: Opts,
    password: Option<String>,
    ssl_mode: SslMode,
    roots: Option<Roots>,
    /// A Unix socket, instead of host and port.
    socket: Option<String>,
}

impl MysqlSettings {
    pub fn from_environment(database: &Database, environment: &Environment) -> Result<Self, DatabaseError> {
        let name = &database.name;
        let mut settings = if let Some(url) = environment.secret(&database.connection)? {
            Self::parse(name, &database.connection, &url)?
        } else if let Some(url) = environment.secret(SERVER_VARIABLE)? {
            Self::parse(name, SERVER_VARIABLE, &url)?.with_database(name)
        } else {
            return Err(DatabaseError::NotConfigured {
                database: name.clone(),
                variable: database.connection.clone(),
                alternatives: " or GENIMS_MYSQL_URL",
            });
        };
        if settings.password.is_none() {
            settings.password = environment.password(&database.connection, ["GENIMS_MYSQL_PASSWORD", "MYSQL_PWD"])?;
        }
        Ok(settings)
    }

    /// A URL without a database name means `database`.
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
        if !url.starts_with("mysql://") {
            return Err(wrong("it does not start with mysql://".to_owned()));
        }
        url::check(url).map_err(wrong)?;
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut root, mut socket) = (None, None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let text = percent_decode_str(value).decode_utf8_lossy();
            match key {
                "ssl-mode" => {
                    mode = Some(SslMode::parse(&text).ok_or_else(|| {
                        let modes = "DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY";
                        wrong(format!("ssl-mode is one of {modes}"))
                    })?);
                }
                "ssl-ca" if text == "system" => root = Some(Roots::System),
                "ssl-ca" => root = Some(Roots::File(text.into_owned().into())),
                "socket" => socket = Some(text.into_owned()),
                // The key is not shown: it may be the tail of a password with an unescaped question mark.
                _ => return Err(wrong("unknown option; known are ssl-mode, ssl-ca and socket".to_owned())),
            }
        }
        let authority = base.trim_start_matches("mysql://").split('/').next().unwrap_or_default();
        if authority.rsplit('@').next().is_some_and(|hosts| hosts.contains(',')) {
            return Err(wrong("it names several hosts: write one, that of the primary or of a proxy".to_owned()));
        }
        let options = Opts::from_url(base).map_err(|error| wrong(error.to_string()))?;
        if options.tcp_port() == 0 {
            return Err(wrong("its port is 0, where nobody answers: write 1 to 65535".to_owned()));
        }
        let (ssl_mode, roots) = trust(mode, root, socket.is_some()).map_err(wrong)?;
        Ok(Self {
            database: database.to_owned(),
            database_name: options.db_name().filter(|name| !name.is_empty()).unwrap_or(database).to_owned(),
            password: options.pass().filter(|password| !password.is_empty()).map(str::to_owned),
            options,
            ssl_mode,
            roots,
            socket,
        })
    }

    /// The same server, another database.
    pub fn with_database(&self, name: &str) -> Self {
        Self { database_name: name.to_owned(), ..self.clone() }
    }

    /// The name in the registry.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The name on the server.
    pub fn database_name(&self) -> &str {
        &self.database_name
    }

    /// `host:port/database`, for messages.
    pub fn place(&self) -> String {
        match &self.socket {
            Some(path) => format!("{path}/{}", self.database_name),
            None => format!("{}:{}/{}", self.options.ip_or_hostname(), self.options.tcp_port(), self.database_name),
        }
    }

    /// Whether nobody may answer in plain text.
    pub fn requires_tls(&self) -> bool {
        !matches!(self.ssl_mode, SslMode::Disabled | SslMode::Preferred)
    }

    /// How another program reaches the same server through the client library, as options of `mysql_fdw`; refused where that
    /// could not be trusted as much as the URL asks: the library goes on in plain text with a server that offers no TLS, so
    /// only what the account there requires is sure, and nothing about who answers.
    pub fn client_options(&self) -> Result<Vec<(&'static str, String)>, DatabaseError> {
        if let Some(path) = &self.socket {
            return Err(DatabaseError::BadUrl {
                database: self.database.clone(),
                variable: self.database.clone(),
                cause: format!("mysql_fdw knows servers by host and port, and this is the socket {path}"),
                example: EXAMPLE,
            });
        }
        if matches!(self.ssl_mode, SslMode::VerifyCa | SslMode::VerifyIdentity) {
            return Err(DatabaseError::Tls {
                database: self.database.clone(),
                cause: "mysql_fdw cannot make sure who answers, and the URL asks for it".to_owned(),
                remedy: "run this once with ssl-mode=REQUIRED and without ssl-ca in its URL, if that is enough",
            });
        }
        // The library takes `localhost` for its own socket.
        let host = match self.options.ip_or_hostname() {
            "localhost" => "127.0.0.1",
            host => host,
        };
        Ok(vec![("host", host.to_owned()), ("port", self.options.tcp_port().to_string())])
    }

    /// Whether its TLS can be set up; says so before anybody connects.
    pub fn check(&self) -> Result<(), DatabaseError> {
        self.tls().map(|_| ())
    }

    /// A connection of its own in this database.
    pub async fn connect(&self) -> Result<Conn, DatabaseError> {
        self.open(Some(&self.database_name), &[]).await
    }

    /// A connection for a writer that may vanish, in the middle of a transaction or of a packet. Its session has no wider bounds
    /// than `idle` (whole seconds) and [`LOCK_WAIT_S`], so that it gives its locks back before the next attempts pile up behind it;
    /// the caller uses it more often than that. Only MariaDB has a bound for statements that write; MySQL reads it as a comment.
    pub async fn connect_bounded(&self, idle: Duration) -> Result<Conn, DatabaseError> {
        let s = idle.as_secs();
        let bounds = format!(
            "SET SESSION innodb_lock_wait_timeout = LEAST(@@innodb_lock_wait_timeout, {LOCK_WAIT_S}), \
             SESSION lock_wait_timeout = LEAST(@@lock_wait_timeout, {LOCK_WAIT_S}), \
             SESSION wait_timeout = LEAST(@@wait_timeout, {s}), SESSION net_read_timeout = LEAST(@@net_read_timeout, {s}), \
             SESSION net_write_timeout = LEAST(@@net_write_timeout, {s}) \
             /*M! , SESSION max_statement_time = IF(@@max_statement_time BETWEEN 0.001 AND {s}, @@max_statement_time, {s}) */"
        );
        self.open(Some(&self.database_name), &[&bounds]).await
    }

    /// A connection to the server in no database, for work that must not need this one to exist.
    pub async fn connect_to_server(&self) -> Result<Conn, DatabaseError> {
        self.open(None, &[]).await
    }

    /// `setup` are statements before all others.
    async fn open(&self, database_name: Option<&str>, setup: &[&str]) -> Result<Conn, DatabaseError> {
        let tls = self.tls()?;
        let attempt = match self.attempt(database_name, tls, setup).await {
            Err(error) if self.ssl_mode == SslMode::Preferred && mysql_refuses_tls(&error) => {
                self.attempt(database_name, None, setup).await
            }
            other => other,
        };
        attempt.map_err(|source| self.error(source))
    }

    async fn attempt(
        &self,
        database_name: Option<&str>,
        tls: Option<SslOpts>,
        setup: &[&str],
    ) -> Result<Conn, mysql_async::Error> {
        let options = OptsBuilder::from_opts(self.options.clone())
            .pass(self.password.clone())
            .db_name(database_name)
            .ssl_opts(tls)
            // The address of the URL is meant, not a socket that a server at this address names.
            .prefer_socket(false)
            .socket(self.socket.clone())
            .tcp_keepalive(Some(TCP_KEEPALIVE))
            .connect_attribute("program_name", APPLICATION_NAME)
            .setup([&[SESSION, SESSION_CHARACTERS], setup].concat());
        match tokio::time::timeout(CONNECT_TIMEOUT, Conn::new(options)).await {
            Ok(result) => result,
            Err(_) => {
                let cause = format!("no answer within {} s", CONNECT_TIMEOUT.as_secs());
                Err(std::io::Error::new(std::io::ErrorKind::TimedOut, cause).into())
            }
        }
    }

    fn tls(&self) -> Result<Option<SslOpts>, DatabaseError> {
        if self.ssl_mode == SslMode::Disabled {
            return Ok(None);
        }
        // The driver takes the process's provider; whoever set one before us is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        if !matches!(self.ssl_mode, SslMode::VerifyCa | SslMode::VerifyIdentity) {
            // Whoever answers may answer, but must hold the key of the certificate that is shown.
            return Ok(Some(SslOpts::default().with_danger_accept_invalid_certs(true)));
        }
        let failed = |cause: String, remedy| DatabaseError::Tls { database: self.database.clone(), cause, remedy };
        let authorities = match &self.roots {
            Some(Roots::File(path)) => {
                pem::authorities(path, &mut RootCertStore::empty()).map_err(|cause| {
                    let remedy = "let ssl-ca name a PEM file with the certificate of the authority";
                    failed(format!("{}: {cause}", path.display()), remedy)
                })?;
                vec![path.clone().into()]
            }
            Some(Roots::System) => {
                let certificates = roots::certificates(&self.database)?;
                certificates.into_iter().map(|certificate| certificate.to_vec().into()).collect()
            }
            None => {
                let cause = "ssl-mode=VERIFY_CA needs a root certificate".to_owned();
                return Err(failed(cause, "add ssl-ca=/path/ca.pem to its URL"));
            }
        };
        let options = SslOpts::default()
            .with_root_certs(authorities)
            .with_disable_built_in_roots(true)
            .with_danger_skip_domain_validation(self.ssl_mode == SslMode::VerifyCa);
        Ok(Some(options))
    }

    /// How the server's own programs reach it, without the password: arguments can be seen by everybody. MariaDB's and
    /// MySQL's say TLS in different words.
    pub fn client_arguments(&self, of_mariadb: bool) -> Vec<String> {
        let mut arguments = match &self.socket {
            Some(path) => vec!["--protocol=socket".to_owned(), format!("--socket={path}")],
            None => vec![
                "--protocol=tcp".to_owned(),
                format!("--host={}", self.options.ip_or_hostname()),
                format!("--port={}", self.options.tcp_port()),
            ],
        };
        arguments.extend(self.options.user().map(|user| format!("--user={user}")));
        let roots = match &self.roots {
            Some(Roots::File(path)) => Some(path.clone()),
            Some(Roots::System) => roots::file(),
            None => None,
        };
        arguments.extend(roots.map(|path| format!("--ssl-ca={}", path.display())));
        let words: &[&str] = match (self.ssl_mode, of_mariadb) {
            (SslMode::Preferred, _) => &[],
            (SslMode::Disabled, true) => &["--skip-ssl"],
            (SslMode::Required, true) => &["--ssl"],
            (SslMode::VerifyCa, true) => &["--ssl", "--skip-ssl-verify-server-cert"],
            (SslMode::VerifyIdentity, true) => &["--ssl", "--ssl-verify-server-cert"],
            (SslMode::Disabled, false) => &["--ssl-mode=DISABLED"],
            (SslMode::Required, false) => &["--ssl-mode=REQUIRED"],
            (SslMode::VerifyCa, false) => &["--ssl-mode=VERIFY_CA"],
            (SslMode::VerifyIdentity, false) => &["--ssl-mode=VERIFY_IDENTITY"],
        };
        arguments.extend(words.iter().map(|word| (*word).to_owned()));
        arguments
    }

    /// For the environment of the server's own programs, as `MYSQL_PWD`.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// An error of this database's connection, with its name and place.
    pub fn error(&self, source: mysql_async::Error) -> DatabaseError {
        DatabaseError::Mysql { database: self.database.clone(), place: self.place(), source: Box::new(source) }
    }
}

/// Says goodbye, or the server counts the connection as aborted. Whether a server that hangs hears it is its own affair.
pub async fn disconnect(connection: Conn) {
    let _ = tokio::time::timeout(GOODBYE_MAX, connection.disconnect()).await;
}

impl fmt::Debug for MysqlSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MysqlSettings")
            .field("place", &self.place())
            .field("user", &self.options.user())
            .field("password", &self.password.as_ref().map(|_| "redacted"))
            .field("ssl_mode", &self.ssl_mode)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
