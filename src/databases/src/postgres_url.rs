//! libpq's URLs: what tokio-postgres understands of them, and what it does not.
//!
//! Enters: a URL. Leaves: a configuration of tokio-postgres, TLS apart; or the cause why not, which says what to write and
//! shows nothing of a password. Invariant: nothing of a URL is passed over in silence.

use super::tls::{Roots, SslMode};
use super::url;
use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, TargetSessionAttrs};

/// What a URL may say besides `sslmode` and `sslrootcert`: the libpq options that tokio-postgres understands.
const KNOWN_OPTIONS: [&str; 17] = [
    "user",
    "password",
    "dbname",
    "host",
    "hostaddr",
    "port",
    "options",
    "application_name",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "load_balance_hosts",
    "channel_binding",
];

/// What a URL says.
pub(crate) struct Parsed {
    pub(crate) config: Config,
    pub(crate) ssl_mode: SslMode,
    pub(crate) roots: Option<Roots>,
}

pub(crate) fn parse(text: &str) -> Result<Parsed, String> {
    if !text.starts_with("postgresql://") && !text.starts_with("postgres://") {
        return Err("it does not start with postgresql://".to_owned());
    }
    url::check(text)?;
    let (base, query) = text.split_once('?').unwrap_or((text, ""));
    let mut kept: Vec<String> = Vec::new();
    let (mut ssl_mode, mut root, mut attributes) = (None, None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let text = percent_decode_str(value).decode_utf8_lossy();
        match key {
            "sslmode" => ssl_mode = Some(mode(&text)?),
            "sslrootcert" => root = Some(text.into_owned()),
            // libpq takes a list, tokio-postgres one at a time.
            "host" => kept.extend(text.split(',').map(|host| format!("host={}", host.replace('%', "%25")))),
            "target_session_attrs" => attributes = Some(session_attributes(&text)?),
            _ if KNOWN_OPTIONS.contains(&key) => kept.push(pair.to_owned()),
            // The key is not shown: it may be the tail of a password with an unescaped question mark.
            _ => {
                let known = KNOWN_OPTIONS.join(", ");
                return Err(format!("unknown option; known are sslmode, sslrootcert, {known}"));
            }
        }
    }
    let plain = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
    let mut config = plain.parse::<Config>().map_err(|error| super::errors::postgres_cause(&error))?;
    if let Some(attributes) = attributes {
        config.target_session_attrs(attributes);
    } else if has_several_hosts(&config) {
        // One of them is a standby most of the time, and everything here writes.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    reachable(&config)?;
    let (ssl_mode, roots) = trust(ssl_mode, root)?;
    Ok(Parsed { config, ssl_mode, roots })
}

/// Whether its hosts and ports could be anybody's, and go together; tokio-postgres asks only when it connects.
pub(crate) fn reachable(config: &Config) -> Result<(), String> {
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs().len(), config.get_ports());
    if ports.contains(&0) {
        return Err("its port is 0, where nobody answers: write 1 to 65535".to_owned());
    }
    let is_empty = |host: &Host| matches!(host, Host::Tcp(name) if name.trim().is_empty());
    if hosts.iter().any(is_empty) {
        return Err("one of its hosts is empty: write a name or an address, with a comma between two".to_owned());
    }
    if addresses > 0 && !hosts.is_empty() && hosts.len() != addresses {
        return Err(format!("it has {} hosts and {addresses} addresses (hostaddr): write as many", hosts.len()));
    }
    let count = hosts.len().max(addresses);
    if ports.len() > 1 && ports.len() != count {
        return Err(format!("it has {count} hosts and {} ports: write one port, or one for each host", ports.len()));
    }
    Ok(())
}

/// libpq's meaning of `sslmode` and `sslrootcert` together. Without a file `verify-full` trusts whom the operating system
/// trusts; `verify-ca` does not: anybody can get a certificate of a public authority for some name.
pub(crate) fn trust(mode: Option<SslMode>, root: Option<String>) -> Result<(SslMode, Option<Roots>), String> {
    let roots = root.map(|root| if root == "system" { Roots::System } else { Roots::File(root.into()) });
    match (mode, roots) {
        (None | Some(SslMode::VerifyFull), Some(Roots::System)) | (Some(SslMode::VerifyFull), None) => {
            Ok((SslMode::VerifyFull, Some(Roots::System)))
        }
        (Some(_), Some(Roots::System)) => {
            Err("sslrootcert=system goes with sslmode=verify-full alone: write that".to_owned())
        }
        (Some(SslMode::VerifyCa), None) => {
            Err("sslmode=verify-ca needs sslrootcert=/path/ca.pem: add it, or write sslmode=verify-full".to_owned())
        }
        (mode, roots) => Ok((mode.unwrap_or_default(), roots)),
    }
}

