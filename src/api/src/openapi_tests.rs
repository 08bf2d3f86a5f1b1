//! The description of the API against the routes that there are, and against what they answer.

use super::http;
use super::operations::SampleOperations;
use super::past::Point;
use super::plants::SamplePlants;
use super::report::{ClockReport, GapReport, RefusalReport, ServerReport, ShardReport};
use super::sign::file::{User, UserFile};
use super::sign::role::Role;
use super::sign::{Doorway, Sign, Users};
use super::window::Window;
use super::window_tests;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use genims_locks::file::change;
use genims_locks::refusals::RefusalKind;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const DESCRIPTION: &str = "/api/v1/openapi.json";
const OUTSIDE: [&str; 4] = ["/healthz", "/metrics", "/readyz", "/stats"];

/// No list in it is empty: what is said of an entry is looked at.
pub(super) fn report() -> ServerReport {
    let mut report = window_tests::report();
    report.sinks[0].gaps.push(GapReport::default());
    ServerReport {
        shards: vec![ShardReport::default()],
        refusals: vec![RefusalReport::default()],
        clocks: vec![ClockReport { offset_seconds: Some(0.1), ..ClockReport::default() }],
        dead_letter_reasons: (0..60).map(|no| (format!("reason_{no}").into(), no)).collect(),
        ..report
    }
}

pub(super) struct Trial {
    _folder: TempDir,
    pub(super) router: Router,
    plants: Arc<SamplePlants>,
    description: Value,
    /// Of the operator and of the admin, where they sign in.
    pub(super) tokens: Option<[String; 2]>,
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    media_type: String,
    body: String,
}

impl Trial {
    async fn open() -> Self {
        Self::new(Doorway::default(), tempfile::tempdir().unwrap(), None).await
    }

    pub(super) async fn locked(open_metrics: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.toml");
        let hour = Duration::from_secs(3_600);
        let one = User::new("one", Role::Operator, "long enough a secret").unwrap();
        let mut users = [Role::Operator, Role::Admin].map(|role| User { name: role.to_string(), role, ..one.clone() });
        let tokens = users.each_mut().map(|user| user.token().unwrap());
        change(&path, |all: &mut UserFile| users.into_iter().try_for_each(|user| all.add(user))).unwrap();
        let users = Users::open(&path, 5, hour).unwrap();
        let doorway = Doorway { open_metrics, ..Doorway::default() };
        doorway.refusals.tell(RefusalKind::WrongSecret, "http", "ada", "10.0.0.1");
        assert_eq!(doorway.refusals.due(tokio::time::Instant::now()).len(), 1);
        let sign = Sign::new(users, (hour, hour), doorway.refusals.clone(), false);
        Self::new(Doorway { sign: Some(sign), ..doorway }, folder, Some(tokens)).await
    }

    async fn new(doorway: Doorway, folder: TempDir, tokens: Option<[String; 2]>) -> Self {
        let plants = Arc::new(SamplePlants::new(60, 14));
        let operations = Arc::new(SampleOperations::default());
        let window = Window::with_sources(Arc::new(report()), plants.clone(), operations);
        for _ in 0..4 {
            window.sample(Instant::now());
        }
        let router = http::router(window, doorway, CancellationToken::new());
        let mut trial = Self { _folder: folder, router, plants, description: Value::Null, tokens };
        let answer = trial.ask_as_admin("GET", DESCRIPTION).await;
        assert_eq!((answer.status, answer.media_type.as_str()), (StatusCode::OK, "application/json"));
        trial.description = serde_json::from_str(&answer.body).unwrap();
        trial
    }

    async fn ask_as_admin(&self, method: &str, path: &str) -> Answer {
        self.ask(method, path, self.tokens.as_ref().map(|[_, admin]| admin)).await
    }

