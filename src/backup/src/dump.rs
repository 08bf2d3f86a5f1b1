//! A dump of MariaDB's or MySQL's tool as it passes: how many rows of which table are in it, where the binary log stood, whether its
//! end is there; and, on its way back, into which databases it goes.
//!
//! In: bytes in pieces of any size. Out: counts, or the same bytes with other database names. Invariants: a row is counted by its
//! parentheses outside quotes, so what a text holds changes nothing; memory is one statement's head, never a row.

use std::collections::BTreeMap;

const INSERT: &[u8] = b"INSERT INTO `";
const USE: &[u8] = b"USE `";
const CREATE_DATABASE: &[u8] = b"CREATE DATABASE ";
const COMPLETED: &[u8] = b"-- Dump completed";
const BINLOG: [&[u8]; 3] = [b"-- CHANGE MASTER TO ", b"-- CHANGE REPLICATION SOURCE TO ", b"CHANGE MASTER TO "];
/// So much of a line tells what it is.
const HEAD_MAX: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the begin of a line outside a statement with rows: its head is gathered.
    Head,
    /// The rest of a line that says nothing to us.
    Line,
    /// In the rows of an INSERT.
    Rows,
    Text,
    /// After a backslash in a text.
    Escaped,
}

/// Counts what a dump holds.
#[derive(Debug)]
pub(crate) struct Counter {
    state: State,
    head: Vec<u8>,
    depth: u32,
    database: String,
    table: String,
    /// Rows by (database, table).
    pub(crate) rows: BTreeMap<(String, String), u64>,
    pub(crate) binlog: Option<String>,
    pub(crate) completed: bool,
}

impl Default for Counter {
    fn default() -> Self {
        Self {
            state: State::Head,
            head: Vec::new(),
            depth: 0,
            database: String::new(),
            table: String::new(),
            rows: BTreeMap::new(),
            binlog: None,
            completed: false,
        }
    }
}

impl Counter {
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match self.state {
                State::Head => self.head(*byte),
                State::Line if *byte == b'\n' => self.state = State::Head,
                State::Line => {}
                State::Rows => self.row(*byte),
                State::Text if *byte == b'\\' => self.state = State::Escaped,
                State::Text if *byte == b'\'' => self.state = State::Rows,
                State::Text => {}
                State::Escaped => self.state = State::Text,
            }
        }
    }

    fn head(&mut self, byte: u8) {
        if byte == b'\n' {
            self.line();
            self.head.clear();
            return;
        }
        self.head.push(byte);
        // A table's name may hold what ends it, doubled; what follows decides.
        if byte == b' ' && self.head.starts_with(INSERT) && self.head.ends_with(b"` VALUES ") {
            self.begin_rows();
        } else if self.head.len() >= HEAD_MAX && !self.head.starts_with(INSERT) {
            self.head.clear();
            self.state = State::Line;
        }
    }

    fn begin_rows(&mut self) {
        let name = named(&self.head[INSERT.len() - 1..]).unwrap_or_default();
        self.table = name;
        self.head.clear();
        (self.state, self.depth) = (State::Rows, 0);
    }

    fn row(&mut self, byte: u8) {
        match byte {
            b'\'' => self.state = State::Text,
            b'(' => {
                if self.depth == 0 {
                    *self.rows.entry((self.database.clone(), self.table.clone())).or_default() += 1;
                }
                self.depth += 1;
            }
            b')' => self.depth = self.depth.saturating_sub(1),
            b';' if self.depth == 0 => self.state = State::Line,
            _ => {}
        }
    }

    fn line(&mut self) {
        if self.head.starts_with(INSERT) && self.head.ends_with(b"` VALUES") {
            // MariaDB's has each row on a line of its own.
            self.begin_rows();
            return;
        }
        if let Some(name) = self.head.strip_prefix(&USE[..USE.len() - 1]).and_then(named) {
            self.database = name;
        } else if BINLOG.iter().any(|prefix| self.head.starts_with(prefix)) && self.binlog.is_none() {
            let text = String::from_utf8_lossy(&self.head).into_owned();
            // MariaDB's says in another such line what to do with its own kind of position.
            let is_position = text.contains("_LOG_FILE=");
            self.binlog = is_position.then(|| text.trim_start_matches("-- ").trim_end_matches(';').to_owned());
        }
        self.completed = self.head.starts_with(COMPLETED);
    }
}

/// The name in backquotes that `text` begins with.
fn named(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?.strip_prefix('`')?;
    let (mut name, mut characters) = (String::new(), text.chars().peekable());
    while let Some(character) = characters.next() {
        match character {
            '`' if characters.peek() == Some(&'`') => {
                characters.next();
                name.push('`');
            }
            '`' => return Some(name),
            other => name.push(other),
        }
    }
    None
}

