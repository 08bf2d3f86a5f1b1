-- Lots and serialised units, from receipt or production to the customer.
-- A lot is what the batch_number columns of stock documents name.

CREATE TABLE lot_tracking (
    lot_id              VARCHAR(50) PRIMARY KEY,
    lot_number          VARCHAR(50) NOT NULL,
    material_id         VARCHAR(50) NOT NULL,
    plant_id            VARCHAR(50) NOT NULL,
    origin_type         VARCHAR(30) NOT NULL,
    parent_lot_id       VARCHAR(50),
    supplier_id         VARCHAR(50),
    supplier_lot_number VARCHAR(50),
    goods_receipt_id    VARCHAR(50),
    production_order_id VARCHAR(50),
    initial_quantity    DECIMAL(15,4) NOT NULL,
    consumed_quantity   DECIMAL(15,4) NOT NULL DEFAULT 0,
    shipped_quantity    DECIMAL(15,4) NOT NULL DEFAULT 0,
    split_quantity      DECIMAL(15,4) NOT NULL DEFAULT 0,
    scrapped_quantity   DECIMAL(15,4) NOT NULL DEFAULT 0,
    current_quantity    DECIMAL(15,4) NOT NULL,
    unit_of_measure     VARCHAR(20) NOT NULL,
    manufacture_date    DATE,
    received_date       DATE,
    expiry_date         DATE,
    last_shipment_id    VARCHAR(50),
    certificate_number  VARCHAR(50),
    quality_status      VARCHAR(30) NOT NULL DEFAULT 'pending',
    hold_reason         VARCHAR(200),
    status              VARCHAR(30) NOT NULL DEFAULT 'active',
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (material_id, lot_number),
    CHECK (origin_type IN ('purchased', 'produced', 'split', 'returned')),
    CHECK (origin_type <> 'purchased' OR goods_receipt_id IS NOT NULL),
    CHECK (origin_type <> 'produced' OR production_order_id IS NOT NULL),
    CHECK (origin_type <> 'split' OR parent_lot_id IS NOT NULL),
    CHECK (parent_lot_id <> lot_id),
    CHECK (initial_quantity > 0 AND consumed_quantity >= 0 AND shipped_quantity >= 0 AND split_quantity >= 0 AND scrapped_quantity >= 0),
    CHECK (current_quantity >= 0 AND current_quantity = initial_quantity - consumed_quantity - shipped_quantity - split_quantity - scrapped_quantity),
    CHECK (quality_status IN ('pending', 'released', 'on_hold', 'rejected')),
    CHECK (status IN ('active', 'depleted', 'expired', 'recalled')),
    CHECK (status <> 'depleted' OR current_quantity = 0),
    CHECK (received_date >= manufacture_date AND expiry_date > manufacture_date)
);
CREATE INDEX lot_tracking_lot_number_idx ON lot_tracking (lot_number);
CREATE INDEX lot_tracking_expiry_date_idx ON lot_tracking (expiry_date);
COMMENT ON TABLE lot_tracking IS 'Lot genealogy from receipt to shipment';
COMMENT ON COLUMN lot_tracking.lot_id IS 'LOT-000001 ...';
COMMENT ON COLUMN lot_tracking.lot_number IS 'Unique per material; the batch_number columns hold it';
COMMENT ON COLUMN lot_tracking.plant_id IS 'Plant where the lot is now';
COMMENT ON COLUMN lot_tracking.origin_type IS 'purchased (has goods_receipt_id), produced (has production_order_id), split (has parent_lot_id), returned';
COMMENT ON COLUMN lot_tracking.parent_lot_id IS 'Lot that a split lot comes from; component lots of a produced lot are the batches of its order''s 261 movements';
COMMENT ON COLUMN lot_tracking.supplier_id IS 'Purchased lots';
COMMENT ON COLUMN lot_tracking.supplier_lot_number IS 'Batch printed by the supplier';
COMMENT ON COLUMN lot_tracking.goods_receipt_id IS 'Receipt that opened the lot';
COMMENT ON COLUMN lot_tracking.production_order_id IS 'Order that made the lot';
COMMENT ON COLUMN lot_tracking.consumed_quantity IS 'Issued to production';
COMMENT ON COLUMN lot_tracking.shipped_quantity IS 'Left to customers or back to the supplier';
COMMENT ON COLUMN lot_tracking.split_quantity IS 'Moved to lots that have this one as parent';
COMMENT ON COLUMN lot_tracking.current_quantity IS 'initial - consumed - shipped - split - scrapped quantity';
COMMENT ON COLUMN lot_tracking.received_date IS 'Day the lot came into stock';
COMMENT ON COLUMN lot_tracking.expiry_date IS 'manufacture_date + shelf_life_days of the material; NULL: does not expire';
COMMENT ON COLUMN lot_tracking.last_shipment_id IS 'Latest shipment with units of the lot; NULL: none';
COMMENT ON COLUMN lot_tracking.certificate_number IS 'Material certificate';
COMMENT ON COLUMN lot_tracking.quality_status IS 'pending, released, on_hold, rejected';
COMMENT ON COLUMN lot_tracking.hold_reason IS 'Set while on hold';
COMMENT ON COLUMN lot_tracking.status IS 'active, depleted (current_quantity is 0), expired, recalled';

