-- Fixed assets and their write-down, the cost of production runs, and the spread of overhead over cost centers.
-- Each posts to the ledger once per period; foreign keys are in V050.

CREATE TABLE fixed_assets (
    fixed_asset_id               VARCHAR(50) PRIMARY KEY,
    asset_number                 VARCHAR(50) NOT NULL UNIQUE,
    asset_name                   VARCHAR(200) NOT NULL,
    asset_class                  VARCHAR(30) NOT NULL CHECK (asset_class IN ('land', 'building', 'machinery', 'tooling', 'vehicle', 'it_equipment', 'furniture', 'intangible', 'under_construction')),
    company_id                   VARCHAR(50) NOT NULL,
    factory_id                   VARCHAR(50),
    machine_id                   VARCHAR(50),
    maintenance_asset_id         VARCHAR(50),
    cost_center_id               VARCHAR(50),
    supplier_id                  VARCHAR(50),
    supplier_invoice_id          VARCHAR(50),
    project_id                   VARCHAR(50),
    serial_number                VARCHAR(100),
    acquisition_date             DATE NOT NULL,
    capitalization_date          DATE,
    currency_code                VARCHAR(3) NOT NULL DEFAULT 'INR',
    acquisition_cost             DECIMAL(15,2) NOT NULL CHECK (acquisition_cost >= 0),
    salvage_value                DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (salvage_value >= 0),
    depreciation_method          VARCHAR(30) NOT NULL DEFAULT 'straight_line' CHECK (depreciation_method IN ('straight_line', 'declining_balance', 'units_of_production', 'none')),
    depreciation_rate_percentage DECIMAL(5,2) CHECK (depreciation_rate_percentage > 0 AND depreciation_rate_percentage <= 100),
    useful_life_months           INTEGER CHECK (useful_life_months > 0),
    accumulated_depreciation     DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (accumulated_depreciation >= 0),
    net_book_value               DECIMAL(15,2) NOT NULL CHECK (net_book_value >= 0),
    asset_account_id             VARCHAR(50) NOT NULL,
    accumulated_account_id       VARCHAR(50),
    expense_account_id           VARCHAR(50),
    disposal_date                DATE,
    disposal_amount              DECIMAL(15,2) CHECK (disposal_amount >= 0),
    disposal_gain_loss           DECIMAL(15,2),
    last_verified_date           DATE,
    status                       VARCHAR(30) NOT NULL DEFAULT 'active' CHECK (status IN ('under_construction', 'active', 'fully_depreciated', 'held_for_sale', 'disposed')),
    created_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (capitalization_date >= acquisition_date),
    CHECK (disposal_date >= acquisition_date),
    CHECK (salvage_value <= acquisition_cost),
    CHECK (net_book_value = acquisition_cost - accumulated_depreciation),
    CHECK ((status = 'disposed') = (disposal_date IS NOT NULL)),
    CHECK (depreciation_method = 'none' OR useful_life_months IS NOT NULL)
);
CREATE INDEX fixed_assets_factory_id_idx ON fixed_assets (factory_id, asset_class);
CREATE INDEX fixed_assets_machine_id_idx ON fixed_assets (machine_id);
CREATE INDEX fixed_assets_status_idx ON fixed_assets (status, capitalization_date);
COMMENT ON TABLE fixed_assets IS 'Capitalised equipment with book values';
COMMENT ON COLUMN fixed_assets.fixed_asset_id IS 'FA-...';
COMMENT ON COLUMN fixed_assets.asset_class IS 'land, building, machinery, tooling, vehicle, it_equipment, furniture, intangible, under_construction';
COMMENT ON COLUMN fixed_assets.machine_id IS 'NULL for assets that are no machine';
COMMENT ON COLUMN fixed_assets.maintenance_asset_id IS 'The same thing in the maintenance module; NULL when not maintained there';
COMMENT ON COLUMN fixed_assets.cost_center_id IS 'Bears the depreciation; NULL for land';
COMMENT ON COLUMN fixed_assets.project_id IS 'Project that built it; NULL when bought ready';
COMMENT ON COLUMN fixed_assets.capitalization_date IS 'First day of depreciation; NULL while under construction';
COMMENT ON COLUMN fixed_assets.salvage_value IS 'Expected proceeds at the end of life; depreciation stops here';
COMMENT ON COLUMN fixed_assets.depreciation_method IS 'straight_line: (acquisition_cost - salvage_value) / useful_life_months a month; declining_balance: net_book_value * rate / 12; units_of_production; none for land';
COMMENT ON COLUMN fixed_assets.depreciation_rate_percentage IS 'Per year, for declining_balance; NULL otherwise';
COMMENT ON COLUMN fixed_assets.accumulated_depreciation IS 'Sum of posted depreciation_schedules.depreciation_amount';
COMMENT ON COLUMN fixed_assets.net_book_value IS 'net_book_value = acquisition_cost - accumulated_depreciation; the value at disposal once disposed';
COMMENT ON COLUMN fixed_assets.accumulated_account_id IS 'Contra account of the asset account; NULL for land';
COMMENT ON COLUMN fixed_assets.expense_account_id IS 'Account of the depreciation expense; NULL for land';
COMMENT ON COLUMN fixed_assets.disposal_gain_loss IS 'disposal_gain_loss = disposal_amount - net_book_value; negative is a loss';
COMMENT ON COLUMN fixed_assets.last_verified_date IS 'Last physical count that found it; NULL never';

