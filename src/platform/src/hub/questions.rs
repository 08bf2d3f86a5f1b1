//! Questions over several databases that people of the plant ask: config/hub/questions, one file each.
//!
//! Enters: the files, embedded; a day. Leaves: the questions, and their answers from the hub, each with whether it is sensible.
//! Invariants: a question is one statement that reads, and never the clock: where it says `CURRENT_DATE` stands the day it is
//! asked for; an answer comes within [`PATIENCE`] or not at all, and from one snapshot of each PostgreSQL database (MySQL's are asked
//! a table at a time).

use super::{connect, require_hub, settings};
use crate::errors::PlatformError;
use chrono::NaiveDate;
use genims_databases::{Environment, PostgresClient, PostgresSettings, Registry};
use include_dir::{Dir, File, include_dir};
use serde::Serialize;
use serde_json::Value;

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../config/hub/questions");

/// How long the servers may think about one question.
const PATIENCE: &str = "120s";

/// Words by which a statement would read the clock.
const CLOCK: [&str; 5] = ["now()", "current_timestamp", "localtimestamp", "clock_timestamp", "current_time"];

/// Who asks; each sees only the modules of his roles.
pub const ASKERS: [&str; 4] = ["auditor", "controller", "maintenance lead", "planner"];

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HubQuestion {
    pub name: String,
    /// One of [`ASKERS`].
    pub asks: String,
    /// In words.
    pub question: String,
    /// When an answer makes sense, in SQL; `rows` is the number of rows.
    pub sensible: String,
    #[serde(skip)]
    sql: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    #[serde(flatten)]
    pub question: HubQuestion,
    pub columns: Vec<String>,
    /// An object a row, by column.
    pub rows: Vec<Value>,
    pub is_sensible: bool,
}

/// All questions, by name.
pub fn all() -> Result<Vec<HubQuestion>, PlatformError> {
    let mut questions = FILES.files().map(of_file).collect::<Result<Vec<HubQuestion>, PlatformError>>()?;
    questions.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(questions)
}

/// The questions of these names, in their order.
pub fn named(names: &[String]) -> Result<Vec<HubQuestion>, PlatformError> {
    let all = all()?;
    let of = |name: &String| {
        all.iter().find(|question| question.name == *name).cloned().ok_or_else(|| PlatformError::UnknownQuestion {
            name: name.clone(),
            known: all.iter().map(|question| question.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    };
    names.iter().map(of).collect()
}

fn of_file(file: &File<'_>) -> Result<HubQuestion, PlatformError> {
    let path = file.path().display().to_string();
    let text = file.contents_utf8().ok_or_else(|| "it is no text".to_owned());
    text.and_then(|text| read(&path, text)).map_err(|cause| PlatformError::HubQuestion { file: path.clone(), cause })
}

/// Three lines of comments, then one statement.
fn read(path: &str, text: &str) -> Result<HubQuestion, String> {
    let name = path.strip_suffix(".sql").ok_or("its name does not end in .sql")?;
    let mut rest = text;
    let mut line = |key: &str| {
        let (first, behind) = rest.split_once('\n').ok_or_else(|| format!("no line -- {key}:"))?;
        let value = first.strip_prefix(&format!("-- {key}: ")).map(str::trim).filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| format!("where -- {key}: ... should be is {first:?}"))?;
        rest = behind;
        Ok::<String, String>(value.to_owned())
    };
    let (asks, question, sensible) = (line("asks")?, line("question")?, line("sensible")?);
    if !ASKERS.contains(&asks.as_str()) {
        return Err(format!("{asks} is none of {}", ASKERS.join(", ")));
    }
    let sql = rest.trim().strip_suffix(';').ok_or("no statement that ends with ;")?;
    if sql.is_empty() || sql.contains(';') {
        return Err("not exactly one statement, so one would not be asked".to_owned());
    }
    let lower = format!("{sensible} {sql}").to_ascii_lowercase();
    if let Some(word) = CLOCK.iter().find(|word| lower.contains(**word)) {
        return Err(format!("{word} depends on when it is asked"));
    }
    Ok(HubQuestion { name: name.to_owned(), asks, question, sensible, sql: sql.to_owned() })
}

impl HubQuestion {
    /// The statement as it is asked on a day.
    fn on(&self, day: NaiveDate) -> String {
        self.sql.replace("CURRENT_DATE", &format!("DATE '{day}'"))
    }

    /// The same, answered by whether the answer is sensible: one row, one boolean.
    fn judged_on(&self, day: NaiveDate) -> String {
        let sensible = replace_word(&self.sensible, "rows", "count(*)");
        format!("SELECT coalesce({sensible}, false) FROM ({}\n) AS answer", self.on(day))
    }
}

/// `word` where it stands alone.
fn replace_word(text: &str, word: &str, by: &str) -> String {
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, behind) = (&rest[..at], &rest[at + word.len()..]);
        let part = |character: char| character.is_ascii_alphanumeric() || character == '_';
        told.push_str(before);
        told.push_str(if before.ends_with(part) || behind.starts_with(part) { word } else { by });
        rest = behind;
    }
    told.push_str(rest);
    told
}

