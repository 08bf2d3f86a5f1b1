//! Where the figures are taken: a private stack that is provisioned and seeded, and a server before it, as often as one is wanted.
//!
//! Enters: the repository's `config`. Leaves: reports of load, answers of commands. Invariant: nothing of an earlier run is there.

use crate::bench::{Bench, Tools, announce, is_quiet, read_json};
use anyhow::{Context, bail};
use genims_dev::{SERVER_DATA, Server, Stack, StackOptions, free_port};
use genims_terminal::Progress;
use serde_json::Value;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// What a stopped server missed comes in by then.
const BACKLOG_WAIT: Duration = Duration::from_secs(180);
const CONFIG: &str = "config/genims.toml";
/// With them the harness asks the databases what has arrived.
const JUDGES: [&str; 3] = ["GENIMS_POSTGRES_URL", "GENIMS_OPERATIONS_DB_URL", "GENIMS_MONGODB_URL"];

/// What the server is started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setup {
    /// As the repository's configuration says.
    Shipped,
    WithoutRoutes,
    /// No sinks and no routes, a log of its own, and a second listener with TLS.
    Tls,
}

impl Setup {
    fn file(self) -> &'static str {
        match self {
            Self::Shipped => "shipped.toml",
            Self::WithoutRoutes => "without_routes.toml",
            Self::Tls => "tls.toml",
        }
    }
}

/// One run of the harness.
pub(super) struct Load<'a> {
    /// Of its report, and for people.
    pub(super) name: String,
    /// In `config/loadtest`.
    pub(super) plan: &'a str,
    pub(super) arguments: &'a [&'a str],
    pub(super) is_judged: bool,
}

pub(super) struct Lab {
    pub(super) stack: Stack,
    pub(super) bench: Bench,
    pub(super) tls: SocketAddr,
    /// Where `config` is.
    root: PathBuf,
}

impl Lab {
    pub(super) fn open(folder: &Path, scale: &str) -> anyhow::Result<Self> {
        let root = std::env::current_dir().context("the working directory is unknown; change into one that exists")?;
        if !root.join(CONFIG).exists() {
            bail!("there is no {CONFIG} here: run it in the folder of the repository");
        }
        match Stack::open(folder)? {
            Some(old) => old.delete(None)?,
            None => gone(&folder.join(SERVER_DATA))?,
        }
        announce(&format!("a {scale} platform in {}", folder.display()));
        let (tools, tls) = (Tools::find()?, SocketAddr::from((Ipv4Addr::LOCALHOST, free_port(&[])?)));
        let servers = vec![Server::Postgres, Server::Mariadb, Server::Mongodb];
        let stack = Stack::start(&StackOptions { dir: folder.to_owned(), servers, ..StackOptions::default() })?;
        let folder = stack.folder().to_owned();
        let bench = match Bench::new(tools, &stack, &folder) {
            Ok(bench) => bench.apart(),
            Err(error) => {
                stack.stop()?;
                return Err(error);
            }
        };
        let lab = Self { stack, bench, tls, root };
        if let Err(error) = lab.fill(scale) {
            // Why it is left matters more than what may be left of it.
            let _ = lab.leave();
            return Err(error);
        }
        Ok(lab)
    }

    fn fill(&self, scale: &str) -> anyhow::Result<()> {
        self.write_configurations()?;
        self.genims(&["provision"])?;
        self.genims(&["seed", "--scale", scale]).map(drop)
    }

