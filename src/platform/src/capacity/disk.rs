//! File systems: which of them hold databases and logs, how full they are, and how fast what lies in them grows.

use super::growth::days_left;
use super::known::{Disk, FileSystem, Known};
use super::report::{CapacityKind, CapacityLine, CapacityState};
use crate::doctor::{is_local, size_text};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What lies in the server's data folder.
const LOGS: &str = "the server's data folder";
/// With less free than both of these a disk is nearly full, whatever growth is measured: one statement that sorts, or one backup, fills
/// it. A twentieth of a large disk is no hurry, and on a small one so many bytes are never free.
pub(super) const NEARLY_FULL_SHARE: f64 = 0.05;
pub(super) const NEARLY_FULL_BYTES: u64 = 10_000_000_000;

pub(super) fn file_system(path: &Path) -> io::Result<FileSystem> {
    let device = std::fs::metadata(path)?.dev();
    let said = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(said.f_frsize);
    Ok(FileSystem { device, path: path.to_owned(), total: bytes(said.f_blocks), free: bytes(said.f_bavail) })
}

/// The file system of a server's data, which lies in `directory` if its login may see that. A path means the same here and there
/// only where nothing between us and the server is a network.
pub(super) fn of_server(place: &str, directory: Option<&str>) -> Disk {
    let Some(directory) = directory else {
        return Disk::Unknown("unknown: the login may not see where the server has its data".to_owned());
    };
    if !is_local(place) || !Path::new(directory).is_absolute() {
        return Disk::Unknown("unknown: not on this machine".to_owned());
    }
    match file_system(Path::new(directory)) {
        Ok(found) => Disk::Here(found),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Disk::Unknown(format!("unknown: not on this machine ({directory}: {error})"))
        }
        Err(error) => Disk::Unknown(format!("unknown: it cannot be looked at ({directory}: {error})")),
    }
}

/// Bytes of all files in a folder; none if there is no such folder.
pub(super) fn folder_bytes(folder: &Path) -> Option<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        // What goes meanwhile takes no room.
        let Ok(found) = entry.metadata() else { continue };
        bytes += if found.is_dir() { folder_bytes(&entry.path()).unwrap_or(0) } else { found.len() };
    }
    Some(bytes)
}

/// All databases whose data lies in one place.
#[derive(Debug, Default)]
struct Volume {
    what: String,
    /// `used, total`.
    sizes: Option<(u64, u64)>,
    free: u64,
    holds: Vec<String>,
    databases: usize,
    /// Of how many of them the growth is known.
    measured: usize,
    growth: f64,
    unknown: Option<String>,
}

impl Volume {
    fn of(disk: &Disk, of_server: &str) -> Self {
        match disk {
            Disk::Here(found) => Self {
                what: format!("disk at {}", found.path.display()),
                sizes: Some((found.total.saturating_sub(found.free), found.total)),
                free: found.free,
                ..Self::default()
            },
            Disk::Told { used, total } => Self {
                what: format!("disk of {of_server}"),
                sizes: Some((*used, *total)),
                free: total.saturating_sub(*used),
                ..Self::default()
            },
            Disk::Unknown(why) => {
                Self { what: format!("disk of {of_server}"), unknown: Some(why.clone()), ..Self::default() }
            }
        }
    }

    fn add(&mut self, known: &Known, server: String) {
        if !self.holds.contains(&server) {
            self.holds.push(server);
        }
        self.databases += 1;
        if let Some(a_day) = known.growth.a_day {
            self.measured += 1;
            self.growth += a_day;
        }
    }

