-- What follows a billing document: its item lines, credits granted against it, and the payments that settle it.
-- Foreign keys of these tables are in V051.

CREATE TABLE customer_invoice_lines (
    customer_invoice_line_id VARCHAR(50) PRIMARY KEY,
    customer_invoice_id      VARCHAR(50) NOT NULL,
    line_number              INTEGER NOT NULL CHECK (line_number > 0),
    sales_order_line_id      VARCHAR(50),
    material_id              VARCHAR(50),
    product_id               VARCHAR(50),
    description              VARCHAR(500) NOT NULL,
    quantity                 DECIMAL(15,4) NOT NULL CHECK (quantity > 0),
    unit_of_measure          VARCHAR(20) NOT NULL,
    unit_price               DECIMAL(15,4) NOT NULL CHECK (unit_price >= 0),
    discount_percentage      DECIMAL(5,2) NOT NULL DEFAULT 0 CHECK (discount_percentage BETWEEN 0 AND 100),
    line_total               DECIMAL(15,2) NOT NULL CHECK (line_total >= 0),
    tax_code_id              VARCHAR(50),
    tax_amount               DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (tax_amount >= 0),
    gross_amount             DECIMAL(15,2) NOT NULL,
    currency                 VARCHAR(3) NOT NULL DEFAULT 'INR',
    cost_amount              DECIMAL(15,2) CHECK (cost_amount >= 0),
    plant_id                 VARCHAR(50),
    batch_number             VARCHAR(50),
    delivery_date            DATE,
    gl_account               VARCHAR(20),
    profit_center_id         VARCHAR(50),
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (customer_invoice_id, line_number),
    CHECK (gross_amount = line_total + tax_amount)
);
COMMENT ON TABLE customer_invoice_lines IS 'Item lines of a billing document';
COMMENT ON COLUMN customer_invoice_lines.sales_order_line_id IS 'Order line invoiced; NULL for services billed without order; freight is in the header';
COMMENT ON COLUMN customer_invoice_lines.material_id IS 'NULL for lines that are no goods';
COMMENT ON COLUMN customer_invoice_lines.unit_price IS 'Net, per unit_of_measure';
COMMENT ON COLUMN customer_invoice_lines.line_total IS 'line_total = quantity * unit_price * (1 - discount_percentage / 100), before tax; the lines sum to customer_invoices.subtotal';
COMMENT ON COLUMN customer_invoice_lines.tax_amount IS 'tax_amount = line_total * tax_codes.rate_percentage / 100';
COMMENT ON COLUMN customer_invoice_lines.gross_amount IS 'gross_amount = line_total + tax_amount';
COMMENT ON COLUMN customer_invoice_lines.currency IS 'Same as that of the billing document';
COMMENT ON COLUMN customer_invoice_lines.cost_amount IS 'Cost of the goods sold: quantity * standard unit cost; NULL for lines that are no goods';
COMMENT ON COLUMN customer_invoice_lines.gl_account IS 'Revenue account';

CREATE TABLE credit_memos (
    credit_memo_id           VARCHAR(50) PRIMARY KEY,
    credit_memo_number       VARCHAR(50) NOT NULL UNIQUE,
    customer_id              VARCHAR(50) NOT NULL,
    customer_invoice_id      VARCHAR(50) NOT NULL,
    customer_invoice_line_id VARCHAR(50),
    sales_order_id           VARCHAR(50),
    credit_memo_date         DATE NOT NULL,
    posting_date             DATE,
    reason_code              VARCHAR(30) NOT NULL CHECK (reason_code IN ('return', 'quality_defect', 'price_correction', 'quantity_difference', 'late_delivery', 'volume_rebate', 'goodwill', 'cancellation')),
    reason_description       TEXT,
    reference_number         VARCHAR(50),
    credited_quantity        DECIMAL(15,4) CHECK (credited_quantity > 0),
    unit_of_measure          VARCHAR(20),
    net_amount               DECIMAL(15,2) NOT NULL CHECK (net_amount > 0),
    tax_code_id              VARCHAR(50),
    tax_amount               DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (tax_amount >= 0),
    total_amount             DECIMAL(15,2) NOT NULL,
    applied_amount           DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (applied_amount >= 0),
    open_amount              DECIMAL(15,2) NOT NULL CHECK (open_amount >= 0),
    currency                 VARCHAR(3) NOT NULL DEFAULT 'INR',
    exchange_rate            DECIMAL(12,6) NOT NULL DEFAULT 1 CHECK (exchange_rate > 0),
    status                   VARCHAR(30) NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'pending_approval', 'posted', 'applied', 'refunded', 'cancelled')),
    journal_entry_id         VARCHAR(50),
    approved_by              VARCHAR(50),
    approved_date            DATE,
    created_by               VARCHAR(50),
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (posting_date >= credit_memo_date),
    CHECK (total_amount = net_amount + tax_amount),
    CHECK (open_amount = total_amount - applied_amount),
    CHECK (credited_quantity IS NULL OR unit_of_measure IS NOT NULL)
);
CREATE INDEX credit_memos_status_idx ON credit_memos (status, credit_memo_date);
COMMENT ON TABLE credit_memos IS 'Credits granted against billing documents; amounts are positive and lower what the buyer owes';
COMMENT ON COLUMN credit_memos.credit_memo_id IS 'CM-...';
COMMENT ON COLUMN credit_memos.customer_invoice_line_id IS 'Line credited; NULL when the credit is on the whole document';
COMMENT ON COLUMN credit_memos.posting_date IS 'NULL until posted';
COMMENT ON COLUMN credit_memos.reason_code IS 'return, quality_defect, price_correction, quantity_difference, late_delivery, volume_rebate, goodwill, cancellation';
COMMENT ON COLUMN credit_memos.reference_number IS 'Number of the complaint, return or claim behind it; NULL if none';
COMMENT ON COLUMN credit_memos.credited_quantity IS 'Quantity taken back or short; NULL for credits on price alone';
COMMENT ON COLUMN credit_memos.total_amount IS 'total_amount = net_amount + tax_amount';
COMMENT ON COLUMN credit_memos.applied_amount IS 'Sum of payment_allocations.allocated_amount with this credit as source, and refunds';
COMMENT ON COLUMN credit_memos.open_amount IS 'open_amount = total_amount - applied_amount';
COMMENT ON COLUMN credit_memos.journal_entry_id IS 'NULL until posted';

