//! `genims maintain`: what wears out in use is put in order, in the hours that the registry gives it.
//!
//! In: the registry (when), the servers' own counts (what), a clock. Out: a [`MaintenanceReport`]. Invariants: `plan` changes nothing; outside
//! of a database's window nothing is done to it, unless somebody says so; at its end the work ends, and the next window goes on; nothing
//! is done that locks readers or writers out; a database that fails stops no other; what was done stands in the audit trail, or the
//! report says that it does not.
//!
//! - [`round`]: the order of the work, and the time for it; [`report`]: what came of it
//! - [`postgres`], [`mysql`], [`mongo`]: what each engine needs

mod mongo;
mod mysql;
mod postgres;
mod report;
mod round;

pub use report::{MaintainedDatabase, MaintenanceReport, Upkeep, UpkeepKind, UpkeepState};

use crate::actions::{self, Action};
use crate::errors::PlatformError;
use crate::provision::postgres::connect_existing;
use chrono::{DateTime, Utc};
use genims_databases::{Database, DatabaseError, Engine, Environment, PostgresSettings, Registry};
use report::UpkeepOutcome;
use round::{Deadline, Round};
use std::time::{Duration, Instant};

/// Whose outbox takes what is done to databases without one.
const MASTER: &str = "genims_master_db";

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaintenanceMode {
    /// Only to know what is to be done.
    Plan,
    /// In the window; where it is closed that is an error.
    Window,
    /// In the window; where it is closed nothing is done.
    Due,
    /// At once, and to the end.
    Now,
}

/// Whether a database's turn has come.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Until(Option<DateTime<Utc>>),
    Closed,
    Refused,
}

impl Turn {
    fn of(mode: MaintenanceMode, open_until: Option<DateTime<Utc>>) -> Self {
        match (mode, open_until) {
            (MaintenanceMode::Plan | MaintenanceMode::Now, _) => Self::Until(None),
            (MaintenanceMode::Window | MaintenanceMode::Due, Some(end)) => Self::Until(Some(end)),
            (MaintenanceMode::Due, None) => Self::Closed,
            (MaintenanceMode::Window, None) => Self::Refused,
        }
    }
}

/// One database after the other: most are of one server, which has a plant to serve.
pub async fn run(
    registry: &Registry,
    environment: &Environment,
    databases: &[&Database],
    mode: MaintenanceMode,
    clock: &dyn Fn() -> DateTime<Utc>,
    progress: &dyn Fn(&str),
) -> MaintenanceReport {
    let started = Instant::now();
    let mut report = MaintenanceReport { databases: Vec::new(), seconds: 0.0 };
    for database in databases {
        let mut found = MaintainedDatabase::new(database, clock());
        match Turn::of(mode, found.open_until) {
            Turn::Until(end) => {
                progress(&database.name);
                let work = Work { environment, mode, deadline: Deadline { clock, end }, progress };
                found.error = work.on(database, &mut found).await.err().map(|error| error.to_string());
                if let Some(done) = found.told()
                    && let Err(error) = enter(registry, environment, database, &done).await
                {
                    found.remarks.push(format!("it is not entered in the audit trail: {error}"));
                }
            }
            Turn::Closed => {}
            Turn::Refused => {
                let (database, opens) = (database.name.clone(), found.opens_next);
                found.error = Some(PlatformError::WindowClosed { database, opens }.to_string());
            }
        }
        report.databases.push(found);
    }
    report.seconds = started.elapsed().as_secs_f64();
    report
}

/// What is the same for all work of a run.
struct Work<'a> {
    environment: &'a Environment,
    mode: MaintenanceMode,
    deadline: Deadline<'a>,
    progress: &'a dyn Fn(&str),
}

impl Work<'_> {
    async fn on(&self, database: &Database, found: &mut MaintainedDatabase) -> Result<(), PlatformError> {
        let mut session = Session::connect(database, self.environment).await?;
        let worked = self.rounds(&mut session, found).await;
        session.close().await;
        worked
    }

    async fn rounds(&self, session: &mut Session, found: &mut MaintainedDatabase) -> Result<(), PlatformError> {
        for round in Round::ALL {
            for mut upkeep in session.look(round).await? {
                if self.mode != MaintenanceMode::Plan && upkeep.state == UpkeepState::Planned {
                    self.perform(session, &found.database, &mut upkeep).await?;
                }
                found.upkeep.push(upkeep);
            }
        }
        Ok(())
    }

    async fn perform(&self, session: &mut Session, database: &str, upkeep: &mut Upkeep) -> Result<(), PlatformError> {
        let Some(left) = self.deadline.left() else {
            upkeep.end(UpkeepOutcome::OutOfTime);
            return Ok(());
        };
        (self.progress)(&format!("{database}: {} {}", upkeep.kind.word(), upkeep.of));
        let started = Instant::now();
        upkeep.end(session.perform(upkeep, left).await?);
        upkeep.seconds = started.elapsed().as_secs_f64();
        Ok(())
    }
}

