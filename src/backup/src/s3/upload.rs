//! Bytes as they come, into an object. In: pieces of any size. Out: the object, once all of it is there. What is smaller than a part
//! goes at once; what is larger in parts, by a thread of its own, so that the next is filled meanwhile.
//!
//! Invariants: memory is three parts at most; there is no object before [`Upload::finish`]; what is dropped before leaves no part
//! behind. What a killed run leaves is found by the marker beside the object, which holds the upload's number.

use super::{ObjectStore, PART_BYTES};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// What the name of a marker begins with; the name of the object follows.
pub(crate) const MARKER: &str = ".upload-";
const PARTS_MAX: usize = 10_000;

pub(crate) struct Upload {
    store: Arc<ObjectStore>,
    key: String,
    part: Vec<u8>,
    /// Once there is more than one part.
    begun: Option<Begun>,
}

struct Begun {
    number: String,
    /// Both until the last part is there, or one has failed.
    parts: Option<SyncSender<Vec<u8>>>,
    sending: Option<JoinHandle<io::Result<Vec<String>>>>,
}

impl Upload {
    pub(crate) fn new(store: Arc<ObjectStore>, key: String) -> Self {
        Self { store, key, part: Vec::new(), begun: None }
    }

    /// The object is there when it returns.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        if self.begun.is_none() {
            return self.store.put(&self.key, &self.part);
        }
        if !self.part.is_empty() {
            self.send()?;
        }
        let parts = self.sent()?;
        if let Some(begun) = &self.begun {
            self.store.complete_upload(&self.key, &begun.number, &parts)?;
        }
        self.begun = None;
        self.store.delete(&marker(&self.key))
    }

    /// Waits where the thread has one part and another one ready.
    fn send(&mut self) -> io::Result<()> {
        if self.begun.is_none() {
            self.begun = Some(self.begin()?);
        }
        let part = std::mem::replace(&mut self.part, Vec::with_capacity(self.store.part_bytes));
        let parts = self.begun.as_ref().and_then(|begun| begun.parts.as_ref());
        if parts.is_some_and(|parts| parts.send(part).is_ok()) {
            return Ok(());
        }
        // It has ended before its time, and says why.
        self.sent().and(Err(io::Error::other("its upload has ended")))
    }

    fn begin(&self) -> io::Result<Begun> {
        let number = self.store.create_upload(&self.key)?;
        let marked = self.store.put(&marker(&self.key), number.as_bytes());
        let (parts, taken) = sync_channel(1);
        let (store, key, own) = (self.store.clone(), self.key.clone(), number.clone());
        let sending = marked.and_then(|()| {
            let thread = thread::Builder::new().name("s3-upload".to_owned());
            thread.spawn(move || send_parts(&store, &key, &own, &taken))
        });
        match sending {
            Ok(sending) => Ok(Begun { number, parts: Some(parts), sending: Some(sending) }),
            Err(error) => {
                // The first error is the one to report.
                let _ = self.store.abort_upload(&self.key, &number);
                Err(error)
            }
        }
    }

    /// What the parts are called, when the last one is there.
    fn sent(&mut self) -> io::Result<Vec<String>> {
        let Some(begun) = &mut self.begun else { return Ok(Vec::new()) };
        drop(begun.parts.take());
        let Some(sending) = begun.sending.take() else { return Err(io::Error::other("its upload has failed")) };
        sending.join().unwrap_or_else(|_| Err(io::Error::other("its upload has panicked")))
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // One that is full goes when more comes: the last one goes with the end.
        if self.part.len() == self.store.part_bytes && !bytes.is_empty() {
            self.send()?;
        }
        let room = self.store.part_bytes - self.part.len();
        let taken = &bytes[..bytes.len().min(room)];
        self.part.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let _ = self.sent();
        if let Some(begun) = self.begun.take() {
            // What stays is found by its marker.
            if self.store.abort_upload(&self.key, &begun.number).is_ok() {
                let _ = self.store.delete(&marker(&self.key));
            }
        }
    }
}

fn send_parts(store: &ObjectStore, key: &str, upload: &str, parts: &Receiver<Vec<u8>>) -> io::Result<Vec<String>> {
    let mut sent = Vec::new();
    for part in parts {
        let number = u16::try_from(sent.len() + 1).ok().filter(|_| sent.len() < PARTS_MAX);
        let largest = || format!("a file in S3 has {} GiB at most", (PARTS_MAX * PART_BYTES) >> 30);
        let number = number.ok_or_else(|| io::Error::other(largest()))?;
        sent.push(store.upload_part(key, upload, number, &part)?);
    }
    Ok(sent)
}

/// Beside the object.
fn marker(key: &str) -> String {
    match key.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/{MARKER}{name}"),
        None => format!("{MARKER}{key}"),
    }
}
