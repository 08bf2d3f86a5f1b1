//! What the names of `config/hub/names.toml` show that stand on tables of another shape: rows are written at the sources, and asked
//! for under the other name. Each column has a value of its own, so that one in the place of another is seen.

use crate::hub_mysql;
use crate::hub_report::execute;
use crate::platform::Platform;
use genims_databases::PostgresClient;

const READING: &str = "INSERT INTO sensor_data (sensor_id, machine_id, line_id, factory_id, \"timestamp\", measurement_value, \
     measurement_unit, status, quality, anomaly_score, min_value_1min, max_value_1min, data_source) \
     VALUES ('S5', 'M5', 'L5', 'F5', '2026-01-02 00:00:05', 6.25, 'bar', 'warning', 'uncertain', 0.125, 1, 9, 'IoT')";

const SNAPSHOT: &str = "INSERT INTO scada_machine_data (machine_id, line_id, factory_id, \"timestamp\", machine_state, operation_mode, fault_code, \
     fault_description, parts_produced_cumulative, parts_produced_shift, parts_rejected_shift, target_cycle_time_seconds, \
     actual_cycle_time_seconds, availability_percentage, performance_percentage, quality_percentage, oee_percentage, \
     spindle_speed_rpm, feed_rate_mm_min, tool_number, program_number, power_consumption_kw, energy_consumed_kwh, \
     temperature_setpoint_c, temperature_actual_c, pressure_setpoint_bar, pressure_actual_bar, downtime_seconds_shift, \
     last_fault_timestamp, uptime_seconds_shift, active_alarms, alarm_codes, warning_codes, shift_id, operator_id, data_source, \
     data_quality) VALUES ('M5', 'L5', 'F5', '2026-01-02 00:00', 'FAULT', 'AUTO', 'F-17', 'hot', 101, 102, 103, 104, 105.5, 11, 12, 13, 14, \
     106, 107.25, 108, 'P1', 109.75, 110.5, 111, 112, 113, 114, 115, '2026-01-01 23:59:01', 116, 117, 'A1', 'W1', 'SH', 'OP', 'PLC7', 'bad')";

const FAULTS: &str = "INSERT INTO machine_faults (machine_id, line_id, factory_id, fault_code, fault_category, fault_severity, fault_description, \
     fault_start_time, fault_end_time, fault_duration_seconds, production_loss_units, downtime_minutes, detection_method) VALUES \
     ('M5', 'L5', 'F5', 'F-1', 'thermal', 'high', 'too hot', '2026-01-02 01:00', '2026-01-02 01:02:05', 125, 7, 2, 'threshold'), \
     ('M6', 'L6', 'F6', 'F-2', 'electrical', 'low', 'no power', '2026-01-02 02:00', NULL, NULL, NULL, NULL, 'plc')";

const WAREHOUSE: [&str; 7] = [
    "SET FOREIGN_KEY_CHECKS = 0",
    "INSERT INTO dim_machine (machine_key, machine_id, machine_name, line_id, factory_id, valid_from) \
     VALUES (7, 'M7', 'Press', 'L7', 'F7', '1970-01-01')",
    "INSERT INTO dim_product (product_key, product_id, product_name, valid_from) VALUES (5, 'P5', 'Gear', '1970-01-01')",
    "INSERT INTO fact_production_output (date_key, hour_of_day, hour_start, machine_key, product_key, produced_units, rejected_units, \
     good_units) VALUES (20260102, 6, '2026-01-02 06:00:00', 7, 5, 50, 8, 42)",
    "INSERT INTO fact_energy_hourly (date_key, hour_of_day, hour_start, machine_key, energy_kwh, running_energy_kwh, standby_energy_kwh, \
     power_reading_count, power_kw_sum, power_kw_max) VALUES (20260102, 6, '2026-01-02 06:00:00', 7, 12.5, 10, 2.5, 4, 50.02, 20.25), \
     (20260102, 7, '2026-01-02 07:00:00', 7, 3, 3, 0, 0, 0, NULL)",
    "INSERT INTO fact_machine_state (date_key, hour_of_day, hour_start, machine_key, running_seconds, idle_seconds, setup_seconds, \
     stopped_seconds, fault_seconds, maintenance_seconds, off_seconds, other_seconds, observed_seconds, unobserved_seconds, \
     snapshot_count, state_change_count, loaded_at) VALUES \
     (20260102, 6, '2026-01-02 06:00:00', 7, 1800, 600, 300, 120, 240, 360, 60, 12, 3492, 108, 33, 9, '2026-01-02 07:05:00'), \
     (20260102, 7, '2026-01-02 07:00:00', 7, 0, 0, 0, 0, 0, 3600, 0, 0, 3600, 0, 12, 1, '2026-01-02 08:05:00')",
    "INSERT INTO fact_oee_hourly (date_key, hour_of_day, hour_start, machine_key, planned_seconds, running_seconds, ideal_seconds, \
     produced_units, rejected_units, good_units, availability, performance, quality, oee) \
     VALUES (20260102, 6, '2026-01-02 06:00:00', 7, 3000, 1800, 900, 50, 8, 42, 0.6, 0.5, 0.84, 0.252)",
];