    async fn ask(&self, method: &str, path: &str, token: Option<&String>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let media_type = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
        let media_type = media_type.split(';').next().unwrap().to_owned();
        let status = response.status();
        // A stream of events does not end.
        let body = if media_type == "text/event-stream" { Body::empty() } else { response.into_body() };
        let body = to_bytes(body, 1 << 22).await.unwrap();
        Answer { status, media_type, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// All that is described: method, path as it stands in the description, what is said of both.
    pub(super) fn operations(&self) -> impl Iterator<Item = (String, &str, &Value)> {
        let paths = self.description["paths"].as_object().unwrap();
        paths.iter().flat_map(|(path, item)| {
            let operations = item.as_object().unwrap();
            operations.iter().map(move |(method, operation)| (method.to_uppercase(), path.as_str(), operation))
        })
    }

    /// Status, type and every key of the body are as they are described.
    #[track_caller]
    fn described(&self, operation: &Value, answer: &Answer) {
        let answers = &operation["responses"];
        let status = answer.status.as_str();
        let said = answers.get(status).unwrap_or(&answers["default"]);
        let content = said["content"].get(&answer.media_type).unwrap_or_else(|| panic!("{said} but {answer:?}"));
        if answer.media_type.ends_with("json") {
            self.holds(&content["schema"], &serde_json::from_str(&answer.body).unwrap());
        }
    }

    #[track_caller]
    fn holds(&self, schema: &Value, found: &Value) {
        let faults = self.faults(schema, found);
        assert!(faults.is_empty(), "{schema}: {faults:#?}");
    }

    /// What of `found` the schema does not allow, and what of it the schema does not know.
    fn faults(&self, schema: &Value, found: &Value) -> Vec<String> {
        let open = &self.description["components"]["schemas"];
        let mut closed = json!({ "schema": schema, "schemas": open });
        close(&mut closed, true);
        let whole = json!({
            "allOf": [closed["schema"]],
            "components": { "schemas": closed["schemas"], "open": open }
        });
        let validator = jsonschema::validator_for(&whole).unwrap();
        validator.iter_errors(found).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }
}

/// Lets nothing be there that a schema does not name. Of an object that is written as parts, the whole is closed and not each part.
fn close(schema: &mut Value, whole: bool) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| close(item, true)),
        Value::Object(map) => {
            let is_object = map.contains_key("allOf") || map.get("properties").is_some_and(Value::is_object);
            for (key, value) in map.iter_mut() {
                match (key.as_str(), value) {
                    ("allOf", Value::Array(parts)) => parts.iter_mut().for_each(|part| close(part, false)),
                    ("$ref", Value::String(name)) if !whole => *name = name.replace("/schemas/", "/open/"),
                    (_, value) => close(value, true),
                }
            }
            if whole && is_object {
                map.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
            }
        }
        _ => {}
    }
}

/// A path as it stands in the description, with the names of what there is.
pub(super) fn existing(path: &str) -> String {
    path.replace("{name}", "sink%2Fpostgres").replace("{id}", "MCH-0000").replace("{reason}", "unknown_sensor")
}

/// The same with names of what there is not.
fn missing(path: &str) -> String {
    path.replace("{name}", "none").replace("{id}", "none").replace("{reason}", "none")
}

/// The routes of a router, which it tells to nobody but who debugs it.
pub(super) fn routes(router: &Router) -> BTreeSet<String> {
    let text = format!("{router:?}");
    let paths = text.split('"').filter(|part| part.starts_with('/') && !part.contains("__private__"));
    paths.map(|path| path.replace("{*", "{")).collect()
}

#[tokio::test]
async fn every_route_is_described_and_nothing_else() {
    let trial = Trial::locked(false).await;
    println!("{:#}", trial.description);
    let described: BTreeSet<String> = trial.operations().map(|(_, path, _)| path.to_owned()).collect();
    let is_meant = |path: &String| path.starts_with("/api/") || OUTSIDE.contains(&path.as_str());
    let routes: BTreeSet<String> = routes(&trial.router).into_iter().filter(is_meant).collect();
    assert!(routes.len() > 15, "{routes:?}");
    assert_eq!(described, routes);
    for path in &described {
        let at = existing(path);
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let is_described = trial.operations().any(|(other, of, _)| (other.as_str(), of) == (method, path));
            let answer = trial.ask_as_admin(method, &at).await;
            let is_there = answer.status != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(is_described, is_there, "{method} {path}: {answer:?}");
        }
    }
    let index: Value = serde_json::from_str(&trial.ask_as_admin("GET", "/api/v1").await.body).unwrap();
    let index = index["paths"].as_array().unwrap();
    let ours = trial.operations().filter(|(_, path, _)| path.starts_with("/api/v1")).count();
    assert!(index.len() == ours && index.iter().all(|entry| entry["meaning"] != ""), "{index:#?}");
}

