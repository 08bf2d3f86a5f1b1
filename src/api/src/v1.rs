//! `/api/v1`: JSON; lists in pages, errors as problems. Every answer is a part of one [`ServerSnapshot`], with the time at
//! which it was taken.

use super::problem::Problem;
use super::report::Word;
use super::sign::role::{Right, Role};
use super::sign::{self, Access, Doorway, guarded};
use super::snapshot::ServerSnapshot;
use super::socket::Peer;
use super::window::{LISTENERS_MAX, OF_ONE_MAX, Tick, Window};
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Extension, Path, Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use genims_locks::refusals::RefusalKind;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub(crate) const PREFIX: &str = "/api/v1";
const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 500;

/// Paths below the prefix, and what they are.
const INDEX: [(&str, &str); 13] = [
    ("/snapshot", "everything, at one moment"),
    ("/server", "version, readiness, rates, account, log"),
    ("/history", "the last ten minutes, a point every two seconds"),
    ("/flows", "every way into a database: state and backlog; ?kind=, ?state=, ?database=, pages"),
    ("/flows/{name}", "one of them"),
    ("/listeners", "listeners with connections and accounts; pages"),
    ("/dead-letters", "records set aside in this run, by reason; pages"),
    ("/proofs", "the queries by which PostgreSQL proves the numbers; pages"),
    ("/events", "server-sent events: a snapshot each second"),
    ("/audit", "what was refused to whom, and changes on their way into the audit trail; for auditors"),
    ("/session", "who asks, and the proof that state-changing requests of a browser show"),
    ("/users", "who may sign in; pages; for admins"),
    ("/reload", "POST: certificates, clients and users are read again; for engineers"),
];

/// What handlers see.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) window: Arc<Window>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) doorway: Doorway,
}

pub(crate) fn router(doorway: &Doorway) -> Router<Seen> {
    let at = |path: &str| format!("{PREFIX}{path}");
    let behind = |right, routes| guarded(routes, doorway, right);
    let read = Router::new()
        .route(PREFIX, get(index))
        .route(&at("/snapshot"), get(snapshot))
        .route(&at("/server"), get(server))
        .route(&at("/history"), get(history))
        .route(&at("/flows"), get(flows))
        .route(&at("/flows/{*name}"), get(flow))
        .route(&at("/listeners"), get(listeners))
        .route(&at("/dead-letters"), get(dead_letters))
        .route(&at("/proofs"), get(proofs))
        .route(&at("/events"), get(events));
    behind(Right::Read, read)
        .merge(behind(Right::Audit, Router::new().route(&at("/audit"), get(audit))))
        .merge(behind(Right::Own, Router::new().route(&at("/session"), get(sign::session))))
        .merge(behind(Right::Manage, Router::new().route(&at("/users"), get(users))))
        .merge(behind(Right::Act, Router::new().route(&at("/reload"), post(reload))))
}

async fn index() -> impl IntoResponse {
    let paths =
        INDEX.map(|(path, meaning)| serde_json::json!({ "path": format!("{PREFIX}{path}"), "meaning": meaning }));
    Json(serde_json::json!({ "version": 1, "paths": paths }))
}

/// Also `/stats`.
pub(crate) async fn snapshot(State(seen): State<Seen>) -> Json<ServerSnapshot> {
    Json(seen.window.snapshot())
}

async fn server(State(seen): State<Seen>) -> impl IntoResponse {
    let snapshot = seen.window.snapshot();
    let report = &snapshot.report;
    Json(serde_json::json!({
        "taken_ms": snapshot.taken_ms,
        "version": report.version,
        "uptime_seconds": report.uptime_seconds,
        "ready": report.ready,
        "not_ready_because": report.not_ready_because,
        "rates": snapshot.rates,
        "total": report.total,
        "identity_holds": report.identity_holds,
        "at_risk_records": report.at_risk_records,
        "fill": snapshot.fill,
        "spool": report.spool,
        "catalogue": report.catalogue,
        "clocks": report.clocks,
    }))
}

