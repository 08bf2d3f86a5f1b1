//! Where the chains of each database end, kept outside the server that holds them: in a file of the data folder and in MongoDB.
//! Who alters the trail there and computes all hashes anew cannot alter these.
//!
//! In: the ends after each delivered batch. Out: at most every [`EVERY`], and at the end, a file written whole and synced, and a document
//! for each database. Invariants: an end is only followed by one of the same chain; where the trail no longer has it, that is
//! entered as a break, which stays until the file is set aside by a person.

use crate::entry::{Ends, time_text};
use crate::error::ChangesError;
use bson::{Document, doc};
use chrono::Utc;
use genims_databases::mongo::INTERNAL_DATABASE;
use genims_databases::{MongoClient, MongoSettings};
use mongodb::Collection;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the newest entries may be without a head elsewhere.
pub const EVERY: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(5);
/// Breaks that are kept of a database: the first ones.
const BREAKS_MAX: usize = 100;

/// The head of one database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    #[serde(flatten)]
    pub ends: Ends,
    /// UTC.
    pub at: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaks: Vec<Break>,
}

/// The trail no longer had what the head said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    pub found_at: String,
    pub expected: Ends,
    pub found: Ends,
}

/// By database.
pub type HeadsByDatabase = BTreeMap<String, Head>;

/// What is kept of a chain: where it ends, or where it begins since retention has deleted what was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Heads,
    Checkpoints,
}

impl Kept {
    fn file(self) -> &'static str {
        match self {
            Self::Heads => "audit-heads.json",
            Self::Checkpoints => "audit-checkpoints.json",
        }
    }

    fn collection(self) -> &'static str {
        match self {
            Self::Heads => "audit_heads",
            Self::Checkpoints => "audit_checkpoints",
        }
    }
}

pub struct Heads {
    path: PathBuf,
    mongo: Option<(MongoSettings, MongoClient)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    heads: HeadsByDatabase,
    in_file: HeadsByDatabase,
    in_mongo: HeadsByDatabase,
    /// Whose trail was read in this run. What the file says of others may be older than what MongoDB does.
    read: BTreeSet<String>,
    /// Whose head in MongoDB was compared in this run.
    compared: BTreeSet<String>,
}

impl Heads {
    pub fn load(data_dir: &Path, mongo: Option<(MongoSettings, MongoClient)>) -> Result<Self, ChangesError> {
        let heads = from_file(Kept::Heads, data_dir)?;
        let state = State { in_file: heads.clone(), heads, ..State::default() };
        Ok(Self { path: data_dir.join(Kept::Heads.file()), mongo, state: Mutex::new(state) })
    }

    pub fn of(&self, database: &str) -> Option<Head> {
        self.state.lock().heads.get(database).cloned()
    }

    /// The chains of a database end here now.
    pub fn set(&self, database: &str, ends: &Ends) {
        let mut state = self.state.lock();
        state.read.insert(database.to_owned());
        let head = state.heads.entry(database.to_owned()).or_default();
        if head.ends != *ends {
            (head.ends, head.at) = (ends.clone(), now());
        }
    }

    /// The trail has not what it had when the head was kept.
    pub fn broken(&self, database: &str, expected: &Ends, found: &Ends) {
        tracing::error!(
            database,
            expected_position = expected.write.position,
            found_position = found.write.position,
            "the audit trail is not the one that was written: entries were cut off or altered; run `genims audit verify`"
        );
        let mut state = self.state.lock();
        let head = state.heads.entry(database.to_owned()).or_default();
        if head.breaks.len() < BREAKS_MAX {
            head.breaks.push(Break { found_at: now(), expected: expected.clone(), found: found.clone() });
        }
    }

    /// Keeps what has changed.
    pub async fn keep(&self) -> Result<(), ChangesError> {
        let kept = self.keep_in_file().await;
        if let Some((settings, client)) = &self.mongo {
            let kept = tokio::time::timeout(PATIENCE, self.keep_in_mongo(client)).await;
            match kept {
                Ok(Ok(())) => {}
                // Tried again with the next heads; the file has them.
                Ok(Err(error)) => tracing::debug!(error = %settings.error(error), "heads not kept in MongoDB"),
                Err(_) => tracing::debug!("heads not kept in MongoDB: no answer"),
            }
        }
        kept
    }

