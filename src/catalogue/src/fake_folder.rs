//! A folder in memory that is as unkind as the rules allow: it fills up in mid-write, a failed sync throws away what it
//! should have kept, any call may answer EIO, and a power cut loses, keeps or tears what was not synced.

use super::folder::{Folder, StoredFile};
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

const EIO: i32 = 5;

/// Clones are the same folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeFolder(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    files: Vec<Content>,
    /// Bytes that still fit; unlimited without.
    room: Option<usize>,
    /// Calls until everything fails, as if the process had died.
    dies_in: Option<u64>,
    fail_syncs: bool,
    /// Calls until one answers EIO; those behind it succeed.
    fails_in: Option<u64>,
    calls: u64,
}

#[derive(Debug, Default)]
struct Content {
    current: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Cut(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(position, bytes) => {
                content.resize(content.len().max(position + bytes.len()), 0);
                content[*position..position + bytes.len()].copy_from_slice(bytes);
            }
            Self::Cut(length) => content.truncate(*length),
        }
    }
}

/// What becomes of everything that was not synced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    All,
    Nothing,
    SecondHalves,
    FirstHalves,
}

pub(crate) const LOSSES: [Loss; 4] = [Loss::All, Loss::Nothing, Loss::SecondHalves, Loss::FirstHalves];

impl FakeFolder {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    pub(crate) fn set_room(&self, room: Option<usize>) {
        self.state().room = room;
    }

    pub(crate) fn fail_syncs(&self, fail: bool) {
        self.state().fail_syncs = fail;
    }

    pub(crate) fn die_in(&self, calls: u64) {
        self.state().dies_in = Some(calls);
    }

    /// So many calls from now one answers EIO: a write in its middle.
    pub(crate) fn fail_in(&self, calls: u64) {
        self.state().fails_in = Some(calls);
    }

    /// The process has died and is started again; the kernel has lived on with what was written.
    pub(crate) fn restart(&self) {
        let mut state = self.state();
        (state.dies_in, state.fails_in) = (None, None);
    }

    pub(crate) fn calls(&self) -> u64 {
        self.state().calls
    }

    pub(crate) fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(name).map(|file| state.files[*file].current.clone())
    }

    /// Durable at once, as a restored backup is.
    pub(crate) fn put(&self, name: &str, contents: Option<Vec<u8>>) {
        let mut state = self.state();
        let file = state.files.len();
        match contents {
            Some(bytes) => {
                state.files.push(Content { current: bytes.clone(), durable: bytes, pending: Vec::new() });
                state.names.insert(name.to_owned(), file);
                state.durable_names.insert(name.to_owned(), file);
            }
            None => {
                state.names.remove(name);
                state.durable_names.remove(name);
            }
        }
    }

    pub(crate) fn cut_power(&self, loss: Loss) {
        let state = &mut *self.state();
        (state.dies_in, state.fail_syncs) = (None, false);
        for content in &mut state.files {
            for change in std::mem::take(&mut content.pending) {
                match (loss, change) {
                    (Loss::All, _) | (Loss::FirstHalves | Loss::SecondHalves, Change::Cut(_)) => {}
                    (Loss::Nothing, change) => change.apply(&mut content.durable),
                    (Loss::SecondHalves, Change::Write(position, bytes)) => {
                        Change::Write(position, bytes[..bytes.len() / 2].to_vec()).apply(&mut content.durable);
                    }
                    (Loss::FirstHalves, Change::Write(position, bytes)) => {
                        let half = bytes.len() / 2;
                        Change::Write(position + half, bytes[half..].to_vec()).apply(&mut content.durable);
                    }
                }
            }
            content.current = content.durable.clone();
        }
        match loss {
            Loss::All | Loss::FirstHalves => state.names = state.durable_names.clone(),
            Loss::Nothing | Loss::SecondHalves => state.durable_names = state.names.clone(),
        }
    }

    fn call(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.begin()?;
        if state.fails_now() { Err(io::Error::from_raw_os_error(EIO)) } else { Ok(state) }
    }

    fn begin(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.calls += 1;
        match &mut state.dies_in {
            Some(0) => Err(io::Error::other("the process is dead")),
            Some(left) => {
                *left -= 1;
                Ok(state)
            }
            None => Ok(state),
        }
    }
}

impl State {
    /// Counts one call of those until EIO.
    fn fails_now(&mut self) -> bool {
        let left = self.fails_in.take();
        self.fails_in = left.and_then(|left| left.checked_sub(1));
        left == Some(0)
    }
}

impl Folder for FakeFolder {
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(name)
    }

    fn open(&self, name: &str) -> io::Result<Option<Box<dyn StoredFile>>> {
        let file = self.call()?.names.get(name).copied();
        Ok(file.map(|file| Box::new(FakeFile { folder: self.clone(), file }) as Box<dyn StoredFile>))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StoredFile>> {
        let mut state = self.call()?;
        let file = state.files.len();
        state.files.push(Content::default());
        state.names.insert(name.to_owned(), file);
        Ok(Box::new(FakeFile { folder: self.clone(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.call()?;
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.call()?;
        state.durable_names = state.names.clone();
        Ok(())
    }
}

#[derive(Debug)]
struct FakeFile {
    folder: FakeFolder,
    file: usize,
}

impl FakeFile {
    fn change(&self, state: &mut State, change: Change) {
        let content = &mut state.files[self.file];
        change.apply(&mut content.current);
        content.pending.push(change);
    }
}

impl StoredFile for FakeFile {
    fn read(&self) -> io::Result<Vec<u8>> {
        Ok(self.folder.call()?.files[self.file].current.clone())
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let state = &mut *self.folder.begin()?;
        let position = position as usize;
        if state.fails_now() {
            self.change(state, Change::Write(position, bytes[..bytes.len() / 2].to_vec()));
            return Err(io::Error::from_raw_os_error(EIO));
        }
        // Bytes inside the file have their room already.
        let inside = state.files[self.file].current.len().saturating_sub(position).min(bytes.len());
        let fits = state.room.map_or(bytes.len(), |room| bytes.len().min(inside + room));
        if let Some(room) = &mut state.room {
            *room -= fits - inside.min(fits);
        }
        self.change(state, Change::Write(position, bytes[..fits].to_vec()));
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        let state = &mut *self.folder.call()?;
        let freed = state.files[self.file].current.len().saturating_sub(length as usize);
        if let Some(room) = &mut state.room {
            *room += freed;
        }
        self.change(state, Change::Cut(length as usize));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let state = &mut *self.folder.begin()?;
        let fails = state.fails_now() || state.fail_syncs;
        let content = &mut state.files[self.file];
        let pending = std::mem::take(&mut content.pending);
        if fails {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        pending.iter().for_each(|change| change.apply(&mut content.durable));
        Ok(())
    }
}
