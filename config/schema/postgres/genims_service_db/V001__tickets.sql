-- Support requests with their SLA clocks, comments, attachments and escalations.
-- Every due time and every breach follows from the ticket's SLA definition and created_at.

CREATE TABLE service_tickets (
    ticket_id                   VARCHAR(50) PRIMARY KEY,
    ticket_number               VARCHAR(50) NOT NULL UNIQUE,
    account_id                  VARCHAR(50) NOT NULL,
    contact_id                  VARCHAR(50),
    channel                     VARCHAR(30),
    source_reference            VARCHAR(200),
    ticket_type                 VARCHAR(50),
    category                    VARCHAR(100),
    subcategory                 VARCHAR(100),
    product_category            VARCHAR(100),
    subject                     VARCHAR(200) NOT NULL,
    description                 TEXT NOT NULL,
    priority                    VARCHAR(20) DEFAULT 'medium',
    priority_reason             VARCHAR(200),
    ticket_status               VARCHAR(30) DEFAULT 'new',
    status_reason               VARCHAR(200),
    related_order_id            VARCHAR(50),
    related_product             VARCHAR(200),
    related_serial_number       VARCHAR(100),
    sla_id                      VARCHAR(50),
    response_due_datetime       TIMESTAMP,
    resolution_due_datetime     TIMESTAMP,
    first_response_datetime     TIMESTAMP,
    resolved_datetime           TIMESTAMP,
    closed_datetime             TIMESTAMP,
    response_sla_breached       BOOLEAN DEFAULT false,
    resolution_sla_breached     BOOLEAN DEFAULT false,
    assigned_to                 VARCHAR(50),
    assigned_team               VARCHAR(50),
    assigned_datetime           TIMESTAMP,
    routed_to_queue             VARCHAR(50),
    escalation_level            INTEGER DEFAULT 0,
    escalated_to                VARCHAR(50),
    escalated_datetime          TIMESTAMP,
    escalation_reason           TEXT,
    resolution_summary          TEXT,
    root_cause                  VARCHAR(200),
    resolution_code             VARCHAR(50),
    csat_rating                 INTEGER,
    csat_comment                TEXT,
    csat_survey_sent            BOOLEAN DEFAULT false,
    csat_survey_sent_datetime   TIMESTAMP,
    kb_article_used             VARCHAR(50),
    first_response_time_minutes INTEGER,
    resolution_time_minutes     INTEGER,
    handle_time_minutes         INTEGER,
    reopened_count              INTEGER DEFAULT 0,
    tags                        TEXT,
    created_by                  VARCHAR(50),
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX service_tickets_ticket_status_priority_idx ON service_tickets (ticket_status, priority);
CREATE INDEX service_tickets_created_at_idx ON service_tickets (created_at);
CREATE INDEX service_tickets_account_id_created_at_idx ON service_tickets (account_id, created_at);
COMMENT ON TABLE service_tickets IS 'Customer support requests with SLA clocks, routing, resolution and satisfaction';
COMMENT ON COLUMN service_tickets.ticket_number IS 'TKT-YYYY-000001';
COMMENT ON COLUMN service_tickets.channel IS 'phone, email, chat, portal, social';
COMMENT ON COLUMN service_tickets.source_reference IS 'Message id, call id or the like in the channel';
COMMENT ON COLUMN service_tickets.ticket_type IS 'incident, question, problem, service_request, complaint';
COMMENT ON COLUMN service_tickets.category IS 'technical, product, delivery, billing, warranty, installation';
COMMENT ON COLUMN service_tickets.priority IS 'critical, high, medium, low';
COMMENT ON COLUMN service_tickets.ticket_status IS 'new, assigned, in_progress, pending_customer, pending_parts, resolved, closed, reopened, cancelled';
COMMENT ON COLUMN service_tickets.related_product IS 'product_name in the master data';
COMMENT ON COLUMN service_tickets.related_serial_number IS 'As warranty_registrations.serial_number';
COMMENT ON COLUMN service_tickets.sla_id IS 'SLA of the account''s tier and the priority';
COMMENT ON COLUMN service_tickets.response_due_datetime IS 'response_due_datetime = created_at + sla_definitions.response_time_minutes';
COMMENT ON COLUMN service_tickets.resolution_due_datetime IS 'resolution_due_datetime = created_at + sla_definitions.resolution_time_minutes';
COMMENT ON COLUMN service_tickets.first_response_datetime IS 'NULL: no answer yet';
COMMENT ON COLUMN service_tickets.resolved_datetime IS 'NULL until resolved';
COMMENT ON COLUMN service_tickets.closed_datetime IS 'NULL until closed; not before resolved_datetime';
COMMENT ON COLUMN service_tickets.response_sla_breached IS 'First response after response_due_datetime, or none and that is past';
COMMENT ON COLUMN service_tickets.resolution_sla_breached IS 'Resolved after resolution_due_datetime, or not and that is past';
COMMENT ON COLUMN service_tickets.escalation_level IS '0 none, 1 to 3 as in escalation_rules';
COMMENT ON COLUMN service_tickets.escalated_to IS 'NULL when escalation_level is 0';
COMMENT ON COLUMN service_tickets.root_cause IS 'NULL until resolved';
COMMENT ON COLUMN service_tickets.csat_rating IS '1 to 5, 5 is best; NULL: not answered';
COMMENT ON COLUMN service_tickets.first_response_time_minutes IS 'first_response_datetime - created_at, minutes';
COMMENT ON COLUMN service_tickets.resolution_time_minutes IS 'resolved_datetime - created_at, minutes';
COMMENT ON COLUMN service_tickets.handle_time_minutes IS 'Time worked on it; at most resolution_time_minutes';
COMMENT ON COLUMN service_tickets.tags IS 'Separated by commas';
COMMENT ON COLUMN service_tickets.created_by IS 'Agent or portal user who opened it, by channel; NULL: made by the system';

CREATE TABLE ticket_comments (
    comment_id      VARCHAR(50) PRIMARY KEY,
    ticket_id       VARCHAR(50) NOT NULL,
    comment_text    TEXT NOT NULL,
    comment_type    VARCHAR(30),
    is_public       BOOLEAN DEFAULT true,
    is_internal     BOOLEAN DEFAULT false,
    attachments     TEXT,
    created_by      VARCHAR(50),
    created_by_type VARCHAR(20),
    created_at      TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX ticket_comments_ticket_id_created_at_idx ON ticket_comments (ticket_id, created_at);
COMMENT ON TABLE ticket_comments IS 'Messages on a support request';
COMMENT ON COLUMN ticket_comments.comment_type IS 'reply, note, status_change, resolution';
COMMENT ON COLUMN ticket_comments.is_public IS 'The customer may see it; never together with is_internal';
COMMENT ON COLUMN ticket_comments.attachments IS 'File names, separated by commas';
COMMENT ON COLUMN ticket_comments.created_by IS 'Key in the table that created_by_type names';
COMMENT ON COLUMN ticket_comments.created_by_type IS 'agent (service_agents), customer (portal_users), system (NULL)';

CREATE TABLE ticket_attachments (
    attachment_id   VARCHAR(50) PRIMARY KEY,
    ticket_id       VARCHAR(50) NOT NULL,
    file_name       VARCHAR(200),
    file_size_bytes BIGINT,
    file_type       VARCHAR(50),
    file_url        VARCHAR(500),
    uploaded_by     VARCHAR(50),
    uploaded_at     TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE ticket_attachments IS 'Files on a support request';
COMMENT ON COLUMN ticket_attachments.file_type IS 'MIME type';
COMMENT ON COLUMN ticket_attachments.uploaded_by IS 'Agent or portal user';

CREATE TABLE ticket_escalations (
    escalation_id        VARCHAR(50) PRIMARY KEY,
    ticket_id            VARCHAR(50) NOT NULL,
    escalation_level     INTEGER,
    escalation_reason    VARCHAR(200),
    escalated_from       VARCHAR(50),
    escalated_to         VARCHAR(50),
    escalated_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    de_escalated         BOOLEAN DEFAULT false,
    de_escalated_at      TIMESTAMP,
    de_escalation_reason TEXT
);
CREATE INDEX ticket_escalations_escalated_at_idx ON ticket_escalations (escalated_at);
COMMENT ON TABLE ticket_escalations IS 'Raised tickets and what became of the escalation';
COMMENT ON COLUMN ticket_escalations.escalation_level IS '1 to 3';
COMMENT ON COLUMN ticket_escalations.escalated_from IS 'Agent who had it';
COMMENT ON COLUMN ticket_escalations.de_escalated IS 'Level was taken back';
COMMENT ON COLUMN ticket_escalations.de_escalated_at IS 'NULL unless de_escalated';

CREATE TABLE service_integration_log (
    log_id                VARCHAR(50) PRIMARY KEY,
    log_timestamp         TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    integration_direction VARCHAR(30),
    document_type         VARCHAR(50),
    document_id           VARCHAR(50),
    integration_status    VARCHAR(30),
    error_message         TEXT,
    integration_data      JSONB,
    retry_count           INTEGER DEFAULT 0,
    last_retry_at         TIMESTAMP
);
CREATE INDEX service_integration_log_integration_status_log_timestamp_idx ON service_integration_log (integration_status, log_timestamp);
COMMENT ON TABLE service_integration_log IS 'Messages exchanged between service and other modules';
COMMENT ON COLUMN service_integration_log.integration_direction IS 'inbound, outbound';
COMMENT ON COLUMN service_integration_log.document_type IS 'ticket, rma, warranty_claim, sales_order, work_order';
COMMENT ON COLUMN service_integration_log.document_id IS 'Key of that document in the module it comes from';
COMMENT ON COLUMN service_integration_log.integration_status IS 'pending, success, failed, retrying';
COMMENT ON COLUMN service_integration_log.error_message IS 'NULL unless failed or retrying';
COMMENT ON COLUMN service_integration_log.integration_data IS 'The message';
