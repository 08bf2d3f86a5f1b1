//! The collections of a MongoDB database: what their validators say of the first level, unique indexes. Time-series collections are
//! not there: nothing in them is unique, so a row could not be written once.

use crate::error::{SinkError, answered};
use bson::{Bson, Document};
use futures_util::TryStreamExt;
use genims_rows::{Column, Kind, Schema, Table};
use mongodb::Database;

pub(super) async fn read(database: &Database) -> Result<Schema, SinkError> {
    let listed = answered(async { database.list_collections().await }).await?;
    let listed: Vec<_> = answered(async { listed.try_collect().await }).await?;
    let mut schema = Schema::default();
    for collection in listed {
        let is_plain = matches!(collection.collection_type, mongodb::results::CollectionType::Collection);
        if !is_plain || collection.name.starts_with("system.") {
            continue;
        }
        let mut table = table(collection.options.validator.as_ref());
        let indexes = database.collection::<Document>(&collection.name);
        let indexes = answered(async { indexes.list_indexes().await }).await?;
        let indexes: Vec<_> = answered(async { indexes.try_collect().await }).await?;
        for index in indexes {
            let options = index.options.unwrap_or_default();
            let whole = options.partial_filter_expression.is_none() && !options.sparse.unwrap_or(false);
            let key: Vec<String> = index.keys.keys().cloned().collect();
            if options.unique == Some(true) && whole && key.iter().all(|name| !name.contains('.')) {
                table.keys.push(key);
            }
        }
        schema.tables.insert(collection.name, table);
    }
    Ok(schema)
}

fn table(validator: Option<&Document>) -> Table {
    let id = || vec!["_id".to_owned()];
    let Some(shape) = validator.and_then(|validator| validator.get_document("$jsonSchema").ok()) else {
        return Table { keys: vec![id()], open: true, ..Table::default() };
    };
    let mut table = Table { keys: vec![id()], ..Table::default() };
    for (name, property) in shape.get_document("properties").into_iter().flatten() {
        if let Some(property) = property.as_document() {
            table.columns.insert(name.clone(), column(property));
        }
    }
    for name in shape.get_array("required").into_iter().flatten().filter_map(Bson::as_str) {
        let column = table.columns.entry(name.to_owned()).or_insert_with(|| Column::new(Kind::Any));
        // One is made where a document brings none.
        column.optional = name == "_id";
    }
    table.columns.entry("_id".to_owned()).or_insert_with(|| Column::new(Kind::Any));
    // Fields that the validator does not name are no columns, whether it forbids them or not.
    table.open = table.columns.len() == 1;
    table
}

fn column(property: &Document) -> Column {
    let types: Vec<&str> = match property.get("bsonType") {
        Some(Bson::String(one)) => vec![one],
        Some(Bson::Array(some)) => some.iter().filter_map(Bson::as_str).collect(),
        _ => Vec::new(),
    };
    let of = |name: &str| types.contains(&name);
    let others: Vec<&&str> = types.iter().filter(|name| **name != "null").collect();
    let kind = match others.as_slice() {
        [one] => kind(one, property),
        [_, _] if of("int") && of("long") => Kind::Integer(i64::MIN, i64::MAX as u64),
        _ => Kind::Any,
    };
    let words = property.get_array("enum").into_iter().flatten().filter_map(Bson::as_str).map(str::to_owned).collect();
    let length = property.get("maxLength").and_then(|length| match length {
        Bson::Int32(length) => u32::try_from(*length).ok(),
        Bson::Int64(length) => u32::try_from(*length).ok(),
        _ => None,
    });
    let words = if kind == Kind::Text { words } else { Vec::new() };
    Column { nullable: types.is_empty() || of("null"), length, words, ..Column::new(kind) }
}

fn kind(name: &str, property: &Document) -> Kind {
    match name {
        "string" => Kind::Text,
        "int" => Kind::Integer(i32::MIN.into(), i32::MAX as u64),
        "long" => Kind::Integer(i64::MIN, i64::MAX as u64),
        "double" => Kind::Float,
        "number" => Kind::Number,
        "bool" => Kind::Boolean,
        "date" => Kind::Moment,
        "object" => Kind::Object,
        "array" => {
            let of = property.get_document("items").ok().and_then(|items| items.get_str("bsonType").ok());
            Kind::Array(Box::new(of.map_or(Kind::Any, |of| kind(of, &Document::new()))))
        }
        _ => Kind::Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    #[test]
    fn a_validator_says_types_words_and_what_is_required() {
        let table = table(Some(&doc! { "$jsonSchema": {
            "required": ["kind", "at"],
            "properties": {
                "kind": { "bsonType": "string", "enum": ["a", "b"] },
                "at": { "bsonType": "date" },
                "count": { "bsonType": ["int", "long", "null"] },
                "tags": { "bsonType": "array", "items": { "bsonType": "string" } },
            },
        }}));
        assert!(!table.open && table.keys == [vec!["_id".to_owned()]]);
        let column = |name: &str| table.columns[name].clone();
        assert_eq!((column("kind").words.len(), column("kind").nullable), (2, false));
        assert_eq!((column("at").kind, column("at").optional), (Kind::Moment, false));
        assert_eq!((column("count").kind, column("count").nullable), (Kind::Integer(i64::MIN, i64::MAX as u64), true));
        assert!(column("tags").optional && !column("tags").nullable, "it may be missing, and null is no array");
        assert_eq!(column("tags").kind, Kind::Array(Box::new(Kind::Text)));
        assert!(super::table(None).open);
        let of = |name| kind(name, &Document::new());
        assert_eq!((of("double"), of("number")), (Kind::Float, Kind::Number));
    }
}
