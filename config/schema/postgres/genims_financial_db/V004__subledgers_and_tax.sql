-- Open items of suppliers and customers, and the tax returns that follow from them.
-- Each open item is one row of a control account; foreign keys are in V050.

CREATE TABLE accounts_payable_items (
    accounts_payable_item_id VARCHAR(50) PRIMARY KEY,
    document_number          VARCHAR(50) NOT NULL UNIQUE,
    document_type            VARCHAR(30) NOT NULL CHECK (document_type IN ('invoice', 'credit_memo', 'down_payment', 'payment', 'refund')),
    company_id               VARCHAR(50) NOT NULL,
    supplier_id              VARCHAR(50) NOT NULL,
    supplier_invoice_id      VARCHAR(50),
    payment_id               VARCHAR(50),
    account_id               VARCHAR(50) NOT NULL,
    journal_entry_id         VARCHAR(50),
    document_date            DATE NOT NULL,
    posting_date             DATE NOT NULL,
    due_date                 DATE NOT NULL,
    currency_code            VARCHAR(3) NOT NULL DEFAULT 'INR',
    exchange_rate            DECIMAL(12,6) NOT NULL DEFAULT 1 CHECK (exchange_rate > 0),
    original_amount          DECIMAL(15,2) NOT NULL CHECK (original_amount <> 0),
    cleared_amount           DECIMAL(15,2) NOT NULL DEFAULT 0,
    open_amount              DECIMAL(15,2) NOT NULL,
    functional_amount        DECIMAL(15,2) NOT NULL,
    discount_date            DATE,
    discount_amount          DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (discount_amount >= 0),
    withholding_tax_amount   DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (withholding_tax_amount >= 0),
    payment_block            VARCHAR(30) CHECK (payment_block IN ('price_variance', 'quantity_variance', 'quality_hold', 'dispute', 'manual')),
    cleared_by_item_id       VARCHAR(50),
    clearing_date            DATE,
    status                   VARCHAR(30) NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'partially_cleared', 'cleared', 'reversed')),
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (due_date >= document_date),
    CHECK (discount_date BETWEEN document_date AND due_date),
    CHECK (clearing_date >= posting_date),
    CHECK (open_amount = original_amount - cleared_amount),
    CHECK (status <> 'cleared' OR (open_amount = 0 AND clearing_date IS NOT NULL)),
    CHECK ((document_type IN ('invoice', 'refund')) = (original_amount > 0)),
    CHECK (cleared_amount * original_amount >= 0 AND abs(cleared_amount) <= abs(original_amount))
);
CREATE INDEX accounts_payable_items_status_idx ON accounts_payable_items (status, due_date);
COMMENT ON TABLE accounts_payable_items IS 'Open and cleared vendor ledger items: one row per document on the payables control account';
COMMENT ON COLUMN accounts_payable_items.accounts_payable_item_id IS 'API-...';
COMMENT ON COLUMN accounts_payable_items.document_number IS 'Number in the subledger; not the number of the supplier';
COMMENT ON COLUMN accounts_payable_items.document_type IS 'invoice, credit_memo, down_payment, payment, refund (money back from the supplier)';
COMMENT ON COLUMN accounts_payable_items.supplier_invoice_id IS 'Invoice behind an item of type invoice or credit_memo; NULL otherwise';
COMMENT ON COLUMN accounts_payable_items.payment_id IS 'Payment behind an item of type payment, down_payment or refund; NULL otherwise';
COMMENT ON COLUMN accounts_payable_items.account_id IS 'Control account of payables';
COMMENT ON COLUMN accounts_payable_items.due_date IS 'Last day to pay without delay';
COMMENT ON COLUMN accounts_payable_items.original_amount IS 'Positive when the company owes it (invoice, refund), negative when it lowers the debt (credit_memo, down_payment, payment)';
COMMENT ON COLUMN accounts_payable_items.cleared_amount IS 'Part settled so far; same sign as original_amount';
COMMENT ON COLUMN accounts_payable_items.open_amount IS 'open_amount = original_amount - cleared_amount';
COMMENT ON COLUMN accounts_payable_items.functional_amount IS 'functional_amount = original_amount * exchange_rate';
COMMENT ON COLUMN accounts_payable_items.discount_date IS 'Last day for the cash discount; NULL without discount';
COMMENT ON COLUMN accounts_payable_items.discount_amount IS 'Cash discount if paid by discount_date';
COMMENT ON COLUMN accounts_payable_items.withholding_tax_amount IS 'Income tax withheld on paying and owed to the tax office';
COMMENT ON COLUMN accounts_payable_items.payment_block IS 'Why it must not be paid yet: price_variance, quantity_variance, quality_hold, dispute, manual; NULL when free';
COMMENT ON COLUMN accounts_payable_items.cleared_by_item_id IS 'Item on the other side that settled it last; NULL while open';
COMMENT ON COLUMN accounts_payable_items.clearing_date IS 'Day on which open_amount became 0; NULL until then';

