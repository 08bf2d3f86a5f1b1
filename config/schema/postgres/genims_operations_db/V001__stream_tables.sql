-- The six tables of the stream. Names, types, order, nullability and defaults are the contract with existing clients.
-- No foreign keys: telemetry is never refused because master data lags. Every timestamp is UTC.

CREATE SCHEMA IF NOT EXISTS genims_internal;
CREATE SCHEMA IF NOT EXISTS genims_partitions;
COMMENT ON SCHEMA genims_internal IS 'Bookkeeping of the platform: migration history, sink positions, dead letters';
COMMENT ON SCHEMA genims_partitions IS 'Daily partitions, apart so that public shows exactly the contract''s tables';

CREATE TABLE sensor_data (
    sensor_data_id    BIGSERIAL NOT NULL,
    sensor_id         VARCHAR(50) NOT NULL,
    machine_id        VARCHAR(50) NOT NULL,
    line_id           VARCHAR(50) NOT NULL,
    factory_id        VARCHAR(50) NOT NULL,
    timestamp         TIMESTAMP NOT NULL,
    measurement_value DECIMAL(15,4) NOT NULL,
    measurement_unit  VARCHAR(50) NOT NULL,
    status            VARCHAR(20) DEFAULT 'normal',
    quality           VARCHAR(20) DEFAULT 'good',
    is_below_warning  BOOLEAN DEFAULT false,
    is_above_warning  BOOLEAN DEFAULT false,
    is_below_critical BOOLEAN DEFAULT false,
    is_above_critical BOOLEAN DEFAULT false,
    min_value_1min    DECIMAL(15,4),
    max_value_1min    DECIMAL(15,4),
    avg_value_1min    DECIMAL(15,4),
    std_dev_1min      DECIMAL(15,4),
    anomaly_score     DECIMAL(8,4),
    is_anomaly        BOOLEAN DEFAULT false,
    data_source       VARCHAR(50) DEFAULT 'IoT',
    protocol          VARCHAR(50),
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP
) PARTITION BY RANGE (timestamp);

-- One index is both the primary key and the way to "this sensor, this span of time". A key must hold the partition key; a
-- second btree for (sensor_data_id, timestamp) cost 14 % of the COPY rate, the id as last column of this one 3 %
-- (1.5 M rows in batches of 50,000 sorted by sensor and time: 323-340 k rows/s with the btree but no key, 314-324 k
-- with this key, 280 k with both; 547-615 k with the BRIN alone).
ALTER TABLE sensor_data ADD PRIMARY KEY (sensor_id, timestamp, sensor_data_id);
-- Rows arrive in the order of both columns, so block ranges find a span of time or an id; nearly free to keep (48 kB for
-- 1.5 M rows).
CREATE INDEX sensor_data_timestamp_sensor_data_id_brin ON sensor_data USING brin (timestamp, sensor_data_id) WITH (autosummarize = on);
-- Takes rows of days for which no partition was made, so that no client's INSERT is ever refused. It stays (nearly)
-- empty: genims_internal.ensure_partition moves its rows when it makes their day.
CREATE TABLE genims_partitions.sensor_data_default PARTITION OF sensor_data DEFAULT;
COMMENT ON TABLE sensor_data IS 'Sensor readings with what the stream computed of them; one partition per day of timestamp';
COMMENT ON COLUMN sensor_data.sensor_data_id IS 'From the sequence sensor_data_sensor_data_id_seq; unique, rising in the order of commit batches';
COMMENT ON COLUMN sensor_data.timestamp IS 'When the sensor measured, UTC';
COMMENT ON COLUMN sensor_data.status IS 'normal, warning, critical: from the sensors thresholds';
COMMENT ON COLUMN sensor_data.quality IS 'good, uncertain, bad: as the source said, or doubtful because outside the measurement range';
COMMENT ON COLUMN sensor_data.min_value_1min IS 'Over this sensor''s readings of the 60 s that end with this one';
COMMENT ON COLUMN sensor_data.max_value_1min IS 'Over the same 60 s';
COMMENT ON COLUMN sensor_data.avg_value_1min IS 'Over the same 60 s';
COMMENT ON COLUMN sensor_data.std_dev_1min IS 'Over the same 60 s';
COMMENT ON COLUMN sensor_data.anomaly_score IS '0 (as ever) to 1 (unheard of)';
COMMENT ON COLUMN sensor_data.is_anomaly IS 'The score passed the limit of the configuration';
COMMENT ON COLUMN sensor_data.data_source IS 'IoT, or what a client wrote';
COMMENT ON COLUMN sensor_data.protocol IS 'How it came: mqtt, tcp ...';
COMMENT ON COLUMN sensor_data.created_at IS 'When the platform took it, UTC';

