//! The page, the API and the events, without a network: what they show of a report, and what they refuse.

use super::http;
use super::past::Past;
use super::report::{
    BackupAge, BackupAges, ChangesReport, ClockReport, DatabaseReport, Latency, ListenerReport, Observe, RouteReport,
    ServerReport, SinkReport, SourceReport, SpoolReport,
};
use super::sign::Doorway;
use super::snapshot::{Fill, ServerSnapshot};
use super::socket::Peer;
use super::talkers::{OthersReport, TalkerReport, TalkersReport};
use super::window::{LISTENERS_MAX, OF_ONE_MAX, Window};
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode, header};
use futures_util::StreamExt;
use genims_model::Account;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const HOSTILE: &str = "</td><script>alert(1)</script>\r\n\"'&";

/// A server with all 17 databases in trouble, and others' texts wherever they can stand.
pub(super) fn report() -> ServerReport {
    let databases: Vec<DatabaseReport> = (0..17)
        .map(|no| DatabaseReport {
            name: format!("genims_{no}_db"),
            module: format!("module{no}"),
            engine: "PostgreSQL".to_owned(),
            team: "Team".to_owned(),
            answers: Some(false),
            last_error: Some(HOSTILE.to_owned()),
        })
        .collect();
    let sink = |name: &str, database: Option<&str>| SinkReport {
        name: name.to_owned(),
        database: database.map(str::to_owned),
        state: "retrying".into(),
        lag_records: 123_456_789,
        lag_seconds: 5_000.0,
        rows_total: 1_000,
        refused_total: 3,
        retries_total: 7,
        expired_total: 1,
        gap_records_total: 2,
        last_error: Some(HOSTILE.repeat(4)),
        ..SinkReport::default()
    };
    let routed = databases[2..8].iter().map(|database| sink(&database.module, Some(&database.name)));
    let sinks: Vec<SinkReport> =
        [sink("postgres", Some("genims_operations_db")), sink("events", None)].into_iter().chain(routed).collect();
    let changes = databases[..13].iter().flat_map(|database| {
        ["audit", "stream"].map(|target| ChangesReport {
            database: database.name.clone(),
            target: target.into(),
            state: "following".into(),
            waiting: 12,
            age_seconds: 0.4,
            ..ChangesReport::default()
        })
    });
    let account =
        Account { received: 1_500, committed: 1_000, duplicate: 100, dead_lettered: 200, dropped: 150, in_flight: 50 };
    let listener = ListenerReport {
        address: HOSTILE.to_owned(),
        connections_open: 4,
        refused_total: 2,
        ..ListenerReport::default()
    };
    ServerReport {
        version: "0.1.0".into(),
        ready: true,
        identity_holds: account.holds(),
        total: account,
        sources: vec![
            SourceReport { name: HOSTILE.to_owned(), account, listener: Some(listener) },
            SourceReport::default(),
        ],
        spool: SpoolReport {
            id: "o'clock".to_owned(),
            bytes: 600,
            bytes_max: 1_000,
            counted_from: 40,
            ..SpoolReport::default()
        },
        sinks,
        routes: ["stops", "orders"].map(route).into(),
        backups: backups(&databases),
        changes: changes.collect(),
        clocks: vec![ClockReport { complaint: Some(HOSTILE.to_owned()), ..ClockReport::default() }],
        databases,
        dead_letter_reasons: vec![("unknown_sensor".into(), 200), ("too_old".into(), 0)],
        remarks: vec![("place".into(), 9)],
        ..ServerReport::default()
    }
}

fn route(name: &str) -> RouteReport {
    RouteReport {
        database: "genims_3_db".into(),
        route: format!("{name}{HOSTILE}"),
        events_total: 77,
        rows_total: 154,
        refused_total: 5,
        busy_seconds: 1.5,
    }
}

/// Each too old, of a folder that cannot be read any more.
fn backups(databases: &[DatabaseReport]) -> BackupAges {
    let backup = |database: &DatabaseReport| BackupAge {
        database: database.name.clone(),
        age_seconds: Some(90_000),
        late: Some(true),
        ..BackupAge::default()
    };
    let (folder, last_error) = (Some(HOSTILE.to_owned()), Some(HOSTILE.to_owned()));
    BackupAges { folder, looked_ms: Some(0), last_error, items: databases.iter().map(backup).collect() }
}

/// More than a snapshot tells one by one.
pub(super) fn talkers() -> TalkersReport {
    TalkersReport::new((0..60).map(talker).collect(), OthersReport::default())
}

