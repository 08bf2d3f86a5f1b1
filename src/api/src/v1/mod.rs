//! `/api/v1`: JSON; lists in pages, errors as problems. Every answer is a part of one [`ServerSnapshot`], with the time at
//! which it was taken. `/api/v1/machines` is of `plants`.
//!
//! - `lists`: what comes in pages
//! - `events`: streams of what each second brings
//!
//! What stands above a handler is what `/api/v1` and `/api/v1/openapi.json` say of it.

mod events;
mod lists;

pub(crate) use events::{Asker, Remote, listen};

use super::openapi::{self, Description, Index};
use super::past::{Point, Rates};
use super::path_name::PathName;
use super::problem::Problem;
use super::report::{CatalogueReport, ChangesReport, ClockReport, RefusalReport, SpoolReport, Word};
use super::sign::role::{Right, Role};
use super::sign::{Access, Doorway};
use super::snapshot::{Fill, Flow, ServerSnapshot};
use super::window::Window;
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse;
use genims_locks::refusals::Refusal;
use genims_model::Account;
use serde::Serialize;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) const PREFIX: &str = "/api/v1";

/// What handlers see.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) window: Arc<Window>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) doorway: Doorway,
}

pub(crate) fn router(doorway: &Doorway) -> OpenApiRouter<Seen> {
    let behind = |right, routes| openapi::guarded(routes, doorway, right);
    let read = OpenApiRouter::default()
        .routes(routes!(index))
        .routes(routes!(document))
        .routes(routes!(snapshot))
        .routes(routes!(stats))
        .routes(routes!(server))
        .routes(routes!(history))
        .routes(routes!(lists::flows))
        .routes(routes!(flow))
        .routes(routes!(lists::listeners))
        .routes(routes!(lists::routes))
        .routes(routes!(lists::talkers))
        .routes(routes!(lists::dead_letters))
        .routes(routes!(lists::proofs))
        .routes(routes!(events::events));
    behind(Right::Read, read)
        .merge(behind(Right::Audit, OpenApiRouter::default().routes(routes!(audit))))
        .merge(behind(Right::Own, OpenApiRouter::default().routes(routes!(session))))
        .merge(behind(Right::Manage, OpenApiRouter::default().routes(routes!(lists::users))))
        .merge(behind(Right::Act, OpenApiRouter::default().routes(routes!(reload))))
}

/// These paths.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "",
    responses((status = 200, description = "Paths and their meaning.", body = Index))
)]
async fn index(Extension(description): Extension<Arc<Description>>) -> Json<Index> {
    Json(description.index.clone())
}

/// This description, as OpenAPI 3.1.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/openapi.json",
    responses(
        (status = 200, description = "The description.", body = serde_json::Value, content_type = "application/json")
    )
)]
async fn document(Extension(description): Extension<Arc<Description>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], description.json.clone())
}

/// Everything, at one moment.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/snapshot",
    responses((status = 200, description = "The snapshot.", body = ServerSnapshot))
)]
async fn snapshot(State(seen): State<Seen>) -> Json<ServerSnapshot> {
    Json(seen.window.snapshot())
}

/// The same as `/api/v1/snapshot`.
#[utoipa::path(get, path = "/stats", responses((status = 200, description = "The snapshot.", body = ServerSnapshot)))]
async fn stats(State(seen): State<Seen>) -> Json<ServerSnapshot> {
    Json(seen.window.snapshot())
}

/// The server as a whole.
#[derive(Debug, Serialize, ToSchema)]
struct ServerOverview {
    taken_ms: i64,
    #[schema(value_type = String)]
    version: Word,
    uptime_seconds: f64,
    ready: bool,
    not_ready_because: Option<String>,
    rates: Rates,
    total: Account,
    identity_holds: bool,
    at_risk_records: u64,
    fill: Fill,
    spool: SpoolReport,
    catalogue: CatalogueReport,
    clocks: Vec<ClockReport>,
}

/// Version, readiness, rates, account, log.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/server",
    responses((status = 200, description = "The server.", body = ServerOverview))
)]
async fn server(State(seen): State<Seen>) -> Json<ServerOverview> {
    let ServerSnapshot { taken_ms, rates, fill, report, .. } = seen.window.snapshot();
    Json(ServerOverview {
        taken_ms,
        version: report.version,
        uptime_seconds: report.uptime_seconds,
        ready: report.ready,
        not_ready_because: report.not_ready_because,
        rates,
        total: report.total,
        identity_holds: report.identity_holds,
        at_risk_records: report.at_risk_records,
        fill,
        spool: report.spool,
        catalogue: report.catalogue,
        clocks: report.clocks,
    })
}

#[derive(Debug, Serialize, ToSchema)]
struct History {
    /// Oldest first.
    points: Vec<Point>,
}

/// The last ten minutes, a point every two seconds.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/history",
    responses((status = 200, description = "The points.", body = History))
)]
async fn history(State(seen): State<Seen>) -> Json<History> {
    Json(History { points: seen.window.points() })
}

/// One way into a database.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/flows/{*name}",
    params(("name" = String, Path, description = "As the list has it; its slashes as they are, or as %2F.")),
    responses(
        (status = 200, description = "State and backlog.", body = Flow),
        (status = 404, description = "There is none.", body = Problem, content_type = "application/problem+json")
    )
)]
async fn flow(State(seen): State<Seen>, PathName(name): PathName, uri: Uri) -> Result<Json<Flow>, Problem> {
    let found = seen.window.snapshot().flows.into_iter().find(|flow| flow.name == name);
    found.map(Json).ok_or_else(|| Problem::not_found("there is no flow of this name", &uri))
}

#[derive(Debug, Serialize, ToSchema)]
struct AuditReport {
    taken_ms: i64,
    changes: Vec<ChangesReport>,
    refusals: Vec<RefusalReport>,
    /// The newest refusals, folded by client and minute.
    recent: Vec<Refusal>,
}

/// What was refused to whom, and changes on their way into the audit trail; for auditors.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/audit",
    responses((status = 200, description = "Changes and refusals.", body = AuditReport))
)]
async fn audit(State(seen): State<Seen>) -> Json<AuditReport> {
    let ServerSnapshot { taken_ms, report, .. } = seen.window.snapshot();
    let recent = seen.doorway.refusals.recent();
    Json(AuditReport { taken_ms, changes: report.changes, refusals: report.refusals, recent })
}

#[derive(Debug, Serialize, ToSchema)]
struct SessionReport {
    name: String,
    role: Role,
    /// What requests that change anything have to show; a token needs none.
    proof: Option<String>,
}

/// Who asks, and the proof that state-changing requests of a browser show.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/session",
    responses((status = 200, description = "Who has signed in.", body = SessionReport))
)]
async fn session(Extension(access): Extension<Access>) -> Json<SessionReport> {
    let user = &access.user;
    Json(SessionReport { name: user.name.clone(), role: user.role, proof: access.proof() })
}

#[derive(Debug, Serialize, ToSchema)]
struct Reload {
    asked: bool,
}

/// Certificates, clients and users are read again; for engineers.
#[utoipa::path(
    post,
    context_path = PREFIX,
    path = "/reload",
    responses((status = 202, description = "They will be, within a second.", body = Reload))
)]
async fn reload(State(seen): State<Seen>, Extension(access): Extension<Access>) -> (StatusCode, Json<Reload>) {
    tracing::info!(user = access.user.name, "certificates, clients and users are to be read again");
    seen.doorway.reload.notify_one();
    (StatusCode::ACCEPTED, Json(Reload { asked: true }))
}
