//! The examples in the README's section "Sending", as they stand there.

use crate::collected::{Collected, Found};
use crate::payload::Decoder;
use genims_model::Quality;

/// The README's tables there: what stands in code quotes, cell by cell.
fn rows() -> Vec<Vec<(String, Vec<String>)>> {
    let sending = include_str!("../../../README.md")
        .split("\n## Sending\n")
        .nth(1)
        .and_then(|rest| rest.split("\n## ").next())
        .expect("a section");
    let cell = |cell: &str| {
        let quoted = cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (cell.trim().to_owned(), quoted)
    };
    let lines = sending.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| payload |"));
    lines
        .filter(|line| !line.starts_with("| sender |"))
        .map(|line| line.trim_matches('|').split(" | ").map(cell).collect())
        .collect()
}

/// What each example says, in their order: machine, sensor, value, and the quality where it is not good.
const SAID: [&str; 42] = [
    "M/S = 1.5",
    "M/S = 71.5",
    "M/TEMP-1 = 71.5, M/VIB-1 = 2.25",
    "SEN-000001 = 1.5, SEN-000002 = 2",
    "M = RUNNING, 1042 parts",
    "SEN-000001 = 1.5",
    "M/TEMP-1 = 71.5",
    "M/S = 71.5",
    "M/TEMP-1 = 71.5",
    "M/TEMP-1 = 71.5",
    "M/S = 71.5",
    "M/S = 71.5",
    "M/TEMP-1 = 71.5",
    "M/TEMP-1 = 71.5",
    "M/TEMP-1 = 71.5",
    "M/TEMP-1 = 71.5",
    "M/TEMP-1 = 71.5",
    "M/S = 71.5",
    "M/TEMP-1 = 71.5",
    "M/TEMP-1 = 71.5",
    "M/switch:0.apower = 8.9",
    "M/TEMP-1 = 71.5",
    "M/TEMP-1 = 71.5, M/stMotor.fSpeed = 5",
    "M/TEMP-1 = 71.5",
    "M/TEMP-1 = 71.5",
    "M/S = 71.5",
    "M/TEMP-1 = 71.5, M/VIB-1 = 2.25",
    "M/TEMP-1 = 71.5, M/TEMP-1 = 71.75, M/VIB-1 = 2.25",
    "PRESS-1/TEMP-1 = 71.5, PRESS-2/TEMP-1 = 70",
    "M/temperature = 71.5, M/contact = 1",
    "M/c8y_Temperature.T = 71.5",
    "M/temp = 71.5, M/ENERGY.Power = 5",
    "M/TEMP-1 = 71.5",
    "M/TEMP-1 = 71.5",
    "M/TEMP-1 = 71.5",
    "M/TEMP-1 = 71.5",
    "M/TEMP-1 = 71.5",
    "M/TEMP-1 = 71.5",
    "M/TANK-1.Pressure = 12.5",
    "M/TEMP-1 = 71.5, M/TEMP-1 = 71.75",
    "M/TEMP-1 = 71.5, M/VIB-1 = 2.25, M/TEMP-1 = 71.75",
    "M/TEMP-1 = 71.5",
];

/// The same of what was decoded.
fn said(visitor: &Collected) -> String {
    let mut said = Vec::new();
    for Found { machine, sensor, value, quality, .. } in &visitor.points {
        let machine = machine.as_ref().map(|machine| format!("{machine}/")).unwrap_or_default();
        let quality = if *quality == Quality::Good { String::new() } else { format!(" {quality:?}") };
        said.push(format!("{machine}{sensor} = {value}{quality}"));
    }
    for (machine, _, fields) in &visitor.snapshots {
        let parts = fields.parts_produced_cumulative.unwrap_or_default();
        said.push(format!("{machine} = {}, {parts} parts", fields.machine_state));
    }
    said.join(", ")
}

#[test]
fn every_example_is_taken_under_the_topic_beside_it() {
    let fill = |topic: &str| {
        let topic = topic.replace("...", "genims/v1/F/L");
        let names = [("{factory}", "F"), ("{line}", "L"), ("{machine}", "M"), ("{sensor}", "S")];
        names.iter().fold(topic, |topic, (from, to)| topic.replace(from, to))
    };
    let mut expected = SAID.into_iter();
    for row in rows() {
        let (what, _) = &row[0];
        let (_, quoted) = row.last().expect("an example");
        let topic = match row.len() {
            3 => row[1].1.first().map_or_else(|| fill("genims/v1/{factory}/readings"), |topic| fill(topic)),
            _ if what.contains("to the sensor's topic") => fill(".../{machine}/{sensor}"),
            _ => fill(".../{machine}/tags"),
        };
        let is_document = |example: &&String| example.starts_with("{\"") || example.starts_with("[{");
        let first = quoted.first().filter(|example| !example.starts_with("src/") && !is_document(example));
        for example in first.into_iter().chain(quoted.iter().filter(is_document)) {
            let mut visitor = Collected { known: vec!["PRESS-1", "PRESS-2"], ..Collected::default() };
            Decoder::default().message(&topic, example.as_bytes(), &mut visitor);
            let faults = example.matches("error").count();
            assert_eq!(visitor.rejects.len(), faults, "{what}: {example} under {topic}: {:?}", visitor.rejects);
            assert_eq!(Some(&*said(&visitor)), expected.next(), "{what}: {example} under {topic}");
            // A time that stands in an example is too old one day.
            assert!(visitor.points.iter().all(|point| point.timestamp_us.is_none()), "{what}: {example}");
        }
    }
    assert_eq!(expected.next(), None, "examples that the README has no more");
}
