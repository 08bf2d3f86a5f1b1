//! Rows of the trail on their way into MySQL: prepared statements of a few sizes, so that the session keeps them all.

use crate::change::Change;
use crate::entry::{ChangedRow, Common, Seal, Write};
use chrono::NaiveDateTime;
use mysql_async::prelude::Queryable;
use mysql_async::{Error, Params, Value};

/// Rows of one statement; the largest that fits goes first.
const SIZES: [usize; 4] = [256, 32, 4, 1];
/// What the values of one statement may take: servers refuse packets above 16 MB and more.
const STATEMENT_BYTES_MAX: usize = 4 << 20;

const WRITE: (&str, &[&str]) = (
    "system_audit_log",
    &[
        "event_uid",
        "occurred_at",
        "recorded_at",
        "database_name",
        "table_name",
        "record_key",
        "operation",
        "actor_type",
        "actor_id",
        "chain_position",
        "previous_hash",
        "row_hash",
        "rows_affected",
        "service_name",
        "session_id",
        "client_address",
        "transaction_id",
        "correlation_id",
        "reason",
    ],
);

const CHANGED_ROW: (&str, &[&str]) = (
    "data_change_audit",
    &[
        "event_uid",
        "occurred_at",
        "recorded_at",
        "database_name",
        "table_name",
        "record_key",
        "operation",
        "actor_type",
        "actor_id",
        "chain_position",
        "previous_hash",
        "row_hash",
        "audit_id",
        "record_version",
        "changed_columns",
        "changed_column_count",
        "before_image",
        "after_image",
        "before_hash",
        "after_hash",
        "data_classification",
        "contains_personal_data",
        "change_reason",
        "change_reference",
    ],
);

const ACTIVITY: (&str, &[&str]) = (
    "user_activity_log",
    &[
        "event_uid",
        "occurred_at",
        "recorded_at",
        "database_name",
        "table_name",
        "record_key",
        "actor_type",
        "actor_id",
        "session_id",
        "application",
        "module_name",
        "activity_type",
        "activity_description",
        "client_address",
        "rows_returned",
        "outcome",
    ],
);

const SEAL: (&str, &[&str]) = (
    "genims_internal.audit_seals",
    &[
        "database_name",
        "seal",
        "sealed_at",
        "write_position",
        "write_hash",
        "write_digests",
        "change_position",
        "change_hash",
        "change_digests",
        "previous_hash",
        "seal_hash",
    ],
);

async fn insert(
    connection: &mut impl Queryable,
    (table, columns): (&str, &[&str]),
    rows: Vec<Vec<Value>>,
) -> Result<(), Error> {
    let one = format!("({})", vec!["?"; columns.len()].join(", "));
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let size = fitting(rows.as_slice());
        let values: Vec<Value> = rows.by_ref().take(size).flatten().collect();
        let places = vec![one.as_str(); size].join(", ");
        let statement = format!("INSERT INTO {table} ({}) VALUES {places}", columns.join(", "));
        connection.exec_drop(statement, Params::Positional(values)).await?;
    }
    Ok(())
}

/// How many of the first rows go into one statement.
fn fitting(rows: &[Vec<Value>]) -> usize {
    let bytes = |size: usize| rows[..size].iter().flatten().map(length).sum::<usize>();
    let fits = |size: &usize| *size <= rows.len() && (*size == 1 || bytes(*size) <= STATEMENT_BYTES_MAX);
    SIZES.into_iter().find(fits).unwrap_or(1)
}

fn length(value: &Value) -> usize {
    match value {
        Value::Bytes(bytes) => bytes.len(),
        _ => 8,
    }
}

pub(super) async fn writes(connection: &mut impl Queryable, writes: &[Write]) -> Result<(), Error> {
    let row = |write: &Write| {
        let mut values = common(&write.common);
        values.push(write.rows_affected.into());
        let texts = [
            &write.service_name,
            &write.session_id,
            &write.client_address,
            &write.transaction_id,
            &write.correlation_id,
            &write.reason,
        ];
        values.extend(texts.into_iter().map(optional));
        values
    };
    insert(connection, WRITE, writes.iter().map(row).collect()).await
}

