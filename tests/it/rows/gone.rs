//! Rows that wait while the configuration loses what they need: `[rows]`, or their database's connection.

use super::{HR, OPEN, ORDERS, mysql_of, rows_plant, send, settled};
use crate::harness::{Harness, write_env};
use crate::routes::{close, count, open};
use crate::running::eventually;
use crate::server::PATIENCE;
use genims_dev::Server;
use mysql_async::prelude::Queryable;
use serde_json::{Value, json};

pub(super) fn settings(harness: &'static Harness) {
    let plant = rows_plant(harness, ORDERS);
    harness.block_on(async {
        mysql_of(&plant).await.query_drop("CREATE TABLE t_gone (id INT PRIMARY KEY)").await.unwrap();
    });
    let config = plant.folder.join("genims.toml");
    let with_rows = std::fs::read_to_string(&config).unwrap();
    assert!(with_rows.contains(OPEN), "{with_rows}");
    plant.serve();
    send(&plant, HR, "t_orders", &json!({"id": 0, "code": "A"}));
    settled(&plant, 1, 0);
    close(&plant, HR);
    let rows: Vec<Value> = (1..=5).map(|id| json!({"id": id, "code": "A"})).collect();
    send(&plant, HR, "t_orders", &Value::Array(rows));
    plant.terminate();
    // Nothing new is taken, and what was acknowledged is written.
    std::fs::write(&config, with_rows.replace(OPEN, "")).unwrap();
    plant.serve();
    open(&plant, HR);
    eventually("what waited is there", PATIENCE, || count(&plant, HR, "t_orders", "true") == 6);
    assert_eq!(plant.idle()["identity_holds"], true);
    plant.terminate();

    std::fs::write(&config, with_rows).unwrap();
    plant.serve();
    plant.stack.stop_server(Server::Mariadb).unwrap();
    // Judged by the catalogue that was read before.
    send(&plant, "genims_reporting_db", "t_gone", &json!({"id": 1}));
    plant.terminate();
    let environment = std::fs::read_to_string(plant.folder.join(".env")).unwrap();
    let without: Vec<&str> = environment.lines().filter(|line| !line.contains("GENIMS_MYSQL_URL")).collect();
    write_env(&plant.folder.join(".env"), without.join("\n"));
    let output = plant.cli(&["serve"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("wait for genims_reporting_db"), "{error}");
    assert!(error.contains("set GENIMS_REPORTING_DB_URL"), "{error}");
}
