//! What a backup says of itself: `manifest.json`, and beside it `manifest.sha256`, a line that `sha256sum -c` understands.
//!
//! In: what was dumped, or a place. Out: the manifest of a backup whose every file is there, as long and with the bytes that were
//! written. Invariant: a file that is missing, cut short or altered is named, the manifest itself included.

use crate::encryption::{Identities, Recipients, undone};
use crate::errors::BackupError;
use crate::location::Location;
pub use crate::written::FileEntry;
use crate::written::{Hashed, Written, digest, drain};
use chrono::{DateTime, Utc};
use genims_databases::Engine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::BufReader;

pub const FILE: &str = "manifest.json";
const CHECKSUM: &str = "manifest.sha256";
const FORMAT: u32 = 1;
/// With files that a release without encryption must not take for dumps.
const FORMAT_ENCRYPTED: u32 = 2;

/// How far a consumer of the log had come when the backup was taken: from there on the log gives everything again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPosition {
    pub table: String,
    pub log: String,
    pub sink: String,
    pub next_offset: u64,
}

/// Which part of a server's own log is kept here; of a copy of a whole server, where that log stood around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSpan {
    /// What its positions are of: a timeline of PostgreSQL, files of MariaDB by the name that they have in common.
    pub history: String,
    /// In bytes of PostgreSQL's log, in files of MariaDB's.
    pub from: u64,
    /// Behind the last.
    pub to: u64,
    /// By the server's clock. Of a copy: it can be brought to this moment and any later one. Of a part of the log: it holds
    /// whatever was committed before; none where more of the same run follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Of PostgreSQL's files.
    #[serde(default)]
    pub segment_bytes: u64,
}

/// What an engine's part of a backup brings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub server_version: String,
    /// What dumped, with its version.
    pub tool: String,
    /// Rows by table (`schema.table`), documents by collection, as they are in the files.
    pub rows: BTreeMap<String, u64>,
    pub log_positions: Vec<LogPosition>,
    /// Roles that its rights were granted to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Where the server's binary log stood, as its dump tool says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binlog: Option<String>,
    /// Collections that the stream went on writing: they are complete up to the log positions, and may hold parts of what came
    /// behind; the stream looks there before it writes that again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replayed: Vec<String>,
    /// Of what is kept of a whole server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<LogSpan>,
    pub files: Vec<FileEntry>,
}

/// One backup of one database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of this file.
    pub format: u32,
    /// The name in the registry.
    pub database: String,
    pub engine: Engine,
    /// `host:port/name`.
    pub place: String,
    pub begun_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
    /// This program's.
    pub genims_version: String,
    /// The recipients of age that its files are encrypted for; this file never is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encrypted_for: Vec<String>,
    #[serde(flatten)]
    pub content: Content,
}

impl Manifest {
    pub(crate) fn new(
        database: &str,
        engine: Engine,
        place: String,
        begun_at: DateTime<Utc>,
        recipients: Option<&Recipients>,
        content: Content,
    ) -> Self {
        Self {
            format: if recipients.is_some() { FORMAT_ENCRYPTED } else { FORMAT },
            database: database.to_owned(),
            engine,
            place,
            begun_at,
            finished_at: Utc::now(),
            genims_version: env!("CARGO_PKG_VERSION").to_owned(),
            encrypted_for: recipients.map(Recipients::told).unwrap_or_default(),
            content,
        }
    }

    pub fn bytes(&self) -> u64 {
        self.content.files.iter().map(|file| file.bytes).sum()
    }

    pub fn rows(&self) -> u64 {
        self.content.rows.values().sum()
    }

    /// Where a backup is to be, as its last files; the manifest behind all others, since in S3 it makes them a backup.
    pub(crate) fn write(&self, folder: impl Into<Location>) -> Result<(), BackupError> {
        let folder = folder.into();
        let path = folder.path().join(FILE);
        let text = serde_json::to_vec_pretty(self).map_err(|error| BackupError::write(&path)(error.into()))?;
        let sum = format!("{}  {FILE}\n", digest(&text));
        for (name, bytes) in [(CHECKSUM, sum.as_bytes()), (FILE, text.as_slice())] {
            let mut file = Written::create(&folder, name, None)?;
            file.write(bytes)?;
            file.finish()?;
        }
        Ok(())
    }

