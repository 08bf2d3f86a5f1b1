-- The inside of production orders: component demand, confirmations and load on work centers; and changes to structures.
-- Foreign keys of these tables are in V051.

CREATE TABLE production_order_components (
    production_order_component_id VARCHAR(50) PRIMARY KEY,
    production_order_id           VARCHAR(50) NOT NULL,
    item_number                   INTEGER NOT NULL CHECK (item_number > 0),
    bom_component_id              VARCHAR(50),
    material_id                   VARCHAR(50) NOT NULL,
    operation_number              INTEGER,
    required_quantity             DECIMAL(15,4) NOT NULL CHECK (required_quantity > 0),
    reserved_quantity             DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (reserved_quantity >= 0),
    issued_quantity               DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (issued_quantity >= 0),
    shortage_quantity             DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (shortage_quantity >= 0),
    unit_of_measure               VARCHAR(20) NOT NULL,
    scrap_percentage              DECIMAL(5,2) NOT NULL DEFAULT 0 CHECK (scrap_percentage BETWEEN 0 AND 100),
    requirement_date              DATE NOT NULL,
    plant_id                      VARCHAR(50) NOT NULL,
    storage_location              VARCHAR(50),
    batch_number                  VARCHAR(50),
    backflush                     BOOLEAN NOT NULL DEFAULT false,
    unit_cost                     DECIMAL(15,4) CHECK (unit_cost >= 0),
    planned_cost                  DECIMAL(15,2),
    actual_cost                   DECIMAL(15,2),
    currency                      VARCHAR(3) NOT NULL DEFAULT 'INR',
    is_substitute                 BOOLEAN NOT NULL DEFAULT false,
    status                        VARCHAR(30) NOT NULL DEFAULT 'planned' CHECK (status IN ('planned', 'reserved', 'partially_issued', 'issued', 'short', 'cancelled')),
    created_at                    TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                    TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (production_order_id, item_number)
);
CREATE INDEX production_order_components_status_idx ON production_order_components (status, requirement_date);
COMMENT ON TABLE production_order_components IS 'Material demand per production order, copied from the structure when the order is created';
COMMENT ON COLUMN production_order_components.item_number IS 'Position, from 10 in steps of 10, as in bom_components';
COMMENT ON COLUMN production_order_components.bom_component_id IS 'Structure line it comes from; NULL when added by hand';
COMMENT ON COLUMN production_order_components.operation_number IS 'Step that uses it, as routing_operations.operation_number; NULL the first';
COMMENT ON COLUMN production_order_components.required_quantity IS 'required_quantity = order_quantity / bom base_quantity * component_quantity * (1 + scrap_percentage / 100)';
COMMENT ON COLUMN production_order_components.issued_quantity IS 'Withdrawn so far; returns are subtracted';
COMMENT ON COLUMN production_order_components.shortage_quantity IS 'shortage_quantity = required_quantity - reserved_quantity - issued_quantity, at least 0';
COMMENT ON COLUMN production_order_components.backflush IS 'Issued by itself when the step is confirmed';
COMMENT ON COLUMN production_order_components.planned_cost IS 'planned_cost = required_quantity * unit_cost';
COMMENT ON COLUMN production_order_components.actual_cost IS 'actual_cost = issued_quantity * unit_cost';
COMMENT ON COLUMN production_order_components.is_substitute IS 'The substitute of the structure line is used instead';

