//! What stands before each path: who asks, by a token or a session, and whether they may.

use super::file::User;
use super::origin::{host, is_foreign};
use super::role::Right;
use super::sessions::proof;
use super::{Doorway, Sign, refused, users::Users};
use crate::problem::Problem;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use genims_locks::refusals::{RefusalKind, Refusals};
use std::sync::Arc;
use tokio::time::Instant;

/// Where a request shows that it comes from a page of ours.
pub(crate) const PROOF: &str = "x-genims-proof";
/// Streams of events: a browser opens them again by itself, so they are no use of a session.
const WATCHED: [&str; 2] = ["/live", "/api/v1/events"];
/// A page that asks for itself again says so: that is no use either.
const WATCHING: &str = "x-genims-watching";
/// No form here is longer.
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024;

/// Who asks, and by what.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) user: Arc<User>,
    sign: Arc<Sign>,
    shown: Shown,
}

#[derive(Clone, Debug)]
enum Shown {
    Token(String),
    Session(String),
}

impl Access {
    /// Whether it would still be let in.
    pub(crate) fn lasts(&self, right: Right) -> bool {
        let user = match &self.shown {
            Shown::Token(token) => self.sign.users.of_token(token),
            Shown::Session(token) => self.sign.sessions.user(token, &self.sign.users, false, Instant::now()),
        };
        user.is_some_and(|user| user.role.has(right))
    }

    /// What forms have to bring along; a token needs none.
    pub(crate) fn proof(&self) -> Option<String> {
        match &self.shown {
            Shown::Token(_) => None,
            Shown::Session(token) => Some(proof(token)),
        }
    }

    pub(super) fn sign_out(&self) {
        if let Shown::Session(token) = &self.shown {
            self.sign.sessions.end(token);
        }
    }
}

/// Lets those who have the right in to the routes. Without sign-in everybody is let in to what asks for nobody, and nobody to
/// the rest: whoever can reach a port of loopback, a page in a browser among them, is nobody in particular.
pub(crate) fn guarded<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    doorway: &Doorway,
    right: Right,
) -> Router<S> {
    match &doorway.sign {
        Some(sign) => routes.route_layer(from_fn_with_state((sign.clone(), right), guard)),
        None if doorway.asks(right) => routes.route_layer(from_fn_with_state(doorway.refusals.clone(), unsigned)),
        None => routes,
    }
}

async fn unsigned(State(refusals): State<Arc<Refusals>>, request: Request, _: Next) -> Response {
    refused(&refusals, RefusalKind::Nobody, "", &host(&request));
    let detail = "this asks for somebody who has signed in: set sign_in = \"required\" in [http]";
    Problem::new(StatusCode::FORBIDDEN, detail, request.uri()).into_response()
}

async fn guard(State((sign, right)): State<(Arc<Sign>, Right)>, mut request: Request, next: Next) -> Response {
    let host = host(&request);
    let is_use = !WATCHED.contains(&request.uri().path()) && !request.headers().contains_key(WATCHING);
    let access = match sign.access(request.headers(), is_use) {
        Ok(access) => access,
        Err(kind) => return sign.turned_away(kind, &host, &request),
    };
    let name = access.user.name.clone();
    if !access.user.role.has(right) {
        return sign.not_their_role(&access, &host, &request);
    }
    if !request.method().is_safe() {
        let proven = match access.proof() {
            None => Ok(request),
            Some(_) if is_foreign(request.headers()) => Err(request.uri().clone()),
            Some(proof) => shows(request, &proof).await,
        };
        request = match proven {
            Ok(request) => request,
            Err(uri) => {
                sign.refused(RefusalKind::Forged, &name, &host);
                return forged(&uri);
            }
        };
    }
    request.extensions_mut().insert(access);
    next.run(request).await
}

pub(super) fn forged(uri: &Uri) -> Response {
    let detail = format!("nothing shows that a page of this server asks: send {PROOF}, which /api/v1/session tells");
    Problem::new(StatusCode::FORBIDDEN, detail, uri).into_response()
}

/// The request with its body, when it shows the proof: in a header, or as a field of its form.
async fn shows(request: Request, proof: &str) -> Result<Request, Uri> {
    if let Some(shown) = request.headers().get(PROOF) {
        return if shown.as_bytes() == proof.as_bytes() { Ok(request) } else { Err(request.uri().clone()) };
    }
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, BODY_BYTES_MAX).await else { return Err(parts.uri) };
    let mut fields = bytes.split(|byte| *byte == b'&');
    if fields.any(|field| field.strip_prefix(b"proof=") == Some(proof.as_bytes())) {
        return Ok(Request::from_parts(parts, Body::from(bytes)));
    }
    Err(parts.uri)
}

impl Sign {
    /// Who it is. `used`: the request keeps a session from ending.
    pub(crate) fn access(self: &Arc<Self>, headers: &HeaderMap, used: bool) -> Result<Access, RefusalKind> {
        let access = |user, shown| Access { user, sign: self.clone(), shown };
        if let Some(shown) = headers.get(header::AUTHORIZATION) {
            let shown = shown.to_str().ok().and_then(|shown| shown.split_once(' '));
            let token =
                shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
            let token = token.ok_or(RefusalKind::WrongToken)?;
            let user = self.users.of_token(token).ok_or(RefusalKind::WrongToken)?;
            return Ok(access(user, Shown::Token(token.to_owned())));
        }
        let token = self.session(headers).ok_or(RefusalKind::Nobody)?;
        let users: &Users = &self.users;
        let user = self.sessions.user(token, users, used, Instant::now()).ok_or(RefusalKind::Nobody)?;
        Ok(access(user, Shown::Session(token.to_owned())))
    }

    pub(super) fn session<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let mut cookies = all.flat_map(|value| value.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        cookies.find(|(name, _)| *name == self.cookie()).map(|(_, token)| token)
    }

    fn turned_away(&self, kind: RefusalKind, host: &str, request: &Request) -> Response {
        let opens = kind == RefusalKind::Nobody && is_page(request);
        // Whoever opens the page for the first time is nobody yet; who shows a session that there is not is somebody.
        if !(opens && request.uri().path() == "/" && self.session(request.headers()).is_none()) {
            self.refused(kind, "", host);
        }
        if opens {
            return Redirect::to("/sign-in").into_response();
        }
        let detail = "sign in at /sign-in, or send a token of `genims user token` as Authorization: Bearer";
        let mut response = Problem::new(StatusCode::UNAUTHORIZED, detail, request.uri()).into_response();
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"genims\""));
        response
    }

    fn not_their_role(&self, access: &Access, host: &str, request: &Request) -> Response {
        let (user, role) = (&access.user.name, access.user.role);
        if is_page(request) && request.uri().path() == "/" && role.has(Right::Audit) {
            return Redirect::to("/audit").into_response();
        }
        self.refused(RefusalKind::Role, user, host);
        let detail = format!("{user} is {role}, whose right this is not; `genims user` gives roles");
        Problem::new(StatusCode::FORBIDDEN, detail, request.uri()).into_response()
    }
}

/// A browser asks for something to show.
fn is_page(request: &Request) -> bool {
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    request.method() == Method::GET && accepted.is_some_and(|accepted| accepted.contains("text/html"))
}
