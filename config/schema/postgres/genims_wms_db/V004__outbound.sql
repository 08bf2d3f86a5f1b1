-- Outbound work: picking waves and their lines, picking, packing and shipping.
-- Orders come from genims_erp_db, shipments and carriers from genims_tms_db.

CREATE TABLE pick_waves (
    wave_id           VARCHAR(50) PRIMARY KEY,
    wave_number       VARCHAR(50) NOT NULL UNIQUE,
    warehouse_id      VARCHAR(50) NOT NULL,
    wave_type         VARCHAR(50),
    planned_pick_date DATE,
    planned_ship_date DATE,
    priority          VARCHAR(30) DEFAULT 'normal',
    wave_status       VARCHAR(30) DEFAULT 'created',
    total_orders      INTEGER DEFAULT 0,
    total_lines       INTEGER DEFAULT 0,
    total_units       DECIMAL(15,4) DEFAULT 0,
    picked_orders     INTEGER DEFAULT 0,
    picked_lines      INTEGER DEFAULT 0,
    picked_units      DECIMAL(15,4) DEFAULT 0,
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    released_at       TIMESTAMP,
    completed_at      TIMESTAMP,
    created_by        VARCHAR(50),
    released_by       VARCHAR(50)
);
CREATE INDEX pick_waves_wave_status_planned_pick_date_idx ON pick_waves (wave_status, planned_pick_date);
COMMENT ON TABLE pick_waves IS 'Grouped picking releases; the totals are sums over wave_lines';
COMMENT ON COLUMN pick_waves.wave_number IS 'WAVE-YYYY-000001';
COMMENT ON COLUMN pick_waves.wave_type IS 'single_order, batch, zone, cluster, express';
COMMENT ON COLUMN pick_waves.planned_ship_date IS 'Not before planned_pick_date';
COMMENT ON COLUMN pick_waves.priority IS 'low, normal, high, urgent';
COMMENT ON COLUMN pick_waves.wave_status IS 'created, released, picking, picked, completed, cancelled';
COMMENT ON COLUMN pick_waves.total_orders IS 'Distinct sales_order_id of its lines';
COMMENT ON COLUMN pick_waves.total_lines IS 'Number of its lines';
COMMENT ON COLUMN pick_waves.total_units IS 'Sum of wave_lines.ordered_quantity';
COMMENT ON COLUMN pick_waves.picked_orders IS 'Orders of which every line is picked';
COMMENT ON COLUMN pick_waves.picked_lines IS 'Lines of which line_status is picked';
COMMENT ON COLUMN pick_waves.picked_units IS 'Sum of wave_lines.picked_quantity';

