-- Customer issues raised through sales with their comments, and the message log to other modules.
-- Support requests are the tickets of genims_service_db; a case is what sales itself handles.

CREATE TABLE cases (
    case_id              VARCHAR(50) PRIMARY KEY,
    case_number          VARCHAR(50) NOT NULL UNIQUE,
    account_id           VARCHAR(50) NOT NULL,
    contact_id           VARCHAR(50),
    subject              VARCHAR(200) NOT NULL,
    description          TEXT NOT NULL,
    case_type            VARCHAR(50),
    case_category        VARCHAR(50),
    priority             VARCHAR(20) DEFAULT 'medium',
    case_status          VARCHAR(30) DEFAULT 'new',
    sla_response_hours   INTEGER,
    sla_resolution_hours INTEGER,
    response_due_date    TIMESTAMP,
    resolution_due_date  TIMESTAMP,
    first_response_date  TIMESTAMP,
    resolved_date        TIMESTAMP,
    closed_date          TIMESTAMP,
    sla_violated         BOOLEAN DEFAULT false,
    assigned_to          VARCHAR(50),
    assigned_team        VARCHAR(50),
    escalated            BOOLEAN DEFAULT false,
    escalated_to         VARCHAR(50),
    escalated_at         TIMESTAMP,
    resolution           TEXT,
    root_cause           VARCHAR(200),
    related_product      VARCHAR(200),
    related_order_id     VARCHAR(50),
    satisfaction_rating  INTEGER,
    customer_feedback    TEXT,
    created_by           VARCHAR(50),
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX cases_case_status_priority_idx ON cases (case_status, priority);
CREATE INDEX cases_created_at_idx ON cases (created_at);
COMMENT ON TABLE cases IS 'Customer issues raised through sales';
COMMENT ON COLUMN cases.case_number IS 'CASE-YYYY-00001';
COMMENT ON COLUMN cases.case_type IS 'question, problem, complaint, feature_request, order_issue';
COMMENT ON COLUMN cases.case_category IS 'product, delivery, billing, quality, technical';
COMMENT ON COLUMN cases.priority IS 'low, medium, high, critical';
COMMENT ON COLUMN cases.case_status IS 'new, assigned, in_progress, waiting_customer, resolved, closed, reopened';
COMMENT ON COLUMN cases.sla_response_hours IS 'Hours from created_at, by priority: critical 2, high 4, medium 8, low 24';
COMMENT ON COLUMN cases.sla_resolution_hours IS 'Hours from created_at, by priority: critical 8, high 24, medium 72, low 168';
COMMENT ON COLUMN cases.response_due_date IS 'response_due_date = created_at + sla_response_hours';
COMMENT ON COLUMN cases.resolution_due_date IS 'resolution_due_date = created_at + sla_resolution_hours';
COMMENT ON COLUMN cases.resolved_date IS 'NULL until resolved; closed_date is not before it';
COMMENT ON COLUMN cases.sla_violated IS 'First response or resolution came after its due date';
COMMENT ON COLUMN cases.assigned_team IS 'Name of the team, free text';
COMMENT ON COLUMN cases.escalated_to IS 'NULL unless escalated';
COMMENT ON COLUMN cases.satisfaction_rating IS '1 to 5, 5 is best; NULL: not asked';

CREATE TABLE case_comments (
    comment_id   VARCHAR(50) PRIMARY KEY,
    case_id      VARCHAR(50) NOT NULL,
    comment_text TEXT NOT NULL,
    is_public    BOOLEAN DEFAULT true,
    created_by   VARCHAR(50),
    created_at   TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE case_comments IS 'Discussion on a customer issue';
COMMENT ON COLUMN case_comments.is_public IS 'The customer may see it';

CREATE TABLE crm_integration_log (
    log_id                VARCHAR(50) PRIMARY KEY,
    log_timestamp         TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    integration_direction VARCHAR(20),
    document_type         VARCHAR(50),
    document_id           VARCHAR(50),
    integration_status    VARCHAR(30),
    error_message         TEXT,
    integration_data      JSONB,
    retry_count           INTEGER DEFAULT 0,
    last_retry_at         TIMESTAMP
);
CREATE INDEX crm_integration_log_integration_status_log_timestamp_idx ON crm_integration_log (integration_status, log_timestamp);
COMMENT ON TABLE crm_integration_log IS 'Messages exchanged between CRM and other modules';
COMMENT ON COLUMN crm_integration_log.integration_direction IS 'inbound, outbound';
COMMENT ON COLUMN crm_integration_log.document_type IS 'account, quotation, sales_order, contract, case';
COMMENT ON COLUMN crm_integration_log.document_id IS 'Key of that document in the module it comes from';
COMMENT ON COLUMN crm_integration_log.integration_status IS 'pending, success, failed, retrying';
COMMENT ON COLUMN crm_integration_log.error_message IS 'NULL unless failed or retrying';
COMMENT ON COLUMN crm_integration_log.integration_data IS 'The message';
