//! The environment that settings are read from: the process environment, and below it a `.env` file.
//!
//! Nothing is written back into the process environment, so loading is safe while other threads run. A variable `X` may
//! be given as `X_FILE`, the path of a file with the value (without byte order mark and trailing line end).

use super::dotenv;
use super::errors::DatabaseError;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

/// A snapshot of variables. Its `Debug` shows names only: values may be secrets.
#[derive(Clone, Default)]
pub struct Environment {
    variables: HashMap<String, String>,
}

impl Environment {
    /// The process environment over the file at `dotenv`; without a path, over `.env` of the working directory if there
    /// is one. A named file must exist.
    pub fn load(dotenv: Option<&Path>) -> Result<Self, DatabaseError> {
        let path = dotenv.unwrap_or(Path::new(".env"));
        let mut variables = HashMap::new();
        if dotenv.is_some() || path.exists() {
            let bad = |cause: String| DatabaseError::Dotenv { path: path.display().to_string(), cause };
            let bytes = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
            variables.extend(dotenv::parse(&bytes).map_err(bad)?);
        }
        let process =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        variables.extend(process);
        Ok(Self { variables })
    }

    /// Exactly these variables.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self { variables: pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }

    /// A variable; an empty one counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A variable, or the content of the file that `{name}_FILE` names.
    pub fn secret(&self, name: &str) -> Result<Option<String>, DatabaseError> {
        if let Some(value) = self.get(name) {
            return Ok(Some(value.to_owned()));
        }
        let variable = format!("{name}_FILE");
        let Some(path) = self.get(&variable) else { return Ok(None) };
        let text = std::fs::read_to_string(path).map_err(|source| DatabaseError::SecretFile {
            variable,
            path: path.to_owned(),
            source,
        })?;
        Ok(Some(text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']).to_owned()))
    }
}

impl Environment {
    /// The password that a URL leaves out: the one named like the connection variable (`GENIMS_X_URL` has
    /// `GENIMS_X_PASSWORD`), else the first of `usual` that is set.
    pub(super) fn password(&self, connection: &str, usual: [&str; 2]) -> Result<Option<String>, DatabaseError> {
        let own = format!("{}_PASSWORD", connection.trim_end_matches("_URL"));
        for variable in [own.as_str()].into_iter().chain(usual) {
            if let Some(password) = self.secret(variable)? {
                return Ok(Some(password));
            }
        }
        Ok(None)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<&String> = self.variables.keys().collect();
        names.sort();
        formatter.debug_tuple("Environment").field(&names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("written");
        file
    }

    #[test]
    fn the_process_environment_wins_over_the_file() {
        let dotenv = file("PATH='from the file'\nGENIMS_ONLY_IN_FILE='a b'\n");
        let environment = Environment::load(Some(dotenv.path())).expect("a good file");
        assert_eq!(environment.get("GENIMS_ONLY_IN_FILE"), Some("a b"));
        assert_ne!(environment.get("PATH"), Some("from the file"));
    }

    #[test]
    fn a_secret_comes_from_the_variable_or_from_its_file() {
        let secret = file("\u{feff}hunter2\r\n");
        let path = secret.path().display().to_string();
        let environment = Environment::from_pairs([("A", "direct"), ("A_FILE", "/nonexistent"), ("B_FILE", &path)]);
        assert_eq!(environment.secret("A").expect("readable").as_deref(), Some("direct"));
        assert_eq!(environment.secret("B").expect("readable").as_deref(), Some("hunter2"));
        assert_eq!(environment.secret("C").expect("readable"), None);
        let missing = Environment::from_pairs([("D_FILE", "/nonexistent/secret")]);
        let error = missing.secret("D").expect_err("no such file").to_string();
        assert!(error.contains("D_FILE") && error.contains("/nonexistent/secret"), "{error}");
    }

    #[test]
    fn a_bad_line_is_reported_without_its_content() {
        let dotenv = file("GENIMS_X=\"secret without end\n");
        let error = Environment::load(Some(dotenv.path())).expect_err("a bad line").to_string();
        assert!(!error.contains("secret"), "{error}");
        assert!(!format!("{:?}", Environment::from_pairs([("X", "secret")])).contains("secret"));
    }
}
