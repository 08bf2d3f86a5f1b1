//! The query of a finished hour's OEE, by the rules of the analysis, and its rows. Enters: ids and an hour. Leaves: hours.

use super::OPERATIONS;
use genims_api::plants::report::OeeReport;
use genims_api::proof::Proof;
use genims_databases::reader::{BoundQuery, QueryValue};
use genims_databases::{PostgresError, PostgresRow};

/// A snapshot's state lasts to the next one, 300 s at most. Steps of counters belong to the later snapshot, and a counter that fell
/// counts from zero. Planned is all but MAINTENANCE and OFF.
const HOURS: &str = "\
WITH seen AS (
  SELECT m.machine_id, m.design_cycle, s.*
    FROM unnest($1, $2) AS m (machine_id, design_cycle)
   CROSS JOIN LATERAL (
     (SELECT timestamp AS at, scada_id, upper(machine_state) AS state, target_cycle_time_seconds AS cycle,
             coalesce(parts_produced_cumulative, parts_produced_shift) AS made, parts_rejected_shift AS rejects
        FROM scada_machine_data
       WHERE machine_id = m.machine_id AND timestamp >= $3 - interval '24 hours' AND timestamp < $3
       ORDER BY timestamp DESC, scada_id DESC LIMIT 1)
     UNION ALL
     (SELECT timestamp, scada_id, upper(machine_state), target_cycle_time_seconds,
             coalesce(parts_produced_cumulative, parts_produced_shift), parts_rejected_shift
        FROM scada_machine_data
       WHERE machine_id = m.machine_id AND timestamp >= $3 AND timestamp < $3 + interval '65 minutes')) AS s),
stepped AS (
  SELECT *, at >= $3 AND at < $3 + interval '1 hour' AS is_inside, coalesce(lead(at) OVER w, at) AS next_at,
         CASE WHEN made < lag(made) OVER w THEN made ELSE coalesce(made - lag(made) OVER w, 0) END AS produced,
         CASE WHEN rejects < lag(rejects) OVER w THEN rejects ELSE coalesce(rejects - lag(rejects) OVER w, 0) END AS rejected
    FROM seen WINDOW w AS (PARTITION BY machine_id ORDER BY at, scada_id)),
lasted AS (
  SELECT *, greatest(0, extract(epoch FROM least(next_at, at + interval '300 seconds', $3 + interval '1 hour')
                                            - greatest(at, $3)))::float8 AS seconds
    FROM stepped),
summed AS (
  SELECT machine_id,
         coalesce(sum(seconds) FILTER (WHERE state NOT IN ('MAINTENANCE', 'OFF')), 0) AS planned,
         coalesce(sum(seconds) FILTER (WHERE state = 'RUNNING'), 0) AS running,
         coalesce(sum(produced) FILTER (WHERE is_inside), 0)::bigint AS produced,
         coalesce(sum(rejected) FILTER (WHERE is_inside), 0)::bigint AS rejected,
         coalesce((array_agg(nullif(greatest(cycle, 0), 0) ORDER BY at DESC, scada_id DESC) FILTER (WHERE is_inside))[1]::float8,
                  max(design_cycle), 0) AS cycle
    FROM lasted GROUP BY machine_id)
SELECT machine_id, planned, running, produced, rejected, running / planned AS availability,
       CASE WHEN running = 0 THEN 0 WHEN cycle > 0 THEN least(1, produced * cycle / running) ELSE 1 END AS performance,
       CASE WHEN produced > 0 THEN greatest(0, least(1, 1 - rejected::float8 / produced)) ELSE 1 END AS quality
  FROM summed WHERE planned > 0";

/// Machines of one query: with a snapshot a second it stays in memory, and takes a fraction of a second.
const MACHINES_MAX: usize = 20;

/// `design_cycle_s`: seconds for one part, as a machine was designed.
pub(super) fn queries(
    machines: &[String],
    design_cycle_s: impl Fn(&String) -> Option<f64>,
    hour_ms: i64,
) -> Vec<BoundQuery> {
    let query = |machines: &[String]| {
        let cycles = QueryValue::Numbers(machines.iter().map(&design_cycle_s).collect());
        let values = vec![QueryValue::Texts(machines.to_vec()), cycles, QueryValue::time_ms(hour_ms)];
        BoundQuery { sql: HOURS.to_owned(), values }
    };
    machines.chunks(MACHINES_MAX).map(query).collect()
}

pub(super) fn proof(query: &BoundQuery) -> Proof {
    Proof {
        name: "oee".into(),
        database: OPERATIONS.into(),
        sql: query.text() + ";",
        expected: None,
        note: "OEE is availability x performance x quality of the hour, from snapshots; here of the first machines."
            .into(),
    }
}

pub(super) fn hours(answers: &[Vec<PostgresRow>], hour_ms: i64) -> Result<Vec<OeeReport>, PostgresError> {
    let of = |row: &PostgresRow| {
        let [availability, performance, quality]: [f64; 3] = [row.try_get(5)?, row.try_get(6)?, row.try_get(7)?];
        Ok(OeeReport {
            machine_id: row.try_get(0)?,
            hour_ms,
            oee: availability * performance * quality,
            availability,
            performance,
            quality,
            planned_seconds: row.try_get(1)?,
            running_seconds: row.try_get(2)?,
            produced: row.try_get(3)?,
            rejected: row.try_get(4)?,
        })
    };
    answers.iter().flatten().map(of).collect()
}
