//! What a scanner would try, driven by the description of the API: every path and parameter with every payload, pages as well, and
//! methods, heads and bodies that nobody expects. Whatever is asked, the answer is one that was meant.

#[path = "../../../tests/it/sign_in/probe/payloads.rs"]
mod payloads;

use super::openapi_tests::{Trial, existing, routes};
use super::problem;
use super::sign::{BODY_BYTES_MAX, PROOF};
use super::socket::{Accepted, Peer};
use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Request, StatusCode, Uri, header};
use payloads::{PAYLOADS, faults, targets};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

const FORM: &str = "application/x-www-form-urlencoded";

/// Asks, and looks at the answer: what came of it is told with who asked for what.
async fn probe(trial: &Trial, request: Request<Body>, payload: &[u8]) -> StatusCode {
    let asked = format!("{} {:.200} {:?}", request.method(), request.uri().to_string(), request.headers());
    let is_api = request.uri().path().starts_with("/api/");
    let response = trial.router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let told = response.headers().iter();
    let told: Vec<(String, String)> =
        told.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect();
    let media_type = told.iter().find(|(name, _)| name == "content-type").map_or("", |(_, value)| value.as_str());
    if is_api && (status.is_client_error() || status.is_server_error()) {
        assert_eq!(media_type, problem::MEDIA_TYPE, "{asked}: {status}");
    }
    // A stream of events does not end.
    let body = if media_type.starts_with("text/event-stream") { Body::empty() } else { response.into_body() };
    let body = to_bytes(body, 1 << 24).await.unwrap();
    let found = faults(status.as_u16(), &told, &String::from_utf8_lossy(&body), payload);
    assert!(found.is_empty(), "{asked}: {status}: {found:#?}");
    status
}

/// As the admin, for whom nothing is out of reach.
fn request(trial: &Trial, method: &str, uri: &str) -> axum::http::request::Builder {
    let [_, admin] = trial.tokens.as_ref().unwrap();
    Request::builder().method(method).uri(uri).header(header::AUTHORIZATION, format!("Bearer {admin}"))
}

/// As percent-encodings, and, where an address can hold it, as it is. How many there were.
async fn try_all(trial: &Trial, (method, path): (&str, &str), operation: &Value) -> usize {
    let mut tried = 0;
    for payload in PAYLOADS {
        let plain = std::str::from_utf8(payload).ok().map(|payload| format!("{}{payload}", existing(path)));
        let plain = plain.filter(|uri| uri.parse::<Uri>().is_ok());
        for uri in targets(path, &existing(path), operation, payload).into_iter().chain(plain) {
            probe(trial, request(trial, method, &uri).body(Body::empty()).unwrap(), payload).await;
            tried += 1;
        }
    }
    tried
}

/// Nothing waits: what is known of machines is told at once, and not that it is on its way.
#[tokio::test(start_paused = true)]
async fn no_path_and_no_parameter_of_the_api_gives_anything_away() {
    let trial = Trial::locked(false).await;
    let mut tried = 0;
    for (method, path, operation) in trial.operations() {
        tried += try_all(&trial, (method.as_str(), path), operation).await;
    }
    assert!(tried > 40 * PAYLOADS.len(), "{tried}");
    let described = trial.operations().flat_map(|(_, _, operation)| operation["parameters"].as_array());
    assert!(described.flatten().count() > 15, "else the description lacks them");
}

#[tokio::test(start_paused = true)]
async fn no_page_gives_anything_away() {
    let trial = Trial::locked(false).await;
    let parameters = |path: &str| -> Value {
        let names = match path {
            "/plants" => &["factory", "offset"][..],
            "/machines/{id}" => &["span", "offset"],
            _ => &[],
        };
        let of = |names: &[&str], place: &str| -> Vec<Value> {
            names.iter().map(|name| json!({ "name": name, "in": place })).collect()
        };
        let id = if path.contains("{id}") { &["id"][..] } else { &[] };
        let parameters = [of(names, "query"), of(id, "path")].concat();
        json!({ "parameters": parameters })
    };
    let mut pages = routes(&trial.router);
    pages.retain(|path| !path.starts_with("/api/"));
    assert!(pages.contains("/machines/{id}") && pages.contains("/sign-in") && pages.len() > 10, "{pages:?}");
    for path in &pages {
        try_all(&trial, ("GET", path), &parameters(path)).await;
    }
}

