//! What a live server adds to a platform that was seeded months ago: rows that come late, that contradict the plan, that
//! nobody foresaw. Enters: SQL as the sinks write it. Leaves: a verification that still holds.

use crate::harness::Harness;
use crate::seeding::{seeded_in_the_past, verified};
use genims_databases::Registry;
use genims_etl::job;

const PLACE: &str = "machine_id, line_id, factory_id";

pub(crate) fn late_readings_break_nothing(harness: &'static Harness) {
    let platform = seeded_in_the_past(harness);
    // Before and after what is registered by hand, which may heal what came unasked.
    for late in [[readings(), machines()].concat(), registered()] {
        for (what, database, sql) in late {
            println!("{what}");
            platform.execute(database, &sql);
        }
        verified(&platform, &["verify"]);
    }
    // Nor does it when reporting and warehouse are computed anew from all of it: a day after their last run all days are looked at.
    platform.execute(MASTER, "UPDATE genims_internal.etl_runs SET started_at = started_at - interval '1 day'");
    let jobs = job::load(&Registry::load(None).unwrap(), None).unwrap();
    let names = jobs.iter().map(|job| job.name.as_str());
    verified(&platform, &["etl", "run"].into_iter().chain(names).collect::<Vec<_>>());
    verified(&platform, &["verify"]);
}

const MASTER: &str = "genims_master_db";
const OPERATIONS: &str = "genims_operations_db";

type Late = (&'static str, &'static str, String);

fn readings() -> Vec<Late> {
    let columns = format!("sensor_id, {PLACE}, timestamp, measurement_value, measurement_unit");
    let reading = |ago: &str, value: &str, more: &str, said: &str| {
        format!(
            "INSERT INTO sensor_data ({columns}, {more}) SELECT sensor_id, {PLACE}, timestamp + interval '{ago}', \
             {value}, measurement_unit, {said} FROM sensor_data WHERE NOT (is_below_warning OR is_above_warning) \
             ORDER BY sensor_id, timestamp LIMIT 5"
        )
    };
    let today = "INSERT INTO sensor_data (sensor_id, machine_id, line_id, factory_id, timestamp, measurement_value, \
         measurement_unit) SELECT DISTINCT ON (sensor_id) sensor_id, machine_id, line_id, factory_id, \
         now() AT TIME ZONE 'UTC', measurement_value, measurement_unit FROM sensor_data ORDER BY sensor_id LIMIT 5";
    vec![
        ("bad readings of a seeded day", OPERATIONS, reading("1 second", "measurement_value", "quality", "'bad'")),
        ("readings of today", OPERATIONS, today.to_owned()),
        ("readings of before the history", OPERATIONS, reading("-40 days", "measurement_value", "quality", "'good'")),
        (
            "a value that is beyond a limit since the limit was changed",
            OPERATIONS,
            reading("2 seconds", "measurement_value - 1000", "is_above_critical, status", "true, 'critical'"),
        ),
        ("a value far outside the range", OPERATIONS, reading("3 seconds", "9999999.5", "quality", "'uncertain'")),
        (
            "a dead letter",
            OPERATIONS,
            "INSERT INTO genims_internal.dead_letters (spool_id, log_offset, received_at, source, topic, reason, detail, \
             payload, payload_bytes) VALUES (gen_random_uuid(), 1, now(), 'mqtt', 't', 'malformed', 'd', 'x', 1)"
                .to_owned(),
        ),
    ]
}

fn machines() -> Vec<Late> {
    let snapshot = |more: &str, said: &str| {
        format!(
            "INSERT INTO scada_machine_data ({PLACE}, timestamp, machine_state, {more}) \
             SELECT {PLACE}, timestamp + interval '1 second', machine_state, {said} \
             FROM scada_machine_data ORDER BY machine_id, timestamp LIMIT 5"
        )
    };
    let fault = |code: &str| {
        format!(
            "INSERT INTO machine_faults ({PLACE}, fault_code, fault_start_time, fault_severity) \
             SELECT {PLACE}, {code}, fault_start_time + interval '1 second', 'critical' FROM machine_faults LIMIT 5"
        )
    };
    let closed = "UPDATE machine_faults SET fault_end_time = fault_start_time + interval '1 hour', \
         fault_duration_seconds = 3600, downtime_minutes = 10, production_loss_units = 3, status = 'resolved' \
         WHERE fault_id = (SELECT min(fault_id) FROM machine_faults WHERE status = 'open')";
    let health = "INSERT INTO sensor_health (sensor_id, machine_id, timestamp, health_score) \
         SELECT sensor_id, machine_id, timestamp + interval '1 second', 50 FROM sensor_health LIMIT 5";
    let odd = "parts_produced_cumulative, parts_produced_shift, parts_rejected_shift, availability_percentage, \
         performance_percentage, quality_percentage, oee_percentage, energy_consumed_kwh";
    vec![
        ("snapshots of a seeded day", OPERATIONS, snapshot("data_quality", "'good'")),
        (
            "counters that went back, and figures that do not agree",
            OPERATIONS,
            snapshot(odd, "0, 1, 9, 120, 50, 50, 3, 0"),
        ),
        ("faults of a seeded day", OPERATIONS, fault("fault_code")),
        ("faults with codes that nobody knows", OPERATIONS, fault("'NEVER-SEEN'")),
        ("the end of a fault that was open", OPERATIONS, closed.to_owned()),
        ("the health of sensors", OPERATIONS, health.to_owned()),
    ]
}

/// As a server with `unknown_sensors = "register"` enters a sensor.
fn registered() -> Vec<Late> {
    let sensor = "INSERT INTO sensors (sensor_id, machine_id, line_id, factory_id, sensor_name, measurement_unit, status) \
         SELECT 'NEW-1', machine_id, line_id, factory_id, 'NEW-1', 'unknown', 'active' FROM machines LIMIT 1";
    let reading = "INSERT INTO sensor_data (sensor_id, machine_id, line_id, factory_id, timestamp, measurement_value, \
         measurement_unit) SELECT 'NEW-1', machine_id, line_id, factory_id, timestamp, 1, 'unknown' FROM sensor_data LIMIT 1";
    vec![
        ("a sensor that the stream registered", MASTER, sensor.to_owned()),
        ("its readings, on a seeded day", OPERATIONS, reading.to_owned()),
    ]
}
