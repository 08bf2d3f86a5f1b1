//! Where everything is: flags and environment become checked addresses. Only loopback is accepted.
//!
//! The variables, those in `.env` among them, and what is usual without them are the server's own.

use crate::access::{Access, AccessError, loopback};
use crate::database::{DatabaseError, Mongo, PostgresUrl};
use crate::plant::master;
use crate::plant::{Plant, master::MasterError};
use crate::verdict::wait::Store;
use clap::Args;

#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("{0} is needed: pass {1}")]
    Needed(&'static str, &'static str),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Master(#[from] MasterError),
}

/// Where the server's MQTT listener is when nothing else is said.
pub const MQTT: &str = "127.0.0.1:1884";

#[derive(Args, Clone, Debug)]
pub struct Targets {
    /// The server's MQTT listener
    #[arg(long, env = "GENIMS_MQTT_LISTEN", default_value = MQTT)]
    pub mqtt: String,
    /// The server's listener for binary frames
    #[arg(long, env = "GENIMS_TCP_LISTEN", default_value = "127.0.0.1:5020")]
    pub tcp: String,
    /// The server's listener for line protocol
    #[arg(long, env = "GENIMS_LINE_LISTEN", default_value = "127.0.0.1:8094")]
    pub line: String,
    /// The server's HTTP address, for its own account in the report; https://HOST:PORT with TLS
    #[arg(long, env = "GENIMS_HTTP_LISTEN", default_value = "127.0.0.1:9400")]
    pub http: String,
    /// genims_operations_db: the verdict asks it
    #[arg(long, env = "GENIMS_OPERATIONS_DB_URL", hide_env_values = true)]
    pub postgres: Option<String>,
    /// genims_master_db: the plant is read from it
    #[arg(long, env = "GENIMS_MASTER_DB_URL", hide_env_values = true)]
    pub master: Option<String>,
    /// The server of both, with a database's name put in, where they have no URL of their own
    #[arg(long, env = "GENIMS_POSTGRES_URL", hide_env_values = true)]
    pub postgres_server: Option<String>,
    /// genims_production: the verdict asks it
    #[arg(long, env = "GENIMS_MONGODB_URL", hide_env_values = true)]
    pub mongodb: Option<String>,
    /// The server's process, for its memory
    #[arg(long)]
    pub server_pid: Option<u32>,
    #[command(flatten)]
    pub access: Access,
}

impl Targets {
    /// Refuses anything that is not on this machine, before anything is sent.
    pub fn check(&self) -> Result<(), TargetError> {
        for address in [&self.mqtt, &self.tcp, &self.line] {
            self.access.peer(address)?;
        }
        self.access.login()?;
        loopback(self.http_address())?;
        self.access.http_agent(self.http_is_secured())?;
        for url in [self.postgres(), self.master()].into_iter().flatten() {
            PostgresUrl::parse(&url)?;
        }
        Ok(())
    }

    /// `host:port`; a URL is as good.
    fn http_address(&self) -> &str {
        let place = self.http.split_once("://").map_or(self.http.as_str(), |(_, place)| place);
        place.split('/').next().unwrap_or_default()
    }

    fn http_is_secured(&self) -> bool {
        self.http.starts_with("https://")
    }

    /// The URL of genims_operations_db.
    pub fn postgres(&self) -> Option<String> {
        self.postgres.clone().or_else(|| named(self.postgres_server.as_deref()?, "genims_operations_db"))
    }

    /// The URL of genims_master_db.
    pub fn master(&self) -> Option<String> {
        self.master.clone().or_else(|| named(self.postgres_server.as_deref()?, "genims_master_db"))
    }

    pub async fn plant(&self, machines_max: usize, exclude: &[String]) -> Result<Plant, TargetError> {
        let needed = "--master URL, or GENIMS_MASTER_DB_URL or GENIMS_POSTGRES_URL in the environment or in .env";
        let url = self.master().ok_or(TargetError::Needed("the master database", needed))?;
        let client = PostgresUrl::parse(&url)?.connect().await?;
        Ok(master::load(&client, machines_max, exclude).await?)
    }

    pub async fn operations(&self) -> Result<Option<tokio_postgres::Client>, TargetError> {
        match self.postgres() {
            Some(url) => Ok(Some(PostgresUrl::parse(&url)?.connect().await?)),
            None => Ok(None),
        }
    }

    pub async fn mongo(&self) -> Result<Option<Mongo>, TargetError> {
        match &self.mongodb {
            Some(url) => Ok(Some(Mongo::connect(url).await?)),
            None => Ok(None),
        }
    }

    /// The databases that the verdict asks: PostgreSQL, MongoDB.
    pub async fn stores(&self) -> Result<(Option<Store>, Option<Store>), TargetError> {
        let postgres = self.operations().await?.map(Store::Postgres);
        let mongodb = self.mongo().await?.map(|mongo| Store::Mongo(mongo.database()));
        Ok((postgres, mongodb))
    }

    /// The server's own account; `None` when it cannot be had, which is no error.
    pub async fn server_stats(&self) -> Option<serde_json::Value> {
        let place = self.http_address();
        loopback(place).ok()?;
        let url = format!("{}://{place}/stats", if self.http_is_secured() { "https" } else { "http" });
        let agent = self.access.http_agent(self.http_is_secured()).ok()?;
        tokio::task::spawn_blocking(move || agent.get(&url).call().ok()?.body_mut().read_json().ok())
            .await
            .ok()
            .flatten()
    }
}

/// The URL of a database on the server that `url` names one of.
fn named(url: &str, database: &str) -> Option<String> {
    let (base, query) = url.split_once('?').map_or((url, ""), |(base, query)| (base, query));
    let (scheme, rest) = base.split_once("://")?;
    let host = rest.split('/').next().unwrap_or_default();
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    Some(format!("{scheme}://{host}/{database}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_on_the_server_of_another() {
        for (url, expected) in [
            ("postgresql://u:p@localhost:5433/postgres", "postgresql://u:p@localhost:5433/db"),
            ("postgresql://u@localhost?sslmode=disable", "postgresql://u@localhost/db?sslmode=disable"),
            ("postgresql://u@localhost/a?b=/c", "postgresql://u@localhost/db?b=/c"),
        ] {
            assert_eq!(named(url, "db").as_deref(), Some(expected));
        }
    }
}
