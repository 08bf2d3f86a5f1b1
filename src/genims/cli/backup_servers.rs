//! `genims backup servers`: what was kept of whole servers, as text or JSON; exit code 1 when a server was not.

use super::backup_shown::{on, print_encrypted, size};
use super::conclude;
use genims_backup::backup::BackupProgress;
use genims_backup::encryption::Recipients;
use genims_backup::servers::{self, HeldSpan, KeptServer, ServersReport};
use genims_databases::{Database, Environment, Registry};
use genims_model::counted;
use genims_terminal::{Progress, say};
use std::path::Path;
use std::process::ExitCode;

pub(super) async fn keep(
    registry: &Registry,
    environment: &Environment,
    databases: &[&Database],
    to: &Path,
    recipients: Option<&Recipients>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let bar = Progress::new("backup", "servers");
    let show = |progress: BackupProgress<'_>| on(&bar, progress);
    let report = servers::run(registry, environment, databases, to, recipients, &show).await;
    drop(bar);
    let report = report?;
    conclude(&report, json, print, report.ok())
}

fn print(report: &ServersReport) {
    report.servers.iter().for_each(print_server);
    if !report.left_out.is_empty() {
        say!("no moments of their own: {}", report.left_out.join(", "));
    }
    let kept = report.servers.iter().filter(|server| server.error.is_none()).count();
    say!("{kept} of {} kept, {:.2} s", counted(report.servers.len(), "server"), report.seconds);
    print_encrypted(&report.encrypted_for);
}

fn print_server(server: &KeptServer) {
    let (place, seconds, bytes) = (&server.place, server.seconds, size(server.bytes));
    match &server.error {
        Some(error) => {
            say!("{place:24} {seconds:>7.2} s  FAILED");
            say!("    {error}");
        }
        None => say!("{place:24} {seconds:>7.2} s {bytes:>10}  {}", told(&server.held)),
    }
    if let Some(path) = &server.copied {
        say!("    copied to {}", path.display());
    }
    if let Some(remark) = &server.remark {
        say!("    {remark}: moments between are not held");
    }
    if server.removed > 0 {
        say!("    {} removed", counted(server.removed, "older copy"));
    }
}

/// The moments that can be reached.
pub(super) fn told(held: &[HeldSpan]) -> String {
    if held.is_empty() {
        return "no moment is held".to_owned();
    }
    let time = "%Y-%m-%d %H:%M:%S";
    let spans = held.iter().map(|span| format!("{} to {} UTC", span.from.format(time), span.until.format(time)));
    format!("any moment of {}", spans.collect::<Vec<_>>().join(", "))
}
