//! The compliance report, gathered: what databases are asked, the verdict on the audit trail, and how old backups are.
//!
//! In: settings, environment, a day. Out: the report, in which whatever could not be looked at says so. Nothing is changed.

use crate::settings::Settings;
use chrono::{DateTime, NaiveDate, Utc};
use genims_backup::listing::{self, ListedBackup, Listing, Standing};
use genims_backup::{Location, schedule};
use genims_changes::verify::{self, Outside, VerifiedTrail};
use genims_databases::configured::if_configured;
use genims_databases::{Database, Environment, MongoSettings, MysqlSettings, Registry};
use genims_platform::compliance::{ComplianceReport, ReportSection, questions};
use std::cell::RefCell;
use std::time::Duration;
use tokio::time::timeout;

/// The whole trail is read.
const TRAIL_MAX: Duration = Duration::from_secs(4 * 3_600);
/// A folder that hangs.
const FOLDER_MAX: Duration = Duration::from_secs(300);

const TRAIL: ReportSection = ReportSection {
    name: "audit_trail",
    title: "Audit trail",
    says: "Every entry examined now, against its chain, its seals and the heads kept elsewhere.",
    columns: &["database", "writes", "changes", "seals", "heads compared", "verdict"],
    rows: Vec::new(),
    is_cut: false,
    error: None,
};

const BACKUPS: ReportSection = ReportSection {
    name: "backups",
    title: "Age of backups",
    says: "The newest complete backup of each database, now.",
    columns: &["database", "begun", "hours old", "wanted every hours", "verdict"],
    rows: Vec::new(),
    is_cut: false,
    error: None,
};

/// Everything that the report of a day says.
pub async fn gather(
    settings: &Settings,
    environment: &Environment,
    registry: &Registry,
    day: NaiveDate,
    now: DateTime<Utc>,
) -> ComplianceReport {
    let not_compared = RefCell::new(None);
    let trail = match timeout(TRAIL_MAX, trail(settings, environment, registry, &not_compared)).await {
        Ok(found) => found,
        Err(_) => Err(format!("the trail was not read within {} h", TRAIL_MAX.as_secs() / 3_600)),
    };
    let trail = TRAIL.looked_at(trail);
    // What was compared with less than there is says so, and what was found stands beside it.
    let error = trail.error.clone().or_else(|| not_compared.into_inner());
    let mut sections = vec![ReportSection { error, ..trail }];
    sections.extend(questions::ask(registry, environment, day).await);
    sections.push(BACKUPS.looked_at(backups(settings, environment, registry, now).await));
    ComplianceReport { day, made_at: now, sections }
}

/// `not_compared`: why what MongoDB keeps of the trail could not be compared.
async fn trail(
    settings: &Settings,
    environment: &Environment,
    registry: &Registry,
    not_compared: &RefCell<Option<String>>,
) -> Result<Vec<Vec<String>>, String> {
    let [audit, production] = ["genims_audit_db", "genims_production"].map(|name| registry.get(name));
    let audit = audit.and_then(|database| MysqlSettings::from_environment(database, environment));
    let mongo = production.and_then(|database| if_configured(MongoSettings::from_environment(database, environment)));
    let (audit, mongo) = (audit.map_err(|error| error.to_string())?, mongo.map_err(|error| error.to_string())?);
    let remark = |error: &genims_changes::ChangesError| {
        *not_compared.borrow_mut() = Some(format!("what MongoDB keeps of the trail was not compared: {error}"));
    };
    // Before the trail: what is delivered meanwhile is behind them.
    let outside =
        Outside::read(&settings.data_dir, mongo.as_ref(), &remark).await.map_err(|error| error.to_string())?;
    let report = verify::verify(&audit, &outside, None).await.map_err(|error| error.to_string())?;
    Ok(report.databases.iter().map(judged).collect())
}

fn judged(trail: &VerifiedTrail) -> Vec<String> {
    let verdict = match trail.findings.first() {
        None => "unbroken".to_owned(),
        Some(first) => {
            format!(
                "BROKEN, {} found; the first at {} {}: {}",
                trail.findings_total, first.chain, first.position, first.what
            )
        }
    };
    let [writes, changes, seals] = [trail.writes, trail.changes, trail.seals].map(|count| count.to_string());
    vec![trail.database.clone(), writes, changes, seals, trail.heads.join(", "), verdict]
}

