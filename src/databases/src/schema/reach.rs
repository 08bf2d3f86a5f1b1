//! Whether a statement of a migration can change a table of the contract, told by its first words. Enters: its tokens.
//! Leaves: what to do with it; an error for what is not known, because passing it over would be silence.

use sqlparser::tokenizer::{Token, TokenWithSpan};

/// How far a statement reaches.
#[derive(Debug, PartialEq)]
pub(super) enum Reach {
    /// It changes no table of the contract.
    Nothing,
    /// It is to be parsed.
    Tables,
    /// MySQL's `ALTER TABLE t COMMENT = '...'`, which the parser does not know.
    TableComment { table: String, comment: String },
}

/// The schemas of our own bookkeeping and of partitions, which say nothing that their parent did not say.
pub(super) const INTERNAL: [&str; 2] = ["GENIMS_INTERNAL", "GENIMS_PARTITIONS"];
/// What may stand before the name of the object, or before what kind of object it is.
const MODIFIERS: [&str; 18] = [
    "OR",
    "REPLACE",
    "GLOBAL",
    "LOCAL",
    "UNLOGGED",
    "UNIQUE",
    "FULLTEXT",
    "SPATIAL",
    "MATERIALIZED",
    "RECURSIVE",
    "CONSTRAINT",
    "IF",
    "NOT",
    "EXISTS",
    "ONLY",
    "ONLINE",
    "IGNORE",
    "CONCURRENTLY",
];
/// Objects whose making, change and end leave the tables as they are.
const OTHER_OBJECTS: [&str; 21] = [
    "AGGREGATE",
    "CAST",
    "COLLATION",
    "DATABASE",
    "DEFAULT",
    "DOMAIN",
    "EVENT",
    "EXTENSION",
    "FUNCTION",
    "OPERATOR",
    "POLICY",
    "PROCEDURE",
    "ROLE",
    "ROUTINE",
    "RULE",
    "SCHEMA",
    "SEQUENCE",
    "STATISTICS",
    "TRIGGER",
    "TYPE",
    "USER",
];
/// Statements that change rows, rights or the session.
const OTHER_STATEMENTS: [&str; 22] = [
    "ANALYZE", "BEGIN", "CLUSTER", "COMMIT", "COPY", "DELETE", "GRANT", "INSERT", "LOCK", "MERGE", "NOTIFY",
    "OPTIMIZE", "REINDEX", "REPLACE", "RESET", "REVOKE", "SET", "START", "TRUNCATE", "UPDATE", "USE", "VACUUM",
];

pub(super) fn reach(statement: &[TokenWithSpan]) -> Result<Reach, String> {
    let words: Vec<String> = statement.iter().filter_map(word).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [first, rest @ ..] = words.as_slice() else {
        return if statement.iter().all(|token| matches!(token.token, Token::Whitespace(_) | Token::EOF)) {
            Ok(Reach::Nothing)
        } else {
            unknown()
        };
    };
    match *first {
        "CREATE" | "ALTER" | "DROP" => object(first, rest, statement),
        "COMMENT" => {
            let of_a_table = matches!(rest, ["ON", "TABLE" | "COLUMN", ..]) && !rest.get(2).is_some_and(is_internal);
            Ok(if of_a_table { Reach::Tables } else { Reach::Nothing })
        }
        "RENAME" if rest.first() == Some(&"TABLE") => Ok(Reach::Tables),
        // SELECT ... INTO makes a table.
        "SELECT" | "WITH" if !rest.contains(&"INTO") || rest.contains(&"INSERT") || rest.contains(&"MERGE") => {
            Ok(Reach::Nothing)
        }
        other if OTHER_STATEMENTS.contains(&other) => Ok(Reach::Nothing),
        _ => unknown(),
    }
}

