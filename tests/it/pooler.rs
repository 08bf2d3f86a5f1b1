//! A private PgBouncer: Debian's, with nothing in its configuration that would make our life easier.

use crate::harness::Harness;
use crate::running::{Running, eventually};
use crate::server::{PATIENCE, free_addresses};
use genims_dev::{Server, Stack};
use std::fs::Permissions;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Fewer than the clients: each gets now this connection, now that.
const POOL_SIZE: usize = 3;

/// Ends with its test.
pub(crate) struct Pooler {
    pub(crate) port: u16,
    running: Running,
}

impl Pooler {
    /// In front of all databases of the stack's PostgreSQL. `mode` is `session` or `transaction`.
    pub(crate) fn start(harness: &Harness, stack: &Stack, mode: &str) -> Self {
        Self::sized(harness, stack, mode, if mode == "session" { 20 } else { POOL_SIZE })
    }

    /// With so many connections to each database.
    pub(crate) fn sized(harness: &Harness, stack: &Stack, mode: &str, size: usize) -> Self {
        let folder = harness.folder("pgbouncer");
        let [address] = free_addresses();
        let port = address.port();
        let users = folder.join("users.txt");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = {mode}\n\
             default_pool_size = {size}\nserver_round_robin = 1\n",
            stack.port(Server::Postgres),
            users.display()
        );
        let settings = folder.join("pgbouncer.ini");
        std::fs::write(&settings, text).unwrap();
        std::fs::write(&users, format!("\"postgres\" \"{}\"\n", stack.password())).unwrap();
        let mut command = Command::new(program());
        command.current_dir(&folder);
        if rustix::process::geteuid().is_root() {
            // It refuses root, and reads its files as whom it becomes.
            std::fs::set_permissions(&users, Permissions::from_mode(0o644)).unwrap();
            command.args(["-u", "postgres"]);
        }
        command.arg(&settings);
        let running = Running::spawn(command, folder.join("pgbouncer.log"));
        let pooler = Self { port, running };
        eventually("pgbouncer listens", PATIENCE, || {
            let ended = pooler.running.wait(std::time::Duration::ZERO);
            assert!(ended.is_none(), "{ended:?}: {}", pooler.running.log_text());
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        pooler
    }

    /// A URL of the stack, through the pooler.
    pub(crate) fn url(&self, stack: &Stack, database: &str) -> String {
        stack
            .postgres_url(database)
            .replace(&format!(":{}/", stack.port(Server::Postgres)), &format!(":{}/", self.port))
    }
}

/// Debian keeps it beside the PATH of an ordinary user.
fn program() -> &'static str {
    if std::path::Path::new("/usr/sbin/pgbouncer").exists() { "/usr/sbin/pgbouncer" } else { "pgbouncer" }
}
