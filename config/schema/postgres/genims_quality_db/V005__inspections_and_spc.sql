-- Checks while production runs and before goods leave, and statistical process control.
-- Incoming checks are in genims_erp_db and genims_supplier_db.

CREATE TABLE in_process_inspections (
    in_process_inspection_id VARCHAR(50) PRIMARY KEY,
    inspection_number        VARCHAR(50) NOT NULL UNIQUE,
    work_order_id            VARCHAR(50) NOT NULL,
    operation_id             VARCHAR(50),
    product_id               VARCHAR(50) NOT NULL,
    factory_id               VARCHAR(50) NOT NULL,
    line_id                  VARCHAR(50) NOT NULL,
    machine_id               VARCHAR(50),
    shift_id                 VARCHAR(50),
    batch_number             VARCHAR(50),
    inspection_timestamp     TIMESTAMP NOT NULL,
    inspection_reason        VARCHAR(30) NOT NULL DEFAULT 'periodic' CHECK (inspection_reason IN ('setup', 'periodic', 'last_piece', 'tool_change', 'after_stop')),
    inspector_id             VARCHAR(50) NOT NULL,
    characteristic_id        VARCHAR(50),
    characteristic_name      VARCHAR(200) NOT NULL,
    equipment_id             VARCHAR(50),
    sample_size              INTEGER NOT NULL CHECK (sample_size > 0),
    quantity_defective       INTEGER NOT NULL DEFAULT 0,
    measured_mean            DECIMAL(15,6),
    measured_min             DECIMAL(15,6),
    measured_max             DECIMAL(15,6),
    lower_spec_limit         DECIMAL(15,6),
    upper_spec_limit         DECIMAL(15,6),
    unit_of_measure          VARCHAR(20),
    inspection_result        VARCHAR(30) NOT NULL CHECK (inspection_result IN ('pass', 'fail', 'conditional')),
    reaction                 VARCHAR(30) CHECK (reaction IN ('none', 'adjust_process', 'stop_line', 'sort_lot', 'hold_lot')),
    ncr_id                   VARCHAR(50),
    remarks                  TEXT,
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (quantity_defective BETWEEN 0 AND sample_size),
    CHECK (measured_min <= measured_mean AND measured_mean <= measured_max),
    CHECK (upper_spec_limit > lower_spec_limit)
);
CREATE INDEX in_process_inspections_inspection_timestamp_idx ON in_process_inspections (inspection_timestamp);
CREATE INDEX in_process_inspections_product_id_inspection_result_idx ON in_process_inspections (product_id, inspection_result);
COMMENT ON TABLE in_process_inspections IS 'Checks and measurements taken while production runs; one row per characteristic and sample';
COMMENT ON COLUMN in_process_inspections.in_process_inspection_id IS 'IPI-000001 ...';
COMMENT ON COLUMN in_process_inspections.work_order_id IS 'Production job';
COMMENT ON COLUMN in_process_inspections.operation_id IS 'Step of that job; NULL: not of one step';
COMMENT ON COLUMN in_process_inspections.inspection_timestamp IS 'UTC';
COMMENT ON COLUMN in_process_inspections.inspection_reason IS 'setup, periodic, last_piece, tool_change, after_stop';
COMMENT ON COLUMN in_process_inspections.characteristic_id IS 'Of the control plan; NULL: measured without one';
COMMENT ON COLUMN in_process_inspections.equipment_id IS 'Gauge used; NULL for visual checks';
COMMENT ON COLUMN in_process_inspections.quantity_defective IS 'Units of the sample outside the limits';
COMMENT ON COLUMN in_process_inspections.measured_mean IS 'Mean of the sample; the measured_ columns are NULL for attributes';
COMMENT ON COLUMN in_process_inspections.lower_spec_limit IS 'NULL: no lower limit';
COMMENT ON COLUMN in_process_inspections.upper_spec_limit IS 'NULL: no upper limit';
COMMENT ON COLUMN in_process_inspections.inspection_result IS 'pass (quantity_defective 0), fail, conditional';
COMMENT ON COLUMN in_process_inspections.reaction IS 'none, adjust_process, stop_line, sort_lot, hold_lot; NULL or none when passed';
COMMENT ON COLUMN in_process_inspections.ncr_id IS 'NULL: none opened';