CREATE TABLE accounts_receivable_items (
    accounts_receivable_item_id VARCHAR(50) PRIMARY KEY,
    document_number             VARCHAR(50) NOT NULL UNIQUE,
    document_type               VARCHAR(30) NOT NULL CHECK (document_type IN ('invoice', 'debit_note', 'credit_memo', 'down_payment', 'payment', 'refund')),
    company_id                  VARCHAR(50) NOT NULL,
    customer_id                 VARCHAR(50) NOT NULL,
    customer_invoice_id         VARCHAR(50),
    credit_memo_id              VARCHAR(50),
    payment_id                  VARCHAR(50),
    account_id                  VARCHAR(50) NOT NULL,
    journal_entry_id            VARCHAR(50),
    document_date               DATE NOT NULL,
    posting_date                DATE NOT NULL,
    due_date                    DATE NOT NULL,
    currency_code               VARCHAR(3) NOT NULL DEFAULT 'INR',
    exchange_rate               DECIMAL(12,6) NOT NULL DEFAULT 1 CHECK (exchange_rate > 0),
    original_amount             DECIMAL(15,2) NOT NULL CHECK (original_amount <> 0),
    cleared_amount              DECIMAL(15,2) NOT NULL DEFAULT 0,
    open_amount                 DECIMAL(15,2) NOT NULL,
    functional_amount           DECIMAL(15,2) NOT NULL,
    discount_date               DATE,
    discount_amount             DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (discount_amount >= 0),
    dunning_level               INTEGER NOT NULL DEFAULT 0 CHECK (dunning_level BETWEEN 0 AND 4),
    last_dunning_date           DATE,
    dispute_reason              VARCHAR(30) CHECK (dispute_reason IN ('price', 'quantity', 'quality', 'delivery', 'duplicate', 'other')),
    collector_employee_id       VARCHAR(50),
    cleared_by_item_id          VARCHAR(50),
    clearing_date               DATE,
    status                      VARCHAR(30) NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'partially_cleared', 'cleared', 'written_off', 'reversed')),
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (due_date >= document_date),
    CHECK (discount_date BETWEEN document_date AND due_date),
    CHECK (clearing_date >= posting_date),
    CHECK (open_amount = original_amount - cleared_amount),
    CHECK (status <> 'cleared' OR (open_amount = 0 AND clearing_date IS NOT NULL)),
    CHECK ((document_type IN ('invoice', 'debit_note', 'refund')) = (original_amount > 0)),
    CHECK (cleared_amount * original_amount >= 0 AND abs(cleared_amount) <= abs(original_amount))
);
CREATE INDEX accounts_receivable_items_status_idx ON accounts_receivable_items (status, due_date);
COMMENT ON TABLE accounts_receivable_items IS 'Open and cleared customer ledger items: one row per document on the receivables control account';
COMMENT ON COLUMN accounts_receivable_items.accounts_receivable_item_id IS 'ARI-...';
COMMENT ON COLUMN accounts_receivable_items.document_number IS 'Number in the subledger';
COMMENT ON COLUMN accounts_receivable_items.document_type IS 'invoice, debit_note, credit_memo, down_payment, payment, refund (money back to the customer)';
COMMENT ON COLUMN accounts_receivable_items.customer_invoice_id IS 'Billing document behind an item of type invoice or debit_note; NULL otherwise';
COMMENT ON COLUMN accounts_receivable_items.credit_memo_id IS 'Credit behind an item of type credit_memo; NULL otherwise';
COMMENT ON COLUMN accounts_receivable_items.payment_id IS 'Payment behind an item of type payment, down_payment or refund; NULL otherwise';
COMMENT ON COLUMN accounts_receivable_items.account_id IS 'Control account of receivables';
COMMENT ON COLUMN accounts_receivable_items.original_amount IS 'Positive when the customer owes it (invoice, debit_note, refund), negative when it lowers the debt (credit_memo, down_payment, payment)';
COMMENT ON COLUMN accounts_receivable_items.cleared_amount IS 'Part settled so far; same sign as original_amount';
COMMENT ON COLUMN accounts_receivable_items.open_amount IS 'open_amount = original_amount - cleared_amount';
COMMENT ON COLUMN accounts_receivable_items.functional_amount IS 'functional_amount = original_amount * exchange_rate';
COMMENT ON COLUMN accounts_receivable_items.discount_date IS 'Last day for the cash discount; NULL without discount';
COMMENT ON COLUMN accounts_receivable_items.dunning_level IS 'Reminders sent so far: 0 none, 4 handed to legal';
COMMENT ON COLUMN accounts_receivable_items.last_dunning_date IS 'NULL without reminder';
COMMENT ON COLUMN accounts_receivable_items.dispute_reason IS 'price, quantity, quality, delivery, duplicate, other; NULL when not disputed';
COMMENT ON COLUMN accounts_receivable_items.collector_employee_id IS 'Who follows it up; NULL when not overdue';
COMMENT ON COLUMN accounts_receivable_items.cleared_by_item_id IS 'Item on the other side that settled it last; NULL while open';
COMMENT ON COLUMN accounts_receivable_items.clearing_date IS 'Day on which open_amount became 0; NULL until then';