    fn write_configurations(&self) -> anyhow::Result<()> {
        let path = self.root.join(CONFIG);
        let shipped = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let [certificate, key] = self.stack.certificate_files();
        let bare = without(&without(&shipped, "[routes]"), "[[sinks]]");
        let secured = format!(
            "{}\n[[listeners]]\ntype = \"mqtt\"\nname = \"mqtt-tls\"\nlisten = \"{}\"\n\
             [listeners.tls]\ncert_file = {certificate:?}\nkey_file = {key:?}\n",
            with_data_dir(&bare, &self.tls_data()),
            self.tls
        );
        let texts =
            [(Setup::WithoutRoutes, without(&shipped, "[routes]")), (Setup::Tls, secured), (Setup::Shipped, shipped)];
        for (setup, text) in texts {
            let path = self.bench.folder().join(setup.file());
            fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(())
    }

    fn tls_data(&self) -> PathBuf {
        self.bench.folder().join("tls")
    }

    /// Starts a server; returns once it has nothing left to do.
    pub(super) fn serve(&mut self, setup: Setup) -> anyhow::Result<()> {
        if setup == Setup::Tls {
            gone(&self.tls_data())?;
        }
        let config = self.bench.folder().join(setup.file());
        self.bench.serve(Some(&config))?;
        self.quiet().map(drop)
    }

    /// `/stats` once nothing is in flight any more.
    pub(super) fn quiet(&self) -> anyhow::Result<Value> {
        let stats = self.bench.quiet_stats(BACKLOG_WAIT)?;
        if !is_quiet(&stats) {
            let log = self.bench.log_file();
            bail!(
                "records are still on their way after {} s; the server's log: {}",
                BACKLOG_WAIT.as_secs(),
                log.display()
            );
        }
        Ok(stats)
    }

    /// Runs a plan to its end; a run whose verdict is not clean measures nothing.
    pub(super) fn load(&self, load: &Load<'_>) -> anyhow::Result<Value> {
        let Load { name, plan, arguments, is_judged } = load;
        let plan = self.root.join("config/loadtest").join(plan).to_string_lossy().into_owned();
        let [json, log] = ["json", "log"].map(|ending| self.bench.folder().join(format!("{name}.{ending}")));
        let said = File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
        let errors = said.try_clone().with_context(|| format!("{} cannot be written", log.display()))?;
        let mut command = self.bench.loadtest(&[&["run", "--plan", plan.as_str()][..], *arguments].concat(), &json);
        if !is_judged {
            JUDGES.iter().for_each(|variable| {
                command.env_remove(variable);
            });
        }
        let progress = Progress::new("figures", "");
        progress.show(name);
        let status = command.stdin(Stdio::null()).stdout(said).stderr(errors).status();
        drop(progress);
        let status = status.context("loadtest cannot run")?;
        if !status.success() {
            bail!("{name}: loadtest ended with {status}; what it said: {}", log.display());
        }
        read_json(&json)
    }

    /// Runs a command of the platform; what it printed.
    pub(super) fn genims(&self, arguments: &[&str]) -> anyhow::Result<String> {
        announce(&format!("genims {}", arguments.join(" ")));
        // Its progress is ours.
        let output = self.bench.genims(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("genims {} cannot run", arguments.join(" ")))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("genims {} ended with {}:\n{said}", arguments.join(" "), output.status);
        }
        Ok(said)
    }

    pub(super) fn close(mut self) -> anyhow::Result<()> {
        self.bench.stop_server();
        let folder = self.stack.folder().to_owned();
        self.stack.delete(None)?;
        gone(&folder)
    }

    /// Stops everything; what was written stays.
    pub(super) fn leave(mut self) -> anyhow::Result<()> {
        self.bench.stop_server();
        Ok(self.stack.stop()?)
    }
}

fn gone(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot delete {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// A configuration without the tables of this header.
fn without(config: &str, header: &str) -> String {
    let mut is_in = false;
    let mut kept = String::new();
    for line in config.lines() {
        if line.starts_with('[') {
            is_in = line.starts_with(header);
        }
        if !is_in {
            kept.extend([line, "\n"]);
        }
    }
    kept
}

fn with_data_dir(config: &str, folder: &Path) -> String {
    let line = |line: &str| match line.starts_with("data_dir") {
        true => format!("data_dir = {folder:?}\n"),
        false => format!("{line}\n"),
    };
    config.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../../config/genims.toml");

    fn headers(config: &str) -> Vec<&str> {
        config.lines().filter(|line| line.starts_with('[')).collect()
    }

    #[test]
    fn only_the_named_tables_are_left_out_of_the_shipped_configuration() {
        let (all, cut) = (headers(SHIPPED), without(&without(SHIPPED, "[routes]"), "[[sinks]]"));
        let expected: Vec<&str> =
            all.iter().copied().filter(|header| !["[routes]", "[[sinks]]"].contains(header)).collect();
        assert_eq!(all.len(), expected.len() + 3, "{all:?}");
        assert_eq!(headers(&cut), expected);
        assert!(!cut.contains("of the log of events"), "{cut}");
    }

    #[test]
    fn the_shipped_configuration_has_one_data_folder() {
        let moved = with_data_dir(SHIPPED, Path::new("/somewhere"));
        let named: Vec<&str> = moved.lines().filter(|line| line.starts_with("data_dir")).collect();
        assert_eq!(named, ["data_dir = \"/somewhere\""]);
    }
}
