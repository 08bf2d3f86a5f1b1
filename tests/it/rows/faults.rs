//! Rows that a database cannot take stop no other row, and what it can take is not refused: each engine's own cases.

use super::{HR, dead_letters, mysql_of, rows_plant, send, send_as, settled};
use crate::harness::Harness;
use crate::routes::count;
use crate::server::Plant;
use mongodb::bson::{Bson, doc};
use mysql_async::prelude::Queryable;
use serde_json::{Value, json};

const PRODUCTION: &str = "genims_production";
const REPORTING: &str = "genims_reporting_db";

/// Each of these was said in a dead letter.
#[track_caller]
fn told(plant: &Plant, all: &[&str]) {
    let dead_letters = dead_letters(plant);
    for said in all {
        assert!(dead_letters.iter().any(|(_, detail)| detail.contains(said)), "{said}: {dead_letters:#?}");
    }
}

pub(super) fn postgres(harness: &'static Harness) {
    let types = "CREATE DOMAIN code AS VARCHAR(5) NOT NULL DEFAULT 'none'; CREATE DOMAIN amount AS NUMERIC(18,2); \
        CREATE DOMAIN price AS amount CHECK (VALUE >= 0); CREATE TYPE place AS (x INTEGER, y TEXT); \
        CREATE TABLE t_types (id INTEGER PRIMARY KEY, label code NOT NULL, price price, place place, grid INTEGER[], \
        large NUMERIC(3,-2), path JSONB)";
    let trigger = "CREATE TABLE t_raised (id INTEGER PRIMARY KEY); CREATE FUNCTION raised() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        IF NEW.id = 7 THEN RAISE EXCEPTION 'seven' USING ERRCODE = '45000'; \
        ELSIF NEW.id = 8 THEN RAISE EXCEPTION 'eight' USING ERRCODE = '55000'; \
        ELSIF NEW.id = 9 THEN RAISE EXCEPTION 'nine' USING ERRCODE = 'GM001'; \
        ELSIF NEW.id = 10 THEN RAISE EXCEPTION 'ten' USING ERRCODE = '27000'; END IF; RETURN NEW; END $$; \
        CREATE TRIGGER raised BEFORE INSERT ON t_raised FOR EACH ROW EXECUTE FUNCTION raised()";
    let plant = rows_plant(harness, &format!("{types}; {trigger}"));
    plant.serve();
    send(&plant, HR, "t_raised", &Value::Array((1..=12).map(|id| json!({"id": id})).collect()));
    settled(&plant, 8, 4);
    told(&plant, &["RAISE (45000)", "RAISE (55000)", "RAISE (GM001)", "RAISE (27000)"]);
    let row = r#"{"id": 1, "price": 9999999999999999.99, "place": {"x": 1, "y": "b"}, "grid": [[1, 2], [3, 4]],
        "large": 99900, "path": {"p": "C:\\u0000"}}"#;
    send_as(&plant, "hr-program", HR, "t_types", &[row.to_owned(), row.to_owned()]);
    settled(&plant, 9, 4);
    assert_eq!(plant.idle()["total"]["duplicate"], 1);
    let held = "label = 'none' AND price = 9999999999999999.99 AND place = (1, 'b')::place AND grid = '{{1,2},{3,4}}' \
        AND large = 99900 AND path->>'p' = 'C:\\u0000'";
    assert_eq!(count(&plant, HR, "t_types", held), 1);
    send(
        &plant,
        HR,
        "t_types",
        &json!([{"id": 2, "label": "TOOLONG"}, {"id": 3, "label": null}, {"id": 4, "price": -1},
        {"id": 5, "price": 1e16}, {"id": 6, "place": 3}, {"id": 7, "grid": [[1], [2, 3]]}]),
    );
    send(
        &plant,
        HR,
        "t_types",
        &json!({"upsert": true, "rows": [{"id": 1, "label": "new"}, {"id": 8, "place": null}]}),
    );
    settled(&plant, 11, 10);
    told(
        &plant,
        &["column label: a text of 7", "column label: null", "has more than 16 digits before the point", "price_check"],
    );
    assert_eq!(count(&plant, HR, "t_types", "id = 1 AND label = 'new' OR id = 8 AND label = 'none'"), 2);
}

