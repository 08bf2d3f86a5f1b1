//! Writes the compliance report of each day at 03:00 UTC of the next into the data folder, in a thread of its own. No database need be up.
//!
//! Invariants: which days have a report the folder says, so a server that was down at three makes that of the latest day when it starts; a
//! report in which something is lacking is written all the same and made anew, with longer and longer pauses, some times, and again after a
//! restart. A report of a day that is not over silences nothing. Only here the oldest reports go.

use super::{ServerError, Stage};
use crate::compliance::gather;
use crate::settings::Settings;
use chrono::{DateTime, Days, NaiveDate, Utc};
use genims_databases::configured::if_configured;
use genims_databases::{Environment, MysqlSettings, Registry};
use genims_model::{Backoff, panics};
use genims_platform::compliance::{ComplianceReport, keep};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// The hour of UTC.
const HOUR: u32 = 3;
const FOLDER: &str = "compliance";
const EVERY: Duration = Duration::from_secs(5);
const PAUSE_MIN: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(1_200);
const ATTEMPTS_MAX: u32 = 6;

struct Reporter {
    settings: Settings,
    environment: Environment,
    registry: Registry,
    folder: PathBuf,
    /// The moment whose report was made last.
    since: DateTime<Utc>,
    attempts: u32,
    backoff: Backoff,
    not_before: Option<Instant>,
}

/// Nothing where no audit trail is configured.
pub(super) fn start(settings: &Settings, environment: &Environment, stage: &mut Stage) -> Result<(), ServerError> {
    let registry = Registry::load(None)?;
    if if_configured(MysqlSettings::from_environment(registry.get("genims_audit_db")?, environment))?.is_none() {
        return Ok(());
    }
    let folder = settings.data_dir.join(FOLDER);
    let now = Utc::now();
    let since = last(&folder, now.date_naive()).unwrap_or(now);
    let reporter = Reporter {
        settings: settings.clone(),
        environment: environment.clone(),
        registry,
        folder,
        since,
        attempts: 0,
        backoff: Backoff::new(PAUSE_MIN, PAUSE_MAX),
        not_before: None,
    };
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(ServerError::Thread)?;
    let stop = stage.stop.clone();
    let (ended, end) = oneshot::channel::<()>();
    let run = move || {
        runtime.block_on(reporter.run(stop));
        // What hangs in a folder of backups is left behind.
        runtime.shutdown_background();
        drop(ended);
    };
    thread::Builder::new().name("compliance".to_owned()).spawn(run).map_err(ServerError::Thread)?;
    stage.tasks.spawn(async move {
        let _ = end.await;
    });
    Ok(())
}

/// The moment for which the newest report in the folder was made, of a day that is over; the one before it, if the report lacks something.
fn last(folder: &Path, today: NaiveDate) -> Option<DateTime<Utc>> {
    let newest = keep::days(folder).ok()?.into_iter().rfind(|day| *day < today)?;
    // A page that cannot be read tells nobody anything.
    let is_complete = keep::is_complete(folder, newest).unwrap_or(false);
    moment(if is_complete { newest.checked_add_days(Days::new(1))? } else { newest })
}

fn moment(day: NaiveDate) -> Option<DateTime<Utc>> {
    Some(day.and_hms_opt(HOUR, 0, 0)?.and_utc())
}

/// The latest moment up to now, if it is later than the last one that was met.
fn due(since: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let today = moment(now.date_naive())?;
    let latest = if today <= now { today } else { moment(now.date_naive().pred_opt()?)? };
    Some(latest).filter(|latest| *latest > since)
}

