//! What is kept of a whole server: `<folder>/<engine>-<id>/base/<time>`, copies of it, and `.../log/<time>`, what its own log said since.
//!
//! In: a folder, a moment. Out: the copy and the parts of the log that lead there, or what is held instead. Invariants: a gap in the
//! log is never crossed; what cannot be read, or is not complete, is not there.

use crate::errors::BackupError;
use crate::folder;
use crate::manifest::{LogSpan, Manifest};
use chrono::{DateTime, Utc};
use genims_databases::Engine;
use serde::Serialize;
use std::path::{Path, PathBuf};

pub(crate) const BASE: &str = "base";
pub(crate) const LOG: &str = "log";

/// From one moment to another, to any of which a database can be brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HeldSpan {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// Of which server a folder holds which moments.
#[derive(Clone, Debug, Serialize)]
pub struct HeldPoints {
    pub folder: PathBuf,
    /// `host:port`, as the newest copy has it.
    pub place: String,
    pub held: Vec<HeldSpan>,
    /// What does not count, and why.
    pub damaged: Vec<String>,
}

/// A copy of a server, or a part of its log.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) path: PathBuf,
    pub(crate) manifest: Manifest,
    pub(crate) span: LogSpan,
}

/// Of one server.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    pub(crate) folder: PathBuf,
    /// The newest last.
    pub(crate) bases: Vec<Part>,
    /// By where they begin.
    pub(crate) log: Vec<Part>,
    pub(crate) damaged: Vec<String>,
}

/// What leads to a moment.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    pub(crate) base: &'a Part,
    pub(crate) log: Vec<&'a Part>,
}

/// What a server's folder begins with.
pub(crate) fn prefix(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgresql => "postgresql-",
        Engine::Mysql => "mariadb-",
        Engine::Mongodb => "mongodb-",
    }
}

impl Archive {
    pub(crate) fn read(folder: &Path) -> Result<Self, BackupError> {
        let mut damaged = Vec::new();
        let mut parts = |kind: &str| -> Result<Vec<Part>, BackupError> {
            let mut parts = Vec::new();
            for location in folder::backups(folder, kind)? {
                match part(location.path()) {
                    Ok(part) => parts.push(part),
                    Err(error) => damaged.push(error.to_string()),
                }
            }
            Ok(parts)
        };
        let (mut bases, mut log) = (parts(BASE)?, parts(LOG)?);
        bases.sort_by_key(|base| base.span.until);
        log.sort_by_key(|part| (part.span.from, part.span.to));
        Ok(Self { folder: folder.to_owned(), bases, log, damaged })
    }

    /// Of the server that the newest copy is of.
    pub(crate) fn place(&self) -> &str {
        self.bases.last().map_or("", |base| &base.manifest.place)
    }

    /// How far the log of a history is kept, whatever lacks before.
    pub(crate) fn end(&self, history: &str) -> Option<u64> {
        self.log.iter().filter(|part| part.span.history == history).map(|part| part.span.to).max()
    }

    /// What the newest part of a history's log says of where the next begins.
    pub(crate) fn mark(&self, history: &str) -> Option<&str> {
        let newest = self.log.iter().filter(|part| part.span.history == history).max_by_key(|part| part.span.to)?;
        newest.manifest.content.binlog.as_deref()
    }

    /// Whether the newest copy is of this history, and its log goes on without a gap to where the next part begins.
    pub(crate) fn is_followed(&self, history: &str, next: u64) -> bool {
        let newest = self.bases.last().filter(|base| base.span.history == history);
        newest.is_some_and(|base| self.followed(base).1 >= next)
    }

    /// What follows a copy without a gap, and how far it goes.
    fn followed(&self, base: &Part) -> (Vec<&Part>, u64) {
        let (mut parts, mut at) = (Vec::new(), base.span.from);
        for part in self.log.iter().filter(|part| part.span.history == base.span.history) {
            if part.span.from > at {
                break;
            }
            if part.span.to > at {
                at = part.span.to;
                parts.push(part);
            }
        }
        (parts, at)
    }