    /// What a backup says of itself; its other files are not looked at.
    pub fn read(folder: impl Into<Location>) -> Result<Self, BackupError> {
        let folder = folder.into();
        let damaged = |file: &str, cause: String| BackupError::Damaged {
            file: folder.path().join(file).display().to_string(),
            cause,
        };
        let text = folder.read(FILE).map_err(|error| damaged(FILE, error.to_string()))?;
        let checksum = folder.read(CHECKSUM).map_err(|error| damaged(CHECKSUM, error.to_string()))?;
        let checksum = String::from_utf8_lossy(&checksum);
        if checksum.split_whitespace().next() != Some(digest(&text).as_str()) {
            return Err(damaged(FILE, format!("its SHA-256 is not the one in {CHECKSUM}")));
        }
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| damaged(FILE, error.to_string()))?;
        if ![FORMAT, FORMAT_ENCRYPTED].contains(&manifest.format) {
            let known = format!("this program reads {FORMAT} and {FORMAT_ENCRYPTED}");
            return Err(damaged(FILE, format!("it has format {}, and {known}", manifest.format)));
        }
        Ok(manifest)
    }

    /// Whether every file is there, as long as it was written; their bytes are not read.
    pub(crate) fn is_complete(&self, folder: impl Into<Location>) -> Result<(), BackupError> {
        let folder = folder.into();
        let lengths = folder.lengths().map_err(BackupError::read(folder.path()))?;
        for entry in &self.content.files {
            let path = folder.path().join(&entry.name);
            let damaged = |cause| BackupError::Damaged { file: path.display().to_string(), cause };
            if entry.name.contains('/') || entry.name.starts_with('.') {
                return Err(damaged("its name leads out of the backup".to_owned()));
            }
            let length = lengths.of(&entry.name).map_err(|error| damaged(error.to_string()))?;
            if length != entry.bytes {
                return Err(damaged(format!("it has {length} bytes and was written with {}", entry.bytes)));
            }
        }
        Ok(())
    }

    /// Reads every file of the backup, and with `identities` all that is encrypted in it; `show` is told which.
    pub fn verify(
        &self,
        folder: impl Into<Location>,
        identities: Option<&Identities>,
        show: &dyn Fn(&str),
    ) -> Result<(), BackupError> {
        let folder = folder.into();
        self.is_complete(&folder)?;
        for entry in &self.content.files {
            show(&format!("checking {}", entry.name));
            let path = folder.path().join(&entry.name);
            let damaged = |cause| BackupError::Damaged { file: path.display().to_string(), cause };
            let mut stored = Hashed::open(&folder, &entry.name).map_err(|error| damaged(error.to_string()))?;
            let decrypted = identities.filter(|_| !self.encrypted_for.is_empty()).map(|identities| {
                let clear = identities.decrypt(BufReader::new(&mut stored));
                clear.and_then(|mut clear| Ok(drain(&mut clear)?))
            });
            // Bytes that were altered say more than that they do not decrypt.
            if stored.sha256().map_err(|error| damaged(error.to_string()))? != entry.sha256 {
                return Err(damaged("its SHA-256 is not the one in the manifest: bytes were altered".to_owned()));
            }
            decrypted.unwrap_or(Ok(())).map_err(|error| undone(&path, &self.encrypted_for, error))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn written(folder: &Path, recipients: Option<&Recipients>) -> Manifest {
        let mut file = Written::create(folder, "dump", recipients).expect("a file");
        file.write(b"all rows").expect("written");
        let files = vec![file.finish().expect("synced")];
        let content = Content { files, rows: BTreeMap::from([("public.a".to_owned(), 3)]), ..Content::default() };
        let manifest =
            Manifest::new("genims_hr_db", Engine::Postgresql, "h:1/d".to_owned(), Utc::now(), recipients, content);
        manifest.write(folder).expect("written");
        manifest
    }

    fn refused(folder: &Path) -> String {
        let checked = Manifest::read(folder).and_then(|manifest| manifest.verify(folder, None, &|_| {}));
        checked.expect_err("damaged").to_string()
    }

    #[test]
    fn a_backup_as_it_was_written_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let manifest = written(folder.path(), None);
        let read = Manifest::read(folder.path()).expect("read");
        assert_eq!(read, manifest);
        assert_eq!((read.bytes(), read.rows()), (8, 3));
        read.verify(folder.path(), None, &|_| {}).expect("whole");
    }

    #[test]
    fn what_is_altered_cut_short_or_missing_is_named() {
        for (name, bytes, cause) in [
            ("dump", Some(&b"all rowz"[..]), "altered"),
            ("dump", Some(b"all"), "3 bytes"),
            ("dump", None, "No such file"),
            (FILE, Some(b"{}"), "SHA-256"),
            (FILE, None, "No such file"),
            (CHECKSUM, None, "No such file"),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            written(folder.path(), None);
            let path = folder.path().join(name);
            match bytes {
                Some(bytes) => std::fs::write(&path, bytes).expect("written"),
                None => std::fs::remove_file(&path).expect("removed"),
            }
            let error = refused(folder.path());
            assert!(error.contains(name) && error.contains(cause), "{name}: {error}");
        }
    }

    #[test]
    fn a_manifest_of_another_format_or_with_paths_is_refused() {
        for (from, to, cause) in
            [("\"format\": 1", "\"format\": 3", "format 3"), ("\"dump\"", "\"../dump\"", "leads out")]
        {
            let folder = tempfile::tempdir().expect("a folder");
            written(folder.path(), None);
            let text = std::fs::read_to_string(folder.path().join(FILE)).expect("read").replace(from, to);
            std::fs::write(folder.path().join(FILE), &text).expect("written");
            std::fs::write(folder.path().join(CHECKSUM), format!("{}  {FILE}\n", digest(text.as_bytes())))
                .expect("written");
            let error = refused(folder.path());
            assert!(error.contains(cause), "{error}");
        }
    }
}
