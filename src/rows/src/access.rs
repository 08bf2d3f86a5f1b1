//! Which client may write into which tables: `[rows]` of the configuration. What is not allowed is denied.

use serde::{Deserialize, Serialize};

/// `[rows]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RowOptions {
    pub clients: Vec<RowClient>,
}

/// One `[[rows.clients]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RowClient {
    /// The client id on MQTT, the client's name on TCP.
    pub client: String,
    /// `database.table`; `*` stands for any number of characters in either.
    pub tables: Vec<String>,
}

impl RowOptions {
    pub fn allows(&self, client: &str, database: &str, table: &str) -> bool {
        let of_client = self.clients.iter().filter(|entry| entry.client == client);
        of_client.flat_map(|entry| &entry.tables).any(|pattern| {
            let (databases, tables) = parts(pattern);
            fits(databases, database) && fits(tables, table)
        })
    }

    /// Whether anybody may write into any table of the database.
    pub fn reaches(&self, database: &str) -> bool {
        self.clients.iter().flat_map(|entry| &entry.tables).any(|pattern| fits(parts(pattern).0, database))
    }

    /// What is wrong with an entry; `known` are the databases.
    pub fn problem(&self, known: &[&str]) -> Option<String> {
        for entry in &self.clients {
            if entry.client.is_empty() {
                return Some("an entry of [[rows.clients]] names no client; say the client id".to_owned());
            }
            for pattern in &entry.tables {
                let (databases, tables) = parts(pattern);
                if tables.is_empty() || databases.is_empty() {
                    return Some(format!("{pattern:?} of client {} is no database.table", entry.client));
                }
                if !known.iter().any(|name| fits(databases, name)) {
                    return Some(format!("{pattern:?} of client {} fits no database of the registry", entry.client));
                }
            }
        }
        None
    }
}

fn parts(pattern: &str) -> (&str, &str) {
    pattern.split_once('.').unwrap_or((pattern, ""))
}

fn fits(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_number_of_characters() {
        for (pattern, name, expected) in [
            ("orders", "orders", true),
            ("orders", "orders_old", false),
            ("*", "anything", true),
            ("order*", "order_lines", true),
            ("*_lines", "order_lines", true),
            ("o*_l*s", "order_lines", true),
            ("aa*aa", "aaa", false),
            ("", "x", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn who_is_not_named_may_nothing() {
        let client = |client: &str, tables: &[&str]| RowClient {
            client: client.to_owned(),
            tables: tables.iter().map(|table| (*table).to_owned()).collect(),
        };
        let options = RowOptions { clients: vec![client("erp", &["genims_erp_db.*"]), client("hr", &["a.b"])] };
        assert!(options.allows("erp", "genims_erp_db", "materials"));
        assert!(!options.allows("erp", "genims_hr_db", "employees"));
        assert!(!options.allows("hr", "genims_erp_db", "materials"));
        assert!(!options.allows("", "genims_erp_db", "materials"));
        assert!(options.reaches("genims_erp_db") && !options.reaches("genims_hr_db"));
        let known = ["genims_erp_db"];
        assert!(options.problem(&known).unwrap().contains("\"a.b\" of client hr fits no database"));
        assert!(RowOptions { clients: vec![client("x", &["materials"])] }.problem(&known).is_some());
        assert!(RowOptions { clients: vec![client("", &[])] }.problem(&known).is_some());
    }
}
