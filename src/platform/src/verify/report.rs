//! What verification found, one finding per rule, and the verdict over all of them.

use genims_databases::Engine;
use serde::Serialize;

/// Tables that somebody emptied look like those of a platform that has just been provisioned: neither is in order.
const NOTHING_VERIFIED: &str = "nothing was verified: no table has a row of which a rule speaks; fill the databases \
     (`genims seed`, or `genims serve` with readings), or see whether the URLs lead to the right servers";

/// So many violations are shown of a rule; all are counted.
pub const EXAMPLES_MAX: usize = 5;

/// The families of what is checked without a rule file.
pub const COUNTS: &str = "counts";
pub const REFERENCES: &str = "references";
pub const LEDGER: &str = "ledger";
pub const DOWNSTREAM: &str = "downstream";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleOutcome {
    Passed,
    Violated,
    /// There was no row to look at: nothing violates it, and nothing shows that it holds.
    Empty,
    /// It could not be looked at: its query failed.
    Failed,
    /// It could not be looked at: a database that it needs is down.
    Skipped,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    pub key: String,
    pub detail: String,
}

/// One rule and how it went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub rule: String,
    pub family: String,
    /// The databases that it reads; the first one owns it.
    pub databases: Vec<String>,
    pub says: String,
    /// Rows, or tables where tables are counted.
    pub looked_at: u64,
    pub violations: u64,
    pub passed: bool,
    pub outcome: RuleOutcome,
    /// Why it is as it is; empty when there is nothing to say.
    pub explanation: String,
    pub examples: Vec<Example>,
    pub seconds: f64,
}

impl Finding {
    /// Nothing looked at yet.
    pub fn new(rule: impl Into<String>, family: &str, databases: &[&str], says: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            family: family.to_owned(),
            databases: databases.iter().map(|name| (*name).to_owned()).collect(),
            says: says.into(),
            looked_at: 0,
            violations: 0,
            passed: true,
            outcome: RuleOutcome::Passed,
            explanation: String::new(),
            examples: Vec::new(),
            seconds: 0.0,
        }
    }

    /// Empty after all, when nothing was looked at.
    fn judged(mut self) -> Self {
        if self.outcome == RuleOutcome::Passed && self.looked_at == 0 {
            (self.passed, self.outcome) = (false, RuleOutcome::Empty);
            "there was nothing to look at".clone_into(&mut self.explanation);
        }
        self
    }

    /// Counts a violation and keeps it as an example while there is room.
    pub fn violation(&mut self, key: impl Into<String>, detail: impl Into<String>) {
        self.violations += 1;
        self.passed = false;
        self.outcome = RuleOutcome::Violated;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(Example { key: key.into(), detail: detail.into() });
        }
    }

    /// It could not be looked at to its end: what was found until then says nothing.
    pub fn unfinished(&mut self, problem: &Problem) {
        (self.passed, self.looked_at, self.violations) = (false, 0, 0);
        self.examples.clear();
        (self.outcome, self.explanation) = match problem {
            Problem::Down(database) => (RuleOutcome::Skipped, format!("{database} is down")),
            Problem::Query(cause) => (RuleOutcome::Failed, cause.clone()),
        };
    }
}

/// Why something could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The database of this name.
    Down(String),
    Query(String),
}

/// Whether a database could be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reached {
    pub database: String,
    pub engine: Engine,
    pub reachable: bool,
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Every database answered, nothing speaks against any rule, and something was looked at; an empty rule beside others does
    /// not matter.
    pub passed: bool,
    /// Why it has not passed although no rule is violated, and what to do; else empty.
    pub explanation: String,
    pub databases: Vec<Reached>,
    pub findings: Vec<Finding>,
    pub seconds: f64,
}

impl Verdict {
    pub fn new(databases: Vec<Reached>, findings: Vec<Finding>, seconds: f64) -> Self {
        let findings: Vec<Finding> = findings.into_iter().map(Finding::judged).collect();
        let stands = |finding: &Finding| matches!(finding.outcome, RuleOutcome::Passed | RuleOutcome::Empty);
        let is_empty = findings.iter().all(|finding| finding.outcome == RuleOutcome::Empty);
        let passed = databases.iter().all(|database| database.reachable) && findings.iter().all(stands) && !is_empty;
        let explanation = if is_empty { NOTHING_VERIFIED.to_owned() } else { String::new() };
        Self { passed, explanation, databases, findings, seconds }
    }

    pub fn count(&self, outcome: RuleOutcome) -> usize {
        self.findings.iter().filter(|finding| finding.outcome == outcome).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_violations_are_counted_and_a_few_are_shown() {
        let mut finding = Finding::new("r", "totals", &["a"], "s");
        (0..20).for_each(|number| finding.violation(number.to_string(), "d"));
        assert_eq!((finding.violations, finding.examples.len(), finding.passed), (20, EXAMPLES_MAX, false));
    }

    #[test]
    fn what_could_not_be_looked_at_has_not_passed_and_shows_no_numbers() {
        let mut finding = Finding::new("r", "totals", &["a"], "s");
        finding.looked_at = 3;
        finding.violation("k", "d");
        finding.unfinished(&Problem::Down("genims_hr_db".to_owned()));
        assert_eq!((finding.looked_at, finding.violations, finding.outcome), (0, 0, RuleOutcome::Skipped));
        let verdict = Verdict::new(Vec::new(), vec![finding], 0.0);
        assert!(!verdict.passed && verdict.count(RuleOutcome::Skipped) == 1);
    }

    #[test]
    fn a_rule_that_looked_at_nothing_is_empty_and_neither_passed_nor_violated() {
        let looked = |rows| {
            let mut finding = Finding::new("r", "totals", &["a"], "s");
            finding.looked_at = rows;
            finding
        };
        let verdict = Verdict::new(Vec::new(), vec![looked(0), looked(1)], 0.0);
        assert_eq!(
            (verdict.count(RuleOutcome::Empty), verdict.count(RuleOutcome::Passed), verdict.passed),
            (1, 1, true)
        );
        let empty = serde_json::to_value(&verdict.findings[0]).expect("JSON");
        assert_eq!((&empty["outcome"], &empty["passed"]), (&"empty".into(), &false.into()));
        assert!(empty["explanation"].as_str().is_some_and(|text| text.contains("nothing to look at")));
        let mut violated = looked(0);
        violated.violation("k", "a key without a row on the left");
        assert_eq!(Verdict::new(Vec::new(), vec![violated], 0.0).count(RuleOutcome::Violated), 1);
    }

    #[test]
    fn where_nothing_at_all_was_looked_at_nothing_has_passed() {
        let finding = |rows| {
            let mut finding = Finding::new("r", "totals", &["a"], "s");
            finding.looked_at = rows;
            finding
        };
        let nothing = Verdict::new(Vec::new(), vec![finding(0), finding(0)], 0.0);
        assert!(!nothing.passed && nothing.explanation.contains("genims seed"), "{nothing:?}");
        let something = Verdict::new(Vec::new(), vec![finding(0), finding(1)], 0.0);
        assert!(something.passed && something.explanation.is_empty(), "{something:?}");
    }

    #[test]
    fn a_database_that_is_down_fails_the_verdict_even_without_a_rule() {
        let reached = Reached {
            database: "genims_hr_db".to_owned(),
            engine: Engine::Postgresql,
            reachable: false,
            error: Some("x".to_owned()),
        };
        assert!(!Verdict::new(vec![reached], Vec::new(), 0.0).passed);
    }
}
