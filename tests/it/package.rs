//! The Debian package on a copy of this machine: installed, started as its unit says, upgraded, rolled back, removed and purged, by
//! the run book's own lines. Whenever the program goes or changes, the log holds a reading that PostgreSQL has not.
//!
//! It is the package of `make package` with the program under test in it, packed faster. The release after it differs in its version and
//! in the configuration it brings.

mod root;

use crate::document::pieces;
use crate::harness::Harness;
use crate::powercut::mount::must_mount;
use crate::running::{Running, eventually};
use crate::server::{PATIENCE, Plant, Sensor, Setup};
use crate::stream::{now_ms, send};
use genims_dev::Server;
use libtest_mimic::Trial;
use root::{Root, succeeds};
use serde_json::json;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![harness.trial("package::it_comes_and_goes_and_readings_stay", it_comes_and_goes_and_readings_stay)]
}

const RUNBOOK: &str = include_str!("../../RUNBOOK.md");
const UNIT: &str = "usr/lib/systemd/system/genims.service";
const DATA: &str = "var/lib/genims/.genims/server";
const CONFIGURATION: &str = "etc/genims/genims.toml";
const CONNECTIONS: &str = "etc/genims/genims.env";
/// What `systemctl enable` makes.
const LINK: &str = "etc/systemd/system/multi-user.target.wants/genims.service";
/// Of ten times `systemd-analyze security`, whose "OK" ends at 40.
const EXPOSED_MAX: &str = "--threshold=25";
/// A later release than any.
const LATER: &str = "99.0.0-1";
/// Who installs says yes, and keeps the configuration that is there; no server is asked for anything.
const ANSWERS: &str =
    "APT::Get::Assume-Yes \"true\";\nAPT::Install-Recommends \"false\";\nDpkg::Options { \"--force-confold\"; };\n";
/// An administrator's.
const OURS: &str = "# Agreed upon with the plants.\n";

struct Site {
    harness: &'static Harness,
    plant: Plant,
    root: Root,
    sensor: Sensor,
    sent: i64,
    log: PathBuf,
    server: Option<Running>,
}

impl Site {
    /// The databases, as an administrator writes them down.
    fn connect(&self) {
        let (doors, stack) = (self.plant.doors, &self.plant.stack);
        let (master, operations) = (stack.postgres_url("genims_master_db"), stack.postgres_url("genims_operations_db"));
        let text = format!(
            "GENIMS_HTTP_LISTEN={}\nGENIMS_MQTT_LISTEN={}\nGENIMS_TCP_LISTEN={}\nGENIMS_LINE_LISTEN={}\n\
             GENIMS_MASTER_DB_URL='{master}'\nGENIMS_OPERATIONS_DB_URL='{operations}'\nGENIMS_MONGODB_URL='{}'\n",
            doors.http,
            doors.mqtt,
            doors.tcp,
            doors.line,
            stack.mongodb_url()
        );
        // Its owner and rights stay.
        fs::write(self.root.path(CONNECTIONS), text).unwrap();
    }

    /// As systemd starts it, except for the namespaces and filters that only systemd makes.
    fn start(&mut self) {
        let unit = self.root.read(UNIT);
        let value = |key: &str| {
            let mut lines = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            lines.next().unwrap_or_else(|| panic!("no {key}"))
        };
        let line = format!(
            "umask {}; cd {}; exec setpriv --reuid {} --regid {} --init-groups --no-new-privs --inh-caps=-all \
             --bounding-set=-all -- {}",
            value("UMask"),
            value("WorkingDirectory"),
            value("User"),
            value("Group"),
            value("ExecStart")
        );
        let server = self.harness.keep(Running::spawn(self.root.command(&line), self.log.clone()));
        eventually("the server is ready", PATIENCE, || {
            assert!(server.wait(Duration::ZERO).is_none(), "it has ended:\n{}", server.log_text());
            self.plant.get("/readyz").is_some_and(|(status, _)| status == 200)
        });
        self.server = Some(server);
    }

