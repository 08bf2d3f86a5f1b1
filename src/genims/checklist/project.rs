//! What this program and this machine say, without any server: registry, dictionary, documents, environment, git, passwords.

use crate::security::secrets;
use genims_databases::configured;
use genims_databases::{Database, Environment, Registry};
use genims_model::counted;
use genims_platform::checklist::Outcome;
use genims_platform::dictionary::Dictionary;
use memchr::memmem;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

const BROKEN: &str = "use another release: this one is not whole";
const GIT_MAX: Duration = Duration::from_secs(10);
const DAYS_OF_A_YEAR: u64 = 365;

/// Documents that this program carries.
const DOCUMENTS: [(&str, &str); 7] = [
    ("README.md", include_str!("../../../README.md")),
    ("RUNBOOK.md", include_str!("../../../RUNBOOK.md")),
    ("config/connections.md", include_str!("../../../config/connections.md")),
    ("ARCHITECTURE.md", include_str!("../../../ARCHITECTURE.md")),
    ("CONTRIBUTING.md", include_str!("../../../CONTRIBUTING.md")),
    ("CHANGELOG.md", include_str!("../../../CHANGELOG.md")),
    (".env.example", include_str!("../../../.env.example")),
];

pub(super) fn registry(databases: &[&Database], wanted: usize, kept_years: Option<[u64; 2]>) -> Outcome {
    let named =
        |database: &&&Database| !database.team.is_empty() && !database.purpose.is_empty() && database.has_schema();
    let kept = |database: &&&Database| {
        let Some([from, to]) = kept_years else { return true };
        // Leap years make a span of years longer.
        let days = database.retention.map_or(u64::MAX, |span| span.as_secs() / 86_400);
        (from * DAYS_OF_A_YEAR..=to * (DAYS_OF_A_YEAR + 1)).contains(&days)
    };
    let good: Vec<&&Database> = databases.iter().filter(named).filter(kept).collect();
    let told: Vec<String> = good
        .iter()
        .map(|database| format!("{} ({}, {})", database.name, database.team, counted(database.tables, "table")))
        .collect();
    let kept = kept_years.map(|[from, to]| format!(", kept {from} to {to} years")).unwrap_or_default();
    let found = format!("{} of {wanted} in the registry{kept}: {}", good.len(), told.join(", "));
    Outcome::judged(good.len() == wanted && databases.len() == wanted, found, "mend config/databases.toml")
}

pub(super) fn dictionary(registry: &Registry, wanted: usize) -> Outcome {
    let dictionary = match Dictionary::of(registry) {
        Ok(dictionary) => dictionary,
        Err(error) => return Outcome::not_looked_at(error),
    };
    let tables = dictionary.databases.iter().flat_map(|entry| &entry.contents);
    let (described, silent): (Vec<_>, Vec<_>) = tables.partition(|table| !table.comment.is_empty());
    let columns: usize = described.iter().map(|table| table.columns.len()).sum();
    let found = format!("{} tables and collections with {columns} columns are described", described.len());
    match silent.first() {
        Some(first) => {
            let found = format!("{found}; {} are not: {} ...", silent.len(), first.name);
            Outcome::fails(found, "give each table a comment in config/schema")
        }
        None => Outcome::judged(described.len() == wanted, found, BROKEN),
    }
}

/// Of `connections` it has to name every variable.
pub(super) fn document(file: &str, says: &[String], connections: &[Database]) -> Outcome {
    let Some((_, text)) = DOCUMENTS.iter().find(|(name, _)| *name == file) else {
        return Outcome::fails(format!("this program carries no {file}"), BROKEN);
    };
    let is_heading = |wanted: &str| text.lines().any(|line| line.trim_end() == wanted);
    let is_said = |wanted: &&String| if wanted.starts_with('#') { is_heading(wanted) } else { text.contains(*wanted) };
    let lacking: Vec<&str> = says.iter().filter(|wanted| !is_said(wanted)).map(String::as_str).collect();
    let unnamed: Vec<&str> = connections
        .iter()
        .map(|database| database.connection.as_str())
        .filter(|variable| !text.contains(&format!("\n{variable}=")))
        .collect();
    if lacking.is_empty() && unnamed.is_empty() {
        let connections = match connections.len() {
            0 => String::new(),
            count => format!(", and names {}", counted(count, "connection")),
        };
        return Outcome::holds(format!("{file} says {}{connections}", says.join(", ")));
    }
    let lacking = [lacking, unnamed].concat().join(", ");
    Outcome::fails(format!("{file} does not say {lacking}"), format!("write it into {file}"))
}

