//! A mosquitto of a test's own, and its command line tools.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What a test waits at most for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// A mosquitto of our own, stopped with the test.
pub(crate) struct Broker {
    pub(crate) folder: TempDir,
    pub(crate) port: u16,
    process: Option<Child>,
}

impl Broker {
    pub(crate) fn new(more: &str) -> Self {
        let folder = TempDir::with_prefix("genims-bridge-").expect("a temporary folder");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("bound").port();
        let path = folder.path().display().to_string();
        let access = if more.contains("password_file") { "" } else { "allow_anonymous true\n" };
        let conf = format!(
            "user root\nlistener {port} 127.0.0.1\npersistence true\npersistence_location {path}/\n{access}{}\n",
            more.replace("{folder}", &path)
        );
        std::fs::write(folder.path().join("conf"), conf).expect("written");
        Self { folder, port, process: None }
    }

    pub(crate) fn started(more: &str) -> Self {
        let mut broker = Self::new(more);
        broker.start();
        broker
    }

    pub(crate) fn start(&mut self) {
        let mut command = Command::new("mosquitto");
        command.arg("-c").arg(self.folder.path().join("conf")).stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(command.spawn().expect("mosquitto is installed"));
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(Instant::now() < deadline, "mosquitto does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it in order, so that it saves its sessions.
    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let pid = rustix::process::Pid::from_child(&process);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
            process.wait().expect("it ends");
        }
    }

    /// Publishes one message per value, each after the other, and returns when the broker has them.
    pub(crate) async fn publish(&self, topic: &str, qos: u8, values: impl Iterator<Item = u32>) {
        let lines: String = values.map(|value| format!("{value}\n")).collect();
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-t", topic, "-q", &qos.to_string(), "-l"]);
        let mut process = command.stdin(Stdio::piped()).spawn().expect("mosquitto_pub is installed");
        process.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("it reads");
        let status = tokio::task::spawn_blocking(move || process.wait()).await.expect("joined").expect("it ends");
        assert!(status.success());
    }

    /// Publishes one message of any content, with QoS 1.
    pub(crate) async fn publish_bytes(&self, topic: &str, payload: &[u8]) {
        self.send(&["-t", topic, "-q", "1"], payload).await;
    }

    /// The same, retained.
    pub(crate) async fn retain(&self, topic: &str, payload: &[u8]) {
        self.send(&["-t", topic, "-q", "1", "-r"], payload).await;
    }

    async fn send(&self, arguments: &[&str], payload: &[u8]) {
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-s"]).args(arguments);
        let mut process = command.stdin(Stdio::piped()).spawn().expect("mosquitto_pub is installed");
        process.stdin.take().expect("piped").write_all(payload).expect("it reads");
        let status = tokio::task::spawn_blocking(move || process.wait()).await.expect("joined").expect("it ends");
        assert!(status.success());
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}