    /// `logs` may take another so many bytes of it.
    fn line(self, logs: Option<u64>, warn_days: u32) -> CapacityLine {
        let Some((used, total)) = self.sizes else {
            return CapacityLine::new(CapacityKind::Disk, self.what, self.unknown.unwrap_or_default());
        };
        let growth = (self.measured > 0).then_some(self.growth);
        let left = days_left(self.free as f64, growth);
        let nearly_full = is_nearly_full(self.free, total);
        let state = match (growth, left) {
            _ if nearly_full => CapacityState::Short,
            (_, Some(days)) if days < f64::from(warn_days) => CapacityState::Short,
            (None, _) => CapacityState::Unmeasured,
            (Some(_), _) => CapacityState::Enough,
        };
        let mut remark = String::new();
        if nearly_full {
            remark.push_str(&format!("nearly full, {} are free: make room; ", size_text(self.free as f64)));
        }
        remark.push_str(&format!("holds {}", self.holds.join(", ")));
        if self.databases > 0 {
            remark.push_str(&format!("; growth of {} of {} databases", self.measured, self.databases));
        }
        if let Some(logs) = logs {
            remark.push_str(&format!("; the logs may take another {}", size_text(logs as f64)));
            // No fault by itself: they take it only while a database is away, and then for as long as the disk allows.
            if logs > self.free {
                let free = size_text(self.free as f64);
                remark.push_str(&format!(
                    ", and only {free} are free: make room, or lower max_bytes of [spool] and [routes]"
                ));
            }
        }
        let (now, limit) = (Some(used), Some(total));
        CapacityLine {
            state,
            now,
            limit,
            growth_a_day: growth,
            days_left: left,
            ..CapacityLine::new(CapacityKind::Disk, self.what, remark)
        }
    }
}

fn is_nearly_full(free: u64, total: u64) -> bool {
    free < NEARLY_FULL_BYTES && (free as f64) < total as f64 * NEARLY_FULL_SHARE
}

/// A line for each file system; `data` is that of the server's data folder, with what its logs may still take.
pub(super) fn lines(known: &[Known], data: Option<(FileSystem, u64)>, warn_days: u32) -> Vec<CapacityLine> {
    let mut volumes: BTreeMap<String, Volume> = BTreeMap::new();
    for one in known {
        let server = format!("{} {}", one.engine, one.server);
        let key = key(&one.disk, &server);
        volumes.entry(key).or_insert_with(|| Volume::of(&one.disk, &server)).add(one, server);
    }
    let mut of_logs = None;
    if let Some((found, logs)) = data {
        let disk = Disk::Here(found);
        let key = key(&disk, "");
        let volume = volumes.entry(key.clone()).or_insert_with(|| Volume::of(&disk, LOGS));
        volume.holds.push(LOGS.to_owned());
        of_logs = Some((key, logs));
    }
    let logs = |key: &str| of_logs.as_ref().filter(|(own, _)| own == key).map(|(_, logs)| *logs);
    volumes.into_iter().map(|(key, volume)| volume.line(logs(&key), warn_days)).collect()
}

