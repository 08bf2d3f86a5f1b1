//! `genims audit export`: the entries of a span of time, for auditors, as CSV or as one JSON object a line.
//!
//! Each entry comes with its hashes and with whether they are those of its columns, so that the file can be judged without the
//! server.

use crate::entry::{ChangedRow, Write, time_text};
use crate::error::ChangesError;
use crate::read::{Reader, Span};
use crate::verify::is_true;
use chrono::NaiveDateTime;
use genims_databases::MysqlSettings;
use serde::Serialize;
use std::collections::HashMap;
use std::io;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    Json,
}

/// Which entries.
#[derive(Clone, Debug)]
pub struct ExportRange {
    pub from: NaiveDateTime,
    /// The first moment that is no longer wanted.
    pub to: NaiveDateTime,
    pub database: Option<String>,
}

/// What was handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    pub entries: u64,
    /// Whose hashes are not those of their columns.
    pub altered: u64,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    database: &'a str,
    position: i64,
    occurred_at: String,
    recorded_at: String,
    table: &'a str,
    record_key: &'a str,
    operation: &'a str,
    rows_affected: i64,
    actor_type: &'a str,
    actor_id: &'a str,
    service: Option<&'a str>,
    client_address: Option<&'a str>,
    transaction_id: Option<&'a str>,
    reason: Option<&'a str>,
    record_version: Option<i64>,
    changed_columns: Option<&'a str>,
    before: Option<&'a str>,
    after: Option<&'a str>,
    before_hash: Option<&'a str>,
    after_hash: Option<&'a str>,
    event_uid: &'a str,
    previous_hash: &'a str,
    row_hash: &'a str,
    change_position: Option<i64>,
    change_previous_hash: Option<&'a str>,
    change_row_hash: Option<&'a str>,
    /// `true` or `altered`.
    verdict: &'static str,
}

enum Writer<W: io::Write> {
    Csv(Box<csv::Writer<W>>),
    Json(W),
}

impl<W: io::Write> Writer<W> {
    fn write(&mut self, line: &Line<'_>) -> io::Result<()> {
        match self {
            Self::Csv(writer) => writer.serialize(line).map_err(io::Error::other),
            Self::Json(writer) => {
                serde_json::to_writer(&mut *writer, line)?;
                writer.write_all(b"\n")
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Csv(writer) => writer.flush(),
            Self::Json(writer) => writer.flush(),
        }
    }
}

pub async fn export(
    settings: &MysqlSettings,
    wanted: &ExportRange,
    format: Format,
    to: impl io::Write,
) -> Result<Exported, ChangesError> {
    let mut writer = match format {
        Format::Csv => Writer::Csv(Box::new(csv::Writer::from_writer(to))),
        Format::Json => Writer::Json(to),
    };
    let mut reader = Reader::open(settings).await?;
    let mut exported = Exported::default();
    for database in reader.databases().await? {
        if wanted.database.as_ref().is_some_and(|only| *only != database) {
            continue;
        }
        let mut behind = 0;
        loop {
            let page = reader.writes(&database, &Span::BehindWithin(behind, wanted.from, wanted.to)).await?;
            let (Some(first), Some(last)) = (page.first(), page.last()) else { break };
            behind = last.common.position;
            let rows = reader.changed_rows_of(&database, first.common.position, behind).await?;
            let rows: HashMap<i64, ChangedRow> = rows.into_iter().map(|row| (row.write_position, row)).collect();
            for write in &page {
                let row = rows.get(&write.common.position);
                let is_true = is_true(write, row);
                exported.entries += 1;
                exported.altered += u64::from(!is_true);
                writer.write(&line(write, row, is_true)).map_err(ChangesError::Export)?;
            }
        }
    }
    writer.flush().map_err(ChangesError::Export)?;
    reader.close().await;
    Ok(exported)
}

fn line<'a>(write: &'a Write, row: Option<&'a ChangedRow>, is_true: bool) -> Line<'a> {
    let common = &write.common;
    Line {
        database: &common.database,
        position: common.position,
        occurred_at: time_text(common.occurred_at),
        recorded_at: time_text(common.recorded_at),
        table: &common.table,
        record_key: &common.key,
        operation: &common.operation,
        rows_affected: write.rows_affected,
        actor_type: &common.actor_type,
        actor_id: &common.actor_id,
        service: write.service_name.as_deref(),
        client_address: write.client_address.as_deref(),
        transaction_id: write.transaction_id.as_deref(),
        reason: write.reason.as_deref(),
        record_version: row.map(|row| row.record_version),
        changed_columns: row.map(|row| row.changed_columns.as_str()),
        before: row.and_then(|row| row.before.as_deref()),
        after: row.and_then(|row| row.after.as_deref()),
        before_hash: row.and_then(|row| row.before_hash.as_deref()),
        after_hash: row.and_then(|row| row.after_hash.as_deref()),
        event_uid: &common.event_uid,
        previous_hash: &common.previous_hash,
        row_hash: &common.row_hash,
        change_position: row.map(|row| row.common.position),
        change_previous_hash: row.map(|row| row.common.previous_hash.as_str()),
        change_row_hash: row.map(|row| row.common.row_hash.as_str()),
        verdict: if is_true { "true" } else { "altered" },
    }
}
