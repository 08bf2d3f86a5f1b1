//! Databases for events that are routed, on servers that these tests share: each test has a PostgreSQL database, a MariaDB database
//! with a user, and a MongoDB database of its own.

use super::plant::{Plant, Sink};
use super::servers::address_in;
use crate::harness::{Harness, PrivateStack, connect_postgres};
use crate::{positions, routes};
use genims_databases::{MongoSettings, MysqlConnection, MysqlSettings, PostgresSettings, Registry};
use genims_dev::{Server, Stack};
use genims_model::Cause;
use genims_routes::Routes;
use genims_stores::postgres::Connector;
use genims_stores::routed::mongo::RoutedMongo;
use genims_stores::routed::mysql::RoutedMysql;
use genims_stores::routed::postgres::RoutedPostgres;
use genims_stores::routed::progress::Routed;
use libtest_mimic::Trial;
use mongodb::{Client, Database};
use mysql_async::prelude::Queryable;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

const BATCH_SIZE: usize = 5_000;

pub(super) struct Databases {
    stack: &'static Stack,
    /// Of the databases, of MariaDB's user, and of MongoDB's client.
    pub(super) name: String,
    /// The sinks' name in bookkeeping that tests share.
    sink: &'static str,
    routes: Routes,
    slow: Routes,
}

pub(super) fn routed_trial<F: Future<Output = ()> + 'static>(
    harness: &'static Harness,
    name: &str,
    test: fn(Arc<Databases>) -> F,
) -> Trial {
    harness.trial_of(format!("sink::routed::{name}"), move || {
        let databases = Arc::new(harness.block_on(Databases::new(harness, shared(harness))));
        harness.block_on(test(databases));
    })
}

