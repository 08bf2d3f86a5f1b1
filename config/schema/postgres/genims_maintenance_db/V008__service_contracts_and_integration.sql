-- Vendor service agreements with their calls.
-- And the messages exchanged with the other modules.

CREATE TABLE service_contracts (
    contract_id                  VARCHAR(50) PRIMARY KEY,
    contract_number              VARCHAR(50) NOT NULL UNIQUE,
    contract_name                VARCHAR(200) NOT NULL,
    vendor_id                    VARCHAR(50) NOT NULL,
    vendor_name                  VARCHAR(200),
    contract_type                VARCHAR(50),
    coverage_description         TEXT,
    covered_assets               TEXT,
    contract_start_date          DATE NOT NULL,
    contract_end_date            DATE NOT NULL,
    contract_value               DECIMAL(15,2),
    payment_terms                VARCHAR(100),
    response_time_hours          INTEGER,
    resolution_time_hours        INTEGER,
    uptime_guarantee_pct         DECIMAL(5,2),
    penalty_clause               TEXT,
    billing_frequency            VARCHAR(30),
    next_billing_date            DATE,
    auto_renewal                 BOOLEAN DEFAULT false,
    renewal_notice_days          INTEGER,
    contract_status              VARCHAR(30) DEFAULT 'active',
    total_service_calls          INTEGER DEFAULT 0,
    avg_response_time_hours      DECIMAL(8,2),
    customer_satisfaction_rating DECIMAL(3,2),
    contract_document_url        VARCHAR(500),
    is_active                    BOOLEAN DEFAULT true,
    created_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX service_contracts_contract_status_contract_end_date_idx ON service_contracts (contract_status, contract_end_date);
COMMENT ON TABLE service_contracts IS 'Vendor upkeep agreements and coverage';
COMMENT ON COLUMN service_contracts.vendor_name IS 'Name of the vendor when signed';
COMMENT ON COLUMN service_contracts.contract_type IS 'annual_maintenance, comprehensive, labor_only, calibration, warranty_extension';
COMMENT ON COLUMN service_contracts.covered_assets IS 'Asset ids, separated by commas';
COMMENT ON COLUMN service_contracts.contract_value IS 'INR over the whole term';
COMMENT ON COLUMN service_contracts.response_time_hours IS 'From call to arrival, agreed';
COMMENT ON COLUMN service_contracts.resolution_time_hours IS 'From call to repair, agreed';
COMMENT ON COLUMN service_contracts.uptime_guarantee_pct IS 'Percent of operating hours';
COMMENT ON COLUMN service_contracts.billing_frequency IS 'monthly, quarterly, half_yearly, yearly';
COMMENT ON COLUMN service_contracts.renewal_notice_days IS 'Days before contract_end_date';
COMMENT ON COLUMN service_contracts.contract_status IS 'draft, active, expired, terminated';
COMMENT ON COLUMN service_contracts.total_service_calls IS 'Rows in service_call_logs';
COMMENT ON COLUMN service_contracts.avg_response_time_hours IS 'Mean of service_call_logs.response_time_hours';
COMMENT ON COLUMN service_contracts.customer_satisfaction_rating IS 'Mean of service_call_logs.customer_rating, 0.00 to 5.00';

CREATE TABLE service_call_logs (
    call_log_id              VARCHAR(50) PRIMARY KEY,
    call_number              VARCHAR(50) NOT NULL UNIQUE,
    contract_id              VARCHAR(50) NOT NULL,
    asset_id                 VARCHAR(50) NOT NULL,
    call_date                TIMESTAMP NOT NULL,
    problem_description      TEXT NOT NULL,
    priority                 VARCHAR(20),
    response_time_hours      DECIMAL(8,2),
    resolution_time_hours    DECIMAL(8,2),
    service_performed        TEXT,
    parts_used               TEXT,
    service_engineer_name    VARCHAR(200),
    service_engineer_contact VARCHAR(100),
    call_status              VARCHAR(30),
    customer_rating          INTEGER,
    customer_feedback        TEXT,
    work_order_id            VARCHAR(50),
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX service_call_logs_call_date_idx ON service_call_logs (call_date);
COMMENT ON TABLE service_call_logs IS 'Visits by contracted vendor engineers';
COMMENT ON COLUMN service_call_logs.priority IS 'low, medium, high, critical';
COMMENT ON COLUMN service_call_logs.response_time_hours IS 'From call_date to arrival; NULL until arrived';
COMMENT ON COLUMN service_call_logs.resolution_time_hours IS 'From call_date to repair; NULL until resolved';
COMMENT ON COLUMN service_call_logs.parts_used IS 'With quantities, separated by commas';
COMMENT ON COLUMN service_call_logs.call_status IS 'open, in_progress, resolved, closed, cancelled';
COMMENT ON COLUMN service_call_logs.customer_rating IS '1 (poor) to 5 (excellent), given by the plant';
COMMENT ON COLUMN service_call_logs.work_order_id IS 'Job under which the visit was made';

CREATE TABLE cmms_integration_log (
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
CREATE INDEX cmms_integration_log_log_timestamp_idx ON cmms_integration_log (log_timestamp);
COMMENT ON TABLE cmms_integration_log IS 'Messages exchanged between CMMS and other modules';
COMMENT ON COLUMN cmms_integration_log.integration_direction IS 'inbound, outbound';
COMMENT ON COLUMN cmms_integration_log.document_type IS 'machine_fault, downtime_event, work_order, purchase_requisition, goods_receipt, cost_posting';
COMMENT ON COLUMN cmms_integration_log.document_id IS 'Key of the document in the module that owns it';
COMMENT ON COLUMN cmms_integration_log.integration_status IS 'success, failed, pending, retrying';
COMMENT ON COLUMN cmms_integration_log.error_message IS 'NULL unless failed or retrying';
COMMENT ON COLUMN cmms_integration_log.last_retry_at IS 'NULL when retry_count is 0';