CREATE TABLE depreciation_schedules (
    depreciation_schedule_id VARCHAR(50) PRIMARY KEY,
    fixed_asset_id           VARCHAR(50) NOT NULL,
    fiscal_year              INTEGER NOT NULL,
    fiscal_period            INTEGER NOT NULL CHECK (fiscal_period BETWEEN 1 AND 12),
    sequence_number          INTEGER NOT NULL CHECK (sequence_number > 0),
    depreciation_date        DATE NOT NULL,
    currency_code            VARCHAR(3) NOT NULL DEFAULT 'INR',
    opening_book_value       DECIMAL(15,2) NOT NULL CHECK (opening_book_value >= 0),
    depreciation_amount      DECIMAL(15,2) NOT NULL CHECK (depreciation_amount >= 0),
    closing_book_value       DECIMAL(15,2) NOT NULL CHECK (closing_book_value >= 0),
    accumulated_depreciation DECIMAL(15,2) NOT NULL CHECK (accumulated_depreciation >= 0),
    units_produced           DECIMAL(15,4),
    cost_center_id           VARCHAR(50),
    status                   VARCHAR(30) NOT NULL DEFAULT 'planned' CHECK (status IN ('planned', 'posted', 'skipped', 'reversed')),
    journal_entry_id         VARCHAR(50),
    posted_at                TIMESTAMP,
    posted_by                VARCHAR(50),
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (fixed_asset_id, fiscal_year, fiscal_period),
    UNIQUE (fixed_asset_id, sequence_number),
    CHECK (closing_book_value = opening_book_value - depreciation_amount),
    CHECK (status <> 'posted' OR journal_entry_id IS NOT NULL)
);
CREATE INDEX depreciation_schedules_fiscal_year_idx ON depreciation_schedules (fiscal_year, fiscal_period, status);
COMMENT ON TABLE depreciation_schedules IS 'Planned and posted write-down per asset, one row per period';
COMMENT ON COLUMN depreciation_schedules.sequence_number IS 'Month of the life of the asset, from 1';
COMMENT ON COLUMN depreciation_schedules.depreciation_date IS 'Last day of the period';
COMMENT ON COLUMN depreciation_schedules.opening_book_value IS 'Equals closing_book_value of the row before; acquisition_cost in the first';
COMMENT ON COLUMN depreciation_schedules.closing_book_value IS 'closing_book_value = opening_book_value - depreciation_amount; never below the salvage value';
COMMENT ON COLUMN depreciation_schedules.accumulated_depreciation IS 'accumulated_depreciation = acquisition_cost - closing_book_value';
COMMENT ON COLUMN depreciation_schedules.units_produced IS 'Units of the period, for units_of_production; NULL otherwise';
COMMENT ON COLUMN depreciation_schedules.cost_center_id IS 'Where it was charged; the asset may have moved since';
COMMENT ON COLUMN depreciation_schedules.journal_entry_id IS 'One journal may post many assets; NULL until posted';

