//! Certificates that no door takes: revoked, expired, not yet valid, of another authority, none. That the audit trail has them is
//! shown by `sign_in::audited`.

use super::authority::{Authority, put};
use super::session::{Session, frames};
use super::{GOOD, Locked, files};
use crate::harness::Harness;
use crate::running::eventually;
use crate::server::PATIENCE;

pub(super) fn not_good(harness: &'static Harness) {
    let locked = Locked::start(harness, "");
    let sensor = locked.plant.sensor();
    put(&locked.folder, "crl.pem", &locked.authority.revokes(&[13]));
    let revoked = locked.issue("revoked", 13);
    eventually("the revocation is known", PATIENCE, || locked.plant.log_text().contains("were read again"));
    let expired = files(&locked.folder, "expired", &locked.authority.issue("expired", 8, (2000, 2001)));
    let early = files(&locked.folder, "early", &locked.authority.issue("early", 9, (3999, 4000)));
    let foreign = files(&locked.folder, "foreign", &Authority::new("plant authority").issue("foreign", 7, GOOD));
    for (what, shown) in [
        ("revoked", Some(&revoked)),
        ("expired", Some(&expired)),
        ("not yet valid", Some(&early)),
        ("of another authority", Some(&foreign)),
        ("none", None),
    ] {
        let before = locked.counted("handshakes_refused", "mqtt-tls");
        let output = locked.mosquitto_pub("mqttv311", shown, &sensor.topic(), 1.0);
        assert!(!output.status.success(), "{what}");
        eventually(what, PATIENCE, || locked.counted("handshakes_refused", "mqtt-tls") > before);
    }
    // Frames and lines have no word for it: the connection ends.
    for (listener, address) in [("tcp-tls", locked.tcp), ("line-tls", locked.line)] {
        for (number, shown) in [&revoked, &expired, &early, &foreign].into_iter().enumerate() {
            let mut client = locked.session(address, shown);
            client.send(&frames("not good", None, &sensor, 1));
            client.ended();
            let refused = || locked.counted("handshakes_refused", listener) == number as u64 + 1;
            eventually(&format!("{listener} refuses {}", shown[0]), PATIENCE, refused);
        }
    }
    // Each is refused; the log tells it once a minute for one address at one listener, however long this takes.
    let log = locked.plant.log_text();
    assert!((3..13).contains(&log.matches("TLS handshake refused").count()), "{log}");
    // Plain text is none of it either.
    let mut plain = Session::plain(locked.tcp);
    plain.send(&frames("plain", None, &sensor, 1));
    plain.ended();
    let output = locked.mosquitto_pub("mqttv5", Some(&locked.issue("good", 20)), &sensor.topic(), 1.0);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    locked.rows(&sensor, 1);
}
