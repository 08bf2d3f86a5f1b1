//! The file of clients: TOML, one `[[client]]` each, secrets as hashes only. `genims client` changes it, people may.
//!
//! Invariants: it is there whole, the old one or the new one, whenever somebody reads it or the power fails; it is its owner's
//! alone (mode 0600), whoever changes it; two that change it at once come one behind the other.

use super::secret;
use crate::locks::LockError;
use crate::topic;
use genims_pipeline::intake::Tables;
use rustix::fs::{FlockOperation, Gid, Uid, fchown, flock};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const NAME_BYTES_MAX: usize = 128;

/// Rights that others must not have: the group may read, for a service that runs under another account.
const MODE_FORBIDDEN: u32 = 0o027;

const HEAD: &str =
    "# Who may send to `genims serve`. Change it with `genims client`; the server notices by itself.\n\n";

/// One client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub name: String,
    /// Of its secret; without one it comes in by a certificate of its name alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    #[serde(default)]
    pub disabled: bool,
    /// Filters of the MQTT topics that it may publish under; all if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topics: Option<Vec<String>>,
    /// Whose readings it may send; all if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machines: Option<Vec<String>>,
    /// The tables it may write rows into, `database.table`, with `*` in either; none if not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<String>,
    /// When it was made, and when its secret was.
    #[serde(default)]
    pub added: String,
    #[serde(default)]
    pub rotated: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    client: Vec<Entry>,
}

impl Entry {
    /// `secret`: `None` for one that shows a certificate.
    pub fn new(name: &str, secret: Option<&str>) -> Result<Self, LockError> {
        let added = now();
        let mut entry = Self {
            name: name.to_owned(),
            hash: None,
            disabled: false,
            topics: None,
            machines: None,
            rows: Vec::new(),
            rotated: added.clone(),
            added,
        };
        if let Some(secret) = secret {
            entry.rotate(secret)?;
        }
        entry.check().map_err(LockError::Client)?;
        Ok(entry)
    }

    pub fn rotate(&mut self, secret: &str) -> Result<(), LockError> {
        if secret.len() < secret::SECRET_BYTES_MIN {
            let least = secret::SECRET_BYTES_MIN;
            return Err(LockError::Client(format!("the secret is shorter than {least} bytes; take a longer one")));
        }
        self.hash = Some(secret::hash(secret.as_bytes()).map_err(LockError::Client)?);
        self.rotated = now();
        Ok(())
    }

    pub fn check(&self) -> Result<(), String> {
        let name = &self.name;
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(char::is_control) || name.trim() != name {
            return Err(format!("{name:?} is no name: 1 to {NAME_BYTES_MAX} bytes, without blanks at its ends"));
        }
        if self.hash.as_ref().is_some_and(|hash| !secret::is_hash(hash)) {
            return Err(format!("the hash of {name} is none of argon2id; `genims client rotate` makes one"));
        }
        if let Some(wrong) = self.topics.iter().flatten().find(|filter| !topic::is_filter(filter)) {
            return Err(format!(
                "{wrong:?} of {name} is no topic filter: + and # stand for whole levels, # for the last"
            ));
        }
        if self.machines.iter().flatten().any(String::is_empty) {
            return Err(format!("{name} has a machine without an id"));
        }
        Tables::new(&self.rows).map(drop).map_err(|problem| format!("{problem} (rows of {name})"))
    }
}

fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// All clients; none where there is no file.
pub fn read(path: &Path) -> Result<Vec<Entry>, LockError> {
    let unread = |source| LockError::Read { path: path.to_owned(), source };
    let mode = match fs::metadata(path) {
        Ok(found) => found.mode() & 0o777,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unread(error)),
    };
    if mode & MODE_FORBIDDEN != 0 {
        return Err(LockError::Open { path: path.to_owned(), mode });
    }
    let text = fs::read_to_string(path).map_err(unread)?;
    let form = |cause: String| LockError::Form { path: path.to_owned(), cause };
    let Content { client: entries } = toml::from_str(&text).map_err(|error| form(error.to_string()))?;
    let mut names = HashSet::new();
    for entry in &entries {
        entry.check().map_err(form)?;
        if !names.insert(&entry.name) {
            return Err(form(format!("{} is there twice", entry.name)));
        }
    }
    Ok(entries)
}

