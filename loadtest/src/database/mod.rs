//! Connections to the databases that a verdict asks and a baseline fills. Loopback only: a load generator that reaches
//! a foreign machine is an attack.

mod tls;

use mongodb::options::{ClientOptions, ServerAddress};
use std::net::IpAddr;
use std::path::PathBuf;
use tokio_postgres::config::{Host, SslMode};

#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("{0} is not on this machine: the harness works on loopback addresses only")]
    NotLoopback(String),
    #[error("the PostgreSQL URL is not valid: {0}")]
    Url(String),
    #[error("cannot connect to PostgreSQL: {0}; check the URL and that the server runs")]
    Connect(#[from] tokio_postgres::Error),
    #[error("TLS: {0}")]
    Tls(String),
    #[error("cannot connect to MongoDB: {0}; check the URL and that the server runs")]
    Mongo(#[from] mongodb::error::Error),
}

pub fn is_loopback_host(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// How the server's certificate is checked, as libpq defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verification {
    /// `prefer`, `require`: encrypted, whoever it is.
    None,
    /// `verify-ca`, `verify-full`
    Full,
}

/// A checked PostgreSQL URL.
#[derive(Clone, Debug)]
pub struct PostgresUrl {
    config: tokio_postgres::Config,
    verification: Verification,
    root_certificates: Option<PathBuf>,
}

impl PostgresUrl {
    /// `sslmode` and `sslrootcert` are understood as by libpq.
    pub fn parse(url: &str) -> Result<Self, DatabaseError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut verification = Verification::None;
        let mut ssl_mode = SslMode::Prefer;
        let mut root_certificates = None;
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", mode)) => {
                    (ssl_mode, verification) = match mode {
                        "disable" => (SslMode::Disable, Verification::None),
                        "allow" | "prefer" => (SslMode::Prefer, Verification::None),
                        "require" => (SslMode::Require, Verification::None),
                        "verify-ca" | "verify-full" => (SslMode::Require, Verification::Full),
                        other => return Err(DatabaseError::Url(format!("sslmode {other:?} is unknown"))),
                    };
                }
                Some(("sslrootcert", path)) => root_certificates = Some(PathBuf::from(path.replace("%2F", "/"))),
                _ => rest.push(pair),
            }
        }
        let url = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        let mut config: tokio_postgres::Config =
            url.parse().map_err(|error: tokio_postgres::Error| DatabaseError::Url(error.to_string()))?;
        config.ssl_mode(ssl_mode).application_name("genims-loadtest");
        for host in config.get_hosts() {
            if let Host::Tcp(name) = host
                && !is_loopback_host(name)
            {
                return Err(DatabaseError::NotLoopback(name.clone()));
            }
        }
        if config.get_hostaddrs().iter().any(|address| !address.is_loopback()) {
            return Err(DatabaseError::NotLoopback("hostaddr".to_owned()));
        }
        if verification == Verification::Full && root_certificates.is_none() {
            return Err(DatabaseError::Url("sslmode=verify-full needs sslrootcert=FILE".to_owned()));
        }
        Ok(Self { config, verification, root_certificates })
    }

    /// A connection of its own; it ends when the client is dropped.
    pub async fn connect(&self) -> Result<tokio_postgres::Client, DatabaseError> {
        let tls = tls::connector(self.verification == Verification::Full, self.root_certificates.as_deref())?;
        let (client, connection) = self.config.connect(tls).await?;
        tokio::spawn(async move {
            // The error reaches whoever uses the client.
            let _ = connection.await;
        });
        // Sums over a whole run need no parallel help from cores that the server under test is using.
        client.batch_execute("set timezone = 'UTC'; set statement_timeout = 0").await?;
        Ok(client)
    }
}

/// Database of the mirror where the URL names none.
const MONGODB_DATABASE: &str = "genims_production";

#[derive(Clone, Debug)]
pub struct Mongo {
    pub client: mongodb::Client,
    pub database: String,
}

impl Mongo {
    pub async fn connect(url: &str) -> Result<Self, DatabaseError> {
        let mut options = ClientOptions::parse(url).await?;
        for host in &options.hosts {
            if let ServerAddress::Tcp { host, .. } = host
                && !is_loopback_host(host)
            {
                return Err(DatabaseError::NotLoopback(host.clone()));
            }
        }
        options.app_name = Some("genims-loadtest".to_owned());
        options.server_selection_timeout = Some(std::time::Duration::from_secs(10));
        let database = options.default_database.clone().unwrap_or_else(|| MONGODB_DATABASE.to_owned());
        Ok(Self { client: mongodb::Client::with_options(options)?, database })
    }

    pub fn database(&self) -> mongodb::Database {
        self.client.database(&self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_allowed() {
        assert!(PostgresUrl::parse("postgres://u:p@127.0.0.1:5432/db").is_ok());
        assert!(PostgresUrl::parse("postgres://u@localhost/db?sslmode=require").is_ok());
        for foreign in ["postgres://u@10.0.0.1/db", "postgres://u@example.com/db"] {
            assert!(matches!(PostgresUrl::parse(foreign), Err(DatabaseError::NotLoopback(_))), "{foreign}");
        }
        assert!(is_loopback_host("::1") && is_loopback_host("[::1]") && !is_loopback_host("0.0.0.0"));
    }

    #[test]
    fn the_ssl_words_of_libpq_are_understood() {
        let url = PostgresUrl::parse(
            "postgres://u@127.0.0.1/db?sslmode=verify-full&sslrootcert=/tmp/ca.pem&connect_timeout=3",
        )
        .expect("valid");
        assert_eq!(url.verification, Verification::Full);
        assert_eq!(url.root_certificates, Some(PathBuf::from("/tmp/ca.pem")));
        assert_eq!(url.config.get_ssl_mode(), SslMode::Require);
        assert!(PostgresUrl::parse("postgres://u@127.0.0.1/db?sslmode=verify-full").is_err());
        assert!(PostgresUrl::parse("postgres://u@127.0.0.1/db?sslmode=maybe").is_err());
    }
}
