-- What lies where: stock per bin and batch, the position per warehouse and material, every move, and the counts.
-- inventory_levels is the sum that planning reads; warehouse_inventory is the truth it is summed from.

CREATE TABLE warehouse_inventory (
    inventory_id          VARCHAR(50) PRIMARY KEY,
    warehouse_id          VARCHAR(50) NOT NULL,
    bin_id                VARCHAR(50) NOT NULL,
    material_id           VARCHAR(50) NOT NULL,
    batch_number          VARCHAR(50),
    serial_number         VARCHAR(50),
    quantity_on_hand      DECIMAL(15,4) DEFAULT 0,
    unit_of_measure       VARCHAR(20),
    stock_status          VARCHAR(30) DEFAULT 'available',
    lot_number            VARCHAR(50),
    manufacture_date      DATE,
    expiry_date           DATE,
    retest_date           DATE,
    pallet_id             VARCHAR(50),
    lpn                   VARCHAR(50),
    damaged               BOOLEAN DEFAULT false,
    reserved_quantity     DECIMAL(15,4) DEFAULT 0,
    available_quantity    DECIMAL(15,4) DEFAULT 0,
    last_movement_date    TIMESTAMP,
    last_cycle_count_date TIMESTAMP,
    updated_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX warehouse_inventory_material_id_warehouse_id_stock_status_idx ON warehouse_inventory (material_id, warehouse_id, stock_status);
CREATE INDEX warehouse_inventory_expiry_date_idx ON warehouse_inventory (expiry_date) WHERE expiry_date IS NOT NULL;
COMMENT ON TABLE warehouse_inventory IS 'Stock per bin, material, batch and pallet';
COMMENT ON COLUMN warehouse_inventory.batch_number IS 'Batch of the own production or goods receipt; NULL: material without batches';
COMMENT ON COLUMN warehouse_inventory.serial_number IS 'Only for serialised pieces, quantity 1';
COMMENT ON COLUMN warehouse_inventory.quantity_on_hand IS 'Physically there, never negative';
COMMENT ON COLUMN warehouse_inventory.stock_status IS 'available, quality_hold, reserved, blocked, damaged, expired';
COMMENT ON COLUMN warehouse_inventory.lot_number IS 'Lot number of the supplier';
COMMENT ON COLUMN warehouse_inventory.expiry_date IS 'Not before manufacture_date; NULL: does not expire';
COMMENT ON COLUMN warehouse_inventory.retest_date IS 'When quality has to look again';
COMMENT ON COLUMN warehouse_inventory.pallet_id IS 'Number on the pallet (SSCC), free text, no table';
COMMENT ON COLUMN warehouse_inventory.lpn IS 'Licence plate number of the handling unit';
COMMENT ON COLUMN warehouse_inventory.reserved_quantity IS 'Promised to orders; at most quantity_on_hand, 0 unless stock_status is available or reserved';
COMMENT ON COLUMN warehouse_inventory.available_quantity IS 'quantity_on_hand - reserved_quantity when stock_status is available, else 0';
COMMENT ON COLUMN warehouse_inventory.last_cycle_count_date IS 'Last count of the bin; NULL: never counted';

CREATE TABLE inventory_levels (
    inventory_level_id    VARCHAR(50) PRIMARY KEY,
    warehouse_id          VARCHAR(50) NOT NULL,
    material_id           VARCHAR(50) NOT NULL,
    quantity_on_hand      DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (quantity_on_hand >= 0),
    reserved_quantity     DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (reserved_quantity >= 0),
    available_quantity    DECIMAL(15,4) NOT NULL DEFAULT 0,
    quality_hold_quantity DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (quality_hold_quantity >= 0),
    blocked_quantity      DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (blocked_quantity >= 0),
    in_transit_quantity   DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (in_transit_quantity >= 0),
    unit_of_measure       VARCHAR(20) NOT NULL,
    minimum_level         DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (minimum_level >= 0),
    safety_stock          DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (safety_stock >= 0),
    reorder_point         DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (reorder_point >= 0),
    maximum_level         DECIMAL(15,4),
    average_unit_cost     DECIMAL(15,4) CHECK (average_unit_cost >= 0),
    stock_value           DECIMAL(15,2) NOT NULL DEFAULT 0,
    currency              VARCHAR(3) NOT NULL DEFAULT 'INR',
    abc_class             VARCHAR(1) CHECK (abc_class IN ('A', 'B', 'C')),
    days_of_supply        DECIMAL(8,2) CHECK (days_of_supply >= 0),
    level_status          VARCHAR(30) NOT NULL DEFAULT 'normal' CHECK (level_status IN ('out_of_stock', 'critical', 'reorder', 'normal', 'overstock')),
    last_receipt_date     DATE,
    last_issue_date       DATE,
    last_count_date       DATE,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (warehouse_id, material_id),
    CHECK (maximum_level IS NULL OR maximum_level >= minimum_level),
    CHECK (reserved_quantity + quality_hold_quantity + blocked_quantity <= quantity_on_hand)
);
CREATE INDEX inventory_levels_material_id_idx ON inventory_levels (material_id);
CREATE INDEX inventory_levels_level_status_warehouse_id_idx ON inventory_levels (level_status, warehouse_id);
COMMENT ON TABLE inventory_levels IS 'Stock position per warehouse and material with its planning limits; quantities are sums of warehouse_inventory';
COMMENT ON COLUMN inventory_levels.quantity_on_hand IS 'Sum of warehouse_inventory.quantity_on_hand over all bins and states';
COMMENT ON COLUMN inventory_levels.reserved_quantity IS 'Sum of warehouse_inventory.reserved_quantity';
COMMENT ON COLUMN inventory_levels.available_quantity IS 'Sum of warehouse_inventory.available_quantity';
COMMENT ON COLUMN inventory_levels.quality_hold_quantity IS 'Part of quantity_on_hand whose stock_status is quality_hold';
COMMENT ON COLUMN inventory_levels.blocked_quantity IS 'Part of quantity_on_hand whose stock_status is blocked, damaged or expired';
COMMENT ON COLUMN inventory_levels.in_transit_quantity IS 'Under way to the warehouse, not part of quantity_on_hand';
COMMENT ON COLUMN inventory_levels.unit_of_measure IS 'Base unit of the material';
COMMENT ON COLUMN inventory_levels.minimum_level IS 'Below it the level_status is critical';
COMMENT ON COLUMN inventory_levels.reorder_point IS 'At or below it a replenishment is due';
COMMENT ON COLUMN inventory_levels.maximum_level IS 'NULL: no upper limit';
COMMENT ON COLUMN inventory_levels.average_unit_cost IS 'Moving average cost per unit_of_measure';
COMMENT ON COLUMN inventory_levels.stock_value IS 'stock_value = quantity_on_hand * average_unit_cost';
COMMENT ON COLUMN inventory_levels.abc_class IS 'By yearly consumption value: A highest';
COMMENT ON COLUMN inventory_levels.days_of_supply IS 'available_quantity / average daily issue of the last 30 days; NULL: no issue in that time';
COMMENT ON COLUMN inventory_levels.level_status IS 'out_of_stock: nothing available; critical: below minimum_level; reorder: at or below reorder_point; overstock: above maximum_level; else normal';
COMMENT ON COLUMN inventory_levels.last_count_date IS 'Last cycle count; NULL: never counted';

CREATE TABLE warehouse_movements (
    movement_id             VARCHAR(50) PRIMARY KEY,
    movement_number         VARCHAR(50) NOT NULL UNIQUE,
    material_id             VARCHAR(50) NOT NULL,
    quantity                DECIMAL(15,4),
    unit_of_measure         VARCHAR(20),
    batch_number            VARCHAR(50),
    lpn                     VARCHAR(50),
    movement_type           VARCHAR(50),
    warehouse_id            VARCHAR(50) NOT NULL,
    from_bin_id             VARCHAR(50),
    to_bin_id               VARCHAR(50),
    reference_document_type VARCHAR(50),
    reference_document_id   VARCHAR(50),
    performed_by            VARCHAR(50),
    movement_timestamp      TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    equipment_used          VARCHAR(50),
    notes                   TEXT
);
CREATE INDEX warehouse_movements_movement_timestamp_idx ON warehouse_movements (movement_timestamp);
CREATE INDEX warehouse_movements_material_id_movement_timestamp_idx ON warehouse_movements (material_id, movement_timestamp);
COMMENT ON TABLE warehouse_movements IS 'Every move of stock: into, out of and between bins';
COMMENT ON COLUMN warehouse_movements.movement_number IS 'WMV-YYYY-000001';
COMMENT ON COLUMN warehouse_movements.quantity IS 'Always positive; the direction is in from_bin_id and to_bin_id';
COMMENT ON COLUMN warehouse_movements.movement_type IS 'receipt, putaway, replenishment, pick, pack, ship, transfer, adjustment, return, scrap';
COMMENT ON COLUMN warehouse_movements.from_bin_id IS 'NULL: the stock comes from outside the warehouse (receipt, return, count gain)';
COMMENT ON COLUMN warehouse_movements.to_bin_id IS 'NULL: the stock leaves the warehouse (ship, scrap, count loss)';
COMMENT ON COLUMN warehouse_movements.reference_document_type IS 'receiving_task, putaway_task, picking_task, shipping_task, cycle_count, return_order';
COMMENT ON COLUMN warehouse_movements.reference_document_id IS 'Key of that document; NULL: move without document';

CREATE TABLE cycle_count_tasks (
    cycle_count_id        VARCHAR(50) PRIMARY KEY,
    task_number           VARCHAR(50) NOT NULL UNIQUE,
    warehouse_id          VARCHAR(50) NOT NULL,
    bin_id                VARCHAR(50),
    count_type            VARCHAR(30),
    material_id           VARCHAR(50),
    expected_quantity     DECIMAL(15,4),
    counted_quantity      DECIMAL(15,4),
    variance_quantity     DECIMAL(15,4),
    variance_percentage   DECIMAL(5,2),
    task_status           VARCHAR(30) DEFAULT 'pending',
    assigned_to           VARCHAR(50),
    scheduled_date        DATE,
    count_date            DATE,
    count_time            TIMESTAMP,
    recount_required      BOOLEAN DEFAULT false,
    recount_threshold_pct DECIMAL(5,2) DEFAULT 5.0,
    variance_approved     BOOLEAN DEFAULT false,
    approved_by           VARCHAR(50),
    approved_at           TIMESTAMP,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    notes                 TEXT
);
CREATE INDEX cycle_count_tasks_task_status_scheduled_date_idx ON cycle_count_tasks (task_status, scheduled_date);
COMMENT ON TABLE cycle_count_tasks IS 'Stock counting jobs and their differences';
COMMENT ON COLUMN cycle_count_tasks.task_number IS 'CC-YYYY-000001';
COMMENT ON COLUMN cycle_count_tasks.count_type IS 'abc, random, full, spot, annual';
COMMENT ON COLUMN cycle_count_tasks.expected_quantity IS 'By the system when the count began';
COMMENT ON COLUMN cycle_count_tasks.counted_quantity IS 'NULL: not counted yet';
COMMENT ON COLUMN cycle_count_tasks.variance_quantity IS 'variance_quantity = counted_quantity - expected_quantity; negative is a loss';
COMMENT ON COLUMN cycle_count_tasks.variance_percentage IS 'variance_percentage = variance_quantity / expected_quantity * 100; NULL when nothing was expected';
COMMENT ON COLUMN cycle_count_tasks.task_status IS 'pending, assigned, in_progress, counted, recount, completed, cancelled';
COMMENT ON COLUMN cycle_count_tasks.recount_required IS 'True when the absolute variance_percentage exceeds recount_threshold_pct';
COMMENT ON COLUMN cycle_count_tasks.variance_approved IS 'The difference was posted to stock';
