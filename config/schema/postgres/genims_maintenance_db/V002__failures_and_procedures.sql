-- How equipment fails and how it is repaired: failure codes, failure modes and standard procedures.
-- Work orders and service plans refer to them.

CREATE TABLE failure_codes (
    failure_code_id           VARCHAR(50) PRIMARY KEY,
    failure_code              VARCHAR(50) NOT NULL UNIQUE,
    failure_description       VARCHAR(200) NOT NULL,
    failure_class             VARCHAR(50),
    failure_type              VARCHAR(50),
    severity                  VARCHAR(20),
    parent_code               VARCHAR(50),
    recommended_action        TEXT,
    typical_repair_time_hours DECIMAL(8,2),
    is_active                 BOOLEAN DEFAULT true,
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE failure_codes IS 'Coded failure taxonomy with advised repair';
COMMENT ON COLUMN failure_codes.failure_code IS 'MECH-01, ELEC-03 ...; what jobs and history carry';
COMMENT ON COLUMN failure_codes.failure_class IS 'mechanical, electrical, hydraulic, pneumatic, control, process, thermal';
COMMENT ON COLUMN failure_codes.failure_type IS 'wear, breakage, leakage, overheating, short_circuit, misalignment, contamination, software';
COMMENT ON COLUMN failure_codes.severity IS 'low, medium, high, critical';
COMMENT ON COLUMN failure_codes.parent_code IS 'failure_code_id of the wider code; NULL at the top';

CREATE TABLE failure_modes (
    failure_mode_id      VARCHAR(50) PRIMARY KEY,
    failure_mode_code    VARCHAR(50) NOT NULL UNIQUE,
    failure_mode_name    VARCHAR(100) NOT NULL,
    asset_type           VARCHAR(50) NOT NULL,
    component            VARCHAR(100) NOT NULL,
    failure_code         VARCHAR(50),
    failure_mechanism    VARCHAR(50) NOT NULL CHECK (failure_mechanism IN ('wear', 'fatigue', 'corrosion', 'overload', 'overheating', 'contamination', 'misalignment', 'loosening', 'insulation_breakdown', 'electronic_fault', 'leakage', 'human_error')),
    failure_cause        TEXT,
    local_effect         TEXT NOT NULL,
    system_effect        TEXT,
    failure_pattern      VARCHAR(30) CHECK (failure_pattern IN ('early', 'random', 'wear_out')),
    detection_means      VARCHAR(100),
    detection_parameter  VARCHAR(100),
    pf_interval_days     INTEGER CHECK (pf_interval_days > 0),
    typical_mtbf_hours   DECIMAL(10,2) CHECK (typical_mtbf_hours > 0),
    severity_rating      INTEGER NOT NULL CHECK (severity_rating BETWEEN 1 AND 10),
    occurrence_rating    INTEGER NOT NULL CHECK (occurrence_rating BETWEEN 1 AND 10),
    detection_rating     INTEGER NOT NULL CHECK (detection_rating BETWEEN 1 AND 10),
    risk_priority_number INTEGER NOT NULL,
    safety_consequence   BOOLEAN NOT NULL DEFAULT false,
    recommended_strategy VARCHAR(30) NOT NULL CHECK (recommended_strategy IN ('preventive', 'predictive', 'condition_based', 'run_to_failure', 'redesign')),
    recommended_task     TEXT,
    procedure_id         VARCHAR(50),
    is_active            BOOLEAN NOT NULL DEFAULT true,
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (risk_priority_number = severity_rating * occurrence_rating * detection_rating)
);
CREATE INDEX failure_modes_asset_type_risk_priority_number_idx ON failure_modes (asset_type, risk_priority_number);
COMMENT ON TABLE failure_modes IS 'How asset types fail, effects and detection means';
COMMENT ON COLUMN failure_modes.failure_mode_id IS 'FMD-001 ...';
COMMENT ON COLUMN failure_modes.failure_mode_name IS 'Carried by work_orders.failure_mode: bearing wear, seal leakage ...';
COMMENT ON COLUMN failure_modes.asset_type IS 'Words of maintenance_assets.asset_type';
COMMENT ON COLUMN failure_modes.component IS 'Part that fails: spindle bearing, drive belt ...';
COMMENT ON COLUMN failure_modes.failure_code IS 'Code that a job carries when it happens';
COMMENT ON COLUMN failure_modes.failure_mechanism IS 'wear, fatigue, corrosion, overload, overheating, contamination, misalignment, loosening, insulation_breakdown, electronic_fault, leakage, human_error';
COMMENT ON COLUMN failure_modes.local_effect IS 'On the asset itself';
COMMENT ON COLUMN failure_modes.system_effect IS 'On the line and its products';
COMMENT ON COLUMN failure_modes.failure_pattern IS 'early, random, wear_out: how the rate goes with age';
COMMENT ON COLUMN failure_modes.detection_means IS 'Vibration analysis, operator round, none ...';
COMMENT ON COLUMN failure_modes.detection_parameter IS 'condition_monitoring.parameter_name that shows it; NULL: not monitored';
COMMENT ON COLUMN failure_modes.pf_interval_days IS 'Days from first sign to failure; NULL: no sign before';
COMMENT ON COLUMN failure_modes.typical_mtbf_hours IS 'Operating hours between failures, for this mode alone';
COMMENT ON COLUMN failure_modes.severity_rating IS '1 (none) to 10 (injury without warning)';
COMMENT ON COLUMN failure_modes.occurrence_rating IS '1 (almost never) to 10 (nearly certain)';
COMMENT ON COLUMN failure_modes.detection_rating IS '1 (surely found in time) to 10 (cannot be found)';
COMMENT ON COLUMN failure_modes.risk_priority_number IS 'severity_rating * occurrence_rating * detection_rating, 1 to 1000';
COMMENT ON COLUMN failure_modes.recommended_strategy IS 'preventive, predictive, condition_based, run_to_failure, redesign';
COMMENT ON COLUMN failure_modes.procedure_id IS 'Procedure that repairs or prevents it';

CREATE TABLE work_procedures (
    procedure_id             VARCHAR(50) PRIMARY KEY,
    procedure_code           VARCHAR(50) NOT NULL UNIQUE,
    procedure_name           VARCHAR(200) NOT NULL,
    procedure_type           VARCHAR(50),
    asset_type               VARCHAR(50),
    asset_category           VARCHAR(50),
    manufacturer             VARCHAR(200),
    model_number             VARCHAR(100),
    description              TEXT,
    objective                TEXT,
    safety_precautions       TEXT,
    ppe_required             TEXT,
    permits_required         TEXT,
    tools_required           TEXT,
    parts_required           TEXT,
    consumables_required     TEXT,
    procedure_steps          TEXT,
    estimated_duration_hours DECIMAL(8,2),
    required_skill_level     VARCHAR(50),
    required_certifications  TEXT,
    document_url             VARCHAR(500),
    video_url                VARCHAR(500),
    diagram_url              VARCHAR(500),
    version                  VARCHAR(20),
    revision_date            DATE,
    approved_by              VARCHAR(50),
    is_active                BOOLEAN DEFAULT true,
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE work_procedures IS 'Standard repair and inspection instructions';
COMMENT ON COLUMN work_procedures.procedure_type IS 'preventive, corrective, inspection, calibration, safety';
COMMENT ON COLUMN work_procedures.asset_type IS 'Words of maintenance_assets.asset_type';
COMMENT ON COLUMN work_procedures.asset_category IS 'Words of maintenance_assets.asset_category';
COMMENT ON COLUMN work_procedures.parts_required IS 'Part numbers of mro_parts, separated by commas';
COMMENT ON COLUMN work_procedures.procedure_steps IS 'One step per line, in order';
COMMENT ON COLUMN work_procedures.required_skill_level IS 'trainee, skilled, senior, expert';
COMMENT ON COLUMN work_procedures.version IS '1.0, 1.1 ...';
COMMENT ON COLUMN work_procedures.approved_by IS 'Employee';
