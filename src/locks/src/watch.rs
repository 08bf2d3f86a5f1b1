//! Whether files have changed. Paths enter; leaves whether to read them again: once their change is over, that is, once they
//! look the same twice in a row.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

/// How often files are looked at: a change is in force after two looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Inode, size, time of the last change of content and of anything: a file put in the place of another differs in the first.
type Stamp = Option<(u64, u64, (i64, i64), (i64, i64))>;

#[derive(Debug)]
pub struct Watched {
    paths: Vec<PathBuf>,
    seen: Vec<Stamp>,
    changing: Option<Vec<Stamp>>,
}

impl Watched {
    /// Make it before the files are read for the first time.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        let seen = stamps(&paths);
        Self { paths, seen, changing: None }
    }

    /// Whether to read the files now; `everything`: whatever they look like.
    pub fn is_due(&mut self, everything: bool) -> bool {
        let now = stamps(&self.paths);
        let due = everything || (now != self.seen && self.changing.as_ref() == Some(&now));
        if due {
            self.seen = now;
            self.changing = None;
        } else {
            self.changing = (now != self.seen).then_some(now);
        }
        due
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.ino(), found.size(), (found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec())))
    };
    paths.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Whoever was revoked has to be out within a second. What depends on the machine, to read files and to end connections, has the
    /// other half of it.
    #[test]
    fn a_change_that_just_missed_a_look_is_due_within_half_a_second() {
        let folder = tempfile::tempdir().expect("a folder");
        let [list, other] = ["crl.pem", "crl.pem.new"].map(|name| folder.path().join(name));
        fs::write(&list, "nobody").expect("written");
        let mut watched = Watched::new(vec![list.clone()]);
        assert!(!watched.is_due(false));
        fs::write(&other, "one is revoked").expect("written");
        fs::rename(&other, &list).expect("put in its place");
        let looks = (1_u32..=10).find(|_| watched.is_due(false)).expect("due at one of ten looks");
        assert!(looks * LOOK_EVERY <= Duration::from_millis(500), "{looks} looks, {LOOK_EVERY:?} apart");
    }

    #[test]
    fn a_change_is_told_once_and_only_when_it_is_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        fs::write(&one, "1").expect("written");
        let mut watched = Watched::new(vec![one.clone(), other.clone()]);
        assert!(!watched.is_due(false) && !watched.is_due(false));
        fs::write(&one, "12").expect("written");
        assert!(!watched.is_due(false), "it may be under way");
        fs::write(&other, "new").expect("written");
        assert!(!watched.is_due(false), "it still was");
        assert!(watched.is_due(false));
        assert!(!watched.is_due(false));
        fs::remove_file(&other).expect("removed");
        assert!(!watched.is_due(false) && watched.is_due(false));
        assert!(watched.is_due(true), "asked for");
        assert!(!watched.is_due(false));
    }
}
