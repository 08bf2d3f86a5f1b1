//! What a database refused after it had been acknowledged, kept until the log has its dead letters. Dead letters enter, durably; they
//! leave in order; they are forgotten when the log has them and the database is behind what it refused.
//!
//! They are not appended to the log at once, because it may be full and wait for the very database that has refused. This file
//! has no cap, and needs none: what a database refuses waits in the log of events, which is bounded, until the database goes on,
//! and then it is forgotten here, whatever other databases still need.
//!
//! ```text
//! frames, each   "GRF1" | body bytes u32 | crc32 u32, of the body | body: a MessagePack map, see [`Body`]
//! ```
//! - Serials ascend and are never given twice, also when the file begins anew.
//! - What is behind the last whole frame was never acknowledged, and is written over. A whole frame behind broken bytes
//!   proves damage.

use super::disk::{Disk, DiskFile, RealDisk};
use super::error::SpoolError;
use genims_model::DeadLetter;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Notify;
use uuid::Uuid;

#[cfg(test)]
#[path = "row_dead_letters_tests.rs"]
mod tests;

const MAGIC: &[u8; 3] = b"GRF";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 12;
/// Dead letters in one frame: with more, they and their mark would not be durable together in the log.
const FRAME_BYTES: usize = 256 * 1024;
/// So much that nobody needs any more is left in the file, or as much as what is needed: so each byte is copied about once.
const SPENT_BYTES_MAX: u64 = 1 << 20;
const NAME: &str = "refused";
const UNFINISHED: &str = "refused.tmp";

#[derive(Debug, Serialize, Deserialize)]
struct Body {
    serial: u64,
    /// The log that the database follows, and where in it the records stand.
    log: Uuid,
    database: String,
    offsets: Vec<u64>,
    #[serde(rename = "letters")]
    dead_letters: Vec<DeadLetter>,
}

/// A frame, as far as it is kept in memory.
#[derive(Debug)]
struct Frame {
    serial: u64,
    log: Uuid,
    database: String,
    offsets: Vec<u64>,
    dead_letters: u64,
    /// Of an earlier run.
    is_left: bool,
    is_forwarded: bool,
    /// Where in the file it is.
    at: u64,
    bytes: u64,
}

impl Frame {
    /// The log has it, and its database is behind all that it refused. `passed` as in [`RowDeadLetters::forwarded`].
    fn is_spent(&self, passed: impl Fn(Uuid, &str) -> u64) -> bool {
        let last = self.offsets.iter().max();
        self.is_forwarded && last.is_none_or(|last| *last < passed(self.log, &self.database))
    }
}

/// See the module's header.
#[derive(Debug)]
pub struct RowDeadLetters {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    state: Mutex<State>,
    kept: Notify,
}

#[derive(Debug)]
struct State {
    /// There is none before the first dead letter.
    file: Option<Box<dyn DiskFile>>,
    /// Where the last frame ends.
    end: u64,
    next_serial: u64,
    /// A power cut could still bring the file back that was there before.
    is_name_unsynced: bool,
    frames: VecDeque<Frame>,
}

/// Dead letters on their way into the log.
#[derive(Debug)]
pub struct Forwarded {
    pub serial: u64,
    /// An earlier run made them.
    pub is_left: bool,
    pub dead_letters: Vec<DeadLetter>,
}

impl RowDeadLetters {
    /// How the log calls its mark of which serials it has.
    pub const MARK: &str = "log/refused";

    /// `forwarded`: the log has the dead letters of all serials up to it.
    pub fn open(folder: &Path, forwarded: u64) -> Result<Self, SpoolError> {
        Self::open_on(Arc::new(RealDisk), folder, forwarded)
    }

