-- Gauges and instruments, their calibrations and the studies of their repeatability.
-- A gauge that is overdue is locked out.

CREATE TABLE measuring_equipment (
    equipment_id               VARCHAR(50) PRIMARY KEY,
    equipment_number           VARCHAR(50) NOT NULL UNIQUE,
    equipment_name             VARCHAR(200) NOT NULL,
    equipment_type             VARCHAR(50),
    manufacturer               VARCHAR(200),
    model_number               VARCHAR(100),
    serial_number              VARCHAR(100),
    location                   VARCHAR(50),
    responsible_person         VARCHAR(50),
    measurement_range          VARCHAR(100),
    accuracy                   VARCHAR(100),
    resolution                 VARCHAR(50),
    calibration_frequency_days INTEGER NOT NULL,
    last_calibration_date      DATE,
    next_calibration_due       DATE NOT NULL,
    calibration_method         VARCHAR(100),
    calibration_standard       VARCHAR(200),
    equipment_status           VARCHAR(30) DEFAULT 'active',
    locked_out                 BOOLEAN DEFAULT false,
    lockout_reason             TEXT,
    purchase_date              DATE,
    purchase_cost              DECIMAL(15,2),
    created_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX measuring_equipment_equipment_status_next_calibration_due_idx ON measuring_equipment (equipment_status, next_calibration_due);
COMMENT ON TABLE measuring_equipment IS 'Gauges and instruments with calibration due dates';
COMMENT ON COLUMN measuring_equipment.equipment_id IS 'MEQ-0001 ...';
COMMENT ON COLUMN measuring_equipment.equipment_type IS 'calliper, micrometer, gauge, cmm, scale, thermometer, pressure_gauge, torque_wrench, multimeter, hardness_tester';
COMMENT ON COLUMN measuring_equipment.location IS 'Plant (factory_id) or department (department_id) that keeps it';
COMMENT ON COLUMN measuring_equipment.measurement_range IS 'With unit: 0-150 mm';
COMMENT ON COLUMN measuring_equipment.accuracy IS 'With unit: 0.02 mm';
COMMENT ON COLUMN measuring_equipment.resolution IS 'With unit: 0.01 mm';
COMMENT ON COLUMN measuring_equipment.next_calibration_due IS 'last_calibration_date + calibration_frequency_days';
COMMENT ON COLUMN measuring_equipment.calibration_method IS 'Internal procedure or the laboratory''s';
COMMENT ON COLUMN measuring_equipment.equipment_status IS 'active, in_calibration, overdue, out_of_service, retired';
COMMENT ON COLUMN measuring_equipment.locked_out IS 'Not to be used; true when overdue or failed';
COMMENT ON COLUMN measuring_equipment.purchase_cost IS 'INR';

CREATE TABLE calibration_records (
    calibration_id        VARCHAR(50) PRIMARY KEY,
    calibration_number    VARCHAR(50) NOT NULL UNIQUE,
    equipment_id          VARCHAR(50) NOT NULL,
    calibration_date      DATE NOT NULL,
    next_due_date         DATE NOT NULL,
    calibrated_by         VARCHAR(50),
    calibration_lab       VARCHAR(200),
    calibration_result    VARCHAR(30),
    as_found_condition    TEXT,
    as_left_condition     TEXT,
    measurement_results   JSONB,
    certificate_number    VARCHAR(100),
    certificate_url       TEXT,
    standard_equipment    TEXT,
    standard_traceability TEXT,
    calibration_cost      DECIMAL(15,2),
    notes                 TEXT,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX calibration_records_calibration_date_idx ON calibration_records (calibration_date);
COMMENT ON TABLE calibration_records IS 'Completed calibrations with readings and certificates';
COMMENT ON COLUMN calibration_records.calibration_id IS 'CAL-00001 ...';
COMMENT ON COLUMN calibration_records.next_due_date IS 'calibration_date + calibration_frequency_days of the gauge';
COMMENT ON COLUMN calibration_records.calibrated_by IS 'NULL when done by an outside laboratory';
COMMENT ON COLUMN calibration_records.calibration_lab IS 'NULL when done inside';
COMMENT ON COLUMN calibration_records.calibration_result IS 'pass, pass_after_adjustment, fail';
COMMENT ON COLUMN calibration_records.as_found_condition IS 'in_tolerance, out_of_tolerance';
COMMENT ON COLUMN calibration_records.as_left_condition IS 'in_tolerance, out_of_tolerance';
COMMENT ON COLUMN calibration_records.measurement_results IS 'Array of {nominal, as_found, as_left, unit}';
COMMENT ON COLUMN calibration_records.standard_traceability IS 'National standard to which it is traced';
COMMENT ON COLUMN calibration_records.calibration_cost IS 'INR';

CREATE TABLE calibration_alerts (
    alert_id          VARCHAR(50) PRIMARY KEY,
    equipment_id      VARCHAR(50) NOT NULL,
    alert_type        VARCHAR(30),
    alert_date        DATE NOT NULL,
    days_until_due    INTEGER,
    notification_sent BOOLEAN DEFAULT false,
    notification_date TIMESTAMP,
    notified_users    TEXT[],
    resolved          BOOLEAN DEFAULT false,
    resolved_date     DATE,
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX calibration_alerts_alert_date_idx ON calibration_alerts (alert_date);
COMMENT ON TABLE calibration_alerts IS 'Reminders for gauges due or past due';
COMMENT ON COLUMN calibration_alerts.alert_type IS 'due_soon, due_today, overdue';
COMMENT ON COLUMN calibration_alerts.days_until_due IS 'next_calibration_due - alert_date; below zero when overdue';
COMMENT ON COLUMN calibration_alerts.notified_users IS 'Employee ids';
COMMENT ON COLUMN calibration_alerts.resolved_date IS 'Day of the calibration that ended it';

CREATE TABLE gage_rr_studies (
    gage_rr_study_id        VARCHAR(50) PRIMARY KEY,
    study_number            VARCHAR(50) NOT NULL UNIQUE,
    equipment_id            VARCHAR(50) NOT NULL,
    characteristic_id       VARCHAR(50),
    characteristic_name     VARCHAR(200) NOT NULL,
    study_type              VARCHAR(30) NOT NULL DEFAULT 'crossed' CHECK (study_type IN ('crossed', 'nested')),
    analysis_method         VARCHAR(30) NOT NULL DEFAULT 'anova' CHECK (analysis_method IN ('anova', 'average_range')),
    study_date              DATE NOT NULL,
    operators_count         INTEGER NOT NULL CHECK (operators_count >= 2),
    parts_count             INTEGER NOT NULL CHECK (parts_count >= 2),
    trials_count            INTEGER NOT NULL CHECK (trials_count >= 2),
    unit_of_measure         VARCHAR(20) NOT NULL,
    tolerance_width         DECIMAL(15,6) CHECK (tolerance_width > 0),
    repeatability_std_dev   DECIMAL(15,8) NOT NULL CHECK (repeatability_std_dev >= 0),
    reproducibility_std_dev DECIMAL(15,8) NOT NULL CHECK (reproducibility_std_dev >= 0),
    gage_rr_std_dev         DECIMAL(15,8) NOT NULL CHECK (gage_rr_std_dev >= 0),
    part_std_dev            DECIMAL(15,8) NOT NULL CHECK (part_std_dev >= 0),
    total_std_dev           DECIMAL(15,8) NOT NULL CHECK (total_std_dev > 0),
    gage_rr_pct             DECIMAL(6,2) NOT NULL CHECK (gage_rr_pct BETWEEN 0 AND 100),
    tolerance_pct           DECIMAL(8,2) CHECK (tolerance_pct >= 0),
    distinct_categories     INTEGER NOT NULL CHECK (distinct_categories >= 0),
    study_result            VARCHAR(30) NOT NULL CHECK (study_result IN ('acceptable', 'conditional', 'unacceptable')),
    conducted_by            VARCHAR(50) NOT NULL,
    approved_by             VARCHAR(50),
    next_study_due          DATE,
    notes                   TEXT,
    status                  VARCHAR(30) NOT NULL DEFAULT 'completed' CHECK (status IN ('completed', 'approved', 'superseded')),
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (next_study_due > study_date),
    CHECK (status <> 'approved' OR approved_by IS NOT NULL)
);
CREATE INDEX gage_rr_studies_study_result_idx ON gage_rr_studies (study_result);
COMMENT ON TABLE gage_rr_studies IS 'Gauge repeatability and reproducibility studies';
COMMENT ON COLUMN gage_rr_studies.gage_rr_study_id IS 'GRR-0001 ...';
COMMENT ON COLUMN gage_rr_studies.characteristic_id IS 'Characteristic of the control plan; NULL: a general study of the gauge';
COMMENT ON COLUMN gage_rr_studies.study_type IS 'crossed, nested';
COMMENT ON COLUMN gage_rr_studies.analysis_method IS 'anova, average_range';
COMMENT ON COLUMN gage_rr_studies.operators_count IS 'Measurements made: operators_count * parts_count * trials_count';
COMMENT ON COLUMN gage_rr_studies.unit_of_measure IS 'Of tolerance_width and every standard deviation here';
COMMENT ON COLUMN gage_rr_studies.tolerance_width IS 'Upper less lower specification limit; NULL: one-sided';
COMMENT ON COLUMN gage_rr_studies.repeatability_std_dev IS 'Equipment variation';
COMMENT ON COLUMN gage_rr_studies.reproducibility_std_dev IS 'Operator variation';
COMMENT ON COLUMN gage_rr_studies.gage_rr_std_dev IS 'sqrt(repeatability_std_dev ^ 2 + reproducibility_std_dev ^ 2)';
COMMENT ON COLUMN gage_rr_studies.part_std_dev IS 'Variation from part to part';
COMMENT ON COLUMN gage_rr_studies.total_std_dev IS 'sqrt(gage_rr_std_dev ^ 2 + part_std_dev ^ 2)';
COMMENT ON COLUMN gage_rr_studies.gage_rr_pct IS '100 * gage_rr_std_dev / total_std_dev';
COMMENT ON COLUMN gage_rr_studies.tolerance_pct IS '100 * 6 * gage_rr_std_dev / tolerance_width; NULL without tolerance_width';
COMMENT ON COLUMN gage_rr_studies.distinct_categories IS 'floor(1.41 * part_std_dev / gage_rr_std_dev); 5 or more is good';
COMMENT ON COLUMN gage_rr_studies.study_result IS 'acceptable: gage_rr_pct below 10; conditional: 10 to 30; unacceptable: above 30';
COMMENT ON COLUMN gage_rr_studies.next_study_due IS 'NULL: no further study planned';
COMMENT ON COLUMN gage_rr_studies.status IS 'completed, approved, superseded';
