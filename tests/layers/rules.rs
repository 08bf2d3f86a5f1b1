//! The rules themselves. They are the text of ARCHITECTURE.md in another form: change both.

use super::paths::{Named, named_paths};

const LINES_MAX: usize = 450;

/// From low to high; a file imports lower layers or its own folder. Those on one line never meet.
const LAYERS: [&[&str]; 10] = [
    &["model"],
    &["catalogue"],
    &["decode"],
    &["pipeline"],
    &["spool"],
    &["listen", "sink", "databases"],
    &["platform", "ops", "devstack"],
    &["settings"],
    &["server"],
    &["cli"],
];

/// The one import between neighbours: sinks take their pools and names from the registry.
const NEIGHBOURS_THAT_MEET: [(&str, &str); 1] = [("sink", "databases")];

/// Crates that speak to a server, and where they may be named: also in the tests that play the client.
const FENCES: [(&str, &[&str]); 5] = [
    ("tokio_postgres", DRIVERS_ALLOWED),
    ("deadpool_postgres", DRIVERS_ALLOWED),
    ("mongodb", DRIVERS_ALLOWED),
    ("mysql_async", &["src/databases/", "src/sink/", "src/platform/"]),
    ("rumqttc", &["src/listen/bridge", "src/listen/mqtt/tests/"]),
];

/// `devstack/probe.rs` asks a server that was just started whether it answers.
const DRIVERS_ALLOWED: &[&str] = &["src/databases/", "src/sink/", "src/platform/", "src/devstack/probe.rs"];

const PURE: [&str; 2] = ["src/decode/", "src/pipeline/"];

/// The files of `pipeline/` that run the analysis: threads, queues, the clock. All others are the analysis itself.
const RUNTIME: [&str; 5] = [
    "src/pipeline/intake.rs",
    "src/pipeline/mod.rs",
    "src/pipeline/queue.rs",
    "src/pipeline/shard.rs",
    "src/pipeline/worker.rs",
];

/// Runtime, clock and I/O.
const IMPURE: [&[&str]; 11] = [
    &["tokio"],
    &["std", "fs"],
    &["std", "net"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "time", "SystemTime"],
    &["SystemTime", "now"],
    &["Instant", "now"],
    &["Utc", "now"],
    &["crate", "model", "now_us"],
    &["crate", "model", "clock"],
];

pub(crate) struct File {
    /// From the root of the repository.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// What is wrong with a file, one line each.
pub(crate) fn check(file: &File) -> Vec<String> {
    let mut violations = Vec::new();
    if !file.text.starts_with("//!") {
        violations.push(format!("{}:1: opens without `//!`", file.name));
    }
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        violations.push(format!("{}: {lines} lines, at most {LINES_MAX}: give each noun its own file", file.name));
    }
    let Some(inside) = file.name.strip_prefix("src/") else { return violations };
    if matches!(inside, "lib.rs" | "main.rs") {
        return violations;
    }
    let folder = inside.split(['/', '.']).next().unwrap_or_default();
    let Some(rank) = rank(folder) else {
        violations.push(format!("{}: no folder `{folder}` was agreed on: {LAYERS:?}", file.name));
        return violations;
    };
    let say = |path: &Named, rule: String| format!("{}:{}: {}: {rule}", file.name, path.line, path.segments.join("::"));
    let paths = named_paths(&file.text);
    for path in &paths {
        violations.extend(layer_violation(inside, folder, rank, path).map(|rule| say(path, rule)));
        violations.extend(fence_violation(&file.name, path).map(|rule| say(path, rule)));
    }
    if PURE.iter().any(|pure| file.name.starts_with(pure)) && !RUNTIME.contains(&file.name.as_str()) {
        // Tests may use a clock or a file.
        let code = file.text.split("#[cfg(test)]").next().unwrap_or_default();
        for path in named_paths(code) {
            violations.extend(purity_violation(&path).map(|rule| say(&path, rule)));
        }
    }
    violations
}

fn rank(folder: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&folder))
}

fn layer_violation(inside: &str, folder: &str, rank_here: usize, path: &Named) -> Option<String> {
    let imported = imported_folder(inside, path)?;
    if imported == folder || NEIGHBOURS_THAT_MEET.contains(&(folder, imported)) {
        return None;
    }
    // Names of the crate root itself are no folder.
    let rank_there = rank(imported)?;
    if rank_there < rank_here {
        return None;
    }
    Some(if rank_there == rank_here {
        format!("`{folder}` and `{imported}` never meet")
    } else {
        format!("`{folder}` lies below `{imported}` and may not import it")
    })
}

/// The top folder that a path leads to. `super` counts when it climbs out of the file's own folder.
fn imported_folder<'a>(inside: &str, path: &'a Named) -> Option<&'a str> {
    let segments = &path.segments;
    if matches!(segments[0].as_str(), "crate" | "genims") {
        return segments.get(1).map(String::as_str);
    }
    let climbs = segments.iter().take_while(|segment| *segment == "super").count();
    let depth = inside.trim_end_matches("/mod.rs").split('/').count();
    (climbs >= depth).then(|| segments.get(climbs).map(String::as_str)).flatten()
}

