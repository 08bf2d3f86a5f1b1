//! Where a stack lives.
//!
//! ```text
//! .genims/data/            or a link to /var/tmp/genims-<hash>, see below
//!     origin               the folder that this data belongs to
//!     lock                 held while servers are started or stopped
//!     state.json           ports and pids
//!     password             of the superuser of PostgreSQL, MariaDB and MongoDB
//!     tls/                 ca.pem, server.crt, server.key, server.pem
//!     postgres/ mariadb/ mongodb/ mosquitto/
//!     log/<server>.log
//! ```
//!
//! Everything belongs to the account of the servers, mode 0700. When the caller is root and the folder is below a
//! directory that this account may not enter (a clone in `/root`), the data goes to `/var/tmp/genims-<hash of the folder's
//! path>` and `.genims/data` is a link to it; deleting the stack deletes both. So it does, into `/dev/shm`, when the data
//! shall be in memory.

use super::account::Account;
use super::error::{DevstackError, Result};
use super::{Server, run_to_end, tls::TlsFiles};
use rand::distr::{Alphanumeric, SampleString};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Log and journal of a `genims serve` beside the databases, unless it is told another place.
pub const SERVER_DATA: &str = "server";
const ELSEWHERE: &str = "/var/tmp";
const IN_MEMORY: &str = "/dev/shm";
const PASSWORD_CHARS: usize = 32;

#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The folder that the user named, absolute.
    folder: PathBuf,
    /// Where the data really is.
    data: PathBuf,
    pub(super) account: Account,
}

impl Place {
    /// Opens the stack's place, and makes it first where there is none; one that is there stays on the disk or in memory.
    pub(super) fn ensure(folder: &Path, in_memory: bool) -> Result<Self> {
        if let Some(place) = Self::existing(folder)? {
            place.make_folders()?;
            return Ok(place);
        }
        let account = Account::of_servers()?;
        fs::create_dir_all(folder).map_err(DevstackError::io("create", folder))?;
        let folder = folder.canonicalize().map_err(DevstackError::io("find", folder))?;
        let link = folder.join("data");
        let_go(&link)?;
        let data = match (in_memory, account.can_reach(&folder)?) {
            (false, true) => link,
            (true, _) => linked(&link, IN_MEMORY, &folder)?,
            (false, false) => linked(&link, ELSEWHERE, &folder)?,
        };
        let place = Self { folder, data, account };
        place.make_folders()?;
        Ok(place)
    }

    /// The stack's place if there is one.
    pub(super) fn existing(folder: &Path) -> Result<Option<Self>> {
        let Ok(folder) = folder.canonicalize() else { return Ok(None) };
        let Ok(data) = folder.join("data").canonicalize() else { return Ok(None) };
        let place = Self { folder, data, account: Account::of_servers()? };
        Ok(place.is_ours().then_some(place))
    }

    fn make_folders(&self) -> Result<()> {
        match fs::symlink_metadata(&self.data) {
            Ok(found) if !found.is_dir() || !self.owns(found.uid()) => {
                return Err(DevstackError::Foreign { path: self.data.clone() });
            }
            Ok(_) if self.is_ours() => {}
            Ok(_) => return Err(DevstackError::Foreign { path: self.data.clone() }),
            Err(_) => {
                // Not `create_dir_all`: in /var/tmp, a folder that somebody made meanwhile must be refused.
                fs::create_dir(&self.data).map_err(DevstackError::io("create", &self.data))?;
                self.account.make_dir(&self.data)?;
                self.account.write_secret(&self.data.join("origin"), self.folder.as_os_str().as_encoded_bytes())?;
            }
        }
        for path in [self.tls_folder(), self.log_folder()] {
            self.account.make_dir(&path)?;
        }
        let password = self.data.join("password");
        if !password.exists() {
            let fresh = Alphanumeric.sample_string(&mut rand::rng(), PASSWORD_CHARS);
            self.account.write_secret(&password, fresh.as_bytes())?;
        }
        self.tls().ensure(&self.account)
    }

    /// A folder that was copied or moved still names its old place: that data is not ours.
    fn is_ours(&self) -> bool {
        let origin = fs::read(self.data.join("origin")).unwrap_or_default();
        origin == self.folder.as_os_str().as_encoded_bytes()
    }