/// Sends a dump into other databases than those that it names.
#[derive(Debug)]
pub(crate) struct Renamer {
    /// Old name, new name in backquotes.
    names: Vec<(String, String)>,
    line: Vec<u8>,
    at_head: bool,
}

impl Renamer {
    pub(crate) fn new(names: Vec<(String, String)>) -> Self {
        Self { names, line: Vec::new(), at_head: true }
    }

    /// What of the dump is to be fed on.
    pub(crate) fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let ends = line.ends_with(b"\n");
            if !self.at_head {
                out.extend_from_slice(line);
                self.at_head = ends;
                continue;
            }
            self.line.extend_from_slice(line);
            if ends {
                self.flush(out);
            } else if self.line.len() >= HEAD_MAX {
                out.append(&mut self.line);
                self.at_head = false;
            }
        }
    }

    /// After the last piece: a last line without its end.
    pub(crate) fn flush(&mut self, out: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.line);
        if line.starts_with(CREATE_DATABASE) {
            return;
        }
        let name = line.strip_prefix(&USE[..USE.len() - 1]).and_then(named);
        match name.and_then(|name| self.names.iter().find(|(old, _)| *old == name)) {
            Some((_, new)) => out.extend_from_slice(format!("USE {new};\n").as_bytes()),
            None => out.extend_from_slice(&line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARIADB: &str = "-- MariaDB dump 10.19\n-- CHANGE MASTER TO MASTER_USE_GTID=slave_pos;\n\
        -- CHANGE MASTER TO MASTER_LOG_FILE='b.000001', MASTER_LOG_POS=328;\n\
        CREATE DATABASE /*!32312 IF NOT EXISTS*/ `genims_audit_db`;\n\nUSE `genims_audit_db`;\n\
        INSERT INTO `a` VALUES\n(1,'it''s (1),(2); \\'x\\\\',NULL),\n(2,'b\nUSE `c`;',0x28);\nINSERT INTO `a` VALUES\n(3,'',1.5);\n\
        USE `genims_internal`;\nINSERT INTO `s``t` VALUES\n(_binary '(',1);\n-- Dump completed\n";
    const MYSQL: &str = "USE `d`;\nINSERT INTO `a` VALUES (1,'x'),(2,'y)');\nINSERT INTO `b` VALUES (1);\n";

    fn counted(text: &str, piece: usize) -> Counter {
        let mut counter = Counter::default();
        text.as_bytes().chunks(piece).for_each(|piece| counter.take(piece));
        counter
    }

    #[test]
    fn rows_are_counted_however_the_dump_is_cut_into_pieces() {
        for piece in [1, 2, 3, 7, 64, 10_000] {
            let counter = counted(MARIADB, piece);
            let of = |database: &str, table: &str| counter.rows.get(&(database.to_owned(), table.to_owned())).copied();
            assert_eq!((of("genims_audit_db", "a"), of("genims_internal", "s`t")), (Some(3), Some(1)), "{piece}");
            assert_eq!(counter.rows.len(), 2, "{piece}");
            assert!(counter.binlog.as_deref().is_some_and(|text| text.ends_with("MASTER_LOG_POS=328")), "{counter:?}");
            assert!(counter.completed, "{piece}");
            let counter = counted(MYSQL, piece);
            assert_eq!(counter.rows.values().copied().collect::<Vec<_>>(), [2, 1], "{piece}");
            assert!(!counter.completed, "a dump without its end");
        }
    }

    #[test]
    fn a_dump_goes_into_other_databases_and_nothing_else_of_it_changes() {
        let names = |name: &str| (name.to_owned(), format!("`{name}_copy`"));
        for piece in [1, 5, 700, 10_000] {
            let long = format!("{MARIADB}INSERT INTO `l` VALUES ('{}');\nUSE `other`;\n", "x".repeat(2_000));
            let mut renamer = Renamer::new(vec![names("genims_audit_db"), names("genims_internal")]);
            let mut out = Vec::new();
            long.as_bytes().chunks(piece).for_each(|piece| renamer.take(piece, &mut out));
            renamer.flush(&mut out);
            let expected = long
                .replace("CREATE DATABASE /*!32312 IF NOT EXISTS*/ `genims_audit_db`;\n", "")
                .replace("USE `genims_audit_db`", "USE `genims_audit_db_copy`")
                .replace("USE `genims_internal`", "USE `genims_internal_copy`");
            assert_eq!(String::from_utf8_lossy(&out), expected, "{piece}");
        }
    }
}
