//! `/api/v1/machines`: what the pages of plants show, as JSON.

use super::report::{
    ChartSpan, FactoryEntry, MachineDetail, MachineView, MachinesView, OperationsView, Outage, ReadingsView,
};
use super::{MACHINES_MAX, SENSORS_MAX};
use crate::path_name::PathName;
use crate::problem::Problem;
use crate::proof::Proof;
use crate::v1::{PREFIX, Seen};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const PAGE_DEFAULT: usize = 50;
/// What has a meaning in an address, or may get one.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

pub(crate) fn router() -> OpenApiRouter<Seen> {
    OpenApiRouter::default().routes(routes!(machines)).routes(routes!(machine)).routes(routes!(readings))
}

/// Which machines.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MachinesWanted {
    /// Those of one factory alone.
    pub(super) factory: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub(super) limit: Option<usize>,
    /// Behind how many.
    #[param(default = 0)]
    pub(super) offset: Option<usize>,
}

/// Which readings of a machine.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReadingsWanted {
    /// How far back.
    #[serde(default)]
    #[param(inline)]
    pub(super) span: ChartSpan,
    /// Behind how many sensors.
    #[serde(default)]
    #[param(default = 0)]
    pub(super) offset: usize,
}

/// A page of machines.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MachinesPage {
    taken_ms: i64,
    operations: OperationsView,
    factories: Vec<FactoryEntry>,
    total: usize,
    items: Vec<MachineView>,
    /// Where the next page is; `null` at the end.
    next: Option<String>,
    oee_outage: Option<Outage>,
    proofs: Vec<Proof>,
}

/// A page of sensors.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReadingsPage {
    #[serde(flatten)]
    view: ReadingsView,
    /// Where the next page is; `null` at the end.
    next: Option<String>,
}

pub(super) fn wanted<T>(query: Result<Query<T>, QueryRejection>, uri: &Uri) -> Result<T, Problem> {
    match query {
        Ok(Query(wanted)) => Ok(wanted),
        Err(error) => Err(Problem::new(StatusCode::BAD_REQUEST, error.body_text(), uri)),
    }
}

pub(super) fn no_factory(wanted: &MachinesWanted, uri: &Uri) -> Problem {
    let name = wanted.factory.as_deref().unwrap_or_default();
    let detail = format!("no factory {name:.60} has machines; /plants and {PREFIX}/machines say which there are");
    Problem::new(StatusCode::NOT_FOUND, detail, uri)
}

pub(super) fn no_machine(machine_id: &str, uri: &Uri) -> Problem {
    let detail = format!(
        "master data has no machine {machine_id:.60}; /plants and {PREFIX}/machines list those there are, and a new one is \
         known within seconds of its row in genims_master_db.machines"
    );
    Problem::new(StatusCode::NOT_FOUND, detail, uri)
}

pub(super) fn now_ms() -> i64 {
    genims_model::now_us() / 1_000
}

/// A name as a part of a path or a query.
pub(super) fn encoded(name: &str) -> String {
    utf8_percent_encode(name, RESERVED).to_string()
}

/// Machines with state, open fault, OEE of the last hour and age of their telemetry; `?factory=`, pages.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/machines",
    params(MachinesWanted),
    responses(
        (status = 200, description = "A page of them.", body = MachinesPage),
        (
            status = 404,
            description = "There is no such factory.",
            body = Problem,
            content_type = "application/problem+json"
        )
    )
)]
async fn machines(
    State(seen): State<Seen>,
    uri: Uri,
    query: Result<Query<MachinesWanted>, QueryRejection>,
) -> Result<Json<MachinesPage>, Problem> {
    let wanted = wanted(query, &uri)?;
    let (limit, offset) = (wanted.limit.unwrap_or(PAGE_DEFAULT), wanted.offset.unwrap_or(0));
    if !(1..=MACHINES_MAX).contains(&limit) {
        let detail = format!("limit is {limit}; 1 to {MACHINES_MAX} is allowed");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail, &uri));
    }
    let factory = wanted.factory.as_deref();
    let view = seen.window.plants().machines(factory, (offset, limit), now_ms()).await;
    let MachinesView { taken_ms, operations, factories, total, items, oee_outage, proofs, .. } =
        view.ok_or_else(|| no_factory(&wanted, &uri))?;
    let end = offset.saturating_add(limit);
    let next = (end < total).then(|| {
        let factory = factory.map(|factory| format!("&factory={}", encoded(factory))).unwrap_or_default();
        format!("{}?limit={limit}&offset={end}{factory}", uri.path())
    });
    Ok(Json(MachinesPage { taken_ms, operations, factories, total, items, next, oee_outage, proofs }))
}

/// One machine.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/machines/{id}",
    params(("id" = String, Path, description = "As master data has it.")),
    responses(
        (status = 200, description = "What is known of it.", body = MachineDetail),
        (status = 404, description = "There is none.", body = Problem, content_type = "application/problem+json")
    )
)]
async fn machine(State(seen): State<Seen>, PathName(id): PathName, uri: Uri) -> Result<Json<MachineDetail>, Problem> {
    let detail = seen.window.plants().machine(&id, now_ms()).await;
    detail.map(Json).ok_or_else(|| no_machine(&id, &uri))
}

/// Sensors of a machine with thresholds, last values and what they measured, and its faults; `?span=`, pages of twelve.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/machines/{id}/readings",
    params(("id" = String, Path, description = "As master data has it."), ReadingsWanted),
    responses(
        (status = 200, description = "A page of its sensors.", body = ReadingsPage),
        (status = 404, description = "There is no such machine.", body = Problem, content_type = "application/problem+json")
    )
)]
async fn readings(
    State(seen): State<Seen>,
    PathName(id): PathName,
    uri: Uri,
    query: Result<Query<ReadingsWanted>, QueryRejection>,
) -> Result<Json<ReadingsPage>, Problem> {
    let ReadingsWanted { span, offset } = wanted(query, &uri)?;
    let view = seen.window.plants().readings(&id, span, offset, now_ms()).await;
    let view = view.ok_or_else(|| no_machine(&id, &uri))?;
    let end = offset.saturating_add(SENSORS_MAX);
    let next = (end < view.total).then(|| format!("{}?span={}&offset={end}", uri.path(), span.as_str()));
    Ok(Json(ReadingsPage { view, next }))
}
