//! Identifiers in SQL that is put together here.

use crate::registry::Engine;

/// An identifier in an engine's quotes, whatever it contains.
pub fn quoted(engine: Engine, identifier: &str) -> String {
    match engine {
        Engine::Mysql => format!("`{}`", identifier.replace('`', "``")),
        Engine::Postgresql | Engine::Mongodb => format!("\"{}\"", identifier.replace('"', "\"\"")),
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
}
