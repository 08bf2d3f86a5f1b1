//! What a table's columns are now, as far as the form of a value and its comparison with one that is held depend on it.

use crate::error::{SinkError, answered};
use crate::rows::catalogue::mysql::json_of;
use genims_databases::{Engine, MysqlConnection, quoted};
use genims_model::Row;
use genims_rows::payload::fields;
use mysql_async::Value;
use mysql_async::prelude::Queryable;
use std::collections::HashMap;

/// The last is whether a row that does not name the column leaves it null. MariaDB calls that default by its name.
const COLUMNS: &str = "SELECT column_name, LOWER(data_type), numeric_precision, numeric_scale, datetime_precision, \
    (column_default IS NULL OR column_default = 'NULL') AND extra = '' FROM information_schema.columns \
    WHERE table_schema = DATABASE() AND table_name = ?";
const IS_MARIADB: &str = "SELECT VERSION() LIKE '%MariaDB%'";
/// JSON of MySQL is a type.
const CHECKS_OF_MARIADB: &str = "SELECT check_clause FROM information_schema.check_constraints \
    WHERE constraint_schema = DATABASE() AND table_name = ?";

type ColumnRow = (String, String, Option<u64>, Option<u64>, Option<u64>, bool);

/// The columns of one table.
#[derive(Debug, Default)]
pub(super) struct Columns(HashMap<String, Held>);

/// How a column holds its values.
#[derive(Debug, Default)]
struct Held {
    data_type: String,
    precision: u64,
    scale: u64,
    /// Digits of a second.
    fraction: u64,
    has_default: bool,
    is_json: bool,
}

impl Columns {
    /// None for a table that is gone: then the statement says so, row by row.
    pub(super) async fn read(connection: &mut MysqlConnection, table: &str) -> Result<Self, SinkError> {
        let rows: Vec<ColumnRow> = answered(connection.exec(COLUMNS, (table,))).await?;
        let held = |(name, data_type, precision, scale, fraction, is_bare): ColumnRow| {
            let is_json = data_type == "json";
            let [precision, scale, fraction] = [precision, scale, fraction].map(Option::unwrap_or_default);
            (name, Held { data_type, precision, scale, fraction, has_default: !is_bare, is_json })
        };
        let mut columns: HashMap<String, Held> = rows.into_iter().map(held).collect();
        let is_mariadb: Option<bool> = answered(connection.query_first(IS_MARIADB)).await?;
        if is_mariadb == Some(true) {
            let checks: Vec<String> = answered(connection.exec(CHECKS_OF_MARIADB, (table,))).await?;
            for name in checks.iter().filter_map(|check| json_of(check)) {
                if let Some(column) = columns.get_mut(name) {
                    column.is_json = true;
                }
            }
        }
        Ok(Self(columns))
    }

    pub(super) fn without_default(&self) -> impl Iterator<Item = &String> {
        self.0.iter().filter(|(_, held)| !held.has_default).map(|(name, _)| name)
    }

