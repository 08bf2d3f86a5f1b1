//! The `.env` file with the addresses of a stack. Only a file that this stack wrote itself is ever replaced or deleted.

use super::error::{DevstackError, Result};
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

/// Writes the variables of the stack in `folder` to `path`, mode 0600: they contain the password.
pub(super) fn write(folder: &Path, variables: &[(&str, String)], path: &Path) -> Result<EnvFile> {
    if !may_replace(folder, path)? {
        return Ok(EnvFile::NotOurs);
    }
    let mut text = first_line(folder);
    for (name, value) in variables {
        text.push_str(&format!("{name}=\"{value}\"\n"));
    }
    super::account::Account::of_caller().write_secret(path, text.as_bytes())?;
    Ok(EnvFile::Written)
}

/// Deletes the file if this stack wrote it.
pub(super) fn delete(folder: &Path, path: &Path) -> Result<()> {
    if path.exists() && may_replace(folder, path)? {
        fs::remove_file(path).map_err(DevstackError::io("delete", path))?;
    }
    Ok(())
}

fn may_replace(folder: &Path, path: &Path) -> Result<bool> {
    match fs::read_to_string(path) {
        Ok(found) => Ok(found.starts_with(&first_line(folder))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(DevstackError::io("read", path)(error)),
    }
}

fn first_line(folder: &Path) -> String {
    format!("{MARK}{}\n", folder.display())
}
