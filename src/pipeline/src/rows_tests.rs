//! Rows at the door: judged, counted, and set aside while their database takes no more.

use crate::intake::{IntakeBuffer, Scope, Tables};
use crate::intake_tests::{begun_with, submit};
use genims_decode::Decoder;
use genims_model::{Protocol, Reason};
use genims_rows::{Column, Dialect, Gate, Schema, Table};
use std::sync::Arc;
use tempfile::TempDir;

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
    let dead_letter = queue.pop().expect("handed over").dead_letters.remove(0);
    assert_eq!((dead_letter.reason, dead_letter.records), (Reason::NotAllowed, 1));

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
    for (topic, dead_letters) in [(TOPIC, 17), ("genims/v1/rows/db/none", 40)] {
        buffer.begin(1);
        buffer.set_topic(topic);
        for _ in 0..40 {
            Decoder::default().message(topic, b"{\"id\":99}", &mut buffer);
        }
        submit(&mut buffer).await;
        assert_eq!(queue.pop().expect("handed over").dead_letters.len(), dead_letters, "{topic}");
    }
}

#[tokio::test]
async fn rows_for_a_full_database_are_set_aside_and_what_came_with_them_goes_on() {
    let (folder, gate) = (folder(), gate());
    let (_running, intake, queue) = begun_with(folder.path(), true, Some(gate.clone()));
    let mut buffer = intake.buffer(0, Protocol::Mqtt, false);
    gate.set_full("db", true);
    assert!(intake.is_full_for("db") && !intake.is_full_for("other") && !intake.is_full_for("nobody"));
    for (topic, payload) in [
        ("genims/v1/F1/L1/M1/S1", &b"{\"value\":1}"[..]),
        (TOPIC, b"[{\"id\":1},{\"id\":2}]"),
        ("genims/v1/rows/other/t", b"{\"id\":2}"),
    ] {
        stage(&mut buffer, topic, payload);
    }
    submit(&mut buffer).await;
    let chunk = queue.pop().expect("handed over");
    assert_eq!((chunk.readings.len(), chunk.rows.len()), (1, 1));
    assert!(
        chunk.dead_letters.iter().all(|dead_letter| dead_letter.reason == Reason::BadRow && dead_letter.topic == TOPIC)
    );
    let payloads: Vec<&[u8]> = chunk.dead_letters.iter().map(|dead_letter| dead_letter.payload.as_slice()).collect();
    assert_eq!(payloads, [&b"{\"id\":1}"[..], b"{\"id\":2}"], "each row can be replayed");
    // Its listener looked before the database was full: it could not be refused any more.
    buffer.admit_rows(true);
    stage(&mut buffer, TOPIC, b"[{\"id\":1},{\"id\":2}]");
    submit(&mut buffer).await;
    let chunk = queue.pop().expect("handed over");
    assert_eq!((chunk.rows.len(), chunk.dead_letters.len()), (2, 0));
    gate.set_full("db", false);
    stage(&mut buffer, TOPIC, b"{\"id\":1}");
    submit(&mut buffer).await;
    assert_eq!(queue.pop().expect("handed over").rows.len(), 1);
}
