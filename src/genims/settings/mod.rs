//! The configuration: one TOML file, checked as a whole before anything starts.
//!
//! Each room owns its options and their defaults; this file only says which rooms there are and gives errors a place.

mod http;
mod options;
mod ranges;
pub mod reference;
mod substitute;

pub use genims_databases::complaint::Complaint;
pub use http::{HttpOptions, HttpTls, SignIn, reachable};

use genims_consumers::gather::BatchLimits;
use genims_databases::complaint::{self, Fault, Faults, Step, read};
use genims_databases::{Environment, Registry, registry};
use genims_decode::template::TopicTemplate;
use genims_decode::topic::Templates;
use genims_listen::bridge::BridgeOptions;
use genims_listen::line::LineOptions;
use genims_listen::locks::{AnonymousPolicy, ClientOptions, TlsOptions};
use genims_listen::mqtt::MqttOptions;
use genims_listen::tcp::TcpOptions;
use genims_log::file::SpoolOptions;
use genims_pipeline::PipelineOptions;
use genims_platform::dead_letters::purge::DeadLetterOptions;
use genims_rows::RowOptions;
use options::Section;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// What `genims serve` uses when there is no file.
pub const DEFAULT: &str = include_str!("../../../config/genims.toml");

/// What stands at the top of the file.
const SECTIONS: [&str; 12] = [
    "data_dir",
    "http",
    "listeners",
    "clients",
    "topics",
    "pipeline",
    "spool",
    "sinks",
    "routes",
    "rows",
    "dead_letters",
    "backups",
];
const DATA_DIR: &str = ".genims/server";
const LISTENERS_MAX: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("the configuration {path} cannot be read: {source}; name an existing file with --config")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}", listed(.0))]
    Invalid(Vec<Complaint>),
}

impl SettingsError {
    /// As data, one for each fault.
    pub fn complaints(self) -> Vec<Complaint> {
        match self {
            Self::Read { path, source } => {
                let problem = format!("cannot be read: {source}; name an existing file with --config");
                vec![Complaint { file: Some(path.display().to_string()), problem, ..Complaint::default() }]
            }
            Self::Invalid(complaints) => complaints,
        }
    }
}

/// One on the line, several on lines of their own.
fn listed(complaints: &[Complaint]) -> String {
    match complaints {
        [one] => format!("the configuration {one}"),
        several => format!("the configuration has {}", complaint::listed(several)),
    }
}

/// The file that settings were read from, for what only a look at the machine can tell.
#[derive(Clone)]
struct Source {
    file: String,
    text: String,
}

/// Its text may hold passwords.
impl std::fmt::Debug for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Source").field("file", &self.file).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub data_dir: PathBuf,
    pub http: HttpOptions,
    pub listeners: Vec<Listener>,
    /// Without the section everybody may send.
    pub clients: Option<ClientOptions>,
    pub topics: Templates,
    pub pipeline: PipelineOptions,
    pub spool: SpoolOptions,
    pub postgres: Option<BatchLimits>,
    pub mongodb: Option<BatchLimits>,
    /// Without the section no event is routed anywhere.
    pub routes: Option<RouteOptions>,
    /// Without the section no rows for tables are taken.
    pub rows: Option<RowOptions>,
    pub dead_letters: DeadLetterOptions,
    pub backups: BackupOptions,
    source: Source,
}