pub(super) fn mysql(harness: &'static Harness) {
    let plant = rows_plant(harness, "");
    harness.block_on(async {
        let mut connection = mysql_of(&plant).await;
        for statement in [
            "CREATE TABLE t_types (id INT PRIMARY KEY, flag BIT(1), bits BIT(12), year YEAR, near FLOAT, exact DECIMAL(18,2), \
             at DATETIME, span TIME, more JSON, code VARCHAR(8))",
            "CREATE TABLE t_parts (id INT PRIMARY KEY) PARTITION BY LIST (id) (PARTITION a VALUES IN (1, 2, 3, 4))",
            "CREATE TABLE t_raised (id INT PRIMARY KEY)",
            "CREATE TRIGGER raised BEFORE INSERT ON t_raised FOR EACH ROW BEGIN IF NEW.id = 7 THEN SIGNAL SQLSTATE '99999' \
             SET MESSAGE_TEXT = 'seven'; ELSEIF NEW.id = 8 THEN UPDATE t_raised SET id = 80; ELSEIF NEW.id = 9 THEN \
             SIGNAL SQLSTATE '02000' SET MESSAGE_TEXT = 'nine'; END IF; END",
        ] {
            connection.query_drop(statement).await.unwrap();
        }
    });
    plant.serve();
    send(&plant, REPORTING, "t_raised", &Value::Array((1..=12).map(|id| json!({"id": id})).collect()));
    send(&plant, REPORTING, "t_parts", &json!([{"id": 1}, {"id": 9}, {"id": 2}]));
    settled(&plant, 11, 4);
    told(&plant, &["seven (1644)", "(1442)", "nine (1643)", "(1526)"]);
    // As it is sent, as it is held, and sent again.
    let row = r#"{"id": 1, "flag": true, "bits": 4095, "year": 2026, "near": 0.1, "exact": 9999999999999999.991,
        "at": "2026-01-31T06:30:00.25Z", "span": "-36:00:00", "more": "hello", "code": "abc"}"#;
    send_as(&plant, "hr-program", REPORTING, "t_types", &[row.to_owned(), row.to_owned()]);
    let scalars =
        json!([{"id": 2, "more": true}, {"id": 3, "more": 5, "year": 0}, {"id": 4, "more": {"a": "b"}, "flag": 0}]);
    send_as(&plant, "hr-program", REPORTING, "t_types", &[scalars.to_string(), scalars.to_string()]);
    settled(&plant, 15, 4);
    assert_eq!(plant.idle()["total"]["duplicate"], 4);
    let held = "SELECT GROUP_CONCAT(CONCAT_WS('|', id, flag + 0, bits + 0, year, near, exact, at, span, JSON_TYPE(more), code) \
        ORDER BY id SEPARATOR ' ') FROM t_types";
    let held =
        harness.block_on(async { mysql_of(&plant).await.query_first::<String, _>(held).await.unwrap().unwrap() });
    let expected = "1|1|4095|2026|0.1|9999999999999999.99|2026-01-31 06:30:00|-36:00:00|STRING|abc 2|BOOLEAN 3|0000|INTEGER 4|0|OBJECT";
    assert_eq!(held, expected);
    // Another row, though the collation finds no difference; and what no column holds.
    send_as(&plant, "hr-program", REPORTING, "t_types", &[row.replace("abc", "ABC")]);
    send(
        &plant,
        REPORTING,
        "t_types",
        &json!([{"id": 5, "bits": 4096}, {"id": 6, "year": 1900}, {"id": 7, "span": "839:00:00"},
        {"id": 8, "at": "0000-01-01"}]),
    );
    send(&plant, REPORTING, "t_types", &json!({"upsert": true, "rows": [{"id": 1, "more": "bye", "flag": 0}]}));
    settled(&plant, 16, 9);
    told(
        &plant,
        &[
            "Duplicate entry '1'",
            "column bits: 4096 is not within",
            "column year: 1900",
            "column span: ",
            "column at: ",
        ],
    );
}

