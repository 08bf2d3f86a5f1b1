//! Waits until the databases have caught up: first for the fences (each sender's last readings), which is cheap and tells
//! the moment; then for the counts, until they reach what was sent or stop moving. Every wait is bounded.

use super::judge::{self, Exactness, Findings};
use super::{Holdings, Span, VerdictError, mongodb, postgres};
use crate::clock::Clock;
use crate::load::tally::Tallies;
use std::time::Duration;
use tokio::time::sleep;

const POLL_INTERVAL_MIN: Duration = Duration::from_millis(20);
const MOVEMENT_INTERVAL_US: i64 = 3_000_000;
/// Below this many sensors the index is the better way to their rows.
const FEW_SENSORS: usize = 200;

/// A database that is asked.
pub enum Store {
    Postgres(tokio_postgres::Client),
    Mongo(::mongodb::Database),
}

#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Not longer than until then.
    pub deadline_us: i64,
    /// Nor when nothing has moved for so long.
    pub stall: Duration,
}

/// What a database holds in the end.
#[derive(Debug)]
pub struct Settled {
    pub findings: Findings,
    /// When it was first seen to hold everything; `None` if it never did.
    pub complete_us: Option<i64>,
    /// It lacked something when the wait ended, and rows were still arriving.
    pub still_arriving: bool,
}

impl Store {
    fn exactness(&self) -> Exactness {
        match self {
            Self::Postgres(_) => Exactness::Microseconds,
            Self::Mongo(_) => Exactness::Milliseconds,
        }
    }

    async fn fences_seen(&self, sent: &Tallies) -> Result<usize, VerdictError> {
        match self {
            Self::Postgres(client) => postgres::fences_seen(client, &sent.fences).await,
            Self::Mongo(database) => mongodb::fences_seen(database, &sent.fences).await,
        }
    }

    async fn movement(&self) -> Result<u64, VerdictError> {
        match self {
            Self::Postgres(client) => postgres::movement(client).await,
            Self::Mongo(database) => mongodb::movement(database).await,
        }
    }

    pub async fn holdings(&self, span: Span, sensors: &[String]) -> Result<Holdings, VerdictError> {
        let few = Some(sensors).filter(|sensors| sensors.len() <= FEW_SENSORS);
        match self {
            Self::Postgres(client) => postgres::holdings(client, span, few).await,
            Self::Mongo(database) => mongodb::holdings(database, span, few).await,
        }
    }

    /// Waits for the fences; returns when the last of them was seen.
    pub async fn await_fences(
        &self,
        sent: &Tallies,
        patience: Patience,
        clock: Clock,
    ) -> Result<Option<i64>, VerdictError> {
        let mut moved_us = clock.now_us();
        let mut looked_us = moved_us;
        let mut last = (0, 0);
        loop {
            let asked_us = clock.now_us();
            let seen = self.fences_seen(sent).await?;
            if seen == sent.fences.len() {
                return Ok(Some(asked_us));
            }
            let mut now = (seen, last.1);
            if asked_us - looked_us > MOVEMENT_INTERVAL_US {
                now.1 = self.movement().await?;
                looked_us = clock.now_us();
            }
            if now != last {
                last = now;
                moved_us = clock.now_us();
            }
            let stalled = clock.now_us() - moved_us > patience.stall.as_micros() as i64;
            if stalled || clock.now_us() > patience.deadline_us {
                return Ok(None);
            }
            sleep(pause(clock, asked_us)).await;
        }
    }

    /// Compares until nothing is missing or nothing moves any more. `fenced_us`: what [`Store::await_fences`] said.
    pub async fn settle(
        &self,
        sent: &Tallies,
        span: Span,
        before: &Holdings,
        fenced_us: Option<i64>,
        patience: Patience,
        clock: Clock,
    ) -> Result<Settled, VerdictError> {
        let sensors: Vec<String> = sent.sensors.keys().chain(sent.untimed.keys()).cloned().collect();
        let mut moved_us = clock.now_us();
        let mut last = 0;
        let mut first = true;
        loop {
            let asked_us = clock.now_us();
            let all = self.holdings(span, &sensors).await?;
            let (held, there_before) = judge::since(&all, before, sent, self.exactness());
            let suspects = judge::suspects(sent, &held, self.exactness());
            let total = held.readings() + held.snapshots();
            if total != last {
                last = total;
                moved_us = clock.now_us();
            }
            let short = total < sent.readings() + sent.snapshots();
            let stalled = clock.now_us() - moved_us > patience.stall.as_micros() as i64;
            let still_arriving = short && !stalled;
            if still_arriving && clock.now_us() < patience.deadline_us {
                first = false;
                sleep(pause(clock, asked_us)).await;
                continue;
            }
            let duplicates = match self {
                _ if suspects.is_empty() => std::collections::HashMap::new(),
                Self::Postgres(client) => postgres::duplicates(client, span, &suspects).await?,
                Self::Mongo(database) => mongodb::duplicates(database, span, &suspects).await?,
            };
            let findings = Findings { there_before, ..judge::judge(sent, &held, &duplicates, self.exactness()) };
            let complete = findings.missing == 0 && findings.snapshots_missing == 0;
            let at_us = fenced_us.filter(|_| first).unwrap_or(asked_us);
            return Ok(Settled { findings, complete_us: complete.then_some(at_us), still_arriving });
        }
    }
}

/// Asking takes at most a fifth of the time, so that the waiting does not slow what is waited for.
fn pause(clock: Clock, asked_us: i64) -> Duration {
    let took = Duration::from_micros(u64::try_from(clock.now_us() - asked_us).unwrap_or(0));
    (took * 4).max(POLL_INTERVAL_MIN)
}
