//! A database for one test: on the shared servers, or on a server of its own that the test may kill.

use crate::harness::{Harness, PrivateStack, connect_postgres};
use genims_databases::{MongoSettings, PostgresSettings, Registry, schema};
use genims_dev::{Server, Stack};
use genims_model::Cause;
use genims_stores::mongo::MongoNames;
use genims_stores::postgres::Connector;
use libtest_mimic::Trial;
use mongodb::bson::Document;
use mongodb::{Client, Collection, Database};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

/// Whose server it is.
#[derive(Clone, Copy)]
pub(super) enum Whose {
    Shared,
    /// Needed where a test stops its server or changes what other tests would notice.
    Own,
}

enum Place {
    Shared(&'static Stack),
    Own(PrivateStack),
}

impl Place {
    fn new(harness: &'static Harness, whose: Whose, server: Server) -> Self {
        match whose {
            Whose::Shared => Self::Shared(harness.stack()),
            Whose::Own => Self::Own(harness.private_stack(&[server])),
        }
    }

    fn stack(&self) -> &Stack {
        match self {
            Self::Shared(stack) => stack,
            Self::Own(stack) => stack,
        }
    }

    fn kill(&self, server: Server) {
        let Self::Own(stack) = self else { panic!("the shared servers are not to be killed") };
        tokio::task::block_in_place(|| stack.kill_server(server)).unwrap();
    }

    fn up(&self, server: Server) {
        tokio::task::block_in_place(|| self.stack().start_server(server)).unwrap();
    }
}

/// `genims_operations_db` under a name of the test's own. Nobody made partitions: that is left to the sink.
pub(super) struct Postgres {
    place: Place,
    url: String,
}

impl Postgres {
    fn new(harness: &'static Harness, whose: Whose) -> Self {
        let place = Place::new(harness, whose, Server::Postgres);
        let url = harness.postgres_database(place.stack());
        let registry = Registry::load(None).unwrap();
        harness.block_on(async {
            let client = connect_postgres(&url).await;
            for file in schema::files(registry.get("operations").unwrap()) {
                client.batch_execute(file.text).await.unwrap_or_else(|error| panic!("{}: {error}", file.name));
            }
        });
        Self { place, url }
    }

    pub(super) async fn connect(&self) -> tokio_postgres::Client {
        connect_postgres(&self.url).await
    }

    /// Makes the sink's connections as the server does.
    pub(super) fn connector(&self) -> impl Connector + use<> {
        let settings = PostgresSettings::from_url("operations", &self.url).unwrap();
        move || {
            let settings = settings.clone();
            async move { settings.connect().await.map_err(|error| Box::new(error) as Cause) }
        }
    }

    /// Where the server listens.
    pub(super) fn address(&self) -> SocketAddr {
        address_in(&self.url)
    }

    /// As [`Self::connector`], by way of another address, where what is said can be read.
    pub(super) fn connector_through(&self, address: SocketAddr) -> impl Connector + use<> {
        let url = self.url.replace(&self.address().to_string(), &address.to_string()) + "?sslmode=disable";
        let settings = PostgresSettings::from_url("operations", &url).unwrap();
        move || {
            let settings = settings.clone();
            async move { settings.connect().await.map_err(|error| Box::new(error) as Cause) }
        }
    }

    /// As [`Self::connector`], with the rights of a role.
    pub(super) fn connector_as(&self, role: &'static str) -> impl Connector + use<> {
        let settings = PostgresSettings::from_url("operations", &self.url).unwrap();
        move || {
            let settings = settings.clone();
            async move {
                let client = settings.connect().await.map_err(|error| Box::new(error) as Cause)?;
                client.batch_execute(&format!("SET ROLE {role}")).await?;
                Ok::<_, Cause>(client)
            }
        }
    }

    /// At once, as a power failure would.
    pub(super) fn kill(&self) {
        self.place.kill(Server::Postgres);
    }

    pub(super) fn up(&self) {
        self.place.up(Server::Postgres);
    }
}

/// `genims_production` and the bookkeeping beside it, under names of the test's own; empty.
pub(super) struct Mongo {
    place: Place,
    pub(super) names: MongoNames,
}

impl Mongo {
    fn new(harness: &'static Harness, whose: Whose) -> Self {
        let place = Place::new(harness, whose, Server::Mongodb);
        let names = MongoNames { database: harness.unique("production"), internal: harness.unique("internal") };
        Self { place, names }
    }

    pub(super) async fn client(&self) -> Client {
        let url = format!("{}&serverSelectionTimeoutMS=1000&appName=genims-test", self.place.stack().mongodb_url());
        Client::with_uri_str(url).await.unwrap()
    }

    /// Where the server listens.
    pub(super) fn address(&self) -> SocketAddr {
        address_in(&self.place.stack().mongodb_url())
    }

    /// As the server makes it, by way of another address.
    pub(super) async fn client_through(&self, address: SocketAddr) -> Client {
        let url = self.place.stack().mongodb_url().replace(&self.address().to_string(), &address.to_string());
        MongoSettings::from_url("production", &url).unwrap().client().await.unwrap()
    }

    pub(super) async fn production(&self) -> Database {
        self.client().await.database(&self.names.database)
    }

    /// Of the sink's bookkeeping.
    pub(super) async fn internal(&self, name: &str) -> Collection<Document> {
        self.client().await.database(&self.names.internal).collection(name)
    }

    pub(super) fn kill(&self) {
        self.place.kill(Server::Mongodb);
    }

    pub(super) fn up(&self) {
        self.place.up(Server::Mongodb);
    }
}

/// The host and port of a URL.
pub(super) fn address_in(url: &str) -> SocketAddr {
    let authority = url.split("://").nth(1).unwrap().split(['/', '?']).next().unwrap();
    authority.rsplit('@').next().unwrap().parse().unwrap()
}

/// An async test on a database; the database outlives it, so that servers are stopped outside async code.
fn trial<D: 'static, F: Future<Output = ()> + 'static>(
    harness: &'static Harness,
    name: String,
    whose: Whose,
    make: fn(&'static Harness, Whose) -> D,
    test: fn(Arc<D>) -> F,
) -> Trial {
    harness.trial_of(name, move || {
        let database = Arc::new(make(harness, whose));
        harness.block_on(test(database.clone()));
    })
}

pub(super) fn postgres_trial<F: Future<Output = ()> + 'static>(
    harness: &'static Harness,
    name: &str,
    whose: Whose,
    test: fn(Arc<Postgres>) -> F,
) -> Trial {
    trial(harness, format!("sink::postgres::{name}"), whose, Postgres::new, test)
}

pub(super) fn mongodb_trial<F: Future<Output = ()> + 'static>(
    harness: &'static Harness,
    name: &str,
    whose: Whose,
    test: fn(Arc<Mongo>) -> F,
) -> Trial {
    trial(harness, format!("sink::mongodb::{name}"), whose, Mongo::new, test)
}