pub(super) fn environment(databases: &[&Database], environment: &Environment, wanted: usize) -> Outcome {
    let examined = configured::examine(databases.iter().copied(), environment);
    if let Some(fault) = examined.faults.first() {
        return Outcome::fails(format!("{} {}", fault.variable, fault.problem), "`genims validate` says all faults");
    }
    let places: Vec<&str> = examined.places.values().map(String::as_str).collect();
    let found = format!("{} of {wanted} are configured: {}", places.len(), places.join(", "));
    Outcome::judged(places.len() == wanted, found, "set their variables in .env (.env.example names them)")
}

/// Git takes a file when it is in a work tree and nothing says that it is to be ignored.
pub(super) async fn ignored(file: &Path) -> Outcome {
    let Ok(here) = std::env::current_dir() else {
        return Outcome::unknown("the working directory is not known", "change into a folder that is there");
    };
    if !here.ancestors().any(|folder| folder.join(".git").exists()) {
        return Outcome::holds(format!("{} is in no work tree of git", here.join(file).display()));
    }
    let mut git = Command::new("git");
    git.args(["check-ignore", "-v", "--"]).arg(file).kill_on_drop(true);
    match timeout(GIT_MAX, git.output()).await {
        Ok(Ok(output)) if output.status.success() => {
            let rule = String::from_utf8_lossy(&output.stdout).trim().replace('\t', " ");
            Outcome::holds(format!("git ignores it by {rule}"))
        }
        Ok(Ok(output)) if output.status.code() == Some(1) => Outcome::fails(
            format!("git would take {}", here.join(file).display()),
            format!("write {} into .gitignore; if it was committed, change the passwords", file.display()),
        ),
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Outcome::unknown(format!("git cannot tell: {said}"), "run `git check-ignore -v .env` here")
        }
        Ok(Err(error)) => Outcome::unknown(format!("git does not run: {error}"), "install git, or look at .gitignore"),
        Err(_) => Outcome::unknown("git does not answer", "run `git check-ignore -v .env` here"),
    }
}

/// Configured passwords are looked for in this program and in the configuration file; none is told.
pub(super) fn passwords(environment: &Environment, config: Option<&Path>) -> Outcome {
    let all = match secrets::passwords(environment) {
        Ok(all) => all,
        Err(error) => return Outcome::not_looked_at(error),
    };
    if all.is_empty() {
        return Outcome::unknown("no variable holds a password", "run this where the databases are configured");
    }
    if let Some(short) = all.iter().find(|one| one.password.len() < secrets::BYTES_MIN) {
        let found = format!("the password in {} is too short to be looked for", short.variable);
        return Outcome::unknown(found, "draw a longer one: `genims security audit` says which are weak");
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return Outcome::unknown(format!("this program's file is not known: {error}"), BROKEN),
    };
    let files: Vec<PathBuf> = [program].into_iter().chain(config.map(Path::to_owned)).collect();
    let needles: Vec<&[u8]> = all.iter().map(|one| one.password.as_bytes()).collect();
    for path in &files {
        match File::open(path).and_then(|file| first_within(file, &needles)) {
            Ok(None) => {}
            Ok(Some(index)) => {
                let variable = all.get(index).map_or("?", |one| one.variable.as_str());
                let found = format!("the password in {variable} stands in {}", path.display());
                return Outcome::fails(found, "draw another, change it at the database, and keep it out of files");
            }
            Err(error) => {
                return Outcome::unknown(format!("{} cannot be read: {error}", path.display()), "let it be read");
            }
        }
    }
    let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    Outcome::holds(format!("none of {} configured passwords stands in {}", all.len(), files.join(" or in ")))
}

