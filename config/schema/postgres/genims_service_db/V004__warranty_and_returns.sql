-- Sold units under warranty, claims against it, and return approvals with their lines.
-- Every amount is in INR.

CREATE TABLE warranty_registrations (
    warranty_id               VARCHAR(50) PRIMARY KEY,
    warranty_number           VARCHAR(50) NOT NULL UNIQUE,
    account_id                VARCHAR(50) NOT NULL,
    contact_id                VARCHAR(50),
    product_name              VARCHAR(200) NOT NULL,
    product_category          VARCHAR(100),
    serial_number             VARCHAR(100),
    model_number              VARCHAR(100),
    sales_order_id            VARCHAR(50),
    purchase_date             DATE NOT NULL,
    invoice_number            VARCHAR(100),
    warranty_type             VARCHAR(50),
    warranty_start_date       DATE NOT NULL,
    warranty_end_date         DATE NOT NULL,
    warranty_duration_months  INTEGER,
    coverage_type             VARCHAR(50),
    coverage_details          TEXT,
    terms_conditions          TEXT,
    warranty_status           VARCHAR(30) DEFAULT 'active',
    registered_date           DATE,
    registered_by             VARCHAR(50),
    transferred_to_account_id VARCHAR(50),
    transfer_date             DATE,
    is_active                 BOOLEAN DEFAULT true,
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX warranty_registrations_serial_number_idx ON warranty_registrations (serial_number);
CREATE INDEX warranty_registrations_warranty_status_warranty_end_date_idx ON warranty_registrations (warranty_status, warranty_end_date);
COMMENT ON TABLE warranty_registrations IS 'Units under warranty';
COMMENT ON COLUMN warranty_registrations.warranty_number IS 'WAR-YYYY-000001';
COMMENT ON COLUMN warranty_registrations.product_name IS 'product_name in the master data';
COMMENT ON COLUMN warranty_registrations.invoice_number IS 'Of our sales invoice';
COMMENT ON COLUMN warranty_registrations.warranty_type IS 'standard, extended, limited, lifetime';
COMMENT ON COLUMN warranty_registrations.warranty_start_date IS 'Not before purchase_date';
COMMENT ON COLUMN warranty_registrations.warranty_end_date IS 'Last day: warranty_start_date + warranty_duration_months';
COMMENT ON COLUMN warranty_registrations.coverage_type IS 'parts_and_labor, parts_only, labor_only, full';
COMMENT ON COLUMN warranty_registrations.warranty_status IS 'active, expired, void, transferred';
COMMENT ON COLUMN warranty_registrations.registered_by IS 'Name of the person who registered it';
COMMENT ON COLUMN warranty_registrations.transferred_to_account_id IS 'New owner; NULL unless transferred';

CREATE TABLE warranty_claims (
    claim_id                VARCHAR(50) PRIMARY KEY,
    claim_number            VARCHAR(50) NOT NULL UNIQUE,
    warranty_id             VARCHAR(50) NOT NULL,
    ticket_id               VARCHAR(50),
    claim_date              DATE NOT NULL,
    issue_description       TEXT NOT NULL,
    failure_type            VARCHAR(50),
    failure_category        VARCHAR(50),
    claim_status            VARCHAR(30) DEFAULT 'submitted',
    approved                BOOLEAN DEFAULT false,
    approved_by             VARCHAR(50),
    approved_date           DATE,
    rejection_reason        TEXT,
    resolution_type         VARCHAR(50),
    labor_cost              DECIMAL(12,2) DEFAULT 0,
    parts_cost              DECIMAL(12,2) DEFAULT 0,
    total_claim_amount      DECIMAL(12,2) DEFAULT 0,
    customer_responsibility DECIMAL(12,2) DEFAULT 0,
    warranty_coverage       DECIMAL(12,2) DEFAULT 0,
    processed_date          DATE,
    processed_by            VARCHAR(50),
    notes                   TEXT,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX warranty_claims_claim_status_claim_date_idx ON warranty_claims (claim_status, claim_date);
COMMENT ON TABLE warranty_claims IS 'Claims against a warranty';
COMMENT ON COLUMN warranty_claims.claim_number IS 'CLM-YYYY-000001';
COMMENT ON COLUMN warranty_claims.claim_date IS 'Within the warranty period when the claim is approved';
COMMENT ON COLUMN warranty_claims.failure_type IS 'mechanical, electrical, software, wear, cosmetic';
COMMENT ON COLUMN warranty_claims.failure_category IS 'manufacturing_defect, material_defect, misuse, normal_wear';
COMMENT ON COLUMN warranty_claims.claim_status IS 'submitted, under_review, approved, rejected, in_progress, completed';
COMMENT ON COLUMN warranty_claims.approved IS 'True from claim_status approved on';
COMMENT ON COLUMN warranty_claims.rejection_reason IS 'NULL unless rejected';
COMMENT ON COLUMN warranty_claims.resolution_type IS 'repair, replacement, refund, credit';
COMMENT ON COLUMN warranty_claims.total_claim_amount IS 'total_claim_amount = labor_cost + parts_cost';
COMMENT ON COLUMN warranty_claims.customer_responsibility IS 'customer_responsibility = total_claim_amount - warranty_coverage';
COMMENT ON COLUMN warranty_claims.warranty_coverage IS 'Part that we bear; at most total_claim_amount';
COMMENT ON COLUMN warranty_claims.processed_date IS 'NULL until completed';

CREATE TABLE rma_requests (
    rma_id                     VARCHAR(50) PRIMARY KEY,
    rma_number                 VARCHAR(50) NOT NULL UNIQUE,
    account_id                 VARCHAR(50) NOT NULL,
    contact_id                 VARCHAR(50),
    sales_order_id             VARCHAR(50),
    ticket_id                  VARCHAR(50),
    rma_type                   VARCHAR(50),
    return_reason              VARCHAR(50),
    reason_description         TEXT,
    rma_status                 VARCHAR(30) DEFAULT 'requested',
    approved                   BOOLEAN DEFAULT false,
    approved_by                VARCHAR(50),
    approved_date              DATE,
    rejection_reason           TEXT,
    return_instructions        TEXT,
    return_address             TEXT,
    customer_shipment_tracking VARCHAR(100),
    customer_ship_date         DATE,
    received_date              DATE,
    received_by                VARCHAR(50),
    inspection_status          VARCHAR(30),
    inspection_notes           TEXT,
    condition_on_receipt       VARCHAR(50),
    resolution_type            VARCHAR(50),
    refund_amount              DECIMAL(12,2) DEFAULT 0,
    refund_method              VARCHAR(50),
    refund_processed_date      DATE,
    replacement_order_id       VARCHAR(50),
    restocking_fee             DECIMAL(12,2) DEFAULT 0,
    restocking_fee_pct         DECIMAL(5,2) DEFAULT 0,
    warehouse_receipt_id       VARCHAR(50),
    notes                      TEXT,
    created_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX rma_requests_rma_status_created_at_idx ON rma_requests (rma_status, created_at);
COMMENT ON TABLE rma_requests IS 'Return approvals for faulty or unwanted units';
COMMENT ON COLUMN rma_requests.rma_number IS 'RMA-YYYY-000001; return_orders.rma_number of genims_tms_db holds it';
COMMENT ON COLUMN rma_requests.rma_type IS 'warranty, refund, exchange, repair';
COMMENT ON COLUMN rma_requests.return_reason IS 'defective, wrong_item, damaged_in_transit, not_needed, quality_issue, warranty';
COMMENT ON COLUMN rma_requests.rma_status IS 'requested, approved, rejected, in_transit, received, inspected, completed, closed';
COMMENT ON COLUMN rma_requests.approved IS 'True from rma_status approved on';
COMMENT ON COLUMN rma_requests.rejection_reason IS 'NULL unless rejected';
COMMENT ON COLUMN rma_requests.received_date IS 'Not before customer_ship_date; NULL until received';
COMMENT ON COLUMN rma_requests.inspection_status IS 'pending, passed, failed, partial; NULL until received';
COMMENT ON COLUMN rma_requests.condition_on_receipt IS 'new, good, used, damaged, defective';
COMMENT ON COLUMN rma_requests.resolution_type IS 'refund, replacement, repair, credit, none';
COMMENT ON COLUMN rma_requests.refund_amount IS 'Paid out: sum of rma_line_items.line_total_refund - restocking_fee; 0 unless resolution_type is refund or credit';
COMMENT ON COLUMN rma_requests.refund_method IS 'original_payment, credit_note, bank_transfer';
COMMENT ON COLUMN rma_requests.replacement_order_id IS 'NULL unless resolution_type is replacement';
COMMENT ON COLUMN rma_requests.restocking_fee IS 'Sum of rma_line_items.line_total_refund * restocking_fee_pct / 100';
COMMENT ON COLUMN rma_requests.warehouse_receipt_id IS 'Receiving task in the warehouse; NULL until received';

CREATE TABLE rma_line_items (
    rma_line_id         VARCHAR(50) PRIMARY KEY,
    rma_id              VARCHAR(50) NOT NULL,
    line_number         INTEGER,
    material_id         VARCHAR(50),
    product_name        VARCHAR(200),
    serial_number       VARCHAR(100),
    quantity_returned   DECIMAL(15,4),
    unit_of_measure     VARCHAR(20),
    original_unit_price DECIMAL(12,4),
    refund_unit_price   DECIMAL(12,4),
    line_total_refund   DECIMAL(15,2),
    condition_on_return VARCHAR(50),
    disposition         VARCHAR(50),
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX rma_line_items_serial_number_idx ON rma_line_items (serial_number);
COMMENT ON TABLE rma_line_items IS 'Units of a return approval';
COMMENT ON COLUMN rma_line_items.line_number IS 'From 1 in the request';
COMMENT ON COLUMN rma_line_items.original_unit_price IS 'Of the sales order line';
COMMENT ON COLUMN rma_line_items.refund_unit_price IS 'At most original_unit_price';
COMMENT ON COLUMN rma_line_items.line_total_refund IS 'line_total_refund = quantity_returned * refund_unit_price';
COMMENT ON COLUMN rma_line_items.condition_on_return IS 'new, good, used, damaged, defective';
COMMENT ON COLUMN rma_line_items.disposition IS 'restock, repair, scrap, return_to_supplier';
