//! The configuration: one TOML file, checked as a whole before anything starts.
//!
//! Each room owns its options and their defaults; this file only says which rooms there are and gives errors a place.

mod substitute;

use genims_consumers::gather::BatchLimits;
use genims_databases::{Environment, registry};
use genims_decode::template::TopicTemplate;
use genims_decode::topic::Templates;
use genims_listen::bridge::BridgeOptions;
use genims_listen::line::LineOptions;
use genims_listen::mqtt::MqttOptions;
use genims_listen::tcp::TcpOptions;
use genims_log::file::SpoolOptions;
use genims_pipeline::PipelineOptions;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// What `genims serve` uses when there is no file.
pub const DEFAULT: &str = include_str!("../../../config/genims.toml");

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("the configuration {path} cannot be read: {source}; name an existing file with --config")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the configuration {path} is no TOML: {source}")]
    Syntax { path: PathBuf, source: toml::de::Error },
    #[error("the configuration {path}: {place}: {detail}")]
    Invalid { path: PathBuf, place: String, detail: String },
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub data_dir: PathBuf,
    pub http: HttpOptions,
    pub listeners: Vec<Listener>,
    pub topics: Templates,
    pub pipeline: PipelineOptions,
    pub spool: SpoolOptions,
    pub postgres: Option<BatchLimits>,
    pub mongodb: Option<BatchLimits>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpOptions {
    pub listen: SocketAddr,
}

#[derive(Clone, Debug)]
pub struct Listener {
    pub name: String,
    pub kind: ListenerKind,
}

#[derive(Clone, Debug)]
pub enum ListenerKind {
    Mqtt(MqttOptions),
    Tcp(TcpOptions),
    Line(LineOptions),
    Bridge(BridgeOptions),
}

impl ListenerKind {
    fn waits_for_commit(&self) -> bool {
        match self {
            Self::Mqtt(options) => options.acknowledge.waits_for_commit(),
            Self::Tcp(options) => options.acknowledge.waits_for_commit(),
            // A line has no acknowledgement.
            Self::Line(_) => false,
            Self::Bridge(options) => options.acknowledge.waits_for_commit(),
        }
    }
}

