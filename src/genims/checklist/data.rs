//! What the databases hold, and what flows between them: findings of `genims verify`, jobs, the audit trail, expiry.

use super::ChecklistPlaces;
use super::looks::Missing;
use chrono::{DateTime, Utc};
use genims_changes::ChangesError;
use genims_changes::verify::{self as trail, Outside};
use genims_databases::configured::if_configured;
use genims_databases::{Database, MongoSettings, MysqlSettings, Registry};
use genims_etl::job::{self, Job};
use genims_etl::run::Places as EtlPlaces;
use genims_etl::schedule::Schedule;
use genims_model::counted;
use genims_platform::checklist::definition::{RuleSelection, meant};
use genims_platform::checklist::{LineState, Outcome};
use genims_platform::provision::{self, Mode, ProvisionStatus};
use genims_platform::retention::{self, How};
use genims_platform::verify::{Finding, RuleOutcome, Verdict};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::timeout;

/// The audit trail is read as a whole.
const TRAIL_MAX: Duration = Duration::from_secs(600);
const ANSWER_MAX: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const CLOCKS_PUT_BACK: Duration = Duration::from_secs(3_600);

/// All findings that are meant.
pub(super) fn verify(verdict: Result<&Verdict, &Missing>, rules: &RuleSelection, registry: &Registry) -> Outcome {
    let verdict = match verdict {
        Ok(verdict) => verdict,
        Err(missing) => return Outcome::not_looked_at(missing),
    };
    let owners: Vec<&str> = meant(&rules.of, registry).iter().map(|database| database.name.as_str()).collect();
    let of = |finding: &&Finding| is_meant(finding, rules, &owners);
    let findings: Vec<&Finding> = verdict.findings.iter().filter(of).collect();
    let lacking = rules.rules.iter().find(|name| !findings.iter().any(|finding| finding.rule == **name));
    if let Some(lacking) = lacking {
        return Outcome::unknown(format!("{lacking} was not looked at"), "run `genims verify`");
    }
    if let Some(bad) = findings.iter().find(|finding| finding.outcome == RuleOutcome::Violated) {
        let count = findings.iter().filter(|finding| finding.outcome == RuleOutcome::Violated).count();
        let example = bad.examples.first().map(|example| format!(": {} {}", example.key, example.detail));
        let found = format!("{count} of {} violated; {}{}", findings.len(), bad.rule, example.unwrap_or_default());
        return Outcome::fails(found, "run `genims verify` for all examples, and mend the rows");
    }
    let open = findings.iter().find(|finding| finding.outcome != RuleOutcome::Passed);
    // Of many some may have had nothing to look at; of a rule that is named, nothing shows that it holds.
    let decides = |finding: &&&Finding| finding.outcome != RuleOutcome::Empty || !rules.rules.is_empty();
    if let Some(open) = open.filter(decides).or_else(|| findings.iter().find(|one| is_unseen(one))) {
        let found = format!("{}: {}", open.rule, open.explanation);
        return Outcome::unknown(found, "start the server that is away, or load data, and run this again");
    }
    let looked_at: u64 = findings.iter().map(|finding| finding.looked_at).sum();
    let passed = findings.iter().filter(|finding| finding.outcome == RuleOutcome::Passed).count();
    if passed == 0 {
        return Outcome::unknown("there was nothing to look at", "run `genims seed`, or load the plant's own data");
    }
    let found = match (findings.as_slice(), rules.rules.len()) {
        ([one], 1) => format!("{}: {} looked at, 0 violations", one.says, one.looked_at),
        (all, _) => format!("{passed} of {} rules hold over {looked_at} rows or tables, none is violated", all.len()),
    };
    match rules.looked_at {
        Some(wanted) if wanted != looked_at => Outcome::fails(
            format!("{looked_at} are there, and {wanted} are wanted"),
            "run `genims provision`; the registry says how many there are",
        ),
        _ => Outcome::holds(found),
    }
}

fn is_unseen(finding: &Finding) -> bool {
    matches!(finding.outcome, RuleOutcome::Failed | RuleOutcome::Skipped)
}

fn is_meant(finding: &Finding, rules: &RuleSelection, owners: &[&str]) -> bool {
    let RuleSelection { rules: names, family, except, of, refers_to, across, .. } = rules;
    let owner = finding.databases.first().map(String::as_str).unwrap_or_default();
    (names.is_empty() || names.contains(&finding.rule))
        && family.as_ref().is_none_or(|family| *family == finding.family)
        && except.as_ref().is_none_or(|family| *family != finding.family)
        && (of.is_empty() || owners.contains(&owner))
        && refers_to.as_ref().is_none_or(|target| finding.databases.contains(target))
        && (!across || finding.databases.len() > 1)
}

