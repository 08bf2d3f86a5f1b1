//! What a database refused after it had been acknowledged, kept until the log has its dead letters. Letters enter, durably; they
//! leave in order; they are forgotten when the log has them and the database is behind what it refused.
//!
//! They are not appended to the log at once, because it may be full and wait for the very database that has refused. This file
//! has no cap, and needs none: what is in it was in a log before, and while that is full nothing new comes.
//!
//! ```text
//! frames, each   "GRF1" | body bytes u32 | crc32 u32, of the body | body: a MessagePack map, see [`Body`]
//! ```
//! - Serials are dense inside the file and never given twice, also when it begins anew.
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
#[path = "row_letters_tests.rs"]
mod tests;

const MAGIC: &[u8; 3] = b"GRF";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 12;
/// Letters in one frame: with more, they and their mark would not be durable together in the log.
const FRAME_BYTES: usize = 256 * 1024;
/// So much that nobody needs any more is left in the file.
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
    letters: Vec<DeadLetter>,
}

/// A frame, as far as it is kept in memory.
#[derive(Debug)]
struct Frame {
    serial: u64,
    log: Uuid,
    database: String,
    offsets: Vec<u64>,
    letters: u64,
    /// Of an earlier run.
    is_left: bool,
    is_forwarded: bool,
    bytes: u64,
}

/// See the module's header.
#[derive(Debug)]
pub struct RowLetters {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    state: Mutex<State>,
    kept: Notify,
}

#[derive(Debug)]
struct State {
    /// There is none before the first letter.
    file: Option<Box<dyn DiskFile>>,
    /// Where the first frame begins, and the last one ends.
    begin: u64,
    end: u64,
    next_serial: u64,
    /// A power cut could still bring the file back that was there before.
    is_name_unsynced: bool,
    frames: VecDeque<Frame>,
}

/// Letters on their way into the log.
#[derive(Debug)]
pub struct Forwarded {
    pub serial: u64,
    /// An earlier run made them.
    pub is_left: bool,
    pub letters: Vec<DeadLetter>,
}

impl RowLetters {
    /// How the log calls its mark of which serials it has.
    pub const MARK: &str = "log/refused";

    /// `forwarded`: the log has the letters of all serials up to it.
    pub fn open(folder: &Path, forwarded: u64) -> Result<Self, SpoolError> {
        Self::open_on(Arc::new(RealDisk), folder, forwarded)
    }