CREATE TABLE wave_lines (
    wave_line_id        VARCHAR(50) PRIMARY KEY,
    wave_id             VARCHAR(50) NOT NULL,
    line_number         INTEGER,
    sales_order_id      VARCHAR(50),
    sales_order_line_id VARCHAR(50),
    material_id         VARCHAR(50) NOT NULL,
    ordered_quantity    DECIMAL(15,4),
    allocated_quantity  DECIMAL(15,4) DEFAULT 0,
    picked_quantity     DECIMAL(15,4) DEFAULT 0,
    unit_of_measure     VARCHAR(20),
    line_status         VARCHAR(30) DEFAULT 'pending',
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX wave_lines_sales_order_id_idx ON wave_lines (sales_order_id);
COMMENT ON TABLE wave_lines IS 'Order lines inside a picking wave';
COMMENT ON COLUMN wave_lines.ordered_quantity IS 'From the sales order line';
COMMENT ON COLUMN wave_lines.allocated_quantity IS 'Reserved in stock; at most ordered_quantity';
COMMENT ON COLUMN wave_lines.picked_quantity IS 'Sum of picking_tasks.quantity_picked; at most allocated_quantity';
COMMENT ON COLUMN wave_lines.line_status IS 'pending, allocated, picking, picked, short, cancelled';

CREATE TABLE picking_tasks (
    picking_task_id       VARCHAR(50) PRIMARY KEY,
    task_number           VARCHAR(50) NOT NULL UNIQUE,
    wave_id               VARCHAR(50),
    wave_line_id          VARCHAR(50),
    sales_order_id        VARCHAR(50),
    material_id           VARCHAR(50) NOT NULL,
    quantity_to_pick      DECIMAL(15,4),
    quantity_picked       DECIMAL(15,4) DEFAULT 0,
    unit_of_measure       VARCHAR(20),
    warehouse_id          VARCHAR(50) NOT NULL,
    pick_from_bin_id      VARCHAR(50),
    pick_from_location    VARCHAR(100),
    stage_to_location     VARCHAR(100),
    batch_number          VARCHAR(50),
    serial_numbers        TEXT,
    task_type             VARCHAR(30),
    pick_sequence         INTEGER,
    task_status           VARCHAR(30) DEFAULT 'pending',
    assigned_to           VARCHAR(50),
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    assigned_at           TIMESTAMP,
    started_at            TIMESTAMP,
    completed_at          TIMESTAMP,
    requires_verification BOOLEAN DEFAULT false,
    verified_by           VARCHAR(50),
    verified_at           TIMESTAMP,
    notes                 TEXT
);
CREATE INDEX picking_tasks_task_status_created_at_idx ON picking_tasks (task_status, created_at);
CREATE INDEX picking_tasks_sales_order_id_idx ON picking_tasks (sales_order_id);
COMMENT ON TABLE picking_tasks IS 'Individual pick jobs';
COMMENT ON COLUMN picking_tasks.task_number IS 'PICK-YYYY-000001';
COMMENT ON COLUMN picking_tasks.wave_id IS 'NULL: picked without a wave';
COMMENT ON COLUMN picking_tasks.quantity_picked IS 'At most quantity_to_pick; less is a short pick';
COMMENT ON COLUMN picking_tasks.pick_from_location IS 'full_location of the bin';
COMMENT ON COLUMN picking_tasks.stage_to_location IS 'Staging place or packing station, free text';
COMMENT ON COLUMN picking_tasks.serial_numbers IS 'Separated by commas; NULL: not serialised';
COMMENT ON COLUMN picking_tasks.task_type IS 'discrete, batch, zone, replenishment';
COMMENT ON COLUMN picking_tasks.pick_sequence IS 'Order of the walk in the wave, from 1';
COMMENT ON COLUMN picking_tasks.task_status IS 'pending, assigned, in_progress, completed, short, cancelled';
COMMENT ON COLUMN picking_tasks.requires_verification IS 'A second worker has to scan it';
COMMENT ON COLUMN picking_tasks.verified_by IS 'Never the worker of assigned_to';

CREATE TABLE packing_tasks (
    packing_task_id   VARCHAR(50) PRIMARY KEY,
    task_number       VARCHAR(50) NOT NULL UNIQUE,
    sales_order_id    VARCHAR(50) NOT NULL,
    wave_id           VARCHAR(50),
    warehouse_id      VARCHAR(50) NOT NULL,
    packing_station   VARCHAR(50),
    package_type      VARCHAR(50),
    package_weight_kg DECIMAL(10,2),
    package_length_cm DECIMAL(8,2),
    package_width_cm  DECIMAL(8,2),
    package_height_cm DECIMAL(8,2),
    tracking_number   VARCHAR(100),
    shipment_id       VARCHAR(50),
    task_status       VARCHAR(30) DEFAULT 'pending',
    assigned_to       VARCHAR(50),
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    started_at        TIMESTAMP,
    completed_at      TIMESTAMP,
    box_id            VARCHAR(50),
    packing_materials TEXT,
    notes             TEXT
);
CREATE INDEX packing_tasks_task_status_created_at_idx ON packing_tasks (task_status, created_at);
CREATE INDEX packing_tasks_sales_order_id_idx ON packing_tasks (sales_order_id);
COMMENT ON TABLE packing_tasks IS 'Packing jobs, one per package, with its dimensions';
COMMENT ON COLUMN packing_tasks.task_number IS 'PACK-YYYY-000001';
COMMENT ON COLUMN packing_tasks.packing_station IS 'PS-01 ...';
COMMENT ON COLUMN packing_tasks.package_type IS 'carton, pallet, crate, drum, bag';
COMMENT ON COLUMN packing_tasks.package_weight_kg IS 'Gross weight, kg';
COMMENT ON COLUMN packing_tasks.tracking_number IS 'Of the package with the carrier; as shipment_packages.tracking_number';
COMMENT ON COLUMN packing_tasks.shipment_id IS 'NULL until the shipment is made';
COMMENT ON COLUMN packing_tasks.task_status IS 'pending, assigned, in_progress, completed, cancelled';
COMMENT ON COLUMN packing_tasks.box_id IS 'Label of the box, free text, no table';
COMMENT ON COLUMN packing_tasks.packing_materials IS 'Materials used, separated by commas';

CREATE TABLE shipping_tasks (
    shipping_task_id         VARCHAR(50) PRIMARY KEY,
    task_number              VARCHAR(50) NOT NULL UNIQUE,
    sales_order_id           VARCHAR(50) NOT NULL,
    warehouse_id             VARCHAR(50) NOT NULL,
    shipping_dock            VARCHAR(50),
    shipment_id              VARCHAR(50),
    carrier_id               VARCHAR(50),
    carrier_service          VARCHAR(50),
    number_of_packages       INTEGER,
    total_weight_kg          DECIMAL(10,2),
    total_volume_m3          DECIMAL(10,4),
    task_status              VARCHAR(30) DEFAULT 'pending',
    scheduled_ship_date      DATE,
    actual_ship_date         DATE,
    scheduled_ship_time      TIME,
    actual_ship_time         TIME,
    assigned_to              VARCHAR(50),
    bol_number               VARCHAR(100),
    bol_generated            BOOLEAN DEFAULT false,
    carrier_pickup_confirmed BOOLEAN DEFAULT false,
    carrier_pickup_time      TIMESTAMP,
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    completed_at             TIMESTAMP,
    notes                    TEXT
);
CREATE INDEX shipping_tasks_task_status_scheduled_ship_date_idx ON shipping_tasks (task_status, scheduled_ship_date);
CREATE INDEX shipping_tasks_sales_order_id_idx ON shipping_tasks (sales_order_id);
COMMENT ON TABLE shipping_tasks IS 'Loading and dispatch jobs';
COMMENT ON COLUMN shipping_tasks.task_number IS 'SHIP-YYYY-000001';
COMMENT ON COLUMN shipping_tasks.shipping_dock IS 'DOCK-01 ...';
COMMENT ON COLUMN shipping_tasks.shipment_id IS 'NULL until the shipment is made';
COMMENT ON COLUMN shipping_tasks.carrier_service IS 'service_code of genims_tms_db.carrier_services';
COMMENT ON COLUMN shipping_tasks.total_weight_kg IS 'Gross, kg: sum of package_weight_kg of its packing tasks';
COMMENT ON COLUMN shipping_tasks.total_volume_m3 IS 'Cubic metres';
COMMENT ON COLUMN shipping_tasks.task_status IS 'pending, assigned, loading, loaded, shipped, cancelled';
COMMENT ON COLUMN shipping_tasks.actual_ship_date IS 'NULL: not shipped yet';
COMMENT ON COLUMN shipping_tasks.bol_number IS 'Bill of lading; NULL unless bol_generated';
