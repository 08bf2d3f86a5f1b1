//! Signing in and out, and the first admin. Forms without a script.

use super::guard::{Access, forged, guarded};
use super::origin::{host, is_foreign};
use super::role::Right;
use super::users::NotMade;
use super::{Doorway, Sign, file::User};
use askama::Template;
use axum::extract::{Extension, FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use genims_locks::refusals::RefusalKind;
use serde::Deserialize;
use std::sync::Arc;
use tokio::time::Instant;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page<'a> {
    version: &'static str,
    complaint: &'a str,
    /// There is no admin yet.
    first: bool,
}

#[derive(Deserialize)]
struct SignIn {
    name: String,
    secret: String,
}

#[derive(Deserialize)]
struct First {
    name: String,
    once: String,
    secret: String,
}

/// Whose page it is, for its foot.
pub(crate) struct Signed {
    pub(crate) name: String,
    pub(crate) role: &'static str,
    pub(crate) proof: String,
    /// Whether buttons that do something are for them.
    pub(crate) may_act: bool,
}

impl Signed {
    /// `None` for a token: it has nothing to sign out of.
    pub(crate) fn of(access: Option<&Access>) -> Option<Self> {
        let access = access?;
        let user = &access.user;
        let may_act = user.role.has(Right::Act);
        Some(Self { name: user.name.clone(), role: user.role.as_str(), proof: access.proof()?, may_act })
    }
}

/// For all that is behind sign-in to be reached.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(doorway: &Doorway) -> Router<S> {
    let Some(sign) = &doorway.sign else { return Router::new() };
    let own = Router::new().route("/sign-out", post(sign_out));
    let open = Router::new()
        .route("/sign-in", get(shown).post(sign_in))
        .route("/sign-in/first", post(make_first))
        .with_state(sign.clone());
    open.merge(guarded(own.with_state(sign.clone()), doorway, Right::Own))
}

fn page(sign: &Sign, status: StatusCode, complaint: &str) -> Response {
    let page = Page { version: env!("CARGO_PKG_VERSION"), complaint, first: sign.users.awaits_first() };
    match page.render() {
        Ok(page) => (status, Html(page)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn shown(State(sign): State<Arc<Sign>>, headers: HeaderMap) -> Response {
    match sign.access(&headers, true) {
        Ok(_) => Redirect::to("/").into_response(),
        Err(_) => page(&sign, StatusCode::OK, ""),
    }
}

/// Who sends a form, and with which session before it.
struct Sender {
    host: String,
    session: Option<String>,
}

/// The form and whose it is; a form of another page is refused.
async fn form<T: serde::de::DeserializeOwned>(sign: &Sign, request: Request) -> Result<(Sender, T), Response> {
    let host = host(&request);
    let session = sign.session(request.headers()).map(str::to_owned);
    if is_foreign(request.headers()) {
        sign.refused(RefusalKind::Forged, "", &host);
        return Err(forged(request.uri()));
    }
    match Form::<T>::from_request(request, &()).await {
        Ok(Form(form)) => Ok((Sender { host, session }, form)),
        Err(rejection) => {
            sign.refused(RefusalKind::Malformed, "", &host);
            Err(page(sign, rejection.status(), "Fill in the whole form."))
        }
    }
}

async fn sign_in(State(sign): State<Arc<Sign>>, request: Request) -> Response {
    let (sender, said) = match form::<SignIn>(&sign, request).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    match sign.users.sign_in(&sender.host, &said.name, &said.secret).await {
        Ok(user) => begun(&sign, &user, &sender),
        Err(kind) => denied(&sign, kind, &said.name, &sender.host),
    }
}

async fn make_first(State(sign): State<Arc<Sign>>, request: Request) -> Response {
    let (sender, said) = match form::<First>(&sign, request).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    match sign.users.make_first(&sender.host, (said.name, said.secret), &said.once).await {
        Ok(user) => begun(&sign, &user, &sender),
        Err(NotMade::Refused(kind)) => denied(&sign, kind, "one-time secret", &sender.host),
        Err(NotMade::Fault(error)) => page(&sign, StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

/// A new session each time: none that somebody planted is gone on with. The one before has no cookie any more, and ends.
fn begun(sign: &Sign, user: &User, sender: &Sender) -> Response {
    if let Some(before) = &sender.session {
        sign.sessions.end(before);
    }
    let token = sign.sessions.begin(user, Instant::now());
    tracing::info!(user = user.name, role = user.role.as_str(), address = sender.host, "signed in");
    with_cookie(sign, &token, Redirect::to("/").into_response())
}

fn with_cookie(sign: &Sign, token: &str, mut response: Response) -> Response {
    let (name, secure) = (sign.cookie(), if sign.secure { "; Secure" } else { "" });
    let ends = if token.is_empty() { "; Max-Age=0" } else { "" };
    let cookie = format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict{secure}{ends}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// What was wrong is told to the audit, and not to whoever tries.
fn denied(sign: &Sign, kind: RefusalKind, name: &str, host: &str) -> Response {
    sign.refused(kind, name, host);
    let (status, complaint) = match kind {
        RefusalKind::LockedOut => (StatusCode::TOO_MANY_REQUESTS, "Too many wrong secrets. Try again later."),
        RefusalKind::Busy => (StatusCode::SERVICE_UNAVAILABLE, "Too many sign in at once. Try again."),
        _ => (StatusCode::UNAUTHORIZED, "The name or the secret is wrong."),
    };
    page(sign, status, complaint)
}

async fn sign_out(State(sign): State<Arc<Sign>>, Extension(access): Extension<Access>) -> Response {
    access.sign_out();
    with_cookie(&sign, "", Redirect::to("/sign-in").into_response())
}
