//! Certificates and revocation lists that have expired, soon will, or are not in force yet.

use super::Finding;
use super::Subject::Certificates;
use crate::settings::{ListenerKind, Settings};
use genims_locks::LockError;
use genims_locks::expiry::{self, Validity};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Long enough to have a new one signed.
const SOON: Duration = Duration::from_secs(30 * 24 * 3_600);

type Read = fn(&Path) -> Result<Vec<Validity>, LockError>;

pub(super) fn look(settings: &Settings, now: SystemTime) -> Vec<Finding> {
    let mut files: Vec<(String, PathBuf, Read)> = Vec::new();
    for listener in &settings.listeners {
        let of = |what: &str| format!("the {what} of listener {}", listener.name);
        if let Some(tls) = listener.kind.locks().0 {
            files.push((of("certificate"), tls.cert_file.clone(), expiry::certificates));
            files.extend(
                tls.client_ca_file.clone().map(|path| (of("clients' authority"), path, expiry::certificates as Read)),
            );
            files.extend(
                tls.crl_file.clone().map(|path| (of("revocation list"), path, expiry::revocation_lists as Read)),
            );
        }
        if let ListenerKind::Bridge(options) = &listener.kind {
            files.extend(options.cert_file.clone().map(|path| (of("certificate"), path, expiry::certificates as Read)));
            files.extend(
                options.ca_file.clone().map(|path| (of("broker's authority"), path, expiry::certificates as Read)),
            );
        }
    }
    if let Some(tls) = &settings.http.tls {
        files.push(("the certificate of the HTTP side".to_owned(), tls.cert_file.clone(), expiry::certificates));
    }
    files.iter().flat_map(|(what, path, read)| file(what, path, *read, now)).collect()
}

fn file(what: &str, path: &Path, read: Read, now: SystemTime) -> Vec<Finding> {
    match read(path) {
        Ok(all) => all.iter().filter_map(|validity| judge(what, path, validity, now)).collect(),
        Err(error) => {
            vec![Finding::high(Certificates, format!("{what}: {error}"), "`genims validate` says what it needs")]
        }
    }
}

fn judge(what: &str, path: &Path, validity: &Validity, now: SystemTime) -> Option<Finding> {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
    let told =
        |time: i64| humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(time.max(0).cast_unsigned()));
    let (name, place) = (&validity.name, path.display());
    if validity.from > seconds(now) {
        let found = format!("{what} ({name}, {place}) is in force from {} on", told(validity.from));
        return Some(Finding::high(Certificates, found, "set this machine's clock, or put back the one before"));
    }
    let until = validity.until?;
    let remedy = format!("have a new one signed, and put it in {place}: the server takes it while it runs");
    if until < seconds(now) {
        return Some(Finding::high(
            Certificates,
            format!("{what} ({name}, {place}) has expired on {}", told(until)),
            remedy,
        ));
    }
    let soon = until < seconds(now + SOON);
    soon.then(|| Finding::medium(Certificates, format!("{what} ({name}, {place}) expires on {}", told(until)), remedy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::Severity;
    use genims_databases::Environment;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    #[test]
    fn a_certificate_is_found_before_it_expires_and_after() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cert.pem");
        let mut params = CertificateParams::new(vec!["genims.plant".to_owned()]).expect("names");
        (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2027, 1, 1));
        let made = params.self_signed(&KeyPair::generate().expect("a key")).expect("signed");
        std::fs::write(&path, made.pem()).expect("written");
        let text = format!("[http]\ntls = {{ cert_file = {path:?}, key_file = \"k\" }}\n");
        let settings = Settings::parse(&text, Path::new("t"), &Environment::default()).expect("a good file");
        let at = |text: &str| look(&settings, humantime::parse_rfc3339(text).expect("a time"));
        assert_eq!(at("2026-06-01T00:00:00Z"), []);
        for (time, severity, said) in [
            ("2025-12-31T23:59:59Z", Severity::High, "in force from 2026-01-01"),
            ("2026-12-15T00:00:00Z", Severity::Medium, "expires on 2027-01-01"),
            ("2027-01-02T00:00:00Z", Severity::High, "has expired on 2027-01-01"),
        ] {
            let [found] = &at(time)[..] else { panic!("{time}: {:?}", at(time)) };
            assert!(found.severity == severity && found.found.contains(said), "{found:?}");
        }
        std::fs::write(&path, "nothing").expect("written");
        assert!(at("2026-06-01T00:00:00Z")[0].found.contains("holds no certificate"));
    }
}
