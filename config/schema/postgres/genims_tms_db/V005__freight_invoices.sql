-- Carrier bills with their audit against the expected cost, and the message log between WMS and TMS.
-- An invoice total is the sum of its three charges, and of its lines.

CREATE TABLE freight_invoices (
    invoice_id          VARCHAR(50) PRIMARY KEY,
    invoice_number      VARCHAR(50) NOT NULL UNIQUE,
    carrier_id          VARCHAR(50) NOT NULL,
    invoice_date        DATE NOT NULL,
    due_date            DATE,
    freight_charges     DECIMAL(15,2),
    fuel_surcharge      DECIMAL(15,2),
    accessorial_charges DECIMAL(15,2),
    total_amount        DECIMAL(15,2),
    currency            VARCHAR(3) DEFAULT 'INR',
    invoice_status      VARCHAR(30) DEFAULT 'received',
    audit_status        VARCHAR(30),
    variance_amount     DECIMAL(15,2),
    dispute_reason      TEXT,
    payment_terms       VARCHAR(50),
    paid                BOOLEAN DEFAULT false,
    payment_date        DATE,
    payment_reference   VARCHAR(100),
    reconciled          BOOLEAN DEFAULT false,
    reconciliation_date DATE,
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX freight_invoices_invoice_status_due_date_idx ON freight_invoices (invoice_status, due_date);
COMMENT ON TABLE freight_invoices IS 'Carrier bills';
COMMENT ON COLUMN freight_invoices.invoice_id IS 'FIN-000001 ...; what shipments.freight_invoice_id refers to';
COMMENT ON COLUMN freight_invoices.invoice_number IS 'Number given by the carrier';
COMMENT ON COLUMN freight_invoices.due_date IS 'invoice_date + payment_terms';
COMMENT ON COLUMN freight_invoices.freight_charges IS 'Sum of lines with charge_type freight';
COMMENT ON COLUMN freight_invoices.fuel_surcharge IS 'Sum of lines with charge_type fuel_surcharge';
COMMENT ON COLUMN freight_invoices.accessorial_charges IS 'Sum of all other lines';
COMMENT ON COLUMN freight_invoices.total_amount IS 'total_amount = freight_charges + fuel_surcharge + accessorial_charges; also the sum of freight_invoice_lines.charge_amount';
COMMENT ON COLUMN freight_invoices.invoice_status IS 'received, in_audit, approved, disputed, paid, cancelled';
COMMENT ON COLUMN freight_invoices.audit_status IS 'pending, matched, variance, failed';
COMMENT ON COLUMN freight_invoices.variance_amount IS 'Sum of freight_invoice_lines.variance_amount; positive: billed more than expected';
COMMENT ON COLUMN freight_invoices.payment_terms IS 'NET15, NET30, NET45, NET60';
COMMENT ON COLUMN freight_invoices.paid IS 'True when invoice_status is paid';
COMMENT ON COLUMN freight_invoices.payment_date IS 'NULL until paid';
COMMENT ON COLUMN freight_invoices.reconciled IS 'Agreed with genims_financial_db';

CREATE TABLE freight_invoice_lines (
    invoice_line_id    VARCHAR(50) PRIMARY KEY,
    invoice_id         VARCHAR(50) NOT NULL,
    line_number        INTEGER,
    shipment_id        VARCHAR(50),
    shipment_number    VARCHAR(50),
    tracking_number    VARCHAR(100),
    charge_type        VARCHAR(50),
    charge_description VARCHAR(200),
    charge_amount      DECIMAL(15,2),
    expected_amount    DECIMAL(15,2),
    variance_amount    DECIMAL(15,2),
    approved           BOOLEAN DEFAULT false,
    disputed           BOOLEAN DEFAULT false,
    dispute_reason     TEXT,
    created_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE freight_invoice_lines IS 'Charge rows of a carrier bill';
COMMENT ON COLUMN freight_invoice_lines.line_number IS 'From 1 in the invoice';
COMMENT ON COLUMN freight_invoice_lines.shipment_number IS 'Copy of shipments.shipment_number';
COMMENT ON COLUMN freight_invoice_lines.charge_type IS 'freight, fuel_surcharge, residential, signature, insurance, detention, other';
COMMENT ON COLUMN freight_invoice_lines.expected_amount IS 'By shipments and carrier_rates';
COMMENT ON COLUMN freight_invoice_lines.variance_amount IS 'variance_amount = charge_amount - expected_amount; positive: billed more than expected';
COMMENT ON COLUMN freight_invoice_lines.approved IS 'Never together with disputed';

CREATE TABLE wms_tms_sync_log (
    sync_id        VARCHAR(50) PRIMARY KEY,
    sync_timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    sync_direction VARCHAR(10),
    document_type  VARCHAR(50),
    document_id    VARCHAR(50),
    sync_status    VARCHAR(30),
    error_message  TEXT,
    sync_data      JSONB,
    retry_count    INTEGER DEFAULT 0,
    last_retry_at  TIMESTAMP
);
CREATE INDEX wms_tms_sync_log_sync_status_sync_timestamp_idx ON wms_tms_sync_log (sync_status, sync_timestamp);
COMMENT ON TABLE wms_tms_sync_log IS 'Messages exchanged between WMS and TMS';
COMMENT ON COLUMN wms_tms_sync_log.sync_direction IS 'inbound (from WMS), outbound (to WMS)';
COMMENT ON COLUMN wms_tms_sync_log.document_type IS 'shipping_task, packing_task, shipment, tracking_event, return_order';
COMMENT ON COLUMN wms_tms_sync_log.document_id IS 'Key of that document in the module it comes from';
COMMENT ON COLUMN wms_tms_sync_log.sync_status IS 'pending, success, failed, retrying';
COMMENT ON COLUMN wms_tms_sync_log.error_message IS 'NULL unless failed or retrying';
COMMENT ON COLUMN wms_tms_sync_log.sync_data IS 'The message';
