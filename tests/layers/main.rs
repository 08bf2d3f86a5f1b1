//! The rules of the house, checked: who may import whom, who may use which driver, what is pure, how long a file is.
//!
//! Reads the source text; a violation is reported with file, line and rule. A planted violation of every rule proves
//! that the checker sees it.

#![allow(clippy::unwrap_used, reason = "a test that meets an error it did not expect should stop there")]

mod paths;
mod rules;

use rules::{File, check};
use std::fs;
use std::path::{Path, PathBuf};

const FOLDERS: [&str; 4] = ["src", "tests", "benches", "loadtest/src"];

#[test]
fn every_file_keeps_the_rules_of_the_house() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in FOLDERS {
        collect(root, &root.join(folder), &mut files);
    }
    assert!(files.len() > 20, "only {} files found below {}", files.len(), root.display());
    let violations: Vec<String> = files.iter().flat_map(check).collect();
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

#[test]
fn the_load_harness_does_not_depend_on_the_server() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("loadtest/Cargo.toml");
    let manifest: String = fs::read_to_string(manifest).unwrap();
    assert!(
        !manifest
            .lines()
            .any(|line| line.starts_with("genims ") || line.starts_with("genims=") || line.starts_with("genims.")),
        "a codec bug shared by both sides would stay hidden"
    );
}

#[test]
fn the_tests_on_real_servers_are_run() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    assert!(
        manifest.contains("[[test]]\nname = \"it\"\npath = \"tests/it/main.rs\"\nharness = false\n"),
        "without this entry cargo finds no test in tests/it and reports success"
    );
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            files.push(File { name, text: fs::read_to_string(&path).unwrap() });
        }
    }
}
