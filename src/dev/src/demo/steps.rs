//! The demo's steps: each is a command that a user could type, run as a child with its output shown.

use super::encryption::Encryption;
use super::readiness;
use super::report::Parts;
use anyhow::{Context, bail};
use genims_dev::{SERVER_DATA, Stack, free_port};
use genims_terminal::say;
use serde_json::Value;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const READY_WAIT: Duration = Duration::from_secs(60);
const STOP_WAIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// The two programs.
pub(super) struct Tools {
    genims: PathBuf,
    loadtest: PathBuf,
}

impl Tools {
    pub(super) fn find() -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("this program's own path is unknown")?;
        let beside = |name: &str| {
            let program = own.with_file_name(name);
            if !program.exists() {
                bail!("{} is missing; build it with: cargo build --release --workspace", program.display());
            }
            Ok(program)
        };
        Ok(Self { genims: beside("genims")?, loadtest: beside("loadtest")? })
    }
}

pub(super) fn announce(step: &str) {
    say!("==> {step}");
}

pub(super) struct Steps {
    tools: Tools,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
    addresses: Addresses,
    /// In clear without it.
    encryption: Option<Encryption>,
    /// Of the server's HTTP side.
    agent: ureq::Agent,
    server: Option<Child>,
}

/// Where the demo's server listens: free ports of the loopback interface.
struct Addresses {
    http: SocketAddr,
    mqtt: SocketAddr,
    tcp: SocketAddr,
    line: SocketAddr,
}

impl Steps {
    pub(super) fn new(tools: Tools, stack: &Stack, folder: &Path, tls: bool) -> anyhow::Result<Self> {
        let encryption = if tls { Some(Encryption::prepare(stack, folder)?) } else { None };
        let mongodb = stack.mongodb_url();
        let mongodb = encryption.as_ref().map_or(mongodb.clone(), |tls| tls.mongodb_url(&mongodb));
        let [http, mqtt, tcp, line] = free_addresses().context("no free port on 127.0.0.1")?;
        let addresses = Addresses { http, mqtt, tcp, line };
        let mut environment = vec![
            ("GENIMS_POSTGRES_URL", stack.postgres_url("postgres")),
            // The load harness knows no registry: it is told its two databases.
            ("GENIMS_MASTER_DB_URL", stack.postgres_url("genims_master_db")),
            ("GENIMS_OPERATIONS_DB_URL", stack.postgres_url("genims_operations_db")),
            ("GENIMS_MYSQL_URL", stack.mysql_url("")),
            ("GENIMS_MONGODB_URL", mongodb),
            ("GENIMS_DATA_DIR", folder.join(SERVER_DATA).to_string_lossy().into_owned()),
            ("GENIMS_HTTP_LISTEN", http.to_string()),
            ("GENIMS_MQTT_LISTEN", mqtt.to_string()),
            ("GENIMS_TCP_LISTEN", tcp.to_string()),
            ("GENIMS_LINE_LISTEN", line.to_string()),
        ];
        if let Some(Encryption { authority, .. }) = &encryption {
            let authority = authority.to_string_lossy().into_owned();
            environment.extend([("SSL_CERT_FILE", authority.clone()), ("GENIMS_TLS_CA_FILE", authority)]);
        }
        let agent = match &encryption {
            Some(tls) => tls.http_agent()?,
            None => ureq::agent(),
        };
        Ok(Self { tools, folder: folder.to_owned(), environment, addresses, encryption, agent, server: None })
    }

    /// Schemas, data and their proof; then server, load, real records and the proof of the stream.
    pub(super) fn all(&mut self, seconds: u64) -> anyhow::Result<Parts> {
        for command in ["provision", "seed", "verify", "doctor"] {
            announce(&format!("genims {command}"));
            self.summary(command)?;
        }
        self.serve()?;
        let run_file = self.folder.join("run.json");
        announce(&format!("loadtest run --plan config/loadtest/demo.toml --seconds {seconds}"));
        let plan = format!("{seconds}");
        self.run(self.loadtest(&["run", "--plan", "config/loadtest/demo.toml", "--seconds", &plan], &run_file))?;
        let replay_file = self.folder.join("replay.json");
        announce("loadtest replay (one month of ENGIE's wind farm La Haute Borne, Open Licence 2.0)");
        self.run(self.loadtest(&["replay", "--speed", "max"], &replay_file))?;
        let stats = self.quiet_stats()?;
        // Also what live traffic has written obeys the rules.
        announce("genims verify");
        let verify = self.verified()?;
        announce("genims verify --module ledger");
        self.run(self.genims(&["verify", "--module", "ledger"]))?;
        self.reported()?;
        let readiness = self.readiness()?;
        Ok(Parts { run: read_json(&run_file)?, replay: read_json(&replay_file)?, verify, stats, readiness })
    }

