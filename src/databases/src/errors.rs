//! What goes wrong with a database. Every message names the database, the cause and the remedy; none holds a password.

use std::error::Error;
use tokio_postgres::error::SqlState;

#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("the registry {path} cannot be used: {cause}; compare it with the shipped config/databases.toml")]
    Registry { path: String, cause: String },

    #[error("database {database} is not in the registry; use one of {known}")]
    Unknown { database: String, known: String },

    #[error("{database}: {file} is not a usable schema file: {cause}; compare it with its neighbours in config/schema")]
    SchemaFile { database: String, file: String, cause: String },

    #[error("the environment file {path} cannot be used: {cause}; write it like .env.example")]
    Dotenv { path: String, cause: String },

    #[error(
        "the environment file {path} holds passwords, and others can read or write it (mode {mode:03o}); chmod 600 {path}"
    )]
    OpenDotenv { path: String, mode: u32 },

    #[error("{variable} names the file {path}, which cannot be read: {source}; mend the path or its permissions")]
    SecretFile { variable: String, path: String, source: std::io::Error },

    #[error("{database}: no connection is configured; set {variable}{alternatives} (see .env.example)")]
    NotConfigured { database: String, variable: String, alternatives: &'static str },

    #[error("{database}: {variable} is no usable connection URL: {cause}; write it like {example}")]
    BadUrl { database: String, variable: String, cause: String, example: &'static str },

    #[error("{database}: TLS cannot be set up: {cause}; {remedy}")]
    Tls { database: String, cause: String, remedy: &'static str },

    #[error(
        "{database} at {place}: no database of this server lets us in to create it; create it yourself, or let \
         GENIMS_POSTGRES_URL name one that exists"
    )]
    NoMaintenance { database: String, place: String },

    #[error(
        "{database} at {place}: a pooler in transaction mode answers, and this needs a session of its own; give its URL the \
         port of the database server itself, or set pool_mode = session for it"
    )]
    Pooled { database: String, place: String },

    #[error(
        "{database} at {place}: {server} is a primary of before a failover: it writes timeline {timeline} of its cluster, which \
         has come to timeline {newest} on another server; stop it and make it a standby of that one, or, if it is to be the \
         primary again, stop `genims serve` and delete {file}"
    )]
    OldPrimary { database: Box<str>, place: Box<str>, server: Box<str>, timeline: u32, newest: u32, file: Box<str> },

    #[error(
        "{file} cannot be used: {cause}; start the release that wrote it, or delete it if no primary of before a failover runs"
    )]
    Timelines { file: String, cause: String },

    #[error("{database} at {place}: {}; {}", postgres_cause(source), postgres_remedy(source))]
    Postgres { database: String, place: String, source: tokio_postgres::Error },

    #[error("{database} at {place}: {}; {}", mongo_cause(source), mongo_remedy(source))]
    Mongo { database: String, place: String, source: Box<mongodb::error::Error> },

    #[error("{database} at {place}: {}; {}", mysql_cause(source), mysql_remedy(source))]
    Mysql { database: String, place: String, source: Box<mysql_async::Error> },
}

impl DatabaseError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Postgres { source, .. } => postgres_is_transient(source),
            Self::Mongo { source, .. } => mongo_is_transient(source),
            Self::Mysql { source, .. } => mysql_is_transient(source),
            _ => false,
        }
    }

    /// The two halves of its message, `text`: every message ends with its remedy.
    pub fn cause_and_remedy<'a>(&self, text: &'a str) -> (&'a str, &'a str) {
        text.rsplit_once("; ").unwrap_or((text, "look at the server's log"))
    }
}

/// The whole chain of causes with its SQLSTATE; tokio-postgres alone says only "db error".
pub fn postgres_cause(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        let mut cause = format!("{} (SQLSTATE {})", db.message(), db.code().code());
        if let Some(detail) = db.detail() {
            cause.push_str(": ");
            cause.push_str(detail);
        }
        return cause;
    }
    let mut cause = error.to_string();
    let mut next = error.source();
    while let Some(inner) = next {
        cause.push_str(": ");
        cause.push_str(&inner.to_string());
        next = inner.source();
    }
    cause
}

/// Transient: the connection or the server went away, is busy, or rolled us back for somebody else's sake.
pub fn postgres_is_transient(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        // PgBouncer says it with the code of a broken protocol.
        Some(_) if refuses_parameter(error) => false,
        Some(state) => sqlstate_is_transient(state),
        None => error.is_closed() || is_io(error) || error.to_string().starts_with("timeout"),
    }
}

/// By class (PostgreSQL manual, appendix A): 08 connection, 40 rollback, 53 resources, 57 operator intervention, 58 system;
/// and a lock that was not to be had.
pub(crate) fn sqlstate_is_transient(state: &SqlState) -> bool {
    // 57014, a cancelled statement, and 57P04, a dropped database, do not pass by themselves.
    if *state == SqlState::QUERY_CANCELED || *state == SqlState::DATABASE_DROPPED {
        return false;
    }
    *state == SqlState::LOCK_NOT_AVAILABLE || matches!(&state.code()[..2], "08" | "40" | "53" | "57" | "58")
}