    /// Apart only where moments between them are not held.
    pub(crate) fn held(&self) -> Vec<HeldSpan> {
        let mut held: Vec<HeldSpan> = Vec::new();
        for base in &self.bases {
            let until = self.followed(base).0.iter().filter_map(|part| part.span.until).max();
            let (Some(from), Some(until)) = (base.span.until, until) else { continue };
            match held.last_mut() {
                Some(last) if from <= last.until => last.until = last.until.max(until),
                _ if from <= until => held.push(HeldSpan { from, until }),
                _ => {}
            }
        }
        held
    }

    pub(crate) fn points(&self) -> HeldPoints {
        HeldPoints {
            folder: self.folder.clone(),
            place: self.place().to_owned(),
            held: self.held(),
            damaged: self.damaged.clone(),
        }
    }

    /// What leads to a moment, from the newest copy before it; or which moments are held instead.
    pub(crate) fn chain(&self, point: DateTime<Utc>) -> Result<Chain<'_>, BackupError> {
        let is_before = |base: &&Part| base.span.until.is_some_and(|until| until <= point);
        let found = self.bases.iter().rev().filter(is_before).find_map(|base| {
            let mut log = self.followed(base).0;
            let last = log.iter().position(|part| part.span.until.is_some_and(|until| until >= point))?;
            log.truncate(last + 1);
            Some(Chain { base, log })
        });
        found.ok_or_else(|| self.refusal(point))
    }

    fn refusal(&self, point: DateTime<Utc>) -> BackupError {
        let held = self.held();
        let folder = self.folder.display().to_string();
        let remark = self.damaged.first().map(|first| format!(" ({first})")).unwrap_or_default();
        if held.is_empty() {
            return BackupError::NoPoints { folder, remark };
        }
        let told = held.iter().map(told).collect::<Vec<_>>().join(", ");
        let before = held.iter().rev().map(|span| span.until).find(|until| *until < point);
        let is_behind = |part: &Part| part.span.until.is_some_and(|until| until >= point);
        match before {
            Some(until) if self.log.iter().chain(&self.bases).any(is_behind) => BackupError::PointInGap {
                point: point.to_rfc3339(),
                folder,
                until: format!("{}{remark}", until.to_rfc3339()),
                held: told,
            },
            _ => BackupError::PointOutside { point: point.to_rfc3339(), folder, held: told },
        }
    }
}

fn told(span: &HeldSpan) -> String {
    format!("{} to {}", span.from.to_rfc3339(), span.until.to_rfc3339())
}

fn part(path: &Path) -> Result<Part, BackupError> {
    let manifest = Manifest::read(path)?;
    manifest.is_complete(path)?;
    let without = || BackupError::Damaged {
        file: path.display().to_string(),
        cause: "its manifest says nothing of a server's log".to_owned(),
    };
    let span = manifest.content.span.clone().ok_or_else(without)?;
    Ok(Part { path: path.to_owned(), manifest, span })
}

