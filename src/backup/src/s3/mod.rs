//! A bucket in S3, or in what speaks like it. In: keys of objects, bytes. Out: objects, or an error of input and output with what the
//! service said.
//!
//! - [`settings`]: where it is and whose account uses it
//! - [`upload`]: bytes as they come into an object; [`download`]: an object as a stream that survives a broken connection
//!
//! Requests block, as reading and writing files does. Invariants: each is signed anew and tried again a bounded number of times; no
//! wait is endless; what is sent carries its MD5, which the service compares; no message has a URL, since that holds the signature.

mod download;
mod settings;
#[cfg(test)]
pub(crate) mod tests;
mod upload;

pub(crate) use download::Download;
pub(crate) use upload::{MARKER, Upload};

use crate::errors::BackupError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use genims_databases::Environment;
use genims_model::Backoff;
use md5::{Digest, Md5};
use parking_lot::Mutex;
use rusty_s3::actions::{CompleteMultipartUploadResponse, CreateMultipartUpload, ListObjectsV2};
use rusty_s3::{Bucket, Credentials, S3Action};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::{Request, Response};
use ureq::{Agent, Body};

/// With the pauses between them a quarter of a minute.
const ATTEMPTS_MAX: u32 = 8;
/// Of a request's signature.
const SIGNED_FOR: Duration = Duration::from_secs(60 * 60);
/// Parts of an object are all of one size, which some services demand. Ten thousand of them make the largest object.
const PART_BYTES: usize = 32 * 1024 * 1024;
/// Of what is read at once: lists, manifests, what is said of errors.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Of what a service says of an error.
const MESSAGE_CHARS_MAX: usize = 300;

/// Its tag, and what it held.
type Known = (String, Arc<[u8]>);

pub(crate) struct ObjectStore {
    agent: Agent,
    bucket: Bucket,
    credentials: Credentials,
    part_bytes: usize,
    /// Small objects that were read once, by key, with their [`ObjectEntry::tag`] then: whoever looks each minute asks for lists.
    known: Mutex<HashMap<String, Known>>,
}

/// An object, as it is listed.
#[derive(Clone, Debug)]
pub(crate) struct ObjectEntry {
    pub(crate) key: String,
    pub(crate) bytes: u64,
    /// Another one where the object is another one.
    pub(crate) tag: String,
    pub(crate) modified: Option<DateTime<Utc>>,
}

/// Why a request failed.
struct Failure {
    error: io::Error,
    /// The next one may succeed.
    may_pass: bool,
}

impl ObjectStore {
    pub(crate) fn new(place: &str, bucket: &str, environment: &Environment) -> Result<Self, BackupError> {
        let (credentials, bucket) =
            (settings::credentials(place, environment)?, settings::bucket(bucket, environment)?);
        let agent = settings::agent(place, &bucket)?;
        Ok(Self { agent, bucket, credentials, part_bytes: PART_BYTES, known: Mutex::default() })
    }

    /// All objects whose keys begin so.
    pub(crate) fn list(&self, prefix: &str) -> io::Result<Vec<ObjectEntry>> {
        let (mut found, mut token) = (Vec::new(), None::<String>);
        loop {
            let mut action = self.bucket.list_objects_v2(Some(&self.credentials));
            action.with_prefix(prefix);
            if let Some(token) = token {
                action.with_continuation_token(token);
            }
            let page = retried(|| {
                let text = text(&mut self.send(&action, &[], None)?)?;
                ListObjectsV2::parse_response(&text).map_err(|error| unreadable(&error.to_string()))
            })?;
            found.extend(page.contents.into_iter().map(|object| {
                let (bytes, modified) = (object.size.unwrap_or_default(), object.last_modified);
                let tag = format!("{} {bytes} {}", object.etag.unwrap_or_default(), modified.as_deref().unwrap_or("-"));
                let modified = modified.and_then(|time| Some(DateTime::parse_from_rfc3339(&time).ok()?.to_utc()));
                ObjectEntry { key: object.key, bytes, tag, modified }
            }));
            token = page.next_continuation_token;
            if token.is_none() {
                return Ok(found);
            }
        }
    }

    /// A small object. With the tag that it is listed with it is asked for once.
    pub(crate) fn get(&self, key: &str, tag: Option<&str>) -> io::Result<Arc<[u8]>> {
        let known = tag.and_then(|tag| Some((tag, self.known.lock().get(key).cloned()?)));
        if let Some((_, (_, bytes))) = known.filter(|(tag, (known, _))| tag == known) {
            return Ok(bytes);
        }
        let bytes = retried(|| {
            let mut answer = self.open(key, 0)?;
            answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(failed)
        });
        let bytes: Arc<[u8]> = bytes?.into();
        if let Some(tag) = tag {
            self.known.lock().insert(key.to_owned(), (tag.to_owned(), bytes.clone()));
        }
        Ok(bytes)
    }