/// What jobs have to be like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jobs<'c> {
    /// Which are of another rhythm, by name.
    pub(super) except: &'c [String],
    pub(super) sources: usize,
    pub(super) every: Option<Duration>,
    pub(super) succeeded_within: Option<Duration>,
}

pub(super) async fn etl(places: &ChecklistPlaces<'_>, target: &str, wanted: Jobs<'_>) -> Outcome {
    let (database, jobs) = match (places.registry.get(target), job::load(places.registry, None)) {
        (Ok(database), Ok(jobs)) => (database, jobs),
        (Err(error), _) => return Outcome::not_looked_at(error),
        (_, Err(error)) => return Outcome::not_looked_at(error),
    };
    let is_own = |job: &&Job| job.target == database.name && !wanted.except.contains(&job.name);
    let own: Vec<&Job> = jobs.iter().filter(is_own).collect();
    if let Some(outcome) = defined(places, database, &own, wanted) {
        return outcome;
    }
    let Some(within) = wanted.succeeded_within else {
        return Outcome::holds(filled(database, &own));
    };
    match timeout(ANSWER_MAX, succeeded(places, &own, within)).await {
        Ok(outcome) if outcome.state == LineState::Holds && wanted.sources > 0 => {
            let (read, of) = (read_by(&own).len(), wanted.sources);
            Outcome::holds(format!("read {read} of {of} databases; {}", outcome.found))
        }
        Ok(outcome) => outcome,
        Err(_) => Outcome::unknown("the bookkeeping of jobs does not answer", "run `genims etl status`"),
    }
}

/// Which jobs there are, and how much of the database is theirs.
fn filled(database: &Database, jobs: &[&Job]) -> String {
    let tables: BTreeSet<&str> = jobs.iter().flat_map(|job| &job.tables).map(|table| table.name.as_str()).collect();
    let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
    let (count, all, name) = (tables.len(), database.tables, &database.name);
    let tables = counted(all, "table");
    format!("{count} of {tables} of {name} are filled by {}: {}", counted(jobs.len(), "job"), names.join(", "))
}

/// What is wrong with their definitions.
fn defined(places: &ChecklistPlaces<'_>, database: &Database, jobs: &[&Job], wanted: Jobs<'_>) -> Option<Outcome> {
    let remedy = "add a job to config/etl (config/etl/README.md says how)";
    if jobs.is_empty() {
        return Some(Outcome::fails(format!("no job fills {}", database.name), remedy));
    }
    let sources = read_by(jobs);
    if sources.len() < wanted.sources {
        let told = sources.iter().copied().collect::<Vec<_>>().join(", ");
        let found = format!("jobs of {} read {} of {} databases: {told}", database.name, sources.len(), wanted.sources);
        return Some(Outcome::fails(found, remedy));
    }
    let every = wanted.every?;
    let rare = jobs.iter().find(|job| !is_due_every(&job.schedule, places.now, every))?;
    let found = format!("{} is due by {}, which is not every {}", rare.name, rare.schedule.line, hours(every));
    Some(Outcome::fails(found, "mend its schedule in config/etl"))
}

/// The databases that jobs read.
fn read_by<'j>(jobs: &[&'j Job]) -> BTreeSet<&'j str> {
    let extracts = jobs.iter().flat_map(|job| job.extracts.iter().map(|extract| extract.database.as_str()));
    let watches = jobs.iter().flat_map(|job| job.watches.iter().map(|watch| watch.database.as_str()));
    extracts.chain(watches).collect()
}

/// For a week, whatever day it is: a schedule may leave days out. The night in which clocks are put back is an hour longer.
fn is_due_every(schedule: &Schedule, now: DateTime<Utc>, every: Duration) -> bool {
    let longest = if every < DAY { every } else { every + CLOCKS_PUT_BACK };
    let mut due = Some(now);
    while let Some(at) = due
        && at < now + 8 * DAY
    {
        due = schedule.next(at).filter(|next| (*next - at).to_std().is_ok_and(|pause| pause <= longest));
    }
    due.is_some()
}

async fn succeeded(places: &ChecklistPlaces<'_>, jobs: &[&Job], within: Duration) -> Outcome {
    let etl = EtlPlaces { registry: places.registry.clone(), environment: places.environment.clone() };
    let bookkeeping = match etl.bookkeeping().await {
        Ok(bookkeeping) => bookkeeping,
        Err(error) => return Outcome::not_looked_at(error),
    };
    let mut each = Vec::new();
    for job in jobs {
        let remedy = format!("run `genims etl run {}`; `genims serve` does it by schedule", job.name);
        let outcome = match bookkeeping.last_success(&job.name).await {
            Err(error) => Outcome::not_looked_at(error),
            Ok(None) => Outcome::fails("it never ran", remedy),
            Ok(Some(at)) => {
                let age = (places.now - at).to_std().unwrap_or_default();
                let found = format!("last done at {}", at.format("%Y-%m-%d %H:%M UTC"));
                Outcome::judged(age <= within, found, remedy)
            }
        };
        each.push((job.name.clone(), outcome));
    }
    Outcome::of_all(each)
}