    fn stop(&mut self) {
        let server = self.server.take().expect("it runs");
        server.terminate();
        let status = server.wait(PATIENCE).unwrap_or_else(|| panic!("it does not end:\n{}", server.log_text()));
        assert!(status.success(), "{status}:\n{}", server.log_text());
    }

    fn send(&mut self) {
        self.sent += 1;
        let reading = json!({ "value": self.sent, "timestamp_ms": now_ms() }).to_string();
        send(self.harness, &self.plant, &[(self.sensor.topic(), reading)]);
    }

    fn nothing_is_lost_or_twice(&self) {
        self.plant.stored_exactly(&self.sensor, self.sent);
    }

    /// The server is stopped while the log alone has a reading that was acknowledged, and starts after the change.
    fn across(&mut self, change: impl FnOnce(&Self)) {
        self.plant.stack.stop_server(Server::Postgres).unwrap();
        self.send();
        self.stop();
        self.plant.stack.start_server(Server::Postgres).unwrap();
        let stored = self.plant.rows("sensor_data", &format!("sensor_id = '{}'", self.sensor.sensor_id));
        assert_eq!(stored, self.sent - 1, "then nothing is proved");
        change(self);
        self.start();
        self.nothing_is_lost_or_twice();
    }

    #[track_caller]
    fn assert_installed(&self, version: &str) {
        let found = self.root.run("dpkg-query --show --showformat '${Version} ${db:Status-Status}' genims");
        assert_eq!(found, format!("{version} installed"));
        assert!(self.root.read(CONFIGURATION).ends_with(OURS), "the administrator's configuration was replaced");
        assert_eq!(self.root.run("systemctl is-enabled genims.service").trim(), "enabled");
    }
}

/// The package of the program under test.
fn built(folder: &Path) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tool = here.join("target/tools/bin/cargo-deb");
    assert!(tool.exists(), "{} is missing: `make test` builds it", tool.display());
    // It takes releases only, so this one stands where they do.
    let target = folder.join("target");
    fs::create_dir_all(target.join("release")).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_genims"), target.join("release/genims")).unwrap();
    let package = folder.join("first.deb");
    let mut command = Command::new(tool);
    command.args(["--no-build", "--locked", "--strip", "--fast", "--compress-type", "gz", "--output"]).arg(&package);
    succeeds(command.current_dir(here).env("CARGO_TARGET_DIR", target));
    package
}

/// The release after it, which brings another configuration, too.
fn later(folder: &Path, first: &Path) -> PathBuf {
    let (unpacked, package) = (folder.join("unpacked"), folder.join("later.deb"));
    succeeds(Command::new("dpkg-deb").arg("--raw-extract").arg(first).arg(&unpacked));
    let control = fs::read_to_string(unpacked.join("DEBIAN/control")).unwrap();
    let version = control.lines().find(|line| line.starts_with("Version: ")).unwrap();
    fs::write(unpacked.join("DEBIAN/control"), control.replace(version, &format!("Version: {LATER}"))).unwrap();
    let configuration = fs::read_to_string(unpacked.join(CONFIGURATION)).unwrap();
    fs::write(unpacked.join(CONFIGURATION), configuration + "# Of the later release.\n").unwrap();
    let mut build = Command::new("dpkg-deb");
    succeeds(build.args(["--build", "--root-owner-group", "-Znone"]).arg(unpacked).arg(&package));
    package
}

