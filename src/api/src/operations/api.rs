//! What `/operations` shows, as JSON, and the replay of dead letters.

use super::NotReplayed;
use super::report::{OperationsReport, ReplayView, TrailView};
use crate::path_name::PathName;
use crate::problem::Problem;
use crate::sign::Access;
use crate::v1::{PREFIX, Seen};
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{StatusCode, Uri};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<Seen> {
    OpenApiRouter::default().routes(routes!(operations))
}

/// For those who see the audit.
pub(crate) fn trail_router() -> OpenApiRouter<Seen> {
    OpenApiRouter::default().routes(routes!(trail))
}

/// For those who may act.
pub(crate) fn acts() -> OpenApiRouter<Seen> {
    OpenApiRouter::default().routes(routes!(replay))
}

/// Jobs with their last runs, dead letters that wait, the last replay, audit chains, backups with their age.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/operations",
    responses((status = 200, description = "What is known.", body = OperationsReport))
)]
async fn operations(State(seen): State<Seen>) -> Json<OperationsReport> {
    Json(seen.window.operations().report(genims_model::now_us() / 1_000).await)
}

/// The audit chain of each database: last seal, heads that are kept elsewhere, breaks; for auditors.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/audit/trail",
    responses((status = 200, description = "What is known.", body = TrailView))
)]
async fn trail(State(seen): State<Seen>) -> Json<TrailView> {
    Json(seen.window.operations().trail(genims_model::now_us() / 1_000).await)
}

/// Dead letters that wait for this reason go through the server again, 10,000 at most; for engineers.
#[utoipa::path(
    post,
    context_path = PREFIX,
    path = "/dead-letters/{reason}/replay",
    params(("reason" = String, Path, description = "As `/api/v1/operations` has it.")),
    responses(
        (status = 202, description = "It has begun; `/api/v1/operations` tells how far it is.", body = ReplayView),
        (status = 404, description = "There is no such reason.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Another one is under way.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It is not possible here.", body = Problem, content_type = "application/problem+json")
    )
)]
async fn replay(
    State(seen): State<Seen>,
    PathName(reason): PathName,
    Extension(access): Extension<Access>,
    uri: Uri,
) -> Result<(StatusCode, Json<ReplayView>), Problem> {
    replayed(&seen, &reason, &access, &uri)?;
    Ok((StatusCode::ACCEPTED, Json(seen.window.operations().last_replay().unwrap_or_default())))
}

/// Begins a replay on the word of who asks.
pub(super) fn replayed(seen: &Seen, reason: &str, access: &Access, uri: &Uri) -> Result<(), Problem> {
    let user = access.user.name.as_str();
    let refused = |error: NotReplayed| match error {
        NotReplayed::Unknown => Problem::not_found(&format!("there is no reason {reason:.60}"), uri),
        NotReplayed::Busy => {
            let detail = "a replay is under way; /operations tells how far it is: ask again behind it";
            Problem::new(StatusCode::CONFLICT, detail, uri)
        }
        NotReplayed::Impossible(cause) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, cause, uri),
    };
    seen.window.operations().begin_replay(reason, user).map_err(refused)?;
    tracing::info!(user, reason, "dead letters are to be replayed");
    Ok(())
}
