//! Sign-in to the HTTP side of a running server, with and without TLS: the first admin, roles, sessions that end, whatever tries
//! to get around it, and what of it stands in the audit trail.

mod audited;
mod front;
mod probe;

use crate::harness::{Harness, connect_postgres};
use crate::platform::Platform;
use crate::running::eventually;
use crate::server::PATIENCE;
use front::{Front, Told};
use libtest_mimic::Trial;
use serde_json::Value;
use std::process::Command;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("sign_in::a_first_start_makes_one_admin_over_tls", a_first_start_makes_one_admin),
        harness.trial("sign_in::whoever_is_let_in_no_more_is_out_at_once", out_at_once),
        harness.trial("sign_in::nothing_gets_around_it", nothing_gets_around),
        harness.trial("sign_in::a_scanner_finds_nothing", probe::finds_nothing),
        harness.trial("sign_in::without_it_a_name_of_elsewhere_is_answered_nothing", only_here),
        harness.trial("sign_in::what_is_refused_is_counted_and_audited", audited::counted_and_audited),
        harness.trial("sign_in::an_engineer_has_dead_letters_replayed", replayed_at_the_page),
    ]
}

const FIRST: &str = "first-secret";
/// Nothing that anything reads.
const NO_OTHERS: (&str, &str) = ("GENIMS_NOTHING", "");

/// The secret in the file whose path stands behind these words in the log, which has its owner alone.
fn one_time_secret(front: &Front) -> String {
    let log = front.log();
    let (_, rest) = log.split_once("One-time secret: in ").expect("a path");
    assert!(rest.lines().next().is_some_and(|path| path.ends_with("data/first-secret")), "{log}");
    assert_eq!(front.mode(FIRST), 0o600);
    let secret = front.file(FIRST).trim_end().to_owned();
    assert!(secret.len() > 40 && !log.contains(&secret), "{log}");
    secret
}

