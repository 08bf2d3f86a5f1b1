//! What is waited for, what is taken, and what is told again.

use super::*;
use crate::making::tests::{BEGIN_US, SECOND_US, catalogue, reading, rules, snapshot};
use crate::writing::tests::{Remembering, asked, gap as lacking, routed as routed_event, wanted};
use genims_model::event::{FaultClosed, FaultOpened};
use genims_model::reading::flag;
use genims_stores::routed::gaps::{Facts, fact};
use std::sync::atomic::{AtomicU64, Ordering};

/// What the stream may still bring is not made anew beside it.
#[tokio::test(start_paused = true)]
async fn the_database_must_have_followed_the_stream_as_far_as_its_records_are_stored() {
    let log = Uuid::from_u128(2);
    let needs = async |gap: Gap, needed: u64| {
        let mut target = Remembering { gaps: vec![gap.clone()], ..Remembering::default() };
        is_followed(&mut target, &[gap], async |of| {
            assert_eq!(of, log);
            Ok(needed)
        })
        .await
    };
    let routed = Gap { routed: Some((log, 20)), ..lacking() };
    let followed = Gap { followed: Some((log, 30)), ..routed.clone() };
    needs(followed.clone(), 30).await.unwrap();
    let error = needs(followed, 31).await.unwrap_err();
    assert!(matches!(error, ResyncError::Behind { followed: 30, needed: 31 }), "{error}");
    let error = needs(routed, 31).await.unwrap_err();
    assert!(matches!(error, ResyncError::NotFollowed), "{error}");
}

#[tokio::test]
async fn a_gap_that_is_abandoned_says_what_was_made_for_it() {
    let facts = Facts { made_anew: (1..4).collect(), ..Facts::default() };
    let gaps = [lacking()];
    let mut target = Remembering { gaps: gaps.to_vec(), facts, ..Remembering::default() };
    assert_eq!(abandon(&mut target, &gaps).await.unwrap().made_before, 3);
    assert_eq!(target.closed, [(gaps[0].lost.clone(), 3)]);
}

/// Only then everything is seen that was told when its beginning was not there.
#[tokio::test(start_paused = true)]
async fn ends_are_read_when_the_operations_database_has_what_the_stream_has_told() {
    let log = Uuid::from_u128(2);
    for (grows, reaches) in [(10, Some(40)), (0, None)] {
        let now = AtomicU64::new(20);
        let look = async || Ok(now.fetch_add(grows, Ordering::Relaxed));
        let found = reached(Some((log, 35)), &look, async |moment: &u64, of| {
            assert_eq!(of, log);
            Ok(*moment)
        })
        .await;
        match reaches {
            Some(moment) => assert_eq!(found.unwrap(), moment),
            None => assert!(matches!(found, Err(ResyncError::NotStored { has: 20, needed: 35 })), "{found:?}"),
        }
    }
    assert_eq!(reached(None, &async || Ok(7), async |_: &i32, _| Ok(0)).await.unwrap(), 7);
}

/// What is made anew of these records and faults beside what the stream told.
async fn taken(told: &[Event], records: &[Received], faults: &[StoredFault]) -> Vec<String> {
    let (catalogue, ..) = catalogue();
    let wanted = wanted();
    let asked = asked(&wanted, catalogue.clone());
    let mut target = Remembering { gaps: vec![lacking()], ..Remembering::default() };
    target.facts.stream.extend(told.iter().map(|event| fact(&routed_event(event, &catalogue))));
    let mut writing = Writing::begin(&mut target, &[lacking()], 0..1, &asked).await.unwrap();
    let known = faults.iter().map(|fault| fault.event.clone()).collect();
    let mut maker = Maker::new(catalogue, rules(), known);
    for record in records {
        take(&mut maker, record, 0, &mut writing).await.unwrap();
    }
    let span = BEGIN_US..BEGIN_US + 3_600 * SECOND_US;
    take_lost_faults(&maker, faults, &span, &mut writing).await.unwrap();
    writing.finish_energy();
    writing.write().await.unwrap();
    target.written
}