fn talker(no: u64) -> TalkerReport {
    TalkerReport {
        listener: HOSTILE.to_owned(),
        client: format!("{HOSTILE}{no}"),
        received: no,
        received_per_second: no as f64,
        dead_letters: 1,
        ..TalkerReport::default()
    }
}

fn window() -> Arc<Window> {
    Window::new(Arc::new(report()))
}

async fn ask(request: Request<Body>) -> axum::response::Response {
    http::router(window(), Doorway::default(), CancellationToken::new()).oneshot(request).await.unwrap()
}

async fn get(path: &str) -> (StatusCode, String, String) {
    let response = ask(Request::get(path).body(Body::empty()).unwrap()).await;
    let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 22).await.unwrap();
    (status, kind, String::from_utf8(body.to_vec()).unwrap())
}

async fn json(path: &str) -> serde_json::Value {
    let (status, _, body) = get(path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn the_page_is_whole_small_and_takes_no_markup_from_others() {
    let (status, kind, page) = get("/").await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/html; charset=utf-8"));
    assert!(!page.contains("<script>alert") && page.contains("&#60;script&#62;"), "{page}");
    // Nothing that the policy of the page would refuse, and nothing from elsewhere.
    for refused in [" style=", " onclick=", "http://", "https://", "<style", "<iframe"] {
        assert!(!page.contains(refused), "{refused}");
    }
    let mut bytes = page.len();
    for asset in ["/assets/window.css", "/assets/window.js", "/assets/icon.svg"] {
        assert!(page.contains(asset), "{asset}");
        let (status, _, text) = get(asset).await;
        assert_eq!(status, StatusCode::OK);
        bytes += text.len();
    }
    assert!(bytes < 120 * 1024, "{bytes} bytes");
    for part in [
        "Rows stored",
        "Readings in",
        "60 %",
        "1\u{a0}500 received =",
        "holds",
        "genims_16_db",
        "not written by this server",
        "refused_by_database",
        "genims deadletter replay --reason refused_by_database",
        "changes to audit",
        "log of events",
        "unknown_sensor",
        "1 h 23 min",
        "genims deadletter list --reason refused_by_database --json",
        ">stops&#60;",
        "data-label=\"Rows\" class=\"number\">154<",
        "1 d 1 h <span class=\"unit\">old at most",
        "17 of 17 databases have none that is young enough",
        "Old: the folder cannot be read",
        "123\u{a0}456\u{a0}789",
        "FROM genims_internal.ingest_batches",
        "spool_id = &#39;o&#39;&#39;clock&#39;",
        "Old: master data was not read",
        "Ready, but 8 ways into databases do not follow",
        "lang=\"en\"",
        "name=\"viewport\"",
        "role=\"img\"",
    ] {
        assert!(page.contains(part), "{part} is missing of {page}");
    }
    assert!(!page.contains("too_old"), "what did not happen is not listed");
    let (_, _, style) = get("/assets/window.css").await;
    assert!(style.contains("prefers-color-scheme: dark") && style.contains("max-width: 480px"));
}

#[tokio::test]
async fn every_answer_is_guarded_and_nothing_but_reading_is_allowed() {
    for path in ["/", "/stats", "/metrics", "/api/v1", "/assets/window.js", "/nowhere", "/live"] {
        let response = ask(Request::get(path).body(Body::empty()).unwrap()).await;
        let headers = response.headers();
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(headers[header::X_FRAME_OPTIONS], "DENY", "{path}");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer", "{path}");
        assert!(headers.contains_key(header::CACHE_CONTROL), "{path}");
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), "{path}");
    }
    for path in
        ["/", "/stats", "/metrics", "/live", "/api/v1/flows", "/api/v1/flows/sink/postgres", "/assets/window.css"]
    {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "NONSENSE"] {
            let response = ask(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await;
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        }
    }
    let tricks = [
        "/assets/../Cargo.toml",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/assets/",
        "/assets/window.css/",
        "/api/v1/",
        "/api/v2/flows",
        "/%00",
        "/index.html",
        "/.env",
        "/api/v1/flows/..%2f..%2fsink",
    ];
    for path in tricks {
        let (status, kind, body) = get(path).await;
        assert_eq!((status, kind.as_str()), (StatusCode::NOT_FOUND, "application/problem+json"), "{path}: {body}");
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&problem["status"], &problem["title"]), (&404.into(), &"Not Found".into()), "{problem}");
    }
}

