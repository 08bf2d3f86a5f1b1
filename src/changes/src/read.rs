//! Entries and seals read back from MySQL, page by page, all as one moment saw them.

use crate::canonical;
use crate::entry::{ChangedRow, Common, End, Seal, Write};
use crate::error::ChangesError;
use chrono::NaiveDateTime;
use genims_databases::{DatabaseError, MysqlConnection, MysqlSettings};
use mysql_async::prelude::{FromValue, Queryable};
use mysql_async::{Params, Row};

/// Entries of a page; with their images a few megabytes.
pub(crate) const PAGE: usize = 2_000;
/// Seals of a page: each holds 32 bytes for up to a thousand entries.
const SEALS_PAGE: usize = 200;

const COMMON: &str = "e.event_uid, e.occurred_at, e.recorded_at, e.database_name, e.table_name, e.record_key, e.operation, \
     e.actor_type, e.actor_id, e.chain_position, e.previous_hash, e.row_hash";
const WRITE: &str =
    "e.rows_affected, e.service_name, e.session_id, e.client_address, e.transaction_id, e.correlation_id, e.reason";
const CHANGED_ROW: &str = "w.chain_position, e.record_version, e.changed_columns, e.changed_column_count, e.before_image, \
     e.after_image, e.before_hash, e.after_hash, e.data_classification, e.contains_personal_data, e.change_reason, \
     e.change_reference";

/// How `change_position` of the write is said when there is none.
const NO_WRITE: i64 = -1;

pub(crate) struct Reader {
    settings: MysqlSettings,
    connection: MysqlConnection,
}

/// Which entries of a database.
pub(crate) enum Span {
    /// The next page behind a position.
    Behind(i64),
    /// The next page behind a position, of entries that occurred from one time to before another.
    BehindWithin(i64, NaiveDateTime, NaiveDateTime),
}

impl Reader {
    /// Everything read is of the moment of this call.
    pub(crate) async fn open(settings: &MysqlSettings) -> Result<Self, ChangesError> {
        let mut connection = settings.connect().await?;
        for statement in
            ["SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT"]
        {
            connection.query_drop(statement).await.map_err(|error| settings.error(error))?;
        }
        Ok(Self { settings: settings.clone(), connection })
    }

    pub(crate) async fn close(self) {
        genims_databases::mysql::disconnect(self.connection).await;
    }

    fn failed(&self, error: mysql_async::Error) -> ChangesError {
        self.settings.error(error).into()
    }

    async fn rows(&mut self, query: &str, values: impl Into<Params> + Send) -> Result<Vec<Fields>, ChangesError> {
        let settings = self.settings.clone();
        let rows: Vec<Row> = self.connection.exec(query, values).await.map_err(|error| settings.error(error))?;
        Ok(rows.into_iter().map(|row| Fields { row, next: 0, settings: settings.clone() }).collect())
    }

    /// All databases whose changes were ever entered.
    pub(crate) async fn databases(&mut self) -> Result<Vec<String>, ChangesError> {
        let query = "SELECT database_name FROM system_audit_log GROUP BY database_name UNION \
                     SELECT database_name FROM data_change_audit GROUP BY database_name UNION \
                     SELECT database_name FROM genims_internal.audit_seals GROUP BY database_name ORDER BY 1";
        let found = self.connection.query(query).await;
        found.map_err(|error| self.failed(error))
    }

    pub(crate) async fn writes(&mut self, database: &str, span: &Span) -> Result<Vec<Write>, ChangesError> {
        let (behind, from, to) = match span {
            Span::Behind(position) => (*position, None, None),
            Span::BehindWithin(position, from, to) => (*position, Some(*from), Some(*to)),
        };
        let query = format!(
            "SELECT {COMMON}, {WRITE} FROM system_audit_log e WHERE e.database_name = ? AND e.chain_position > ? \
             AND (? IS NULL OR e.occurred_at >= ?) AND (? IS NULL OR e.occurred_at < ?) \
             ORDER BY e.chain_position LIMIT {PAGE}"
        );
        self.rows(&query, (database, behind, from, from, to, to)).await?.into_iter().map(write).collect()
    }

    pub(crate) async fn changed_rows(&mut self, database: &str, behind: i64) -> Result<Vec<ChangedRow>, ChangesError> {
        let query = format!(
            "SELECT {COMMON}, {CHANGED_ROW} FROM data_change_audit e LEFT JOIN system_audit_log w ON w.audit_id = e.audit_id \
             AND w.database_name = e.database_name WHERE e.database_name = ? AND e.chain_position > ? \
             ORDER BY e.chain_position LIMIT {PAGE}"
        );
        self.rows(&query, (database, behind)).await?.into_iter().map(changed_row).collect()
    }

