//! Pages and API of plants without a network: what they show, of whatever others wrote, and what they say where nothing is known.

use super::list_page::PlantsPage;
use super::machine_page::MachinePage;
use super::report::ChartSpan;
use super::sample::{HOSTILE, SamplePlants};
use super::{MACHINES_MAX, Plants, SENSORS_MAX, last_finished_hour};
use crate::http;
use crate::operations::SampleOperations;
use crate::report::{Observe, ServerReport};
use crate::sign::Doorway;
use crate::talkers::TalkersReport;
use crate::window::Window;
use askama::Template;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// 2026-11-30 11:02:33 UTC.
const NOW_MS: i64 = 1_796_036_553_000;
const LATER_MS: i64 = NOW_MS + 20_000;
/// What the pages are drawn with.
const ASSETS: usize =
    include_str!("../../assets/window.css").len() + include_str!("../../assets/window.js").len() + 2_000;
const BYTES_MAX: usize = 120 * 1024;

/// Counts how often it looked at each client.
#[derive(Default)]
struct Nobody(AtomicUsize);

impl Observe for Nobody {
    fn report(&self) -> ServerReport {
        ServerReport { version: "1".into(), ready: true, ..ServerReport::default() }
    }

    fn talkers(&self) -> TalkersReport {
        self.0.fetch_add(1, Ordering::Relaxed);
        TalkersReport::default()
    }
}

async fn list(plants: &Plants, factory: Option<&str>, offset: usize, now_ms: i64) -> String {
    let view = plants.machines(factory, (offset, MACHINES_MAX), now_ms).await.unwrap();
    PlantsPage::new(&view, factory, "1", None).render().unwrap()
}

async fn one(plants: &Plants, machine: &str, span: ChartSpan, offset: usize) -> String {
    let detail = plants.machine(machine, NOW_MS).await.unwrap();
    let readings = plants.readings(machine, span, offset, NOW_MS).await.unwrap();
    MachinePage::new(&detail, &readings, "1", None).render().unwrap()
}

fn sample(machines: usize, sensors: usize) -> (Arc<SamplePlants>, Plants) {
    let sample = Arc::new(SamplePlants::new(machines, sensors));
    (sample.clone(), Plants::new(sample))
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

/// The row of a machine.
#[track_caller]
fn row<'a>(page: &'a str, machine: &str) -> &'a str {
    let at = page.find(&format!("\">{machine}</a>")).expect(machine);
    let from = page[..at].rfind("<tr").unwrap();
    &page[from..from + page[from..].find("</tr>").unwrap()]
}

#[tokio::test(start_paused = true)]
async fn each_machine_has_its_state_since_when_its_fault_its_oee_and_its_age() {
    let (_, plants) = sample(20, 8);
    let page = list(&plants, None, 0, NOW_MS).await;
    holds_all(
        &page,
        &[
            "FAC-01, line LINE-00",
            "FAC 02&#38;, line LINE-01",
            "href=\"/plants?factory=FAC%2002%26\"",
            "OEE of 10:00 UTC",
            "20 machines: 14 running, 2 with a fault, 4 of which nothing new comes",
            "SELECT &#39;states&#39; &#60; 2;",
            "SELECT &#39;oee&#39;",
            "&#60;script&#62;",
            "data-every=\"5\"",
            "load it again",
        ],
    );
    let row = |machine| row(&page, machine);
    for part in ["class=\"bad\"", ">FAULT<", ">3 min 20 s<", ">E0 and 2 more<", ">72 %<", ">2.0 s"] {
        assert!(row("MCH-0000").contains(part), "{part} is missing of {}", row("MCH-0000"));
    }
    assert!(row("MCH-0001").contains("class=\"warn\"") && row("MCH-0001").contains(">old: 10 min 0 s"));
    assert!(row("MCH-0002").contains("class=\"warn\"") && !row("MCH-0002").contains('%'), "{}", row("MCH-0002"));
    assert!(row("MCH-0004").contains("class=\"good\"") && row("MCH-0004").contains(">over 3 min 20 s<"));
    let some = list(&plants, Some("FAC 02&"), 0, NOW_MS).await;
    assert!(
        some.contains(">MCH-0010<") && !some.contains(">MCH-0009<") && some.contains("aria-current=\"page\">FAC 02")
    );
}