/// Nothing waits: what is known of machines is told at once, and not that it is on its way.
#[tokio::test(start_paused = true)]
async fn answers_are_as_they_are_described() {
    let trial = Trial::locked(false).await;
    for (method, path, operation) in trial.operations() {
        let answer = trial.ask_as_admin(&method, &existing(path)).await;
        assert!(answer.status.is_success(), "{method} {path}: {answer:?}");
        trial.described(operation, &answer);
        assert!(operation["responses"].get(answer.status.as_str()).is_some(), "{method} {path}: {answer:?}");
        if path != DESCRIPTION && answer.media_type == "application/json" {
            let body: Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(empty_lists(&body, path), Vec::<String>::new(), "nothing is seen of their entries");
        }
    }
    // Latencies are there once something was measured.
    let point = Point { durable_ms: Some([0.5, 1.0, 2.5]), ..Point::default() };
    trial.holds(&json!({ "$ref": "#/components/schemas/Point" }), &serde_json::to_value(point).unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_is_told_without_the_operations_database_is_described_too() {
    let trial = Trial::open().await;
    trial.plants.is_away.store(true, Ordering::Relaxed);
    let mut told = 0;
    for (_, path, operation) in trial.operations().filter(|(_, path, _)| path.starts_with("/api/v1/machines")) {
        let answer = trial.ask("GET", &existing(path), None).await;
        trial.described(operation, &answer);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert!(body["operations"]["outage"]["cause"].is_string(), "{path}: {body:#}");
        told += 1;
    }
    assert_eq!(told, 3);
}

fn empty_lists(value: &Value, at: &str) -> Vec<String> {
    match value {
        Value::Array(items) if items.is_empty() => vec![at.to_owned()],
        Value::Array(items) => items.first().map(|item| empty_lists(item, at)).unwrap_or_default(),
        Value::Object(map) => map.iter().flat_map(|(key, value)| empty_lists(value, &format!("{at}/{key}"))).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn refusals_are_problems_that_are_described() {
    let (open, locked) = (Trial::open().await, Trial::locked(false).await);
    let operator = locked.tokens.as_ref().map(|[operator, _]| operator);
    for (method, path, operation) in locked.operations() {
        let at = missing(path);
        let unsigned = locked.ask(&method, &at, None).await;
        if operation.get("security").is_none() {
            assert!(unsigned.status.is_success() && ["/healthz", "/readyz"].contains(&path), "{path}: {unsigned:?}");
            continue;
        }
        assert_eq!(unsigned.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        locked.described(operation, &unsigned);
        let mine = locked.ask(&method, &at, operator).await;
        locked.described(operation, &mine);
        let replay = "/api/v1/dead-letters/{reason}/replay";
        let others =
            ["/api/v1/audit", "/api/v1/audit/trail", "/api/v1/users", "/api/v1/reload", replay].contains(&path);
        assert_eq!(mine.status == StatusCode::FORBIDDEN, others, "{method} {path}: {mine:?}");
        assert_eq!(mine.status == StatusCode::NOT_FOUND, path.contains('{') && !others, "{method} {path}: {mine:?}");
        let elsewhere = locked.ask("PUT", &at, operator).await;
        locked.described(operation, &elsewhere);
        assert!(elsewhere.status.is_client_error(), "{path}: {elsewhere:?}");
        let is_list = operation["responses"].get("400").is_some();
        let odd = locked.ask_as_admin(&method, &format!("{at}?no_such=1")).await;
        assert_eq!(odd.status == StatusCode::BAD_REQUEST, is_list, "{path}: {odd:?}");
        locked.described(operation, &odd);
    }
    let no_factory = open.ask("GET", "/api/v1/machines?factory=none", None).await;
    assert_eq!(no_factory.status, StatusCode::NOT_FOUND);
    open.described(&open.description["paths"]["/api/v1/machines"]["get"], &no_factory);
    for (method, path, operation) in open.operations() {
        let answer = open.ask(&method, &missing(path), None).await;
        let asks = operation.get("security").is_some();
        assert_eq!(answer.status == StatusCode::FORBIDDEN, asks, "{method} {path}: {answer:?}");
        open.described(operation, &answer);
    }
    let measured = Trial::locked(true).await;
    assert_eq!(measured.description["paths"]["/metrics"]["get"].get("security"), None);
}

#[tokio::test]
async fn a_replay_is_begun_in_the_name_of_who_asks_or_refused_with_a_reason() {
    let trial = Trial::locked(false).await;
    let path = "/api/v1/dead-letters/{reason}/replay";
    for (reason, status) in [
        ("unknown_sensor", StatusCode::ACCEPTED),
        ("none", StatusCode::NOT_FOUND),
        ("busy", StatusCode::CONFLICT),
        ("impossible", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let answer = trial.ask_as_admin("POST", &path.replace("{reason}", reason)).await;
        assert_eq!(answer.status, status, "{reason}: {answer:?}");
        trial.described(&trial.description["paths"][path]["post"], &answer);
    }
    let told = trial.ask_as_admin("GET", "/api/v1/operations").await;
    let told: Value = serde_json::from_str(&told.body).unwrap();
    assert_eq!((&told["replay"]["by"], &told["replay"]["ended_ms"]), (&json!("admin"), &Value::Null), "{told:#}");
}

#[tokio::test]
async fn limits_are_those_that_are_described() {
    let trial = Trial::open().await;
    let (mut lists, mut longer) = (0, 0);
    for (_, path, operation) in trial.operations() {
        let asked = operation["parameters"].as_array().into_iter().flatten();
        let Some(limit) = asked.into_iter().find(|parameter| parameter["name"] == "limit") else { continue };
        if operation.get("security").is_some() {
            continue;
        }
        let said = |key: &str| limit["schema"][key].as_i64().unwrap_or_else(|| panic!("no {key} in {limit}"));
        for (limit, is_allowed) in [
            (said("minimum") - 1, false),
            (said("minimum"), true),
            (said("maximum"), true),
            (said("maximum") + 1, false),
        ] {
            let answer = trial.ask("GET", &format!("{path}?limit={limit}"), None).await;
            assert_eq!(answer.status.is_success(), is_allowed, "{path}: {limit}: {answer:?}");
        }
        let page: Value = serde_json::from_str(&trial.ask("GET", path, None).await.body).unwrap();
        if page["total"].as_i64().unwrap() > said("default") {
            assert_eq!(page["items"].as_array().unwrap().len() as i64, said("default"), "{path}");
            longer += 1;
        }
        lists += 1;
    }
    assert_eq!((lists, longer), (7, 3), "of clients, machines and reasons there are 60");
    let answer = trial.ask("GET", "/api/v1/listeners?kind=sink", None).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "what a list does not look at is not passed in silence");
}

#[tokio::test]
async fn spans_are_those_that_are_described() {
    let trial = Trial::open().await;
    let path = "/api/v1/machines/{id}/readings";
    let asked = trial.description["paths"][path]["get"]["parameters"].as_array().unwrap();
    let span = asked.iter().find(|parameter| parameter["name"] == "span").unwrap();
    let schema = &span["schema"];
    let spans = schema["enum"].as_array().unwrap_or_else(|| panic!("no values in {span}"));
    assert_eq!((spans.len(), &span["required"]), (3, &json!(false)));
    let told = async |query: &str| {
        let answer = trial.ask("GET", &format!("{}{query}", existing(path)), None).await;
        (answer.status, serde_json::from_str::<Value>(&answer.body).unwrap()["span"].clone())
    };
    for span in spans {
        let query = format!("?span={}", span.as_str().unwrap());
        assert_eq!(told(&query).await, (StatusCode::OK, span.clone()));
    }
    assert_eq!(told("").await, (StatusCode::OK, schema["default"].clone()));
    assert_eq!(told("?span=7d").await, (StatusCode::BAD_REQUEST, Value::Null));
}

/// What is made wrong, and how.
type Alteration<'a> = (&'a str, &'a dyn Fn(&mut Value));

/// What the other tests rely on.
#[tokio::test]
async fn an_answer_that_is_not_as_described_is_noticed() {
    let trial = Trial::open().await;
    let schema = json!({ "$ref": "#/components/schemas/ServerSnapshot" });
    let right: Value = serde_json::from_str(&trial.ask("GET", "/stats", None).await.body).unwrap();
    assert_eq!(trial.faults(&schema, &right), Vec::<String>::new());
    let wrong = |alter: &dyn Fn(&mut Value)| {
        let mut wrong = right.clone();
        alter(&mut wrong);
        trial.faults(&schema, &wrong)
    };
    let alterations: [Alteration<'_>; 7] = [
        ("a key more", &|value| value["no_such"] = 1.into()),
        ("a key more in a part", &|value| value["flows"][0]["no_such"] = 1.into()),
        ("a key more beside a part", &|value| value["sources"][0]["no_such"] = 1.into()),
        ("a key less", &|value| drop(value.as_object_mut().unwrap().remove("ready"))),
        ("a key less that may be null", &|value| {
            drop(value["fill"].as_object_mut().unwrap().remove("seconds_until_full"))
        }),
        ("another type", &|value| value["total"]["received"] = "1".into()),
        ("another type in a pair", &|value| value["dead_letter_reasons"][0][1] = "1".into()),
    ];
    for (what, alter) in alterations {
        assert!(!wrong(alter).is_empty(), "{what} is not noticed");
    }
}
