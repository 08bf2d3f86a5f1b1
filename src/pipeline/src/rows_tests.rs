//! Rows at the door: judged, counted, and kept waiting while their database takes no more.

use crate::intake::{IntakeBuffer, Scope, Tables};
use crate::intake_tests::{begun_with, submit};
use genims_decode::Decoder;
use genims_model::{Protocol, Reason};
use genims_rows::{Column, Dialect, Gate, Schema, Table};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::time::timeout;

const TOPIC: &str = "genims/v1/rows/db/t";

/// Takes rows for a table of two databases.
fn gate() -> Arc<Gate> {
    let mut gate = Gate::new(Tables::default());
    for database in ["db", "other"] {
        gate.open(database, Dialect::Postgres, [].into());
        let columns = [("id".to_owned(), Column::new(genims_rows::Kind::Integer(0, 9)))].into();
        let table = Table { columns, keys: vec![vec!["id".to_owned()]], open: false };
        gate.learn(database, Schema { tables: [("t".to_owned(), table)].into() });
    }
    Arc::new(gate)
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn stage(buffer: &mut IntakeBuffer, topic: &str, payload: &[u8]) {
    buffer.set_client("erp");
    let tables = Tables::new(&["*.*".to_owned()]).expect("patterns");
    buffer.set_scope(Scope { tables: Some(tables), ..Scope::default() });
    buffer.begin(1);
    buffer.set_topic(topic);
    Decoder::default().message(topic, payload, buffer);
}

#[tokio::test]
async fn rows_are_counted_like_readings_and_denied_unless_the_gate_lets_them() {
    let without = folder();
    let (_running, intake, queue) = begun_with(without.path(), true, None);
    let mut buffer = intake.buffer(0, Protocol::Mqtt, false);
    stage(&mut buffer, TOPIC, b"[{\"id\":1}]");
    submit(&mut buffer).await;
    let letter = queue.pop().expect("handed over").dead_letters.remove(0);
    assert_eq!((letter.reason, letter.records), (Reason::NotAllowed, 1));

    let with = folder();
    let (_, intake, queue) = begun_with(with.path(), true, Some(gate()));
    let mut buffer = intake.buffer(0, Protocol::Mqtt, false);
    stage(&mut buffer, TOPIC, b"[{\"id\":1},{\"id\":99},{\"id\":2}]");
    assert_eq!(buffer.staged_records(), 3);
    submit(&mut buffer).await;
    let chunk = queue.pop().expect("handed over");
    let values: Vec<&str> = chunk.rows.iter().map(|row| row.values.as_str()).collect();
    assert_eq!((values, chunk.records()), (vec!["{\"id\":1}", "{\"id\":2}"], 3));
    assert_eq!((chunk.rows[0].client.as_str(), chunk.dead_letters[0].topic.as_str()), ("erp", TOPIC));
    // Rows are kept together when there are many; payloads of a table that is not there are not.
    for (topic, letters) in [(TOPIC, 17), ("genims/v1/rows/db/none", 40)] {
        buffer.begin(1);
        buffer.set_topic(topic);
        for _ in 0..40 {
            Decoder::default().message(topic, b"{\"id\":99}", &mut buffer);
        }
        submit(&mut buffer).await;
        assert_eq!(queue.pop().expect("handed over").dead_letters.len(), letters, "{topic}");
    }
}

#[tokio::test]
async fn a_round_with_rows_for_a_full_database_waits_and_no_other() {
    let (folder, gate) = (folder(), gate());
    let (_running, intake, queue) = begun_with(folder.path(), true, Some(gate.clone()));
    let buffer = || intake.buffer(0, Protocol::Mqtt, false);
    let [mut waits, mut goes_on, mut reads] = [buffer(), buffer(), buffer()];
    gate.set_full("db", true);
    stage(&mut waits, TOPIC, b"{\"id\":1}");
    stage(&mut goes_on, "genims/v1/rows/other/t", b"{\"id\":2}");
    stage(&mut reads, "genims/v1/F1/L1/M1/S1", b"{\"value\":1}");
    let (waiter, mut receipt) = (Arc::new(Notify::new()), None);
    let waited = timeout(Duration::from_millis(120), waits.submit(&waiter, &mut receipt)).await;
    assert!(waited.is_err() && receipt.is_none(), "nothing is sealed, so nothing is counted");
    submit(&mut goes_on).await;
    submit(&mut reads).await;
    let rows: Vec<usize> = std::iter::from_fn(|| queue.pop()).map(|chunk| chunk.rows.len()).collect();
    assert_eq!(rows, [1, 0]);
    // It goes on where the dropped call has stopped.
    gate.set_full("db", false);
    waits.submit(&waiter, &mut receipt).await;
    assert_eq!(queue.pop().expect("handed over").rows.len(), 1);
}

#[tokio::test]
async fn a_round_with_rows_that_its_sender_has_left_is_given_up() {
    let (folder, gate) = (folder(), gate());
    let (_running, intake, queue) = begun_with(folder.path(), true, Some(gate.clone()));
    let mut buffer = intake.buffer(0, Protocol::Mqtt, false);
    stage(&mut buffer, "genims/v1/F1/L1/M1/S1", b"{\"value\":1}");
    assert!(!buffer.give_up_rows(), "it has none");
    assert_eq!(buffer.staged_records(), 1);
    submit(&mut buffer).await;
    queue.pop().expect("handed over");
    gate.set_full("db", true);
    stage(&mut buffer, TOPIC, b"{\"id\":1}");
    assert!(buffer.give_up_rows());
    assert_eq!(buffer.staged_records(), 0);
    // What comes behind it waits for nothing.
    submit(&mut buffer).await;
    assert!(queue.pop().is_none());
}