/// Whether a pooler refuses a parameter of the connection.
fn refuses_parameter(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|db| db.message().contains("unsupported startup parameter"))
}

/// A refused or broken socket anywhere below.
fn is_io(error: &tokio_postgres::Error) -> bool {
    let mut next = error.source();
    while let Some(inner) = next {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            // A TLS failure arrives as an I/O error of this kind and does not pass.
            return io.kind() != std::io::ErrorKind::InvalidData;
        }
        next = inner.source();
    }
    false
}

/// Whether the last of several hosts is a standby, and no other takes writes; how tokio-postgres says it.
fn refuses_writes(error: &tokio_postgres::Error) -> bool {
    error.source().is_some_and(|cause| cause.to_string() == "database does not allow writes")
}

fn postgres_remedy(error: &tokio_postgres::Error) -> &'static str {
    match error.code() {
        Some(_) if refuses_parameter(error) => {
            "take options out of its URL, or add it to ignore_startup_parameters of pgbouncer.ini"
        }
        Some(state) if matches!(state.code(), "26000" | "42P05") => {
            "a pooler in transaction mode loses prepared statements: set pool_mode = session, or connect to the server itself"
        }
        Some(state) if *state == SqlState::READ_ONLY_SQL_TRANSACTION => {
            "it is a standby: name the primary, or all hosts with target_session_attrs=read-write, in its URL"
        }
        Some(state) if *state == SqlState::INVALID_PASSWORD => "check user and password of its URL or *_PASSWORD_FILE",
        Some(state) if *state == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "create the role, or allow it in pg_hba.conf (with TLS: hostssl and sslmode=require)"
        }
        Some(state) if *state == SqlState::INVALID_CATALOG_NAME => "run `genims provision`",
        Some(state) if *state == SqlState::UNDEFINED_TABLE || *state == SqlState::INVALID_SCHEMA_NAME => {
            "run `genims provision`"
        }
        Some(state) if *state == SqlState::INSUFFICIENT_PRIVILEGE => "grant the right to the role of its URL",
        Some(state) if *state == SqlState::TOO_MANY_CONNECTIONS => "raise max_connections or lower the pool sizes",
        Some(state) if *state == SqlState::DISK_FULL => "free space on the database server",
        Some(state) if sqlstate_is_transient(state) => "try again; if it lasts, look at the server's log",
        Some(_) => "look up the SQLSTATE in appendix A of the PostgreSQL manual",
        None if refuses_writes(error) => "promote a standby, or start the primary",
        None if is_io(error) => "start the server, or mend host and port of its URL",
        None if error.to_string().contains("TLS") => {
            "compare sslmode and sslrootcert of its URL with the server's certificate and its `ssl` setting"
        }
        None => "check that the server is up and that host and port of its URL are right",
    }
}

pub(crate) fn mongo_is_transient(error: &mongodb::error::Error) -> bool {
    use mongodb::error::ErrorKind;
    let retryable = error.contains_label(mongodb::error::RETRYABLE_WRITE_ERROR)
        || error.contains_label(mongodb::error::TRANSIENT_TRANSACTION_ERROR);
    retryable
        || matches!(
            error.kind.as_ref(),
            ErrorKind::Io(_) | ErrorKind::ServerSelection { .. } | ErrorKind::ConnectionPoolCleared { .. }
        )
}

/// The gist: the driver's own text is a dump of its topology.
pub(crate) fn mongo_cause(error: &mongodb::error::Error) -> String {
    use mongodb::error::ErrorKind;
    match error.kind.as_ref() {
        ErrorKind::Command(command) => format!("{} ({}, code {})", command.message, command.code_name, command.code),
        ErrorKind::Io(cause) => cause.to_string(),
        ErrorKind::Authentication { message, .. } => message.clone(),
        ErrorKind::ServerSelection { message, .. } => match message.split_once("Error: Kind: ") {
            Some((_, inner)) => format!("no server answers: {}", inner.split(", labels").next().unwrap_or(inner)),
            None => "no server answers".to_owned(),
        },
        kind => kind.to_string(),
    }
}

fn mongo_remedy(error: &mongodb::error::Error) -> &'static str {
    use mongodb::error::ErrorKind;
    match error.kind.as_ref() {
        ErrorKind::Authentication { .. } => "check user, password and authSource of GENIMS_MONGODB_URL",
        ErrorKind::InvalidTlsConfig { .. } => "check tlsCAFile and tlsCertificateKeyFile of GENIMS_MONGODB_URL",
        ErrorKind::DnsResolve { .. } => {
            "let its DNS name have SRV records, or write mongodb://HOST:PORT,HOST:PORT/?replicaSet=NAME&tls=true instead"
        }
        ErrorKind::Io(_) | ErrorKind::ServerSelection { .. } => {
            "start the server, or mend host, port and tls of GENIMS_MONGODB_URL"
        }
        // 13: Unauthorized.
        ErrorKind::Command(command) if command.code == 13 => "grant readWrite and dbAdmin to the user of its URL",
        _ => "look up the code in the MongoDB manual's error code list",
    }
}