CREATE TABLE payment_allocations (
    payment_allocation_id  VARCHAR(50) PRIMARY KEY,
    allocation_number      VARCHAR(50) NOT NULL UNIQUE,
    payment_id             VARCHAR(50),
    credit_memo_id         VARCHAR(50),
    customer_invoice_id    VARCHAR(50),
    supplier_invoice_id    VARCHAR(50),
    allocation_date        DATE NOT NULL,
    allocated_amount       DECIMAL(15,2) NOT NULL CHECK (allocated_amount > 0),
    discount_amount        DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (discount_amount >= 0),
    withholding_tax_amount DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (withholding_tax_amount >= 0),
    write_off_amount       DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (write_off_amount >= 0),
    settled_amount         DECIMAL(15,2) NOT NULL,
    currency               VARCHAR(3) NOT NULL DEFAULT 'INR',
    exchange_rate          DECIMAL(12,6) NOT NULL DEFAULT 1 CHECK (exchange_rate > 0),
    exchange_gain_loss     DECIMAL(15,2) NOT NULL DEFAULT 0,
    invoice_balance_after  DECIMAL(15,2) NOT NULL CHECK (invoice_balance_after >= 0),
    allocation_method      VARCHAR(30) NOT NULL DEFAULT 'automatic' CHECK (allocation_method IN ('automatic', 'manual', 'oldest_first')),
    status                 VARCHAR(30) NOT NULL DEFAULT 'posted' CHECK (status IN ('posted', 'reversed')),
    reversed_date          DATE,
    journal_entry_id       VARCHAR(50),
    created_by             VARCHAR(50),
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (num_nonnulls(payment_id, credit_memo_id) = 1),
    CHECK (num_nonnulls(customer_invoice_id, supplier_invoice_id) = 1),
    CHECK (credit_memo_id IS NULL OR customer_invoice_id IS NOT NULL),
    CHECK (settled_amount = allocated_amount + discount_amount + withholding_tax_amount + write_off_amount),
    CHECK (reversed_date >= allocation_date),
    CHECK ((status = 'reversed') = (reversed_date IS NOT NULL))
);
CREATE INDEX payment_allocations_date_idx ON payment_allocations (allocation_date);
COMMENT ON TABLE payment_allocations IS 'How a payment or a credit settles individual invoices';
COMMENT ON COLUMN payment_allocations.payment_id IS 'Payment used; NULL when a credit is used';
COMMENT ON COLUMN payment_allocations.credit_memo_id IS 'Credit used; NULL when a payment is used';
COMMENT ON COLUMN payment_allocations.customer_invoice_id IS 'Invoice settled by money received; NULL for money paid';
COMMENT ON COLUMN payment_allocations.supplier_invoice_id IS 'Invoice settled by money paid; NULL for money received';
COMMENT ON COLUMN payment_allocations.allocated_amount IS 'Part of the payment or credit used, in the currency of the invoice';
COMMENT ON COLUMN payment_allocations.discount_amount IS 'Cash discount taken';
COMMENT ON COLUMN payment_allocations.withholding_tax_amount IS 'Withheld by the payer and owed to the tax office';
COMMENT ON COLUMN payment_allocations.write_off_amount IS 'Small difference given up';
COMMENT ON COLUMN payment_allocations.settled_amount IS 'settled_amount = allocated_amount + discount_amount + withholding_tax_amount + write_off_amount; posted rows sum to customer_invoices.paid_amount (payments) and credited_amount (credits)';
COMMENT ON COLUMN payment_allocations.exchange_gain_loss IS 'In the functional currency; positive is a gain';
COMMENT ON COLUMN payment_allocations.invoice_balance_after IS 'Open amount of the invoice after this row; 0 when settled';
COMMENT ON COLUMN payment_allocations.created_by IS 'NULL when matched by rule';
