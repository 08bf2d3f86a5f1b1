//! Commands that write into the data folder beside the server: accounts, and where retention has cut the audit trail. On a full
//! disk they say so and leave everything as it is; with room they do what they were asked for.

use super::Scene;
use crate::powercut::disk::Room;
use mysql_async::prelude::{FromRow, Queryable};
use std::fs;
use std::process::Output;

/// The file, and the command that writes it.
const COMMANDS: [(&str, &[&str]); 3] = [
    ("clients.toml", &["client", "add", "late"]),
    ("users.toml", &["user", "add", "late", "--role", "operator"]),
    ("audit-checkpoints.json", &["audit", "prune", "--before", "2010-01-01", "--yes"]),
];

/// Whether the trail has its first entry, and how many checkpoints say from where on it has any.
const ENTRIES: &str = "SELECT (SELECT COUNT(*) FROM system_audit_log WHERE database_name = 'genims_master_db' AND chain_position = 1), \
     (SELECT COUNT(*) FROM genims_internal.audit_checkpoints)";

/// The first entry, which others follow, is of a time whose retention is over.
const LONG_AGO: &str = "UPDATE system_audit_log SET occurred_at = '2001-01-01' \
     WHERE database_name = 'genims_master_db' AND chain_position = 1";

impl Scene {
    /// What the commands on the full disk must leave whole.
    pub(super) fn add_accounts(&self) {
        self.plant.cli_ok(&["client", "add", "kept"]);
        self.plant.cli_ok(&["user", "add", "kept", "--role", "operator"]);
    }

    /// Each says why it cannot write; no file becomes another one, and no entry goes without its checkpoint.
    pub(super) fn commands_are_refused(&self, room: Room) {
        self.trail::<u8>(LONG_AGO);
        for (file, command) in COMMANDS {
            let path = self.plant.folder.join("data").join(file);
            let before = fs::read(&path).ok();
            self.disk.leave(room);
            let Output { status, stderr, .. } = self.plant.cli(command);
            let said = String::from_utf8_lossy(&stderr);
            assert_eq!(status.code(), Some(1), "{command:?}: {said}");
            let parts = [file, "No space left on device", "room"];
            assert!(parts.iter().all(|part| said.contains(part)), "{command:?}: {said}");
            assert!(fs::read(&path).ok() == before, "{file} is another one");
        }
        assert_eq!(self.trail::<(i64, i64)>(ENTRIES), [(1, 0)]);
        self.were_refused(&["clients.toml.new", "users.toml.new", "audit-checkpoints.new"]);
    }

    /// The same commands; the trail of which retention has taken the beginning is sound.
    pub(super) fn commands_are_done(&self) {
        for (_, command) in COMMANDS {
            self.plant.cli_ok(command);
        }
        for accounts in ["client", "user"] {
            let listed = self.plant.cli_ok(&[accounts, "list"]);
            assert!(listed.contains("kept") && listed.contains("late"), "{listed}");
        }
        assert_eq!(self.trail::<(i64, i64)>(ENTRIES), [(0, 1)]);
        self.plant.cli_ok(&["audit", "verify"]);
    }

    /// What the database of the audit trail answers.
    fn trail<T: FromRow + Send + 'static>(&self, statement: &str) -> Vec<T> {
        self.harness.block_on(async {
            let url = self.plant.stack.mysql_url("genims_audit_db");
            let mut trail = mysql_async::Conn::from_url(url).await.unwrap();
            let answer = trail.query(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
            trail.disconnect().await.unwrap();
            answer
        })
    }
}
