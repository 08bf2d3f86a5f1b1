//! The data dictionary: every database, table, column and reference, read from the embedded schema without any server.
//!
//! Relational tables come from the migrations and `references.csv`; collections of the document store from their JSON
//! files, nested fields as `meta.sensor_id`, elements of lists as `lines[].quantity`.
//!
//! - [`glossary`]: what columns mean that their tables say nothing of
//! - [`page`]: the dictionary as one HTML page

mod glossary;
mod page;

use super::errors::PlatformError;
use genims_databases::{Database, Engine, Model, Registry, schema};
use glossary::Glossary;
pub use page::page;
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Clone, Debug, Serialize)]
pub struct Dictionary {
    pub databases: Vec<DatabaseEntry>,
}

#[derive(Clone, Debug, Serialize)]
pub struct DatabaseEntry {
    #[serde(flatten)]
    pub database: Database,
    pub contents: Vec<TableEntry>,
}

/// A table or a collection.
#[derive(Clone, Debug, Serialize)]
pub struct TableEntry {
    pub name: String,
    pub comment: String,
    pub columns: Vec<ColumnEntry>,
}

/// A column or a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnEntry {
    pub name: String,
    #[serde(rename = "type")]
    pub declared: String,
    /// Part of the primary key.
    pub key: bool,
    pub unique: bool,
    pub nullable: bool,
    pub default: Option<String>,
    pub comment: String,
    /// `database.table.column`; more than one are alternatives.
    pub references: Vec<String>,
}

impl Dictionary {
    pub fn of(registry: &Registry) -> Result<Self, PlatformError> {
        let glossary = Glossary::load()?;
        let entry = |database: &Database| {
            let contents = match database.engine {
                Engine::Mongodb => collections(database)?,
                _ => tables(database, &glossary).map_err(|cause| PlatformError::Model { cause })?,
            };
            Ok(DatabaseEntry { database: database.clone(), contents })
        };
        Ok(Self { databases: registry.all().iter().map(entry).collect::<Result<_, PlatformError>>()? })
    }
}

fn tables(database: &Database, glossary: &Glossary) -> Result<Vec<TableEntry>, String> {
    let model = Model::of(database)?;
    let tables = model.tables.into_iter().map(|table| {
        let key = table.key;
        let meaning = |column: &str| glossary.meaning(&database.name, &table.name, column).to_owned();
        let column = |column: genims_databases::Column| ColumnEntry {
            comment: column.comment.unwrap_or_else(|| meaning(&column.name)),
            key: key.contains(&column.name),
            name: column.name,
            declared: column.declared,
            unique: column.unique,
            nullable: column.nullable,
            default: column.default,
            references: column.references,
        };
        let columns = table.columns.into_iter().map(column).collect();
        TableEntry { name: table.name, comment: table.comment.unwrap_or_default(), columns }
    });
    Ok(tables.collect())
}

fn collections(database: &Database) -> Result<Vec<TableEntry>, PlatformError> {
    let mut collections = Vec::new();
    for file in schema::files(database) {
        let Some(name) = file.name.strip_suffix(".json") else { continue };
        let value: Value =
            serde_json::from_str(file.text).map_err(|error| schema::unusable(database, file.name, error))?;
        let described = value.pointer("/validator/$jsonSchema").or_else(|| value.get("fields"));
        let mut columns = Vec::new();
        if let Some(described) = described {
            fields("", described, &mut columns);
        }
        let comment = value.get("purpose").and_then(Value::as_str).unwrap_or_default().to_owned();
        collections.push(TableEntry { name: name.to_owned(), comment, columns });
    }
    Ok(collections)
}

/// The fields of a `$jsonSchema` object, and those inside of them. A schema file is no deeper than its author wrote it.
fn fields(before: &str, described: &Value, columns: &mut Vec<ColumnEntry>) {
    let nothing = Map::new();
    let properties = described.get("properties").and_then(Value::as_object).unwrap_or(&nothing);
    let required = |name: &str| {
        let listed = described.get("required").and_then(Value::as_array);
        listed.is_some_and(|listed| listed.iter().any(|known| known == name))
    };
    for (name, field) in properties {
        let path = format!("{before}{name}");
        let types = types(field);
        let mut comment = field.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(values) = field.get("enum").and_then(Value::as_array) {
            let values: Vec<&str> = values.iter().map(|value| value.as_str().unwrap_or("null")).collect();
            let gap = if comment.is_empty() { "" } else { ": " };
            comment.push_str(&format!("{gap}{}", values.join(", ")));
        }
        columns.push(ColumnEntry {
            key: path == "_id",
            nullable: types.contains(&"null") || !required(name),
            declared: types.into_iter().filter(|kind| *kind != "null").collect::<Vec<_>>().join(" or "),
            unique: path == "_id",
            default: None,
            comment,
            references: Vec::new(),
            name: path.clone(),
        });
        fields(&format!("{path}."), field, columns);
        if let Some(items) = field.get("items") {
            fields(&format!("{path}[]."), items, columns);
        }
    }
}

fn types(field: &Value) -> Vec<&str> {
    match field.get("bsonType") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ if field.get("enum").is_some() => vec!["string"],
        _ => vec!["any"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn dictionary() -> Dictionary {
        Dictionary::of(&Registry::load(None).expect("the embedded registry")).expect("readable")
    }

    #[test]
    fn all_tables_of_the_contract_are_in_it_and_say_what_they_are() {
        for entry in dictionary().databases {
            assert_eq!(entry.contents.len(), entry.database.tables as usize, "{}", entry.database.name);
            for table in entry.contents {
                assert!(
                    !table.comment.is_empty() && !table.columns.is_empty(),
                    "{}.{}",
                    entry.database.name,
                    table.name
                );
                for column in table.columns {
                    let name = format!("{}.{}.{}", entry.database.name, table.name, column.name);
                    assert!(!column.comment.is_empty(), "{name}: say what it means in config/schema/glossary.csv");
                }
            }
        }
    }

    #[test]
    fn nested_fields_and_elements_of_lists_are_named_by_their_path() {
        let described = json!({
            "required": ["a"],
            "properties": {
                "a": { "bsonType": "object", "properties": { "b": { "bsonType": ["int", "null"], "description": "B" } } },
                "c": { "bsonType": "array", "items": { "properties": { "d": { "enum": ["x", "y"] } } } },
            },
        });
        let mut columns = Vec::new();
        fields("", &described, &mut columns);
        let told: Vec<(&str, &str, bool, &str)> = columns
            .iter()
            .map(|column| (column.name.as_str(), column.declared.as_str(), column.nullable, column.comment.as_str()))
            .collect();
        let expected = [
            ("a", "object", false, ""),
            ("a.b", "int", true, "B"),
            ("c", "array", true, ""),
            ("c[].d", "string", true, "x, y"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn the_page_is_self_contained_and_holds_every_table_with_its_references() {
        let dictionary = dictionary();
        let page = page(&dictionary).expect("a page");
        for entry in &dictionary.databases {
            for table in &entry.contents {
                let anchor = format!("id=\"{}.{}\"", entry.database.name, table.name);
                assert_eq!(page.matches(&anchor).count(), 1, "{anchor}");
            }
        }
        assert!(page.contains("href=\"#genims_master_db.machines\""));
        assert!(!page.contains("src=") && !page.contains("http://") && !page.contains("https://"));
    }
}
