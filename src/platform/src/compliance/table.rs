//! The report as CSV: a line for each value (section, row, column, value), so that sections of all forms are one table; a section that
//! found nothing has one line of row 0, and so has one that could not be looked at, or of whose rows only the first are here.

use super::ComplianceReport;
use csv::Writer;

/// The whole table.
pub(super) fn table(report: &ComplianceReport) -> Result<Vec<u8>, csv::Error> {
    let mut out = Writer::from_writer(Vec::new());
    out.write_record(["day", "section", "row", "column", "value"])?;
    let day = report.day.to_string();
    for section in &report.sections {
        if let Some(error) = &section.error {
            out.write_record([day.as_str(), section.name, "0", "not looked at", harmless(error).as_str()])?;
        } else if section.rows.is_empty() {
            out.write_record([day.as_str(), section.name, "0", "found", "nothing"])?;
        }
        if section.is_cut {
            let shown = format!("the first {}", section.rows.len());
            out.write_record([day.as_str(), section.name, "0", "of more rows", shown.as_str()])?;
        }
        for (number, row) in section.rows.iter().enumerate() {
            let number = (number + 1).to_string();
            for (column, value) in section.columns.iter().zip(row) {
                out.write_record([day.as_str(), section.name, number.as_str(), *column, harmless(value).as_str()])?;
            }
        }
    }
    out.into_inner().map_err(|error| error.into_error().into())
}

/// Names come from whoever knocked: a spreadsheet must not compute what they say.
fn harmless(value: &str) -> String {
    let is_formula = value.starts_with(['=', '+', '-', '@', '\t', '\r']) && value.parse::<f64>().is_err();
    if is_formula { format!("'{value}") } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_line_and_none_is_a_formula() {
        let text = String::from_utf8(table(&super::super::tests::report()).expect("a table")).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "day,section,row,column,value");
        assert_eq!(lines[3], "2026-11-30,refusals,2,who,'=1+2");
        assert_eq!(lines[4], "2026-11-30,refusals,2,times,-4");
        assert_eq!(lines[5], "2026-11-30,holds,0,not looked at,genims_audit_db is down");
        assert_eq!(lines.len(), 6);
    }

    #[test]
    fn a_cut_section_says_that_there_is_more() {
        let mut report = super::super::tests::report();
        report.sections[0].is_cut = true;
        let text = String::from_utf8(table(&report).expect("a table")).expect("text");
        assert_eq!(text.lines().nth(1), Some("2026-11-30,refusals,0,of more rows,the first 2"));
    }
}
