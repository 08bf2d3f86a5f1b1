//! Each event once, whatever a commit meets; what a database was told is left out.

use super::*;
use crate::making::tests::rules;
use genims_model::event::FaultClosed;
use genims_stores::routed::gaps::{Closed, LostRecords};
use genims_stores::target::{Committed, Target};
use std::collections::{BTreeMap, BTreeSet};

/// What an attempt to commit meets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fate {
    /// It lands, and the answer is lost.
    Lost,
    Fails,
    /// Somebody else has written.
    Moved,
}

/// A database in memory.
#[derive(Default)]
pub(crate) struct Remembering {
    pub(crate) position: u64,
    pub(crate) written: Vec<String>,
    pub(crate) fates: Vec<Fate>,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) facts: Facts,
    pub(crate) closed: Vec<(LostRecords, u64)>,
    /// Between its facts and its gaps being asked for another run closes them.
    pub(crate) is_closed_meanwhile: bool,
}

impl Target for Remembering {
    fn name(&self) -> &'static str {
        "remembering"
    }

    async fn open(&mut self, start: &Position, _: u64) -> Result<Position, SinkError> {
        Ok(start.moved_to(self.position))
    }

    fn close(&mut self) {}

    async fn commit(&mut self, batch: &Batch, position: u64) -> Result<Committed, SinkError> {
        let fate = self.fates.pop();
        if fate == Some(Fate::Moved) {
            self.position += 1;
        }
        if position != self.position {
            return Err(SinkError::PositionMoved { expected: position });
        }
        if fate != Some(Fate::Fails) {
            for group in &batch.groups {
                let is_again = group.marks.iter().any(|mark| mark.client == Mark::TOLD_AGAIN);
                let told = if is_again { "again" } else { "anew" };
                let events = (group.first_event_offset()..).zip(&group.events);
                self.written.extend(events.map(|(offset, event)| format!("{offset} {told} {event:?}")));
            }
            self.position = batch.next_offset;
        }
        if fate.is_some() {
            return Err(SinkError::StillRunning);
        }
        let refused_uncounted = u64::from((batch.first_offset..batch.next_offset).contains(&REFUSED));
        Ok(Committed { refused_uncounted, ..Committed::default() })
    }

    async fn recall(&mut self, _: &Batch) -> Result<Committed, SinkError> {
        Ok(Committed::default())
    }
}

impl Gaps for Remembering {
    async fn gaps(&mut self) -> Result<Vec<Gap>, SinkError> {
        Ok(self.gaps.clone())
    }

    async fn facts(&mut self, _: &[Gap], _: Range<i64>) -> Result<Facts, SinkError> {
        if self.is_closed_meanwhile {
            self.gaps.iter_mut().for_each(|gap| gap.closed = Some(Closed { at_us: 1, made: 1 }));
        }
        Ok(self.facts.clone())
    }

    async fn refused(&mut self, _: Uuid, offsets: Range<u64>) -> Result<u64, SinkError> {
        Ok(u64::from(offsets.contains(&REFUSED)))
    }

    async fn close_gap(&mut self, gap: &Gap, made: u64) -> Result<(), SinkError> {
        self.closed.push((gap.lost.clone(), made));
        Ok(())
    }
}

/// The number under which it refuses an event.
const REFUSED: u64 = 1_700;

pub(crate) fn gap() -> Gap {
    let events = Uuid::from_u128(1);
    let lost = LostRecords { log: events, offsets: 10..20 };
    Gap {
        events,
        lost,
        received_from_us: Some(0),
        received_to_us: 9,
        routed: None,
        followed: None,
        noticed_us: 0,
        closed: None,
    }
}

fn state(second: i64) -> Event {
    Event::StateChanged {
        machine: MachineNo(0),
        timestamp_us: second * 1_000_000,
        from: String::new(),
        to: "IDLE".to_owned(),
        lasted_us: None,
    }
}

fn fault() -> [Event; 2] {
    let (machine, fault_code, start_us) = (MachineNo(0), "E-1".to_owned(), 5);
    let [category, severity, description, detection_method] = ["control", "high", "", "plc"].map(str::to_owned);
    let opened = genims_model::event::FaultOpened {
        machine,
        fault_code: fault_code.clone(),
        category,
        severity,
        description,
        start_us,
        sensor: None,
        detection_method,
    };
    let (downtime_minutes, production_loss_units) = (None, None);
    let closed = FaultClosed { machine, fault_code, start_us, end_us: 9, downtime_minutes, production_loss_units };
    [Event::FaultOpened(opened), Event::FaultClosed(closed)]
}

fn machine() -> genims_catalogue::Machine {
    genims_catalogue::Machine {
        machine_id: "M1".to_owned(),
        line_id: "L1".to_owned(),
        factory_id: "F1".to_owned(),
        machine_code: None,
        machine_type: None,
        design_capacity_units_per_hour: None,
        active: true,
    }
}

/// The kinds that the database's routes take.
pub(crate) fn wanted() -> BTreeSet<String> {
    BTreeSet::from(["state_changed", "fault_opened", "fault_closed", "energy_metered"].map(str::to_owned))
}

pub(crate) fn asked(wanted: &BTreeSet<String>, catalogue: Arc<genims_catalogue::Catalogue>) -> Asked<'_> {
    Asked { since_us: None, until_us: i64::MAX, wanted, rules: rules(), catalogue, told: &|_| {} }
}

