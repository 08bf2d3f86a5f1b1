//! One meaning for each name: a type that other rooms can name is called as no other room calls a type of its own, one that all
//! of a room can name as no other of it; and whatever is public is named by somebody.

use super::{File, assert_none, file, files};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Names that several rooms give to one and the same thing, and what that is.
const SHARED: [(&str, &str); 11] = [
    ("Column", "of a table, as much as a room must know of it"),
    ("Fault", "what is wrong with what was given: a packet, a file"),
    ("Finding", "what an examination found"),
    ("Frame", "one unit of a protocol, by its bytes"),
    ("Header", "what stands in front of a frame or a record"),
    ("Kind", "which kind of payload in `decode`, of column elsewhere; no file has to do with both"),
    ("Progress", "how far something has come: a run, as it is told and as it is shown; TCP clients"),
    ("Server", "what is started and stopped: ours, and in `dev` the private ones"),
    ("Show", "who is shown how far a run has come"),
    ("Subject", "what an examination looks at"),
    ("Table", "of a database, as much as a room must know of it"),
];

/// Names that a room gives to one and the same thing several times, and what that is.
const REPEATED: [(&str, &str, &str); 3] = [
    ("listen", "Lease", "a connection's hold on its client id, by protocol"),
    ("listen", "Session", "what a client has under way, by protocol"),
    ("platform", "Session", "the connection that maintains a database, by engine"),
];

const DEFINITIONS: [&str; 5] = ["struct", "enum", "union", "trait", "type"];

#[test]
fn a_public_type_has_a_name_that_no_other_room_gives() {
    let files = files("rs");
    let files: Vec<File> = files.into_iter().filter(|file| file.name.starts_with("src/")).collect();
    assert_none(homonyms(&files, &SHARED));
    let planted = |one: &str, two: &str, shared: &[(&str, &str)]| {
        homonyms(&[file("src/a/src/x.rs", one), file("src/b/src/y.rs", two)], shared).len()
    };
    assert_eq!(planted("pub struct Place;", "//! x\n    pub enum Place<'a> {", &[]), 1);
    assert_eq!(planted("pub trait Place {}", "pub type Place = u8;", &[]), 1);
    assert_eq!(planted("pub struct Place;", "pub(crate) struct Place;\n// pub struct Place;", &[]), 0);
    assert_eq!(planted("pub struct Place;", "pub struct Places;", &[]), 0);
    assert_eq!(planted("pub struct Place;", "pub struct Place;", &[("Place", "one thing")]), 0);
    assert_eq!(planted("pub struct Place;", "", &[("Place", "one thing")]), 1, "it is shared no more");
    assert_eq!(
        homonyms(&[file("src/a/src/x.rs", "pub struct X;"), file("src/a/src/y.rs", "pub enum X {}")], &[]).len(),
        0
    );
}

#[test]
fn a_type_has_a_name_that_its_room_gives_once() {
    let files = files("rs");
    let files: Vec<File> = files.into_iter().filter(|file| file.name.starts_with("src/")).collect();
    assert_none(doubles(&files, &REPEATED));
    let found = |one: &str, two: &str, repeated: &[(&str, &str, &str)]| {
        let files = [file("src/a/src/x.rs", one), file("src/a/src/y.rs", two), file("src/b/src/z.rs", one)];
        doubles(&files, repeated).len()
    };
    let planted = |one: &str, two: &str| found(one, two, &[]);
    assert_eq!(planted("pub struct Place;", "    pub(crate) enum Place<'a> {"), 1);
    assert_eq!(planted("pub struct Place;", "pub(super) struct Place;"), 1);
    assert_eq!(planted("pub(super) trait Place {", "pub(in crate::y) type Place = u8;"), 1);
    assert_eq!(planted("pub struct Place;", "struct Place;\n// pub struct Place;\npub(super) fn f() -> Place {"), 0);
    assert_eq!(planted("pub struct Place;", "pub struct Places;"), 0);
    let one_thing = [("a", "Place", "one thing")];
    assert_eq!(found("pub struct Place;", "pub struct Place;", &one_thing), 0);
    assert_eq!(found("pub struct Place;", "", &one_thing), 1, "it is given once by now");
    assert_eq!(found("pub struct Place;", "pub struct Place;", &[("b", "Place", "one thing")]), 2, "of another room");
}

#[test]
fn what_is_public_has_a_user() {
    let files = files("rs");
    assert_none(unused(&files));
    let planted = |one: &str, two: &str| unused(&[file("src/a/src/x.rs", one), file("src/b/src/y.rs", two)]).len();
    assert_eq!(planted("pub fn lonely() {}", "fn f() {}"), 1);
    assert_eq!(planted("    pub(crate) const fn lonely() {}", "// lonely_too"), 1);
    assert_eq!(planted("pub const LONELY: u8 = 1;", "f(x::LONELY);"), 0);
    assert_eq!(planted("fn private() {}", ""), 0, "the compiler tells");
}