impl Settings {
    /// Reads and checks a file, or the default configuration when `path` is `None`.
    pub fn load(path: Option<&Path>, environment: &Environment) -> Result<Self, SettingsError> {
        let place = path.map_or_else(|| PathBuf::from("(built in)"), Path::to_owned);
        let text = match path {
            Some(path) => {
                std::fs::read_to_string(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?
            }
            None => DEFAULT.to_owned(),
        };
        Self::parse(&text, &place, environment)
    }

    pub fn parse(text: &str, path: &Path, environment: &Environment) -> Result<Self, SettingsError> {
        let mut root: Value =
            text.parse::<Table>().map_err(|source| SettingsError::Syntax { path: path.to_owned(), source })?.into();
        let invalid = |place: &str, detail: String| SettingsError::Invalid {
            path: path.to_owned(),
            place: place.to_owned(),
            detail,
        };
        substitute::substitute(&mut root, &|name| environment.get(name).map(str::to_owned))
            .map_err(|detail| invalid("substitution", detail))?;
        let Value::Table(root) = root else { return Err(invalid("file", "is no table".to_owned())) };
        Self::check(root).map_err(|(place, detail)| invalid(&place, detail))
    }

    fn check(mut root: Table) -> Result<Self, Fault> {
        let listeners = items(&mut root, "listeners")?
            .into_iter()
            .enumerate()
            .map(|(index, table)| listener(index, table))
            .collect::<Result<Vec<_>, _>>()?;
        let mut names = HashSet::new();
        if let Some(twice) = listeners.iter().find(|listener| !names.insert(listener.name.as_str())) {
            return Err(("listeners".to_owned(), format!("two are named \"{}\"; give each its own name", twice.name)));
        }
        if listeners.len() > 64 {
            return Err(("listeners".to_owned(), "more than 64".to_owned()));
        }
        let (mut postgres, mut mongodb) = (None, None);
        for mut table in items(&mut root, "sinks")? {
            let kind = take_string(&mut table, "type").unwrap_or_default();
            let place = format!("sinks.{kind}");
            let (slot, usual) = match kind.as_str() {
                "postgres" => (&mut postgres, BatchLimits::default()),
                "mongodb" => (&mut mongodb, BatchLimits::of_mirror()),
                _ => return Err(("sinks".to_owned(), format!("type \"{kind}\" is neither postgres nor mongodb"))),
            };
            let mut limits = Table::try_from(usual).map_err(|error| (place.clone(), error.to_string()))?;
            limits.extend(table);
            if slot.replace(read(&place, Value::Table(limits))?).is_some() {
                return Err((place, "configured twice".to_owned()));
            }
        }
        if postgres.is_none()
            && let Some(waits) = listeners.iter().find(|listener| listener.kind.waits_for_commit())
        {
            let remedy = "\"committed\" waits for the sink of type \"postgres\", and there is none: nothing would ever be \
                          acknowledged; add [[sinks]] with type = \"postgres\", or set acknowledge = \"durable\"";
            return Err((format!("listeners.{}.acknowledge", waits.name), remedy.to_owned()));
        }
        let templates: Vec<Value> = items(&mut root, "topics")?.into_iter().map(Value::Table).collect();
        let settings = Self {
            data_dir: take_string(&mut root, "data_dir").unwrap_or_else(|| ".genims/server".to_owned()).into(),
            http: section(&mut root, "http")?,
            listeners,
            topics: Templates::new(&read::<Vec<TopicTemplate>>("topics", Value::Array(templates))?)
                .map_err(|error| ("topics".to_owned(), error.to_string()))?,
            pipeline: pipeline(&mut root)?,
            spool: section(&mut root, "spool")?,
            postgres,
            mongodb,
        };
        match root.keys().next() {
            Some(key) => Err((key.clone(), "unknown key".to_owned())),
            None => Ok(settings),
        }
    }
}

/// Where, and what.
type Fault = (String, String);

/// What is too old to be taken is what the operations database does not keep.
fn pipeline(root: &mut Table) -> Result<PipelineOptions, Fault> {
    let said = root.get("pipeline").is_some_and(|section| section.get("retention").is_some());
    if said {
        let remedy = "is said by the registry of databases (config/databases.toml); remove it here";
        return Err(("pipeline.retention".to_owned(), remedy.to_owned()));
    }
    let mut options: PipelineOptions = section(root, "pipeline")?;
    let kept =
        registry::retention("genims_operations_db").map_err(|error| ("registry".to_owned(), error.to_string()))?;
    options.retention = kept.unwrap_or(options.retention);
    Ok(options)
}

fn listener(index: usize, mut table: Table) -> Result<Listener, Fault> {
    let kind = take_string(&mut table, "type").unwrap_or_default();
    let name = take_string(&mut table, "name").unwrap_or_else(|| format!("{kind}-{index}"));
    let place = format!("listeners.{name}");
    let value = Value::Table(table);
    let kind = match kind.as_str() {
        "mqtt" => ListenerKind::Mqtt(read(&place, value)?),
        "tcp" => ListenerKind::Tcp(read(&place, value)?),
        "line" => ListenerKind::Line(read(&place, value)?),
        "bridge" => ListenerKind::Bridge(read(&place, value)?),
        other => return Err((place, format!("type \"{other}\" is none of mqtt, tcp, line, bridge"))),
    };
    Ok(Listener { name, kind })
}

fn items(root: &mut Table, key: &str) -> Result<Vec<Table>, Fault> {
    match root.remove(key) {
        None => Ok(Vec::new()),
        Some(value) => read(key, value),
    }
}

fn section<T: DeserializeOwned>(root: &mut Table, key: &str) -> Result<T, Fault> {
    read(key, root.remove(key).unwrap_or_else(|| Value::Table(Table::new())))
}

fn read<T: DeserializeOwned>(place: &str, value: Value) -> Result<T, Fault> {
    value.try_into().map_err(|error: toml::de::Error| (place.to_owned(), error.message().to_owned()))
}

fn take_string(table: &mut Table, key: &str) -> Option<String> {
    match table.get(key) {
        Some(Value::String(_)) => table.remove(key).and_then(|value| value.as_str().map(str::to_owned)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn parse(text: &str) -> Result<Settings, SettingsError> {
        let text = format!("{text}\n[http]\nlisten = \"127.0.0.1:0\"");
        Settings::parse(&text, Path::new("test.toml"), &Environment::default())
    }

    #[test]
    fn what_a_file_says_of_a_sink_stands_over_what_is_usual_for_its_kind() {
        let text = "[[sinks]]\ntype = \"postgres\"\n[[sinks]]\ntype = \"mongodb\"\nlinger = \"300ms\"";
        let settings = parse(text).expect("a good file");
        assert_eq!(settings.postgres, Some(BatchLimits::default()));
        let mirror = BatchLimits { linger: Duration::from_millis(300), ..BatchLimits::of_mirror() };
        assert_eq!(settings.mongodb, Some(mirror));
    }

    #[test]
    fn retention_is_what_the_registry_says_and_is_said_nowhere_else() {
        let days = |name| {
            let kept = registry::retention(name).expect("the embedded registry").expect("not for good");
            assert_eq!(kept.as_secs() % 3_600, 0, "{name}");
            kept.as_secs() / 86_400
        };
        let environment = Environment::default();
        let settings = Settings::parse("[http]\nlisten = \"127.0.0.1:0\"", Path::new("t"), &environment).expect("fine");
        assert_eq!(settings.pipeline.retention.as_secs() / 86_400, days("genims_operations_db"));
        let error = parse("[pipeline]\nretention = \"90d\"").expect_err("said twice").to_string();
        assert!(error.contains("pipeline.retention") && error.contains("config/databases.toml"), "{error}");
        assert!(!DEFAULT.contains("retention"), "config/genims.toml");
        // What the documents tell people.
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
        let (operations, mirror) = (days("genims_operations_db"), days("genims_production"));
        assert!(text.contains(&format!("PostgreSQL keeps readings {operations} days, the mirror {mirror} days")));
        // What the audit trail's policies say of each database.
        let seed =
            std::fs::read_to_string(root.join("config/seed/genims_audit_db/control.toml")).expect("the policies");
        let policies = seed.lines().filter(|line| line.starts_with("RET-"));
        let mut compared = 0;
        for fields in policies.map(|line| line.split(',').collect::<Vec<_>>()) {
            let (database, said) = (fields[2], fields[5].parse::<u64>().expect("days"));
            // Policies count a year as 365 days.
            assert_eq!(said.div_ceil(366), days(database).div_ceil(366), "{database}");
            compared += 1;
        }
        assert!(compared >= 8 && seed.contains(&format!("genims_operations_db,sensor_data,telemetry,{operations},")));
    }

    #[test]
    fn waiting_for_commits_needs_the_sink_that_commits() {
        let bridge = "[[listeners]]\nname = \"b\"\ntype = \"bridge\"\nbroker = \"mqtt://localhost\"\ntopics = [\"#\"]";
        for listener in
            ["[[listeners]]\nname = \"b\"\ntype = \"mqtt\"", "[[listeners]]\nname = \"b\"\ntype = \"tcp\"", bridge]
        {
            let waits = format!("{listener}\nacknowledge = \"committed\"\n[[sinks]]\ntype = ");
            let error = parse(&format!("{waits}\"mongodb\"")).expect_err(listener).to_string();
            assert!(error.contains("listeners.b.acknowledge") && error.contains("type = \"postgres\""), "{error}");
            parse(&format!("{waits}\"postgres\"")).expect("somebody commits");
            parse(listener).expect("nobody waits for commits");
        }
    }

    #[test]
    fn an_unknown_key_and_a_second_sink_of_a_kind_are_named() {
        for (text, place) in [
            ("[[sinks]]\ntype = \"mongodb\"\nlingers = \"1s\"", "lingers"),
            ("[[sinks]]\ntype = \"postgres\"\n[[sinks]]\ntype = \"postgres\"", "sinks.postgres"),
            ("[[listeners]]\ntype = \"tcp\"\nack_on_commit = true", "ack_on_commit"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(place), "{error}");
        }
    }
}