impl Reporter {
    async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = self.round(Utc::now()) => {}
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn round(&mut self, now: DateTime<Utc>) {
        if self.not_before.is_some_and(|until| Instant::now() < until) {
            return;
        }
        let Some(due) = due(self.since, now) else { return };
        let Some(day) = due.date_naive().checked_sub_days(Days::new(1)) else { return };
        let gathered = gather(&self.settings, &self.environment, &self.registry, day, now);
        let lacking = match panics::contain(gathered).await {
            Ok(report) => match self.keep(&report) {
                Ok(page) if report.is_complete() => {
                    tracing::info!(%day, page = %page.display(), "compliance report written");
                    return self.done(due);
                }
                Ok(_) => format!("not looked at: {}", report.lacking().join(", ")),
                Err(error) => format!("{} cannot be written: {error}", self.folder.display()),
            },
            Err(panic) => format!("it panicked: {}", panics::text(panic.as_ref())),
        };
        self.attempts += 1;
        if self.attempts >= ATTEMPTS_MAX {
            tracing::error!(%day, lacking, "the compliance report stays as it is; `genims report compliance` makes it anew");
            return self.done(due);
        }
        let pause = self.backoff.next_delay();
        self.not_before = Some(Instant::now() + pause);
        tracing::warn!(%day, lacking, seconds = pause.as_secs(), "the compliance report is not complete; tried again");
    }

    fn keep(&self, report: &ComplianceReport) -> io::Result<PathBuf> {
        let page = keep::write(&self.folder, report)?;
        keep::prune(&self.folder)?;
        Ok(page)
    }

    fn done(&mut self, due: DateTime<Utc>) {
        self.since = due;
        self.attempts = 0;
        self.backoff = Backoff::new(PAUSE_MIN, PAUSE_MAX);
        self.not_before = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_platform::compliance::ReportSection;

    #[test]
    fn the_folder_says_what_is_due() {
        let place = tempfile::tempdir().expect("a folder");
        let today = NaiveDate::from_ymd_opt(2026, 12, 1).expect("a day");
        assert_eq!(last(place.path(), today), None);
        for name in ["compliance-2026-11-28.html", "compliance-2026-11-29.html", "compliance-2026-11-30.csv"] {
            std::fs::write(place.path().join(name), "").expect("a file");
        }
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("an instant");
        // Somebody asked for a day that is not over, by a release that made a report of it.
        std::fs::write(place.path().join("compliance-2026-12-01.html"), "").expect("a file");
        let since = last(place.path(), today).expect("there are some");
        assert_eq!(since, at("2026-11-30T03:00:00Z"));
        assert_eq!(due(since, at("2026-12-01T02:59:59Z")), None);
        assert_eq!(due(since, at("2026-12-01T03:00:00Z")), Some(at("2026-12-01T03:00:00Z")));
        assert_eq!(due(since, at("2026-12-04T10:00:00Z")), Some(at("2026-12-04T03:00:00Z")));
        assert_eq!(due(since, at("2026-12-04T01:00:00Z")), Some(at("2026-12-03T03:00:00Z")));
    }

    #[test]
    fn a_report_that_lacks_something_is_made_anew_after_a_restart() {
        let place = tempfile::tempdir().expect("a folder");
        let day = NaiveDate::from_ymd_opt(2026, 11, 30).expect("a day");
        let section = ReportSection {
            name: "holds",
            title: "Holds",
            says: "Now.",
            columns: &["hold"],
            rows: vec![vec!["Not complete; not looked at: holds".to_owned()]],
            is_cut: false,
            error: None,
        };
        let whole = ComplianceReport { day, made_at: DateTime::UNIX_EPOCH, sections: vec![section.clone()] };
        let lacking = section.looked_at(Err("down".to_owned()));
        let lacking = ComplianceReport { sections: vec![lacking], ..whole.clone() };
        let (today, now) = (day + Days::new(1), moment(day + Days::new(1)).expect("an instant"));
        for (report, wanted) in [(&lacking, Some(now)), (&whole, None)] {
            keep::write(place.path(), report).expect("written");
            assert_eq!(due(last(place.path(), today).expect("a report"), now), wanted);
        }
    }
}