/// A connection for it, of any engine.
enum Session {
    Postgres(Box<postgres::Session>),
    Mysql(mysql::Session),
    Mongo(mongo::Session),
}

impl Session {
    async fn connect(database: &Database, environment: &Environment) -> Result<Self, PlatformError> {
        Ok(match database.engine {
            Engine::Postgresql => Self::Postgres(Box::new(postgres::Session::connect(database, environment).await?)),
            Engine::Mysql => Self::Mysql(mysql::Session::connect(database, environment).await?),
            Engine::Mongodb => Self::Mongo(mongo::Session::connect(database, environment).await?),
        })
    }

    async fn look(&mut self, round: Round) -> Result<Vec<Upkeep>, PlatformError> {
        match (self, round) {
            (Self::Postgres(session), _) => session.look(round).await,
            (Self::Mysql(session), _) => session.look(round).await,
            (Self::Mongo(session), Round::First) => session.look().await,
            (Self::Mongo(_), Round::Second) => Ok(Vec::new()),
        }
    }

    async fn perform(&mut self, upkeep: &Upkeep, left: Duration) -> Result<UpkeepOutcome, PlatformError> {
        match self {
            Self::Postgres(session) => session.perform(upkeep, left).await,
            Self::Mysql(session) => session.perform(upkeep, left).await,
            Self::Mongo(session) => session.perform(upkeep, left).await,
        }
    }

    async fn close(self) {
        if let Self::Mysql(session) = self {
            session.close().await;
        }
    }
}

/// Enters what was done into the database's own outbox of changes, or into that of the master data where it has none.
async fn enter(
    registry: &Registry,
    environment: &Environment,
    database: &Database,
    description: &str,
) -> Result<(), PlatformError> {
    let outbox = if database.engine == Engine::Postgresql { database } else { registry.get(MASTER)? };
    let settings = match PostgresSettings::from_environment(outbox, environment) {
        Err(DatabaseError::NotConfigured { .. }) => return Ok(()),
        settings => settings?,
    };
    let missing = || PlatformError::NotProvisioned { database: outbox.name.clone() };
    let client = connect_existing(&settings).await?.ok_or_else(missing)?;
    let (module, database) = (database.module.as_str(), database.name.as_str());
    let action = Action { service: "genims-maintain", activity: "edit", module, database, description, rows: 0 };
    Ok(actions::record(&client, &action).await.map_err(|source| settings.error(source))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of hr, whose window is on Sundays, without any server.
    fn at(moment: &str, mode: MaintenanceMode) -> MaintainedDatabase {
        let registry = Registry::load(None).expect("the embedded registry");
        let moment: DateTime<Utc> = moment.parse().expect("a moment");
        let nowhere = Environment::from_pairs([("GENIMS_HR_DB_URL", "postgresql://u:p@127.0.0.1:1/hr")]);
        let hr = [registry.get("hr").expect("there")];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let clock = || moment;
        let mut report = runtime.block_on(run(&registry, &nowhere, &hr, mode, &clock, &|_: &str| {}));
        assert_eq!(report.ok(), report.databases[0].error.is_none());
        report.databases.remove(0)
    }

    const MONDAY: &str = "2026-11-30T03:00:00Z";
    const SUNDAY: &str = "2026-12-06T03:00:00Z";

    #[test]
    fn outside_of_its_window_nobody_goes_near_a_database_unless_told_to() {
        let passed = at(MONDAY, MaintenanceMode::Due);
        assert_eq!((passed.error, passed.open_until), (None, None));
        assert_eq!(passed.opens_next.to_rfc3339(), "2026-12-06T02:00:00+00:00");
        let refused = at(MONDAY, MaintenanceMode::Window).error.expect("it is closed");
        assert!(refused.contains("2026-12-06 02:00 UTC") && refused.contains("--now"), "{refused}");
        for (moment, mode) in [
            (MONDAY, MaintenanceMode::Plan),
            (MONDAY, MaintenanceMode::Now),
            (SUNDAY, MaintenanceMode::Due),
            (SUNDAY, MaintenanceMode::Window),
        ] {
            let tried = at(moment, mode).error.expect("there is no server");
            assert!(tried.contains("127.0.0.1:1"), "{mode:?}: {tried}");
        }
    }

    #[test]
    fn a_window_bounds_the_work_and_nothing_else_does() {
        let end = Some(DateTime::UNIX_EPOCH);
        let turns = |open| {
            use MaintenanceMode::{Due, Now, Plan, Window};
            [Plan, Window, Due, Now].map(|mode| Turn::of(mode, open))
        };
        assert_eq!(turns(end), [Turn::Until(None), Turn::Until(end), Turn::Until(end), Turn::Until(None)]);
        assert_eq!(turns(None), [Turn::Until(None), Turn::Refused, Turn::Closed, Turn::Until(None)]);
    }
}