CREATE TABLE final_inspections (
    final_inspection_id    VARCHAR(50) PRIMARY KEY,
    inspection_number      VARCHAR(50) NOT NULL UNIQUE,
    work_order_id          VARCHAR(50) NOT NULL,
    product_id             VARCHAR(50) NOT NULL,
    factory_id             VARCHAR(50) NOT NULL,
    customer_id            VARCHAR(50),
    sales_order_id         VARCHAR(50),
    batch_number           VARCHAR(50),
    lot_number             VARCHAR(50),
    inspection_date        DATE NOT NULL,
    inspector_id           VARCHAR(50) NOT NULL,
    sampling_plan          VARCHAR(100),
    aql_percentage         DECIMAL(5,2) CHECK (aql_percentage > 0),
    lot_quantity           DECIMAL(15,4) NOT NULL CHECK (lot_quantity > 0),
    unit_of_measure        VARCHAR(20) NOT NULL DEFAULT 'EA',
    sample_size            INTEGER NOT NULL CHECK (sample_size > 0),
    acceptance_number      INTEGER NOT NULL DEFAULT 0 CHECK (acceptance_number >= 0),
    critical_defects       INTEGER NOT NULL DEFAULT 0 CHECK (critical_defects >= 0),
    major_defects          INTEGER NOT NULL DEFAULT 0 CHECK (major_defects >= 0),
    minor_defects          INTEGER NOT NULL DEFAULT 0 CHECK (minor_defects >= 0),
    total_defects          INTEGER NOT NULL DEFAULT 0,
    visual_check_passed    BOOLEAN,
    functional_test_passed BOOLEAN,
    packaging_check_passed BOOLEAN,
    inspection_result      VARCHAR(30) NOT NULL CHECK (inspection_result IN ('pass', 'fail', 'conditional')),
    quantity_released      DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (quantity_released >= 0),
    quantity_held          DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (quantity_held >= 0),
    ncr_id                 VARCHAR(50),
    certificate_number     VARCHAR(100),
    released_by            VARCHAR(50),
    released_at            TIMESTAMP,
    status                 VARCHAR(30) NOT NULL DEFAULT 'inspected' CHECK (status IN ('inspected', 'released', 'on_hold', 'rejected')),
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (sample_size <= lot_quantity),
    CHECK (total_defects = critical_defects + major_defects + minor_defects),
    CHECK (quantity_released + quantity_held <= lot_quantity),
    CHECK (status <> 'released' OR (released_by IS NOT NULL AND released_at IS NOT NULL))
);
CREATE INDEX final_inspections_status_inspection_date_idx ON final_inspections (status, inspection_date);
CREATE INDEX final_inspections_batch_number_idx ON final_inspections (batch_number);
COMMENT ON TABLE final_inspections IS 'Outgoing checks before goods leave the plant';
COMMENT ON COLUMN final_inspections.final_inspection_id IS 'FNI-000001 ...';
COMMENT ON COLUMN final_inspections.work_order_id IS 'Production job that made the lot';
COMMENT ON COLUMN final_inspections.customer_id IS 'NULL: made to stock';
COMMENT ON COLUMN final_inspections.sampling_plan IS 'ISO 2859-1 level II, normal ...';
COMMENT ON COLUMN final_inspections.aql_percentage IS 'Acceptance quality limit, percent defective';
COMMENT ON COLUMN final_inspections.sample_size IS 'Units, at most lot_quantity';
COMMENT ON COLUMN final_inspections.acceptance_number IS 'Defects up to which the lot passes';
COMMENT ON COLUMN final_inspections.total_defects IS 'critical_defects + major_defects + minor_defects';
COMMENT ON COLUMN final_inspections.visual_check_passed IS 'NULL: not checked; also the next two';
COMMENT ON COLUMN final_inspections.inspection_result IS 'pass: no critical defect and major_defects at most acceptance_number; fail, conditional';
COMMENT ON COLUMN final_inspections.quantity_released IS 'quantity_released + quantity_held = lot_quantity once decided';
COMMENT ON COLUMN final_inspections.quantity_held IS 'Kept back for a decision; a rejected lot is held whole';
COMMENT ON COLUMN final_inspections.certificate_number IS 'Certificate of conformity; NULL until released';
COMMENT ON COLUMN final_inspections.status IS 'inspected, released, on_hold, rejected';

