//! A group of gaps is closed.
//!
//! In: gaps, what the stream stored of their time, what the database was told. Out: events on their way into the database
//! ([`crate::writing`]), and closed gaps.
//!
//! - What is made anew is of one moment of the operations database, and the database has followed the stream as far as that: what of it
//!   the database was not told is in a gap, and nothing of it comes yet.
//! - In the gap is what was received in its [`crate::span`], and is no fact that the database was told: by the stream or, in an earlier
//!   run, anew.
//! - The analysis sees what came before the gap first: the latest readings of each sensor, [`SNAPSHOTS_US`] of snapshots.
//! - What ends something before that is there finds nothing to end. It is read from a later moment of the operations database, which has
//!   all that the database was told by then; what ends it later finds it.

use crate::ends::Thing;
use crate::making::Maker;
use crate::request::{Asked, Made, ResyncError};
use crate::span::{around, begins_us, ends_us, hull, shares, span, told_of};
use crate::writing::{Writing, followed};
use genims_model::Event;
use genims_stores::postgres::received::{Receipts, ReceiptsSince, Received};
use genims_stores::postgres::stored::{Stored, StoredFault};
use genims_stores::routed::gaps::{Gap, Gaps};
use std::ops::Range;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// So long before the gap the analysis of machines begins; an hour of one is summed from its beginning.
const SNAPSHOTS_US: i64 = 3_900_000_000;
/// How long the stream may take to bring what the operations database has already. A follower looks every two seconds.
const FOLLOW_WAIT: Duration = Duration::from_secs(120);
const FOLLOW_EVERY: Duration = Duration::from_millis(500);
const FROM_READINGS: [&str; 6] =
    ["fault_opened", "fault_closed", "limit_crossed", "limit_left", "anomaly_seen", "quality_measured"];
const FROM_SNAPSHOTS: [&str; 8] = [
    "fault_opened",
    "fault_closed",
    "state_changed",
    "parts_counted",
    "oee_hour",
    "energy_metered",
    "tool_changed",
    "operator_changed",
];
const FROM_HEALTH: [&str; 1] = ["sensor_health"];

/// Makes anew what a group of gaps lacks, and closes it. `look` begins another moment of the operations database.
pub async fn close<T: Gaps>(
    target: &mut T,
    look: &impl AsyncFn() -> Result<Stored, ResyncError>,
    gaps: &[Gap],
    asked: &Asked<'_>,
) -> Result<Made, ResyncError> {
    let gap = &hull(gaps);
    let stored = look().await?;
    is_stored(&stored, gap).await?;
    is_followed(target, gaps, async |log| position(&stored, log).await).await?;
    let span = span(gap, asked.since_us)?;
    let mut writing = Writing::begin(target, gaps, around(&span), asked).await?;
    let span = told_of(span, gap, &writing.facts);
    make(&stored, span.clone(), &mut writing).await?;
    writing.write().await?;
    drop(stored);
    if !writing.open().is_empty() {
        tell_ends_again(look, span.start, gaps, &mut writing).await?;
        writing.write().await?;
    }
    let made = std::mem::take(&mut writing.made);
    // A session ends that is not used for a while, and there may have been nothing to write.
    target.close();
    for (gap, share) in gaps.iter().zip(shares(gaps, &made)) {
        target.close_gap(gap, share).await?;
    }
    Ok(made)
}

/// Closes a group of gaps as it is; how many events earlier runs made for it.
pub async fn abandon<T: Gaps>(target: &mut T, gaps: &[Gap]) -> Result<Made, ResyncError> {
    let gap = hull(gaps);
    let facts = target.facts(gaps, around(&(begins_us(&gap)..ends_us(&gap)))).await?;
    let made = Made { made_before: facts.made_anew.len() as u64, ..Made::default() };
    for (gap, share) in gaps.iter().zip(shares(gaps, &made)) {
        target.close_gap(gap, share).await?;
    }
    Ok(made)
}