    /// Each database saved and brought back beside itself, then all that must hold before a plant goes live.
    fn readiness(&self) -> anyhow::Result<Value> {
        let backups = self.folder.join("backups");
        let backups = backups.to_string_lossy();
        announce("genims drill");
        let drill = self.told(&["drill", "--to", &backups, "--json"])?;
        announce("genims checklist");
        let url = self.dashboard();
        let checklist = self.told(&["checklist", "--backups", &backups, "--url", &url, "--json"])?;
        readiness::of(&drill, &checklist)
    }

    /// The report of a command, whose exit code is its verdict.
    fn told(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let started = Instant::now();
        let output = self.genims(arguments).stderr(Stdio::inherit()).output();
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
            let output = self.genims(&arguments).output().context("genims etl cannot run")?;
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
        let output = self.genims(&[command]).stderr(Stdio::inherit()).output();
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
        let log_path = self.folder.join("server.log");
        let log = File::create(&log_path).with_context(|| format!("{} cannot be written", log_path.display()))?;
        let server = self.genims(&["serve"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.server = Some(server.context("genims serve cannot start")?);
        say!("    {:<6} {}/", "http", self.dashboard());
        say!("    {:<6} {}", "mqtt", self.addresses.mqtt);
        say!("    {:<6} {}", "tcp", self.addresses.tcp);
        say!("    {:<6} {}", "line", self.addresses.line);
        say!("    {:<6} {}", "log", log_path.display());
        let deadline = Instant::now() + READY_WAIT;
        while self.agent.get(format!("{}/readyz", self.dashboard())).call().is_err() {
            let ended = self.server.as_mut().and_then(|server| server.try_wait().ok().flatten());
            if ended.is_some() || Instant::now() > deadline {
                bail!("the server did not get ready; its log: {}", log_path.display());
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// `/stats` once nothing is in flight any more.
    fn quiet_stats(&self) -> anyhow::Result<Value> {
        let deadline = Instant::now() + READY_WAIT;
        loop {
            let url = format!("{}/stats", self.dashboard());
            let text = self.agent.get(url).call().and_then(|mut answer| answer.body_mut().read_to_string());
            let stats: Value = serde_json::from_str(&text.context("the server does not answer")?)?;
            let lag = stats["sinks"].as_array().into_iter().flatten().any(|sink| sink["lag_records"] != 0);
            if (stats["total"]["in_flight"] == 0 && !lag) || Instant::now() > deadline {
                return Ok(stats);
            }
            std::thread::sleep(POLL);
        }
    }

    fn genims(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.tools.genims);
        command.args(arguments).envs(self.environment.iter().cloned());
        if let Some(Encryption { configuration, .. }) = &self.encryption {
            command.arg("--config").arg(configuration);
        }
        command
    }

    fn loadtest(&self, arguments: &[&str], json: &Path) -> Command {
        let mut command = Command::new(&self.tools.loadtest);
        command.args(arguments).envs(self.environment.iter().cloned());
        command.args(["--mqtt", &self.addresses.mqtt.to_string()]);
        command.args(["--tcp", &self.addresses.tcp.to_string()]);
        command.args(["--line", &self.addresses.line.to_string()]);
        command.args(["--http", &self.dashboard()]);
        if self.encryption.is_some() {
            command.arg("--tls");
        }
        if let Some(server) = &self.server {
            command.args(["--server-pid", &server.id().to_string()]);
        }
        // What an earlier run left must never be taken for this run's report; that there is none is as good.
        let _ = std::fs::remove_file(json);
        command.arg("--json").arg(json);
        command
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
        let Some(mut server) = self.server.take() else { return };
        announce("stopping genims serve");
        if let Some(pid) = rustix::process::Pid::from_raw(server.id() as i32) {
            // An error means that it has ended already; the wait below sees that.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let deadline = Instant::now() + STOP_WAIT;
        while matches!(server.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = server.kill();
                let _ = server.wait();
                return;
            }
            std::thread::sleep(POLL);
        }
    }

    /// Where the page is.
    pub(super) fn dashboard(&self) -> String {
        format!("{}://{}", if self.encryption.is_some() { "https" } else { "http" }, self.addresses.http)
    }

    pub(super) fn leave_running(&mut self, stack: &Stack) {
        let pid = self.server.take().map_or(0, |server| server.id());
        say!("\nEverything is left running:");
        say!("    genims serve, pid {pid}");
        say!("    mqtt {}  tcp {}  line {}", self.addresses.mqtt, self.addresses.tcp, self.addresses.line);
        say!("    {}", stack.postgres_url("genims_operations_db"));
        say!("    {}", stack.mongodb_url());
        if let Some(Encryption { authority, .. }) = &self.encryption {
            say!("    TLS everywhere; whoever connects has to trust {}", authority.display());
        }
        say!("Stop it with:\n    kill {pid}\n    genims-dev down --dir {} --delete", self.folder.display());
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.stop_server();
    }
}

/// Four different ones.
fn free_addresses() -> genims_dev::Result<[SocketAddr; 4]> {
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); 4];
    for address in &mut addresses {
        address.set_port(free_port(&[])?);
    }
    Ok(addresses)
}

fn read_json(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(path).with_context(|| format!("{} was not written", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} holds no JSON", path.display()))
}