fn shared(harness: &'static Harness) -> &'static Stack {
    static STACK: OnceLock<PrivateStack> = OnceLock::new();
    STACK.get_or_init(|| {
        let stack = harness.private_stack(&[Server::Postgres, Server::Mariadb, Server::Mongodb]);
        let mut command = harness.command(&["provision", "--only", "hr", "--only", "audit"]);
        command.env("GENIMS_POSTGRES_URL", stack.postgres_url("postgres"));
        let output = command.env("GENIMS_MYSQL_URL", stack.mysql_url("")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        stack
    })
}

impl Databases {
    async fn new(harness: &'static Harness, stack: &'static Stack) -> Self {
        let name = harness.unique("routed");
        let postgres = connect_postgres(&stack.postgres_url("postgres")).await;
        postgres.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE genims_hr_db")).await.unwrap();
        let mut mysql = mysql_async::Conn::from_url(stack.mysql_url("")).await.unwrap();
        for statement in [
            format!("CREATE DATABASE {name}"),
            format!("CREATE TABLE {name}.business_alerts LIKE genims_audit_db.business_alerts"),
            format!("CREATE USER {name}@'%' IDENTIFIED BY 'secret'"),
            format!("GRANT ALL ON *.* TO {name}@'%'"),
        ] {
            mysql.query_drop(statement).await.unwrap();
        }
        mysql.disconnect().await.unwrap();
        let texts = || routes::EACH.into_iter().chain(positions::EACH);
        let slow = |(file, text): (&'static str, &str)| {
            (file, text.replace("alert_message = \"'a state'\"", "alert_message = \"CONCAT('slept ', SLEEP(0.01))\""))
        };
        let routes = Self::routes(harness, texts().map(|(file, text)| (file, text.to_owned())));
        let slow = Self::routes(harness, texts().map(slow));
        let sink: &'static str = Box::leak(name.clone().into_boxed_str());
        Self { stack, name, sink, routes, slow }
    }

    fn routes(harness: &Harness, files: impl Iterator<Item = (&'static str, String)>) -> Routes {
        let folder = harness.folder("routes");
        files.for_each(|(file, text)| std::fs::write(folder.join(file), text).unwrap());
        Routes::load(&Registry::load(None).unwrap(), Some(&folder)).unwrap()
    }

    fn routed(routes: &Routes, database: &str) -> Arc<Routed> {
        Arc::new(Routed::new(routes.of(database).unwrap().clone()))
    }

    fn mysql_url(&self) -> String {
        format!("mysql://{}:secret@{}/{}?ssl-mode=DISABLED", self.name, self.mysql_address(), self.name)
    }

    pub(super) fn postgres_address(&self) -> SocketAddr {
        address_in(&self.stack.postgres_url("postgres"))
    }

    pub(super) fn mysql_address(&self) -> SocketAddr {
        address_in(&self.stack.mysql_url(""))
    }

    pub(super) fn mongo_address(&self) -> SocketAddr {
        address_in(&self.stack.mongodb_url())
    }

    pub(super) async fn connect_postgres(&self) -> tokio_postgres::Client {
        connect_postgres(&self.stack.postgres_url(&self.name)).await
    }

    /// As the superuser.
    pub(super) async fn connect_mysql(&self) -> MysqlConnection {
        mysql_async::Conn::from_url(self.stack.mysql_url(&self.name)).await.unwrap()
    }

    pub(super) async fn mongo_client(&self) -> Client {
        Client::with_uri_str(self.stack.mongodb_url()).await.unwrap()
    }

    pub(super) async fn mongo_database(&self) -> Database {
        self.mongo_client().await.database(&self.name)
    }

    /// Of the test's own user, after so many seconds.
    pub(super) async fn bound_statements_of_mysql(&self, seconds: &str) {
        let statement = format!("ALTER USER {}@'%' WITH MAX_STATEMENT_TIME {seconds}", self.name);
        self.connect_mysql().await.query_drop(statement).await.unwrap();
    }

    /// A sink behind the wire at `address`, on which what is said can be read, and what it has done.
    pub(super) fn follow_postgres(&self, plant: &Plant, address: SocketAddr) -> (Sink, Arc<Routed>) {
        let (target, routed) = self.target_in_postgres(plant, address);
        (plant.follow(target, false, BATCH_SIZE), routed)
    }

    pub(super) fn target_in_postgres(
        &self,
        plant: &Plant,
        address: SocketAddr,
    ) -> (RoutedPostgres<impl Connector + use<>>, Arc<Routed>) {
        let url = self.stack.postgres_url(&self.name);
        let url = url.replace(&self.postgres_address().to_string(), &address.to_string()) + "?sslmode=disable";
        let settings = PostgresSettings::from_url("hr", &url).unwrap();
        let connect = move || {
            let settings = settings.clone();
            async move { settings.connect().await.map_err(|error| Box::new(error) as Cause) }
        };
        let routed = Self::routed(&self.routes, "genims_hr_db");
        (RoutedPostgres::new(self.sink, connect, plant.directory.clone(), routed.clone()), routed)
    }

    pub(super) fn follow_mysql(&self, plant: &Plant, address: SocketAddr) -> (Sink, Arc<Routed>) {
        self.follow_mysql_by(&self.routes, plant, address)
    }

    /// By a route that takes its time.
    pub(super) fn follow_mysql_slowly(&self, plant: &Plant) -> (Sink, Arc<Routed>) {
        self.follow_mysql_by(&self.slow, plant, self.mysql_address())
    }

    fn follow_mysql_by(&self, routes: &Routes, plant: &Plant, address: SocketAddr) -> (Sink, Arc<Routed>) {
        let (target, routed) = self.target_in_mysql(routes, plant, address);
        (plant.follow(target, false, BATCH_SIZE), routed)
    }

    pub(super) fn usual_target_in_mysql(&self, plant: &Plant) -> (RoutedMysql, Arc<Routed>) {
        self.target_in_mysql(&self.routes, plant, self.mysql_address())
    }

    fn target_in_mysql(&self, routes: &Routes, plant: &Plant, address: SocketAddr) -> (RoutedMysql, Arc<Routed>) {
        let url = self.mysql_url().replace(&self.mysql_address().to_string(), &address.to_string());
        let settings = MysqlSettings::from_url("audit", &url).unwrap();
        let routed = Self::routed(routes, "genims_audit_db");
        (RoutedMysql::new(self.sink, settings, plant.directory.clone(), routed.clone()), routed)
    }

    pub(super) async fn follow_mongo(&self, plant: &Plant, address: SocketAddr) -> (Sink, Arc<Routed>) {
        let (target, routed) = self.target_in_mongo(plant, address).await;
        (plant.follow(target, false, BATCH_SIZE), routed)
    }

    pub(super) async fn target_in_mongo(&self, plant: &Plant, address: SocketAddr) -> (RoutedMongo, Arc<Routed>) {
        let url = self.stack.mongodb_url().replace(&self.mongo_address().to_string(), &address.to_string());
        let settings = MongoSettings::from_url("production", &format!("{url}&appName={}", self.name)).unwrap();
        let client = settings.client().await.unwrap();
        let routed = Self::routed(&self.routes, "genims_production");
        (RoutedMongo::new(self.sink, client, self.name.clone(), plant.directory.clone(), routed.clone()), routed)
    }
}
