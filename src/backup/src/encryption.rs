//! Encryption of backups with age: for recipients, who are public, and with the identity of one of them, which is secret.
//!
//! In: recipients as words or in a file, identities in a file. Out: streams of bytes. Invariants: who asks for encryption and names
//! nobody is refused, never answered in clear; no message repeats what somebody took for a recipient or an identity; memory is one
//! chunk of 64 KiB a file.

use crate::errors::BackupError;
use age::stream::{StreamReader, StreamWriter};
use age::x25519::Recipient;
use age::{DecryptError, Decryptor, Encryptor, Identity, IdentityFile};
use genims_databases::open_to_others;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

/// What follows the name of an encrypted file.
pub(crate) const EXTENSION: &str = ".age";
/// Of a file of recipients.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// For whom backups are encrypted; never nobody.
#[derive(Clone, Debug)]
pub struct Recipients(Vec<Recipient>);

impl Recipients {
    /// Those of the command line and of a file with one a line; none where neither is given.
    pub fn named(words: &[String], file: Option<&Path>) -> Result<Option<Self>, BackupError> {
        let mut recipients = Vec::new();
        for (index, word) in words.iter().enumerate() {
            recipients.push(recipient(word).map_err(|()| BackupError::Recipient { place: nth(index + 1) })?);
        }
        if let Some(path) = file {
            recipients.append(&mut of_file(path)?);
        }
        recipients.sort_by_key(Recipient::to_string);
        recipients.dedup();
        Ok((!recipients.is_empty()).then_some(Self(recipients)))
    }

    /// As the manifest names them.
    pub fn told(&self) -> Vec<String> {
        self.0.iter().map(Recipient::to_string).collect()
    }

    pub(crate) fn encrypt<W: Write>(&self, out: W) -> io::Result<StreamWriter<W>> {
        let recipients = self.0.iter().map(|recipient| recipient as &dyn age::Recipient);
        Encryptor::with_recipients(recipients).map_err(io::Error::other)?.wrap_output(out)
    }
}

fn recipient(word: &str) -> Result<Recipient, ()> {
    word.trim().parse().map_err(|_| ())
}

/// Told by its number: an identity may stand where a recipient should.
fn nth(number: usize) -> String {
    format!("--recipient number {number}")
}

fn of_file(path: &Path) -> Result<Vec<Recipient>, BackupError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
    read.map_err(BackupError::read(path))?;
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let mut recipients = Vec::new();
    for (index, line) in lines {
        let place = || format!("{} line {}", path.display(), index + 1);
        recipients.push(recipient(line).map_err(|()| BackupError::Recipient { place: place() })?);
    }
    if recipients.is_empty() {
        return Err(BackupError::NoRecipients { path: path.display().to_string() });
    }
    Ok(recipients)
}

/// What opens backups.
pub struct Identities(Vec<Box<dyn Identity + Send + Sync>>);

impl Identities {
    /// Those of a file that is its owner's alone, as `age-keygen` writes it.
    pub fn read(path: &Path) -> Result<Self, BackupError> {
        let file = File::open(path).map_err(BackupError::read(path))?;
        let found = file.metadata().map_err(BackupError::read(path))?;
        let path = path.display().to_string();
        if let Some(mode) = open_to_others(&found) {
            return Err(BackupError::OpenIdentity { path, mode });
        }
        let none = |cause: String| BackupError::NoIdentity { path: path.clone(), cause };
        let file = IdentityFile::from_buffer(BufReader::new(file)).map_err(|error| none(error.to_string()))?;
        let identities = file.into_identities().map_err(|error| none(error.to_string()))?;
        if identities.is_empty() {
            return Err(none("it is empty".to_owned()));
        }
        Ok(Self(identities))
    }

    /// Its head is read here already.
    pub(crate) fn decrypt<R: BufRead>(&self, stored: R) -> Result<StreamReader<R>, DecryptError> {
        let identities = self.0.iter().map(|identity| identity.as_ref() as &dyn Identity);
        Decryptor::new_buffered(stored)?.decrypt(identities)
    }
}