async fn backups(
    settings: &Settings,
    environment: &Environment,
    registry: &Registry,
    now: DateTime<Utc>,
) -> Result<Vec<Vec<String>>, String> {
    let Some(folder) = settings.backups.folder.clone() else {
        let unknown = |database: &Database| row(database, None, "not known: [backups] names no folder".to_owned());
        return Ok(registry.all().iter().map(unknown).collect());
    };
    let (own, databases) = (environment.clone(), registry.clone());
    // Of a disk that hangs nothing comes back.
    let look = tokio::task::spawn_blocking(move || {
        let place = Location::named(&folder, &own)?;
        listing::list(&databases, &own, &place, now)
    });
    match timeout(FOLDER_MAX, look).await {
        Ok(Ok(Ok(listing))) => Ok(registry.all().iter().map(|database| newest(database, &listing, now)).collect()),
        Ok(Ok(Err(error))) => Err(error.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("the folder of backups has not answered within {} s", FOLDER_MAX.as_secs())),
    }
}

/// A listing has the newest of each database first.
fn newest(database: &Database, listing: &Listing, now: DateTime<Utc>) -> Vec<String> {
    let is_own = |entry: &&ListedBackup| entry.database == database.name && entry.standing == Standing::Complete;
    let begun = listing.backups.iter().find(is_own).and_then(|entry| entry.begun_at);
    let age = begun.map(|begun| (now - begun).to_std().unwrap_or_default());
    let verdict = match age {
        None => "NONE",
        Some(age) if schedule::is_late(database, age) => "LATE",
        Some(_) => "in time",
    };
    row(database, begun.zip(age), verdict.to_owned())
}

fn row(database: &Database, newest: Option<(DateTime<Utc>, Duration)>, verdict: String) -> Vec<String> {
    let hours = |span: Duration| (span.as_secs() / 3_600).to_string();
    let (begun, old) = newest
        .map_or_else(Default::default, |(begun, age)| (begun.format("%Y-%m-%d %H:%M:%S UTC").to_string(), hours(age)));
    vec![database.name.clone(), begun, old, hours(database.backup_every), verdict]
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_changes::verify::Finding;

    #[test]
    fn a_broken_chain_is_told_with_its_first_entry() {
        let trail = VerifiedTrail { database: "genims_hr_db".to_owned(), writes: 7, ..VerifiedTrail::default() };
        assert_eq!(judged(&trail).last().map(String::as_str), Some("unbroken"));
        let findings = vec![Finding { chain: "changes", position: 12, what: "edited".to_owned() }];
        let broken = VerifiedTrail { findings, findings_total: 3, ..trail };
        let row = judged(&broken);
        assert_eq!(row.len(), TRAIL.columns.len());
        assert_eq!(row.last().map(String::as_str), Some("BROKEN, 3 found; the first at changes 12: edited"));
    }

    #[test]
    fn a_backup_is_in_time_late_or_not_there() {
        let registry = Registry::load(None).expect("the embedded registry");
        let database = registry.get("genims_hr_db").expect("in the registry");
        let now = DateTime::UNIX_EPOCH + chrono::Duration::days(20_000);
        let listed = |age: Duration| ListedBackup {
            database: database.name.clone(),
            path: "x".into(),
            standing: Standing::Complete,
            begun_at: Some(now - age),
            age_seconds: None,
            rows: 0,
            bytes: 0,
            encrypted: false,
            remark: None,
            error: None,
        };
        let verdict = |backups: Vec<ListedBackup>| {
            let listing = Listing { backups, missing: Vec::new(), due: Vec::new(), points: Vec::new() };
            let row = newest(database, &listing, now);
            assert_eq!(row.len(), BACKUPS.columns.len());
            row.last().cloned().unwrap_or_default()
        };
        assert_eq!(verdict(Vec::new()), "NONE");
        assert_eq!(verdict(vec![listed(Duration::from_secs(60))]), "in time");
        assert_eq!(verdict(vec![listed(schedule::late_after(database) + Duration::from_secs(3_600))]), "LATE");
    }
}