/// The number of a server's error (MySQL manual, server error message reference); `None` when it was none of the server.
pub fn mysql_code(error: &mysql_async::Error) -> Option<u16> {
    match error {
        mysql_async::Error::Server(error) => Some(error.code),
        _ => None,
    }
}

/// Whether the server speaks no TLS.
pub(crate) fn mysql_refuses_tls(error: &mysql_async::Error) -> bool {
    matches!(error, mysql_async::Error::Driver(mysql_async::DriverError::NoClientSslFlagFromServer))
}

pub(crate) fn mysql_cause(error: &mysql_async::Error) -> String {
    use mysql_async::{Error, IoError};
    match error {
        Error::Server(error) => format!("{} (error {}, SQLSTATE {})", error.message, error.code, error.state),
        Error::Io(IoError::Io(error)) => error.to_string(),
        Error::Io(IoError::Tls(error)) => format!("TLS: {error}"),
        Error::Driver(error) => error.to_string(),
        other => other.to_string(),
    }
}

pub(crate) fn mysql_is_transient(error: &mysql_async::Error) -> bool {
    use mysql_async::{DriverError, Error, IoError};
    match error {
        // Too many connections (also of one user), shutting down, connection killed or aborted, disk full, lock wait,
        // deadlock, and a server that is read-only while it changes roles.
        Error::Server(error) => {
            matches!(error.code, 1040 | 1203 | 1053 | 1077 | 1079 | 1152 | 1927 | 1021 | 1114 | 1205 | 1213 | 1290)
        }
        // A TLS failure can arrive as an I/O error of this kind and does not pass.
        Error::Io(IoError::Io(error)) => error.kind() != std::io::ErrorKind::InvalidData,
        Error::Driver(error) => matches!(error, DriverError::ConnectionClosed | DriverError::PoolDisconnected),
        _ => false,
    }
}

fn mysql_remedy(error: &mysql_async::Error) -> &'static str {
    use mysql_async::{DriverError, Error, IoError};
    match error {
        Error::Server(error) => match error.code {
            1045 | 1698 => "check user, host and password of its URL or *_PASSWORD_FILE",
            1049 | 1146 => "run `genims provision`",
            1044 | 1142 | 1143 | 1227 | 1370 => "grant the right to the user of its URL, also on genims_internal",
            1040 | 1203 => "raise max_connections or lower the pool sizes",
            1021 | 1114 => "free space on the database server",
            1148 | 3948 => "let the server have local_infile = ON, which MySQL 8 has not: seeding uses LOAD DATA LOCAL",
            1819 => "MySQL's validate_password refuses this password: give a stronger one",
            1129 | 1130 => "let the server accept this host (the user's host part, or FLUSH HOSTS)",
            3159 => "let its URL ask for TLS: ssl-mode=REQUIRED or more",
            _ if mysql_is_transient(&Error::Server(error.clone())) => {
                "try again; if it lasts, look at the server's log"
            }
            _ => "look up the number in the error reference of the MySQL or MariaDB manual",
        },
        Error::Io(IoError::Tls(_)) | Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            "compare ssl-mode and ssl-ca of its URL with the server's certificate"
        }
        Error::Io(IoError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
            "compare ssl-mode and ssl-ca of its URL with the server's certificate"
        }
        Error::Io(_) => "start the server, or mend host and port of its URL",
        Error::Driver(DriverError::UnknownAuthPlugin { .. }) => "give the user a password with caching_sha2_password",
        _ => "check that the server is up and that host and port of its URL are right",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadlock_passes_and_a_wrong_password_does_not() {
        let server = |code| {
            let (message, state) = ("x".to_owned(), "HY000".to_owned());
            mysql_async::Error::Server(mysql_async::ServerError { code, message, state })
        };
        assert!(mysql_is_transient(&server(1213)) && mysql_remedy(&server(1213)).starts_with("try again"));
        assert!(!mysql_is_transient(&server(1045)) && mysql_remedy(&server(1045)).contains("password"));
        assert_eq!(mysql_code(&server(1049)), Some(1049));
        assert!(mysql_remedy(&server(3948)).contains("local_infile"));
    }

    #[test]
    fn a_serialization_failure_passes_and_a_wrong_value_does_not() {
        for state in [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::ADMIN_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW] {
            assert!(sqlstate_is_transient(&state), "{state:?}");
        }
        for state in [SqlState::NUMERIC_VALUE_OUT_OF_RANGE, SqlState::UNDEFINED_TABLE, SqlState::QUERY_CANCELED] {
            assert!(!sqlstate_is_transient(&state), "{state:?}");
        }
    }

    #[test]
    fn a_missing_connection_names_the_variable() {
        let error = DatabaseError::NotConfigured {
            database: "genims_hr_db".to_owned(),
            variable: "GENIMS_HR_DB_URL".to_owned(),
            alternatives: "",
        };
        assert!(error.to_string().contains("set GENIMS_HR_DB_URL"), "{error}");
        assert!(!error.is_transient());
    }
}
