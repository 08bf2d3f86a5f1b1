//! What Cargo cannot enforce: how a file opens, how long it is, which rooms are pure, who may depend on which driver.
//!
//! That no room imports a higher one is Cargo's work: a dependency that is not in its manifest cannot be named. Each
//! rule here has a planted violation beside it that it must catch.

#![allow(clippy::unwrap_used, reason = "a test that meets an error it did not expect should stop there")]

mod circles;
mod names;
mod strings;
mod words;

use circles::circles;
use std::fs;
use std::path::{Path, PathBuf};

const FOLDERS: [&str; 4] = ["src", "tests", "benches", "loadtest"];

const LINES_MAX: usize = 450;

/// Rooms that know no clock, no I/O and no runtime: time and thresholds are arguments.
const PURE: [&str; 3] = ["decode", "rows", "analysis"];

/// What a pure room may not name outside its tests.
const IMPURE: [&str; 10] = [
    "SystemTime::now",
    "Instant::now",
    "Utc::now",
    "Local::now",
    "now_us(",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "tokio",
];

/// Crates that speak to a server, or that do what is done in one place, and the manifests that may name them. `dev` asks
/// servers that it started whether they answer, and writes and counts rows in them for the figures; the root package has the tests that play the client.
const DRIVERS: [(&str, &[&str]); 8] = [
    ("tokio-postgres", &["databases", "changes", "etl", "stores", "platform", "backup", "seed", "dev"]),
    ("mongodb", &["databases", "changes", "etl", "stores", "platform", "backup", "seed", "dev"]),
    ("mysql_async", &["databases", "changes", "etl", "stores", "platform", "backup", "seed", "dev"]),
    ("rumqttc", &["listen"]),
    ("rusty-s3", &["backup"]),
    ("backon", &["model"]),
    ("prometheus-client", &["api"]),
    ("askama", &["api", "platform"]),
];

struct File {
    /// From the root of the repository.
    name: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(folder: &Path, extension: &str, files: &mut Vec<File>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, extension, files);
        } else if path.extension().is_some_and(|found| found == extension) {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            files.push(File { name, text: fs::read_to_string(&path).unwrap() });
        }
    }
}

fn files(extension: &str) -> Vec<File> {
    let mut files = Vec::new();
    FOLDERS.iter().for_each(|folder| collect(&root().join(folder), extension, &mut files));
    files
}

#[test]
fn every_file_says_what_it_is_and_stays_short() {
    let files = files("rs");
    assert!(files.len() > 200, "only {} files found below {}", files.len(), root().display());
    assert_none(files.iter().flat_map(form).collect());
    assert_eq!(form(&file("src/a/src/lib.rs", "fn main() {}")).len(), 1);
    assert_eq!(form(&file("src/a/src/lib.rs", &format!("//! x\n{}", "// x\n".repeat(LINES_MAX)))).len(), 1);
}

fn form(file: &File) -> Vec<String> {
    let lines = file.text.lines().count();
    let unopened = (!file.text.starts_with("//!")).then(|| format!("{}:1: opens without `//!`", file.name));
    let long = (lines > LINES_MAX).then(|| format!("{}: {lines} lines, at most {LINES_MAX}", file.name));
    unopened.into_iter().chain(long).collect()
}

#[test]
fn pure_rooms_know_no_clock_and_no_io() {
    assert_none(files("rs").iter().flat_map(impurity).collect());
    assert_eq!(impurity(&file("src/decode/src/json.rs", "//! x\nuse std::fs;\n")).len(), 1);
    assert_eq!(impurity(&file("src/analysis/src/window.rs", "let now = std::time::Instant::now();")).len(), 1);
    assert!(impurity(&file("src/analysis/src/window.rs", "#[cfg(test)]\nmod tests { use std::fs; }")).is_empty());
    assert!(impurity(&file("src/log/src/file/mod.rs", "use std::fs;")).is_empty());
}

fn impurity(file: &File) -> Vec<String> {
    if !PURE.iter().any(|room| file.name.starts_with(&format!("src/{room}/src/"))) {
        return Vec::new();
    }
    // Tests may use a clock or a file.
    let code = file.text.split("#[cfg(test)]").next().unwrap_or_default();
    let code = code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.filter_map(|(at, line)| {
        let found = IMPURE.iter().find(|impure| line.contains(**impure))?;
        Some(format!("{}:{}: `{found}` in a pure room: time and data are arguments", file.name, at + 1))
    })
    .collect()
}

#[test]
fn drivers_stay_in_their_rooms_and_the_load_harness_shares_no_code_with_the_server() {
    let manifests = files("toml");
    let manifests: Vec<&File> = manifests.iter().filter(|file| file.name.ends_with("Cargo.toml")).collect();
    assert!(manifests.len() > 10, "only {} manifests found", manifests.len());
    assert_none(manifests.iter().flat_map(|file| dependencies(file)).collect());
    assert_eq!(dependencies(&file("src/api/Cargo.toml", "[dependencies]\nmongodb.workspace = true\n")).len(), 1);
    assert_eq!(dependencies(&file("src/decode/Cargo.toml", "[dependencies]\ntokio.workspace = true\n")).len(), 1);
    let harness = file("loadtest/Cargo.toml", "[dependencies]\ngenims-decode.workspace = true\n");
    assert_eq!(dependencies(&harness).len(), 1);
}

