//! The address of a listener in the configuration: `address:port` or `host:port`, a name is looked up once.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use std::net::{SocketAddr, ToSocketAddrs};

/// For `#[serde(deserialize_with)]`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn parse(text: &str) -> Result<SocketAddr, String> {
    let form = "write address:port or host:port, like 127.0.0.1:1883, [::1]:1883 or localhost:1883; 0.0.0.0 takes all of \
                this machine's addresses";
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(|| format!("has no port; {form}"))?;
    let port: u16 = port.parse().map_err(|_| format!("\"{port}\" is no port (0 to 65535); {form}"))?;
    if host.is_empty() || host.contains(['/', '[', ']', ':']) {
        return Err(form.to_owned());
    }
    // IPv4 first: `localhost` is both, and clients mean 127.0.0.1.
    let mut found: Vec<SocketAddr> = (host, port)
        .to_socket_addrs()
        .map_err(|error| format!("the host {host} cannot be looked up: {error}; {form}"))?
        .collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.first().copied().ok_or_else(|| format!("the host {host} has no address; {form}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_understood_and_what_is_not_is_told_the_form() {
        assert_eq!(parse("127.0.0.1:1883"), Ok(SocketAddr::from(([127, 0, 0, 1], 1883))));
        assert_eq!(parse("localhost:9"), Ok(SocketAddr::from(([127, 0, 0, 1], 9))));
        assert!(parse("[::1]:1883").is_ok_and(|address| address.is_ipv6()));
        for wrong in ["127.0.0.1", "localhost", ":1883", "localhost:mqtt", "localhost:70000", "mqtt://localhost:1", ""]
        {
            assert!(parse(wrong).expect_err(wrong).contains("127.0.0.1:1883"), "{wrong}");
        }
    }
}