/// Why a file cannot be decrypted that is encrypted for these.
pub(crate) fn undone(path: &Path, recipients: &[String], error: DecryptError) -> BackupError {
    let file = path.display().to_string();
    match error {
        DecryptError::NoMatchingKeys => BackupError::WrongIdentity { file, recipients: recipients.join(", ") },
        other => BackupError::Damaged { file, cause: format!("it cannot be decrypted: {other}") },
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use age::secrecy::ExposeSecret;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    /// A recipient, and the file of its identity.
    pub(crate) fn pair(folder: &Path, name: &str) -> (Recipients, PathBuf) {
        let identity = age::x25519::Identity::generate();
        let path = folder.join(name);
        std::fs::write(&path, format!("# a test's\n{}\n", identity.to_string().expose_secret())).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
        let words = [identity.to_public().to_string()];
        (Recipients::named(&words, None).expect("one").expect("one"), path)
    }

    fn said<T>(result: Result<T, BackupError>) -> String {
        result.err().expect("refused").to_string()
    }

    #[test]
    fn what_is_encrypted_for_several_is_opened_by_each_of_them_and_nobody_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let (ada, ada_file) = pair(folder.path(), "ada");
        let (ben, ben_file) = pair(folder.path(), "ben");
        let (_, eve_file) = pair(folder.path(), "eve");
        let list = folder.path().join("recipients");
        std::fs::write(&list, format!("# who restores\n\n{}\r\n{}\n", ben.told()[0], ada.told()[0])).expect("written");
        let both = Recipients::named(&ada.told(), Some(&list)).expect("two").expect("two");
        assert_eq!(both.told().len(), 2, "one is named twice");
        let text = vec![7_u8; 200_000];
        let mut stored = Vec::new();
        let mut out = both.encrypt(&mut stored).expect("begun");
        out.write_all(&text).and_then(|()| out.finish().map(drop)).expect("ended");
        for (file, opens) in [(&ada_file, true), (&ben_file, true), (&eve_file, false)] {
            let opened = Identities::read(file).expect("an identity").decrypt(&stored[..]);
            assert_eq!(opened.is_ok(), opens, "{}", file.display());
            let mut clear = Vec::new();
            if let Ok(mut opened) = opened {
                opened.read_to_end(&mut clear).expect("whole");
                assert_eq!(clear, text);
            }
        }
    }

    #[test]
    fn who_asks_for_encryption_and_names_nobody_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let list = folder.path().join("recipients");
        assert!(Recipients::named(&[], None).expect("nothing was asked for").is_none());
        std::fs::write(&list, "# nobody yet\n").expect("written");
        assert!(said(Recipients::named(&[], Some(&list))).contains("holds no recipient"));
        assert!(said(Recipients::named(&[], Some(&folder.path().join("none")))).contains("cannot be read"));
        std::fs::write(&list, "\nage1nobody\n").expect("written");
        assert!(said(Recipients::named(&[], Some(&list))).contains("recipients line 2"));
    }

    #[test]
    fn a_secret_at_the_wrong_place_is_refused_and_not_repeated() {
        let folder = tempfile::tempdir().expect("a folder");
        let (recipients, file) = pair(folder.path(), "ada");
        let secret = std::fs::read_to_string(&file).expect("read");
        let secret = secret.lines().last().expect("a line");
        let told = said(Recipients::named(&[recipients.told()[0].clone(), secret.to_owned()], None));
        assert!(told.contains("--recipient number 2") && !told.contains(secret), "{told}");
        for content in ["", "my-passphrase\n", &recipients.told()[0]] {
            std::fs::write(&file, content).expect("written");
            let told = said(Identities::read(&file));
            assert!(told.contains("age-keygen") && !told.contains("my-passphrase"), "{told}");
        }
    }

    #[test]
    fn a_file_of_identities_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_, file) = pair(folder.path(), "ada");
        for (mode, is_good) in [(0o400, true), (0o640, true), (0o644, false), (0o660, false)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("set");
            let told = Identities::read(&file).err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(told.is_empty(), is_good, "{mode:o}: {told}");
            assert!(is_good || told.contains("chmod 600"), "{told}");
        }
    }
}
