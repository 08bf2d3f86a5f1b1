//! Files of accounts, clients' and users': TOML, secrets as hashes only. Commands change them, people may.
//!
//! Invariants: one is there whole, the old one or the new one, whenever somebody reads it or the power fails; it is written as
//! its owner's alone (mode 0600), whoever changes it, and read only from an owner who may say who comes in; two that change it at
//! once come one behind the other.

use super::LockError;
use rustix::fs::{FlockOperation, Gid, Uid, fchown, flock};
use rustix::process::geteuid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub(crate) const NAME_BYTES_MAX: usize = 128;

/// Rights that others must not have: the group may read, for a service that runs under another account.
const MODE_FORBIDDEN: u32 = 0o027;
const ROOT: u32 = 0;

/// What stands in such a file.
pub trait AccountFile: Default + Serialize + DeserializeOwned {
    /// Whose accounts these are, for errors.
    const WHAT: &'static str;
    /// What stands at its top, for people.
    const HEAD: &'static str;

    fn check(&self) -> Result<(), String>;
}

pub fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(char::is_control) || name.trim() != name {
        return Err(format!("{name:?} is no name: 1 to {NAME_BYTES_MAX} bytes, without blanks at its ends"));
    }
    Ok(())
}

/// The time as such files tell it.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// The content; an empty one where there is no file.
pub fn read<C: AccountFile>(path: &Path) -> Result<C, LockError> {
    let unread = |source| LockError::Read { path: path.to_owned(), source };
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(C::default()),
        Err(error) => return Err(unread(error)),
    };
    check_rights(path, &found, geteuid().as_raw())?;
    let text = fs::read_to_string(path).map_err(unread)?;
    let form = |cause: String| LockError::Form { path: path.to_owned(), what: C::WHAT, cause };
    let content: C = toml::from_str(&text).map_err(|error| form(error.to_string()))?;
    content.check().map_err(form)?;
    Ok(content)
}

/// `own`: whom this process runs as.
fn check_rights(path: &Path, found: &Metadata, own: u32) -> Result<(), LockError> {
    let mode = found.mode() & 0o777;
    if mode & MODE_FORBIDDEN != 0 {
        return Err(LockError::Open { path: path.to_owned(), mode });
    }
    let owner = found.uid();
    if owner == ROOT || owner == own {
        return Ok(());
    }
    // Root also changes what the service reads under an account of its own, whose folder it is.
    let is_of_folder = || fs::metadata(folder_of(path)).is_ok_and(|folder| folder.uid() == owner);
    if own == ROOT && is_of_folder() {
        return Ok(());
    }
    Err(LockError::Owner { path: path.to_owned(), owner })
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Changes the file, while nobody else does.
pub fn change<C: AccountFile, T>(path: &Path, by: impl FnOnce(&mut C) -> Result<T, LockError>) -> Result<T, LockError> {
    let unwritten = |source| LockError::Write { path: path.to_owned(), source };
    let folder = folder_of(path);
    fs::create_dir_all(folder).map_err(unwritten)?;
    let lock = File::open(folder).map_err(unwritten)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| unwritten(error.into()))?;
    let mut content = read::<C>(path)?;
    let done = by(&mut content)?;
    content.check().map_err(LockError::Account)?;
    write(path, folder, &content).map_err(unwritten)?;
    Ok(done)
}

fn write<C: AccountFile>(path: &Path, folder: &Path, content: &C) -> io::Result<()> {
    let text = toml::to_string(content).map_err(io::Error::other)?;
    let fresh = PathBuf::from(format!("{}.new", path.display()));
    if let Err(error) = fs::remove_file(&fresh)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    // The server must be able to read what root has changed.
    let owner = fs::metadata(path).or_else(|_| fs::metadata(folder))?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (owner.uid(), owner.gid()) {
        fchown(&file, Some(Uid::from_raw(owner.uid())), Some(Gid::from_raw(owner.gid())))?;
    }
    file.write_all(C::HEAD.as_bytes())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::os::unix::fs::{PermissionsExt, chown};

    #[derive(Debug, Default, Serialize, Deserialize)]
    struct Nothing {}

    impl AccountFile for Nothing {
        const WHAT: &'static str = "nothing";
        const HEAD: &'static str = "";

        fn check(&self) -> Result<(), String> {
            Ok(())
        }
    }

    #[test]
    fn a_file_that_others_own_or_can_reach_lets_nobody_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.toml");
        fs::write(&path, "").expect("written");
        for (mode, is_good) in [(0o600, true), (0o640, true), (0o400, true), (0o644, false), (0o660, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            let told = read::<Nothing>(&path);
            assert_eq!(told.is_ok(), is_good, "{mode:o}: {told:?}");
            assert!(is_good || matches!(told, Err(LockError::Open { mode: found, .. }) if found == mode));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        let (own, other) = (geteuid().as_raw(), geteuid().as_raw() + 4_711);
        let check = |own: u32| check_rights(&path, &fs::metadata(&path).expect("there"), own);
        if own != ROOT {
            assert!(matches!(check(other), Err(LockError::Owner { owner, .. }) if owner == own));
            assert!(check(ROOT).is_ok(), "root reads what is the service's");
            return;
        }
        assert!(check(other).is_ok(), "root's is trusted");
        chown(&path, Some(other), None).expect("given away");
        let told = read::<Nothing>(&path).expect_err("somebody else's");
        assert!(matches!(told, LockError::Owner { owner, .. } if owner == other), "{told}");
        assert!(matches!(check(other + 1), Err(LockError::Owner { .. })) && check(other).is_ok());
        chown(folder.path(), Some(other), None).expect("given away");
        assert!(check(own).is_ok(), "root changes what is the service's, folder and file");
    }
}
