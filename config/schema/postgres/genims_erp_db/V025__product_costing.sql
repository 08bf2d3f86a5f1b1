-- What making a material should cost: rolled-up estimates and the hourly rates of work centers behind them.
-- Foreign keys of these tables are in V051.

CREATE TABLE standard_cost_estimates (
    standard_cost_estimate_id VARCHAR(50) PRIMARY KEY,
    estimate_number           VARCHAR(50) NOT NULL UNIQUE,
    material_id               VARCHAR(50) NOT NULL,
    plant_id                  VARCHAR(50) NOT NULL,
    costing_version           INTEGER NOT NULL DEFAULT 1 CHECK (costing_version > 0),
    costing_type              VARCHAR(30) NOT NULL DEFAULT 'standard' CHECK (costing_type IN ('standard', 'modified', 'simulation')),
    costing_date              DATE NOT NULL,
    valid_from                DATE NOT NULL,
    valid_to                  DATE,
    bom_id                    VARCHAR(50),
    routing_id                VARCHAR(50),
    costing_lot_size          DECIMAL(15,4) NOT NULL CHECK (costing_lot_size > 0),
    unit_of_measure           VARCHAR(20) NOT NULL,
    currency                  VARCHAR(3) NOT NULL DEFAULT 'INR',
    material_cost             DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (material_cost >= 0),
    setup_cost                DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (setup_cost >= 0),
    machine_cost              DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (machine_cost >= 0),
    labor_cost                DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (labor_cost >= 0),
    energy_cost               DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (energy_cost >= 0),
    overhead_cost             DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (overhead_cost >= 0),
    total_cost                DECIMAL(15,2) NOT NULL,
    unit_cost                 DECIMAL(15,4) NOT NULL CHECK (unit_cost >= 0),
    previous_unit_cost        DECIMAL(15,4),
    change_percentage         DECIMAL(9,2),
    status                    VARCHAR(30) NOT NULL DEFAULT 'calculated' CHECK (status IN ('calculated', 'with_errors', 'marked', 'released', 'superseded')),
    released_by               VARCHAR(50),
    released_at               TIMESTAMP,
    created_by                VARCHAR(50),
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (material_id, plant_id, costing_type, costing_version, valid_from),
    CHECK (valid_to >= valid_from),
    CHECK (total_cost = material_cost + setup_cost + machine_cost + labor_cost + energy_cost + overhead_cost),
    CHECK (status NOT IN ('released', 'superseded') OR released_at IS NOT NULL)
);
CREATE INDEX standard_cost_estimates_status_idx ON standard_cost_estimates (status, valid_from);
COMMENT ON TABLE standard_cost_estimates IS 'Rolled-up cost per material and costing version; the cost parts are for costing_lot_size units';
COMMENT ON COLUMN standard_cost_estimates.standard_cost_estimate_id IS 'SCE-...';
COMMENT ON COLUMN standard_cost_estimates.costing_type IS 'standard (values stock once released), modified (during the year), simulation';
COMMENT ON COLUMN standard_cost_estimates.bom_id IS 'NULL for bought materials';
COMMENT ON COLUMN standard_cost_estimates.routing_id IS 'NULL for bought materials';
COMMENT ON COLUMN standard_cost_estimates.material_cost IS 'Sum over bom_components of quantity * unit cost, scrap included; the purchase price for bought materials';
COMMENT ON COLUMN standard_cost_estimates.setup_cost IS 'Setup hours of the routing * setup rate, once per lot';
COMMENT ON COLUMN standard_cost_estimates.machine_cost IS 'Machine hours * machine rate';
COMMENT ON COLUMN standard_cost_estimates.labor_cost IS 'Labor hours * labor rate';
COMMENT ON COLUMN standard_cost_estimates.energy_cost IS 'Energy in kWh * energy rate';
COMMENT ON COLUMN standard_cost_estimates.overhead_cost IS 'Overhead on material and production';
COMMENT ON COLUMN standard_cost_estimates.total_cost IS 'total_cost = material_cost + setup_cost + machine_cost + labor_cost + energy_cost + overhead_cost';
COMMENT ON COLUMN standard_cost_estimates.unit_cost IS 'unit_cost = total_cost / costing_lot_size; materials.standard_cost once a standard is released';
COMMENT ON COLUMN standard_cost_estimates.previous_unit_cost IS 'Of the estimate released before; NULL for a first one';
COMMENT ON COLUMN standard_cost_estimates.change_percentage IS 'change_percentage = (unit_cost - previous_unit_cost) / previous_unit_cost * 100';

CREATE TABLE activity_rates (
    activity_rate_id      VARCHAR(50) PRIMARY KEY,
    work_center_id        VARCHAR(50) NOT NULL,
    cost_center_id        VARCHAR(50) NOT NULL,
    activity_type         VARCHAR(30) NOT NULL CHECK (activity_type IN ('setup', 'machine', 'labor', 'energy')),
    fiscal_year           INTEGER NOT NULL,
    rate_version          INTEGER NOT NULL DEFAULT 1 CHECK (rate_version > 0),
    valid_from            DATE NOT NULL,
    valid_to              DATE,
    unit_of_measure       VARCHAR(20) NOT NULL DEFAULT 'H',
    planned_quantity      DECIMAL(15,4) NOT NULL CHECK (planned_quantity > 0),
    capacity_quantity     DECIMAL(15,4) CHECK (capacity_quantity > 0),
    planned_fixed_cost    DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (planned_fixed_cost >= 0),
    planned_variable_cost DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (planned_variable_cost >= 0),
    fixed_rate            DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (fixed_rate >= 0),
    variable_rate         DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (variable_rate >= 0),
    total_rate            DECIMAL(15,4) NOT NULL,
    actual_rate           DECIMAL(15,4) CHECK (actual_rate >= 0),
    currency              VARCHAR(3) NOT NULL DEFAULT 'INR',
    status                VARCHAR(30) NOT NULL DEFAULT 'planned' CHECK (status IN ('planned', 'released', 'superseded')),
    approved_by           VARCHAR(50),
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (work_center_id, activity_type, fiscal_year, rate_version),
    CHECK (valid_to >= valid_from),
    CHECK (total_rate = fixed_rate + variable_rate)
);
COMMENT ON TABLE activity_rates IS 'Hourly planned rates per work center activity';
COMMENT ON COLUMN activity_rates.activity_type IS 'setup, machine, labor, energy';
COMMENT ON COLUMN activity_rates.fiscal_year IS 'As genims_financial_db.fiscal_years';
COMMENT ON COLUMN activity_rates.unit_of_measure IS 'H for hours; KWH for energy';
COMMENT ON COLUMN activity_rates.planned_quantity IS 'Planned activity of the year, in unit_of_measure';
COMMENT ON COLUMN activity_rates.capacity_quantity IS 'Most the work center can deliver in the year; NULL unknown';
COMMENT ON COLUMN activity_rates.fixed_rate IS 'fixed_rate = planned_fixed_cost / planned_quantity';
COMMENT ON COLUMN activity_rates.variable_rate IS 'variable_rate = planned_variable_cost / planned_quantity';
COMMENT ON COLUMN activity_rates.total_rate IS 'total_rate = fixed_rate + variable_rate; charged to production orders';
COMMENT ON COLUMN activity_rates.actual_rate IS 'Actual cost / actual activity after the year closed; NULL before';
