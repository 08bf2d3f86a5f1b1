//! `[http]`: where the HTTP side is, and who may come in.

use genims_locks::options::TlsOptions;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file of users in the data folder.
const USERS: &str = "users.toml";

/// One that listens everywhere is reached through loopback.
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    address
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignIn {
    Required,
    Off,
}

/// `[http.tls]`. Browsers are not asked for certificates: people sign in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpTls {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpOptions {
    #[serde(deserialize_with = "genims_listen::address::deserialize")]
    pub listen: SocketAddr,
    pub tls: Option<HttpTls>,
    pub plaintext: bool,
    /// Required outside loopback if not given.
    pub sign_in: Option<SignIn>,
    pub open_metrics: bool,
    pub users: Option<PathBuf>,
    pub failures_max: u32,
    #[serde(with = "humantime_serde")]
    pub lockout: Duration,
    #[serde(with = "humantime_serde")]
    pub session_idle: Duration,
    #[serde(with = "humantime_serde")]
    pub session_max: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9400)),
            tls: None,
            plaintext: false,
            sign_in: None,
            open_metrics: false,
            users: None,
            failures_max: 10,
            lockout: Duration::from_secs(300),
            session_idle: Duration::from_secs(3_600),
            session_max: Duration::from_secs(12 * 3_600),
        }
    }
}

impl HttpOptions {
    /// Whether others than this machine reach it.
    pub fn is_public(&self) -> bool {
        !self.listen.ip().to_canonical().is_loopback()
    }

    pub fn asks_to_sign_in(&self) -> bool {
        self.sign_in.map_or(self.is_public(), |sign_in| sign_in == SignIn::Required)
    }

    pub fn users(&self, data_dir: &Path) -> PathBuf {
        self.users.clone().unwrap_or_else(|| data_dir.join(USERS))
    }

    pub fn tls(&self) -> Option<TlsOptions> {
        let HttpTls { cert_file, key_file } = self.tls.clone()?;
        Some(TlsOptions { cert_file, key_file, ..TlsOptions::default() })
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::Settings;
    use genims_databases::Environment;
    use std::path::Path;

    fn parse(text: &str) -> Result<Settings, String> {
        let environment = Environment::default();
        Settings::parse(&format!("[http]\n{text}"), Path::new("t.toml"), &environment)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn outside_loopback_users_sign_in_over_tls_unless_it_is_said_otherwise() {
        let tls = "tls = { cert_file = \"c\", key_file = \"k\" }\n";
        for (text, signs_in) in [
            ("", false),
            ("sign_in = \"required\"", true),
            ("listen = \"[::ffff:127.0.0.1]:9400\"", false),
            (&format!("listen = \"0.0.0.0:9400\"\n{tls}"), true),
            (&format!("listen = \"10.0.0.1:9400\"\n{tls}sign_in = \"off\""), false),
            ("listen = \"[::]:9400\"\nplaintext = true", true),
        ] {
            assert_eq!(parse(text).expect(text).http.asks_to_sign_in(), signs_in, "{text}");
        }
        let told = parse("listen = \"0.0.0.0:9400\"").expect_err("in clear");
        assert!(told.contains("t.toml:2: http.listen") && told.contains("plaintext = true"), "{told}");
        let told = parse("tls = { cert_file = \"c\" }").expect_err("no key");
        assert!(told.contains("http.tls.key_file"), "{told}");
        let told = parse("tls = { cert = \"c\" }").expect_err("unknown");
        assert!(told.contains("http.tls.cert") && told.contains("did you mean cert_file?"), "{told}");
    }
}
