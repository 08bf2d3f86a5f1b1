//! What routes into one database must know of another: a query's rows as JSON.

use chrono::DateTime;
use genims_model::now_us;
use genims_routes::Lookup;
use genims_routes::file::{SINCE, UNTIL};
use tokio_postgres::{Client, Error};

/// More are cut: a look-up is master data or what runs now, never history.
pub const ROWS_MAX: usize = 100_000;
/// How much older than its receipt an event may be and still find what was the case when it happened.
const LATELY_US: i64 = 900_000_000;
const DAY_US: i64 = 86_400_000_000;
/// Events of a database that has not been told anything for longer are of now, mostly.
const BACK_MAX_US: i64 = 7 * DAY_US;
const NEVER: &str = "TIMESTAMP 'infinity'";

/// Since when what a look-up asks for is of use to events that were received like the last ones; a day ago where there were none.
pub fn lately_us(received_us: Option<i64>) -> i64 {
    let now_us = now_us();
    received_us.unwrap_or(now_us - DAY_US).clamp(now_us - BACK_MAX_US, now_us) - LATELY_US
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedUp {
    /// A JSON array.
    pub rows: String,
    /// There were more.
    pub is_cut: bool,
}

/// The look-up's rows for events of these times; without an end for all that come. How long that may take is the caller's to say.
pub async fn look_up(
    client: &Client,
    lookup: &Lookup,
    since_us: i64,
    until_us: Option<i64>,
) -> Result<LookedUp, Error> {
    let query = format!(
        "SELECT coalesce(json_agg(genims_row_json) FILTER (WHERE genims_row <= {ROWS_MAX}), '[]')::text, count(*) \
         FROM (SELECT row_to_json(genims_lookup) AS genims_row_json, row_number() OVER () AS genims_row \
             FROM ({}) AS genims_lookup LIMIT {ROWS_MAX} + 1) AS genims_numbered",
        lookup.sql.replace(SINCE, &literal(since_us)).replace(UNTIL, &until_us.map_or(NEVER.to_owned(), literal))
    );
    let rows = client.query_typed(&query, &[]).await?;
    let Some(row) = rows.first() else { return Ok(LookedUp { rows: "[]".to_owned(), is_cut: false }) };
    Ok(LookedUp { rows: row.get(0), is_cut: row.get::<_, i64>(1) > ROWS_MAX as i64 })
}

fn literal(us: i64) -> String {
    let time = DateTime::from_timestamp_micros(us.max(0)).unwrap_or_default().naive_utc();
    format!("TIMESTAMP '{}'", time.format("%Y-%m-%d %H:%M:%S%.6f"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_for_what_the_last_events_were_of_and_never_for_all_that_ever_was() {
        let yesterday_us = now_us() - DAY_US;
        // How long before now.
        for (received_us, ago_us) in [(None, DAY_US), (Some(0), BACK_MAX_US), (Some(i64::MAX), 0)] {
            let (before_us, since_us, after_us) = (now_us(), lately_us(received_us), now_us());
            let expected = [before_us, after_us].map(|now_us| now_us - ago_us - LATELY_US);
            assert!((expected[0]..=expected[1]).contains(&since_us), "{received_us:?}: {since_us}");
        }
        assert_eq!(lately_us(Some(yesterday_us)), yesterday_us - LATELY_US);
    }
}
