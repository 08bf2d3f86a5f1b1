-- Structured problem solving: cause analyses, 8D reports, customer complaints and recalls.
-- They refer to the cases and actions of V001.

CREATE TABLE root_cause_analysis (
    root_cause_analysis_id   VARCHAR(50) PRIMARY KEY,
    rca_number               VARCHAR(50) NOT NULL UNIQUE,
    source_type              VARCHAR(30) NOT NULL CHECK (source_type IN ('ncr', 'complaint', 'audit_finding', 'capa')),
    ncr_id                   VARCHAR(50),
    complaint_id             VARCHAR(50),
    finding_id               VARCHAR(50),
    capa_id                  VARCHAR(50),
    analysis_method          VARCHAR(30) NOT NULL CHECK (analysis_method IN ('5_why', 'fishbone', 'fault_tree', 'is_is_not', 'pareto')),
    problem_statement        TEXT NOT NULL,
    why_1                    TEXT,
    why_2                    TEXT,
    why_3                    TEXT,
    why_4                    TEXT,
    why_5                    TEXT,
    root_cause_category      VARCHAR(30) CHECK (root_cause_category IN ('man', 'machine', 'method', 'material', 'measurement', 'environment')),
    root_cause_description   TEXT,
    escape_cause_description TEXT,
    contributing_factors     TEXT,
    evidence                 TEXT,
    lead_investigator        VARCHAR(50) NOT NULL,
    team_members             TEXT[],
    started_date             DATE NOT NULL,
    completed_date           DATE,
    root_cause_verified      BOOLEAN NOT NULL DEFAULT false,
    verified_by              VARCHAR(50),
    verification_date        DATE,
    status                   VARCHAR(30) NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'in_progress', 'completed', 'verified', 'cancelled')),
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK ((source_type = 'ncr' AND ncr_id IS NOT NULL) OR (source_type = 'complaint' AND complaint_id IS NOT NULL)
    OR (source_type = 'audit_finding' AND finding_id IS NOT NULL) OR (source_type = 'capa' AND capa_id IS NOT NULL)),
    CHECK (completed_date >= started_date),
    CHECK (verification_date >= completed_date),
    CHECK (status NOT IN ('completed', 'verified') OR (completed_date IS NOT NULL AND root_cause_description IS NOT NULL))
);
CREATE INDEX root_cause_analysis_status_started_date_idx ON root_cause_analysis (status, started_date);
COMMENT ON TABLE root_cause_analysis IS 'Structured cause investigations linked to cases';
COMMENT ON COLUMN root_cause_analysis.root_cause_analysis_id IS 'RCA-00001 ...';
COMMENT ON COLUMN root_cause_analysis.source_type IS 'ncr, complaint, audit_finding, capa; the matching reference must be set';
COMMENT ON COLUMN root_cause_analysis.analysis_method IS '5_why, fishbone, fault_tree, is_is_not, pareto';
COMMENT ON COLUMN root_cause_analysis.why_1 IS 'Answer to the first why; why_1 to why_5 only for 5_why, filled in order';
COMMENT ON COLUMN root_cause_analysis.root_cause_category IS 'man, machine, method, material, measurement, environment; NULL until found';
COMMENT ON COLUMN root_cause_analysis.root_cause_description IS 'Why it happened; must be set when completed';
COMMENT ON COLUMN root_cause_analysis.escape_cause_description IS 'Why it was not detected earlier';
COMMENT ON COLUMN root_cause_analysis.team_members IS 'Employee ids, lead included';
COMMENT ON COLUMN root_cause_analysis.status IS 'open, in_progress, completed, verified, cancelled';

