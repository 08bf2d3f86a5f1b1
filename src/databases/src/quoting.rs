//! Identifiers and literals in SQL that is put together here.

use crate::registry::Engine;

/// An identifier in an engine's quotes, whatever it contains.
pub fn quoted(engine: Engine, identifier: &str) -> String {
    match engine {
        Engine::Mysql => format!("`{}`", identifier.replace('`', "``")),
        Engine::Postgresql | Engine::Mongodb => format!("\"{}\"", identifier.replace('"', "\"\"")),
    }
}

/// A string in an engine's quotes, whatever it contains. MySQL takes a backslash for an escape.
pub fn literal(engine: Engine, text: &str) -> String {
    match engine {
        Engine::Mysql => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        Engine::Postgresql | Engine::Mongodb => postgres_protocol::escape::escape_literal(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_inside_an_identifier_is_doubled() {
        assert_eq!(quoted(Engine::Postgresql, "a\"b`c"), "\"a\"\"b`c\"");
        assert_eq!(quoted(Engine::Mysql, "a\"b`c"), "`a\"b``c`");
    }

    #[test]
    fn what_would_end_a_literal_is_doubled() {
        assert_eq!(literal(Engine::Postgresql, r"a'b\"), r" E'a''b\\'");
        assert_eq!(literal(Engine::Mysql, r"a'b\"), r"'a''b\\'");
    }
}
