//! Sign-in without a network: who is let in where, and what becomes of what is wrong.

mod bounds;

use super::file::{User, UserFile};
use super::role::Role;
use super::*;
use crate::http;
use crate::report::{Observe, ServerReport};
use crate::talkers::TalkersReport;
use crate::window::Window;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode, header};
use futures_util::StreamExt;
use genims_locks::file::change;
use std::path::PathBuf;
use std::time::Instant;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const SECRET: &str = "long enough a secret";
const HOUR: Duration = Duration::from_secs(3_600);

struct Nothing;

impl Observe for Nothing {
    fn report(&self) -> ServerReport {
        ServerReport { version: "1".into(), ready: true, ..ServerReport::default() }
    }

    fn talkers(&self) -> TalkersReport {
        TalkersReport::default()
    }
}

struct Trial {
    _folder: TempDir,
    path: PathBuf,
    sign: Arc<Sign>,
    refusals: Arc<Refusals>,
    window: Arc<Window>,
    router: Router,
}

impl Trial {
    /// A user of each role, named like it.
    fn new(failures_max: u32) -> Self {
        let trial = Self::empty(failures_max);
        // Hashing takes its time: one hash for all.
        let one = User::new("one", Role::Operator, SECRET).unwrap();
        trial.change(|all| {
            for role in Role::ALL {
                all.add(User { name: role.to_string(), role, ..one.clone() }).unwrap();
            }
        });
        trial
    }

    fn empty(failures_max: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.toml");
        let users = Users::open(&path, failures_max, HOUR).unwrap();
        let (refusals, window) = (Arc::<Refusals>::default(), Window::new(Arc::new(Nothing)));
        let sign = Sign::new(users, (HOUR, 24 * HOUR), refusals.clone(), false);
        let doorway = Doorway { sign: Some(sign.clone()), refusals: refusals.clone(), ..Doorway::default() };
        let router = http::router(window.clone(), doorway, CancellationToken::new());
        Self { _folder: folder, path, sign, refusals, window, router }
    }

    fn change(&self, by: impl FnOnce(&mut UserFile)) {
        change(&self.path, |all: &mut UserFile| {
            by(all);
            Ok(())
        })
        .unwrap();
        self.sign.look(true);
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "genims.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap()
    }