fn a_first_start_makes_one_admin(harness: &'static Harness) {
    let mut front = Front::new(harness, true, "sign_in = \"required\"");
    front.serve();
    let once = one_time_secret(&front);
    // A second start draws no other, and leaves this one where it is.
    front.terminate();
    front.serve();
    assert_eq!(one_time_secret(&front), once);
    assert_eq!(front.get("/stats", None).status, 401);
    let page = front.page("/", None);
    assert_eq!((page.status, page.header("location")), (303, "/sign-in".to_owned()));
    assert!(front.get("/sign-in", None).text.contains("The first admin"));
    let form = |once: &str| format!("name=boss&once={once}&secret=one+of+my+own");
    assert_eq!(front.post("/sign-in/first", None, &form("wrong")).status, 401);
    let made = front.post("/sign-in/first", None, &form(&once));
    assert_eq!(made.status, 303, "{}", made.text);
    eventually("the file of the one-time secret goes", PATIENCE, || !front.has(FIRST));
    assert_eq!(front.post("/sign-in/first", None, &form(&once)).status, 401, "once");
    let cookie = made.header("set-cookie");
    for attribute in ["__Host-genims=", "; Secure", "; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let cookie = made.cookie();
    let page = front.page("/", Some(&cookie));
    assert!(page.status == 200 && page.text.contains("Sign out boss (admin)"), "{}", page.text);
    for (name, value) in [
        ("strict-transport-security", "max-age=31536000"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(page.header(name), value, "{name}");
    }
    let policy = page.header("content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    let token = front.token("boss");
    let top = || front.top(&token, ("SSL_CERT_FILE", "ca.pem")).contains("stored");
    eventually("the new token opens, over TLS as well", PATIENCE, top);
    let stranger = front.top(&token, NO_OTHERS);
    assert!(stranger.contains("certificate") && stranger.contains("SSL_CERT_FILE"), "{stranger}");
    // In clear nobody is answered.
    assert!(!front.in_clear("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").contains("alive"));

    // Another certificate is what the next connection sees, and nobody signs in again for it.
    front.certify("another server", 2);
    eventually("the new certificate is shown", PATIENCE, || front.shows("another server"));
    assert_eq!(front.get("/stats", Some(&cookie)).status, 200);
    let users = front.cli(&["user", "list"]);
    assert!(users.contains("boss  admin, enabled") && !users.contains("argon2"), "{users}");

    // Sessions end with the server; a secret is drawn at no other start.
    front.terminate();
    front.serve();
    assert_eq!(front.get("/stats", Some(&cookie)).status, 401);
    assert!(front.log().matches("One-time secret").count() == 1 && !front.has(FIRST));
    assert_eq!(front.post("/sign-in", None, "name=boss&secret=one+of+my+own").status, 303);
    for secret in [&once, "one of my own", cookie.split_once('=').unwrap().1] {
        assert!(!front.log().contains(secret) && !front.file("users.toml").contains(secret), "{secret}");
    }
}

fn out_at_once(harness: &'static Harness) {
    let mut front = Front::new(harness, false, "sign_in = \"required\"\nsession_max = \"3s\"");
    let secrets = ["wall", "short"].map(|name| front.add(name, "operator"));
    let token = front.token("wall");
    front.serve();
    let bearer = |token: &str| vec![("Authorization".to_owned(), format!("Bearer {token}"))];
    assert_eq!(front.with("GET", "/metrics", &bearer(&token), "").status, 200);
    let top = front.top(&token, NO_OTHERS);
    assert!(top.contains("stored"), "{top}");
    assert!(front.top("another", NO_OTHERS).contains("genims user token"), "what to do is said");

    let cookie = front.sign_in("short", &secrets[1]);
    eventually("the session ends by its age", PATIENCE, || front.get("/stats", Some(&cookie)).status == 401);
    // Whoever listens hears no more, and a program is out as well.
    let mut stream = front.listen("/api/v1/events", &bearer(&token));
    front.cli(&["user", "disable", "wall"]);
    stream.until_it_ends();
    assert_eq!(front.with("GET", "/metrics", &bearer(&token), "").status, 401);
    let refused = front.post("/sign-in", None, &format!("name=wall&secret={}", secrets[0]));
    assert_eq!(refused.status, 401);
    front.cli(&["user", "enable", "wall"]);
    eventually("in again", PATIENCE, || front.with("GET", "/metrics", &bearer(&token), "").status == 200);
    let rotated: Value = serde_json::from_str(&front.cli(&["user", "--json", "rotate", "wall"])).unwrap();
    eventually("another secret ends tokens", PATIENCE, || {
        front.with("GET", "/metrics", &bearer(&token), "").status == 401
    });
    front.sign_in("wall", rotated["secret"].as_str().unwrap());
}

fn nothing_gets_around(harness: &'static Harness) {
    let mut front = Front::new(harness, false, "sign_in = \"required\"\nopen_metrics = true");
    let secrets = ["operator", "auditor"].map(|role| front.add(role, role));
    front.serve();
    let paths = [
        "/stats",
        "//stats",
        "/../stats",
        "/x/../stats",
        "/%2e%2e/stats",
        "/assets/%2e%2e/stats",
        "/assets/../stats",
        "/healthz/../stats",
        "/sign-in/../api/v1/snapshot",
        "/api/v1/../../stats",
        "/api//v1/snapshot",
        "/STATS",
        "/%73tats",
        "/stats/",
        "/stats%00",
        "http://localhost/stats",
        "/api/v1/flows/..%2fsnapshot",
    ];
    for path in paths {
        let Told { status, text, .. } = front.get(path, None);
        assert!(matches!(status, 400 | 401 | 404) && !text.contains("taken_ms"), "{path}: {status} {text}");
    }
    let alive = |front: &Front| front.get("/healthz", None).status == 200;
    let long = format!("GET /stats HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET /stats HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: 1\r\n".repeat(5_000));
    for request in [long.as_str(), many.as_str(), "NONSENSE\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01", "GET /stats"]
    {
        let said = front.in_clear(request);
        let refused = said.is_empty() || said.starts_with("HTTP/1.1 4");
        assert!(refused && alive(&front), "{:?} of {:?}", said, &request[..request.len().min(40)]);
    }
    let body = format!("name=operator&secret={}", "x".repeat(1 << 20));
    assert!(matches!(front.post("/sign-in", None, &body).status, 0 | 413));
    assert_eq!(front.get("/metrics", None).status, 200, "it was said");
    assert_eq!(front.get("/readyz", None).text, "ready\n", "a probe learns a word");

    let [operator, auditor] = [front.sign_in("operator", &secrets[0]), front.sign_in("auditor", &secrets[1])];
    for (path, of_operator, of_auditor) in [
        ("/", 200, 403),
        ("/stats", 200, 403),
        ("/api/v1/flows", 200, 403),
        ("/operations", 200, 403),
        ("/api/v1/operations", 200, 403),
        ("/audit", 403, 200),
        ("/api/v1/audit", 403, 200),
        ("/api/v1/audit/trail", 403, 200),
        ("/api/v1/users", 403, 403),
    ] {
        let found = [&operator, &auditor].map(|cookie| front.get(path, Some(cookie)).status);
        assert_eq!(found, [of_operator, of_auditor], "{path}");
    }
    let replay = front.post("/operations/replay", Some(&operator), "reason=unknown_sensor");
    assert!(replay.status == 403 && replay.text.contains("whose right this is not"), "{}", replay.text);
    assert_eq!(front.post("/sign-out", Some(&operator), "proof=guessed").status, 403);
    let session: Value = serde_json::from_str(&front.get("/api/v1/session", Some(&operator)).text).unwrap();
    let proof = session["proof"].as_str().unwrap();
    assert_eq!(front.post("/sign-out", Some(&operator), &format!("proof={proof}")).status, 303);
    assert_eq!(front.get("/stats", Some(&operator)).status, 401);

    // Outside loopback it asks for TLS, or for the word that it does not, and then says so.
    let validate = |keys: &str| front.validate(keys);
    let (good, told) = validate("listen = \"0.0.0.0:0\"");
    assert!(!good && told.contains("http.listen") && told.contains("plaintext = true"), "{told}");
    let (good, told) = validate("listen = \"0.0.0.0:0\"\nplaintext = true");
    assert!(good, "{told}");
    let (good, told) = validate("tls = { cert_file = \"/nonexistent\", key_file = \"/nonexistent\" }");
    assert!(!good && told.contains("http.tls.cert_file"), "{told}");
}

fn only_here(harness: &'static Harness) {
    let mut front = Front::new(harness, false, "");
    front.serve();
    let port = front.address().port();
    let status = |version: &str, head: &str| {
        let said = front.answer(&format!("GET /stats HTTP/{version}\r\n{head}Connection: close\r\n\r\n"));
        said.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok()).unwrap_or(0)
    };
    for host in
        [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}"), "localhost".to_owned()]
    {
        assert_eq!(status("1.1", &format!("Host: {host}\r\n")), 200, "{host}");
    }
    assert_eq!(status("1.0", ""), 200, "HTTP/1.0 names no host");
    for host in [format!("elsewhere.example:{port}"), "127.0.0.1.elsewhere.example".to_owned()] {
        assert_eq!(status("1.1", &format!("Host: {host}\r\n")), 421, "{host}");
    }
    let top = front.top("", NO_OTHERS);
    assert!(top.contains("stored"), "{top}");
    let reload = front.post("/api/v1/reload", None, "");
    assert_eq!(reload.status, 403);
    let metrics = front.get("/metrics", None).text;
    for (kind, times) in [("forged", 2), ("nobody", 1)] {
        let told = format!("genims_refusals_total{{door=\"http\",kind=\"{kind}\"}} {times}");
        assert!(metrics.contains(&told), "{kind}: {metrics}");
    }
}

fn replayed_at_the_page(harness: &'static Harness) {
    let platform = Platform::new(harness);
    let size = ["--factories", "1", "--lines", "1", "--machines", "1", "--sensors", "1"];
    let seeded = platform.cli(&[["seed", "plant"].as_slice(), &size].concat(), &[]);
    assert!(seeded.status.success(), "{}", String::from_utf8_lossy(&seeded.stderr));
    let mut front = Front::new(harness, false, "sign_in = \"required\"\n[[sinks]]\ntype = \"postgres\"");
    front.reach(platform.variables());
    let (secret, token) = (front.add("ada", "engineer"), front.token("ada"));
    let client: Value =
        serde_json::from_str(&front.cli(&["client", "--json", "add", "press-4", "--topic", "#"])).unwrap();
    let client = client["secret"].as_str().unwrap();
    let login = [("GENIMS_REPLAY_NAME", "press-4"), ("GENIMS_REPLAY_SECRET", client)];
    let login = login.map(|(name, value)| (name.to_owned(), value.to_owned()));
    front.reach(&[platform.variables(), &login].concat());
    front.serve();
    let cookie = front.sign_in("ada", &secret);
    let json = |path: &str| -> Value { serde_json::from_str(&front.get(path, Some(&cookie)).text).unwrap_or_default() };
    eventually("it is ready", PATIENCE, || front.get("/readyz", None).status == 200);
    let sent = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &front.mqtt.port().to_string(), "-V", "mqttv5", "-q", "1"])
        .args(["-u", "press-4", "-P", client, "-t", "genims/v1/FAC-1/readings"])
        .args(["-m", r#"{"sensor_id": "LATE-1", "value": 7.5}"#])
        .output()
        .unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));

    let press = |reason: &str| {
        let proof = json("/api/v1/session")["proof"].as_str().unwrap().to_owned();
        front.post("/operations/replay", Some(&cookie), &format!("reason={reason}&proof={proof}")).status
    };
    let ended = || {
        eventually("the replay ends", PATIENCE, || !json("/api/v1/operations")["replay"]["ended_ms"].is_null());
        let replay = json("/api/v1/operations")["replay"].clone();
        ["asked", "stored"].map(|count| replay[count].as_u64().unwrap_or_else(|| panic!("{replay}")))
    };
    let count = |sql: &str| {
        harness.block_on(async {
            let client = connect_postgres(&platform.stack.postgres_url("genims_operations_db")).await;
            client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0)
        })
    };
    let waiting = "SELECT count(*) FROM genims_internal.dead_letters WHERE replayed_at IS NULL";
    eventually("the dead letter is there", PATIENCE, || count(waiting) == 1);
    replayed_by_command(&front, &token);
    is_audited(&front, &platform, "replayed 1 dead letter, 1 record came back (%", 1);
    assert_eq!(count(waiting), 1);
    assert_eq!(press("no_reason"), 404);
    assert_eq!(front.post("/operations/replay", Some(&cookie), "reason=unknown_sensor&proof=guessed").status, 403);
    assert_eq!(press("unknown_sensor"), 303);
    assert_eq!(ended(), [1, 0], "it is still unknown");

    let known = || json("/stats")["catalogue"]["sensors"].as_i64().unwrap_or_default();
    let before = known();
    platform.execute(
        "genims_master_db",
        "INSERT INTO sensors SELECT (jsonb_populate_record(s, \
         '{\"sensor_id\": \"LATE-1\", \"sensor_code\": \"L-1\"}')).* FROM sensors s LIMIT 1",
    );
    eventually("the catalogue follows", PATIENCE, || known() == before + 1);
    assert_eq!(press("unknown_sensor"), 303);
    assert_eq!(ended(), [1, 1]);
    assert_eq!(count("SELECT count(*) FROM sensor_data WHERE sensor_id = 'LATE-1' AND measurement_value = 7.5"), 1);
    assert_eq!(count(waiting), 0);
    is_audited(&front, &platform, "ada asked at the page to replay the dead letters of unknown_sensor%", 2);
    front.cli(&["deadletter", "purge", "--reason", "unknown_sensor"]);
    is_audited(&front, &platform, "purged %", 1);
}

