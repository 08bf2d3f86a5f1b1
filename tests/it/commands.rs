//! What commands owe to the shell that runs them: no server is needed.

use crate::harness::Harness;
use crate::running::eventually;
use libtest_mimic::Trial;
use std::process::Stdio;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("commands::a_reader_that_has_seen_enough_is_no_failure", a_reader_that_has_seen_enough),
        harness.trial("commands::a_server_that_waits_for_master_data_stops_at_once", a_waiting_server_stops),
    ]
}

fn a_reader_that_has_seen_enough(harness: &'static Harness) {
    let commands: [(&[&str], bool); 5] = [
        (&["validate"], true),
        (&["validate", "--json"], true),
        (&["options"], true),
        (&["seed", "render", "--module", "master", "--scale", "small", "--as-of", "2025-01-06"], true),
        // The exit code is that of what was found.
        (&["doctor"], false),
    ];
    let records = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("loadtest/data/la_haute_borne_2014_06.csv.gz");
    let others = [
        ("loadtest", vec!["replay", "--describe", records.to_str().unwrap()]),
        ("genims-dev", vec!["down", "--dir", "nothing-here"]),
    ];
    let commands = commands.map(|(arguments, succeeds)| (arguments.to_vec(), harness.command(arguments), succeeds));
    let others = others.map(|(program, arguments)| (arguments.clone(), harness.other(program, &arguments), true));
    for (arguments, mut command, succeeds) in commands.into_iter().chain(others) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), succeeds, "{arguments:?}: {}\n{error}", output.status);
        assert!(!error.contains("panicked"), "{arguments:?}: {error}");
    }
}

fn a_waiting_server_stops(harness: &'static Harness) {
    let folder = harness.folder("waiting");
    // The kernel takes connections to it, and nobody ever answers one.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = taken.local_addr().unwrap();
    let urls = format!("GENIMS_POSTGRES_URL=postgresql://genims@{nobody}/postgres?sslmode=disable\n");
    std::fs::write(folder.join(".env"), urls).unwrap();
    let config = "data_dir = \"data\"\n[http]\nlisten = \"127.0.0.1:0\"\n[[sinks]]\ntype = \"postgres\"\n";
    std::fs::write(folder.join("genims.toml"), config).unwrap();
    let server = harness.spawn(&["--config", "genims.toml", "serve"], &folder);
    eventually("the log is open", PATIENCE, || server.log_text().contains("spool open"));
    server.terminate();
    let status = server.wait(PATIENCE).expect("it ends");
    let log = server.log_text();
    assert!(status.success() && log.contains("stopped before the listeners were opened"), "{status}: {log}");
    assert!(!log.contains("genims is serving"), "{log}");
}
