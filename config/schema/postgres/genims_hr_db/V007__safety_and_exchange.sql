-- Safety at work: accidents and near misses, protective gear; and the log of messages exchanged with other modules.
-- The protective gear of a place is the union of all active rows that fit plant, department and role.

CREATE TABLE safety_incidents (
    incident_id                VARCHAR(50) PRIMARY KEY,
    incident_number            VARCHAR(50) NOT NULL UNIQUE,
    employee_id                VARCHAR(50),
    incident_date              DATE NOT NULL,
    incident_time              TIME,
    factory_id                 VARCHAR(50),
    department_id              VARCHAR(50),
    incident_location          VARCHAR(200),
    incident_type              VARCHAR(50),
    severity                   VARCHAR(30),
    description                TEXT NOT NULL,
    immediate_cause            TEXT,
    root_cause                 TEXT,
    injury_type                VARCHAR(50),
    body_part_affected         VARCHAR(100),
    medical_treatment_required BOOLEAN DEFAULT false,
    days_away_from_work        INTEGER DEFAULT 0,
    investigation_status       VARCHAR(30) DEFAULT 'pending',
    investigated_by            VARCHAR(50),
    investigation_date         DATE,
    investigation_findings     TEXT,
    corrective_actions         TEXT,
    preventive_measures        TEXT,
    osha_recordable            BOOLEAN DEFAULT false,
    incident_status            VARCHAR(30) DEFAULT 'open',
    closed_date                DATE,
    created_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX safety_incidents_incident_date_idx ON safety_incidents (incident_date);
CREATE INDEX safety_incidents_incident_status_severity_idx ON safety_incidents (incident_status, severity);
COMMENT ON TABLE safety_incidents IS 'Accidents and near misses with investigation and corrective action';
COMMENT ON COLUMN safety_incidents.incident_id IS 'INC-00001 ...';
COMMENT ON COLUMN safety_incidents.incident_number IS 'SI-2026-0001: year and number in the year';
COMMENT ON COLUMN safety_incidents.employee_id IS 'Person affected; NULL for a near miss without one, or a visitor';
COMMENT ON COLUMN safety_incidents.incident_time IS 'Local time of the plant';
COMMENT ON COLUMN safety_incidents.incident_type IS 'near_miss, first_aid, medical_treatment, lost_time, property_damage, environmental';
COMMENT ON COLUMN safety_incidents.severity IS 'low, medium, high, critical';
COMMENT ON COLUMN safety_incidents.injury_type IS 'cut, burn, fracture, sprain, crush, eye, chemical, other; NULL without injury';
COMMENT ON COLUMN safety_incidents.days_away_from_work IS 'Calendar days; above 0 exactly for lost_time';
COMMENT ON COLUMN safety_incidents.investigation_status IS 'pending, in_progress, completed';
COMMENT ON COLUMN safety_incidents.investigated_by IS 'NULL while pending; never the person affected';
COMMENT ON COLUMN safety_incidents.investigation_date IS 'Not before incident_date';
COMMENT ON COLUMN safety_incidents.osha_recordable IS 'True from medical_treatment upwards (29 CFR 1904)';
COMMENT ON COLUMN safety_incidents.incident_status IS 'open, under_investigation, action_pending, closed';
COMMENT ON COLUMN safety_incidents.closed_date IS 'NULL unless closed; only after the investigation is completed';

CREATE TABLE ppe_requirements (
    ppe_requirement_id VARCHAR(50) PRIMARY KEY,
    factory_id         VARCHAR(50),
    department_id      VARCHAR(50),
    job_role_id        VARCHAR(50),
    ppe_items          TEXT,
    description        TEXT,
    is_active          BOOLEAN DEFAULT true,
    created_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE ppe_requirements IS 'Protective gear by area and role';
COMMENT ON COLUMN ppe_requirements.ppe_requirement_id IS 'PPE-001 ...';
COMMENT ON COLUMN ppe_requirements.factory_id IS 'NULL: all plants';
COMMENT ON COLUMN ppe_requirements.department_id IS 'NULL: all departments';
COMMENT ON COLUMN ppe_requirements.job_role_id IS 'NULL: all roles';
COMMENT ON COLUMN ppe_requirements.ppe_items IS 'safety_shoes, helmet, goggles, gloves, ear_protection, hi_vis_vest, respirator, welding_mask, separated by commas';

CREATE TABLE hcm_integration_log (
    log_id                VARCHAR(50) PRIMARY KEY,
    log_timestamp         TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    integration_direction VARCHAR(30),
    document_type         VARCHAR(50),
    document_id           VARCHAR(50),
    target_system         VARCHAR(50),
    integration_status    VARCHAR(30),
    error_message         TEXT,
    integration_data      JSONB,
    retry_count           INTEGER DEFAULT 0,
    last_retry_at         TIMESTAMP
);
CREATE INDEX hcm_integration_log_integration_status_log_timestamp_idx ON hcm_integration_log (integration_status, log_timestamp);
CREATE INDEX hcm_integration_log_document_type_document_id_idx ON hcm_integration_log (document_type, document_id);
COMMENT ON TABLE hcm_integration_log IS 'Messages exchanged between HR and other modules, one row per message';
COMMENT ON COLUMN hcm_integration_log.log_id IS 'HIL-00000001 ...';
COMMENT ON COLUMN hcm_integration_log.integration_direction IS 'outbound, inbound, seen from HR';
COMMENT ON COLUMN hcm_integration_log.document_type IS 'employee, position, attendance, leave_request, certification, payroll';
COMMENT ON COLUMN hcm_integration_log.document_id IS 'Key of the row that document_type names, in this database';
COMMENT ON COLUMN hcm_integration_log.target_system IS 'The other side in either direction: master, manufacturing, maintenance, wms, financial, payroll';
COMMENT ON COLUMN hcm_integration_log.integration_status IS 'success, failed, pending, retrying';
COMMENT ON COLUMN hcm_integration_log.error_message IS 'NULL unless failed or retrying';
COMMENT ON COLUMN hcm_integration_log.retry_count IS 'Attempts after the first one';
COMMENT ON COLUMN hcm_integration_log.last_retry_at IS 'NULL while retry_count is 0';
