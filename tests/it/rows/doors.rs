//! Rows through each door: by frames, and held to accounts.

use super::{HR, ORDERS, dead_letters, rows_plant, settled};
use crate::harness::Harness;
use crate::routes::{count, plant_of};
use crate::running::eventually;
use crate::sender::{Answer, Connection, Speech};
use crate::server::{PATIENCE, Plant, Setup};
use genims_decode::frame::encode;
use genims_dev::Server;
use serde_json::{Value, json};
use std::process::Command;

/// Those that rows are taken for, and that changes go to.
const SERVERS: &[Server] = &[Server::Postgres, Server::Mariadb, Server::Mongodb];

/// Waits until the frames up to this one are acknowledged.
fn acked(plant: &Plant, connection: &mut Connection, sequence: u64) {
    loop {
        match connection.answer() {
            Some(Answer::AckedUpTo(to)) if to == sequence => return,
            Some(_) => {}
            None => panic!("closed:\n{}", plant.log_text()),
        }
    }
}

pub(super) fn frames(harness: &'static Harness) {
    let plant = rows_plant(harness, ORDERS);
    plant.serve();
    let mut connection = Connection::open(plant.doors.tcp, Speech::Frames, "hr-program");
    let rows = br#"[{"id": 1, "code": "A"}, {"id": 2, "code": "TOOLONG"}]"#;
    connection.send(|out| encode::rows(1, HR, "t_orders", rows, out));
    // Sent again before and after it was acknowledged: taken once.
    connection.send(|out| encode::rows(1, HR, "t_orders", rows, out));
    connection.send(|out| encode::rows(2, HR, "t_orders", br#"{"upsert": true, "rows": {"id": 1, "code": "B"}}"#, out));
    acked(&plant, &mut connection, 2);
    settled(&plant, 2, 1);
    assert_eq!(count(&plant, HR, "t_orders", "id = 1 AND code = 'B'"), 1);
    let dead_letters =
        plant.query("genims_operations_db", "SELECT topic, client, detail FROM genims_internal.dead_letters");
    let (topic, client, detail): (String, String, String) =
        (dead_letters[0].get(0), dead_letters[0].get(1), dead_letters[0].get(2));
    assert_eq!((topic.as_str(), client.as_str()), ("genims/v1/rows/genims_hr_db/t_orders", "hr-program"));
    assert!(detail.contains("column code: a text of 7 characters"), "{detail}");
    // No client may look like a mark of our own.
    let mut stranger = std::net::TcpStream::connect(plant.doors.tcp).unwrap();
    let mut hello = Vec::new();
    encode::hello("log/rows/x", &mut hello);
    std::io::Write::write_all(&mut stranger, &hello).unwrap();
    let mut answer = Vec::new();
    std::io::Read::read_to_end(&mut stranger, &mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("does not begin with log/"), "{answer:?}");
}

/// A new client's secret.
fn add(plant: &Plant, arguments: &[&str]) -> String {
    let told: Value = serde_json::from_str(&plant.cli_ok(&[&["client", "--json", "add"], arguments].concat())).unwrap();
    told["secret"].as_str().unwrap().to_owned()
}

fn send_logged_in(plant: &Plant, (name, secret): (&str, &str), topic: &str, payload: &Value) -> bool {
    let port = plant.doors.mqtt.port().to_string();
    let mut command = Command::new("mosquitto_pub");
    command.args(["-h", "127.0.0.1", "-p", &port, "-V", "mqttv5", "-u", name, "-P", secret, "-q", "1"]);
    let output = command.args(["-t", topic, "-m", &payload.to_string()]).output().unwrap();
    output.status.success() && !String::from_utf8_lossy(&output.stderr).contains("failed")
}

pub(super) fn accounts(harness: &'static Harness) {
    let more = "[rows]\ndatabases = [\"genims_hr_db\"]\nanonymous = [\"genims_hr_db.t_parent\"]\n[clients]\n";
    let setup = Setup { servers: SERVERS, more, ..Setup::default() };
    let plant = plant_of(harness, &setup, &["master", "operations", "hr"]);
    plant.execute(HR, ORDERS);
    plant.serve();
    let wrong = plant.cli(&["client", "add", "wrong", "--rows", "t_orders"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("\"t_orders\" is no DATABASE.TABLE"), "{wrong:?}");
    let orders = add(&plant, &["orders", "--topic", "elsewhere/#", "--rows", "genims_hr_db.t_o*"]);
    let nothing = add(&plant, &["nothing"]);
    let (orders, nothing) = (("orders", orders.as_str()), ("nothing", nothing.as_str()));
    let topic = |table: &str| format!("genims/v1/rows/genims_hr_db/{table}");
    eventually("both are known", PATIENCE, || {
        let empty = json!([]);
        send_logged_in(&plant, orders, &topic("t_orders"), &empty)
            && send_logged_in(&plant, nothing, &topic("x"), &empty)
    });
    // Held to topics, it may write rows all the same, and nothing else.
    assert!(send_logged_in(&plant, orders, &topic("t_orders"), &json!({"id": 1, "code": "A"})));
    assert!(!send_logged_in(&plant, orders, &plant.sensor().topic(), &json!({"value": 1})));
    // Denied by default, whatever those without an account may.
    assert!(send_logged_in(&plant, orders, &topic("t_parent"), &json!({"id": 1})));
    assert!(send_logged_in(&plant, nothing, &topic("t_orders"), &json!({"id": 2, "code": "B"})));
    // The third is the message by which `nothing` became known.
    settled(&plant, 1, 3);
    let told = dead_letters(&plant);
    let denied =
        |table: &str| format!("the client may not write rows into genims_hr_db.{table}; `genims client allow --rows`");
    for table in ["t_parent", "t_orders"] {
        let found = told.iter().any(|(reason, detail)| reason == "not_allowed" && detail.contains(&denied(table)));
        assert!(found, "{table}: {told:?}");
    }
    // Allowed while it is connected; a replay is held to the account that replays.
    let hello = |out: &mut Vec<u8>| encode::hello_as("program", nothing.0, nothing.1.as_bytes(), out);
    let mut connection = Connection::greeting(plant.doors.tcp, Speech::Frames, hello);
    connection.send(|out| encode::rows(1, HR, "t_orders", br#"{"id": 3, "code": "C"}"#, out));
    acked(&plant, &mut connection, 1);
    plant.cli_ok(&["client", "allow", "nothing", "--rows", "genims_hr_db.*"]);
    let mut sequence = 1;
    eventually("it may", PATIENCE, || {
        sequence += 1;
        let row = json!({"upsert": true, "rows": {"id": 4, "code": "D"}}).to_string();
        connection.send(|out| encode::rows(sequence, HR, "t_orders", row.as_bytes(), out));
        acked(&plant, &mut connection, sequence);
        plant.idle();
        count(&plant, HR, "t_orders", "id = 4") == 1
    });
    let environment = plant.folder.join(".env");
    let text = std::fs::read_to_string(&environment).unwrap();
    let login = format!("{text}GENIMS_REPLAY_NAME=nothing\nGENIMS_REPLAY_SECRET={}\n", nothing.1);
    std::fs::write(&environment, login).unwrap();
    plant.cli(&["deadletter", "replay", "--reason", "not_allowed"]);
    plant.idle();
    assert_eq!(count(&plant, HR, "t_orders", "id IN (1, 2, 3, 4)"), 4);
    assert_eq!(count(&plant, HR, "t_parent", "id = 1"), 1);
    assert!(plant.cli_ok(&["client", "list"]).contains("rows genims_hr_db.t_o*"));
}
