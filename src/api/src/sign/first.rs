//! The one-time secret with which the first admin is made: drawn at the first start without one, and never again. It leaves to
//! whoever looks on, or, where nobody does, into a file of its own that goes once it opens nothing.

use super::file::UserFile;
use genims_locks::file::{change, read};
use genims_locks::{LockError, secret};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where the secret stands when nobody sees standard error; in the data folder.
pub fn place(data_dir: &Path) -> PathBuf {
    data_dir.join("first-secret")
}

/// Draws one if it is needed, and tells whether it did. `tell` comes first: a secret that reached nobody is not kept.
pub fn draw(path: &Path, tell: impl FnOnce(&str) -> Result<(), LockError>) -> Result<bool, LockError> {
    let is_needed = |all: &UserFile| !all.has_admin() && all.first.is_none();
    if !is_needed(&read::<UserFile>(path)?) {
        return Ok(false);
    }
    change(path, |all: &mut UserFile| {
        if !is_needed(all) {
            return Ok(false);
        }
        let secret = secret::drawn();
        tell(&secret)?;
        all.first = Some(secret::hash_new(&secret).map_err(LockError::Account)?);
        Ok(true)
    })
}

/// Into a file that its owner alone reads, in place of any that is there.
pub fn put(place: &Path, secret: &str) -> Result<(), LockError> {
    let written = || -> io::Result<()> {
        if let Some(folder) = place.parent() {
            DirBuilder::new().recursive(true).create(folder)?;
        }
        remove(place)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(place)?;
        writeln!(file, "{secret}")?;
        file.sync_all()
    };
    written().map_err(|source| LockError::Write { path: place.to_owned(), source })
}

/// Whether or not it is there.
pub fn remove(place: &Path) -> io::Result<()> {
    match fs::remove_file(place) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::User;
    use super::super::role::Role;
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn drawn(path: &Path) -> Option<String> {
        let mut told = None;
        let is_drawn = draw(path, |secret| {
            told = Some(secret.to_owned());
            Ok(())
        });
        assert_eq!(is_drawn.unwrap(), told.is_some());
        told
    }

    #[test]
    fn the_one_time_secret_is_drawn_once_and_ends_with_the_first_admin() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.toml");
        let untold = |_: &str| Err(LockError::Account("nowhere to tell it".to_owned()));
        assert!(draw(&path, untold).is_err());
        let secret = drawn(&path).expect("nobody is there, and nobody was told the one before");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("$argon2id$") && !text.contains(&secret), "{text}");
        assert_eq!(drawn(&path), None, "never again");
        let add = |name: &str, role| {
            let user = User::new(name, role, "long enough a secret").unwrap();
            change(&path, |all: &mut UserFile| all.add(user)).unwrap();
        };
        add("o", Role::Operator);
        assert!(read::<UserFile>(&path).unwrap().first.is_some(), "an operator makes no users");
        add("a", Role::Admin);
        let all = read::<UserFile>(&path).unwrap();
        assert!(all.first.is_none() && all.has_admin());
        assert_eq!(drawn(&path), None);
    }

    #[test]
    fn its_file_is_its_owners_alone_whatever_stood_there() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder.path().join("data"));
        let mode = || fs::symlink_metadata(&place).unwrap().permissions().mode() & 0o777;
        put(&place, "one").unwrap();
        assert_eq!((fs::read_to_string(&place).unwrap().as_str(), mode()), ("one\n", 0o600));
        fs::set_permissions(&place, fs::Permissions::from_mode(0o666)).unwrap();
        put(&place, "two").unwrap();
        assert_eq!((fs::read_to_string(&place).unwrap().as_str(), mode()), ("two\n", 0o600));
        remove(&place).unwrap();
        remove(&place).unwrap();
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "kept").unwrap();
        symlink(&elsewhere, &place).unwrap();
        put(&place, "three").unwrap();
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "kept", "it follows no link");
    }
}