/// Changes the file, while nobody else does.
pub fn change<T>(path: &Path, by: impl FnOnce(&mut Vec<Entry>) -> Result<T, LockError>) -> Result<T, LockError> {
    let unwritten = |source| LockError::Write { path: path.to_owned(), source };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(unwritten)?;
    let lock = File::open(folder).map_err(unwritten)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| unwritten(error.into()))?;
    let mut entries = read(path)?;
    let done = by(&mut entries)?;
    for entry in &entries {
        entry.check().map_err(LockError::Client)?;
    }
    write(path, folder, entries).map_err(unwritten)?;
    Ok(done)
}

fn write(path: &Path, folder: &Path, entries: Vec<Entry>) -> io::Result<()> {
    let text = toml::to_string(&Content { client: entries }).map_err(io::Error::other)?;
    let fresh = PathBuf::from(format!("{}.new", path.display()));
    if let Err(error) = fs::remove_file(&fresh)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    // The server must be able to read what root has changed.
    let owner = fs::metadata(path).or_else(|_| fs::metadata(folder))?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (owner.uid(), owner.gid()) {
        fchown(&file, Some(Uid::from_raw(owner.uid())), Some(Gid::from_raw(owner.gid())))?;
    }
    file.write_all(HEAD.as_bytes())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_was_written_is_read_and_nobody_else_may() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("below").join("clients.toml");
        assert!(read(&path).expect("none yet").is_empty());
        let secret = secret::drawn();
        let mut entry = Entry::new("plc 7", Some(&secret)).expect("made");
        entry.topics = Some(vec!["genims/v1/+/#".to_owned()]);
        entry.machines = Some(vec!["MCH-0001".to_owned()]);
        entry.rows = vec!["genims_erp_db.*".to_owned()];
        for entry in [entry.clone(), Entry::new("gateway", None).expect("made")] {
            change(&path, |entries| {
                entries.push(entry);
                Ok(())
            })
            .expect("written");
        }
        let found = read(&path).expect("read");
        assert_eq!((&found[0], found[1].hash.as_ref(), found.len()), (&entry, None, 2));
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).expect("read");
        assert!(text.starts_with('#') && !text.contains(&secret), "{text}");
        assert_eq!(fs::read_dir(path.parent().expect("a folder")).expect("a folder").count(), 1);
        for mode in [0o604, 0o620, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            let told = read(&path).expect_err("open to others").to_string();
            assert!(told.contains("chmod 600"), "{told}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("clients.toml");
        for name in ["", " a", "a\nb", &"x".repeat(129)] {
            assert!(Entry::new(name, None).is_err(), "{name}");
        }
        assert!(Entry::new("a", Some("short")).is_err());
        let a = Entry::new("a", None).expect("made");
        change(&path, |entries| {
            entries.push(a);
            Ok(())
        })
        .expect("written");
        let before = fs::read(&path).expect("read");
        let wrong = change(&path, |entries| {
            entries[0].topics = Some(vec!["a#".to_owned()]);
            Ok(())
        });
        assert!(wrong.expect_err("no filter").to_string().contains("a#"));
        assert_eq!(fs::read(&path).expect("read"), before);
        for (text, cause) in [
            ("[[client]]\nname = \"a\"\n[[client]]\nname = \"a\"", "twice"),
            ("[[client]]\nname = \"a\"\nhash = \"plain\"", "argon2id"),
            ("[[client]]\nname = \"a\"\ntopic = [\"x\"]", "topic"),
            ("[[client]]\nname = \"a\"\nrows = [\"materials\"]", "materials"),
            ("[[client]]\nhash = \"x\"", "name"),
        ] {
            fs::write(&path, text).expect("written");
            let told = read(&path).expect_err(text).to_string();
            assert!(told.contains(cause), "{told}");
        }
    }
}
