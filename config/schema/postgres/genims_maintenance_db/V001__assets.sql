-- The register of maintainable equipment, its meters, condition and reliability.
-- An asset stands for a machine of the master data, a part of one, or plant equipment without a machine.

CREATE TABLE maintenance_assets (
    asset_id               VARCHAR(50) PRIMARY KEY,
    asset_number           VARCHAR(50) NOT NULL UNIQUE,
    asset_name             VARCHAR(200) NOT NULL,
    asset_type             VARCHAR(50),
    asset_category         VARCHAR(50),
    asset_class            VARCHAR(50),
    parent_asset_id        VARCHAR(50),
    location_hierarchy     VARCHAR(500),
    machine_id             VARCHAR(50),
    factory_id             VARCHAR(50),
    line_id                VARCHAR(50),
    department             VARCHAR(100),
    location_description   TEXT,
    manufacturer           VARCHAR(200),
    model_number           VARCHAR(100),
    serial_number          VARCHAR(100),
    year_manufactured      INTEGER,
    installation_date      DATE,
    commissioning_date     DATE,
    warranty_expiry_date   DATE,
    rated_capacity         VARCHAR(100),
    power_rating           VARCHAR(100),
    operating_voltage      VARCHAR(50),
    operating_pressure     VARCHAR(50),
    weight_kg              DECIMAL(10,2),
    dimensions             VARCHAR(200),
    criticality_rating     VARCHAR(20),
    safety_critical        BOOLEAN DEFAULT false,
    production_critical    BOOLEAN DEFAULT false,
    environmental_critical BOOLEAN DEFAULT false,
    downtime_cost_per_hour DECIMAL(12,2),
    replacement_cost       DECIMAL(15,2),
    maintenance_strategy   VARCHAR(50),
    pm_frequency_type      VARCHAR(30),
    has_meter              BOOLEAN DEFAULT false,
    meter_unit             VARCHAR(20),
    current_meter_reading  DECIMAL(15,2),
    meter_reading_date     TIMESTAMP,
    asset_condition        VARCHAR(30) DEFAULT 'good',
    asset_status           VARCHAR(30) DEFAULT 'operational',
    owned_leased           VARCHAR(20) DEFAULT 'owned',
    purchase_cost          DECIMAL(15,2),
    purchase_date          DATE,
    technical_manual_url   VARCHAR(500),
    drawings_url           VARCHAR(500),
    photo_url              VARCHAR(500),
    expected_life_years    INTEGER,
    remaining_life_years   INTEGER,
    is_active              BOOLEAN DEFAULT true,
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    notes                  TEXT
);
CREATE INDEX maintenance_assets_machine_id_idx ON maintenance_assets (machine_id);
CREATE INDEX maintenance_assets_factory_id_asset_status_idx ON maintenance_assets (factory_id, asset_status);
COMMENT ON TABLE maintenance_assets IS 'Maintainable equipment register, mapped to machines';
COMMENT ON COLUMN maintenance_assets.asset_id IS 'AST-0001 ...';
COMMENT ON COLUMN maintenance_assets.asset_number IS 'Number on the plate';
COMMENT ON COLUMN maintenance_assets.asset_type IS 'machine, robot, conveyor, compressor, hvac, electrical, utility, tooling, vehicle';
COMMENT ON COLUMN maintenance_assets.asset_category IS 'production, utility, facility, safety';
COMMENT ON COLUMN maintenance_assets.asset_class IS 'Class in the fixed-asset books: plant_machinery, tools, vehicles, buildings';
COMMENT ON COLUMN maintenance_assets.parent_asset_id IS 'Asset of which it is a part; NULL for whole equipment';
COMMENT ON COLUMN maintenance_assets.location_hierarchy IS 'Plant / line / machine, as text';
COMMENT ON COLUMN maintenance_assets.machine_id IS 'Machine of the master data; one whole asset per machine; NULL for plant equipment';
COMMENT ON COLUMN maintenance_assets.line_id IS 'NULL when it serves the whole plant';
COMMENT ON COLUMN maintenance_assets.department IS 'Name of the department that uses it';
COMMENT ON COLUMN maintenance_assets.rated_capacity IS 'With its unit, as on the plate';
COMMENT ON COLUMN maintenance_assets.power_rating IS 'With its unit';
COMMENT ON COLUMN maintenance_assets.operating_voltage IS 'With its unit';
COMMENT ON COLUMN maintenance_assets.operating_pressure IS 'With its unit';
COMMENT ON COLUMN maintenance_assets.dimensions IS 'Length x width x height, mm';
COMMENT ON COLUMN maintenance_assets.criticality_rating IS 'low, medium, high, critical; as machines.criticality';
COMMENT ON COLUMN maintenance_assets.downtime_cost_per_hour IS 'INR per hour of standstill';
COMMENT ON COLUMN maintenance_assets.replacement_cost IS 'INR, new and installed';
COMMENT ON COLUMN maintenance_assets.maintenance_strategy IS 'preventive, predictive, condition_based, run_to_failure';
COMMENT ON COLUMN maintenance_assets.pm_frequency_type IS 'calendar, meter, condition';
COMMENT ON COLUMN maintenance_assets.meter_unit IS 'hours, cycles, km; NULL when has_meter is false';
COMMENT ON COLUMN maintenance_assets.current_meter_reading IS 'meter_value of the latest row in equipment_meter_readings';
COMMENT ON COLUMN maintenance_assets.meter_reading_date IS 'When that row was read';
COMMENT ON COLUMN maintenance_assets.asset_condition IS 'excellent, good, fair, poor, critical';
COMMENT ON COLUMN maintenance_assets.asset_status IS 'operational, under_maintenance, breakdown, standby, retired';
COMMENT ON COLUMN maintenance_assets.owned_leased IS 'owned, leased';
COMMENT ON COLUMN maintenance_assets.purchase_cost IS 'INR';
COMMENT ON COLUMN maintenance_assets.expected_life_years IS 'From commissioning';
COMMENT ON COLUMN maintenance_assets.remaining_life_years IS 'When the row was written';

