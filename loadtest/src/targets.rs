//! Where everything is: flags and environment become checked addresses. Only loopback is accepted.

use crate::database::{DatabaseError, Mongo, PostgresUrl, is_loopback_host};
use crate::plant::master;
use crate::plant::{Plant, master::MasterError};
use crate::verdict::wait::Store;
use clap::Args;
use std::net::{SocketAddr, ToSocketAddrs};

#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("{0}: not a host:port that resolves; write for example 127.0.0.1:1883")]
    Address(String),
    #[error("{0} is not on this machine: the harness works on loopback addresses only")]
    NotLoopback(String),
    #[error("{0} is needed: pass {1}")]
    Needed(&'static str, &'static str),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Master(#[from] MasterError),
}

#[derive(Args, Clone, Debug)]
pub struct Targets {
    /// The server's MQTT listener
    #[arg(long, env = "GENIMS_MQTT", default_value = "127.0.0.1:1883")]
    pub mqtt: String,
    /// The server's listener for binary frames
    #[arg(long, env = "GENIMS_TCP", default_value = "127.0.0.1:5020")]
    pub tcp: String,
    /// The server's listener for line protocol
    #[arg(long, env = "GENIMS_LINE", default_value = "127.0.0.1:8094")]
    pub line: String,
    /// The server's HTTP address, for its own account in the report
    #[arg(long, env = "GENIMS_HTTP")]
    pub http: Option<String>,
    /// genims_operations_db: the verdict asks it
    #[arg(long, env = "GENIMS_OPERATIONS_DB_URL", hide_env_values = true)]
    pub postgres: Option<String>,
    /// genims_master_db: the plant is read from it
    #[arg(long, env = "GENIMS_MASTER_DB_URL", hide_env_values = true)]
    pub master: Option<String>,
    /// genims_production: the verdict asks it
    #[arg(long, env = "GENIMS_MONGODB_URL", hide_env_values = true)]
    pub mongodb: Option<String>,
    /// The server's process, for its memory
    #[arg(long)]
    pub server_pid: Option<u32>,
}

/// A host and port on this machine.
pub fn loopback(address: &str) -> Result<SocketAddr, TargetError> {
    let mut resolved = address.to_socket_addrs().map_err(|_| TargetError::Address(address.to_owned()))?;
    let first = resolved.next().ok_or_else(|| TargetError::Address(address.to_owned()))?;
    if first.ip().is_loopback() { Ok(first) } else { Err(TargetError::NotLoopback(address.to_owned())) }
}

impl Targets {
    /// Refuses anything that is not on this machine, before anything is sent.
    pub fn check(&self) -> Result<(), TargetError> {
        for address in [&self.mqtt, &self.tcp, &self.line] {
            loopback(address)?;
        }
        for url in [&self.postgres, &self.master].into_iter().flatten() {
            PostgresUrl::parse(url)?;
        }
        if let Some(http) = &self.http {
            let host = http.trim_start_matches("http://").split('/').next().unwrap_or_default();
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            if !is_loopback_host(name) {
                return Err(TargetError::NotLoopback(http.clone()));
            }
        }
        Ok(())
    }

    pub async fn plant(&self, machines_max: usize, exclude: &[String]) -> Result<Plant, TargetError> {
        let url = self
            .master
            .as_ref()
            .ok_or(TargetError::Needed("the master database", "--master URL or GENIMS_MASTER_DB_URL"))?;
        let client = PostgresUrl::parse(url)?.connect().await?;
        Ok(master::load(&client, machines_max, exclude).await?)
    }

    pub async fn operations(&self) -> Result<Option<tokio_postgres::Client>, TargetError> {
        match &self.postgres {
            Some(url) => Ok(Some(PostgresUrl::parse(url)?.connect().await?)),
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
        let url = format!("{}/stats", self.http.as_ref()?.trim_end_matches('/'));
        tokio::task::spawn_blocking(move || ureq::get(&url).call().ok()?.body_mut().read_json().ok())
            .await
            .ok()
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_addresses_are_refused() {
        assert!(loopback("127.0.0.1:1883").is_ok());
        assert!(loopback("[::1]:1883").is_ok());
        assert!(matches!(loopback("10.1.2.3:1883"), Err(TargetError::NotLoopback(_))));
        assert!(matches!(loopback("nonsense"), Err(TargetError::Address(_))));
    }
}
