//! What routes into one database must know of another: a query's rows as JSON.

use genims_routes::Lookup;
use tokio_postgres::{Client, Error};

/// More are cut: a look-up is master data or what runs now, never history.
const ROWS_MAX: usize = 100_000;

/// The look-up's rows as a JSON array. How long that may take is the caller's to say.
pub async fn look_up(client: &Client, lookup: &Lookup) -> Result<String, Error> {
    let query = format!(
        "SELECT coalesce(json_agg(row_to_json(genims_rows)), '[]')::text FROM \
         (SELECT * FROM ({}) AS genims_lookup LIMIT {ROWS_MAX}) AS genims_rows",
        lookup.sql
    );
    let rows = client.query_typed(&query, &[]).await?;
    Ok(rows.first().map_or_else(|| "[]".to_owned(), |row| row.get(0)))
}
