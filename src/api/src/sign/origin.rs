//! From where a request comes, and whether a page of ours asks, or one of elsewhere that was opened in the same browser. Headers of requests enter; what another
//! site made leaves refused, counted and told.

use super::{Doorway, refused};
use crate::problem::Problem;
use crate::socket::Peer;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use genims_locks::refusals::RefusalKind;
use std::net::{IpAddr, Ipv6Addr};

/// Whom refusals are about.
pub(super) fn host(request: &Request) -> String {
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    peer.map_or_else(String::new, |ConnectInfo(peer)| peer.to_string())
}

/// A browser says that another site asks.
pub(super) fn is_foreign(headers: &HeaderMap) -> bool {
    let said = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or("?"));
    if let Some(site) = said(HeaderName::from_static("sec-fetch-site")) {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = said(header::ORIGIN) else { return false };
    let own = origin.split_once("://").map(|(_, host)| host);
    own.is_none() || own != said(header::HOST)
}

/// Answers nothing to who asks for another host than this machine: a page of elsewhere can have its own name resolved to
/// loopback, and is then of the same origin for the browser. That name is what such a request says, and what gives it away.
pub(crate) async fn only_here(State(doorway): State<Doorway>, request: Request, next: Next) -> Response {
    if !doorway.only_here || is_for_here(&request) {
        return next.run(request).await;
    }
    refused(&doorway.refusals, RefusalKind::Forged, "", &host(&request));
    let detail = "without sign-in this answers to localhost, 127.0.0.1 and [::1] alone: ask for it by one of these, have the \
                  proxy before it do so, or set sign_in = \"required\" in [http]";
    Problem::new(StatusCode::MISDIRECTED_REQUEST, detail, request.uri()).into_response()
}

/// Whatever names a host names this machine; HTTP/1.0 names none.
fn is_for_here(request: &Request) -> bool {
    let named = request.headers().get_all(header::HOST).into_iter();
    let all_here = named.map(|value| value.to_str()).all(|name| name.is_ok_and(is_here));
    all_here && request.uri().authority().is_none_or(|authority| is_here(authority.as_str()))
}

/// With a port or without.
fn is_here(authority: &str) -> bool {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(literal) = authority.strip_prefix('[') {
        let Some((address, port)) = literal.split_once(']') else { return false };
        let address = address.parse::<Ipv6Addr>().map(|address| IpAddr::from(address).to_canonical());
        let is_end = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return is_end && address.is_ok_and(|address| address.is_loopback());
    }
    let (name, port) = authority.split_once(':').unwrap_or((authority, ""));
    let is_literal = || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_port(port) && (name.eq_ignore_ascii_case("localhost") || is_literal())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_are_told_from_others() {
        for here in [
            "localhost",
            "LocalHost:9400",
            "127.0.0.1",
            "127.0.0.1:9400",
            "127.8.9.1:1",
            "[::1]",
            "[::1]:9400",
            "[::ffff:127.0.0.1]:9400",
            "localhost:",
        ] {
            assert!(is_here(here), "{here}");
        }
        for other in [
            "",
            ":9400",
            "elsewhere.example",
            "elsewhere.example:9400",
            "localhost.elsewhere.example",
            "127.0.0.1.elsewhere.example",
            "127.0.0.1@elsewhere.example",
            "elsewhere.example@127.0.0.1",
            "10.0.0.1:9400",
            "0.0.0.0:9400",
            "[::]:9400",
            "[2001:db8::1]:9400",
            "[::1].elsewhere.example",
            "[::1",
            "::1",
            "localhost:x",
            "127.1",
            "2130706433",
        ] {
            assert!(!is_here(other), "{other}");
        }
    }
}