/// A snapshot that comes again counts nothing, and one whose clock is not believed counts when it is received.
#[tokio::test]
async fn the_register_is_taken_up_where_the_stream_told_of_it_and_nowhere_else() {
    let (_, machine, _) = catalogue();
    let energy = |second: i64| Event::EnergyMetered {
        machine,
        timestamp_us: BEGIN_US + second * SECOND_US,
        kwh: 1.0,
        register_kwh: 1.0,
        interval_us: 60 * SECOND_US,
    };
    let at = |second: i64| snapshot(machine, second, "RUNNING", second as f64, None);
    let changed = |second: i64, timestamp_s: i64, received_s: i64| {
        let Received::Snapshot(mut snapshot) = at(second) else { unreachable!() };
        snapshot.timestamp_us = BEGIN_US + timestamp_s * SECOND_US;
        snapshot.received_us = BEGIN_US + received_s * SECOND_US;
        Received::Snapshot(snapshot)
    };
    let told_of = |written: Vec<String>| {
        let moment = |text: &String| {
            let us: i64 = text.split("timestamp_us: ").nth(1)?.split(',').next()?.parse().ok()?;
            text.contains("EnergyMetered").then_some((us - BEGIN_US) / SECOND_US)
        };
        written.iter().filter_map(moment).collect::<Vec<_>>()
    };
    let mut records: Vec<Received> = (0..25).map(|number| at(number * 10)).collect();
    // The one of second 60 comes again behind that of 150.
    records.insert(16, changed(60, 60, 151));
    assert_eq!(told_of(taken(&[energy(60)], &records, &[]).await), [120, 180, 240]);
    // From second 30 on the clock is a day ahead.
    let ahead = |number: i64| if number < 3 { at(number * 10) } else { changed(number * 10, 86_400, number * 10) };
    let records: Vec<Received> = (0..20).map(ahead).collect();
    assert_eq!(told_of(taken(&[energy(50)], &records, &[]).await), [110, 170]);
}

/// Limits are others by now, so the analysis finds nothing; what it does find is there once.
#[tokio::test]
async fn a_fault_that_has_a_row_is_made_anew_whatever_the_limits_are_by_now() {
    let (_, machine, sensor) = catalogue();
    let start_us = BEGIN_US + 2 * SECOND_US;
    let [fault_code, category, severity] = ["TEMP-1_HIGH", "sensor", "high"].map(str::to_owned);
    let opened = FaultOpened {
        machine,
        fault_code: fault_code.clone(),
        category,
        severity,
        description: String::new(),
        start_us,
        sensor: Some(sensor),
        detection_method: "threshold".to_owned(),
    };
    let (downtime_minutes, production_loss_units) = (None, None);
    let end_us = BEGIN_US + 900 * SECOND_US;
    let closed = FaultClosed { machine, fault_code, start_us, end_us, downtime_minutes, production_loss_units };
    let written_at = |second: i64| {
        let stored = |event| StoredFault { event, written_us: BEGIN_US + second * SECOND_US };
        [stored(Event::FaultOpened(opened.clone())), stored(Event::FaultClosed(closed.clone()))]
    };
    for value in [70.0, 90.0] {
        let records: Vec<Received> = (2..8)
            .map(|second| {
                let Received::Reading(reading) = reading(sensor, second, value) else { unreachable!() };
                Received::Reading(genims_model::Reading { flags: flag::ABOVE_CRITICAL, ..reading })
            })
            .collect();
        let made = taken(&[], &records, &written_at(1_000)).await;
        let count = |kind: &str| made.iter().filter(|text| text.contains(kind)).count();
        assert_eq!((count("FaultOpened"), count("FaultClosed")), (1, 1), "{value}: {made:?}");
    }
    // Told by the stream, or written behind the gap.
    let told = written_at(1_000).map(|fault| fault.event);
    assert!(taken(&told, &[], &written_at(1_000)).await.is_empty());
    assert!(taken(&[], &[], &written_at(4_000)).await.is_empty());
}
