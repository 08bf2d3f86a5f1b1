-- Quality planned before production: control plans, FMEA, part approval (PPAP), first articles.
-- A control plan names the characteristics that inspections and charts measure.

CREATE TABLE control_plans (
    control_plan_id     VARCHAR(50) PRIMARY KEY,
    control_plan_number VARCHAR(50) NOT NULL UNIQUE,
    product_id          VARCHAR(50),
    material_id         VARCHAR(50),
    process_name        VARCHAR(200) NOT NULL,
    control_plan_title  VARCHAR(200) NOT NULL,
    control_plan_type   VARCHAR(30),
    version             VARCHAR(20) NOT NULL,
    revision_date       DATE NOT NULL,
    supersedes_plan_id  VARCHAR(50),
    prepared_by         VARCHAR(50),
    approved_by         VARCHAR(50),
    approval_date       DATE,
    effective_date      DATE NOT NULL,
    obsolete_date       DATE,
    plan_status         VARCHAR(30) DEFAULT 'draft',
    document_url        TEXT,
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX control_plans_product_id_plan_status_idx ON control_plans (product_id, plan_status);
COMMENT ON TABLE control_plans IS 'Process control plans by product or material, and revision';
COMMENT ON COLUMN control_plans.control_plan_id IS 'CP-0001 ...';
COMMENT ON COLUMN control_plans.product_id IS 'NULL when material_id is set';
COMMENT ON COLUMN control_plans.material_id IS 'NULL when product_id is set';
COMMENT ON COLUMN control_plans.control_plan_type IS 'prototype, pre_launch, production';
COMMENT ON COLUMN control_plans.version IS '1.0, 1.1 ...';
COMMENT ON COLUMN control_plans.supersedes_plan_id IS 'Plan that this one replaces; NULL: first';
COMMENT ON COLUMN control_plans.obsolete_date IS 'NULL while in force; not before effective_date';
COMMENT ON COLUMN control_plans.plan_status IS 'draft, active, obsolete';

CREATE TABLE control_plan_characteristics (
    characteristic_id     VARCHAR(50) PRIMARY KEY,
    control_plan_id       VARCHAR(50) NOT NULL,
    sequence_number       INTEGER,
    process_step          VARCHAR(200) NOT NULL,
    characteristic_name   VARCHAR(200) NOT NULL,
    characteristic_type   VARCHAR(30),
    specification         VARCHAR(200) NOT NULL,
    lower_spec_limit      DECIMAL(15,6),
    target_value          DECIMAL(15,6),
    upper_spec_limit      DECIMAL(15,6),
    unit_of_measure       VARCHAR(20),
    measurement_technique VARCHAR(200),
    measuring_equipment   VARCHAR(200),
    sample_size           VARCHAR(50),
    sample_frequency      VARCHAR(100),
    control_method        VARCHAR(30),
    reaction_plan         TEXT,
    responsible_person    VARCHAR(50),
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE control_plan_characteristics IS 'Controlled characteristics, limits and reaction plans';
COMMENT ON COLUMN control_plan_characteristics.sequence_number IS '10, 20, 30 ... within the plan';
COMMENT ON COLUMN control_plan_characteristics.characteristic_type IS 'product, process';
COMMENT ON COLUMN control_plan_characteristics.specification IS 'Nominal with tolerance, as text';
COMMENT ON COLUMN control_plan_characteristics.lower_spec_limit IS 'NULL: no lower limit, or an attribute';
COMMENT ON COLUMN control_plan_characteristics.upper_spec_limit IS 'NULL: no upper limit, or an attribute';
COMMENT ON COLUMN control_plan_characteristics.measuring_equipment IS 'Type of gauge: calliper, CMM, go/no-go';
COMMENT ON COLUMN control_plan_characteristics.sample_size IS 'Units, as text: 5';
COMMENT ON COLUMN control_plan_characteristics.sample_frequency IS 'per hour, per shift, per batch, every part';
COMMENT ON COLUMN control_plan_characteristics.control_method IS 'spc_chart, check_sheet, gauge, visual, automatic, test';

CREATE TABLE fmea_analyses (
    fmea_analysis_id       VARCHAR(50) PRIMARY KEY,
    fmea_number            VARCHAR(50) NOT NULL,
    line_number            INTEGER NOT NULL CHECK (line_number > 0),
    fmea_type              VARCHAR(30) NOT NULL CHECK (fmea_type IN ('design', 'process')),
    product_id             VARCHAR(50) NOT NULL,
    control_plan_id        VARCHAR(50),
    revision               VARCHAR(20) NOT NULL DEFAULT 'A',
    analysis_date          DATE NOT NULL,
    team_leader            VARCHAR(50),
    process_step           VARCHAR(200) NOT NULL,
    step_function          TEXT,
    failure_mode           VARCHAR(200) NOT NULL,
    failure_effect         TEXT NOT NULL,
    failure_cause          TEXT NOT NULL,
    prevention_control     TEXT,
    detection_control      TEXT,
    special_characteristic VARCHAR(20) CHECK (special_characteristic IN ('critical', 'significant')),
    severity               INTEGER NOT NULL CHECK (severity BETWEEN 1 AND 10),
    occurrence             INTEGER NOT NULL CHECK (occurrence BETWEEN 1 AND 10),
    detection              INTEGER NOT NULL CHECK (detection BETWEEN 1 AND 10),
    rpn                    INTEGER NOT NULL,
    action_priority        VARCHAR(10) NOT NULL CHECK (action_priority IN ('high', 'medium', 'low')),
    recommended_action     TEXT,
    responsible_person     VARCHAR(50),
    target_date            DATE,
    action_taken           TEXT,
    completion_date        DATE,
    revised_severity       INTEGER CHECK (revised_severity BETWEEN 1 AND 10),
    revised_occurrence     INTEGER CHECK (revised_occurrence BETWEEN 1 AND 10),
    revised_detection      INTEGER CHECK (revised_detection BETWEEN 1 AND 10),
    revised_rpn            INTEGER,
    linked_capa_id         VARCHAR(50),
    status                 VARCHAR(30) NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'action_planned', 'completed', 'accepted', 'obsolete')),
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (fmea_number, line_number),
    CHECK (rpn = severity * occurrence * detection),
    CHECK (revised_rpn = revised_severity * revised_occurrence * revised_detection),
    CHECK (completion_date >= analysis_date)
);
CREATE INDEX fmea_analyses_status_action_priority_idx ON fmea_analyses (status, action_priority);
COMMENT ON TABLE fmea_analyses IS 'Failure risk worksheets with severity, occurrence, detection; one row per line of a worksheet';
COMMENT ON COLUMN fmea_analyses.fmea_analysis_id IS 'FMEA-000001 ...';
COMMENT ON COLUMN fmea_analyses.fmea_number IS 'Worksheet; its lines share fmea_type, product_id, revision, analysis_date and team_leader';
COMMENT ON COLUMN fmea_analyses.line_number IS 'From 1 within the worksheet';
COMMENT ON COLUMN fmea_analyses.fmea_type IS 'design, process';
COMMENT ON COLUMN fmea_analyses.control_plan_id IS 'Plan that carries its controls; NULL for design';
COMMENT ON COLUMN fmea_analyses.process_step IS 'Step of the process, or component for design';
COMMENT ON COLUMN fmea_analyses.failure_effect IS 'On the customer and the next operations';
COMMENT ON COLUMN fmea_analyses.prevention_control IS 'What keeps the cause from occurring now';
COMMENT ON COLUMN fmea_analyses.detection_control IS 'What finds it now';
COMMENT ON COLUMN fmea_analyses.special_characteristic IS 'critical, significant; NULL: neither';
COMMENT ON COLUMN fmea_analyses.severity IS '1 (none) to 10 (hazard without warning)';
COMMENT ON COLUMN fmea_analyses.occurrence IS '1 (almost never) to 10 (nearly certain)';
COMMENT ON COLUMN fmea_analyses.detection IS '1 (surely found) to 10 (cannot be found)';
COMMENT ON COLUMN fmea_analyses.rpn IS 'severity * occurrence * detection, 1 to 1000';
COMMENT ON COLUMN fmea_analyses.action_priority IS 'high, medium, low: from severity, then occurrence, then detection (AIAG-VDA)';
COMMENT ON COLUMN fmea_analyses.revised_severity IS 'After action_taken; NULL until done; also the next two';
COMMENT ON COLUMN fmea_analyses.revised_rpn IS 'revised_severity * revised_occurrence * revised_detection; at most rpn';
COMMENT ON COLUMN fmea_analyses.linked_capa_id IS 'NULL: done without a plan';
COMMENT ON COLUMN fmea_analyses.status IS 'open, action_planned, completed, accepted, obsolete; accepted: risk taken without action';

