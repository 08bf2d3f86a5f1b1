//! The HTTP side: the pages, `/api/v1`, `/metrics`, `/stats`, `/healthz`, `/readyz`. Who has to sign in for what is said where the
//! path is. Open to everybody are the forms to sign in and what they are drawn with, and whether the server is alive and ready,
//! in a word: probes have no secret, and learn no more. Every answer carries the headers that keep a browser from doing more
//! with it than showing it; what is no request at all is answered by hyper, with a status and nothing to show.

use super::board::{Board, Page};
use super::openapi::{self, Description};
use super::operations::{self, ChainsPart, OperationsSource};
use super::plants::{self, PlantSource};
use super::problem::Problem;
use super::prometheus;
use super::render::rendered;
use super::report::{ChangesReport, Observe, RefusalReport};
use super::sign::role::Right;
use super::sign::{self, Access, BODY_BYTES_MAX, Doorway, Sign, Signed, guarded, only_here};
use super::socket::{Accepted, Peer};
use super::v1::{self, Seen};
use super::window::Window;
use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use genims_locks::refusals::Refusal;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const STYLE: &str = include_str!("../assets/window.css");
const SCRIPT: &str = include_str!("../assets/window.js");
const ICON: &str = include_str!("../assets/icon.svg");

/// Serves until `shutdown` is cancelled.
pub async fn serve(
    listener: TcpListener,
    observer: Arc<dyn Observe>,
    (plants, operations): (Arc<dyn PlantSource>, Arc<dyn OperationsSource>),
    doorway: Doorway,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let window = Window::with_sources(observer, plants, operations);
    let sampling = tokio::spawn(window.clone().run(shutdown.clone()));
    let accepted = Accepted::of(listener, doorway.tls.clone(), doorway.refusals.clone())?;
    let router = router(window, doorway, shutdown.clone());
    let outcome = axum::serve(accepted, router.into_make_service_with_connect_info::<Peer>())
        .with_graceful_shutdown(async move {
            // An error means that the sender is gone: the server is ending too.
            shutdown.cancelled().await;
        })
        .await;
    sampling.abort();
    outcome
}

pub(crate) fn router(window: Arc<Window>, doorway: Doorway, shutdown: CancellationToken) -> Router {
    let registry = Arc::new(prometheus::registry(window.clone()));
    let unknown = |uri: Uri| async move { Problem::not_found("there is nothing at this path", &uri) };
    let refused = |method: Method, uri: Uri| async move {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not allowed here"), &uri)
    };
    let secure = doorway.tls.is_some();
    let measured = OpenApiRouter::default().routes(routes!(metrics));
    let described = OpenApiRouter::with_openapi(openapi::opened()).routes(routes!(alive)).routes(routes!(ready));
    let (described, api) = described
        .merge(if doorway.open_metrics { measured } else { openapi::guarded(measured, &doorway, Right::Read) })
        .merge(v1::router(&doorway))
        .merge(openapi::guarded(plants::api().merge(operations::api()), &doorway, Right::Read))
        .merge(openapi::guarded(operations::trail_api(), &doorway, Right::Audit))
        .merge(openapi::guarded(operations::acts(), &doorway, Right::Act))
        .split_for_parts();
    let description = Arc::new(Description::of(api, &doorway, v1::PREFIX));
    let read = Router::new().route("/", get(page)).route("/live", get(live)).merge(plants::pages());
    let read = read.merge(operations::pages());
    Router::new()
        .route("/assets/window.css", get(|| asset("text/css; charset=utf-8", STYLE)))
        .route("/assets/window.js", get(|| asset("text/javascript; charset=utf-8", SCRIPT)))
        .route("/assets/icon.svg", get(|| asset("image/svg+xml", ICON)))
        .merge(described)
        .merge(guarded(read, &doorway, Right::Read))
        .merge(guarded(Router::new().route("/audit", get(audit)), &doorway, Right::Audit))
        .merge(guarded(operations::act_pages(), &doorway, Right::Act))
        .merge(sign::router(&doorway))
        .method_not_allowed_fallback(refused)
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(Extension(registry))
        .layer(Extension(description))
        .layer(from_fn_with_state(doorway.clone(), only_here))
        .layer(map_response(move |response| clad(response, secure)))
        .with_state(Seen { window, shutdown, doorway })
}

/// What is served is text that other pages have no business with: no frames, no guessing of types, nothing from elsewhere.
async fn clad(mut response: Response, secure: bool) -> Response {
    let guards = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
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
    if secure {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    // What changes each second, and what not everybody may see, is nothing for a cache.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn page(State(seen): State<Seen>, access: Option<Extension<Access>>, uri: Uri) -> Response {
    let snapshot = seen.window.snapshot();
    let signed = Signed::of(access.as_deref());
    rendered(&Page { board: Board::new(&snapshot, &seen.window.points()), signed }, &uri)
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage<'a> {
    version: &'a str,
    changes: &'a [ChangesReport],
    totals: &'a [RefusalReport],
    recent: Vec<Refusal>,
    trail: ChainsPart<'a>,
    signed: Option<Signed>,
}

/// For those who see nothing else.
async fn audit(State(seen): State<Seen>, access: Option<Extension<Access>>, uri: Uri) -> Response {
    let report = seen.window.report();
    let (version, changes, totals) = (&*report.version, &*report.changes, &*report.refusals);
    let recent = seen.doorway.refusals.recent();
    let now_ms = genims_model::now_us() / 1_000;
    let chains = seen.window.operations().trail(now_ms).await;
    let (trail, signed) = (ChainsPart::new(&chains, now_ms), Signed::of(access.as_deref()));
    rendered(&AuditPage { version, changes, totals, recent, trail, signed }, &uri)
}

/// The page's own events: the part of it that changes.
async fn live(State(seen): State<Seen>, access: v1::Asker, peer: v1::Remote, uri: Uri) -> Response {
    v1::listen(seen, (access, peer), &uri, "board", |tick| tick.board.clone())
}

/// Named with the version in the page, so a new release is never shown with an old style.
async fn asset(media_type: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "public, max-age=3600")], text)
}

/// All metrics, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, description = "Text, format 0.0.4.", body = String, content_type = "text/plain"))
)]
async fn metrics(Extension(registry): Extension<Arc<Registry>>, uri: Uri) -> Response {
    match prometheus::text(&registry) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::CONTENT_TYPE)], text).into_response(),
        Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), &uri).into_response(),
    }
}

/// Whether the server is alive.
#[utoipa::path(get, path = "/healthz", responses((status = 200, description = "It is.", body = String)))]
async fn alive() -> &'static str {
    "alive\n"
}

/// Whether records can be accepted durably.
///
/// A database that is down does not make the server unready; below the verdict stands what keeps each sink from following, and
/// which clock is wrong, for those who may read.
#[utoipa::path(
    get,
    path = "/readyz",
    responses(
        (status = 200, description = "They can.", body = String),
        (status = 503, description = "They cannot, and why.", body = String)
    )
)]
async fn ready(State(seen): State<Seen>, headers: HeaderMap) -> impl IntoResponse {
    let report = seen.window.report();
    let reads = |sign: &Arc<Sign>| sign.access(&headers, false).is_ok_and(|access| access.lasts(Right::Read));
    if !seen.doorway.sign.as_ref().is_none_or(reads) {
        return match report.ready {
            true => (StatusCode::OK, "ready\n".to_owned()),
            false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned()),
        };
    }
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