CREATE TABLE production_order_confirmations (
    production_order_confirmation_id VARCHAR(50) PRIMARY KEY,
    confirmation_number              VARCHAR(50) NOT NULL UNIQUE,
    production_order_id              VARCHAR(50) NOT NULL,
    routing_operation_id             VARCHAR(50),
    operation_number                 INTEGER NOT NULL,
    work_center_id                   VARCHAR(50) NOT NULL,
    machine_id                       VARCHAR(50),
    work_order_operation_id          VARCHAR(50),
    confirmation_type                VARCHAR(30) NOT NULL DEFAULT 'partial' CHECK (confirmation_type IN ('partial', 'final', 'reversal')),
    posting_date                     DATE NOT NULL,
    started_at                       TIMESTAMP NOT NULL,
    finished_at                      TIMESTAMP NOT NULL,
    yield_quantity                   DECIMAL(15,4) NOT NULL DEFAULT 0,
    scrap_quantity                   DECIMAL(15,4) NOT NULL DEFAULT 0,
    rework_quantity                  DECIMAL(15,4) NOT NULL DEFAULT 0,
    unit_of_measure                  VARCHAR(20) NOT NULL,
    scrap_reason                     VARCHAR(30) CHECK (scrap_reason IN ('setup', 'material_defect', 'process_deviation', 'machine_fault', 'operator_error', 'test_piece')),
    setup_time_minutes               DECIMAL(10,2) NOT NULL DEFAULT 0,
    machine_time_minutes             DECIMAL(10,2) NOT NULL DEFAULT 0,
    labor_time_minutes               DECIMAL(10,2) NOT NULL DEFAULT 0,
    batch_number                     VARCHAR(50),
    shift_id                         VARCHAR(50),
    confirmed_by                     VARCHAR(50),
    source_system                    VARCHAR(30) NOT NULL DEFAULT 'mes' CHECK (source_system IN ('mes', 'erp', 'terminal')),
    reverses_confirmation_id         VARCHAR(50),
    created_at                       TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                       TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (finished_at >= started_at),
    CHECK ((confirmation_type = 'reversal') = (reverses_confirmation_id IS NOT NULL)),
    CHECK (confirmation_type = 'reversal' OR (yield_quantity >= 0 AND scrap_quantity >= 0 AND rework_quantity >= 0)),
    CHECK (confirmation_type = 'reversal' OR (setup_time_minutes >= 0 AND machine_time_minutes >= 0 AND labor_time_minutes >= 0))
);
CREATE INDEX production_order_confirmations_posting_date_idx ON production_order_confirmations (posting_date);
COMMENT ON TABLE production_order_confirmations IS 'Reported yield, scrap and time per order step; rows are only added, a mistake is taken back by a reversal';
COMMENT ON COLUMN production_order_confirmations.operation_number IS 'As routing_operations.operation_number';
COMMENT ON COLUMN production_order_confirmations.work_order_operation_id IS 'Shop floor step that reported it; NULL when entered in the ERP';
COMMENT ON COLUMN production_order_confirmations.confirmation_type IS 'partial, final (the step is done), reversal (all quantities and times negative)';
COMMENT ON COLUMN production_order_confirmations.yield_quantity IS 'Good quantity; the sum over the last step gives production_orders.delivered_quantity';
COMMENT ON COLUMN production_order_confirmations.scrap_quantity IS 'The sum over all steps gives production_orders.scrap_quantity';
COMMENT ON COLUMN production_order_confirmations.scrap_reason IS 'setup, material_defect, process_deviation, machine_fault, operator_error, test_piece; NULL without scrap';
COMMENT ON COLUMN production_order_confirmations.setup_time_minutes IS 'Charged at the setup rate of the work center, see activity_rates';
COMMENT ON COLUMN production_order_confirmations.machine_time_minutes IS 'Charged at the machine rate';
COMMENT ON COLUMN production_order_confirmations.labor_time_minutes IS 'Person minutes, charged at the labor rate';
COMMENT ON COLUMN production_order_confirmations.confirmed_by IS 'NULL when the shop floor system reported by itself';
COMMENT ON COLUMN production_order_confirmations.reverses_confirmation_id IS 'Row taken back; NULL unless confirmation_type is reversal';

CREATE TABLE capacity_requirements (
    capacity_requirement_id VARCHAR(50) PRIMARY KEY,
    work_center_id          VARCHAR(50) NOT NULL,
    plant_id                VARCHAR(50) NOT NULL,
    period_start_date       DATE NOT NULL,
    period_end_date         DATE NOT NULL,
    requirement_source      VARCHAR(30) NOT NULL CHECK (requirement_source IN ('production_order', 'planned_order')),
    production_order_id     VARCHAR(50),
    planned_order_id        VARCHAR(50),
    routing_operation_id    VARCHAR(50),
    operation_number        INTEGER,
    mrp_run_id              VARCHAR(50),
    capacity_category       VARCHAR(30) NOT NULL DEFAULT 'machine' CHECK (capacity_category IN ('machine', 'labor')),
    operation_quantity      DECIMAL(15,4) NOT NULL CHECK (operation_quantity > 0),
    unit_of_measure         VARCHAR(20) NOT NULL,
    setup_hours             DECIMAL(10,2) NOT NULL DEFAULT 0 CHECK (setup_hours >= 0),
    run_hours               DECIMAL(10,2) NOT NULL DEFAULT 0 CHECK (run_hours >= 0),
    required_hours          DECIMAL(10,2) NOT NULL,
    confirmed_hours         DECIMAL(10,2) NOT NULL DEFAULT 0 CHECK (confirmed_hours >= 0),
    remaining_hours         DECIMAL(10,2) NOT NULL CHECK (remaining_hours >= 0),
    available_hours         DECIMAL(10,2) NOT NULL CHECK (available_hours >= 0),
    is_overloaded           BOOLEAN NOT NULL DEFAULT false,
    status                  VARCHAR(30) NOT NULL DEFAULT 'planned' CHECK (status IN ('planned', 'dispatched', 'in_progress', 'completed', 'cancelled')),
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (period_end_date >= period_start_date),
    CHECK (required_hours = setup_hours + run_hours),
    CHECK ((requirement_source = 'production_order') = (production_order_id IS NOT NULL)),
    CHECK ((requirement_source = 'planned_order') = (planned_order_id IS NOT NULL))
);
CREATE INDEX capacity_requirements_work_center_id_idx ON capacity_requirements (work_center_id, period_start_date);
COMMENT ON TABLE capacity_requirements IS 'Load demanded from work centers by period: one row per order step and calendar week';
COMMENT ON COLUMN capacity_requirements.period_start_date IS 'Monday of the week';
COMMENT ON COLUMN capacity_requirements.period_end_date IS 'Sunday of the week';
COMMENT ON COLUMN capacity_requirements.requirement_source IS 'production_order, planned_order; the key of that order is set, the other is NULL';
COMMENT ON COLUMN capacity_requirements.mrp_run_id IS 'Planning run that raised it; NULL for orders created by hand';
COMMENT ON COLUMN capacity_requirements.capacity_category IS 'machine, labor';
COMMENT ON COLUMN capacity_requirements.run_hours IS 'run_hours = operation_quantity / base_quantity of the step * machine or labor time, in hours';
COMMENT ON COLUMN capacity_requirements.required_hours IS 'required_hours = setup_hours + run_hours';
COMMENT ON COLUMN capacity_requirements.remaining_hours IS 'remaining_hours = required_hours - confirmed_hours, at least 0';
COMMENT ON COLUMN capacity_requirements.available_hours IS 'Capacity of the work center in the week, the same in all its rows; load = sum of remaining_hours / available_hours';
COMMENT ON COLUMN capacity_requirements.is_overloaded IS 'The load of the week is above 100 percent';

