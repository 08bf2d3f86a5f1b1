//! What commands owe to the shell that runs them.

use crate::bounds::RSS_MB_MAX;
use crate::harness::{Harness, write_env};
use crate::platform::Platform;
use crate::running::eventually;
use genims::server::STOP_MAX;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("commands::a_reader_that_has_seen_enough_is_no_failure", a_reader_that_has_seen_enough),
        harness.trial(
            "commands::a_reader_of_what_databases_say_has_seen_enough_too",
            a_reader_of_answers_that_has_seen_enough,
        ),
        harness.trial("commands::a_full_place_for_the_output_is_told_once", a_full_place_for_the_output),
        harness.trial("commands::validate_tells_all_faults_as_data", validate_tells_all_faults),
        harness.trial("commands::serve_stumbles_over_what_validate_tells", serve_stumbles_over_the_same),
        harness.trial("commands::an_empty_file_is_valid_and_says_what_it_means", an_empty_file_is_valid),
        harness.trial("commands::errors_are_told_once", errors_are_told_once),
        harness.trial("commands::an_audit_of_security_finds_what_is_open", an_audit_of_security),
        harness.trial("commands::passwords_that_others_can_read_are_refused", passwords_of_others),
        harness.trial("commands::a_server_that_waits_for_master_data_stops_at_once", a_waiting_server_stops),
    ]
}

/// Runs a command whose reader has gone before it says anything.
fn unread(command: Command, succeeds: bool) {
    let (is_well, told) = unread_to_its_end(command);
    assert_eq!(is_well, succeeds, "{told}");
}

/// Whether it succeeded, and what it said.
fn unread_to_its_end(mut command: Command) -> (bool, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    let told = format!("{command:?}: {}\n{error}", output.status);
    assert!(!told.contains("panicked") && !told.contains("roken pipe") && output.status.code().is_some(), "{told}");
    (output.status.success(), told)
}

/// The work is done to its end, and the end says what could not be read.
fn a_full_place_for_the_output(harness: &'static Harness) {
    for arguments in [&["options"][..], &["dictionary", "--json"], &["etl", "list"]] {
        let mut command = harness.command(arguments);
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
        assert_eq!(error.matches("genims: standard output cannot be written").count(), 1, "{arguments:?}: {error}");
    }
}

fn a_reader_that_has_seen_enough(harness: &'static Harness) {
    let commands: [(&[&str], bool); 13] = [
        (&["--help"], true),
        (&["serve", "--help"], true),
        (&["validate"], true),
        (&["validate", "--json"], true),
        (&["options"], true),
        (&["dictionary"], true),
        (&["dictionary", "--json"], true),
        (&["hub", "names"], true),
        (&["routes", "list"], true),
        (&["routes", "fields"], true),
        (&["etl", "list"], true),
        (&["seed", "render", "--module", "master", "--scale", "small", "--as-of", "2025-01-06"], true),
        // The exit code is that of what was found.
        (&["doctor"], false),
    ];
    for (arguments, succeeds) in commands {
        unread(harness.command(arguments), succeeds);
    }
    let records = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("loadtest/data/la_haute_borne_2014_06.csv.gz");
    unread(harness.other("loadtest", &["replay", "--describe", records.to_str().unwrap()]), true);
    unread(harness.other("genims-dev", &["down", "--dir", "nothing-here"]), true);
}

/// Those that ask databases.
fn a_reader_of_answers_that_has_seen_enough(harness: &'static Harness) {
    let platform = Platform::new(harness);
    let commands: [(&[&str], bool); 15] = [
        (&["provision", "--plan"], true),
        (&["provision", "--check"], true),
        (&["provision"], true),
        // Nothing was seeded.
        (&["verify", "--module", "hr"], false),
        (&["verify", "--module", "hr", "--json"], false),
        (&["doctor", "--timeout", "60s"], true),
        (&["doctor", "--json", "--timeout", "60s"], true),
        (&["capacity", "slow", "--json"], true),
        (&["deadletter", "list"], true),
        (&["retention", "plan"], true),
        (&["maintain", "plan"], true),
        (&["etl", "status"], true),
        (&["report", "compliance"], true),
        (&["audit", "verify"], true),
        (&["audit", "export", "--from", "2026-01-01", "--to", "2026-03-31"], true),
    ];
    for (arguments, succeeds) in commands {
        let mut command = harness.command(arguments);
        command.envs(platform.variables().iter().map(|(name, value)| (name, value)));
        unread(command, succeeds);
    }
    // Whether this machine's disk has room is no matter of this test.
    for form in [&["--json"][..], &[]] {
        let mut command = harness.command(&[&["capacity", "--url", "http://127.0.0.1:1"], form].concat());
        command.envs(platform.variables().iter().map(|(name, value)| (name, value)));
        unread_to_its_end(command);
    }
}