CREATE TABLE production_costs (
    production_cost_id  VARCHAR(50) PRIMARY KEY,
    run_id              VARCHAR(50) NOT NULL UNIQUE,
    work_order_id       VARCHAR(50),
    production_order_id VARCHAR(50),
    product_id          VARCHAR(50) NOT NULL,
    factory_id          VARCHAR(50) NOT NULL,
    line_id             VARCHAR(50) NOT NULL,
    cost_center_id      VARCHAR(50) NOT NULL,
    profit_center_id    VARCHAR(50),
    costing_date        DATE NOT NULL,
    fiscal_year         INTEGER NOT NULL,
    fiscal_period       INTEGER NOT NULL CHECK (fiscal_period BETWEEN 1 AND 12),
    good_quantity       DECIMAL(15,4) NOT NULL CHECK (good_quantity >= 0),
    scrap_quantity      DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (scrap_quantity >= 0),
    unit_of_measure     VARCHAR(20) NOT NULL,
    labor_hours         DECIMAL(12,2) NOT NULL DEFAULT 0 CHECK (labor_hours >= 0),
    machine_hours       DECIMAL(12,2) NOT NULL DEFAULT 0 CHECK (machine_hours >= 0),
    energy_kwh          DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (energy_kwh >= 0),
    currency_code       VARCHAR(3) NOT NULL DEFAULT 'INR',
    material_cost       DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (material_cost >= 0),
    labor_cost          DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (labor_cost >= 0),
    machine_cost        DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (machine_cost >= 0),
    energy_cost         DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (energy_cost >= 0),
    overhead_cost       DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (overhead_cost >= 0),
    scrap_cost          DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (scrap_cost >= 0),
    total_cost          DECIMAL(15,2) NOT NULL,
    unit_cost           DECIMAL(15,4),
    standard_unit_cost  DECIMAL(15,4),
    variance_amount     DECIMAL(15,2),
    status              VARCHAR(30) NOT NULL DEFAULT 'preliminary' CHECK (status IN ('preliminary', 'final', 'posted')),
    journal_entry_id    VARCHAR(50),
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (total_cost = material_cost + labor_cost + machine_cost + energy_cost + overhead_cost),
    CHECK (scrap_cost <= total_cost),
    CHECK ((good_quantity > 0) = (unit_cost IS NOT NULL)),
    CHECK (status <> 'posted' OR journal_entry_id IS NOT NULL)
);
CREATE INDEX production_costs_fiscal_year_idx ON production_costs (fiscal_year, fiscal_period, factory_id);
CREATE INDEX production_costs_product_id_idx ON production_costs (product_id, costing_date);
COMMENT ON TABLE production_costs IS 'Material, labor, machine, energy and overhead cost per production run, against the standard';
COMMENT ON COLUMN production_costs.run_id IS 'Production run costed, one row each';
COMMENT ON COLUMN production_costs.work_order_id IS 'Shop floor order of the run; NULL when the run had none';
COMMENT ON COLUMN production_costs.production_order_id IS 'ERP order of the run; NULL when the run had none';
COMMENT ON COLUMN production_costs.costing_date IS 'Local day on which the run ended';
COMMENT ON COLUMN production_costs.good_quantity IS 'Pieces that passed, as actual_quantity - rejected_quantity of the run';
COMMENT ON COLUMN production_costs.energy_kwh IS 'Metered on the line during the run';
COMMENT ON COLUMN production_costs.labor_cost IS 'labor_cost = labor_hours * labor rate of the cost center';
COMMENT ON COLUMN production_costs.machine_cost IS 'machine_cost = machine_hours * machine rate of the work center, without energy';
COMMENT ON COLUMN production_costs.energy_cost IS 'energy_cost = energy_kwh * price of the plant';
COMMENT ON COLUMN production_costs.overhead_cost IS 'Plant overhead spread over machine hours';
COMMENT ON COLUMN production_costs.scrap_cost IS 'Part of total_cost that went into scrap; not added once more';
COMMENT ON COLUMN production_costs.total_cost IS 'total_cost = material_cost + labor_cost + machine_cost + energy_cost + overhead_cost';
COMMENT ON COLUMN production_costs.unit_cost IS 'unit_cost = total_cost / good_quantity; NULL when nothing passed';
COMMENT ON COLUMN production_costs.standard_unit_cost IS 'From genims_erp_db.standard_cost_estimates on costing_date; NULL without estimate';
COMMENT ON COLUMN production_costs.variance_amount IS 'variance_amount = total_cost - standard_unit_cost * good_quantity; positive is dearer than standard';