    async fn status(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
        self.ask(method, path, headers, "").await.status().as_u16()
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Response<Body> {
        let form = ("content-type", "application/x-www-form-urlencoded");
        self.ask("POST", path, &[headers, &[form]].concat(), body).await
    }

    async fn try_as(&self, name: &str, secret: &str) -> Response<Body> {
        self.post("/sign-in", &[], &format!("name={name}&secret={}", secret.replace(' ', "+"))).await
    }

    /// The cookie of a new session.
    async fn cookie(&self, name: &str) -> String {
        let response = self.try_as(name, SECRET).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
        for attribute in ["; HttpOnly", "; SameSite=Strict", "; Path=/"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        cookie.split(';').next().unwrap().to_owned()
    }

    async fn proof(&self, cookie: &str) -> String {
        let response = self.ask("GET", "/api/v1/session", &[("cookie", cookie)], "").await;
        let told: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
        told["proof"].as_str().unwrap().to_owned()
    }

    fn counted(&self, kind: RefusalKind) -> u64 {
        self.refusals.totals().into_iter().filter(|(_, found, _)| *found == kind).map(|(.., total)| total).sum()
    }
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn each_role_sees_what_is_its_own_and_nobody_sees_nothing() {
    let trial = Trial::new(10);
    let cookies = [
        trial.cookie("operator").await,
        trial.cookie("engineer").await,
        trial.cookie("auditor").await,
        trial.cookie("admin").await,
    ];
    for (method, path, expected) in [
        ("GET", "/", [200, 200, 403, 200]),
        ("GET", "/live", [200, 200, 403, 200]),
        ("GET", "/plants", [200, 200, 403, 200]),
        ("GET", "/machines/x", [404, 404, 403, 404]),
        ("GET", "/api/v1/machines", [200, 200, 403, 200]),
        ("GET", "/api/v1/machines/x/readings", [404, 404, 403, 404]),
        ("GET", "/stats", [200, 200, 403, 200]),
        ("GET", "/metrics", [200, 200, 403, 200]),
        ("GET", "/api/v1", [200, 200, 403, 200]),
        ("GET", "/api/v1/flows", [200, 200, 403, 200]),
        ("GET", "/api/v1/flows/x", [404, 404, 403, 404]),
        ("GET", "/api/v1/events", [200, 200, 403, 200]),
        ("GET", "/audit", [403, 403, 200, 200]),
        ("GET", "/api/v1/audit", [403, 403, 200, 200]),
        ("GET", "/api/v1/session", [200; 4]),
        ("GET", "/api/v1/users", [403, 403, 403, 200]),
        ("POST", "/api/v1/reload", [403, 202, 403, 202]),
    ] {
        for (cookie, expected) in cookies.iter().zip(expected) {
            let proof = trial.proof(cookie).await;
            let headers = [("cookie", cookie.as_str()), ("x-genims-proof", proof.as_str())];
            assert_eq!(trial.status(method, path, &headers).await, expected, "{path} {cookie}");
        }
        assert_eq!(trial.status(method, path, &[]).await, 401, "{path}");
    }
    assert_eq!(trial.counted(RefusalKind::Nobody), 17);
    assert_eq!(trial.counted(RefusalKind::Role), 12 + 2 + 2 + 3 + 2);
    let page = [("accept", "text/html"), ("cookie", cookies[2].as_str())];
    let response = trial.ask("GET", "/", &page, "").await;
    assert_eq!((response.status().as_u16(), &response.headers()["location"]), (303, &"/audit".parse().unwrap()));
    let response = trial.ask("GET", "/", &page[..1], "").await;
    assert_eq!((response.status().as_u16(), &response.headers()["location"]), (303, &"/sign-in".parse().unwrap()));
    assert_eq!(trial.counted(RefusalKind::Nobody), 17, "whoever opens the page is nobody yet");
    assert_eq!(trial.status("GET", "/stats", &page[..1]).await, 303);
    assert_eq!(trial.counted(RefusalKind::Nobody), 18, "what else is opened is counted");
    for open in ["/sign-in", "/healthz", "/readyz", "/assets/window.css"] {
        assert_eq!(trial.status("GET", open, &[]).await, 200, "{open}");
    }
    assert_eq!(text(trial.ask("GET", "/readyz", &[], "").await).await, "ready\n");
    let users = trial.ask("GET", "/api/v1/users", &[("cookie", &cookies[3])], "").await;
    let users = text(users).await;
    assert!(users.contains("\"auditor\"") && !users.contains("argon2"), "{users}");
}

#[tokio::test]
async fn wrong_secrets_lock_a_name_out_and_tell_nothing_of_it() {
    let trial = Trial::new(3);
    for (name, secret) in [("operator", "wrong"), ("nobody", SECRET), ("operator", ""), ("operator", "wrong")] {
        let response = trial.try_as(name, secret).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers().get(header::SET_COOKIE).is_none());
        assert!(text(response).await.contains("The name or the secret is wrong."));
    }
    assert_eq!(trial.try_as("operator", SECRET).await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(trial.try_as("engineer", SECRET).await.status(), StatusCode::SEE_OTHER, "others are not");
    let counts =
        [RefusalKind::WrongSecret, RefusalKind::UnknownName, RefusalKind::LockedOut].map(|kind| trial.counted(kind));
    assert_eq!(counts, [3, 1, 1]);
    trial.change(|all| all.user[0].rotate(SECRET).unwrap());
    assert_eq!(trial.try_as("operator", SECRET).await.status(), StatusCode::SEE_OTHER, "another secret opens again");
    trial.change(|all| all.user[1].disabled = true);
    let response = trial.try_as("engineer", SECRET).await;
    assert_eq!((response.status(), trial.counted(RefusalKind::Disabled)), (StatusCode::UNAUTHORIZED, 1));
    for body in ["", "name=a", "name=%ff&secret=x"] {
        assert!(trial.post("/sign-in", &[], body).await.status().is_client_error(), "{body}");
    }
    let long = format!("name=a&secret={}", "x".repeat(BODY_BYTES_MAX));
    assert_eq!(trial.post("/sign-in", &[], &long).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    // What is no UTF-8 is a name that nobody has.
    assert_eq!([RefusalKind::Malformed, RefusalKind::UnknownName].map(|kind| trial.counted(kind)), [3, 2]);
}

#[tokio::test]
async fn what_changes_anything_shows_that_a_page_of_ours_asks() {
    let trial = Trial::new(10);
    let cookie = trial.cookie("admin").await;
    let other = trial.proof(&trial.cookie("admin").await).await;
    let proof = trial.proof(&cookie).await;
    let own = ("cookie", cookie.as_str());
    let good = ("x-genims-proof", proof.as_str());
    for (headers, expected) in [
        (vec![own], 403),
        (vec![own, ("x-genims-proof", "")], 403),
        (vec![own, ("x-genims-proof", other.as_str())], 403),
        (vec![own, good, ("origin", "https://elsewhere.example")], 403),
        (vec![own, good, ("origin", "null")], 403),
        (vec![own, good, ("sec-fetch-site", "cross-site")], 403),
        (vec![own, good, ("sec-fetch-site", "same-site")], 403),
        (vec![own, good, ("origin", "https://genims.example")], 202),
        (vec![own, good, ("sec-fetch-site", "same-origin")], 202),
        (vec![own, good], 202),
    ] {
        assert_eq!(trial.status("POST", "/api/v1/reload", &headers).await, expected, "{headers:?}");
    }
    assert_eq!(trial.counted(RefusalKind::Forged), 7);
    let foreign = [("sec-fetch-site", "cross-site")];
    let response = trial.post("/sign-in", &foreign, &format!("name=admin&secret={SECRET}")).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN, "nobody is signed in by another page either");
    // The form of the page's foot, which has no header.
    let without = trial.post("/sign-out", &[own], "a=b").await.status();
    assert_eq!((without, trial.status("GET", "/stats", &[own]).await), (StatusCode::FORBIDDEN, 200));
    let page = text(trial.ask("GET", "/", &[own], "").await).await;
    assert!(page.contains(&format!("name=\"proof\" value=\"{proof}\"")), "{page}");
    let response = trial.post("/sign-out", &[own], &format!("proof={proof}")).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(trial.status("GET", "/stats", &[own]).await, 401);
}

#[tokio::test]
async fn tokens_need_no_proof_and_end_with_the_secret() {
    let trial = Trial::new(10);
    let mut token = String::new();
    trial.change(|all| token = all.user[1].token().unwrap());
    let bearer = format!("Bearer {token}");
    assert_eq!(trial.status("GET", "/metrics", &[("authorization", &bearer)]).await, 200);
    assert_eq!(trial.status("POST", "/api/v1/reload", &[("authorization", &bearer)]).await, 202);
    let cookie = trial.cookie("engineer").await;
    for wrong in ["Bearer x", "Bearer ", "Basic YTpi", &token, "Bearer"] {
        // What is said is meant: no session makes up for it.
        let headers = [("authorization", wrong), ("cookie", cookie.as_str())];
        let response = trial.ask("GET", "/stats", &headers, "").await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{wrong}");
        assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    }
    assert_eq!(trial.counted(RefusalKind::WrongToken), 5);
    trial.change(|all| all.user[1].rotate(SECRET).unwrap());
    assert_eq!(trial.status("GET", "/stats", &[("authorization", &bearer)]).await, 401);
    assert_eq!(trial.status("GET", "/stats", &[("cookie", &cookie)]).await, 401, "its sessions as well");
}

#[tokio::test]
async fn who_is_disabled_hears_no_more() {
    let trial = Trial::new(10);
    let cookie = trial.cookie("operator").await;
    let response = trial.ask("GET", "/api/v1/events", &[("cookie", &cookie)], "").await;
    let mut stream = response.into_body().into_data_stream();
    trial.window.sample(Instant::now());
    assert!(stream.next().await.is_some());
    trial.change(|all| all.user[0].disabled = true);
    trial.window.sample(Instant::now());
    assert!(stream.next().await.is_none());
    assert_eq!(trial.status("GET", "/stats", &[("cookie", &cookie)]).await, 401);
}

#[tokio::test]
async fn a_session_of_who_was_disabled_is_gone_whether_or_not_it_was_used_meanwhile() {
    let trial = Trial::new(10);
    let cookie = trial.cookie("operator").await;
    trial.change(|all| all.user[0].disabled = true);
    trial.change(|all| all.user[0].disabled = false);
    assert_eq!(trial.status("GET", "/stats", &[("cookie", &cookie)]).await, 401);
    let again = trial.cookie("operator").await;
    assert_eq!(trial.status("GET", "/stats", &[("cookie", &again)]).await, 200);
}

#[tokio::test]
async fn another_role_is_in_force_for_the_next_request_and_for_what_is_open() {
    let trial = Trial::new(10);
    let cookie = trial.cookie("engineer").await;
    let proof = trial.proof(&cookie).await;
    let own = [("cookie", cookie.as_str()), ("x-genims-proof", proof.as_str())];
    let response = trial.ask("GET", "/live", &own, "").await;
    let mut stream = response.into_body().into_data_stream();
    trial.window.sample(Instant::now());
    assert!(stream.next().await.is_some());
    assert_eq!(trial.status("POST", "/api/v1/reload", &own).await, 202);
    trial.change(|all| all.user[1].role = Role::Auditor);
    trial.window.sample(Instant::now());
    assert!(stream.next().await.is_none(), "auditors see only audit");
    for (method, path, expected) in
        [("POST", "/api/v1/reload", 403), ("GET", "/stats", 403), ("GET", "/live", 403), ("GET", "/audit", 200)]
    {
        assert_eq!(trial.status(method, path, &own).await, expected, "{path}");
    }
    trial.change(|all| all.user[1].role = Role::Admin);
    assert_eq!(trial.status("GET", "/api/v1/users", &own).await, 200);
}

#[tokio::test]
async fn the_one_time_secret_makes_one_admin() {
    let trial = Trial::empty(10);
    let mut once = String::new();
    first::draw(&trial.path, |secret| {
        secret.clone_into(&mut once);
        Ok(())
    })
    .unwrap();
    trial.sign.look(true);
    assert!(text(trial.ask("GET", "/sign-in", &[], "").await).await.contains("The first admin"));
    let first = |name: &str, once: &str, secret: &str| format!("name={name}&once={once}&secret={secret}");
    for (body, expected) in [
        (first("boss", "wrong", "another-long-secret"), 401),
        (first("boss", &once, "short"), 400),
        (first("boss", &once, "another-long-secret"), 303),
        (first("late", &once, "another-long-secret"), 401),
    ] {
        assert_eq!(trial.post("/sign-in/first", &[], &body).await.status().as_u16(), expected, "{body}");
        let too_long = trial.post("/sign-in/first", &[], &first("boss", &once, &"x".repeat(1_025))).await;
        let is_open = trial.sign.awaits_first();
        assert!(!is_open || text(too_long).await.contains("longer than 1024 bytes"), "{body}");
    }
    assert!(!text(trial.ask("GET", "/sign-in", &[], "").await).await.contains("The first admin"));
    assert_eq!(trial.try_as("boss", "another-long-secret").await.status(), StatusCode::SEE_OTHER);
    assert_eq!(trial.try_as("late", "another-long-secret").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn no_way_of_writing_a_path_goes_around_sign_in() {
    let trial = Trial::new(10);
    for path in [
        "//stats",
        "/./stats",
        "/x/../stats",
        "/%2e%2e/stats",
        "/stats/",
        "/STATS",
        "/stats%00",
        "/api/v1/../../stats",
        "/assets/../stats",
        "/assets/%2e%2e/stats",
        "/api//v1",
        "/api/v1/flows/%2e%2e%2fusers",
        "/sign-in/../stats",
        "/healthz/../stats",
        "/%73tats",
        "/stats;x",
        "/stats?x=/healthz",
        "/api/v1/flows/../users",
    ] {
        let response = trial.ask("GET", path, &[], "").await;
        let (status, body) = (response.status().as_u16(), text(response).await);
        assert!(matches!(status, 401 | 404) && !body.contains("taken_ms"), "{path}: {status} {body}");
    }
}

#[tokio::test]
async fn without_sign_in_everybody_reads_and_nobody_acts() {
    let doorway = Doorway::default();
    let router = http::router(Window::new(Arc::new(Nothing)), doorway.clone(), CancellationToken::new());
    for (method, path, expected) in [
        ("GET", "/stats", 200),
        ("GET", "/metrics", 200),
        ("GET", "/audit", 200),
        ("GET", "/api/v1/audit", 200),
        ("POST", "/api/v1/reload", 403),
        ("GET", "/api/v1/users", 403),
        ("GET", "/api/v1/session", 403),
        ("GET", "/sign-in", 404),
        ("POST", "/sign-out", 404),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        assert_eq!(router.clone().oneshot(request).await.unwrap().status().as_u16(), expected, "{path}");
    }
    assert_eq!(doorway.refusals.totals(), [("http".to_owned(), RefusalKind::Nobody, 3)]);
}
