//! A clock of ours that is a day off is noticed against those of the databases, and said: it would make dead letters of all readings.
//!
//! Here the databases answer with clocks of their own, which is as good as ours being off.

use crate::harness::{Harness, write_env};
use crate::monitoring;
use crate::running::eventually;
use crate::sender::{Load, LoadOptions};
use crate::server::{PATIENCE, Plant, Setup};
use crate::stream::{now_ms, send};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("clocks::a_day_off_that_of_postgresql_is_said", off_postgresql),
        harness.trial("clocks::a_day_off_that_of_mongodb_is_said", off_mongodb),
    ]
}

fn clocks(plant: &Plant) -> Vec<Value> {
    plant.stats()["clocks"].as_array().unwrap().clone()
}

fn clock(plant: &Plant, name: &str) -> Value {
    clocks(plant).into_iter().find(|clock| clock["database"] == name).unwrap_or_default()
}

fn is_measured(plant: &Plant, name: &str) -> bool {
    clock(plant, name)["offset_seconds"].is_number()
}

/// Our clock is a day behind this database's.
#[track_caller]
fn is_a_day_behind(plant: &Plant, name: &str) {
    eventually("its clock", PATIENCE, || is_measured(plant, name));
    let found = clock(plant, name);
    let offset = found["offset_seconds"].as_f64().unwrap();
    assert!((86_390.0..86_410.0).contains(&offset), "{found}");
    assert!(found["complaint"].as_str().unwrap().contains(&format!("s behind that of {name}")), "{found}");
    let (_, ready) = plant.get("/readyz").unwrap();
    assert!(ready.starts_with("ready\n") && ready.contains("clock: this server's clock is"), "{ready}");
    assert!(ready.contains(&format!("behind that of {name}")), "{ready}");
    let (_, metrics) = plant.get("/metrics").unwrap();
    let sample = format!("genims_clock_offset_seconds{{database=\"{name}\"}} ");
    let value = metrics.lines().find_map(|line| line.strip_prefix(&sample)?.parse::<f64>().ok());
    assert!(value.is_some_and(|value| (86_390.0..86_410.0).contains(&value)), "{metrics}");
    monitoring::fires(plant, &["GenimsClockWrong"]);
}

#[track_caller]
fn is_right(plant: &Plant, name: &str) {
    eventually("its clock", PATIENCE, || is_measured(plant, name));
    assert_eq!(clock(plant, name)["complaint"], Value::Null);
}

fn off_postgresql(harness: &'static Harness) {
    let plant = Plant::prepare(harness, &Setup::default());
    let off = "CREATE SCHEMA off;
         CREATE FUNCTION off.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
             $$ SELECT pg_catalog.clock_timestamp() + interval '1 day' $$;
         ALTER DATABASE genims_operations_db SET search_path = off, pg_catalog, public";
    plant.execute("genims_operations_db", off);
    plant.serve();
    is_a_day_behind(&plant, "genims_operations_db");
    is_right(&plant, "genims_production");
    assert_eq!(plant.log_text().matches("synchronise both").count(), 1);
    // Of a device whose clock is right, where ours is a day behind: set aside, and why is said above.
    let sensor = plant.sensor();
    let reading = json!({ "value": 21.5, "timestamp_ms": now_ms() + 86_400_000 });
    send(harness, &plant, &[(sensor.topic(), reading.to_string())]);
    let stats = plant.idle();
    assert_eq!((&stats["total"]["dead_lettered"], &stats["identity_holds"]), (&1.into(), &true.into()), "{stats:#}");
    plant.terminate();
    plant.execute("genims_operations_db", "ALTER DATABASE genims_operations_db RESET search_path");
    plant.serve();
    is_right(&plant, "genims_operations_db");
    plant.terminate();
}

fn off_mongodb(harness: &'static Harness) {
    let plant = Plant::prepare(harness, &Setup::default());
    let url = plant.stack.mongodb_url();
    let authority = url.split("://").nth(1).unwrap().split(['/', '?']).next().unwrap();
    let server: SocketAddr = authority.rsplit('@').next().unwrap().parse().unwrap();
    let proxy = harness.block_on(a_day_ahead_of(server));
    let environment = fs::read_to_string(plant.folder.join(".env")).unwrap();
    let through = environment.replace(&server.to_string(), &proxy.to_string());
    assert_ne!(through, environment);
    write_env(&plant.folder.join(".env"), &through);
    plant.serve();
    is_a_day_behind(&plant, "genims_production");
    is_right(&plant, "genims_operations_db");
    assert_eq!(plant.log_text().matches("synchronise both").count(), 1);
    // Said, and nothing else: readings are stored as ever.
    let load = Load::start(&plant, &LoadOptions::usual("off"));
    eventually("acknowledgements", PATIENCE, || load.acked() > 1_000);
    load.finish(PATIENCE);
    let stats = plant.idle();
    assert_eq!((&stats["total"]["dead_lettered"], &stats["identity_holds"]), (&0.into(), &true.into()), "{stats:#}");
    plant.terminate();

    // The same where MongoDB is the only database that the stream goes to.
    let configuration = fs::read_to_string(plant.folder.join("genims.toml")).unwrap();
    let alone = configuration.replace("[[sinks]]\ntype = \"postgres\"\n", "");
    assert_ne!(alone, configuration);
    fs::write(plant.folder.join("genims.toml"), alone).unwrap();
    plant.serve();
    is_a_day_behind(&plant, "genims_production");
    assert_eq!(clocks(&plant).len(), 1);
    plant.terminate();
    write_env(&plant.folder.join(".env"), environment);
    plant.serve();
    is_right(&plant, "genims_production");
    plant.terminate();
}

/// An address at which the server answers with a clock that is a day ahead.
async fn a_day_ahead_of(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(upstream) = TcpStream::connect(server).await else { continue };
            let (mut from_client, to_client) = client.into_split();
            let (from_server, mut to_server) = upstream.into_split();
            tokio::spawn(async move {
                // The end of either side ends both.
                let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
            });
            tokio::spawn(shifted(from_server, to_client));
        }
    });
    address
}

/// Message by message, as MongoDB's protocol has them: a length that counts itself, and the rest.
async fn shifted(mut server: OwnedReadHalf, mut client: OwnedWriteHalf) {
    const DAY_MS: i64 = 86_400_000;
    /// A field of type date in BSON.
    const LOCAL_TIME: &[u8] = b"\x09localTime\0";
    while let Ok(length) = server.read_i32_le().await {
        let mut message = vec![0; length as usize];
        message[..4].copy_from_slice(&length.to_le_bytes());
        if server.read_exact(&mut message[4..]).await.is_err() {
            return;
        }
        if let Some(field) = message.windows(LOCAL_TIME.len()).position(|bytes| bytes == LOCAL_TIME) {
            let at = field + LOCAL_TIME.len();
            let time = i64::from_le_bytes(message[at..at + 8].try_into().unwrap());
            message[at..at + 8].copy_from_slice(&(time + DAY_MS).to_le_bytes());
        }
        if client.write_all(&message).await.is_err() {
            return;
        }
    }
}
