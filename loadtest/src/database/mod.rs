//! Connections to the databases that a verdict asks and a baseline fills. Loopback only: a load generator that reaches
//! a foreign machine is an attack.

mod tls;

use mongodb::options::{ClientOptions, ServerAddress, Tls};
use percent_encoding::percent_decode_str;
use std::net::IpAddr;
use std::path::PathBuf;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

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
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verification {
    /// `prefer`, `require` without a root certificate: encrypted, whoever it is.
    None,
    /// `verify-ca`: signed by an authority of this file, for whatever name.
    Authority(PathBuf),
    /// `verify-full`: for the host of the URL; without a file by whom the operating system trusts.
    Full(Option<PathBuf>),
}

/// A checked PostgreSQL URL.
#[derive(Clone, Debug)]
pub struct PostgresUrl {
    config: tokio_postgres::Config,
    verification: Verification,
}

impl PostgresUrl {
    /// `sslmode`, `sslrootcert`, lists in `host` and `target_session_attrs` are understood as by the server.
    pub fn parse(url: &str) -> Result<Self, DatabaseError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut root, mut attributes) = (None, None, None);
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let text = percent_decode_str(value).decode_utf8_lossy().into_owned();
            match key {
                "sslmode" => mode = Some(text),
                "sslrootcert" => root = Some(text),
                "host" => rest.extend(text.split(',').map(|host| format!("host={}", host.replace('%', "%25")))),
                "target_session_attrs" => attributes = Some(text),
                _ => rest.push(pair.to_owned()),
            }
        }
        let (mut ssl_mode, verification) = trust(mode.as_deref(), root.as_deref())?;
        let url = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        let mut config: tokio_postgres::Config =
            url.parse().map_err(|error: tokio_postgres::Error| DatabaseError::Url(error.to_string()))?;
        if config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_))) {
            ssl_mode = SslMode::Disable;
        }
        config.ssl_mode(ssl_mode).application_name("genims-loadtest");
        match attributes.as_deref() {
            Some("any") => {}
            None if config.get_hosts().len() < 2 => {}
            None | Some("read-write" | "primary") => {
                config.target_session_attrs(TargetSessionAttrs::ReadWrite);
            }
            Some(_) => return Err(DatabaseError::Url("target_session_attrs is any or read-write".to_owned())),
        }
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
        Ok(Self { config, verification })
    }

    /// A connection of its own; it ends when the client is dropped.
    pub async fn connect(&self) -> Result<tokio_postgres::Client, DatabaseError> {
        let tls = tls::connector(&self.verification)?;
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

/// libpq's meaning of `sslmode` and `sslrootcert` together.
fn trust(mode: Option<&str>, root: Option<&str>) -> Result<(SslMode, Verification), DatabaseError> {
    let wrong = |cause: &str| Err(DatabaseError::Url(cause.to_owned()));
    let file = root.filter(|root| *root != "system").map(PathBuf::from);
    match (mode, file) {
        (None, None) if root.is_some() => Ok((SslMode::Require, Verification::Full(None))),
        (Some("verify-full"), file) => Ok((SslMode::Require, Verification::Full(file))),
        (Some(_), None) if root.is_some() => wrong("sslrootcert=system goes with sslmode=verify-full alone"),
        (Some("disable"), _) => Ok((SslMode::Disable, Verification::None)),
        (None | Some("allow" | "prefer"), _) => Ok((SslMode::Prefer, Verification::None)),
        (Some("require" | "verify-ca"), Some(file)) => Ok((SslMode::Require, Verification::Authority(file))),
        (Some("require"), None) => Ok((SslMode::Require, Verification::None)),
        (Some("verify-ca"), None) => wrong("sslmode=verify-ca needs sslrootcert=FILE"),
        (Some(other), _) => wrong(&format!("sslmode {other:?} is unknown")),
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
        // The driver knows public authorities only, not those that an administrator added.
        if let Some(Tls::Enabled(tls)) = &mut options.tls
            && tls.ca_file_path.is_none()
        {
            tls.ca_file_path = openssl_probe::probe().cert_file;
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
    fn several_hosts_and_sockets_are_understood_as_by_the_server() {
        for url in ["postgres://127.0.0.1:1,localhost:2/d", "postgres:///d?host=127.0.0.1,localhost&port=1,2"] {
            let config = PostgresUrl::parse(url).expect(url).config;
            assert_eq!((config.get_hosts().len(), config.get_ports()), (2, &[1, 2][..]), "{url}");
            assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite, "{url}");
        }
        assert!(PostgresUrl::parse("postgres://127.0.0.1/d?target_session_attrs=standby").is_err());
        assert!(PostgresUrl::parse("postgres:///d?host=127.0.0.1,example.com").is_err());
        let socket = PostgresUrl::parse("postgres://u@/d?host=/run/postgresql&sslmode=require").expect("a socket");
        assert_eq!(socket.config.get_ssl_mode(), SslMode::Disable);
    }

    #[test]
    fn the_ssl_words_of_libpq_are_understood() {
        let url = PostgresUrl::parse(
            "postgres://u@127.0.0.1/db?sslmode=verify-full&sslrootcert=/tmp/ca.pem&connect_timeout=3",
        )
        .expect("valid");
        assert_eq!(url.verification, Verification::Full(Some("/tmp/ca.pem".into())));
        assert_eq!(url.config.get_ssl_mode(), SslMode::Require);
        let verification = |options: &str| {
            PostgresUrl::parse(&format!("postgres://u@127.0.0.1/db?{options}")).map(|url| url.verification)
        };
        for system in ["sslmode=verify-full", "sslrootcert=system", "sslmode=verify-full&sslrootcert=system"] {
            assert_eq!(verification(system).expect("valid"), Verification::Full(None), "{system}");
        }
        let authority = Verification::Authority("/tmp/my ca.pem".into());
        assert_eq!(verification("sslmode=verify-ca&sslrootcert=%2Ftmp%2Fmy%20ca.pem").expect("valid"), authority);
        assert!(
            verification("sslmode=verify-ca").is_err() && verification("sslmode=require&sslrootcert=system").is_err()
        );
        assert!(PostgresUrl::parse("postgres://u@127.0.0.1/db?sslmode=maybe").is_err());
    }
}
