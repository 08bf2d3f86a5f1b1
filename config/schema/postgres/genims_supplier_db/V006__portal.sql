-- The supplier portal: logins of suppliers, messages, alerts, and the log of exchanges with other modules.
-- A portal user sees only rows of its own supplier.

CREATE TABLE supplier_portal_users (
    portal_user_id          VARCHAR(50) PRIMARY KEY,
    supplier_id             VARCHAR(50) NOT NULL,
    user_email              VARCHAR(200) NOT NULL UNIQUE,
    user_name               VARCHAR(200) NOT NULL,
    user_phone              VARCHAR(50),
    user_role               VARCHAR(30),
    can_view_rfqs           BOOLEAN DEFAULT true,
    can_submit_quotes       BOOLEAN DEFAULT true,
    can_view_pos            BOOLEAN DEFAULT true,
    can_submit_invoices     BOOLEAN DEFAULT false,
    can_view_payments       BOOLEAN DEFAULT false,
    can_view_performance    BOOLEAN DEFAULT false,
    is_active               BOOLEAN DEFAULT true,
    last_login              TIMESTAMP,
    login_count             INTEGER DEFAULT 0,
    password_hash           VARCHAR(200),
    password_reset_required BOOLEAN DEFAULT true,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX supplier_portal_users_supplier_id_idx ON supplier_portal_users (supplier_id);
COMMENT ON TABLE supplier_portal_users IS 'Supplier logins and what each may see and do';
COMMENT ON COLUMN supplier_portal_users.portal_user_id IS 'SPU-00001 ...';
COMMENT ON COLUMN supplier_portal_users.user_role IS 'admin, sales, finance, quality, viewer';
COMMENT ON COLUMN supplier_portal_users.can_submit_invoices IS 'admin and finance';
COMMENT ON COLUMN supplier_portal_users.can_view_payments IS 'admin and finance';
COMMENT ON COLUMN supplier_portal_users.can_view_performance IS 'admin and quality';
COMMENT ON COLUMN supplier_portal_users.last_login IS 'UTC; NULL: never, login_count is 0';
COMMENT ON COLUMN supplier_portal_users.password_hash IS 'Argon2id in PHC string form; never a password';

CREATE TABLE supplier_communications (
    communication_id  VARCHAR(50) PRIMARY KEY,
    supplier_id       VARCHAR(50) NOT NULL,
    from_party        VARCHAR(20),
    subject           VARCHAR(200) NOT NULL,
    message_body      TEXT NOT NULL,
    reference_type    VARCHAR(30),
    reference_id      VARCHAR(50),
    message_status    VARCHAR(30) DEFAULT 'sent',
    read_at           TIMESTAMP,
    attachment_urls   TEXT[],
    parent_message_id VARCHAR(50),
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX supplier_communications_supplier_id_created_at_idx ON supplier_communications (supplier_id, created_at);
CREATE INDEX supplier_communications_reference_type_reference_id_idx ON supplier_communications (reference_type, reference_id);
COMMENT ON TABLE supplier_communications IS 'Message threads with suppliers';
COMMENT ON COLUMN supplier_communications.communication_id IS 'SCM-000001 ...';
COMMENT ON COLUMN supplier_communications.from_party IS 'company, supplier';
COMMENT ON COLUMN supplier_communications.reference_type IS 'rfq, purchase_order, invoice, contract, audit; NULL: general';
COMMENT ON COLUMN supplier_communications.reference_id IS 'Key of the row that reference_type names';
COMMENT ON COLUMN supplier_communications.message_status IS 'sent, read, replied';
COMMENT ON COLUMN supplier_communications.read_at IS 'NULL: not read';
COMMENT ON COLUMN supplier_communications.parent_message_id IS 'Message answered, of the same supplier; NULL opens a thread';

CREATE TABLE supplier_notifications (
    notification_id      VARCHAR(50) PRIMARY KEY,
    supplier_id          VARCHAR(50) NOT NULL,
    notification_type    VARCHAR(50) NOT NULL,
    notification_title   VARCHAR(200) NOT NULL,
    notification_message TEXT NOT NULL,
    reference_type       VARCHAR(30),
    reference_id         VARCHAR(50),
    priority             VARCHAR(20) DEFAULT 'normal',
    notification_status  VARCHAR(30) DEFAULT 'unread',
    read_at              TIMESTAMP,
    sent_via_email       BOOLEAN DEFAULT true,
    sent_via_portal      BOOLEAN DEFAULT true,
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX supplier_notifications_supplier_id_notification_status_idx ON supplier_notifications (supplier_id, notification_status);
COMMENT ON TABLE supplier_notifications IS 'Alerts pushed to suppliers';
COMMENT ON COLUMN supplier_notifications.notification_id IS 'SNT-000001 ...';
COMMENT ON COLUMN supplier_notifications.notification_type IS 'rfq_published, rfq_awarded, po_issued, invoice_status, payment_made, document_expiry, scorecard_published, audit_scheduled';
COMMENT ON COLUMN supplier_notifications.reference_type IS 'rfq, purchase_order, invoice, payment, document, scorecard, audit';
COMMENT ON COLUMN supplier_notifications.reference_id IS 'Key of the row that reference_type names';
COMMENT ON COLUMN supplier_notifications.priority IS 'low, normal, high, urgent';
COMMENT ON COLUMN supplier_notifications.notification_status IS 'unread, read, archived';
COMMENT ON COLUMN supplier_notifications.read_at IS 'NULL while unread';

CREATE TABLE supplier_portal_integration_log (
    log_id               VARCHAR(50) PRIMARY KEY,
    log_timestamp        TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    integration_type     VARCHAR(50) NOT NULL,
    source_system        VARCHAR(30),
    target_system        VARCHAR(30),
    source_document_type VARCHAR(50),
    source_document_id   VARCHAR(50),
    target_document_type VARCHAR(50),
    target_document_id   VARCHAR(50),
    integration_status   VARCHAR(30) DEFAULT 'success',
    error_message        TEXT,
    integration_data     JSONB
);
CREATE INDEX supplier_portal_integration_log_integration_status_log_timestamp_idx ON supplier_portal_integration_log (integration_status, log_timestamp);
CREATE INDEX supplier_portal_integration_log_source_document_type_source_document_id_idx ON supplier_portal_integration_log (source_document_type, source_document_id);
COMMENT ON TABLE supplier_portal_integration_log IS 'Messages exchanged between portal and other modules, one row per message';
COMMENT ON COLUMN supplier_portal_integration_log.log_id IS 'SPL-00000001 ...';
COMMENT ON COLUMN supplier_portal_integration_log.integration_type IS 'rfq_to_po, requisition_to_rfq, invoice_to_ap, receipt_to_match, payment_status, supplier_master';
COMMENT ON COLUMN supplier_portal_integration_log.source_system IS 'portal, erp, wms, financial, quality';
COMMENT ON COLUMN supplier_portal_integration_log.target_system IS 'portal, erp, wms, financial, quality; differs from source_system';
COMMENT ON COLUMN supplier_portal_integration_log.source_document_type IS 'requisition, rfq, response, invoice, receipt, payment, supplier';
COMMENT ON COLUMN supplier_portal_integration_log.source_document_id IS 'Key of that document in source_system';
COMMENT ON COLUMN supplier_portal_integration_log.target_document_id IS 'Key of the document that arose in target_system; NULL unless success';
COMMENT ON COLUMN supplier_portal_integration_log.integration_status IS 'success, failed, pending';
COMMENT ON COLUMN supplier_portal_integration_log.error_message IS 'NULL unless failed';