    fn open_on(disk: Arc<dyn Disk>, folder: &Path, forwarded: u64) -> Result<Self, SpoolError> {
        let path = folder.join(NAME);
        let failed = |action: &'static str| {
            let path = path.clone();
            move |source| SpoolError::io(action, &path, source)
        };
        disk.create_directory(folder).map_err(failed("create the folder of"))?;
        let is_there = disk.list(folder).map_err(failed("look for"))?.iter().any(|name| name == NAME);
        let file = if is_there { Some(disk.open(&path).map_err(failed("open"))?) } else { None };
        let mut bytes = Vec::new();
        if let Some(file) = &file {
            bytes.resize(file.length().map_err(failed("read"))? as usize, 0);
            file.read_at(&mut bytes, 0).map_err(failed("read"))?;
        }
        let (mut frames, mut end) = (VecDeque::new(), 0);
        while let Some((body, length)) = parse(&path, &bytes, end)? {
            frames.push_back(Frame {
                is_left: true,
                is_forwarded: body.serial <= forwarded,
                ..frame(&body, length as u64)
            });
            end += length;
        }
        let last = frames.back().map_or(0, |frame: &Frame| frame.serial);
        let next_serial = last.max(forwarded) + 1;
        let state = State { file, begin: 0, end: end as u64, next_serial, is_name_unsynced: false, frames };
        Ok(Self { disk, folder: folder.to_owned(), state: Mutex::new(state), kept: Notify::new() })
    }

    /// Where in `log` the records stand that `database` refused, and that have their letters here.
    pub fn offsets(&self, log: Uuid, database: &str) -> Vec<u64> {
        let state = self.state.lock();
        let own = state.frames.iter().filter(|frame| frame.log == log && frame.database == database);
        own.flat_map(|frame| frame.offsets.iter().copied()).collect()
    }

    /// Letters that the log does not have.
    pub fn waiting(&self) -> u64 {
        self.state.lock().frames.iter().filter(|frame| !frame.is_forwarded).map(|frame| frame.letters).sum()
    }

    /// Keeps letters of records of `log`, each with the record's offset. After an error none, some or all of them may be
    /// there for good: whoever keeps the rest asks [`RowLetters::offsets`].
    pub fn keep(&self, log: Uuid, database: &str, letters: Vec<(u64, DeadLetter)>) -> Result<(), SpoolError> {
        let mut state = self.state.lock();
        let mut body = Body { serial: 0, log, database: database.to_owned(), offsets: Vec::new(), letters: Vec::new() };
        let mut bytes = 0;
        for (offset, letter) in letters {
            bytes += letter.payload.len() + letter.detail.len() + letter.topic.len();
            body.offsets.push(offset);
            body.letters.push(letter);
            if bytes >= FRAME_BYTES {
                self.append(&mut state, &mut body)?;
                bytes = 0;
            }
        }
        if !body.letters.is_empty() {
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
        state.frames.push_back(frame(body, bytes.len() as u64));
        state.end += bytes.len() as u64;
        state.next_serial += 1;
        body.offsets.clear();
        body.letters.clear();
        Ok(())
    }

    /// Waits for letters that the log does not have, the oldest first. Cancel-safe.
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
        let mut at = state.begin;
        for frame in &state.frames {
            if !frame.is_forwarded {
                let path = self.folder.join(NAME);
                let mut bytes = vec![0; frame.bytes as usize];
                let read = state.file.as_ref().map(|file| file.read_at(&mut bytes, at));
                read.transpose().map_err(|source| SpoolError::io("read", &path, source))?;
                let Some((body, _)) = parse(&path, &bytes, 0)? else {
                    let detail = "a frame that was whole is not".to_owned();
                    return Err(SpoolError::DamagedRowLetters { file: path, position: at, detail });
                };
                let Body { serial, letters, .. } = body;
                return Ok(Some(Forwarded { serial, is_left: frame.is_left, letters }));
            }
            at += frame.bytes;
        }
        Ok(None)
    }

    /// The log has these letters. `passed` says how far a database is in a log; what it is behind need not be known any more.
    pub fn forwarded(&self, serial: u64, passed: impl Fn(Uuid, &str) -> u64) -> Result<(), SpoolError> {
        let mut state = self.state.lock();
        if let Some(frame) = state.frames.iter_mut().find(|frame| frame.serial == serial) {
            frame.is_forwarded = true;
        }
        let is_spent = |frame: &Frame| {
            let behind = |offset: &u64| *offset < passed(frame.log, &frame.database);
            frame.is_forwarded && frame.offsets.iter().all(behind)
        };
        while state.frames.front().is_some_and(is_spent) {
            let bytes = state.frames.pop_front().map_or(0, |frame| frame.bytes);
            state.begin += bytes;
        }
        if state.begin >= SPENT_BYTES_MAX { self.begin_anew(&mut state) } else { Ok(()) }
    }

    /// Writes what is needed into a new file.
    fn begin_anew(&self, state: &mut State) -> Result<(), SpoolError> {
        let (path, fresh) = (self.folder.join(NAME), self.folder.join(UNFINISHED));
        let failed = |source| SpoolError::io("begin anew", &path, source);
        let mut bytes = vec![0; (state.end - state.begin) as usize];
        state.file.as_ref().map(|file| file.read_at(&mut bytes, state.begin)).transpose().map_err(failed)?;
        let file = self.disk.create(&fresh).map_err(failed)?;
        file.write_all_at(&bytes, 0).map_err(failed)?;
        file.sync_data().map_err(failed)?;
        self.disk.rename(&fresh, &path).map_err(failed)?;
        (state.file, state.begin, state.end) = (Some(file), 0, bytes.len() as u64);
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

fn frame(body: &Body, bytes: u64) -> Frame {
    Frame {
        serial: body.serial,
        log: body.log,
        database: body.database.clone(),
        offsets: body.offsets.clone(),
        letters: body.letters.iter().map(|letter| letter.records).sum(),
        is_left: false,
        is_forwarded: false,
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
fn parse(path: &Path, bytes: &[u8], at: usize) -> Result<Option<(Body, usize)>, SpoolError> {
    let Some(length) = whole(&bytes[at..]) else {
        // Nothing acknowledged may stand behind.
        let begins = memchr::memmem::find_iter(&bytes[at..], MAGIC).map(|begin| at + begin);
        let behind = begins.filter(|begin| *begin > at).find(|begin| whole(&bytes[*begin..]).is_some());
        return match behind {
            Some(begin) => {
                let detail = format!("the frame at byte {begin} is whole, the one before it is not");
                Err(SpoolError::DamagedRowLetters { file: path.to_owned(), position: at as u64, detail })
            }
            None => Ok(None),
        };
    };
    let found = u32::from(bytes[at + 3].wrapping_sub(b'0'));
    if found != VERSION {
        return Err(SpoolError::Version { file: path.to_owned(), found, expected: VERSION });
    }
    let unread = |error: rmp_serde::decode::Error| {
        let detail = format!("{error}; perhaps a later release wrote it");
        SpoolError::DamagedRowLetters { file: path.to_owned(), position: at as u64, detail }
    };
    let body = rmp_serde::from_slice(&bytes[at + HEADER_BYTES..at + length]).map_err(unread)?;
    Ok(Some((body, length)))
}

/// The length of the frame that the bytes begin with, of any version.
fn whole(bytes: &[u8]) -> Option<usize> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let body = rest.get(..number(4) as usize)?;
    (header.starts_with(MAGIC) && crc32fast::hash(body) == number(8)).then_some(HEADER_BYTES + body.len())
}
