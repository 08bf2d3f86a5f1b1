//! The query of how machines are, and its rows. Enters: ids. Leaves: statuses.

use super::{DAY_MS, OPERATIONS, whole};
use genims_api::plants::report::{FaultReport, MachineStatus};
use genims_api::proof::Proof;
use genims_databases::reader::{BoundQuery, QueryValue};
use genims_databases::{PostgresError, PostgresRow};
use std::collections::HashMap;

/// Sources' clocks may be ahead of ours; what is further ahead is not the last thing that came.
const AHEAD_MS: i64 = 300_000;

/// The newest snapshots of a machine: what the last says, and the first of those in a row that say the same. The bounds of time
/// leave two or three partitions; in each the primary key is read backwards.
const STATES: &str = "\
SELECT m.machine_id, s.machine_state, s.last_ms, s.since_ms, s.began_earlier,
       f.fault_code, f.fault_severity, f.fault_description, f.detection_method, f.contributing_sensors, f.start_ms,
       coalesce(f.open_faults, 0)
  FROM unnest($1) AS m (machine_id)
  LEFT JOIN LATERAL (
    SELECT min(machine_state) FILTER (WHERE others = 0) AS machine_state,
           (extract(epoch FROM max(timestamp)) * 1000)::bigint AS last_ms,
           (extract(epoch FROM min(timestamp) FILTER (WHERE others = 0)) * 1000)::bigint AS since_ms,
           max(others) = 0 AS began_earlier
      FROM (SELECT timestamp, machine_state, count(*) FILTER (WHERE machine_state <> last_state)
                     OVER (ORDER BY timestamp DESC, scada_id DESC ROWS UNBOUNDED PRECEDING) AS others
              FROM (SELECT timestamp, scada_id, machine_state, first_value(machine_state)
                             OVER (ORDER BY timestamp DESC, scada_id DESC) AS last_state
                      FROM (SELECT timestamp, scada_id, machine_state
                              FROM scada_machine_data
                             WHERE machine_id = m.machine_id AND timestamp > $2 AND timestamp <= $3
                             ORDER BY timestamp DESC, scada_id DESC LIMIT $4) AS newest) AS compared) AS counted
  ) AS s ON true
  LEFT JOIN LATERAL (
    SELECT fault_code, fault_severity, fault_description, detection_method, contributing_sensors,
           (extract(epoch FROM fault_start_time) * 1000)::bigint AS start_ms, count(*) OVER () AS open_faults
      FROM machine_faults
     WHERE machine_id = m.machine_id AND fault_end_time IS NULL
     ORDER BY fault_start_time DESC, fault_id DESC LIMIT 1
  ) AS f ON true";

/// The last reading of each sensor, and of them each machine's.
const READINGS: &str = "\
SELECT s.machine_id, (extract(epoch FROM max(r.timestamp)) * 1000)::bigint
  FROM unnest($1, $2) AS s (machine_id, sensor_id)
 CROSS JOIN LATERAL (
    SELECT timestamp FROM sensor_data
     WHERE sensor_id = s.sensor_id AND timestamp > $3 AND timestamp <= $4
     ORDER BY timestamp DESC LIMIT 1) AS r
 GROUP BY s.machine_id";

/// `sensors`: of these machines, side by side with them.
pub(super) fn queries(
    machines: &[String],
    sensors: (Vec<String>, Vec<String>),
    snapshots: u32,
    now_ms: i64,
) -> [BoundQuery; 2] {
    let (from, until) = (QueryValue::time_ms(whole(now_ms) - DAY_MS), QueryValue::time_ms(whole(now_ms) + AHEAD_MS));
    let texts = QueryValue::Texts;
    let states = vec![texts(machines.to_vec()), from.clone(), until.clone(), QueryValue::Number(i64::from(snapshots))];
    let readings = vec![texts(sensors.0), texts(sensors.1), from, until];
    [BoundQuery { sql: STATES.to_owned(), values: states }, BoundQuery { sql: READINGS.to_owned(), values: readings }]
}

/// The second query is told for one machine: with all sensors it would be longer than the page.
pub(super) fn proofs(queries: &[BoundQuery; 2]) -> Vec<Proof> {
    let [states, readings] = queries;
    let mut one = readings.clone();
    if let [QueryValue::Texts(machines), QueryValue::Texts(sensors), ..] = one.values.as_mut_slice() {
        let first = machines.first().cloned();
        let own = machines.iter().take_while(|machine| Some(*machine) == first.as_ref()).count();
        machines.truncate(own);
        sensors.truncate(own);
    }
    let proof = |name: &'static str, query: &BoundQuery, note: &'static str| Proof {
        name: name.into(),
        database: OPERATIONS.into(),
        sql: query.text() + ";",
        expected: None,
        note: note.into(),
    };
    vec![
        proof("states", states, "The last snapshots of 24 hours, and the newest open fault, of each machine."),
        proof(
            "readings_of_machines",
            &one,
            "The last reading of any sensor; here of the first machine, the others alike.",
        ),
    ]
}

pub(super) fn statuses(states: &[PostgresRow], readings: &[PostgresRow]) -> Result<Vec<MachineStatus>, PostgresError> {
    let mut last: HashMap<String, Option<i64>> = HashMap::with_capacity(readings.len());
    for row in readings {
        last.insert(row.try_get(0)?, row.try_get(1)?);
    }
    let of = |row: &PostgresRow| {
        let machine_id: String = row.try_get(0)?;
        let code: Option<String> = row.try_get(5)?;
        let text = |at: usize| Ok(row.try_get::<_, Option<String>>(at)?.unwrap_or_default());
        let fault = match code {
            None => None,
            Some(fault_code) => Some(FaultReport {
                fault_code,
                severity: text(6)?,
                description: text(7)?,
                detected_by: text(8)?,
                sensors: text(9)?,
                start_ms: row.try_get::<_, Option<i64>>(10)?.unwrap_or_default(),
                end_ms: None,
            }),
        };
        Ok(MachineStatus {
            state: row.try_get(1)?,
            snapshot_ms: row.try_get(2)?,
            since_ms: row.try_get(3)?,
            began_earlier: row.try_get::<_, Option<bool>>(4)?.unwrap_or_default(),
            reading_ms: last.get(&machine_id).copied().flatten(),
            fault,
            open_faults: row.try_get::<_, i64>(11)?.unsigned_abs(),
            machine_id,
        })
    };
    states.iter().map(of).collect()
}
