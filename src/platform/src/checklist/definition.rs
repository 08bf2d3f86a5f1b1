//! The lines of the checklist, in config/checklist, embedded at build time: id, phase, what must hold, and how it is looked at.
//! config/checklist/README.md describes the form. Leaves: lines in the order of their ids, which are unique; each has a check, or says
//! what people have to confirm, or both.

use crate::errors::PlatformError;
use genims_databases::complaint::{self, Complaint, Fault, Faults, Step};
use genims_databases::{Database, Engine, Registry};
use include_dir::{Dir, include_dir};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::doctor::Subject;

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../config/checklist");

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub id: String,
    pub phase: String,
    pub must_hold: String,
    /// All of them have to hold.
    pub checks: Vec<Check>,
    /// What somebody has to confirm because no program can see it.
    pub sign: Option<String>,
}

/// One way of looking.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Check {
    /// The registry has so many databases, each with team, purpose and schema.
    Registry { on: Vec<String>, databases: usize, kept_years: Option<[u64; 2]> },
    /// The data dictionary describes so many tables and collections, each with its purpose.
    Dictionary { tables: usize },
    /// A document that this program carries says all of this; with `names_connections`, of every database how it is reached.
    Document {
        file: String,
        says: Vec<String>,
        #[serde(default)]
        names_connections: bool,
    },
    /// The environment says how so many databases are reached.
    Environment { on: Vec<String>, databases: usize },
    /// What the doctor says of these databases; `subjects` empty: of everything. With `strict`, what it only warns of fails, and so
    /// does a connection in clear on this machine.
    Doctor {
        on: Vec<String>,
        #[serde(default)]
        subjects: Vec<Subject>,
        #[serde(default)]
        strict: bool,
    },
    /// `genims capacity`: nothing has fewer days left.
    Capacity { days: u32 },
    /// What `genims verify` finds.
    Verify(RuleSelection),
    /// One row: whether it holds, null where the login cannot see that, and what was found. In each of these databases.
    Sql { on: Vec<String>, sql: String, remedy: String },
    /// Collections of MongoDB that are there, and with `filled` hold something.
    Collections {
        names: Vec<String>,
        at_least: usize,
        #[serde(default)]
        in_all: usize,
        #[serde(default)]
        filled: bool,
    },
    /// A command of MongoDB, asked of its `admin` database, and what must stand at a place of its answer.
    Command {
        command: String,
        at: String,
        #[serde(default)]
        none_of: Vec<String>,
        at_least: Option<f64>,
        at_most: Option<f64>,
        remedy: String,
    },
    /// The running server: at least so many entries of a list in `/stats` that are `where`, each of them as `is` allows.
    Server(Server),
    /// The jobs that fill a database, but for some by name: from at least so many databases, so often, and lately.
    Etl {
        target: String,
        #[serde(default)]
        except: Vec<String>,
        #[serde(default)]
        sources: usize,
        #[serde(default, with = "humantime_serde::option")]
        every: Option<Duration>,
        #[serde(default, with = "humantime_serde::option")]
        succeeded_within: Option<Duration>,
    },
    /// Every chain and seal of the audit trail.
    AuditTrail {},
    /// MongoDB expires documents as their files say.
    Expiry {},
    /// Every listener and bridge and the HTTP side is encrypted, on this machine, too.
    Listeners {},
    /// `genims security audit` runs.
    Security {},
    /// The newest backup of each database in the folder that `--backups` names.
    Backups {
        on: Vec<String>,
        /// It is as young as the registry wants it.
        #[serde(default)]
        on_schedule: bool,
        /// Every file is read and compared with the manifest.
        #[serde(default)]
        whole: bool,
    },
    /// `genims drill` brought these back from their backups: at least so many of them, and lately.
    Drill {
        on: Vec<String>,
        at_least: usize,
        #[serde(default, with = "humantime_serde::option")]
        younger_than: Option<Duration>,
    },
    /// The queries of this engine in config/checklist, so many sessions at once; with `objectives`, each within its own.
    Benchmark {
        on: Vec<String>,
        sessions: usize,
        #[serde(default)]
        objectives: bool,
    },
    /// Git does not take this file.
    Ignored { file: String },
    /// No configured password stands in this program or in its configuration file.
    Passwords {},
    /// The worst of the lines above.
    LinesAbove {},
}

