//! The state of a sink, whichever it is, in `/stats`, `/metrics` and `/readyz`.

use super::http;
use super::report::{SINK_STATES, ServerReport, SinkReport};
use super::sign::Doorway;
use super::window::Window;
use super::window_tests::report;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// One sink in each state, which is its name as well.
fn each_state() -> ServerReport {
    let sink = |state: &str| SinkReport {
        name: state.to_owned(),
        state: state.to_owned().into(),
        connected: state == "following",
        ..SinkReport::default()
    };
    ServerReport { sinks: SINK_STATES.map(sink).to_vec(), ..report() }
}

async fn body(path: &str) -> String {
    let router = http::router(Window::new(Arc::new(each_state())), Doorway::default(), CancellationToken::new());
    let answer = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    String::from_utf8(to_bytes(answer.into_body(), 1 << 22).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn every_state_of_a_sink_is_told_wherever_somebody_looks() {
    let (stats, metrics, ready) = (body("/stats").await, body("/metrics").await, body("/readyz").await);
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    for (at, state) in SINK_STATES.into_iter().enumerate() {
        assert_eq!((&stats["sinks"][at]["name"], &stats["sinks"][at]["state"]), (&state.into(), &state.into()));
        for other in SINK_STATES {
            let line =
                format!("genims_sink_state{{sink=\"{state}\",state=\"{other}\"}} {}\n", u8::from(state == other));
            assert!(metrics.contains(&line), "{line}{metrics}");
        }
        // One that follows is no trouble.
        let is_told = ready.contains(&format!("sink {state}: {state}: "));
        assert_eq!(is_told, state != "following", "{state}: {ready}");
    }
}
