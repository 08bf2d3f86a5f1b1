//! The journal of earlier releases, `catalogue.jsonl`: one JSON line for each change, without checksums. Read once, when
//! there is no journal of today's format; what stands in its place afterwards makes an earlier release refuse the folder
//! instead of giving its numbers a second time.

use super::Limits;
use super::entry::{self, Entry, UNKNOWN_UNIT};
use super::error::JournalError;
use super::folder::Folder;
use super::{Machine, Sensor};
use hashbrown::HashMap;

const NAME: &str = "catalogue.jsonl";
/// An earlier release reads this as a damaged first line, and stops.
const NOTICE: &[u8] = b"moved to catalogue.journal by a later release; this release cannot use the folder\n";

/// The entries of an earlier release's journal; `None` when there is none.
pub(crate) fn read(folder: &dyn Folder) -> Result<Option<Vec<Entry>>, JournalError> {
    let path = folder.path(NAME);
    let io = |source| JournalError::Io { action: "read", path: path.clone(), source };
    let Some(file) = folder.open(NAME).map_err(io)? else { return Ok(None) };
    let bytes = file.read().map_err(io)?;
    if bytes == NOTICE {
        return Ok(None);
    }
    let mut entries = Vec::new();
    let mut position = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match serde_json::from_slice::<Entry>(line) {
            // A line without its end was never published.
            Ok(_) if line.last() != Some(&b'\n') => {}
            Ok(entry) => entries.push(registration(entry)),
            // Nor was a broken last one, with or without an end: lines of one append were synced together.
            Err(_) if position + line.len() == bytes.len() => {}
            Err(error) => match repeated(line) {
                Some(entry) => entries.push(registration(entry)),
                None => {
                    let position = position as u64;
                    return Err(JournalError::Damaged { path, position, detail: error.to_string() });
                }
            },
        }
        position += line.len();
    }
    let entries = with_places_of_the_end(entries);
    tracing::info!(entries = entries.len(), to = entry::NAME, "the journal of an earlier release is converted");
    Ok(Some(entries))
}

/// Earlier releases kept a machine's number when it moved: each machine is entered once, as it was last. The order of
/// first mention, which is the numbers, stays; a sensor mentions its machine.
fn with_places_of_the_end(entries: Vec<Entry>) -> Vec<Entry> {
    let mut last: HashMap<String, Machine> = HashMap::new();
    for entry in &entries {
        if let Entry::Machine(machine) = entry {
            last.insert(machine.machine_id.clone(), machine.clone());
        }
    }
    let mut settled = Vec::with_capacity(entries.len());
    for entry in entries {
        let mentioned = match &entry {
            Entry::Machine(machine) => Some(&machine.machine_id),
            Entry::Sensor(sensor) | Entry::Registered(sensor) => Some(&sensor.machine_id),
            Entry::Shifts(_) => None,
        };
        settled.extend(mentioned.and_then(|id| last.remove(id)).map(Entry::Machine));
        if !matches!(entry, Entry::Machine(_)) {
            settled.push(entry);
        }
    }
    settled
}

/// The whole line that was written behind a part of itself, once a full disk had room again.
fn repeated(line: &[u8]) -> Option<Entry> {
    let starts = (1..line.len()).filter(|at| line[*at..].starts_with(b"{\""));
    starts.filter_map(|at| serde_json::from_slice(&line[at..]).ok()).next()
}

/// Leaves the notice for earlier releases. It may fail on a full disk: the next start tries again.
pub(crate) fn refuse_older_programs(folder: &dyn Folder) {
    let there = || -> std::io::Result<bool> {
        Ok(folder.open(NAME)?.map(|file| file.read()).transpose()?.is_some_and(|bytes| bytes == NOTICE))
    };
    let outcome = there().and_then(|there| if there { Ok(()) } else { folder.replace(NAME, NOTICE).map(|_| ()) });
    if let Err(error) = outcome {
        tracing::warn!(%error, "{NAME} could not be replaced by a notice for earlier releases");
    }
}

/// Earlier releases did not say which sensors waited for master data; those that were entered at the door have a shape
/// that master data does not give.
fn registration(entry: Entry) -> Entry {
    match entry {
        Entry::Sensor(sensor) if is_registration(&sensor) => Entry::Registered(sensor),
        other => other,
    }
}

fn is_registration(sensor: &Sensor) -> bool {
    sensor.active
        && sensor.unit == UNKNOWN_UNIT
        && sensor.sensor_code.is_none()
        && sensor.sensor_type.is_none()
        && sensor.limits == Limits::default()
}