/// Which findings of `genims verify` are meant: those that fit everything that is said.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleSelection {
    /// By name.
    pub rules: Vec<String>,
    pub family: Option<String>,
    /// Every family but this.
    pub except: Option<String>,
    /// The database that owns the rule is one of these.
    pub of: Vec<String>,
    /// It also reads this database.
    pub refers_to: Option<String>,
    /// It reads more than one database.
    pub across: bool,
    /// So many rows, or tables, were looked at, exactly.
    pub looked_at: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The key of the list in `/stats`.
    pub list: String,
    #[serde(default)]
    pub r#where: BTreeMap<String, serde_json::Value>,
    /// The values that are allowed, by key.
    #[serde(default)]
    pub is: BTreeMap<String, Vec<serde_json::Value>>,
    #[serde(default)]
    pub at_most: BTreeMap<String, f64>,
    pub at_least: usize,
    pub remedy: String,
}

/// A query that is timed; for MongoDB a command as JSON, where `{some}` in its filter stands for what some document has there.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    pub database: String,
    pub asks: String,
    pub sql: String,
    #[serde(with = "humantime_serde")]
    pub objective: Duration,
}

/// The whole list.
#[derive(Clone, Debug, PartialEq)]
pub struct Lines {
    pub all: Vec<Line>,
    pub queries: Vec<Query>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    phase: String,
    #[serde(default)]
    line: Vec<Written>,
    #[serde(default)]
    query: Vec<Query>,
}

/// A line as its file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: String,
    must_hold: String,
    #[serde(default)]
    check: Vec<Check>,
    sign: Option<String>,
}

/// The embedded lines.
pub fn load(registry: &Registry) -> Result<Lines, PlatformError> {
    let (mut all, mut queries): (Vec<Line>, Vec<Query>) = (Vec::new(), Vec::new());
    let is_toml = |file: &&include_dir::File<'_>| file.path().extension().is_some_and(|it| it == "toml");
    for file in EMBEDDED.files().filter(is_toml) {
        let (lines, asked) =
            parse(&file.path().display().to_string(), file.contents_utf8().unwrap_or_default(), registry)
                .map_err(PlatformError::Checklist)?;
        all.extend(lines);
        queries.extend(asked);
    }
    all.sort_by(|one, other| one.id.cmp(&other.id));
    if let Some(twice) = all.windows(2).find(|pair| pair[0].id == pair[1].id) {
        let problem = format!("the line {} is there twice: an id is there once", twice[0].id);
        return Err(PlatformError::Checklist(vec![Complaint { problem, ..Complaint::default() }]));
    }
    Ok(Lines { all, queries })
}

fn parse(place: &str, text: &str, registry: &Registry) -> Result<(Vec<Line>, Vec<Query>), Vec<Complaint>> {
    let file: File = complaint::parse(place, text)?;
    let (mut lines, mut faults) = (Vec::new(), Faults::default());
    for (index, query) in file.query.iter().enumerate() {
        let known = databases(&query.database, registry);
        faults.take(known.map(drop).map_err(|fault| fault.below(&[Step::from("query"), Step::from(index)])));
    }
    for (index, written) in file.line.into_iter().enumerate() {
        let below = [Step::from("line"), Step::from(index)];
        let line = understood(written, &file.phase, registry).map_err(|fault| fault.below(&below));
        lines.extend(faults.take(line));
    }
    faults.or((lines, file.query), place, text)
}