#[tokio::test]
async fn lists_come_in_pages_and_bad_questions_are_problems() {
    let all = json("/api/v1/flows?limit=500").await;
    assert_eq!((&all["total"], &all["next"]), (&34.into(), &serde_json::Value::Null));
    let mut next = Some("/api/v1/flows?limit=15".to_owned());
    let mut found = Vec::new();
    for _ in 0..3 {
        let page = json(&next.expect("34 in pages of 15 are three")).await;
        found.extend(page["items"].as_array().unwrap().clone());
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(next, None);
    assert_eq!(found, *all["items"].as_array().unwrap());
    let some = json("/api/v1/flows?kind=changes&database=genims_3_db&limit=1").await;
    assert_eq!((&some["total"], &some["items"][0]["name"]), (&2.into(), &"changes/genims_3_db/audit".into()));
    let rest = json(some["next"].as_str().unwrap()).await;
    assert_eq!(
        (&rest["items"][0]["name"], &rest["next"]),
        (&"changes/genims_3_db/stream".into(), &serde_json::Value::Null)
    );
    let one = json("/api/v1/flows/changes/genims_3_db/stream").await;
    assert_eq!(one["pending"], 12);
    for path in ["limit=0", "limit=501", "limit=-1", "limit=x", "offset=99999999999999999999", "no_such=1"] {
        let (status, kind, body) = get(&format!("/api/v1/flows?{path}")).await;
        assert_eq!((status, kind.as_str()), (StatusCode::BAD_REQUEST, "application/problem+json"), "{path}: {body}");
    }
    let beyond = json(&format!("/api/v1/flows?offset={}", usize::MAX)).await;
    assert_eq!(beyond["items"], serde_json::json!([]));
    for path in json("/api/v1").await["paths"].as_array().unwrap() {
        let path = path["path"].as_str().unwrap();
        // These ask for somebody who has signed in.
        let signed = ["/session", "/users", "/reload"].iter().any(|end| path.ends_with(end));
        if signed {
            assert!(get(path).await.0.is_client_error(), "{path}");
        } else if !path.contains('{') && !path.ends_with("/events") {
            json(path).await;
        }
    }
}

#[tokio::test]
async fn page_api_and_metrics_tell_the_same_numbers() {
    let stats = json("/stats").await;
    let snapshot: ServerSnapshot = serde_json::from_value(stats.clone()).unwrap();
    assert_eq!(serde_json::to_value(&snapshot).unwrap(), stats, "what is read is what was written");
    assert_eq!(snapshot.report.total, report().total);
    let server = json("/api/v1/server").await;
    assert_eq!((&server["total"], &server["fill"]), (&stats["total"], &stats["fill"]));
    assert_eq!(json("/api/v1/flows?limit=500").await["items"], stats["flows"]);
    assert_eq!(json("/api/v1/listeners").await["items"], stats["sources"]);
    assert_eq!(json("/api/v1/proofs").await["items"], stats["proofs"]);
    assert_eq!(json("/api/v1/routes").await["items"], stats["routes"]);
    assert_eq!(stats["routes"][1]["rows_total"], 154);
    assert_eq!(stats["backups"]["items"][16]["late"], true);
    let talkers = json("/api/v1/talkers?limit=500").await;
    let busiest = stats["talkers"]["busiest"].as_array().unwrap();
    assert_eq!((&talkers["total"], talkers["items"].as_array().unwrap().len()), (&60.into(), 60));
    assert_eq!((&talkers["items"].as_array().unwrap()[..busiest.len()], busiest.len()), (&busiest[..], 50));
    let (_, _, page) = get("/").await;
    assert!(page.contains("Top talkers") && page.contains("50 other clients"), "{page}");
    let (_, _, metrics) = get("/metrics").await;
    assert!(metrics.contains(r#"genims_sink_lag_records{sink="postgres"} 123456789"#), "{metrics}");
    assert!(metrics.contains("genims_backup_age_seconds{database=\"genims_16_db\"} 90000\n"), "{metrics}");
    assert!(metrics.contains("genims_backup_late{database=\"genims_16_db\"} 1\n"), "{metrics}");
    assert_eq!(stats["flows"][0]["pending"], 123_456_789);
    assert_eq!(stats["flows"][0]["dropped"], 3);
}

#[tokio::test]
async fn those_who_listen_share_a_tick_and_their_number_is_bounded() {
    let window = window();
    let router = http::router(window.clone(), Doorway::default(), CancellationToken::new());
    let listen_from = |path: &str, last: usize| {
        let peer = ConnectInfo(Peer([10, 0, 0, u8::try_from(last).unwrap()].into()));
        router.clone().oneshot(Request::get(path).extension(peer).body(Body::empty()).unwrap())
    };
    let listen = |path: &str| listen_from(path, 100);
    let mut streams = Vec::new();
    for no in 0..LISTENERS_MAX {
        let response = listen_from("/api/v1/events", no / OF_ONE_MAX).await.unwrap();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        streams.push(response.into_body().into_data_stream());
    }
    assert_eq!(listen("/live").await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    // Whoever did not read in between gets the newest alone.
    for _ in 0..5 {
        window.sample(Instant::now());
    }
    let text = String::from_utf8(streams[0].next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(text.starts_with("event: snapshot\ndata: {") && text.ends_with("}\n\n"), "{text}");
    let told: ServerSnapshot =
        serde_json::from_str(text.trim_end().strip_prefix("event: snapshot\ndata: ").unwrap()).unwrap();
    assert_eq!(told.report.total, report().total);
    streams.truncate(1);
    let board = listen("/live").await.unwrap();
    assert_eq!(board.status(), StatusCode::OK);
    window.sample(Instant::now());
    let text = board.into_body().into_data_stream().next().await.unwrap().unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    let news: serde_json::Value =
        serde_json::from_str(text.trim_end().strip_prefix("event: board\ndata: ").unwrap()).unwrap();
    let html = news["html"].as_str().unwrap();
    assert!(html.starts_with("<p id=\"verdict\"") && !html.contains("<script>"), "{html}");
}

/// A server whose report a test changes.
struct Changing(Mutex<ServerReport>);

impl Observe for Changing {
    fn report(&self) -> ServerReport {
        self.0.lock().clone()
    }

    fn talkers(&self) -> TalkersReport {
        TalkersReport::default()
    }
}

/// With nobody who sends.
fn taken(report: ServerReport, taken_ms: i64, now: Instant, past: &Past) -> ServerSnapshot {
    ServerSnapshot::new(report, TalkersReport::default(), taken_ms, now, past)
}

#[test]
fn rates_growth_and_latencies_are_those_of_the_last_seconds() {
    let start = Instant::now();
    let at = |seconds: u64| start + Duration::from_secs(seconds);
    let mut report = report();
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 3_600_000_000, 2).unwrap();
    let mut past = Past::default();
    let first = taken(report.clone(), 0, at(0), &past);
    assert_eq!((first.rates.span_seconds, first.flows[0].rate_per_second), (0.0, 0.0));
    assert_eq!(first.fill.seconds_until_full, None);
    for second in 0..700 {
        let snapshot = taken(report.clone(), second as i64 * 1_000, at(second), &past);
        let delivered: HashMap<String, u64> =
            snapshot.flows.iter().map(|flow| (flow.name.clone(), flow.delivered_total)).collect();
        past.add(at(second), (snapshot.taken_ms, snapshot.rates), &report, delivered);
        report.total.received += 20;
        report.total.committed += 10;
        report.sinks[0].rows_total += 30;
        report.spool.bytes_max = 10_000;
        report.spool.bytes += 2;
        // Slow at first, then fast.
        histogram.record_n(if second < 400 { 40_000 } else { 300 }, 10).unwrap();
        report.spool.receive_to_durable_ms = Latency::of(&histogram);
    }
    let now = taken(report, 700_000, at(700), &past);
    assert_eq!((now.rates.received_per_second, now.rates.stored_per_second), (20.0, 10.0));
    assert_eq!((now.rates.span_seconds, now.flows[0].rate_per_second), (5.0, 30.0));
    assert_eq!(now.fill.seconds_until_full, Some((10_000.0 - 2_000.0) / 2.0));
    assert_eq!(now.fill.share, 0.2);
    let points = past.points();
    assert_eq!(points.len(), super::past::POINTS_MAX);
    let median = |at: usize| points[at].durable_ms.unwrap()[0];
    assert!((25.0..=50.0).contains(&median(0)) && median(299) <= 0.5, "{} {}", median(0), median(299));
    assert_eq!(points[299].committed_ms, None, "nothing was committed");
}

#[test]
fn a_counter_that_went_back_and_an_empty_log_give_no_odd_numbers() {
    let start = Instant::now();
    let window = Window::new(Arc::new(Changing(Mutex::new(ServerReport::default()))));
    window.sample(start);
    let snapshot = window.snapshot();
    assert_eq!(snapshot.fill.share, Fill::default().share);
    let mut past = Past::default();
    past.add(start, (0, snapshot.rates), &report(), HashMap::new());
    let later = taken(ServerReport::default(), 0, start + Duration::from_secs(9), &past);
    assert_eq!((later.rates.received_per_second, later.fill.seconds_until_full), (0.0, None));
    assert!(later.proofs.is_empty(), "there is nothing to prove");
    let names: Vec<_> = taken(report(), 0, start, &past).proofs.iter().map(|proof| proof.name.to_string()).collect();
    for name in ["position", "routes/module2", "quarantined/module2", "changes"] {
        assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
    }
}
