//! What a client's certificate says of it. The chain that the handshake has verified enters.

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// The chain of a client, its own certificate first.
#[derive(Debug)]
pub struct Certificate {
    pub chain: Vec<CertificateDer<'static>>,
    /// The common name of its subject; where there is none, the first of its alternative names.
    pub identity: Box<str>,
    pub serial: Box<[u8]>,
    /// Seconds since 1970.
    pub not_after: i64,
}

impl Certificate {
    /// `None` where nothing in it names anybody.
    pub fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(chain.first()?).ok()?;
        Some(Self {
            identity: identity(&parsed)?.into(),
            serial: parsed.raw_serial().into(),
            not_after: parsed.validity().not_after.timestamp(),
            chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(),
        })
    }
}

fn identity(parsed: &X509Certificate<'_>) -> Option<String> {
    let common = parsed.subject().iter_common_name().filter_map(|name| name.as_str().ok()).map(str::to_owned);
    let alternative = parsed.subject_alternative_name().ok().flatten();
    let names = alternative.iter().flat_map(|found| &found.value.general_names).filter_map(|name| match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) | GeneralName::RFC822Name(name) => Some((*name).to_owned()),
        _ => None,
    });
    common.chain(names).find(|name| !name.trim().is_empty() && !name.contains(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    fn of(common: Option<&str>, alternative: &[&str]) -> Option<String> {
        let names: Vec<String> = alternative.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(common) = common {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        Certificate::of(&[certificate.der().clone()]).map(|found| found.identity.into())
    }

    #[test]
    fn a_client_is_its_common_name_or_its_first_alternative_name() {
        assert_eq!(of(Some("plc-7"), &["other.example"]).as_deref(), Some("plc-7"));
        assert_eq!(of(None, &["plc-7.example", "b.example"]).as_deref(), Some("plc-7.example"));
        assert_eq!(of(Some(" "), &["plc-7.example"]).as_deref(), Some("plc-7.example"));
        assert_eq!(of(None, &[]), None);
        assert_eq!(of(Some("a\nb"), &[]), None, "it would break lines of the log");
    }
}
