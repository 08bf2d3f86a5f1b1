//! What a batch of the log of events leaves in the bookkeeping of the database that it goes into.
//!
//! In: a batch, and from where the database goes on. Out: the gaps that it tells of, what it tells of besides, when it was received.

use super::{Gap, LostRecords, fact, has_mark};
use crate::batch::{Batch, oldest_received_us};
use genims_model::{Mark, now_us};
use genims_routes::RoutedEvent;
use std::ops::Range;
use uuid::Uuid;

/// See the module's header.
pub(crate) struct Noted {
    pub(crate) log: Uuid,
    pub(crate) offsets: Range<u64>,
    /// The newest of the receipts that its groups say, of events or rows.
    pub(crate) received_us: Option<i64>,
    pub(crate) is_anew: bool,
    /// Eight bytes each, and the numbers of their events likewise.
    pub(crate) facts: Vec<u8>,
    pub(crate) numbers: Vec<u8>,
    pub(crate) gaps: Vec<Gap>,
    /// How far the first log is followed with it.
    pub(crate) followed: Option<(Uuid, u64)>,
}

impl Noted {
    /// `position`: from where the database goes on. One that rows alone are for is told nothing and lacks nothing.
    pub(crate) fn of(log: Uuid, batch: &Batch, position: u64, events: &[RoutedEvent], takes_events: bool) -> Self {
        let events = if takes_events { events } else { &[] };
        let gaps = if takes_events { gaps_of(log, batch, position) } else { Vec::new() };
        Self {
            log,
            offsets: batch.first_offset..batch.next_offset,
            received_us: batch.groups.iter().filter_map(|group| oldest_received_us(group)).max(),
            is_anew: batch.groups.iter().any(|group| has_mark(group, Mark::MADE_ANEW)),
            facts: events.iter().flat_map(|event| fact(event).to_be_bytes()).collect(),
            numbers: events.iter().flat_map(|event| event.log_offset.to_be_bytes()).collect(),
            gaps,
            followed: batch.groups.iter().rev().find_map(|group| routed(&group.marks)),
        }
    }
}

/// What the database lacks of the log when it has the batch, and what the router lacked of the first one.
fn gaps_of(log: Uuid, batch: &Batch, position: u64) -> Vec<Gap> {
    let gap = |lost, received_from_us, received_to_us: Option<i64>, routed| {
        let (noticed_us, followed, closed) = (now_us(), None, None);
        // What nobody says was received before now.
        let received_to_us = received_to_us.unwrap_or(noticed_us);
        Gap { events: log, lost, received_from_us, received_to_us, routed, followed, noticed_us, closed }
    };
    let own = lost_of(batch, position).map(|(offsets, index)| {
        let behind = &batch.groups[index..];
        let received_to_us = behind.iter().find_map(|group| oldest_received_us(group));
        let routed = behind.iter().find_map(|group| routed(&group.marks));
        gap(LostRecords { log, offsets }, None, received_to_us, routed)
    });
    let of_router = batch.groups.iter().flat_map(|group| {
        let behind = routed(&group.marks);
        let told = if behind.is_some() { RouterGap::all_of(&group.marks) } else { Vec::new() };
        told.into_iter().map(move |told| (told, behind))
    });
    let of_router = of_router.map(|(told, behind)| {
        let time = |us: u64| i64::try_from(us).ok().filter(|us| *us > 0);
        let lost = LostRecords { log: told.log, offsets: told.from..told.to };
        gap(lost, time(told.since_us), time(told.until_us), behind)
    });
    own.into_iter().chain(of_router).collect()
}

/// From the first to the last record that the log no longer holds: what was removed before the batch, and what its groups only count,
/// because it was compacted. And the last such group.
fn lost_of(batch: &Batch, position: u64) -> Option<(Range<u64>, usize)> {
    let removed = (position < batch.first_offset).then_some((position..batch.first_offset, 0));
    let counted = batch.groups.iter().enumerate().map(|(index, group)| {
        let end = group.next_offset();
        ((end - group.skipped).max(position)..end, index)
    });
    let counted = counted.filter(|(offsets, _)| !offsets.is_empty());
    removed.into_iter().chain(counted).reduce(|(one, _), (other, index)| (one.start..other.end, index))
}

/// Records of a first log that were gone before the router had read them, as marks of the log of events say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterGap {
    pub log: Uuid,
    pub from: u64,
    pub to: u64,
    /// When what lies before and behind it was received; 0 where that is not known.
    pub since_us: u64,
    pub until_us: u64,
}

impl RouterGap {
    pub fn marks(&self) -> [Mark; 4] {
        let Self { log, from, to, since_us, until_us } = *self;
        [(Mark::GAP_FROM, from), (Mark::GAP_TO, to), (Mark::GAP_SINCE, since_us), (Mark::GAP_UNTIL, until_us)]
            .map(|(name, sequence)| Mark { client: format!("{name}{log}"), sequence })
    }

    /// Those that marks speak of, one a first log.
    pub fn all_of<'a>(marks: impl IntoIterator<Item = &'a Mark, IntoIter: Clone>) -> Vec<Self> {
        let marks = marks.into_iter();
        let value = |name: &str, log: Uuid| {
            let is_it = |mark: &&Mark| mark.client.strip_prefix(name).and_then(|rest| rest.parse().ok()) == Some(log);
            marks.clone().find(is_it).map(|mark| mark.sequence)
        };
        let gap = |mark: &Mark| {
            let log = mark.client.strip_prefix(Mark::GAP_TO)?.parse::<Uuid>().ok()?;
            let [since_us, until_us] = [Mark::GAP_SINCE, Mark::GAP_UNTIL].map(|name| value(name, log).unwrap_or(0));
            Some(Self { log, from: value(Mark::GAP_FROM, log)?, to: mark.sequence, since_us, until_us })
        };
        marks.clone().filter_map(gap).collect()
    }
}

