//! The catalogue's journal: every number ever given, on disk before anybody can use it. Entries enter, a catalogue leaves.
//!
//! - It belongs to one log, whose records mean something only with these numbers: journals of another log, of another
//!   history, or older than the log relies on are refused. See [`super::witness`] for the log's side.
//! - An append is visible whole or cut: frames carry length and checksum ([`super::frame`]).
//! - A failed append is taken back before the next one: nothing is ever written behind a partial frame.
//! - Opening needs no room on the disk once the journal exists.
//! - One that holds far more entries than matter is compacted when it is opened: what is left continues its history, so that
//!   the log's side fits whichever of the two a crash leaves.

use super::compact::compact;
use super::entry::{Entry, NAME};
use super::error::JournalError;
use super::folder::{Folder, StoredFile};
use super::frame::{self, Durable, Tip, Walk};
use super::legacy;
use super::witness::Witness;
use super::{Catalogue, Sensor};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use uuid::Uuid;

/// How many entries a journal holds for each one that matters before it is compacted.
const ENTRIES_PER_KEPT_MAX: usize = 4;

/// The log that a journal is opened for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log {
    pub(crate) id: Uuid,
    /// Nothing was ever appended: no number is in use.
    pub(crate) blank: bool,
}

#[derive(Debug)]
pub(crate) struct Journal {
    file: Box<dyn StoredFile>,
    path: PathBuf,
    witness: Witness,
    tip: Tip,
    /// Everything below is durable, and there is nothing behind it unless an append failed.
    end: u64,
    clean: bool,
    catalogue: Arc<Catalogue>,
}

/// What a start finds.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) journal: Journal,
    /// Registered and not yet seen in master data.
    pub(crate) registered: Vec<Sensor>,
}

impl Journal {
    /// Opens or makes the journal in `folder` for the log whose witness lies in `log_folder`.
    pub(crate) fn open(folder: &dyn Folder, log_folder: Box<dyn Folder>, log: Log) -> Result<Opened, JournalError> {
        let path = folder.path(NAME);
        let io = |action| {
            let path = path.clone();
            move |source| JournalError::Io { action, path, source }
        };
        let witness = Witness::open(log_folder, log.id)?;
        let (file, walk) = match folder.open(NAME).map_err(io("open"))? {
            Some(file) => continue_journal(folder, file, log, &witness)?,
            None => {
                let entries = legacy::read(folder)?;
                if witness.tip().is_some() || (entries.is_none() && !log.blank) {
                    return Err(JournalError::Gone { path });
                }
                begin(folder, log.id, &entries.unwrap_or_default())?
            }
        };
        legacy::refuse_older_programs(folder);
        let tip = check_witness(&path, &walk, &witness)?;
        // What only the page cache has may be lost by a power cut: durable before anybody builds on it.
        file.sync().and_then(|()| folder.sync_names()).map_err(io("sync"))?;
        let registered = registered(&walk.entries);
        let catalogue = Arc::new(walk.catalogue);
        let mut journal = Self { file, path, witness, tip, end: walk.end, clean: true, catalogue };
        // The log must know the newest tip first: no earlier one is left in a compacted journal.
        if journal.is_confirmed() && journal.compact(folder, log.id, &walk.entries)? {
            journal.is_confirmed();
        }
        Ok(Opened { journal, registered })
    }

    /// What is durable.
    pub(crate) fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Durable as a whole when this returns, or else as if it had never been tried.
    pub(crate) fn append(&mut self, entries: &[Entry]) -> Result<(), JournalError> {
        if !self.clean {
            self.take_back()?;
        }
        let mut catalogue = Catalogue::clone(&self.catalogue);
        let (bytes, tip) = frame::encode(entries, self.tip, Durable::Below(self.end), &mut catalogue)
            .map_err(|error| self.failed("write", error.into()))?;
        self.clean = false;
        let written = self.file.write_at(&bytes, self.end);
        if let Err(source) = written.and_then(|()| self.file.sync()) {
            // A second failure leaves the mark: the next append begins with taking back.
            let _ = self.take_back();
            return Err(self.failed("write", source));
        }
        self.clean = true;
        self.end += bytes.len() as u64;
        self.tip = tip;
        self.catalogue = Arc::new(catalogue);
        Ok(())
    }

    /// Tells the log's side what it may rely on from now on. Numbers are published only after this.
    pub(crate) fn confirm(&mut self) -> Result<(), JournalError> {
        self.witness.save(self.tip)
    }

    /// A start goes on without.
    fn is_confirmed(&mut self) -> bool {
        let confirmed = self.confirm().inspect_err(|error| {
            tracing::warn!(%error, "the log does not know its newest numbers yet; tried again with the next ones");
        });
        confirmed.is_ok()
    }

