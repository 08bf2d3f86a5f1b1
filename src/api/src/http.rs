//! The HTTP side: the page, `/api/v1`, `/metrics`, `/stats`, `/healthz`, `/readyz`. Reads only: nothing that can be asked for
//! changes anything. Every answer carries the headers that keep a browser from doing more with it than showing it.

use super::board::{Board, Page};
use super::problem::Problem;
use super::prometheus;
use super::report::Observe;
use super::v1::{self, Seen};
use super::window::Window;
use askama::Template;
use axum::Router;
use axum::extract::{Extension, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// A client that takes nothing of what it is sent for so long is disconnected, so that no place and no memory is held for it.
pub(crate) const UNSENT_MAX: Duration = Duration::from_secs(20);

const STYLE: &str = include_str!("../assets/window.css");
const SCRIPT: &str = include_str!("../assets/window.js");
const ICON: &str = include_str!("../assets/icon.svg");

/// Serves until `shutdown` is cancelled.
pub async fn serve(
    listener: TcpListener,
    observer: Arc<dyn Observe>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let window = Window::new(observer);
    let sampling = tokio::spawn(window.clone().run(shutdown.clone()));
    let router = router(window, shutdown.clone());
    let outcome = axum::serve(listener.tap_io(bounded), router)
        .with_graceful_shutdown(async move {
            // An error means that the sender is gone: the server is ending too.
            shutdown.cancelled().await;
        })
        .await;
    sampling.abort();
    outcome
}

fn bounded(socket: &mut TcpStream) {
    let limited = socket2::SockRef::from(&*socket).set_tcp_user_timeout(Some(UNSENT_MAX));
    if let Err(error) = limited.and_then(|()| socket.set_nodelay(true)) {
        tracing::debug!(%error, "a connection of the HTTP side keeps the system's time-outs");
    }
}

pub(crate) fn router(window: Arc<Window>, shutdown: CancellationToken) -> Router {
    let registry = Arc::new(prometheus::registry(window.clone()));
    let unknown = |uri: Uri| async move { Problem::not_found("there is nothing at this path", &uri) };
    let refused = |method: Method, uri: Uri| async move {
        Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("{method} is not allowed: everything here is only read"),
            &uri,
        )
    };
    Router::new()
        .route("/", get(page))
        .route("/live", get(live))
        .route("/assets/window.css", get(|| asset("text/css; charset=utf-8", STYLE)))
        .route("/assets/window.js", get(|| asset("text/javascript; charset=utf-8", SCRIPT)))
        .route("/assets/icon.svg", get(|| asset("image/svg+xml", ICON)))
        .route("/metrics", get(metrics))
        .route("/stats", get(v1::snapshot))
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .merge(v1::router())
        .method_not_allowed_fallback(refused)
        .fallback(unknown)
        .layer(Extension(registry))
        .layer(map_response(guarded))
        .with_state(Seen { window, shutdown })
}

/// What is served is text that other pages have no business with: no frames, no guessing of types, nothing from elsewhere.
async fn guarded(mut response: Response) -> Response {
    let guards = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ];
    let headers = response.headers_mut();
    for (name, value) in guards {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What changes each second is of no use to a cache.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn page(State(seen): State<Seen>, uri: Uri) -> Response {
    let snapshot = seen.window.snapshot();
    match (Page { board: Board::new(&snapshot, &seen.window.points()) }).render() {
        Ok(page) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response(),
        Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), &uri).into_response(),
    }
}

/// The page's own events: the part of it that changes.
async fn live(State(seen): State<Seen>, uri: Uri) -> Response {
    v1::listen(seen, &uri, "board", |tick| tick.board.clone())
}

/// Named with the version in the page, so a new release is never shown with an old style.
async fn asset(media_type: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "public, max-age=3600")], text)
}

async fn metrics(Extension(registry): Extension<Arc<Registry>>) -> impl IntoResponse {
    let mut page = String::with_capacity(16_384);
    match encode(&mut page, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, prometheus::CONTENT_TYPE)], page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Ready means: the spool takes data. A database that is down does not make the server unready; below the verdict stands
/// what keeps each sink from following, and which clock is wrong.
async fn ready(State(seen): State<Seen>) -> impl IntoResponse {
    let report = seen.window.report();
    let away = report.sinks.iter().filter(|sink| !sink.connected);
    let sinks: String = away
        .map(|sink| {
            format!("sink {}: {}: {}\n", sink.name, sink.state, sink.last_error.as_deref().unwrap_or("no error"))
        })
        .collect();
    let clocks = report.clocks.iter().filter_map(|clock| clock.complaint.as_ref());
    let clocks: String = clocks.map(|complaint| format!("clock: {complaint}\n")).collect();
    match report.not_ready_because {
        None => (StatusCode::OK, format!("ready\n{sinks}{clocks}")),
        Some(cause) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {cause}\n{sinks}{clocks}")),
    }
}
