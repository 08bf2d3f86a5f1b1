//! What several lines need, found when the first of them asks and kept for the others.

use super::{ChecklistPlaces, Progress};
use crate::security::{self, Finding};
use genims_backup::listing::{self, Listing};
use genims_platform::doctor::{self, DoctorReport};
use genims_platform::verify::{self, Verdict};
use serde_json::Value;
use std::cell::OnceCell as Cell;
use std::time::SystemTime;
use tokio::sync::OnceCell;

/// Why it is not there.
#[derive(Clone, Debug)]
pub(super) struct Missing(pub(super) String);

impl std::fmt::Display for Missing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

pub(super) struct Looks<'a> {
    places: &'a ChecklistPlaces<'a>,
    pub(super) show: &'a dyn Fn(Progress<'_>),
    doctor: OnceCell<DoctorReport>,
    verdict: OnceCell<Result<Verdict, Missing>>,
    stats: Cell<Result<Value, Missing>>,
    security: Cell<Result<Vec<Finding>, Missing>>,
    backups: Cell<Result<Listing, Missing>>,
}

impl<'a> Looks<'a> {
    pub(super) fn new(places: &'a ChecklistPlaces<'a>, show: &'a dyn Fn(Progress<'_>)) -> Self {
        let (doctor, verdict) = (OnceCell::new(), OnceCell::new());
        let (stats, security, backups) = (Cell::new(), Cell::new(), Cell::new());
        Self { places, show, doctor, verdict, stats, security, backups }
    }

    pub(super) async fn doctor(&self) -> &DoctorReport {
        let examine = || async {
            (self.show)(Progress::Step("doctor"));
            doctor::run(self.places.registry, self.places.environment, self.places.answer_max).await
        };
        self.doctor.get_or_init(examine).await
    }

    pub(super) async fn verdict(&self) -> Result<&Verdict, &Missing> {
        let verify = || async {
            let step = |progress: verify::Progress<'_>| {
                if let verify::Progress::Done(what) = progress {
                    (self.show)(Progress::Step(&format!("verify: {what}")));
                }
            };
            let ChecklistPlaces { registry, environment, .. } = self.places;
            let verdict = verify::run(registry, environment, &verify::VerifyOptions::default(), &step).await;
            verdict.map_err(|error| Missing(error.to_string()))
        };
        self.verdict.get_or_init(verify).await.as_ref()
    }

    pub(super) async fn stats(&self) -> Result<&Value, &Missing> {
        self.stats.get_or_init(|| (self.places.stats)().map_err(Missing)).as_ref()
    }

    pub(super) fn security(&self) -> Result<&[Finding], &Missing> {
        let ChecklistPlaces { settings, config, environment, .. } = self.places;
        let audit = || {
            security::audit(settings, *config, environment, SystemTime::now())
                .map_err(|error| Missing(error.to_string()))
        };
        self.security.get_or_init(audit).as_deref()
    }

    pub(super) fn backups(&self) -> Result<&Listing, &Missing> {
        let list = || {
            let Some(folder) = self.places.backups else {
                let text = "no folder of backups was named; name it: `genims checklist --backups DIR`";
                return Err(Missing(text.to_owned()));
            };
            let ChecklistPlaces { registry, environment, now, .. } = self.places;
            listing::list(registry, environment, folder, *now).map_err(|error| Missing(error.to_string()))
        };
        self.backups.get_or_init(list).as_ref()
    }
}
