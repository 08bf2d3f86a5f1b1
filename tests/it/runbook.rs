//! The run book's commands, as they stand there, chapter by chapter, each on a provisioned platform of its own with a small plant.
//! Enters: RUNBOOK.md, and the teams' pages. Leaves: each command run with the exit code and the words that the document shows,
//! in the emergency that its section is about: see [`crate::document`].

mod scenes;

use crate::capacity;
use crate::document::{ALSO, Document, How, Reader, pieces};
use crate::harness::Harness;
use crate::platform::Platform;
use crate::powercut::mount::can_mount;
use genims_dev::Server;
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;

const RUNBOOK: &str = include_str!("../../RUNBOOK.md");
const GUIDE: &str = include_str!("../../config/connections.md");
const ALERTS: &str = include_str!("../../config/prometheus/alerts.yml");
const SERVICE: &str = include_str!("../../config/systemd/genims.service");
const BACKUP_SERVICE: &str = include_str!("../../config/systemd/genims-backup.service");
const BACKUP_TIMER: &str = include_str!("../../config/systemd/genims-backup.timer");
const SERVERS_SERVICE: &str = include_str!("../../config/systemd/genims-backup-servers.service");
const SERVERS_TIMER: &str = include_str!("../../config/systemd/genims-backup-servers.timer");
const MAINTAIN_SERVICE: &str = include_str!("../../config/systemd/genims-maintain.service");
const MAINTAIN_TIMER: &str = include_str!("../../config/systemd/genims-maintain.timer");
const FULL_DISK: &str = "### The disk is full";

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    let mut trials = vec![
        harness.trial("runbook::a_command_that_nobody_runs_is_noticed", |_| DOCUMENT.is_known()),
        harness.trial("runbook::it_names_every_alert_and_its_links_lead_somewhere", |_| alerts_and_links()),
        harness.trial("runbook::the_service_is_what_it_says", |_| the_service_is_what_it_says()),
        harness.trial("runbook::the_timers_are_what_they_say", |_| the_timers_are_what_they_say()),
        harness.trial("runbook::the_lines_of_the_guide_connect", the_lines_of_the_guide_connect),
    ];
    for chapter in chapters() {
        let name = chapter.trim_start_matches("## ").to_lowercase().replace(' ', "_");
        trials.push(harness.trial_of(format!("runbook::{name}"), move || follow(harness, &chapter)));
    }
    trials
}

fn chapters() -> Vec<String> {
    let mut chapters: Vec<String> = pieces(RUNBOOK).into_iter().map(|piece| piece.chapter).collect();
    chapters.dedup();
    chapters
}

/// By how a piece begins.
const TABLE: &[(&str, How)] = &[
    ("systemctl start genims", How::Act(|reader| reader.start())),
    (
        "systemctl enable --now genims-backup.timer",
        How::Skip("there is no systemd here; the command that it runs follows"),
    ),
    (
        "systemctl enable --now genims-backup-servers.timer",
        How::Skip("there is no systemd here; the command that it runs follows"),
    ),
    (
        "systemctl enable --now genims-maintain.timer",
        How::Skip("there is no systemd here; the command that it runs follows"),
    ),
    ("systemctl enable --now genims", How::Act(|reader| reader.start())),
    ("systemctl stop genims", How::Act(|reader| reader.stop())),
    ("systemctl restart genims", How::Act(|reader| (reader.stop(), reader.start()).1)),
    ("systemctl reload genims", How::Act(|reader| hang_up(reader))),
    ("systemctl start mariadb", How::Act(|reader| reader.stack().start_server(Server::Mariadb).unwrap())),
    ("systemctl start mongod", How::Act(|reader| reader.stack().start_server(Server::Mongodb).unwrap())),
    ("systemctl start postgresql", How::Act(|reader| reader.stack().start_server(Server::Postgres).unwrap())),
    ("systemctl restart systemd-timesyncd", How::Act(scenes::the_clock_is_set)),
    ("journalctl --vacuum-size", How::Act(scenes::there_is_room)),
    ("journalctl -u genims", How::Watch),
    ("ssh ", How::Skip("there is one server here; a test of its own fails over between two")),
    ("make package", How::Skip("`package` makes one, of the program that runs here")),
    ("apt-get ", How::Skip("`package` runs each of them, on a copy of this machine")),
    ("cp ", How::Run(ALSO)),
    ("mv ", How::Run(ALSO)),
    ("df ", How::Run(ALSO)),
    ("sed ", How::Run(ALSO)),
    ("echo ", How::Run(ALSO)),
    ("curl ", How::Watch),
    ("psql ", How::Run(ALSO)),
    ("mosquitto_pub ", How::Watch),
    ("genims top --once", How::Watch),
    ("genims doctor", How::Watch),
    ("genims verify ", How::Watch),
    ("genims deadletter replay", How::Watch),
    ("genims backup all ", How::Run(|reader| reader.entries("backups") == 17)),
    ("genims backup due ", How::Run(|reader| reader.entries("backups") == 17)),
    ("genims restore hr --from /backups --as hr_then ", How::Skip("its moment is another day's; points reaches one")),
    ("genims capacity slow", How::Run(ALSO)),
    ("genims capacity", How::Act(capacity::is_told)),
    ("genims checklist --html ", How::Run(|reader| reader.folder.join("golive.html").exists())),
    ("genims ", How::Run(ALSO)),
];

