//! The configuration: one TOML file, checked as a whole before anything starts.
//!
//! Each room owns its options and their defaults; this file only says which rooms there are and gives errors a place.

mod fault;
mod options;
mod ranges;
pub mod reference;
mod substitute;

use fault::{Fault, Step, read, unknown_key};
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
use genims_platform::dead_letters::purge::Kept;
use options::Section;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// What `genims serve` uses when there is no file.
pub const DEFAULT: &str = include_str!("../../../config/genims.toml");

/// What stands at the top of the file.
const SECTIONS: [&str; 9] =
    ["data_dir", "http", "listeners", "topics", "pipeline", "spool", "sinks", "routes", "dead_letters"];
const DATA_DIR: &str = ".genims/server";
const LISTENERS_MAX: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("the configuration {path} cannot be read: {source}; name an existing file with --config")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the configuration {path} is no TOML: {source}")]
    Syntax { path: PathBuf, source: toml::de::Error },
    /// `place` is `:line`, or empty where the file says nothing of it.
    #[error("the configuration {path}{place}: {detail}")]
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
    /// Without the section no event is routed anywhere.
    pub routes: Option<RouteOptions>,
    pub dead_letters: Kept,
}

/// `[routes]`: events become rows of the other databases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteOptions {
    /// A folder of route files instead of those that come with the program.
    pub directory: Option<PathBuf>,
    /// What the log of events may occupy.
    pub max_bytes: u64,
}

impl Default for RouteOptions {
    fn default() -> Self {
        Self { directory: None, max_bytes: 1 << 30 }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpOptions {
    #[serde(deserialize_with = "genims_listen::address::deserialize")]
    pub listen: SocketAddr,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9400)) }
    }
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
    /// Where it listens; a bridge does not.
    fn listen(&self) -> Option<SocketAddr> {
        match self {
            Self::Mqtt(options) => Some(options.listen),
            Self::Tcp(options) => Some(options.listen),
            Self::Line(options) => Some(options.listen),
            Self::Bridge(_) => None,
        }
    }

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
        let invalid = |fault: Fault| {
            let (line, detail) = fault.describe(text);
            let place = line.map(|line| format!(":{line}")).unwrap_or_default();
            SettingsError::Invalid { path: path.to_owned(), place, detail }
        };
        let lookup = |name: &str| environment.get(name).map(str::to_owned);
        substitute::substitute(&mut root, &mut Vec::new(), &lookup).map_err(invalid)?;
        let Value::Table(root) = root else { return Err(invalid(Fault::new([], "is no table"))) };
        Self::check(root).map_err(invalid)
    }

    fn check(mut root: Table) -> Result<Self, Fault> {
        if let Some(key) = root.keys().find(|key| !SECTIONS.contains(&key.as_str())) {
            return Err(unknown_key(vec![Step::from(key.as_str())], key, &SECTIONS));
        }
        let listeners = items(&mut root, "listeners")?
            .into_iter()
            .enumerate()
            .map(|(index, table)| listener(index, table))
            .collect::<Result<Vec<_>, _>>()?;
        let mut names = HashSet::new();
        if let Some(twice) = listeners.iter().position(|listener| !names.insert(listener.name.as_str())) {
            let detail = "another listener has this name; give each its own";
            return Err(Fault::new([Step::from("listeners"), Step::from(twice), Step::from("name")], detail));
        }
        if listeners.len() > LISTENERS_MAX {
            let detail = format!("{} listeners; {LISTENERS_MAX} at most", listeners.len());
            return Err(Fault::new([Step::from("listeners")], detail));
        }
        let (postgres, mongodb) = sinks(&mut root)?;
        if postgres.is_none()
            && let Some(waits) = listeners.iter().position(|listener| listener.kind.waits_for_commit())
        {
            let remedy = "waits for the sink of type \"postgres\", and there is none: nothing would ever be acknowledged; \
                          add [[sinks]] with type = \"postgres\", or set acknowledge = \"durable\"";
            return Err(Fault::new([Step::from("listeners"), Step::from(waits), Step::from("acknowledge")], remedy));
        }
        let topics = [Step::from("topics")];
        let templates: Vec<Value> = items(&mut root, "topics")?.into_iter().map(Value::Table).collect();
        let settings = Self {
            data_dir: match root.remove("data_dir") {
                Some(value) => read(&[Step::from("data_dir")], value)?,
                None => PathBuf::from(DATA_DIR),
            },
            http: section(&mut root, &options::HTTP)?,
            listeners,
            topics: Templates::new(&read::<Vec<TopicTemplate>>(&topics, Value::Array(templates))?)
                .map_err(|error| Fault::new(topics, error.to_string()))?,
            pipeline: pipeline(&mut root)?,
            spool: section(&mut root, &options::SPOOL)?,
            postgres,
            mongodb,
            routes: match root.contains_key(options::ROUTES.title) {
                true => Some(section(&mut root, &options::ROUTES)?),
                false => None,
            },
            dead_letters: section(&mut root, &options::DEAD_LETTERS)?,
        };
        ranges::check(&settings)?;
        Ok(settings)
    }
}

