//! A file system in memory that is as unkind as the rules allow: what was not synced may be lost, kept or torn, sector
//! by sector and name by name; a failed sync throws away what it should have kept.

use super::disk::{Disk, DiskFile, Lock};
use parking_lot::{Mutex, MutexGuard};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writes tear at these boundaries; smaller than a real sector, so that small records tear as well.
const SECTOR_BYTES: usize = 64;

/// Clones are the same disk.
#[derive(Clone, Debug)]
pub(super) struct FakeDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    rng: ChaCha8Rng,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    files: Vec<Content>,
    locked: bool,
    /// Grows with each crash; handles from before are dead.
    epoch: u64,
    /// Operations until everything fails as if the process had died.
    crash_in: Option<u64>,
    fail_syncs: bool,
    /// No more room for new files.
    full: bool,
    /// How probably a sync finds no more room; what it should have kept is lost.
    full_at_sync: f64,
    /// What all files together may be long.
    capacity: Option<usize>,
}

#[derive(Debug, Default)]
struct Content {
    durable: Vec<u8>,
    current: Vec<u8>,
    pending: Vec<(usize, Vec<u8>)>,
}

impl Content {
    fn write(&mut self, bytes: &[u8], position: usize) {
        put(&mut self.current, bytes, position);
        self.pending.push((position, bytes.to_vec()));
    }

    /// Some sectors of what is pending reach the disk, the rest never does.
    fn lose_pending(&mut self, rng: &mut ChaCha8Rng) {
        for (position, bytes) in std::mem::take(&mut self.pending) {
            let keep = [0.0, 0.5, 1.0][rng.random_range(0..3)];
            for (index, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
                if rng.random_bool(keep) {
                    put(&mut self.durable, sector, position + index * SECTOR_BYTES);
                }
            }
        }
    }
}

fn put(content: &mut Vec<u8>, bytes: &[u8], position: usize) {
    let end = position + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[position..end].copy_from_slice(bytes);
}

impl FakeDisk {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng: ChaCha8Rng::seed_from_u64(seed),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            files: Vec::new(),
            locked: false,
            epoch: 0,
            crash_in: None,
            fail_syncs: false,
            full: false,
            full_at_sync: 0.0,
            capacity: None,
        })))
    }

    /// After so many more operations every one fails, until a crash.
    pub(super) fn crash_in(&self, operations: u64) {
        self.state().crash_in = Some(operations);
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state().crash_in == Some(0)
    }

    pub(super) fn fail_syncs(&self, fail: bool) {
        self.state().fail_syncs = fail;
    }

    pub(super) fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    pub(super) fn set_full_at_sync(&self, probability: f64) {
        self.state().full_at_sync = probability;
    }

    pub(super) fn set_capacity(&self, bytes: Option<usize>) {
        self.state().capacity = bytes;
    }

    /// The process dies; the kernel lives on with everything that was written.
    pub(super) fn kill_process(&self) {
        let mut state = self.state();
        state.epoch += 1;
        state.locked = false;
        state.crash_in = None;
        state.fail_syncs = false;
        state.full_at_sync = 0.0;
    }

    /// The machine dies; only what was synced is certain.
    pub(super) fn cut_power(&self) {
        self.kill_process();
        let state = &mut *self.state();
        for content in &mut state.files {
            content.lose_pending(&mut state.rng);
            content.current = content.durable.clone();
        }
        let touched: HashSet<PathBuf> = state.names.keys().chain(state.durable_names.keys()).cloned().collect();
        for path in touched {
            let now = state.names.get(&path).copied();
            if now != state.durable_names.get(&path).copied() && state.rng.random_bool(0.5) {
                match now {
                    Some(file) => state.durable_names.insert(path, file),
                    None => state.durable_names.remove(&path),
                };
            }
        }
        state.names = state.durable_names.clone();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// Counts one operation; an error when the process is dead by now.
    fn operate(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        match &mut state.crash_in {
            Some(0) => Err(io::Error::other("the process died")),
            Some(left) => {
                *left -= 1;
                Ok(state)
            }
            None => Ok(state),
        }
    }

    fn handle(&self, file: usize, epoch: u64) -> Box<dyn DiskFile> {
        Box::new(FakeFile { disk: self.clone(), file, epoch })
    }
}

impl State {
    fn finds_no_room(&mut self) -> bool {
        let probability = self.full_at_sync;
        self.rng.random_bool(probability)
    }

    /// Fails when the file cannot become that long.
    fn check_room(&self, file: usize, length: usize) -> io::Result<()> {
        let Some(capacity) = self.capacity else { return Ok(()) };
        let others = self.names.values().filter(|other| **other != file);
        let used: usize = others.map(|other| self.files[*other].current.len()).sum();
        let grows = length > self.files[file].current.len();
        if grows && used + length > capacity { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl Disk for FakeDisk {
    fn create_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let here = state.names.keys().filter(|path| path.parent() == Some(directory));
        Ok(here.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let mut state = self.state();
        if std::mem::replace(&mut state.locked, true) {
            return Ok(None);
        }
        Ok(Some(Box::new(FakeLock { disk: self.clone(), epoch: state.epoch })))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.operate()?;
        let file = state.files.len();
        state.files.push(Content::default());
        state.names.insert(path.to_owned(), file);
        Ok(self.handle(file, state.epoch))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let state = self.state();
        let file = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(file, state.epoch))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.operate()?.names.remove(path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        if state.finds_no_room() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.durable_names = state.names.clone();
        Ok(())
    }
}

#[derive(Debug)]
struct FakeFile {
    disk: FakeDisk,
    file: usize,
    epoch: u64,
}

impl FakeFile {
    fn operate(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.operate()?;
        if state.epoch == self.epoch { Ok(state) } else { Err(io::Error::other("a handle from before the crash")) }
    }
}

impl DiskFile for FakeFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.file].current.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let state = self.disk.state();
        let content = &state.files[self.file].current;
        let from = content.get(position as usize..).unwrap_or_default();
        let bytes = from.len().min(buffer.len());
        buffer[..bytes].copy_from_slice(&from[..bytes]);
        Ok(bytes)
    }

    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let mut state = self.operate()?;
        state.check_room(self.file, position as usize + bytes.len())?;
        // The last write of a dying process may be cut short.
        let dying = state.crash_in == Some(0);
        let written = if dying { state.rng.random_range(0..=bytes.len()) } else { bytes.len() };
        state.files[self.file].write(&bytes[..written], position as usize);
        if dying { Err(io::Error::other("the process died while it wrote")) } else { Ok(()) }
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.operate()?;
        if state.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.check_room(self.file, bytes as usize)?;
        let content = &mut state.files[self.file];
        let missing = (bytes as usize).saturating_sub(content.current.len());
        let length = content.current.len();
        content.write(&vec![0; missing], length);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.operate()?;
        let state = &mut *state;
        let full = state.finds_no_room();
        let content = &mut state.files[self.file];
        if full {
            content.lose_pending(&mut state.rng);
            // The page cache is clean again and shows what the disk has.
            content.current = content.durable.clone();
            return Err(io::ErrorKind::StorageFull.into());
        }
        if state.fail_syncs {
            content.lose_pending(&mut state.rng);
            return Err(io::Error::other("the disk failed"));
        }
        for (position, bytes) in std::mem::take(&mut content.pending) {
            put(&mut content.durable, &bytes, position);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct FakeLock {
    disk: FakeDisk,
    epoch: u64,
}

impl Lock for FakeLock {}

impl Drop for FakeLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.epoch == self.epoch {
            state.locked = false;
        }
    }
}
