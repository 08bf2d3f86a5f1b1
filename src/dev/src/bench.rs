//! The two programs against a stack's databases: what the demo and the figures start, ask and stop.
//!
//! Enters: a stack, and the folder for what is written. Leaves: commands that know where everything is, and one `genims serve`,
//! which ends with this at the latest.

use crate::encryption::Encryption;
use anyhow::{Context, bail};
use genims_dev::{SERVER_DATA, Stack, free_port};
use genims_terminal::say;
use serde_json::Value;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that starts, a log that is taken by all databases.
pub(crate) const READY_WAIT: Duration = Duration::from_secs(60);
const STOP_WAIT: Duration = Duration::from_secs(60);
pub(crate) const POLL: Duration = Duration::from_millis(100);

/// The two programs.
pub(crate) struct Tools {
    genims: PathBuf,
    loadtest: PathBuf,
}

impl Tools {
    pub(crate) fn find() -> anyhow::Result<Self> {
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

pub(crate) fn announce(step: &str) {
    say!("==> {step}");
}

/// Where the server listens: free ports of the loopback interface.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) http: SocketAddr,
    pub(crate) mqtt: SocketAddr,
    pub(crate) tcp: SocketAddr,
    pub(crate) line: SocketAddr,
}

pub(crate) struct Bench {
    tools: Tools,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
    pub(crate) addresses: Addresses,
    /// Commands run in the folder, without the variables of whoever calls.
    is_apart: bool,
    /// In clear without it.
    pub(crate) encryption: Option<Encryption>,
    /// Of the server's HTTP side.
    agent: ureq::Agent,
    server: Option<Child>,
}

impl Bench {
    pub(crate) fn new(tools: Tools, stack: &Stack, folder: &Path) -> anyhow::Result<Self> {
        let [http, mqtt, tcp, line] = free_addresses().context("no free port on 127.0.0.1")?;
        let addresses = Addresses { http, mqtt, tcp, line };
        let environment = vec![
            ("GENIMS_POSTGRES_URL", stack.postgres_url("postgres")),
            // The load harness knows no registry: it is told its two databases.
            ("GENIMS_MASTER_DB_URL", stack.postgres_url("genims_master_db")),
            ("GENIMS_OPERATIONS_DB_URL", stack.postgres_url("genims_operations_db")),
            ("GENIMS_MYSQL_URL", stack.mysql_url("")),
            ("GENIMS_MONGODB_URL", stack.mongodb_url()),
            ("GENIMS_DATA_DIR", folder.join(SERVER_DATA).to_string_lossy().into_owned()),
            ("GENIMS_HTTP_LISTEN", http.to_string()),
            ("GENIMS_MQTT_LISTEN", mqtt.to_string()),
            ("GENIMS_TCP_LISTEN", tcp.to_string()),
            ("GENIMS_LINE_LISTEN", line.to_string()),
        ];
        let (folder, agent) = (folder.to_owned(), ureq::agent());
        Ok(Self { tools, folder, environment, addresses, is_apart: false, encryption: None, agent, server: None })
    }

    /// TLS for all connections.
    pub(crate) fn encrypted(mut self, stack: &Stack) -> anyhow::Result<Self> {
        let encryption = Encryption::prepare(stack, &self.folder)?;
        self.agent = encryption.http_agent()?;
        let authority = encryption.authority.to_string_lossy().into_owned();
        // The last of a name is what counts.
        self.environment.extend([
            ("GENIMS_MONGODB_URL", encryption.mongodb_url(&stack.mongodb_url())),
            ("SSL_CERT_FILE", authority.clone()),
            ("GENIMS_TLS_CA_FILE", authority),
        ]);
        self.encryption = Some(encryption);
        Ok(self)
    }

    /// Neither a `.env` where it is called from nor variables of the caller name other databases; its folder is absolute.
    pub(crate) fn apart(mut self) -> Self {
        self.is_apart = true;
        self
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Of the server's HTTP side.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", if self.encryption.is_some() { "https" } else { "http" }, self.addresses.http)
    }

