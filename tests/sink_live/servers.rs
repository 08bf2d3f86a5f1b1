//! A private PostgreSQL 15 and a private mongod below /tmp, stopped by their own pid when the test ends.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

const POSTGRES_BIN: &str = "/usr/lib/postgresql/15/bin";
const OPERATIONS_SCHEMA: &str = include_str!("operations.sql");

pub(crate) struct Postgres {
    folder: TempDir,
    port: u16,
    user: Option<(u32, u32)>,
    server: Option<Child>,
    settings: &'static [&'static str],
}

impl Postgres {
    /// Starts an empty server with the operations tables and the sink's bookkeeping.
    pub(crate) async fn start() -> Self {
        Self::start_with(&["fsync=off"]).await
    }

    pub(crate) async fn start_with(settings: &'static [&'static str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let user = rustix::process::geteuid().is_root().then(postgres_user);
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).expect("a folder for postgres");
        }
        let mut postgres = Self { folder, port: free_port(), user, server: None, settings };
        let data = postgres.data();
        let made = postgres
            .command("initdb")
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "-D"])
            .arg(&data)
            .output()
            .expect("initdb");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        postgres.up().await;
        let client = postgres.connect().await;
        client.batch_execute(OPERATIONS_SCHEMA).await.expect("operations schema");
        client.batch_execute(genims::sink::postgres::INTERNAL_SCHEMA).await.expect("internal schema");
        postgres
    }

    pub(crate) async fn up(&mut self) {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-k"]);
        command.arg(self.folder.path());
        for setting in self.settings {
            command.args(["-c", setting]);
        }
        let log = fs::File::create(self.folder.path().join("log")).expect("a log file");
        self.server = Some(command.stdout(Stdio::null()).stderr(log).spawn().expect("postgres"));
        let deadline = Instant::now() + Duration::from_secs(30);
        while tokio_postgres::connect(&self.url(), NoTls).await.is_err() {
            assert!(Instant::now() < deadline, "postgres does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops at once, as a power failure would.
    pub(crate) fn kill(&mut self) {
        stop(self.server.take(), rustix::process::Signal::QUIT);
    }

    pub(crate) fn url(&self) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname=postgres connect_timeout=5", self.port)
    }

    pub(crate) async fn connect(&self) -> Client {
        connect(self.url()).await.expect("a connection")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(Path::new(POSTGRES_BIN).join(name));
        command.current_dir(self.folder.path());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) async fn connect(url: String) -> Result<Client, genims::sink::Cause> {
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// What a server refuses to run as anything but.
fn postgres_user() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let line = users.lines().find(|line| line.starts_with("postgres:")).expect("a user postgres");
    let number = |field: usize| line.split(':').nth(field).and_then(|text| text.parse().ok()).expect("a number");
    (number(2), number(3))
}

pub(crate) struct Mongo {
    folder: TempDir,
    port: u16,
    server: Option<Child>,
}

impl Mongo {
    pub(crate) async fn start() -> Self {
        let mut mongo = Self { folder: TempDir::new().expect("a folder"), port: free_port(), server: None };
        mongo.up().await;
        mongo
    }

    pub(crate) async fn up(&mut self) {
        let binary = std::env::var("GENIMS_MONGOD").unwrap_or_else(|_| "mongod".to_owned());
        let log = fs::File::create(self.folder.path().join("log")).expect("a log file");
        let server = Command::new(binary)
            .args(["--bind_ip", "127.0.0.1", "--port", &self.port.to_string(), "--wiredTigerCacheSizeGB", "0.5"])
            .args(["--setParameter", "enableTestCommands=1", "--dbpath"])
            .arg(self.folder.path())
            .stdout(log)
            .spawn()
            .expect("mongod; GENIMS_MONGOD says where it is");
        self.server = Some(server);
        let deadline = Instant::now() + Duration::from_secs(30);
        let client = self.client().await;
        while client.database("admin").run_command(bson::doc! { "ping": 1 }).await.is_err() {
            assert!(Instant::now() < deadline, "mongod does not answer");
        }
    }

    pub(crate) fn kill(&mut self) {
        stop(self.server.take(), rustix::process::Signal::KILL);
    }

    pub(crate) async fn client(&self) -> mongodb::Client {
        let url = format!("mongodb://127.0.0.1:{}/?serverSelectionTimeoutMS=1000&appName=genims-test", self.port);
        mongodb::Client::with_uri_str(url).await.expect("a client")
    }
}

impl Drop for Mongo {
    fn drop(&mut self) {
        self.kill();
    }
}

fn stop(server: Option<Child>, signal: rustix::process::Signal) {
    if let Some(mut server) = server {
        let pid = rustix::process::Pid::from_child(&server);
        let _ = rustix::process::kill_process(pid, signal);
        let _ = server.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
