//! What the supervisor shows and does when a loop ends.

use crate::metrics::{SinkMetrics, SinkState};
use crate::supervise::supervise;
use genims_stores::SinkError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[tokio::test(start_paused = true)]
async fn a_loop_that_ends_without_being_asked_is_an_error_and_is_started_again() {
    let metrics = Arc::new(SinkMetrics::default());
    let stop = CancellationToken::new();
    let starts = Arc::new(AtomicU64::new(0));
    let (counted, shown, stopped) = (starts.clone(), metrics.clone(), stop.clone());
    let running = tokio::spawn(async move {
        let start = |stop: CancellationToken| {
            let (start, shown) = (counted.fetch_add(1, Ordering::Relaxed), shown.clone());
            async move {
                if start > 0 {
                    assert_eq!(shown.state(), SinkState::Failed);
                    assert!(!shown.is_connected() && shown.last_error().is_some());
                }
                shown.opened(5);
                match start {
                    0 => return Ok(()),
                    1 => return Err(SinkError::Log("no such file".into())),
                    2 => panic!("a defect"),
                    _ => {}
                }
                stop.cancelled().await;
                Ok(())
            }
        };
        supervise("fake", shown.clone(), start, stopped).await;
    });
    while starts.load(Ordering::Relaxed) < 4 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(metrics.last_error().is_some_and(|error| error.contains("a defect")), "shown until something is committed");
    stop.cancel();
    running.await.expect("no panic");
    assert_eq!(starts.load(Ordering::Relaxed), 4, "a stop is no reason to start again");
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_cannot_run_is_tried_at_a_bounded_rate_and_stops_at_once() {
    let metrics = Arc::new(SinkMetrics::default());
    let stop = CancellationToken::new();
    let starts = Arc::new(AtomicU64::new(0));
    let (counted, shown, stopped) = (starts.clone(), metrics.clone(), stop.clone());
    let running = tokio::spawn(async move {
        let start = |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Err(SinkError::Log("no such file".into())) }
        };
        supervise("fake", shown, start, stopped).await;
    });
    tokio::time::sleep(Duration::from_secs(600)).await;
    let count = starts.load(Ordering::Relaxed);
    assert!((60..200).contains(&count), "{count} starts in ten minutes");
    assert_eq!(metrics.state(), SinkState::Failed);
    stop.cancel();
    running.await.expect("no panic");
}

/// How often a loop that ends like this is started in ten minutes, and how it is shown.
async fn ten_minutes_of(error: fn() -> SinkError) -> (u64, SinkState) {
    let metrics = Arc::new(SinkMetrics::default());
    let stop = CancellationToken::new();
    let starts = Arc::new(AtomicU64::new(0));
    let (counted, shown, stopped) = (starts.clone(), metrics.clone(), stop.clone());
    let running = tokio::spawn(async move {
        let start = |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Err(error()) }
        };
        supervise("fake", shown, start, stopped).await;
    });
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(metrics.last_error(), Some(error().to_string()));
    stop.cancel();
    running.await.expect("no panic");
    (starts.load(Ordering::Relaxed), metrics.state())
}

#[tokio::test(start_paused = true)]
async fn what_only_somebody_can_mend_is_shown_and_not_started_again() {
    let error = || SinkError::NotInHistory { sink: "fake", position: 9, end: 5 };
    assert_eq!(ten_minutes_of(error).await, (1, SinkState::Failed));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_cut_off_is_shown_as_that_while_bringing_it_back_is_tried() {
    let error = || SinkError::CutOff { sink: "fake", position: 5, first: 9 };
    let (starts, state) = ten_minutes_of(error).await;
    assert!(starts > 60 && state == SinkState::CutOff, "{starts} starts, {state:?}");
}
