-- Audits with their findings, controlled documents, and the reviews by management.
-- The system side of quality: what is prescribed and whether it is lived.

CREATE TABLE quality_audits (
    audit_id             VARCHAR(50) PRIMARY KEY,
    audit_number         VARCHAR(50) NOT NULL UNIQUE,
    audit_type           VARCHAR(30) NOT NULL,
    audit_standard       VARCHAR(50),
    audit_scope          TEXT NOT NULL,
    auditee_department   VARCHAR(50),
    auditee_supplier_id  VARCHAR(50),
    planned_date         DATE NOT NULL,
    actual_start_date    DATE,
    actual_end_date      DATE,
    audit_duration_hours DECIMAL(5,1),
    lead_auditor         VARCHAR(50) NOT NULL,
    audit_team           TEXT[],
    audit_location       VARCHAR(200),
    audit_score          DECIMAL(5,2),
    audit_rating         VARCHAR(30),
    total_findings       INTEGER DEFAULT 0,
    major_findings       INTEGER DEFAULT 0,
    minor_findings       INTEGER DEFAULT 0,
    observations         INTEGER DEFAULT 0,
    positive_findings    INTEGER DEFAULT 0,
    followup_required    BOOLEAN DEFAULT false,
    followup_date        DATE,
    audit_status         VARCHAR(30) DEFAULT 'planned',
    audit_report_url     TEXT,
    closed_date          DATE,
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX quality_audits_audit_status_planned_date_idx ON quality_audits (audit_status, planned_date);
COMMENT ON TABLE quality_audits IS 'Planned and completed audits with scores';
COMMENT ON COLUMN quality_audits.audit_id IS 'AUD-0001 ...';
COMMENT ON COLUMN quality_audits.audit_type IS 'internal, supplier, customer, certification, process, product';
COMMENT ON COLUMN quality_audits.audit_standard IS 'ISO 9001, IATF 16949, ISO 14001 ...';
COMMENT ON COLUMN quality_audits.auditee_department IS 'NULL when a supplier is audited';
COMMENT ON COLUMN quality_audits.auditee_supplier_id IS 'Only for supplier audits';
COMMENT ON COLUMN quality_audits.audit_team IS 'Employee ids, lead auditor included';
COMMENT ON COLUMN quality_audits.audit_score IS '0 to 100';
COMMENT ON COLUMN quality_audits.audit_rating IS 'excellent, good, acceptable, poor: from 90, 75, 60, below';
COMMENT ON COLUMN quality_audits.total_findings IS 'major_findings + minor_findings + observations + positive_findings; rows in audit_findings';
COMMENT ON COLUMN quality_audits.audit_status IS 'planned, in_progress, completed, closed, cancelled';
COMMENT ON COLUMN quality_audits.closed_date IS 'NULL until every finding is closed';

CREATE TABLE audit_findings (
    finding_id                 VARCHAR(50) PRIMARY KEY,
    audit_id                   VARCHAR(50) NOT NULL,
    finding_number             INTEGER NOT NULL,
    finding_type               VARCHAR(30) NOT NULL,
    finding_category           VARCHAR(50),
    finding_description        TEXT NOT NULL,
    requirement_reference      VARCHAR(200),
    objective_evidence         TEXT,
    impact_assessment          TEXT,
    risk_level                 VARCHAR(20),
    corrective_action_required BOOLEAN DEFAULT false,
    linked_capa_id             VARCHAR(50),
    responsible_person         VARCHAR(50),
    target_closure_date        DATE,
    finding_status             VARCHAR(30) DEFAULT 'open',
    closure_date               DATE,
    closure_verified_by        VARCHAR(50),
    closure_notes              TEXT,
    created_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE audit_findings IS 'Gaps and observations raised by an audit';
COMMENT ON COLUMN audit_findings.finding_number IS 'From 1 within the audit';
COMMENT ON COLUMN audit_findings.finding_type IS 'major, minor, observation, positive';
COMMENT ON COLUMN audit_findings.finding_category IS 'documentation, process, training, equipment, records, customer_focus';
COMMENT ON COLUMN audit_findings.requirement_reference IS 'Clause: ISO 9001 8.5.1';
COMMENT ON COLUMN audit_findings.risk_level IS 'low, medium, high';
COMMENT ON COLUMN audit_findings.linked_capa_id IS 'NULL: none needed';
COMMENT ON COLUMN audit_findings.finding_status IS 'open, action_planned, implemented, closed';
COMMENT ON COLUMN audit_findings.closure_verified_by IS 'Employee';

CREATE TABLE quality_documents (
    document_id              VARCHAR(50) PRIMARY KEY,
    document_number          VARCHAR(50) NOT NULL UNIQUE,
    document_title           VARCHAR(200) NOT NULL,
    document_type            VARCHAR(50),
    version                  VARCHAR(20) NOT NULL,
    revision_number          INTEGER DEFAULT 1,
    revision_date            DATE NOT NULL,
    supersedes_document_id   VARCHAR(50),
    document_description     TEXT,
    document_url             TEXT NOT NULL,
    document_owner           VARCHAR(50),
    department_id            VARCHAR(50),
    prepared_by              VARCHAR(50),
    reviewed_by              VARCHAR(50),
    approved_by              VARCHAR(50),
    approval_date            DATE,
    effective_date           DATE NOT NULL,
    obsolete_date            DATE,
    document_status          VARCHAR(30) DEFAULT 'draft',
    distribution_list        TEXT[],
    periodic_review_required BOOLEAN DEFAULT true,
    review_frequency_months  INTEGER DEFAULT 12,
    next_review_date         DATE,
    change_reason            TEXT,
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX quality_documents_document_status_next_review_date_idx ON quality_documents (document_status, next_review_date);
COMMENT ON TABLE quality_documents IS 'Controlled procedures and instructions';
COMMENT ON COLUMN quality_documents.document_id IS 'DOC-0001 ...';
COMMENT ON COLUMN quality_documents.document_type IS 'policy, procedure, work_instruction, form, specification, manual';
COMMENT ON COLUMN quality_documents.version IS '1.0, 1.1 ...';
COMMENT ON COLUMN quality_documents.revision_number IS 'From 1; number of rows in document_revisions';
COMMENT ON COLUMN quality_documents.supersedes_document_id IS 'NULL: first';
COMMENT ON COLUMN quality_documents.obsolete_date IS 'NULL while in force; not before effective_date';
COMMENT ON COLUMN quality_documents.document_status IS 'draft, in_review, approved, effective, obsolete';
COMMENT ON COLUMN quality_documents.distribution_list IS 'Department ids';
COMMENT ON COLUMN quality_documents.next_review_date IS 'revision_date + review_frequency_months; NULL unless periodic_review_required';

CREATE TABLE document_revisions (
    revision_id       VARCHAR(50) PRIMARY KEY,
    document_id       VARCHAR(50) NOT NULL,
    revision_number   INTEGER NOT NULL,
    revision_date     DATE NOT NULL,
    changes_summary   TEXT NOT NULL,
    sections_affected TEXT,
    revised_by        VARCHAR(50),
    approved_by       VARCHAR(50),
    document_url      TEXT,
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE document_revisions IS 'Change history of controlled documents';
COMMENT ON COLUMN document_revisions.revision_number IS 'From 1 within the document';
COMMENT ON COLUMN document_revisions.sections_affected IS 'Separated by commas';

CREATE TABLE management_review_meetings (
    management_review_meeting_id VARCHAR(50) PRIMARY KEY,
    meeting_number               VARCHAR(50) NOT NULL UNIQUE,
    meeting_title                VARCHAR(200) NOT NULL,
    factory_id                   VARCHAR(50),
    management_standard          VARCHAR(50) NOT NULL DEFAULT 'ISO 9001',
    review_period_start          DATE NOT NULL,
    review_period_end            DATE NOT NULL,
    planned_date                 DATE NOT NULL,
    actual_date                  DATE,
    duration_minutes             INTEGER CHECK (duration_minutes > 0),
    chairperson_id               VARCHAR(50) NOT NULL,
    secretary_id                 VARCHAR(50),
    attendees                    TEXT[],
    attendance_percentage        DECIMAL(5,2) CHECK (attendance_percentage BETWEEN 0 AND 100),
    previous_meeting_id          VARCHAR(50),
    previous_actions_closed      INTEGER NOT NULL DEFAULT 0 CHECK (previous_actions_closed >= 0),
    previous_actions_open        INTEGER NOT NULL DEFAULT 0 CHECK (previous_actions_open >= 0),
    agenda                       TEXT NOT NULL,
    performance_summary          TEXT,
    customer_feedback_summary    TEXT,
    audit_results_summary        TEXT,
    risks_and_opportunities      TEXT,
    decisions                    TEXT,
    resource_needs               TEXT,
    actions_assigned             INTEGER NOT NULL DEFAULT 0 CHECK (actions_assigned >= 0),
    system_effectiveness         VARCHAR(30) CHECK (system_effectiveness IN ('effective', 'partly_effective', 'not_effective')),
    minutes_document_id          VARCHAR(50),
    next_meeting_date            DATE,
    status                       VARCHAR(30) NOT NULL DEFAULT 'planned' CHECK (status IN ('planned', 'held', 'minutes_approved', 'cancelled')),
    created_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (review_period_end > review_period_start),
    CHECK (status NOT IN ('held', 'minutes_approved') OR actual_date IS NOT NULL),
    CHECK (next_meeting_date > planned_date)
);
CREATE INDEX management_review_meetings_status_planned_date_idx ON management_review_meetings (status, planned_date);
COMMENT ON TABLE management_review_meetings IS 'Leadership reviews of the quality system';
COMMENT ON COLUMN management_review_meetings.management_review_meeting_id IS 'MRM-0001 ...';
COMMENT ON COLUMN management_review_meetings.factory_id IS 'NULL: review of the whole group';
COMMENT ON COLUMN management_review_meetings.management_standard IS 'ISO 9001, IATF 16949, ISO 14001 ...';
COMMENT ON COLUMN management_review_meetings.attendees IS 'Employee ids';
COMMENT ON COLUMN management_review_meetings.attendance_percentage IS 'Invited who came; NULL until held';
COMMENT ON COLUMN management_review_meetings.previous_meeting_id IS 'Review before this one; NULL: first';
COMMENT ON COLUMN management_review_meetings.previous_actions_closed IS 'Of the actions assigned at previous_meeting_id; with previous_actions_open they make its actions_assigned';
COMMENT ON COLUMN management_review_meetings.system_effectiveness IS 'effective, partly_effective, not_effective; NULL until held';
COMMENT ON COLUMN management_review_meetings.minutes_document_id IS 'Signed minutes as controlled document; NULL until approved';
COMMENT ON COLUMN management_review_meetings.status IS 'planned, held, minutes_approved, cancelled';
