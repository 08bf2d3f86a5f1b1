//! `/plants` and `/machines/{id}`. Everything that others wrote is escaped by the templates. A page asks for itself again every few
//! seconds, and is whole without a script.

use super::MACHINES_MAX;
use super::api::{MachinesWanted, ReadingsWanted, no_factory, no_machine, now_ms, wanted};
use super::list_page::PlantsPage;
use super::machine_page::MachinePage;
use crate::path_name::PathName;
use crate::problem::Problem;
use crate::render::rendered;
use crate::report::Observe;
use crate::sign::{Access, Signed};
use crate::v1::Seen;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::Uri;
use axum::response::Response;
use axum::routing::get;

pub(crate) fn router() -> Router<Seen> {
    Router::new().route("/plants", get(plants)).route("/machines/{id}", get(machine))
}

async fn plants(
    State(seen): State<Seen>,
    access: Option<Extension<Access>>,
    uri: Uri,
    query: Result<Query<MachinesWanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let wanted = wanted(query, &uri)?;
    let factory = wanted.factory.as_deref();
    let part = (wanted.offset.unwrap_or(0), MACHINES_MAX);
    let view = seen.window.plants().machines(factory, part, now_ms()).await;
    let view = view.ok_or_else(|| no_factory(&wanted, &uri))?;
    let version = seen.window.report().version;
    Ok(rendered(&PlantsPage::new(&view, factory, &version, Signed::of(access.as_deref())), &uri))
}

async fn machine(
    State(seen): State<Seen>,
    PathName(id): PathName,
    access: Option<Extension<Access>>,
    uri: Uri,
    query: Result<Query<ReadingsWanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let ReadingsWanted { span, offset } = wanted(query, &uri)?;
    let (plants, now_ms) = (seen.window.plants(), now_ms());
    let detail = plants.machine(&id, now_ms).await.ok_or_else(|| no_machine(&id, &uri))?;
    let readings = plants.readings(&id, span, offset, now_ms).await.ok_or_else(|| no_machine(&id, &uri))?;
    let version = seen.window.report().version;
    Ok(rendered(&MachinePage::new(&detail, &readings, &version, Signed::of(access.as_deref())), &uri))
}
