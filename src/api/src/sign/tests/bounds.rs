//! What keeps a session, what ends one, who asks under which name, and how many may watch.

use super::*;
use crate::socket::Peer;
use crate::window::OF_ONE_MAX;
use axum::extract::ConnectInfo;

#[tokio::test]
async fn what_asks_by_itself_keeps_no_session() {
    let trial = Trial::new(10);
    let by_itself = ("x-genims-watching", "1");
    for (path, header, keeps) in [
        ("/live", None, false),
        ("/api/v1/events", None, false),
        ("/readyz", None, false),
        ("/plants", Some(by_itself), false),
        ("/plants", None, true),
        ("/stats", None, true),
        ("/api/v1/session", None, true),
    ] {
        let cookie = trial.cookie("operator").await;
        let token = cookie.split_once('=').unwrap().1;
        let idle = tokio::time::Instant::now() + HOUR;
        tokio::time::sleep(Duration::from_millis(2)).await;
        let headers: Vec<_> = [("cookie", cookie.as_str())].into_iter().chain(header).collect();
        assert_eq!(trial.status("GET", path, &headers).await, 200, "{path}");
        let is_kept = trial.sign.sessions.user(token, &trial.sign.users, false, idle).is_some();
        assert_eq!(is_kept, keeps, "{path}");
    }
}

#[tokio::test]
async fn who_signs_in_again_leaves_no_session_behind() {
    let trial = Trial::new(10);
    let (first, other) = (trial.cookie("operator").await, trial.cookie("operator").await);
    let form = format!("name=engineer&secret={}", SECRET.replace(' ', "+"));
    assert_eq!(trial.post("/sign-in", &[("cookie", &first)], "name=engineer&secret=wrong").await.status(), 401);
    assert_eq!(trial.status("GET", "/stats", &[("cookie", &first)]).await, 200, "who is not let in ends nothing");
    assert_eq!(trial.post("/sign-in", &[("cookie", &first)], &form).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(trial.status("GET", "/stats", &[("cookie", &first)]).await, 401);
    assert_eq!(trial.status("GET", "/stats", &[("cookie", &other)]).await, 200, "that of another browser goes on");
}

#[tokio::test]
async fn a_session_that_is_none_is_told_also_where_a_page_is_opened() {
    let trial = Trial::new(10);
    let page = ("accept", "text/html");
    assert_eq!(trial.status("GET", "/", &[page, ("cookie", "theme=dark")]).await, 303);
    assert_eq!(trial.counted(RefusalKind::Nobody), 0, "whoever opens the page is nobody yet");
    assert_eq!(trial.status("GET", "/", &[page, ("cookie", "genims=guessed")]).await, 303);
    assert_eq!(trial.counted(RefusalKind::Nobody), 1);
}

#[tokio::test]
async fn a_name_of_elsewhere_that_leads_to_loopback_is_answered_nothing() {
    let doorway = Doorway { only_here: true, ..Doorway::default() };
    let router = http::router(Window::new(Arc::new(Nothing)), doorway.clone(), CancellationToken::new());
    let ask = async |uri: &str, hosts: &[&str]| {
        let request = hosts.iter().fold(Request::get(uri), |request, host| request.header(header::HOST, *host));
        router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    for (uri, hosts) in [
        ("/stats", &["127.0.0.1:9400"][..]),
        ("/", &["localhost"]),
        ("/metrics", &["[::1]:9400"]),
        ("/stats", &[]),
        ("http://localhost:9400/stats", &["localhost:9400"]),
    ] {
        assert_eq!(ask(uri, hosts).await.status(), StatusCode::OK, "{uri} {hosts:?}");
    }
    for (uri, hosts) in [
        ("/stats", &["elsewhere.example:9400"][..]),
        ("/", &["elsewhere.example"]),
        ("/nowhere", &["elsewhere.example"]),
        ("/assets/window.js", &["elsewhere.example"]),
        ("/stats", &["127.0.0.1", "elsewhere.example"]),
        ("/stats", &["\u{e9}"]),
        ("http://elsewhere.example/stats", &["127.0.0.1"]),
    ] {
        let response = ask(uri, hosts).await;
        assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST, "{uri} {hosts:?}");
        assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        let body = text(response).await;
        assert!(body.contains("sign_in") && !body.contains("taken_ms"), "{body}");
    }
    assert_eq!(doorway.refusals.totals(), [("http".to_owned(), RefusalKind::Forged, 7)]);
    // Where users sign in, or others reach it, it has the names that it is given.
    assert_eq!(Trial::new(10).status("GET", "/healthz", &[]).await, 200);
}

#[tokio::test]
async fn one_user_or_address_has_a_part_of_the_places_to_watch_from() {
    let trial = Trial::new(10);
    let cookies = [trial.cookie("operator").await, trial.cookie("admin").await];
    let mut streams = Vec::new();
    for no in 0..OF_ONE_MAX {
        // Of all sessions and tokens of one.
        let cookie = if no == 0 { &trial.cookie("operator").await } else { &cookies[0] };
        let path = ["/live", "/api/v1/events"][no % 2];
        let response = trial.ask("GET", path, &[("cookie", cookie)], "").await;
        assert_eq!(response.status(), StatusCode::OK);
        streams.push(response);
    }
    assert_eq!(trial.status("GET", "/live", &[("cookie", &cookies[0])]).await, 503);
    assert_eq!(trial.counted(RefusalKind::Busy), 1);
    assert_eq!(trial.status("GET", "/live", &[("cookie", &cookies[1])]).await, 200);
    streams.truncate(1);
    assert_eq!(trial.status("GET", "/live", &[("cookie", &cookies[0])]).await, 200, "places are given back");

    let doorway = Doorway::default();
    let router = http::router(trial.window.clone(), doorway.clone(), CancellationToken::new());
    let listen = async |address: &str| {
        let peer = ConnectInfo(Peer(address.parse().unwrap()));
        let request = Request::get("/live").extension(peer).body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap()
    };
    for no in 0..OF_ONE_MAX {
        let response = listen(&format!("2001:db8::{no}")).await;
        assert_eq!(response.status(), StatusCode::OK);
        streams.push(response);
    }
    assert_eq!(listen("2001:db8::ffff").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(listen("2001:db8:0:1::1").await.status(), StatusCode::OK);
    let told = doorway.refusals.due(tokio::time::Instant::now());
    assert_eq!((told.len(), told[0].kind, told[0].host.as_str()), (1, RefusalKind::Busy, "2001:db8::ffff"));
}
