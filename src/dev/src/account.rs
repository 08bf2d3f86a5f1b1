//! Who the servers run as: the caller, or `postgres` when the caller is root, because PostgreSQL refuses root and one
//! unprivileged account is enough for a private stack.

use super::error::{DevstackError, Result};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

const SERVICE_ACCOUNT: &str = "postgres";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
    /// The caller is root and must step down to this account.
    steps_down: bool,
}

impl Account {
    pub(super) fn of_servers() -> Result<Self> {
        let caller = Self::of_caller();
        if caller.uid != 0 {
            return Ok(caller);
        }
        let path = Path::new("/etc/passwd");
        let passwd = fs::read_to_string(path).map_err(DevstackError::io("read", path))?;
        let (uid, gid) = find_account(&passwd, SERVICE_ACCOUNT).ok_or(DevstackError::NoAccount)?;
        Ok(Self { uid, gid, steps_down: true })
    }

    pub(super) fn of_caller() -> Self {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Self { uid, gid, steps_down: false }
    }

    pub(super) fn uid(&self) -> u32 {
        self.uid
    }

    /// A command that runs as this account in `directory`, with nothing of the caller's environment that could point a
    /// server or its tools at somebody else's files (`PG*`, `MYSQL_*`, `LC_*`).
    pub(super) fn command(&self, program: impl AsRef<OsStr>, directory: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LANG", "C.UTF-8").env("TZ", "UTC").env("HOME", directory);
        for kept in ["PATH", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command.current_dir(directory).stdin(Stdio::null());
        if self.steps_down {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Makes a directory that only this account (and root) can enter.
    pub(super) fn make_dir(&self, path: &Path) -> Result<()> {
        fs::create_dir_all(path).map_err(DevstackError::io("create", path))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(DevstackError::io("protect", path))?;
        self.own(path)
    }

    /// Writes a file that only this account (and root) can read, whole or not at all.
    pub(super) fn write_secret(&self, path: &Path, content: &[u8]) -> Result<()> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let draft = path.with_extension("draft");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&draft).map_err(DevstackError::io("write", &draft))?;
        file.write_all(content).and_then(|()| file.sync_all()).map_err(DevstackError::io("write", &draft))?;
        self.own(&draft)?;
        fs::rename(&draft, path).map_err(DevstackError::io("write", path))
    }

    /// Gives a file to the account; only root can, and only root needs to.
    pub(super) fn own(&self, path: &Path) -> Result<()> {
        if !self.steps_down {
            return Ok(());
        }
        chown(path, Some(self.uid), Some(self.gid)).map_err(DevstackError::io("change the owner of", path))
    }

    /// Whether the account may pass through every directory from the root down to `directory`: a server cannot live
    /// below `/root` or below another user's private temporary directory.
    pub(super) fn can_reach(&self, directory: &Path) -> Result<bool> {
        if !self.steps_down {
            return Ok(true);
        }
        for step in directory.ancestors() {
            let found = fs::metadata(step).map_err(DevstackError::io("inspect", step))?;
            let needed = if found.uid() == self.uid {
                0o100
            } else if found.gid() == self.gid {
                0o010
            } else {
                0o001
            };
            if found.mode() & needed == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// uid and gid of a line of `/etc/passwd`.
fn find_account(passwd: &str, name: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        let (uid, gid) = (fields.nth(1)?, fields.next()?);
        Some((uid.parse().ok()?, gid.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let passwd =
            "root:x:0:0:root:/root:/bin/bash\npostgres2:x:7:8::/:/bin/sh\npostgres:x:101:104:PG,,,:/var:/bin/sh\n";
        assert_eq!(find_account(passwd, "postgres"), Some((101, 104)));
        assert_eq!(find_account(passwd, "nobody"), None);
    }

    #[test]
    fn a_directory_below_a_private_one_cannot_be_reached_by_another_account() {
        let private = tempfile::tempdir().unwrap();
        fs::set_permissions(private.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let below = private.path().join("below");
        fs::create_dir(&below).unwrap();
        let stranger = Account { uid: 65_533, gid: 65_533, steps_down: true };
        assert!(!stranger.can_reach(&below).unwrap());
        fs::set_permissions(private.path(), fs::Permissions::from_mode(0o711)).unwrap();
        fs::set_permissions(&below, fs::Permissions::from_mode(0o711)).unwrap();
        assert!(stranger.can_reach(&below).unwrap());
    }

    #[test]
    fn a_secret_is_readable_by_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        Account::of_caller().write_secret(&path, b"x").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }
}
