//! Where a bucket is and whose account uses it, by the variables that programs for S3 have in common. In: the name of a bucket, an
//! environment. Out: what requests are signed with and sent by. Invariants: nothing but the environment, `.env` and the files that
//! they name is asked; no message holds a key.

use crate::errors::BackupError;
use genims_databases::{Environment, roots};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use url::Url;

const KEY: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";
/// The first that is set counts, as for the field's own tools.
const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];
/// What services without regions take.
const REGION: &str = "us-east-1";

const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Without a byte, in either direction; large objects are put together meanwhile.
const SILENCE_MAX: Duration = Duration::from_secs(2 * 60);

pub(super) fn credentials(place: &str, environment: &Environment) -> Result<Credentials, BackupError> {
    let needed = |variable: &'static str| -> Result<String, BackupError> {
        let value = environment.secret(variable)?.filter(|value| !value.is_empty());
        value.ok_or_else(|| BackupError::NoKey { place: place.to_owned(), variable })
    };
    let (key, secret) = (needed(KEY)?, needed(SECRET)?);
    Ok(match environment.secret(TOKEN)? {
        Some(token) => Credentials::new_with_token(key, secret, token),
        None => Credentials::new(key, secret),
    })
}

/// A service that is named by its URL is asked for `URL/BUCKET`, as MinIO, Ceph and Garage take it; AWS for `BUCKET.s3...`.
pub(super) fn bucket(name: &str, environment: &Environment) -> Result<Bucket, BackupError> {
    let first = |variables: [&'static str; 2]| {
        variables.into_iter().find_map(|variable| Some((variable, environment.get(variable)?)))
    };
    let region = first(REGIONS).map_or(REGION, |(_, region)| region).to_owned();
    let (variable, endpoint, style) = match first(ENDPOINTS) {
        Some((variable, endpoint)) => (variable, endpoint.to_owned(), UrlStyle::Path),
        None => {
            // No certificate of AWS is for a name with a further dot.
            let style = if name.contains('.') { UrlStyle::Path } else { UrlStyle::VirtualHost };
            (REGIONS[0], format!("https://s3.{region}.amazonaws.com"), style)
        }
    };
    let bad = |cause: &str| BackupError::Endpoint { variable, cause: cause.to_owned() };
    let url = Url::parse(&endpoint).map_err(|error| bad(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it holds a login, which has variables of its own"));
    }
    Bucket::new(url, style, name.to_owned(), region).map_err(|error| bad(&error.to_string()))
}

/// Over TLS it trusts whom the operating system trusts, or those that SSL_CERT_FILE names.
pub(super) fn agent(place: &str, bucket: &Bucket) -> Result<Agent, BackupError> {
    let config = Agent::config_builder()
        // What a refusal says stands in its body, and no redirect has a signature that fits.
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT_MAX))
        .timeout_recv_response(Some(SILENCE_MAX))
        .timeout_per_read(Some(SILENCE_MAX))
        .timeout_per_write(Some(SILENCE_MAX));
    if bucket.base_url().scheme() != "https" {
        return Ok(config.build().into());
    }
    let roots: Vec<_> = roots::certificates(place)?.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
    Ok(config.tls_config(tls.build()).build().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(name: &str, pairs: &[(&str, &str)]) -> Result<String, String> {
        let bucket = bucket(name, &Environment::from_pairs(pairs.iter().copied()));
        bucket.map(|bucket| format!("{} {}", bucket.base_url(), bucket.region())).map_err(|error| error.to_string())
    }

    #[test]
    fn a_service_is_named_as_for_other_programs() {
        let aws = |name: &str| url(name, &[("AWS_DEFAULT_REGION", "eu-central-1")]).expect("AWS");
        assert_eq!(aws("plant"), "https://plant.s3.eu-central-1.amazonaws.com/ eu-central-1");
        assert_eq!(aws("plant.one"), "https://s3.eu-central-1.amazonaws.com/plant.one/ eu-central-1");
        let minio = [("AWS_ENDPOINT_URL", "http://minio:9000"), ("AWS_REGION", "garage"), ("AWS_DEFAULT_REGION", "x")];
        assert_eq!(url("plant", &minio).expect("MinIO"), "http://minio:9000/plant/ garage");
        let both = [("AWS_ENDPOINT_URL", "http://all:1"), ("AWS_ENDPOINT_URL_S3", "https://s3.plant/base")];
        assert_eq!(url("plant", &both).expect("its own"), "https://s3.plant/base/plant/ us-east-1");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_and_no_key_is_told() {
        for endpoint in ["minio:9000", "ftp://minio", "http://root:hunter2@minio:9000"] {
            let said = url("plant", &[("AWS_ENDPOINT_URL_S3", endpoint)]).expect_err(endpoint);
            assert!(said.starts_with("AWS_ENDPOINT_URL_S3: ") && !said.contains("hunter2"), "{said}");
        }
        let keys = |pairs: &[(&str, &str)]| credentials("s3://b", &Environment::from_pairs(pairs.iter().copied()));
        let said = keys(&[(KEY, "AKIA")]).expect_err("half of it").to_string();
        assert!(said.contains(SECRET) && !said.contains("AKIA"), "{said}");
        let whole = keys(&[(KEY, "AKIA"), (SECRET, "hunter2"), (TOKEN, "hunter3")]).expect("all three");
        assert_eq!((whole.secret(), whole.token()), ("hunter2", Some("hunter3")));
        assert!(!format!("{whole:?}").contains("hunter"), "{whole:?}");
    }
}