    /// Leaves out what no longer matters, where that is most; true when it did. Without room for it the journal stays as it is.
    fn compact(&mut self, folder: &dyn Folder, log: Uuid, entries: &[Entry]) -> Result<bool, JournalError> {
        let kept = compact(entries);
        if entries.len() <= ENTRIES_PER_KEPT_MAX * kept.len() {
            return Ok(false);
        }
        let mut catalogue = Catalogue::default();
        let (frames, tip) = frame::encode(&kept, self.tip, Durable::AllBefore, &mut catalogue)
            .map_err(|error| self.failed("compact", error.into()))?;
        if catalogue != *self.catalogue || registered(&kept) != registered(entries) {
            tracing::error!(path = %self.path.display(), "the journal would say something else when compacted, and stays as it is");
            return Ok(false);
        }
        let bytes = [&frame::compacted_front(log)[..], &frames].concat();
        let replaced = match folder.replace(NAME, &bytes) {
            Ok(file) => Some(file),
            Err(error) => {
                tracing::warn!(%error, path = %self.path.display(), "the journal cannot be compacted; tried again by the next start");
                // Either of the two may bear the name now.
                self.replaced(folder, &bytes).map_err(|source| self.failed("compact", source))?
            }
        };
        let Some(file) = replaced else { return Ok(false) };
        tracing::info!(from = entries.len(), to = kept.len(), "the catalogue journal is compacted");
        (self.file, self.end, self.tip) = (file, bytes.len() as u64, tip);
        Ok(true)
    }

    /// The journal, when it has become this one, durably.
    fn replaced(&self, folder: &dyn Folder, bytes: &[u8]) -> io::Result<Option<Box<dyn StoredFile>>> {
        let file = folder.open(NAME)?.ok_or(io::ErrorKind::NotFound)?;
        if file.read()? != bytes {
            return Ok(None);
        }
        folder.sync_names()?;
        Ok(Some(file))
    }

    fn take_back(&mut self) -> Result<(), JournalError> {
        self.file.cut(self.end).and_then(|()| self.file.sync()).map_err(|source| self.failed("cut", source))?;
        self.clean = true;
        Ok(())
    }

    fn failed(&self, action: &'static str, source: io::Error) -> JournalError {
        JournalError::Io { action, path: self.path.clone(), source }
    }
}

fn continue_journal(
    folder: &dyn Folder,
    file: Box<dyn StoredFile>,
    log: Log,
    witness: &Witness,
) -> Result<(Box<dyn StoredFile>, Walk), JournalError> {
    let path = folder.path(NAME);
    let bytes = file.read().map_err(|source| JournalError::Io { action: "read", path: path.clone(), source })?;
    let found = frame::parse_front(&path, &bytes)?;
    let walk = frame::walk(&path, &bytes, found)?;
    if found != log.id {
        if !log.blank {
            return Err(JournalError::Foreign { path, found, expected: log.id });
        }
        tracing::info!(from = %found, to = %log.id, "the spool is new: the catalogue's numbers go on with it");
        return begin(folder, log.id, &walk.entries);
    }
    // One that is refused is left as it is.
    check_witness(&path, &walk, witness)?;
    let torn = bytes.len() as u64 - walk.end;
    if torn > 0 {
        tracing::warn!(bytes = torn, "the catalogue journal ended with numbers that were never used; they are cut");
        file.cut(walk.end).map_err(|source| JournalError::Io { action: "cut", path: path.clone(), source })?;
    }
    // A sync that failed in an earlier run may have marked as clean what the disk does not have: syncing again would do
    // nothing.
    let unproven = &bytes[walk.proven as usize..walk.end as usize];
    file.write_at(unproven, walk.proven).map_err(|source| JournalError::Io { action: "write", path, source })?;
    Ok((file, walk))
}

/// A new journal with these entries, in the place of whatever bore the name.
fn begin(folder: &dyn Folder, log: Uuid, entries: &[Entry]) -> Result<(Box<dyn StoredFile>, Walk), JournalError> {
    let path = folder.path(NAME);
    let io = |source| JournalError::Io { action: "create", path: path.clone(), source };
    let mut catalogue = Catalogue::default();
    let (frames, _) = frame::encode(entries, frame::first_tip(log), Durable::Below(0), &mut catalogue)
        .map_err(|error| io(error.into()))?;
    let bytes = [&frame::front(log)[..], &frames].concat();
    let file = folder.replace(NAME, &bytes).map_err(io)?;
    Ok((file, frame::walk(&path, &bytes, log)?))
}

/// The journal's tip, when the history that the log relies on is part of it.
fn check_witness(path: &std::path::Path, walk: &Walk, witness: &Witness) -> Result<Tip, JournalError> {
    let newest = walk.tips[walk.tips.len() - 1];
    let Some(relied_on) = witness.tip() else { return Ok(newest) };
    // Of a log that is older than the compaction nothing can be said but that it knows less.
    let Some(place) = relied_on.frames.checked_sub(walk.tips[0].frames) else { return Ok(newest) };
    match walk.tips.get(place as usize) {
        None => Err(JournalError::Older { path: path.to_owned(), found: newest.frames, needed: relied_on.frames }),
        Some(tip) if *tip != relied_on => {
            Err(JournalError::Diverged { path: path.to_owned(), entry: relied_on.frames })
        }
        Some(_) => Ok(newest),
    }
}

/// Registrations without a later entry of the same sensor.
pub(crate) fn registered(entries: &[Entry]) -> Vec<Sensor> {
    let mut waiting: Vec<&Sensor> = Vec::new();
    for entry in entries {
        if let Entry::Sensor(sensor) | Entry::Registered(sensor) = entry
            && !waiting.is_empty()
        {
            waiting.retain(|known| known.sensor_id != sensor.sensor_id);
        }
        if let Entry::Registered(sensor) = entry {
            waiting.push(sensor);
        }
    }
    waiting.into_iter().cloned().collect()
}