pub(super) async fn audit_trail(places: &ChecklistPlaces<'_>) -> Outcome {
    let remark = RefCell::new(None);
    let look = async {
        let registry = places.registry;
        let mysql = MysqlSettings::from_environment(registry.get("genims_audit_db")?, places.environment)?;
        let production = registry.get("genims_production")?;
        let mongo = if_configured(MongoSettings::from_environment(production, places.environment))?;
        // Before the trail: what is delivered meanwhile is behind them.
        let not_compared = |error: &ChangesError| *remark.borrow_mut() = Some(error.to_string());
        let outside = Outside::read(&places.settings.data_dir, mongo.as_ref(), &not_compared).await?;
        anyhow::Ok(trail::verify(&mysql, &outside, None).await?)
    };
    match timeout(TRAIL_MAX, look).await {
        Ok(Ok(report)) => told(&report, remark.borrow().as_deref()),
        Ok(Err(error)) => Outcome::not_looked_at(error),
        Err(_) => Outcome::unknown("the audit trail takes too long to read", "run `genims audit verify`"),
    }
}

/// `remark`: why what MongoDB keeps of the trail could not be compared.
fn told(report: &trail::TrailReport, remark: Option<&str>) -> Outcome {
    let sum = |of: fn(&trail::VerifiedTrail) -> u64| report.databases.iter().map(of).sum::<u64>();
    let (writes, changes, seals) = (sum(|one| one.writes), sum(|one| one.changes), sum(|one| one.seals));
    let bad = report.databases.iter().find(|database| database.findings_total > 0);
    if let Some(bad) = bad {
        let first =
            bad.findings.first().map(|finding| format!(": {} {}: {}", finding.chain, finding.position, finding.what));
        let findings = counted(bad.findings_total, "finding");
        let found = format!("{}: {findings}{}", bad.database, first.unwrap_or_default());
        return Outcome::fails(found, "`genims audit verify` says all of them: the trail was altered");
    }
    if report.databases.is_empty() {
        return Outcome::unknown("the trail is empty", "run `genims serve`, and change something");
    }
    if let Some(remark) = remark {
        return Outcome::not_looked_at(format!("what MongoDB keeps of the trail is not compared: {remark}"));
    }
    let databases = report.databases.len();
    let heads = sum(|one| one.heads.len() as u64);
    let (writes, changes, seals) = (counted(writes, "write"), counted(changes, "change"), counted(seals, "seal"));
    let (chains, heads) = (counted(databases, "chain"), counted(heads, "head"));
    Outcome::holds(format!("{chains} untouched: {writes}, {changes}, {seals}; they agree with {heads} kept elsewhere"))
}

/// Collections as their files say them, and those of which the server deletes what is too old.
pub(super) async fn expiry(places: &ChecklistPlaces<'_>) -> Outcome {
    let options = provision::ProvisionOptions { only: vec!["production".to_owned()], mode: Mode::Check };
    let checked = provision::run(places.registry, places.environment, &options, &|_| ());
    let report = match timeout(ANSWER_MAX, checked).await {
        Ok(Ok(report)) => report,
        Ok(Err(error)) => return Outcome::not_looked_at(error),
        Err(_) => return Outcome::unknown("MongoDB does not answer", "run `genims doctor`"),
    };
    let Some(database) = report.databases.first() else {
        return Outcome::unknown("it was not looked at", "run `genims provision --check --only production`");
    };
    if let Some(error) = &database.error {
        return Outcome::not_looked_at(error);
    }
    if database.status != ProvisionStatus::Ok {
        let found = format!("{}: {}", counted(database.drift.len(), "difference"), database.drift.join("; "));
        return Outcome::fails(found, "run `genims provision --only production`");
    }
    let options = retention::RetentionOptions { module: Some("production".to_owned()), as_of: None, run: false };
    let planned = retention::run(places.registry, places.environment, &options, &|_| ());
    let plan = match timeout(ANSWER_MAX, planned).await {
        Ok(Ok(plan)) => plan,
        Ok(Err(error)) => return Outcome::not_looked_at(error),
        Err(_) => return Outcome::unknown("the plan of retention takes too long", "run `genims retention plan`"),
    };
    let expiring = plan.databases.iter().flat_map(|one| &one.tables).filter(|table| table.how == How::Expiry);
    let names: Vec<&str> = expiring.map(|table| table.table.as_str()).collect();
    let collections = counted(names.len(), "collection");
    let found = format!("expiry is as the files say of {collections}: {}", names.join(", "));
    Outcome::judged(!names.is_empty(), found, "run `genims provision --only production`")
}

