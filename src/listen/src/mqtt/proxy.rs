//! The PROXY header, versions 1 and 2, in which a load balancer (HAProxy, nginx, the clouds') names the client that it
//! connects for. The first bytes of a connection enter; the client's address leaves.
//!
//! Source: The PROXY protocol, HAProxy Technologies, 2020. Nothing here trusts a length beyond the bytes that are there.

use super::packet::Fault;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest line that version 1 allows.
const LINE_BYTES_MAX: usize = 107;

pub(super) const NOT_EXPECTED: Fault = Fault::protocol(
    "a PROXY header came first: set proxy_protocol = true for this listener, or switch the header off in the load balancer",
);
pub(super) const MISSING: Fault = Fault::protocol(
    "no PROXY header came first: remove proxy_protocol = true from this listener, or make the load balancer send one",
);
pub(super) const DAMAGED: Fault = Fault::protocol("the PROXY header cannot be read");

/// Whether it is no fault of a client, but of how load balancer and listener are set up.
pub(super) fn is_about(fault: &Fault) -> bool {
    matches!(*fault, NOT_EXPECTED | MISSING | DAMAGED)
}

/// A complete header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProxyHeader {
    pub(super) bytes: usize,
    /// `None`: the load balancer speaks for itself, as with health checks, or does not know.
    pub(super) client: Option<SocketAddr>,
}

/// Whether the bytes are, or may become, a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Header,
    /// Too few bytes to tell.
    Open,
    Other,
}

pub(super) fn start(bytes: &[u8]) -> Start {
    if bytes.starts_with(V1) || bytes.starts_with(V2) {
        Start::Header
    } else if V1.starts_with(bytes) || V2.starts_with(bytes) {
        Start::Open
    } else {
        Start::Other
    }
}

/// The header at the start of `bytes`; `None` while it is not complete.
pub(super) fn header(bytes: &[u8]) -> Result<Option<ProxyHeader>, Fault> {
    match start(bytes) {
        Start::Open => Ok(None),
        Start::Other => Err(MISSING),
        Start::Header if bytes.starts_with(V1) => line(bytes),
        Start::Header => binary(bytes),
    }
}

fn line(bytes: &[u8]) -> Result<Option<ProxyHeader>, Fault> {
    let head = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let Some(end) = memchr::memmem::find(head, b"\r\n") else {
        return if head.len() < LINE_BYTES_MAX { Ok(None) } else { Err(DAMAGED) };
    };
    let text = std::str::from_utf8(&head[..end]).map_err(|_| DAMAGED)?;
    let mut words = text.split(' ').skip(1);
    let client = match words.next() {
        Some("UNKNOWN") => None,
        Some(family @ ("TCP4" | "TCP6")) => {
            let [source, _, port, _] = [(); 4].map(|()| words.next().unwrap_or_default());
            let source: IpAddr = source.parse().map_err(|_| DAMAGED)?;
            if source.is_ipv4() != (family == "TCP4") {
                return Err(DAMAGED);
            }
            Some(SocketAddr::new(source, port.parse().map_err(|_| DAMAGED)?))
        }
        _ => return Err(DAMAGED),
    };
    Ok(Some(ProxyHeader { bytes: end + 2, client }))
}

fn binary(bytes: &[u8]) -> Result<Option<ProxyHeader>, Fault> {
    let Some((&[version_command, family, high, low], rest)) = bytes[V2.len()..].split_first_chunk() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let Some(body) = rest.get(..length) else { return Ok(None) };
    let client = match (version_command, family >> 4) {
        // LOCAL: whatever follows says nothing of a client.
        (0x20, _) | (0x21, 0 | 3) => None,
        (0x21, 1) => {
            let (ip, rest) = body.split_first_chunk::<4>().ok_or(DAMAGED)?;
            Some(SocketAddr::new(Ipv4Addr::from(*ip).into(), source_port(rest, 4)?))
        }
        (0x21, 2) => {
            let (ip, rest) = body.split_first_chunk::<16>().ok_or(DAMAGED)?;
            Some(SocketAddr::new(Ipv6Addr::from(*ip).into(), source_port(rest, 16)?))
        }
        _ => return Err(DAMAGED),
    };
    Ok(Some(ProxyHeader { bytes: V2.len() + 4 + length, client }))
}

/// The port behind the destination's address.
fn source_port(rest: &[u8], address_bytes: usize) -> Result<u16, Fault> {
    match rest.get(address_bytes..address_bytes + 4) {
        Some(&[high, low, _, _]) => Ok(u16::from_be_bytes([high, low])),
        _ => Err(DAMAGED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(version_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        [V2, &[version_command, family], &(body.len() as u16).to_be_bytes(), body].concat()
    }

    #[test]
    fn headers_of_both_versions_are_read_wherever_they_are_cut() {
        let v4 = [10, 0, 0, 7, 10, 0, 0, 1, 0x1F, 0x90, 0x07, 0x5B];
        let v6 = [&Ipv6Addr::LOCALHOST.octets()[..], &[0; 16], &[0, 80, 0, 81], b"\x04\0\x01x"].concat();
        for (bytes, client) in [
            (b"PROXY TCP4 10.0.0.7 10.0.0.1 8080 1883\r\n".to_vec(), Some("10.0.0.7:8080")),
            (b"PROXY TCP6 ::1 ::2 80 81\r\n".to_vec(), Some("[::1]:80")),
            (b"PROXY UNKNOWN whatever else\r\n".to_vec(), None),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (v2(0x21, 0x11, &v4), Some("10.0.0.7:8080")),
            (v2(0x21, 0x21, &v6), Some("[::1]:80")),
            (v2(0x20, 0, &[]), None),
            (v2(0x21, 0x31, &[0; 216]), None),
        ] {
            let client = client.map(|client| client.parse().expect("an address"));
            let followed = [&bytes[..], b"\x10\x0C"].concat();
            assert_eq!(header(&followed), Ok(Some(ProxyHeader { bytes: bytes.len(), client })), "{followed:?}");
            for end in 0..bytes.len() {
                assert_eq!(header(&bytes[..end]), Ok(None), "{bytes:?} cut at {end}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        assert_eq!(header(b"\x10\x0C\0\x04MQTT"), Err(MISSING));
        let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
        for bytes in [
            b"PROXY TCP4 ten 10.0.0.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 ::1 ::1 1 2\r\n".to_vec(),
            b"PROXY TCP4 10.0.0.7\r\n".to_vec(),
            b"PROXY TCP4 10.0.0.7 10.0.0.1 99999 2\r\n".to_vec(),
            b"PROXY UDP4 10.0.0.7 10.0.0.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 \xFF\r\n".to_vec(),
            endless,
            v2(0x31, 0x11, &[0; 12]),
            v2(0x21, 0x11, &[0; 11]),
            v2(0x21, 0x21, &[0; 35]),
            v2(0x21, 0x41, &[0; 12]),
        ] {
            assert_eq!(header(&bytes), Err(DAMAGED), "{bytes:?}");
        }
    }
}