pub(crate) fn mode(text: &str) -> Result<SslMode, String> {
    let known = "disable, prefer, require, verify-ca, verify-full";
    SslMode::parse(text).ok_or_else(|| format!("sslmode is one of {known}"))
}

pub(crate) fn session_attributes(text: &str) -> Result<TargetSessionAttrs, String> {
    match text {
        "any" => Ok(TargetSessionAttrs::Any),
        "read-write" | "primary" => Ok(TargetSessionAttrs::ReadWrite),
        "read-only" | "standby" | "prefer-standby" => {
            Err("target_session_attrs asks for a standby, where nothing can be written: write read-write".to_owned())
        }
        _ => Err("target_session_attrs is any or read-write".to_owned()),
    }
}

pub(crate) fn has_several_hosts(config: &Config) -> bool {
    config.get_hosts().len().max(config.get_hostaddrs().len()) > 1
}

/// Whether no host is reached through a network: TLS is nothing there, for libpq too.
pub(crate) fn is_local(config: &Config) -> bool {
    !config.get_hosts().is_empty() && config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn good(url: &str) -> Parsed {
        parse(url).unwrap_or_else(|cause| panic!("{url}: {cause}"))
    }

    fn refused(url: &str) -> String {
        match parse(url) {
            Ok(_) => panic!("{url} is taken"),
            Err(cause) => cause,
        }
    }

    #[test]
    fn the_roots_of_the_system_go_with_verify_full_alone() {
        for url in ["postgresql://h/d?sslrootcert=system", "postgresql://h/d?sslmode=verify-full"] {
            assert_eq!((good(url).ssl_mode, good(url).roots), (SslMode::VerifyFull, Some(Roots::System)), "{url}");
        }
        assert!(refused("postgresql://h/d?sslrootcert=system&sslmode=require").contains("verify-full"));
        assert!(refused("postgresql://h/d?sslmode=verify-ca").contains("sslrootcert=/path"));
        let file = good("postgresql://h/d?sslmode=verify-ca&sslrootcert=/etc/ca.pem").roots;
        assert_eq!(file, Some(Roots::File("/etc/ca.pem".into())));
        assert_eq!((good("postgresql://h/d").ssl_mode, good("postgresql://h/d").roots), (SslMode::Prefer, None));
    }

    #[test]
    fn of_several_hosts_the_one_that_can_be_written_to_is_meant() {
        for url in ["postgresql://a:1,b:2/d", "postgresql:///d?host=a,b&port=1,2"] {
            let config = good(url).config;
            assert_eq!((config.get_hosts().len(), config.get_ports()), (2, &[1, 2][..]), "{url}");
            assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite, "{url}");
        }
        let said = |word: &str| parse(&format!("postgresql://a,b/d?target_session_attrs={word}"));
        let attributes = |word: &str| said(word).map(|parsed| parsed.config.get_target_session_attrs());
        assert_eq!(attributes("any"), Ok(TargetSessionAttrs::Any));
        assert_eq!(attributes("primary"), Ok(TargetSessionAttrs::ReadWrite));
        assert!(attributes("standby").expect_err("a standby").contains("read-write"));
        assert!(attributes("sometimes").expect_err("no word").contains("read-write"));
        assert_eq!(good("postgresql://a/d").config.get_target_session_attrs(), TargetSessionAttrs::Any);
    }

    #[test]
    fn hosts_and_ports_that_lead_nowhere_are_refused() {
        for (url, remedy) in [
            ("postgresql://h:0/d", "1 to 65535"),
            ("postgresql://a:1,b:0/d", "1 to 65535"),
            ("postgresql://a,,b/d", "empty"),
            ("postgresql:///d?host=a,", "empty"),
            ("postgresql:///d?host=a,b&port=1,2,3", "one for each host"),
        ] {
            assert!(refused(url).contains(remedy), "{url}: {}", refused(url));
        }
    }

    #[test]
    fn a_unix_socket_is_a_folder_in_host_or_before_the_path() {
        for url in ["postgresql://u@/d?host=/run/postgresql", "postgresql://u@%2Frun%2Fpostgresql/d"] {
            let config = good(url).config;
            assert_eq!(config.get_hosts(), [Host::Unix(Path::new("/run/postgresql").into())], "{url}");
            assert!(is_local(&config), "{url}");
        }
        assert!(!is_local(&good("postgresql://h/d").config) && !is_local(&good("postgresql:///d").config));
    }
}
