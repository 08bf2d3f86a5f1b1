//! What a server must answer before it counts as started: a real query, or for mosquitto the CONNACK.
//!
//! The only file of the development stack that uses database drivers. A probe tries once and is quick; repeating is the
//! caller's business.

use super::{Launch, mariadb, mongod, postgres};
use ::mongodb::bson::doc;
use ::mongodb::options::{ClientOptions, Credential, ServerAddress};
use std::future::Future;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// One attempt; on this machine anything slower is not ready.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Making the first user of mongod includes key derivation and a journal flush.
const FIRST_USER_TIMEOUT: Duration = Duration::from_secs(10);

/// MQTT 3.1.1 CONNECT: clean session, keep alive 10 s, client id "genims-up".
const MQTT_CONNECT: &[u8] = b"\x10\x15\x00\x04MQTT\x04\x02\x00\x0a\x00\x09genims-up";
/// CONNACK: accepted, no session present.
const MQTT_CONNACK: [u8; 4] = [0x20, 0x02, 0x00, 0x00];
const MQTT_DISCONNECT: [u8; 2] = [0xe0, 0x00];

/// `Ok` when the server has answered; otherwise what kept it from answering, for a person.
pub(super) type Answer = Result<(), String>;

pub(super) fn postgres(launch: &Launch<'_>) -> Answer {
    connects(launch.port)?;
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(launch.port).user(postgres::SUPERUSER).password(launch.password);
    config.dbname("postgres").ssl_mode(tokio_postgres::config::SslMode::Disable);
    block_on(PROBE_TIMEOUT, async move {
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.map_err(chain)?;
        let driver = tokio::spawn(connection);
        let answer = client.simple_query("SELECT 1").await.map_err(chain);
        drop(client);
        driver.await.map_err(chain)?.map_err(chain)?;
        answer.map(drop)
    })
}

/// Through MariaDB's own client, which comes with the server: no driver is linked for one query. It is not started before
/// anybody listens.
pub(super) fn mariadb(launch: &Launch<'_>) -> Answer {
    connects(launch.port)?;
    let mut command = launch.command("mariadb").map_err(chain)?;
    command.env("MYSQL_PWD", launch.password);
    command.args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--connect-timeout=2", "--batch"]);
    command.arg(format!("--port={}", launch.port)).arg(format!("--user={}", mariadb::SUPERUSER));
    command.args(["--execute", "SELECT 1"]);
    super::run_to_end(&mut command).map_err(chain)
}

/// `first`: the server has no user yet, or an earlier first start was interrupted before that was written down.
pub(super) fn mongodb(launch: &Launch<'_>, first: bool) -> Answer {
    connects(launch.port)?;
    let plain = mongodb_options(launch.port);
    let mut authorised = plain.clone();
    let credential = Credential::builder().username(mongod::SUPERUSER.to_owned()).password(launch.password.to_owned());
    authorised.credential = Some(credential.source("admin".to_owned()).build());
    let create = doc! { "createUser": mongod::SUPERUSER, "pwd": launch.password, "roles": ["root"] };
    block_on(if first { FIRST_USER_TIMEOUT } else { PROBE_TIMEOUT }, async move {
        let question = doc! { "listDatabases": 1, "nameOnly": true };
        let answer = mongodb_command(authorised.clone(), question.clone()).await;
        if answer.is_ok() || !first {
            return answer;
        }
        mongodb_command(plain, create).await?;
        mongodb_command(authorised, question).await
    })
}

pub(super) fn mosquitto(launch: &Launch<'_>) -> Answer {
    let mut stream = connect(launch.port).map_err(chain)?;
    stream.set_read_timeout(Some(PROBE_TIMEOUT)).map_err(chain)?;
    stream.write_all(MQTT_CONNECT).map_err(chain)?;
    let mut answer = [0; MQTT_CONNACK.len()];
    stream.read_exact(&mut answer).map_err(chain)?;
    if answer != MQTT_CONNACK {
        return Err(format!("CONNACK expected, got {answer:02x?}"));
    }
    stream.write_all(&MQTT_DISCONNECT).map_err(chain)?;
    launch.tls_port.map_or(Ok(()), connects)
}

fn mongodb_options(port: u16) -> ClientOptions {
    ClientOptions::builder()
        .hosts(vec![ServerAddress::Tcp { host: "127.0.0.1".to_owned(), port: Some(port) }])
        .direct_connection(true)
        .connect_timeout(PROBE_TIMEOUT)
        .server_selection_timeout(PROBE_TIMEOUT)
        .build()
}

async fn mongodb_command(options: ClientOptions, command: ::mongodb::bson::Document) -> Answer {
    let client = ::mongodb::Client::with_options(options).map_err(chain)?;
    let answer = client.database("admin").run_command(command).await.map_err(chain);
    client.shutdown().await;
    answer.map(drop)
}

fn connects(port: u16) -> Answer {
    connect(port).map(drop).map_err(chain)
}

fn connect(port: u16) -> std::io::Result<TcpStream> {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PROBE_TIMEOUT)
}

/// Runs a future to its end on a thread of its own, because the caller may be inside a runtime.
fn block_on(limit: Duration, future: impl Future<Output = Answer> + Send) -> Answer {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(chain)?;
        let answer = runtime.block_on(async { tokio::time::timeout(limit, future).await });
        runtime.shutdown_background();
        answer.unwrap_or_else(|_| Err(format!("no answer within {} s", limit.as_secs())))
    };
    std::thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|_| Err("the probe panicked".to_owned()))
}

/// An error with its causes, which drivers keep out of the first line.
fn chain(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
