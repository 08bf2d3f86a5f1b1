//! `/operations`, and the button of it. Everything that others wrote is escaped by the template.

use super::api::replayed;
use super::page::OperationsPage;
use crate::problem::Problem;
use crate::render::rendered;
use crate::report::Observe;
use crate::sign::{Access, Signed};
use crate::v1::Seen;
use axum::extract::rejection::FormRejection;
use axum::extract::{Extension, State};
use axum::http::{StatusCode, Uri};
use axum::response::{Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::Deserialize;

pub(crate) fn router() -> Router<Seen> {
    Router::new().route("/operations", get(operations))
}

/// What asks for the right to act.
pub(crate) fn act_router() -> Router<Seen> {
    Router::new().route("/operations/replay", post(replay))
}

async fn operations(State(seen): State<Seen>, access: Option<Extension<Access>>, uri: Uri) -> Response {
    let report = seen.window.operations().report(genims_model::now_us() / 1_000).await;
    let version = seen.window.report().version;
    rendered(&OperationsPage::new(&report, &version, Signed::of(access.as_deref())), &uri)
}

#[derive(Deserialize)]
struct ReplayForm {
    reason: String,
}

async fn replay(
    State(seen): State<Seen>,
    Extension(access): Extension<Access>,
    uri: Uri,
    form: Result<Form<ReplayForm>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text(), &uri))?;
    replayed(&seen, &form.reason, &access, &uri)?;
    Ok(Redirect::to("/operations"))
}