pub(super) fn mongodb(harness: &'static Harness) {
    let plant = rows_plant(harness, "");
    harness.block_on(async {
        let client = mongodb::Client::with_uri_str(plant.stack.mongodb_url()).await.unwrap();
        let database = client.database(PRODUCTION);
        let properties = doc! { "code": { "bsonType": "string" }, "long": { "bsonType": "long" }, "double": { "bsonType": "double" },
            "number": { "bsonType": "number" } };
        let validator = doc! { "$jsonSchema": { "bsonType": "object", "required": ["code"], "properties": properties } };
        database.run_command(doc! { "create": "t_notes", "validator": validator }).await.unwrap();
        let code = doc! { "key": { "code": 1 }, "name": "code", "unique": true };
        database.run_command(doc! { "createIndexes": "t_notes", "indexes": [code] }).await.unwrap();
        let place = doc! { "key": { "place": "2dsphere" }, "name": "place" };
        let both = doc! { "key": { "a": 1, "b": 1 }, "name": "both" };
        database.run_command(doc! { "createIndexes": "t_open", "indexes": [place, both] }).await.unwrap();
    });
    plant.serve();
    // In the middle of good ones: what the door sees, and what only MongoDB does.
    let rows = r#"[{"_id": 1}, {"a\u0000": 1}, {"x": [{"y\u0000": 1}]}, {"place": {"type": "Point", "coordinates": [999, 999]}},
        {"a": [1, 2], "b": [3, 4]}, {"_id": [1]}, {"x": {"$where": "y"}}, {"_id": 2, "a.b": 1}]"#;
    let changes = json!({"upsert": true, "rows": [{"_id": 1, "a.b": 2}, {"_id": 1, "": 2}, {"_id": {"$gt": 0, "$lt": 9}, "n": 1},
        {"_id": {"$ne": 0}, "n": 1}, {"_id": 1, "place": {"type": "Point", "coordinates": [999, 999]}}, {"_id": 3, "n": 1}]});
    send_as(&plant, "hr-program", PRODUCTION, "t_open", &[rows.to_owned(), changes.to_string()]);
    settled(&plant, 3, 11);
    assert_eq!(plant.documents("t_open", doc! { "n": { "$exists": true } }).len(), 1, "no row is a query");
    told(
        &plant,
        &[
            "column a\u{FFFD}: MongoDB has no name",
            "the field \"y\\0\"",
            "parallel arrays",
            "a.b: MongoDB would read the dot",
            "in a key no name",
        ],
    );
    // Each validator gets its type, and a dead letter brings it again.
    let row = json!({"code": "A", "long": 5, "double": 5, "number": 5});
    send(&plant, PRODUCTION, "t_notes", &row);
    send(&plant, PRODUCTION, "t_notes", &row);
    send(&plant, PRODUCTION, "t_notes", &json!({"code": "A", "long": 6}));
    settled(&plant, 4, 12);
    assert_eq!(plant.idle()["total"]["duplicate"], 1);
    let found = plant.documents("t_notes", doc! {}).remove(0);
    let types = ["long", "double", "number"].map(|name| found.get(name).cloned().unwrap());
    assert_eq!(types, [Bson::Int64(5), Bson::Double(5.0), Bson::Int32(5)]);
    harness.block_on(async {
        let client = mongodb::Client::with_uri_str(plant.stack.mongodb_url()).await.unwrap();
        client
            .database(PRODUCTION)
            .collection::<mongodb::bson::Document>("t_notes")
            .delete_many(doc! {})
            .await
            .unwrap();
    });
    plant.cli(&["deadletter", "replay", "--reason", "bad_row"]);
    plant.idle();
    assert_eq!(plant.documents("t_notes", doc! { "long": 6_i64 }).len(), 1);
}
