//! What a binary log says, as statements on their way into a private server: all but those about accounts, which it does not have.
//!
//! In: the output of `mariadb-binlog` in pieces of any size. Out: the same without these statements. Invariants: a statement is known by
//! its first words and ends where the log's delimiter ends a line; of any other, not a byte is changed, and one that the server refuses
//! fails the restore.

const DELIMITER: &[u8] = b"/*!*/;";

#[derive(Debug, Default)]
pub(crate) struct Statements {
    line: Vec<u8>,
    /// In one that has begun on an earlier line; whether it is left out.
    within: Option<bool>,
}

impl Statements {
    /// What of it is to be fed on; nothing more comes after an empty piece.
    pub(crate) fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(line);
            if line.ends_with(b"\n") {
                self.line(out);
            }
        }
        if bytes.is_empty() && !self.line.is_empty() {
            self.line(out);
        }
    }

    fn line(&mut self, out: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.line);
        let text = line.trim_ascii();
        let ends = text.ends_with(DELIMITER);
        let is_left_out = self.within.unwrap_or_else(|| is_of_accounts(text));
        let is_apart = self.within.is_none() && (text.is_empty() || is_directive(text));
        self.within = if ends || is_apart { None } else { Some(is_left_out) };
        if !is_left_out {
            out.extend_from_slice(&line);
        }
    }
}

/// A line that is no statement: a remark of the log, or a word to the client.
fn is_directive(text: &[u8]) -> bool {
    text.starts_with(b"#") || text.starts_with(b"DELIMITER ") || text.starts_with(b"/*!") && text.ends_with(b";")
}

fn is_of_accounts(text: &[u8]) -> bool {
    let mut rest = text;
    // A remark in front of it says nothing; one with an exclamation mark is a statement itself.
    while rest.starts_with(b"/*") && !rest.starts_with(b"/*!") {
        let Some(end) = rest.windows(2).position(|part| part == b"*/") else { return false };
        rest = rest[end + 2..].trim_ascii();
    }
    let words = rest.split(|byte| !byte.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    let words: Vec<String> = words.take(4).map(|word| String::from_utf8_lossy(word).to_ascii_uppercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    matches!(
        words[..],
        ["GRANT" | "REVOKE" | "FLUSH", ..]
            | ["CREATE", "OR", "REPLACE", "USER" | "ROLE"]
            | ["CREATE" | "ALTER" | "DROP" | "RENAME", "USER" | "ROLE", ..]
            | ["SET", "PASSWORD", ..]
            | ["SET", "DEFAULT", "ROLE", ..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "/*!50530 SET @@SESSION.PSEUDO_SLAVE_MODE=1*/;\nDELIMITER /*!*/;\n# at 4\n#261130 server id 1\n\
        BINLOG '\nAAAA\nGRANT\n'/*!*/;\nSET TIMESTAMP=1/*!*/;\nuse `d`/*!*/;\nCREATE TABLE t (\n  grant_id int\n)\n/*!*/;\n";
    const ACCOUNTS: &str = "CREATE USER 'x'@'%'\nIDENTIFIED BY 'y'\n/*!*/;\ngrant select on d.* to x\n/*!*/;\n\
        /* a tool */ CREATE OR REPLACE USER z\n/*!*/;\nSET PASSWORD FOR 'x'@'%'='*1'\n/*!*/;\nFLUSH PRIVILEGES\n/*!*/;\n";
    const END: &str =
        "INSERT INTO `t` VALUES ('\nDROP USER x\n')\n/*!*/;\nCREATE ROUTINE\n/*!*/;\nROLLBACK /* added */;\n";

    #[test]
    fn statements_about_accounts_are_left_out_and_nothing_else_is_changed() {
        let log = format!("{LOG}{ACCOUNTS}{END}");
        for piece in [1, 2, 7, 64, 10_000] {
            let (mut statements, mut out) = (Statements::default(), Vec::new());
            log.as_bytes().chunks(piece).for_each(|piece| statements.take(piece, &mut out));
            statements.take(&[], &mut out);
            assert_eq!(String::from_utf8_lossy(&out), format!("{LOG}{END}"), "{piece}");
        }
    }
}
