//! The catalogue's journal: every number ever given, on disk before anybody can use it.
//!
//! One JSON line per change, appended and synced; the last line of a number wins. A line that breaks off at the end was
//! never published and is cut. Reading the journal at start is what lets the server work while every database is down.

use super::shifts::{FactoryShifts, ShiftCalendar};
use super::{Catalogue, Machine, Sensor};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

const FILE_NAME: &str = "catalogue.jsonl";

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the catalogue journal {path} cannot be used: {source}; check the folder's owner and free space")]
    Io { path: PathBuf, source: std::io::Error },
    #[error(
        "the catalogue journal {path} is damaged at line {line}: {detail}; restore the file from a backup: the spool needs its numbers"
    )]
    Damaged { path: PathBuf, line: usize, detail: String },
}

/// One line. Numbers are implied by order: the n-th new sensor identity gets number n, so replaying the lines through
/// the same `put_*` functions gives the same numbers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    Machine(Machine),
    Sensor(Sensor),
    Shifts(Vec<FactoryShifts>),
}

#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    unsynced: bool,
}

impl Journal {
    /// Opens or makes the journal in `directory` and reads the catalogue it describes.
    pub fn open(directory: &Path) -> Result<(Self, Catalogue), JournalError> {
        let path = directory.join(FILE_NAME);
        let io = |source| JournalError::Io { path: path.clone(), source };
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(io)?;
        let (catalogue, good_bytes) = read(&path, &file)?;
        if file.metadata().map_err(io)?.len() > good_bytes {
            file.set_len(good_bytes).map_err(io)?;
        }
        file.sync_all().map_err(io)?;
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(io)?;
        Ok((Self { path, file, unsynced: false }, catalogue))
    }

    /// Appends without syncing.
    pub fn append(&mut self, lines: &[Line]) -> Result<(), JournalError> {
        let io = |source| JournalError::Io { path: self.path.clone(), source };
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line).map_err(|error| io(error.into()))?;
            text.push(b'\n');
        }
        self.unsynced |= !text.is_empty();
        self.file.write_all(&text).map_err(io)
    }

    pub fn sync(&mut self) -> Result<(), JournalError> {
        if self.unsynced {
            self.file.sync_data().map_err(|source| JournalError::Io { path: self.path.clone(), source })?;
            self.unsynced = false;
        }
        Ok(())
    }
}

/// The catalogue and the length of the whole lines.
fn read(path: &Path, file: &File) -> Result<(Catalogue, u64), JournalError> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let (mut catalogue, mut good_bytes, mut line) = (Catalogue::default(), 0_u64, Vec::new());
    for number in 1.. {
        line.clear();
        let read =
            reader.read_until(b'\n', &mut line).map_err(|source| JournalError::Io { path: path.to_owned(), source })?;
        if read == 0 || line.last() != Some(&b'\n') {
            break;
        }
        let entry = serde_json::from_slice(&line).map_err(|error| JournalError::Damaged {
            path: path.to_owned(),
            line: number,
            detail: error.to_string(),
        })?;
        apply(&mut catalogue, entry);
        good_bytes += read as u64;
    }
    Ok((catalogue, good_bytes))
}

fn apply(catalogue: &mut Catalogue, line: Line) {
    match line {
        Line::Machine(machine) => {
            catalogue.put_machine(machine);
        }
        Line::Sensor(sensor) => {
            catalogue.put_sensor(sensor);
        }
        Line::Shifts(factories) => catalogue.shifts = ShiftCalendar::new(factories),
    }
}