fn fence_violation(name: &str, path: &Named) -> Option<String> {
    let (driver, allowed) = FENCES.iter().find(|(driver, _)| path.segments[0] == *driver)?;
    if allowed.iter().any(|place| name.starts_with(place)) {
        return None;
    }
    Some(format!("`{driver}` may be named only in {}", allowed.join(", ")))
}

fn purity_violation(path: &Named) -> Option<String> {
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    // A clock may be named by its last segments, everything else by its first.
    let found = IMPURE.iter().find(|impure| {
        if impure.last() == Some(&"now") { segments.ends_with(impure) } else { segments.starts_with(impure) }
    })?;
    Some(format!("pure code may not use `{}`: time and data are arguments", found.join("::")))
}

#[cfg(test)]
mod tests {
    use super::{File, LINES_MAX, check};

    fn violations(name: &str, text: &str) -> Vec<String> {
        check(&File { name: name.to_owned(), text: format!("//! x\n{text}\n") })
    }

    #[track_caller]
    fn caught(name: &str, text: &str, expected: &str) {
        let found = violations(name, text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(expected), "{found:?}");
    }

    #[track_caller]
    fn fine(name: &str, text: &str) {
        assert_eq!(violations(name, text), Vec::<String>::new());
    }

    #[test]
    fn an_import_upwards_is_caught_in_every_spelling() {
        for text in [
            "use crate::sink::Row;",
            "use crate::{model::Reading, sink::{Row}};",
            "fn f(row: crate::sink::Row) {}",
            "use super::super::sink::Row;",
        ] {
            caught("src/decode/json.rs", text, "may not import");
        }
        caught("src/model/mod.rs", "use super::decode::Point;", "may not import");
        caught("src/model/mod.rs", "use crate::catalogue::Catalogue;", "may not import");
        caught("src/server.rs", "use crate::cli::dev;", "may not import");
    }

    #[test]
    fn neighbours_are_kept_apart_except_where_agreed() {
        caught("src/listen/tcp.rs", "use crate::sink::Row;", "never meet");
        caught("src/sink/copy.rs", "use crate::listen::Tcp;", "never meet");
        caught("src/ops/http.rs", "use crate::platform::Seed;", "never meet");
        caught("src/databases/pool.rs", "use crate::sink::Row;", "never meet");
        fine("src/sink/copy.rs", "use crate::databases::Registry;");
    }

    #[test]
    fn imports_downwards_and_within_the_folder_are_fine() {
        fine("src/sink/copy.rs", "use crate::{model::Group, spool::Cursor, sink::Row};\nuse super::Row;");
        fine("src/cli/serve.rs", "use genims::server::Server;");
        fine("src/decode/sparkplug/node.rs", "use super::super::json::parse;");
    }

    #[test]
    fn a_driver_outside_its_fence_is_caught() {
        caught("src/ops/http.rs", "use tokio_postgres::Client;", "only in");
        caught("src/devstack/stack.rs", "fn f(c: ::mongodb::Client) {}", "only in");
        caught("src/listen/mqtt.rs", "use rumqttc::Event;", "only in");
        caught("src/devstack/probe.rs", "use mysql_async::Conn;", "only in");
        fine("src/listen/bridge/link.rs", "use rumqttc::Event;");
        fine("src/sink/mirror.rs", "use mongodb::Client;\nuse super::mongodb::x;");
        fine("src/cli/dev.rs", "use genims::sink::mongodb::Mirror;");
    }

    #[test]
    fn impure_code_is_caught_where_purity_was_promised() {
        caught("src/decode/json.rs", "use std::{fmt, fs};", "std::fs");
        caught("src/pipeline/window.rs", "fn f() { std::time::Instant::now(); }", "Instant::now");
        caught("src/pipeline/window.rs", "use std::time::SystemTime;", "SystemTime");
        caught("src/decode/frame.rs", "use tokio::io::AsyncRead;", "tokio");
        fine("src/pipeline/window.rs", "use std::time::Duration;\n#[cfg(test)]\nmod tests { use std::fs::read; }");
        fine("src/pipeline/queue.rs", "use tokio::sync::Notify;");
        fine("src/spool/segment.rs", "use std::fs::File;");
    }

    #[test]
    fn form_and_length_and_unknown_folders_are_caught() {
        caught("src/model/long.rs", &"// x\n".repeat(LINES_MAX), "lines, at most");
        caught("src/utils/mod.rs", "", "was agreed on");
        let bare = check(&File { name: "src/main.rs".to_owned(), text: "fn main() {}".to_owned() });
        assert!(bare[0].contains("opens without"), "{bare:?}");
    }
}
