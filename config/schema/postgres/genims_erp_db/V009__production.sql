-- Production orders, from planning to settlement, and the stock held for their components.
-- The shop floor executes them as work orders of genims_manufacturing_db.

CREATE TABLE production_orders (
    production_order_id     VARCHAR(50) PRIMARY KEY,
    production_order_number VARCHAR(50) NOT NULL UNIQUE,
    material_id             VARCHAR(50) NOT NULL,
    plant_id                VARCHAR(50) NOT NULL,
    sales_order_id          VARCHAR(50),
    sales_order_line        INTEGER,
    mrp_element             VARCHAR(50),
    order_type              VARCHAR(30),
    production_version      INTEGER DEFAULT 1,
    order_quantity          DECIMAL(15,4) NOT NULL,
    delivered_quantity      DECIMAL(15,4) DEFAULT 0,
    scrap_quantity          DECIMAL(15,4) DEFAULT 0,
    basic_start_date        DATE NOT NULL,
    basic_end_date          DATE NOT NULL,
    scheduled_start_date    DATE,
    scheduled_end_date      DATE,
    actual_start_date       DATE,
    actual_finish_date      DATE,
    system_status           VARCHAR(30) DEFAULT 'created',
    user_status             VARCHAR(30),
    priority                INTEGER DEFAULT 5,
    scheduling_type         VARCHAR(30),
    bom_id                  VARCHAR(50),
    routing_id              VARCHAR(50),
    work_order_id           VARCHAR(50),
    planned_costs           DECIMAL(15,2),
    actual_costs            DECIMAL(15,2),
    variance_amount         DECIMAL(15,2),
    settlement_rule         VARCHAR(50),
    settlement_receiver     VARCHAR(50),
    created_by              VARCHAR(50),
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    released_by             VARCHAR(50),
    released_at             TIMESTAMP,
    closed_at               TIMESTAMP
);
CREATE INDEX production_orders_system_status_basic_start_date_idx ON production_orders (system_status, basic_start_date);
CREATE INDEX production_orders_plant_id_basic_start_date_idx ON production_orders (plant_id, basic_start_date);
COMMENT ON TABLE production_orders IS 'Planned and released orders sent to the shop floor';
COMMENT ON COLUMN production_orders.production_order_id IS 'PRD-000001 ...';
COMMENT ON COLUMN production_orders.sales_order_id IS 'NULL: made to stock';
COMMENT ON COLUMN production_orders.sales_order_line IS 'line_number of the sales order';
COMMENT ON COLUMN production_orders.mrp_element IS 'element_id of the mrp_elements row it covers; NULL: not from planning';
COMMENT ON COLUMN production_orders.order_type IS 'standard, make_to_order, rework, prototype';
COMMENT ON COLUMN production_orders.production_version IS 'Number of the BOM and routing pair, 1 is the first choice';
COMMENT ON COLUMN production_orders.order_quantity IS 'Base units to deliver';
COMMENT ON COLUMN production_orders.delivered_quantity IS 'Good quantity delivered to stock';
COMMENT ON COLUMN production_orders.scrap_quantity IS 'Reported as scrap, not in delivered_quantity';
COMMENT ON COLUMN production_orders.basic_start_date IS 'Window set by planning';
COMMENT ON COLUMN production_orders.basic_end_date IS 'Not before basic_start_date';
COMMENT ON COLUMN production_orders.scheduled_start_date IS 'From the operation times of the routing, inside the window';
COMMENT ON COLUMN production_orders.actual_start_date IS 'First confirmation; NULL: not started';
COMMENT ON COLUMN production_orders.actual_finish_date IS 'Last delivery; NULL: not finished';
COMMENT ON COLUMN production_orders.system_status IS 'created, released, partially_confirmed, confirmed, delivered, technically_completed, closed, cancelled';
COMMENT ON COLUMN production_orders.user_status IS 'Word set by the planner: on_hold, material_missing, expedite; NULL: none';
COMMENT ON COLUMN production_orders.priority IS '1 is most urgent, 9 least';
COMMENT ON COLUMN production_orders.scheduling_type IS 'forward, backward';
COMMENT ON COLUMN production_orders.work_order_id IS 'Work order on the shop floor; NULL before release';
COMMENT ON COLUMN production_orders.planned_costs IS 'Cost of order_quantity by the released estimate, INR';
COMMENT ON COLUMN production_orders.actual_costs IS 'Material, machine and labor posted so far, INR';
COMMENT ON COLUMN production_orders.variance_amount IS 'actual_costs - planned_costs; positive: dearer than planned';
COMMENT ON COLUMN production_orders.settlement_rule IS 'full_settlement, periodic_settlement';
COMMENT ON COLUMN production_orders.settlement_receiver IS 'material_id for stock orders, sales_order_id for made-to-order ones';
COMMENT ON COLUMN production_orders.released_at IS 'NULL before release';
COMMENT ON COLUMN production_orders.closed_at IS 'NULL: still open for postings';

