//! What a scanner tries, and how it is noticed that something came of it.

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde_json::Value;

/// Longer than any name.
const OVERLONG: [u8; 8_192] = [b'A'; 8_192];

pub(crate) const PAYLOADS: [&[u8]; 57] = [
    // Paths that lead out of where they should.
    b"../../../../../../etc/passwd",
    b"..\\..\\..\\windows\\win.ini",
    b"....//....//....//etc/passwd",
    b"..%2f..%2f..%2fetc%2fpasswd",
    b"%252e%252e%252fetc%252fpasswd",
    b"/etc/passwd",
    b"file:///etc/passwd",
    b"../../../../etc/passwd\0.html",
    b".env",
    b"clients.toml",
    // Lines of a head that the request should not have written.
    b"x\r\nX-Probe: 1",
    b"x\r\nSet-Cookie: probe=1",
    b"x\r\n\r\n<script>alert(1)</script>",
    b"x\nX-Probe: 1",
    b"\xe5\x98\x8d\xe5\x98\x8aX-Probe: 1",
    // Statements.
    b"' OR '1'='1",
    b"'; DROP TABLE sensors; --",
    b"1 UNION SELECT NULL, NULL, NULL --",
    b"1' AND SLEEP(5) #",
    b"'||pg_sleep(5)--",
    b"\" OR \"\"=\"",
    b"1; WAITFOR DELAY '0:0:5' --",
    b"{\"$gt\": \"\"}",
    b"'; return true; var x='",
    b"\\",
    // Scripts and markup.
    b"<script>alert(1)</script>",
    b"\"><img src=x onerror=alert(1)>",
    b"'-alert(1)-'",
    b"' onmouseover='alert(1)",
    b"javascript:alert(1)",
    b"<svg/onload=alert(1)>",
    b"</title></script><script>alert(1)</script>",
    b"<!--#exec cmd=\"id\"-->",
    b"<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><x>&e;</x>",
    // What templates, shells, directories and logs would make something of.
    b"{{8317*9241}}",
    b"${8317*9241}",
    b"<%= 8317*9241 %>",
    b"${jndi:ldap://127.0.0.1:1/probe}",
    b";id",
    b"|id",
    b"$(id)",
    b"`id`",
    b"*)(uid=*))(|(uid=*",
    b"%n%n%n%s%s%s",
    b"http://169.254.169.254/latest/meta-data/",
    // No text, or none that can be seen.
    b"",
    b"\0",
    b"\xff\xfe\xfd",
    b"\xc0\xae\xc0\xae/\xc0\xae\xc0\xae/etc/passwd",
    b"\xed\xa0\x80",
    b"\xe2\x80\xae\xef\xbb\xbf",
    // No numbers, or none that fit.
    b"-1",
    b"18446744073709551615",
    b"18446744073709551616",
    b"1e309",
    b"NaN",
    &OVERLONG,
];

/// What every answer carries, and how that begins.
const GUARDS: [(&str, &str); 8] = [
    ("content-security-policy", "default-src 'none'; script-src 'self'; style-src 'self';"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=()"),
    ("cache-control", ""),
];
/// What no answer carries: who serves, who else may read, and what a payload would have written.
const BETRAYALS: [&str; 4] = ["server", "x-powered-by", "access-control-allow-origin", "x-probe"];
/// What stands in no answer: a file of the system's, a product that was computed, what a program says of itself when it breaks.
const FINDINGS: [&str; 6] = ["root:x:0:", "76857397", "panicked at", "RUST_BACKTRACE", "stack backtrace", "uid=0("];
/// A browser shows these as they are, since nothing is guessed (`nosniff`).
const AS_IT_IS: [&str; 5] =
    ["application/json", "application/problem+json", "application/openmetrics-text", "text/plain", "text/event-stream"];

/// Where a payload goes: into each parameter that is described, and into one that nobody has described. `at`: the path with names
/// of what there is.
pub(crate) fn targets(path: &str, at: &str, operation: &Value, payload: &[u8]) -> Vec<String> {
    let shown = percent_encode(payload, NON_ALPHANUMERIC).to_string();
    let mut targets = vec![format!("{at}?probe={shown}")];
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default();
        match parameter["in"].as_str() {
            Some("path") => targets.push(path.replace(&format!("{{{name}}}"), &shown)),
            Some("query") => targets.push(format!("{at}?{name}={shown}")),
            _ => {}
        }
    }
    targets
}

/// What is wrong with an answer, whatever was asked.
pub(crate) fn faults(status: u16, headers: &[(String, String)], body: &str, payload: &[u8]) -> Vec<String> {
    let header = |name: &str| {
        let found = headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    let mut faults = Vec::new();
    if !(200..500).contains(&status) {
        faults.push(format!("status {status}"));
    }
    for (name, begins) in GUARDS {
        if !header(name).is_some_and(|value| value.starts_with(begins)) {
            faults.push(format!("no guard {name}: {:?}", header(name)));
        }
    }
    faults.extend(BETRAYALS.into_iter().filter(|name| header(name).is_some()).map(|name| format!("header {name}")));
    if headers.iter().any(|(_, value)| value.contains("probe=1")) {
        faults.push("the payload is in a header".to_owned());
    }
    faults.extend(FINDINGS.into_iter().filter(|finding| body.contains(finding)).map(|finding| format!("{finding:?}")));
    let media_type = header("content-type").unwrap_or_default();
    let is_markup = payload.iter().any(|byte| b"<>\"'".contains(byte));
    let is_reflected = std::str::from_utf8(payload).is_ok_and(|payload| body.contains(payload));
    if is_markup && is_reflected && !AS_IT_IS.iter().any(|kind| media_type.starts_with(kind)) {
        faults.push(format!("the payload stands in {media_type:?} as it is"));
    }
    faults
}