/// Each with the number that the server gave its write.
pub(super) async fn changed_rows(connection: &mut impl Queryable, rows: &[(ChangedRow, i64)]) -> Result<(), Error> {
    let row = |(row, audit_id): &(ChangedRow, i64)| {
        let mut values = common(&row.common);
        values.extend([
            Value::from(*audit_id),
            row.record_version.into(),
            row.changed_columns.as_str().into(),
            row.changed_column_count.into(),
            optional(&row.before),
            optional(&row.after),
            optional(&row.before_hash),
            optional(&row.after_hash),
            row.classification.as_str().into(),
            row.personal.into(),
            optional(&row.reason),
            optional(&row.reference),
        ]);
        values
    };
    insert(connection, CHANGED_ROW, rows.iter().map(row).collect()).await
}

/// What GenIMS itself did.
pub(super) async fn activities(
    connection: &mut impl Queryable,
    database: &str,
    actions: &[Change],
    recorded_at: NaiveDateTime,
) -> Result<(), Error> {
    let row = |action: &Change| {
        let said = |name: &str| action.after.as_ref().and_then(|image| image.get(name)).cloned().flatten();
        let actor = action.actor();
        vec![
            Value::from(action.uid(database)),
            time(action.at),
            time(recorded_at),
            said("database").unwrap_or_else(|| database.to_owned()).into(),
            action.table.as_str().into(),
            action.record_key().into(),
            actor.kind.into(),
            actor.id.into(),
            said("session").unwrap_or_else(|| action.transaction.clone()).into(),
            "genims".into(),
            said("module").unwrap_or_else(|| "platform".to_owned()).into(),
            said("activity").unwrap_or_else(|| "edit".to_owned()).into(),
            optional(&said("description").map(|text| text.chars().take(500).collect())),
            optional(&action.address()),
            action.rows.clamp(0, i64::from(i32::MAX)).into(),
            said("outcome").unwrap_or_else(|| "success".to_owned()).into(),
        ]
    };
    insert(connection, ACTIVITY, actions.iter().map(row).collect()).await
}

pub(super) async fn seal(connection: &mut impl Queryable, seal: &Seal) -> Result<(), Error> {
    let values = vec![
        Value::from(seal.database.as_str()),
        seal.number.into(),
        time(seal.sealed_at),
        seal.write.position.into(),
        seal.write.hash.as_str().into(),
        seal.write_digests.as_slice().into(),
        seal.change.position.into(),
        seal.change.hash.as_str().into(),
        seal.change_digests.as_slice().into(),
        seal.previous_hash.as_str().into(),
        seal.hash.as_str().into(),
    ];
    insert(connection, SEAL, vec![values]).await
}

fn common(common: &Common) -> Vec<Value> {
    vec![
        common.event_uid.as_str().into(),
        time(common.occurred_at),
        time(common.recorded_at),
        common.database.as_str().into(),
        common.table.as_str().into(),
        common.key.as_str().into(),
        common.operation.as_str().into(),
        common.actor_type.as_str().into(),
        common.actor_id.as_str().into(),
        common.position.into(),
        common.previous_hash.as_str().into(),
        common.row_hash.as_str().into(),
    ]
}

fn optional(text: &Option<String>) -> Value {
    text.as_deref().into()
}

fn time(time: NaiveDateTime) -> Value {
    time.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_has_one_of_a_few_sizes_and_is_bounded() {
        let rows = |count: usize, bytes: usize| vec![vec![Value::from("x".repeat(bytes))]; count];
        for (count, bytes, size) in [(300, 9, 256), (255, 9, 32), (3, 9, 1), (300, 100 << 10, 32), (4, 3 << 20, 1)] {
            assert_eq!(fitting(&rows(count, bytes)), size, "{count} rows of {bytes} bytes");
        }
    }
}
