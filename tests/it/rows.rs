//! Rows for any table on real servers: every type of column in each engine, what is refused and why, databases that are away, kills.

mod behind;
mod doors;
mod faults;
mod gone;

use crate::clients::publish;
use crate::harness::Harness;
use crate::routes::{close, count, open, plant};
use crate::running::eventually;
use crate::server::{PATIENCE, Plant};
use libtest_mimic::Trial;
use mongodb::bson::{Bson, doc};
use mysql_async::prelude::Queryable;
use serde_json::{Value, json};

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("rows::every_type_of_column_of_postgresql", postgres),
        harness.trial("rows::every_type_of_column_of_mysql", mysql),
        harness.trial("rows::documents_of_mongodb", mongodb),
        harness.trial("rows::what_is_refused_names_the_column_and_can_be_replayed", refused),
        harness.trial("rows::what_the_database_refuses_stops_no_other_row", refused_late),
        harness.trial("rows::none_is_lost_or_twice_when_its_database_or_the_server_is_away", away),
        harness.trial("rows::no_row_that_postgresql_cannot_take_stops_another", faults::postgres),
        harness.trial("rows::no_row_that_mysql_cannot_take_stops_another", faults::mysql),
        harness.trial("rows::no_row_that_mongodb_cannot_take_stops_another", faults::mongodb),
        harness.trial("rows::what_waits_is_written_whatever_the_configuration_says", gone::settings),
        harness.trial("rows::a_frame_brings_rows_too", doors::frames),
        harness.trial("rows::an_account_says_which_tables_its_client_may_write", doors::accounts),
        harness.trial("rows::a_database_that_is_away_loses_events_and_no_row_and_stops_nobody", behind::events),
        harness.trial("rows::too_many_rows_for_a_database_that_is_away_are_refused_and_nothing_else", behind::rows),
    ]
}

const MODULES: [&str; 5] = ["master", "operations", "production", "hr", "reporting"];
const HR: &str = "genims_hr_db";

/// Without accounts: what everybody may write.
const OPEN: &str = r#"
[rows]
databases = ["genims_hr_db", "genims_reporting_db", "genims_production", "genims_operations_db"]
anonymous = ["genims_hr_db.*", "genims_reporting_db.t_*", "genims_production.t_*", "genims_operations_db.*"]
"#;

/// A plant that takes rows of everybody; `tables` are made in genims_hr_db before.
fn rows_plant(harness: &'static Harness, tables: &str) -> Plant {
    rows_plant_with(harness, OPEN, tables)
}

fn rows_plant_with(harness: &'static Harness, more: &str, tables: &str) -> Plant {
    let plant = plant(harness, more, &MODULES);
    if !tables.is_empty() {
        plant.execute(HR, tables);
    }
    plant
}

fn send_as(plant: &Plant, client: &str, database: &str, table: &str, payloads: &[String]) {
    let topic = format!("genims/v1/rows/{database}/{table}");
    let messages: Vec<_> = payloads.iter().map(|text| (topic.clone(), text.clone().into_bytes())).collect();
    publish(plant.doors.mqtt, client, 1, &messages);
}

fn send(plant: &Plant, database: &str, table: &str, payload: &Value) {
    send_as(plant, "hr-program", database, table, &[payload.to_string()]);
}