    fn owns(&self, uid: u32) -> bool {
        uid == self.account.uid() || uid == rustix::process::geteuid().as_raw()
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    pub(super) fn server(&self, server: Server) -> PathBuf {
        self.data.join(server.name())
    }

    /// For programs that the account cannot run where they are. Never in memory: there each would be a copy, and a file that was
    /// just written cannot be run while a child of this process that has not begun still has it open.
    pub(super) fn bin_folder(&self) -> Result<PathBuf> {
        let Some(on_disk) = self.bin_of_memory() else {
            let own = self.data.join("bin");
            self.account.make_dir(&own)?;
            return Ok(own);
        };
        match fs::symlink_metadata(&on_disk) {
            Ok(found) if !found.is_dir() || !self.owns(found.uid()) => {
                return Err(DevstackError::Foreign { path: on_disk });
            }
            Ok(_) => {}
            Err(_) => fs::create_dir(&on_disk).map_err(DevstackError::io("create", &on_disk))?,
        }
        self.account.make_dir(&on_disk)?;
        Ok(on_disk)
    }

    fn bin_of_memory(&self) -> Option<PathBuf> {
        let name = self.data.file_name().filter(|_| self.data.starts_with(IN_MEMORY))?.to_str()?;
        Some(Path::new(ELSEWHERE).join(format!("{name}-bin")))
    }

    pub(super) fn log_folder(&self) -> PathBuf {
        self.data.join("log")
    }

    pub(super) fn log(&self, server: Server) -> PathBuf {
        self.log_folder().join(format!("{server}.log"))
    }

    fn tls_folder(&self) -> PathBuf {
        self.data.join("tls")
    }

    pub(super) fn tls(&self) -> TlsFiles {
        TlsFiles::in_folder(&self.tls_folder())
    }

    pub(super) fn password_file(&self) -> PathBuf {
        self.data.join("password")
    }

    pub(super) fn password(&self) -> Result<String> {
        let path = self.password_file();
        fs::read_to_string(&path).map_err(DevstackError::io("read", &path))
    }

    pub(super) fn state_file(&self) -> PathBuf {
        self.data.join("state.json")
    }

    pub(super) fn lock_file(&self) -> PathBuf {
        self.data.join("lock")
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Moves the data from memory to the disk.
    pub(super) fn leave_memory(&self) -> Result<()> {
        if !self.data.starts_with(IN_MEMORY) {
            return Ok(());
        }
        if let Some(bin) = self.bin_of_memory() {
            absent_is_fine(fs::remove_dir_all(&bin)).map_err(DevstackError::io("delete", &bin))?;
        }
        let name = self.data.file_name().unwrap_or_default();
        let mut copy = Command::new("cp");
        run_to_end(copy.arg("--archive").arg(&self.data).arg(ELSEWHERE))?;
        relink(&self.folder.join("data"), &Path::new(ELSEWHERE).join(name))?;
        fs::remove_dir_all(&self.data).map_err(DevstackError::io("delete", &self.data))
    }

    /// Deletes the data and the link to it; the folder only if nothing else is in it.
    pub(super) fn delete(&self) -> Result<()> {
        let link = self.folder.join("data");
        if self.is_ours() {
            if let Some(bin) = self.bin_of_memory() {
                absent_is_fine(fs::remove_dir_all(&bin)).map_err(DevstackError::io("delete", &bin))?;
            }
            absent_is_fine(fs::remove_dir_all(&self.data)).map_err(DevstackError::io("delete", &self.data))?;
            // What a server of these databases has kept there would bring its readings into the next ones.
            let server = self.folder.join(SERVER_DATA);
            absent_is_fine(fs::remove_dir_all(&server)).map_err(DevstackError::io("delete", &server))?;
        }
        if link.is_symlink() {
            absent_is_fine(fs::remove_file(&link)).map_err(DevstackError::io("delete", &link))?;
        }
        match fs::remove_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            other => absent_is_fine(other).map_err(DevstackError::io("delete", &self.folder)),
        }
    }
}

pub(super) fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Where the data of `folder` is below `parent`; `link` points at it then.
fn linked(link: &Path, parent: &str, folder: &Path) -> Result<PathBuf> {
    let name = format!("genims-{}", &hex_digest(folder.as_os_str().as_encoded_bytes())[..16]);
    let data = Path::new(parent).join(name);
    relink(link, &data)?;
    Ok(data)
}

/// Deletes a link whose target is gone, as that into memory is after a reboot: the data begins anew.
fn let_go(link: &Path) -> Result<()> {
    let is_gone = fs::metadata(link).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    if is_gone && link.is_symlink() {
        absent_is_fine(fs::remove_file(link)).map_err(DevstackError::io("replace", link))?;
    }
    Ok(())
}

/// Makes `link` point at `target`; only ever replaces a link.
fn relink(link: &Path, target: &Path) -> Result<()> {
    if fs::read_link(link).is_ok_and(|found| found == target) {
        return Ok(());
    }
    if fs::symlink_metadata(link).is_ok_and(|found| !found.is_symlink()) {
        return Err(DevstackError::Foreign { path: link.to_owned() });
    }
    absent_is_fine(fs::remove_file(link)).map_err(DevstackError::io("replace", link))?;
    std::os::unix::fs::symlink(target, link).map_err(DevstackError::io("make", link))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn hex_digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_renewed_and_a_folder_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("data");
        relink(&link, Path::new("/nowhere/one")).unwrap();
        relink(&link, Path::new("/nowhere/other")).unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("/nowhere/other"));

        fs::remove_file(&link).unwrap();
        fs::create_dir(&link).unwrap();
        assert!(matches!(relink(&link, Path::new("/nowhere/one")), Err(DevstackError::Foreign { .. })));
        assert!(link.is_dir());
    }

    #[test]
    fn a_link_to_nowhere_is_let_go_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let (link, there) = (dir.path().join("data"), dir.path().join("there"));
        let_go(&link).unwrap();
        fs::create_dir(&there).unwrap();
        relink(&link, &there).unwrap();
        let_go(&link).unwrap();
        assert!(link.is_symlink(), "its target is there");
        fs::remove_dir(&there).unwrap();
        let_go(&link).unwrap();
        assert!(!link.is_symlink());
        fs::create_dir(&link).unwrap();
        let_go(&link).unwrap();
        assert!(link.is_dir());
    }

    #[test]
    fn data_that_was_copied_along_with_its_folder_is_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| {
            let folder = dir.path().join(name);
            let data = folder.join("data");
            fs::create_dir_all(&data).unwrap();
            Place { folder, data, account: Account::of_caller() }
        };
        let (original, copy) = (place("original"), place("copy"));
        fs::write(original.data.join("origin"), original.folder.to_str().unwrap()).unwrap();
        fs::copy(original.data.join("origin"), copy.data.join("origin")).unwrap();
        assert!(original.is_ours());
        assert!(!copy.is_ours());
        assert!(matches!(copy.make_folders(), Err(DevstackError::Foreign { .. })));
        copy.delete().unwrap();
        assert!(copy.data.exists(), "foreign data is never deleted");
    }
}
