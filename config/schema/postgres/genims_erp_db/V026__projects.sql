-- Projects that collect cost, and the work packages inside them.
-- Foreign keys of these tables are in V051.

CREATE TABLE projects (
    project_id            VARCHAR(50) PRIMARY KEY,
    project_number        VARCHAR(50) NOT NULL UNIQUE,
    project_name          VARCHAR(200) NOT NULL,
    project_type          VARCHAR(30) NOT NULL CHECK (project_type IN ('capital', 'customer', 'development', 'improvement', 'maintenance')),
    description           TEXT,
    company_id            VARCHAR(50) NOT NULL,
    plant_id              VARCHAR(50),
    customer_id           VARCHAR(50),
    sales_order_id        VARCHAR(50),
    cost_center_id        VARCHAR(50) NOT NULL,
    profit_center_id      VARCHAR(50),
    project_manager_id    VARCHAR(50) NOT NULL,
    planned_start_date    DATE NOT NULL,
    planned_end_date      DATE NOT NULL,
    actual_start_date     DATE,
    actual_end_date       DATE,
    currency              VARCHAR(3) NOT NULL DEFAULT 'INR',
    budget_amount         DECIMAL(15,2) NOT NULL CHECK (budget_amount >= 0),
    committed_amount      DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (committed_amount >= 0),
    actual_cost           DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (actual_cost >= 0),
    forecast_cost         DECIMAL(15,2) CHECK (forecast_cost >= 0),
    revenue_amount        DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (revenue_amount >= 0),
    completion_percentage DECIMAL(5,2) NOT NULL DEFAULT 0 CHECK (completion_percentage BETWEEN 0 AND 100),
    settlement_type       VARCHAR(30) NOT NULL DEFAULT 'cost_center' CHECK (settlement_type IN ('fixed_asset', 'cost_center', 'sales_order')),
    priority              VARCHAR(30) NOT NULL DEFAULT 'medium' CHECK (priority IN ('low', 'medium', 'high', 'critical')),
    status                VARCHAR(30) NOT NULL DEFAULT 'planned' CHECK (status IN ('planned', 'approved', 'in_progress', 'on_hold', 'completed', 'closed', 'cancelled')),
    approved_by           VARCHAR(50),
    approved_date         DATE,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (planned_end_date >= planned_start_date),
    CHECK (actual_end_date >= actual_start_date),
    CHECK (project_type <> 'customer' OR customer_id IS NOT NULL),
    CHECK (status NOT IN ('completed', 'closed') OR actual_end_date IS NOT NULL)
);
CREATE INDEX projects_status_idx ON projects (status, planned_end_date);
COMMENT ON TABLE projects IS 'Capital or customer projects collecting cost';
COMMENT ON COLUMN projects.project_id IS 'PRJ-...';
COMMENT ON COLUMN projects.project_type IS 'capital (ends as fixed assets), customer (billed), development, improvement, maintenance';
COMMENT ON COLUMN projects.plant_id IS 'NULL for the whole group';
COMMENT ON COLUMN projects.customer_id IS 'Set for customer projects';
COMMENT ON COLUMN projects.actual_end_date IS 'NULL until finished';
COMMENT ON COLUMN projects.committed_amount IS 'Ordered but not yet invoiced';
COMMENT ON COLUMN projects.actual_cost IS 'actual_cost = sum of project_tasks.actual_cost of the tasks without children';
COMMENT ON COLUMN projects.forecast_cost IS 'Expected cost at completion; NULL not estimated';
COMMENT ON COLUMN projects.revenue_amount IS 'Billed so far; 0 for internal projects';
COMMENT ON COLUMN projects.completion_percentage IS 'Mean of the tasks, weighted by planned_cost';
COMMENT ON COLUMN projects.settlement_type IS 'Where the cost goes at the end: fixed_asset, cost_center, sales_order';

CREATE TABLE project_tasks (
    project_task_id         VARCHAR(50) PRIMARY KEY,
    project_id              VARCHAR(50) NOT NULL,
    parent_task_id          VARCHAR(50),
    predecessor_task_id     VARCHAR(50),
    wbs_code                VARCHAR(50) NOT NULL,
    task_name               VARCHAR(200) NOT NULL,
    task_type               VARCHAR(30) NOT NULL DEFAULT 'work_package' CHECK (task_type IN ('phase', 'work_package', 'milestone')),
    description             TEXT,
    responsible_employee_id VARCHAR(50),
    cost_center_id          VARCHAR(50),
    work_center_id          VARCHAR(50),
    planned_start_date      DATE NOT NULL,
    planned_end_date        DATE NOT NULL,
    actual_start_date       DATE,
    actual_end_date         DATE,
    planned_hours           DECIMAL(10,2) NOT NULL DEFAULT 0 CHECK (planned_hours >= 0),
    actual_hours            DECIMAL(10,2) NOT NULL DEFAULT 0 CHECK (actual_hours >= 0),
    planned_cost            DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (planned_cost >= 0),
    actual_cost             DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (actual_cost >= 0),
    currency                VARCHAR(3) NOT NULL DEFAULT 'INR',
    completion_percentage   DECIMAL(5,2) NOT NULL DEFAULT 0 CHECK (completion_percentage BETWEEN 0 AND 100),
    status                  VARCHAR(30) NOT NULL DEFAULT 'not_started' CHECK (status IN ('not_started', 'in_progress', 'on_hold', 'completed', 'cancelled')),
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (project_id, wbs_code),
    CHECK (planned_end_date >= planned_start_date),
    CHECK (actual_end_date >= actual_start_date),
    CHECK (parent_task_id <> project_task_id),
    CHECK (predecessor_task_id <> project_task_id),
    CHECK (status <> 'completed' OR (actual_end_date IS NOT NULL AND completion_percentage = 100)),
    CHECK (task_type <> 'milestone' OR planned_start_date = planned_end_date)
);
CREATE INDEX project_tasks_status_idx ON project_tasks (status, planned_end_date);
COMMENT ON TABLE project_tasks IS 'Work packages inside a project';
COMMENT ON COLUMN project_tasks.parent_task_id IS 'Phase it belongs to; NULL at the top';
COMMENT ON COLUMN project_tasks.predecessor_task_id IS 'Task that must end before this one starts; NULL none';
COMMENT ON COLUMN project_tasks.wbs_code IS 'Place in the work breakdown: 1, 1.2, 1.2.3';
COMMENT ON COLUMN project_tasks.task_type IS 'phase (sums its children), work_package (collects cost), milestone (no duration, no cost)';
COMMENT ON COLUMN project_tasks.work_center_id IS 'Workshop that does it; NULL when none';
COMMENT ON COLUMN project_tasks.planned_cost IS 'Sum of the children for a phase';
COMMENT ON COLUMN project_tasks.actual_cost IS 'Sum of the children for a phase';
