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

    /// Without a browser, as a hint where: what makes a page wider than a small screen is looked for in its style.
    #[test]
    fn nothing_makes_the_page_wider_than_480_pixels() {
        const PIXELS: f64 = 480.0;
        const PIXELS_PER_EM: f64 = 14.0;
        let page = page(&Dictionary { databases: Vec::new() }).expect("a page");
        let style = page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).expect("a style");
        let rules = style.split('}').filter_map(|rule| rule.rsplit_once('{'));
        let mut seen = 0;
        for (selector, declarations) in rules {
            let of = |name: &str| {
                declarations
                    .split(';')
                    .filter_map(|declaration| declaration.split_once(':'))
                    .find(|(key, _)| key.trim() == name)
            };
            let pixels = |value: &str| {
                let number = |unit: &str| value.trim().strip_suffix(unit).and_then(|number| number.parse::<f64>().ok());
                let em = number("em").map(|em| em * PIXELS_PER_EM);
                let share = number("vw").or_else(|| number("%")).map(|share| share / 100.0 * PIXELS);
                number("px").or(em).or(share).unwrap_or_else(|| panic!("{selector}: {value}"))
            };
            for name in ["width", "min-width"] {
                let Some((_, value)) = of(name) else { continue };
                let most = of("max-width").filter(|_| name == "width").map_or(f64::MAX, |(_, value)| pixels(value));
                assert!(pixels(value).min(most) <= PIXELS, "{selector}: {name}: {value}");
                seen += 1;
            }
            // What is not broken scrolls by itself.
            let is_one_line = of("white-space").is_some_and(|(_, value)| value.trim() == "nowrap");
            assert!(!is_one_line || of("overflow-x").is_some(), "{selector}");
        }
        assert!(seen >= 2, "{seen} widths found in {style}");
        let small = style.split("max-width:480px").nth(1).expect("a small screen");
        assert!(small.contains("table,tbody,tr,td{display:block}"), "columns below each other");
        assert!(small.contains("h1,h2,h3,p,td{overflow-wrap:anywhere}"), "the longest names break");
    }
}
