//! The tables of a MySQL database: columns, checks of words, unique keys.

use crate::error::{SinkError, answered};
use genims_databases::MysqlConnection;
use genims_rows::schema::{Dialect, words_of_check};
use genims_rows::{Column, Kind, Schema};
use mysql_async::prelude::Queryable;

const COLUMNS: &str = "SELECT c.table_name, c.column_name, LOWER(c.data_type), c.column_type, c.is_nullable, \
    c.column_default IS NOT NULL, LOWER(c.extra), c.character_maximum_length, c.numeric_precision, c.numeric_scale \
    FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name) \
    WHERE c.table_schema = DATABASE() AND t.table_type = 'BASE TABLE'";

const CHECKS_OF_MARIADB: &str = "SELECT table_name, check_clause FROM information_schema.check_constraints \
    WHERE constraint_schema = DATABASE()";
const CHECKS_OF_MYSQL: &str = "SELECT t.table_name, c.check_clause FROM information_schema.check_constraints c \
    JOIN information_schema.table_constraints t USING (constraint_schema, constraint_name) \
    WHERE c.constraint_schema = DATABASE() AND t.constraint_type = 'CHECK'";

/// Whole columns alone: the beginning of a text or an expression is no key that a row could name.
const KEYS: &str = "SELECT table_name, index_name, column_name, sub_part IS NULL AND column_name IS NOT NULL \
    FROM information_schema.statistics WHERE table_schema = DATABASE() AND non_unique = 0 \
    ORDER BY table_name, index_name <> 'PRIMARY', index_name, seq_in_index";

type ColumnRow = (String, String, String, String, String, bool, String, Option<u64>, Option<u64>, Option<u64>);

pub(super) async fn read(connection: &mut MysqlConnection) -> Result<Schema, SinkError> {
    let mut schema = Schema::default();
    let columns: Vec<ColumnRow> = answered(connection.query(COLUMNS)).await?;
    for row in columns {
        let (table, name) = (row.0.clone(), row.1.clone());
        schema.tables.entry(table).or_default().columns.insert(name, column(row));
    }
    let version: Option<String> = answered(connection.query_first("SELECT VERSION()")).await?;
    let is_mariadb = version.is_some_and(|version| version.contains("MariaDB"));
    let checks = if is_mariadb { CHECKS_OF_MARIADB } else { CHECKS_OF_MYSQL };
    let checks: Vec<(String, String)> = answered(connection.query(checks)).await?;
    for (table, check) in checks {
        let Some(table) = schema.tables.get_mut(&table) else { continue };
        let check = if is_mariadb { check } else { unescaped(&check) };
        if let Some(column) = json_of(&check).and_then(|name| table.columns.get_mut(name)) {
            column.kind = Kind::Json;
            column.length = None;
        } else if let Some((name, words)) = words_of_check(&check, Dialect::Mysql)
            && let Some(column) = table.columns.get_mut(&name)
        {
            column.words = words;
        }
    }
    let keys: Vec<(String, String, Option<String>, bool)> = answered(connection.query(KEYS)).await?;
    for index in keys.chunk_by(|one, next| (&one.0, &one.1) == (&next.0, &next.1)) {
        let Some(table) = schema.tables.get_mut(&index[0].0) else { continue };
        if index.iter().all(|(.., is_whole)| *is_whole) {
            table.keys.push(index.iter().filter_map(|(_, _, column, _)| column.clone()).collect());
        }
    }
    Ok(schema)
}

/// MySQL 8 repeats a check as a text within quotes: `_utf8mb4\'word\'`.
fn unescaped(check: &str) -> String {
    let mut signs = check.chars();
    std::iter::from_fn(|| match signs.next()? {
        '\\' => signs.next(),
        sign => Some(sign),
    })
    .collect()
}

