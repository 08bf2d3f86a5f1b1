//! PostgreSQL: a cluster of its own, on 127.0.0.1 only, scram-sha-256 always, TLS offered, no Unix socket.

use super::error::{DevstackError, Result};
use super::{Launch, Server, run_to_end};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

pub(super) const SUPERUSER: &str = "postgres";
const SETTINGS_FILE: &str = "genims.conf";

pub(super) fn initialise(launch: &Launch<'_>) -> Result<()> {
    let data = launch.place.server(Server::Postgres);
    let mut initdb = launch.command("initdb")?;
    initdb.arg("--pgdata").arg(&data).args(["--username", SUPERUSER]).arg("--pwfile").arg(launch.place.password_file());
    initdb.args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"]);
    run_to_end(&mut initdb)?;
    let path = data.join("postgresql.conf");
    let mut text = fs::read_to_string(&path).map_err(DevstackError::io("read", &path))?;
    text.push_str(&format!("\n# Rewritten at every start of the stack.\ninclude = '{SETTINGS_FILE}'\n"));
    launch.place.account.write_secret(&path, text.as_bytes())
}

/// The command that runs the server; writes its settings first.
pub(super) fn command(launch: &Launch<'_>) -> Result<Command> {
    let data = launch.place.server(Server::Postgres);
    let lz4 = has_lz4(launch.programs.path("postgres")?);
    launch.place.account.write_secret(&data.join(SETTINGS_FILE), settings(launch, lz4).as_bytes())?;
    let mut command = launch.command("postgres")?;
    command.arg("-D").arg(&data);
    Ok(command)
}

/// Durability is untouched: `fsync`, `full_page_writes` and `synchronous_commit` keep their default, on. What is raised
/// is memory and the distance between checkpoints, because every checkpoint makes the next change of each page be
/// logged whole.
fn settings(launch: &Launch<'_>, lz4: bool) -> String {
    let tls = launch.place.tls();
    let mut text = String::new();
    let mut set = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
    };
    set("listen_addresses", "127.0.0.1");
    set("port", &launch.port.to_string());
    set("unix_socket_directories", "");
    set("max_connections", "200");
    set("ssl", "on");
    set("ssl_cert_file", &tls.certificate.to_string_lossy());
    set("ssl_key_file", &tls.key.to_string_lossy());
    set("timezone", "UTC");
    set("log_timezone", "UTC");
    set("log_min_duration_statement", "1s");
    set("cluster_name", "genims");
    // What lies between two checkpoints stays as files for the next: of a small stack it was more than the data, in each of its
    // copies.
    let (shared_buffers, wal_min, wal_max, maintenance) =
        if launch.small { ("128MB", "128MB", "256MB", "64MB") } else { ("1GB", "1GB", "8GB", "256MB") };
    set("shared_buffers", shared_buffers);
    set("min_wal_size", wal_min);
    set("max_wal_size", wal_max);
    set("maintenance_work_mem", maintenance);
    set("checkpoint_timeout", "15min");
    set("wal_compression", if lz4 { "lz4" } else { "on" });
    // Data on local SSDs, mostly cached.
    set("random_page_cost", "1.1");
    // Analytical queries of seconds would pay the compiler for milliseconds won.
    set("jit", "off");
    // One query over partitions made by the day locks all that it cannot exclude.
    set("max_locks_per_transaction", "256");
    text
}

/// Debian builds with LZ4, which costs far less than the built-in compression; other builds may lack it.
fn has_lz4(postgres: &Path) -> bool {
    let Some(folder) = postgres.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned)) else {
        return false;
    };
    let output = Command::new(folder.join("pg_config")).arg("--configure").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("--with-lz4"))
}