/// The limits of both sinks, as far as they are configured.
fn sinks(root: &mut Table) -> Result<(Option<BatchLimits>, Option<BatchLimits>), Fault> {
    let (mut postgres, mut mongodb) = (None, None);
    for (index, mut table) in items(root, "sinks")?.into_iter().enumerate() {
        let path = [Step::from("sinks"), Step::from(index)];
        let kind = take_type(&mut table, &path, &["postgres", "mongodb"])?;
        let (slot, usual, keys) = match kind.as_str() {
            "postgres" => (&mut postgres, BatchLimits::default(), &options::POSTGRES),
            _ => (&mut mongodb, BatchLimits::of_mirror(), &options::MONGODB),
        };
        let mut limits = Table::try_from(usual).map_err(|error| Fault::new(path.clone(), error.to_string()))?;
        limits.extend(table);
        let limits = within(&path, keys, limits)?;
        if slot.replace(limits).is_some() {
            let detail = format!("a second sink of type \"{kind}\"; one is all there can be");
            return Err(Fault::new(path, detail));
        }
    }
    Ok((postgres, mongodb))
}

/// What is too old to be taken is what the operations database does not keep.
fn pipeline(root: &mut Table) -> Result<PipelineOptions, Fault> {
    let said = root.get("pipeline").is_some_and(|section| section.get("retention").is_some());
    if said {
        let remedy = "is said by the registry of databases (config/databases.toml); remove it here";
        return Err(Fault::new([Step::from("pipeline"), Step::from("retention")], remedy));
    }
    let mut options: PipelineOptions = section(root, &options::PIPELINE)?;
    let kept = registry::retention("genims_operations_db").map_err(|error| Fault::new([], error.to_string()))?;
    options.retention = kept.unwrap_or(options.retention);
    Ok(options)
}

fn listener(index: usize, mut table: Table) -> Result<Listener, Fault> {
    let path = [Step::from("listeners"), Step::from(index)];
    let kind = take_type(&mut table, &path, &["mqtt", "tcp", "line", "bridge"])?;
    let name = match table.remove("name") {
        Some(name) => read(&[&path[..], &[Step::from("name")]].concat(), name)?,
        None => format!("{kind}-{index}"),
    };
    let kind = match kind.as_str() {
        "mqtt" => ListenerKind::Mqtt(within(&path, &options::MQTT, table)?),
        "tcp" => ListenerKind::Tcp(within(&path, &options::TCP, table)?),
        "line" => ListenerKind::Line(within(&path, &options::LINE, table)?),
        _ => ListenerKind::Bridge(within(&path, &options::BRIDGE, table)?),
    };
    Ok(Listener { name, kind })
}

/// The table's `type`, which is one of `known`.
fn take_type(table: &mut Table, path: &[Step], known: &[&str]) -> Result<String, Fault> {
    let place = [path, &[Step::from("type")]].concat();
    let Some(value) = table.remove("type") else {
        return Err(Fault::new(path.to_vec(), format!("has no type; one of {}", known.join(", "))));
    };
    let kind: String = read(&place, value)?;
    if known.contains(&kind.as_str()) {
        return Ok(kind);
    }
    Err(Fault::new(place, format!("must be one of {}", known.join(", "))))
}

fn items(root: &mut Table, key: &str) -> Result<Vec<Table>, Fault> {
    match root.remove(key) {
        None => Ok(Vec::new()),
        Some(value) => read(&[Step::from(key)], value),
    }
}

fn section<T: DeserializeOwned>(root: &mut Table, section: &Section) -> Result<T, Fault> {
    let path = [Step::from(section.title)];
    match root.remove(section.title) {
        Some(Value::Table(table)) => within(&path, section, table),
        Some(other) => read(&path, other),
        None => read(&path, Value::Table(Table::new())),
    }
}

/// Reads a table, and holds its keys to what they may be.
fn within<T: DeserializeOwned>(path: &[Step], section: &Section, table: Table) -> Result<T, Fault> {
    let options = read(path, Value::Table(table.clone()))?;
    ranges::keys(path, section, &table)?;
    Ok(options)
}

#[cfg(test)]
mod tests;
