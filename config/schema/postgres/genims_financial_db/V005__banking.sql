-- Bank accounts, the lines of their statements, and the matching of both with the books.
-- Amounts into the account are positive throughout; foreign keys are in V050.

CREATE TABLE bank_accounts (
    bank_account_id        VARCHAR(50) PRIMARY KEY,
    account_name           VARCHAR(200) NOT NULL,
    company_id             VARCHAR(50) NOT NULL,
    bank_name              VARCHAR(200) NOT NULL,
    bank_branch            VARCHAR(200),
    country                VARCHAR(100) NOT NULL,
    account_number         VARCHAR(50) NOT NULL UNIQUE,
    iban                   VARCHAR(34) UNIQUE,
    swift_code             VARCHAR(11),
    routing_code           VARCHAR(20),
    account_type           VARCHAR(30) NOT NULL DEFAULT 'current' CHECK (account_type IN ('current', 'cash_credit', 'payroll', 'term_deposit', 'foreign_currency')),
    currency_code          VARCHAR(3) NOT NULL DEFAULT 'INR',
    account_id             VARCHAR(50) NOT NULL,
    opening_balance        DECIMAL(15,2) NOT NULL DEFAULT 0,
    current_balance        DECIMAL(15,2) NOT NULL DEFAULT 0,
    overdraft_limit        DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (overdraft_limit >= 0),
    primary_signatory_id   VARCHAR(50),
    secondary_signatory_id VARCHAR(50),
    dual_signature_amount  DECIMAL(15,2) CHECK (dual_signature_amount > 0),
    is_default             BOOLEAN NOT NULL DEFAULT false,
    opened_date            DATE NOT NULL,
    closed_date            DATE,
    status                 VARCHAR(30) NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'dormant', 'blocked', 'closed')),
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (closed_date >= opened_date),
    CHECK (primary_signatory_id <> secondary_signatory_id),
    CHECK ((status = 'closed') = (closed_date IS NOT NULL))
);
COMMENT ON TABLE bank_accounts IS 'Company bank accounts and signatories';
COMMENT ON COLUMN bank_accounts.bank_account_id IS 'BA-...';
COMMENT ON COLUMN bank_accounts.iban IS 'NULL where the country has none';
COMMENT ON COLUMN bank_accounts.routing_code IS 'Domestic code of the branch: IFSC in India, ABA in the United States, sort code in Britain';
COMMENT ON COLUMN bank_accounts.account_type IS 'current, cash_credit, payroll, term_deposit, foreign_currency';
COMMENT ON COLUMN bank_accounts.account_id IS 'Cash account of the ledger that mirrors it, one per bank account';
COMMENT ON COLUMN bank_accounts.opening_balance IS 'Balance on opened_date or on the day the platform took over';
COMMENT ON COLUMN bank_accounts.current_balance IS 'current_balance = opening_balance + sum of bank_transactions.amount';
COMMENT ON COLUMN bank_accounts.overdraft_limit IS 'current_balance may fall to minus this';
COMMENT ON COLUMN bank_accounts.dual_signature_amount IS 'Payments from this amount on need both signatories; NULL never';
COMMENT ON COLUMN bank_accounts.is_default IS 'Used for payments of the company unless another is named';

CREATE TABLE bank_reconciliations (
    bank_reconciliation_id    VARCHAR(50) PRIMARY KEY,
    reconciliation_number     VARCHAR(50) NOT NULL UNIQUE,
    bank_account_id           VARCHAR(50) NOT NULL,
    fiscal_year               INTEGER NOT NULL,
    fiscal_period             INTEGER NOT NULL CHECK (fiscal_period BETWEEN 1 AND 12),
    statement_start_date      DATE NOT NULL,
    statement_end_date        DATE NOT NULL,
    currency_code             VARCHAR(3) NOT NULL DEFAULT 'INR',
    statement_opening_balance DECIMAL(15,2) NOT NULL,
    statement_closing_balance DECIMAL(15,2) NOT NULL,
    deposits_in_transit       DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (deposits_in_transit >= 0),
    outstanding_payments      DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (outstanding_payments >= 0),
    adjusted_bank_balance     DECIMAL(15,2) NOT NULL,
    book_balance              DECIMAL(15,2) NOT NULL,
    unrecorded_items          DECIMAL(15,2) NOT NULL DEFAULT 0,
    adjusted_book_balance     DECIMAL(15,2) NOT NULL,
    difference_amount         DECIMAL(15,2) NOT NULL,
    matched_count             INTEGER NOT NULL DEFAULT 0 CHECK (matched_count >= 0),
    unmatched_count           INTEGER NOT NULL DEFAULT 0 CHECK (unmatched_count >= 0),
    adjustment_journal_id     VARCHAR(50),
    status                    VARCHAR(30) NOT NULL DEFAULT 'in_progress' CHECK (status IN ('in_progress', 'balanced', 'approved', 'reopened')),
    prepared_by               VARCHAR(50),
    prepared_at               TIMESTAMP,
    approved_by               VARCHAR(50),
    approved_at               TIMESTAMP,
    notes                     TEXT,
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (bank_account_id, statement_end_date),
    CHECK (statement_end_date >= statement_start_date),
    CHECK (approved_at >= prepared_at),
    CHECK (adjusted_bank_balance = statement_closing_balance + deposits_in_transit - outstanding_payments),
    CHECK (adjusted_book_balance = book_balance + unrecorded_items),
    CHECK (difference_amount = adjusted_bank_balance - adjusted_book_balance),
    CHECK (status NOT IN ('balanced', 'approved') OR difference_amount = 0)
);
CREATE INDEX bank_reconciliations_fiscal_year_idx ON bank_reconciliations (fiscal_year, fiscal_period);
COMMENT ON TABLE bank_reconciliations IS 'Matching of bank statements to the books, one per bank account and statement period';
COMMENT ON COLUMN bank_reconciliations.bank_reconciliation_id IS 'BREC-...';
COMMENT ON COLUMN bank_reconciliations.statement_opening_balance IS 'Equals statement_closing_balance of the period before';
COMMENT ON COLUMN bank_reconciliations.statement_closing_balance IS 'statement_closing_balance = statement_opening_balance + sum of bank_transactions.amount of the period';
COMMENT ON COLUMN bank_reconciliations.deposits_in_transit IS 'In the books, not yet on the statement, money in';
COMMENT ON COLUMN bank_reconciliations.outstanding_payments IS 'In the books, not yet on the statement, money out';
COMMENT ON COLUMN bank_reconciliations.adjusted_bank_balance IS 'adjusted_bank_balance = statement_closing_balance + deposits_in_transit - outstanding_payments';
COMMENT ON COLUMN bank_reconciliations.book_balance IS 'Ending balance of the cash account, before adjustment';
COMMENT ON COLUMN bank_reconciliations.unrecorded_items IS 'On the statement, not yet in the books: interest positive, charges negative';
COMMENT ON COLUMN bank_reconciliations.adjusted_book_balance IS 'adjusted_book_balance = book_balance + unrecorded_items';
COMMENT ON COLUMN bank_reconciliations.difference_amount IS 'difference_amount = adjusted_bank_balance - adjusted_book_balance; 0 when balanced';
COMMENT ON COLUMN bank_reconciliations.matched_count IS 'Statement lines matched with the books';
COMMENT ON COLUMN bank_reconciliations.adjustment_journal_id IS 'Journal that records unrecorded_items; NULL when there were none';

