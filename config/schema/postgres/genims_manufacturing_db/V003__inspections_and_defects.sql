-- Inspections on jobs and the defects they found.
-- Nonconformance cases that follow are in genims_quality_db.

CREATE TABLE quality_inspections (
    inspection_id              VARCHAR(50) PRIMARY KEY,
    inspection_type            VARCHAR(50) NOT NULL,
    inspection_date            TIMESTAMP NOT NULL,
    work_order_id              VARCHAR(50),
    operation_id               VARCHAR(50),
    product_id                 VARCHAR(50),
    sample_size                INTEGER,
    lot_number                 VARCHAR(50),
    batch_number               VARCHAR(50),
    serial_number              VARCHAR(50),
    inspector_id               VARCHAR(50) NOT NULL,
    shift_id                   VARCHAR(50),
    inspection_result          VARCHAR(30) NOT NULL,
    defects_found              INTEGER DEFAULT 0,
    critical_defects           INTEGER DEFAULT 0,
    major_defects              INTEGER DEFAULT 0,
    minor_defects              INTEGER DEFAULT 0,
    measured_values            JSONB,
    specification_values       JSONB,
    disposition                VARCHAR(50),
    disposition_reason         TEXT,
    disposition_by             VARCHAR(50),
    ncr_number                 VARCHAR(50),
    corrective_action_required BOOLEAN DEFAULT false,
    inspection_plan_id         VARCHAR(50),
    inspection_checklist_id    VARCHAR(50),
    photos_attached            BOOLEAN DEFAULT false,
    approved_by                VARCHAR(50),
    approved_at                TIMESTAMP,
    notes                      TEXT,
    created_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX quality_inspections_inspection_date_idx ON quality_inspections (inspection_date);
CREATE INDEX quality_inspections_lot_number_idx ON quality_inspections (lot_number);
COMMENT ON TABLE quality_inspections IS 'Inspection outcomes on jobs and lots';
COMMENT ON COLUMN quality_inspections.inspection_type IS 'incoming, first_piece, in_process, final, audit';
COMMENT ON COLUMN quality_inspections.sample_size IS 'Units inspected';
COMMENT ON COLUMN quality_inspections.inspection_result IS 'pass, fail, conditional';
COMMENT ON COLUMN quality_inspections.defects_found IS 'critical_defects + major_defects + minor_defects';
COMMENT ON COLUMN quality_inspections.measured_values IS 'Object of characteristic: value';
COMMENT ON COLUMN quality_inspections.specification_values IS 'Object of characteristic: {min, target, max, unit}';
COMMENT ON COLUMN quality_inspections.disposition IS 'accept, rework, scrap, use_as_is, return_to_supplier; NULL until decided';
COMMENT ON COLUMN quality_inspections.ncr_number IS 'Nonconformance case opened by it, genims_quality_db.ncr_headers; NULL: none';
COMMENT ON COLUMN quality_inspections.inspection_plan_id IS 'Plan of the ERP';
COMMENT ON COLUMN quality_inspections.inspection_checklist_id IS 'Number of the paper or tablet checklist; free';
COMMENT ON COLUMN quality_inspections.approved_by IS 'NULL until approved';

CREATE TABLE defects (
    defect_id                    VARCHAR(50) PRIMARY KEY,
    defect_code                  VARCHAR(50),
    defect_category              VARCHAR(50),
    defect_description           TEXT NOT NULL,
    defect_severity              VARCHAR(20),
    detected_date                TIMESTAMP NOT NULL,
    work_order_id                VARCHAR(50),
    operation_id                 VARCHAR(50),
    inspection_id                VARCHAR(50),
    product_id                   VARCHAR(50),
    lot_number                   VARCHAR(50),
    quantity_affected            INTEGER,
    detected_by                  VARCHAR(50),
    detection_method             VARCHAR(50),
    root_cause_category          VARCHAR(100),
    root_cause_description       TEXT,
    root_cause_analysis_complete BOOLEAN DEFAULT false,
    corrective_action            TEXT,
    preventive_action            TEXT,
    action_owner                 VARCHAR(50),
    action_due_date              DATE,
    action_completed             BOOLEAN DEFAULT false,
    scrap_cost                   DECIMAL(12,2),
    rework_cost                  DECIMAL(12,2),
    total_cost                   DECIMAL(12,2),
    status                       VARCHAR(30) DEFAULT 'open',
    closed_date                  TIMESTAMP,
    created_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX defects_status_detected_date_idx ON defects (status, detected_date);
CREATE INDEX defects_product_id_idx ON defects (product_id);
COMMENT ON TABLE defects IS 'Defects found, with cause, action and cost';
COMMENT ON COLUMN defects.defect_code IS 'DIM-01, SUR-02, ASM-03 ...';
COMMENT ON COLUMN defects.defect_category IS 'dimensional, surface, assembly, material, functional, cosmetic, packaging';
COMMENT ON COLUMN defects.defect_severity IS 'critical, major, minor';
COMMENT ON COLUMN defects.inspection_id IS 'Inspection that found it; NULL: found otherwise';
COMMENT ON COLUMN defects.quantity_affected IS 'Units';
COMMENT ON COLUMN defects.detection_method IS 'visual, gauge, functional_test, automatic_vision, customer';
COMMENT ON COLUMN defects.root_cause_category IS 'man, machine, method, material, measurement, environment';
COMMENT ON COLUMN defects.scrap_cost IS 'INR';
COMMENT ON COLUMN defects.rework_cost IS 'INR';
COMMENT ON COLUMN defects.total_cost IS 'scrap_cost + rework_cost, INR';
COMMENT ON COLUMN defects.status IS 'open, investigating, action_pending, closed';
COMMENT ON COLUMN defects.closed_date IS 'NULL until closed';
