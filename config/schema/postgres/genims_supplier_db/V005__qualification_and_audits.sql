-- Which suppliers may be used: qualification, certificates, site audits and findings, capacity and ownership.
-- A supplier is ordered from only while its qualification is approved and valid.

CREATE TABLE supplier_qualification (
    qualification_id             VARCHAR(50) PRIMARY KEY,
    supplier_id                  VARCHAR(50) NOT NULL,
    qualification_status         VARCHAR(30) DEFAULT 'initiated',
    business_license_verified    BOOLEAN DEFAULT false,
    tax_registration_verified    BOOLEAN DEFAULT false,
    bank_details_verified        BOOLEAN DEFAULT false,
    iso_certificate_verified     BOOLEAN DEFAULT false,
    financial_health_score       DECIMAL(5,2),
    credit_rating                VARCHAR(20),
    payment_capacity_assessment  TEXT,
    production_capacity_verified BOOLEAN DEFAULT false,
    quality_system_verified      BOOLEAN DEFAULT false,
    technical_capability_score   DECIMAL(5,2),
    audit_scheduled_date         DATE,
    audit_completed_date         DATE,
    audit_score                  DECIMAL(5,2),
    audit_report_url             TEXT,
    sample_submitted             BOOLEAN DEFAULT false,
    sample_approved              BOOLEAN DEFAULT false,
    sample_test_results          TEXT,
    trial_order_placed           BOOLEAN DEFAULT false,
    trial_order_id               VARCHAR(50),
    trial_order_success          BOOLEAN DEFAULT false,
    approved_by                  VARCHAR(50),
    approved_date                DATE,
    rejection_reason             TEXT,
    approval_valid_until         DATE,
    created_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX supplier_qualification_supplier_id_idx ON supplier_qualification (supplier_id);
CREATE INDEX supplier_qualification_qualification_status_idx ON supplier_qualification (qualification_status);
COMMENT ON TABLE supplier_qualification IS 'Supplier approval process: checks, audit, samples, trial order and decision';
COMMENT ON COLUMN supplier_qualification.qualification_id IS 'SQL-00001 ...';
COMMENT ON COLUMN supplier_qualification.qualification_status IS 'initiated, documents_review, audit, sample_evaluation, trial_order, approved, conditionally_approved, rejected, expired';
COMMENT ON COLUMN supplier_qualification.financial_health_score IS '0 to 100';
COMMENT ON COLUMN supplier_qualification.credit_rating IS 'AAA, AA, A, BBB, BB, B, C';
COMMENT ON COLUMN supplier_qualification.technical_capability_score IS '0 to 100';
COMMENT ON COLUMN supplier_qualification.audit_completed_date IS 'NULL before the audit; not before audit_scheduled_date';
COMMENT ON COLUMN supplier_qualification.audit_score IS '0 to 100; that of the qualification audit in supplier_audits';
COMMENT ON COLUMN supplier_qualification.sample_approved IS 'Only when sample_submitted';
COMMENT ON COLUMN supplier_qualification.trial_order_id IS 'NULL unless trial_order_placed';
COMMENT ON COLUMN supplier_qualification.approved_date IS 'Day of the decision; NULL while open';
COMMENT ON COLUMN supplier_qualification.rejection_reason IS 'NULL unless rejected';
COMMENT ON COLUMN supplier_qualification.approval_valid_until IS 'Day of requalification; NULL unless approved';

CREATE TABLE supplier_documents (
    document_id       VARCHAR(50) PRIMARY KEY,
    supplier_id       VARCHAR(50) NOT NULL,
    document_type     VARCHAR(50) NOT NULL,
    document_name     VARCHAR(200) NOT NULL,
    document_number   VARCHAR(100),
    issue_date        DATE,
    expiry_date       DATE,
    verified          BOOLEAN DEFAULT false,
    verified_by       VARCHAR(50),
    verified_date     DATE,
    document_status   VARCHAR(30) DEFAULT 'pending',
    expiry_alert_sent BOOLEAN DEFAULT false,
    days_to_expiry    INTEGER,
    document_url      TEXT NOT NULL,
    file_size_kb      INTEGER,
    notes             TEXT,
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX supplier_documents_supplier_id_document_type_idx ON supplier_documents (supplier_id, document_type);
CREATE INDEX supplier_documents_expiry_date_idx ON supplier_documents (expiry_date);
COMMENT ON TABLE supplier_documents IS 'Supplier certificates and papers with verification and expiry';
COMMENT ON COLUMN supplier_documents.document_id IS 'SDC-000001 ...';
COMMENT ON COLUMN supplier_documents.document_type IS 'business_license, tax_registration, iso_9001, iatf_16949, iso_14001, iso_45001, insurance, bank_details, nda, reach_rohs_declaration';
COMMENT ON COLUMN supplier_documents.expiry_date IS 'NULL: does not expire';
COMMENT ON COLUMN supplier_documents.verified_by IS 'NULL unless verified';
COMMENT ON COLUMN supplier_documents.document_status IS 'pending, verified, rejected, expiring_soon, expired';
COMMENT ON COLUMN supplier_documents.days_to_expiry IS 'expiry_date minus the day of the last nightly run; negative once expired; NULL: does not expire';
COMMENT ON COLUMN supplier_documents.document_url IS 'Where the file lies';

CREATE TABLE supplier_audits (
    audit_id             VARCHAR(50) PRIMARY KEY,
    audit_number         VARCHAR(50) NOT NULL UNIQUE,
    supplier_id          VARCHAR(50) NOT NULL,
    audit_type           VARCHAR(30) NOT NULL,
    audit_scope          VARCHAR(50),
    planned_date         DATE,
    actual_date          DATE,
    audit_duration_hours DECIMAL(5,1),
    lead_auditor         VARCHAR(50),
    audit_team           TEXT[],
    audit_location       VARCHAR(200),
    audit_score          DECIMAL(5,2),
    audit_rating         VARCHAR(20),
    major_findings       INTEGER DEFAULT 0,
    minor_findings       INTEGER DEFAULT 0,
    observations         INTEGER DEFAULT 0,
    followup_required    BOOLEAN DEFAULT false,
    followup_date        DATE,
    audit_report_url     TEXT,
    audit_status         VARCHAR(30) DEFAULT 'planned',
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX supplier_audits_supplier_id_idx ON supplier_audits (supplier_id);
CREATE INDEX supplier_audits_audit_status_planned_date_idx ON supplier_audits (audit_status, planned_date);
COMMENT ON TABLE supplier_audits IS 'Supplier site assessments with score and count of findings';
COMMENT ON COLUMN supplier_audits.audit_id IS 'SAU-00001 ...';
COMMENT ON COLUMN supplier_audits.audit_number IS 'SA-2026-0001: year and number in the year';
COMMENT ON COLUMN supplier_audits.audit_type IS 'qualification, surveillance, process, product, special';
COMMENT ON COLUMN supplier_audits.audit_scope IS 'quality_system, process, product, ehs, social';
COMMENT ON COLUMN supplier_audits.actual_date IS 'NULL unless held';
COMMENT ON COLUMN supplier_audits.audit_team IS 'Employee keys (genims_master_db.employees.employee_id), lead auditor included';
COMMENT ON COLUMN supplier_audits.audit_score IS '0 to 100; NULL unless completed';
COMMENT ON COLUMN supplier_audits.audit_rating IS 'A (from 90), B (from 75), C (from 60), D (below)';
COMMENT ON COLUMN supplier_audits.major_findings IS 'Rows of audit_findings of type major';
COMMENT ON COLUMN supplier_audits.minor_findings IS 'Rows of audit_findings of type minor';
COMMENT ON COLUMN supplier_audits.observations IS 'Rows of audit_findings of type observation';
COMMENT ON COLUMN supplier_audits.followup_required IS 'True when there is a major finding';
COMMENT ON COLUMN supplier_audits.followup_date IS 'NULL unless followup_required';
COMMENT ON COLUMN supplier_audits.audit_status IS 'planned, in_progress, completed, closed (every finding closed), cancelled';

CREATE TABLE audit_findings (
    finding_id                 VARCHAR(50) PRIMARY KEY,
    audit_id                   VARCHAR(50) NOT NULL,
    finding_number             INTEGER,
    finding_type               VARCHAR(30),
    finding_category           VARCHAR(50),
    finding_description        TEXT NOT NULL,
    evidence                   TEXT,
    requirement_reference      VARCHAR(100),
    corrective_action_required BOOLEAN DEFAULT false,
    corrective_action          TEXT,
    responsible_person         VARCHAR(200),
    target_date                DATE,
    finding_status             VARCHAR(30) DEFAULT 'open',
    closed_date                DATE,
    closure_verified_by        VARCHAR(50),
    created_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX audit_findings_finding_status_target_date_idx ON audit_findings (finding_status, target_date);
COMMENT ON TABLE audit_findings IS 'Gaps raised in a supplier assessment and their closure';
COMMENT ON COLUMN audit_findings.finding_id IS 'SAF-000001 ...';
COMMENT ON COLUMN audit_findings.finding_number IS 'From 1 in each audit';
COMMENT ON COLUMN audit_findings.finding_type IS 'major, minor, observation';
COMMENT ON COLUMN audit_findings.finding_category IS 'documentation, process_control, calibration, training, traceability, nonconforming_material, ehs';
COMMENT ON COLUMN audit_findings.requirement_reference IS 'Clause: IATF 16949 8.5.1';
COMMENT ON COLUMN audit_findings.corrective_action_required IS 'True for major and minor';
COMMENT ON COLUMN audit_findings.responsible_person IS 'Name at the supplier';
COMMENT ON COLUMN audit_findings.target_date IS 'NULL unless corrective_action_required';
COMMENT ON COLUMN audit_findings.finding_status IS 'open, action_submitted, verified, closed, overdue';
COMMENT ON COLUMN audit_findings.closed_date IS 'NULL unless closed; not before the audit';

CREATE TABLE supplier_capacity_planning (
    capacity_plan_id          VARCHAR(50) PRIMARY KEY,
    supplier_id               VARCHAR(50) NOT NULL,
    material_id               VARCHAR(50) NOT NULL,
    plan_period               VARCHAR(7) NOT NULL,
    plan_version              INTEGER NOT NULL DEFAULT 1,
    contract_id               VARCHAR(50),
    declared_by_user_id       VARCHAR(50),
    declared_date             DATE NOT NULL,
    unit_of_measure           VARCHAR(20) NOT NULL,
    installed_capacity        DECIMAL(15,4) NOT NULL,
    available_capacity        DECIMAL(15,4) NOT NULL,
    committed_to_us           DECIMAL(15,4) NOT NULL DEFAULT 0,
    committed_to_others       DECIMAL(15,4) NOT NULL DEFAULT 0,
    forecast_demand           DECIMAL(15,4) NOT NULL DEFAULT 0,
    confirmed_order_quantity  DECIMAL(15,4) NOT NULL DEFAULT 0,
    surge_capacity            DECIMAL(15,4) NOT NULL DEFAULT 0,
    surge_lead_time_days      INTEGER,
    capacity_gap              DECIMAL(15,4) NOT NULL,
    utilization_percentage    DECIMAL(6,2),
    constraint_type           VARCHAR(30) NOT NULL DEFAULT 'none',
    constraint_description    TEXT,
    risk_level                VARCHAR(20) NOT NULL DEFAULT 'low',
    mitigation_plan           TEXT,
    reviewed_by               VARCHAR(50),
    reviewed_date             DATE,
    status                    VARCHAR(30) NOT NULL DEFAULT 'declared',
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (supplier_id, material_id, plan_period, plan_version),
    CHECK (plan_period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    CHECK (plan_version >= 1),
    CHECK (installed_capacity >= 0 AND available_capacity >= 0 AND available_capacity <= installed_capacity),
    CHECK (committed_to_us >= 0 AND committed_to_others >= 0 AND committed_to_us + committed_to_others <= available_capacity),
    CHECK (forecast_demand >= 0 AND confirmed_order_quantity >= 0 AND surge_capacity >= 0),
    CHECK (utilization_percentage BETWEEN 0 AND 100),
    CHECK (constraint_type IN ('none', 'labour', 'machine', 'raw_material', 'tooling', 'energy', 'logistics')),
    CHECK (risk_level IN ('low', 'medium', 'high', 'critical')),
    CHECK (status IN ('declared', 'reviewed', 'agreed', 'superseded')),
    CHECK (reviewed_date IS NULL OR reviewed_date >= declared_date)
);
CREATE INDEX supplier_capacity_planning_plan_period_risk_level_idx ON supplier_capacity_planning (plan_period, risk_level);
CREATE INDEX supplier_capacity_planning_material_id_idx ON supplier_capacity_planning (material_id);
COMMENT ON TABLE supplier_capacity_planning IS 'Capacity that suppliers declare per material and month, against our demand';
COMMENT ON COLUMN supplier_capacity_planning.capacity_plan_id IS 'SCP-000001 ...';
COMMENT ON COLUMN supplier_capacity_planning.plan_period IS 'Month, YYYY-MM';
COMMENT ON COLUMN supplier_capacity_planning.plan_version IS 'From 1; a new declaration for the same month is the next version and supersedes the one before';
COMMENT ON COLUMN supplier_capacity_planning.contract_id IS 'Contract that commits the capacity; NULL: none';
COMMENT ON COLUMN supplier_capacity_planning.declared_by_user_id IS 'Portal user of the same supplier; NULL when taken over the phone';
COMMENT ON COLUMN supplier_capacity_planning.installed_capacity IS 'Most that can be made in the month, in unit_of_measure';
COMMENT ON COLUMN supplier_capacity_planning.available_capacity IS 'Installed less planned downtime';
COMMENT ON COLUMN supplier_capacity_planning.committed_to_us IS 'Reserved for this group';
COMMENT ON COLUMN supplier_capacity_planning.forecast_demand IS 'Our forecast for the month from this supplier';
COMMENT ON COLUMN supplier_capacity_planning.confirmed_order_quantity IS 'Open order quantity due in the month';
COMMENT ON COLUMN supplier_capacity_planning.surge_capacity IS 'Beyond available_capacity, with overtime or subcontracting, after surge_lead_time_days';
COMMENT ON COLUMN supplier_capacity_planning.capacity_gap IS 'committed_to_us minus the larger of forecast_demand and confirmed_order_quantity; negative: short';
COMMENT ON COLUMN supplier_capacity_planning.utilization_percentage IS '(committed_to_us + committed_to_others) / available_capacity * 100; NULL when available_capacity is 0';
COMMENT ON COLUMN supplier_capacity_planning.constraint_type IS 'What limits output: none, labour, machine, raw_material, tooling, energy, logistics';
COMMENT ON COLUMN supplier_capacity_planning.risk_level IS 'low (no gap), medium (gap within surge_capacity), high (beyond it), critical (beyond it and no second source)';
COMMENT ON COLUMN supplier_capacity_planning.status IS 'declared, reviewed, agreed, superseded';

CREATE TABLE supplier_diversity_tracking (
    diversity_id              VARCHAR(50) PRIMARY KEY,
    supplier_id               VARCHAR(50) NOT NULL,
    fiscal_year               INTEGER NOT NULL,
    classification            VARCHAR(40) NOT NULL,
    ownership_percentage      DECIMAL(5,2) NOT NULL,
    enterprise_size           VARCHAR(20) NOT NULL,
    employee_count            INTEGER,
    is_local_supplier         BOOLEAN NOT NULL DEFAULT false,
    certifying_body           VARCHAR(200),
    certificate_number        VARCHAR(100),
    document_id               VARCHAR(50),
    certified_date            DATE,
    certificate_expiry_date   DATE,
    verification_status       VARCHAR(30) NOT NULL DEFAULT 'self_declared',
    verified_by               VARCHAR(50),
    verified_date             DATE,
    direct_spend              DECIMAL(15,2) NOT NULL DEFAULT 0,
    tier2_spend               DECIMAL(15,2) NOT NULL DEFAULT 0,
    total_diverse_spend       DECIMAL(15,2) NOT NULL DEFAULT 0,
    spend_target              DECIMAL(15,2),
    target_achievement_pct    DECIMAL(7,2),
    currency                  VARCHAR(3) NOT NULL DEFAULT 'INR',
    notes                     TEXT,
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (supplier_id, fiscal_year, classification),
    CHECK (classification IN ('women_owned', 'minority_owned', 'veteran_owned', 'disability_owned', 'social_enterprise', 'small_business', 'none')),
    CHECK (enterprise_size IN ('micro', 'small', 'medium', 'large')),
    CHECK (verification_status IN ('self_declared', 'verified', 'expired', 'rejected')),
    CHECK (fiscal_year BETWEEN 2000 AND 2100),
    CHECK (ownership_percentage BETWEEN 0 AND 100),
    CHECK (employee_count > 0),
    CHECK (certificate_expiry_date IS NULL OR certificate_expiry_date > certified_date),
    CHECK (direct_spend >= 0 AND tier2_spend >= 0 AND spend_target >= 0)
);
CREATE INDEX supplier_diversity_tracking_fiscal_year_classification_idx ON supplier_diversity_tracking (fiscal_year, classification);
COMMENT ON TABLE supplier_diversity_tracking IS 'Supplier ownership classification and the spend with it, per fiscal year';
COMMENT ON COLUMN supplier_diversity_tracking.diversity_id IS 'SDV-00001 ...';
COMMENT ON COLUMN supplier_diversity_tracking.fiscal_year IS 'Year in which the fiscal year ends';
COMMENT ON COLUMN supplier_diversity_tracking.classification IS 'women_owned, minority_owned, veteran_owned, disability_owned, social_enterprise, small_business, none';
COMMENT ON COLUMN supplier_diversity_tracking.ownership_percentage IS 'Share held by the group that classification names; 51 or more to count; 0 for none';
COMMENT ON COLUMN supplier_diversity_tracking.enterprise_size IS 'micro, small, medium, large by head count: below 10, 50, 250, from 250';
COMMENT ON COLUMN supplier_diversity_tracking.is_local_supplier IS 'In the country of a plant it delivers to';
COMMENT ON COLUMN supplier_diversity_tracking.document_id IS 'Certificate among supplier_documents; NULL while self-declared';
COMMENT ON COLUMN supplier_diversity_tracking.certificate_expiry_date IS 'NULL: does not expire, or no certificate';
COMMENT ON COLUMN supplier_diversity_tracking.verification_status IS 'self_declared, verified, expired, rejected; only verified counts towards spend_target';
COMMENT ON COLUMN supplier_diversity_tracking.direct_spend IS 'Paid to the supplier in the fiscal year';
COMMENT ON COLUMN supplier_diversity_tracking.tier2_spend IS 'What the supplier reports to have spent with such suppliers of its own for our orders';
COMMENT ON COLUMN supplier_diversity_tracking.total_diverse_spend IS 'direct_spend + tier2_spend; 0 for none';
COMMENT ON COLUMN supplier_diversity_tracking.spend_target IS 'NULL: no target';
COMMENT ON COLUMN supplier_diversity_tracking.target_achievement_pct IS 'total_diverse_spend / spend_target * 100; NULL without target';
