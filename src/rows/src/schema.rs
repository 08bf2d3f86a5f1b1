//! What the live catalogue of a database says of its tables, as the door needs it. Kept on disk as well, so that rows are
//! taken while their database is down.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whose forms of values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dialect {
    Postgres,
    Mysql,
    Mongo,
}

/// The tables of one database, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    pub tables: BTreeMap<String, Table>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub columns: BTreeMap<String, Column>,
    /// The unique keys, the primary one first; each is its columns.
    pub keys: Vec<Vec<String>>,
    /// Takes columns that are not named: a collection without a validator.
    pub open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    pub kind: Kind,
    pub nullable: bool,
    /// May be left out: it is null then, or gets a value from the database.
    pub optional: bool,
    /// Always computed by the database.
    pub generated: bool,
    /// Characters of a text.
    pub length: Option<u32>,
    /// The words that a check or an enumeration allows; empty: any.
    pub words: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// From and to, both included.
    Integer(i64, u64),
    /// Digits in all and behind the point, or before it where there are fewer than none behind; none: any.
    Decimal(Option<(u32, i32)>),
    Float,
    /// A number of MongoDB, whole or not.
    Number,
    Boolean,
    Text,
    Date,
    /// A year of MySQL.
    Year,
    /// Of the day; in MySQL a span of time as well.
    Time,
    /// Without a time zone.
    Timestamp,
    /// A moment, whatever the zone it is written in.
    Moment,
    Uuid,
    Json,
    /// An object of MongoDB.
    Object,
    Array(Box<Kind>),
    /// Anything that MongoDB stores; a type of which PostgreSQL itself is the judge.
    Any,
    /// A type that only the database judges; written as text.
    Other(String),
}

impl Column {
    pub fn new(kind: Kind) -> Self {
        Self { kind, nullable: true, optional: true, generated: false, length: None, words: Vec::new() }
    }
}

impl Kind {
    /// How it is called in a complaint.
    pub fn told(&self) -> &str {
        match self {
            Self::Integer(..) => "a whole number",
            Self::Decimal(_) | Self::Float | Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Text => "a text",
            Self::Date => "a date like \"2026-01-31\"",
            Self::Year => "a year like 2026, of 1901 to 2155",
            Self::Time => "a time like \"06:30:00\"",
            Self::Timestamp => "a time like \"2026-01-31T06:30:00\"",
            Self::Moment => "a time with its zone like \"2026-01-31T06:30:00Z\"",
            Self::Uuid => "a UUID",
            Self::Json | Self::Any => "JSON",
            Self::Object => "a JSON object",
            Self::Array(_) => "a JSON array",
            Self::Other(name) => name,
        }
    }
}

impl Table {
    /// The first unique key for which `has` says that there is a value for each of its columns.
    pub fn key(&self, has: impl Fn(&str) -> bool) -> Option<&[String]> {
        self.keys.iter().find(|key| key.iter().all(|column| has(column))).map(Vec::as_slice)
    }
}

/// The words of a check like `status IN ('open', 'closed')`, in the form in which the database repeats it: which column, and
/// which words. `None` for a check of another kind: the database judges it.
pub fn words_of_check(check: &str, dialect: Dialect) -> Option<(String, Vec<String>)> {
    let lower = check.to_ascii_lowercase();
    let (list, is_array) = match (lower.find("= any (array["), lower.find(" in (")) {
        (Some(at), None) => (at + "= any (array[".len(), true),
        // MariaDB and PostgreSQL's `= ANY ((ARRAY[...])::text[])`.
        (None, Some(at)) => (at + " in (".len(), false),
        (None, None) => (lower.find("= any ((array[")? + "= any ((array[".len(), true),
        _ => return None,
    };
    // One condition alone: what is joined with others says something else.
    if [" or ", " and ", " not ", "<>"].iter().any(|word| lower.contains(word)) {
        return None;
    }
    let head = &check[..list];
    let head = head.trim_start().strip_prefix("CHECK").unwrap_or(head);
    let column: String = head
        .trim_start_matches(['(', ' '])
        .chars()
        .skip_while(|sign| matches!(sign, '"' | '`'))
        .take_while(|sign| sign.is_alphanumeric() || *sign == '_')
        .collect();
    let (mut words, mut rest) = (Vec::new(), &check[list..]);
    let end = if is_array { ']' } else { ')' };
    loop {
        let start = rest.find('\'')?;
        if rest[..start].contains(end) {
            return None;
        }
        let (word, behind) = quoted(&rest[start + 1..], dialect)?;
        rest = behind;
        words.push(word);
        match (rest.find(end), rest.find(',')) {
            (Some(close), Some(comma)) if comma < close => {}
            (Some(_), _) => break,
            (None, _) => return None,
        }
    }
    (!column.is_empty()).then_some((column, words))
}

/// What stands before the closing quote, and what behind it.
fn quoted(text: &str, dialect: Dialect) -> Option<(String, &str)> {
    let mut word = String::new();
    let mut signs = text.char_indices().peekable();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '\\' if dialect == Dialect::Mysql => word.push(signs.next()?.1),
            '\'' if signs.next_if(|(_, next)| *next == '\'').is_some() => word.push('\''),
            '\'' => return Some((word, &text[at + 1..])),
            other => word.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_check_are_read_as_both_engines_repeat_it() {
        let expected = Some(("status".to_owned(), vec!["open".to_owned(), "it's, done".to_owned()]));
        for (check, dialect) in [
            (
                "CHECK (((status)::text = ANY ((ARRAY['open'::character varying, 'it''s, done'::character varying])::text[])))",
                Dialect::Postgres,
            ),
            ("CHECK ((status = ANY (ARRAY['open'::text, 'it''s, done'::text])))", Dialect::Postgres),
            ("`status` in ('open','it''s, done')", Dialect::Mysql),
            ("`status` in ('open','it\\'s, done')", Dialect::Mysql),
            ("(`status` in (_utf8mb4'open',_utf8mb4'it\\'s, done'))", Dialect::Mysql),
        ] {
            assert_eq!(words_of_check(check, dialect), expected, "{check}");
        }
        let backslash = words_of_check("CHECK ((a = ANY (ARRAY['C:\\'::text])))", Dialect::Postgres);
        assert_eq!(backslash, Some(("a".to_owned(), vec!["C:\\".to_owned()])));
        for other in
            ["CHECK ((a > 0))", "CHECK (((a = ANY (ARRAY['x'::text])) OR (b = 1)))", "json_valid(`x`)", "a in (1,2)"]
        {
            assert_eq!(words_of_check(other, Dialect::Postgres), None, "{other}");
        }
    }
}