CREATE TABLE engineering_change_orders (
    engineering_change_order_id VARCHAR(50) PRIMARY KEY,
    eco_number                  VARCHAR(50) NOT NULL UNIQUE,
    title                       VARCHAR(200) NOT NULL,
    description                 TEXT NOT NULL,
    change_type                 VARCHAR(30) NOT NULL CHECK (change_type IN ('design', 'material', 'process', 'supplier', 'documentation')),
    change_reason               VARCHAR(30) NOT NULL CHECK (change_reason IN ('quality', 'cost', 'safety', 'regulatory', 'customer_request', 'obsolescence', 'improvement')),
    priority                    VARCHAR(30) NOT NULL DEFAULT 'medium' CHECK (priority IN ('low', 'medium', 'high', 'urgent')),
    material_id                 VARCHAR(50) NOT NULL,
    bom_id                      VARCHAR(50),
    new_bom_id                  VARCHAR(50),
    routing_id                  VARCHAR(50),
    plant_id                    VARCHAR(50),
    old_revision                VARCHAR(20),
    new_revision                VARCHAR(20) NOT NULL,
    stock_disposition           VARCHAR(30) NOT NULL DEFAULT 'use_up' CHECK (stock_disposition IN ('use_up', 'rework', 'scrap', 'return_to_supplier', 'not_affected')),
    requires_customer_approval  BOOLEAN NOT NULL DEFAULT false,
    estimated_cost              DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (estimated_cost >= 0),
    annual_saving               DECIMAL(15,2) NOT NULL DEFAULT 0,
    currency                    VARCHAR(3) NOT NULL DEFAULT 'INR',
    requested_by                VARCHAR(50) NOT NULL,
    requested_date              DATE NOT NULL,
    approved_by                 VARCHAR(50),
    approved_date               DATE,
    effective_date              DATE,
    implemented_date            DATE,
    status                      VARCHAR(30) NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'in_review', 'approved', 'rejected', 'implemented', 'closed', 'cancelled')),
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (approved_date >= requested_date),
    CHECK (effective_date >= approved_date),
    CHECK (implemented_date >= approved_date),
    CHECK (bom_id <> new_bom_id),
    CHECK (status NOT IN ('approved', 'implemented', 'closed') OR approved_date IS NOT NULL)
);
CREATE INDEX engineering_change_orders_status_idx ON engineering_change_orders (status, requested_date);
COMMENT ON TABLE engineering_change_orders IS 'Approved design or process changes affecting structures';
COMMENT ON COLUMN engineering_change_orders.engineering_change_order_id IS 'ECO-...';
COMMENT ON COLUMN engineering_change_orders.eco_number IS 'bill_of_materials.engineering_change_number holds this number';
COMMENT ON COLUMN engineering_change_orders.change_type IS 'design, material, process, supplier, documentation';
COMMENT ON COLUMN engineering_change_orders.material_id IS 'Material changed';
COMMENT ON COLUMN engineering_change_orders.bom_id IS 'Structure before the change; NULL when no structure is affected';
COMMENT ON COLUMN engineering_change_orders.new_bom_id IS 'Structure after the change; NULL until released';
COMMENT ON COLUMN engineering_change_orders.routing_id IS 'Process changed; NULL when none is';
COMMENT ON COLUMN engineering_change_orders.plant_id IS 'NULL for all plants';
COMMENT ON COLUMN engineering_change_orders.old_revision IS 'NULL for a first release';
COMMENT ON COLUMN engineering_change_orders.stock_disposition IS 'What becomes of stock of the old revision: use_up, rework, scrap, return_to_supplier, not_affected';
COMMENT ON COLUMN engineering_change_orders.estimated_cost IS 'One-time cost of the change';
COMMENT ON COLUMN engineering_change_orders.annual_saving IS 'Expected per year; negative when the change makes the product dearer';
COMMENT ON COLUMN engineering_change_orders.effective_date IS 'First day the new revision is built; NULL until planned';
