//! The page of jobs, dead letters, chains and backups without a network: what it shows, of whatever others wrote, who is offered the replay,
//! and what it says while a database is away.

use super::chains::ChainsPart;
use super::page::OperationsPage;
use super::report::{ChainView, ReplayView, TrailView};
use super::sample::{HOSTILE, NOW_MS, SampleOperations, chain};
use super::{NotReplayed, Operations};
use crate::sign::Signed;
use askama::Template;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn sample() -> (Arc<SampleOperations>, Operations) {
    let sample = Arc::new(SampleOperations::default());
    (sample.clone(), Operations::new(sample))
}

async fn page(operations: &Operations, now_ms: i64, may_act: Option<bool>) -> String {
    let signed =
        may_act.map(|may_act| Signed { name: "ada".to_owned(), role: "some", proof: "the-proof".to_owned(), may_act });
    let report = operations.report(now_ms).await;
    OperationsPage::new(&report, "1", signed).render().unwrap()
}

#[track_caller]
fn holds_all(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part} is missing of {page}");
    }
    assert!(!page.contains("<script>alert"), "{page}");
    // Nothing that the policy of the page would refuse, and nothing from elsewhere.
    for refused in [" style=", " onclick=", "http://", "https://", "<style", "<iframe"] {
        assert!(!page.contains(refused), "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_tells_of_jobs_dead_letters_chains_and_backups() {
    let (_, operations) = sample();
    let page = page(&operations, NOW_MS, None).await;
    holds_all(
        &page,
        &[
            "3 jobs, 1 of which failed last; 1500 waiting dead letters; 3 audit chains, 2 of which broken",
            "class=\"verdict bad\"",
            ">succeeded (scheduled)",
            ">failed (scheduled)",
            ">never ran",
            ">11:00:03 UTC<",
            ">4.2 s<",
            ">11:03:33 UTC<",
            ">not run here<",
            "genims_erp_db 10:20:",
            "SELECT &#39;jobs&#39; &#60; 2;",
            "SELECT &#39;letters&#39;",
            "SELECT &#39;trail&#39;",
            ">1 break found",
            "found at yesterday UTC: the head said 9 writes, the trail had 7",
            ">shorter than its head says",
            ">no break found",
            "11:02:28 UTC (no. 9)",
            "genims backup list --from DIR",
            "broken; 1 of 2 databases have no backup that is young enough",
            ">3 h 0 min<td data-label=\"Complete\">4<td data-label=\"Rows\">1\u{a0}234<td data-label=\"Bytes\">2.0 KiB",
            ">1 d 0 h<td data-label=\"Kept\">8 d 0 h<",
            ">One that is newer is none<",
            ">there is none",
            "&#60;script&#62;",
            "data-every=\"5\"",
        ],
    );
    assert!(page.len() < 60_000, "{} bytes", page.len());
}

#[tokio::test(start_paused = true)]
async fn the_replay_is_offered_to_those_alone_who_may() {
    let (_, operations) = sample();
    for may_act in [None, Some(false)] {
        assert!(!page(&operations, NOW_MS, may_act).await.contains("/operations/replay"), "{may_act:?}");
    }
    let offered = page(&operations, NOW_MS, Some(true)).await;
    let button = "<input type=\"hidden\" name=\"proof\" value=\"the-proof\">\
                  <input type=\"hidden\" name=\"reason\" value=\"unknown_sensor\">";
    holds_all(&offered, &["action=\"/operations/replay\"", button, "aria-label=\"Replay unknown_sensor\""]);
    assert!(!offered.contains("Replay of"), "nobody has asked for one");
    operations.begin_replay("unknown_sensor", "ada").unwrap();
    let begun = page(&operations, NOW_MS, Some(true)).await;
    holds_all(&begun, &["Replay of unknown_sensor for ada, begun at 11:02:33 UTC: under way, 0 sent so far"]);
    assert_eq!(operations.begin_replay("busy", "ada"), Err(NotReplayed::Busy));
}

#[tokio::test(start_paused = true)]
async fn what_became_of_a_replay_is_told() {
    let (_, operations) = sample();
    let mut report = operations.report(NOW_MS).await;
    let replay = ReplayView { ended_ms: Some(NOW_MS), stored: 4, asked: 5, left: 2, ..ReplayView::default() };
    report.replay = Some(ReplayView { returned: 1, ..replay });
    let page = OperationsPage::new(&report, "1", None).render().unwrap();
    holds_all(&page, &["verdict warn\" role", "4 of 5 stored, 1 record came back, 2 more wait: replay again"]);
    report.replay = report.replay.map(|replay| ReplayView { error: Some(HOSTILE.to_owned()), ..replay });
    holds_all(&OperationsPage::new(&report, "1", None).render().unwrap(), &["verdict bad\" role", "&#60;script"]);
}

#[tokio::test(start_paused = true)]
async fn all_who_look_share_answers_and_what_is_old_says_so() {
    let (source, operations) = sample();
    for _ in 0..3 {
        page(&operations, NOW_MS, None).await;
    }
    assert_eq!(source.asked.load(Ordering::Relaxed), 3, "jobs, dead letters, trail");
    source.is_away.store(true, Ordering::Relaxed);
    tokio::time::advance(Duration::from_secs(20)).await;
    let old = page(&operations, NOW_MS + 20_000, None).await;
    let told = "Old: no newer answer since 11:02:53 UTC; what is shown is of 11:02:33 UTC: no route to host";
    holds_all(&old, &[told, "or it is old", ">succeeded (scheduled)"]);
    assert_eq!(old.matches(told).count(), 3, "jobs, dead letters, trail");
}

#[test]
fn a_chain_is_good_only_with_a_head_that_it_reaches() {
    let level = |chain: ChainView| {
        let trail = TrailView { items: vec![chain], ..TrailView::default() };
        ChainsPart::new(&trail, NOW_MS).rows[0].level
    };
    assert_eq!([8, 9, 10].map(|head| level(chain("x", 9, head))), ["good", "good", "bad"]);
    assert_eq!(level(ChainView { heads: Vec::new(), ..chain("x", 9, 9) }), "warn");
    assert_eq!(level(ChainView::default()), "plain");
}
