//! Page, API, events, metrics and `genims top` of a server that is idle: one number everywhere, and PostgreSQL proves it.

use crate::harness::Harness;
use crate::server::{PATIENCE, Plant};
use crate::stream::{now_ms, send};
use genims_api::format;
use genims_api::snapshot::ServerSnapshot;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// `plant` stores nothing while this looks, but some records of each kind at first.
#[track_caller]
pub(crate) fn agrees(harness: &Harness, plant: &Plant) {
    let sensor = plant.sensor();
    let snapshot = |ago_ms: i64| {
        let message = format!(r#"{{"machine_state": "RUNNING", "timestamp_ms": {}}}"#, now_ms() - ago_ms);
        (format!("{}/scada", sensor.machine_topic()), message)
    };
    let (good, bad) = ((sensor.topic(), "1.5".to_owned()), (sensor.topic(), "hot".to_owned()));
    send(harness, plant, &[good, snapshot(2_000), snapshot(1_000), bad]);
    let stats = plant.idle();
    let total = &stats["total"];
    let stored = total["committed"].as_u64().unwrap();
    assert!(stored > 2 && total["dead_lettered"] == 1, "{total:#}");
    // Somebody who listens and never reads keeps nobody waiting.
    let _asleep = listen(plant, "/live");

    let (status, snapshot) = plant.get("/api/v1/snapshot").unwrap();
    let snapshot: ServerSnapshot = serde_json::from_str(&snapshot).unwrap();
    assert_eq!((status, serde_json::to_value(snapshot.report.total).unwrap()), (200, total.clone()));
    let (status, page) = plant.get("/").unwrap();
    assert!(status == 200 && page.contains(&format!("{} committed since the start", format::count(stored))), "{page}");
    assert!(page.contains("genims_crm_db") && page.len() < 120 * 1024, "{} bytes", page.len());
    let event: Value = serde_json::from_str(&first_event(listen(plant, "/api/v1/events"))).unwrap();
    assert_eq!(&event["total"], total);
    let news: Value = serde_json::from_str(&first_event(listen(plant, "/live"))).unwrap();
    assert!(news["html"].as_str().unwrap().contains(&format!("{} committed", format::count(stored))), "{news}");
    let (_, metrics) = plant.get("/metrics").unwrap();
    let committed =
        metrics.lines().filter(|line| line.starts_with("genims_finished_total{") && line.contains("\"committed\""));
    let committed: u64 = committed.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(committed, stored, "{metrics}");

    let proofs = snapshot.proofs;
    assert_eq!(proofs.iter().filter(|proof| proof.expected.is_some()).count(), 2);
    for proof in proofs {
        assert!(page.contains(&proof.sql.lines().next().unwrap().replace('\'', "&#39;")), "{}", proof.sql);
        let rows = plant.query(&proof.database, &proof.sql);
        if let Some(expected) = proof.expected {
            assert_eq!(rows[0].get::<_, i64>(0), expected as i64, "{}: {}", proof.name, proof.sql);
        }
    }

    let text = plant.cli_ok(&["top", "--once"]);
    assert!(text.contains(&format!("{} stored +", format::count(stored))) && text.contains("sink/postgres"), "{text}");
    let told: Value = serde_json::from_str(&plant.cli_ok(&["top", "--json"])).unwrap();
    assert_eq!(&told["total"], total);
    let away = plant.cli(&["top", "--once", "--url", "http://127.0.0.1:1"]);
    let cause = String::from_utf8_lossy(&away.stderr).into_owned();
    assert!(!away.status.success() && cause.contains("start `genims serve`"), "{cause}");
}

fn listen(plant: &Plant, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(plant.doors.http).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", plant.doors.http).unwrap();
    stream
}

/// The data of the first event.
fn first_event(stream: TcpStream) -> String {
    let lines = BufReader::new(stream).lines();
    let mut data = lines.filter_map(|line| line.unwrap().strip_prefix("data: ").map(str::to_owned));
    data.next().expect("an event")
}
