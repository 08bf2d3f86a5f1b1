//! mongod: standalone, authorisation on, 127.0.0.1 only, TLS offered, no Unix socket.
//!
//! Its first user is made over the localhost exception, by the first probe ([`super::probe::mongodb`]).

use super::error::{DevstackError, Result};
use super::place::absent_is_fine;
use super::{Launch, Server};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) const SUPERUSER: &str = "root";

pub(super) fn initialise(launch: &Launch<'_>) -> Result<()> {
    launch.place.account.make_dir(&launch.place.server(Server::Mongodb))
}

pub(super) fn command(launch: &Launch<'_>) -> Result<Command> {
    let data = launch.place.server(Server::Mongodb);
    let tls = launch.place.tls();
    let binary = reachable_binary(launch, launch.programs.path("mongod")?)?;
    let mut command = launch.place.account.command(binary, launch.place.data());
    command.arg("--dbpath").arg(&data).args(["--auth", "--quiet", "--nounixsocket", "--bind_ip", "127.0.0.1"]);
    command.arg("--port").arg(launch.port.to_string());
    command.args(["--tlsMode", "preferTLS", "--tlsAllowConnectionsWithoutCertificates"]);
    command.arg("--tlsCertificateKeyFile").arg(&tls.bundle).arg("--tlsCAFile").arg(&tls.ca);
    // A twentieth of the cache may be dirty before eviction begins, and the open buckets of 1,760 series are more than that
    // of 1 GB: with it four threads evicted all the time and took a core. Tests have many of them, and little in each.
    command.args(["--wiredTigerCacheSizeGB", if launch.small { "1" } else { "3" }]);
    if launch.small {
        // Tests make it fail on purpose. A diary of its own figures took 7 % of a machine with many of them.
        command.args(["--setParameter", "enableTestCommands=1"]);
        command.args(["--setParameter", "diagnosticDataCollectionEnabled=false"]);
    }
    Ok(command)
}

/// The cache of root lies below `/root`, where the account of the servers cannot run anything: such a binary is linked
/// (or, on another file system, copied) into the stack.
fn reachable_binary(launch: &Launch<'_>, binary: &Path) -> Result<PathBuf> {
    let binary = binary.canonicalize().map_err(DevstackError::io("find", binary))?;
    let folder = binary.parent().unwrap_or(Path::new("/"));
    if launch.place.account.can_reach(folder)? {
        return Ok(binary);
    }
    let own = launch.place.bin_folder()?;
    let link = own.join("mongod");
    let draft = own.join("mongod.draft");
    if is_copy(&binary, &link) {
        return Ok(link);
    }
    absent_is_fine(fs::remove_file(&draft)).map_err(DevstackError::io("replace", &draft))?;
    if fs::hard_link(&binary, &draft).is_err() {
        fs::copy(&binary, &draft).map_err(DevstackError::io("copy mongod to", &draft))?;
    }
    fs::rename(&draft, &link).map_err(DevstackError::io("write", &link))?;
    Ok(link)
}

fn is_copy(original: &Path, copy: &Path) -> bool {
    match (fs::metadata(original), fs::metadata(copy)) {
        (Ok(original), Ok(copy)) => original.len() == copy.len(),
        _ => false,
    }
}