/// `[backups]`: where they lie.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackupOptions {
    pub folder: Option<PathBuf>,
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
    pub fn listen(&self) -> Option<SocketAddr> {
        match self {
            Self::Mqtt(options) => Some(options.listen),
            Self::Tcp(options) => Some(options.listen),
            Self::Line(options) => Some(options.listen),
            Self::Bridge(_) => None,
        }
    }

    /// TLS, whether it may listen in clear outside loopback, and what those without an account may.
    pub fn locks(&self) -> (Option<&TlsOptions>, bool, AnonymousPolicy) {
        let (tls, plaintext, admitted, connections_per_address_max) = match self {
            Self::Mqtt(options) => {
                (&options.tls, options.plaintext, options.anonymous, options.connections_per_address_max)
            }
            Self::Tcp(options) => {
                (&options.tls, options.plaintext, options.anonymous, options.connections_per_address_max)
            }
            Self::Line(options) => {
                (&options.tls, options.plaintext, options.anonymous, options.connections_per_address_max)
            }
            Self::Bridge(_) => return (None, false, AnonymousPolicy::default()),
        };
        (tls.as_ref(), plaintext, AnonymousPolicy { admitted, connections_per_address_max })
    }

    /// Whether anybody beside this machine reads along.
    pub fn is_exposed(&self) -> bool {
        self.locks().0.is_none() && self.listen().is_some_and(|address| !address.ip().to_canonical().is_loopback())
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
        let source = Source { file: path.display().to_string(), text: text.to_owned() };
        let root = text
            .parse::<Table>()
            .map_err(|error| SettingsError::Invalid(vec![Complaint::syntax(&source.file, text, &error)]))?;
        let (mut root, mut faults) = (Value::from(root), Faults::default());
        let lookup = |name: &str| environment.get(name).map(str::to_owned);
        substitute::substitute(&mut root, &mut Vec::new(), &lookup, &mut faults);
        let root = read::<Table>(&[], root);
        let file = source.file.clone();
        let settings = faults.take(root).map(|root| Self::check(root, source, &mut faults));
        let settings = faults.or(settings, &file, text).map_err(SettingsError::Invalid)?;
        settings.ok_or_else(|| SettingsError::Invalid(Vec::new()))
    }

    /// Whatever can be read is, so that all faults are told at once; with any, the result is not used.
    fn check(mut root: Table, source: Source, faults: &mut Faults) -> Self {
        for key in root.keys().filter(|key| !SECTIONS.contains(&key.as_str())) {
            faults.add(Fault::unknown([Step::from(key.as_str())], "unknown key", key, &SECTIONS));
        }
        let tables = items(&mut root, "listeners", faults);
        if tables.len() > LISTENERS_MAX {
            let problem = format!("{} listeners; {LISTENERS_MAX} at most", tables.len());
            faults.add(Fault::new([Step::from("listeners")], problem));
        }
        let mut listeners = Vec::new();
        for (index, table) in tables {
            listeners.extend(listener(index, table, faults).map(|listener| (index, listener)));
        }
        let (postgres, mongodb) = sinks(&mut root, faults);
        let data_dir = root.remove("data_dir").map(|value| read(&[Step::from("data_dir")], value));
        let settings = Self {
            data_dir: data_dir.and_then(|read| faults.take(read)).unwrap_or_else(|| PathBuf::from(DATA_DIR)),
            http: http(&mut root, faults),
            listeners: Vec::new(),
            clients: match root.contains_key(options::CLIENTS.title) {
                true => Some(section(&mut root, &options::CLIENTS, faults)),
                false => None,
            },
            topics: topics(&mut root, faults),
            pipeline: pipeline(&mut root, faults),
            spool: section(&mut root, &options::SPOOL, faults),
            postgres,
            mongodb,
            routes: match root.contains_key(options::ROUTES.title) {
                true => Some(section(&mut root, &options::ROUTES, faults)),
                false => None,
            },
            rows: rows(&mut root, faults),
            dead_letters: section(&mut root, &options::DEAD_LETTERS, faults),
            backups: section(&mut root, &options::BACKUPS, faults),
            source,
        };
        ranges::check(&settings, &listeners, faults);
        Self { listeners: listeners.into_iter().map(|(_, listener)| listener).collect(), ..settings }
    }

    /// What is wrong with a value, of this listener or of the whole, in the eyes of whoever tried to use it.
    pub fn complaint(&self, listener: Option<usize>, key: &str, problem: impl Into<String>) -> Complaint {
        let place = listener.into_iter().flat_map(|index| [Step::from("listeners"), Step::from(index)]);
        let path = place.chain(key.split('.').filter(|key| !key.is_empty()).map(Step::from));
        Fault::new(path, problem).told(&self.source.file, &self.source.text)
    }
}

