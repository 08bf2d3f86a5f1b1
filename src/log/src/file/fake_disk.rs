//! A file system in memory that is as unkind as the rules allow: what was not synced may be lost, kept or torn, sector
//! by sector and name by name; a failed sync throws away what it should have kept. It fills up, runs out of file handles,
//! answers EIO, rots, and can be put back to an earlier state.

use super::disk::{Disk, DiskFile, Lock};
use super::fake_content::{Change, FakeContent};
use super::fake_errors::{Call, Faults};
use parking_lot::{Mutex, MutexGuard};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Clones are the same disk.
#[derive(Clone)]
pub struct FakeDisk {
    state: Arc<Mutex<State>>,
    /// Runs in the place of each wait for room.
    waiting: Arc<Mutex<Option<Waiting>>>,
}

type Waiting = Arc<dyn Fn() + Send + Sync>;

/// Longer than an id, the longest thing in a file that differs from run to run.
const PIECE_BYTES: usize = 32;
/// EMFILE.
const NO_MORE_HANDLES: i32 = 24;

#[derive(Debug)]
struct State {
    rng: ChaCha8Rng,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    files: Vec<FakeContent>,
    /// Each log on this disk has a lock of its own.
    locked: BTreeSet<PathBuf>,
    /// Grows with each crash; handles from before are dead.
    epoch: u64,
    faults: Faults,
    /// No more room for new files.
    full: bool,
    /// What all files together may be long.
    capacity: Option<usize>,
    /// Syncs that claim to have done their work and have not.
    lying: bool,
}

/// Everything that the disk holds at one moment, durable and not.
#[derive(Debug)]
pub struct Copy(BTreeMap<PathBuf, Vec<u8>>);

impl FakeDisk {
    pub fn new(seed: u64) -> Self {
        let state = State {
            rng: ChaCha8Rng::seed_from_u64(seed),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            files: Vec::new(),
            locked: BTreeSet::new(),
            epoch: 0,
            faults: Faults::default(),
            full: false,
            capacity: None,
            lying: false,
        };
        Self { state: Arc::new(Mutex::new(state)), waiting: Arc::default() }
    }

    /// After so many more operations every one fails, until a crash.
    pub fn crash_in(&self, operations: u64) {
        self.state().faults.crash_in = Some(operations);
    }

    pub fn is_dead(&self) -> bool {
        self.state().faults.crash_in == Some(0)
    }

    /// Some calls fail, or all.
    pub fn is_failing(&self) -> bool {
        let state = self.state();
        state.faults.crash_in == Some(0) || state.faults.fail_syncs || state.faults.errors.any()
    }

    /// Such calls answer EIO, each with this probability.
    pub fn fail_calls(&self, call: Call, probability: f64) {
        self.state().faults.errors.set(call, probability);
    }

    pub fn fail_syncs(&self, fail: bool) {
        self.state().faults.fail_syncs = fail;
    }

    pub fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    pub fn set_full_at_sync(&self, probability: f64) {
        self.state().faults.full_at_sync = probability;
    }

    pub fn set_capacity(&self, bytes: Option<usize>) {
        self.state().capacity = bytes;
    }

    /// Nothing can be opened or made.
    pub fn set_no_handles(&self, none: bool) {
        self.state().faults.no_handles = none;
    }

    /// From now on no sync does anything, and all claim to.
    pub fn set_lying(&self, lying: bool) {
        self.state().lying = lying;
    }

    /// What happens in the place of each wait for room.
    pub fn set_waiting(&self, waiting: Option<Waiting>) {
        *self.waiting.lock() = waiting;
    }

    pub fn copy(&self) -> Copy {
        let state = self.state();
        Copy(state.names.iter().map(|(path, file)| (path.clone(), state.files[*file].current.clone())).collect())
    }

    /// The disk holds what it held then, durably; whoever has files open is lost.
    pub fn restore(&self, copy: &Copy) {
        self.kill_process();
        let mut state = self.state();
        state.files = copy.0.values().cloned().map(FakeContent::synced).collect();
        state.names = copy.0.keys().cloned().zip(0..).collect();
        state.durable_names = state.names.clone();
    }

    /// One bit of what was written to one file turns over; the file, and where. Whether single bytes are zero depends on ids
    /// and checksums, which differ from run to run, so what was written is told by pieces that are longer than those.
    pub fn rot(&self) -> Option<(PathBuf, usize)> {
        let state = &mut *self.state();
        let paths: Vec<(PathBuf, usize)> = state.names.iter().map(|(path, file)| (path.clone(), *file)).collect();
        let (path, file) = paths.get(state.rng.random_range(0..paths.len().max(1)))?.clone();
        let content = &mut state.files[file];
        let pieces = content.current.chunks(PIECE_BYTES).enumerate();
        let written: Vec<usize> =
            pieces.filter(|(_, piece)| piece.iter().any(|byte| *byte != 0)).map(|(at, _)| at).collect();
        let piece = *written.get(state.rng.random_range(0..written.len().max(1)))?;
        let last = content.current.len() - 1;
        let position = (piece * PIECE_BYTES + state.rng.random_range(0..PIECE_BYTES)).min(last);
        content.current[position] ^= 1 << state.rng.random_range(0..8);
        content.durable = content.current.clone();
        content.pending.clear();
        Some((path, position))
    }

    pub fn open_file(&self, path: &Path) -> io::Result<Option<FakeFile>> {
        let mut state = self.state();
        state.check_open()?;
        Ok(state.names.get(path).map(|file| self.handle(*file, state.epoch)))
    }

