//! The environment that settings are read from: the process environment, and below it a `.env` file.
//!
//! Nothing is written back into the process environment, so loading is safe while other threads run. A variable `X` may
//! be given as `X_FILE`, the path of a file with the value (without byte order mark and trailing line end).

use super::dotenv;
use super::errors::DatabaseError;
use super::timelines::Timelines;
use std::collections::HashMap;
use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

/// Rights on a file with passwords that others must not have: the group may read, for a service that runs under another account.
const MODE_FORBIDDEN: u32 = 0o027;

/// A snapshot of variables. Its `Debug` shows names only: values may be secrets.
#[derive(Clone, Default)]
pub struct Environment {
    variables: HashMap<String, String>,
    /// What PostgreSQL's connections are judged by; without them every server is taken.
    timelines: Option<Arc<Timelines>>,
}

impl Environment {
    /// The process environment over the file at `dotenv`; without a path, over `.env` of the working directory if there
    /// is one. A named file must exist; one with passwords must be its owner's alone.
    pub fn load(dotenv: Option<&Path>) -> Result<Self, DatabaseError> {
        let path = dotenv.unwrap_or(Path::new(".env"));
        let mut variables = HashMap::new();
        if dotenv.is_some() || path.exists() {
            let bad = |cause: String| DatabaseError::Dotenv { path: path.display().to_string(), cause };
            let bytes = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
            let found = dotenv::parse(&bytes).map_err(bad)?;
            let open = std::fs::metadata(path).ok().and_then(|found| open_to_others(&found));
            if let Some(mode) = open.filter(|_| found.iter().any(|(name, value)| is_secret(name, value))) {
                return Err(DatabaseError::OpenDotenv { path: path.display().to_string(), mode });
            }
            variables.extend(found);
        }
        let process =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        variables.extend(process);
        Ok(Self { variables, timelines: None })
    }

    /// Exactly these variables.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let variables = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables, timelines: None }
    }

    /// The same; its PostgreSQL connections refuse what these know to be of before a failover.
    pub fn with_timelines(mut self, timelines: Timelines) -> Self {
        self.timelines = Some(Arc::new(timelines));
        self
    }

    pub(super) fn timelines(&self) -> Option<Arc<Timelines>> {
        self.timelines.clone()
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

/// The rights on a file with secrets, where they let others in.
pub fn open_to_others(file: &Metadata) -> Option<u32> {
    let mode = file.mode() & 0o777;
    (mode & MODE_FORBIDDEN != 0).then_some(mode)
}

/// Whether others must not read it: a password by its name, or within a URL.
fn is_secret(name: &str, value: &str) -> bool {
    let is_named_so =
        ["PASSWORD", "SECRET", "TOKEN", "_PWD", "SECRET_ACCESS_KEY"].iter().any(|end| name.ends_with(end));
    let login = value.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map(|(login, _)| login);
    let has_password = login.and_then(|login| login.split_once(':')).is_some_and(|(_, password)| !password.is_empty());
    !value.is_empty() && (is_named_so || has_password)
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
    fn a_file_with_passwords_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        for (text, holds) in [
            ("GENIMS_POSTGRES_URL=postgresql://u:pw@h/x\n", true),
            ("GENIMS_HR_OWNER_PASSWORD=x\n", true),
            ("AWS_ACCESS_KEY_ID=x\nAWS_SECRET_ACCESS_KEY=x\n", true),
            ("GENIMS_POSTGRES_URL=postgresql://u@h/x\nGENIMS_HTTP_LISTEN=127.0.0.1:9400\nPGPASSWORD=\n", false),
        ] {
            let dotenv = file(text);
            for (mode, is_open) in [(0o600, false), (0o640, false), (0o644, true), (0o660, true)] {
                std::fs::set_permissions(dotenv.path(), std::fs::Permissions::from_mode(mode)).expect("changed");
                let loaded = Environment::load(Some(dotenv.path()));
                assert_eq!(loaded.is_err(), holds && is_open, "{text} {mode:o}");
                if let Err(error) = loaded {
                    assert!(error.to_string().contains("chmod 600") && !error.to_string().contains("pw@"), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_bad_line_is_reported_without_its_content() {
        let dotenv = file("GENIMS_X=\"secret without end\n");
        let error = Environment::load(Some(dotenv.path())).expect_err("a bad line").to_string();
        assert!(!error.contains("secret"), "{error}");
        assert!(!format!("{:?}", Environment::from_pairs([("X", "secret")])).contains("secret"));
    }
}