    /// The row's values in the order of `columns`.
    pub(super) fn values<'c>(&self, row: &Row, columns: impl Iterator<Item = &'c String>) -> Vec<Value> {
        let fields = fields(&row.values).unwrap_or_default();
        let fields: HashMap<&str, &str> = fields.iter().map(|(name, raw)| (name.as_str(), *raw)).collect();
        columns.map(|column| self.value(column, fields.get(column.as_str()).unwrap_or(&"null"))).collect()
    }

    /// JSON goes as its text. Whole numbers go as such: a text of digits is for some types something else. Others go as text, of which MySQL
    /// reads all digits.
    fn value(&self, column: &str, raw: &str) -> Value {
        match raw {
            "null" => Value::NULL,
            json if self.0.get(column).is_some_and(|held| held.is_json) => Value::from(json),
            "true" => Value::Int(1),
            "false" => Value::Int(0),
            text if text.starts_with('"') => Value::from(serde_json::from_str::<String>(text).unwrap_or_default()),
            number => match (number.parse::<i64>(), number.parse::<u64>()) {
                (Ok(number), _) => Value::Int(number),
                (_, Ok(number)) => Value::UInt(number),
                _ => Value::from(number),
            },
        }
    }

    /// Which row is meant by a key: conditions, and their values.
    pub(super) fn at(&self, row: &Row, key: &[String]) -> (Vec<String>, Vec<Value>) {
        let condition = |column: &String| {
            let (place, value) = self.as_held(row, column);
            (format!("{} = {place}", quoted(Engine::Mysql, column)), value)
        };
        key.iter().map(condition).unzip()
    }

    /// Whether the values are the same, as the columns hold them; of texts letter by letter, whatever their collation says.
    pub(super) fn same(&self, row: &Row, columns: &[String]) -> (Vec<String>, Vec<Value>) {
        let (mut conditions, mut values) = self.at(row, &row.key);
        for column in columns {
            let name = quoted(Engine::Mysql, column);
            let (place, value) = self.as_held(row, column);
            conditions.push(format!("{name} <=> {place}"));
            values.push(value.clone());
            let Some(held) = self.0.get(column).filter(|held| held.is_text()) else { continue };
            let exactly = |text: &str| format!("CAST(CONVERT({text} USING utf8mb4) AS BINARY)");
            conditions.push(format!("{} <=> {}", exactly(&name), exactly("?")));
            values.push(match value {
                Value::Bytes(text) if held.data_type == "char" => Value::Bytes(text.trim_ascii_end().to_vec()),
                other => other,
            });
        }
        (conditions, values)
    }

    /// A value as its column holds it: rounded, cut off, in its own form.
    fn as_held(&self, row: &Row, column: &String) -> (String, Value) {
        let value = self.values(row, std::iter::once(column)).remove(0);
        let Some(held) = self.0.get(column) else { return ("?".to_owned(), value) };
        let Held { precision, scale, fraction, .. } = held;
        let place = match held.data_type.as_str() {
            "decimal" => format!("CAST(? AS DECIMAL({precision},{scale}))"),
            "datetime" | "timestamp" => format!("CAST(? AS DATETIME({fraction}))"),
            "time" => format!("CAST(? AS TIME({fraction}))"),
            "date" => "CAST(? AS DATE)".to_owned(),
            "json" => "CAST(? AS JSON)".to_owned(),
            _ => "?".to_owned(),
        };
        let number = |value: &Value| match value {
            Value::Int(number) => Some(*number as f64),
            Value::UInt(number) => Some(*number as f64),
            Value::Bytes(text) => std::str::from_utf8(text).ok()?.parse::<f64>().ok(),
            _ => None,
        };
        let value = match (held.data_type.as_str(), number(&value)) {
            ("float", Some(number)) => Value::Float(number as f32),
            ("double", Some(number)) => Value::Double(number),
            _ => value,
        };
        (place, value)
    }
}

impl Held {
    /// A text whose letters are as they were sent: an enumeration has its own.
    fn is_text(&self) -> bool {
        matches!(self.data_type.as_str(), "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Columns {
        let held =
            |data_type: &str| Held { data_type: data_type.to_owned(), precision: 8, scale: 2, ..Held::default() };
        let json = Held { is_json: true, ..held("longtext") };
        let all = [
            ("amount", held("decimal")),
            ("near", held("float")),
            ("at", held("datetime")),
            ("code", held("varchar")),
            ("more", json),
        ];
        Columns(all.into_iter().map(|(name, held)| (name.to_owned(), held)).collect())
    }

    fn row(values: &str) -> Row {
        Row { key: vec!["code".to_owned()], values: values.to_owned(), ..Row::default() }
    }

    #[test]
    fn json_goes_as_its_text_and_whole_numbers_as_numbers() {
        let values = |values: &str, name: &str| columns().values(&row(values), [name.to_owned()].iter()).remove(0);
        for raw in ["\"hello\"", "true", "5", "{\"a\": 1}"] {
            assert_eq!(values(&format!("{{\"more\":{raw}}}"), "more"), Value::from(raw), "{raw}");
        }
        assert_eq!(values("{\"more\":null}", "more"), Value::NULL);
        assert_eq!(values("{\"code\":\"hello\"}", "code"), Value::from("hello"));
        assert_eq!(values("{\"code\":true}", "code"), Value::Int(1));
        assert_eq!(values("{\"bits\":18446744073709551615}", "bits"), Value::UInt(u64::MAX));
        assert_eq!(values("{\"amount\":1.10}", "amount"), Value::from("1.10"));
    }

    #[test]
    fn values_are_compared_as_their_columns_hold_them() {
        let row = row(r#"{"amount":1.234,"near":0.1,"at":"2026-01-31 06:30:00.250000","code":"a"}"#);
        let names = ["amount", "near", "at", "code"].map(str::to_owned);
        let (conditions, values) = columns().same(&row, &names);
        assert_eq!(
            conditions,
            [
                "`code` = ?",
                "`amount` <=> CAST(? AS DECIMAL(8,2))",
                "`near` <=> ?",
                "`at` <=> CAST(? AS DATETIME(0))",
                "`code` <=> ?",
                "CAST(CONVERT(`code` USING utf8mb4) AS BINARY) <=> CAST(CONVERT(? USING utf8mb4) AS BINARY)",
            ]
        );
        assert_eq!((values.len(), &values[2]), (6, &Value::Float(0.1)));
    }
}