/// What a command says, with exit code.
fn told(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

const FAULTY: &str = "data_dir = \"file/data\"\n[[listeners]]\ntype = \"mqtt\"\nconections_max = 7\n[[listeners]]\n\
                      type = \"bridge\"\npassword_file = \"/nonexistent/password\"\n";

/// A column that the migrations do not make.
const WRONG_ROUTE: &str = r#"
database = "genims_hr_db"
[[route]]
name = "each"
about = "a row for each change of a state"
events = ["state_changed"]
table = "hcm_integration_log"
columns = { log_id = "event.uid", document_colour = "'red'" }
"#;

fn validate_tells_all_faults(harness: &'static Harness) {
    let folder = harness.folder("faulty");
    std::fs::write(folder.join("file"), "x").unwrap();
    let validate = |text: &str, more: &[(&str, &str)]| -> (Option<i32>, Vec<String>, Value) {
        std::fs::write(folder.join("genims.toml"), text).unwrap();
        let mut command = harness.command(&["--config", "genims.toml", "validate", "--json"]);
        let (code, out, _) = told(command.current_dir(&folder).envs(more.iter().copied()));
        let found: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
        let keys =
            found["faults"].as_array().unwrap().iter().map(|fault| fault["key"].as_str().unwrap_or("").to_owned());
        (code, keys.collect(), found)
    };
    let urls = [("GENIMS_MONGODB_URL", "mongodb://h/?w=0"), ("GENIMS_POSTGRES_URL", "postgresql://h:0/")];
    let (code, keys, found) = validate(FAULTY, &urls);
    assert_eq!((code, &found["valid"]), (Some(1), &false.into()), "{found:#}");
    assert_eq!(keys, ["listeners[0].conections_max", "GENIMS_POSTGRES_URL", "GENIMS_MONGODB_URL"], "{found:#}");
    let fault = &found["faults"][0];
    let expected = json!({ "file": "genims.toml", "line": 4, "value": "7", "nearest": "connections_max" });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&fault[key], value, "{fault:#}");
    }
    assert!(fault["allowed"].as_str().unwrap().contains("packet_bytes_max"), "{fault:#}");

    let (code, keys, found) = validate(&FAULTY.replace("conections_max", "connections_max"), &[]);
    assert_eq!(
        (code, keys),
        (Some(1), vec!["data_dir".to_owned(), "listeners[1].password_file".to_owned()]),
        "{found:#}"
    );
    let good = FAULTY.replace("conections_max", "connections_max").replace("file/data", "data");
    let good = good.replace("password_file = \"/nonexistent/password\"\n", "broker = \"mqtts://h\"\n");
    let (code, keys, found) = validate(&good, &[("SSL_CERT_FILE", "/nonexistent/ca.pem")]);
    assert!(code == Some(1) && keys == ["listeners[1]"], "{found:#}");
    assert!(
        found["faults"][0]["problem"].as_str().unwrap().contains("SSL_CERT_FILE names /nonexistent/ca.pem"),
        "{found:#}"
    );

    std::fs::create_dir(folder.join("routes")).unwrap();
    std::fs::write(folder.join("routes/hr.toml"), WRONG_ROUTE).unwrap();
    let (code, keys, found) = validate("[routes]\ndirectory = \"routes\"\n", &[]);
    assert!(code == Some(1) && keys == ["routes"], "{found:#}");
    let problem = found["faults"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("route each: hcm_integration_log has no column document_colour"), "{problem}");

    write_env(&folder.join(".env"), "GENIMS_X='open\nA=1\nGENIMS_Y\n");
    let (code, _, found) = validate("", &[]);
    let lines: Vec<&Value> = found["faults"].as_array().unwrap().iter().map(|fault| &fault["line"]).collect();
    assert_eq!((code, &found["faults"][0]["file"], lines), (Some(1), &".env".into(), vec![&1.into(), &3.into()]));
}

fn serve_stumbles_over_the_same(harness: &'static Harness) {
    let folder = harness.folder("stumbling");
    std::fs::write(folder.join("file"), "x").unwrap();
    std::fs::write(folder.join("genims.toml"), FAULTY.replace("conections_max", "connections_max")).unwrap();
    let mut command = harness.command(&["--config", "genims.toml", "serve"]);
    let (code, _, error) = told(command.current_dir(&folder).env("GENIMS_MASTER_DB_URL", "postgresql://h:0/x"));
    assert_eq!(code, Some(1), "{error}");
    for part in ["data_dir = \"file/data\"", "listeners[1].password_file", "GENIMS_MASTER_DB_URL"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!folder.join("data").exists());
}

fn an_empty_file_is_valid(harness: &'static Harness) {
    let folder = harness.folder("empty");
    std::fs::write(folder.join("genims.toml"), "").unwrap();
    let (code, out, _) = told(harness.command(&["--config", "genims.toml", "validate"]).current_dir(&folder));
    assert_eq!(code, Some(0), "{out}");
    for part in ["nothing can be received", "reaches no database", "no database is configured", "GENIMS_MASTER_DB_URL"]
    {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains("is valid."), "{out}");
}