CREATE TABLE cost_allocations (
    cost_allocation_id      VARCHAR(50) PRIMARY KEY,
    allocation_number       VARCHAR(50) NOT NULL UNIQUE,
    allocation_cycle        VARCHAR(50) NOT NULL,
    allocation_type         VARCHAR(30) NOT NULL CHECK (allocation_type IN ('energy', 'maintenance', 'facility', 'quality', 'it', 'administration')),
    fiscal_year             INTEGER NOT NULL,
    fiscal_period           INTEGER NOT NULL CHECK (fiscal_period BETWEEN 1 AND 12),
    allocation_date         DATE NOT NULL,
    sender_cost_center_id   VARCHAR(50) NOT NULL,
    receiver_cost_center_id VARCHAR(50) NOT NULL,
    account_id              VARCHAR(50) NOT NULL,
    allocation_basis        VARCHAR(30) NOT NULL CHECK (allocation_basis IN ('energy_kwh', 'machine_hours', 'labor_hours', 'floor_area_sqm', 'headcount', 'production_quantity', 'fixed_percentage')),
    basis_quantity          DECIMAL(15,4) NOT NULL CHECK (basis_quantity >= 0),
    basis_total_quantity    DECIMAL(15,4) NOT NULL CHECK (basis_total_quantity > 0),
    allocation_percentage   DECIMAL(7,4) NOT NULL CHECK (allocation_percentage BETWEEN 0 AND 100),
    sender_total_amount     DECIMAL(15,2) NOT NULL CHECK (sender_total_amount >= 0),
    allocated_amount        DECIMAL(15,2) NOT NULL CHECK (allocated_amount >= 0),
    currency_code           VARCHAR(3) NOT NULL DEFAULT 'INR',
    status                  VARCHAR(30) NOT NULL DEFAULT 'calculated' CHECK (status IN ('calculated', 'approved', 'posted', 'reversed')),
    journal_entry_id        VARCHAR(50),
    created_by              VARCHAR(50),
    approved_by             VARCHAR(50),
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (allocation_cycle, fiscal_year, fiscal_period, sender_cost_center_id, receiver_cost_center_id, account_id),
    CHECK (sender_cost_center_id <> receiver_cost_center_id),
    CHECK (basis_quantity <= basis_total_quantity),
    CHECK (allocated_amount <= sender_total_amount),
    CHECK (status <> 'posted' OR journal_entry_id IS NOT NULL)
);
CREATE INDEX cost_allocations_fiscal_year_idx ON cost_allocations (fiscal_year, fiscal_period, status);
COMMENT ON TABLE cost_allocations IS 'Overhead and energy spread across cost centers: one row per sender, receiver, account and period';
COMMENT ON COLUMN cost_allocations.allocation_cycle IS 'Name of the monthly run that spreads it, such as ENERGY';
COMMENT ON COLUMN cost_allocations.allocation_type IS 'energy, maintenance, facility, quality, it, administration';
COMMENT ON COLUMN cost_allocations.account_id IS 'Cost account that is passed on';
COMMENT ON COLUMN cost_allocations.allocation_basis IS 'What the shares follow: energy_kwh, machine_hours, labor_hours, floor_area_sqm, headcount, production_quantity, fixed_percentage';
COMMENT ON COLUMN cost_allocations.basis_quantity IS 'Measure of the receiver, in the unit that allocation_basis names';
COMMENT ON COLUMN cost_allocations.basis_total_quantity IS 'Measure of all receivers together; 100 for fixed_percentage';
COMMENT ON COLUMN cost_allocations.allocation_percentage IS 'allocation_percentage = basis_quantity / basis_total_quantity * 100; over all receivers they sum to 100';
COMMENT ON COLUMN cost_allocations.sender_total_amount IS 'What the sender passes on altogether from this account in this period';
COMMENT ON COLUMN cost_allocations.allocated_amount IS 'allocated_amount = sender_total_amount * allocation_percentage / 100; the last receiver takes the rounding';
COMMENT ON COLUMN cost_allocations.created_by IS 'NULL when the period close calculated it';
