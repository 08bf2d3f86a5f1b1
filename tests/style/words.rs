//! Words that must not come back: private metaphors, locks that poison, development inside the production binary.

use super::{File, assert_none, file, files, root};
use std::fs;

/// Each had a meaning of its own here once; the field has terms for all of them.
const METAPHORS: [&str; 5] = ["bell", "house", "rung", "tenure", "wing"];

/// Features that tests of other rooms ask for: what they bring is not in the server.
const TESTS_FEATURES: [&str; 4] = ["memory", "sample", "simulation", "trial"];

/// A poisoned lock is an error that nobody can handle: `parking_lot` has none.
const POISONED: [&str; 3] = ["Mutex", "RwLock", "Condvar"];

#[test]
fn no_metaphor_stands_for_a_term() {
    let code = files("rs");
    let code = code.iter().filter(|file| !file.name.starts_with("tests/style/"));
    let documents = documents();
    assert!(documents.iter().any(|document| document.name == "README.md"), "no README.md in {}", root().display());
    assert_none(code.chain(&documents).flat_map(metaphors).collect());
    assert_eq!(metaphors(&file("src/a/src/lib.rs", "//! x\n/// The wing's bell.\n")).len(), 2);
    assert!(metaphors(&file("src/a/src/lib.rs", "//! a swing of household_bells\n")).is_empty());
}

/// What stands at the root for people to read.
fn documents() -> Vec<File> {
    let places = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let documents = places.filter(|place| place.extension().is_some_and(|extension| extension == "md"));
    documents
        .map(|place| file(&place.file_name().unwrap().to_string_lossy(), &fs::read_to_string(&place).unwrap()))
        .collect()
}

fn metaphors(file: &File) -> Vec<String> {
    let lines = file.text.lines().enumerate();
    lines
        .flat_map(|(at, line)| {
            let line = line.to_lowercase();
            let words: Vec<&str> = line.split(|sign: char| !sign.is_alphanumeric()).collect();
            let found: Vec<&str> = METAPHORS.into_iter().filter(|word| words.contains(word)).collect();
            found.into_iter().map(move |word| format!("{}:{}: `{word}`: say the field's term", file.name, at + 1))
        })
        .collect()
}

/// What stands before a name where it is declared.
const DECLARES: [&str; 9] = ["let", "mut", "fn", "struct", "enum", "mod", "const", "static", "for"];

/// "Letter" for a dead letter is the last metaphor, which the alphabet has, too: so the names are looked at.
#[test]
fn a_dead_letter_is_called_so_in_full() {
    assert_none(
        files("rs").iter().filter(|file| !file.name.starts_with("tests/style/")).flat_map(bare_letters).collect(),
    );
    let text =
        "let letters = 1;\nfn of_a_letter() {}\nstruct Kept { row_letters: u8 }\nstruct RowLetters;\nmod letters;";
    assert_eq!(bare_letters(&file("src/a/src/lib.rs", text)).len(), 5);
    let text = "let dead_letters = 1;\nstruct KeptDeadLetter { letter_id: i64 }\nconst DEAD_LETTERS_MAX: u8 = 1;\n// of a letter";
    assert!(bare_letters(&file("src/a/src/lib.rs", text)).is_empty());
}

fn bare_letters(file: &File) -> Vec<String> {
    let is_word = |sign: char| sign.is_alphanumeric() || sign == '_';
    let mut found = Vec::new();
    for (at, line) in file.text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
        let mut before = "";
        for word in line.split(|sign| !is_word(sign)) {
            let is_field = line.contains(&format!("{word}: ")) && !line.contains('"');
            // `letter_id` is a column that clients know.
            let name = word.to_lowercase().replace('_', "").replace("deadletter", "").replace("letterid", "");
            if name.contains("letter") && (is_field || DECLARES.contains(&before)) {
                found.push(format!("{}:{}: `{word}`: a dead letter, in full", file.name, at + 1));
            }
            before = word;
        }
    }
    found
}

#[test]
fn no_lock_of_the_server_poisons() {
    assert_none(files("rs").iter().filter(|file| file.name.starts_with("src/")).flat_map(poisoned).collect());
    assert_eq!(poisoned(&file("src/a/src/lib.rs", "use std::sync::{Arc, Mutex};")).len(), 1);
    assert_eq!(poisoned(&file("src/a/src/lib.rs", "let lock = std::sync::RwLock::new(1);")).len(), 1);
    assert!(poisoned(&file("src/a/src/lib.rs", "use std::sync::Arc;\nuse parking_lot::Mutex;")).is_empty());
}

fn poisoned(file: &File) -> Vec<String> {
    let lines = file.text.lines().enumerate().filter(|(_, line)| line.contains("std::sync::"));
    let locks = lines.filter(|(_, line)| {
        let names = line.split(|sign: char| !sign.is_alphanumeric());
        names.into_iter().any(|name| POISONED.contains(&name))
    });
    locks.map(|(at, _)| format!("{}:{}: a lock that poisons: take `parking_lot`'s", file.name, at + 1)).collect()
}

#[test]
fn what_only_development_needs_is_not_in_the_server() {
    let manifests = files("toml");
    let rooms = manifests.iter().filter(|file| !file.name.starts_with("src/dev/") && file.name.ends_with("Cargo.toml"));
    let root = file("Cargo.toml", &fs::read_to_string(root().join("Cargo.toml")).unwrap());
    assert_none(rooms.chain([&root]).flat_map(development).collect());
    assert_eq!(development(&file("a", "[dependencies]\ngenims-dev.workspace = true\n")).len(), 1);
    assert!(development(&file("a", "[dependencies]\n\n[dev-dependencies]\ngenims-dev.workspace = true\n")).is_empty());
    let memory = "[dependencies]\ngenims-log = { workspace = true, features = [\"memory\"] }\n";
    assert_eq!(development(&file("a", memory)).len(), 1);
    assert!(development(&file("a", &memory.replace("dependencies", "dev-dependencies"))).is_empty());
}

fn development(file: &File) -> Vec<String> {
    let needs = file.text.split("[dependencies]").nth(1).unwrap_or_default();
    let needs = needs.split("\n[").next().unwrap_or_default();
    let is_for_tests = |line: &str| TESTS_FEATURES.iter().any(|feature| line.contains(&format!("\"{feature}\"")));
    let found = needs
        .lines()
        .filter(|line| line.starts_with("genims-dev") || line.starts_with("genims-") && is_for_tests(line));
    found.map(|line| format!("{}: `{line}` is for development and tests", file.name)).collect()
}