CREATE TABLE equipment_meter_readings (
    reading_id              VARCHAR(50) PRIMARY KEY,
    asset_id                VARCHAR(50) NOT NULL,
    reading_date            TIMESTAMP NOT NULL,
    meter_value             DECIMAL(15,2) NOT NULL,
    meter_unit              VARCHAR(20),
    previous_reading        DECIMAL(15,2),
    delta_value             DECIMAL(15,2),
    days_since_last_reading INTEGER,
    reading_source          VARCHAR(30),
    recorded_by             VARCHAR(50),
    work_order_id           VARCHAR(50),
    notes                   TEXT,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX equipment_meter_readings_reading_date_idx ON equipment_meter_readings (reading_date);
COMMENT ON TABLE equipment_meter_readings IS 'Run-hour and cycle counter readings per asset';
COMMENT ON COLUMN equipment_meter_readings.meter_value IS 'Counter as read; never below the previous one unless the meter was changed';
COMMENT ON COLUMN equipment_meter_readings.meter_unit IS 'As maintenance_assets.meter_unit';
COMMENT ON COLUMN equipment_meter_readings.previous_reading IS 'meter_value of the reading before; NULL for the first';
COMMENT ON COLUMN equipment_meter_readings.delta_value IS 'meter_value - previous_reading';
COMMENT ON COLUMN equipment_meter_readings.days_since_last_reading IS 'Whole days from the reading before';
COMMENT ON COLUMN equipment_meter_readings.reading_source IS 'manual, automatic, work_order';
COMMENT ON COLUMN equipment_meter_readings.recorded_by IS 'Employee; NULL for automatic';

CREATE TABLE condition_monitoring (
    condition_monitoring_id    VARCHAR(50) PRIMARY KEY,
    asset_id                   VARCHAR(50) NOT NULL,
    parameter_name             VARCHAR(100) NOT NULL,
    sensor_id                  VARCHAR(50),
    monitoring_technique       VARCHAR(50) NOT NULL CHECK (monitoring_technique IN ('vibration', 'thermography', 'oil_analysis', 'ultrasound', 'motor_current', 'pressure', 'flow', 'process_value')),
    unit_of_measure            VARCHAR(20) NOT NULL,
    current_value              DECIMAL(15,4) NOT NULL,
    measured_at                TIMESTAMP NOT NULL,
    baseline_value             DECIMAL(15,4),
    average_value_24h          DECIMAL(15,4),
    trend_per_day              DECIMAL(15,6),
    trend_direction            VARCHAR(20) NOT NULL DEFAULT 'stable' CHECK (trend_direction IN ('improving', 'stable', 'worsening')),
    warning_threshold          DECIMAL(15,4),
    critical_threshold         DECIMAL(15,4),
    health_score               DECIMAL(5,2) CHECK (health_score BETWEEN 0 AND 100),
    condition_status           VARCHAR(30) NOT NULL DEFAULT 'normal' CHECK (condition_status IN ('normal', 'warning', 'critical', 'unknown')),
    status_since               TIMESTAMP,
    failure_mode_id            VARCHAR(50),
    remaining_useful_life_days INTEGER CHECK (remaining_useful_life_days >= 0),
    predicted_failure_date     DATE,
    work_order_id              VARCHAR(50),
    data_source                VARCHAR(30) NOT NULL DEFAULT 'sensor' CHECK (data_source IN ('sensor', 'inspection_round', 'laboratory')),
    created_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (asset_id, parameter_name),
    CHECK (data_source <> 'sensor' OR sensor_id IS NOT NULL),
    CHECK (status_since <= measured_at)
);
CREATE INDEX condition_monitoring_condition_status_measured_at_idx ON condition_monitoring (condition_status, measured_at);
COMMENT ON TABLE condition_monitoring IS 'Latest condition indicators per asset and parameter, fed by sensors';
COMMENT ON COLUMN condition_monitoring.condition_monitoring_id IS 'CMN-00001 ...';
COMMENT ON COLUMN condition_monitoring.parameter_name IS 'Unique per asset: drive end vibration velocity, spindle bearing temperature ...';
COMMENT ON COLUMN condition_monitoring.sensor_id IS 'Sensor that delivers it; NULL for rounds and laboratory';
COMMENT ON COLUMN condition_monitoring.monitoring_technique IS 'vibration, thermography, oil_analysis, ultrasound, motor_current, pressure, flow, process_value';
COMMENT ON COLUMN condition_monitoring.unit_of_measure IS 'As sensors.measurement_unit';
COMMENT ON COLUMN condition_monitoring.current_value IS 'Latest value';
COMMENT ON COLUMN condition_monitoring.measured_at IS 'When it was measured, UTC';
COMMENT ON COLUMN condition_monitoring.baseline_value IS 'Value in good condition, from commissioning or after an overhaul';
COMMENT ON COLUMN condition_monitoring.average_value_24h IS 'Mean over the 24 hours before measured_at; NULL without a sensor';
COMMENT ON COLUMN condition_monitoring.trend_per_day IS 'Slope over the last 30 days, unit_of_measure per day; above zero: rising';
COMMENT ON COLUMN condition_monitoring.trend_direction IS 'improving, stable, worsening: away from baseline_value is worsening';
COMMENT ON COLUMN condition_monitoring.warning_threshold IS 'Value from which condition_status is warning; NULL: none';
COMMENT ON COLUMN condition_monitoring.critical_threshold IS 'Value from which condition_status is critical; NULL: none. Below warning_threshold: low values are bad';
COMMENT ON COLUMN condition_monitoring.health_score IS '0 (failed) to 100 (as baseline)';
COMMENT ON COLUMN condition_monitoring.condition_status IS 'normal, warning, critical, unknown';
COMMENT ON COLUMN condition_monitoring.status_since IS 'When it came into this status';
COMMENT ON COLUMN condition_monitoring.failure_mode_id IS 'Failure announced by it; NULL while normal';
COMMENT ON COLUMN condition_monitoring.remaining_useful_life_days IS 'Days until critical_threshold at trend_per_day; NULL when not worsening';
COMMENT ON COLUMN condition_monitoring.predicted_failure_date IS 'Day of measured_at + remaining_useful_life_days';
COMMENT ON COLUMN condition_monitoring.work_order_id IS 'Job opened because of the condition; NULL: none';
COMMENT ON COLUMN condition_monitoring.data_source IS 'sensor, inspection_round, laboratory';

CREATE TABLE asset_reliability_metrics (
    metric_id                           VARCHAR(50) PRIMARY KEY,
    asset_id                            VARCHAR(50) NOT NULL,
    period_start_date                   DATE NOT NULL,
    period_end_date                     DATE NOT NULL,
    period_type                         VARCHAR(20),
    total_hours                         DECIMAL(10,2),
    operating_hours                     DECIMAL(10,2),
    downtime_hours                      DECIMAL(10,2),
    planned_downtime_hours              DECIMAL(10,2),
    unplanned_downtime_hours            DECIMAL(10,2),
    availability_pct                    DECIMAL(5,2),
    number_of_failures                  INTEGER DEFAULT 0,
    mtbf_hours                          DECIMAL(10,2),
    mttr_hours                          DECIMAL(10,2),
    oee_pct                             DECIMAL(5,2),
    pm_work_orders                      INTEGER DEFAULT 0,
    cm_work_orders                      INTEGER DEFAULT 0,
    breakdown_work_orders               INTEGER DEFAULT 0,
    total_maintenance_cost              DECIMAL(15,2),
    labor_cost                          DECIMAL(15,2),
    parts_cost                          DECIMAL(15,2),
    contractor_cost                     DECIMAL(15,2),
    maintenance_cost_per_operating_hour DECIMAL(12,4),
    production_units                    DECIMAL(15,4),
    production_loss_units               DECIMAL(15,4),
    created_at                          TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX asset_reliability_metrics_period_start_date_idx ON asset_reliability_metrics (period_start_date);
COMMENT ON TABLE asset_reliability_metrics IS 'Periodic MTBF, MTTR, availability and cost per asset';
COMMENT ON COLUMN asset_reliability_metrics.period_type IS 'monthly, quarterly, yearly';
COMMENT ON COLUMN asset_reliability_metrics.total_hours IS 'Calendar hours of the period';
COMMENT ON COLUMN asset_reliability_metrics.operating_hours IS 'total_hours - downtime_hours';
COMMENT ON COLUMN asset_reliability_metrics.downtime_hours IS 'planned_downtime_hours + unplanned_downtime_hours';
COMMENT ON COLUMN asset_reliability_metrics.availability_pct IS '100 * operating_hours / total_hours';
COMMENT ON COLUMN asset_reliability_metrics.number_of_failures IS 'Breakdowns that stopped the asset';
COMMENT ON COLUMN asset_reliability_metrics.mtbf_hours IS 'operating_hours / number_of_failures; NULL without failures';
COMMENT ON COLUMN asset_reliability_metrics.mttr_hours IS 'unplanned_downtime_hours / number_of_failures; NULL without failures';
COMMENT ON COLUMN asset_reliability_metrics.pm_work_orders IS 'Preventive jobs completed in the period';
COMMENT ON COLUMN asset_reliability_metrics.cm_work_orders IS 'Corrective jobs completed in the period';
COMMENT ON COLUMN asset_reliability_metrics.breakdown_work_orders IS 'Breakdown jobs completed in the period';
COMMENT ON COLUMN asset_reliability_metrics.total_maintenance_cost IS 'labor_cost + parts_cost + contractor_cost, INR';
COMMENT ON COLUMN asset_reliability_metrics.maintenance_cost_per_operating_hour IS 'total_maintenance_cost / operating_hours, INR';
COMMENT ON COLUMN asset_reliability_metrics.production_units IS 'Units made';
COMMENT ON COLUMN asset_reliability_metrics.production_loss_units IS 'Units not made because of unplanned downtime';