/// Sees what was stored of the time before, then takes what the time of the gap tells of.
async fn make<T: Gaps>(stored: &Stored, span: Range<i64>, writing: &mut Writing<'_, T>) -> Result<(), ResyncError> {
    let asked = writing.asked;
    let faults = stored.faults_and_open_ones(span.start.saturating_sub(SNAPSHOTS_US)).await?;
    let known = faults.iter().map(|fault| fault.event.clone()).collect();
    let mut maker = Maker::new(asked.catalogue.clone(), asked.rules, known);
    if asked.takes(&FROM_SNAPSHOTS) {
        for snapshot in stored.snapshots_before(span.start.saturating_sub(SNAPSHOTS_US)).await? {
            maker.see(&Received::Snapshot(Box::new(snapshot)), &mut Vec::new());
        }
    }
    if asked.takes(&FROM_READINGS) {
        let mut newest = stored.newest_before(span.start, asked.rules.skew_us_max);
        loop {
            let readings = newest.next(stored).await?;
            if readings.is_empty() {
                break;
            }
            readings.iter().for_each(|reading| maker.recall(reading));
        }
    }
    let mut receipts = Receipts::of(stored, asked.since(&span), span.end, asked.rules.skew_us_max);
    let mut is_inside = false;
    while let Some(received) = receipts.next().await? {
        if !is_inside && received.received_us() >= span.start {
            maker.pass(span.start);
            is_inside = true;
        }
        take(&mut maker, &received, span.start, writing).await?;
    }
    take_lost_faults(&maker, &faults, &span, writing).await?;
    writing.finish_energy();
    writing.made.unknown += receipts.unknown;
    Ok(())
}

/// Takes what a record tells of, where it was received in the gap's time.
async fn take<T: Gaps>(
    maker: &mut Maker,
    received: &Received,
    from_us: i64,
    writing: &mut Writing<'_, T>,
) -> Result<(), ResyncError> {
    let mut events = Vec::new();
    let counts_us = maker.see(received, &mut events);
    if let (Received::Snapshot(snapshot), Some(counts_us)) = (received, counts_us)
        && writing.told_energy(snapshot.machine, counts_us)
    {
        maker.take_up_energy(snapshot, counts_us);
        writing.meet_energy(snapshot.machine, counts_us);
    }
    let received_us = received.received_us();
    for event in events.into_iter().filter(|_| received_us >= from_us) {
        writing.take(event, received_us).await?;
    }
    Ok(())
}

/// Takes the beginnings and ends of faults that the analysis did not find again. When they were received is not known, but not after they
/// were written.
async fn take_lost_faults<T: Gaps>(
    maker: &Maker,
    faults: &[StoredFault],
    span: &Range<i64>,
    writing: &mut Writing<'_, T>,
) -> Result<(), ResyncError> {
    for StoredFault { event, written_us } in faults.iter().filter(|fault| !maker.has_found(&fault.event)) {
        let at_us = match event {
            Event::FaultOpened(fault) => fault.start_us,
            Event::FaultClosed(fault) => fault.end_us,
            _ => continue,
        };
        if span.contains(&at_us) && *written_us < span.end {
            writing.take(event.clone(), at_us).await?;
        }
    }
    Ok(())
}

