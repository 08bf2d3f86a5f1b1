//! An object as a stream. In: its key. Out: its bytes, as often as the connection has to be made anew for them: whoever reads may be
//! busy for longer than a service keeps a connection. Invariants: no byte comes twice; memory is one buffer; an object that ends
//! before its length is an error.

use super::{ATTEMPTS_MAX, ObjectStore, retried, unreadable};
use genims_model::Backoff;
use std::io::{self, Read};
use std::sync::Arc;
use ureq::BodyReader;

pub(crate) struct Download {
    store: Arc<ObjectStore>,
    key: String,
    at: u64,
    length: u64,
    /// None: to be asked for, from `at` on.
    body: Option<BodyReader<'static>>,
    /// Since the last byte.
    failures: u32,
    backoff: Backoff,
}

impl Download {
    pub(crate) fn new(store: Arc<ObjectStore>, key: String) -> io::Result<Self> {
        let (length, body) = retried(|| {
            let answer = store.open(&key, 0)?;
            // Of an empty one there is no body that has a length.
            let said = answer.headers().get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
            let length = said.ok_or_else(|| unreadable("an object has no length"))?;
            Ok((length, answer.into_body().into_reader()))
        })?;
        Ok(Self { store, key, at: 0, length, body: Some(body), failures: 0, backoff: Backoff::default() })
    }

    fn read_some(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let body = match &mut self.body {
            Some(body) => body,
            none => {
                let answer = self.store.open(&self.key, self.at).map_err(|failure| {
                    // What is final ends the attempts.
                    self.failures = if failure.may_pass { self.failures } else { ATTEMPTS_MAX };
                    failure.error
                })?;
                none.insert(answer.into_body().into_reader())
            }
        };
        match body.read(into)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(count),
        }
    }
}

impl Read for Download {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.length || into.is_empty() {
            return Ok(0);
        }
        loop {
            match self.read_some(into) {
                Ok(count) => {
                    self.at += count as u64;
                    self.failures = 0;
                    self.backoff.reset();
                    return Ok(count);
                }
                Err(error) => {
                    self.body = None;
                    self.failures += 1;
                    if self.failures >= ATTEMPTS_MAX {
                        return Err(error);
                    }
                    std::thread::sleep(self.backoff.next_delay());
                }
            }
        }
    }
}
