-- Spare parts: stock, reorder levels, cost, and every movement.
-- The movements of a part, transfers left out, add up to its current stock.

CREATE TABLE mro_parts (
    mro_part_id              VARCHAR(50) PRIMARY KEY,
    part_number              VARCHAR(100) NOT NULL UNIQUE,
    part_name                VARCHAR(200) NOT NULL,
    part_category            VARCHAR(50),
    part_type                VARCHAR(50),
    description              TEXT,
    manufacturer             VARCHAR(200),
    manufacturer_part_number VARCHAR(100),
    unit_of_measure          VARCHAR(20),
    current_stock            DECIMAL(15,4) DEFAULT 0,
    min_stock_level          DECIMAL(15,4),
    max_stock_level          DECIMAL(15,4),
    reorder_point            DECIMAL(15,4),
    reorder_quantity         DECIMAL(15,4),
    warehouse_id             VARCHAR(50),
    bin_location             VARCHAR(100),
    criticality              VARCHAR(20),
    lead_time_days           INTEGER,
    standard_cost            DECIMAL(12,4),
    last_purchase_cost       DECIMAL(12,4),
    last_purchase_date       DATE,
    average_cost             DECIMAL(12,4),
    total_stock_value        DECIMAL(15,2),
    primary_supplier_id      VARCHAR(50),
    alternate_suppliers      TEXT,
    annual_usage_quantity    DECIMAL(15,4),
    last_issue_date          DATE,
    last_receipt_date        DATE,
    used_on_assets           TEXT,
    interchangeable_parts    TEXT,
    has_shelf_life           BOOLEAN DEFAULT false,
    shelf_life_months        INTEGER,
    part_status              VARCHAR(30) DEFAULT 'active',
    is_active                BOOLEAN DEFAULT true,
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX mro_parts_part_status_part_category_idx ON mro_parts (part_status, part_category);
COMMENT ON TABLE mro_parts IS 'Spare part stock, reorder levels and cost';
COMMENT ON COLUMN mro_parts.mro_part_id IS 'MRO-0001 ...';
COMMENT ON COLUMN mro_parts.part_category IS 'mechanical, electrical, electronic, hydraulic, pneumatic, consumable, safety';
COMMENT ON COLUMN mro_parts.part_type IS 'spare, consumable, repairable, tool';
COMMENT ON COLUMN mro_parts.unit_of_measure IS 'EA, M, L, KG ...';
COMMENT ON COLUMN mro_parts.current_stock IS 'Sum of quantity in mro_parts_transactions, transfers left out';
COMMENT ON COLUMN mro_parts.reorder_point IS 'Order when current_stock falls to it; min_stock_level <= reorder_point < max_stock_level';
COMMENT ON COLUMN mro_parts.reorder_quantity IS 'Ordered at once';
COMMENT ON COLUMN mro_parts.bin_location IS 'Place in the store';
COMMENT ON COLUMN mro_parts.criticality IS 'low, medium, high, critical';
COMMENT ON COLUMN mro_parts.standard_cost IS 'INR per unit';
COMMENT ON COLUMN mro_parts.last_purchase_cost IS 'INR per unit of the last receipt';
COMMENT ON COLUMN mro_parts.average_cost IS 'Moving average of the receipts, INR per unit';
COMMENT ON COLUMN mro_parts.total_stock_value IS 'current_stock * average_cost, INR';
COMMENT ON COLUMN mro_parts.alternate_suppliers IS 'Supplier ids, separated by commas';
COMMENT ON COLUMN mro_parts.annual_usage_quantity IS 'Issued in the last 12 months';
COMMENT ON COLUMN mro_parts.used_on_assets IS 'Asset ids, separated by commas';
COMMENT ON COLUMN mro_parts.interchangeable_parts IS 'Part numbers, separated by commas';
COMMENT ON COLUMN mro_parts.shelf_life_months IS 'NULL unless has_shelf_life';
COMMENT ON COLUMN mro_parts.part_status IS 'active, obsolete, blocked';

CREATE TABLE mro_parts_transactions (
    transaction_id     VARCHAR(50) PRIMARY KEY,
    transaction_number VARCHAR(50) NOT NULL UNIQUE,
    mro_part_id        VARCHAR(50) NOT NULL,
    transaction_type   VARCHAR(30),
    transaction_date   TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    quantity           DECIMAL(15,4),
    unit_of_measure    VARCHAR(20),
    unit_cost          DECIMAL(12,4),
    total_cost         DECIMAL(15,2),
    work_order_id      VARCHAR(50),
    asset_id           VARCHAR(50),
    from_location      VARCHAR(100),
    to_location        VARCHAR(100),
    issued_to          VARCHAR(50),
    issued_by          VARCHAR(50),
    purchase_order_id  VARCHAR(50),
    reason_code        VARCHAR(50),
    notes              TEXT,
    created_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX mro_parts_transactions_transaction_date_idx ON mro_parts_transactions (transaction_date);
COMMENT ON TABLE mro_parts_transactions IS 'Spare part issues, receipts and adjustments';
COMMENT ON COLUMN mro_parts_transactions.transaction_type IS 'receipt, issue, return, adjustment, transfer, scrap';
COMMENT ON COLUMN mro_parts_transactions.quantity IS 'Signed: receipt and return above zero, issue and scrap below, adjustment either way; a transfer is above zero and moves no stock total';
COMMENT ON COLUMN mro_parts_transactions.unit_cost IS 'INR per unit';
COMMENT ON COLUMN mro_parts_transactions.total_cost IS 'abs(quantity) * unit_cost, INR';
COMMENT ON COLUMN mro_parts_transactions.work_order_id IS 'Job that takes or returns the part; NULL for receipts and adjustments';
COMMENT ON COLUMN mro_parts_transactions.issued_to IS 'maintenance_technicians.technician_id';
COMMENT ON COLUMN mro_parts_transactions.issued_by IS 'Employee of the store';
COMMENT ON COLUMN mro_parts_transactions.purchase_order_id IS 'ERP order; only for receipts';
COMMENT ON COLUMN mro_parts_transactions.reason_code IS 'work_order, stock_count, damage, expiry, relocation, purchase';