    pub(super) fn open_on(disk: Arc<dyn Disk>, folder: &Path, forwarded: u64) -> Result<Self, SpoolError> {
        let path = folder.join(NAME);
        let failed = |action: &'static str| {
            let path = path.clone();
            move |source| SpoolError::io(action, &path, source)
        };
        disk.create_directory(folder).map_err(failed("create the folder of"))?;
        let is_there = disk.list(folder).map_err(failed("look for"))?.iter().any(|name| name == NAME);
        let file = if is_there { Some(disk.open(&path).map_err(failed("open"))?) } else { None };
        let (mut frames, mut end) = (VecDeque::new(), 0);
        while let Some(file) = &file {
            let Some((body, bytes)) = read(&**file, &path, end)? else { break };
            let is_forwarded = body.serial <= forwarded;
            frames.push_back(Frame { is_left: true, is_forwarded, ..frame(&body, end, bytes) });
            end += bytes;
        }
        let last = frames.back().map_or(0, |frame: &Frame| frame.serial);
        let next_serial = last.max(forwarded) + 1;
        let state = State { file, end, next_serial, is_name_unsynced: false, frames };
        Ok(Self { disk, folder: folder.to_owned(), state: Mutex::new(state), kept: Notify::new() })
    }

    /// Where in `log` the records stand that `database` refused, and that have their dead letters here.
    pub fn offsets(&self, log: Uuid, database: &str) -> Vec<u64> {
        let state = self.state.lock();
        let own = state.frames.iter().filter(|frame| frame.log == log && frame.database == database);
        own.flat_map(|frame| frame.offsets.iter().copied()).collect()
    }

    /// Dead letters that the log does not have.
    pub fn waiting(&self) -> u64 {
        self.state.lock().frames.iter().filter(|frame| !frame.is_forwarded).map(|frame| frame.dead_letters).sum()
    }

    /// Keeps dead letters of records of `log`, each with the record's offset. After an error none, some or all of them may be
    /// there for good: whoever keeps the rest asks [`RowDeadLetters::offsets`].
    pub fn keep(&self, log: Uuid, database: &str, dead_letters: Vec<(u64, DeadLetter)>) -> Result<(), SpoolError> {
        let mut state = self.state.lock();
        let mut body =
            Body { serial: 0, log, database: database.to_owned(), offsets: Vec::new(), dead_letters: Vec::new() };
        let mut bytes = 0;
        for (offset, dead_letter) in dead_letters {
            bytes += dead_letter.payload.len() + dead_letter.detail.len() + dead_letter.topic.len();
            body.offsets.push(offset);
            body.dead_letters.push(dead_letter);
            if bytes >= FRAME_BYTES {
                self.append(&mut state, &mut body)?;
                bytes = 0;
            }
        }
        if !body.dead_letters.is_empty() {
            self.append(&mut state, &mut body)?;
        }
        drop(state);
        self.kept.notify_one();
        Ok(())
    }

    fn append(&self, state: &mut State, body: &mut Body) -> Result<(), SpoolError> {
        body.serial = state.next_serial;
        let bytes = encode(body)?;
        let path = self.folder.join(NAME);
        let file = match state.file.take() {
            Some(file) => file,
            None => {
                state.is_name_unsynced = true;
                self.disk.create(&path).map_err(|source| SpoolError::io("create", &path, source))?
            }
        };
        let file = state.file.insert(file);
        file.write_all_at(&bytes, state.end).map_err(|source| SpoolError::io("write", &path, source))?;
        file.sync_data().map_err(|source| SpoolError::io("sync", &path, source))?;
        self.sync_name(state)?;
        state.frames.push_back(frame(body, state.end, bytes.len() as u64));
        state.end += bytes.len() as u64;
        state.next_serial += 1;
        body.offsets.clear();
        body.dead_letters.clear();
        Ok(())
    }

    /// Waits for dead letters that the log does not have, the oldest first. Cancel-safe.
    pub async fn next(&self) -> Result<Forwarded, SpoolError> {
        loop {
            if let Some(next) = self.first()? {
                return Ok(next);
            }
            self.kept.notified().await;
        }
    }

    fn first(&self) -> Result<Option<Forwarded>, SpoolError> {
        let state = self.state.lock();
        let Some(frame) = state.frames.iter().find(|frame| !frame.is_forwarded) else { return Ok(None) };
        let path = self.folder.join(NAME);
        let found = state.file.as_ref().map(|file| read(&**file, &path, frame.at)).transpose()?.flatten();
        let Some((Body { serial, dead_letters, .. }, _)) = found else {
            let detail = "a frame that was whole is not".to_owned();
            return Err(SpoolError::DamagedRowDeadLetters { file: path, position: frame.at, detail });
        };
        Ok(Some(Forwarded { serial, is_left: frame.is_left, dead_letters }))
    }

    /// The log has these dead letters. `passed` says how far a database is in a log; what it is behind need not be known any more.
    pub fn forwarded(&self, serial: u64, passed: impl Fn(Uuid, &str) -> u64) -> Result<(), SpoolError> {
        let mut state = self.state.lock();
        if let Some(frame) = state.frames.iter_mut().find(|frame| frame.serial == serial) {
            frame.is_forwarded = true;
        }
        state.frames.retain(|frame| !frame.is_spent(&passed));
        let needed: u64 = state.frames.iter().map(|frame| frame.bytes).sum();
        if state.end - needed >= SPENT_BYTES_MAX.max(needed) { self.begin_anew(&mut state) } else { Ok(()) }
    }

    /// Writes what is needed into a new file.
    fn begin_anew(&self, state: &mut State) -> Result<(), SpoolError> {
        let (path, fresh) = (self.folder.join(NAME), self.folder.join(UNFINISHED));
        let failed = |source| SpoolError::io("begin anew", &path, source);
        let file = self.disk.create(&fresh).map_err(failed)?;
        let mut places = Vec::with_capacity(state.frames.len());
        let mut end = 0;
        if let Some(old) = &state.file {
            for frame in &state.frames {
                let mut bytes = vec![0; frame.bytes as usize];
                old.read_at(&mut bytes, frame.at).map_err(failed)?;
                file.write_all_at(&bytes, end).map_err(failed)?;
                places.push(end);
                end += frame.bytes;
            }
        }
        file.sync_data().map_err(failed)?;
        self.disk.rename(&fresh, &path).map_err(failed)?;
        (state.file, state.end) = (Some(file), end);
        state.frames.iter_mut().zip(places).for_each(|(frame, at)| frame.at = at);
        state.is_name_unsynced = true;
        self.sync_name(state)
    }

    fn sync_name(&self, state: &mut State) -> Result<(), SpoolError> {
        if state.is_name_unsynced {
            let failed = |source| SpoolError::io("sync the folder of", &self.folder.join(NAME), source);
            self.disk.sync_directory(&self.folder).map_err(failed)?;
            state.is_name_unsynced = false;
        }
        Ok(())
    }
}