CREATE TABLE inventory_reservations (
    reservation_id        VARCHAR(50) PRIMARY KEY,
    reservation_number    VARCHAR(50) NOT NULL UNIQUE,
    production_order_id   VARCHAR(50),
    planned_order_id      VARCHAR(50),
    component_id          VARCHAR(50),
    material_id           VARCHAR(50) NOT NULL,
    plant_id              VARCHAR(50) NOT NULL,
    inventory_location_id VARCHAR(50),
    lot_id                VARCHAR(50),
    operation_number      INTEGER,
    required_date         DATE NOT NULL,
    required_quantity     DECIMAL(15,4) NOT NULL,
    reserved_quantity     DECIMAL(15,4) NOT NULL DEFAULT 0,
    issued_quantity       DECIMAL(15,4) NOT NULL DEFAULT 0,
    unit_of_measure       VARCHAR(20) NOT NULL,
    backflush             BOOLEAN NOT NULL DEFAULT false,
    priority              INTEGER NOT NULL DEFAULT 5,
    reserved_by           VARCHAR(50),
    expires_at            TIMESTAMP,
    status                VARCHAR(30) NOT NULL DEFAULT 'open',
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (num_nonnulls(production_order_id, planned_order_id) = 1),
    CHECK (required_quantity > 0),
    CHECK (reserved_quantity BETWEEN 0 AND required_quantity),
    CHECK (issued_quantity BETWEEN 0 AND reserved_quantity),
    CHECK (priority BETWEEN 1 AND 9),
    CHECK (status IN ('open', 'reserved', 'partially_issued', 'issued', 'cancelled'))
);
CREATE INDEX inventory_reservations_status_required_date_idx ON inventory_reservations (status, required_date);
COMMENT ON TABLE inventory_reservations IS 'Component stock held for planned production';
COMMENT ON COLUMN inventory_reservations.production_order_id IS 'Exactly one of production_order_id and planned_order_id is set';
COMMENT ON COLUMN inventory_reservations.planned_order_id IS 'Proposal that needs the component';
COMMENT ON COLUMN inventory_reservations.component_id IS 'Component line it comes from; NULL: added by hand';
COMMENT ON COLUMN inventory_reservations.inventory_location_id IS 'Where the stock is held; NULL: anywhere in the plant';
COMMENT ON COLUMN inventory_reservations.lot_id IS 'Held lot; NULL: any lot';
COMMENT ON COLUMN inventory_reservations.operation_number IS 'Operation that consumes it';
COMMENT ON COLUMN inventory_reservations.required_quantity IS 'Base units, scrap included';
COMMENT ON COLUMN inventory_reservations.reserved_quantity IS 'Held so far; shortage = required_quantity - reserved_quantity';
COMMENT ON COLUMN inventory_reservations.issued_quantity IS 'Taken out of the held quantity by movement type 261';
COMMENT ON COLUMN inventory_reservations.backflush IS 'Issued by the confirmation of the operation';
COMMENT ON COLUMN inventory_reservations.priority IS 'As the order''s: 1 is most urgent, 9 least';
COMMENT ON COLUMN inventory_reservations.reserved_by IS 'NULL: held by the planning run';
COMMENT ON COLUMN inventory_reservations.expires_at IS 'Held stock is freed then; NULL: until issued';
COMMENT ON COLUMN inventory_reservations.status IS 'open, reserved, partially_issued, issued, cancelled';
