//! Where the chains of all databases end by their last seals: one short question, for those who look. Whether each entry is what
//! was sealed is what [`crate::verify`] finds.

use crate::error::ChangesError;
use chrono::NaiveDateTime;
use genims_databases::MysqlSettings;
use genims_databases::mysql::disconnect;
use mysql_async::prelude::Queryable;

/// The primary key is read at its ends alone.
pub const LAST_SEALS: &str = "\
SELECT s.database_name, s.seal, s.sealed_at, s.write_position, s.change_position
  FROM (SELECT database_name, max(seal) AS seal FROM genims_internal.audit_seals GROUP BY database_name) AS newest
  JOIN genims_internal.audit_seals s ON s.database_name = newest.database_name AND s.seal = newest.seal
 ORDER BY s.database_name";

/// The last seal of one database's chains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSeal {
    pub database: String,
    pub seal: i64,
    /// UTC.
    pub sealed_at: NaiveDateTime,
    /// The last entries that it covers.
    pub writes: i64,
    pub changes: i64,
}

/// A row of [`LAST_SEALS`].
type Row = (String, i64, NaiveDateTime, i64, i64);

pub async fn last_seals(settings: &MysqlSettings) -> Result<Vec<LastSeal>, ChangesError> {
    let mut connection = settings.connect().await?;
    let found = connection.query::<Row, _>(LAST_SEALS).await;
    disconnect(connection).await;
    let rows = found.map_err(|error| settings.error(error))?;
    let seal =
        |(database, seal, sealed_at, writes, changes): Row| LastSeal { database, seal, sealed_at, writes, changes };
    Ok(rows.into_iter().map(seal).collect())
}
