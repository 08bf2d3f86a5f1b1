//! The engines' own dump programs: where they are, and whether they are new enough for the server.

use crate::errors::BackupError;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where Debian keeps a folder for each major version of PostgreSQL.
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";
const FOLDERS_BESIDE_PATH: [&str; 5] =
    ["/usr/bin", "/usr/local/bin", "/usr/local/mysql/bin", "/usr/sbin", "/usr/local/sbin"];

/// A program that will do.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// As it prints it.
    pub(crate) version: String,
}

/// A PostgreSQL program for a server of this major version: its own or a newer one, never an older.
pub(crate) fn postgres(program: &'static str, server_major: u32) -> Result<Program, BackupError> {
    let wanted = (server_major, 0);
    find(program, postgres_folders(), wanted, &|text| numbers(text)).ok_or_else(|| BackupError::NoProgram {
        program,
        wanted: server_major.to_string(),
        found: String::new(),
        package: format!("postgresql-client-{server_major}"),
    })
}

/// The server itself, which reads the files of its own major version alone.
pub(crate) fn postgres_server(major: u32) -> Result<Program, BackupError> {
    let version = |text: &str| numbers(text).filter(|(found, _)| *found == major);
    let found = find("postgres", postgres_folders(), (major, 0), &version);
    let package = format!("postgresql-{major}");
    found.ok_or_else(|| BackupError::NoServer { program: "postgres", version: major.to_string(), package })
}

fn postgres_folders() -> impl Iterator<Item = PathBuf> {
    let mut folders: Vec<(u32, PathBuf)> = std::fs::read_dir(POSTGRES_VERSIONS)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    folders.sort();
    folders.into_iter().map(|(_, folder)| folder).chain(usual_folders())
}

/// A program that is not asked for its version: it has none, or takes the question for work.
pub(crate) fn located(program: &'static str, package: &'static str) -> Result<Program, BackupError> {
    let path = usual_folders().map(|folder| folder.join(program)).find(|path| is_executable(path));
    path.map(|path| Program { path, version: String::new() }).ok_or_else(|| BackupError::NoServer {
        program,
        version: "any".to_owned(),
        package: package.to_owned(),
    })
}

/// A MariaDB or MySQL program, as the server is: its version or a newer one.
pub(crate) fn mysql([of_mariadb, of_mysql]: [&'static str; 2], server_version: &str) -> Result<Program, BackupError> {
    let mariadb = is_mariadb(server_version);
    let wanted = numbers(server_version).unwrap_or_default();
    let version = move |text: &str| (is_mariadb(text) == mariadb).then(|| numbers(distribution(text))).flatten();
    let names = if mariadb { [of_mariadb, of_mysql] } else { [of_mysql, of_mysql] };
    names.into_iter().find_map(|name| find(name, usual_folders(), wanted, &version)).ok_or_else(|| {
        let package = if mariadb { "mariadb-client" } else { "mysql-client" };
        BackupError::NoProgram {
            program: names[0],
            wanted: format!("{}.{}", wanted.0, wanted.1),
            found: String::new(),
            package: package.to_owned(),
        }
    })
}

pub(crate) fn is_mariadb(version: &str) -> bool {
    version.to_ascii_lowercase().contains("mariadb")
}

/// `mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB`: the first is the program's own.
fn distribution(text: &str) -> &str {
    text.split_once("Distrib ").or_else(|| text.split_once(" from ")).map_or(text, |(_, version)| version)
}

fn usual_folders() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.into_iter().chain(FOLDERS_BESIDE_PATH.into_iter().map(PathBuf::from))
}

fn find(
    program: &str,
    folders: impl Iterator<Item = PathBuf>,
    wanted: (u32, u32),
    version: &dyn Fn(&str) -> Option<(u32, u32)>,
) -> Option<Program> {
    folders.map(|folder| folder.join(program)).filter(|path| is_executable(path)).find_map(|path| {
        let output = Command::new(&path).arg("--version").stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        version(&text).filter(|found| *found >= wanted)?;
        Some(Program { path, version: text })
    })
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The first `<digits>.<digits>` in the text.
fn numbers(text: &str) -> Option<(u32, u32)> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| {
        let mut numbers = word.split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_each_program_prints() {
        assert_eq!(numbers("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some((15, 18)));
        let mariadb = "mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)";
        assert_eq!((is_mariadb(mariadb), numbers(distribution(mariadb))), (true, Some((10, 11))));
        let newer = "mariadb-dump from 11.4.2-MariaDB, client 10.19 for Linux (x86_64)";
        assert_eq!(numbers(distribution(newer)), Some((11, 4)));
        let mysql = "mysqldump  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)";
        assert_eq!((is_mariadb(mysql), numbers(distribution(mysql))), (false, Some((8, 0))));
    }

    #[test]
    fn a_server_that_is_newer_than_every_program_is_refused_with_the_package() {
        let error = postgres("pg_dump", 999).expect_err("no such version").to_string();
        assert!(error.contains("pg_dump of version 999") && error.contains("postgresql-client-999"), "{error}");
        let error = postgres_server(999).expect_err("no such version").to_string();
        assert!(error.contains("version 999") && error.contains("postgresql-999"), "{error}");
        assert!(located("sh", "dash").is_ok());
        assert!(located("genims-no-such-program", "nothing").expect_err("nowhere").to_string().contains("nothing"));
        let error = mysql(["mariadb-dump", "mysqldump"], "999.1.2-MariaDB").expect_err("no such version").to_string();
        assert!(error.contains("999.1") && error.contains("mariadb-client"), "{error}");
    }
}
