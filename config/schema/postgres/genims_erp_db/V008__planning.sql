-- Demand forecasts, planning runs with the supply and demand they saw, and the orders they propose.
-- Quantities are in the base unit of the material.

CREATE TABLE mrp_runs (
    mrp_run_id                   VARCHAR(50) PRIMARY KEY,
    run_number                   VARCHAR(50) NOT NULL UNIQUE,
    planning_date                DATE NOT NULL,
    planning_horizon_days        INTEGER,
    plant_id                     VARCHAR(50),
    mrp_controller               VARCHAR(50),
    planning_mode                VARCHAR(30),
    create_purchase_requisitions BOOLEAN DEFAULT true,
    create_production_orders     BOOLEAN DEFAULT true,
    reschedule_open_orders       BOOLEAN DEFAULT true,
    materials_planned            INTEGER,
    purchase_reqs_created        INTEGER,
    production_orders_created    INTEGER,
    run_status                   VARCHAR(30),
    started_at                   TIMESTAMP,
    completed_at                 TIMESTAMP,
    created_by                   VARCHAR(50),
    created_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX mrp_runs_plant_id_planning_date_idx ON mrp_runs (plant_id, planning_date);
COMMENT ON TABLE mrp_runs IS 'Planning run headers and statistics';
COMMENT ON COLUMN mrp_runs.mrp_run_id IS 'MRP-000001 ...';
COMMENT ON COLUMN mrp_runs.planning_date IS 'First day of the horizon';
COMMENT ON COLUMN mrp_runs.planning_horizon_days IS 'Calendar days planned from planning_date';
COMMENT ON COLUMN mrp_runs.plant_id IS 'NULL: every plant';
COMMENT ON COLUMN mrp_runs.mrp_controller IS 'Code of the planner group; NULL: every group';
COMMENT ON COLUMN mrp_runs.planning_mode IS 'regenerative, net_change';
COMMENT ON COLUMN mrp_runs.create_purchase_requisitions IS 'False: planned orders only';
COMMENT ON COLUMN mrp_runs.create_production_orders IS 'False: planned orders only';
COMMENT ON COLUMN mrp_runs.reschedule_open_orders IS 'Run may write exception messages for open orders';
COMMENT ON COLUMN mrp_runs.purchase_reqs_created IS 'Number of requisitions';
COMMENT ON COLUMN mrp_runs.production_orders_created IS 'Number of production orders';
COMMENT ON COLUMN mrp_runs.run_status IS 'running, completed, failed, cancelled';

CREATE TABLE mrp_elements (
    element_id           VARCHAR(50) PRIMARY KEY,
    mrp_run_id           VARCHAR(50) NOT NULL,
    material_id          VARCHAR(50) NOT NULL,
    plant_id             VARCHAR(50) NOT NULL,
    element_type         VARCHAR(30) NOT NULL,
    element_date         DATE NOT NULL,
    requirement_quantity DECIMAL(15,4),
    receipt_quantity     DECIMAL(15,4),
    source_document      VARCHAR(50),
    source_line          INTEGER,
    exception_message    VARCHAR(200),
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE mrp_elements IS 'Supply and demand elements that a planning run saw or made';
COMMENT ON COLUMN mrp_elements.element_type IS 'stock, safety_stock, forecast, sales_order, dependent_demand, purchase_requisition, purchase_order, production_order, planned_order';
COMMENT ON COLUMN mrp_elements.element_date IS 'Day the quantity is needed or arrives';
COMMENT ON COLUMN mrp_elements.requirement_quantity IS 'Demand elements: base units needed, positive; NULL on supply';
COMMENT ON COLUMN mrp_elements.receipt_quantity IS 'Supply elements: base units expected, positive; NULL on demand';
COMMENT ON COLUMN mrp_elements.source_document IS 'Number of the document: sales_order_number, po_number, planned_order_number ...; NULL for stock and safety stock';
COMMENT ON COLUMN mrp_elements.source_line IS 'line_number in it';
COMMENT ON COLUMN mrp_elements.exception_message IS 'expedite, postpone, cancel, below_safety_stock, start_date_in_past ...; NULL: nothing to do';

CREATE TABLE demand_forecasts (
    demand_forecast_id    VARCHAR(50) PRIMARY KEY,
    product_id            VARCHAR(50) NOT NULL,
    material_id           VARCHAR(50) NOT NULL,
    plant_id              VARCHAR(50) NOT NULL,
    customer_id           VARCHAR(50),
    forecast_version      INTEGER NOT NULL DEFAULT 1,
    period_type           VARCHAR(30) NOT NULL DEFAULT 'month',
    period_start          DATE NOT NULL,
    period_end            DATE NOT NULL,
    forecast_method       VARCHAR(30) NOT NULL,
    forecast_quantity     DECIMAL(15,4) NOT NULL,
    lower_quantity        DECIMAL(15,4),
    upper_quantity        DECIMAL(15,4),
    confidence_percentage DECIMAL(5,2),
    consumed_quantity     DECIMAL(15,4) NOT NULL DEFAULT 0,
    actual_quantity       DECIMAL(15,4),
    error_percentage      DECIMAL(7,2),
    unit_of_measure       VARCHAR(20) NOT NULL,
    approved_by           VARCHAR(50),
    approved_at           TIMESTAMP,
    status                VARCHAR(30) NOT NULL DEFAULT 'draft',
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE NULLS NOT DISTINCT (product_id, plant_id, customer_id, period_type, period_start, forecast_version),
    CHECK (period_type IN ('week', 'month', 'quarter')),
    CHECK (forecast_method IN ('moving_average', 'exponential_smoothing', 'holt_winters', 'regression', 'judgement', 'customer_schedule')),
    CHECK (status IN ('draft', 'approved', 'released', 'superseded')),
    CHECK (period_end > period_start),
    CHECK (forecast_quantity >= 0 AND consumed_quantity >= 0 AND actual_quantity >= 0),
    CHECK (lower_quantity <= forecast_quantity AND upper_quantity >= forecast_quantity),
    CHECK (confidence_percentage BETWEEN 0 AND 100),
    CHECK (forecast_version >= 1)
);
CREATE INDEX demand_forecasts_plant_id_period_start_idx ON demand_forecasts (plant_id, period_start);
COMMENT ON TABLE demand_forecasts IS 'Expected demand per product, site and period';
COMMENT ON COLUMN demand_forecasts.material_id IS 'Finished good of the product';
COMMENT ON COLUMN demand_forecasts.customer_id IS 'NULL: all customers';
COMMENT ON COLUMN demand_forecasts.forecast_version IS 'Counts up with every revision of the period';
COMMENT ON COLUMN demand_forecasts.period_type IS 'week, month, quarter';
COMMENT ON COLUMN demand_forecasts.period_end IS 'Last day of the period';
COMMENT ON COLUMN demand_forecasts.forecast_method IS 'moving_average, exponential_smoothing, holt_winters, regression, judgement, customer_schedule';
COMMENT ON COLUMN demand_forecasts.lower_quantity IS 'Lower end of the confidence band';
COMMENT ON COLUMN demand_forecasts.upper_quantity IS 'Upper end';
COMMENT ON COLUMN demand_forecasts.confidence_percentage IS 'Chance that demand falls into the band';
COMMENT ON COLUMN demand_forecasts.consumed_quantity IS 'Sales orders already set against it; planning counts forecast - consumed';
COMMENT ON COLUMN demand_forecasts.actual_quantity IS 'Demand that came; NULL until the period is over';
COMMENT ON COLUMN demand_forecasts.error_percentage IS 'abs(actual_quantity - forecast_quantity) / actual_quantity * 100; NULL without actual demand';
COMMENT ON COLUMN demand_forecasts.status IS 'draft, approved, released (planning reads it), superseded';

CREATE TABLE planned_orders (
    planned_order_id              VARCHAR(50) PRIMARY KEY,
    planned_order_number          VARCHAR(50) NOT NULL UNIQUE,
    mrp_run_id                    VARCHAR(50) NOT NULL,
    mrp_element_id                VARCHAR(50),
    material_id                   VARCHAR(50) NOT NULL,
    plant_id                      VARCHAR(50) NOT NULL,
    order_type                    VARCHAR(30) NOT NULL,
    planned_quantity              DECIMAL(15,4) NOT NULL,
    unit_of_measure               VARCHAR(20) NOT NULL,
    start_date                    DATE NOT NULL,
    finish_date                   DATE NOT NULL,
    bom_id                        VARCHAR(50),
    routing_id                    VARCHAR(50),
    supplier_id                   VARCHAR(50),
    source_plant_id               VARCHAR(50),
    firmed                        BOOLEAN NOT NULL DEFAULT false,
    exception_message             VARCHAR(200),
    status                        VARCHAR(30) NOT NULL DEFAULT 'proposed',
    converted_production_order_id VARCHAR(50),
    converted_requisition_id      VARCHAR(50),
    converted_transfer_id         VARCHAR(50),
    converted_at                  TIMESTAMP,
    created_at                    TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                    TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (order_type IN ('production', 'purchase', 'transfer')),
    CHECK (status IN ('proposed', 'firmed', 'converted', 'cancelled')),
    CHECK (planned_quantity > 0),
    CHECK (finish_date >= start_date),
    CHECK (order_type <> 'transfer' OR source_plant_id <> plant_id),
    CHECK (num_nonnulls(converted_production_order_id, converted_requisition_id, converted_transfer_id) = CASE status WHEN 'converted' THEN 1 ELSE 0 END)
);
CREATE INDEX planned_orders_status_start_date_idx ON planned_orders (status, start_date);
COMMENT ON TABLE planned_orders IS 'Proposed orders output by planning runs, until they are converted';
COMMENT ON COLUMN planned_orders.mrp_element_id IS 'Demand that it covers; NULL: safety stock or lot size only';
COMMENT ON COLUMN planned_orders.plant_id IS 'Plant that needs the material';
COMMENT ON COLUMN planned_orders.order_type IS 'production, purchase, transfer';
COMMENT ON COLUMN planned_orders.planned_quantity IS 'After lot sizing and rounding';
COMMENT ON COLUMN planned_orders.unit_of_measure IS 'Base unit of the material';
COMMENT ON COLUMN planned_orders.start_date IS 'Latest start, or latest day to order';
COMMENT ON COLUMN planned_orders.finish_date IS 'Day of availability';
COMMENT ON COLUMN planned_orders.bom_id IS 'Set for production';
COMMENT ON COLUMN planned_orders.routing_id IS 'Set for production';
COMMENT ON COLUMN planned_orders.supplier_id IS 'Source of a purchase; NULL: not chosen yet';
COMMENT ON COLUMN planned_orders.source_plant_id IS 'Sender of a transfer';
COMMENT ON COLUMN planned_orders.firmed IS 'The next run leaves it alone';
COMMENT ON COLUMN planned_orders.exception_message IS 'As in mrp_elements; NULL: nothing to do';
COMMENT ON COLUMN planned_orders.status IS 'proposed, firmed, converted, cancelled';
COMMENT ON COLUMN planned_orders.converted_production_order_id IS 'Set when a production proposal was converted';
COMMENT ON COLUMN planned_orders.converted_requisition_id IS 'Set when a purchase proposal was converted';
COMMENT ON COLUMN planned_orders.converted_transfer_id IS 'Set when a transfer proposal was converted';
