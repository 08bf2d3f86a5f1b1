//! What comes in pages. A question enters; a part of the list leaves, and where the next one is.

use super::{PREFIX, Seen};
use crate::problem::Problem;
use crate::proof::Proof;
use crate::report::{RouteReport, SourceReport, Word};
use crate::sign::file::User;
use crate::sign::role::Role;
use crate::snapshot::Flow;
use crate::talkers::TalkerReport;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 500;

/// Which part of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// How many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// Behind how many.
    #[param(default = 0)]
    offset: Option<usize>,
}

/// Which part of the list of flows, and which of them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FlowsWanted {
    /// How many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// Behind how many.
    #[param(default = 0)]
    offset: Option<usize>,
    /// `sink`, `router`, `routes` or `changes`.
    kind: Option<String>,
    state: Option<String>,
    /// As the registry calls it.
    database: Option<String>,
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct List<T> {
    taken_ms: i64,
    /// Of the whole list.
    total: usize,
    items: Vec<T>,
    /// Where the next page is; `null` at the end.
    next: Option<String>,
}

type Listed<T> = Result<Json<List<T>>, Problem>;
type Wanted<T> = Result<Query<T>, QueryRejection>;

fn understood<T>(wanted: Wanted<T>, uri: &Uri) -> Result<T, Problem> {
    let Query(wanted) = wanted.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text(), uri))?;
    Ok(wanted)
}

/// `filter`: what the next page has to be asked for besides, as it stands in a URL.
fn list<T>(part: &Part, filter: &str, uri: &Uri, taken_ms: i64, items: Vec<T>) -> Listed<T> {
    let (limit, offset) = (part.limit.unwrap_or(LIMIT_DEFAULT), part.offset.unwrap_or(0));
    if !(1..=LIMIT_MAX).contains(&limit) {
        let detail = format!("limit is {limit}; 1 to {LIMIT_MAX} is allowed");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail, uri));
    }
    let total = items.len();
    let end = offset.saturating_add(limit);
    let next = (end < total).then(|| format!("{}?limit={limit}&offset={end}{filter}", uri.path()));
    Ok(Json(List { taken_ms, total, items: items.into_iter().skip(offset).take(limit).collect(), next }))
}

/// Every way into a database: state and backlog; `?kind=`, `?state=`, `?database=`, pages.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/flows",
    params(FlowsWanted),
    responses((status = 200, description = "A page of them.", body = List<Flow>))
)]
pub(super) async fn flows(State(seen): State<Seen>, uri: Uri, wanted: Wanted<FlowsWanted>) -> Listed<Flow> {
    let FlowsWanted { limit, offset, kind, state, database } = understood(wanted, &uri)?;
    let snapshot = seen.window.snapshot();
    let is = |said: &Option<String>, found: &str| said.as_ref().is_none_or(|said| said == found);
    let items = snapshot.flows.into_iter().filter(|flow| {
        is(&kind, &flow.kind) && is(&state, &flow.state) && is(&database, flow.database.as_deref().unwrap_or_default())
    });
    let items = items.collect();
    let said = [("kind", &kind), ("state", &state), ("database", &database)];
    let filter: String =
        said.into_iter().filter_map(|(key, value)| Some(format!("&{key}={}", value.as_ref()?))).collect();
    list(&Part { limit, offset }, &filter, &uri, snapshot.taken_ms, items)
}

/// Listeners with connections and accounts; pages.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/listeners",
    params(Part),
    responses((status = 200, description = "A page of them.", body = List<SourceReport>))
)]
pub(super) async fn listeners(State(seen): State<Seen>, uri: Uri, wanted: Wanted<Part>) -> Listed<SourceReport> {
    let snapshot = seen.window.snapshot();
    list(&understood(wanted, &uri)?, "", &uri, snapshot.taken_ms, snapshot.report.sources)
}

/// Routes by which events become rows of other databases: what each has done since the start; pages.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/routes",
    params(Part),
    responses((status = 200, description = "A page of them.", body = List<RouteReport>))
)]
pub(super) async fn routes(State(seen): State<Seen>, uri: Uri, wanted: Wanted<Part>) -> Listed<RouteReport> {
    let snapshot = seen.window.snapshot();
    list(&understood(wanted, &uri)?, "", &uri, snapshot.taken_ms, snapshot.report.routes)
}

/// Clients by what they send, the busiest first; pages.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/talkers",
    params(Part),
    responses((status = 200, description = "A page of them.", body = List<TalkerReport>))
)]
pub(super) async fn talkers(State(seen): State<Seen>, uri: Uri, wanted: Wanted<Part>) -> Listed<TalkerReport> {
    let snapshot = seen.window.snapshot();
    list(&understood(wanted, &uri)?, "", &uri, snapshot.taken_ms, snapshot.talkers.busiest)
}

/// Records set aside for one reason.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadLetters {
    #[schema(value_type = String)]
    reason: Word,
    records: u64,
}

/// Records set aside in this run, by reason; pages.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/dead-letters",
    params(Part),
    responses((status = 200, description = "A page of them.", body = List<DeadLetters>))
)]
pub(super) async fn dead_letters(State(seen): State<Seen>, uri: Uri, wanted: Wanted<Part>) -> Listed<DeadLetters> {
    let snapshot = seen.window.snapshot();
    let reasons = snapshot.report.dead_letter_reasons.into_iter();
    let items = reasons.map(|(reason, records)| DeadLetters { reason, records }).collect();
    list(&understood(wanted, &uri)?, "", &uri, snapshot.taken_ms, items)
}

/// The queries by which PostgreSQL proves the numbers; pages.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/proofs",
    params(Part),
    responses((status = 200, description = "A page of them.", body = List<Proof>))
)]
pub(super) async fn proofs(State(seen): State<Seen>, uri: Uri, wanted: Wanted<Part>) -> Listed<Proof> {
    let snapshot = seen.window.snapshot();
    list(&understood(wanted, &uri)?, "", &uri, snapshot.taken_ms, snapshot.proofs)
}

/// What may be told of a user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserReport {
    name: String,
    role: Role,
    disabled: bool,
    tokens: usize,
    sessions: usize,
    added: String,
    rotated: String,
}

/// Who may sign in; pages; for admins.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/users",
    params(Part),
    responses((status = 200, description = "A page of them.", body = List<UserReport>))
)]
pub(super) async fn users(State(seen): State<Seen>, uri: Uri, wanted: Wanted<Part>) -> Listed<UserReport> {
    let part = understood(wanted, &uri)?;
    let items = seen.doorway.sign.as_ref().map_or_else(Vec::new, |sign| {
        let told = |user: Arc<User>| UserReport {
            name: user.name.clone(),
            role: user.role,
            disabled: user.disabled,
            tokens: user.tokens.len(),
            sessions: sign.sessions_of(&user.name),
            added: user.added.clone(),
            rotated: user.rotated.clone(),
        };
        sign.users.all().into_iter().map(told).collect()
    });
    list(&part, "", &uri, genims_model::now_us() / 1_000, items)
}