/// User, folders and rights; the unit as systemd reads it.
fn assert_as_described(root: &Root) {
    let passwd = root.read("etc/passwd");
    let account = passwd.lines().find(|line| line.starts_with("genims:")).expect("a user genims");
    assert!(account.ends_with(":/var/lib/genims:/usr/sbin/nologin"), "{account}");
    let numbers: Vec<u32> = account.split(':').filter_map(|field| field.parse().ok()).collect();
    let [user, group] = numbers[..] else { panic!("{account}") };
    for (path, owner, of_group, mode) in [
        ("var/lib/genims", user, group, 0o750),
        (DATA, user, group, 0o700),
        (CONNECTIONS, 0, group, 0o640),
        (CONFIGURATION, 0, 0, 0o644),
        ("usr/bin/genims", 0, 0, 0o755),
        (UNIT, 0, 0, 0o644),
    ] {
        let found = fs::metadata(root.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let found = (found.uid(), found.gid(), found.mode() & 0o7777);
        assert_eq!(found, (owner, of_group, mode), "{path}: {:o}", found.2);
    }
    assert!(!root.run("readelf --sections --wide /usr/bin/genims").contains(".debug_info"), "not stripped");
    assert_eq!(root.run("systemctl is-enabled genims.service || true").trim(), "disabled");
    let units = "genims.service genims-backup.service genims-backup.timer genims-backup-servers.service \
                 genims-backup-servers.timer genims-maintain.service genims-maintain.timer";
    let complaints = root.run(&format!("systemd-analyze verify {units}"));
    assert!(!complaints.contains("genims"), "{complaints}");
    for unit in ["genims.service", "genims-backup.service", "genims-backup-servers.service", "genims-maintain.service"]
    {
        root.run(&format!("systemd-analyze security --offline=true {EXPOSED_MAX} {unit}"));
    }
}

fn it_comes_and_goes_and_readings_stay(harness: &'static Harness) {
    let folder = harness.folder("package");
    let root = match Root::new(harness, &folder) {
        Ok(root) => root,
        Err(error) => {
            assert!(!must_mount(), "GENIMS_MUST_MOUNT=1, and there is no copy of this machine: {error}");
            return println!("skipped, this machine lets us make no copy of it: {error}");
        }
    };
    assert!(!root.path("usr/bin/genims").exists(), "this machine is not without GenIMS");
    let lines = pieces(RUNBOOK).into_iter().map(|piece| piece.text).filter(|text| text.starts_with("apt-get "));
    let lines: Vec<String> = lines.collect();
    let [install, upgrade, back, remove, purge] = &lines[..] else { panic!("{lines:?}") };
    let first = built(&folder);
    fs::copy(&first, root.path("srv/genims_0.1.0-1_amd64.deb")).unwrap();
    fs::copy(later(&folder, &first), root.path("srv/genims_0.2.0-1_amd64.deb")).unwrap();
    fs::write(root.path("etc/apt/apt.conf.d/99answers"), ANSWERS).unwrap();
    let version = format!("{}-1", env!("CARGO_PKG_VERSION"));

    root.run(install);
    assert_as_described(&root);
    let plant = Plant::prepare(harness, &Setup::default());
    let (sensor, log) = (plant.sensor(), folder.join("genims.log"));
    let mut site = Site { harness, plant, root, sensor, sent: 0, log, server: None };
    site.connect();
    let configuration = site.root.read(CONFIGURATION) + OURS;
    fs::write(site.root.path(CONFIGURATION), &configuration).unwrap();
    site.root.run("systemctl enable genims.service");
    site.start();
    site.send();
    site.nothing_is_lost_or_twice();

    site.across(|site| {
        site.root.run(upgrade);
        site.assert_installed(LATER);
        assert!(site.root.read(&format!("{CONFIGURATION}.dpkg-dist")).ends_with("# Of the later release.\n"));
    });
    site.across(|site| {
        site.root.run(back);
        site.assert_installed(&version);
    });
    site.across(|site| {
        site.root.run(remove);
        assert!(!site.root.path("usr/bin/genims").exists() && !site.root.path(UNIT).exists());
        site.root.run(install);
        site.assert_installed(&version);
    });
    site.across(|site| {
        let said = site.root.run(purge);
        assert!(said.contains("/var/lib/genims stays") && said.contains("rm -r /var/lib/genims"), "{said}");
        assert!(!site.root.path("etc/genims").exists() && site.root.path(LINK).symlink_metadata().is_err());
        site.root.run(install);
        assert!(!site.root.read(CONFIGURATION).ends_with(OURS), "the purge left the configuration");
        site.connect();
    });
    site.stop();
}
