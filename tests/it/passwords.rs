//! Passwords of every kind, in `.env` files as people write them: each connects, or is refused with what to write.

use crate::harness::{Harness, connect_postgres, write_env};
use genims_databases::{DatabaseError, Environment, MongoSettings, MysqlSettings, PostgresSettings, Registry};
use genims_dev::{Server, Stack};
use libtest_mimic::Trial;
use mongodb::bson::doc;
use mysql_async::prelude::Queryable;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::path::Path;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![harness.trial("passwords::each_connects_or_is_refused_with_what_to_write", each_connects_or_is_refused)]
}

const PASSWORDS: [&str; 15] = [
    "plain",
    "p$PATH",
    "p${HOME}x",
    "p%ss",
    "p%41",
    "p@ss",
    "p:ss",
    "p#ss",
    "p #ss",
    "p\\nss",
    "p ss",
    "it's",
    "\"q\"",
    "p/s?s",
    "\u{e4}\u{20ac} $%@:#\\",
];

/// A login of all three servers, whose password changes.
struct Logins<'a> {
    stack: &'a Stack,
    name: String,
}

impl Logins<'_> {
    async fn set(&self, password: &str) {
        let name = &self.name;
        let client = connect_postgres(&self.stack.postgres_url("postgres")).await;
        let quoted = password.replace('\'', "''");
        let make = format!(
            "SET standard_conforming_strings = on; DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN PASSWORD '{quoted}'"
        );
        client.batch_execute(&make).await.unwrap();
        let server = MysqlSettings::from_url("mysql", &self.stack.mysql_url("mysql")).unwrap();
        let mut connection = server.connect().await.unwrap();
        let quoted = password.replace('\\', "\\\\").replace('\'', "''");
        let make = format!("CREATE OR REPLACE USER '{name}'@'127.0.0.1' IDENTIFIED BY '{quoted}'");
        connection.query_drop(make).await.unwrap();
        connection.disconnect().await.unwrap();
        let admin = mongodb::Client::with_uri_str(self.stack.mongodb_url()).await.unwrap().database("admin");
        let _ = admin.run_command(doc! { "dropUser": name }).await;
        admin.run_command(doc! { "createUser": name, "pwd": password, "roles": ["root"] }).await.unwrap();
    }

    /// One `.env` line each for the URLs of the three, with this text behind the login's name.
    fn urls(&self, behind: &str, quote: &str) -> String {
        let (name, stack) = (&self.name, self.stack);
        let url = |scheme: &str, server: Server, rest: &str| {
            format!("{scheme}://{name}{behind}@127.0.0.1:{}/{rest}", stack.port(server))
        };
        let postgres = url("postgresql", Server::Postgres, "postgres");
        let mysql = url("mysql", Server::Mariadb, "");
        let mongodb = url("mongodb", Server::Mongodb, "?authSource=admin&directConnection=true");
        [("GENIMS_HR_DB_URL", postgres), ("GENIMS_AUDIT_DB_URL", mysql), ("GENIMS_MONGODB_URL", mongodb)]
            .map(|(name, url)| format!("{name}={quote}{url}{quote}\r\n"))
            .concat()
    }

    /// Connects to all three as the file says; each one's error.
    async fn connect(&self, file: &Path) -> [Result<(), DatabaseError>; 3] {
        let environment = match Environment::load(Some(file)) {
            Ok(environment) => environment,
            Err(error) => {
                let text = error.to_string();
                return [(); 3].map(|()| Err(DatabaseError::Dotenv { path: String::new(), cause: text.clone() }));
            }
        };
        let registry = Registry::load(None).unwrap();
        let of = |module: &str| registry.get(module).unwrap();
        let postgres =
            async { PostgresSettings::from_environment(of("hr"), &environment)?.connect().await.map(|_| ()) };
        let mysql = async {
            let settings = MysqlSettings::from_environment(of("audit"), &environment)?;
            settings.connect_to_server().await?.disconnect().await.map_err(|error| settings.error(error))
        };
        let mongodb = async {
            let settings = MongoSettings::from_environment(of("genims_production"), &environment)?;
            let asked = settings.client().await?.list_database_names().await;
            asked.map(|_| ()).map_err(|error| settings.error(error))
        };
        [postgres.await, mysql.await, mongodb.await]
    }
}

fn each_connects_or_is_refused(harness: &'static Harness) {
    let logins = Logins { stack: harness.stack(), name: harness.unique("odd") };
    let file = harness.folder("passwords").join(".env");
    let passwords = |quoted: &str| {
        ["GENIMS_HR_DB_PASSWORD", "GENIMS_AUDIT_DB_PASSWORD", "GENIMS_MONGODB_PASSWORD"]
            .map(|name| format!("{name}={quoted}\r\n"))
            .concat()
    };
    harness.block_on(async {
        for password in PASSWORDS {
            logins.set(password).await;
            let escaped = format!("\"{}\"", password.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$"));
            let encoded = utf8_percent_encode(password, NON_ALPHANUMERIC).to_string();
            // Whether the form must work; what needs not must say what to write.
            let forms = [
                (logins.urls("", "") + &passwords(&escaped), true),
                (
                    logins.urls("", "'") + &passwords(&format!("'{password}'")),
                    !password.contains('\'') && !password.ends_with('\\'),
                ),
                (logins.urls(&format!(":{encoded}"), ""), true),
                (logins.urls("", "") + &passwords(password), false),
                (logins.urls(&format!(":{password}"), "'"), false),
                (logins.urls(&format!(":{password}"), ""), false),
            ];
            for (text, works) in forms {
                // As an editor of Windows saves it.
                write_env(&file, format!("\u{feff}# a comment\r\n{text}"));
                for outcome in logins.connect(&file).await {
                    let Err(error) = outcome else { continue };
                    assert!(!works, "{text}: {error}");
                    let refused = matches!(error, DatabaseError::BadUrl { .. } | DatabaseError::Dotenv { .. });
                    let remedy = error.to_string();
                    // What is written %41 in a URL means A, what stands in quotes means what is inside, whoever reads it.
                    let is_meant = (password == "p%41" && text.contains(":p%41@"))
                        || (password == "\"q\"" && text.contains("_PASSWORD=\"q\""));
                    assert!(is_meant || (refused && remedy.contains("write")), "{text}: {remedy}");
                    assert!(password == "plain" || !remedy.contains(password), "{remedy}");
                }
            }
        }
    });
}
