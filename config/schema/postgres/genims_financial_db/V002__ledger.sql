-- The general ledger: posting rules, journals, their totals by account and cost center, accruals, group dealings and the trail.
-- Columns of existing tables are the contract with existing clients. Foreign keys are in V050.

CREATE TABLE gl_posting_rules (
    rule_id              VARCHAR(50) PRIMARY KEY,
    rule_code            VARCHAR(50) NOT NULL UNIQUE,
    rule_name            VARCHAR(200) NOT NULL,
    transaction_type     VARCHAR(50) NOT NULL,
    transaction_subtype  VARCHAR(50),
    condition_rules      TEXT,
    debit_account_id     VARCHAR(50),
    credit_account_id    VARCHAR(50),
    amount_field         VARCHAR(100),
    description_template TEXT,
    effective_from       DATE,
    effective_to         DATE,
    rule_priority        INTEGER DEFAULT 10,
    is_active            BOOLEAN DEFAULT true,
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX gl_posting_rules_transaction_type_idx ON gl_posting_rules (transaction_type, rule_priority);
COMMENT ON TABLE gl_posting_rules IS 'Rules that turn business events into postings: which accounts to debit and credit';
COMMENT ON COLUMN gl_posting_rules.transaction_type IS 'goods_receipt, goods_issue, production_receipt, supplier_invoice, customer_invoice, payment_in, payment_out, payroll, depreciation, scrap, freight, maintenance, inventory_adjustment';
COMMENT ON COLUMN gl_posting_rules.transaction_subtype IS 'Finer case of the type, such as raw_material; NULL covers all';
COMMENT ON COLUMN gl_posting_rules.condition_rules IS 'Condition on the event under which the rule applies; NULL always';
COMMENT ON COLUMN gl_posting_rules.amount_field IS 'Field of the event that holds the amount';
COMMENT ON COLUMN gl_posting_rules.description_template IS 'Line text; {field} stands for a field of the event';
COMMENT ON COLUMN gl_posting_rules.effective_to IS 'Last day of validity; NULL without end';
COMMENT ON COLUMN gl_posting_rules.rule_priority IS 'The lowest number that applies wins';

CREATE TABLE journal_entry_headers (
    journal_entry_id         VARCHAR(50) PRIMARY KEY,
    journal_number           VARCHAR(50) NOT NULL UNIQUE,
    entry_type               VARCHAR(30) DEFAULT 'standard',
    source_type              VARCHAR(30),
    source_document_id       VARCHAR(50),
    posting_date             DATE NOT NULL,
    fiscal_year              INTEGER,
    fiscal_period            INTEGER,
    description              TEXT,
    reference                VARCHAR(100),
    total_debit              DECIMAL(15,2) DEFAULT 0,
    total_credit             DECIMAL(15,2) DEFAULT 0,
    currency_code            VARCHAR(3) DEFAULT 'INR',
    exchange_rate            DECIMAL(12,6) DEFAULT 1,
    functional_currency_code VARCHAR(3) DEFAULT 'INR',
    entry_status             VARCHAR(30) DEFAULT 'draft',
    posted                   BOOLEAN DEFAULT false,
    posted_by                VARCHAR(50),
    posted_at                TIMESTAMP,
    reversed                 BOOLEAN DEFAULT false,
    reversal_entry_id        VARCHAR(50),
    reversed_date            DATE,
    requires_approval        BOOLEAN DEFAULT false,
    approved                 BOOLEAN DEFAULT false,
    approved_by              VARCHAR(50),
    approved_at              TIMESTAMP,
    created_by               VARCHAR(50),
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX journal_entry_headers_fiscal_year_idx ON journal_entry_headers (fiscal_year, fiscal_period, entry_status);
CREATE INDEX journal_entry_headers_posting_date_idx ON journal_entry_headers (posting_date);
CREATE INDEX journal_entry_headers_source_idx ON journal_entry_headers (source_type, source_document_id);
COMMENT ON TABLE journal_entry_headers IS 'Journal documents with period and approval; debits equal credits once posted';
COMMENT ON COLUMN journal_entry_headers.journal_entry_id IS 'JE-2025-000001 ...';
COMMENT ON COLUMN journal_entry_headers.entry_type IS 'standard, adjusting, accrual, reversing, recurring, opening, closing';
COMMENT ON COLUMN journal_entry_headers.source_type IS 'manual, inventory, production, accounts_payable, accounts_receivable, payroll, fixed_assets, bank, intercompany, allocation, tax';
COMMENT ON COLUMN journal_entry_headers.source_document_id IS 'Key of the document that caused it, in the table that source_type implies; NULL for manual ones';
COMMENT ON COLUMN journal_entry_headers.posting_date IS 'Day on which it counts; lies inside the fiscal period named';
COMMENT ON COLUMN journal_entry_headers.fiscal_year IS 'As in fiscal_years; the year that holds posting_date';
COMMENT ON COLUMN journal_entry_headers.fiscal_period IS '1 to 12; the period that holds posting_date';
COMMENT ON COLUMN journal_entry_headers.reference IS 'Number printed on the source document';
COMMENT ON COLUMN journal_entry_headers.total_debit IS 'total_debit = sum of journal_entry_lines.debit_amount, in currency_code';
COMMENT ON COLUMN journal_entry_headers.total_credit IS 'total_credit = sum of journal_entry_lines.credit_amount; equals total_debit';
COMMENT ON COLUMN journal_entry_headers.exchange_rate IS 'Units of functional_currency_code for one unit of currency_code';
COMMENT ON COLUMN journal_entry_headers.functional_currency_code IS 'Currency of the books of the company';
COMMENT ON COLUMN journal_entry_headers.entry_status IS 'draft, pending_approval, approved, posted, reversed, rejected';
COMMENT ON COLUMN journal_entry_headers.posted IS 'True when entry_status is posted or reversed; only these count in balances';
COMMENT ON COLUMN journal_entry_headers.posted_by IS 'NULL when the platform posted it by rule';
COMMENT ON COLUMN journal_entry_headers.reversed IS 'True when reversal_entry_id cancels this entry';
COMMENT ON COLUMN journal_entry_headers.reversal_entry_id IS 'Journal with swapped sides that cancels this one; NULL if none';
COMMENT ON COLUMN journal_entry_headers.created_by IS 'NULL when the platform raised it by rule';

CREATE TABLE journal_entry_lines (
    line_id           VARCHAR(50) PRIMARY KEY,
    journal_entry_id  VARCHAR(50) NOT NULL,
    line_number       INTEGER,
    account_id        VARCHAR(50) NOT NULL,
    debit_amount      DECIMAL(15,2) DEFAULT 0,
    credit_amount     DECIMAL(15,2) DEFAULT 0,
    currency_code     VARCHAR(3) DEFAULT 'INR',
    exchange_rate     DECIMAL(12,6) DEFAULT 1,
    functional_debit  DECIMAL(15,2) DEFAULT 0,
    functional_credit DECIMAL(15,2) DEFAULT 0,
    cost_center_id    VARCHAR(50),
    department_id     VARCHAR(50),
    factory_id        VARCHAR(50),
    line_description  TEXT,
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE journal_entry_lines IS 'Debit and credit rows of a journal';
COMMENT ON COLUMN journal_entry_lines.line_id IS 'JEL-...';
COMMENT ON COLUMN journal_entry_lines.line_number IS 'Position within the journal, from 1';
COMMENT ON COLUMN journal_entry_lines.debit_amount IS 'In currency_code, never negative; one of debit and credit is 0';
COMMENT ON COLUMN journal_entry_lines.credit_amount IS 'In currency_code, never negative; one of debit and credit is 0';
COMMENT ON COLUMN journal_entry_lines.functional_debit IS 'functional_debit = debit_amount * exchange_rate';
COMMENT ON COLUMN journal_entry_lines.functional_credit IS 'functional_credit = credit_amount * exchange_rate';
COMMENT ON COLUMN journal_entry_lines.cost_center_id IS 'Set when the account requires one';

CREATE TABLE account_balances (
    balance_id        VARCHAR(50) PRIMARY KEY,
    account_id        VARCHAR(50) NOT NULL,
    fiscal_year       INTEGER NOT NULL,
    fiscal_period     INTEGER NOT NULL,
    cost_center_id    VARCHAR(50),
    beginning_balance DECIMAL(15,2) DEFAULT 0,
    period_debit      DECIMAL(15,2) DEFAULT 0,
    period_credit     DECIMAL(15,2) DEFAULT 0,
    ending_balance    DECIMAL(15,2) DEFAULT 0,
    ytd_debit         DECIMAL(15,2) DEFAULT 0,
    ytd_credit        DECIMAL(15,2) DEFAULT 0,
    period_budget     DECIMAL(15,2) DEFAULT 0,
    ytd_budget        DECIMAL(15,2) DEFAULT 0,
    last_updated      TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX account_balances_fiscal_year_idx ON account_balances (fiscal_year, fiscal_period, account_id);
COMMENT ON TABLE account_balances IS 'Period totals per account, in the functional currency, debit positive';
COMMENT ON COLUMN account_balances.fiscal_period IS '1 to 12';
COMMENT ON COLUMN account_balances.cost_center_id IS 'NULL for the total of the account';
COMMENT ON COLUMN account_balances.beginning_balance IS 'Debit positive, credit negative; equals ending_balance of the period before, 0 in period 1 of income statement accounts';
COMMENT ON COLUMN account_balances.period_debit IS 'Sum of functional_debit of the posted lines of the period';
COMMENT ON COLUMN account_balances.period_credit IS 'Sum of functional_credit of the posted lines of the period';
COMMENT ON COLUMN account_balances.ending_balance IS 'ending_balance = beginning_balance + period_debit - period_credit';
COMMENT ON COLUMN account_balances.ytd_debit IS 'Sum of period_debit from period 1 to this one';
COMMENT ON COLUMN account_balances.ytd_credit IS 'Sum of period_credit from period 1 to this one';
COMMENT ON COLUMN account_balances.period_budget IS 'Budget of the account for the period, from budget_lines, debit positive';
COMMENT ON COLUMN account_balances.ytd_budget IS 'Sum of period_budget from period 1 to this one';

CREATE TABLE cost_center_balances (
    cost_center_balance_id VARCHAR(50) PRIMARY KEY,
    cost_center_id         VARCHAR(50) NOT NULL,
    account_id             VARCHAR(50) NOT NULL,
    fiscal_year            INTEGER NOT NULL,
    fiscal_period          INTEGER NOT NULL CHECK (fiscal_period BETWEEN 1 AND 12),
    currency_code          VARCHAR(3) NOT NULL DEFAULT 'INR',
    primary_amount         DECIMAL(15,2) NOT NULL DEFAULT 0,
    allocated_in_amount    DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (allocated_in_amount >= 0),
    allocated_out_amount   DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (allocated_out_amount >= 0),
    actual_amount          DECIMAL(15,2) NOT NULL DEFAULT 0,
    budget_amount          DECIMAL(15,2) NOT NULL DEFAULT 0,
    commitment_amount      DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (commitment_amount >= 0),
    variance_amount        DECIMAL(15,2) NOT NULL DEFAULT 0,
    variance_percentage    DECIMAL(9,2),
    ytd_actual_amount      DECIMAL(15,2) NOT NULL DEFAULT 0,
    ytd_budget_amount      DECIMAL(15,2) NOT NULL DEFAULT 0,
    is_final               BOOLEAN NOT NULL DEFAULT false,
    last_posting_date      DATE,
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (cost_center_id, account_id, fiscal_year, fiscal_period)
);
CREATE INDEX cost_center_balances_fiscal_year_idx ON cost_center_balances (fiscal_year, fiscal_period);
COMMENT ON TABLE cost_center_balances IS 'Period totals per cost center and account: cost incurred, received and passed on, against budget';
COMMENT ON COLUMN cost_center_balances.primary_amount IS 'functional_debit - functional_credit of the posted lines, without allocations; cost positive';
COMMENT ON COLUMN cost_center_balances.allocated_in_amount IS 'Sum of cost_allocations.allocated_amount in which this is the receiver';
COMMENT ON COLUMN cost_center_balances.allocated_out_amount IS 'Sum of cost_allocations.allocated_amount in which this is the sender';
COMMENT ON COLUMN cost_center_balances.actual_amount IS 'actual_amount = primary_amount + allocated_in_amount - allocated_out_amount';
COMMENT ON COLUMN cost_center_balances.budget_amount IS 'Period column of budget_lines of the approved budget';
COMMENT ON COLUMN cost_center_balances.commitment_amount IS 'Ordered but not yet invoiced';
COMMENT ON COLUMN cost_center_balances.variance_amount IS 'variance_amount = budget_amount - actual_amount; negative is overspent';
COMMENT ON COLUMN cost_center_balances.variance_percentage IS 'variance_percentage = variance_amount / budget_amount * 100; NULL without budget';
COMMENT ON COLUMN cost_center_balances.ytd_actual_amount IS 'Sum of actual_amount from period 1 to this one';
COMMENT ON COLUMN cost_center_balances.ytd_budget_amount IS 'Sum of budget_amount from period 1 to this one';
COMMENT ON COLUMN cost_center_balances.is_final IS 'True once the period is closed';
COMMENT ON COLUMN cost_center_balances.last_posting_date IS 'NULL without postings';

CREATE TABLE accruals (
    accrual_id                VARCHAR(50) PRIMARY KEY,
    accrual_number            VARCHAR(50) NOT NULL UNIQUE,
    accrual_type              VARCHAR(30) NOT NULL CHECK (accrual_type IN ('expense', 'revenue')),
    description               VARCHAR(500) NOT NULL,
    accrual_date              DATE NOT NULL,
    fiscal_year               INTEGER NOT NULL,
    fiscal_period             INTEGER NOT NULL CHECK (fiscal_period BETWEEN 1 AND 12),
    account_id                VARCHAR(50) NOT NULL,
    offset_account_id         VARCHAR(50) NOT NULL,
    cost_center_id            VARCHAR(50),
    factory_id                VARCHAR(50),
    supplier_id               VARCHAR(50),
    customer_id               VARCHAR(50),
    amount                    DECIMAL(15,2) NOT NULL CHECK (amount > 0),
    currency_code             VARCHAR(3) NOT NULL DEFAULT 'INR',
    exchange_rate             DECIMAL(12,6) NOT NULL DEFAULT 1 CHECK (exchange_rate > 0),
    functional_amount         DECIMAL(15,2) NOT NULL,
    calculation_basis         TEXT,
    source_document_type      VARCHAR(30) CHECK (source_document_type IN ('goods_receipt', 'purchase_order', 'contract', 'work_order', 'shipment', 'payroll', 'utility_reading', 'estimate')),
    source_document_id        VARCHAR(50),
    journal_entry_id          VARCHAR(50),
    auto_reverse              BOOLEAN NOT NULL DEFAULT true,
    reversal_date             DATE,
    reversal_journal_entry_id VARCHAR(50),
    status                    VARCHAR(30) NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'posted', 'reversed', 'cancelled')),
    created_by                VARCHAR(50),
    approved_by               VARCHAR(50),
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (reversal_date > accrual_date),
    CHECK (account_id <> offset_account_id),
    CHECK (status NOT IN ('posted', 'reversed') OR journal_entry_id IS NOT NULL),
    CHECK (status <> 'reversed' OR reversal_journal_entry_id IS NOT NULL)
);
CREATE INDEX accruals_fiscal_year_idx ON accruals (fiscal_year, fiscal_period, status);
COMMENT ON TABLE accruals IS 'Expenses or income recognised ahead of documents, and their reversal once the document is there';
COMMENT ON COLUMN accruals.accrual_date IS 'Last day of the period that bears the amount';
COMMENT ON COLUMN accruals.account_id IS 'Expense or revenue account';
COMMENT ON COLUMN accruals.offset_account_id IS 'Balance sheet account: accrued liabilities or accrued income';
COMMENT ON COLUMN accruals.supplier_id IS 'From whom an invoice is awaited; NULL for revenue and for internal cost';
COMMENT ON COLUMN accruals.customer_id IS 'To whom an invoice is still to be written; NULL for expense';
COMMENT ON COLUMN accruals.functional_amount IS 'functional_amount = amount * exchange_rate';
COMMENT ON COLUMN accruals.calculation_basis IS 'How the amount was found, in words';
COMMENT ON COLUMN accruals.source_document_type IS 'goods_receipt, purchase_order, contract, work_order, shipment, payroll, utility_reading, estimate';
COMMENT ON COLUMN accruals.source_document_id IS 'Key in the table that source_document_type implies; NULL for estimates';
COMMENT ON COLUMN accruals.journal_entry_id IS 'Posting of the accrual; NULL until posted';
COMMENT ON COLUMN accruals.auto_reverse IS 'Reversed by itself on reversal_date';
COMMENT ON COLUMN accruals.reversal_date IS 'Usually the first day of the next period';

CREATE TABLE inter_company_transactions (
    transaction_id          VARCHAR(50) PRIMARY KEY,
    transaction_number      VARCHAR(50) NOT NULL UNIQUE,
    from_company_id         VARCHAR(50),
    to_company_id           VARCHAR(50),
    transaction_type        VARCHAR(50),
    transaction_date        DATE NOT NULL,
    amount                  DECIMAL(15,2) NOT NULL,
    currency_code           VARCHAR(3) DEFAULT 'INR',
    from_company_journal_id VARCHAR(50),
    to_company_journal_id   VARCHAR(50),
    reconciled              BOOLEAN DEFAULT false,
    reconciled_date         DATE,
    description             TEXT,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX inter_company_transactions_date_idx ON inter_company_transactions (transaction_date);
COMMENT ON TABLE inter_company_transactions IS 'Dealings between group entities, with the journal on either side';
COMMENT ON COLUMN inter_company_transactions.from_company_id IS 'Company that delivers or lends';
COMMENT ON COLUMN inter_company_transactions.to_company_id IS 'Company that receives or borrows; differs from from_company_id';
COMMENT ON COLUMN inter_company_transactions.transaction_type IS 'goods_sale, service, loan, interest, cost_recharge, royalty, dividend';
COMMENT ON COLUMN inter_company_transactions.amount IS 'Positive: to_company owes it to from_company';
COMMENT ON COLUMN inter_company_transactions.from_company_journal_id IS 'NULL until posted in its books';
COMMENT ON COLUMN inter_company_transactions.to_company_journal_id IS 'NULL until posted in its books';
COMMENT ON COLUMN inter_company_transactions.reconciled IS 'True when both journals are posted with the same amount';

CREATE TABLE gl_audit_trail (
    audit_id        VARCHAR(50) PRIMARY KEY,
    audit_timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    action_type     VARCHAR(30),
    entity_type     VARCHAR(50),
    entity_id       VARCHAR(50),
    old_values      JSONB,
    new_values      JSONB,
    user_id         VARCHAR(50),
    user_name       VARCHAR(200),
    ip_address      VARCHAR(50),
    session_id      VARCHAR(100)
);
CREATE INDEX gl_audit_trail_entity_idx ON gl_audit_trail (entity_type, entity_id);
CREATE INDEX gl_audit_trail_timestamp_idx ON gl_audit_trail (audit_timestamp);
COMMENT ON TABLE gl_audit_trail IS 'Who changed which ledger record; rows are only added';
COMMENT ON COLUMN gl_audit_trail.action_type IS 'create, update, delete, approve, post, reverse, close, reopen';
COMMENT ON COLUMN gl_audit_trail.entity_type IS 'Table of the record: journal_entry_headers, chart_of_accounts, fiscal_periods, budget_headers ...';
COMMENT ON COLUMN gl_audit_trail.entity_id IS 'Primary key of the record in that table';
COMMENT ON COLUMN gl_audit_trail.old_values IS 'Columns that changed, before; NULL for create';
COMMENT ON COLUMN gl_audit_trail.new_values IS 'Columns that changed, after; NULL for delete';
COMMENT ON COLUMN gl_audit_trail.user_id IS 'NULL when the platform itself acted';
