-- Who sells where and what is expected: sales representatives, territories, forecasts.
-- Every amount is in INR; quotas are for the calendar year unless named otherwise.

CREATE TABLE sales_reps (
    sales_rep_id     VARCHAR(50) PRIMARY KEY,
    employee_id      VARCHAR(50),
    rep_code         VARCHAR(50) NOT NULL UNIQUE,
    first_name       VARCHAR(100) NOT NULL,
    last_name        VARCHAR(100) NOT NULL,
    email            VARCHAR(100),
    phone            VARCHAR(50),
    mobile           VARCHAR(50),
    sales_role       VARCHAR(50),
    job_title        VARCHAR(100),
    territory_id     VARCHAR(50),
    manager_id       VARCHAR(50),
    annual_quota     DECIMAL(18,2),
    quarterly_quota  DECIMAL(18,2),
    ytd_revenue      DECIMAL(18,2) DEFAULT 0,
    ytd_deals_closed INTEGER DEFAULT 0,
    win_rate_pct     DECIMAL(5,2),
    avg_deal_size    DECIMAL(15,2),
    rep_status       VARCHAR(30) DEFAULT 'active',
    hire_date        DATE,
    is_active        BOOLEAN DEFAULT true,
    created_at       TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at       TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX sales_reps_rep_status_idx ON sales_reps (rep_status);
COMMENT ON TABLE sales_reps IS 'Sales staff: territory, quotas and results';
COMMENT ON COLUMN sales_reps.sales_rep_id IS 'REP-001 ...; what account, lead and opportunity owners refer to';
COMMENT ON COLUMN sales_reps.rep_code IS 'Short code on quotations';
COMMENT ON COLUMN sales_reps.sales_role IS 'account_executive, account_manager, inside_sales, sales_engineer, regional_manager, director';
COMMENT ON COLUMN sales_reps.manager_id IS 'NULL: head of sales';
COMMENT ON COLUMN sales_reps.annual_quota IS 'Sum of the four quarters';
COMMENT ON COLUMN sales_reps.quarterly_quota IS 'annual_quota / 4';
COMMENT ON COLUMN sales_reps.ytd_revenue IS 'Sum of opportunities.amount won this year';
COMMENT ON COLUMN sales_reps.ytd_deals_closed IS 'Deals won this year';
COMMENT ON COLUMN sales_reps.win_rate_pct IS 'win_rate_pct = deals won / deals closed * 100, this year; NULL without closed deals';
COMMENT ON COLUMN sales_reps.avg_deal_size IS 'avg_deal_size = ytd_revenue / ytd_deals_closed; NULL without deals';
COMMENT ON COLUMN sales_reps.rep_status IS 'active, on_leave, inactive';

CREATE TABLE sales_territories (
    territory_id      VARCHAR(50) PRIMARY KEY,
    territory_code    VARCHAR(50) NOT NULL UNIQUE,
    territory_name    VARCHAR(200) NOT NULL,
    countries         TEXT,
    states            TEXT,
    cities            TEXT,
    industries        TEXT,
    account_tiers     TEXT,
    company_size      TEXT,
    territory_quota   DECIMAL(18,2),
    territory_manager VARCHAR(50),
    is_active         BOOLEAN DEFAULT true,
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE sales_territories IS 'Regional and industrial split of the market';
COMMENT ON COLUMN sales_territories.countries IS 'Separated by commas, as are the other lists; NULL: any';
COMMENT ON COLUMN sales_territories.account_tiers IS 'platinum, gold, silver, bronze';
COMMENT ON COLUMN sales_territories.company_size IS 'small, medium, large, enterprise';
COMMENT ON COLUMN sales_territories.territory_quota IS 'Sum of annual_quota of its sales representatives';

CREATE TABLE sales_forecasts (
    forecast_id           VARCHAR(50) PRIMARY KEY,
    forecast_period       VARCHAR(20),
    forecast_year         INTEGER NOT NULL,
    forecast_quarter      INTEGER,
    forecast_month        INTEGER,
    territory_id          VARCHAR(50),
    sales_rep_id          VARCHAR(50),
    pipeline_amount       DECIMAL(18,2) DEFAULT 0,
    best_case_amount      DECIMAL(18,2) DEFAULT 0,
    commit_amount         DECIMAL(18,2) DEFAULT 0,
    closed_amount         DECIMAL(18,2) DEFAULT 0,
    total_forecast        DECIMAL(18,2) DEFAULT 0,
    quota_amount          DECIMAL(18,2),
    quota_attainment_pct  DECIMAL(5,2),
    actual_revenue        DECIMAL(18,2) DEFAULT 0,
    forecast_accuracy_pct DECIMAL(5,2),
    snapshot_date         DATE NOT NULL,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX sales_forecasts_forecast_year_forecast_period_idx ON sales_forecasts (forecast_year, forecast_period);
CREATE INDEX sales_forecasts_snapshot_date_idx ON sales_forecasts (snapshot_date);
COMMENT ON TABLE sales_forecasts IS 'Expected revenue per sales representative or territory and period';
COMMENT ON COLUMN sales_forecasts.forecast_period IS 'monthly, quarterly, yearly';
COMMENT ON COLUMN sales_forecasts.forecast_quarter IS '1 to 4; NULL when yearly';
COMMENT ON COLUMN sales_forecasts.forecast_month IS '1 to 12; NULL unless monthly';
COMMENT ON COLUMN sales_forecasts.sales_rep_id IS 'NULL: whole territory';
COMMENT ON COLUMN sales_forecasts.pipeline_amount IS 'Open deals of the period with forecast_category pipeline';
COMMENT ON COLUMN sales_forecasts.best_case_amount IS 'Open deals with forecast_category best_case';
COMMENT ON COLUMN sales_forecasts.commit_amount IS 'Open deals with forecast_category commit';
COMMENT ON COLUMN sales_forecasts.closed_amount IS 'Deals won';
COMMENT ON COLUMN sales_forecasts.total_forecast IS 'total_forecast = closed_amount + commit_amount';
COMMENT ON COLUMN sales_forecasts.quota_attainment_pct IS 'quota_attainment_pct = closed_amount / quota_amount * 100';
COMMENT ON COLUMN sales_forecasts.actual_revenue IS 'Known after the period, 0 before';
COMMENT ON COLUMN sales_forecasts.forecast_accuracy_pct IS '100 - abs(actual_revenue - total_forecast) / actual_revenue * 100, at least 0; NULL before the end of the period';
COMMENT ON COLUMN sales_forecasts.snapshot_date IS 'When the forecast was taken';
