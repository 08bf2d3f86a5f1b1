//! The queries of what a machine's sensors measured and of its faults meanwhile, and their rows.

use super::{DAY_MS, OPERATIONS};
use genims_api::plants::report::{ChartSpan, FaultReport, LastReading, ReadingBucket, ReadingsAnswer, SensorReadings};
use genims_api::proof::Proof;
use genims_databases::reader::{BoundQuery, QueryValue};
use genims_databases::{PostgresError, PostgresRow};
use std::collections::HashMap;

/// All readings of one sensor in a span; `BUCKET` stands for a bucket's seconds.
const ALL: &str = "\
SELECT (extract(epoch FROM date_bin('BUCKET seconds', timestamp, $2)) * 1000)::bigint AS at_ms,
       min(measurement_value)::float8, avg(measurement_value::float8), max(measurement_value)::float8,
       count(*), count(*) FILTER (WHERE quality <> 'good')
  FROM sensor_data
 WHERE sensor_id = $1 AND timestamp >= $2 AND timestamp < $3
 GROUP BY 1 ORDER BY 1";

/// Of each minute the last reading: it has the extremes and the mean of the 60 s that end with it, and so of all readings of its minute.
/// A day is so many steps in the primary key, whatever the sensor sends.
const MINUTES: &str = "\
SELECT (extract(epoch FROM date_bin('BUCKET seconds', r.timestamp, $2)) * 1000)::bigint AS at_ms,
       min(least(r.min_value_1min, r.measurement_value))::float8,
       avg(coalesce(r.avg_value_1min, r.measurement_value)::float8),
       max(greatest(r.max_value_1min, r.measurement_value))::float8,
       count(*), count(*) FILTER (WHERE r.quality <> 'good')
  FROM generate_series($2, $3 - interval '1 minute', interval '1 minute') AS m (minute)
 CROSS JOIN LATERAL (
    SELECT timestamp, measurement_value, min_value_1min, avg_value_1min, max_value_1min, quality
      FROM sensor_data
     WHERE sensor_id = $1 AND timestamp >= $2 AND timestamp < $3
       AND timestamp >= m.minute AND timestamp < m.minute + interval '1 minute'
     ORDER BY timestamp DESC LIMIT 1) AS r
 GROUP BY 1 ORDER BY 1";

const LAST: &str = "\
SELECT s.sensor_id, r.measurement_value::float8, r.measurement_unit, (extract(epoch FROM r.timestamp) * 1000)::bigint,
       coalesce(r.quality, ''), coalesce(r.status, ''), coalesce(r.is_anomaly, false)
  FROM unnest($1) AS s (sensor_id)
 CROSS JOIN LATERAL (
    SELECT timestamp, measurement_value, measurement_unit, quality, status, is_anomaly FROM sensor_data
     WHERE sensor_id = s.sensor_id AND timestamp > $2 AND timestamp < $3
     ORDER BY timestamp DESC, sensor_data_id DESC LIMIT 1) AS r";

const FAULTS: &str = "\
SELECT fault_code, fault_severity, fault_description, detection_method, contributing_sensors,
       (extract(epoch FROM fault_start_time) * 1000)::bigint, (extract(epoch FROM fault_end_time) * 1000)::bigint
  FROM machine_faults
 WHERE machine_id = $1 AND fault_start_time < $3 AND (fault_end_time IS NULL OR fault_end_time >= $2)
 ORDER BY fault_start_time DESC, fault_id DESC LIMIT 50";

/// Faults, last readings, and then a query for each sensor: none of them is long.
pub(super) fn queries(machine_id: &str, sensors: &[String], span: ChartSpan, until_ms: i64) -> Vec<BoundQuery> {
    let time = QueryValue::time_ms;
    let (from, until) = (time(until_ms - span.seconds() * 1_000), time(until_ms));
    let bounds = |first: QueryValue, from: &QueryValue| vec![first, from.clone(), until.clone()];
    let sql = match span {
        ChartSpan::TenMinutes | ChartSpan::Hour => ALL,
        ChartSpan::Day => MINUTES,
    };
    let sql = sql.replace("BUCKET", &span.bucket_seconds().to_string());
    let sensor =
        |sensor: &String| BoundQuery { sql: sql.clone(), values: bounds(QueryValue::Text(sensor.clone()), &from) };
    let faults = BoundQuery { sql: FAULTS.to_owned(), values: bounds(QueryValue::Text(machine_id.to_owned()), &from) };
    let ids = QueryValue::Texts(sensors.to_vec());
    let last = BoundQuery { sql: LAST.to_owned(), values: bounds(ids, &time(until_ms - DAY_MS)) };
    [faults, last].into_iter().chain(sensors.iter().map(sensor)).collect()
}

pub(super) fn proofs(queries: &[BoundQuery]) -> Vec<Proof> {
    let told = [
        ("faults", "Faults that were open in the span."),
        ("last_readings", "The last reading of each sensor within 24 hours."),
        ("readings", "Extremes and mean of each point of a plot; here of the first sensor, the others alike."),
    ];
    let proof = |((name, note), query): ((&'static str, &'static str), &BoundQuery)| Proof {
        name: name.into(),
        database: OPERATIONS.into(),
        sql: query.text() + ";",
        expected: None,
        note: note.into(),
    };
    told.into_iter().zip(queries).map(proof).collect()
}

/// `answers`: as the queries were asked.
pub(super) fn readings(sensors: &[String], answers: &[Vec<PostgresRow>]) -> Result<ReadingsAnswer, PostgresError> {
    let mut answers = answers.iter();
    let none = Vec::new();
    let faults = answers.next().unwrap_or(&none).iter().map(fault).collect::<Result<_, _>>()?;
    let mut last = HashMap::new();
    for row in answers.next().unwrap_or(&none) {
        last.insert(row.try_get::<_, String>(0)?, last_reading(row)?);
    }
    let of = |(sensor_id, rows): (&String, &Vec<PostgresRow>)| {
        let buckets = rows.iter().map(bucket).collect::<Result<_, PostgresError>>()?;
        Ok(SensorReadings { sensor_id: sensor_id.clone(), last: last.remove(sensor_id), buckets })
    };
    Ok(ReadingsAnswer { faults, sensors: sensors.iter().zip(answers).map(of).collect::<Result<_, _>>()? })
}

fn bucket(row: &PostgresRow) -> Result<ReadingBucket, PostgresError> {
    Ok(ReadingBucket {
        at_ms: row.try_get(0)?,
        min: row.try_get(1)?,
        mean: row.try_get(2)?,
        max: row.try_get(3)?,
        rows: row.try_get(4)?,
        not_good: row.try_get(5)?,
    })
}

fn last_reading(row: &PostgresRow) -> Result<LastReading, PostgresError> {
    Ok(LastReading {
        value: row.try_get(1)?,
        unit: row.try_get(2)?,
        at_ms: row.try_get(3)?,
        quality: row.try_get(4)?,
        status: row.try_get(5)?,
        is_anomaly: row.try_get(6)?,
    })
}

fn fault(row: &PostgresRow) -> Result<FaultReport, PostgresError> {
    let text = |at: usize| Ok::<_, PostgresError>(row.try_get::<_, Option<String>>(at)?.unwrap_or_default());
    Ok(FaultReport {
        fault_code: text(0)?,
        severity: text(1)?,
        description: text(2)?,
        detected_by: text(3)?,
        sensors: text(4)?,
        start_ms: row.try_get(5)?,
        end_ms: row.try_get(6)?,
    })
}
