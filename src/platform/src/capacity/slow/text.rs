//! Statements as they are shown: on one line, not for ever, and without what somebody wrote into them: literals and comments may hold
//! passwords, URLs that have one, keys, and people's data. No I/O.

use genims_databases::Engine;
use mongodb::bson::{Bson, Document};

const CHARACTERS_MAX: usize = 400;
const CUT: &str = " ...";
/// What stands for a literal.
const HIDDEN: &str = "?";
/// What stands in statements that make or change a login, and in MongoDB's commands that do: not all of them need quotes.
const SECRET: [&str; 7] =
    ["password", "identified by", "identified with", "identified via", "createuser", "updateuser", "pwd"];

/// A statement in SQL: its string literals are `'?'`, and it has no comments.
pub(super) fn sql(engine: Engine, text: &str) -> String {
    let is_mysql = engine == Engine::Mysql;
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(sign) = rest.chars().next() {
        let behind = plain.chars().next_back();
        let is_word = behind.is_some_and(is_of_word);
        let length = match sign {
            '\'' => {
                let escapes = is_mysql || has_escapes(&plain);
                push_hidden(&mut plain, rest, quoted(rest, '\'', escapes))
            }
            '"' if is_mysql => push_hidden(&mut plain, rest, quoted(rest, '"', true)),
            '"' => push_name(&mut plain, rest, quoted(rest, '"', false)),
            '`' if is_mysql => push_name(&mut plain, rest, quoted(rest, '`', false)),
            '$' if !is_mysql && !is_word => match dollar_quoted(rest) {
                Some(length) => push_hidden(&mut plain, rest, length),
                None => push(&mut plain, sign),
            },
            _ => match comment(rest, is_mysql) {
                Some(length) => {
                    plain.push(' ');
                    length
                }
                None => push(&mut plain, sign),
            },
        };
        rest = &rest[length..];
    }
    line(&plain)
}

/// A command of MongoDB: strings are `"?"`, but for the first, which names the collection.
pub(super) fn command(operation: &str, namespace: &str, command: &Document) -> String {
    let mut plain = Document::new();
    for (no, (key, value)) in command.iter().enumerate() {
        let is_name = no == 0 && matches!(value, Bson::String(_));
        plain.insert(key, if is_name { value.clone() } else { hidden(value) });
    }
    line(&format!("{operation} {namespace} {plain}"))
}

/// Numbers, times and ids stay: they say what was looked for, and open no door.
fn hidden(value: &Bson) -> Bson {
    match value {
        Bson::Document(inner) => {
            Bson::Document(inner.iter().map(|(key, value)| (key.clone(), hidden(value))).collect())
        }
        Bson::Array(all) => Bson::Array(all.iter().map(hidden).collect()),
        Bson::Double(_)
        | Bson::Int32(_)
        | Bson::Int64(_)
        | Bson::Decimal128(_)
        | Bson::Boolean(_)
        | Bson::Null
        | Bson::DateTime(_)
        | Bson::Timestamp(_)
        | Bson::ObjectId(_) => value.clone(),
        // Strings, bytes, patterns, code.
        _ => Bson::String(HIDDEN.to_owned()),
    }
}

/// What somebody else wrote, for a terminal: control characters are blanks.
fn line(text: &str) -> String {
    let plain: String = text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect();
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let lower = line.to_lowercase();
    if SECRET.iter().any(|word| lower.contains(word)) {
        return "(not shown: it may name a password)".to_owned();
    }
    match line.char_indices().nth(CHARACTERS_MAX) {
        Some((at, _)) => format!("{}{CUT}", &line[..at]),
        None => line,
    }
}

fn push(plain: &mut String, sign: char) -> usize {
    plain.push(sign);
    sign.len_utf8()
}

/// A literal that takes so much of the rest.
fn push_hidden(plain: &mut String, rest: &str, length: usize) -> usize {
    let quote = if rest.starts_with('"') { '"' } else { '\'' };
    plain.push(quote);
    plain.push_str(HIDDEN);
    plain.push(quote);
    length
}

/// The name of a column may have quotes of the other kind.
fn push_name(plain: &mut String, rest: &str, length: usize) -> usize {
    plain.push_str(&rest[..length]);
    length
}

fn is_of_word(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_' || sign == '$'
}

/// Whether a literal of PostgreSQL that begins here knows backslashes: `E'...'`.
fn has_escapes(before: &str) -> bool {
    let Some(word) = before.strip_suffix(['e', 'E']) else { return false };
    !word.ends_with(is_of_word)
}

/// How much a text in quotes takes; all that is left where a server cut it off. A doubled quote ends one and begins the next at once.
fn quoted(rest: &str, quote: char, escapes: bool) -> usize {
    let mut signs = rest.char_indices().skip(1);
    while let Some((at, sign)) = signs.next() {
        if escapes && sign == '\\' {
            signs.next();
        } else if sign == quote {
            let end = at + sign.len_utf8();
            if !rest[end..].starts_with(quote) {
                return end;
            }
            signs.next();
        }
    }
    rest.len()
}