/// The first of the needles that stands in what is read, a piece at a time.
fn first_within(mut source: impl Read, needles: &[&[u8]]) -> io::Result<Option<usize>> {
    const PIECE: usize = 1 << 20;
    let overlap = needles.iter().map(|needle| needle.len()).max().unwrap_or(1).saturating_sub(1);
    let mut window: Vec<u8> = Vec::with_capacity(PIECE + overlap);
    loop {
        let kept = window.len().min(overlap);
        window.drain(..window.len() - kept);
        let read = source.by_ref().take(PIECE as u64).read_to_end(&mut window)?;
        if let Some(index) = needles.iter().position(|needle| memmem::find(&window, needle).is_some()) {
            return Ok(Some(index));
        }
        if read == 0 {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_platform::checklist::{Check, LineState, definition};

    #[test]
    fn the_documents_say_what_each_line_asks_for() {
        let registry = Registry::load(None).expect("the embedded registry");
        let lines = definition::load(&registry).expect("the embedded lines").all;
        for (id, check) in lines.iter().flat_map(|line| line.checks.iter().map(move |check| (&line.id, check))) {
            let Check::Document { file, says, names_connections } = check else { continue };
            let outcome = document(file, says, if *names_connections { registry.all() } else { &[] });
            assert_eq!(outcome.state, LineState::Holds, "{id}: {}", outcome.found);
        }
    }

    #[test]
    fn the_documents_say_what_lines_ask_for_and_what_is_gone_fails() {
        let says = |text: &str| vec![text.to_owned()];
        let registry = Registry::load(None).expect("the embedded registry");
        assert_eq!(document("README.md", &says("## Connections"), &[]).state, LineState::Holds);
        assert_eq!(
            document("README.md", &says("## Connection"), &[]).state,
            LineState::Fails,
            "a heading is a whole line"
        );
        assert_eq!(document("MANUAL.md", &says("x"), &[]).state, LineState::Fails);
        assert_eq!(document(".env.example", &[], registry.all()).state, LineState::Holds);
        assert_eq!(document("CHANGELOG.md", &[], registry.all()).state, LineState::Fails);
    }

    #[test]
    fn the_registry_is_counted_and_its_spans_are_compared() {
        let whole = Registry::load(None).expect("the embedded registry");
        let of = |names: &[&str]| -> Vec<Database> {
            names.iter().map(|name| whole.get(name).expect("known").clone()).collect()
        };
        let state = |names: &[&str], wanted, kept| {
            let databases = of(names);
            registry(&databases.iter().collect::<Vec<_>>(), wanted, kept).state
        };
        assert_eq!(state(&["hr", "erp"], 2, None), LineState::Holds);
        assert_eq!(state(&["hr", "erp"], 3, None), LineState::Fails);
        assert_eq!(state(&["hr", "erp", "wms"], 2, None), LineState::Fails);
        assert_eq!(state(&["hr", "wms"], 2, Some([7, 10])), LineState::Holds);
        assert_eq!(state(&["reporting"], 1, Some([7, 10])), LineState::Fails);
        assert_eq!(dictionary(&whole, 440).state, LineState::Holds);
        assert_eq!(dictionary(&whole, 441).state, LineState::Fails);
    }

    #[test]
    fn what_is_not_configured_fails_and_what_cannot_be_read_says_why() {
        let whole = Registry::load(None).expect("the embedded registry");
        let mysql: Vec<&Database> = whole.all().iter().filter(|it| it.connection.contains("AUDIT")).collect();
        let state = |pairs: &[(&str, &str)]| environment(&mysql, &Environment::from_pairs(pairs.iter().copied()), 1);
        assert_eq!(state(&[]).state, LineState::Fails);
        let set = state(&[("GENIMS_AUDIT_DB_URL", "mysql://u:secret-word@h/x")]);
        assert_eq!((set.state, set.found.contains("secret-word")), (LineState::Holds, false), "{}", set.found);
        assert_eq!(state(&[("GENIMS_AUDIT_DB_URL", "mysql://u@a:1,b:2/")]).state, LineState::Fails);
    }

    #[test]
    fn a_password_is_found_across_the_border_of_two_pieces() {
        let mut text = vec![b'x'; (1 << 20) - 3];
        text.extend_from_slice(b"a-password");
        assert_eq!(first_within(&text[..], &[b"other", b"a-password"]).expect("read"), Some(1));
        assert_eq!(first_within(&text[..], &[b"a-passwort"]).expect("read"), None);
    }

    #[test]
    fn a_password_in_the_configuration_is_told_by_its_variable_and_not_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("genims.toml");
        let variables =
            |password: &str| Environment::from_pairs([("GENIMS_HR_DB_URL", format!("postgresql://u:{password}@h/x"))]);
        // Drawn here, so that it stands in no program.
        let drawn = uuid::Uuid::new_v4().to_string();
        std::fs::write(&file, format!("broker = \"mqtt://u:{drawn}@h\"")).expect("written");
        let found = passwords(&variables(&drawn), Some(&file));
        assert_eq!(
            (found.state, found.found.contains("GENIMS_HR_DB_URL")),
            (LineState::Fails, true),
            "{}",
            found.found
        );
        assert!(!found.found.contains(&drawn));
        assert_eq!(passwords(&variables(&uuid::Uuid::new_v4().to_string()), Some(&file)).state, LineState::Holds);
        assert_eq!(passwords(&variables("short"), Some(&file)).state, LineState::Unknown);
        assert_eq!(passwords(&Environment::default(), Some(&file)).state, LineState::Unknown);
    }
}