/// Reason and detail of the dead letters, in their order.
fn dead_letters(plant: &Plant) -> Vec<(String, String)> {
    let query = "SELECT reason, detail FROM genims_internal.dead_letters ORDER BY letter_id";
    plant.query("genims_operations_db", query).iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// All is where it belongs, and the books balance.
#[track_caller]
fn settled(plant: &Plant, committed: u64, dead_lettered: u64) {
    let stats = plant.idle();
    assert_eq!(stats["identity_holds"], true, "{stats:#}");
    let total = &stats["total"];
    let told = (&total["committed"], &total["dead_lettered"]);
    assert_eq!(told, (&committed.into(), &dead_lettered.into()), "{:?}: {total:#}", dead_letters(plant));
}

fn postgres(harness: &'static Harness) {
    let table = "CREATE TYPE mood AS ENUM ('calm', 'cross'); CREATE TABLE t_all (id INTEGER PRIMARY KEY, small SMALLINT, \
        big BIGINT, exact DECIMAL(20,4), approximate DOUBLE PRECISION, truth BOOLEAN, short VARCHAR(8), fixed CHAR(3), \
        long TEXT, day DATE, hour TIME, local TIMESTAMP, moment TIMESTAMPTZ, key UUID UNIQUE, document JSONB, words TEXT[], \
        raw BYTEA, place INET, feeling mood, made TIMESTAMP NOT NULL DEFAULT now(), twice INTEGER GENERATED ALWAYS AS (id * 2) STORED)";
    let plant = rows_plant(harness, table);
    plant.serve();
    // More digits than a double has, told as a number.
    let row = r#"{"id": 1, "small": -32768, "big": 9223372036854775807, "exact": 1234567890123456.7891, "approximate": 1e-7,
        "truth": true, "short": "äöüßéèêë", "fixed": "abc", "long": "it's \"quoted\" \\ and\nmore", "day": "2026-02-28",
        "hour": "06:30:00.25", "local": "2026-01-31 06:30:00", "moment": "2026-01-31T06:30:00+05:30",
        "key": "123e4567-e89b-12d3-a456-426614174000", "document": {"a": [1, null]}, "words": ["x", null, "y,z"],
        "raw": "\\x00ff", "place": "10.0.0.1", "feeling": "cross"}"#;
    send_as(
        &plant,
        "hr-program",
        HR,
        "t_all",
        &[row.to_owned(), json!([{"id": 2}, {"id": 3, "short": null}]).to_string()],
    );
    settled(&plant, 3, 0);
    // Sent again, as after an acknowledgement that was lost: neither twice nor refused.
    send_as(&plant, "hr-program", HR, "t_all", &[row.to_owned(), json!({"id": 3, "short": null}).to_string()]);
    settled(&plant, 3, 0);
    assert_eq!(plant.idle()["total"]["duplicate"], 2);
    let stored = "SELECT small::text, big::text, exact::text, approximate::text, truth::text, short, fixed, long, day::text, hour::text, \
        local::text, (moment AT TIME ZONE 'UTC')::text, key::text, document::text, words::text, raw::text, place::text, feeling::text, twice::text \
        FROM t_all WHERE id = 1";
    let found = &plant.query(HR, stored)[0];
    let found: Vec<String> = (0..19).map(|index| found.get(index)).collect();
    assert_eq!(
        found,
        [
            "-32768",
            "9223372036854775807",
            "1234567890123456.7891",
            "1e-07",
            "true",
            "äöüßéèêë",
            "abc",
            "it's \"quoted\" \\ and\nmore",
            "2026-02-28",
            "06:30:00.25",
            "2026-01-31 06:30:00",
            "2026-01-31 01:00:00",
            "123e4567-e89b-12d3-a456-426614174000",
            "{\"a\": [1, null]}",
            "{x,NULL,\"y,z\"}",
            "\\x00ff",
            "10.0.0.1/32",
            "cross",
            "2",
        ]
    );
    // What is there is changed on request only, by the key that the row brings, and what it does not name stays.
    send(
        &plant,
        HR,
        "t_all",
        &json!({"upsert": true, "rows": [{"id": 1, "short": "new"}, {"id": 4, "short": "made"}, {"id": 1, "long": "last"}]}),
    );
    let by_other_key =
        json!({"upsert": true, "rows": {"key": "123e4567-e89b-12d3-a456-426614174000", "id": 1, "day": "2026-03-01"}});
    send(&plant, HR, "t_all", &by_other_key);
    settled(&plant, 7, 0);
    let changed = "id = 1 AND short = 'new' AND long = 'last' AND day = '2026-03-01' AND exact = 1234567890123456.7891";
    assert_eq!(count(&plant, HR, "t_all", changed), 1);
    assert_eq!(count(&plant, HR, "t_all", "true"), 4);
}

async fn mysql_of(plant: &Plant) -> mysql_async::Conn {
    mysql_async::Conn::from_url(plant.stack.mysql_url("genims_reporting_db")).await.unwrap()
}

