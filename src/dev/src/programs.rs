//! Which programs the servers need, where they are, and whether they are new enough.

use super::Server;
use super::error::{DevstackError, Result};
use super::mongod_wheel;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where Debian keeps servers that are not on the PATH of an ordinary user.
const FOLDERS_BESIDE_PATH: [&str; 5] = [
    "/usr/lib/postgresql/15/bin",
    "/usr/lib/postgresql/16/bin",
    "/usr/lib/postgresql/17/bin",
    "/usr/sbin",
    "/usr/local/sbin",
];

/// A program, the server that needs it, and the Debian package that has it (`None`: not in Debian).
struct Need {
    program: &'static str,
    server: Server,
    package: Option<&'static str>,
    /// Oldest version that will do, as printed with these arguments.
    version: Option<(&'static [&'static str], (u32, u32))>,
}

const NEEDS: [Need; 8] = [
    need("postgres", Server::Postgres, Some("postgresql-15"), Some((&["--version"], (15, 0)))),
    need("initdb", Server::Postgres, Some("postgresql-15"), Some((&["--version"], (15, 0)))),
    need("mariadbd", Server::Mariadb, Some("mariadb-server"), Some((&["--no-defaults", "--version"], (10, 11)))),
    need("mariadb-install-db", Server::Mariadb, Some("mariadb-server"), None),
    need("mariadb", Server::Mariadb, Some("mariadb-client"), None),
    need("mongod", Server::Mongodb, None, Some((&["--version"], (mongod_wheel::MONGOD_MAJOR_MIN, 0)))),
    need("mosquitto", Server::Mosquitto, Some("mosquitto"), Some((&["-h"], (2, 0)))),
    need("mosquitto_pub", Server::Mosquitto, Some("mosquitto-clients"), None),
];

const fn need(
    program: &'static str,
    server: Server,
    package: Option<&'static str>,
    version: Option<(&'static [&'static str], (u32, u32))>,
) -> Need {
    Need { program, server, package, version }
}

/// What was found of what is needed.
#[derive(Debug, Default)]
pub(super) struct Programs {
    found: BTreeMap<&'static str, PathBuf>,
    pub(super) missing: Vec<&'static str>,
    /// Debian packages that have what is missing.
    pub(super) packages: Vec<&'static str>,
}

impl Programs {
    pub(super) fn search(servers: &[Server]) -> Self {
        let mut programs = Self::default();
        for need in NEEDS.iter().filter(|need| servers.contains(&need.server)) {
            match find(need) {
                Some(path) => {
                    programs.found.insert(need.program, path);
                }
                None => {
                    programs.missing.push(need.program);
                    programs.packages.extend(need.package);
                }
            }
        }
        programs.packages.sort_unstable();
        programs.packages.dedup();
        programs
    }

    /// All programs of these servers, or which are missing.
    pub(super) fn require(servers: &[Server]) -> Result<Self> {
        let programs = Self::search(servers);
        if programs.missing.is_empty() {
            return Ok(programs);
        }
        Err(DevstackError::Missing { missing: programs.missing.join(", ") })
    }

    pub(super) fn path(&self, program: &'static str) -> Result<&Path> {
        let found = self.found.get(program).map(PathBuf::as_path);
        found.ok_or_else(|| DevstackError::Missing { missing: program.to_owned() })
    }
}

/// Whether a program is on the PATH or where Debian puts servers.
pub(super) fn on_path(program: &str) -> Option<PathBuf> {
    candidates(program).next()
}

fn find(need: &Need) -> Option<PathBuf> {
    let cached = (need.program == "mongod").then(|| mongod_wheel::cached_binary().ok()).flatten();
    candidates(need.program).chain(cached.filter(|path| is_executable(path))).find(|path| match need.version {
        None => true,
        Some((arguments, oldest)) => is_new_enough(path, arguments, oldest),
    })
}

/// Once good, good for this process: tests start a hundred stacks, and mongod alone takes a while to say what it is.
fn is_new_enough(program: &Path, arguments: &[&str], oldest: (u32, u32)) -> bool {
    static GOOD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    if GOOD.lock().contains(program) {
        return true;
    }
    let is_good = version(program, arguments).is_some_and(|found| found >= oldest);
    if is_good {
        GOOD.lock().insert(program.to_owned());
    }
    is_good
}

fn candidates(program: &str) -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> =
        std::env::split_paths(&path).chain(FOLDERS_BESIDE_PATH.into_iter().map(PathBuf::from)).collect();
    let program = program.to_owned();
    folders.into_iter().map(move |folder| folder.join(&program)).filter(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn version(program: &Path, arguments: &[&str]) -> Option<(u32, u32)> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

/// The first `<digits>.<digits>` in the text.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| {
        let mut numbers = word.split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_each_server_prints() {
        assert_eq!(parse_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some((15, 18)));
        assert_eq!(parse_version("mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian"), Some((10, 11)));
        assert_eq!(parse_version("db version v6.0.5\nBuild Info: {"), Some((6, 0)));
        assert_eq!(parse_version("mosquitto version 2.0.11\n\nmosquitto is an MQTT v5.0"), Some((2, 0)));
        assert_eq!(parse_version("error while loading shared libraries"), None);
    }

    #[test]
    fn a_program_that_nobody_has_is_reported_with_its_package() {
        let need = need("genims-no-such-program", Server::Mosquitto, Some("mosquitto"), None);
        assert!(find(&need).is_none());
        assert!(on_path("sh").is_some());
    }
}