CREATE TABLE scada_machine_data (
    scada_id                  BIGSERIAL NOT NULL,
    machine_id                VARCHAR(50) NOT NULL,
    line_id                   VARCHAR(50) NOT NULL,
    factory_id                VARCHAR(50) NOT NULL,
    timestamp                 TIMESTAMP NOT NULL,
    machine_state             VARCHAR(50) NOT NULL,
    operation_mode            VARCHAR(50),
    fault_code                VARCHAR(50),
    fault_description         TEXT,
    parts_produced_cumulative BIGINT,
    parts_produced_shift      INTEGER,
    parts_rejected_shift      INTEGER,
    target_cycle_time_seconds INTEGER,
    actual_cycle_time_seconds DECIMAL(10,2),
    availability_percentage   DECIMAL(5,2),
    performance_percentage    DECIMAL(5,2),
    quality_percentage        DECIMAL(5,2),
    oee_percentage            DECIMAL(5,2),
    spindle_speed_rpm         INTEGER,
    feed_rate_mm_min          DECIMAL(10,2),
    tool_number               INTEGER,
    program_number            VARCHAR(50),
    power_consumption_kw      DECIMAL(10,2),
    energy_consumed_kwh       DECIMAL(15,4),
    temperature_setpoint_c    DECIMAL(8,2),
    temperature_actual_c      DECIMAL(8,2),
    pressure_setpoint_bar     DECIMAL(8,2),
    pressure_actual_bar       DECIMAL(8,2),
    downtime_seconds_shift    INTEGER,
    last_fault_timestamp      TIMESTAMP,
    uptime_seconds_shift      INTEGER,
    active_alarms             INTEGER,
    alarm_codes               VARCHAR(500),
    warning_codes             VARCHAR(500),
    shift_id                  VARCHAR(50),
    operator_id               VARCHAR(50),
    data_source               VARCHAR(50) DEFAULT 'PLC',
    data_quality              VARCHAR(20) DEFAULT 'good',
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP
) PARTITION BY RANGE (timestamp);

-- As for sensor_data.
ALTER TABLE scada_machine_data ADD PRIMARY KEY (machine_id, timestamp, scada_id);
-- Rows arrive in the order of both columns, so block ranges find a span of time or an id; nearly free to keep (48 kB for
-- 1.5 M rows).
CREATE INDEX scada_machine_data_timestamp_scada_id_brin ON scada_machine_data USING brin (timestamp, scada_id) WITH (autosummarize = on);
-- Takes rows of days for which no partition was made, so that no client's INSERT is ever refused. It stays (nearly)
-- empty: genims_internal.ensure_partition moves its rows when it makes their day.
CREATE TABLE genims_partitions.scada_machine_data_default PARTITION OF scada_machine_data DEFAULT;
COMMENT ON TABLE scada_machine_data IS 'Controller snapshots: state, OEE, process values, power, counters; one partition per day of timestamp';
COMMENT ON COLUMN scada_machine_data.timestamp IS 'When the controller took the picture, UTC';
COMMENT ON COLUMN scada_machine_data.machine_state IS 'running, idle, setup, stopped, fault, maintenance ... as the controller says';
COMMENT ON COLUMN scada_machine_data.parts_produced_cumulative IS 'Counter of the controller; may be reset';
COMMENT ON COLUMN scada_machine_data.parts_produced_shift IS 'Since the shift began';
COMMENT ON COLUMN scada_machine_data.oee_percentage IS 'availability x performance x quality, percent';
COMMENT ON COLUMN scada_machine_data.energy_consumed_kwh IS 'Meter reading, kWh';
COMMENT ON COLUMN scada_machine_data.alarm_codes IS 'Separated by commas';
COMMENT ON COLUMN scada_machine_data.warning_codes IS 'Separated by commas';
COMMENT ON COLUMN scada_machine_data.shift_id IS 'genims_master_db.shifts; filled from the plant''s calendar when the controller does not say';
COMMENT ON COLUMN scada_machine_data.operator_id IS 'genims_master_db.employees';