CREATE TABLE ppap_submissions (
    ppap_id                 VARCHAR(50) PRIMARY KEY,
    ppap_number             VARCHAR(50) NOT NULL UNIQUE,
    product_id              VARCHAR(50),
    material_id             VARCHAR(50),
    part_number             VARCHAR(100) NOT NULL,
    part_name               VARCHAR(200) NOT NULL,
    supplier_id             VARCHAR(50),
    customer_id             VARCHAR(50),
    ppap_level              INTEGER NOT NULL,
    submission_date         DATE NOT NULL,
    submission_reason       VARCHAR(50),
    design_records          BOOLEAN DEFAULT false,
    engineering_change_docs BOOLEAN DEFAULT false,
    customer_approval       BOOLEAN DEFAULT false,
    dfmea_completed         BOOLEAN DEFAULT false,
    pfmea_completed         BOOLEAN DEFAULT false,
    control_plan            BOOLEAN DEFAULT false,
    msa_study               BOOLEAN DEFAULT false,
    dimensional_results     BOOLEAN DEFAULT false,
    material_test_results   BOOLEAN DEFAULT false,
    initial_process_study   BOOLEAN DEFAULT false,
    qualified_lab_docs      BOOLEAN DEFAULT false,
    appearance_approval     BOOLEAN DEFAULT false,
    sample_products         BOOLEAN DEFAULT false,
    master_sample           BOOLEAN DEFAULT false,
    checking_aids           BOOLEAN DEFAULT false,
    psw_signed              BOOLEAN DEFAULT false,
    psw_signed_by           VARCHAR(50),
    psw_signed_date         DATE,
    ppap_status             VARCHAR(30) DEFAULT 'in_preparation',
    reviewed_by             VARCHAR(50),
    review_date             DATE,
    review_comments         TEXT,
    approval_date           DATE,
    approved_by             VARCHAR(50),
    approval_expiry_date    DATE,
    submission_package_url  TEXT,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX ppap_submissions_ppap_status_submission_date_idx ON ppap_submissions (ppap_status, submission_date);
COMMENT ON TABLE ppap_submissions IS 'Part approval packages and their status';
COMMENT ON COLUMN ppap_submissions.ppap_id IS 'PPAP-0001 ...';
COMMENT ON COLUMN ppap_submissions.product_id IS 'Own part submitted to a customer; NULL when material_id is set';
COMMENT ON COLUMN ppap_submissions.material_id IS 'Purchased part submitted by a supplier; NULL when product_id is set';
COMMENT ON COLUMN ppap_submissions.supplier_id IS 'Who submits; NULL: own part';
COMMENT ON COLUMN ppap_submissions.customer_id IS 'Who approves; NULL: purchased part';
COMMENT ON COLUMN ppap_submissions.ppap_level IS '1 to 5; 3 is the usual one';
COMMENT ON COLUMN ppap_submissions.submission_reason IS 'new_part, engineering_change, tooling_change, supplier_change, correction';
COMMENT ON COLUMN ppap_submissions.control_plan IS 'Element 7 of the package is there; each BOOLEAN is one element';
COMMENT ON COLUMN ppap_submissions.psw_signed IS 'Part submission warrant';
COMMENT ON COLUMN ppap_submissions.psw_signed_by IS 'Name of the one who signed for the submitter';
COMMENT ON COLUMN ppap_submissions.ppap_status IS 'in_preparation, submitted, under_review, approved, conditional, rejected';
COMMENT ON COLUMN ppap_submissions.approval_expiry_date IS 'NULL: no limit';

CREATE TABLE first_article_inspections (
    first_article_inspection_id VARCHAR(50) PRIMARY KEY,
    fai_number                  VARCHAR(50) NOT NULL UNIQUE,
    fai_type                    VARCHAR(30) NOT NULL DEFAULT 'full' CHECK (fai_type IN ('full', 'partial')),
    fai_reason                  VARCHAR(50) NOT NULL CHECK (fai_reason IN ('new_part', 'design_change', 'process_change', 'tool_change', 'site_change', 'production_gap')),
    product_id                  VARCHAR(50) NOT NULL,
    part_number                 VARCHAR(100) NOT NULL,
    drawing_revision            VARCHAR(20),
    work_order_id               VARCHAR(50) NOT NULL,
    machine_id                  VARCHAR(50),
    control_plan_id             VARCHAR(50),
    ppap_id                     VARCHAR(50),
    customer_id                 VARCHAR(50),
    serial_number               VARCHAR(50),
    inspection_date             DATE NOT NULL,
    inspector_id                VARCHAR(50) NOT NULL,
    characteristics_total       INTEGER NOT NULL CHECK (characteristics_total > 0),
    characteristics_accepted    INTEGER NOT NULL CHECK (characteristics_accepted >= 0),
    characteristics_rejected    INTEGER NOT NULL DEFAULT 0 CHECK (characteristics_rejected >= 0),
    measurement_results         JSONB,
    material_certificate_number VARCHAR(100),
    inspection_result           VARCHAR(30) NOT NULL CHECK (inspection_result IN ('accepted', 'conditional', 'rejected')),
    ncr_id                      VARCHAR(50),
    approved_by                 VARCHAR(50),
    approval_date               DATE,
    remarks                     TEXT,
    status                      VARCHAR(30) NOT NULL DEFAULT 'submitted' CHECK (status IN ('submitted', 'approved', 'rejected')),
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (characteristics_accepted + characteristics_rejected = characteristics_total),
    CHECK (inspection_result <> 'accepted' OR characteristics_rejected = 0),
    CHECK (approval_date >= inspection_date),
    CHECK (status <> 'approved' OR (approved_by IS NOT NULL AND approval_date IS NOT NULL))
);
CREATE INDEX first_article_inspections_status_inspection_date_idx ON first_article_inspections (status, inspection_date);
COMMENT ON TABLE first_article_inspections IS 'Full dimensional checks of first parts';
COMMENT ON COLUMN first_article_inspections.first_article_inspection_id IS 'FAI-00001 ...';
COMMENT ON COLUMN first_article_inspections.fai_type IS 'full; partial: only what a change affects';
COMMENT ON COLUMN first_article_inspections.fai_reason IS 'new_part, design_change, process_change, tool_change, site_change, production_gap';
COMMENT ON COLUMN first_article_inspections.part_number IS 'As on the drawing';
COMMENT ON COLUMN first_article_inspections.work_order_id IS 'Production job that made the part';
COMMENT ON COLUMN first_article_inspections.ppap_id IS 'Approval package that contains it; NULL: none';
COMMENT ON COLUMN first_article_inspections.customer_id IS 'NULL: not for one customer';
COMMENT ON COLUMN first_article_inspections.characteristics_total IS 'characteristics_accepted + characteristics_rejected';
COMMENT ON COLUMN first_article_inspections.measurement_results IS 'Array of {number, characteristic, nominal, lower, upper, actual, unit, result}';
COMMENT ON COLUMN first_article_inspections.inspection_result IS 'accepted (none rejected), conditional, rejected';
COMMENT ON COLUMN first_article_inspections.ncr_id IS 'Case opened; NULL when accepted';
COMMENT ON COLUMN first_article_inspections.status IS 'submitted, approved, rejected';
