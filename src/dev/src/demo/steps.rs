//! The demo's steps: each is a command that a user could type, run as a child with its output shown.

use super::readiness;
use super::report::Parts;
use crate::bench::{Bench, POLL, READY_WAIT, Tools, announce, read_json};
use crate::encryption::Encryption;
use anyhow::{Context, bail};
use genims_dev::Stack;
use genims_terminal::say;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// In the demo's folder.
pub(super) const BACKUPS: &str = "backups";

pub(super) struct Steps {
    bench: Bench,
}

impl Steps {
    pub(super) fn new(tools: Tools, stack: &Stack, folder: &Path, tls: bool) -> anyhow::Result<Self> {
        let bench = Bench::new(tools, stack, folder)?;
        Ok(Self { bench: if tls { bench.encrypted(stack)? } else { bench } })
    }

    /// Schemas, data and their proof; then server, load, real records and the proof of the stream.
    pub(super) fn all(&mut self, seconds: u64) -> anyhow::Result<Parts> {
        for command in ["provision", "seed", "verify", "doctor"] {
            announce(&format!("genims {command}"));
            self.summary(command)?;
        }
        self.serve()?;
        let run_file = self.bench.folder().join("run.json");
        announce(&format!("loadtest run --plan config/loadtest/demo.toml --seconds {seconds}"));
        let plan = format!("{seconds}");
        self.run(self.bench.loadtest(&["run", "--plan", "config/loadtest/demo.toml", "--seconds", &plan], &run_file))?;
        let replay_file = self.bench.folder().join("replay.json");
        announce("loadtest replay (one month of ENGIE's wind farm La Haute Borne, Open Licence 2.0)");
        self.run(self.bench.loadtest(&["replay", "--speed", "max"], &replay_file))?;
        let stats = self.bench.quiet_stats(READY_WAIT)?;
        // Also what live traffic has written obeys the rules.
        announce("genims verify");
        let verify = self.verified()?;
        announce("genims verify --module ledger");
        self.run(self.bench.genims(&["verify", "--module", "ledger"]))?;
        self.reported()?;
        let readiness = self.readiness()?;
        Ok(Parts { run: read_json(&run_file)?, replay: read_json(&replay_file)?, verify, stats, readiness })
    }

    /// Each database saved and brought back beside itself, then all that must hold before a plant goes live.
    fn readiness(&self) -> anyhow::Result<Value> {
        let backups = self.bench.folder().join(BACKUPS);
        let backups = backups.to_string_lossy();
        announce("genims drill");
        let drill = self.told(&["drill", "--to", &backups, "--json"])?;
        announce("genims checklist");
        let url = self.bench.url();
        let checklist = self.told(&["checklist", "--backups", &backups, "--url", &url, "--json"])?;
        readiness::of(&drill, &checklist)
    }

    /// The report of a command, whose exit code is its verdict.
    fn told(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let started = Instant::now();
        // Its progress is ours.
        let output = self.bench.genims(arguments).stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("genims {} cannot run", arguments[0]))?;
        let report = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("genims {} ended with {} and no report", arguments[0], output.status))?;
        say!("    {:.1} s", started.elapsed().as_secs_f64());
        Ok(report)
    }

    /// What each hour brings: facts and reports of the run. The server's own schedule may be at them.
    fn reported(&self) -> anyhow::Result<()> {
        let arguments = ["etl", "run", "fault_facts", "machine_performance"];
        announce(&format!("genims {}", arguments.join(" ")));
        let started = Instant::now();
        loop {
            let output = self.bench.genims(&arguments).output().context("genims etl cannot run")?;
            if output.status.success() {
                say!("    {:.1} s", started.elapsed().as_secs_f64());
                return Ok(());
            }
            if started.elapsed() > READY_WAIT {
                bail!("genims etl ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stdout));
            }
            std::thread::sleep(POLL);
        }
    }

    /// The verdict over all databases; of its findings those about the ledger, and all that complain.
    fn verified(&self) -> anyhow::Result<Value> {
        let mut verdict = self.told(&["verify", "--json"])?;
        let mut looked_at = 0;
        if let Some(findings) = verdict["findings"].as_array_mut() {
            looked_at = findings.len();
            findings.retain(|finding| finding["family"] == "ledger" || finding["passed"] != true);
        }
        if verdict["passed"] != true {
            bail!("genims verify found:\n{}", serde_json::to_string_pretty(&verdict)?);
        }
        say!("    {looked_at} rules, references and counts hold");
        Ok(verdict)
    }

    /// Runs a command of the platform and shows what it ends with; all of it when it fails.
    fn summary(&self, command: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        // Its progress is ours.
        let output = self.bench.genims(&[command]).stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("genims {command} cannot run"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("genims {command} ended with {}:\n{said}", output.status);
        }
        say!("    {}", said.trim_end().lines().last().unwrap_or_default());
        say!("    {:.1} s", started.elapsed().as_secs_f64());
        Ok(())
    }

    fn serve(&mut self) -> anyhow::Result<()> {
        announce("genims serve");
        let addresses = self.bench.addresses;
        say!("    {:<6} {}/", "http", self.bench.url());
        say!("    {:<6} {}", "mqtt", addresses.mqtt);
        say!("    {:<6} {}", "tcp", addresses.tcp);
        say!("    {:<6} {}", "line", addresses.line);
        say!("    {:<6} {}", "log", self.bench.log_file().display());
        self.bench.serve(None)
    }

    /// Runs a step to its end; a verdict that is not clean is reported, not hidden, so that the report is still made.
    fn run(&self, mut command: Command) -> anyhow::Result<()> {
        let started = Instant::now();
        let program = command.get_program().to_string_lossy().into_owned();
        let status = command.status().with_context(|| format!("{program} cannot run"))?;
        say!("    {:.1} s", started.elapsed().as_secs_f64());
        let verdict = command.get_args().any(|argument| argument == "--json");
        if !status.success() && !verdict {
            bail!("{program} ended with {status}");
        }
        Ok(())
    }

    pub(super) fn stop_server(&mut self) {
        if self.bench.is_serving() {
            announce("stopping genims serve");
            self.bench.stop_server();
        }
    }

    /// Where the page is.
    pub(super) fn dashboard(&self) -> String {
        self.bench.url()
    }

    pub(super) fn leave_running(&mut self, stack: &Stack) {
        let pid = self.bench.let_go();
        let addresses = self.bench.addresses;
        say!("\nEverything is left running:");
        match pid {
            Some(pid) => say!("    genims serve, pid {pid}"),
            None => say!("    but genims serve, which had not been started yet"),
        }
        say!("    mqtt {}  tcp {}  line {}", addresses.mqtt, addresses.tcp, addresses.line);
        say!("    {}", stack.postgres_url("genims_operations_db"));
        say!("    {}", stack.mongodb_url());
        if let Some(Encryption { authority, .. }) = &self.bench.encryption {
            say!("    TLS everywhere; whoever connects has to trust {}", authority.display());
        }
        let folder = self.bench.folder().display();
        say!("Stop it with:");
        if let Some(pid) = pid {
            say!("    kill {pid}");
        }
        say!("    genims-dev down --dir {folder} --delete");
    }
}