/// Those of an engine's servers below `from`, or the one that `from` is.
pub(crate) fn below(from: &Path, engine: Engine) -> Result<Vec<Archive>, BackupError> {
    let is_one = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(prefix(engine)) && path.is_dir()
    };
    if is_one(from) {
        return Ok(vec![Archive::read(from)?]);
    }
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(from).map_err(BackupError::read(from))? {
        paths.push(entry.map_err(BackupError::read(from))?.path());
    }
    paths.sort();
    paths.iter().filter(|path| is_one(path)).map(|path| Archive::read(path)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::folder::Partial;
    use crate::manifest::Content;

    pub(crate) fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + 60 * minute, 0).expect("a time")
    }

    /// A copy, or a part of the log, from one position to another.
    pub(crate) fn keep(folder: &Path, kind: &str, from: u64, to: u64, until: Option<i64>) -> PathBuf {
        keep_until(folder, kind, (from, to), until.map(at))
    }

    pub(crate) fn keep_until(
        folder: &Path,
        kind: &str,
        (from, to): (u64, u64),
        until: Option<DateTime<Utc>>,
    ) -> PathBuf {
        let begun_at = at(i64::try_from(to).expect("small"));
        let partial = Partial::begin(folder, kind, begun_at).expect("begun");
        let span = LogSpan { history: "00000001".to_owned(), from, to, until, segment_bytes: 4 };
        let content = Content { span: Some(span), ..Content::default() };
        let manifest = Manifest::new("s", Engine::Postgresql, "h:1".to_owned(), begun_at, None, content);
        manifest.write(&partial.path).expect("written");
        partial.complete().expect("complete")
    }

    fn said(archive: &Archive, minute: i64) -> String {
        archive.chain(at(minute)).expect_err("not held").to_string()
    }

    #[test]
    fn a_moment_is_reached_from_the_newest_copy_before_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        for (from, to, until) in [(0, 10, Some(10)), (10, 20, None), (20, 30, Some(30)), (28, 40, Some(40))] {
            keep(folder, LOG, from, to, until);
        }
        let bases = [keep(folder, BASE, 4, 5, Some(5)), keep(folder, BASE, 24, 25, Some(25))];
        let archive = Archive::read(folder).expect("read");
        assert_eq!(archive.held(), [HeldSpan { from: at(5), until: at(40) }]);
        for (minute, base, parts) in [(5, 0, 1), (10, 0, 1), (11, 0, 3), (24, 0, 3), (25, 1, 1), (40, 1, 2)] {
            let chain = archive.chain(at(minute)).expect("held");
            assert_eq!((&chain.base.path, chain.log.len()), (&bases[base], parts), "{minute}");
        }
        assert!(archive.is_followed("00000001", 40) && !archive.is_followed("00000001", 41));
        assert!(!archive.is_followed("00000002", 40), "another history");
        assert_eq!((archive.end("00000001"), archive.end("00000002")), (Some(40), None));
    }

    #[test]
    fn what_is_not_held_is_refused_with_what_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let archive = Archive::read(folder).expect("read");
        assert!(said(&archive, 1).contains("genims backup servers"), "{}", said(&archive, 1));
        keep(folder, BASE, 0, 1, Some(1));
        keep(folder, LOG, 0, 10, Some(10));
        let missing = keep(folder, LOG, 10, 20, Some(20));
        let last = keep(folder, LOG, 20, 30, Some(30));
        let archive = Archive::read(folder).expect("read");
        assert!(archive.chain(at(30)).is_ok());
        for outside in [0, 31] {
            let said = said(&archive, outside);
            let held = format!("{} to {}", at(1).to_rfc3339(), at(30).to_rfc3339());
            assert!(said.contains("outside") && said.contains(&held), "{said}");
        }
        std::fs::remove_dir_all(&missing).expect("removed");
        let archive = Archive::read(folder).expect("read");
        assert!(archive.chain(at(10)).is_ok());
        for behind in [11, 20, 25, 30] {
            let said = said(&archive, behind);
            assert!(said.contains("lacks") && said.contains(&at(10).to_rfc3339()), "{said}");
        }
        assert!(said(&archive, 31).contains("outside"));
        assert!(!archive.is_followed("00000001", 30), "the next copy is due");
        // A new copy behind the gap: both sides are held, and nothing between.
        keep(folder, BASE, 24, 25, Some(25));
        let archive = Archive::read(folder).expect("read");
        assert!(archive.chain(at(10)).is_ok() && archive.chain(at(25)).is_ok() && archive.chain(at(30)).is_ok());
        assert_eq!(archive.held().len(), 2);
        assert!(said(&archive, 20).contains("lacks"));
        std::fs::write(last.join(crate::manifest::FILE), "{}").expect("written");
        let archive = Archive::read(folder).expect("read");
        assert!(said(&archive, 25).contains("SHA-256"), "{}", said(&archive, 25));
    }

    #[test]
    fn servers_are_found_by_their_folders() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        for name in ["postgresql-7", "mariadb-db_3306", "genims_hr_db"] {
            std::fs::create_dir(root.join(name)).expect("made");
        }
        let names = |from: &Path, engine| -> Vec<PathBuf> {
            below(from, engine).expect("read").into_iter().map(|archive| archive.folder).collect()
        };
        let seven = root.join("postgresql-7");
        assert_eq!(names(root, Engine::Postgresql), std::slice::from_ref(&seven));
        assert_eq!(names(&seven, Engine::Postgresql), std::slice::from_ref(&seven));
        assert_eq!(names(root, Engine::Mysql), [root.join("mariadb-db_3306")]);
    }
}