fn understood(written: Written, phase: &str, registry: &Registry) -> Result<Line, Fault> {
    let Written { id, must_hold, check, sign } = written;
    let of = |fault: Fault| fault.of(&format!("line {id}"));
    if check.is_empty() && sign.is_none() {
        return Err(of(Fault::new([], "nobody looks at it: give it a check, or say in sign what has to be confirmed")));
    }
    for (key, text) in [("id", Some(&id)), ("must_hold", Some(&must_hold)), ("sign", sign.as_ref())] {
        if text.is_some_and(|text| text.trim().is_empty()) {
            return Err(of(Fault::new([Step::from(key)], format!("its {key} is empty"))));
        }
    }
    for (index, check) in check.iter().enumerate() {
        for name in check.databases() {
            databases(name, registry).map_err(|fault| of(fault.below(&[Step::from("check"), Step::from(index)])))?;
        }
    }
    Ok(Line { id, phase: phase.to_owned(), must_hold, checks: check, sign })
}

impl Check {
    /// What it says of databases: names, modules, engines, `all`.
    fn databases(&self) -> Vec<&str> {
        let on = match self {
            Self::Registry { on, .. }
            | Self::Environment { on, .. }
            | Self::Doctor { on, .. }
            | Self::Sql { on, .. }
            | Self::Backups { on, .. }
            | Self::Drill { on, .. }
            | Self::Benchmark { on, .. } => on,
            Self::Verify(rules) => &rules.of,
            Self::Etl { target, .. } => return vec![target],
            _ => return Vec::new(),
        };
        on.iter().map(String::as_str).collect()
    }
}

/// Those that are meant by a word: `all`, an engine, a module, a database.
pub fn databases<'r>(word: &str, registry: &'r Registry) -> Result<Vec<&'r Database>, Fault> {
    let engine = match word {
        "all" => return Ok(registry.all().iter().collect()),
        "postgresql" => Engine::Postgresql,
        "mysql" => Engine::Mysql,
        "mongodb" => Engine::Mongodb,
        name => {
            let known: Vec<&str> = registry.all().iter().map(|database| database.module.as_str()).collect();
            let known = [&["all", "postgresql", "mysql", "mongodb"][..], &known].concat();
            let unknown = |_| Fault::unknown([], "no database of the registry and no engine", name, &known);
            return registry.get(name).map(|database| vec![database]).map_err(unknown);
        }
    };
    Ok(registry.all().iter().filter(|database| database.engine == engine).collect())
}

/// All that are meant by several words, in load order.
pub fn meant<'r>(words: &[String], registry: &'r Registry) -> Vec<&'r Database> {
    let named: Vec<&Database> = words.iter().filter_map(|word| databases(word, registry).ok()).flatten().collect();
    registry.all().iter().filter(|database| named.contains(database)).collect()
}

impl Lines {
    /// The lines of a phase, or all of them.
    pub fn of(&self, phase: Option<&str>) -> Result<Vec<&Line>, PlatformError> {
        let Some(phase) = phase else { return Ok(self.all.iter().collect()) };
        let lines: Vec<&Line> = self.all.iter().filter(|line| line.phase == phase).collect();
        if lines.is_empty() {
            let known: BTreeSet<&str> = self.all.iter().map(|line| line.phase.as_str()).collect();
            let known = known.into_iter().map(|phase| format!("\"{phase}\"")).collect::<Vec<_>>().join(", ");
            return Err(PlatformError::UnknownPhase { phase: phase.to_owned(), known });
        }
        Ok(lines)
    }

    /// The line of this id, if people have to settle it.
    pub fn to_sign(&self, id: &str) -> Result<&Line, PlatformError> {
        let known = |line: &&Line| line.sign.is_some();
        let Some(line) = self.all.iter().find(|line| line.id.eq_ignore_ascii_case(id)) else {
            let known: Vec<&str> = self.all.iter().filter(known).map(|line| line.id.as_str()).collect();
            return Err(PlatformError::UnknownLine { id: id.to_owned(), known: known.join(", ") });
        };
        if line.sign.is_none() {
            let (id, must_hold) = (line.id.clone(), line.must_hold.clone());
            return Err(PlatformError::NotToSign { id, must_hold, phase: line.phase.clone() });
        }
        Ok(line)
    }
}

#[cfg(test)]
#[path = "definition_tests.rs"]
mod tests;