CREATE TABLE bank_transactions (
    bank_transaction_id    VARCHAR(50) PRIMARY KEY,
    bank_account_id        VARCHAR(50) NOT NULL,
    statement_number       VARCHAR(50) NOT NULL,
    statement_line         INTEGER NOT NULL CHECK (statement_line > 0),
    transaction_date       DATE NOT NULL,
    value_date             DATE NOT NULL,
    transaction_type       VARCHAR(30) NOT NULL CHECK (transaction_type IN ('customer_receipt', 'supplier_payment', 'payroll', 'tax', 'bank_charge', 'interest', 'loan', 'transfer', 'other')),
    amount                 DECIMAL(15,2) NOT NULL CHECK (amount <> 0),
    currency_code          VARCHAR(3) NOT NULL DEFAULT 'INR',
    balance_after          DECIMAL(15,2) NOT NULL,
    bank_reference         VARCHAR(100),
    counterparty_name      VARCHAR(200),
    counterparty_account   VARCHAR(50),
    description            TEXT,
    match_status           VARCHAR(30) NOT NULL DEFAULT 'unmatched' CHECK (match_status IN ('unmatched', 'suggested', 'matched', 'ignored')),
    payment_id             VARCHAR(50),
    journal_line_id        VARCHAR(50),
    bank_reconciliation_id VARCHAR(50),
    matched_by             VARCHAR(50),
    matched_at             TIMESTAMP,
    import_file_name       VARCHAR(200),
    imported_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (bank_account_id, statement_number, statement_line),
    CHECK (match_status <> 'matched' OR payment_id IS NOT NULL OR journal_line_id IS NOT NULL)
);
CREATE INDEX bank_transactions_date_idx ON bank_transactions (bank_account_id, transaction_date);
CREATE INDEX bank_transactions_match_status_idx ON bank_transactions (match_status, transaction_date);
COMMENT ON TABLE bank_transactions IS 'Imported statement lines per bank account';
COMMENT ON COLUMN bank_transactions.bank_transaction_id IS 'BT-...';
COMMENT ON COLUMN bank_transactions.statement_number IS 'Number of the statement, per bank account';
COMMENT ON COLUMN bank_transactions.statement_line IS 'Position on the statement, from 1';
COMMENT ON COLUMN bank_transactions.value_date IS 'Day from which the bank counts interest';
COMMENT ON COLUMN bank_transactions.transaction_type IS 'customer_receipt, supplier_payment, payroll, tax, bank_charge, interest, loan, transfer, other';
COMMENT ON COLUMN bank_transactions.amount IS 'Positive into the account, negative out of it';
COMMENT ON COLUMN bank_transactions.balance_after IS 'balance_after = balance_after of the line before + amount';
COMMENT ON COLUMN bank_transactions.bank_reference IS 'Reference as transmitted: the invoice or payment number in good cases';
COMMENT ON COLUMN bank_transactions.match_status IS 'unmatched, suggested (found by rule, to be confirmed), matched, ignored (cancelled by the bank)';
COMMENT ON COLUMN bank_transactions.payment_id IS 'Payment that this line is; NULL for lines without payment document such as charges';
COMMENT ON COLUMN bank_transactions.journal_line_id IS 'Line on the cash account that this line is; NULL until posted';
COMMENT ON COLUMN bank_transactions.bank_reconciliation_id IS 'Reconciliation that took it in; NULL before';
