//! Readings that PostgreSQL refused and the mirror took: what they explain of a difference, and what they do not.

use super::{Examined, failing};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{DateTime, Document, doc};
use serde_json::json;

/// Rows that PostgreSQL refused, in its ledger, its dead letters and the mirror: no other document passes for one of them.
pub(super) fn a_refused_reading_explains_itself_alone(examined: &Examined<'_>) {
    const LOG: &str = "6b1f4f0e-0000-4000-8000-000000000002";
    let at_ms = DateTime::now().timestamp_millis();
    let values = [1.25, 2.25, 3.25];
    let payload = |value: f64| {
        json!({ "sensor_id": "SEN-3", "timestamp_us": at_ms * 1_000 + 7, "value": value, "row": {} }).to_string()
    };
    // The last holds no row, and is no JSON.
    let payloads = values.map(payload).into_iter().chain(["\"sensor_id\": torn".to_owned()]);
    let dead_letters = payloads.map(|payload| {
        format!("('{LOG}', 0, now(), 'mqtt', '', 'refused_by_database', '', '{payload}', {})", payload.len())
    });
    let books = format!(
        "INSERT INTO genims_internal.ingest_batches (spool_id, first_offset, next_offset, sensor_rows, scada_rows, dead_letters, \
         refused_rows) VALUES ('{LOG}', 0, 3, 0, 0, 0, 3); INSERT INTO genims_internal.dead_letters (spool_id, log_offset, \
         received_at, source, topic, reason, detail, payload, payload_bytes) VALUES {}",
        dead_letters.collect::<Vec<_>>().join(", ")
    );
    let hold = |documents: &[Reading]| hold(examined, at_ms, documents);
    let refused: [Reading; 3] = [("SEN-3", 0, 1.25), ("SEN-3", 1, 2.25), ("SEN-3", 2, 3.25)];
    examined.platform.execute("genims_operations_db", &books);
    hold(&refused);
    assert_eq!(failing(&examined.verdict()), examined.before, "what PostgreSQL refused is in the mirror alone");

    let breaks = |documents: &[Reading]| {
        let broken = examined.breaks("mirror_holds_each_sensor_s_readings", || hold(documents), || hold(&refused));
        assert_eq!((broken.violations, broken.examples.len()), (1, 1));
        (broken.examples[0].key.clone(), broken.examples[0].detail.clone())
    };
    let (sensor, other) = breaks(&[refused[0], refused[1], ("SEN-4", 2, 3.25)]);
    assert_eq!((sensor.as_str(), other.as_str()), ("SEN-4", "0 readings in PostgreSQL, 1 in the mirror"));
    let (_, values) = breaks(&[refused[0], refused[1], ("SEN-3", 2, 4.25)]);
    let differ = "0 readings in PostgreSQL and 3 refused, 3 in the mirror, of different times or values";
    assert_eq!(values, differ);
    let (_, twice) = breaks(&[refused[0], refused[0]]);
    assert_eq!(twice, "0 readings in PostgreSQL and 3 refused, 2 in the mirror, 1 of them twice");

    hold(&refused);
    a_refused_reading_excuses_no_stored_one(examined, at_ms, &refused[..2]);
    hold(&[]);
    let delete = "DELETE FROM genims_internal.ingest_batches; DELETE FROM genims_internal.dead_letters";
    examined.platform.execute("genims_operations_db", delete);
}

/// A document of the mirror: its sensor, the number of its name, its value.
type Reading = (&'static str, u8, f64);

/// The mirror holds these of the sensors that readings were refused of, and no others.
fn hold(examined: &Examined<'_>, at_ms: i64, documents: &[Reading]) {
    let documents = documents.iter().map(|(sensor, name, value)| {
        let (name, timestamp) = (ObjectId::from_bytes([*name; 12]), DateTime::from_millis(at_ms));
        doc! { "_id": name, "timestamp": timestamp, "meta": { "sensor_id": *sensor }, "value": *value }
    });
    examined.harness.block_on(async {
        let client = mongodb::Client::with_uri_str(examined.platform.stack.mongodb_url()).await.unwrap();
        let readings = client.database("genims_production").collection::<Document>("sensor_readings");
        readings.delete_many(doc! { "meta.sensor_id": { "$in": ["SEN-3", "SEN-4"] } }).await.unwrap();
        for document in documents {
            readings.insert_one(document).await.unwrap();
        }
    });
}

/// The mirror has some of the refused: what PostgreSQL stored of the same sensor is compared all the same.
fn a_refused_reading_excuses_no_stored_one(examined: &Examined<'_>, at_ms: i64, refused: &[Reading]) {
    const RULE: &str = "mirror_holds_each_sensor_s_readings";
    let stored: [Reading; 3] = [("SEN-3", 10, 5.25), ("SEN-3", 11, 6.25), ("SEN-3", 12, 7.25)];
    let rows = stored.map(|(sensor, _, value)| {
        format!(
            "('{sensor}', 'M', 'L', 'F', timestamp 'epoch' + {at_ms} * interval '1 millisecond', {value}, 'C', 'MQTT')"
        )
    });
    let insert = format!(
        "INSERT INTO sensor_data (sensor_id, machine_id, line_id, factory_id, timestamp, measurement_value, \
         measurement_unit, protocol) VALUES {}",
        rows.join(", ")
    );
    examined.platform.execute("genims_operations_db", &insert);
    let whole = [refused, &stored].concat();
    hold(examined, at_ms, &whole);
    // The rows are of a place that master data does not know.
    let before = failing(&examined.verdict());
    assert!(!before.contains(RULE), "some of the refused are there, and all that was stored");
    let examined = Examined { rules: examined.rules.clone(), before, ..*examined };
    for (documents, said) in [
        ([refused, &stored[..2]].concat(), "3 readings in PostgreSQL and 3 refused, 4 in the mirror"),
        (
            [refused, &stored[..2], &[("SEN-3", 12, 8.25)]].concat(),
            "3 readings in PostgreSQL and 3 refused, 5 in the mirror, of different times or values",
        ),
    ] {
        let mend = || hold(&examined, at_ms, &whole);
        let broken = examined.breaks(RULE, || hold(&examined, at_ms, &documents), mend);
        assert_eq!(broken.examples[0].detail, said);
    }
    examined.platform.execute("genims_operations_db", "DELETE FROM sensor_data WHERE sensor_id = 'SEN-3'");
}
