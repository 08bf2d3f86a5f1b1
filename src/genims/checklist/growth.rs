//! What fills up, and how long it lasts.

use super::ChecklistPlaces;
use super::looks::Missing;
use crate::capacity::options;
use genims_platform::capacity::{self, CapacityKind, CapacityLine, CapacityReport, CapacityState, TIMEOUT};
use genims_platform::checklist::Outcome;
use serde_json::Value;

pub(super) async fn capacity(places: &ChecklistPlaces<'_>, stats: Result<&Value, &Missing>, days: u32) -> Outcome {
    let ChecklistPlaces { registry, environment, settings, answer_max, .. } = places;
    let stats = stats.map_err(|missing| missing.0.as_str());
    let options = options(settings, stats, days, (*answer_max).max(TIMEOUT));
    judged(&capacity::run(registry, environment, &options, &|_: &str| ()).await)
}

/// What nobody measures is told by `genims capacity`, and fails nothing.
fn judged(report: &CapacityReport) -> Outcome {
    if let Some(away) = report.in_state(CapacityState::Unreachable).next() {
        return Outcome::not_looked_at(&away.remark);
    }
    let told = |line: &CapacityLine| match line.days_left {
        Some(days) => format!("{}: {days:.0} days left", line.what),
        None => format!("{}: near its end", line.what),
    };
    let short: Vec<String> = report.in_state(CapacityState::Short).map(told).collect();
    if !short.is_empty() {
        return Outcome::fails(short.join("; "), "run `genims capacity`: it says what grows, and make room");
    }
    let measured = |line: &&CapacityLine| line.growth_a_day.is_some();
    let of_kind = |kind: CapacityKind| report.lines.iter().filter(move |line| line.kind == kind);
    let (all, known) =
        (of_kind(CapacityKind::Database).count(), of_kind(CapacityKind::Database).filter(measured).count());
    if known == 0 {
        let remedy = "run `genims capacity`: it says why; what came today counts from tomorrow on";
        return Outcome::unknown(format!("growth of none of {all} databases is measured"), remedy);
    }
    let left = |line: &CapacityLine| line.days_left.unwrap_or(f64::INFINITY);
    let filling = of_kind(CapacityKind::Disk).filter(|line| line.days_left.is_some());
    let soonest = filling.min_by(|one, other| left(one).total_cmp(&left(other)));
    let disk = soonest.map_or_else(|| "no disk fills up".to_owned(), told);
    Outcome::holds(format!("growth of {known} of {all} databases is measured; {disk}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_platform::checklist::LineState;

    fn line(kind: CapacityKind, what: &str, state: CapacityState, days_left: Option<f64>) -> CapacityLine {
        CapacityLine {
            kind,
            what: what.to_owned(),
            state,
            now: Some(1),
            growth_a_day: days_left.map(|_| 1.0),
            limit: None,
            days_left,
            remark: "genims_hr_db at h:1/x: refused; start the server".to_owned(),
        }
    }

    fn of(lines: Vec<CapacityLine>) -> Outcome {
        judged(&CapacityReport { passed: true, warn_days: 30, lines, seconds: 0.0 })
    }

    #[test]
    fn a_line_holds_fails_or_is_unknown_as_the_report_says() {
        let unmeasured = line(CapacityKind::Database, "genims_crm_db", CapacityState::Unmeasured, None);
        let database = line(CapacityKind::Database, "genims_hr_db", CapacityState::Enough, Some(1.0));
        let disks = [400.4, 90.0].map(|days| line(CapacityKind::Disk, "disk", CapacityState::Enough, Some(days)));
        let held = of([vec![database.clone(), unmeasured.clone()], disks.to_vec()].concat());
        assert_eq!(held.state, LineState::Holds);
        assert_eq!(held.found, "growth of 1 of 2 databases is measured; disk: 90 days left");
        assert!(of(vec![database]).found.ends_with("no disk fills up"));
        let nothing = of([vec![unmeasured], disks.to_vec()].concat());
        assert_eq!(
            (nothing.state, nothing.found.as_str()),
            (LineState::Unknown, "growth of none of 1 databases is measured")
        );
        let numbers = line(CapacityKind::Numbers, "numbers of hr: a.id", CapacityState::Short, None);
        let short = of(vec![line(CapacityKind::Disk, "disk", CapacityState::Short, Some(12.0)), numbers]);
        assert_eq!(
            (short.state, short.found.as_str()),
            (LineState::Fails, "disk: 12 days left; numbers of hr: a.id: near its end")
        );
        let away = of(vec![line(CapacityKind::Database, "genims_hr_db", CapacityState::Unreachable, None)]);
        assert_eq!((away.state, away.remedy.as_deref()), (LineState::Unknown, Some("start the server")));
    }
}