CREATE TABLE machine_faults (
    fault_id               BIGSERIAL PRIMARY KEY,
    machine_id             VARCHAR(50) NOT NULL,
    line_id                VARCHAR(50) NOT NULL,
    factory_id             VARCHAR(50) NOT NULL,
    fault_code             VARCHAR(50) NOT NULL,
    fault_category         VARCHAR(50),
    fault_severity         VARCHAR(20),
    fault_description      TEXT,
    fault_start_time       TIMESTAMP NOT NULL,
    fault_end_time         TIMESTAMP,
    fault_duration_seconds INTEGER,
    production_loss_units  INTEGER,
    downtime_minutes       INTEGER,
    estimated_cost_usd     DECIMAL(12,2),
    root_cause_category    VARCHAR(100),
    root_cause_description TEXT,
    contributing_sensors   VARCHAR(500),
    resolution_action      TEXT,
    maintenance_ticket_id  VARCHAR(50),
    resolved_by            VARCHAR(50),
    detection_method       VARCHAR(50),
    predicted_in_advance   BOOLEAN DEFAULT false,
    advance_warning_hours  DECIMAL(8,2),
    status                 VARCHAR(20) DEFAULT 'open',
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
-- The stream closes a fault by machine and start; maintenance reads a machine's history in time.
CREATE INDEX machine_faults_machine_id_fault_start_time_idx ON machine_faults (machine_id, fault_start_time);
-- What is broken now: a few rows among years of them.
CREATE INDEX machine_faults_open_idx ON machine_faults (machine_id, fault_code) WHERE fault_end_time IS NULL;
COMMENT ON TABLE machine_faults IS 'Faults with timing, impact and resolution';
COMMENT ON COLUMN machine_faults.fault_id IS 'genims_maintenance_db.work_orders.machine_fault_id holds it as text';
COMMENT ON COLUMN machine_faults.fault_category IS 'mechanical, thermal, pneumatic, electrical, process, control ...';
COMMENT ON COLUMN machine_faults.fault_severity IS 'low, medium, high, critical';
COMMENT ON COLUMN machine_faults.fault_end_time IS 'Empty while the fault is open';
COMMENT ON COLUMN machine_faults.downtime_minutes IS 'Minutes that the machine stood meanwhile';
COMMENT ON COLUMN machine_faults.production_loss_units IS 'Units not made meanwhile, at rated output';
COMMENT ON COLUMN machine_faults.contributing_sensors IS 'Sensor ids, separated by commas';
COMMENT ON COLUMN machine_faults.detection_method IS 'threshold (seen by the stream), plc (said by the controller) ...';
COMMENT ON COLUMN machine_faults.predicted_in_advance IS 'A warning came before the fault';
COMMENT ON COLUMN machine_faults.status IS 'open, resolved ...';

CREATE TABLE sensor_health (
    health_id                  BIGSERIAL PRIMARY KEY,
    sensor_id                  VARCHAR(50) NOT NULL,
    machine_id                 VARCHAR(50) NOT NULL,
    timestamp                  TIMESTAMP NOT NULL,
    health_score               DECIMAL(5,2),
    drift_percentage           DECIMAL(8,4),
    noise_level                DECIMAL(8,4),
    days_since_calibration     INTEGER,
    is_calibration_due         BOOLEAN DEFAULT false,
    calibration_drift_detected BOOLEAN DEFAULT false,
    packet_loss_percentage     DECIMAL(5,2),
    average_latency_ms         DECIMAL(10,2),
    last_communication         TIMESTAMP,
    communication_failures_24h INTEGER,
    battery_percentage         DECIMAL(5,2),
    is_low_battery             BOOLEAN DEFAULT false,
    stuck_value_detected       BOOLEAN DEFAULT false,
    erratic_readings_detected  BOOLEAN DEFAULT false,
    out_of_range_readings_24h  INTEGER,
    overall_status             VARCHAR(20) DEFAULT 'healthy',
    created_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX sensor_health_sensor_id_timestamp_idx ON sensor_health (sensor_id, timestamp);
COMMENT ON TABLE sensor_health IS 'Health of sensors: drift, calibration age, link quality, stuck and erratic values';
COMMENT ON COLUMN sensor_health.health_score IS '0 (unusable) to 100 (perfect)';
COMMENT ON COLUMN sensor_health.drift_percentage IS 'Shift of the mean against the long-term mean, percent of the range';
COMMENT ON COLUMN sensor_health.noise_level IS 'Standard deviation, percent of the range';
COMMENT ON COLUMN sensor_health.packet_loss_percentage IS 'Readings missed against the sampling frequency';
COMMENT ON COLUMN sensor_health.last_communication IS 'The last reading before this row, UTC';
COMMENT ON COLUMN sensor_health.overall_status IS 'healthy, degraded, failed, silent';

CREATE TABLE production_runs (
    run_id                      VARCHAR(50) PRIMARY KEY,
    line_id                     VARCHAR(50) NOT NULL,
    factory_id                  VARCHAR(50) NOT NULL,
    product_id                  VARCHAR(50) NOT NULL,
    run_number                  INTEGER,
    batch_number                VARCHAR(50),
    work_order_number           VARCHAR(50),
    customer_id                 VARCHAR(50),
    run_start_time              TIMESTAMP NOT NULL,
    run_end_time                TIMESTAMP,
    planned_duration_minutes    INTEGER,
    actual_duration_minutes     INTEGER,
    target_quantity             INTEGER,
    actual_quantity             INTEGER,
    rejected_quantity           INTEGER,
    scrapped_quantity           INTEGER,
    rework_quantity             INTEGER,
    first_pass_yield_percentage DECIMAL(5,2),
    defect_rate_ppm             INTEGER,
    quality_grade               VARCHAR(20),
    oee_percentage              DECIMAL(5,2),
    availability_percentage     DECIMAL(5,2),
    performance_percentage      DECIMAL(5,2),
    quality_percentage          DECIMAL(5,2),
    previous_product_id         VARCHAR(50),
    changeover_time_minutes     INTEGER,
    shift_id                    VARCHAR(50),
    supervisor_id               VARCHAR(50),
    status                      VARCHAR(20) DEFAULT 'in_progress',
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX production_runs_line_id_run_start_time_idx ON production_runs (line_id, run_start_time);
COMMENT ON TABLE production_runs IS 'Batch runs per line with yield and OEE';
COMMENT ON COLUMN production_runs.work_order_number IS 'genims_manufacturing_db.work_orders, by number';
COMMENT ON COLUMN production_runs.first_pass_yield_percentage IS 'Good at the first attempt';
COMMENT ON COLUMN production_runs.defect_rate_ppm IS 'Defective parts per million';
COMMENT ON COLUMN production_runs.status IS 'planned, in_progress, completed ...';

CREATE TABLE maintenance_events (
    maintenance_id       VARCHAR(50) PRIMARY KEY,
    machine_id           VARCHAR(50) NOT NULL,
    line_id              VARCHAR(50) NOT NULL,
    factory_id           VARCHAR(50) NOT NULL,
    maintenance_type     VARCHAR(50),
    maintenance_category VARCHAR(50),
    priority             VARCHAR(20),
    scheduled_start      TIMESTAMP,
    actual_start         TIMESTAMP,
    actual_end           TIMESTAMP,
    duration_minutes     INTEGER,
    work_description     TEXT,
    parts_replaced       VARCHAR(500),
    parts_cost_usd       DECIMAL(12,2),
    labor_hours          DECIMAL(8,2),
    labor_cost_usd       DECIMAL(12,2),
    total_cost_usd       DECIMAL(12,2),
    technician_id        VARCHAR(50),
    supervisor_id        VARCHAR(50),
    related_fault_id     BIGINT,
    completion_status    VARCHAR(20),
    notes                TEXT,
    follow_up_required   BOOLEAN DEFAULT false,
    next_maintenance_due DATE,
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX maintenance_events_machine_id_actual_start_idx ON maintenance_events (machine_id, actual_start);
CREATE INDEX maintenance_events_related_fault_id_idx ON maintenance_events (related_fault_id) WHERE related_fault_id IS NOT NULL;
COMMENT ON TABLE maintenance_events IS 'Service work carried out on machines';
COMMENT ON COLUMN maintenance_events.maintenance_type IS 'preventive, corrective, predictive ...';
COMMENT ON COLUMN maintenance_events.related_fault_id IS 'machine_faults.fault_id of the fault that caused the work';
COMMENT ON COLUMN maintenance_events.parts_replaced IS 'Part numbers, separated by commas';
COMMENT ON COLUMN maintenance_events.completion_status IS 'completed, partial, cancelled ...';