fn hours(span: Duration) -> String {
    format!("{} h", span.as_secs() / 3_600)
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_platform::checklist::LineState;

    fn finding(rule: &str, databases: &[&str], outcome: RuleOutcome) -> Finding {
        let mut finding = Finding::new(rule, "agreement", databases, "It agrees");
        (finding.outcome, finding.looked_at) = (outcome, 3);
        finding
    }

    fn state(findings: Vec<Finding>, rules: &RuleSelection) -> LineState {
        let registry = Registry::load(None).expect("the embedded registry");
        // Made by hand: what a verdict judges is not asked here.
        let verdict =
            Verdict { passed: true, databases: Vec::new(), findings, seconds: 0.0, explanation: String::new() };
        verify(Ok(&verdict), rules, &registry).state
    }

    fn named(rule: &str) -> RuleSelection {
        RuleSelection { rules: vec![rule.to_owned()], ..RuleSelection::default() }
    }

    #[test]
    fn a_violated_rule_fails_and_one_that_nobody_could_look_at_is_unknown() {
        let all = |outcome| vec![finding("r", &["a", "b"], RuleOutcome::Passed), finding("s", &["a"], outcome)];
        let family = RuleSelection { family: Some("agreement".to_owned()), ..RuleSelection::default() };
        for (outcome, expected) in [
            (RuleOutcome::Passed, LineState::Holds),
            (RuleOutcome::Violated, LineState::Fails),
            (RuleOutcome::Empty, LineState::Holds),
            (RuleOutcome::Failed, LineState::Unknown),
            (RuleOutcome::Skipped, LineState::Unknown),
        ] {
            assert_eq!(state(all(outcome), &family), expected, "{outcome:?}");
            assert_eq!(state(all(outcome), &named("r")), LineState::Holds, "{outcome:?}");
        }
        assert_eq!(state(all(RuleOutcome::Empty), &named("s")), LineState::Unknown, "nothing shows that it holds");
        assert_eq!(state(all(RuleOutcome::Passed), &named("t")), LineState::Unknown, "nobody looked");
        assert_eq!(state(Vec::new(), &family), LineState::Unknown);
        let twice = RuleSelection { looked_at: Some(3), ..named("r") };
        assert_eq!(state(all(RuleOutcome::Passed), &twice), LineState::Holds);
        assert_eq!(
            state(all(RuleOutcome::Passed), &RuleSelection { looked_at: Some(4), ..named("r") }),
            LineState::Fails
        );
    }

    #[test]
    fn a_schedule_that_leaves_a_day_out_is_not_nightly_on_any_day() {
        let day = Duration::from_secs(86_400);
        // Clocks of Berlin are put back on the Sunday.
        let monday: DateTime<Utc> = "2026-10-19T12:00:00Z".parse().expect("an instant");
        for days in 0..7_u32 {
            let is_nightly = |line: &str| {
                let schedule = Schedule::parse(line, "Europe/Berlin".parse().expect("a zone")).expect("a schedule");
                is_due_every(&schedule, monday + days * day, day)
            };
            assert!(is_nightly("0 2 * * *") && is_nightly("15 * * * *"), "{days}");
            assert!(!is_nightly("0 2 * * 1-6") && !is_nightly("0 2 1 * *"), "{days}");
        }
    }

    #[test]
    fn findings_are_meant_by_owner_by_target_and_by_reach() {
        let across = finding("r", &["genims_hr_db", "genims_master_db"], RuleOutcome::Passed);
        let inside = finding("s", &["genims_master_db"], RuleOutcome::Passed);
        let meant = |finding: &Finding, rules: &RuleSelection| is_meant(finding, rules, &["genims_hr_db"]);
        let of = RuleSelection { of: vec!["hr".to_owned()], ..RuleSelection::default() };
        assert!(meant(&across, &of) && !meant(&inside, &of));
        let other = |family: &str| RuleSelection { except: Some(family.to_owned()), ..RuleSelection::default() };
        assert!(meant(&across, &other("references")) && !meant(&across, &other("agreement")));
        let reach = RuleSelection { across: true, ..RuleSelection::default() };
        assert!(meant(&across, &reach) && !meant(&inside, &reach));
        let target = RuleSelection { refers_to: Some("genims_hr_db".to_owned()), ..RuleSelection::default() };
        assert!(meant(&across, &target) && !meant(&inside, &target));
    }
}
