-- Supplier invoices, their lines, and the matching of order, receipt and invoice.
-- Variances are invoice minus order (price) and invoice minus receipt (quantity): positive means charged too much.

CREATE TABLE supplier_invoices (
    invoice_id              VARCHAR(50) PRIMARY KEY,
    invoice_number          VARCHAR(50) NOT NULL,
    supplier_invoice_number VARCHAR(50) NOT NULL,
    supplier_id             VARCHAR(50) NOT NULL,
    purchase_order_id       VARCHAR(50),
    invoice_date            DATE NOT NULL,
    due_date                DATE NOT NULL,
    subtotal                DECIMAL(15,2) NOT NULL,
    tax_amount              DECIMAL(15,2) DEFAULT 0,
    freight_charges         DECIMAL(15,2) DEFAULT 0,
    other_charges           DECIMAL(15,2) DEFAULT 0,
    discount_amount         DECIMAL(15,2) DEFAULT 0,
    total_amount            DECIMAL(15,2) NOT NULL,
    currency_code           VARCHAR(3) DEFAULT 'INR',
    exchange_rate           DECIMAL(12,6) DEFAULT 1.0,
    payment_terms           VARCHAR(100),
    matching_status         VARCHAR(30) DEFAULT 'pending',
    po_match                BOOLEAN DEFAULT false,
    receipt_match           BOOLEAN DEFAULT false,
    price_match             BOOLEAN DEFAULT false,
    quantity_match          BOOLEAN DEFAULT false,
    quantity_variance       DECIMAL(15,4) DEFAULT 0,
    price_variance          DECIMAL(15,2) DEFAULT 0,
    total_variance          DECIMAL(15,2) DEFAULT 0,
    variance_reason         TEXT,
    variance_approved_by    VARCHAR(50),
    variance_approved_date  DATE,
    invoice_status          VARCHAR(30) DEFAULT 'received',
    approved_by             VARCHAR(50),
    approved_date           DATE,
    approval_notes          TEXT,
    payment_status          VARCHAR(30) DEFAULT 'pending',
    payment_id              VARCHAR(50),
    paid_date               DATE,
    paid_amount             DECIMAL(15,2),
    gl_journal_entry_id     VARCHAR(50),
    gl_posted               BOOLEAN DEFAULT false,
    invoice_document_url    TEXT,
    submitted_via           VARCHAR(30) DEFAULT 'portal',
    submitted_by            VARCHAR(50),
    submitted_at            TIMESTAMP,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX supplier_invoices_supplier_id_invoice_date_idx ON supplier_invoices (supplier_id, invoice_date);
CREATE INDEX supplier_invoices_invoice_status_due_date_idx ON supplier_invoices (invoice_status, due_date);
CREATE INDEX supplier_invoices_purchase_order_id_idx ON supplier_invoices (purchase_order_id);
COMMENT ON TABLE supplier_invoices IS 'Supplier invoices with match, approval and payment state';
COMMENT ON COLUMN supplier_invoices.invoice_id IS 'SIN-000001 ...';
COMMENT ON COLUMN supplier_invoices.invoice_number IS 'AP-2026-00001: number given on receipt';
COMMENT ON COLUMN supplier_invoices.supplier_invoice_number IS 'Number printed by the supplier; once per supplier, a second time is a duplicate';
COMMENT ON COLUMN supplier_invoices.due_date IS 'invoice_date plus the days of payment_terms';
COMMENT ON COLUMN supplier_invoices.subtotal IS 'Sum of line_total of the lines';
COMMENT ON COLUMN supplier_invoices.total_amount IS 'subtotal + tax_amount + freight_charges + other_charges - discount_amount';
COMMENT ON COLUMN supplier_invoices.exchange_rate IS 'INR per unit of currency_code on invoice_date';
COMMENT ON COLUMN supplier_invoices.payment_terms IS 'NET30, NET45, NET60, NET90';
COMMENT ON COLUMN supplier_invoices.matching_status IS 'pending, matched, variance, approved_variance, failed';
COMMENT ON COLUMN supplier_invoices.po_match IS 'The order exists and belongs to the supplier';
COMMENT ON COLUMN supplier_invoices.receipt_match IS 'Every line has a receipt';
COMMENT ON COLUMN supplier_invoices.price_match IS 'Every unit price is within tolerance of the order';
COMMENT ON COLUMN supplier_invoices.quantity_match IS 'No line charges more than was received, within tolerance';
COMMENT ON COLUMN supplier_invoices.quantity_variance IS 'Sum of quantity_variance of the lines';
COMMENT ON COLUMN supplier_invoices.price_variance IS 'Sum of price_variance of the lines';
COMMENT ON COLUMN supplier_invoices.total_variance IS 'Sum over the lines of line_total - received_quantity * po_unit_price';
COMMENT ON COLUMN supplier_invoices.variance_approved_by IS 'NULL unless matching_status is approved_variance';
COMMENT ON COLUMN supplier_invoices.invoice_status IS 'received, under_review, approved, disputed, rejected, paid, cancelled';
COMMENT ON COLUMN supplier_invoices.payment_status IS 'pending, scheduled, paid, partially_paid, on_hold';
COMMENT ON COLUMN supplier_invoices.payment_id IS 'NULL before payment';
COMMENT ON COLUMN supplier_invoices.paid_amount IS 'At most total_amount; NULL before payment';
COMMENT ON COLUMN supplier_invoices.gl_journal_entry_id IS 'Journal entry of the invoice; NULL unless gl_posted';
COMMENT ON COLUMN supplier_invoices.submitted_via IS 'portal, email, edi, paper';
COMMENT ON COLUMN supplier_invoices.submitted_by IS 'Portal user when submitted_via is portal, otherwise the employee who keyed it in';

CREATE TABLE supplier_invoice_lines (
    line_id            VARCHAR(50) PRIMARY KEY,
    invoice_id         VARCHAR(50) NOT NULL,
    line_number        INTEGER NOT NULL,
    po_line_id         VARCHAR(50),
    receipt_line_id    VARCHAR(50),
    material_id        VARCHAR(50),
    line_description   TEXT NOT NULL,
    invoiced_quantity  DECIMAL(15,4) NOT NULL,
    unit_of_measure    VARCHAR(20),
    unit_price         DECIMAL(15,4) NOT NULL,
    line_total         DECIMAL(15,2) NOT NULL,
    po_quantity        DECIMAL(15,4),
    received_quantity  DECIMAL(15,4),
    po_unit_price      DECIMAL(15,4),
    quantity_variance  DECIMAL(15,4) DEFAULT 0,
    price_variance     DECIMAL(15,2) DEFAULT 0,
    match_status       VARCHAR(30) DEFAULT 'pending',
    expense_account_id VARCHAR(50),
    created_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE supplier_invoice_lines IS 'Item rows of a supplier invoice, beside what was ordered and received';
COMMENT ON COLUMN supplier_invoice_lines.line_id IS 'SINL-0000001 ...; one row per invoice_id and line_number';
COMMENT ON COLUMN supplier_invoice_lines.line_number IS 'From 1 in each invoice';
COMMENT ON COLUMN supplier_invoice_lines.po_line_id IS 'NULL for a charge without order';
COMMENT ON COLUMN supplier_invoice_lines.receipt_line_id IS 'NULL before receipt, or for a service';
COMMENT ON COLUMN supplier_invoice_lines.material_id IS 'That of the order line; NULL for a service or charge';
COMMENT ON COLUMN supplier_invoice_lines.line_total IS 'invoiced_quantity * unit_price, to 2 places; tax is in the header';
COMMENT ON COLUMN supplier_invoice_lines.po_quantity IS 'genims_erp_db.purchase_order_lines.order_quantity';
COMMENT ON COLUMN supplier_invoice_lines.received_quantity IS 'Accepted at receipt, in unit_of_measure; NULL before receipt';
COMMENT ON COLUMN supplier_invoice_lines.po_unit_price IS 'genims_erp_db.purchase_order_lines.unit_price';
COMMENT ON COLUMN supplier_invoice_lines.quantity_variance IS 'invoiced_quantity - received_quantity';
COMMENT ON COLUMN supplier_invoice_lines.price_variance IS '(unit_price - po_unit_price) * invoiced_quantity, to 2 places';
COMMENT ON COLUMN supplier_invoice_lines.match_status IS 'pending, matched, quantity_variance, price_variance, unmatched';
COMMENT ON COLUMN supplier_invoice_lines.expense_account_id IS 'Account debited; NULL for stock material, which goes to the goods received account';

CREATE TABLE three_way_match_log (
    log_id           VARCHAR(50) PRIMARY KEY,
    invoice_id       VARCHAR(50) NOT NULL,
    match_timestamp  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    match_type       VARCHAR(30),
    po_id            VARCHAR(50),
    receipt_id       VARCHAR(50),
    match_result     VARCHAR(30),
    expected_amount  DECIMAL(15,2),
    actual_amount    DECIMAL(15,2),
    variance_amount  DECIMAL(15,2),
    variance_pct     DECIMAL(5,2),
    within_tolerance BOOLEAN DEFAULT false,
    tolerance_pct    DECIMAL(5,2) DEFAULT 2.0,
    action_taken     VARCHAR(30),
    notes            TEXT
);
CREATE INDEX three_way_match_log_match_result_match_timestamp_idx ON three_way_match_log (match_result, match_timestamp);
COMMENT ON TABLE three_way_match_log IS 'Results of order, receipt and invoice matching, one row per comparison';
COMMENT ON COLUMN three_way_match_log.log_id IS 'TWM-0000001 ...';
COMMENT ON COLUMN three_way_match_log.match_type IS 'two_way (order and invoice), three_way (order, receipt and invoice)';
COMMENT ON COLUMN three_way_match_log.po_id IS 'Purchase order of the invoice';
COMMENT ON COLUMN three_way_match_log.receipt_id IS 'Goods receipt compared; NULL for two_way';
COMMENT ON COLUMN three_way_match_log.match_result IS 'matched, variance, failed';
COMMENT ON COLUMN three_way_match_log.expected_amount IS 'Three-way: received quantity * order price; two-way: order value';
COMMENT ON COLUMN three_way_match_log.actual_amount IS 'Invoice amount before tax and charges';
COMMENT ON COLUMN three_way_match_log.variance_amount IS 'actual_amount - expected_amount';
COMMENT ON COLUMN three_way_match_log.variance_pct IS 'variance_amount / expected_amount * 100';
COMMENT ON COLUMN three_way_match_log.within_tolerance IS 'abs(variance_pct) <= tolerance_pct';
COMMENT ON COLUMN three_way_match_log.action_taken IS 'auto_approved, sent_for_review, rejected, held';