/// Public items that are named nowhere but where they are defined.
fn unused(files: &[File]) -> Vec<String> {
    let mut times: HashMap<&str, u32> = HashMap::new();
    let is_joint = |sign: char| !(sign.is_alphanumeric() || sign == '_');
    files.iter().flat_map(|file| file.text.split(is_joint)).for_each(|word| *times.entry(word).or_default() += 1);
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.name.starts_with("src/")) {
        for (at, line) in file.text.lines().enumerate() {
            if let Some(name) = public_item(line).filter(|name| times.get(name) == Some(&1)) {
                found.push(format!("{}:{}: nothing names `{name}`", file.name, at + 1));
            }
        }
    }
    found
}

fn public_item(line: &str) -> Option<&str> {
    const QUALIFIERS: [&str; 3] = ["async", "const", "unsafe"];
    let rest = line.trim_start().strip_prefix("pub")?;
    let rest = rest.strip_prefix("(crate)").or_else(|| rest.strip_prefix("(super)")).unwrap_or(rest);
    let words: Vec<&str> = rest.strip_prefix(' ')?.split(' ').collect();
    let item = words.iter().position(|word| !QUALIFIERS.contains(word))?;
    let is_constant = item > 0 && words[item - 1] == "const" && words[item] != "fn";
    let name = match words[item] {
        _ if is_constant => words[item],
        "fn" | "static" | "struct" | "enum" | "union" | "trait" | "type" => words.get(item + 1)?,
        _ => return None,
    };
    name.split(|sign: char| !(sign.is_alphanumeric() || sign == '_')).next()
}

fn homonyms(files: &[File], shared: &[(&str, &str)]) -> Vec<String> {
    let mut places: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    for file in files {
        let room = file.name.split('/').nth(1).unwrap_or_default();
        for (at, line) in file.text.lines().enumerate() {
            if let Some(name) = public_type(line) {
                places.entry(name).or_default().entry(room).or_insert_with(|| format!("{}:{}", file.name, at + 1));
            }
        }
    }
    places.retain(|_, rooms| rooms.len() > 1);
    let known: BTreeSet<&str> = shared.iter().map(|(name, _)| *name).collect();
    let unshared = known.iter().filter(|name| !places.contains_key(**name));
    let unshared: Vec<String> =
        unshared.map(|name| format!("`{name}` is no name of several rooms: take it off the list")).collect();
    let told = places.iter().filter(|(name, _)| !known.contains(**name)).map(|(name, rooms)| {
        let places = rooms.values().cloned().collect::<Vec<_>>().join(", ");
        format!("`{name}` is a public type of several rooms ({places}): let its name say which, as the field calls it")
    });
    [unshared, told.collect::<Vec<_>>()].concat()
}

/// Types that other files of their room can name, and that have one name.
fn doubles(files: &[File], repeated: &[(&str, &str, &str)]) -> Vec<String> {
    let mut places: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for file in files {
        let room = file.name.split('/').nth(1).unwrap_or_default();
        for (at, line) in file.text.lines().enumerate() {
            if let Some(name) = visible_type(line) {
                places.entry((room, name)).or_default().push(format!("{}:{}", file.name, at + 1));
            }
        }
    }
    places.retain(|_, places| places.len() > 1);
    let known: BTreeSet<(&str, &str)> = repeated.iter().map(|(room, name, _)| (*room, *name)).collect();
    let once = known.iter().filter(|known| !places.contains_key(*known));
    let once = once.map(|(room, name)| format!("`{name}` is not several types of {room}: take it off the list"));
    let told = places.iter().filter(|(name, _)| !known.contains(*name)).map(|((room, name), places)| {
        format!("`{name}` is {} types of {room} ({}): let each name say which", places.len(), places.join(", "))
    });
    once.chain(told).collect()
}

/// The name of the type that a line defines, if other rooms can name it.
fn public_type(line: &str) -> Option<&str> {
    defined_type(line, "pub ")
}

/// The same, if other files can name it.
fn visible_type(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub")?;
    let rest = rest.strip_prefix('(').map_or(Some(rest), |within| within.split_once(')').map(|(_, rest)| rest))?;
    defined_type(rest.strip_prefix(' ')?, "")
}

fn defined_type<'a>(line: &'a str, visibility: &str) -> Option<&'a str> {
    let mut words = line.trim_start().strip_prefix(visibility)?.split(' ');
    let is_type = words.next().is_some_and(|word| DEFINITIONS.contains(&word));
    let name = words.next().filter(|_| is_type)?;
    name.split(|sign: char| !sign.is_alphanumeric()).next()
}
