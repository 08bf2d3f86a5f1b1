//! What a stack shows: addresses, pids, logs, status.

use super::env_file::{self, EnvFile};
use super::error::{DevstackError, Result};
use super::stack::Stack;
use super::{Server, mariadb, mongod, postgres, tail};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StackStatus {
    pub dir: PathBuf,
    pub ca_file: PathBuf,
    pub servers: BTreeMap<Server, ServerStatus>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerStatus {
    pub url: String,
    pub running: bool,
    pub pid: Option<u32>,
    pub dir: PathBuf,
    pub port: u16,
    pub log: PathBuf,
}

impl Stack {
    /// Writes the addresses to `path`, unless somebody else wrote the file that is there.
    pub fn write_env_file(&self, path: &Path) -> Result<EnvFile> {
        let variables = [
            ("GENIMS_POSTGRES_URL", self.postgres_url("postgres")),
            ("GENIMS_MYSQL_URL", self.mysql_url("")),
            ("GENIMS_MONGODB_URL", self.mongodb_url()),
            ("GENIMS_MQTT_URL", self.mqtt_url()),
            ("GENIMS_MQTT_ADDRESS", self.mqtt_address().to_string()),
            ("GENIMS_MQTTS_ADDRESS", self.mqtts_address().to_string()),
            ("GENIMS_TLS_CA_FILE", self.ca_file().to_string_lossy().into_owned()),
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", self.port(Server::Postgres).to_string()),
            ("PGUSER", postgres::SUPERUSER.to_owned()),
            ("PGPASSWORD", self.password().to_owned()),
        ];
        env_file::write(self.folder(), &variables, path)
    }

    pub fn folder(&self) -> &Path {
        self.place.folder()
    }

    pub fn password(&self) -> &str {
        &self.password
    }

    pub fn port(&self, server: Server) -> u16 {
        self.state().record(server).port
    }

    /// The superuser's URL; TLS is offered on the same port.
    pub fn postgres_url(&self, database: &str) -> String {
        let port = self.port(Server::Postgres);
        format!("postgres://{}:{}@127.0.0.1:{port}/{database}", postgres::SUPERUSER, self.password)
    }

    pub fn mysql_url(&self, database: &str) -> String {
        let port = self.port(Server::Mariadb);
        format!("mysql://{}:{}@127.0.0.1:{port}/{database}", mariadb::SUPERUSER, self.password)
    }

    pub fn mongodb_url(&self) -> String {
        let port = self.port(Server::Mongodb);
        format!(
            "mongodb://{}:{}@127.0.0.1:{port}/?authSource=admin&directConnection=true",
            mongod::SUPERUSER,
            self.password
        )
    }

    pub fn mqtt_url(&self) -> String {
        format!("mqtt://{}", self.mqtt_address())
    }

    pub fn mqtt_address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port(Server::Mosquitto)))
    }

    pub fn mqtts_address(&self) -> SocketAddr {
        let record = *self.state().record(Server::Mosquitto);
        SocketAddr::from((Ipv4Addr::LOCALHOST, record.tls_port.unwrap_or(record.port)))
    }

    /// The authority that signed the servers' certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.place.tls().ca
    }

    /// The servers' certificate, for localhost and 127.0.0.1, and its key.
    pub fn certificate_files(&self) -> [PathBuf; 2] {
        let files = self.place.tls();
        [files.certificate, files.key]
    }

    /// `None` when the server is not running.
    pub fn pid(&self, server: Server) -> Option<u32> {
        self.running(server).map(|process| process.pid)
    }

    pub fn log_file(&self, server: Server) -> PathBuf {
        self.place.log(server)
    }

    /// The last lines of a server's log; empty when it has never run.
    pub fn log_tail(&self, server: Server, lines: usize) -> Result<String> {
        let path = self.place.log(server);
        match fs::read(&path) {
            Ok(bytes) => Ok(tail(&String::from_utf8_lossy(&bytes), lines)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(DevstackError::io("read", &path)(error)),
        }
    }

    pub fn status(&self) -> StackStatus {
        let servers = Server::ALL.into_iter().map(|server| {
            let url = match server {
                Server::Postgres => self.postgres_url("postgres"),
                Server::Mariadb => self.mysql_url(""),
                Server::Mongodb => self.mongodb_url(),
                Server::Mosquitto => self.mqtt_url(),
            };
            let pid = self.pid(server);
            let (dir, log, port) = (self.place.server(server), self.place.log(server), self.port(server));
            (server, ServerStatus { url, running: pid.is_some(), pid, dir, port, log })
        });
        StackStatus { dir: self.folder().to_owned(), ca_file: self.ca_file(), servers: servers.collect() }
    }
}
