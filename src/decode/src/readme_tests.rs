//! The examples in the README's section "Sending", as they stand there.

use crate::collected::Collected;
use crate::payload::Decoder;

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

#[test]
fn every_example_is_taken_under_the_topic_beside_it() {
    let fill = |topic: &str| {
        let topic = topic.replace("...", "genims/v1/F/L");
        let names = [("{factory}", "F"), ("{line}", "L"), ("{machine}", "M"), ("{sensor}", "S")];
        names.iter().fold(topic, |topic, (from, to)| topic.replace(from, to))
    };
    let mut taken = 0;
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
            assert!(visitor.points.len() + visitor.snapshots.len() > 0, "{what}: {example}");
            assert!(visitor.points.iter().all(|point| point.sensor != "tags"), "{what}: {example}: nobody's value");
            // A time that stands in an example is too old one day.
            assert!(visitor.points.iter().all(|point| point.timestamp_us.is_none()), "{what}: {example}");
            taken += 1;
        }
    }
    assert!(taken >= 40, "{taken} examples found");
}
