//! The dead letters that wait, by reason.

use super::OPERATIONS;
use genims_api::operations::report::WaitingView;
use genims_api::plants::report::Proven;
use genims_api::proof::Proof;
use genims_databases::reader::{BoundQuery, SharedReader};
use genims_databases::{PostgresError, PostgresRow, PostgresSettings};
use std::future::pending;

const WAITING: &str = "\
SELECT reason, count(*), sum(records)::bigint
  FROM genims_internal.dead_letters
 WHERE replayed_at IS NULL
 GROUP BY reason ORDER BY 2 DESC, reason";

pub(super) struct DeadLetterReader(Option<SharedReader>);

impl DeadLetterReader {
    pub(super) fn new(operations: Option<PostgresSettings>) -> Self {
        Self(operations.map(SharedReader::new))
    }

    pub(super) async fn close_when_idle(&self) {
        match &self.0 {
            Some(reader) => reader.close_when_idle().await,
            None => pending().await,
        }
    }

    pub(super) async fn dead_letters(&self) -> Result<Proven<Vec<WaitingView>>, String> {
        let missing = || format!("this server does not write to {OPERATIONS}, which keeps the dead letters");
        let reader = self.0.as_ref().ok_or_else(missing)?;
        let query = BoundQuery { sql: WAITING.to_owned(), values: Vec::new() };
        let answers = reader.ask(std::slice::from_ref(&query)).await?;
        let mut value = Vec::new();
        for row in answers.iter().flatten() {
            value.push(waiting(row).map_err(|error| reader.error(error))?);
        }
        let proof = Proof {
            name: "letters".into(),
            database: OPERATIONS.into(),
            sql: query.text() + ";",
            expected: None,
            note: "What waits to be looked at, of all runs, and the records that it stands for.".into(),
        };
        Ok(Proven { value, proofs: vec![proof] })
    }
}

fn waiting(row: &PostgresRow) -> Result<WaitingView, PostgresError> {
    let records: Option<i64> = row.try_get(2)?;
    Ok(WaitingView { reason: row.try_get(0)?, dead_letters: row.try_get(1)?, records: records.unwrap_or_default() })
}
