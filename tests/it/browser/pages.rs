//! Every other page in a real browser, after signing in by keyboard: names, contrast, a phone, bytes, keys; when it is painted, and that
//! no script has to come before.

use super::driver::{self, Browser};
use super::{DESK, PHONE, hangs_over, has_contrast, names, nobody_else_is_asked, tabs};
use crate::harness::Harness;
use crate::monitoring;
use crate::running::eventually;
use crate::server::{PATIENCE, Plant, Sensor, Setup};
use crate::stream::{now_ms, send};
use serde_json::{Value, json};

/// Milliseconds from the request to the first text or picture; `null` while there is none.
const PAINTED: &str = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null;";

/// How many scripts there are; all of them have to leave the page be until it is there.
const DEFERRED: &str =
    "const all = [...document.scripts]; return all.every((it) => it.src && it.defer) ? all.length : -1;";

const LOADS: usize = 5;
const OPERATIONS: &str = "genims_operations_db";

pub(super) fn pages(harness: &'static Harness) {
    let setup = Setup { more: "[backups]\nfolder = \"backups\"\n", ..Setup::default() };
    let plant = Plant::prepare(harness, &setup);
    std::fs::create_dir(plant.folder.join("backups")).unwrap();
    plant.cli_ok(&["backup", "operations", "--to", "backups"]);
    plant.serve();
    let sensor = lively(harness, &plant);
    backups_are_told(&plant);
    ask_to_sign_in(&plant);

    let browser = Browser::open(harness);
    browser.size(DESK, false);
    let address = |path: &str| format!("http://{}{path}", plant.doors.http);
    browser.goto(&address("/plants"));
    assert!(browser.text().contains("The first admin"), "{}", browser.text());
    serves_everybody(&browser, &plant, "sign-in", 4);
    sign_in(&browser, &plant);
    let machine = format!("/machines/{}?span=10m", sensor.machine_id);
    for (path, name, shown, least) in [
        ("/plants", "plants", sensor.machine_id.as_str(), 9),
        (machine.as_str(), "machine", sensor.sensor_id.as_str(), 9),
        ("/operations", "operations", "young enough", 9),
        ("/audit", "audit", "Refused since the start", 4),
    ] {
        eventually(&format!("{path} shows {shown}"), PATIENCE, || {
            browser.goto(&address(path));
            let text = browser.text();
            text.contains(shown) && !text.contains("no answer yet")
        });
        serves_everybody(&browser, &plant, name, least);
    }
    for path in ["/", "/plants", machine.as_str(), "/operations", "/audit"] {
        let times = (0..LOADS).map(|_| {
            browser.goto(&address(path));
            painted(&browser)
        });
        println!("first paint of {path}: {:.0} ms, the least of {LOADS}", times.fold(f64::INFINITY, f64::min));
    }
    assert_eq!(browser.complaints(), Vec::<String>::new(), "the browser has nothing to complain about");
    browser.refuse(&["*.js*", "*/live*", "*/api/*"]);
    for (path, shown) in [("/", "Rows stored"), ("/plants", sensor.machine_id.as_str()), ("/operations", "Backups")] {
        browser.goto(&address(path));
        painted(&browser);
        let text = browser.text();
        assert!(text.contains(shown) && text.contains("A picture of one moment"), "{path}: {text}");
        assert_eq!(browser.run(DEFERRED, &[]), json!(1), "{path}");
    }
    browser.close();
}

/// A machine that runs, then fails, with a sensor that measures, and something that is set aside.
fn lively(harness: &Harness, plant: &Plant) -> Sensor {
    let sensor = plant.sensor();
    let snapshot = |ago_ms: i64, state: &str| {
        let message = json!({ "machine_state": state, "fault_code": "E42", "timestamp_ms": now_ms() - ago_ms });
        (format!("{}/scada", sensor.machine_topic()), message.to_string())
    };
    let reading = |ago_ms: i64, value: f64| {
        (sensor.topic(), json!({ "value": value, "timestamp_ms": now_ms() - ago_ms }).to_string())
    };
    let states = [snapshot(9_000, "RUNNING"), snapshot(4_000, "FAULT")];
    let readings = [reading(8_000, 1.5), reading(5_000, 2.5), reading(2_000, 2.0)];
    send(harness, plant, &[&states[..], &readings, &[(sensor.topic(), "hot".to_owned())]].concat());
    plant.idle();
    sensor
}

/// One database was saved before the server began; page, API and metrics say the same of it.
fn backups_are_told(plant: &Plant) {
    let item = |told: &Value| told["items"].as_array().unwrap().iter().find(|it| it["database"] == OPERATIONS).cloned();
    eventually("the folder was read", PATIENCE, || plant.stats()["backups"]["looked_ms"].is_i64());
    let told = item(&plant.stats()["backups"]).expect("it is one of the 17");
    assert!(told["age_seconds"].is_u64() && told["late"] == false && told["complete"] == 1, "{told:#}");
    assert!(told["bytes"].as_u64() > Some(0), "{told:#}");
    let (_, text) = plant.get("/api/v1/operations").unwrap();
    let same = item(&serde_json::from_str::<Value>(&text).unwrap()["backups"]).expect("it is there as well");
    assert_eq!((&same["late"], &same["bytes"]), (&told["late"], &told["bytes"]));
    let (_, metrics) = plant.get("/metrics").unwrap();
    for line in [format!("{{database=\"{OPERATIONS}\"}} 0\n"), "{database=\"genims_hr_db\"} 1\n".to_owned()] {
        assert!(metrics.contains(&format!("genims_backup_late{line}")), "{line}: {metrics}");
    }
    monitoring::fires(plant, &["GenimsBackupLate"]);
}

fn ask_to_sign_in(plant: &Plant) {
    plant.terminate();
    let file = plant.folder.join("genims.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("[http]\n", "[http]\nsign_in = \"required\"\n")).unwrap();
    plant.serve_full();
}

/// Without a mouse.
fn sign_in(browser: &Browser, plant: &Plant) {
    let told = plant.cli_ok(&["user", "--json", "add", "boss", "--role", "admin"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let secret = told["secret"].as_str().unwrap();
    eventually("the new user is known", PATIENCE, || {
        browser.goto(&format!("http://{}/sign-in", plant.doors.http));
        !browser.text().contains("The first admin")
    });
    browser.press(driver::TAB);
    "boss".chars().for_each(|key| browser.press(key));
    browser.press(driver::TAB);
    secret.chars().for_each(|key| browser.press(key));
    browser.press(driver::ENTER);
    eventually("the dashboard is shown", PATIENCE, || browser.text().contains("Sign out boss (admin)"));
}

/// What is asked of the page that is open, each that there is at least `least` of what is looked at.
fn serves_everybody(browser: &Browser, plant: &Plant, name: &str, least: usize) {
    nobody_else_is_asked(browser, plant);
    tabs(browser, least);
    names(browser, least);
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        has_contrast(browser, scheme, least);
        browser.screenshot(&format!("{name}-{scheme}"));
    }
    browser.size(PHONE, true);
    hangs_over(browser, name);
    browser.screenshot(&format!("{name}-phone"));
    browser.size(DESK, false);
}

/// When it was. That it was at all is asserted, and when is printed: how fast the machine is is no matter of a test.
fn painted(browser: &Browser) -> f64 {
    let mut at = None;
    eventually("something is painted", PATIENCE, || {
        at = browser.run(PAINTED, &[]).as_f64();
        at.is_some()
    });
    at.expect("it was waited for")
}
