//! A backup that is read again. In: its place, its manifest, identities. Out: its files in clear, as they were dumped. Invariants: an
//! encrypted one without an identity that opens it is refused at once, as is one that is being removed; nobody removes it meanwhile;
//! memory is one buffer a file.

use crate::encryption::{EXTENSION, Identities, undone};
use crate::errors::BackupError;
use crate::folder::{self, Held};
use crate::location::Location;
use crate::manifest::Manifest;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;

const BUFFER: usize = 256 * 1024;

pub(crate) struct Saved<'a> {
    folder: Location,
    pub(crate) manifest: &'a Manifest,
    /// Where it is encrypted.
    identities: Option<&'a Identities>,
    _held: Option<Held>,
}

/// A file of it, in clear.
pub(crate) struct SavedFile {
    pub(crate) path: PathBuf,
    stream: Box<dyn Read + Send>,
}

impl SavedFile {
    /// One that is no backup's, and in clear.
    pub(crate) fn clear(path: PathBuf) -> Result<Self, BackupError> {
        let file = File::open(&path).map_err(BackupError::read(&path))?;
        Ok(Self { path, stream: Box::new(BufReader::with_capacity(BUFFER, file)) })
    }
}

impl Read for SavedFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.read(into)
    }
}

impl<'a> Saved<'a> {
    /// Whether its files are there and can be opened is known then.
    pub(crate) fn new(
        folder: impl Into<Location>,
        manifest: &'a Manifest,
        identities: Option<&'a Identities>,
    ) -> Result<Self, BackupError> {
        let folder = folder.into();
        let held = folder::hold(&folder)?;
        manifest.is_complete(&folder)?;
        if manifest.encrypted_for.is_empty() {
            return Ok(Self { folder, manifest, identities: None, _held: held });
        }
        let Some(identities) = identities else {
            let folder = folder.path().display().to_string();
            return Err(BackupError::NeedsIdentity { folder, recipients: manifest.encrypted_for.join(", ") });
        };
        let saved = Self { folder, manifest, identities: Some(identities), _held: held };
        if let Some(entry) = manifest.content.files.first() {
            saved.open(entry.name.trim_end_matches(EXTENSION))?;
        }
        Ok(saved)
    }

    /// Every byte of it, and whether all of it decrypts.
    pub(crate) fn verify(&self, show: &dyn Fn(&str)) -> Result<(), BackupError> {
        self.manifest.verify(&self.folder, self.identities, show)
    }

    /// By the name that it was dumped under.
    pub(crate) fn open(&self, name: &str) -> Result<SavedFile, BackupError> {
        let stored = if self.identities.is_some() { format!("{name}{EXTENSION}") } else { name.to_owned() };
        let path = self.folder.path().join(&stored);
        let file = self.folder.open(&stored).map_err(BackupError::read(&path))?;
        let file = BufReader::with_capacity(BUFFER, file);
        let stream: Box<dyn Read + Send> = match self.identities {
            None => Box::new(file),
            Some(identities) => {
                let clear = identities.decrypt(file);
                Box::new(clear.map_err(|error| undone(&path, &self.manifest.encrypted_for, error))?)
            }
        };
        Ok(SavedFile { path, stream })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encryption::tests::pair;
    use crate::manifest::Content;
    use crate::written::{FileEntry, Written, digest};
    use chrono::Utc;
    use genims_databases::Engine;
    use std::path::Path;

    const TEXT: &[u8] = &[b'x'; 300_000];

    /// A backup of one file, for `ada`, and the file with her identity.
    fn saved(folder: &Path) -> (Manifest, PathBuf) {
        let (ada, identity) = pair(folder, "ada");
        let mut file = Written::create(folder, "dump", Some(&ada)).expect("a file");
        TEXT.chunks(70_001).for_each(|piece| file.write(piece).expect("written"));
        let files = vec![file.finish().expect("synced")];
        let content = Content { files, ..Content::default() };
        let place = "h:1/d".to_owned();
        let manifest = Manifest::new("genims_hr_db", Engine::Mysql, place, Utc::now(), Some(&ada), content);
        manifest.write(folder).expect("written");
        (manifest, identity)
    }

    fn opened(folder: &Path, manifest: &Manifest, identity: &Path) -> Result<Vec<u8>, BackupError> {
        let identities = Identities::read(identity).expect("an identity");
        let saved = Saved::new(folder, manifest, Some(&identities))?;
        saved.verify(&|_| {})?;
        let mut clear = Vec::new();
        let mut file = saved.open("dump")?;
        file.read_to_end(&mut clear).map_err(BackupError::read(&file.path))?;
        Ok(clear)
    }

    #[test]
    fn what_was_encrypted_comes_back_and_the_disk_never_saw_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let (manifest, identity) = saved(folder);
        let stored = std::fs::read(folder.join("dump.age")).expect("there");
        assert!(stored.starts_with(b"age-encryption.org/v1") && !stored.windows(20).any(|part| part == [b'x'; 20]));
        let entry = FileEntry { name: "dump.age".to_owned(), bytes: stored.len() as u64, sha256: digest(&stored) };
        assert_eq!(manifest.content.files, [entry], "of what is stored");
        let text = std::fs::read_to_string(folder.join("manifest.json")).expect("there");
        assert!(text.contains(&manifest.encrypted_for[0]) && !text.contains("SECRET"), "{text}");
        assert!(text.contains("\"format\": 2"), "a release that knows no encryption refuses it: {text}");
        let read = Manifest::read(folder).expect("read");
        assert_eq!(opened(folder, &read, &identity).expect("hers"), TEXT);
        read.verify(folder, None, &|_| {}).expect("its bytes are looked at without an identity, too");
    }

