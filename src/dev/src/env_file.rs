//! The `.env` file with the addresses of a stack. Only a file that this stack wrote itself is ever replaced or deleted.

use super::Server;
use super::error::{DevstackError, Result};
use super::stack::Stack;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

const MARK: &str = "# Written by `genims-dev up` for the stack in ";

/// What became of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvFile {
    Written,
    /// There is one that somebody else wrote; it is as it was.
    NotOurs,
}

/// Writes the addresses of `stack` to `path`, mode 0600: it contains the password.
pub fn write_env_file(stack: &Stack, path: &Path) -> Result<EnvFile> {
    if !may_replace(stack, path)? {
        return Ok(EnvFile::NotOurs);
    }
    let port = stack.port(Server::Postgres).to_string();
    let ca_file = stack.ca_file();
    let mut text = first_line(stack);
    for (name, value) in [
        ("GENIMS_POSTGRES_URL", stack.postgres_url("postgres").as_str()),
        ("GENIMS_MYSQL_URL", &stack.mysql_url("")),
        ("GENIMS_MONGODB_URL", &stack.mongodb_url()),
        ("GENIMS_MQTT_URL", &stack.mqtt_url()),
        ("GENIMS_MQTT_ADDRESS", &stack.mqtt_address().to_string()),
        ("GENIMS_MQTTS_ADDRESS", &stack.mqtts_address().to_string()),
        ("GENIMS_TLS_CA_FILE", &ca_file.to_string_lossy()),
        ("PGHOST", "127.0.0.1"),
        ("PGPORT", &port),
        ("PGUSER", super::postgres::SUPERUSER),
        ("PGPASSWORD", stack.password()),
    ] {
        text.push_str(&format!("{name}=\"{value}\"\n"));
    }
    super::account::Account::of_caller().write_secret(path, text.as_bytes())?;
    Ok(EnvFile::Written)
}

/// Deletes the file if this stack wrote it.
pub(super) fn delete(stack: &Stack, path: &Path) -> Result<()> {
    if path.exists() && may_replace(stack, path)? {
        fs::remove_file(path).map_err(DevstackError::io("delete", path))?;
    }
    Ok(())
}

fn may_replace(stack: &Stack, path: &Path) -> Result<bool> {
    match fs::read_to_string(path) {
        Ok(found) => Ok(found.starts_with(&first_line(stack))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(DevstackError::io("read", path)(error)),
    }
}

fn first_line(stack: &Stack) -> String {
    format!("{MARK}{}\n", stack.folder().display())
}
