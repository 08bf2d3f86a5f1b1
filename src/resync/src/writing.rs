//! Events that are made anew, on their way into the database.
//!
//! In: events that may be in a gap, by receipt. Out: those that are, in batches of [`BATCH`] with the position of the log under whose name
//! they are made. A batch and its facts are one transaction (in MongoDB: documents that look before they are written), and the position
//! lets one run at a time write.

use crate::ends::{Ends, Thing};
use crate::energy::Energy;
use crate::request::{Asked, Made, ResyncError};
use genims_model::{Backoff, Event, Group, MachineNo, Mark, Position, now_us};
use genims_routes::RoutedEvent;
use genims_stores::SinkError;
use genims_stores::batch::Batch;
use genims_stores::routed::gaps::{Facts, Gap, Gaps, fact};
use hashbrown::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Events in a batch.
const BATCH: usize = 1_000;
const COMMIT_TIMEOUT: Duration = Duration::from_secs(300);
const ATTEMPTS: u32 = 5;
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Events on their way into the database.
pub(crate) struct Writing<'a, T> {
    target: &'a mut T,
    pub(crate) asked: &'a Asked<'a>,
    pub(crate) facts: Facts,
    start: Position,
    /// Facts of this run.
    now: HashSet<u64>,
    ends: Ends,
    energy: Energy,
    /// Each with whether it is told once more.
    pending: Vec<(Event, bool)>,
    /// The receipt of the newest that waits.
    received_us: Option<i64>,
    pub(crate) made: Made,
}

impl<'a, T: Gaps> Writing<'a, T> {
    /// `kept_us`: receipts whose facts are of use.
    pub(crate) async fn begin(
        target: &'a mut T,
        gaps: &[Gap],
        kept_us: Range<i64>,
        asked: &'a Asked<'a>,
    ) -> Result<Self, ResyncError> {
        let log = gaps.first().map_or_else(Uuid::nil, Gap::made_anew);
        // In this order: what another run writes from now on moves the position, what it has written is among the facts, and these are
        // all there while the gaps are open.
        let start = target.open(&Position::beginning(log), 0).await?;
        let facts = target.facts(gaps, kept_us).await?;
        let known = target.gaps().await?;
        let is_open = |gap: &Gap| known.iter().any(|one| one.lost == gap.lost && one.closed.is_none());
        if !gaps.iter().all(is_open) {
            return Err(ResyncError::Another);
        }
        let (now, ends, energy, pending, made) =
            (HashSet::new(), Ends::default(), Energy::default(), Vec::new(), Made::default());
        Ok(Self { target, asked, facts, start, now, ends, energy, pending, received_us: None, made })
    }

    fn routed(&self, event: &Event) -> Option<RoutedEvent> {
        RoutedEvent::of(Uuid::nil(), 0, event, &self.asked.catalogue)
    }

    /// Whether the stream told of energy at this moment.
    pub(crate) fn told_energy(&self, machine: MachineNo, timestamp_us: i64) -> bool {
        let event = Event::EnergyMetered { machine, timestamp_us, kwh: 0.0, register_kwh: 0.0, interval_us: 0 };
        self.routed(&event).is_some_and(|event| self.facts.stream.contains(&fact(&event)))
    }

    /// The stream told of energy at this moment: what was made anew before it may be in that.
    pub(crate) fn meet_energy(&mut self, machine: MachineNo, timestamp_us: i64) {
        if let Some((event, received_us)) = self.energy.told(machine, timestamp_us) {
            self.enter(event, received_us);
        }
    }

    /// Takes an event that may be in the gap.
    pub(crate) async fn take(&mut self, event: Event, received_us: i64) -> Result<(), ResyncError> {
        let Some(routed) = self.routed(&event) else {
            self.made.unknown += 1;
            return Ok(());
        };
        if self.facts.stream.contains(&fact(&routed)) {
            self.made.by_stream += 1;
            if self.ends.told(&event) {
                self.tell_again(event, received_us);
            }
        } else if let Event::EnergyMetered { machine, timestamp_us, .. } = event {
            if let Some((event, received_us)) = self.energy.made(machine, timestamp_us, (event, received_us)) {
                self.enter(event, received_us);
            }
        } else {
            self.enter(event, received_us);
        }
        if self.pending.len() >= BATCH { self.write().await } else { Ok(()) }
    }

    /// What the stream has not told; nobody may have, or an earlier run.
    fn enter(&mut self, event: Event, received_us: i64) {
        let Some(routed) = self.routed(&event) else { return };
        let fact = fact(&routed);
        if !self.asked.wanted.contains(routed.kind) {
            self.made.not_taken += 1;
        } else if self.facts.made_anew.contains(&fact) {
            self.made.made_before += 1;
            self.ends.made(&event);
        } else if self.now.insert(fact) {
            // Told twice in one message it is one.
            *self.made.by_kind.entry(routed.kind).or_default() += 1;
            self.ends.made(&event);
            self.wait((event, false), received_us);
        }
    }

