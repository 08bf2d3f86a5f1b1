//! Messages at the gate: taken, denied, refused by column.

use super::access::Tables;
use super::gate::{Gate, Rejection, Sender};
use super::payload::ROW_BYTES_MAX;
use super::schema::{Column, Dialect, Kind, Schema, Table};
use genims_model::dead_letter::PAYLOAD_KEPT_BYTES_MAX;
use genims_model::{Reason, Row};

fn tables(patterns: &[&str]) -> Tables {
    Tables::new(&patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn gate() -> Gate {
    let mut gate = Gate::new(tables(&["db.free"]));
    gate.open("db", Dialect::Postgres, ["stream".to_owned()].into());
    gate.open("late", Dialect::Postgres, [].into());
    let needed = |kind| Column { nullable: false, optional: false, ..Column::new(kind) };
    let counted = Column { optional: true, ..needed(Kind::Integer(1, u64::MAX)) };
    let columns = [
        ("id", counted),
        ("code", Column { length: Some(5), ..needed(Kind::Text) }),
        ("amount", Column::new(Kind::Decimal(None))),
    ];
    let table = Table {
        columns: columns.into_iter().map(|(name, column)| (name.to_owned(), column)).collect(),
        keys: vec![vec!["id".to_owned()], vec!["code".to_owned()]],
        open: false,
    };
    let tables = [("orders".to_owned(), table.clone()), ("stream".to_owned(), table)].into();
    gate.learn("db", Schema { tables });
    gate
}

fn judged(client: &str, database: &str, table: &str, payload: &str) -> Vec<Result<Row, Rejection>> {
    let account = match client {
        "erp" => Some(tables(&["db.*", "late.*", "closed.*"])),
        "" => None,
        _ => Some(Tables::default()),
    };
    let sender =
        Sender { tables: account.as_ref(), source: 3, client, received_us: 7, is_admitted: false, database, table };
    let mut judged = Vec::new();
    gate().judge(sender, payload.as_bytes(), |each| judged.push(each));
    judged
}

fn refused(client: &str, database: &str, table: &str, payload: &str) -> Rejection {
    let mut judged = judged(client, database, table, payload);
    assert_eq!(judged.len(), 1);
    judged.remove(0).unwrap_err()
}

/// What the gate says of one document for a database of MongoDB.
fn document(payload: &str) -> Result<Row, Rejection> {
    let mut gate = Gate::new(tables(&["m.*"]));
    gate.open("m", Dialect::Mongo, [].into());
    let notes = Table { open: true, keys: vec![vec!["_id".to_owned()]], ..Table::default() };
    gate.learn("m", Schema { tables: [("notes".to_owned(), notes)].into() });
    let sender = Sender {
        tables: None,
        source: 0,
        client: "c",
        received_us: 0,
        is_admitted: false,
        database: "m",
        table: "notes",
    };
    let mut result = None;
    gate.judge(sender, payload.as_bytes(), |each| result = Some(each));
    result.unwrap()
}

#[test]
fn each_row_of_a_message_is_judged_alone_and_says_its_key() {
    let payload = r#"{"upsert":true,"rows":[{"code":"A","amount":1.10},{"code":"TOOLONG"},{"id":4,"code":"B"}]}"#;
    let mut judged = judged("erp", "db", "orders", payload).into_iter();
    let row = judged.next().unwrap().unwrap();
    assert_eq!((row.source, row.client.as_str(), row.received_us, row.upsert), (3, "erp", 7, true));
    assert_eq!((row.key.as_slice(), row.values.as_str()), (&["code".to_owned()][..], r#"{"code":"A","amount":1.10}"#));
    let refused = judged.next().unwrap().unwrap_err();
    assert_eq!(refused.reason, Reason::BadRow);
    assert_eq!(refused.detail, "db.orders: column code: a text of 7 characters; 5 at most");
    assert_eq!(refused.payload, br#"{"upsert":true,"rows":[{"code":"TOOLONG"}]}"#);
    assert_eq!(judged.next().unwrap().unwrap().key, ["id".to_owned()]);
    assert!(judged.next().is_none());
}

#[test]
fn what_is_not_allowed_is_denied_and_what_is_unknown_named() {
    let one = r#"{"code":"A"}"#;
    for (client, database, table, reason, said) in [
        ("other", "db", "orders", Reason::NotAllowed, "into db.orders; `genims client allow --rows`"),
        ("other", "db", "free", Reason::NotAllowed, "`genims client allow"),
        ("", "db", "orders", Reason::NotAllowed, "into db.orders; log in, or see anonymous in [rows]"),
        ("", "db", "free", Reason::BadRow, "db has no table free"),
        ("erp", "closed", "orders", Reason::BadRow, "rows are not taken for closed; [rows]"),
        ("erp", "db", "stream", Reason::NotAllowed, "by the stream alone"),
        ("erp", "elsewhere", "orders", Reason::NotAllowed, "may not"),
        ("erp", "db", "ordres", Reason::BadRow, "db has no table ordres"),
        ("erp", "late", "orders", Reason::BadRow, "the catalogue of late was never read"),
    ] {
        let refused = refused(client, database, table, one);
        assert_eq!((refused.reason, refused.payload.as_slice()), (reason, one.as_bytes()));
        assert!(refused.detail.contains(said), "{}", refused.detail);
    }
}

#[test]
fn a_row_names_its_column_at_fault() {
    let long = format!(r#"{{"code":"{}"}}"#, "x".repeat(ROW_BYTES_MAX));
    for (payload, said) in [
        (r#"{"code":"A","color":1}"#, "column color: the table has no such column"),
        (r#"{"amount":1,"id":1}"#, "column code: it is missing, and has no default"),
        (r#"{"code":null,"id":1}"#, "column code: null is not allowed"),
        (r#"{"code":"A","amount":"x"}"#, "column amount: \"x\" is not a number"),
        ("{}", "no columns"),
        (long.as_str(), "at most"),
    ] {
        let refused = refused("erp", "db", "orders", payload);
        assert_eq!(refused.reason, Reason::BadRow, "{payload}");
        assert!(refused.detail.contains(said), "{payload}: {}", refused.detail);
    }
    assert_eq!(refused("erp", "db", "orders", "no json").reason, Reason::MalformedPayload);
}

#[test]
fn a_document_needs_a_key_only_to_be_changed() {
    assert_eq!(document(r#"{"text":"x"}"#).unwrap().key, Vec::<String>::new());
    assert_eq!(document(r#"{"_id":"n","text":"x"}"#).unwrap().key, ["_id".to_owned()]);
    let refused = document(r#"{"upsert":true,"rows":{"text":"x"}}"#).unwrap_err();
    assert!(refused.detail.contains("column _id: a row brings a value"), "{}", refused.detail);
    assert!(document(r#"{"$where":"x"}"#).is_err());
}

#[test]
fn names_that_mongodb_cannot_take_are_refused_at_the_door() {
    for (row, said) in [
        (r#"{"x\u0000":1}"#, "U+0000"),
        (r#"{"x":[{"y\u0000":1}]}"#, "column x: the field \"y\\0\": MongoDB has no name"),
        (r#"{"$x":1}"#, "operator"),
        (r#"{"_id":{"$gt":1,"$lt":5}}"#, "column _id: the field \"$gt\": in a key"),
        (r#"{"_id":{"a":{"$gt":1}}}"#, "in a key"),
        (r#"{"upsert":true,"rows":{"_id":1,"":1}}"#, "without a name"),
        (r#"{"upsert":true,"rows":{"_id":1,"a.b":1}}"#, "column a.b: MongoDB would read the dot"),
        (r#"{"upsert":true,"rows":{"_id":{"$ne":1},"a":1}}"#, "in a key"),
    ] {
        let detail = document(row).unwrap_err().detail;
        assert!(detail.contains(said), "{row}: {detail}");
    }
    for row in [r#"{"":1,"a.b":2}"#, r#"{"_id":{"$oid":"507f1f77bcf86cd799439011"},"a":1}"#, r#"{"a":{"$gt":1,"b":2}}"#]
    {
        assert!(document(row).is_ok(), "{row}");
    }
}

#[test]
fn only_what_is_one_row_may_be_kept_together_with_others() {
    let of = |table: &str, payload: &str| refused("erp", "db", table, payload).is_row;
    assert!(of("orders", r#"{"code":"TOOLONG"}"#));
    assert!(!of("ordres", r#"{"code":"A"}"#) && !of("orders", "no json") && !of("stream", r#"{"code":"A"}"#));
}

/// What the gate says of a message for a table of `db`.
fn judged_by(gate: &Gate, table: &str, is_admitted: bool, payload: &str) -> Vec<Result<Row, Rejection>> {
    let account = tables(&["db.o*"]);
    let tables = Some(&account);
    let sender = Sender { tables, source: 3, client: "erp", received_us: 7, is_admitted, database: "db", table };
    let mut judged = Vec::new();
    gate.judge(sender, payload.as_bytes(), |each| judged.push(each));
    judged
}

#[test]
fn rows_for_the_database_that_is_full_alone_are_set_aside_one_by_one() {
    let gate = gate();
    let payload = r#"[{"id":4,"code":"B"},{"upsert":true,"rows":{"id":5,"code":"TOOLONG"}}]"#;
    let judged = |table: &str| judged_by(&gate, table, false, payload);
    let is_judged_by_column = |judged: &[Result<Row, Rejection>]| matches!(judged, [Ok(_), Err(error)] if error.detail.contains("column code"));
    assert!(is_judged_by_column(&judged("orders")));
    assert!(!gate.is_full("db") && !gate.is_full("late") && !gate.is_full("nobody"));
    assert!(gate.set_full("db", true) && !gate.set_full("db", true), "it is new once");
    assert!(gate.is_full("db") && !gate.is_full("late"));
    let refused: Vec<Rejection> = judged("orders").into_iter().map(Result::unwrap_err).collect();
    assert!(refused.iter().all(|one| one.is_row && one.detail.starts_with("too many rows wait for db")), "{refused:?}");
    // Each can be replayed by itself.
    let payloads: Vec<&[u8]> = refused.iter().map(|one| one.payload.as_slice()).collect();
    let expected = [&br#"{"id":4,"code":"B"}"#[..], br#"{"upsert":true,"rows":[{"id":5,"code":"TOOLONG"}]}"#];
    assert_eq!(payloads, expected);
    let malformed = judged_by(&gate, "orders", false, "no json");
    let is_whole = |error: &Rejection| error.reason == Reason::MalformedPayload && !error.is_row;
    assert!(matches!(&malformed[..], [Err(error)] if is_whole(error)), "{malformed:?}");
    let denied = judged("stream");
    assert!(matches!(&denied[..], [Err(error)] if error.detail.contains("may not write")), "{denied:?}");
    assert!(is_judged_by_column(&judged_by(&gate, "orders", true, payload)), "what was let in before is taken");
    assert!(!gate.set_full("nobody", true) && !gate.is_full("nobody"));
    assert!(gate.set_full("db", false) && !gate.is_full("db"));
    assert!(is_judged_by_column(&judged("orders")));
}

#[test]
fn of_a_long_message_for_the_database_that_is_full_every_row_can_be_kept() {
    let gate = gate();
    gate.set_full("db", true);
    let rows: Vec<String> =
        (0..30).map(|id| format!("{{\"id\":{id},\"code\":\"{}\"}}", "x".repeat(100 << 10))).collect();
    let payload = format!("[{}]", rows.join(","));
    assert!(payload.len() > 2 * PAYLOAD_KEPT_BYTES_MAX);
    let refused: Vec<Rejection> =
        judged_by(&gate, "orders", false, &payload).into_iter().map(Result::unwrap_err).collect();
    assert!(refused.iter().all(|one| one.payload.len() <= PAYLOAD_KEPT_BYTES_MAX && one.is_row));
    assert!(refused.iter().map(|one| one.payload.as_slice()).eq(rows.iter().map(String::as_bytes)));
}
