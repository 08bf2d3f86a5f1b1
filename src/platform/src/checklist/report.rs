//! The lines after they were looked at.

use super::definition::Line;
use super::outcome::{LineState, Outcome};
use super::signatures::Signature;
use chrono::{DateTime, Utc};
use genims_model::counted;
use serde::Serialize;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineReport {
    pub id: String,
    pub phase: String,
    pub must_hold: String,
    pub state: LineState,
    /// What its checks found, and what people have to settle.
    pub evidence: Vec<String>,
    /// What to do, where it does not hold.
    pub remedy: Option<String>,
    /// The latest of what the line says now.
    pub signature: Option<Signature>,
    pub signatures_total: usize,
}

impl LineReport {
    /// Of what its checks found and who signed it, oldest first. The signature of a person stands for what people have to settle, and
    /// for nothing that a check can see.
    pub fn new(line: &Line, outcomes: Vec<Outcome>, signatures: Result<&[Signature], &str>) -> Self {
        let mut outcomes = outcomes;
        let (mut signature, mut signatures_total) = (None, 0);
        if let Some(statement) = &line.sign {
            outcomes.push(match signatures {
                Ok(all) => {
                    let own = all.iter().rev().find(|signature| signature.statement == *statement);
                    (signature, signatures_total) = (own.cloned(), all.len());
                    signed(&line.id, statement, signature.as_ref())
                }
                Err(error) => Outcome::not_looked_at(error),
            });
        }
        let state = outcomes.iter().map(|outcome| outcome.state).max().unwrap_or(LineState::Unknown);
        let remedy = outcomes.iter().find(|outcome| outcome.state == state).and_then(|outcome| outcome.remedy.clone());
        let evidence = outcomes.into_iter().map(|outcome| outcome.found).collect();
        let (id, phase, must_hold) = (line.id.clone(), line.phase.clone(), line.must_hold.clone());
        Self { id, phase, must_hold, state, evidence, remedy, signature, signatures_total }
    }
}

fn signed(id: &str, statement: &str, signature: Option<&Signature>) -> Outcome {
    match signature {
        Some(signature) => {
            Outcome { state: LineState::Signed, found: format!("{statement}: {signature}"), remedy: None }
        }
        None => Outcome {
            state: LineState::ToBeSigned,
            found: format!("to be confirmed: {statement}"),
            remedy: Some(format!("genims checklist sign {id} --by NAME --note \"where it is, or what was decided\"")),
        },
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChecklistReport {
    /// No line fails, and each could be looked at. What waits for a signature is no fault.
    pub passed: bool,
    pub at: DateTime<Utc>,
    pub lines: Vec<LineReport>,
    pub seconds: f64,
}

impl ChecklistReport {
    pub fn new(at: DateTime<Utc>, lines: Vec<LineReport>, seconds: f64) -> Self {
        let passed = lines.iter().all(|line| !matches!(line.state, LineState::Fails | LineState::Unknown));
        Self { passed, at, lines, seconds }
    }

    pub fn count(&self, state: LineState) -> usize {
        self.lines.iter().filter(|line| line.state == state).count()
    }

    /// `128 hold, 1 fails ...`, without those of which there are none.
    pub fn summary(&self) -> String {
        let counts =
            LineState::ALL.iter().rev().map(|state| (*state, self.count(*state))).filter(|(_, count)| *count > 0);
        let told: Vec<String> = counts.map(|(state, count)| format!("{count} {}", plural(state, count))).collect();
        format!("{}: {}", counted(self.lines.len(), "line"), told.join(", "))
    }

    /// The phases in the order of their lines, each with its lines.
    pub(super) fn phases(&self) -> Vec<(&str, Vec<&LineReport>)> {
        let mut phases: Vec<(&str, Vec<&LineReport>)> = Vec::new();
        for line in &self.lines {
            match phases.iter_mut().find(|(phase, _)| *phase == line.phase) {
                Some((_, lines)) => lines.push(line),
                None => phases.push((&line.phase, vec![line])),
            }
        }
        phases
    }
}

fn plural(state: LineState, count: usize) -> &'static str {
    match (state, count) {
        (LineState::Holds, 2..) => "hold",
        (LineState::Fails, 2..) => "fail",
        _ => state.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sign: Option<&str>) -> Line {
        Line {
            id: "C999".to_owned(),
            phase: "security".to_owned(),
            must_hold: "It holds".to_owned(),
            checks: Vec::new(),
            sign: sign.map(str::to_owned),
        }
    }

    fn state(sign: Option<&str>, outcomes: &[Outcome], signatures: Result<&[Signature], &str>) -> LineState {
        LineReport::new(&line(sign), outcomes.to_vec(), signatures).state
    }

    #[test]
    fn a_signature_stands_for_what_people_settle_and_for_no_check() {
        let (holds, fails) = (Outcome::holds("1"), Outcome::fails("2", "mend it"));
        let by = [Signature::of_test("ada"), Signature::of_test("grace")];
        assert_eq!(state(Some("s"), &[], Ok(&[])), LineState::ToBeSigned);
        assert_eq!(state(Some("another statement"), &[], Ok(&by)), LineState::ToBeSigned, "that was not signed");
        assert_eq!(state(Some("s"), std::slice::from_ref(&holds), Ok(&by)), LineState::Signed);
        assert_eq!(state(Some("s"), &[fails], Ok(&by)), LineState::Fails);
        assert_eq!(state(Some("s"), std::slice::from_ref(&holds), Err("away; start it")), LineState::Unknown);
        assert_eq!(state(None, &[holds], Ok(&by)), LineState::Holds);
        assert_eq!(state(None, &[], Ok(&[])), LineState::Unknown, "what nothing looked at does not hold");
        let report = LineReport::new(&line(Some("s")), Vec::new(), Ok(&by));
        assert_eq!(report.signature.map(|latest| latest.signed_by).as_deref(), Some("grace"), "the latest counts");
        assert_eq!(report.signatures_total, 2);
    }

    #[test]
    fn the_summary_counts_what_is_there() {
        let of = |outcome| LineReport::new(&line(None), vec![outcome], Ok(&[]));
        let lines = vec![of(Outcome::holds("a")), of(Outcome::holds("b")), of(Outcome::fails("c", "d"))];
        let report = ChecklistReport::new(DateTime::UNIX_EPOCH, lines, 0.0);
        assert_eq!((report.summary().as_str(), report.passed), ("3 lines: 2 hold, 1 fails", false));
        let passes = |line: LineReport| ChecklistReport::new(DateTime::UNIX_EPOCH, vec![line], 0.0).passed;
        assert!(!passes(of(Outcome::unknown("away", "start it"))), "what nobody looked at has not passed");
        assert!(passes(of(Outcome::holds("a"))) && passes(LineReport::new(&line(Some("s")), Vec::new(), Ok(&[]))));
    }
}