fn mysql(harness: &'static Harness) {
    let plant = rows_plant(harness, "");
    harness.block_on(async {
        let table = "CREATE TABLE t_all (id INT PRIMARY KEY, tiny TINYINT, big BIGINT UNSIGNED, exact DECIMAL(20,4), approximate DOUBLE, \
            truth BOOLEAN, short VARCHAR(8), fixed CHAR(3), `long` TEXT, day DATE, `hour` TIME, local DATETIME(6), moment TIMESTAMP NULL, \
            document JSON, feeling ENUM('calm','cross'), code VARCHAR(5) UNIQUE, state VARCHAR(10), made DATETIME NOT NULL DEFAULT NOW(), \
            CHECK (state IN ('open','it''s done')))";
        mysql_of(&plant).await.query_drop(table).await.unwrap();
    });
    plant.serve();
    let row = r#"{"id": 1, "tiny": -128, "big": 18446744073709551615, "exact": 1234567890123456.7891, "approximate": 1e-7,
        "truth": true, "short": "äöüßéèêë", "fixed": "abc", "long": "it's \\ \"q\"", "day": "2026-02-28", "hour": "06:30",
        "local": "2026-01-31T06:30:00.25+05:30", "moment": "2026-01-31T06:30:00Z", "document": {"a": [1, null]},
        "feeling": "CROSS", "code": "A", "state": "it's done"}"#;
    let more = json!([{"id": 2, "code": "B"}, {"id": 3, "state": null, "truth": 0}]).to_string();
    send_as(&plant, "hr-program", "genims_reporting_db", "t_all", &[row.to_owned(), more]);
    settled(&plant, 3, 0);
    send_as(&plant, "hr-program", "genims_reporting_db", "t_all", &[row.to_owned()]);
    // A part of what is there is another row with its key.
    send_as(&plant, "hr-program", "genims_reporting_db", "t_all", &[json!({"id": 1, "tiny": -128}).to_string()]);
    settled(&plant, 3, 1);
    assert_eq!(plant.idle()["total"]["duplicate"], 1);
    let table = "genims_reporting_db";
    let stored = "SELECT CONCAT_WS('|', tiny, big, exact, approximate, truth, short, fixed, `long`, day, `hour`, local, \
        CONVERT_TZ(moment, @@session.time_zone, '+00:00'), \
        JSON_EXTRACT(document, '$.a[0]'), feeling, code, state) FROM t_all WHERE id = 1";
    let query = |sql: &'static str| {
        let sql = sql.to_owned();
        harness.block_on(async { mysql_of(&plant).await.query_first::<String, _>(sql).await.unwrap().unwrap() })
    };
    assert_eq!(
        query(stored),
        "-128|18446744073709551615|1234567890123456.7891|0.0000001|1|äöüßéèêë|abc|it's \\ \"q\"|2026-02-28|06:30:00|\
         2026-01-31 01:00:00.250000|2026-01-31 06:30:00|1|cross|A|it's done"
    );
    send(
        &plant,
        table,
        "t_all",
        &json!({"upsert": true, "rows": [{"id": 1, "short": "new"}, {"id": 4, "short": "made"}]}),
    );
    settled(&plant, 5, 1);
    // Another row has the code: the one that is meant is not there, so this is a refusal and no change of that other.
    send(&plant, table, "t_all", &json!({"upsert": true, "rows": [{"id": 9, "code": "A"}, {"id": 5, "code": "E"}]}));
    // And what does not fit is refused at the door.
    send(
        &plant,
        table,
        "t_all",
        &json!([{"id": 6, "feeling": "odd"}, {"id": 7, "state": "shut"}, {"id": 8, "tiny": 128}]),
    );
    settled(&plant, 6, 5);
    assert_eq!(
        query("SELECT GROUP_CONCAT(id, short, IFNULL(code, '') ORDER BY id) FROM t_all WHERE short IS NOT NULL"),
        "1newA,4made"
    );
    let told: Vec<String> = dead_letters(&plant).into_iter().map(|(_, detail)| detail).collect();
    let said = [
        "column code: Duplicate",
        "column feeling: \"odd\" is none of calm, cross",
        "column state: \"shut\" is none of",
        "column tiny: 128 is not within",
    ];
    for said in said {
        assert!(told.iter().any(|detail| detail.contains(said)), "{said}: {told:?}");
    }
}

