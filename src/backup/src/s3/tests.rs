//! Requests against a service that checks signatures: what comes back, what is tried again, what is left behind.

#[path = "../../../../tests/it/object_service.rs"]
mod object_service;

use super::*;
use object_service::{KEY, ObjectService, SECRET, Trouble, serve};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// The smallest that a service takes of all parts but the last.
const PART_MIN: usize = 5 * 1024 * 1024;

/// A service with one bucket.
pub(crate) struct TestBucket {
    pub(crate) folder: TempDir,
    service: ObjectService,
}

impl TestBucket {
    pub(crate) fn new() -> Self {
        Self::with_trouble(|_, _| None)
    }

    fn with_trouble(trouble: impl Fn(&hyper::Method, &str) -> Option<Trouble> + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("plant")).expect("a bucket");
        let service = serve(folder.path(), trouble);
        Self { folder, service }
    }

    pub(crate) fn environment(&self, secret: &str) -> Environment {
        let url = self.service.url.as_str();
        Environment::from_pairs([
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_ENDPOINT_URL", url),
        ])
    }

    pub(crate) fn location(&self) -> crate::Location {
        crate::Location::named(Path::new("s3://plant/genims"), &self.environment(SECRET)).expect("a place")
    }

    /// With the smallest parts.
    pub(crate) fn store(&self) -> Arc<ObjectStore> {
        let store = ObjectStore::new("s3://plant", "plant", &self.environment(SECRET)).expect("a store");
        Arc::new(ObjectStore { part_bytes: PART_MIN, ..store })
    }

    /// What the service keeps of uploads in parts beside its buckets.
    pub(crate) fn parts(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path()).expect("a folder").map(|entry| entry.expect("read").path());
        entries.filter(|path| path.to_string_lossy().contains("upload")).collect()
    }
}

fn keys(store: &ObjectStore) -> Vec<String> {
    store.list("").expect("listed").into_iter().map(|object| object.key).collect()
}

/// Nothing that repeats itself in parts.
fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

fn read(store: &Arc<ObjectStore>, key: &str) -> Vec<u8> {
    let mut found = Vec::new();
    Download::new(store.clone(), key.to_owned()).expect("there").read_to_end(&mut found).expect("read");
    found
}

#[test]
fn what_is_put_is_listed_read_and_deleted() {
    let bucket = TestBucket::new();
    let store = bucket.store();
    for key in ["a/one", "a/two words & more=1.bson", "b/empty"] {
        store.put(key, if key == "b/empty" { b"" } else { key.as_bytes() }).expect(key);
    }
    assert_eq!(keys(&store).len(), 3);
    let listed = store.list("a/").expect("listed");
    assert_eq!(listed.iter().map(|object| object.bytes).collect::<Vec<_>>(), [5, 25], "{listed:?}");
    assert!(listed.iter().all(|object| object.modified.is_some()), "{listed:?}");
    assert_eq!(read(&store, "a/two words & more=1.bson"), b"a/two words & more=1.bson");
    assert!(read(&store, "b/empty").is_empty());
    store.delete("a/one").and_then(|()| store.delete("a/one")).expect("one that is gone is no error");
    let gone = store.get("a/one", None).expect_err("gone");
    assert_eq!(gone.kind(), io::ErrorKind::NotFound, "{gone}");
}