    pub(crate) fn log_file(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// Starts the server, with a configuration of its own if one is named, and waits until it takes records.
    pub(crate) fn serve(&mut self, config: Option<&Path>) -> anyhow::Result<()> {
        let log_path = self.log_file();
        let log = File::create(&log_path).with_context(|| format!("{} cannot be written", log_path.display()))?;
        let mut command = self.genims(&[]);
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        command.arg("serve").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.server = Some(command.spawn().context("genims serve cannot start")?);
        let deadline = Instant::now() + READY_WAIT;
        while self.agent.get(format!("{}/readyz", self.url())).call().is_err() {
            let ended = self.server.as_mut().and_then(|server| server.try_wait().ok().flatten());
            if ended.is_some() || Instant::now() > deadline {
                bail!("the server did not get ready; its log: {}", log_path.display());
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn stats(&self) -> anyhow::Result<Value> {
        let url = format!("{}/stats", self.url());
        let text = self.agent.get(url).call().and_then(|mut answer| answer.body_mut().read_to_string());
        serde_json::from_str(&text.context("the server does not answer")?).context("/stats holds no JSON")
    }

    /// `/stats` once nothing is in flight any more, or when that has been waited for long enough.
    pub(crate) fn quiet_stats(&self, wait: Duration) -> anyhow::Result<Value> {
        let deadline = Instant::now() + wait;
        loop {
            let stats = self.stats()?;
            if is_quiet(&stats) || Instant::now() > deadline {
                return Ok(stats);
            }
            std::thread::sleep(POLL);
        }
    }

    pub(crate) fn genims(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&self.tools.genims);
        if let Some(Encryption { configuration, .. }) = &self.encryption {
            command.arg("--config").arg(configuration);
        }
        command.args(arguments);
        command
    }

    /// Where the listeners are says the environment; its addresses have no scheme.
    pub(crate) fn loadtest(&self, arguments: &[&str], json: &Path) -> Command {
        let mut command = self.command(&self.tools.loadtest);
        command.args(arguments);
        if self.encryption.is_some() {
            command.args(["--tls", "--http", &self.url()]);
        }
        if let Some(server) = &self.server {
            command.args(["--server-pid", &server.id().to_string()]);
        }
        // What an earlier run left must never be taken for this run's report; that there is none is as good.
        let _ = std::fs::remove_file(json);
        command.arg("--json").arg(json);
        command
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if self.is_apart {
            command.current_dir(&self.folder);
            let ours = |name: &std::ffi::OsString| name.as_encoded_bytes().starts_with(b"GENIMS_");
            std::env::vars_os().map(|(name, _)| name).filter(ours).for_each(|name| {
                command.env_remove(name);
            });
        }
        command.envs(self.environment.iter().cloned());
        command
    }

    pub(crate) fn stop_server(&mut self) {
        let Some(mut server) = self.server.take() else { return };
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

    pub(crate) fn is_serving(&self) -> bool {
        self.server.is_some()
    }

    /// Its pid, where it was started; it runs on without us.
    pub(crate) fn let_go(&mut self) -> Option<u32> {
        self.server.take().map(|server| server.id())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop_server();
    }
}

/// Whether all that was received stands where it belongs.
pub(crate) fn is_quiet(stats: &Value) -> bool {
    let lags = stats["sinks"].as_array().into_iter().flatten().any(|sink| sink["lag_records"] != 0);
    stats["total"]["in_flight"] == 0 && !lags
}

/// Four different ones.
fn free_addresses() -> genims_dev::Result<[SocketAddr; 4]> {
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); 4];
    for address in &mut addresses {
        address.set_port(free_port(&[])?);
    }
    Ok(addresses)
}

pub(crate) fn read_json(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(path).with_context(|| format!("{} was not written", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} holds no JSON", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quiet_is_when_no_record_is_on_its_way() {
        let sinks = |lag: u64| json!([{ "lag_records": 0 }, { "lag_records": lag }]);
        let stats = |in_flight: u64, lag: u64| json!({ "total": { "in_flight": in_flight }, "sinks": sinks(lag) });
        assert!(is_quiet(&stats(0, 0)));
        assert!(!is_quiet(&stats(1, 0)) && !is_quiet(&stats(0, 1)));
    }
}
