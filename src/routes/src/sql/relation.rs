//! JSON as a relation: an array of objects, the objects' members its columns.

use crate::vocabulary::FieldType;
use genims_databases::Engine;

/// The relation `name` of the parameter number `parameter`. MySQL's parameters have no numbers: they stand in order.
pub(super) fn relation<'a>(
    engine: Engine,
    name: &str,
    columns: impl Iterator<Item = (&'a str, FieldType)>,
    parameter: usize,
) -> String {
    if engine == Engine::Postgresql {
        let columns: Vec<String> =
            columns.map(|(column, field_type)| format!("{column} {}", postgres_type(field_type))).collect();
        return format!("jsonb_to_recordset(${parameter}::text::jsonb) AS {name}({})", columns.join(", "));
    }
    let (mut read, mut collated) = (Vec::new(), Vec::new());
    for (column, field_type) in columns {
        read.push(format!("{column} {} PATH '$.{column}'", mysql_type(field_type)));
        // JSON has a collation of its own, which no column can be compared with.
        collated.push(match field_type {
            FieldType::Text => format!("{column} COLLATE utf8mb4_unicode_ci AS {column}"),
            _ => column.to_owned(),
        });
    }
    let (collated, read) = (collated.join(", "), read.join(", "));
    format!("(SELECT {collated} FROM JSON_TABLE(?, '$[*]' COLUMNS ({read})) AS genims_json) AS {name}")
}

fn postgres_type(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Text => "text",
        FieldType::Integer => "bigint",
        FieldType::Float => "double precision",
        FieldType::Boolean => "boolean",
        FieldType::Timestamp => "timestamp",
    }
}

fn mysql_type(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Text => "TEXT",
        FieldType::Integer => "BIGINT",
        FieldType::Float => "DOUBLE",
        FieldType::Boolean => "TINYINT",
        FieldType::Timestamp => "DATETIME(6)",
    }
}