    #[test]
    fn without_its_identity_it_is_refused_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (manifest, _) = saved(folder.path());
        let (_, other) = pair(folder.path(), "ben");
        let told = Saved::new(folder.path(), &manifest, None).err().expect("none").to_string();
        assert!(told.contains(&manifest.encrypted_for[0]) && told.contains("--identity FILE"), "{told}");
        let identities = Identities::read(&other).expect("an identity");
        let told = Saved::new(folder.path(), &manifest, Some(&identities)).err().expect("another's").to_string();
        assert!(told.contains("dump.age") && told.contains(&manifest.encrypted_for[0]), "{told}");
    }

    #[test]
    fn what_is_being_removed_is_refused() {
        let root = tempfile::tempdir().expect("a folder");
        let backup = crate::candidates::tests::saved(root.path(), -40);
        let manifest = Manifest::read(&backup).expect("read");
        let going = folder::Going::begin(root.path(), "genims_hr_db", &backup).expect("free").expect("there");
        let told = Saved::new(&backup, &manifest, None).err().expect("too late").to_string();
        assert!(told.contains("is being removed"), "{told}");
        drop(going);
        let saved = Saved::new(&backup, &manifest, None).expect("it stayed");
        assert!(folder::Going::begin(root.path(), "genims_hr_db", &backup).is_err(), "somebody restores from it");
        drop(saved);
    }

    #[test]
    fn what_is_cut_or_altered_is_refused_even_with_a_checksum_that_fits() {
        for change in ["cut", "altered", "longer"] {
            let folder = tempfile::tempdir().expect("a folder");
            let folder = folder.path();
            let (mut manifest, identity) = saved(folder);
            let path = folder.join("dump.age");
            let mut stored = std::fs::read(&path).expect("there");
            let middle = stored.len() / 2;
            match change {
                "cut" => stored.truncate(middle),
                "altered" => stored[middle] ^= 1,
                _ => stored.push(0),
            }
            std::fs::write(&path, &stored).expect("written");
            let told = opened(folder, &manifest, &identity).expect_err(change).to_string();
            assert!(told.contains("dump.age") && told.contains("damaged"), "{change}: {told}");
            let entry = &mut manifest.content.files[0];
            (entry.bytes, entry.sha256) = (stored.len() as u64, digest(&stored));
            let told = opened(folder, &manifest, &identity).expect_err(change).to_string();
            assert!(told.contains("dump.age") && told.contains("cannot be decrypted"), "{change}: {told}");
        }
    }
}
