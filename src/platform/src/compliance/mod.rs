//! The compliance report of a day: what an auditor of a plant asks for, as data, as one HTML page and as CSV.
//!
//! - [`questions`]: what databases are asked
//! - [`page`]: the report as HTML; [`table`]: as CSV
//! - [`keep`]: both in a folder, whole or not at all
//!
//! Invariants: sessions are read-only; what could not be looked at is told as such and never looks like nothing found.

pub mod keep;
mod page;
pub mod questions;
mod table;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

/// A table of the report.
#[derive(Clone, Debug, Serialize)]
pub struct ReportSection {
    /// In the CSV, and as the anchor of the page.
    pub name: &'static str,
    pub title: &'static str,
    /// What its rows are, and of which time.
    pub says: &'static str,
    pub columns: &'static [&'static str],
    pub rows: Vec<Vec<String>>,
    /// Of more rows the first are shown.
    pub is_cut: bool,
    /// Why it could not be looked at.
    pub error: Option<String>,
}

impl ReportSection {
    /// With what a look has found, or why there was none.
    pub fn looked_at(self, found: Result<Vec<Vec<String>>, String>) -> Self {
        match found {
            Ok(rows) => Self { rows, ..self },
            Err(error) => Self { error: Some(error), ..self },
        }
    }
}

/// What was found on a day.
#[derive(Clone, Debug, Serialize)]
pub struct ComplianceReport {
    /// Of UTC.
    pub day: NaiveDate,
    pub made_at: DateTime<Utc>,
    pub sections: Vec<ReportSection>,
}

impl ComplianceReport {
    /// Whether all could be looked at.
    pub fn is_complete(&self) -> bool {
        self.lacking().is_empty()
    }

    /// What could not be looked at.
    pub fn lacking(&self) -> Vec<&'static str> {
        self.sections.iter().filter(|section| section.error.is_some()).map(|section| section.name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names that somebody chose who meant harm.
    pub(super) fn report() -> ComplianceReport {
        let section = ReportSection {
            name: "refusals",
            title: "Refused sign-ins",
            says: "Of the day.",
            columns: &["who", "times"],
            rows: Vec::new(),
            is_cut: false,
            error: None,
        };
        let rows = vec![vec!["<b>=cmd|'/c'!A1".to_owned(), "3".to_owned()], vec!["=1+2".to_owned(), "-4".to_owned()]];
        let found = section.clone().looked_at(Ok(rows));
        let away = ReportSection { name: "holds", ..section }.looked_at(Err("genims_audit_db is down".to_owned()));
        let day = NaiveDate::from_ymd_opt(2026, 11, 30).unwrap_or_default();
        ComplianceReport { day, made_at: DateTime::UNIX_EPOCH, sections: vec![found, away] }
    }

    #[test]
    fn what_was_not_looked_at_is_told() {
        let report = report();
        assert_eq!((report.is_complete(), report.lacking()), (false, vec!["holds"]));
    }
}