fn mongodb(harness: &'static Harness) {
    let plant = rows_plant(harness, "");
    harness.block_on(async {
        let client = mongodb::Client::with_uri_str(plant.stack.mongodb_url()).await.unwrap();
        let database = client.database("genims_production");
        let properties = doc! {
            "code": { "bsonType": "string", "maxLength": 5 }, "kind": { "bsonType": "string", "enum": ["a", "b"] },
            "at": { "bsonType": "date" }, "count": { "bsonType": ["int", "long"] }, "value": { "bsonType": "number" },
            "truth": { "bsonType": "bool" }, "more": { "bsonType": "object" }, "tags": { "bsonType": "array" },
        };
        let validator =
            doc! { "$jsonSchema": { "bsonType": "object", "required": ["code"], "properties": properties } };
        database.run_command(doc! { "create": "t_notes", "validator": validator }).await.unwrap();
        let index = doc! { "key": { "code": 1 }, "name": "code", "unique": true };
        database.run_command(doc! { "createIndexes": "t_notes", "indexes": [index] }).await.unwrap();
        database.run_command(doc! { "create": "t_open" }).await.unwrap();
    });
    plant.serve();
    let production = "genims_production";
    let row = json!({"code": "A", "kind": "a", "at": "2026-01-31T06:30:00.25Z", "count": 4_000_000_000_i64, "value": 1.5, "truth": true,
        "more": {"x": [1, {"y": null}]}, "tags": ["t", 1]});
    send(&plant, production, "t_notes", &row);
    send(
        &plant,
        production,
        "t_open",
        &json!([{"anything": {"$date": "2026-01-31T06:30:00Z"}}, {"_id": "mine", "n": 1}]),
    );
    settled(&plant, 3, 0);
    send(&plant, production, "t_notes", &row);
    settled(&plant, 3, 0);
    assert_eq!(plant.idle()["total"]["duplicate"], 1);
    let found = plant.documents("t_notes", doc! {}).remove(0);
    assert_eq!(found.get_i64("count").unwrap(), 4_000_000_000);
    assert_eq!(found.get_datetime("at").unwrap().timestamp_millis(), 1_769_841_000_250);
    assert_eq!(found.get_document("more").unwrap().get_array("x").unwrap()[0], Bson::Int32(1));
    assert_eq!(plant.documents("t_open", doc! { "anything": { "$type": "date" } }).len(), 1);
    send(&plant, production, "t_notes", &json!({"upsert": true, "rows": [{"code": "A", "kind": "b"}, {"code": "B"}]}));
    settled(&plant, 5, 0);
    assert_eq!(plant.documents("t_notes", doc! { "code": "A", "kind": "b", "value": 1.5 }).len(), 1);
    let bad = json!([{"code": "TOOLONG"}, {"kind": "a"}, {"code": "C", "kind": "z"}, {"code": "D", "color": 1}, {"code": "E", "at": "noon"}, {"code": "A"}]);
    send(&plant, production, "t_notes", &bad);
    send(&plant, production, "sensor_readings", &json!({"value": 1}));
    settled(&plant, 5, 7);
    let told: Vec<String> = dead_letters(&plant).into_iter().map(|(_, detail)| detail).collect();
    for column in [
        "code: a text of 7",
        "code: it is missing",
        "kind: \"z\" is none of",
        "color: the table has no",
        "at: \"noon\" is not",
        "code: E11000",
    ] {
        assert!(told.iter().any(|detail| detail.contains(&format!("t_notes: column {column}"))), "{column}: {told:?}");
    }
}

const ORDERS: &str = "CREATE TABLE t_parent (id INTEGER PRIMARY KEY); CREATE TABLE t_orders (id INTEGER PRIMARY KEY, code VARCHAR(5) NOT NULL, \
    status TEXT CHECK (status IN ('open', 'done')), amount NUMERIC(8,2) CHECK (amount >= 0), parent INTEGER REFERENCES t_parent)";