    async fn keep_in_file(&self) -> Result<(), ChangesError> {
        let heads = {
            let state = self.state.lock();
            if state.heads == state.in_file {
                return Ok(());
            }
            state.heads.clone()
        };
        write(&self.path, &heads).await?;
        self.state.lock().in_file = heads;
        Ok(())
    }

    async fn keep_in_mongo(&self, client: &MongoClient) -> Result<(), mongodb::error::Error> {
        let collection = collection(Kept::Heads, client);
        let changed = self.state.lock().not_in_mongo();
        for (name, mut head) in changed {
            if !self.state.lock().compared.contains(&name) {
                let kept = collection.find_one(doc! { "_id": &name }).await?;
                if let Some(kept) = kept.and_then(|document| read(&document)).filter(|kept| is_ahead(kept, &head)) {
                    self.broken(&name, &kept.ends, &head.ends);
                    head = self.of(&name).unwrap_or(head);
                }
                self.state.lock().compared.insert(name.clone());
            }
            put(&collection, &name, &head).await?;
            self.state.lock().in_mongo.insert(name, head);
        }
        Ok(())
    }
}

impl State {
    fn not_in_mongo(&self) -> Vec<(String, Head)> {
        let read = self.heads.iter().filter(|(name, _)| self.read.contains(*name));
        let changed = read.filter(|(name, head)| self.in_mongo.get(*name) != Some(head));
        changed.map(|(name, head)| (name.clone(), head.clone())).collect()
    }
}

/// More was once there than is said now, and that was not noticed before.
fn is_ahead(kept: &Head, now: &Head) -> bool {
    let further = |a: &Ends, b: &Ends| {
        a.write.position > b.write.position
            || a.change.position > b.change.position
            || a.seal.position > b.seal.position
    };
    further(&kept.ends, &now.ends) && !now.breaks.iter().any(|known| known.expected == kept.ends)
}

fn now() -> String {
    time_text(Utc::now().naive_utc())
}

fn collection(kept: Kept, client: &MongoClient) -> Collection<Document> {
    client.database(INTERNAL_DATABASE).collection(kept.collection())
}

async fn put(collection: &Collection<Document>, name: &str, head: &Head) -> Result<(), mongodb::error::Error> {
    let document = doc! { "_id": name, "head": serde_json::to_string(head).unwrap_or_default() };
    collection.replace_one(doc! { "_id": name }, document).upsert(true).await.map(|_| ())
}

async fn write(path: &Path, heads: &HeadsByDatabase) -> Result<(), ChangesError> {
    let failed = |source| ChangesError::Heads { path: path.display().to_string(), source };
    let text = serde_json::to_vec_pretty(heads).map_err(|error| failed(error.into()))?;
    let owned = path.to_owned();
    let written = tokio::task::spawn_blocking(move || replace(&owned, &text)).await;
    written.map_err(|error| failed(std::io::Error::other(error)))?.map_err(failed)
}

/// Keeps where the chains of a database begin from now on: in the data folder, and in MongoDB when it is configured.
pub(crate) async fn keep_checkpoint(
    data_dir: &Path,
    mongo: Option<&MongoSettings>,
    database: &str,
    ends: &Ends,
) -> Result<(), ChangesError> {
    let mut all = from_file(Kept::Checkpoints, data_dir)?;
    let head = Head { ends: ends.clone(), at: now(), breaks: Vec::new() };
    all.insert(database.to_owned(), head.clone());
    write(&data_dir.join(Kept::Checkpoints.file()), &all).await?;
    if let Some(settings) = mongo {
        let client = settings.client().await?;
        let kept = put(&collection(Kept::Checkpoints, &client), database, &head).await;
        kept.map_err(|error| settings.error(error))?;
    }
    Ok(())
}

