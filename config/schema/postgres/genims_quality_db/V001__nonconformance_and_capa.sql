-- Nonconformance cases, the corrective and preventive actions that follow, and the search for causes.
-- A case may come from receiving, production, a customer, an audit; source_type says from where.

CREATE TABLE ncr_headers (
    ncr_id                 VARCHAR(50) PRIMARY KEY,
    ncr_number             VARCHAR(50) NOT NULL UNIQUE,
    source_type            VARCHAR(30) NOT NULL,
    source_document_id     VARCHAR(50),
    detected_date          DATE NOT NULL,
    detected_by            VARCHAR(50),
    detection_location     VARCHAR(50),
    material_id            VARCHAR(50),
    product_id             VARCHAR(50),
    batch_number           VARCHAR(50),
    lot_number             VARCHAR(50),
    serial_numbers         TEXT,
    quantity_inspected     DECIMAL(15,4),
    quantity_defective     DECIMAL(15,4),
    unit_of_measure        VARCHAR(20),
    defect_type            VARCHAR(50),
    defect_description     TEXT NOT NULL,
    defect_severity        VARCHAR(30),
    supplier_id            VARCHAR(50),
    purchase_order_id      VARCHAR(50),
    customer_id            VARCHAR(50),
    sales_order_id         VARCHAR(50),
    containment_action     TEXT,
    containment_completed  BOOLEAN DEFAULT false,
    containment_date       DATE,
    disposition            VARCHAR(30),
    disposition_quantity   DECIMAL(15,4),
    disposition_notes      TEXT,
    scrap_cost             DECIMAL(15,2) DEFAULT 0,
    rework_cost            DECIMAL(15,2) DEFAULT 0,
    sorting_cost           DECIMAL(15,2) DEFAULT 0,
    total_cost             DECIMAL(15,2) DEFAULT 0,
    root_cause_method      VARCHAR(30),
    root_cause_description TEXT,
    root_cause_verified    BOOLEAN DEFAULT false,
    ncr_status             VARCHAR(30) DEFAULT 'open',
    closed_date            DATE,
    closed_by              VARCHAR(50),
    verified_effective     BOOLEAN DEFAULT false,
    verification_date      DATE,
    verified_by            VARCHAR(50),
    priority               VARCHAR(20) DEFAULT 'medium',
    attachment_urls        TEXT[],
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX ncr_headers_ncr_status_detected_date_idx ON ncr_headers (ncr_status, detected_date);
CREATE INDEX ncr_headers_product_id_idx ON ncr_headers (product_id);
CREATE INDEX ncr_headers_supplier_id_idx ON ncr_headers (supplier_id) WHERE supplier_id IS NOT NULL;
COMMENT ON TABLE ncr_headers IS 'Nonconformance cases: defect, containment, disposition, cost';
COMMENT ON COLUMN ncr_headers.ncr_id IS 'NCR-000001 ...';
COMMENT ON COLUMN ncr_headers.ncr_number IS 'What other modules name';
COMMENT ON COLUMN ncr_headers.source_type IS 'incoming, in_process, final, customer, audit';
COMMENT ON COLUMN ncr_headers.source_document_id IS 'Inspection, receipt, complaint or finding that source_type names';
COMMENT ON COLUMN ncr_headers.detection_location IS 'Line, warehouse or place, as text';
COMMENT ON COLUMN ncr_headers.material_id IS 'For incoming goods; NULL when product_id is set';
COMMENT ON COLUMN ncr_headers.product_id IS 'For own products; NULL when material_id is set';
COMMENT ON COLUMN ncr_headers.serial_numbers IS 'Separated by commas; NULL: not serialised';
COMMENT ON COLUMN ncr_headers.quantity_defective IS 'At most quantity_inspected';
COMMENT ON COLUMN ncr_headers.defect_type IS 'dimensional, surface, assembly, material, functional, cosmetic, packaging, documentation';
COMMENT ON COLUMN ncr_headers.defect_severity IS 'critical, major, minor';
COMMENT ON COLUMN ncr_headers.supplier_id IS 'Only for source_type incoming';
COMMENT ON COLUMN ncr_headers.customer_id IS 'Only for source_type customer';
COMMENT ON COLUMN ncr_headers.disposition IS 'use_as_is, rework, repair, scrap, return_to_supplier, sort; NULL until decided';
COMMENT ON COLUMN ncr_headers.disposition_quantity IS 'Of quantity_defective';
COMMENT ON COLUMN ncr_headers.scrap_cost IS 'INR';
COMMENT ON COLUMN ncr_headers.rework_cost IS 'INR';
COMMENT ON COLUMN ncr_headers.sorting_cost IS 'INR';
COMMENT ON COLUMN ncr_headers.total_cost IS 'scrap_cost + rework_cost + sorting_cost, INR';
COMMENT ON COLUMN ncr_headers.root_cause_method IS '5_why, fishbone, fault_tree, is_is_not, pareto';
COMMENT ON COLUMN ncr_headers.ncr_status IS 'open, contained, under_investigation, disposition_decided, closed, cancelled';
COMMENT ON COLUMN ncr_headers.closed_date IS 'Not before detected_date; NULL until closed';
COMMENT ON COLUMN ncr_headers.priority IS 'low, medium, high, critical';

CREATE TABLE ncr_defect_details (
    defect_detail_id    VARCHAR(50) PRIMARY KEY,
    ncr_id              VARCHAR(50) NOT NULL,
    characteristic_name VARCHAR(200) NOT NULL,
    specification       VARCHAR(200),
    actual_value        VARCHAR(200),
    measurement_method  VARCHAR(100),
    measuring_equipment VARCHAR(100),
    defect_location     VARCHAR(200),
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE ncr_defect_details IS 'Failed characteristics inside a nonconformance case';
COMMENT ON COLUMN ncr_defect_details.specification IS 'Nominal with tolerance and unit, as text';
COMMENT ON COLUMN ncr_defect_details.actual_value IS 'With unit, as text';
COMMENT ON COLUMN ncr_defect_details.measuring_equipment IS 'equipment_number of the gauge, or its kind as text';
COMMENT ON COLUMN ncr_defect_details.defect_location IS 'On the part';

CREATE TABLE capa_headers (
    capa_id                     VARCHAR(50) PRIMARY KEY,
    capa_number                 VARCHAR(50) NOT NULL UNIQUE,
    action_type                 VARCHAR(30) NOT NULL,
    initiated_from              VARCHAR(30),
    source_document_id          VARCHAR(50),
    problem_description         TEXT NOT NULL,
    problem_severity            VARCHAR(30),
    immediate_actions           TEXT,
    immediate_actions_completed BOOLEAN DEFAULT false,
    root_cause_analysis         TEXT,
    root_cause_method           VARCHAR(30),
    root_cause_identified       BOOLEAN DEFAULT false,
    actions_planned             TEXT NOT NULL,
    implementation_plan         TEXT,
    responsible_person          VARCHAR(50) NOT NULL,
    responsible_department      VARCHAR(50),
    target_completion_date      DATE NOT NULL,
    actual_completion_date      DATE,
    verification_plan           TEXT,
    verification_completed      BOOLEAN DEFAULT false,
    verification_date           DATE,
    verified_by                 VARCHAR(50),
    verification_result         TEXT,
    effectiveness_review_date   DATE,
    effectiveness_verified      BOOLEAN DEFAULT false,
    effectiveness_notes         TEXT,
    capa_status                 VARCHAR(30) DEFAULT 'open',
    closed_date                 DATE,
    closed_by                   VARCHAR(50),
    implementation_cost         DECIMAL(15,2) DEFAULT 0,
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX capa_headers_capa_status_target_completion_date_idx ON capa_headers (capa_status, target_completion_date);
COMMENT ON TABLE capa_headers IS 'Corrective or preventive action plans';
COMMENT ON COLUMN capa_headers.capa_id IS 'CAPA-00001 ...';
COMMENT ON COLUMN capa_headers.action_type IS 'corrective, preventive';
COMMENT ON COLUMN capa_headers.initiated_from IS 'ncr, complaint, audit_finding, management_review, risk';
COMMENT ON COLUMN capa_headers.source_document_id IS 'Key of the document that initiated_from names';
COMMENT ON COLUMN capa_headers.problem_severity IS 'critical, major, minor';
COMMENT ON COLUMN capa_headers.root_cause_method IS '5_why, fishbone, fault_tree, is_is_not, pareto';
COMMENT ON COLUMN capa_headers.target_completion_date IS 'Day by which all actions are to be done';
COMMENT ON COLUMN capa_headers.effectiveness_review_date IS 'Usually 90 days after actual_completion_date';
COMMENT ON COLUMN capa_headers.effectiveness_verified IS 'The problem did not come back';
COMMENT ON COLUMN capa_headers.capa_status IS 'open, in_progress, implemented, verified, closed, cancelled';
COMMENT ON COLUMN capa_headers.implementation_cost IS 'INR';

CREATE TABLE capa_actions (
    action_id           VARCHAR(50) PRIMARY KEY,
    capa_id             VARCHAR(50) NOT NULL,
    action_sequence     INTEGER,
    action_description  TEXT NOT NULL,
    action_type         VARCHAR(30),
    assigned_to         VARCHAR(50) NOT NULL,
    due_date            DATE NOT NULL,
    completion_date     DATE,
    action_status       VARCHAR(30) DEFAULT 'pending',
    completion_evidence TEXT,
    attachment_urls     TEXT[],
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX capa_actions_action_status_due_date_idx ON capa_actions (action_status, due_date);
COMMENT ON TABLE capa_actions IS 'Assigned steps of an action plan';
COMMENT ON COLUMN capa_actions.action_sequence IS 'From 1 within the plan';
COMMENT ON COLUMN capa_actions.action_type IS 'containment, corrective, preventive, verification';
COMMENT ON COLUMN capa_actions.action_status IS 'pending, in_progress, completed, overdue, cancelled';