const DOCUMENT: Document = Document {
    text: RUNBOOK,
    table: TABLE,
    before: &[
        ("### Is all well?", scenes::a_reading_is_stored),
        ("### A database is down", scenes::mariadb_is_down),
        ("### A database is lost, or was restored to an older state", scenes::readings_came_after_the_backup),
        ("### A position went back, and its rows did not", scenes::a_position_went_back),
        ("### The mirror is cut off", scenes::the_mirror_is_cut_off),
        ("### A partition is missing", scenes::a_partition_is_missing),
        ("### A partition was detached", scenes::a_partition_was_detached),
        ("### The log is full", scenes::the_log_is_full),
        (FULL_DISK, scenes::the_disk_is_full),
        ("### The log was restored from an older copy", scenes::the_log_is_an_older_copy),
        ("### A segment is damaged", scenes::a_segment_is_damaged),
        ("### Dead letters grow", scenes::a_sensor_is_unknown),
        ("### A client is refused", scenes::a_client_is_refused),
        ("### A certificate expires", scenes::a_certificate_has_expired),
        ("### A clock is off", scenes::a_clock_is_off),
        ("### Nobody can sign in", scenes::there_is_an_admin),
        ("### The audit trail was altered", scenes::the_trail_was_altered),
        ("### Upgrade", scenes::a_reading_is_stored),
        ("### One step back", scenes::a_later_release_migrated),
        ("### The earlier release refuses the data folder", scenes::a_later_release_wrote_the_log),
    ],
};

/// SIGHUP, as ExecReload of the unit sends it.
fn hang_up(reader: &Reader<'_>) {
    let pid = reader.server.as_ref().expect("it runs").pid();
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::HUP).unwrap();
}

fn follow(harness: &'static Harness, chapter: &str) {
    let platform = scenes::planted(harness);
    let mut reader = Reader::new(harness, &platform, &[]);
    let mut followed: Vec<_> = pieces(RUNBOOK).into_iter().filter(|piece| piece.chapter == chapter).collect();
    if followed.iter().any(|piece| piece.section == FULL_DISK) && !can_mount(&harness.folder("runbook")) {
        followed.retain(|piece| piece.section != FULL_DISK);
    }
    DOCUMENT.follow(&mut reader, &followed);
}

fn alerts_and_links() {
    let alerts = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let missing: Vec<&str> = alerts.filter(|alert| !RUNBOOK.contains(alert)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "say what to do");
    let is_kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-');
    let anchor = |heading: &str| {
        let words: String = heading.trim_start_matches('#').trim().to_lowercase().chars().filter(is_kept).collect();
        words.replace(' ', "-")
    };
    for target in RUNBOOK.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let (file, name) = target.split_once('#').unwrap_or((target, ""));
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(if file.is_empty() { "RUNBOOK.md" } else { file });
        assert!(file.exists(), "there is no {target}");
        if !name.is_empty() {
            let text = std::fs::read_to_string(&file).unwrap();
            let mut anchors = text.lines().filter(|line| line.starts_with('#')).map(anchor);
            assert!(anchors.any(|anchor| anchor == name), "there is no {target}");
        }
    }
}

