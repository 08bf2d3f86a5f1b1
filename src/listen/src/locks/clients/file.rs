//! The file of clients: TOML, one `[[client]]` each. `genims client` changes it, people may.

use crate::topic;
use genims_locks::file::{self, AccountFile, check_name, now};
use genims_locks::{LockError, secret};
use genims_pipeline::intake::Tables;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::Path;

/// More than any server takes; beyond it a limit is none.
pub const READINGS_PER_SECOND_MAX: u64 = 1_000_000_000;

const TOKENS_MAX: usize = 32;

/// One client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientEntry {
    pub name: String,
    /// Of its secret; without one it comes in by a certificate of its name alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// SHA-256 of each, in hex. Not written where there are none, which the release before can read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<String>,
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
    /// In place of the configuration's, 0 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readings_per_second_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_max: Option<u64>,
    /// When it was made, and when its secret was.
    #[serde(default)]
    pub added: String,
    #[serde(default)]
    pub rotated: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientFile {
    #[serde(default)]
    client: Vec<ClientEntry>,
}

impl AccountFile for ClientFile {
    const WHAT: &'static str = "clients";
    const HEAD: &'static str =
        "# Who may send to `genims serve`. Change it with `genims client`; the server notices by itself.\n\n";

    fn check(&self) -> Result<(), String> {
        let mut names = HashSet::new();
        for entry in &self.client {
            entry.check()?;
            if !names.insert(&entry.name) {
                return Err(format!("{} is there twice", entry.name));
            }
        }
        Ok(())
    }
}

impl ClientEntry {
    /// `secret`: `None` for one that shows a certificate.
    pub fn new(name: &str, secret: Option<&str>) -> Result<Self, LockError> {
        let added = now();
        let mut entry = Self {
            name: name.to_owned(),
            hash: None,
            tokens: Vec::new(),
            disabled: false,
            topics: None,
            machines: None,
            rows: Vec::new(),
            readings_per_second_max: None,
            connections_max: None,
            rotated: added.clone(),
            added,
        };
        if let Some(secret) = secret {
            entry.rotate(secret)?;
        }
        entry.check().map_err(LockError::Account)?;
        Ok(entry)
    }

    /// Another secret; tokens are gone.
    pub fn rotate(&mut self, secret: &str) -> Result<(), LockError> {
        self.hash = Some(secret::hash_new(secret).map_err(LockError::Account)?);
        self.tokens.clear();
        self.rotated = now();
        Ok(())
    }

    /// A new token, shown in place of the secret; the only time that it can be seen.
    pub fn token(&mut self) -> Result<String, LockError> {
        if self.tokens.len() >= TOKENS_MAX {
            let remedy = "`genims client rotate` ends all of them";
            return Err(LockError::Account(format!("{} has {TOKENS_MAX} tokens; {remedy}", self.name)));
        }
        let token = secret::drawn_token();
        self.tokens.push(secret::digest(token.as_bytes()));
        Ok(token)
    }

    pub fn check(&self) -> Result<(), String> {
        let name = &self.name;
        check_name(name)?;
        if self.hash.as_ref().is_some_and(|hash| !secret::is_hash(hash)) {
            return Err(format!("the hash of {name} is none of argon2id; `genims client rotate` makes one"));
        }
        if self.tokens.iter().any(|token| !secret::is_digest(token)) {
            return Err(format!("a token of {name} is no SHA-256 in hex; `genims client token` makes one"));
        }
        if let Some(wrong) = self.topics.iter().flatten().find(|filter| !topic::is_filter(filter)) {
            return Err(format!(
                "{wrong:?} of {name} is no topic filter: + and # stand for whole levels, # for the last"
            ));
        }
        if self.machines.iter().flatten().any(String::is_empty) {
            return Err(format!("{name} has a machine without an id"));
        }
        if self.readings_per_second_max.is_some_and(|readings| readings > READINGS_PER_SECOND_MAX) {
            return Err(format!(
                "{name} may send more readings a second than {READINGS_PER_SECOND_MAX}; 0 is without a limit"
            ));
        }
        Tables::new(&self.rows).map(drop).map_err(|problem| format!("{problem} (rows of {name})"))
    }
}

/// All clients; none where there is no file.
pub fn read(path: &Path) -> Result<Vec<ClientEntry>, LockError> {
    Ok(file::read::<ClientFile>(path)?.client)
}

/// Changes the file, while nobody else does.
pub fn change<T>(path: &Path, by: impl FnOnce(&mut Vec<ClientEntry>) -> Result<T, LockError>) -> Result<T, LockError> {
    file::change(path, |all: &mut ClientFile| by(&mut all.client))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn what_was_written_is_read_and_nobody_else_may() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("below").join("clients.toml");
        assert!(read(&path).expect("none yet").is_empty());
        let secret = secret::drawn();
        let mut entry = ClientEntry::new("plc 7", Some(&secret)).expect("made");
        entry.topics = Some(vec!["genims/v1/+/#".to_owned()]);
        entry.machines = Some(vec!["MCH-0001".to_owned()]);
        entry.rows = vec!["genims_erp_db.*".to_owned()];
        (entry.readings_per_second_max, entry.connections_max) = (Some(500), Some(0));
        for entry in [entry.clone(), ClientEntry::new("gateway", None).expect("made")] {
            change(&path, |entries| {
                entries.push(entry);
                Ok(())
            })
            .expect("written");
        }
        let found = read(&path).expect("read");
        assert_eq!((&found[0], found[1].hash.as_ref(), found.len()), (&entry, None, 2));
        assert!(!fs::read_to_string(&path).expect("read").contains("tokens"), "the release before knows no such key");
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
    fn tokens_are_kept_as_digests_bounded_and_end_with_the_secret() {
        let mut entry = ClientEntry::new("a", None).expect("made");
        let tokens: Vec<String> = (0..TOKENS_MAX).map(|_| entry.token().expect("drawn")).collect();
        assert!(entry.token().expect_err("one too many").to_string().contains("client rotate"));
        assert!(entry.check().is_ok() && entry.hash.is_none());
        for token in &tokens {
            assert!(!entry.tokens.contains(token) && entry.tokens.contains(&secret::digest(token.as_bytes())));
        }
        entry.rotate("another long secret").expect("rotated");
        assert!(entry.tokens.is_empty());
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("clients.toml");
        for name in ["", " a", "a\nb", &"x".repeat(129)] {
            assert!(ClientEntry::new(name, None).is_err(), "{name}");
        }
        assert!(ClientEntry::new("a", Some("short")).is_err());
        let a = ClientEntry::new("a", None).expect("made");
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
            ("[[client]]\nname = \"a\"\ntokens = [\"plain\"]", "SHA-256"),
            ("[[client]]\nname = \"a\"\ntopic = [\"x\"]", "topic"),
            ("[[client]]\nname = \"a\"\nrows = [\"materials\"]", "materials"),
            ("[[client]]\nname = \"a\"\nreadings_per_second_max = 1000000001", "1000000000"),
            ("[[client]]\nname = \"a\"\nconnections_max = -1", "connections_max"),
            ("[[client]]\nhash = \"x\"", "name"),
        ] {
            fs::write(&path, text).expect("written");
            let told = read(&path).expect_err(text).to_string();
            assert!(told.contains(cause), "{told}");
        }
    }
}