/// The limits of both sinks, as far as they are configured.
fn sinks(root: &mut Table, faults: &mut Faults) -> (Option<BatchLimits>, Option<BatchLimits>) {
    let (mut postgres, mut mongodb) = (None, None);
    for (index, mut table) in items(root, "sinks", faults) {
        let path = [Step::from("sinks"), Step::from(index)];
        let Some(kind) = take_type(&mut table, &path, &["postgres", "mongodb"], faults) else { continue };
        let (slot, usual, keys) = match kind.as_str() {
            "postgres" => (&mut postgres, BatchLimits::default(), &options::POSTGRES),
            _ => (&mut mongodb, BatchLimits::of_mirror(), &options::MONGODB),
        };
        let usual = Table::try_from(usual).map_err(|error| Fault::new(path.clone(), error.to_string()));
        let Some(mut limits) = faults.take(usual) else { continue };
        limits.extend(table);
        let Some(limits) = within(&path, keys, limits, faults) else { continue };
        if slot.replace(limits).is_some() {
            let problem = format!("a second sink of type \"{kind}\"; one is all there can be");
            faults.add(Fault::new(path, problem));
        }
    }
    (postgres, mongodb)
}

/// The layouts of topics. Each fault is that of the entry with which it begins.
fn topics(root: &mut Table, faults: &mut Faults) -> Templates {
    let mut entries: Vec<(usize, TopicTemplate)> = Vec::new();
    for (index, table) in items(root, "topics", faults) {
        let path = [Step::from("topics"), Step::from(index)];
        let Some(entry) = within(&path, &options::TOPICS, table, faults) else { continue };
        entries.push((index, entry));
        if faults.any_below(&path) {
            entries.pop();
        } else if let Err(error) = Templates::new(entries.iter().map(|(_, entry)| entry)) {
            faults.add(Fault::new(path, error.to_string()));
            entries.pop();
        }
    }
    faults
        .take(
            Templates::new(entries.iter().map(|(_, entry)| entry))
                .map_err(|error| Fault::new([Step::from("topics")], error.to_string())),
        )
        .unwrap_or_default()
}

/// For which databases rows are taken; one that is not there is a fault.
fn rows(root: &mut Table, faults: &mut Faults) -> Option<RowOptions> {
    root.get(options::ROWS.title)?;
    let options: RowOptions = section(root, &options::ROWS, faults);
    let registry = Registry::load(None).map_err(|error| Fault::new([], error.to_string()));
    let registry = faults.take(registry)?;
    let known: Vec<&str> = registry.all().iter().map(|database| database.name.as_str()).collect();
    if let Some((key, problem)) = options.problem(&known) {
        faults.add(Fault::new([Step::from("rows"), Step::from(key)], problem));
    }
    Some(options)
}

fn http(root: &mut Table, faults: &mut Faults) -> HttpOptions {
    let path = [Step::from("http"), Step::from("tls")];
    if let Some(tls) = root.get("http").and_then(|http| http.get("tls")).and_then(Value::as_table) {
        ranges::keys(&path, &options::HTTP_TLS, tls, faults);
    }
    section(root, &options::HTTP, faults)
}

/// What is too old to be taken is what the operations database does not keep.
fn pipeline(root: &mut Table, faults: &mut Faults) -> PipelineOptions {
    let said = root.get_mut("pipeline").and_then(Value::as_table_mut).and_then(|table| table.remove("retention"));
    if said.is_some() {
        let remedy = "is said by the registry of databases (config/databases.toml); remove it here";
        faults.add(Fault::new([Step::from("pipeline"), Step::from("retention")], remedy));
    }
    let mut options: PipelineOptions = section(root, &options::PIPELINE, faults);
    let kept = registry::retention("genims_operations_db").map_err(|error| Fault::new([], error.to_string()));
    options.retention = faults.take(kept).flatten().unwrap_or(options.retention);
    options
}

