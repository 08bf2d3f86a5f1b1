-- What upkeep costs, by job, asset and cost centre, and what happened to each asset in time.
-- The actual costs of a job are the sums of its cost lines.

CREATE TABLE maintenance_cost_centers (
    cost_center_id        VARCHAR(50) PRIMARY KEY,
    cost_center_code      VARCHAR(50) NOT NULL UNIQUE,
    cost_center_name      VARCHAR(200) NOT NULL,
    parent_cost_center_id VARCHAR(50),
    annual_budget         DECIMAL(15,2),
    current_period_budget DECIMAL(15,2),
    ytd_actual_cost       DECIMAL(15,2) DEFAULT 0,
    current_period_actual DECIMAL(15,2) DEFAULT 0,
    manager_id            VARCHAR(50),
    is_active             BOOLEAN DEFAULT true,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE maintenance_cost_centers IS 'Budget buckets for upkeep spending';
COMMENT ON COLUMN maintenance_cost_centers.annual_budget IS 'INR per fiscal year';
COMMENT ON COLUMN maintenance_cost_centers.current_period_budget IS 'INR for the current month';
COMMENT ON COLUMN maintenance_cost_centers.ytd_actual_cost IS 'Sum of maintenance_costs of the fiscal year, INR';
COMMENT ON COLUMN maintenance_cost_centers.current_period_actual IS 'Sum of maintenance_costs of the current month, INR';
COMMENT ON COLUMN maintenance_cost_centers.manager_id IS 'Employee who answers for the budget';

CREATE TABLE maintenance_costs (
    cost_id          VARCHAR(50) PRIMARY KEY,
    work_order_id    VARCHAR(50) NOT NULL,
    asset_id         VARCHAR(50) NOT NULL,
    cost_type        VARCHAR(30),
    cost_description TEXT,
    cost_amount      DECIMAL(12,2),
    currency         VARCHAR(3) DEFAULT 'INR',
    cost_date        DATE,
    cost_center_id   VARCHAR(50),
    gl_account       VARCHAR(50),
    vendor_id        VARCHAR(50),
    invoice_number   VARCHAR(100),
    invoice_date     DATE,
    created_at       TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX maintenance_costs_cost_date_idx ON maintenance_costs (cost_date);
COMMENT ON TABLE maintenance_costs IS 'Cost lines posted per job and asset';
COMMENT ON COLUMN maintenance_costs.asset_id IS 'Asset of the job';
COMMENT ON COLUMN maintenance_costs.cost_type IS 'labor, parts, contractor, tools, other';
COMMENT ON COLUMN maintenance_costs.cost_amount IS 'In currency';
COMMENT ON COLUMN maintenance_costs.gl_account IS 'Ledger account number, as in genims_erp_db.general_ledger';
COMMENT ON COLUMN maintenance_costs.vendor_id IS 'ERP supplier; NULL for own labor and stock';
COMMENT ON COLUMN maintenance_costs.invoice_number IS 'Number on the vendor invoice; NULL for own labor and stock';

CREATE TABLE maintenance_history (
    history_id        VARCHAR(50) PRIMARY KEY,
    asset_id          VARCHAR(50) NOT NULL,
    event_type        VARCHAR(50),
    event_date        TIMESTAMP NOT NULL,
    event_description TEXT,
    work_order_id     VARCHAR(50),
    pm_schedule_id    VARCHAR(50),
    failure_code      VARCHAR(50),
    root_cause        TEXT,
    corrective_action TEXT,
    downtime_hours    DECIMAL(8,2),
    production_loss   DECIMAL(15,4),
    labor_cost        DECIMAL(12,2),
    parts_cost        DECIMAL(12,2),
    total_cost        DECIMAL(12,2),
    performed_by      VARCHAR(50),
    attachment_url    VARCHAR(500),
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX maintenance_history_event_date_idx ON maintenance_history (event_date);
COMMENT ON TABLE maintenance_history IS 'Chronological event record per asset';
COMMENT ON COLUMN maintenance_history.event_type IS 'installation, preventive, corrective, breakdown, inspection, calibration, modification, failure';
COMMENT ON COLUMN maintenance_history.pm_schedule_id IS 'Only for preventive';
COMMENT ON COLUMN maintenance_history.failure_code IS 'failure_codes.failure_code';
COMMENT ON COLUMN maintenance_history.downtime_hours IS 'Hours that the asset stood';
COMMENT ON COLUMN maintenance_history.production_loss IS 'Units not made meanwhile';
COMMENT ON COLUMN maintenance_history.labor_cost IS 'INR';
COMMENT ON COLUMN maintenance_history.parts_cost IS 'INR';
COMMENT ON COLUMN maintenance_history.total_cost IS 'labor_cost + parts_cost + cost of contractors, INR; as work_orders.actual_total_cost';
COMMENT ON COLUMN maintenance_history.performed_by IS 'Employee';
