-- Budgets: layouts, versions and monthly figures; and the stored financial statements.
-- Columns of existing tables are the contract with existing clients. Foreign keys are in V050.

CREATE TABLE budget_templates (
    budget_template_id   VARCHAR(50) PRIMARY KEY,
    template_code        VARCHAR(50) NOT NULL UNIQUE,
    template_name        VARCHAR(200) NOT NULL,
    description          TEXT,
    budget_type          VARCHAR(30) NOT NULL CHECK (budget_type IN ('operating', 'capital', 'production', 'cash', 'project')),
    account_code_from    VARCHAR(50) NOT NULL,
    account_code_to      VARCHAR(50) NOT NULL,
    cost_center_type     VARCHAR(30),
    distribution_method  VARCHAR(30) NOT NULL DEFAULT 'equal' CHECK (distribution_method IN ('equal', 'seasonal', 'prior_year', 'working_days')),
    base_fiscal_year     INTEGER,
    growth_percentage    DECIMAL(7,2) NOT NULL DEFAULT 0 CHECK (growth_percentage > -100),
    period_01_percentage DECIMAL(7,4) NOT NULL CHECK (period_01_percentage >= 0),
    period_02_percentage DECIMAL(7,4) NOT NULL CHECK (period_02_percentage >= 0),
    period_03_percentage DECIMAL(7,4) NOT NULL CHECK (period_03_percentage >= 0),
    period_04_percentage DECIMAL(7,4) NOT NULL CHECK (period_04_percentage >= 0),
    period_05_percentage DECIMAL(7,4) NOT NULL CHECK (period_05_percentage >= 0),
    period_06_percentage DECIMAL(7,4) NOT NULL CHECK (period_06_percentage >= 0),
    period_07_percentage DECIMAL(7,4) NOT NULL CHECK (period_07_percentage >= 0),
    period_08_percentage DECIMAL(7,4) NOT NULL CHECK (period_08_percentage >= 0),
    period_09_percentage DECIMAL(7,4) NOT NULL CHECK (period_09_percentage >= 0),
    period_10_percentage DECIMAL(7,4) NOT NULL CHECK (period_10_percentage >= 0),
    period_11_percentage DECIMAL(7,4) NOT NULL CHECK (period_11_percentage >= 0),
    period_12_percentage DECIMAL(7,4) NOT NULL CHECK (period_12_percentage >= 0),
    currency_code        VARCHAR(3) NOT NULL DEFAULT 'INR',
    owner_employee_id    VARCHAR(50),
    status               VARCHAR(30) NOT NULL DEFAULT 'active' CHECK (status IN ('draft', 'active', 'retired')),
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (account_code_from <= account_code_to),
    CHECK (period_01_percentage + period_02_percentage + period_03_percentage
        + period_04_percentage + period_05_percentage + period_06_percentage
        + period_07_percentage + period_08_percentage + period_09_percentage
        + period_10_percentage + period_11_percentage + period_12_percentage = 100)
);
COMMENT ON TABLE budget_templates IS 'Reusable budget layouts: which accounts and cost centers a budget covers and how a year is spread over its months';
COMMENT ON COLUMN budget_templates.budget_type IS 'operating, capital, production, cash, project';
COMMENT ON COLUMN budget_templates.account_code_from IS 'First account code covered';
COMMENT ON COLUMN budget_templates.account_code_to IS 'Last account code covered';
COMMENT ON COLUMN budget_templates.cost_center_type IS 'Cost centers covered, as cost_centers.cost_center_type; NULL for all';
COMMENT ON COLUMN budget_templates.distribution_method IS 'How the twelve shares were found: equal, seasonal, prior_year, working_days';
COMMENT ON COLUMN budget_templates.base_fiscal_year IS 'Year whose actual figures are the starting point; NULL when budgeted from zero';
COMMENT ON COLUMN budget_templates.growth_percentage IS 'Change applied to the base figures';
COMMENT ON COLUMN budget_templates.period_01_percentage IS 'Share of the year in period 1; the twelve shares sum to 100';