#[tokio::test]
async fn no_method_head_or_body_that_nobody_expects_gives_anything_away() {
    let trial = Trial::locked(false).await;
    for path in routes(&trial.router) {
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROBE"] {
            let asked = request(&trial, method, &existing(&path)).body(Body::from("<x>")).unwrap();
            let status = probe(&trial, asked, b"<x>").await;
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        }
    }
    let heads = ["accept", "cookie", "host", "origin", "referer", "user-agent", "x-forwarded-for", "x-forwarded-host"];
    for payload in PAYLOADS {
        let Ok(value) = HeaderValue::from_bytes(payload) else { continue };
        for name in heads.into_iter().chain([PROOF, "x-genims-watching"]) {
            let asked = request(&trial, "GET", "/api/v1/session").header(name, value.clone());
            probe(&trial, asked.body(Body::empty()).unwrap(), payload).await;
        }
        let unknown = Request::get("/api/v1/flows").header(header::AUTHORIZATION, value);
        let status = probe(&trial, unknown.body(Body::empty()).unwrap(), payload).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    bodies(&trial).await;
}

async fn bodies(trial: &Trial) {
    let huge = "name=".to_owned() + &"x".repeat(64 * BODY_BYTES_MAX);
    let nested = "[".repeat(10_000);
    let bodies: [(&str, &str); 9] = [
        ("", "name=a"),
        ("text/plain", "name=a&secret=b&once=c&reason=d"),
        ("application/json", &nested),
        ("application/xml", "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><x>&e;</x>"),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"name\"; filename=\"../x\"\r\n\r\n1\r\n--x--",
        ),
        (FORM, &huge),
        (FORM, "name=a&name=b&reason=a&reason=b"),
        (FORM, "&&&==="),
        (FORM, "reason=%3Cscript%3Ealert(1)%3C/script%3E"),
    ];
    let mut posts = routes(&trial.router);
    posts.retain(|path| path.starts_with("/sign-") || path.ends_with("/replay") || path.ends_with("/reload"));
    assert_eq!(posts.len(), 6, "{posts:?}");
    for path in &posts {
        for (kind, body) in bodies {
            let asked = request(trial, "POST", &path.replace("{reason}", "none")).header(header::CONTENT_TYPE, kind);
            probe(trial, asked.body(Body::from(body.to_owned())).unwrap(), b"<script>alert(1)</script>").await;
        }
    }
}

/// hyper answers before there is a request that anything of ours sees, so these answers have no guards: they must hold nothing to guard.
#[tokio::test]
async fn what_is_no_request_is_answered_with_a_status_and_not_a_word_more() {
    let trial = Trial::locked(false).await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Accepted::of(listener, None, Arc::default()).unwrap();
    let service = trial.router.clone().into_make_service_with_connect_info::<Peer>();
    let serving = tokio::spawn(axum::serve(accepted, service).into_future());
    let long = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "probe: <script>\r\n".repeat(101));
    for (asked, status) in [
        ("<script>alert(1)</script>\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/1.1\r\n<script>alert(1)</script>\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/9.9\r\n\r\n", "400 Bad Request"),
        (long.as_str(), "414 URI Too Long"),
        (many.as_str(), "431 Request Header Fields Too Large"),
    ] {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(asked.as_bytes()).await.unwrap();
        let mut told = String::new();
        client.read_to_string(&mut told).await.unwrap();
        let (head, body) = told.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{asked:.80}: {told:?}"));
        let mut lines = head.split("\r\n");
        assert_eq!((lines.next(), body), (Some(format!("HTTP/1.1 {status}").as_str()), ""), "{asked:.80}");
        let is_meant =
            |line: &str| ["connection: close", "content-length: 0"].contains(&line) || line.starts_with("date: ");
        assert!(lines.all(is_meant), "{asked:.80}: {told:?}");
    }
    serving.abort();
}