CREATE TABLE spc_control_charts (
    chart_id              VARCHAR(50) PRIMARY KEY,
    chart_number          VARCHAR(50) NOT NULL UNIQUE,
    process_name          VARCHAR(200) NOT NULL,
    characteristic_name   VARCHAR(200) NOT NULL,
    chart_type            VARCHAR(30) NOT NULL,
    specification         VARCHAR(200),
    lower_spec_limit      DECIMAL(15,6),
    target_value          DECIMAL(15,6),
    upper_spec_limit      DECIMAL(15,6),
    unit_of_measure       VARCHAR(20),
    upper_control_limit   DECIMAL(15,6),
    center_line           DECIMAL(15,6),
    lower_control_limit   DECIMAL(15,6),
    cpk                   DECIMAL(5,3),
    cp                    DECIMAL(5,3),
    ppk                   DECIMAL(5,3),
    pp                    DECIMAL(5,3),
    subgroup_size         INTEGER,
    subgroup_frequency    VARCHAR(100),
    chart_status          VARCHAR(30) DEFAULT 'active',
    last_data_point_date  TIMESTAMP,
    last_calculation_date TIMESTAMP,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX spc_control_charts_chart_status_idx ON spc_control_charts (chart_status);
COMMENT ON TABLE spc_control_charts IS 'Control chart setups with limits and capability';
COMMENT ON COLUMN spc_control_charts.chart_id IS 'SPC-0001 ...';
COMMENT ON COLUMN spc_control_charts.process_name IS 'Process with its line, as on the control plan';
COMMENT ON COLUMN spc_control_charts.chart_type IS 'xbar_r, xbar_s, i_mr, p, np, c, u';
COMMENT ON COLUMN spc_control_charts.lower_spec_limit IS 'From the drawing; NULL: none';
COMMENT ON COLUMN spc_control_charts.upper_control_limit IS 'center_line + 3 standard deviations of the plotted value';
COMMENT ON COLUMN spc_control_charts.center_line IS 'Mean of the plotted values in control';
COMMENT ON COLUMN spc_control_charts.lower_control_limit IS 'center_line - 3 standard deviations of the plotted value';
COMMENT ON COLUMN spc_control_charts.cpk IS 'min(upper_spec_limit - mean, mean - lower_spec_limit) / (3 * sigma within subgroups)';
COMMENT ON COLUMN spc_control_charts.cp IS '(upper_spec_limit - lower_spec_limit) / (6 * sigma within subgroups)';
COMMENT ON COLUMN spc_control_charts.ppk IS 'As cpk with the overall sigma';
COMMENT ON COLUMN spc_control_charts.pp IS 'As cp with the overall sigma';
COMMENT ON COLUMN spc_control_charts.subgroup_size IS 'Parts per point; 1 for i_mr';
COMMENT ON COLUMN spc_control_charts.subgroup_frequency IS 'per hour, per shift ...';
COMMENT ON COLUMN spc_control_charts.chart_status IS 'active, suspended, closed';
COMMENT ON COLUMN spc_control_charts.last_data_point_date IS 'measurement_timestamp of the latest point';
COMMENT ON COLUMN spc_control_charts.last_calculation_date IS 'When the limits were computed';

CREATE TABLE spc_data_points (
    data_point_id         VARCHAR(50) PRIMARY KEY,
    chart_id              VARCHAR(50) NOT NULL,
    measurement_timestamp TIMESTAMP NOT NULL,
    subgroup_number       INTEGER,
    measurement_value     DECIMAL(15,6) NOT NULL,
    range_value           DECIMAL(15,6),
    measured_by           VARCHAR(50),
    out_of_control        BOOLEAN DEFAULT false,
    violation_type        VARCHAR(50),
    action_taken          TEXT,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX spc_data_points_measurement_timestamp_idx ON spc_data_points (measurement_timestamp);
COMMENT ON TABLE spc_data_points IS 'Plotted measurements and rule violations';
COMMENT ON COLUMN spc_data_points.subgroup_number IS 'From 1 within the chart, rising in time';
COMMENT ON COLUMN spc_data_points.measurement_value IS 'Mean of the subgroup, or the value for i_mr, in the unit of the chart';
COMMENT ON COLUMN spc_data_points.range_value IS 'Range within the subgroup, or moving range for i_mr';
COMMENT ON COLUMN spc_data_points.out_of_control IS 'The point breaks a rule';
COMMENT ON COLUMN spc_data_points.violation_type IS 'beyond_limits, run_of_8, trend_of_6, two_of_3_zone_a; NULL when in control';