fn frame(body: &Body, at: u64, bytes: u64) -> Frame {
    Frame {
        serial: body.serial,
        log: body.log,
        database: body.database.clone(),
        offsets: body.offsets.clone(),
        dead_letters: body.dead_letters.iter().map(|dead_letter| dead_letter.records).sum(),
        is_left: false,
        is_forwarded: false,
        at,
        bytes,
    }
}

fn encode(body: &Body) -> Result<Vec<u8>, SpoolError> {
    let encoded = rmp_serde::to_vec_named(body)?;
    let length = u32::try_from(encoded.len()).map_err(|_| SpoolError::TooLarge(encoded.len()))?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + encoded.len());
    bytes.extend_from_slice(MAGIC);
    bytes.push(b'0' + VERSION as u8);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&encoded).to_le_bytes());
    bytes.extend_from_slice(&encoded);
    Ok(bytes)
}

/// The frame at `at` and its length; `None` at the end, and at what was never acknowledged.
fn read(file: &dyn DiskFile, path: &Path, at: u64) -> Result<Option<(Body, u64)>, SpoolError> {
    let failed = |source| SpoolError::io("read", path, source);
    let left = file.length().map_err(failed)?.saturating_sub(at);
    let mut bytes = vec![0; (HEADER_BYTES as u64).min(left) as usize];
    file.read_at(&mut bytes, at).map_err(failed)?;
    let length = body_bytes(&bytes).map_or(left, |body| HEADER_BYTES as u64 + body);
    // A length that broke may say anything: then what is left is looked through.
    bytes.resize(length.min(left) as usize, 0);
    file.read_at(&mut bytes, at).map_err(failed)?;
    if whole(&bytes).is_none() && (bytes.len() as u64) < left {
        bytes.resize(left as usize, 0);
        file.read_at(&mut bytes, at).map_err(failed)?;
    }
    parse(path, &bytes, at)
}

/// The frame that `bytes` begin with; they begin at `at` of the file.
fn parse(path: &Path, bytes: &[u8], at: u64) -> Result<Option<(Body, u64)>, SpoolError> {
    let damaged = |detail| SpoolError::DamagedRowDeadLetters { file: path.to_owned(), position: at, detail };
    let Some(length) = whole(bytes) else {
        // Nothing acknowledged may stand behind.
        let begins = memchr::memmem::find_iter(bytes, MAGIC).filter(|begin| *begin > 0);
        return match begins.into_iter().find(|begin| whole(&bytes[*begin..]).is_some()) {
            Some(begin) => {
                let begin = at + begin as u64;
                Err(damaged(format!("the frame at byte {begin} is whole, the one before it is not")))
            }
            None => Ok(None),
        };
    };
    let found = u32::from(bytes[3].wrapping_sub(b'0'));
    if found != VERSION {
        return Err(SpoolError::Version { file: path.to_owned(), found, expected: VERSION });
    }
    let body = rmp_serde::from_slice(&bytes[HEADER_BYTES..length])
        .map_err(|error| damaged(format!("{error}; perhaps a later release wrote it")))?;
    Ok(Some((body, length as u64)))
}

/// What the header says of its body's length.
fn body_bytes(header: &[u8]) -> Option<u64> {
    let bytes: [u8; 4] = header.get(4..8)?.try_into().ok()?;
    header.starts_with(MAGIC).then(|| u32::from_le_bytes(bytes).into())
}

/// The length of the frame that the bytes begin with, of any version.
fn whole(bytes: &[u8]) -> Option<usize> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let body = rest.get(..body_bytes(header)? as usize)?;
    let checksum = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    (crc32fast::hash(body) == checksum).then_some(HEADER_BYTES + body.len())
}
