-- What every posting names: accounts, cost and profit centers, the fiscal calendar and the exchange rates.
-- Columns of existing tables are the contract with existing clients. Foreign keys are in V050.

CREATE TABLE chart_of_accounts (
    account_id           VARCHAR(50) PRIMARY KEY,
    account_code         VARCHAR(50) NOT NULL UNIQUE,
    account_name         VARCHAR(200) NOT NULL,
    parent_account_id    VARCHAR(50),
    account_level        INTEGER,
    account_type         VARCHAR(30) NOT NULL,
    account_subtype      VARCHAR(50),
    financial_statement  VARCHAR(30),
    normal_balance       VARCHAR(10),
    is_control_account   BOOLEAN DEFAULT false,
    allow_posting        BOOLEAN DEFAULT true,
    currency_code        VARCHAR(3) DEFAULT 'INR',
    allow_multi_currency BOOLEAN DEFAULT false,
    requires_cost_center BOOLEAN DEFAULT false,
    description          TEXT,
    is_active            BOOLEAN DEFAULT true,
    effective_date       DATE,
    inactive_date        DATE,
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE chart_of_accounts IS 'Chart of accounts of the group: hierarchy, nature and posting behaviour of each account';
COMMENT ON COLUMN chart_of_accounts.account_id IS 'ACC-110100 ...; ACC- and the account code';
COMMENT ON COLUMN chart_of_accounts.account_code IS 'Six digits by class: 1 assets, 2 liabilities, 3 equity, 4 revenue, 5 cost of sales, 6 operating expense, 7 other; genims_erp_db.general_ledger.gl_account holds the same code';
COMMENT ON COLUMN chart_of_accounts.parent_account_id IS 'Heading above; NULL for the classes themselves';
COMMENT ON COLUMN chart_of_accounts.account_level IS '1 class, 2 group, 3 account that can be posted to';
COMMENT ON COLUMN chart_of_accounts.account_type IS 'asset, liability, equity, revenue, expense';
COMMENT ON COLUMN chart_of_accounts.account_subtype IS 'cash, receivable, inventory, fixed_asset, accumulated_depreciation, payable, tax, accrual, loan, capital, retained_earnings, sales, cost_of_sales, operating_expense, depreciation, financial';
COMMENT ON COLUMN chart_of_accounts.financial_statement IS 'balance_sheet, income_statement';
COMMENT ON COLUMN chart_of_accounts.normal_balance IS 'debit, credit: the side on which the balance grows';
COMMENT ON COLUMN chart_of_accounts.is_control_account IS 'Posted only by a subledger: receivables, payables, fixed assets, inventory';
COMMENT ON COLUMN chart_of_accounts.allow_posting IS 'False for headings: no journal line may name them';
COMMENT ON COLUMN chart_of_accounts.requires_cost_center IS 'A journal line on this account must name a cost center';
COMMENT ON COLUMN chart_of_accounts.inactive_date IS 'First day without postings; NULL while in use';

CREATE TABLE cost_centers (
    cost_center_id          VARCHAR(50) PRIMARY KEY,
    cost_center_code        VARCHAR(50) NOT NULL UNIQUE,
    cost_center_name        VARCHAR(200) NOT NULL,
    parent_cost_center_id   VARCHAR(50),
    cost_center_type        VARCHAR(30),
    responsible_employee_id VARCHAR(50),
    factory_id              VARCHAR(50),
    department_id           VARCHAR(50),
    is_active               BOOLEAN DEFAULT true,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE cost_centers IS 'Cost responsibility units used for reporting; the same keys as genims_erp_db.cost_centers';
COMMENT ON COLUMN cost_centers.cost_center_id IS 'CC-0001 ...; as in genims_erp_db.cost_centers';
COMMENT ON COLUMN cost_centers.parent_cost_center_id IS 'NULL at the top';
COMMENT ON COLUMN cost_centers.cost_center_type IS 'production, maintenance, quality, logistics, administration, sales, research, utilities';
COMMENT ON COLUMN cost_centers.factory_id IS 'NULL for units of the head office';

CREATE TABLE profit_centers (
    profit_center_id         VARCHAR(50) PRIMARY KEY,
    profit_center_code       VARCHAR(50) NOT NULL UNIQUE,
    profit_center_name       VARCHAR(200) NOT NULL,
    parent_profit_center_id  VARCHAR(50),
    profit_center_type       VARCHAR(30) NOT NULL DEFAULT 'plant' CHECK (profit_center_type IN ('group', 'plant', 'product_category', 'service')),
    company_id               VARCHAR(50) NOT NULL,
    factory_id               VARCHAR(50),
    product_category         VARCHAR(100),
    responsible_employee_id  VARCHAR(50),
    revenue_account_id       VARCHAR(50),
    currency_code            VARCHAR(3) NOT NULL DEFAULT 'INR',
    target_margin_percentage DECIMAL(5,2) CHECK (target_margin_percentage BETWEEN -100 AND 100),
    valid_from               DATE NOT NULL,
    valid_to                 DATE,
    status                   VARCHAR(30) NOT NULL DEFAULT 'active' CHECK (status IN ('planned', 'active', 'closed')),
    description              TEXT,
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (valid_to >= valid_from),
    CHECK (parent_profit_center_id <> profit_center_id)
);
COMMENT ON TABLE profit_centers IS 'Result responsibility units: what earns revenue and bears its cost, by plant or product category';
COMMENT ON COLUMN profit_centers.profit_center_id IS 'PC-...';
COMMENT ON COLUMN profit_centers.profit_center_code IS 'genims_erp_db.general_ledger.profit_center holds this code';
COMMENT ON COLUMN profit_centers.parent_profit_center_id IS 'NULL at the top';
COMMENT ON COLUMN profit_centers.profit_center_type IS 'group, plant, product_category, service';
COMMENT ON COLUMN profit_centers.product_category IS 'As in genims_master_db.products.product_category; set when the type is product_category';
COMMENT ON COLUMN profit_centers.revenue_account_id IS 'Account on which its sales are posted';
COMMENT ON COLUMN profit_centers.target_margin_percentage IS 'Operating result as a share of revenue that is aimed at';
COMMENT ON COLUMN profit_centers.valid_to IS 'Last day of validity; NULL without end';

CREATE TABLE fiscal_years (
    fiscal_year_id VARCHAR(50) PRIMARY KEY,
    fiscal_year    INTEGER NOT NULL UNIQUE,
    start_date     DATE NOT NULL,
    end_date       DATE NOT NULL,
    year_status    VARCHAR(30) DEFAULT 'open',
    closed_date    DATE,
    closed_by      VARCHAR(50),
    created_at     TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE fiscal_years IS 'Financial years and closing state';
COMMENT ON COLUMN fiscal_years.fiscal_year_id IS 'FY-2025 ...';
COMMENT ON COLUMN fiscal_years.fiscal_year IS 'Named after the calendar year in which it starts: 2025 is 1 April 2025 to 31 March 2026';
COMMENT ON COLUMN fiscal_years.year_status IS 'open, closing, closed';
COMMENT ON COLUMN fiscal_years.closed_date IS 'NULL while open';

CREATE TABLE fiscal_periods (
    period_id     VARCHAR(50) PRIMARY KEY,
    fiscal_year   INTEGER NOT NULL,
    period_number INTEGER NOT NULL,
    period_name   VARCHAR(50),
    start_date    DATE NOT NULL,
    end_date      DATE NOT NULL,
    period_status VARCHAR(30) DEFAULT 'open',
    closed_date   DATE,
    closed_by     VARCHAR(50),
    allow_posting BOOLEAN DEFAULT true,
    created_at    TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX fiscal_periods_fiscal_year_idx ON fiscal_periods (fiscal_year, period_number);
CREATE INDEX fiscal_periods_start_date_idx ON fiscal_periods (start_date);
COMMENT ON TABLE fiscal_periods IS 'Months of a financial year and posting locks';
COMMENT ON COLUMN fiscal_periods.period_id IS 'FP-2025-01 ...';
COMMENT ON COLUMN fiscal_periods.period_number IS '1 to 12; 1 is April';
COMMENT ON COLUMN fiscal_periods.period_status IS 'open, closing, closed, locked';
COMMENT ON COLUMN fiscal_periods.closed_date IS 'NULL while open';
COMMENT ON COLUMN fiscal_periods.allow_posting IS 'False refuses journals with a posting date inside the period';

CREATE TABLE exchange_rates (
    rate_id        VARCHAR(50) PRIMARY KEY,
    from_currency  VARCHAR(3) NOT NULL,
    to_currency    VARCHAR(3) NOT NULL,
    effective_date DATE NOT NULL,
    exchange_rate  DECIMAL(12,6) NOT NULL,
    inverse_rate   DECIMAL(12,6),
    rate_type      VARCHAR(30) DEFAULT 'spot',
    created_at     TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX exchange_rates_pair_idx ON exchange_rates (from_currency, to_currency, effective_date);
COMMENT ON TABLE exchange_rates IS 'Currency conversion rates by date';
COMMENT ON COLUMN exchange_rates.from_currency IS 'ISO 4217';
COMMENT ON COLUMN exchange_rates.to_currency IS 'ISO 4217';
COMMENT ON COLUMN exchange_rates.effective_date IS 'First day of use; the rate of a day is the latest one not after it';
COMMENT ON COLUMN exchange_rates.exchange_rate IS 'Units of to_currency for one unit of from_currency';
COMMENT ON COLUMN exchange_rates.inverse_rate IS 'inverse_rate = 1 / exchange_rate';
COMMENT ON COLUMN exchange_rates.rate_type IS 'spot, average, closing, budget';

CREATE TABLE period_close_tasks (
    task_id          VARCHAR(50) PRIMARY KEY,
    fiscal_year      INTEGER NOT NULL,
    fiscal_period    INTEGER NOT NULL,
    task_sequence    INTEGER,
    task_name        VARCHAR(200) NOT NULL,
    task_description TEXT,
    task_status      VARCHAR(30) DEFAULT 'pending',
    started_at       TIMESTAMP,
    completed_at     TIMESTAMP,
    completed_by     VARCHAR(50),
    result_message   TEXT,
    created_at       TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX period_close_tasks_period_idx ON period_close_tasks (fiscal_year, fiscal_period, task_sequence);
COMMENT ON TABLE period_close_tasks IS 'Month-end checklist and progress: one row per task and period';
COMMENT ON COLUMN period_close_tasks.fiscal_period IS '1 to 12';
COMMENT ON COLUMN period_close_tasks.task_sequence IS 'Order of work within the close, from 1';
COMMENT ON COLUMN period_close_tasks.task_status IS 'pending, in_progress, completed, failed, skipped';
COMMENT ON COLUMN period_close_tasks.result_message IS 'What came out, or why it failed';