/// Without systemd: what the run book and the server say of it.
fn the_service_is_what_it_says() {
    let value = |key: &str| {
        let mut lines = SERVICE.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        lines.next().unwrap_or_else(|| panic!("no {key}"))
    };
    assert_eq!(value("ExecStart"), "/usr/bin/genims serve");
    assert_eq!(
        (value("WorkingDirectory"), value("StateDirectory"), value("User")),
        ("/var/lib/genims", "genims", "genims")
    );
    assert!(value("ExecReload").ends_with("kill -HUP $MAINPID"));
    let stop_s: u64 = value("TimeoutStopSec").parse().unwrap();
    assert!(stop_s > genims::server::STOP_MAX.as_secs(), "{stop_s} s: it would be killed");
    for said in ["`/var/lib/genims`", "user `genims`", "`/etc/genims/genims.env`"] {
        assert!(RUNBOOK.contains(said), "{said}");
    }
}

/// The timers look as often as the program takes them to look, and the units do what the run book does by hand.
fn the_timers_are_what_they_say() {
    the_timer_is_what_it_says((MAINTAIN_TIMER, "hourly"), MAINTAIN_SERVICE);
    for (timer, service) in [((BACKUP_TIMER, "hourly"), BACKUP_SERVICE), ((SERVERS_TIMER, "*:0/5"), SERVERS_SERVICE)] {
        let run = the_timer_is_what_it_says(timer, service);
        let folder = run.split("--to ").nth(1).unwrap();
        assert!(
            says(service, &format!("ReadWritePaths={folder}"))
                && RUNBOOK.contains(&format!("`{folder}` belongs to user `genims`"))
        );
    }
}

fn says(unit: &str, line: &str) -> bool {
    unit.lines().any(|own| own == line)
}

/// The command that it runs.
fn the_timer_is_what_it_says((timer, when): (&str, &str), service: &'static str) -> &'static str {
    assert!(says(timer, &format!("OnCalendar={when}")));
    assert!(says(service, "Type=oneshot"), "or the timer would not wait for its end");
    let run = service.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/")).unwrap();
    assert!(pieces(RUNBOOK).iter().any(|piece| piece.text == run), "{run}");
    for line in ["User=", "Group=", "WorkingDirectory=", "UMask=", "LimitCORE="] {
        let of =
            |unit: &'static str| unit.lines().find(|own| own.starts_with(line)).unwrap_or_else(|| panic!("no {line}"));
        assert_eq!(of(service), of(SERVICE));
    }
    // All that the server has to do without.
    let without = SERVICE.lines().skip_while(|line| *line != "CapabilityBoundingSet=");
    let without: Vec<&str> = without.take_while(|line| !line.is_empty()).collect();
    assert!(without.len() > 20, "{without:?}");
    let missing: Vec<&str> = without.into_iter().filter(|line| !says(service, line)).collect();
    assert_eq!(missing, Vec::<&str>::new());
    run
}

/// Each line of the teams' pages that connects, as the reader.
fn the_lines_of_the_guide_connect(harness: &'static Harness) {
    const PASSWORD: &str = "a-reader-of-the-guide";
    let platform = Platform::new(harness);
    let variables = GUIDE.split('`').filter(|word| word.starts_with("GENIMS_") && word.ends_with("_READER_PASSWORD"));
    let passwords: Vec<(&str, &str)> = variables.map(|variable| (variable, PASSWORD)).collect();
    assert_eq!(passwords.len(), 16, "{passwords:?}");
    let provisioned = platform.cli(&["provision"], &passwords);
    assert!(provisioned.status.success(), "{}", String::from_utf8_lossy(&provisioned.stderr));
    let reader = Reader::new(harness, &platform, &[]);
    let port = |url: String| url.rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    let mut connected = 0;
    for piece in pieces(GUIDE) {
        let asks = match piece.text.split(' ').next() {
            Some("psql") => " -Atc 'SELECT current_user'",
            Some("mariadb") => " -Ne 'SELECT current_user()'",
            // There is no mongosh here, and that `genims backup` and `genims restore` take every database says `backup`.
            Some("mongosh" | "genims") => continue,
            _ => panic!("nobody knows how to run {}", piece.text),
        };
        let line = piece.text.replace("HOST", "127.0.0.1") + asks;
        let line = line
            .replace("port=5432", &format!("port={}", port(platform.stack.postgres_url(""))))
            .replace("port=3306", &format!("port={}", port(platform.stack.mysql_url(""))))
            .replace("--password", &format!("--password={PASSWORD}"))
            .replace("/etc/genims/ca.pem", platform.stack.ca_file().to_str().unwrap());
        let output = reader.shell(&line).env("PGPASSWORD", PASSWORD).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(said.trim().trim_end_matches("@%").ends_with("_reader"), "{line}: {said}");
        connected += 1;
    }
    assert_eq!(connected, 16);
}