async fn history(State(seen): State<Seen>) -> impl IntoResponse {
    Json(serde_json::json!({ "points": seen.window.points() }))
}

/// Which part of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    limit: Option<usize>,
    offset: Option<usize>,
    kind: Option<String>,
    state: Option<String>,
    database: Option<String>,
}

#[derive(Debug, Serialize)]
struct List<T> {
    taken_ms: i64,
    /// Of the whole list.
    total: usize,
    items: Vec<T>,
    /// Where the next page is; `null` at the end.
    next: Option<String>,
}

fn list<T: Serialize>(
    wanted: Result<Query<Wanted>, QueryRejection>,
    uri: &Uri,
    taken_ms: i64,
    items: impl FnOnce(&Wanted) -> Vec<T>,
) -> Result<Json<List<T>>, Problem> {
    let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, detail, uri);
    let Query(wanted) = wanted.map_err(|error| bad(error.body_text()))?;
    let (limit, offset) = (wanted.limit.unwrap_or(PAGE_DEFAULT), wanted.offset.unwrap_or(0));
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(bad(format!("limit is {limit}; 1 to {PAGE_MAX} is allowed")));
    }
    let items = items(&wanted);
    let total = items.len();
    let end = offset.saturating_add(limit);
    let next = (end < total).then(|| {
        let said = [("kind", &wanted.kind), ("state", &wanted.state), ("database", &wanted.database)];
        let said = said.into_iter().filter_map(|(key, value)| Some(format!("&{key}={}", value.as_ref()?)));
        format!("{}?limit={limit}&offset={end}{}", uri.path(), said.collect::<String>())
    });
    Ok(Json(List { taken_ms, total, items: items.into_iter().skip(offset).take(limit).collect(), next }))
}

type Listed<T> = Result<Json<List<T>>, Problem>;