CREATE TABLE tax_filings (
    tax_filing_id            VARCHAR(50) PRIMARY KEY,
    filing_number            VARCHAR(50) NOT NULL UNIQUE,
    company_id               VARCHAR(50) NOT NULL,
    tax_type                 VARCHAR(30) NOT NULL CHECK (tax_type IN ('gst', 'vat', 'sales_tax', 'withholding_tax', 'income_tax', 'customs_duty')),
    jurisdiction             VARCHAR(100) NOT NULL,
    tax_registration_number  VARCHAR(50) NOT NULL,
    return_form              VARCHAR(50) NOT NULL,
    period_start_date        DATE NOT NULL,
    period_end_date          DATE NOT NULL,
    fiscal_year              INTEGER NOT NULL,
    currency_code            VARCHAR(3) NOT NULL DEFAULT 'INR',
    taxable_sales_amount     DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (taxable_sales_amount >= 0),
    taxable_purchases_amount DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (taxable_purchases_amount >= 0),
    output_tax_amount        DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (output_tax_amount >= 0),
    input_tax_amount         DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (input_tax_amount >= 0),
    adjustment_amount        DECIMAL(15,2) NOT NULL DEFAULT 0,
    net_tax_amount           DECIMAL(15,2) NOT NULL DEFAULT 0,
    interest_amount          DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (interest_amount >= 0),
    penalty_amount           DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (penalty_amount >= 0),
    paid_amount              DECIMAL(15,2) NOT NULL DEFAULT 0,
    due_date                 DATE NOT NULL,
    submitted_date           DATE,
    acknowledgement_number   VARCHAR(100),
    status                   VARCHAR(30) NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'in_review', 'submitted', 'accepted', 'rejected', 'amended', 'paid')),
    journal_entry_id         VARCHAR(50),
    amends_filing_id         VARCHAR(50),
    prepared_by              VARCHAR(50),
    approved_by              VARCHAR(50),
    notes                    TEXT,
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (period_end_date >= period_start_date),
    CHECK (due_date > period_end_date),
    CHECK (submitted_date > period_end_date),
    CHECK (net_tax_amount = output_tax_amount - input_tax_amount + adjustment_amount),
    CHECK (status IN ('draft', 'in_review') OR submitted_date IS NOT NULL)
);
CREATE INDEX tax_filings_status_idx ON tax_filings (status, due_date);
CREATE INDEX tax_filings_company_id_idx ON tax_filings (company_id, tax_type, period_start_date);
COMMENT ON TABLE tax_filings IS 'Tax return periods, amounts and submission: one row per company, tax, form and period';
COMMENT ON COLUMN tax_filings.tax_filing_id IS 'TAX-...';
COMMENT ON COLUMN tax_filings.tax_type IS 'gst, vat, sales_tax, withholding_tax, income_tax, customs_duty';
COMMENT ON COLUMN tax_filings.jurisdiction IS 'Country, or country and state: IN, IN-MH, DE, US-TX';
COMMENT ON COLUMN tax_filings.return_form IS 'Form as the tax office names it: GSTR-3B, 26Q, UStVA';
COMMENT ON COLUMN tax_filings.fiscal_year IS 'Year of the company that holds period_end_date';
COMMENT ON COLUMN tax_filings.taxable_sales_amount IS 'Net amount of the taxed sales; the base of output_tax_amount';
COMMENT ON COLUMN tax_filings.taxable_purchases_amount IS 'Net amount of the taxed purchases; the base of input_tax_amount';
COMMENT ON COLUMN tax_filings.output_tax_amount IS 'Tax on sales, or tax withheld';
COMMENT ON COLUMN tax_filings.input_tax_amount IS 'Tax on purchases that can be reclaimed';
COMMENT ON COLUMN tax_filings.adjustment_amount IS 'Corrections of earlier periods; positive raises the tax';
COMMENT ON COLUMN tax_filings.net_tax_amount IS 'net_tax_amount = output_tax_amount - input_tax_amount + adjustment_amount; negative is a refund';
COMMENT ON COLUMN tax_filings.paid_amount IS 'Paid so far: net_tax_amount + interest_amount + penalty_amount once status is paid; negative for a refund received';
COMMENT ON COLUMN tax_filings.submitted_date IS 'NULL until submitted';
COMMENT ON COLUMN tax_filings.acknowledgement_number IS 'Receipt of the tax office; NULL until accepted';
COMMENT ON COLUMN tax_filings.journal_entry_id IS 'Posting that moves the tax accounts to the tax office; NULL until posted';
COMMENT ON COLUMN tax_filings.amends_filing_id IS 'Earlier return that this one corrects; NULL for a first return';