/// Waits until what was done is so often in the audit trail.
fn is_audited(front: &Front, platform: &Platform, description: &str, times: u64) {
    let entries =
        format!("SELECT CAST(COUNT(*) AS CHAR) FROM user_activity_log WHERE activity_description LIKE '{description}'");
    eventually(&format!("{description} is audited: {}", front.log()), PATIENCE, || {
        platform.mysql("genims_audit_db", &entries).first().is_some_and(|count| *count == times.to_string())
    });
}

/// The command looks where users sign in, too: as one of them, or it sends nothing and says why.
fn replayed_by_command(front: &Front, token: &str) {
    let replay = ["--config", "genims.toml", "deadletter", "replay", "--reason", "unknown_sensor"];
    let (good, told) = front.run(&replay, &[]);
    assert!(!good && told.starts_with("0 of 1 stored.\n"), "{told}");
    assert!(told.contains("nothing was sent") && told.contains("GENIMS_TOKEN"), "{told}");
    let (good, told) = front.run(&replay, &[("GENIMS_TOKEN", token)]);
    assert!(!good && told.contains(" came back and waits: unknown_sensor: "), "{told}");
    let list = front.cli(&["deadletter", "list"]);
    let counts: Vec<&str> = list.lines().next().unwrap_or_default().split_whitespace().collect();
    let expected = "unknown_sensor 1 waiting 0 replayed 1 record 1 came back 0 purged";
    assert_eq!(counts.join(" "), expected, "{list}");
}
