//! Which servers of a PostgreSQL cluster are of the past: a primary of before a failover is fenced off.
//!
//! Enters: what a server says of itself when a connection opens: the identifier of its cluster, which standbys share with their
//! primary, and the timeline that it writes, which a promotion raises. Leaves: that it may be used, or the newer timeline that its
//! cluster has come to. What is known outlives the process, in a file of the data folder.
//!
//! Invariant: once a server of a timeline was used, none of an older timeline of its cluster is. Two servers that were both promoted from
//! the same timeline are not told apart. A login that may not ask is not fenced: the server says so, and the doctor what to grant.

use super::errors::DatabaseError;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

const FILE: &str = "timelines.json";
const FORMAT: u8 = 1;
/// What the login has to be allowed to call; everybody is, unless somebody has taken it from PUBLIC.
pub const TIMELINE_FUNCTIONS: [&str; 3] = ["pg_control_system()", "pg_current_wal_lsn()", "pg_walfile_name(pg_lsn)"];
/// Of a cluster that never had a failover: none is older, so there is nothing to keep.
const FIRST: u32 = 1;

/// See the module's header.
#[derive(Debug)]
pub struct Timelines {
    file: PathBuf,
    /// The server writes down what it learns; a command may be somebody else's, and only reads.
    is_kept: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// By the identifier of the cluster.
    newest: BTreeMap<String, u32>,
    is_written: bool,
    /// Said that a login may not ask.
    is_blindness_told: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u8,
    newest: BTreeMap<String, u32>,
}

impl Timelines {
    pub fn load(data_dir: &Path, is_kept: bool) -> Result<Self, DatabaseError> {
        let file = data_dir.join(FILE);
        let wrong = |cause: String| DatabaseError::Timelines { file: file.display().to_string(), cause };
        let newest = match fs::read(&file) {
            Ok(bytes) => {
                let content: Content = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
                if content.format != FORMAT {
                    return Err(wrong(format!("it has format {}, and this release knows {FORMAT}", content.format)));
                }
                content.newest
            }
            // A folder that cannot be one is told by what needs it.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => BTreeMap::new(),
            Err(error) => return Err(wrong(error.to_string())),
        };
        Ok(Self { file, is_kept, state: Mutex::new(State { newest, is_written: true, is_blindness_told: false }) })
    }

    /// For messages.
    pub(crate) fn file(&self) -> String {
        self.file.display().to_string()
    }

    /// A login of this database may not ask for the timeline: whatever answers is taken, and the server says so once.
    pub(crate) fn cannot_ask(&self, database: &str) {
        if self.is_to_tell() {
            tracing::warn!(
                database,
                "PostgreSQL does not tell this login its timeline, so a primary of before a failover would be taken as any other; \
                 `genims doctor` says what to grant"
            );
        }
    }

    fn is_to_tell(&self) -> bool {
        self.is_kept && !std::mem::replace(&mut self.state.lock().is_blindness_told, true)
    }

    /// Whether a server that writes this timeline may be used; else the newer one that its cluster has come to.
    pub(crate) fn admit(&self, cluster: &str, timeline: u32) -> Result<(), u32> {
        let mut state = self.state.lock();
        let newest = state.newest.get(cluster).copied().unwrap_or(FIRST);
        if timeline < newest {
            return Err(newest);
        }
        if timeline > newest {
            tracing::info!(
                cluster,
                timeline,
                "PostgreSQL was promoted: servers of older timelines are refused from now on"
            );
            state.newest.insert(cluster.to_owned(), timeline);
            state.is_written = false;
        }
        if self.is_kept && !state.is_written {
            match write(&self.file, &state.newest) {
                Ok(()) => state.is_written = true,
                // A full disk stops nothing: this process knows all the same, and the next connection tries again.
                Err(error) => tracing::warn!(%error, file = self.file(), "the newest timelines cannot be written down"),
            }
        }
        Ok(())
    }
}

/// A crash leaves the old file or the new one.
fn write(path: &Path, newest: &BTreeMap<String, u32>) -> io::Result<()> {
    let text = serde_json::to_vec(&Content { format: FORMAT, newest: newest.clone() })?;
    let fresh = path.with_extension("tmp");
    let mut file = File::create(&fresh)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_timeline_is_refused_also_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let timelines = Timelines::load(folder.path(), true).expect("nothing there");
        assert_eq!(timelines.admit("7", 1), Ok(()));
        assert!(!folder.path().join(FILE).exists(), "without a failover there is nothing to keep");
        assert_eq!([timelines.admit("7", 3), timelines.admit("7", 2)], [Ok(()), Err(3)]);
        assert_eq!(timelines.admit("7", 3), Ok(()), "more connections to the promoted one");
        assert_eq!(timelines.admit("8", 1), Ok(()), "another cluster has timelines of its own");
        let again = Timelines::load(folder.path(), true).expect("a good file");
        assert_eq!([again.admit("7", 2), again.admit("7", 4)], [Err(3), Ok(())]);
        assert_eq!(again.admit("7", 3), Err(4));
    }

    #[test]
    fn a_command_obeys_what_the_server_knows_and_writes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Timelines::load(folder.path(), true).expect("nothing there");
        assert_eq!(server.admit("7", 2), Ok(()));
        let command = Timelines::load(folder.path(), false).expect("a good file");
        assert_eq!([command.admit("7", 1), command.admit("7", 5), command.admit("7", 2)], [Err(2), Ok(()), Err(5)]);
        let after = Timelines::load(folder.path(), false).expect("a good file");
        assert_eq!(after.admit("7", 2), Ok(()));
    }

    #[test]
    fn that_a_login_may_not_ask_is_told_once_by_the_server_and_by_no_command() {
        let folder = tempfile::tempdir().expect("a folder");
        let told = |is_kept| {
            let timelines = Timelines::load(folder.path(), is_kept).expect("nothing there");
            [timelines.is_to_tell(), timelines.is_to_tell()]
        };
        assert_eq!([told(true), told(false)], [[true, false], [false, false]]);
    }

    #[test]
    fn what_cannot_be_written_down_is_known_all_the_same_and_tried_again() {
        let above = tempfile::tempdir().expect("a folder");
        let folder = above.path().join("data");
        let timelines = Timelines::load(&folder, true).expect("nothing there");
        assert_eq!([timelines.admit("7", 2), timelines.admit("7", 1)], [Ok(()), Err(2)]);
        fs::create_dir(&folder).expect("made");
        assert_eq!(timelines.admit("7", 2), Ok(()));
        let again = Timelines::load(&folder, true).expect("a good file");
        assert_eq!(again.admit("7", 1), Err(2));
    }

    #[test]
    fn a_file_that_is_not_ours_or_of_a_later_release_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(FILE);
        for text in ["", "{", r#"{"format":2,"newest":{}}"#, r#"{"format":1,"newest":{},"more":1}"#] {
            fs::write(&file, text).expect("written");
            let error = Timelines::load(folder.path(), true).expect_err(text).to_string();
            assert!(error.contains(FILE) && error.contains("start the release that wrote it"), "{error}");
        }
        fs::write(&file, r#"{"format":1,"newest":{"7":2}}"#).expect("written");
        assert_eq!(Timelines::load(folder.path(), true).expect("a good file").admit("7", 1), Err(2));
    }
}