fn refused(harness: &'static Harness) {
    let counted = "CREATE TABLE t_counted (n INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code TEXT UNIQUE, \
        twice INTEGER GENERATED ALWAYS AS (length(code) * 2) STORED); CREATE TABLE t_keyless (x INTEGER)";
    let plant = rows_plant(harness, &format!("{ORDERS}; {counted}"));
    plant.serve();
    let good = json!({"id": 1, "code": "A"});
    send(&plant, "genims_master_db", "machines", &json!({"machine_id": "M"}));
    send(&plant, "genims_operations_db", "sensor_data", &json!({"sensor_id": "S"}));
    send(&plant, HR, "t_ordres", &good);
    let rows = json!([good, {"id": 2, "code": "TOOLONG"}, {"id": 3, "code": "B", "color": 1}, {"id": 4, "code": null}, {"id": 5},
        {"id": 6, "code": "B", "status": "shut"}, {"id": "7", "code": "B"}, {"code": "B"}]);
    send(&plant, HR, "t_orders", &rows);
    settled(&plant, 1, 10);
    // What the database makes itself, and a table in which nothing can be told apart.
    send(&plant, HR, "t_counted", &json!([{"n": 1, "code": "a"}, {"code": "b", "twice": 2}, {"code": "c"}]));
    send(&plant, HR, "t_keyless", &json!({"x": 1}));
    send_as(&plant, "hr-program", HR, "t_orders", &["{\"id\": 9".to_owned(), "[1]".to_owned(), "null".to_owned()]);
    settled(&plant, 2, 16);
    let told = dead_letters(&plant);
    for (reason, said) in [
        (
            "not_allowed",
            "the client may not write rows into genims_master_db.machines; log in, or see anonymous in [rows]",
        ),
        ("not_allowed", "genims_operations_db.sensor_data is written by the stream alone"),
        ("bad_row", "genims_hr_db has no table t_ordres"),
        ("bad_row", "column code: a text of 7 characters; 5 at most"),
        ("bad_row", "column color: the table has no such column"),
        ("bad_row", "column code: null is not allowed"),
        ("bad_row", "column code: it is missing, and has no default"),
        ("bad_row", "column status: \"shut\" is none of open, done"),
        ("bad_row", "column id: \"7\" is not a whole number"),
        ("bad_row", "column id: it is missing, and has no default"),
        ("bad_row", "column n: "),
        ("bad_row", "column twice: "),
        ("bad_row", "t_keyless: the table has no unique key"),
        ("malformed_payload", "the payload is no JSON"),
        ("malformed_payload", "rows are a JSON object"),
        ("bad_row", "a row is a JSON object"),
    ] {
        let found = told.iter().any(|(of, detail)| of == reason && detail.contains(said));
        assert!(found, "{reason}, {said}: {told:#?}");
    }
    // The table takes it now.
    plant.execute(HR, "ALTER TABLE t_orders ALTER code TYPE VARCHAR(10), ALTER code DROP NOT NULL");
    eventually("the catalogue is read again", PATIENCE, || {
        plant.cli(&["deadletter", "replay", "--reason", "bad_row"]);
        count(&plant, HR, "t_orders", "id IN (2, 4, 5)") == 3
    });
    plant.cli(&["deadletter", "replay", "--reason", "not_allowed"]);
    let replayed = plant.idle();
    assert_eq!(replayed["identity_holds"], true);
    assert_eq!(count(&plant, HR, "t_orders", "true"), 4);
    let waiting =
        "SELECT count(*) FROM genims_internal.dead_letters WHERE replayed_at IS NULL AND reason = 'not_allowed'";
    assert_eq!(plant.query("genims_operations_db", waiting)[0].get::<_, i64>(0), 2, "nobody may now, either");
}

