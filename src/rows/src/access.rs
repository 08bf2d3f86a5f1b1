//! Into which tables rows may go: for which databases they are taken at all (`[rows]` of the configuration), and which tables a
//! client may write (its account; `[rows]` for clients without one). What is not allowed is denied.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// `[rows]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RowOptions {
    /// The databases that rows are taken for; `*` stands for any number of characters.
    pub databases: Vec<String>,
    /// What clients without an account may write, as in [`Tables::new`].
    pub anonymous: Vec<String>,
}

/// Tables that a client may write into.
#[derive(Clone, Debug, Default)]
pub struct Tables(Arc<[(Box<str>, Box<str>)]>);

impl Tables {
    /// Of patterns `database.table`; `*` stands for any number of characters in either.
    pub fn new(patterns: &[String]) -> Result<Self, String> {
        let halves = |pattern: &String| match pattern.split_once('.') {
            Some((database, table)) if !database.is_empty() && !table.is_empty() => Ok((database.into(), table.into())),
            _ => Err(format!("{pattern:?} is no DATABASE.TABLE; * stands for any number of characters in either")),
        };
        patterns.iter().map(halves).collect::<Result<_, _>>().map(Self)
    }

    pub fn allow(&self, database: &str, table: &str) -> bool {
        self.0.iter().any(|(databases, tables)| fits(databases, database) && fits(tables, table))
    }
}

impl RowOptions {
    /// Whether rows are taken for the database.
    pub fn reaches(&self, database: &str) -> bool {
        self.databases.iter().any(|pattern| fits(pattern, database))
    }

    /// The key at fault, and what is wrong with it; `known` are the databases.
    pub fn problem(&self, known: &[&str]) -> Option<(&'static str, String)> {
        if self.databases.is_empty() {
            return Some(("databases", "names no database that rows are taken for".to_owned()));
        }
        if let Some(wrong) = self.databases.iter().find(|pattern| !known.iter().any(|name| fits(pattern, name))) {
            return Some(("databases", format!("{wrong:?} fits no database of the registry")));
        }
        if let Err(problem) = Tables::new(&self.anonymous) {
            return Some(("anonymous", problem));
        }
        let is_reached = |pattern: &&String| {
            let database = pattern.split('.').next().unwrap_or_default();
            known.iter().any(|name| fits(database, name) && self.reaches(name))
        };
        let wrong = self.anonymous.iter().find(|pattern| !is_reached(pattern))?;
        Some(("anonymous", format!("{wrong:?} is of no database that databases names")))
    }
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

    fn patterns(patterns: &[&str]) -> Vec<String> {
        patterns.iter().map(|pattern| (*pattern).to_owned()).collect()
    }

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
    fn what_is_not_named_is_denied() {
        let tables = Tables::new(&patterns(&["genims_erp_db.*", "genims_hr_db.t_*"])).unwrap();
        assert!(tables.allow("genims_erp_db", "materials") && tables.allow("genims_hr_db", "t_x"));
        assert!(!tables.allow("genims_hr_db", "employees") && !tables.allow("genims_erp", "materials"));
        assert!(!Tables::default().allow("genims_erp_db", "materials"));
        for wrong in ["materials", ".materials", "genims_erp_db.", ""] {
            assert!(Tables::new(&patterns(&[wrong])).unwrap_err().contains(wrong));
        }
    }

    #[test]
    fn what_the_configuration_names_is_there() {
        let known = ["genims_erp_db", "genims_hr_db"];
        let problem = |databases: &[&str], anonymous: &[&str]| {
            RowOptions { databases: patterns(databases), anonymous: patterns(anonymous) }.problem(&known)
        };
        assert_eq!(problem(&["genims_erp_db"], &["genims_erp_db.*", "*.t"]), None);
        for (databases, anonymous, key, said) in [
            (&[][..], &[][..], "databases", "names no database"),
            (&["genims_crm"], &[], "databases", "\"genims_crm\" fits no database"),
            (&["*"], &["materials"], "anonymous", "\"materials\" is no DATABASE.TABLE"),
            (&["genims_erp_db"], &["genims_hr_db.t"], "anonymous", "\"genims_hr_db.t\" is of no database"),
        ] {
            let (found, problem) = problem(databases, anonymous).unwrap();
            assert!(found == key && problem.contains(said), "{found}: {problem}");
        }
        let some = RowOptions { databases: patterns(&["genims_e*"]), ..RowOptions::default() };
        assert!(some.reaches("genims_erp_db") && !some.reaches("genims_hr_db"));
    }
}