    /// The stream told it when what it ends was not there.
    pub(crate) fn tell_again(&mut self, event: Event, received_us: i64) {
        let Some(mut routed) = self.routed(&event).filter(|routed| self.asked.wanted.contains(routed.kind)) else {
            return;
        };
        routed.is_again = true;
        let fact = fact(&routed);
        if !self.facts.made_anew.contains(&fact) && self.now.insert(fact) {
            self.made.told_again += 1;
            self.wait((event, true), received_us);
        }
    }

    fn wait(&mut self, event: (Event, bool), received_us: i64) {
        self.received_us = Some(self.received_us.map_or(received_us, |newest_us| newest_us.max(received_us)));
        self.pending.push(event);
    }

    /// How far the stream into the database has come by now.
    pub(crate) async fn followed(&mut self, gaps: &[Gap]) -> Result<Option<(Uuid, u64)>, ResyncError> {
        followed(self.target, gaps).await
    }

    /// What began in the gap and has no end yet.
    pub(crate) fn open(&self) -> Vec<(Thing, Event)> {
        self.ends.open()
    }

    /// Nothing more is taken; what waited for it may have an end that is told again.
    pub(crate) fn finish_energy(&mut self) {
        for (event, received_us) in self.energy.rest() {
            self.enter(event, received_us);
        }
    }

    /// Writes what waits.
    pub(crate) async fn write(&mut self) -> Result<(), ResyncError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        let received_us = self.received_us.take().unwrap_or_else(now_us);
        let mark = |name: &str, sequence| Mark { client: name.to_owned(), sequence };
        let marks = [mark(Mark::RECEIVED, u64::try_from(received_us).unwrap_or_default()), mark(Mark::MADE_ANEW, 1)];
        let mut batch = Batch::default();
        let mut first_offset = self.start.next_offset();
        for run in pending.chunk_by(|one, next| one.1 == next.1) {
            let again = run.iter().any(|(_, is_again)| *is_again).then(|| mark(Mark::TOLD_AGAIN, 1));
            let events: Vec<Event> = run.iter().map(|(event, _)| event.clone()).collect();
            let marks = marks.iter().cloned().chain(again).collect();
            let group = Group { first_offset, events, marks, ..Group::default() };
            first_offset = group.next_offset();
            batch.push(Arc::new(group));
        }
        self.made.refused += self.commit(&batch).await?;
        self.start = self.start.moved_to(batch.next_offset);
        self.made.made += pending.iter().filter(|(_, is_again)| !is_again).count() as u64;
        (self.asked.told)(&self.made);
        Ok(())
    }

    /// Answers how often the database refused an event for good.
    async fn commit(&mut self, batch: &Batch) -> Result<u64, ResyncError> {
        let mut backoff = Backoff::new(Duration::from_secs(1), PAUSE_MAX);
        let mut attempt = 1;
        loop {
            let committed =
                match tokio::time::timeout(COMMIT_TIMEOUT, self.target.commit(batch, batch.first_offset)).await {
                    Ok(committed) => committed,
                    Err(_) => Err(SinkError::TimedOut(COMMIT_TIMEOUT)),
                };
            let error = match committed {
                Ok(committed) => return Ok(committed.refused_uncounted),
                Err(SinkError::PositionMoved { .. }) => return Err(ResyncError::Another),
                Err(error) => error,
            };
            self.target.close();
            if attempt == ATTEMPTS || !error.is_transient() {
                return Err(error.into());
            }
            tokio::time::sleep(backoff.next_delay()).await;
            attempt += 1;
            // The failed attempt may have landed.
            match self.target.open(&self.start, batch.next_offset).await {
                Ok(position) if position.next_offset() == batch.next_offset => {
                    let offsets = batch.first_offset..batch.next_offset;
                    return Ok(self.target.refused(self.start.log(), offsets).await?);
                }
                Ok(position) if position.next_offset() != batch.first_offset => return Err(ResyncError::Another),
                Ok(_) | Err(_) => {}
            }
        }
    }
}

/// How far the database has followed the stream, as the youngest of these gaps says.
pub(crate) async fn followed<T: Gaps>(target: &mut T, gaps: &[Gap]) -> Result<Option<(Uuid, u64)>, ResyncError> {
    let known = target.gaps().await?;
    let own = known.iter().filter(|gap| gaps.iter().any(|one| one.lost == gap.lost));
    Ok(own.filter_map(|gap| gap.followed).next_back())
}

#[cfg(test)]
#[path = "writing_tests.rs"]
pub(crate) mod tests;