    /// Those of writes from one position to another.
    pub(crate) async fn changed_rows_of(
        &mut self,
        database: &str,
        first: i64,
        last: i64,
    ) -> Result<Vec<ChangedRow>, ChangesError> {
        let query = format!(
            "SELECT {COMMON}, {CHANGED_ROW} FROM system_audit_log w JOIN data_change_audit e ON e.audit_id = w.audit_id \
             AND e.database_name = w.database_name WHERE w.database_name = ? AND w.chain_position BETWEEN ? AND ?"
        );
        self.rows(&query, (database, first, last)).await?.into_iter().map(changed_row).collect()
    }

    pub(crate) async fn seals(&mut self, database: &str, behind: i64) -> Result<Vec<Seal>, ChangesError> {
        let query = format!(
            "SELECT database_name, seal, sealed_at, write_position, write_hash, write_digests, change_position, change_hash, \
             change_digests, previous_hash, seal_hash FROM genims_internal.audit_seals \
             WHERE database_name = ? AND seal > ? ORDER BY seal LIMIT {SEALS_PAGE}"
        );
        self.rows(&query, (database, behind)).await?.into_iter().map(seal).collect()
    }

    /// Where the chains begin since entries were deleted by retention, which may not be through with it.
    pub(crate) async fn checkpoint(&mut self, database: &str) -> Result<[End; 2], ChangesError> {
        let query = "SELECT write_position, write_hash, change_position, change_hash FROM genims_internal.audit_checkpoints \
                     WHERE database_name = ? ORDER BY pruned_at DESC LIMIT 1";
        let Some(mut fields) = self.rows(query, (database,)).await?.pop() else { return Ok(Default::default()) };
        let write = End { position: fields.take()?, hash: fields.take()? };
        Ok([write, End { position: fields.take()?, hash: fields.take()? }])
    }
}

/// The columns of a row, one after the other.
struct Fields {
    row: Row,
    next: usize,
    settings: MysqlSettings,
}

impl Fields {
    fn take<T: FromValue>(&mut self) -> Result<T, ChangesError> {
        let column = self.next;
        self.next += 1;
        self.row.take_opt(column).and_then(Result::ok).ok_or_else(|| {
            let cause = format!("column {column} of an entry is not what provisioning made of it");
            let source = mysql_async::Error::Other(cause.into());
            ChangesError::Database(DatabaseError::Mysql {
                database: self.settings.database().to_owned(),
                place: self.settings.place(),
                source: Box::new(source),
            })
        })
    }

    /// JSON in the form in which it was hashed: MySQL 8 writes it in its own.
    fn json(&mut self) -> Result<Option<String>, ChangesError> {
        let text: Option<String> = self.take()?;
        Ok(text.map(|text| serde_json::from_str(&text).map_or(text, |value| canonical::json(&value))))
    }

    fn common(&mut self) -> Result<Common, ChangesError> {
        Ok(Common {
            event_uid: self.take()?,
            occurred_at: self.take()?,
            recorded_at: self.take()?,
            database: self.take()?,
            table: self.take()?,
            key: self.take()?,
            operation: self.take()?,
            actor_type: self.take()?,
            actor_id: self.take()?,
            position: self.take()?,
            previous_hash: self.take()?,
            row_hash: self.take()?,
        })
    }
}

fn write(mut fields: Fields) -> Result<Write, ChangesError> {
    Ok(Write {
        common: fields.common()?,
        rows_affected: fields.take()?,
        service_name: fields.take()?,
        session_id: fields.take()?,
        client_address: fields.take()?,
        transaction_id: fields.take()?,
        correlation_id: fields.take()?,
        reason: fields.take()?,
    })
}

fn changed_row(mut fields: Fields) -> Result<ChangedRow, ChangesError> {
    Ok(ChangedRow {
        common: fields.common()?,
        write_position: fields.take::<Option<i64>>()?.unwrap_or(NO_WRITE),
        record_version: fields.take()?,
        changed_columns: fields.json()?.unwrap_or_default(),
        changed_column_count: fields.take()?,
        before: fields.json()?,
        after: fields.json()?,
        before_hash: fields.take()?,
        after_hash: fields.take()?,
        classification: fields.take()?,
        personal: fields.take()?,
        reason: fields.take()?,
        reference: fields.take()?,
    })
}

fn seal(mut fields: Fields) -> Result<Seal, ChangesError> {
    let (database, number, sealed_at) = (fields.take()?, fields.take()?, fields.take()?);
    let write = End { position: fields.take()?, hash: fields.take()? };
    let write_digests = fields.take()?;
    let change = End { position: fields.take()?, hash: fields.take()? };
    Ok(Seal {
        database,
        number,
        sealed_at,
        write,
        change,
        write_digests,
        change_digests: fields.take()?,
        previous_hash: fields.take()?,
        hash: fields.take()?,
    })
}