CREATE TABLE eight_d_reports (
    eight_d_id              VARCHAR(50) PRIMARY KEY,
    eight_d_number          VARCHAR(50) NOT NULL UNIQUE,
    source_type             VARCHAR(30),
    source_document_id      VARCHAR(50),
    team_leader             VARCHAR(50) NOT NULL,
    team_members            TEXT[],
    problem_preparation     TEXT,
    team_established_date   DATE,
    problem_description     TEXT NOT NULL,
    is_statement            TEXT,
    is_not_statement        TEXT,
    containment_action      TEXT,
    containment_date        DATE,
    containment_verified    BOOLEAN DEFAULT false,
    root_cause_analysis     TEXT,
    root_cause_method       VARCHAR(30),
    root_cause_identified   DATE,
    root_cause_verified     BOOLEAN DEFAULT false,
    permanent_actions       TEXT,
    pca_implementation_date DATE,
    verification_plan       TEXT,
    verification_completed  BOOLEAN DEFAULT false,
    verification_date       DATE,
    preventive_actions      TEXT,
    systems_updated         TEXT,
    prevention_completed    BOOLEAN DEFAULT false,
    team_recognition        TEXT,
    lessons_learned         TEXT,
    eight_d_status          VARCHAR(30) DEFAULT 'in_progress',
    closed_date             DATE,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX eight_d_reports_eight_d_status_idx ON eight_d_reports (eight_d_status);
COMMENT ON TABLE eight_d_reports IS 'Eight-step team problem solving files';
COMMENT ON COLUMN eight_d_reports.eight_d_id IS '8D-0001 ...';
COMMENT ON COLUMN eight_d_reports.source_type IS 'ncr, complaint, supplier';
COMMENT ON COLUMN eight_d_reports.source_document_id IS 'ncr_id or complaint_id, by source_type';
COMMENT ON COLUMN eight_d_reports.team_members IS 'Employee ids, D1';
COMMENT ON COLUMN eight_d_reports.problem_preparation IS 'D0';
COMMENT ON COLUMN eight_d_reports.problem_description IS 'D2';
COMMENT ON COLUMN eight_d_reports.is_statement IS 'D2: what the problem is';
COMMENT ON COLUMN eight_d_reports.is_not_statement IS 'D2: what it could be but is not';
COMMENT ON COLUMN eight_d_reports.containment_action IS 'D3';
COMMENT ON COLUMN eight_d_reports.root_cause_analysis IS 'D4';
COMMENT ON COLUMN eight_d_reports.root_cause_method IS '5_why, fishbone, fault_tree, is_is_not';
COMMENT ON COLUMN eight_d_reports.root_cause_identified IS 'Day on which it was found';
COMMENT ON COLUMN eight_d_reports.permanent_actions IS 'D5 and D6';
COMMENT ON COLUMN eight_d_reports.verification_plan IS 'D6';
COMMENT ON COLUMN eight_d_reports.preventive_actions IS 'D7';
COMMENT ON COLUMN eight_d_reports.systems_updated IS 'D7: documents and plans changed, separated by commas';
COMMENT ON COLUMN eight_d_reports.team_recognition IS 'D8';
COMMENT ON COLUMN eight_d_reports.eight_d_status IS 'in_progress, completed, closed';

CREATE TABLE customer_complaints (
    complaint_id          VARCHAR(50) PRIMARY KEY,
    complaint_number      VARCHAR(50) NOT NULL UNIQUE,
    service_ticket_id     VARCHAR(50),
    customer_id           VARCHAR(50) NOT NULL,
    customer_contact      VARCHAR(200),
    product_id            VARCHAR(50),
    sales_order_id        VARCHAR(50),
    batch_number          VARCHAR(50),
    serial_number         VARCHAR(50),
    complaint_date        DATE NOT NULL,
    complaint_description TEXT NOT NULL,
    complaint_type        VARCHAR(50),
    severity              VARCHAR(30),
    safety_issue          BOOLEAN DEFAULT false,
    quantity_affected     DECIMAL(15,4),
    quantity_returned     DECIMAL(15,4),
    immediate_action      TEXT,
    customer_response     TEXT,
    root_cause            TEXT,
    investigation_method  VARCHAR(30),
    linked_ncr_id         VARCHAR(50),
    linked_capa_id        VARCHAR(50),
    resolution            TEXT,
    resolution_date       DATE,
    replacement_cost      DECIMAL(15,2) DEFAULT 0,
    credit_issued         DECIMAL(15,2) DEFAULT 0,
    total_cost            DECIMAL(15,2) DEFAULT 0,
    customer_satisfied    BOOLEAN,
    customer_feedback     TEXT,
    complaint_status      VARCHAR(30) DEFAULT 'open',
    closed_date           DATE,
    closed_by             VARCHAR(50),
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX customer_complaints_complaint_status_complaint_date_idx ON customer_complaints (complaint_status, complaint_date);
CREATE INDEX customer_complaints_customer_id_idx ON customer_complaints (customer_id);
COMMENT ON TABLE customer_complaints IS 'Quality complaints received from buyers';
COMMENT ON COLUMN customer_complaints.complaint_id IS 'CMP-00001 ...';
COMMENT ON COLUMN customer_complaints.service_ticket_id IS 'Ticket in the service module; NULL: none';
COMMENT ON COLUMN customer_complaints.complaint_type IS 'defect, damage, wrong_item, late_delivery, documentation, performance';
COMMENT ON COLUMN customer_complaints.severity IS 'critical, major, minor';
COMMENT ON COLUMN customer_complaints.quantity_affected IS 'Units';
COMMENT ON COLUMN customer_complaints.quantity_returned IS 'At most quantity_affected';
COMMENT ON COLUMN customer_complaints.investigation_method IS '5_why, fishbone, 8d, is_is_not';
COMMENT ON COLUMN customer_complaints.replacement_cost IS 'INR';
COMMENT ON COLUMN customer_complaints.credit_issued IS 'INR';
COMMENT ON COLUMN customer_complaints.total_cost IS 'replacement_cost + credit_issued, INR';
COMMENT ON COLUMN customer_complaints.customer_satisfied IS 'NULL until asked';
COMMENT ON COLUMN customer_complaints.complaint_status IS 'open, under_investigation, resolved, closed, rejected';
COMMENT ON COLUMN customer_complaints.closed_date IS 'NULL until closed; not before complaint_date';

CREATE TABLE product_recalls (
    product_recall_id       VARCHAR(50) PRIMARY KEY,
    recall_number           VARCHAR(50) NOT NULL UNIQUE,
    product_id              VARCHAR(50) NOT NULL,
    recall_class            VARCHAR(20) NOT NULL CHECK (recall_class IN ('class_1', 'class_2', 'class_3')),
    recall_type             VARCHAR(30) NOT NULL CHECK (recall_type IN ('voluntary', 'mandatory', 'market_withdrawal', 'field_correction')),
    recall_reason           TEXT NOT NULL,
    hazard_description      TEXT,
    complaint_id            VARCHAR(50),
    ncr_id                  VARCHAR(50),
    capa_id                 VARCHAR(50),
    affected_lots           TEXT[] NOT NULL,
    production_date_from    DATE,
    production_date_to      DATE,
    affected_countries      TEXT[],
    customers_notified      INTEGER NOT NULL DEFAULT 0 CHECK (customers_notified >= 0),
    quantity_produced       DECIMAL(15,4) NOT NULL CHECK (quantity_produced > 0),
    quantity_shipped        DECIMAL(15,4) NOT NULL CHECK (quantity_shipped >= 0),
    quantity_recovered      DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (quantity_recovered >= 0),
    unit_of_measure         VARCHAR(20) NOT NULL DEFAULT 'EA',
    recovery_percentage     DECIMAL(5,2) NOT NULL DEFAULT 0 CHECK (recovery_percentage BETWEEN 0 AND 100),
    authority_name          VARCHAR(200),
    authority_reference     VARCHAR(100),
    authority_notified_date DATE,
    initiated_date          DATE NOT NULL,
    target_completion_date  DATE,
    completed_date          DATE,
    remedy                  VARCHAR(30) NOT NULL CHECK (remedy IN ('replace', 'repair', 'refund', 'scrap_on_site')),
    recall_coordinator      VARCHAR(50) NOT NULL,
    approved_by             VARCHAR(50),
    estimated_cost          DECIMAL(15,2),
    actual_cost             DECIMAL(15,2) NOT NULL DEFAULT 0,
    currency                VARCHAR(3) NOT NULL DEFAULT 'INR',
    status                  VARCHAR(30) NOT NULL DEFAULT 'initiated' CHECK (status IN ('initiated', 'notified', 'in_progress', 'completed', 'closed')),
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (production_date_to >= production_date_from),
    CHECK (quantity_shipped <= quantity_produced),
    CHECK (quantity_recovered <= quantity_shipped),
    CHECK (completed_date >= initiated_date),
    CHECK (target_completion_date >= initiated_date)
);
CREATE INDEX product_recalls_status_initiated_date_idx ON product_recalls (status, initiated_date);
COMMENT ON TABLE product_recalls IS 'Field recall campaigns with affected lots';
COMMENT ON COLUMN product_recalls.product_recall_id IS 'RCL-0001 ...';
COMMENT ON COLUMN product_recalls.recall_class IS 'class_1 (danger to life), class_2 (temporary harm), class_3 (no harm likely)';
COMMENT ON COLUMN product_recalls.recall_type IS 'voluntary, mandatory, market_withdrawal, field_correction';
COMMENT ON COLUMN product_recalls.affected_lots IS 'Lot numbers';
COMMENT ON COLUMN product_recalls.production_date_from IS 'First day of manufacture of the lots';
COMMENT ON COLUMN product_recalls.affected_countries IS 'Where the lots were shipped';
COMMENT ON COLUMN product_recalls.customers_notified IS 'Customers told so far';
COMMENT ON COLUMN product_recalls.quantity_shipped IS 'Units that left the plant, at most quantity_produced';
COMMENT ON COLUMN product_recalls.quantity_recovered IS 'Units back or corrected, at most quantity_shipped';
COMMENT ON COLUMN product_recalls.recovery_percentage IS '100 * quantity_recovered / quantity_shipped; 0 when nothing was shipped';
COMMENT ON COLUMN product_recalls.authority_notified_date IS 'NULL: no authority concerned';
COMMENT ON COLUMN product_recalls.remedy IS 'replace, repair, refund, scrap_on_site';
COMMENT ON COLUMN product_recalls.estimated_cost IS 'In currency';
COMMENT ON COLUMN product_recalls.actual_cost IS 'In currency, to date; sum of recall costs in quality_cost_tracking';
COMMENT ON COLUMN product_recalls.status IS 'initiated, notified, in_progress, completed, closed';