/// What was made anew and has ended since: the end was told when it found nothing. Up to where another gap may lack the end itself.
async fn tell_ends_again<T: Gaps>(
    look: &impl AsyncFn() -> Result<Stored, ResyncError>,
    from_us: i64,
    gaps: &[Gap],
    writing: &mut Writing<'_, T>,
) -> Result<(), ResyncError> {
    let needed = writing.followed(gaps).await?;
    let stored = reached(needed, look, async |stored, log| position(stored, log).await).await?;
    let faults = stored.faults_and_open_ones(from_us.saturating_sub(SNAPSHOTS_US)).await?;
    let asked = writing.asked;
    let named = |machine| asked.catalogue.machine(machine).map(|entry| entry.machine.machine_id.clone());
    for (thing, begun) in writing.open() {
        let end = match (thing, begun) {
            (Thing::Fault(machine, code, start_us), _) => {
                let is_its = |event: &&Event| match event {
                    Event::FaultClosed(end) => {
                        (end.machine, end.start_us) == (machine, start_us) && end.fault_code == code
                    }
                    _ => false,
                };
                let end = faults.iter().map(|fault| &fault.event).find(is_its).cloned();
                end.map(|end| (if let Event::FaultClosed(end) = &end { end.end_us } else { start_us }, end))
            }
            (Thing::Tool(machine), Event::ToolChanged { timestamp_us, to: from, .. }) => {
                let Some(id) = named(machine) else { continue };
                let next = stored.next_tool(&id, timestamp_us, from).await?;
                next.map(|(at_us, to)| (at_us, Event::ToolChanged { machine, timestamp_us: at_us, from, to }))
            }
            (Thing::Operator(machine), Event::OperatorChanged { timestamp_us, to: from, .. }) => {
                let Some(id) = named(machine) else { continue };
                let next = stored.next_operator(&id, timestamp_us, &from).await?;
                next.map(|(at_us, to, shift_id)| {
                    (at_us, Event::OperatorChanged { machine, timestamp_us: at_us, from, to, shift_id })
                })
            }
            _ => None,
        };
        if let Some((at_us, end)) = end.filter(|(at_us, _)| *at_us < asked.until_us) {
            writing.tell_again(end, at_us);
        }
    }
    Ok(())
}

/// Waits until the database has followed the stream as far as the operations database has. `needed`: how far that has which log.
async fn is_followed<T: Gaps>(
    target: &mut T,
    gaps: &[Gap],
    needed: impl AsyncFn(Uuid) -> Result<u64, ResyncError>,
) -> Result<(), ResyncError> {
    let deadline = Instant::now() + FOLLOW_WAIT;
    loop {
        let followed = followed(target, gaps).await?;
        let needed = match followed.or(gaps.iter().find_map(|gap| gap.routed)) {
            Some((log, _)) => needed(log).await?,
            None => 0,
        };
        let followed = followed.map_or(0, |(_, offset)| offset);
        if followed > 0 && followed >= needed {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(if followed == 0 {
                ResyncError::NotFollowed
            } else {
                ResyncError::Behind { followed, needed }
            });
        }
        tokio::time::sleep(FOLLOW_EVERY).await;
    }
}

/// The first moment that has everything below this offset of a log.
async fn reached<S>(
    needed: Option<(Uuid, u64)>,
    look: &impl AsyncFn() -> Result<S, ResyncError>,
    position: impl AsyncFn(&S, Uuid) -> Result<u64, ResyncError>,
) -> Result<S, ResyncError> {
    let deadline = Instant::now() + FOLLOW_WAIT;
    loop {
        let moment = look().await?;
        let Some((log, needed)) = needed else { return Ok(moment) };
        let has = position(&moment, log).await?;
        if has >= needed {
            return Ok(moment);
        }
        if Instant::now() >= deadline {
            return Err(ResyncError::NotStored { has, needed });
        }
        drop(moment);
        tokio::time::sleep(FOLLOW_EVERY).await;
    }
}

async fn position(stored: &Stored, log: Uuid) -> Result<u64, ResyncError> {
    Ok(stored.position(log).await?.map_or(0, |position| position.next_offset()))
}

/// Whether the operations database has everything of the gap: of one that was compacted it is not known how far that is, but not as far as
/// the database has followed since.
async fn is_stored(stored: &Stored, gap: &Gap) -> Result<(), ResyncError> {
    let Some((log, needed)) = gap.routed.or(gap.followed) else { return Ok(()) };
    let has = position(stored, log).await?;
    if has < needed { Err(ResyncError::NotStored { has, needed }) } else { Ok(()) }
}

impl Asked<'_> {
    fn takes(&self, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| self.wanted.contains(*kind))
    }

    fn since(&self, span: &Range<i64>) -> ReceiptsSince {
        let since = |kinds: &[&str], before_us| self.takes(kinds).then(|| span.start.saturating_sub(before_us));
        ReceiptsSince {
            readings_us: since(&FROM_READINGS, 0),
            snapshots_us: since(&FROM_SNAPSHOTS, SNAPSHOTS_US),
            health_us: since(&FROM_HEALTH, 0),
        }
    }
}

#[cfg(test)]
#[path = "closing_tests.rs"]
mod tests;