fn listener(index: usize, mut table: Table, faults: &mut Faults) -> Option<Listener> {
    let path = [Step::from("listeners"), Step::from(index)];
    let kind = take_type(&mut table, &path, &["mqtt", "tcp", "line", "bridge"], faults)?;
    let name = match table.remove("name") {
        Some(name) => faults.take(read(&[&path[..], &[Step::from("name")]].concat(), name)),
        None => Some(format!("{kind}-{index}")),
    };
    if let Some(Value::Table(tls)) = table.get("tls") {
        ranges::keys(&[&path[..], &[Step::from("tls")]].concat(), &options::TLS, tls, faults);
    }
    let kind = match kind.as_str() {
        "mqtt" => within(&path, &options::MQTT, table, faults).map(ListenerKind::Mqtt),
        "tcp" => within(&path, &options::TCP, table, faults).map(ListenerKind::Tcp),
        "line" => within(&path, &options::LINE, table, faults).map(ListenerKind::Line),
        _ => within(&path, &options::BRIDGE, table, faults).map(ListenerKind::Bridge),
    };
    Some(Listener { name: name?, kind: kind? })
}

/// The table's `type`, which is one of `known`.
fn take_type(table: &mut Table, path: &[Step], known: &[&str], faults: &mut Faults) -> Option<String> {
    let place = [path, &[Step::from("type")]].concat();
    let Some(value) = table.remove("type") else {
        faults.add(Fault::new(path.to_vec(), format!("has no type; one of {}", known.join(", "))));
        return None;
    };
    let kind: String = faults.take(read(&place, value))?;
    if !known.contains(&kind.as_str()) {
        faults.add(Fault::unknown(place, "not a type known here", &kind, known));
        return None;
    }
    Some(kind)
}

/// The tables of a list, with their numbers.
fn items(root: &mut Table, key: &str, faults: &mut Faults) -> Vec<(usize, Table)> {
    let mut tables = Vec::new();
    match root.remove(key) {
        None => {}
        Some(Value::Array(items)) => {
            for (index, item) in items.into_iter().enumerate() {
                match item {
                    Value::Table(table) => tables.push((index, table)),
                    _ => faults.add(Fault::must_be(
                        [Step::from(key), Step::from(index)],
                        format!("a table: write [[{key}]] above its keys"),
                    )),
                }
            }
        }
        Some(_) => faults.add(Fault::must_be(
            [Step::from(key)],
            format!("a list of tables: write [[{key}]], in two brackets, above the keys of each"),
        )),
    }
    tables
}

fn section<T: DeserializeOwned + Default>(root: &mut Table, section: &Section, faults: &mut Faults) -> T {
    let path = [Step::from(section.title)];
    let table = match root.remove(section.title) {
        None => Table::new(),
        Some(Value::Table(table)) => table,
        Some(_) => {
            let form = format!("a table: write [{}] above its keys", section.title);
            faults.add(Fault::must_be(path, form));
            return T::default();
        }
    };
    within(&path, section, table, faults).unwrap_or_default()
}

/// Reads a table. A key at fault is told and left out, so that the others are looked at, too.
fn within<T: DeserializeOwned>(path: &[Step], section: &Section, mut table: Table, faults: &mut Faults) -> Option<T> {
    ranges::keys(path, section, &table, faults);
    loop {
        match read(path, Value::Table(table.clone())) {
            Ok(options) => return Some(options),
            Err(fault) => {
                let key = match fault.path.get(path.len()) {
                    Some(Step::Key(key)) => key.clone(),
                    _ => String::new(),
                };
                faults.add(fault);
                // What is wrong with no key in particular stays wrong.
                table.remove(&key)?;
            }
        }
    }
}

#[cfg(test)]
mod tests;