fn object(verb: &str, rest: &[&str], statement: &[TokenWithSpan]) -> Result<Reach, String> {
    let mut meaning = rest.iter().filter(|word| !MODIFIERS.contains(word));
    let (kind, name) = (meaning.next().copied().unwrap_or_default(), meaning.next());
    match kind {
        "TABLE" | "INDEX" if name.is_some_and(is_internal) => Ok(Reach::Nothing),
        "TABLE" if verb == "CREATE" && is_partition(statement) => Ok(Reach::Nothing),
        "TABLE"
            if verb == "ALTER" && rest.windows(2).any(|pair| matches!(pair, ["ATTACH" | "DETACH", "PARTITION"])) =>
        {
            Ok(Reach::Nothing)
        }
        "TABLE" if verb == "ALTER" => Ok(table_comment(statement).unwrap_or(Reach::Tables)),
        "TABLE" => Ok(Reach::Tables),
        "INDEX" if verb != "CREATE" || rest.contains(&"UNIQUE") => Ok(Reach::Tables),
        // Temporary tables are gone with the session; views are no tables.
        "INDEX" | "VIEW" | "TEMP" | "TEMPORARY" => Ok(Reach::Nothing),
        // CREATE DEFINER = user TRIGGER ...
        "DEFINER" if rest.iter().any(|word| OTHER_OBJECTS.contains(word) || *word == "VIEW") => Ok(Reach::Nothing),
        other if OTHER_OBJECTS.contains(&other) => Ok(Reach::Nothing),
        _ => unknown(),
    }
}

fn unknown() -> Result<Reach, String> {
    Err("whether it changes a table is not known here: write the change as CREATE, ALTER, DROP or COMMENT".to_owned())
}

fn word(token: &TokenWithSpan) -> Option<String> {
    match &token.token {
        Token::Word(word) => Some(word.value.to_ascii_uppercase()),
        _ => None,
    }
}

fn is_internal(word: &&str) -> bool {
    INTERNAL.contains(word)
}

/// `CREATE TABLE ... PARTITION OF`, before its columns, if it has any.
fn is_partition(statement: &[TokenWithSpan]) -> bool {
    let head: Vec<String> =
        statement.iter().take_while(|token| token.token != Token::LParen).filter_map(word).collect();
    head.windows(2).any(|pair| pair[0] == "PARTITION" && pair[1] == "OF")
}

fn table_comment(statement: &[TokenWithSpan]) -> Option<Reach> {
    let tokens: Vec<&Token> = statement
        .iter()
        .map(|token| &token.token)
        .filter(|token| !matches!(token, Token::Whitespace(_) | Token::Eq | Token::EOF))
        .collect();
    let [Token::Word(_), Token::Word(_), Token::Word(table), Token::Word(option), Token::SingleQuotedString(text)] =
        tokens.as_slice()
    else {
        return None;
    };
    let comment = option.value.eq_ignore_ascii_case("COMMENT");
    comment.then(|| Reach::TableComment { table: table.value.clone(), comment: text.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::tokenizer::Tokenizer;

    fn of(text: &str) -> Result<Reach, String> {
        reach(&Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location().expect("tokens"))
    }

    #[test]
    fn what_may_change_a_table_is_read() {
        for text in [
            "CREATE TABLE a (x int)",
            "CREATE UNLOGGED TABLE IF NOT EXISTS a (x int)",
            "ALTER TABLE ONLY a ADD COLUMN x int",
            "DROP TABLE IF EXISTS a",
            "RENAME TABLE a TO b",
            "CREATE UNIQUE INDEX i ON a (x)",
            "DROP INDEX i",
            "COMMENT ON COLUMN a.x IS 'x'",
        ] {
            assert_eq!(of(text), Ok(Reach::Tables), "{text}");
        }
        let comment = Reach::TableComment { table: "a".to_owned(), comment: "c".to_owned() };
        assert_eq!(of("ALTER TABLE a COMMENT = 'c'"), Ok(comment));
    }

    #[test]
    fn what_changes_none_is_passed_over() {
        for text in [
            "  -- nothing\n",
            "CREATE TABLE genims_internal.a (x int)",
            "CREATE TABLE IF NOT EXISTS genims_partitions.a PARTITION OF b DEFAULT",
            "CREATE TEMPORARY TABLE a (x int)",
            "ALTER TABLE a ATTACH PARTITION b DEFAULT",
            "ALTER TABLE genims_internal.a SET (fillfactor = 50)",
            "CREATE INDEX i ON a (x)",
            "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS $$ ALTER TABLE a ADD COLUMN x int $$",
            "INSERT INTO a VALUES (1)",
            "WITH b AS (SELECT 1) INSERT INTO a SELECT * FROM b",
            "COMMENT ON FUNCTION f() IS 'f'",
            "COMMENT ON TABLE genims_internal.a IS 'a'",
        ] {
            assert_eq!(of(text), Ok(Reach::Nothing), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for text in [
            "DO $$ BEGIN END $$",
            "CALL change()",
            "SELECT 1 AS x INTO a",
            "IMPORT FOREIGN SCHEMA s",
            "CREATE FOREIGN TABLE a (x int)",
            "(1)",
        ] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
