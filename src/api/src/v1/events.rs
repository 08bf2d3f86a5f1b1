//! Streams of what each second brings, to those who listen.

use super::{PREFIX, Seen};
use crate::problem::Problem;
use crate::sign::role::Right;
use crate::sign::{self, Access};
use crate::socket::Peer;
use crate::window::{LISTENERS_MAX, OF_ONE_MAX, Tick};
use axum::extract::{ConnectInfo, Extension, State};
use axum::http::{StatusCode, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use genims_locks::refusals::RefusalKind;
use std::convert::Infallible;
use std::sync::Arc;

/// Server-sent events: a snapshot each second.
#[utoipa::path(
    get,
    context_path = PREFIX,
    path = "/events",
    responses(
        (
            status = 200,
            description = "Events `snapshot`, each with a ServerSnapshot as JSON.",
            body = String,
            content_type = "text/event-stream"
        ),
        (status = 503, description = "Too many listen.", body = Problem, content_type = "application/problem+json")
    )
)]
pub(super) async fn events(State(seen): State<Seen>, access: Asker, peer: Remote, uri: Uri) -> Response {
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