/// What a row of a view says, in the order of its columns; `-` for what is empty.
const ROWS: [(&str, &str, &[&str]); 6] = [
    ("sensor_readings", "sensor_id = 'S5'", &["2026-01-02 00:00:05|F5|L5|M5|S5|bar|6.2500|warning|0.1250|uncertain"]),
    (
        "machine_fault_events",
        "machine_id IN ('M5', 'M6')",
        &[
            "2026-01-02 01:00:00|F5|L5|M5|fault_opened|F-1|thermal|high|too hot|threshold|-|-|-|-",
            "2026-01-02 01:02:05|F5|L5|M5|fault_closed|F-1|-|-|-|-|2026-01-02 01:00:00|125|2|7",
            "2026-01-02 02:00:00|F6|L6|M6|fault_opened|F-2|electrical|low|no power|plc|-|-|-|-",
        ],
    ),
    ("production_counts", "machine_id = 'M7'", &["2026-01-02 07:00:00|F7|L7|M7|42|8|3600|P5"]),
    (
        "energy_readings",
        "machine_id = 'M7'",
        &[
            "2026-01-02 07:00:00|F7|L7|M7|kWh|12.5000|3600|12.51|20.25",
            "2026-01-02 08:00:00|F7|L7|M7|kWh|3.0000|3600|-|-",
        ],
    ),
    (
        "hourly_machine_summary",
        "machine_id = 'M7'",
        &[
            "M7|L7|F7|2026-01-02 06:00:00|2026-01-02 07:05:00|50|8|0.600000|0.500000|0.840000|0.252000|1800.000|600.000|300.000|240.000|360.000|9",
            "M7|L7|F7|2026-01-02 07:00:00|2026-01-02 08:05:00|-|-|-|-|-|-|0.000|0.000|0.000|0.000|3600.000|1",
        ],
    ),
    (
        "oee_metrics",
        "machine_id = 'M7'",
        &["2026-01-02 06:00:00|F7|L7|M7|0.600000|0.500000|0.840000|0.252000|1800.000|3000.000|50|8"],
    ),
];

pub(crate) async fn show_what_the_sources_hold(platform: &Platform, admin: &PostgresClient) {
    for sql in [READING, SNAPSHOT, FAULTS] {
        execute(platform, "genims_operations_db", sql).await;
    }
    hub_mysql::execute(platform, "genims_analytics_db", &WAREHOUSE).await;
    for (view, condition, expected) in ROWS {
        let sql = format!("SELECT * FROM genims_production.{view} WHERE {condition} ORDER BY 1, 4, 5");
        let columns = admin.prepare(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let texts: Vec<String> =
            columns.columns().iter().map(|column| format!("coalesce(\"{}\"::text, '-')", column.name())).collect();
        let sql = format!("SELECT concat_ws('|', {}) FROM ({sql}) AS shown", texts.join(", "));
        let rows = admin.query(&sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(rows, expected, "{view}");
    }
    // A snapshot says under the other name what it says under its own, and what kind of event it is.
    let same = "SELECT count(*) FILTER (WHERE to_jsonb(e) = (to_jsonb(s) - 'scada_id' - 'created_at') || '{\"event_type\": \"snapshot\"}'), count(*) \
                FROM genims_production.scada_events e JOIN genims_operations_db.scada_machine_data s USING (machine_id, \"timestamp\")";
    let row = admin.query_one(same, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (5, 5));
    let one = "SELECT concat_ws('|', machine_state, tool_number, oee_percentage, pressure_actual_bar, uptime_seconds_shift) \
               FROM genims_production.scada_events WHERE machine_id = 'M5'";
    assert_eq!(admin.query_one(one, &[]).await.unwrap().get::<_, String>(0), "FAULT|108|14.00|114.00|116");
}