#[tokio::test(start_paused = true)]
async fn a_plant_of_any_size_comes_in_small_pages() {
    let (_, plants) = sample(500, 8);
    let pages = [0, 200, 400].map(|offset| list(&plants, None, offset, NOW_MS));
    let [first, second, third] = futures_util::future::join_all(pages).await.try_into().unwrap();
    for page in [&first, &second, &third] {
        assert!(page.len() + ASSETS < BYTES_MAX, "{} bytes", page.len() + ASSETS);
    }
    assert!(
        first.contains("<a href=\"/plants?offset=200\">machines 201 to 400 of 500</a>") && !first.contains("offset=0")
    );
    assert!(
        second.contains("/plants?offset=0\">machines 1 to 200 of")
            && second.contains("offset=400\">machines 401 to 500")
    );
    assert!(third.contains(">MCH-0499<") && !third.contains("offset=600") && third.contains("offset=200"));
    let half = list(&plants, Some("FAC-01"), 0, NOW_MS).await;
    assert!(
        half.contains("<a href=\"/plants?factory=FAC-01&#38;offset=200\">machines 201 to 250 of 250</a>"),
        "{half}"
    );
    list(&plants, None, usize::MAX, NOW_MS).await;
}

#[tokio::test(start_paused = true)]
async fn the_verdict_of_a_part_says_of_which_part_it_speaks_and_is_never_green() {
    let (_, plants) = sample(201, 1);
    // A machine that runs, and in another part one with a fault.
    let view = plants.machines(None, (3, 1), NOW_MS).await.unwrap();
    let page = PlantsPage::new(&view, None, "1", None).render().unwrap();
    holds_all(&page, &["class=\"verdict plain\"", "Machines 4 to 4 of 201: 1 running, 0 with a fault"]);
    holds_all(
        &list(&plants, None, 0, NOW_MS).await,
        &["class=\"verdict warn\"", "Machines 1 to 200 of 201: 140 running"],
    );
    holds_all(
        &list(&plants, None, 999, NOW_MS).await,
        &["class=\"verdict plain\"", "None of the 201 machines is on this page"],
    );
}

#[tokio::test(start_paused = true)]
async fn a_machine_shows_its_sensors_with_thresholds_faults_and_doubts() {
    let (_, plants) = sample(20, 14);
    let page = one(&plants, "MCH-0000", ChartSpan::Hour, 0).await;
    assert!(page.len() + ASSETS < BYTES_MAX, "{} bytes", page.len() + ASSETS);
    holds_all(
        &page,
        &[
            "FAULT, with fault E0",
            "since 10:59:13 UTC",
            "high, since 11:01:03 UTC",
            "hour from 10:00 UTC",
            "availability 90 % x performance 80 % x quality 100 %",
            "91.25 C",
            "quality uncertain, critical, unusual",
            "TEMP-0 in C over 1h: last 91.25, from 30 to 162, mean ",
            "warning above 80; critical above 90; fault E7 at 11:01:36 UTC; fault THRESHOLD at",
            "150 of 600 readings of doubtful quality",
            "aria-current=\"page\">1h<",
            "href=\"/machines/MCH-0000?span=1h&#38;offset=12\">sensors 13 to 14 of 14</a>",
            "href=\"/api/v1/machines/MCH-0000/readings?span=1h&#38;offset=0\"",
            "SELECT &#39;readings&#39;",
            "role=\"img\"",
            "class=\"limit critical\"",
            "class=\"band\"",
            ">E7</text>",
        ],
    );
    assert_eq!(page.matches("<svg class=\"chart\"").count(), SENSORS_MAX);
    // The fault of one sensor is on its plot alone, the controller's on all.
    assert_eq!(page.matches("<rect class=\"fault\"").count(), SENSORS_MAX + 1);
    let rest = one(&plants, "MCH-0000", ChartSpan::Hour, 12).await;
    assert!(rest.matches("<svg class=\"chart\"").count() == 2 && rest.contains("sensors 1 to 12 of 14"));
    let old = one(&plants, "MCH-0001", ChartSpan::Day, 0).await;
    assert!(old.contains("Old: nothing came for five minutes or longer") && old.contains(">10 min 0 s<"), "{old}");
    let bare = one(&sample(20, 0).1, "MCH-0002", ChartSpan::TenMinutes, 0).await;
    assert!(bare.contains("no state known") && bare.contains("has no active sensors here"), "{bare}");
}

