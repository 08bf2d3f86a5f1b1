-- Billing documents, money received or paid, and the postings that the ERP raises. The books themselves
-- are in genims_financial_db; supplier invoices are in genims_supplier_db.

CREATE TABLE general_ledger (
    gl_transaction_id  VARCHAR(50) PRIMARY KEY,
    document_number    VARCHAR(50),
    document_type      VARCHAR(10),
    posting_date       DATE NOT NULL,
    document_date      DATE NOT NULL,
    gl_account         VARCHAR(20) NOT NULL,
    company_code       VARCHAR(10) NOT NULL,
    debit_amount       DECIMAL(15,2),
    credit_amount      DECIMAL(15,2),
    currency           VARCHAR(3) DEFAULT 'INR',
    cost_center_id     VARCHAR(50),
    profit_center      VARCHAR(50),
    reference_document VARCHAR(50),
    assignment         VARCHAR(50),
    text               TEXT,
    posting_key        VARCHAR(2),
    transaction_code   VARCHAR(10),
    source_system      VARCHAR(50),
    source_document_id VARCHAR(50),
    fiscal_year        INTEGER,
    fiscal_period      INTEGER,
    cleared            BOOLEAN DEFAULT false,
    clearing_document  VARCHAR(50),
    clearing_date      DATE,
    created_by         VARCHAR(50),
    created_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX general_ledger_posting_date_idx ON general_ledger (posting_date);
CREATE INDEX general_ledger_gl_account_posting_date_idx ON general_ledger (gl_account, posting_date);
CREATE INDEX general_ledger_document_number_idx ON general_ledger (document_number);
COMMENT ON TABLE general_ledger IS 'Ledger postings raised inside the ERP, one row per account and document';
COMMENT ON COLUMN general_ledger.document_number IS 'Rows of one document share it; their debits equal their credits';
COMMENT ON COLUMN general_ledger.document_type IS 'SA general, RE supplier invoice, KZ supplier payment, RV customer invoice, DZ customer payment, WE goods receipt, WA goods issue, AB clearing';
COMMENT ON COLUMN general_ledger.company_code IS 'Legal entity';
COMMENT ON COLUMN general_ledger.debit_amount IS 'In currency; NULL or 0 on a credit row';
COMMENT ON COLUMN general_ledger.credit_amount IS 'In currency, positive; NULL or 0 on a debit row';
COMMENT ON COLUMN general_ledger.cost_center_id IS 'NULL on balance sheet accounts';
COMMENT ON COLUMN general_ledger.profit_center IS 'NULL on balance sheet accounts';
COMMENT ON COLUMN general_ledger.reference_document IS 'Number of the business document: po_number, gr_number, invoice_number ...';
COMMENT ON COLUMN general_ledger.assignment IS 'Sort key: order, delivery or contract number';
COMMENT ON COLUMN general_ledger.posting_key IS '40 debit, 50 credit; 01 and 11 customers, 21 and 31 suppliers, 89 and 99 stock';
COMMENT ON COLUMN general_ledger.transaction_code IS 'Transaction that posted it: MIGO, MIRO, VF01, F-28, F-53 ...';
COMMENT ON COLUMN general_ledger.source_system IS 'ERP, MES, WMS, MAINTENANCE, HR';
COMMENT ON COLUMN general_ledger.source_document_id IS 'Key of the document in source_system';
COMMENT ON COLUMN general_ledger.fiscal_year IS 'Starts in April: 2025 is April 2025 to March 2026';
COMMENT ON COLUMN general_ledger.fiscal_period IS '1 to 12, 1 is April';
COMMENT ON COLUMN general_ledger.cleared IS 'Open item was settled';
COMMENT ON COLUMN general_ledger.clearing_document IS 'document_number that settled it; NULL: open';
COMMENT ON COLUMN general_ledger.clearing_date IS 'NULL: open';

CREATE TABLE customer_invoices (
    customer_invoice_id VARCHAR(50) PRIMARY KEY,
    invoice_number      VARCHAR(50) NOT NULL UNIQUE,
    invoice_type        VARCHAR(30) NOT NULL DEFAULT 'standard',
    customer_id         VARCHAR(50) NOT NULL,
    sales_order_id      VARCHAR(50),
    shipment_id         VARCHAR(50),
    customer_po_number  VARCHAR(50),
    invoice_date        DATE NOT NULL,
    due_date            DATE NOT NULL,
    payment_term_id     VARCHAR(50),
    currency            VARCHAR(3) NOT NULL DEFAULT 'INR',
    exchange_rate       DECIMAL(12,6) NOT NULL DEFAULT 1,
    subtotal            DECIMAL(15,2) NOT NULL,
    discount_amount     DECIMAL(15,2) NOT NULL DEFAULT 0,
    freight_charges     DECIMAL(15,2) NOT NULL DEFAULT 0,
    tax_amount          DECIMAL(15,2) NOT NULL DEFAULT 0,
    total_amount        DECIMAL(15,2) NOT NULL,
    paid_amount         DECIMAL(15,2) NOT NULL DEFAULT 0,
    credited_amount     DECIMAL(15,2) NOT NULL DEFAULT 0,
    balance_due         DECIMAL(15,2) NOT NULL,
    status              VARCHAR(30) NOT NULL DEFAULT 'draft',
    paid_date           DATE,
    journal_entry_id    VARCHAR(50),
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (invoice_type IN ('standard', 'down_payment', 'debit_note', 'proforma')),
    CHECK (status IN ('draft', 'issued', 'partially_paid', 'paid', 'overdue', 'disputed', 'cancelled')),
    CHECK (due_date >= invoice_date AND paid_date >= invoice_date),
    CHECK (exchange_rate > 0),
    CHECK (subtotal >= 0 AND discount_amount >= 0 AND freight_charges >= 0 AND tax_amount >= 0),
    CHECK (total_amount = subtotal - discount_amount + freight_charges + tax_amount),
    CHECK (paid_amount >= 0 AND credited_amount >= 0 AND balance_due = total_amount - paid_amount - credited_amount),
    CHECK (status <> 'paid' OR (balance_due = 0 AND paid_date IS NOT NULL))
);
CREATE INDEX customer_invoices_status_due_date_idx ON customer_invoices (status, due_date);
CREATE INDEX customer_invoices_customer_id_invoice_date_idx ON customer_invoices (customer_id, invoice_date);
CREATE INDEX customer_invoices_invoice_date_idx ON customer_invoices (invoice_date);
COMMENT ON TABLE customer_invoices IS 'Billing documents issued to buyers';
COMMENT ON COLUMN customer_invoices.customer_invoice_id IS 'CIN-000001 ...';
COMMENT ON COLUMN customer_invoices.invoice_number IS 'Number on the tax invoice, without gaps per fiscal year';
COMMENT ON COLUMN customer_invoices.invoice_type IS 'standard, down_payment, debit_note, proforma (not posted)';
COMMENT ON COLUMN customer_invoices.sales_order_id IS 'NULL: billed without order or for several';
COMMENT ON COLUMN customer_invoices.shipment_id IS 'Delivery that is billed';
COMMENT ON COLUMN customer_invoices.customer_po_number IS 'As on the sales order';
COMMENT ON COLUMN customer_invoices.due_date IS 'invoice_date + days of the payment term';
COMMENT ON COLUMN customer_invoices.exchange_rate IS 'INR for one unit of currency';
COMMENT ON COLUMN customer_invoices.subtotal IS 'Sum of the lines without tax, after line discounts';
COMMENT ON COLUMN customer_invoices.discount_amount IS 'Discount on the whole invoice, positive';
COMMENT ON COLUMN customer_invoices.tax_amount IS 'Sum of the tax of the lines';
COMMENT ON COLUMN customer_invoices.total_amount IS 'subtotal - discount_amount + freight_charges + tax_amount';
COMMENT ON COLUMN customer_invoices.paid_amount IS 'Sum of payment_allocations, cash discounts included';
COMMENT ON COLUMN customer_invoices.credited_amount IS 'Sum of credit_memos';
COMMENT ON COLUMN customer_invoices.balance_due IS 'total_amount - paid_amount - credited_amount';
COMMENT ON COLUMN customer_invoices.status IS 'draft, issued, partially_paid, paid, overdue, disputed, cancelled';
COMMENT ON COLUMN customer_invoices.paid_date IS 'Day the balance became 0; NULL: open';
COMMENT ON COLUMN customer_invoices.journal_entry_id IS 'Posting in the ledger; NULL: not posted';

CREATE TABLE payments (
    payment_id         VARCHAR(50) PRIMARY KEY,
    payment_number     VARCHAR(50) NOT NULL UNIQUE,
    payment_type       VARCHAR(30) NOT NULL,
    customer_id        VARCHAR(50),
    supplier_id        VARCHAR(50),
    payment_method     VARCHAR(30) NOT NULL,
    payment_date       DATE NOT NULL,
    value_date         DATE,
    currency           VARCHAR(3) NOT NULL DEFAULT 'INR',
    exchange_rate      DECIMAL(12,6) NOT NULL DEFAULT 1,
    amount             DECIMAL(15,2) NOT NULL,
    discount_amount    DECIMAL(15,2) NOT NULL DEFAULT 0,
    bank_charges       DECIMAL(15,2) NOT NULL DEFAULT 0,
    allocated_amount   DECIMAL(15,2) NOT NULL DEFAULT 0,
    unallocated_amount DECIMAL(15,2) NOT NULL,
    bank_account_id    VARCHAR(50),
    reference_number   VARCHAR(100),
    journal_entry_id   VARCHAR(50),
    approved_by        VARCHAR(50),
    approved_at        TIMESTAMP,
    status             VARCHAR(30) NOT NULL DEFAULT 'draft',
    remarks            TEXT,
    created_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (payment_type IN ('customer_receipt', 'customer_refund', 'supplier_payment', 'supplier_refund')),
    CHECK ((payment_type IN ('customer_receipt', 'customer_refund') AND customer_id IS NOT NULL AND supplier_id IS NULL) OR (payment_type IN ('supplier_payment', 'supplier_refund') AND supplier_id IS NOT NULL AND customer_id IS NULL)),
    CHECK (payment_method IN ('bank_transfer', 'cheque', 'card', 'direct_debit', 'letter_of_credit', 'cash')),
    CHECK (amount > 0 AND exchange_rate > 0 AND discount_amount >= 0 AND bank_charges >= 0),
    CHECK (allocated_amount BETWEEN 0 AND amount AND unallocated_amount = amount - allocated_amount),
    CHECK (payment_method = 'cash' OR bank_account_id IS NOT NULL),
    CHECK (value_date >= payment_date),
    CHECK (status <> 'cleared' OR value_date IS NOT NULL),
    CHECK (status IN ('draft', 'approved', 'posted', 'cleared', 'returned', 'cancelled'))
);
CREATE INDEX payments_payment_date_idx ON payments (payment_date);
CREATE INDEX payments_status_payment_date_idx ON payments (status, payment_date);
COMMENT ON TABLE payments IS 'Money received or paid, AR and AP';
COMMENT ON COLUMN payments.payment_id IS 'PAY-000001 ...; payment_id of genims_supplier_db.supplier_invoices';
COMMENT ON COLUMN payments.payment_type IS 'customer_receipt and supplier_refund come in, supplier_payment and customer_refund go out';
COMMENT ON COLUMN payments.customer_id IS 'Set for customer types only';
COMMENT ON COLUMN payments.supplier_id IS 'Set for supplier types only';
COMMENT ON COLUMN payments.payment_method IS 'bank_transfer, cheque, card, direct_debit, letter_of_credit, cash';
COMMENT ON COLUMN payments.value_date IS 'Day the bank counts it; NULL: not cleared';
COMMENT ON COLUMN payments.exchange_rate IS 'INR for one unit of currency';
COMMENT ON COLUMN payments.amount IS 'Money moved, always positive; payment_type tells the direction';
COMMENT ON COLUMN payments.discount_amount IS 'Cash discount taken on the settled invoices, on top of amount';
COMMENT ON COLUMN payments.bank_charges IS 'Borne by us, not part of amount';
COMMENT ON COLUMN payments.allocated_amount IS 'Part of amount set against invoices; supplier types: supplier_invoices that name the payment';
COMMENT ON COLUMN payments.unallocated_amount IS 'amount - allocated_amount: payment on account';
COMMENT ON COLUMN payments.bank_account_id IS 'Own account; NULL: cash';
COMMENT ON COLUMN payments.reference_number IS 'Reference of the bank: UTR, SWIFT or cheque number';
COMMENT ON COLUMN payments.journal_entry_id IS 'Posting in the ledger; NULL: not posted';
COMMENT ON COLUMN payments.approved_by IS 'Releases outgoing money; NULL on receipts';
COMMENT ON COLUMN payments.status IS 'draft, approved, posted, cleared, returned, cancelled';