/// `$$...$$` or `$tag$...$tag$`; none where the dollar begins a parameter.
fn dollar_quoted(rest: &str) -> Option<usize> {
    let tag_end = 1 + rest[1..].find('$')?;
    let tag = &rest[1..tag_end];
    let is_tag = tag.chars().all(|sign| sign.is_alphanumeric() || sign == '_') && !tag.starts_with(char::is_numeric);
    if !is_tag {
        return None;
    }
    let delimiter = &rest[..=tag_end];
    let inside = &rest[delimiter.len()..];
    Some(inside.find(delimiter).map_or(rest.len(), |end| end + 2 * delimiter.len()))
}

/// How much a comment takes, if one begins here.
fn comment(rest: &str, is_mysql: bool) -> Option<usize> {
    let dashes = rest.strip_prefix("--");
    let to_end_of_line = match dashes {
        // Minus minus a number is none to MySQL.
        Some(text) if is_mysql => {
            text.is_empty() || text.starts_with(|sign: char| sign.is_whitespace() || sign.is_control())
        }
        Some(_) => true,
        None => is_mysql && rest.starts_with('#'),
    };
    if to_end_of_line {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    rest.starts_with("/*").then(|| block(rest, is_mysql))
}

/// Those of PostgreSQL may have others inside.
fn block(rest: &str, is_mysql: bool) -> usize {
    let (mut at, mut depth) = (2, 1);
    while depth > 0 {
        let Some(next) = rest[at..].find("*/") else { return rest.len() };
        let inner = if is_mysql { None } else { rest[at..at + next].find("/*") };
        match inner {
            Some(begin) => (at, depth) = (at + begin + 2, depth + 1),
            None => (at, depth) = (at + next + 2, depth - 1),
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::doc;

    fn postgres(text: &str) -> String {
        sql(Engine::Postgresql, text)
    }

    fn mysql(text: &str) -> String {
        sql(Engine::Mysql, text)
    }

    #[test]
    fn a_statement_is_one_line_of_bounded_length() {
        assert_eq!(postgres("SELECT\n  a,\t\u{1b}[31mb\u{0}\nFROM t  "), "SELECT a, [31mb FROM t");
        let long = "ä".repeat(CHARACTERS_MAX + 1);
        assert_eq!(postgres(&long), format!("{}{CUT}", "ä".repeat(CHARACTERS_MAX)));
        assert_eq!(postgres(&long[2..]).chars().count(), CHARACTERS_MAX, "what fits is whole");
    }

    #[test]
    fn literals_and_comments_are_hidden_and_all_else_is_not() {
        for (text, shown) in [
            ("SELECT 'it''s', \"a'b\" FROM t WHERE n = 5", "SELECT '?', \"a'b\" FROM t WHERE n = 5"),
            ("SELECT 'a\\', E'b\\'c', done", "SELECT '?', E'?', done"),
            ("SELECT $1, $$hunter2$$, $q$it's hunter2 $$ $q$, a$b$c", "SELECT $1, '?', '?', a$b$c"),
            ("SELECT 1 -- don't\n, 2 /* a /* it's */ b */ + 3", "SELECT 1 , 2 + 3"),
            ("SELECT 'cut off, hunter", "SELECT '?'"),
            (
                "SELECT dblink('postgresql://u:hunter2@h/d'), pgp_sym_encrypt(x, 'key')",
                "SELECT dblink('?'), pgp_sym_encrypt(x, '?')",
            ),
            ("SELECT $tag$cut off", "SELECT '?'"),
            ("SELECT 'ä' || 'ß' || a", "SELECT '?' || '?' || a"),
        ] {
            assert_eq!(postgres(text), shown, "{text}");
        }
        for (text, shown) in [
            ("SELECT 'a\\'b', \"hunter2\", `it's` FROM t", "SELECT '?', \"?\", `it's` FROM t"),
            ("SELECT 5--3, 1 # don't\n+ 2 -- it's\n+ 3 /* it's */", "SELECT 5--3, 1 + 2 + 3"),
            ("SELECT SLEEP(600), @$a, '", "SELECT SLEEP(600), @$a, '?'"),
        ] {
            assert_eq!(mysql(text), shown, "{text}");
        }
    }

    #[test]
    fn what_may_name_a_password_is_not_shown() {
        for secret in [
            "ALTER ROLE genims PASSWORD 'hunter2'",
            "create user a identified\n by hunter2",
            "CREATE USER a IDENTIFIED BY'x' -- hunter2",
            "CREATE USER a IDENTIFIED VIA hunter2",
        ] {
            assert_eq!(mysql(secret), "(not shown: it may name a password)", "{secret}");
        }
    }

    #[test]
    fn a_command_keeps_its_form_and_no_string() {
        let find =
            doc! { "find": "messages", "filter": { "body": "hunter2", "n": { "$in": [1, "hunter2"] } }, "limit": 5 };
        assert_eq!(
            command("query", "plant.messages", &find),
            r#"query plant.messages { "find": "messages", "filter": { "body": "?", "n": { "$in": [1, "?"] } }, "limit": 5 }"#
        );
        let user = doc! { "createUser": "a", "pwd": "hunter2" };
        assert_eq!(command("command", "plant.$cmd", &user), "(not shown: it may name a password)");
    }
}