#[tokio::test(start_paused = true)]
async fn all_who_look_share_an_answer_and_a_database_that_is_away_is_told_with_since_when() {
    let (source, plants) = sample(20, 8);
    for _ in 0..3 {
        list(&plants, None, 0, NOW_MS).await;
    }
    assert_eq!(source.asked.load(Ordering::Relaxed), 2, "states, and OEE");
    tokio::time::advance(Duration::from_secs(3)).await;
    source.is_away.store(true, Ordering::Relaxed);
    let page = list(&plants, None, 0, LATER_MS).await;
    let told = "Old: no newer answer since 11:02:53 UTC; what is shown is of 11:02:33 UTC: no route to host";
    holds_all(&page, &[told, "class=\"verdict bad\"", ">FAULT<"]);
    let machine = one(&plants, "MCH-0005", ChartSpan::Day, 0).await;
    holds_all(&machine, &["Old: no newer answer since 11:02:33 UTC; nothing is known yet", "TEMP-0", "above 80"]);
    let asked = source.asked.load(Ordering::Relaxed);
    list(&plants, None, 0, LATER_MS).await;
    assert_eq!(source.asked.load(Ordering::Relaxed), asked, "one that is away rests, too");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_an_oee_that_takes_long_and_it_is_computed_once() {
    let source = Arc::new(SamplePlants { oee_takes_s: 30, ..SamplePlants::new(20, 8) });
    let plants = Plants::new(source.clone());
    for _ in 0..3 {
        let began = tokio::time::Instant::now();
        let page = list(&plants, None, 0, NOW_MS).await;
        assert!(began.elapsed() < Duration::from_millis(200), "{:?}", began.elapsed());
        holds_all(&page, &["OEE is not known: it is being computed", ">RUNNING<"]);
    }
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(list(&plants, None, 0, NOW_MS).await.contains(">72 %<"));
    assert_eq!(source.asked.load(Ordering::Relaxed), 3, "states twice, OEE once");
}

#[tokio::test(start_paused = true)]
async fn a_server_without_postgresql_says_so_and_asks_nothing() {
    let source = Arc::new(SamplePlants { is_followed: false, ..SamplePlants::new(20, 8) });
    let plants = Plants::new(source.clone());
    let pages = [list(&plants, None, 0, NOW_MS).await, one(&plants, "MCH-0000", ChartSpan::Day, 0).await];
    for page in pages {
        holds_all(&page, &["This server writes to no PostgreSQL"]);
    }
    assert_eq!(source.asked.load(Ordering::Relaxed), 0);
}

async fn get(path: &str) -> (StatusCode, String) {
    get_of(Arc::default(), path).await
}

async fn get_of(observer: Arc<Nobody>, path: &str) -> (StatusCode, String) {
    let window =
        Window::with_sources(observer, Arc::new(SamplePlants::new(300, 14)), Arc::new(SampleOperations::default()));
    let router = http::router(window, Doorway::default(), CancellationToken::new());
    let answer = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let status = answer.status();
    (status, String::from_utf8(to_bytes(answer.into_body(), 1 << 22).await.unwrap().to_vec()).unwrap())
}

async fn json(path: &str) -> serde_json::Value {
    let (status, text) = get(path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn page_and_api_are_of_one_and_what_is_not_there_is_told_with_a_remedy() {
    assert_eq!(get("/plants").await.0, StatusCode::OK);
    assert_eq!(get("/machines/MCH-0003?span=24h").await.0, StatusCode::OK);
    let first = json("/api/v1/machines?factory=FAC%2002%26&limit=100").await;
    assert_eq!((&first["total"], first["items"].as_array().unwrap().len()), (&150.into(), 100));
    assert_eq!(first["next"], "/api/v1/machines?limit=100&offset=100&factory=FAC%2002%26");
    let rest = json(first["next"].as_str().unwrap()).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (50, &serde_json::Value::Null));
    let one = json("/api/v1/machines/MCH-0000").await;
    assert_eq!(one["machine"]["machine_id"], "MCH-0000");
    assert_eq!(
        (&one["machine"]["status"]["state"], &one["machine"]["oee"]["oee"], &one["machine"]["is_old"]),
        (&"FAULT".into(), &0.72.into(), &false.into())
    );
    assert_eq!(one["operations"]["outage"], serde_json::Value::Null);
    let readings = json("/api/v1/machines/MCH-0003/readings?span=1h").await;
    assert_eq!(
        (&readings["span"], &readings["bucket_seconds"], &readings["total"]),
        (&"1h".into(), &12.into(), &14.into())
    );
    assert_eq!(readings["items"][1]["sensor_code"], HOSTILE);
    assert_eq!(readings["items"][0]["buckets"].as_array().unwrap().len(), 300);
    assert_eq!(readings["items"][0]["last"]["value"], 91.25);
    let next = json(readings["next"].as_str().unwrap()).await;
    assert_eq!((next["items"].as_array().unwrap().len(), &next["next"]), (2, &serde_json::Value::Null));
    for path in ["/machines/x", "/api/v1/machines/x", "/api/v1/machines/%00/readings", "/plants?factory=x"] {
        let (status, text) = get(path).await;
        assert!(status == StatusCode::NOT_FOUND && text.contains("/plants and /api/v1/machines"), "{path}: {text}");
    }
    for path in [
        "/plants?offset=-1",
        "/plants?no_such=1",
        "/machines/MCH-0000?span=2h",
        "/api/v1/machines?limit=201",
        "/api/v1/machines?limit=0",
    ] {
        assert_eq!(get(path).await.0, StatusCode::BAD_REQUEST, "{path}");
    }
}

#[tokio::test]
async fn what_is_asked_for_often_and_by_everybody_looks_at_no_client() {
    let observer = Arc::new(Nobody::default());
    for path in ["/readyz", "/metrics", "/plants", "/machines/MCH-0003"] {
        assert_eq!(get_of(observer.clone(), path).await.0, StatusCode::OK, "{path}");
        assert_eq!(observer.0.load(Ordering::Relaxed), 0, "{path}");
    }
    assert_eq!(get_of(observer.clone(), "/stats").await.0, StatusCode::OK);
    assert_eq!(observer.0.load(Ordering::Relaxed), 1);
}

#[test]
fn plots_have_whole_buckets_and_at_most_300_and_the_hour_is_a_finished_one() {
    for span in ChartSpan::ALL {
        assert!(span.seconds() / span.bucket_seconds() <= 300 && span.seconds() % span.bucket_seconds() == 0);
        let (from_ms, until_ms) = span.bounds_ms(NOW_MS);
        assert!((1..=span.bucket_seconds() * 1_000).contains(&(until_ms - NOW_MS)));
        assert_eq!((until_ms % (span.bucket_seconds() * 1_000), until_ms - from_ms), (0, span.seconds() * 1_000));
        let said = serde_json::to_value(span).unwrap();
        assert_eq!(said, span.as_str());
    }
    // 11:00:00, of which the hour before is finished two minutes later.
    let eleven_ms = NOW_MS - NOW_MS % 3_600_000;
    let hours_ago = |now_ms: i64| (eleven_ms - last_finished_hour(now_ms)) / 3_600_000;
    assert_eq!([0, 119_999, 120_000, 3_599_999].map(|ms| hours_ago(eleven_ms + ms)), [2, 2, 1, 1]);
}
