//! What is kept of a server, while it is written: a folder that gets its name when all of it is on the disk.

use super::archive::prefix;
use crate::errors::BackupError;
use crate::folder::Partial;
use crate::manifest::{Content, Manifest};
use crate::task::RunWriter;
use crate::written::Written;
use chrono::{DateTime, Utc};
use genims_databases::Engine;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where the servers' programs put what is then written away, encrypted or not.
const RECEIVING: &str = "receiving";

/// One server's share of a run.
pub(crate) struct Keeping<'a> {
    pub(crate) engine: Engine,
    /// `host:port`.
    pub(crate) place: String,
    /// The server's own.
    pub(crate) folder: PathBuf,
    pub(crate) writer: RunWriter<'a>,
}

/// What was kept of it in this run.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) copied: Option<PathBuf>,
    /// Why a copy was made before its time.
    pub(crate) remark: Option<String>,
}

/// The folder of a server below that of all backups.
pub(crate) fn folder(to: &Path, engine: Engine, id: &str) -> PathBuf {
    let plain = |sign: char| if sign.is_ascii_alphanumeric() || ".-".contains(sign) { sign } else { '_' };
    to.join(format!("{}{}", prefix(engine), id.chars().map(plain).collect::<String>()))
}

impl Keeping<'_> {
    pub(crate) fn step(&self, what: &str) {
        self.writer.step(&self.place, what);
    }

    pub(crate) fn begin(&self, kind: &str, begun_at: DateTime<Utc>) -> Result<Partial, BackupError> {
        Partial::begin(&self.folder, kind, begun_at)
    }

    pub(crate) fn create(&self, partial: &Partial, name: &str) -> Result<Written, BackupError> {
        self.writer.create(&partial.path, name)
    }

    pub(crate) fn take(&self, file: &mut Written, bytes: &[u8]) -> Result<(), BackupError> {
        self.writer.take(file, bytes)
    }

    pub(crate) fn complete(
        &self,
        partial: Partial,
        begun_at: DateTime<Utc>,
        content: Content,
    ) -> Result<PathBuf, BackupError> {
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy();
        let (place, recipients) = (self.place.clone(), self.writer.recipients);
        let manifest = Manifest::new(&name, self.engine, place, begun_at, recipients, content);
        manifest.write(&partial.path)?;
        partial.complete()
    }
}

/// Its log is behind what is kept of it, or another's: what it says from now on would stand where something else does already.
pub(crate) fn went_back(keeping: &Keeping<'_>) -> BackupError {
    BackupError::WentBack { place: keeping.place.clone(), folder: keeping.folder.display().to_string() }
}

/// Ours alone, and gone before the rest of it gets its name.
pub(crate) fn make_receiving(partial: &Partial) -> Result<PathBuf, BackupError> {
    let path = partial.path.join(RECEIVING);
    fs::create_dir(&path).map_err(BackupError::write(&path))?;
    fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(BackupError::write(&path))?;
    Ok(path)
}

pub(crate) fn remove_receiving(path: &Path) -> Result<(), BackupError> {
    fs::remove_dir_all(path).map_err(BackupError::write(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_s_folder_is_a_plain_name() {
        let name = |engine, id| folder(Path::new("/b"), engine, id);
        assert_eq!(name(Engine::Postgresql, "7421"), Path::new("/b/postgresql-7421"));
        assert_eq!(name(Engine::Mysql, "/run/my sql.sock:1"), Path::new("/b/mariadb-_run_my_sql.sock_1"));
    }
}