#[test]
fn a_small_object_is_asked_for_once_while_its_tag_is_the_same() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let bucket = TestBucket::with_trouble(move |method, path| {
        let is_it = *method == hyper::Method::GET && path.ends_with("manifest.json");
        counted.fetch_add(usize::from(is_it), Ordering::Relaxed);
        None
    });
    let store = bucket.store();
    store.put("manifest.json", b"one").expect("put");
    for tag in ["1", "1", "2"] {
        assert_eq!(*store.get("manifest.json", Some(tag)).expect("read"), *b"one");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[test]
fn a_secret_that_is_not_the_account_s_is_refused_and_not_told() {
    let bucket = TestBucket::new();
    let environment = bucket.environment("hunter2hunter2");
    let store = ObjectStore::new("s3://plant", "plant", &environment).expect("nothing was asked yet");
    let said = store.put("a", b"x").expect_err("another secret");
    assert_eq!(said.kind(), io::ErrorKind::PermissionDenied, "{said}");
    assert!(said.to_string().contains("SignatureDoesNotMatch"), "{said}");
    assert!(!said.to_string().contains("hunter2") && !said.to_string().contains("X-Amz"), "{said}");
    assert!(keys(&bucket.store()).is_empty());
    let elsewhere = ObjectStore::new("s3://other", "other", &bucket.environment(SECRET)).expect("a name");
    let said = elsewhere.list("").expect_err("no such bucket").to_string();
    assert!(said.contains("NoSuchBucket"), "{said}");
}

#[test]
fn a_large_object_goes_in_parts_and_is_there_at_its_end() {
    let bucket = TestBucket::new();
    let store = bucket.store();
    for bytes in [2 * PART_MIN, 2 * PART_MIN + 1, PART_MIN] {
        let content = content(bytes);
        let mut upload = Upload::new(store.clone(), "a/dump".to_owned());
        content.chunks(700_001).for_each(|piece| upload.write_all(piece).expect("taken"));
        let marked = bytes > PART_MIN;
        assert_eq!(keys(&store), ["a/.upload-dump"][..usize::from(marked)], "{bytes}");
        upload.finish().expect("whole");
        assert_eq!(keys(&store), ["a/dump"], "{bytes}");
        assert!(read(&store, "a/dump") == content, "{bytes}");
        assert!(bucket.parts().is_empty(), "{:?}", bucket.parts());
        store.delete("a/dump").expect("deleted");
    }
}

#[test]
fn what_is_dropped_in_the_middle_leaves_nothing_behind() {
    let bucket = TestBucket::new();
    let store = bucket.store();
    let mut upload = Upload::new(store.clone(), "a/dump".to_owned());
    upload.write_all(&content(PART_MIN + 1)).expect("taken");
    assert_eq!(keys(&store), ["a/.upload-dump"]);
    drop(upload);
    assert!(keys(&store).is_empty() && bucket.parts().is_empty(), "{:?} {:?}", keys(&store), bucket.parts());
}

#[test]
fn a_part_that_cannot_be_sent_ends_the_upload_with_its_reason() {
    let bucket = TestBucket::new();
    let store = bucket.store();
    let mut upload = Upload::new(store.clone(), "a/dump".to_owned());
    upload.write_all(&content(PART_MIN + 1)).expect("taken");
    for part in bucket.parts() {
        std::fs::remove_file(part).expect("the service forgets it");
    }
    let written = upload.write_all(&content(4 * PART_MIN)).and_then(|()| upload.finish());
    let said = written.expect_err("nobody knows the upload").to_string();
    // A service may close the connection before it was sent all of a part that it does not want.
    let reasons = ["the service answers", "Broken pipe", "Connection reset"];
    assert!(reasons.iter().any(|reason| said.contains(reason)), "{said}");
    assert!(!keys(&store).contains(&"a/dump".to_owned()));
}

#[test]
fn what_is_refused_once_or_breaks_off_is_tried_again() {
    let (asked, cut) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let cuts = cut.clone();
    // Every second request is refused; of those that read, each that comes through breaks off, three times.
    let bucket = TestBucket::with_trouble(move |method, path| {
        if asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            return Some(Trouble::Refused);
        }
        let reads = *method == hyper::Method::GET && path.ends_with("/dump");
        (reads && cuts.fetch_add(1, Ordering::Relaxed) < 3).then_some(Trouble::Cut)
    });
    let store = bucket.store();
    let content = content(2 * PART_MIN + 1);
    let mut upload = Upload::new(store.clone(), "a/dump".to_owned());
    upload.write_all(&content).and_then(|()| upload.finish()).expect("sent");
    assert_eq!(keys(&store), ["a/dump"]);
    assert!(read(&store, "a/dump") == content, "no byte came twice, and none was left out");
    assert!(cut.load(Ordering::Relaxed) > 3);
}