fn refused_late(harness: &'static Harness) {
    let trigger = "CREATE FUNCTION no_nine() RETURNS trigger LANGUAGE plpgsql AS \
        $$ BEGIN IF NEW.id = 9 THEN RAISE EXCEPTION 'nine is taken'; END IF; RETURN NEW; END $$; \
        CREATE TRIGGER no_nine BEFORE INSERT ON t_orders FOR EACH ROW EXECUTE FUNCTION no_nine()";
    let plant = rows_plant(harness, &format!("{ORDERS}; {trigger}"));
    plant.serve();
    let rows: Vec<Value> = (1..=40)
        .map(|id| match id {
            7 => json!({"id": id, "code": "A", "parent": 77}),
            8 => json!({"id": id, "code": "A", "amount": -1, "parent": null}),
            _ => json!({"id": id, "code": "A", "parent": null}),
        })
        .collect();
    send(&plant, HR, "t_orders", &Value::Array(rows));
    settled(&plant, 37, 3);
    // There already, and twice in one message.
    send(&plant, HR, "t_orders", &json!([{"id": 1, "code": "X"}, {"id": 50, "code": "X"}, {"id": 50, "code": "Y"}]));
    settled(&plant, 38, 5);
    assert_eq!(count(&plant, HR, "t_orders", "id <> 9 AND code <> 'Y'"), 38);
    assert_eq!(count(&plant, HR, "t_orders", "id = 1 AND code = 'A'"), 1, "what is there stays");
    let told: Vec<String> = dead_letters(&plant).into_iter().map(|(_, detail)| detail).collect();
    for said in
        ["column parent: insert or update", "t_orders_amount_check", "nine is taken", "column id: duplicate key"]
    {
        assert!(told.iter().any(|detail| detail.contains(said)), "{said}: {told:#?}");
    }
    // What was missing is there now: the dead letter is stored, the others wait.
    plant.execute(HR, "INSERT INTO t_parent VALUES (77)");
    let output = plant.cli(&["deadletter", "replay", "--reason", "bad_row", "--json"]);
    let replayed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&replayed["asked"], &replayed["stored"]), (&5.into(), &1.into()), "{replayed:#}");
    assert_eq!(count(&plant, HR, "t_orders", "id = 7"), 1);
    assert_eq!(plant.idle()["identity_holds"], true);
}

const ROUNDS: i64 = 4;
const IN_ROUND: i64 = 60;

fn away(harness: &'static Harness) {
    let plant = rows_plant(harness, ORDERS);
    plant.serve();
    // Once, so that the catalogue is known.
    send(&plant, HR, "t_orders", &json!({"id": 0, "code": "A"}));
    settled(&plant, 1, 0);
    for round in 0..ROUNDS {
        let is_away = round % 2 == 0;
        if is_away {
            close(&plant, HR);
        }
        // All of it is acknowledged: `publish` waits for that.
        let payloads: Vec<String> = (1..=IN_ROUND)
            .map(|number| {
                json!({"id": round * IN_ROUND + number, "code": if number == 9 { "TOOLONG" } else { "A" }}).to_string()
            })
            .collect();
        send_as(&plant, "hr-program", HR, "t_orders", &payloads);
        // One that only the database refuses.
        send(&plant, HR, "t_orders", &json!({"id": 0, "code": "B"}));
        plant.kill();
        plant.serve();
        if is_away {
            // The server came up without the database, and takes its rows.
            send(&plant, HR, "t_orders", &json!({"id": 10_000 + round, "code": "A"}));
            open(&plant, HR);
        } else {
            send(&plant, HR, "t_orders", &json!({"id": 10_000 + round, "code": "A"}));
        }
    }
    let stats = plant.idle();
    assert_eq!(stats["identity_holds"], true, "{stats:#}");
    assert_eq!(count(&plant, HR, "t_orders", "true"), 1 + ROUNDS * (IN_ROUND - 1) + ROUNDS);
    assert_eq!(count(&plant, HR, "t_orders", "code = 'A'"), 1 + ROUNDS * (IN_ROUND - 1) + ROUNDS);
    let sum = |condition: &str| {
        let query =
            format!("SELECT coalesce(sum(records), 0)::bigint FROM genims_internal.dead_letters WHERE {condition}");
        plant.query("genims_operations_db", &query)[0].get::<_, i64>(0)
    };
    assert_eq!(
        (sum("detail LIKE '%7 characters%'"), sum("detail LIKE '%duplicate key%'")),
        (ROUNDS, ROUNDS),
        "{:?}",
        dead_letters(&plant)
    );
}
