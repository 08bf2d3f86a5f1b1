//! What PostgreSQL holds of a run.

use super::{Holdings, Span, VerdictError};
use crate::load::tally::{Fence, PAIR_MASK, Tally};
use chrono::{DateTime, NaiveDateTime};
use std::collections::{BTreeMap, HashMap};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

/// Microseconds as a timestamp without time zone, which is how the tables hold UTC.
pub fn timestamp(at_us: i64) -> NaiveDateTime {
    DateTime::from_timestamp_micros(at_us).unwrap_or_default().naive_utc()
}

/// Whole microseconds of a timestamp: the double that `date_part` gives is exact to a quarter of one until 2100.
const TIME_US: &str = "round(date_part('epoch', timestamp) * 1000000)::int8";

/// Counts and sums per sensor. `sensors`: only these, where they are few enough for the index to pay.
pub async fn holdings(client: &Client, span: Span, sensors: Option<&[String]>) -> Result<Holdings, VerdictError> {
    let query = format!(
        "select sensor_id, count(*), sum(t - {base})::text, sum(v)::text, \
                sum((t & {PAIR_MASK}) * (v & {PAIR_MASK}))::text, sum((t - {base}) / 1000)::text \
         from (select sensor_id, {TIME_US} as t, (measurement_value * 10000)::int8 as v from public.sensor_data \
               where timestamp >= $1 and timestamp <= $2 and ($3::text[] is null or sensor_id = any($3))) as run \
         group by sensor_id",
        base = span.base_us()
    );
    let (from, to) = (timestamp(span.from_us), timestamp(span.to_us));
    let rows = client
        .query_typed(&query, &[(&from, Type::TIMESTAMP), (&to, Type::TIMESTAMP), (&sensors, Type::TEXT_ARRAY)])
        .await?;
    let mut sensors = HashMap::with_capacity(rows.len());
    for row in rows {
        let count: i64 = row.try_get(1)?;
        let sum = |index| -> Result<i128, VerdictError> {
            let text: &str = row.try_get(index)?;
            text.parse().map_err(|_| VerdictError::Unreadable(format!("sum {text:?} is no integer")))
        };
        let tally = Tally { count: count as u64, time_us: sum(2)?, value_e4: sum(3)?, pair: sum(4)?, time_ms: sum(5)? };
        sensors.insert(row.try_get(0)?, tally);
    }
    Ok(Holdings { sensors, machines: snapshots(client, span).await? })
}

async fn snapshots(client: &Client, span: Span) -> Result<HashMap<String, u64>, VerdictError> {
    let query = "select machine_id, count(*) from public.scada_machine_data \
                 where timestamp >= $1 and timestamp <= $2 group by machine_id";
    let (from, to) = (timestamp(span.from_us), timestamp(span.to_us));
    let rows = client.query_typed(query, &[(&from, Type::TIMESTAMP), (&to, Type::TIMESTAMP)]).await?;
    let mut machines = HashMap::with_capacity(rows.len());
    for row in rows {
        let count: i64 = row.try_get(1)?;
        machines.insert(row.try_get(0)?, count as u64);
    }
    Ok(machines)
}

/// Rows beyond the first of each (sensor, timestamp), by sensor: originals are unique, so these are duplicates.
pub async fn duplicates(client: &Client, span: Span, sensors: &[String]) -> Result<HashMap<String, u64>, VerdictError> {
    let query = "select sensor_id, count(*) - count(distinct timestamp) from public.sensor_data \
                 where timestamp >= $1 and timestamp <= $2 and sensor_id = any($3) group by sensor_id";
    let (from, to) = (timestamp(span.from_us), timestamp(span.to_us));
    let rows = client
        .query_typed(query, &[(&from, Type::TIMESTAMP), (&to, Type::TIMESTAMP), (&sensors, Type::TEXT_ARRAY)])
        .await?;
    let mut duplicates = HashMap::new();
    for row in rows {
        let surplus: i64 = row.try_get(1)?;
        duplicates.insert(row.try_get(0)?, surplus as u64);
    }
    Ok(duplicates)
}

/// How many of the fences are there.
pub async fn fences_seen(client: &Client, fences: &[Fence]) -> Result<usize, VerdictError> {
    let ids: Vec<&str> = fences.iter().map(|fence| fence.sensor_id.as_str()).collect();
    let times: Vec<NaiveDateTime> = fences.iter().map(|fence| timestamp(fence.timestamp_us)).collect();
    let from = times.iter().min().copied().unwrap_or_default();
    let to = times.iter().max().copied().unwrap_or_default();
    let query = "select count(*) from unnest($1::text[], $2::timestamp[]) as fence (id, at) where exists \
                 (select from public.sensor_data where sensor_id = fence.id and timestamp = fence.at \
                  and timestamp between $3 and $4)";
    let values: [(&(dyn ToSql + Sync), Type); 4] =
        [(&ids, Type::TEXT_ARRAY), (&times, Type::TIMESTAMP_ARRAY), (&from, Type::TIMESTAMP), (&to, Type::TIMESTAMP)];
    let row = client.query_typed_one(query, &values).await?;
    Ok(row.try_get::<_, i64>(0)? as usize)
}

/// A number that rises with every row that is inserted. From the statistics, because counting the rows of a long run every
/// few seconds would slow what is waited for.
pub async fn movement(client: &Client) -> Result<u64, VerdictError> {
    let query = "select coalesce(sum(n_tup_ins), 0)::int8 from pg_stat_user_tables \
                 where relname like 'sensor\\_data%' or relname like 'scada\\_machine\\_data%'";
    let row = client.query_typed_one(query, &[]).await?;
    Ok(row.try_get::<_, i64>(0)? as u64)
}

/// Records set aside so far, by reason, purged ones too; `None` where the server keeps no such table.
pub async fn dead_letters(client: &Client) -> Result<Option<BTreeMap<String, u64>>, VerdictError> {
    let table = client.query_typed_one("select to_regclass('genims_internal.dead_letters') is not null", &[]).await?;
    if !table.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    let query = "select reason, sum(records)::int8 from (select reason, records from genims_internal.dead_letters \
                 union all select reason, records from genims_internal.dead_letters_purged) as kept_or_purged group by reason";
    let rows = client.query_typed(query, &[]).await?;
    let mut dead_letters = BTreeMap::new();
    for row in rows {
        dead_letters.insert(row.try_get(0)?, row.try_get::<_, i64>(1)? as u64);
    }
    Ok(Some(dead_letters))
}
