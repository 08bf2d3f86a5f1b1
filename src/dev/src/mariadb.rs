//! MariaDB: own data directory, 127.0.0.1 only, TLS offered, a password for root.

use super::error::Result;
use super::{Launch, Server, run_to_end};
use std::process::Command;

pub(super) const SUPERUSER: &str = "root";
/// At its start a server deletes all temporary tables in this folder, also those of one that is starting beside it: not
/// `/tmp`, but each its own.
const TEMPORARY: &str = "TMPDIR";
/// Relative to the data directory: an absolute path could be longer than the 107 bytes that a socket address holds.
const SOCKET: &str = "mariadb.sock";

pub(super) fn initialise(launch: &Launch<'_>) -> Result<()> {
    let data = launch.place.server(Server::Mariadb);
    launch.place.account.make_dir(&data)?;
    let mut install = launch.command("mariadb-install-db")?;
    install.arg("--no-defaults").arg(format!("--datadir={}", data.display()));
    install.args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]);
    install.env(TEMPORARY, &data);
    run_to_end(&mut install)
}

/// The command that runs the server. Accounts are set by SQL that runs before the first connection is accepted, at
/// every start: there is no moment with an empty password on the network.
pub(super) fn command(launch: &Launch<'_>) -> Result<Command> {
    let data = launch.place.server(Server::Mariadb);
    let init_file = data.join("genims-init.sql");
    launch.place.account.write_secret(&init_file, accounts(launch.password).as_bytes())?;
    let tls = launch.place.tls();
    let mut command = launch.command("mariadbd")?;
    command.env(TEMPORARY, &data);
    command.arg("--no-defaults");
    command.arg(format!("--datadir={}", data.display()));
    command.arg(format!("--init-file={}", init_file.display()));
    command.arg(format!("--socket={SOCKET}")).arg("--pid-file=mariadb.pid");
    command.arg("--bind-address=127.0.0.1").arg(format!("--port={}", launch.port));
    command.arg(format!("--ssl-ca={}", tls.ca.display()));
    command.arg(format!("--ssl-cert={}", tls.certificate.display()));
    command.arg(format!("--ssl-key={}", tls.key.display()));
    command.args(["--character-set-server=utf8mb4", "--collation-server=utf8mb4_unicode_ci"]);
    command.args(["--default-time-zone=+00:00", "--skip-name-resolve", "--max-connections=200"]);
    // `genims backup servers` goes on with it from a copy; without the third nobody but root could make a trigger.
    command.args(["--log-bin=binlog", "--binlog-format=ROW", "--log-bin-trust-function-creators=1"]);
    command.args(["--expire-logs-days=2"]);
    command.args(["--slow-query-log=1", "--slow-query-log-file=slow.log", "--long-query-time=1"]);
    let (pool, log) = if launch.small { ("64M", "96M") } else { ("1G", "512M") };
    command.arg(format!("--innodb-buffer-pool-size={pool}")).arg(format!("--innodb-log-file-size={log}"));
    Ok(command)
}

fn accounts(password: &str) -> String {
    let mut sql = String::from("DELETE FROM mysql.global_priv WHERE User IN ('', 'root');\nFLUSH PRIVILEGES;\n");
    for host in ["localhost", "127.0.0.1", "::1"] {
        let account = format!("'{SUPERUSER}'@'{host}'");
        sql.push_str(&format!("CREATE USER IF NOT EXISTS {account};\n"));
        sql.push_str(&format!("ALTER USER {account} IDENTIFIED BY '{password}';\n"));
        sql.push_str(&format!("GRANT ALL PRIVILEGES ON *.* TO {account} WITH GRANT OPTION;\n"));
    }
    sql
}