CREATE TABLE serial_number_tracking (
    serial_id             VARCHAR(50) PRIMARY KEY,
    serial_number         VARCHAR(100) NOT NULL,
    material_id           VARCHAR(50) NOT NULL,
    product_id            VARCHAR(50),
    lot_id                VARCHAR(50),
    production_order_id   VARCHAR(50),
    parent_serial_id      VARCHAR(50),
    revision              VARCHAR(20),
    manufacture_date      DATE NOT NULL,
    plant_id              VARCHAR(50),
    inventory_location_id VARCHAR(50),
    sales_order_line_id   VARCHAR(50),
    customer_id           VARCHAR(50),
    shipment_id           VARCHAR(50),
    shipped_date          DATE,
    warranty_start_date   DATE,
    warranty_end_date     DATE,
    last_event            VARCHAR(50) NOT NULL DEFAULT 'built',
    last_event_at         TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    status                VARCHAR(30) NOT NULL DEFAULT 'in_production',
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (material_id, serial_number),
    CHECK (last_event IN ('built', 'tested', 'stocked', 'moved', 'reserved', 'shipped', 'installed', 'returned', 'repaired', 'scrapped')),
    CHECK (status IN ('in_production', 'in_stock', 'reserved', 'shipped', 'installed', 'returned', 'in_repair', 'scrapped')),
    CHECK (status NOT IN ('shipped', 'installed') OR (customer_id IS NOT NULL AND shipped_date IS NOT NULL)),
    CHECK (parent_serial_id <> serial_id),
    CHECK (shipped_date >= manufacture_date),
    CHECK (warranty_end_date > warranty_start_date)
);
CREATE INDEX serial_number_tracking_serial_number_idx ON serial_number_tracking (serial_number);
COMMENT ON TABLE serial_number_tracking IS 'Serialised unit status and whereabouts';
COMMENT ON COLUMN serial_number_tracking.serial_number IS 'On the name plate; unique per material';
COMMENT ON COLUMN serial_number_tracking.lot_id IS 'Lot of the unit';
COMMENT ON COLUMN serial_number_tracking.production_order_id IS 'Order that made the unit; NULL: bought';
COMMENT ON COLUMN serial_number_tracking.parent_serial_id IS 'Unit that this one is built into; NULL: stands alone';
COMMENT ON COLUMN serial_number_tracking.revision IS 'BOM revision it was built to';
COMMENT ON COLUMN serial_number_tracking.plant_id IS 'Plant where the unit is; NULL once it has left';
COMMENT ON COLUMN serial_number_tracking.inventory_location_id IS 'NULL: on the line, or left the plant';
COMMENT ON COLUMN serial_number_tracking.sales_order_line_id IS 'Line that it was reserved for or shipped on';
COMMENT ON COLUMN serial_number_tracking.customer_id IS 'Owner once shipped';
COMMENT ON COLUMN serial_number_tracking.shipped_date IS 'NULL: not shipped';
COMMENT ON COLUMN serial_number_tracking.warranty_start_date IS 'Day of delivery';
COMMENT ON COLUMN serial_number_tracking.warranty_end_date IS 'NULL: warranty not started';
COMMENT ON COLUMN serial_number_tracking.last_event IS 'built, tested, stocked, moved, reserved, shipped, installed, returned, repaired, scrapped';
COMMENT ON COLUMN serial_number_tracking.status IS 'in_production, in_stock, reserved, shipped, installed, returned, in_repair, scrapped';
