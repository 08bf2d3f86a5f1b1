-- Stock and what changes it: balances, posted movements, transfers between plants or locations, and corrections.
-- Quantities are in the base unit of the material.

CREATE TABLE inventory_balances (
    balance_id               VARCHAR(50) PRIMARY KEY,
    material_id              VARCHAR(50) NOT NULL,
    plant_id                 VARCHAR(50) NOT NULL,
    storage_location         VARCHAR(50) NOT NULL,
    batch_number             VARCHAR(50),
    unrestricted_stock       DECIMAL(15,4) DEFAULT 0,
    quality_inspection_stock DECIMAL(15,4) DEFAULT 0,
    blocked_stock            DECIMAL(15,4) DEFAULT 0,
    consignment_stock        DECIMAL(15,4) DEFAULT 0,
    in_transit_stock         DECIMAL(15,4) DEFAULT 0,
    stock_value              DECIMAL(15,2),
    moving_average_price     DECIMAL(12,4),
    last_goods_receipt_date  DATE,
    last_goods_issue_date    DATE,
    last_count_date          DATE,
    cycle_count_indicator    VARCHAR(10),
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX inventory_balances_plant_id_storage_location_idx ON inventory_balances (plant_id, storage_location);
COMMENT ON TABLE inventory_balances IS 'Stock per material, plant, location and batch; one row for each combination';
COMMENT ON COLUMN inventory_balances.storage_location IS 'location_code of inventory_locations at plant_id';
COMMENT ON COLUMN inventory_balances.batch_number IS 'lot_number of lot_tracking; NULL: not lot managed';
COMMENT ON COLUMN inventory_balances.unrestricted_stock IS 'Free to use, base units';
COMMENT ON COLUMN inventory_balances.quality_inspection_stock IS 'Waiting for an inspection result';
COMMENT ON COLUMN inventory_balances.blocked_stock IS 'Rejected or held';
COMMENT ON COLUMN inventory_balances.consignment_stock IS 'Owned by the supplier; not in stock_value';
COMMENT ON COLUMN inventory_balances.in_transit_stock IS 'On the way to this location by a stock transfer';
COMMENT ON COLUMN inventory_balances.stock_value IS '(unrestricted_stock + quality_inspection_stock + blocked_stock + in_transit_stock) * moving_average_price';
COMMENT ON COLUMN inventory_balances.moving_average_price IS 'Of one base unit, INR';
COMMENT ON COLUMN inventory_balances.last_goods_receipt_date IS 'NULL: never';
COMMENT ON COLUMN inventory_balances.last_goods_issue_date IS 'NULL: never';
COMMENT ON COLUMN inventory_balances.cycle_count_indicator IS 'A, B, C: how often the stock is counted; NULL: not counted in cycles';

CREATE TABLE inventory_transactions (
    transaction_id             VARCHAR(50) PRIMARY KEY,
    material_document          VARCHAR(50),
    document_item              INTEGER,
    transaction_type           VARCHAR(50) NOT NULL,
    movement_type              VARCHAR(10) NOT NULL,
    posting_date               DATE NOT NULL,
    document_date              DATE NOT NULL,
    material_id                VARCHAR(50) NOT NULL,
    plant_id                   VARCHAR(50) NOT NULL,
    storage_location           VARCHAR(50),
    batch_number               VARCHAR(50),
    quantity                   DECIMAL(15,4) NOT NULL,
    unit_of_measure            VARCHAR(20) NOT NULL,
    amount                     DECIMAL(15,2),
    purchase_order_id          VARCHAR(50),
    sales_order_id             VARCHAR(50),
    production_order_id        VARCHAR(50),
    work_order_id              VARCHAR(50),
    goods_receipt_id           VARCHAR(50),
    receiving_plant            VARCHAR(50),
    receiving_storage_location VARCHAR(50),
    reason_code                VARCHAR(20),
    reason_text                TEXT,
    cancelled                  BOOLEAN DEFAULT false,
    reversal_indicator         BOOLEAN DEFAULT false,
    created_by                 VARCHAR(50),
    created_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX inventory_transactions_posting_date_idx ON inventory_transactions (posting_date);
CREATE INDEX inventory_transactions_material_id_posting_date_idx ON inventory_transactions (material_id, posting_date);
COMMENT ON TABLE inventory_transactions IS 'Posted stock movements with movement types; never changed, undone by a reversing row';
COMMENT ON COLUMN inventory_transactions.material_document IS 'Number of the posting; its items share it';
COMMENT ON COLUMN inventory_transactions.document_item IS '1, 2, 3 ... within material_document';
COMMENT ON COLUMN inventory_transactions.transaction_type IS 'goods_receipt, goods_issue, transfer, adjustment, scrap, return, initial';
COMMENT ON COLUMN inventory_transactions.movement_type IS '101 receipt, 102 its reversal, 122 return to supplier, 201 issue to cost center, 261 issue to production, 262 its reversal, 301 plant transfer, 311 location transfer, 551 scrap, 561 initial stock, 601 issue to customer, 602 its reversal, 701 and 702 count differences';
COMMENT ON COLUMN inventory_transactions.posting_date IS 'Day that stock and ledger count it';
COMMENT ON COLUMN inventory_transactions.storage_location IS 'location_code of inventory_locations at plant_id';
COMMENT ON COLUMN inventory_transactions.batch_number IS 'lot_number of lot_tracking; NULL: not lot managed';
COMMENT ON COLUMN inventory_transactions.quantity IS 'Signed: positive raises the stock at plant_id and storage_location, negative lowers it; the rows of a material, plant, location and batch add up to unrestricted + quality inspection + blocked stock of inventory_balances';
COMMENT ON COLUMN inventory_transactions.amount IS 'quantity * price of one unit, INR; same sign as quantity';
COMMENT ON COLUMN inventory_transactions.purchase_order_id IS 'Set on 101, 102 and 122 for purchases';
COMMENT ON COLUMN inventory_transactions.sales_order_id IS 'Set on 601 and 602';
COMMENT ON COLUMN inventory_transactions.production_order_id IS 'Set on 261 and 262, and on 101 for own production';
COMMENT ON COLUMN inventory_transactions.receiving_plant IS 'Transfers: plant of the other row; a transfer is a negative row at the sender and a positive one at the receiver';
COMMENT ON COLUMN inventory_transactions.receiving_storage_location IS 'Transfers: location_code of the receiver';
COMMENT ON COLUMN inventory_transactions.reason_code IS 'Set on scrap, returns and differences';
COMMENT ON COLUMN inventory_transactions.cancelled IS 'A later row reversed this one';
COMMENT ON COLUMN inventory_transactions.reversal_indicator IS 'This row reverses an earlier one';

CREATE TABLE stock_transfers (
    stock_transfer_id VARCHAR(50) PRIMARY KEY,
    transfer_number   VARCHAR(50) NOT NULL UNIQUE,
    transfer_type     VARCHAR(30) NOT NULL,
    material_id       VARCHAR(50) NOT NULL,
    lot_id            VARCHAR(50),
    from_plant_id     VARCHAR(50) NOT NULL,
    from_location_id  VARCHAR(50) NOT NULL,
    to_plant_id       VARCHAR(50) NOT NULL,
    to_location_id    VARCHAR(50) NOT NULL,
    transfer_quantity DECIMAL(15,4) NOT NULL,
    received_quantity DECIMAL(15,4) NOT NULL DEFAULT 0,
    unit_of_measure   VARCHAR(20) NOT NULL,
    transfer_value    DECIMAL(15,2) NOT NULL,
    currency          VARCHAR(3) NOT NULL DEFAULT 'INR',
    reason_code       VARCHAR(30) NOT NULL DEFAULT 'replenishment',
    requested_by      VARCHAR(50),
    approved_by       VARCHAR(50),
    shipment_id       VARCHAR(50),
    requested_date    DATE NOT NULL,
    shipped_date      DATE,
    received_date     DATE,
    status            VARCHAR(30) NOT NULL DEFAULT 'requested',
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (transfer_type IN ('inter_plant', 'intra_plant')),
    CHECK ((transfer_type = 'intra_plant') = (from_plant_id = to_plant_id)),
    CHECK (from_location_id <> to_location_id),
    CHECK (transfer_quantity > 0 AND received_quantity BETWEEN 0 AND transfer_quantity),
    CHECK (transfer_value >= 0),
    CHECK (reason_code IN ('replenishment', 'production_supply', 'rebalancing', 'quality_hold', 'return')),
    CHECK (shipped_date >= requested_date AND received_date >= shipped_date),
    CHECK (status <> 'received' OR received_date IS NOT NULL),
    CHECK (status IN ('requested', 'approved', 'in_transit', 'partially_received', 'received', 'cancelled'))
);
CREATE INDEX stock_transfers_status_requested_date_idx ON stock_transfers (status, requested_date);
COMMENT ON TABLE stock_transfers IS 'Moves between plants or storage locations, one material each';
COMMENT ON COLUMN stock_transfers.transfer_type IS 'inter_plant, intra_plant (both plants are the same)';
COMMENT ON COLUMN stock_transfers.lot_id IS 'NULL: not lot managed';
COMMENT ON COLUMN stock_transfers.from_location_id IS 'A location of from_plant_id';
COMMENT ON COLUMN stock_transfers.to_location_id IS 'A location of to_plant_id';
COMMENT ON COLUMN stock_transfers.received_quantity IS 'transfer_quantity - received_quantity is in transit once shipped';
COMMENT ON COLUMN stock_transfers.transfer_value IS 'transfer_quantity * cost of one unit at the sender';
COMMENT ON COLUMN stock_transfers.reason_code IS 'replenishment, production_supply, rebalancing, quality_hold, return';
COMMENT ON COLUMN stock_transfers.approved_by IS 'NULL: no approval needed or not given yet';
COMMENT ON COLUMN stock_transfers.shipment_id IS 'Transport between plants; NULL inside a plant';
COMMENT ON COLUMN stock_transfers.shipped_date IS 'Day of the issue, movement type 301 or 311; NULL: not shipped';
COMMENT ON COLUMN stock_transfers.received_date IS 'Day of the complete receipt; NULL: not received';
COMMENT ON COLUMN stock_transfers.status IS 'requested, approved, in_transit, partially_received, received, cancelled';

CREATE TABLE inventory_adjustments (
    adjustment_id         VARCHAR(50) PRIMARY KEY,
    adjustment_number     VARCHAR(50) NOT NULL UNIQUE,
    adjustment_date       DATE NOT NULL,
    adjustment_type       VARCHAR(30) NOT NULL,
    material_id           VARCHAR(50) NOT NULL,
    plant_id              VARCHAR(50) NOT NULL,
    inventory_location_id VARCHAR(50) NOT NULL,
    lot_id                VARCHAR(50),
    quantity_before       DECIMAL(15,4) NOT NULL,
    quantity_after        DECIMAL(15,4) NOT NULL,
    adjustment_quantity   DECIMAL(15,4) NOT NULL,
    unit_of_measure       VARCHAR(20) NOT NULL,
    unit_cost             DECIMAL(15,4) NOT NULL,
    adjustment_value      DECIMAL(15,2) NOT NULL,
    currency              VARCHAR(3) NOT NULL DEFAULT 'INR',
    reason_code           VARCHAR(30) NOT NULL,
    reason_text           TEXT,
    reconciliation_id     VARCHAR(50),
    transaction_id        VARCHAR(50),
    journal_entry_id      VARCHAR(50),
    requested_by          VARCHAR(50) NOT NULL,
    approved_by           VARCHAR(50),
    approved_at           TIMESTAMP,
    status                VARCHAR(30) NOT NULL DEFAULT 'pending',
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (adjustment_type IN ('count_difference', 'damage', 'loss', 'found', 'expiry', 'correction')),
    CHECK (reason_code IN ('miscount', 'handling_damage', 'theft', 'wrong_posting', 'expired', 'unrecorded_receipt', 'unrecorded_issue')),
    CHECK (status IN ('pending', 'approved', 'posted', 'rejected')),
    CHECK (adjustment_quantity = quantity_after - quantity_before AND adjustment_quantity <> 0),
    CHECK (quantity_after >= 0 AND unit_cost >= 0),
    CHECK (approved_by <> requested_by),
    CHECK (status NOT IN ('approved', 'posted') OR approved_by IS NOT NULL),
    CHECK (status <> 'posted' OR transaction_id IS NOT NULL)
);
CREATE INDEX inventory_adjustments_status_adjustment_date_idx ON inventory_adjustments (status, adjustment_date);
COMMENT ON TABLE inventory_adjustments IS 'ERP-side stock corrections with approval and reason';
COMMENT ON COLUMN inventory_adjustments.adjustment_id IS 'ADJ-000001 ...; adjustment_document_id of inventory_adjustments_sync when the ERP is the source';
COMMENT ON COLUMN inventory_adjustments.adjustment_type IS 'count_difference, damage, loss, found, expiry, correction';
COMMENT ON COLUMN inventory_adjustments.lot_id IS 'NULL: not lot managed';
COMMENT ON COLUMN inventory_adjustments.adjustment_quantity IS 'quantity_after - quantity_before; negative lowers the stock';
COMMENT ON COLUMN inventory_adjustments.unit_cost IS 'Moving average when adjusted';
COMMENT ON COLUMN inventory_adjustments.adjustment_value IS 'adjustment_quantity * unit_cost; negative is a loss';
COMMENT ON COLUMN inventory_adjustments.reason_code IS 'miscount, handling_damage, theft, wrong_posting, expired, unrecorded_receipt, unrecorded_issue';
COMMENT ON COLUMN inventory_adjustments.reconciliation_id IS 'Comparison that found the difference; NULL: none';
COMMENT ON COLUMN inventory_adjustments.transaction_id IS 'Posted movement; NULL: not posted';
COMMENT ON COLUMN inventory_adjustments.journal_entry_id IS 'Posting in the ledger; NULL: not posted';
COMMENT ON COLUMN inventory_adjustments.approved_by IS 'Somebody other than requested_by';
COMMENT ON COLUMN inventory_adjustments.status IS 'pending, approved, posted, rejected';