async fn written(target: &mut Remembering, seconds: Range<i64>, told: &[i64]) -> Result<Made, ResyncError> {
    let mut catalogue = genims_catalogue::Catalogue::default();
    catalogue.put_machine(machine());
    let wanted = wanted();
    let asked = asked(&wanted, Arc::new(catalogue));
    target.gaps = vec![gap()];
    let mut writing = Writing::begin(target, &[gap()], 0..1, &asked).await?;
    // An end that came behind the gap, of a fault that began in it.
    let [opened, closed] = fault();
    for event in told.iter().map(|second| state(*second)).chain([closed.clone(), energy(150)]) {
        let told = writing.routed(&event).unwrap();
        writing.facts.stream.insert(fact(&told));
    }
    writing.take(opened, 0).await?;
    for second in seconds {
        writing.take(state(second), second).await?;
        // Seen twice, it is one event.
        writing.take(state(second), second).await?;
    }
    writing.take(closed.clone(), 9).await?;
    writing.take(closed, 9).await?;
    // The stream's minute ended within the second of these.
    writing.take(energy(60), 60).await?;
    writing.take(energy(120), 120).await?;
    assert!(writing.told_energy(MachineNo(0), 150_000_000) && !writing.told_energy(MachineNo(0), 120_000_000));
    writing.meet_energy(MachineNo(0), 150_000_000);
    writing.take(energy(210), 210).await?;
    writing.finish_energy();
    writing.write().await?;
    Ok(writing.made)
}

fn energy(second: i64) -> Event {
    let (machine, timestamp_us) = (MachineNo(0), second * 1_000_000);
    Event::EnergyMetered { machine, timestamp_us, kwh: 1.0, register_kwh: 0.0, interval_us: 60_000_000 }
}

#[tokio::test(start_paused = true)]
async fn each_event_is_written_once_whatever_fails_and_what_was_told_is_not() {
    use Fate::{Fails, Lost};
    for fates in
        [vec![], vec![Fails], vec![Lost], vec![Lost; 3], vec![Lost, Fails, Lost], vec![Fails, Fails, Lost, Fails]]
    {
        let mut target = Remembering { fates: fates.clone(), ..Remembering::default() };
        let made = written(&mut target, 0..2_500, &[3, 2_400]).await.unwrap();
        assert_eq!((made.made, made.by_stream, made.made_before, made.told_again), (2_501, 6, 0, 1));
        // Also where the answer that said so was lost.
        assert_eq!(made.refused, 1, "{fates:?}");
        let kinds = [("energy_metered", 2), ("fault_opened", 1), ("state_changed", 2_498)];
        assert_eq!(made.by_kind, BTreeMap::from(kinds));
        let offsets: BTreeSet<&str> = target.written.iter().filter_map(|text| text.split(' ').next()).collect();
        assert_eq!((target.written.len(), offsets.len()), (2_502, 2_502));
        let again: Vec<&String> = target.written.iter().filter(|text| text.contains(" again ")).collect();
        assert!(again.len() == 1 && again[0].contains("FaultClosed"), "{again:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_run_finds_all_of_it_made_whatever_else_it_makes() {
    let mut target = Remembering::default();
    let mut catalogue = genims_catalogue::Catalogue::default();
    written(&mut target, 0..10, &[]).await.unwrap();
    let first = target.written.len();
    // What the first has left among the facts.
    catalogue.put_machine(machine());
    let mut facts = Facts::default();
    let [opened, mut closed] = [fault()[0].clone(), fault()[1].clone()].map(|event| routed(&event, &catalogue));
    closed.is_again = true;
    let others = (0..10).map(state).chain([energy(60), energy(210)]).map(|event| routed(&event, &catalogue));
    facts.made_anew.extend(others.chain([opened, closed]).map(|event| fact(&event)));
    target.facts = facts;
    let made = written(&mut target, 0..12, &[]).await.unwrap();
    assert_eq!((made.made, made.made_before, made.told_again), (2, 23, 0), "{made:?}");
    assert_eq!(target.written.len(), first + 2);
}

pub(crate) fn routed(event: &Event, catalogue: &genims_catalogue::Catalogue) -> RoutedEvent {
    RoutedEvent::of(Uuid::nil(), 0, event, catalogue).expect("a known machine")
}

#[tokio::test(start_paused = true)]
async fn a_database_that_stays_away_and_a_second_writer_end_it() {
    let mut target = Remembering { fates: vec![Fate::Fails; ATTEMPTS as usize], ..Remembering::default() };
    assert!(matches!(written(&mut target, 0..3, &[]).await, Err(ResyncError::Sink(_))));
    let mut target = Remembering { fates: vec![Fate::Moved], ..Remembering::default() };
    assert!(matches!(written(&mut target, 0..3, &[]).await, Err(ResyncError::Another)));
    assert!(target.written.is_empty());
}

/// Its facts may be gone with it.
#[tokio::test]
async fn a_gap_that_another_run_closes_meanwhile_is_left_alone() {
    let mut target = Remembering { is_closed_meanwhile: true, ..Remembering::default() };
    assert!(matches!(written(&mut target, 0..3, &[]).await, Err(ResyncError::Another)));
    assert!(target.written.is_empty());
}
