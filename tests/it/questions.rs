//! The questions of the platform's applications, `tests/it/queries/<module>.sql`: each with what a sensible answer is. Enters:
//! the files. Leaves: questions, every statement of every file one of them; what is none of them is an error.
//!
//! A file is nothing but `-- name: <name>`, `-- sensible: <condition over rows>` and one statement, over and over. Where an
//! application would say `CURRENT_DATE` the day of the seeded history stands: an answer must not depend on when it is asked.

use std::collections::HashSet;
use std::path::Path;

#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) module: String,
    pub(crate) name: String,
    /// In SQL; `rows` is the number of rows.
    pub(crate) sensible: String,
    sql: String,
}

/// Words by which a statement would read the clock.
const CLOCK: [&str; 5] = ["now()", "current_timestamp", "localtimestamp", "clock_timestamp", "current_time"];

impl Question {
    /// One row, one boolean: whether the answer on `day` is sensible.
    pub(crate) fn asked_on(&self, day: &str) -> String {
        let rows = regex::Regex::new(r"\brows\b").unwrap();
        let sensible = rows.replace_all(&self.sensible, "count(*)");
        let sql = self.sql.replace("CURRENT_DATE", &format!("DATE '{day}'"));
        format!("SELECT {sensible} FROM ({sql}\n) AS answer")
    }
}

/// Every question of the folder.
pub(crate) fn all() -> Vec<Question> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/queries");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    let mut questions = Vec::new();
    for path in paths {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        questions.extend(read(&file, &text).unwrap_or_else(|cause| panic!("{file}: {cause}")));
    }
    let mut names = HashSet::new();
    for Question { module, name, .. } in &questions {
        assert!(names.insert((module, name)), "{module} {name} is there twice");
    }
    questions
}

fn read(file: &str, text: &str) -> Result<Vec<Question>, String> {
    let stem = file.strip_suffix(".sql").ok_or("it would not be asked: its name does not end in .sql")?;
    // erp_a and erp_b ask the same database.
    let module = stem.split('_').next().unwrap_or(stem);
    let mut parts = text.split("-- name: ");
    if parts.next().is_some_and(|before| !before.trim().is_empty()) {
        return Err("there is something before the first `-- name:`".to_owned());
    }
    let questions: Vec<Question> = parts.map(|part| question(module, part)).collect::<Result<_, _>>()?;
    if questions.is_empty() { Err("no question in it".to_owned()) } else { Ok(questions) }
}

fn question(module: &str, text: &str) -> Result<Question, String> {
    let (name, rest) = text.split_once('\n').ok_or("nothing behind a name")?;
    let (condition, sql) = rest.split_once('\n').ok_or_else(|| format!("{name}: no statement"))?;
    let sensible = condition.strip_prefix("-- sensible: ").map(str::trim).filter(|condition| !condition.is_empty());
    let sensible = sensible.ok_or_else(|| format!("{name}: no condition, so every answer would do"))?.to_owned();
    let sql = sql.trim().strip_suffix(';').ok_or_else(|| format!("{name}: no statement that ends with ;"))?;
    if sql.is_empty() || sql.contains(';') {
        return Err(format!("{name}: not exactly one statement, so one would not be asked"));
    }
    let lower = format!("{sensible} {sql}").to_ascii_lowercase();
    if let Some(word) = CLOCK.iter().find(|word| lower.contains(**word)) {
        return Err(format!("{name}: {word} depends on when it is asked"));
    }
    Ok(Question { module: module.to_owned(), name: name.trim().to_owned(), sensible, sql: sql.to_owned() })
}

pub(crate) fn what_would_not_be_asked_is_refused() {
    let whole = "-- name: a\n-- sensible: rows > 0 AND arrows = 1\nSELECT CURRENT_DATE AS arrows;\n";
    let read_one = read("erp_a.sql", whole).unwrap();
    let asked = "SELECT count(*) > 0 AND arrows = 1 FROM (SELECT DATE '2026-03-01' AS arrows\n) AS answer";
    assert_eq!((read_one[0].module.as_str(), read_one[0].asked_on("2026-03-01").as_str()), ("erp", asked));
    for (file, text) in [
        ("erp_a.txt", whole),
        ("erp.sql", ""),
        ("erp.sql", "SELECT 1;\n-- name: a\n-- sensible: rows > 0\nSELECT 1;"),
        ("erp.sql", "-- name: a\nSELECT 1;"),
        ("erp.sql", "-- name: a\n-- sensible: \nSELECT 1;"),
        ("erp.sql", "-- name: a\n-- sensible: rows > 0\n"),
        ("erp.sql", "-- name: a\n-- sensible: rows > 0\nSELECT 1; SELECT 2;"),
        ("erp.sql", "-- name: a\n-- sensible: rows > 0\nSELECT NOW();"),
    ] {
        assert!(read(file, text).is_err(), "{file} {text:?}");
    }
}
