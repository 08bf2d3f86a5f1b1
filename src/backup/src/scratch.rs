//! A folder in passing, where a private server lives while a database is brought to a moment: below TMPDIR, or in /var/tmp, which has
//! the room of a disk. In: the account that the server runs as where we are root, which servers refuse. Out: files that are its.
//! Invariants: nobody else can enter it; it goes with its handle.

use crate::errors::BackupError;
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const USUAL: &str = "/var/tmp";
const PREFIX: &str = "genims-point-";
/// What the address of a socket holds, without the longest name of one that is made here.
const PATH_BYTES_MAX: usize = 107 - "/.s.PGSQL.65535".len();

#[derive(Debug)]
pub(crate) struct Scratch {
    folder: TempDir,
    /// User and group; none: ours.
    pub(crate) account: Option<(u32, u32)>,
}

impl Scratch {
    pub(crate) fn new(user: &'static str) -> Result<Self, BackupError> {
        let account = if rustix::process::geteuid().is_root() { Some(account(user)?) } else { None };
        let parent = std::env::var_os("TMPDIR").map_or_else(|| PathBuf::from(USUAL), PathBuf::from);
        let ours = Permissions::from_mode(0o700);
        let made = tempfile::Builder::new().prefix(PREFIX).permissions(ours).tempdir_in(&parent);
        let scratch = Self { folder: made.map_err(BackupError::write(&parent))?, account };
        if scratch.path().as_os_str().len() > PATH_BYTES_MAX {
            let path = scratch.path().display().to_string();
            return Err(BackupError::LongPath { path, max: PATH_BYTES_MAX });
        }
        scratch.own(scratch.path())?;
        Ok(scratch)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn make_dir(&self, name: &str) -> Result<PathBuf, BackupError> {
        let path = self.path().join(name);
        fs::create_dir(&path).map_err(BackupError::write(&path))?;
        fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(BackupError::write(&path))?;
        self.own(&path)?;
        Ok(path)
    }

    /// To write anywhere in; what is there already stays.
    pub(crate) fn open(&self, path: &Path) -> Result<File, BackupError> {
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(path);
        let file = file.map_err(BackupError::write(path))?;
        self.own(path)?;
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
        chown(path, Some(user), Some(group)).map_err(BackupError::write(path))
    }
}

fn account(user: &'static str) -> Result<(u32, u32), BackupError> {
    let path = Path::new("/etc/passwd");
    let passwd = fs::read_to_string(path).map_err(BackupError::read(path))?;
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
}