CREATE TABLE budget_headers (
    budget_id      VARCHAR(50) PRIMARY KEY,
    budget_code    VARCHAR(50) NOT NULL UNIQUE,
    budget_name    VARCHAR(200) NOT NULL,
    fiscal_year    INTEGER NOT NULL,
    budget_type    VARCHAR(30),
    budget_version INTEGER DEFAULT 1,
    is_approved    BOOLEAN DEFAULT false,
    budget_status  VARCHAR(30) DEFAULT 'draft',
    approved_by    VARCHAR(50),
    approved_date  DATE,
    created_at     TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX budget_headers_fiscal_year_idx ON budget_headers (fiscal_year, budget_status);
COMMENT ON TABLE budget_headers IS 'Budget versions and approval';
COMMENT ON COLUMN budget_headers.budget_type IS 'operating, capital, production, cash, project';
COMMENT ON COLUMN budget_headers.budget_version IS 'From 1; a revision of a budget has the next number and an own budget_code';
COMMENT ON COLUMN budget_headers.is_approved IS 'True when budget_status is approved or active';
COMMENT ON COLUMN budget_headers.budget_status IS 'draft, submitted, approved, active, closed, rejected';
COMMENT ON COLUMN budget_headers.approved_date IS 'NULL until approved';

CREATE TABLE budget_lines (
    budget_line_id VARCHAR(50) PRIMARY KEY,
    budget_id      VARCHAR(50) NOT NULL,
    account_id     VARCHAR(50) NOT NULL,
    cost_center_id VARCHAR(50),
    period_01      DECIMAL(15,2) DEFAULT 0,
    period_02      DECIMAL(15,2) DEFAULT 0,
    period_03      DECIMAL(15,2) DEFAULT 0,
    period_04      DECIMAL(15,2) DEFAULT 0,
    period_05      DECIMAL(15,2) DEFAULT 0,
    period_06      DECIMAL(15,2) DEFAULT 0,
    period_07      DECIMAL(15,2) DEFAULT 0,
    period_08      DECIMAL(15,2) DEFAULT 0,
    period_09      DECIMAL(15,2) DEFAULT 0,
    period_10      DECIMAL(15,2) DEFAULT 0,
    period_11      DECIMAL(15,2) DEFAULT 0,
    period_12      DECIMAL(15,2) DEFAULT 0,
    annual_total   DECIMAL(15,2) DEFAULT 0,
    notes          TEXT,
    created_at     TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE budget_lines IS 'Monthly budget per account and cost center, in the functional currency';
COMMENT ON COLUMN budget_lines.cost_center_id IS 'NULL for accounts that need none';
COMMENT ON COLUMN budget_lines.period_01 IS 'April, first month of the fiscal year; cost and revenue are both positive';
COMMENT ON COLUMN budget_lines.period_12 IS 'March, last month of the fiscal year';
COMMENT ON COLUMN budget_lines.annual_total IS 'annual_total = period_01 + ... + period_12';

CREATE TABLE financial_statements (
    statement_id     VARCHAR(50) PRIMARY KEY,
    statement_type   VARCHAR(30) NOT NULL,
    fiscal_year      INTEGER NOT NULL,
    fiscal_period    INTEGER,
    start_date       DATE NOT NULL,
    end_date         DATE NOT NULL,
    generated_at     TIMESTAMP,
    generated_by     VARCHAR(50),
    statement_status VARCHAR(30) DEFAULT 'draft',
    statement_data   JSONB,
    created_at       TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX financial_statements_fiscal_year_idx ON financial_statements (fiscal_year, fiscal_period, statement_type);
COMMENT ON TABLE financial_statements IS 'Stored statement snapshots: figures as they stood when generated';
COMMENT ON COLUMN financial_statements.statement_type IS 'balance_sheet, income_statement, cash_flow, trial_balance';
COMMENT ON COLUMN financial_statements.fiscal_period IS '1 to 12; NULL for the whole year';
COMMENT ON COLUMN financial_statements.generated_by IS 'NULL when the period close generated it';
COMMENT ON COLUMN financial_statements.statement_status IS 'draft, final, published';
COMMENT ON COLUMN financial_statements.statement_data IS 'Object of sections, each an array of {account_code, account_name, amount}, and totals; functional currency';
