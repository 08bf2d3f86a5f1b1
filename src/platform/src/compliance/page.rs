//! The report as one HTML page: no other file, nothing from the network, fit for paper, light and dark.

use super::ComplianceReport;
use askama::Template;

#[derive(Template)]
#[template(path = "compliance.html")]
struct Page<'a> {
    report: &'a ComplianceReport,
    lacking: String,
}

/// How a page says that something is lacking; no value of it can, for their quotes and brackets are escaped.
pub(super) const NOT_COMPLETE: &str = "class=\"fails\">Not complete;";

/// The whole page.
pub(super) fn page(report: &ComplianceReport) -> Result<String, askama::Error> {
    Page { report, lacking: report.lacking().join(", ") }.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_text_and_the_page_needs_nothing_else() {
        let page = page(&super::super::tests::report()).expect("a page");
        for part in [
            "2026-11-30",
            "&#60;b&#62;=cmd",
            "genims_audit_db is down",
            "not looked at: holds",
            NOT_COMPLETE,
            "id=\"refusals\"",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        // What was found beside what could not be looked at stands there, too.
        let mut report = super::super::tests::report();
        report.sections[0].error = Some("half of it is away".to_owned());
        let partly = super::page(&report).expect("a page");
        assert!(partly.contains("half of it is away") && partly.contains("&#60;b&#62;=cmd"), "{partly}");
        for foreign in ["http://", "https://", "src=", "<link", "@import", "url(", "<b>"] {
            assert!(!page.contains(foreign), "{foreign}: {page}");
        }
    }
}
