//! The 17 databases: who they are, how to reach them, what went wrong.
//!
//! - [`registry`]: config/databases.toml, one entry per database; [`maintenance`]: when one may be vacuumed and rebuilt
//! - [`environment`]: the process environment over `.env` (its lines: [`dotenv`]), secrets also from files
//! - [`postgres`], [`tls`], [`mysql`], [`mongo`]: connection settings, connections and bounded pools; [`url`]: what no URL may
//!   contain as it stands; [`roots`], [`pem`]: certificates; [`pooling`]: whether a pooler is in between; [`timelines`]: which
//!   servers a failover has left behind
//! - [`reader`]: queries of those who look, within bounds
//! - [`configured`]: what is configured, without connecting
//! - [`clock`]: a server's clock against ours
//! - [`partitions`]: daily partitions, for whoever needs one
//! - [`complaint`]: TOML files of ours, and what is wrong with one
//! - [`schema`]: config/schema, embedded
//! - [`expiry`]: how long the documents of a collection are kept
//! - [`errors`]: every error names the database, the cause and the remedy, and knows whether it is transient
//!
//! Invariants: no password is ever printed or logged; sessions run in UTC under the name `genims`; every wait for a
//! connection ends.

pub mod clock;
pub mod complaint;
pub mod configured;
mod dotenv;
pub mod environment;
pub mod errors;
pub mod expiry;
mod maintenance;
pub mod mongo;
pub mod mysql;
pub mod partitions;
mod pem;
pub mod pooling;
pub mod postgres;
mod postgres_url;
mod quoting;
pub mod reader;
pub mod registry;
pub mod roots;
pub mod schema;
mod timelines;
pub mod tls;
mod url;

pub use environment::{Environment, open_to_others};
pub use errors::DatabaseError;
pub use maintenance::MaintenanceWindow;
pub use mongo::MongoSettings;
pub use mongodb::Client as MongoClient;
pub use mysql::MysqlSettings;
pub use mysql_async::Conn as MysqlConnection;
pub use postgres::PostgresSettings;
pub use quoting::{literal, quoted};
pub use registry::{Database, Engine, Registry};
pub use schema::{Column, Constraints, Kind, Model, Table};
pub use timelines::{TIMELINE_FUNCTIONS, Timelines};
pub use tokio_postgres::Client as PostgresClient;
pub use tokio_postgres::{Error as PostgresError, Row as PostgresRow};

/// What servers see as the name of our connections.
pub(crate) const APPLICATION_NAME: &str = "genims";

/// How long a connection attempt may take when its URL does not say.
pub const CONNECT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