/// What is the same for all that lies in one file system.
fn key(disk: &Disk, server: &str) -> String {
    match disk {
        Disk::Here(found) => format!("device {}", found.device),
        Disk::Told { .. } | Disk::Unknown(_) => format!("server {server}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::growth::Growth;
    use genims_databases::Engine;

    const GB: u64 = 1_000_000_000;

    fn here(device: u64) -> FileSystem {
        FileSystem { device, path: "/srv/data".into(), total: 100 * GB, free: 40 * GB }
    }

    fn known(database: &str, engine: Engine, disk: Disk, a_day: Option<f64>) -> Known {
        Known {
            database: database.to_owned(),
            engine,
            server: "127.0.0.1:1".to_owned(),
            bytes: GB,
            growth: Growth { a_day, ..Growth::default() },
            partitioned: Vec::new(),
            numberings: Vec::new(),
            transaction_age: None,
            disk,
        }
    }

    #[test]
    fn what_lies_in_one_file_system_fills_it_together() {
        let all = [
            known("a", Engine::Postgresql, Disk::Here(here(1)), Some(0.5e9)),
            known("b", Engine::Postgresql, Disk::Here(here(1)), None),
            known("c", Engine::Mysql, Disk::Here(here(1)), Some(1.5e9)),
        ];
        let found = lines(&all, Some((here(1), 3 * GB)), 30);
        let [line] = &found[..] else { panic!("one file system: {found:?}") };
        assert_eq!((line.now, line.limit, line.growth_a_day), (Some(60 * GB), Some(100 * GB), Some(2e9)));
        assert_eq!((line.days_left, line.state), (Some(20.0), CapacityState::Short));
        for said in ["PostgreSQL 127.0.0.1:1, MySQL 127.0.0.1:1, the server's", "2 of 3 databases", "another 3.0 GB"] {
            assert!(line.remark.contains(said), "{said}: {}", line.remark);
        }
        assert_eq!(lines(&all, None, 20)[0].state, CapacityState::Enough, "as many days as asked for");
        let small = lines(&[], Some((here(2), 50 * GB)), 30);
        assert!(
            small[0].remark.contains("only 40.0 GB are free") && small[0].state == CapacityState::Unmeasured,
            "{small:?}"
        );
    }

    #[test]
    fn a_disk_that_is_nearly_full_is_short_whatever_is_measured() {
        let state = |free, total, a_day| {
            let disk = Disk::Here(FileSystem { free, total, ..here(1) });
            lines(&[known("a", Engine::Postgresql, disk, a_day)], None, 30)[0].state
        };
        assert_eq!([state(0, 100 * GB, None), state(0, 100 * GB, Some(0.0))], [CapacityState::Short; 2]);
        assert_eq!([state(5 * GB - 1, 100 * GB, Some(-1.0)), state(0, 10, None)], [CapacityState::Short; 2]);
        assert_eq!(
            [state(5 * GB, 100 * GB, Some(0.0)), state(10 * GB, 900 * GB, Some(0.0))],
            [CapacityState::Enough; 2]
        );
        let full = lines(&[], Some((FileSystem { free: GB, ..here(2) }, 0)), 30);
        assert!(full[0].remark.starts_with("nearly full, 1.0 GB are free: make room; holds the server's"), "{full:?}");
    }

    #[test]
    fn a_disk_of_another_machine_is_what_its_server_says_or_unknown() {
        let unknown = of_server("db.example:5432/x", Some("/"));
        assert_eq!(unknown, Disk::Unknown("unknown: not on this machine".to_owned()));
        assert!(matches!(of_server("127.0.0.1:5432/x", Some("/")), Disk::Here(_)));
        assert!(matches!(of_server("127.0.0.1:5432/x", Some("/nonexistent/data")), Disk::Unknown(_)));
        assert!(matches!(of_server("127.0.0.1:5432/x", None), Disk::Unknown(_)));
        let told = Disk::Told { used: 99 * GB, total: 100 * GB };
        let all = [known("a", Engine::Postgresql, unknown, Some(1e9)), known("b", Engine::Mongodb, told, Some(1e9))];
        let found: Vec<_> =
            lines(&all, None, 30).into_iter().map(|line| (line.what, line.state, line.days_left)).collect();
        let of = |engine: &str| format!("disk of {engine} 127.0.0.1:1");
        assert_eq!(
            found,
            [(of("MongoDB"), CapacityState::Short, Some(1.0)), (of("PostgreSQL"), CapacityState::Unmeasured, None)]
        );
    }

    #[test]
    fn a_folder_takes_what_its_files_take() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("below")).expect("made");
        std::fs::write(folder.path().join("one"), [0; 100]).expect("written");
        std::fs::write(folder.path().join("below/two"), [0; 23]).expect("written");
        assert_eq!(folder_bytes(folder.path()), Some(123));
        assert_eq!(folder_bytes(&folder.path().join("three")), None);
        let found = file_system(folder.path()).expect("a file system");
        assert!(found.total > 0 && found.free <= found.total);
    }
}