async fn flows(
    State(seen): State<Seen>,
    uri: Uri,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Listed<super::snapshot::Flow> {
    let snapshot = seen.window.snapshot();
    list(wanted, &uri, snapshot.taken_ms, |wanted| {
        let is = |said: &Option<String>, found: &str| said.as_ref().is_none_or(|said| said == found);
        let all = snapshot.flows.into_iter();
        all.filter(|flow| {
            is(&wanted.kind, &flow.kind)
                && is(&wanted.state, &flow.state)
                && is(&wanted.database, flow.database.as_deref().unwrap_or_default())
        })
        .collect()
    })
}

async fn flow(State(seen): State<Seen>, Path(name): Path<String>, uri: Uri) -> Response {
    let snapshot = seen.window.snapshot();
    match snapshot.flows.into_iter().find(|flow| flow.name == name) {
        Some(flow) => Json(flow).into_response(),
        None => Problem::not_found("there is no flow of this name", &uri).into_response(),
    }
}

async fn listeners(
    State(seen): State<Seen>,
    uri: Uri,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Listed<super::report::SourceReport> {
    let snapshot = seen.window.snapshot();
    list(wanted, &uri, snapshot.taken_ms, |_| snapshot.report.sources)
}

#[derive(Debug, Serialize)]
struct Letters {
    reason: Word,
    records: u64,
}

async fn dead_letters(
    State(seen): State<Seen>,
    uri: Uri,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Listed<Letters> {
    let snapshot = seen.window.snapshot();
    list(wanted, &uri, snapshot.taken_ms, |_| {
        let reasons = snapshot.report.dead_letter_reasons.into_iter();
        reasons.map(|(reason, records)| Letters { reason, records }).collect()
    })
}

async fn proofs(
    State(seen): State<Seen>,
    uri: Uri,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Listed<super::proof::Proof> {
    let snapshot = seen.window.snapshot();
    list(wanted, &uri, snapshot.taken_ms, |_| snapshot.proofs)
}

async fn audit(State(seen): State<Seen>) -> impl IntoResponse {
    let snapshot = seen.window.snapshot();
    Json(serde_json::json!({
        "taken_ms": snapshot.taken_ms,
        "changes": snapshot.report.changes,
        "refusals": snapshot.report.refusals,
        "recent": seen.doorway.refusals.recent(),
    }))
}

/// What may be told of a user.
#[derive(Debug, Serialize)]
struct Told {
    name: String,
    role: Role,
    disabled: bool,
    tokens: usize,
    sessions: usize,
    added: String,
    rotated: String,
}

async fn users(State(seen): State<Seen>, uri: Uri, wanted: Result<Query<Wanted>, QueryRejection>) -> Listed<Told> {
    list(wanted, &uri, genims_model::now_us() / 1_000, |_| {
        let Some(sign) = &seen.doorway.sign else { return Vec::new() };
        let told = |user: Arc<sign::file::User>| Told {
            name: user.name.clone(),
            role: user.role,
            disabled: user.disabled,
            tokens: user.tokens.len(),
            sessions: sign.sessions_of(&user.name),
            added: user.added.clone(),
            rotated: user.rotated.clone(),
        };
        sign.users.all().into_iter().map(told).collect()
    })
}

async fn reload(State(seen): State<Seen>, Extension(access): Extension<Access>) -> impl IntoResponse {
    tracing::info!(user = access.user.name, "certificates, clients and users are to be read again");
    seen.doorway.reload.notify_one();
    (StatusCode::ACCEPTED, Json(serde_json::json!({ "asked": true })))
}

async fn events(State(seen): State<Seen>, access: Asker, peer: Remote, uri: Uri) -> Response {
    listen(seen, (access, peer), &uri, "snapshot", |tick| tick.snapshot.clone())
}

/// Who has signed in, if anybody had to.
pub(crate) type Asker = Option<Extension<Access>>;
/// The other end of the connection.
pub(crate) type Remote = Option<Extension<ConnectInfo<Peer>>>;

/// A stream of one part of each second's tick. Nothing is kept for a reader but the newest tick, which all share; whoever
/// takes nothing of what is sent is disconnected by the kernel after a while.
pub(crate) fn listen(
    seen: Seen,
    (access, peer): (Asker, Remote),
    uri: &Uri,
    name: &'static str,
    part: impl Fn(&Tick) -> Arc<str> + Clone + Send + Sync + 'static,
) -> Response {
    let user = access.as_ref().map(|Extension(access)| access.user.name.clone());
    let peer = peer.map(|Extension(ConnectInfo(peer))| peer);
    let network = || peer.map_or_else(String::new, |peer| peer.network().to_string());
    let Some((ticks, place)) = seen.window.listen(&user.clone().unwrap_or_else(network)) else {
        let host = peer.map_or_else(String::new, |peer| peer.to_string());
        sign::refused(&seen.doorway.refusals, RefusalKind::Busy, &user.unwrap_or_default(), &host);
        let detail = format!(
            "{LISTENERS_MAX} listen already, or {OF_ONE_MAX} of one user or address; close one, or ask {PREFIX}/snapshot"
        );
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail, uri).into_response();
    };
    let state = (ticks, place, seen.shutdown);
    let stream = stream::unfold(state, move |(mut ticks, place, shutdown)| {
        let (part, access) = (part.clone(), access.clone());
        async move {
            tokio::select! {
                changed = ticks.changed() => changed.ok()?,
                () = shutdown.cancelled() => return None,
            }
            // Who has signed out meanwhile, or was, hears no more.
            if access.is_some_and(|Extension(access)| !access.lasts(Right::Read)) {
                return None;
            }
            // JSON has no line feeds of its own.
            let event = Event::default().event(name).data(&*part(&ticks.borrow_and_update()));
            Some((Ok::<_, Infallible>(event), (ticks, place, shutdown)))
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::default()).into_response()
}