fn errors_are_told_once(harness: &'static Harness) {
    let folder = harness.folder("once");
    std::fs::write(folder.join("genims.toml"), "[[listeners]\n").unwrap();
    let nobody = "postgresql://u@127.0.0.1:1/genims_operations_db";
    for (arguments, once) in [
        (&["--config", "nowhere.toml", "deadletter", "list"][..], "No such file"),
        (&["--config", "genims.toml", "deadletter", "list"], "genims.toml"),
        (&["seed", "plant", "--from", "nowhere.toml"], "No such file"),
        (&["deadletter", "list"], "Connection refused"),
    ] {
        let mut command = harness.command(arguments);
        command.current_dir(&folder).env("GENIMS_OPERATIONS_DB_URL", nobody).env("GENIMS_MASTER_DB_URL", nobody);
        let (code, _, error) = told(&mut command);
        assert!(code == Some(1) && error.matches(once).count() == 1, "{arguments:?}: {error}");
    }
}

fn a_waiting_server_stops(harness: &'static Harness) {
    let folder = harness.folder("waiting");
    // The kernel takes connections to it, and nobody ever answers one.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = taken.local_addr().unwrap();
    let urls = format!("GENIMS_POSTGRES_URL=postgresql://genims@{nobody}/postgres?sslmode=disable\n");
    write_env(&folder.join(".env"), urls);
    let config = "data_dir = \"data\"\n[http]\nlisten = \"127.0.0.1:0\"\n[[sinks]]\ntype = \"postgres\"\n";
    std::fs::write(folder.join("genims.toml"), config).unwrap();
    let server = harness.spawn(&["--config", "genims.toml", "serve"], &folder);
    eventually("the log is open", PATIENCE, || server.log_text().contains("spool open"));
    server.terminate();
    let status = server.wait(STOP_MAX).expect("it ends as promised");
    // What is promised and what is kept are one number.
    let (seconds, readme) = (STOP_MAX.as_secs(), include_str!("../../README.md"));
    let (_, help, _) = told(&mut harness.command(&["serve", "--help"]));
    assert!(help.contains(&format!("obeys within {seconds} seconds")), "{help}");
    assert!(readme.contains(&format!("ends within {seconds} s,")));
    assert!(readme.contains(&format!("than {RSS_MB_MAX} MB, and wait")));
    let log = server.log_text();
    // The wait for master data takes as long as a stop may, and says so at its end: it was not waited for.
    assert!(status.success() && log.contains("stopped before the listeners were opened"), "{status}: {log}");
    assert!(!log.contains("genims is serving") && !log.contains("no master data within"), "{log}");
}

fn an_audit_of_security(harness: &'static Harness) {
    use std::os::unix::fs::PermissionsExt;
    let folder = harness.folder("security");
    let mode = |name: &str, mode| {
        std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    write_env(&folder.join(".env"), "GENIMS_POSTGRES_URL=postgresql://genims:change-me@127.0.0.1:1/postgres\n");
    let open = "data_dir = \"data\"\n[[listeners]]\ntype = \"mqtt\"\nlisten = \"0.0.0.0:1883\"\nplaintext = true\n";
    std::fs::write(folder.join("open.toml"), open).unwrap();
    std::fs::create_dir(folder.join("data")).unwrap();
    mode("data", 0o755);
    mode("open.toml", 0o666);
    let run = |config: &str| {
        let arguments = ["--config", config, "security", "audit", "--offline", "--json"];
        let (code, text, error) = told(harness.command(&arguments).current_dir(&folder));
        let report: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}\n{error}"));
        (code, report)
    };
    let (code, report) = run("open.toml");
    assert_eq!((code, &report["passed"]), (Some(1), &false.into()), "{report:#}");
    let all = report.to_string();
    for said in [
        "on all interfaces",
        "in clear",
        "nobody is asked",
        "the configuration can be written",
        "the data folder",
        "everybody tries first",
    ] {
        assert!(all.contains(said), "{said}: {report:#}");
    }
    assert!(!all.contains("change-me"), "{report:#}");
    write_env(&folder.join(".env"), "GENIMS_POSTGRES_URL=postgresql://genims:q8-Vy2kd03jL@127.0.0.1:1/postgres\n");
    std::fs::write(folder.join("good.toml"), open.replace("0.0.0.0", "127.0.0.1")).unwrap();
    mode("good.toml", 0o644);
    mode("data", 0o750);
    let (code, report) = run("good.toml");
    // Of the folders above, whoever runs the tests decides.
    let own = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| !finding["found"].as_str().unwrap().contains("program"));
    assert_eq!(own.count(), 0, "{code:?}: {report:#}");
}

fn passwords_of_others(harness: &'static Harness) {
    use std::os::unix::fs::PermissionsExt;
    let folder = harness.folder("others");
    let path = folder.join(".env");
    write_env(&path, "GENIMS_POSTGRES_URL=postgresql://genims:q8-Vy2kd03jL@127.0.0.1:1/postgres\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    for arguments in [&["doctor"][..], &["verify"], &["validate"]] {
        let (code, text, error) = told(harness.command(arguments).current_dir(&folder));
        assert!(code == Some(1) && error.contains("chmod 600 .env") && !error.contains("q8-"), "{text}{error}");
    }
}
