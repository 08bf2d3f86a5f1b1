//! What the API's own tests try on its routes, over the wire: with the sockets before them and everything that is asked behind them.

mod payloads;

use super::front::Front;
use crate::harness::Harness;
use payloads::{PAYLOADS, faults, targets};
use serde_json::Value;

pub(super) fn finds_nothing(harness: &'static Harness) {
    let mut front = Front::new(harness, false, "sign_in = \"required\"");
    let secret = front.add("boss", "admin");
    front.serve();
    let cookie = front.sign_in("boss", &secret);
    let description = front.get("/api/v1/openapi.json", Some(&cookie)).text;
    let description: Value = serde_json::from_str(&description).unwrap();
    let mut tried = 0;
    for (path, item) in description["paths"].as_object().unwrap() {
        let operation = &item["get"];
        // What has no parameters is decided before anything is asked.
        if operation["parameters"].as_array().is_none_or(Vec::is_empty) {
            continue;
        }
        let at = path.replace("{name}", "none").replace("{id}", "none");
        for payload in PAYLOADS {
            for target in targets(path, &at, operation, payload) {
                let told = front.get(&target, Some(&cookie));
                let found = faults(told.status, &told.headers(), &told.text, payload);
                assert!(found.is_empty(), "{target:.200}: {found:#?}: {:.1000}", told.text);
                tried += 1;
            }
        }
    }
    assert!(tried > 20 * PAYLOADS.len(), "{tried}");
    assert_eq!(front.get("/healthz", None).status, 200);
    assert!(!front.log().contains("panicked"), "{}", front.log());
}
