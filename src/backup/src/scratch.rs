//! A folder in passing, where a private server lives while a database is brought to a moment: below TMPDIR, or in /var/tmp, which has
//! the room of a disk. In: the account that the server runs as where we are root, which servers refuse. Out: files that are its, and a
//! folder beside it for what is ours alone. Invariants: nobody else can enter either; both go with their handle; no link that the
//! server's account puts there leads us to a file of somebody else's.

use crate::errors::BackupError;
use rustix::fs::{Mode, OFlags};
use std::fs::{DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, fchown, lchown};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const USUAL: &str = "/var/tmp";
const PREFIX: &str = "genims-point-";
/// What the address of a socket holds, without the longest name of one that is made here.
const PATH_BYTES_MAX: usize = 107 - "/.s.PGSQL.65535".len();

#[derive(Debug)]
pub(crate) struct Scratch {
    folder: TempDir,
    ours: TempDir,
    /// User and group; none: ours.
    pub(crate) account: Option<(u32, u32)>,
}

impl Scratch {
    pub(crate) fn new(user: &'static str) -> Result<Self, BackupError> {
        let account = if rustix::process::geteuid().is_root() { Some(account(user)?) } else { None };
        let parent = std::env::var_os("TMPDIR").map_or_else(|| PathBuf::from(USUAL), PathBuf::from);
        let make = || {
            let only_us = Permissions::from_mode(0o700);
            let made = tempfile::Builder::new().prefix(PREFIX).permissions(only_us).tempdir_in(&parent);
            made.map_err(BackupError::write(&parent))
        };
        let scratch = Self { folder: make()?, ours: make()?, account };
        if scratch.path().as_os_str().len() > PATH_BYTES_MAX {
            let path = scratch.path().display().to_string();
            return Err(BackupError::LongPath { path, max: PATH_BYTES_MAX });
        }
        scratch.own(scratch.path())?;
        Ok(scratch)
    }

    /// For what we write and the server never reads: in its folder it could be exchanged under our hands.
    pub(crate) fn ours(&self) -> &Path {
        self.ours.path()
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn make_dir(&self, name: &str) -> Result<PathBuf, BackupError> {
        let path = self.path().join(name);
        DirBuilder::new().mode(0o700).create(&path).map_err(BackupError::write(&path))?;
        self.own(&path)?;
        Ok(path)
    }

    /// To write anywhere in; what is there already stays.
    pub(crate) fn open(&self, path: &Path) -> Result<File, BackupError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR);
        let file = opened.map(File::from).map_err(|error| BackupError::write(path)(error.into()))?;
        if let Some((user, group)) = self.account {
            fchown(&file, Some(user), Some(group)).map_err(BackupError::write(path))?;
        }
        Ok(file)
    }

    /// In place of what was there.
    pub(crate) fn write(&self, path: &Path, text: &str) -> Result<(), BackupError> {
        use std::io::Write;
        let mut file = self.open(path)?;
        file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).map_err(BackupError::write(path))
    }

    fn own(&self, path: &Path) -> Result<(), BackupError> {
        let Some((user, group)) = self.account else { return Ok(()) };
        lchown(path, Some(user), Some(group)).map_err(BackupError::write(path))
    }
}

fn account(user: &'static str) -> Result<(u32, u32), BackupError> {
    let path = Path::new("/etc/passwd");
    let passwd = std::fs::read_to_string(path).map_err(BackupError::read(path))?;
    find_account(&passwd, user).ok_or(BackupError::NoAccount { user })
}

/// User and group of a line of `/etc/passwd`.
fn find_account(passwd: &str, name: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        let (user, group) = (fields.nth(1)?, fields.next()?);
        Some((user.parse().ok()?, group.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let passwd = "mysql2:x:7:8::/:/bin/sh\nmysql:x:102:105:MySQL Server,,,:/nonexistent:/bin/false\n";
        assert_eq!(find_account(passwd, "mysql"), Some((102, 105)));
        assert_eq!(find_account(passwd, "nobody"), None);
    }

    #[test]
    fn a_link_in_it_leads_nowhere() {
        let elsewhere = tempfile::tempdir().expect("a folder");
        let (file, scratch) = (elsewhere.path().join("kept"), Scratch::new("root").expect("a folder"));
        std::fs::write(&file, "kept").expect("written");
        let link = scratch.path().join("private.conf");
        std::os::unix::fs::symlink(&file, &link).expect("linked");
        assert!(scratch.write(&link, "").is_err());
        assert_eq!(std::fs::read_to_string(&file).expect("there"), "kept");
        assert_ne!(scratch.ours(), scratch.path());
    }
}