/// MariaDB's JSON is a text with a check.
pub(in crate::rows) fn json_of(check: &str) -> Option<&str> {
    check.trim_matches(['(', ')']).strip_prefix("json_valid(")?.trim_matches(['(', ')', '`', ' ']).into()
}

fn column(row: ColumnRow) -> Column {
    let (_, _, data_type, column_type, nullable, has_default, extra, length, precision, scale) = row;
    let words = match column_type.strip_prefix("enum(") {
        Some(words) => words_of_check(&format!("x in ({words}"), Dialect::Mysql).map(|(_, words)| words),
        None => None,
    };
    let words = words.unwrap_or_default();
    let nullable = nullable == "YES";
    let is_generated = extra.contains("virtual") || extra.contains("stored") || extra.contains("persistent");
    Column {
        kind: kind(&data_type, &column_type, precision, scale),
        nullable,
        optional: nullable || has_default || extra.contains("auto_increment"),
        generated: is_generated,
        length: length.and_then(|length| u32::try_from(length).ok()).filter(|_| words.is_empty()),
        words,
    }
}

fn kind(data_type: &str, column_type: &str, precision: Option<u64>, scale: Option<u64>) -> Kind {
    let is_unsigned = column_type.contains("unsigned");
    let integer = |bits: u32| match is_unsigned {
        true => Kind::Integer(0, u64::MAX >> (64 - bits)),
        false => Kind::Integer(i64::MIN >> (64 - bits), (u64::MAX >> (64 - bits)) >> 1),
    };
    match data_type {
        "tinyint" if column_type.starts_with("tinyint(1)") => Kind::Boolean,
        "tinyint" => integer(8),
        "smallint" => integer(16),
        "mediumint" => integer(24),
        "int" => integer(32),
        "bigint" => integer(64),
        "decimal" => Kind::Decimal(precision.zip(scale).map(|(all, behind)| (all as u32, behind as i32))),
        "float" | "double" => Kind::Float,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" => Kind::Text,
        "bit" => match precision {
            Some(0 | 1) | None => Kind::Boolean,
            Some(bits) => Kind::Integer(0, u64::MAX >> 64_u64.saturating_sub(bits)),
        },
        "year" => Kind::Year,
        "date" => Kind::Date,
        "time" => Kind::Time,
        "datetime" | "timestamp" => Kind::Timestamp,
        "json" => Kind::Json,
        "uuid" => Kind::Uuid,
        other => Kind::Other(format!("a text that MySQL reads as {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_with_their_bounds() {
        for (data_type, column_type, expected) in [
            ("tinyint", "tinyint(1)", Kind::Boolean),
            ("tinyint", "tinyint(4)", Kind::Integer(-128, 127)),
            ("smallint", "smallint(5) unsigned", Kind::Integer(0, 65_535)),
            ("bigint", "bigint(20)", Kind::Integer(i64::MIN, i64::MAX as u64)),
            ("bigint", "bigint(20) unsigned", Kind::Integer(0, u64::MAX)),
            ("decimal", "decimal(10,2)", Kind::Decimal(Some((10, 2)))),
            ("datetime", "datetime(6)", Kind::Timestamp),
            ("year", "year(4)", Kind::Year),
        ] {
            assert_eq!(kind(data_type, column_type, Some(10), Some(2)), expected, "{column_type}");
        }
        let bits = |bits| kind("bit", &format!("bit({bits})"), Some(bits), None);
        let expected = [Kind::Boolean, Kind::Integer(0, 255), Kind::Integer(0, u64::MAX)];
        assert_eq!([bits(1), bits(8), bits(64)], expected);
        assert_eq!(
            unescaped(r"(`a` in (_utf8mb4\'x\',_utf8mb4\'it\\\'s\'))"),
            r"(`a` in (_utf8mb4'x',_utf8mb4'it\'s'))"
        );
        assert_eq!(json_of("json_valid(`payload`)"), Some("payload"));
        assert_eq!(json_of("`a` > 0"), None);
    }
}
