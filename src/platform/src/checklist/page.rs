//! The checklist as one HTML page: no other file, nothing from the network, fit for a phone, light and dark.

use super::outcome::LineState;
use super::report::{ChecklistReport, LineReport};
use crate::errors::PlatformError;
use askama::Template;

#[derive(Template)]
#[template(path = "checklist.html")]
struct Page<'a> {
    report: &'a ChecklistReport,
    phases: Vec<Phase<'a>>,
}

struct Phase<'a> {
    name: &'a str,
    lines: Vec<&'a LineReport>,
    /// Whose lines hold or are signed.
    settled: usize,
}

impl<'a> Phase<'a> {
    fn of((name, lines): (&'a str, Vec<&'a LineReport>)) -> Self {
        let settled = lines.iter().filter(|line| matches!(line.state, LineState::Holds | LineState::Signed)).count();
        Self { name, lines, settled }
    }
}

/// The whole page.
pub fn page(report: &ChecklistReport) -> Result<String, PlatformError> {
    let phases = report.phases().into_iter().map(Phase::of).collect();
    Page { report, phases }.render().map_err(|error| PlatformError::Model { cause: error.to_string() })
}

/// The anchor of a phase, the class of a state.
fn slug(text: &str) -> String {
    text.split(|sign: char| !sign.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::super::definition::Line;
    use super::super::outcome::Outcome;
    use super::super::signatures::Signature;
    use super::*;
    use chrono::DateTime;

    fn of(outcomes: Vec<Outcome>, sign: Option<&str>) -> LineReport {
        let line = Line {
            id: "C026".to_owned(),
            phase: "validation: load".to_owned(),
            must_hold: "a < b & c".to_owned(),
            checks: Vec::new(),
            sign: sign.map(str::to_owned),
        };
        LineReport::new(&line, outcomes, Ok(&[Signature::of_test("Ada <script>")]))
    }

    #[test]
    fn what_was_found_is_text_and_the_page_needs_nothing_else() {
        let fails = Outcome::fails("<b>14 of 15", "run `genims provision`");
        let lines = vec![of(vec![fails], None), of(vec![Outcome::holds("15 tables")], Some("s"))];
        let report = ChecklistReport::new(DateTime::UNIX_EPOCH, lines, 1.0);
        let page = page(&report).expect("a page");
        for part in
            ["a &#60; b &#38; c", "&#60;b&#62;14 of 15", "run `genims provision`", "Ada &#60;script&#62;", "15 tables"]
        {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(page.contains("href=\"#validation-load\"") && page.contains("id=\"validation-load\""), "{page}");
        for part in ["name=\"viewport\"", "color-scheme:light dark", "prefers-color-scheme:dark", "max-width:480px"] {
            assert!(page.contains(part), "{part}");
        }
        for foreign in ["http://", "https://", "src=", "<link", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}: it must need no network");
        }
    }
}