/// The hub, ready to be asked.
#[derive(Debug)]
pub struct Hub {
    settings: PostgresSettings,
    client: PostgresClient,
}

impl Hub {
    /// As the login of `GENIMS_HUB_URL`, else of `GENIMS_POSTGRES_URL`: what it may not read is refused.
    pub async fn open(registry: &Registry, environment: &Environment) -> Result<Self, PlatformError> {
        let settings = settings(environment)?;
        let client = connect(&settings, registry, true).await?;
        require_hub(&client, &settings).await?;
        Ok(Self { settings, client })
    }

    /// Answers one question as of `day`.
    pub async fn ask(&mut self, question: &HubQuestion, day: NaiveDate) -> Result<Answer, PlatformError> {
        let (columns, rows, is_sensible) =
            answered(&mut self.client, question, day).await.map_err(|error| self.settings.error(error))?;
        Ok(Answer { question: question.clone(), columns, rows, is_sensible })
    }
}

async fn answered(
    client: &mut PostgresClient,
    question: &HubQuestion,
    day: NaiveDate,
) -> Result<(Vec<String>, Vec<Value>, bool), tokio_postgres::Error> {
    let snapshot =
        client.build_transaction().read_only(true).isolation_level(tokio_postgres::IsolationLevel::RepeatableRead);
    let transaction = snapshot.start().await?;
    transaction.batch_execute(&format!("SET LOCAL statement_timeout = '{PATIENCE}'")).await?;
    let sql = question.on(day);
    let columns = transaction.prepare(&sql).await?.columns().iter().map(|column| column.name().to_owned()).collect();
    let rows = transaction.query(&format!("SELECT to_json(answer) FROM ({sql}\n) AS answer"), &[]).await?;
    let rows = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let is_sensible = transaction.query_one(&question.judged_on(day), &[]).await?.try_get(0)?;
    transaction.commit().await?;
    Ok((columns, rows, is_sensible))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thirty, and each of the four asks some.
    #[test]
    fn every_file_is_a_question() {
        let questions = all().expect("the embedded files");
        assert_eq!(questions.len(), 30);
        for asker in ASKERS {
            assert!(questions.iter().filter(|question| question.asks == asker).count() >= 5, "{asker}");
        }
        for question in &questions {
            let databases: std::collections::BTreeSet<&str> = question
                .sql
                .split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
                .filter(|word| word.starts_with("genims_"))
                .collect();
            assert!(databases.len() > 1, "{} asks one database: {databases:?}", question.name);
        }
    }

    #[test]
    fn what_would_not_be_asked_is_refused() {
        let whole = "-- asks: auditor\n-- question: Q?\n-- sensible: rows > 0 AND max(arrows) = 1\nSELECT CURRENT_DATE AS arrows;\n";
        let question = read("a.sql", whole).expect("a good file");
        let day = NaiveDate::from_ymd_opt(2026, 3, 1).expect("a day");
        let judged = "SELECT coalesce(count(*) > 0 AND max(arrows) = 1, false) FROM (SELECT DATE '2026-03-01' AS arrows\n) AS answer";
        assert_eq!((question.name.as_str(), question.judged_on(day).as_str()), ("a", judged));
        for (path, text) in [
            ("a.txt", whole.to_owned()),
            ("a.sql", String::new()),
            ("a.sql", whole.replace("auditor", "poet")),
            ("a.sql", whole.replace("-- question: Q?\n", "")),
            ("a.sql", whole.replace("rows > 0 AND max(arrows) = 1", "")),
            ("a.sql", whole.replace(';', "")),
            ("a.sql", whole.replace("arrows;", "arrows; DROP TABLE x;")),
            ("a.sql", whole.replace("CURRENT_DATE", "NOW()")),
        ] {
            assert!(read(path, &text).is_err(), "{path} {text:?}");
        }
        let unknown = named(&["nonsense".to_owned()]).expect_err("no question").to_string();
        assert!(unknown.contains("nonsense"), "{unknown}");
    }
}
