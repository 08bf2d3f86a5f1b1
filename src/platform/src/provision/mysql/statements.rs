//! A migration's file, cut into statements as MySQL's own client would: at `;`, or at what `DELIMITER` says.
//!
//! Comments between statements are dropped, so correcting one does not change a released migration.

use genims_databases::schema::SchemaFile;
use sha2::{Digest, Sha256};
use std::fmt;

#[derive(Debug)]
pub(super) struct Migration {
    pub(super) version: u32,
    /// The file's name without its extension.
    name: &'static str,
    pub(super) statements: Vec<&'static str>,
}

impl Migration {
    /// From `V<number>__<name>.sql`; otherwise why not.
    pub(super) fn read(file: &SchemaFile) -> Result<Self, String> {
        let name = file.name.trim_end_matches(".sql");
        let version = name.strip_prefix('V').and_then(|rest| rest.split_once("__")).map(|(number, _)| number.parse());
        let Some(Ok(version)) = version else { return Err("its name is not like V001__tables.sql".to_owned()) };
        let statements = split(file.text)?;
        if statements.is_empty() {
            return Err("it holds no statement".to_owned());
        }
        Ok(Self { version, name, statements })
    }

    /// Of the first `count` statements.
    pub(super) fn checksum(&self, count: usize) -> String {
        let mut hasher = Sha256::new();
        for statement in self.statements.iter().take(count) {
            hasher.update(statement.as_bytes());
            hasher.update([0]);
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Migration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

fn split(text: &str) -> Result<Vec<&str>, String> {
    let mut statements = Vec::new();
    let mut delimiter = ";";
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(statements);
        }
        if let Some(length) = comment_bytes(rest) {
            rest = &rest[length..];
        } else if let Some(after) = rest.strip_prefix("DELIMITER ") {
            let line = after.lines().next().unwrap_or_default();
            delimiter = line.trim();
            rest = &after[line.len()..];
        } else {
            let end = statement_bytes(rest, delimiter)?;
            let statement = rest[..end].trim_end();
            if !statement.is_empty() {
                statements.push(statement);
            }
            rest = rest[end..].strip_prefix(delimiter).unwrap_or_default();
        }
    }
}

/// The length of the statement at the start of `text`, without its delimiter; the last one may lack it.
fn statement_bytes(text: &str, delimiter: &str) -> Result<usize, String> {
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(delimiter) {
            return Ok(at);
        }
        if let Some(length) = comment_bytes(rest) {
            at += length;
        } else if rest.starts_with(['\'', '"', '`']) {
            at += quoted_bytes(rest).ok_or_else(|| {
                let line: String = rest.chars().take(20).collect();
                format!("a quotation is never closed: {line}")
            })?;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    Ok(at)
}

/// The length of the comment at the start of `text`. `/*!` and `/*+` are no comments: the server executes them.
fn comment_bytes(text: &str) -> Option<usize> {
    let dashes =
        text.strip_prefix("--").is_some_and(|after| after.is_empty() || after.starts_with(char::is_whitespace));
    if dashes || text.starts_with('#') {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    let executed = text.starts_with("/*!") || text.starts_with("/*+");
    (text.starts_with("/*") && !executed).then(|| text.find("*/").map_or(text.len(), |end| end + 2))
}

/// The length of the quotation at the start of `text`; `None` when it is never closed. A doubled quote ends one and begins
/// the next, which comes to the same.
fn quoted_bytes(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            _ if character == quote => return Some(at + quote.len_utf8()),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_outside_of_text_and_comments() {
        let text = "-- one; two\nCREATE TABLE a (x int COMMENT 'it''s; \\'so\\''); # three;\n/* four; */\n\
                    CREATE TABLE `b;` (y int -- five;\n, z int);;\n INSERT INTO c VALUES (\"--\", '/*;')";
        let expected = [
            "CREATE TABLE a (x int COMMENT 'it''s; \\'so\\'')",
            "CREATE TABLE `b;` (y int -- five;\n, z int)",
            "INSERT INTO c VALUES (\"--\", '/*;')",
        ];
        assert_eq!(split(text).expect("well formed"), expected);
        assert!(split("SELECT 'open;").expect_err("never closed").contains("never closed"));
        assert!(split(" -- nothing\n").expect("well formed").is_empty());
    }

    #[test]
    fn a_delimiter_lets_a_body_hold_semicolons() {
        let text = "DELIMITER //\nCREATE TRIGGER t BEGIN a; b; END//\nDELIMITER ;\nSELECT 1;";
        assert_eq!(split(text).expect("well formed"), ["CREATE TRIGGER t BEGIN a; b; END", "SELECT 1"]);
    }

    #[test]
    fn a_checksum_knows_the_statements_and_not_the_comments_around_them() {
        let read = |text| Migration::read(&SchemaFile { name: "V007__x.sql", text }).expect("usable");
        let (one, other) = (read("SELECT 1; SELECT 2;"), read("-- corrected\nSELECT 1;\n\nSELECT 2"));
        assert_eq!((one.version, one.to_string().as_str()), (7, "V007__x"));
        assert_eq!(one.checksum(2), other.checksum(2));
        assert_ne!(one.checksum(1), one.checksum(2));
        assert!(Migration::read(&SchemaFile { name: "tables.sql", text: "SELECT 1" }).is_err());
    }
}