    pub(crate) fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let md5 = STANDARD.encode(Md5::digest(bytes));
        let mut action = self.bucket.put_object(Some(&self.credentials), key);
        action.headers_mut().insert("content-md5", md5.as_str());
        retried(|| self.send(&action, &[("content-md5", md5.as_str())], Some(bytes)).map(drop))
    }

    /// One that is not there is no error.
    pub(crate) fn delete(&self, key: &str) -> io::Result<()> {
        let action = self.bucket.delete_object(Some(&self.credentials), key);
        gone(retried(|| self.send(&action, &[], None).map(drop)))
    }

    /// From a byte on.
    fn open(&self, key: &str, from: u64) -> Result<Response<Body>, Failure> {
        let action = self.bucket.get_object(Some(&self.credentials), key);
        if from == 0 {
            return self.send(&action, &[], None);
        }
        let range = format!("bytes={from}-");
        let answer = self.send(&action, &[("range", range.as_str())], None)?;
        if answer.status().as_u16() != 206 {
            return Err(unreadable("it sends all of an object when it is asked for its end"));
        }
        Ok(answer)
    }

    /// The number of a new upload in parts.
    fn create_upload(&self, key: &str) -> io::Result<String> {
        let action = self.bucket.create_multipart_upload(Some(&self.credentials), key);
        retried(|| {
            let text = text(&mut self.send(&action, &[], Some(&[]))?)?;
            let created = CreateMultipartUpload::parse_response(&text);
            created.map(|created| created.upload_id().to_owned()).map_err(|error| unreadable(&error.to_string()))
        })
    }

    /// What the service calls the part.
    fn upload_part(&self, key: &str, upload: &str, number: u16, bytes: &[u8]) -> io::Result<String> {
        let md5 = STANDARD.encode(Md5::digest(bytes));
        let mut action = self.bucket.upload_part(Some(&self.credentials), key, number, upload);
        action.headers_mut().insert("content-md5", md5.as_str());
        retried(|| {
            let answer = self.send(&action, &[("content-md5", md5.as_str())], Some(bytes))?;
            let tag = answer.headers().get("etag").and_then(|tag| tag.to_str().ok());
            tag.map(str::to_owned).ok_or_else(|| unreadable("a part has no ETag"))
        })
    }

    fn complete_upload(&self, key: &str, upload: &str, parts: &[String]) -> io::Result<()> {
        let action = || {
            let parts = parts.iter().map(String::as_str);
            self.bucket.complete_multipart_upload(Some(&self.credentials), key, upload, parts)
        };
        let body = action().body();
        let done = retried(|| {
            let text = text(&mut self.send(&action(), &[], Some(body.as_bytes()))?)?;
            // An error may come behind a head that says otherwise.
            CompleteMultipartUploadResponse::parse(text.trim_start()).map(drop).map_err(|_| refusal(200, &text))
        });
        match done {
            // An attempt before may have succeeded without an answer.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let found = self.list(key)?.iter().any(|object| object.key == key);
                if found { Ok(()) } else { Err(error) }
            }
            done => done,
        }
    }

    pub(crate) fn abort_upload(&self, key: &str, upload: &str) -> io::Result<()> {
        let action = self.bucket.abort_multipart_upload(Some(&self.credentials), key, upload);
        gone(retried(|| self.send(&action, &[], None).map(drop)))
    }

    /// An answer with which the service agrees.
    fn send<'a, A: S3Action<'a>>(
        &self,
        action: &A,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Response<Body>, Failure> {
        let request = Request::builder().method(A::METHOD.to_str()).uri(action.sign(SIGNED_FOR).as_str());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = match body {
            Some(body) => request.body(body).map_err(ureq::Error::from).and_then(|request| self.agent.run(request)),
            None => request.body(()).map_err(ureq::Error::from).and_then(|request| self.agent.run(request)),
        };
        let mut answer = answer.map_err(failed)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let said = text(&mut answer).unwrap_or_default();
        Err(refusal(answer.status().as_u16(), &said))
    }
}

/// Until it succeeds, as long as it may.
fn retried<T>(mut attempt: impl FnMut() -> Result<T, Failure>) -> io::Result<T> {
    let mut backoff = Backoff::default();
    for _ in 1..ATTEMPTS_MAX {
        match attempt() {
            Err(failure) if failure.may_pass => std::thread::sleep(backoff.next_delay()),
            ended => return ended.map_err(|failure| failure.error),
        }
    }
    attempt().map_err(|failure| failure.error)
}

fn text(answer: &mut Response<Body>) -> Result<String, Failure> {
    answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).lossy_utf8(true).read_to_string().map_err(failed)
}

/// What is gone need not go.
fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Nothing came back, or not all of it.
fn failed(error: ureq::Error) -> Failure {
    use ureq::Error::{BadUri, ConnectionFailed, HostNotFound, Io, Protocol, Timeout};
    let may_pass = match &error {
        // TLS says so of a certificate that it does not take.
        Io(error) => error.kind() != io::ErrorKind::InvalidData,
        Timeout(_) | HostNotFound | ConnectionFailed | Protocol(_) => true,
        _ => false,
    };
    let said = match error {
        BadUri(_) => "its address is none".to_owned(),
        Io(error) => error.to_string(),
        other => other.to_string(),
    };
    Failure { error: io::Error::other(said), may_pass }
}

fn unreadable(cause: &str) -> Failure {
    Failure { error: io::Error::other(format!("the service is not understood: {cause}")), may_pass: false }
}

/// What the service says of a request that it did not carry out.
fn refusal(status: u16, text: &str) -> Failure {
    let of = |name: &str| {
        let rest = text.split_once(&format!("<{name}>"))?.1;
        Some(rest.split_once(&format!("</{name}>"))?.0.chars().take(MESSAGE_CHARS_MAX).collect::<String>())
    };
    let (code, message) = (of("Code").unwrap_or_default(), of("Message").unwrap_or_default());
    let kind = match status {
        404 => io::ErrorKind::NotFound,
        401 | 403 => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    let passing = ["RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable"];
    let may_pass = matches!(status, 408 | 429 | 500 | 502 | 503 | 504) || passing.contains(&code.as_str());
    let said = [format!("the service answers {status}"), code, message];
    let said = said.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
    Failure { error: io::Error::new(kind, said), may_pass }
}
