//! The history of sensors and machines, beside what `config/seed` says of its two databases.

use super::{Link, SeedProgress, SeededDatabase, Show, Target};
use crate::errors::SeedError;
use crate::history::{self, HistoryProgress, HistorySummary};
use crate::world::Parameters;

/// The databases that hold the history of sensors and machines.
pub(super) const MEASURED: [&str; 2] = ["genims_operations_db", "genims_production"];

pub(super) type Measured = Result<HistorySummary, SeedError>;

/// The history of sensors and machines, through the stream's own analysis, into those of its two databases that are there.
pub(super) fn measure<'a>(
    targets: &[Target<'_>],
    parameters: Parameters,
    show: Show<'a>,
) -> impl Future<Output = Measured> + use<'a> {
    let (mut postgres, mut mongodb) = (None, None);
    for target in targets {
        match &target.link {
            Link::Postgres(settings) if target.database.name == MEASURED[0] => {
                postgres = Some(settings.as_ref().clone())
            }
            Link::Mongo(settings) => mongodb = Some(settings.clone()),
            _ => {}
        }
    }
    async move {
        let wrong = |cause| SeedError::Specs { cause };
        let history = history::simulate(parameters.history()).map_err(wrong)?;
        history::load_history(&history, postgres.as_ref(), mongodb.as_ref(), &|progress: HistoryProgress| {
            let (from_us, until_us) = progress.span_us;
            let hours = (progress.until_us - from_us) / 3_600_000_000;
            let of = (until_us - from_us) / 3_600_000_000;
            show(SeedProgress::History { database: progress.database, hours, of });
        })
        .await
    }
}

/// Puts the history's share into the report of a database.
pub(super) fn enter(report: &mut SeededDatabase, measured: &Measured) {
    match measured {
        Ok(summary) => {
            let written = if report.database == MEASURED[0] { summary.postgres } else { summary.mongodb };
            report.rows += written.readings + written.snapshots + written.events;
            report.seconds = report.seconds.max(written.seconds);
        }
        Err(error) => report.error = report.error.take().or_else(|| Some(error.to_string())),
    }
}