/// How far the first log has been routed, by the marks of a group.
fn routed(marks: &[Mark]) -> Option<(Uuid, u64)> {
    marks.iter().find_map(|mark| {
        let log = mark.client.strip_prefix(Mark::RESERVED)?.parse().ok()?;
        Some((log, mark.sequence))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_model::{Event, Group, Row};
    use std::sync::Arc;

    fn mark(client: &str, sequence: u64) -> Mark {
        Mark { client: client.to_owned(), sequence }
    }

    fn batch(groups: impl IntoIterator<Item = Group>) -> Batch {
        let mut batch = Batch::default();
        groups.into_iter().for_each(|group| batch.push(Arc::new(group)));
        batch
    }

    fn lost() -> Event {
        let (client_id, will_topic, will_payload) = (String::new(), String::new(), Vec::new());
        Event::ClientLost { client_id, timestamp_us: 1, will_topic, will_payload }
    }

    #[test]
    fn a_batch_tells_of_the_gap_before_it_and_of_what_the_router_lacked() {
        let [log, first_log, older_log] = [1, 2, 3].map(Uuid::from_u128);
        let routed = mark(&format!("{}{first_log}", Mark::RESERVED), 900);
        let router_s = RouterGap { log: first_log, from: 100, to: 700, since_us: 5, until_us: 8 };
        let older = RouterGap { log: older_log, since_us: 0, ..router_s };
        let marks = router_s.marks().into_iter().chain(older.marks()).chain([routed.clone()]).collect();
        let group = |first_offset, marks| Group { first_offset, events: vec![lost()], marks, ..Group::default() };
        let told = batch([group(50, vec![mark(Mark::RECEIVED, 40), routed]), group(51, marks)]);
        let noted = Noted::of(log, &told, 20, &[], true);
        assert_eq!((noted.followed, noted.received_us, noted.is_anew), (Some((first_log, 900)), Some(40), false));
        let gaps = noted.gaps;
        assert_eq!((gaps[0].events_lost(), gaps[0].received_to_us), (Some(30), 40));
        assert_eq!(gaps[0].routed, Some((first_log, 900)));
        for (gap, log, since_us) in [(&gaps[1], first_log, Some(5)), (&gaps[2], older_log, None)] {
            assert_eq!((gap.lost.log, gap.lost.offsets.clone(), gap.events_lost()), (log, 100..700, None));
            assert_eq!((gap.received_from_us, gap.received_to_us), (since_us, 8));
            assert_eq!(gap.routed, Some((first_log, 900)));
        }
        assert_eq!(Noted::of(log, &told, 50, &[], true).gaps.len(), 2);
        // Rows alone are for it.
        let noted = Noted::of(log, &told, 20, &[routed_event()], false);
        assert!(noted.gaps.is_empty() && noted.facts.is_empty());
    }

    /// Of a segment that was compacted nothing is left but rows, which say when they were received; they have no marks.
    #[test]
    fn a_batch_tells_of_what_its_groups_only_count() {
        let log = Uuid::from_u128(1);
        let rows = |first_offset, received_us| {
            let row = Row { received_us, ..row() };
            Group { first_offset, rows: vec![row], ..Group::default() }
        };
        let counted = |first_offset, skipped| Group { first_offset, skipped, ..Group::default() };
        let told = batch([counted(10, 20), rows(30, 7), counted(31, 9), rows(40, 8)]);
        let gap_of = |told: &Batch, position| {
            let noted = Noted::of(log, told, position, &[], true);
            let gaps = noted.gaps.into_iter().map(|gap| (gap.lost.offsets, gap.received_to_us)).collect::<Vec<_>>();
            (gaps, noted.received_us)
        };
        assert_eq!(gap_of(&told, 5), (vec![(5..40, 8)], Some(8)));
        assert_eq!(gap_of(&told, 12), (vec![(12..40, 8)], Some(8)));
        assert_eq!(gap_of(&told, 30), (vec![(31..40, 8)], Some(8)));
        assert_eq!(gap_of(&told, 40), (vec![], Some(8)));
        // Nothing says when it was received: the gap ends by now, and nothing is taken for so old.
        let begun_us = now_us();
        let (gaps, received_us) = gap_of(&batch([counted(10, 20)]), 10);
        assert!(gaps[0].1 >= begun_us && received_us.is_none(), "{gaps:?} {received_us:?}");
    }

    /// A database that is behind takes rows without events for as old as they are.
    #[test]
    fn a_batch_of_rows_was_received_when_they_were() {
        let row = Row { received_us: 77, ..row() };
        let told = batch([Group { rows: vec![row], ..Group::default() }]);
        assert_eq!(Noted::of(Uuid::nil(), &told, 0, &[], true).received_us, Some(77));
    }

    fn routed_event() -> RoutedEvent {
        RoutedEvent::parse(r#"{"kind": "state_changed", "machine_id": "M1"}"#).expect("an event")
    }

    fn row() -> Row {
        let [client, database, table, values] = ["", "genims_hr_db", "t", "{}"].map(str::to_owned);
        Row { source: 0, client, received_us: 0, database, table, upsert: false, key: Vec::new(), values }
    }
}
