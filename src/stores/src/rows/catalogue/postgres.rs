//! The tables of a PostgreSQL database: columns, checks of words, unique keys.

use crate::error::{SinkError, answered};
use genims_databases::PostgresClient as Client;
use genims_rows::schema::Dialect;
use genims_rows::schema::words_of_check;
use genims_rows::{Column, Kind, Schema};
use tokio_postgres::Row;

/// A domain is what it is made of, and its constraints hold for the column. The scale of a numeric has 11 bits with a sign.
const COLUMNS: &str =
    "SELECT c.relname::text, a.attname::text, format_type(base.type_id, NULL), a.attnotnull OR base.is_needed,
    a.atthasdef OR a.attidentity <> '' OR base.has_default, a.attgenerated <> '' OR a.attidentity = 'a',
    CASE WHEN base.typmod > 4 AND t.typname IN ('varchar', 'bpchar') THEN base.typmod - 4 END,
    CASE WHEN base.typmod > 4 AND t.typname = 'numeric' THEN ((base.typmod - 4) >> 16) & 65535 END,
    CASE WHEN base.typmod > 4 AND t.typname = 'numeric' THEN (((base.typmod - 4) & 2047) # 1024) - 1024 END,
    ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = base.type_id ORDER BY e.enumsortorder)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
  CROSS JOIN LATERAL (
    WITH RECURSIVE walk (type_id, typmod, has_default, is_needed) AS (
      SELECT a.atttypid, a.atttypmod, false, false
      UNION ALL
      SELECT d.typbasetype, d.typtypmod, walk.has_default OR d.typdefault IS NOT NULL, walk.is_needed OR d.typnotnull
      FROM walk JOIN pg_type d ON d.oid = walk.type_id AND d.typtype = 'd')
    SELECT * FROM walk) AS base
  JOIN pg_type t ON t.oid = base.type_id AND t.typtype <> 'd'
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND a.attnum > 0 AND NOT a.attisdropped";

const CHECKS: &str = "SELECT c.relname::text, pg_get_constraintdef(k.oid)
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
  WHERE k.contype = 'c' AND c.relnamespace = 'public'::regnamespace";

/// Keys by which a conflict can be told: whole, of plain columns, checked at once.
const KEYS: &str = "SELECT c.relname::text,
    ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
          JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
          WHERE k.place <= i.indnkeyatts ORDER BY k.place)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
  WHERE i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
    AND c.relnamespace = 'public'::regnamespace
  ORDER BY c.relname, i.indisprimary DESC, i.indexrelid";

pub(super) async fn read(client: &Client) -> Result<Schema, SinkError> {
    let mut schema = Schema::default();
    for row in answered(client.query_typed(COLUMNS, &[])).await? {
        let table = schema.tables.entry(row.get(0)).or_default();
        table.columns.insert(row.get(1), column(&row));
    }
    for row in answered(client.query_typed(CHECKS, &[])).await? {
        let (table, check): (String, String) = (row.get(0), row.get(1));
        let Some((name, words)) = words_of_check(&check, Dialect::Postgres) else { continue };
        let table = schema.tables.get_mut(&table);
        if let Some(column) = table.and_then(|table| table.columns.get_mut(&name)) {
            column.words = words;
        }
    }
    for row in answered(client.query_typed(KEYS, &[])).await? {
        if let Some(table) = schema.tables.get_mut(row.get::<_, String>(0).as_str()) {
            table.keys.push(row.get(1));
        }
    }
    Ok(schema)
}

fn column(row: &Row) -> Column {
    let length: Option<i32> = row.get(6);
    let digits: Option<(i32, i32)> = Option::zip(row.get(7), row.get(8));
    let digits = digits.map(|(precision, scale)| (precision.unsigned_abs(), scale));
    let words: Vec<String> = row.get(9);
    let nullable = !row.get::<_, bool>(3);
    let kind = if words.is_empty() { kind(row.get(2), digits) } else { Kind::Text };
    Column {
        kind,
        nullable,
        optional: nullable || row.get(4),
        generated: row.get(5),
        length: length.map(i32::unsigned_abs),
        words,
    }
}

fn kind(name: &str, digits: Option<(u32, i32)>) -> Kind {
    if let Some(of) = name.strip_suffix("[]") {
        return Kind::Array(Box::new(kind(of, digits)));
    }
    match name {
        "smallint" => Kind::Integer(i16::MIN.into(), i16::MAX as u64),
        "integer" => Kind::Integer(i32::MIN.into(), i32::MAX as u64),
        "bigint" => Kind::Integer(i64::MIN, i64::MAX as u64),
        "numeric" => Kind::Decimal(digits),
        "real" | "double precision" => Kind::Float,
        "boolean" => Kind::Boolean,
        "text" | "character varying" | "character" => Kind::Text,
        "date" => Kind::Date,
        "time without time zone" => Kind::Time,
        "timestamp without time zone" => Kind::Timestamp,
        "timestamp with time zone" => Kind::Moment,
        "uuid" => Kind::Uuid,
        "json" | "jsonb" => Kind::Json,
        // Composite types take objects, addresses and spans texts, money numbers: PostgreSQL says of each what does not fit.
        _ => Kind::Any,
    }
}
