//! All 17 databases, provisioned on servers of one test's own, and the real binary beside them.

use crate::harness::{Harness, PrivateStack, connect_postgres};
use genims_databases::{Engine, Environment, MysqlSettings, Registry};
use genims_dev::{Server, Stack};
use mongodb::bson::doc;
use mysql_async::prelude::Queryable;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

pub(crate) struct Platform {
    harness: &'static Harness,
    pub(crate) stack: PrivateStack,
    pub(crate) folder: PathBuf,
    /// Where each server is; a database's own variable may be put before them.
    variables: Vec<(String, String)>,
}

const SERVERS: [Server; 3] = [Server::Postgres, Server::Mariadb, Server::Mongodb];

/// Whether a private MongoDB deletes what has expired; then at once.
pub(crate) async fn let_expire(stack: &Stack, expire: bool) {
    let client = mongodb::Client::with_uri_str(stack.mongodb_url()).await.unwrap();
    let set = doc! { "setParameter": 1, "ttlMonitorEnabled": expire, "ttlMonitorSleepSecs": 1 };
    client.database("admin").run_command(set).await.unwrap();
}

impl Platform {
    pub(crate) fn new(harness: &'static Harness) -> Self {
        Self::copy_of(harness, "provisioned", || Self::provisioned(harness))
    }

    /// See [`Harness::copy_of`].
    pub(crate) fn copy_of(harness: &'static Harness, name: &'static str, make: impl FnOnce() -> Self) -> Self {
        Self::on(harness, harness.copy_of(name, &SERVERS, || make().stack))
    }

    fn on(harness: &'static Harness, stack: PrivateStack) -> Self {
        let variables = [
            ("GENIMS_POSTGRES_URL", stack.postgres_url("postgres")),
            ("GENIMS_MYSQL_URL", stack.mysql_url("")),
            ("GENIMS_MONGODB_URL", stack.mongodb_url()),
        ];
        let variables = variables.map(|(name, url)| (name.to_owned(), url)).to_vec();
        Self { harness, stack, folder: harness.folder("platform"), variables }
    }

    fn provisioned(harness: &'static Harness) -> Self {
        let platform = Self::on(harness, harness.private_stack(&SERVERS));
        let provisioned = platform.cli(&["provision"], &[]);
        assert!(provisioned.status.success(), "{}", String::from_utf8_lossy(&provisioned.stdout));
        // What the server has to remark while its schema is made is nobody's news.
        let said = String::from_utf8_lossy(&provisioned.stderr);
        assert!(!said.contains("NOTICE") && !said.contains("INFO"), "{said}");
        // A line a database and a few about all of them, where each of 401 steps had one.
        let summary = String::from_utf8_lossy(&provisioned.stdout).into_owned();
        assert!((17..=30).contains(&summary.lines().count()), "{summary}");
        platform
    }

    /// What a program finds in its environment; `more` wins.
    pub(crate) fn environment(&self, more: &[(&str, &str)]) -> Environment {
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Environment::from_pairs(self.variables.iter().cloned().chain(more))
    }

    /// Where each server is, for programs that are started elsewhere.
    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// The real binary, to its end.
    pub(crate) fn cli(&self, arguments: &[&str], more: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_genims"));
        command.args(arguments).current_dir(&self.folder).env_clear().stdin(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).envs(more.iter().copied());
        command.output().unwrap()
    }

    /// The real binary, left running: for tests that kill it.
    pub(crate) fn start(&self, arguments: &[&str], more: &[(&str, &str)]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_genims"));
        command.args(arguments).current_dir(&self.folder).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).stderr(Stdio::null());
        command.envs(more.iter().copied()).spawn().unwrap()
    }

    /// See [`let_expire`].
    pub(crate) fn expire(&self, expire: bool) {
        self.harness.block_on(let_expire(&self.stack, expire));
    }

    /// Marks all rows of PostgreSQL as seen by all. In each copy of a stack that was just filled the first readers would do so row by
    /// row, with every page logged whole because it has a checksum, and autovacuum once more behind them.
    pub(crate) fn settle(&self) {
        let registry = Registry::load(None).unwrap();
        let filled = registry.all().iter().filter(|database| database.engine == Engine::Postgresql);
        self.harness.block_on(async {
            for database in filled {
                let client = connect_postgres(&self.stack.postgres_url(&database.name)).await;
                client.batch_execute("VACUUM (FREEZE)").await.unwrap();
            }
        });
    }

    /// Statements in a PostgreSQL database, foreign keys asleep: a test may break what the server would refuse.
    pub(crate) fn execute(&self, database: &str, sql: &str) {
        self.harness.block_on(async {
            let client = connect_postgres(&self.stack.postgres_url(database)).await;
            client.batch_execute("SET session_replication_role = replica").await.unwrap();
            client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        });
    }

    /// The first column of what a statement answers in a MySQL database.
    pub(crate) fn mysql(&self, database: &str, sql: &str) -> Vec<String> {
        self.harness.block_on(async {
            let settings = MysqlSettings::from_url(database, &self.stack.mysql_url(database)).unwrap();
            let mut connection = settings.connect().await.unwrap();
            let rows = connection.query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            connection.disconnect().await.unwrap();
            rows
        })
    }
}
