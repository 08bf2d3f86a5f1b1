//! Lines that only people can settle: who settled them, when, and where that can be read.
//!
//! They stand in `genims_internal.checklist_signatures` beside the audit database: no table of the contract fits, for a row of
//! `electronic_signature_log` is bound to the version of an audited record and says how the signer proved who he is, and one of
//! `regulatory_compliance_log` judges a sample of records by a standard. Each is entered in `user_activity_log` in the same transaction.
//! Invariant: signatures are added, never changed; the latest counts.

use super::definition::Line;
use crate::actions::MysqlAction;
use crate::errors::PlatformError;
use chrono::{DateTime, NaiveDateTime, Utc};
use genims_databases::mysql::disconnect;
use genims_databases::{Environment, MysqlConnection, MysqlSettings, Registry};
use mysql_async::prelude::Queryable;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

const DATABASE: &str = "genims_audit_db";
const SERVICE: &str = "genims-checklist";
/// From the first word to the last answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the table takes.
const NAME_CHARACTERS_MAX: usize = 200;
const NOTE_CHARACTERS_MAX: usize = 2_000;

/// Made by provisioning.
pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS genims_internal.checklist_signatures (
    signature BIGINT NOT NULL AUTO_INCREMENT,
    line_id VARCHAR(16) NOT NULL,
    statement TEXT NOT NULL COMMENT 'what was confirmed, as the line said it',
    signed_by VARCHAR(200) NOT NULL,
    note TEXT NOT NULL,
    login VARCHAR(200) NOT NULL COMMENT 'of the database, with which it was signed',
    signed_at DATETIME(6) NOT NULL COMMENT 'UTC',
    PRIMARY KEY (signature),
    KEY checklist_signatures_line_idx (line_id, signature)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signature {
    pub line_id: String,
    /// What was confirmed. A line that asks for something else is to be signed again.
    pub statement: String,
    pub signed_by: String,
    pub note: String,
    pub signed_at: DateTime<Utc>,
}

impl std::fmt::Display for Signature {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { signed_by, note, signed_at, .. } = self;
        write!(formatter, "signed by {signed_by} on {}: {note}", signed_at.format("%Y-%m-%d %H:%M UTC"))
    }
}

/// By line, oldest first.
pub type Signatures = BTreeMap<String, Vec<Signature>>;

/// All of them.
pub async fn all(registry: &Registry, environment: &Environment) -> Result<Signatures, PlatformError> {
    let settings = MysqlSettings::from_environment(registry.get(DATABASE)?, environment)?;
    within(&settings, async {
        let mut connection = open(&settings).await?;
        let select =
            "SELECT line_id, statement, signed_by, note, signed_at FROM genims_internal.checklist_signatures ORDER BY signature";
        let rows: Vec<(String, String, String, String, NaiveDateTime)> =
            connection.query(select).await.map_err(|error| settings.error(error))?;
        disconnect(connection).await;
        let mut signatures = Signatures::new();
        for (line_id, statement, signed_by, note, signed_at) in rows {
            let signature =
                Signature { line_id: line_id.clone(), statement, signed_by, note, signed_at: signed_at.and_utc() };
            signatures.entry(line_id).or_default().push(signature);
        }
        Ok(signatures)
    })
    .await
}

/// Adds one; `at` is now.
pub async fn sign(
    registry: &Registry,
    environment: &Environment,
    line: &Line,
    (by, note): (&str, &str),
    at: DateTime<Utc>,
) -> Result<Signature, PlatformError> {
    let by =
        said(by, NAME_CHARACTERS_MAX, ("the name of who signs, on one line of 200 characters at most", "--by NAME"))?;
    let note = said(
        note,
        NOTE_CHARACTERS_MAX,
        ("a note on one line of 2,000 characters at most: where it can be read", "--note TEXT"),
    )?;
    let settings = MysqlSettings::from_environment(registry.get(DATABASE)?, environment)?;
    within(&settings, async {
        let failed = |error| PlatformError::from(settings.error(error));
        let mut connection = open(&settings).await?;
        connection.query_drop("START TRANSACTION").await.map_err(failed)?;
        let insert = "INSERT INTO genims_internal.checklist_signatures \
                      (line_id, statement, signed_by, note, login, signed_at) VALUES (?, ?, ?, ?, CURRENT_USER(), ?)";
        let statement = line.sign.clone().unwrap_or_default();
        let values = (line.id.as_str(), statement.as_str(), by, note, at.naive_utc());
        connection.exec_drop(insert, values).await.map_err(failed)?;
        let description = format!("checklist {} signed by {by}: {note}", line.id);
        let entry = MysqlAction {
            service: SERVICE,
            activity: "approve",
            module: "audit",
            database: settings.database_name(),
            table: "checklist_signatures",
            record: &line.id,
            description: &description,
            rows: 1,
        };
        entry.record(&mut connection, Uuid::new_v4()).await.map_err(failed)?;
        connection.query_drop("COMMIT").await.map_err(failed)?;
        disconnect(connection).await;
        let (line_id, signed_by, note) = (line.id.clone(), by.to_owned(), note.to_owned());
        Ok(Signature { line_id, statement, signed_by, note, signed_at: at })
    })
    .await
}

fn said<'t>(
    text: &'t str,
    characters_max: usize,
    (what, option): (&'static str, &'static str),
) -> Result<&'t str, PlatformError> {
    let text = text.trim();
    // It is shown on terminals and pages, on one line.
    if text.is_empty() || text.chars().count() > characters_max || text.chars().any(char::is_control) {
        return Err(PlatformError::Unsigned { what, option });
    }
    Ok(text)
}

async fn open(settings: &MysqlSettings) -> Result<MysqlConnection, PlatformError> {
    let mut connection = settings.connect().await?;
    let there = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'genims_internal' AND table_name = 'checklist_signatures'";
    let there: Option<u64> = connection.query_first(there).await.map_err(|error| settings.error(error))?;
    if there != Some(1) {
        return Err(PlatformError::NotProvisioned {
            database: format!("{} (checklist_signatures)", settings.database()),
        });
    }
    Ok(connection)
}

async fn within<T>(
    settings: &MysqlSettings,
    work: impl Future<Output = Result<T, PlatformError>>,
) -> Result<T, PlatformError> {
    timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| Err(PlatformError::Silent { place: settings.place(), seconds: PATIENCE.as_secs() }))
}

#[cfg(test)]
impl Signature {
    pub(super) fn of_test(by: &str) -> Self {
        let (line_id, statement) = ("C999".to_owned(), "s".to_owned());
        Self { line_id, statement, signed_by: by.to_owned(), note: "wiki".to_owned(), signed_at: DateTime::UNIX_EPOCH }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_names_somebody_and_says_something() {
        let of = ("a name", "--by NAME");
        assert_eq!(said(" Ada ", 200, of).expect("a name"), "Ada");
        for text in ["", "  ", "a\nb", "\u{1b}[2J", &"x".repeat(201)] {
            let told = said(text, 200, of).expect_err(text).to_string();
            assert!(told.contains("--by NAME"), "{told}");
        }
        assert_eq!(Signature::of_test("Ada").to_string(), "signed by Ada on 1970-01-01 00:00 UTC: wiki");
    }
}
