//! Statements as they are shown: on one line, not for ever, and without passwords. No I/O.

const CHARACTERS_MAX: usize = 400;
const CUT: &str = " ...";
/// What stands in statements that make or change a login, and in MongoDB's commands that do.
const SECRET: [&str; 5] = ["password", " identified by ", " identified with ", "createuser", "updateuser"];

/// What somebody else wrote, for a terminal: control characters are blanks.
pub(super) fn shown(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_one_line_of_bounded_length() {
        assert_eq!(shown("SELECT\n  a,\t\u{1b}[31mb\u{0}\nFROM t  "), "SELECT a, [31mb FROM t");
        let long = "ä".repeat(CHARACTERS_MAX + 1);
        assert_eq!(shown(&long), format!("{}{CUT}", "ä".repeat(CHARACTERS_MAX)));
        assert_eq!(shown(&long[2..]).chars().count(), CHARACTERS_MAX, "what fits is whole");
    }

    #[test]
    fn what_may_name_a_password_is_not_shown() {
        for secret in [
            "ALTER ROLE genims PASSWORD 'hunter2'",
            "create user a identified\n by 'hunter2'",
            "{ \"createUser\": \"a\", \"pwd\": \"hunter2\" }",
        ] {
            assert!(!shown(secret).contains("hunter2"), "{secret}");
        }
    }
}