    pub fn create_file(&self, path: &Path) -> io::Result<FakeFile> {
        let mut state = self.operate()?;
        state.check_open()?;
        let file = state.files.len();
        state.files.push(FakeContent::default());
        state.names.insert(path.to_owned(), file);
        Ok(self.handle(file, state.epoch))
    }

    pub fn rename_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        state.check(Call::Name)?;
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    pub fn sync_names(&self, directory: &Path) -> io::Result<()> {
        let state = &mut *self.operate()?;
        state.check_open()?;
        if state.finds_no_room() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if state.lying {
            return Ok(());
        }
        let is_here = |path: &Path| path.parent() == Some(directory);
        state.durable_names.retain(|path, _| !is_here(path));
        let here = state.names.iter().filter(|(path, _)| is_here(path));
        state.durable_names.extend(here.map(|(path, file)| (path.clone(), *file)));
        Ok(())
    }

    /// The process dies; the kernel lives on with everything that was written.
    pub fn kill_process(&self) {
        let mut state = self.state();
        state.epoch += 1;
        state.locked.clear();
        state.faults = Faults::default();
    }

    /// The machine dies; only what was synced is certain.
    pub fn cut_power(&self) {
        self.kill_process();
        let state = &mut *self.state();
        for content in &mut state.files {
            content.lose_pending(&mut state.rng);
            content.current = content.durable.clone();
        }
        let touched: BTreeSet<PathBuf> = state.names.keys().chain(state.durable_names.keys()).cloned().collect();
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
        self.state.lock()
    }

    /// Counts one operation; an error when the process is dead by now.
    fn operate(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        match &mut state.faults.crash_in {
            Some(0) => Err(io::Error::other("the process died")),
            Some(left) => {
                *left -= 1;
                Ok(state)
            }
            None => Ok(state),
        }
    }

    fn handle(&self, file: usize, epoch: u64) -> FakeFile {
        FakeFile { disk: self.clone(), file, epoch }
    }
}

impl State {
    fn check(&mut self, call: Call) -> io::Result<()> {
        self.faults.errors.check(call, &mut self.rng)
    }

    fn check_open(&mut self) -> io::Result<()> {
        self.check(Call::Open)?;
        if self.faults.no_handles { Err(io::Error::from_raw_os_error(NO_MORE_HANDLES)) } else { Ok(()) }
    }

    fn finds_no_room(&mut self) -> bool {
        let probability = self.faults.full_at_sync;
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

impl fmt::Debug for FakeDisk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FakeDisk").finish_non_exhaustive()
    }
}

impl Disk for FakeDisk {
    fn create_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.check(Call::Open)?;
        let here = state.names.keys().filter(|path| path.parent() == Some(directory));
        Ok(here.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let mut state = self.state();
        if !state.locked.insert(path.to_owned()) {
            return Ok(None);
        }
        Ok(Some(Box::new(FakeLock { disk: self.clone(), path: path.to_owned(), epoch: state.epoch })))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(self.create_file(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(self.open_file(path)?.ok_or(io::ErrorKind::NotFound)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.rename_file(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        state.check(Call::Name)?;
        state.names.remove(path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.sync_names(directory)
    }

    fn wait(&self, waiting: &mut dyn FnMut()) {
        let instead = self.waiting.lock().clone();
        match instead {
            Some(instead) => instead(),
            None => waiting(),
        }
    }
}

/// A file of it; dead once the process or the machine has died.
#[derive(Debug)]
pub struct FakeFile {
    disk: FakeDisk,
    file: usize,
    epoch: u64,
}

impl FakeFile {
    fn operate(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.operate()?;
        if state.epoch == self.epoch { Ok(state) } else { Err(io::Error::other("a handle from before the crash")) }
    }

    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut state = self.disk.state();
        state.check(Call::Read)?;
        Ok(state.files[self.file].current.clone())
    }

    pub fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.write_all_at(bytes, position)
    }

    pub fn cut(&self, length: u64) -> io::Result<()> {
        let mut state = self.operate()?;
        state.check(Call::Write)?;
        let content = &mut state.files[self.file];
        let cut = Change::Cut(length as usize);
        cut.apply(&mut content.current);
        content.pending.push(cut);
        Ok(())
    }

    pub fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

impl DiskFile for FakeFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.file].current.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.check(Call::Read)?;
        let content = &state.files[self.file].current;
        let from = content.get(position as usize..).unwrap_or_default();
        let bytes = from.len().min(buffer.len());
        buffer[..bytes].copy_from_slice(&from[..bytes]);
        Ok(bytes)
    }

    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let mut state = self.operate()?;
        state.check_room(self.file, position as usize + bytes.len())?;
        // The last write of a dying process may be cut short, and so may one that fails.
        let dying = state.faults.crash_in == Some(0);
        let failed = state.check(Call::Write);
        let is_short = dying || failed.is_err();
        let written = if is_short { state.rng.random_range(0..=bytes.len()) } else { bytes.len() };
        state.files[self.file].write(&bytes[..written], position as usize);
        if dying { Err(io::Error::other("the process died while it wrote")) } else { failed }
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.operate()?;
        state.check(Call::Write)?;
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
        if state.faults.fail_syncs {
            content.lose_pending(&mut state.rng);
            return Err(io::Error::other("the disk failed"));
        }
        if state.lying {
            return Ok(());
        }
        std::mem::take(&mut content.pending).iter().for_each(|change| change.apply(&mut content.durable));
        Ok(())
    }
}

#[derive(Debug)]
struct FakeLock {
    disk: FakeDisk,
    path: PathBuf,
    epoch: u64,
}

impl Lock for FakeLock {}

impl Drop for FakeLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.epoch == self.epoch {
            state.locked.remove(&self.path);
        }
    }
}
