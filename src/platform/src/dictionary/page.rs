//! The dictionary as one HTML page: no other file, nothing from the network, a search over tables, columns and comments.

use super::Dictionary;
use crate::errors::PlatformError;
use askama::Template;

#[derive(Template)]
#[template(path = "dictionary.html")]
struct Page<'a> {
    dictionary: &'a Dictionary,
}

/// The whole page.
pub fn page(dictionary: &Dictionary) -> Result<String, PlatformError> {
    Page { dictionary }.render().map_err(|error| PlatformError::Model { cause: error.to_string() })
}

/// `database.table` of `database.table.column`: the anchor of a reference.
fn table_of(target: &str) -> &str {
    target.rsplit_once('.').map_or(target, |(table, _)| table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::{ColumnEntry, DatabaseEntry, TableEntry};
    use genims_databases::Registry;

    #[test]
    fn what_comments_say_is_text_and_no_markup() {
        let registry = Registry::load(None).expect("the embedded registry");
        let column = ColumnEntry {
            name: "id".to_owned(),
            declared: "BIGINT".to_owned(),
            key: true,
            unique: true,
            nullable: false,
            default: None,
            comment: "a < b & c".to_owned(),
            references: vec!["genims_hr_db.employees.employee_id".to_owned()],
        };
        let table = TableEntry { name: "people".to_owned(), comment: "<b>".to_owned(), columns: vec![column] };
        let database = registry.get("hr").expect("in the registry").clone();
        let dictionary = Dictionary { databases: vec![DatabaseEntry { database, contents: vec![table] }] };
        let page = page(&dictionary).expect("a page");
        assert!(!page.contains("<p><b>") && !page.contains("a < b"), "{page}");
        assert!(page.contains("href=\"#genims_hr_db.employees\"") && page.contains("id=\"genims_hr_db.people\""));
        // Small screens, anchors behind the header, each database's list of tables, a search that finds nothing.
        for part in ["name=\"viewport\"", "max-width:480px", "scroll-padding-top", "id=\"nothing\"", "class=\"list\""] {
            assert!(page.contains(part), "{part}");
        }
    }
}