fn dependencies(file: &File) -> Vec<String> {
    let named: Vec<&str> = file.text.lines().filter_map(|line| line.split(['.', ' ', '=']).next()).collect();
    if file.name.starts_with("loadtest/") {
        let ours = named.iter().filter(|name| name.starts_with("genims-") || **name == "genims");
        return ours
            .map(|name| format!("{}: {name}: a codec bug shared by both sides would stay hidden", file.name))
            .collect();
    }
    let room = file.name.split('/').nth(1).unwrap_or_default();
    let drivers = DRIVERS.iter().filter(|(driver, rooms)| named.contains(driver) && !rooms.contains(&room));
    let mut found: Vec<String> =
        drivers.map(|(driver, rooms)| format!("{}: `{driver}` belongs to {}", file.name, rooms.join(", "))).collect();
    if PURE.contains(&room) && named.contains(&"tokio") {
        found.push(format!("{}: a pure room has no runtime", file.name));
    }
    found
}

#[test]
fn positions_are_made_and_judged_by_the_log_alone() {
    assert_none(files("rs").iter().flat_map(judgements).collect());
    assert_eq!(judgements(&file("src/a/src/x.rs", "let place = Position::of(log, lineage, 5);")).len(), 1);
    assert_eq!(
        judgements(&file("tests/it/x.rs", "assert!(one.lineage().epochs() == two.lineage().epochs());")).len(),
        1
    );
    assert!(judgements(&file("src/a/src/x.rs", "// Lineage::of\nlet place = start.moved_to(5);")).is_empty());
    assert!(judgements(&file("src/log/src/history.rs", "remembered.lineage().epochs()")).is_empty());
}

/// A store or a consumer that looks into a position.
fn judgements(file: &File) -> Vec<String> {
    const OF_THE_LOG: [&str; 3] = ["Position::of(", "Lineage::", ".lineage()"];
    let is_log = ["src/log/", "src/model/src/position.rs", "tests/style/"].iter().any(|own| file.name.starts_with(own));
    let code = file.text.lines().enumerate().filter(|(_, line)| !is_log && !line.trim_start().starts_with("//"));
    code.filter(|(_, line)| OF_THE_LOG.iter().any(|own| line.contains(own)))
        .map(|(at, _)| format!("{}:{}: only the log knows what a position means", file.name, at + 1))
        .collect()
}

#[test]
fn no_files_of_a_crate_import_each_other_in_a_circle() {
    assert_none(circles(&files("rs")));
    let found = |texts: [(&str, &str); 3]| circles(&texts.map(|(name, text)| file(&format!("src/x/src/{name}"), text)));
    let root = ("lib.rs", "mod a;\nmod b;\npub use b::{self, Y};");
    assert_eq!(
        found([root, ("a.rs", "use super::b::{self, c::Y};"), ("b/mod.rs", "fn f() { crate::a::f(); }")]).len(),
        1
    );
    assert_eq!(found([root, ("a.rs", "use crate::Y;"), ("b.rs", "use super::a::X as Z;")]).len(), 1);
    assert!(found([root, ("a.rs", "use super::b::Y;"), ("b.rs", "// use super::a::X;\nuse crate::f;")]).is_empty());
    let parent = ("b/mod.rs", "mod c;\nuse c::Y;");
    assert!(
        found([root, parent, ("b/c.rs", "use super::Z;\n#[cfg(test)]\nmod tests {\nuse crate::b::X;\n}")]).is_empty()
    );
}

#[test]
fn a_process_ends_by_leaving_main() {
    assert_none(files("rs").iter().flat_map(exits).collect());
    assert_eq!(exits(&file("src/a/src/lib.rs", "//! x\nstd::process::exit(1);")).len(), 1);
    assert!(exits(&file("src/a/src/lib.rs", "// process::exit(1) runs no destructors")).is_empty());
}

/// Locks, temporary tables and progress are given back by destructors, which an exit leaves out.
fn exits(file: &File) -> Vec<String> {
    let code = file.text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.filter(|(_, line)| file.name.starts_with("src/") && line.contains("process::exit("))
        .map(|(at, _)| format!("{}:{}: return an exit code from main", file.name, at + 1))
        .collect()
}

#[test]
fn the_files_to_read_are_there() {
    let guide = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let named: Vec<&str> =
        guide.split('`').filter(|part| part.starts_with("src/") && !part.contains([' ', '<'])).collect();
    assert!(named.len() >= 10, "{named:?}");
    let missing: Vec<&&str> = named.iter().filter(|path| !root().join(path).exists()).collect();
    assert!(missing.is_empty(), "CONTRIBUTING.md names {missing:?}");
}

/// What the code calls by names that a reader would look up in vain elsewhere.
const OWN_WORDS: [&str; 6] = ["door", "gate", "keeper", "room", "shard", "witness"];

#[test]
fn words_of_our_own_stand_in_the_glossary() {
    assert_none(unexplained(&fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap()));
    let two = "| door, gate | where one comes in |\n| key | of a keeper |\n";
    assert_eq!(unexplained(two).len(), OWN_WORDS.len() - 2);
}

fn unexplained(guide: &str) -> Vec<String> {
    let words = guide.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let words: Vec<&str> = words.flat_map(|words| words.split(", ")).collect();
    let missing = OWN_WORDS.iter().filter(|word| !words.contains(word));
    missing.map(|word| format!("CONTRIBUTING.md: `{word}` has no row among the words")).collect()
}

#[test]
fn the_tests_on_real_servers_are_run() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(
        manifest.contains("[[test]]\nname = \"it\"\npath = \"tests/it/main.rs\"\nharness = false\n"),
        "without this entry cargo finds no test in tests/it and reports success"
    );
}

fn file(name: &str, text: &str) -> File {
    File { name: name.to_owned(), text: text.to_owned() }
}

#[track_caller]
fn assert_none(violations: Vec<String>) {
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}
