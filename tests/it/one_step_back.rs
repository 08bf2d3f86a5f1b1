//! One step back: each file of the data folder as the release after this one would have written it. The start is refused, with
//! the file and what to do; the file stays as it is, and goes on with the release that knows it.

use crate::data_folder;
use crate::harness::Harness;
use crate::running::{Running, eventually};
use crate::server::PATIENCE;
use crate::stream::{now_ms, send};
use libtest_mimic::Trial;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(60);

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![harness.trial("one_step_back::what_a_later_release_wrote_is_refused", what_a_later_release_wrote_is_refused)]
}

/// So that there is a log of events.
const ROUTE: &str = r#"
database = "genims_production"
[[route]]
name = "series"
about = "a document for each change of a state"
events = ["state_changed"]
table = "machine_state_changes"
[route.columns]
timestamp = "event.at"
state = "event.state_to"
[route.columns.meta]
factory_id = "event.factory_id"
line_id = "event.line_id"
machine_id = "event.machine_id"
"#;

/// How a file says its version.
#[derive(Clone, Copy)]
enum Form {
    /// A number in its front, which is not checked before it is read.
    Front,
    /// The same, with a checksum behind 28 bytes.
    SummedFront,
    /// A digit in each slot of so many bytes, checked by the last four; the slot with the highest number at 20 is the newest.
    Slots(usize),
    /// The same digit in slots in their order.
    List(usize),
    /// A line of its own.
    Line,
    /// A digit in each frame, which is not checked before it is read.
    Frame,
    /// A member of an object.
    Member,
    /// A key that this release does not know.
    Key,
}

const FILES: [(&str, Form); 12] = [
    ("spool/segment-", Form::Front),
    ("spool/cursor-postgres", Form::Slots(40)),
    ("spool/history", Form::List(64)),
    ("spool/numbers", Form::Slots(44)),
    ("catalogue.journal", Form::SummedFront),
    ("events/segment-", Form::Front),
    ("events/cursor-", Form::Slots(40)),
    ("events/history", Form::List(64)),
    ("bridges/held.filters", Form::Line),
    ("refused", Form::Frame),
    ("audit-heads.json", Form::Member),
    ("clients.toml", Form::Key),
];

/// Copies of what databases say: what this release cannot read is asked for again.
const ASKED_AGAIN: &str = "catalogues/genims_operations_db.json";

fn raised(mut content: Vec<u8>, form: Form) -> Vec<u8> {
    let slot_at = match form {
        Form::Slots(_) => {
            let written = [0_usize, 4096].into_iter().filter(|at| content[at + 3].is_ascii_digit());
            let generation = |at: &usize| u64::from_le_bytes(content[at + 20..at + 28].try_into().unwrap());
            written.max_by_key(generation).unwrap()
        }
        _ => 0,
    };
    let sum = |bytes: &mut [u8]| {
        let (checked, sum) = bytes.split_at_mut(bytes.len() - 4);
        sum.copy_from_slice(&crc32fast::hash(checked).to_le_bytes());
    };
    match form {
        Form::Front => content[8] += 1,
        Form::SummedFront => {
            // The next number is that of a journal that was compacted.
            content[8] += 2;
            sum(&mut content[..32]);
        }
        Form::Slots(bytes) | Form::List(bytes) => {
            let slot = &mut content[slot_at..slot_at + bytes];
            slot[3] += 1;
            sum(slot);
        }
        Form::Line => return [b"\0format 2\n".as_slice(), &content].concat(),
        Form::Frame => content[3] += 1,
        Form::Member => return [b"{\"format\": 2,".as_slice(), content.strip_prefix(b"{").unwrap()].concat(),
        Form::Key => return [b"format = 2\n".as_slice(), &content].concat(),
    }
    content
}

/// The newest file whose path in the data folder begins so.
fn found(data: &Path, begins: &str) -> PathBuf {
    let (folder, name) = begins.rsplit_once('/').unwrap_or(("", begins));
    let entries = std::fs::read_dir(data.join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let named = entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(name));
    named.max().unwrap_or_else(|| panic!("no {begins} in {}", data.display()))
}

fn what_a_later_release_wrote_is_refused(harness: &'static Harness) {
    let plant = data_folder::plant(harness);
    std::fs::create_dir(plant.folder.join("routes")).unwrap();
    std::fs::write(plant.folder.join("routes/production.toml"), ROUTE).unwrap();
    plant.serve();
    let (sensor, at_ms) = (plant.sensor(), now_ms() - 60_000);
    let state = |at_ms: i64, state: &str| {
        let payload = json!({ "timestamp_ms": at_ms, "machine_state": state }).to_string();
        (format!("{}/scada", sensor.machine_topic()), payload)
    };
    let reading = |value: i64| (sensor.topic(), json!({ "value": value, "timestamp_ms": at_ms + value }).to_string());
    send(harness, &plant, &[reading(1), state(at_ms, "RUNNING"), state(at_ms + 1_000, "IDLE")]);
    plant.idle();
    let data = plant.folder.join("data");
    data_folder::filled(harness, &plant);
    plant.terminate();
    let known: Vec<&str> = FILES.iter().map(|(begins, _)| *begins).chain([ASKED_AGAIN, "spool/cursor-"]).collect();
    data_folder::assert_known(&plant, &known);

    for (begins, form) in FILES {
        let path = found(&data, begins);
        let good = std::fs::read(&path).unwrap();
        let later = raised(good.clone(), form);
        std::fs::write(&path, &later).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_genims"));
        command.args(["--config", "genims.toml", "serve"]).current_dir(&plant.folder);
        let server = Running::spawn(command, plant.folder.join(format!("{}.log", begins.replace('/', "-"))));
        let status = server.wait(BOUND).unwrap_or_else(|| panic!("{begins} is taken: {}", server.log_text()));
        let said = server.log_text();
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(!status.success() && said.contains(&*name), "{begins}: {status}: {said}");
        assert!(
            said.contains("start the newer version that wrote it") || said.contains("start the release that wrote it"),
            "{begins}: no remedy: {said}"
        );
        assert!(std::fs::read(&path).unwrap() == later, "{begins} was touched");
        std::fs::write(&path, good).unwrap();
    }
    std::fs::write(data.join(ASKED_AGAIN), br#"{"format": 2}"#).unwrap();
    plant.serve();
    send(harness, &plant, &[reading(2)]);
    plant.stored_exactly(&sensor, 2);
    let asked = || std::fs::read_to_string(data.join(ASKED_AGAIN)).is_ok_and(|text| text.contains("t_parts"));
    eventually("the catalogue is kept again", PATIENCE, asked);
}