/// What a data folder holds; nothing when it holds no such file.
pub fn from_file(kept: Kept, data_dir: &Path) -> Result<HeadsByDatabase, ChangesError> {
    let path = data_dir.join(kept.file());
    let shown = || path.display().to_string();
    match std::fs::read(&path) {
        Ok(text) => {
            let bad = |error: serde_json::Error| ChangesError::BadHeads { path: shown(), cause: error.to_string() };
            let said: serde_json::Value = serde_json::from_slice(&text).map_err(bad)?;
            // Format 1 does not say so; read as one of it, a later one would lose on writing what it has more.
            if let Some(found) = said.get("format").and_then(serde_json::Value::as_u64) {
                return Err(ChangesError::LaterHeads { path: shown(), found });
            }
            serde_json::from_value(said).map_err(bad)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(HeadsByDatabase::new()),
        Err(source) => Err(ChangesError::Heads { path: shown(), source }),
    }
}

/// What MongoDB holds.
pub async fn from_mongo(kept: Kept, settings: &MongoSettings) -> Result<HeadsByDatabase, ChangesError> {
    let failed = |error| ChangesError::from(settings.error(error));
    let client = settings.client().await?;
    let mut found = collection(kept, &client).find(doc! {}).await.map_err(failed)?;
    let mut all = HeadsByDatabase::new();
    while found.advance().await.map_err(failed)? {
        let document: Document = found.deserialize_current().map_err(failed)?;
        if let (Ok(name), Some(head)) = (document.get_str("_id"), read(&document)) {
            all.insert(name.to_owned(), head);
        }
    }
    Ok(all)
}

fn read(document: &Document) -> Option<Head> {
    serde_json::from_str(document.get_str("head").ok()?).ok()
}

/// A crash leaves the old file or the new one.
fn replace(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    std::fs::File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::End;

    fn ends(position: i64) -> Ends {
        Ends { write: End { position, hash: format!("{position:064}") }, ..Ends::default() }
    }

    #[tokio::test]
    async fn heads_outlive_their_server_and_a_break_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let heads = Heads::load(folder.path(), None).expect("nothing there");
        assert_eq!(heads.of("genims_erp_db"), None);
        heads.set("genims_erp_db", &ends(7));
        heads.keep().await.expect("kept");
        let again = Heads::load(folder.path(), None).expect("a good file");
        assert_eq!(again.of("genims_erp_db").map(|head| head.ends), Some(ends(7)));
        again.broken("genims_erp_db", &ends(7), &ends(5));
        again.set("genims_erp_db", &ends(6));
        again.keep().await.expect("kept");
        let kept = from_file(Kept::Heads, folder.path()).expect("a good file");
        let head = &kept["genims_erp_db"];
        assert_eq!((&head.ends, head.breaks[0].expected.write.position), (&ends(6), 7));
        std::fs::write(folder.path().join(Kept::Heads.file()), "{").expect("written");
        let error = Heads::load(folder.path(), None).err().expect("no heads").to_string();
        assert!(error.contains("audit-heads.json"), "{error}");
    }

    #[tokio::test]
    async fn what_the_file_says_is_compared_with_mongodb_once_the_trail_was_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let heads = Heads::load(folder.path(), None).expect("nothing there");
        heads.set("genims_erp_db", &ends(7));
        heads.keep().await.expect("kept");
        // Another head was kept in MongoDB and, with the power, lost in the file.
        let again = Heads::load(folder.path(), None).expect("a good file");
        assert_eq!(again.state.lock().not_in_mongo(), []);
        again.set("genims_erp_db", &ends(9));
        let found = again.state.lock().not_in_mongo();
        assert_eq!(found.iter().map(|(_, head)| &head.ends).collect::<Vec<_>>(), [&ends(9)]);
    }

    #[tokio::test]
    async fn heads_of_a_later_release_are_refused_and_left_as_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        for kept in [Kept::Heads, Kept::Checkpoints] {
            let path = folder.path().join(kept.file());
            let later = br#"{"format": 2, "heads": {}}"#;
            std::fs::write(&path, later).expect("written");
            let error = match kept {
                Kept::Heads => Heads::load(folder.path(), None).err().expect("refused"),
                Kept::Checkpoints => {
                    keep_checkpoint(folder.path(), None, "genims_erp_db", &ends(1)).await.expect_err("refused")
                }
            };
            let said = error.to_string();
            assert!(said.contains(kept.file()) && said.contains("start the release that wrote it"), "{said}");
            assert_eq!(std::fs::read(&path).expect("there"), later, "untouched");
        }
    }

    #[test]
    fn a_head_that_was_further_is_a_break_once() {
        let (kept, mut now) = (Head { ends: ends(7), ..Head::default() }, Head { ends: ends(5), ..Head::default() });
        assert!(is_ahead(&kept, &now) && !is_ahead(&now, &kept));
        now.breaks.push(Break { found_at: String::new(), expected: ends(7), found: ends(5) });
        assert!(!is_ahead(&kept, &now));
    }
}
