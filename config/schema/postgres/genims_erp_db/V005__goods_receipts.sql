-- Deliveries taken in against purchase orders: one receipt per order line and delivery, split by batch
-- in its lines.

CREATE TABLE goods_receipts (
    goods_receipt_id  VARCHAR(50) PRIMARY KEY,
    gr_number         VARCHAR(50) NOT NULL UNIQUE,
    gr_date           DATE NOT NULL,
    posting_date      DATE NOT NULL,
    purchase_order_id VARCHAR(50),
    po_line_id        VARCHAR(50),
    supplier_id       VARCHAR(50),
    material_id       VARCHAR(50) NOT NULL,
    quantity_received DECIMAL(15,4) NOT NULL,
    unit_of_measure   VARCHAR(20) NOT NULL,
    plant_id          VARCHAR(50),
    storage_location  VARCHAR(50),
    batch_number      VARCHAR(50),
    inspection_lot    VARCHAR(50),
    quality_status    VARCHAR(30),
    unit_price        DECIMAL(12,4),
    total_value       DECIMAL(15,2),
    delivery_note     VARCHAR(50),
    bill_of_lading    VARCHAR(50),
    gr_status         VARCHAR(30) DEFAULT 'posted',
    cancelled         BOOLEAN DEFAULT false,
    reversal_gr       VARCHAR(50),
    created_by        VARCHAR(50),
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX goods_receipts_posting_date_idx ON goods_receipts (posting_date);
COMMENT ON TABLE goods_receipts IS 'Received deliveries against vendor orders';
COMMENT ON COLUMN goods_receipts.goods_receipt_id IS 'GRN-000001 ...';
COMMENT ON COLUMN goods_receipts.gr_date IS 'Day the goods arrived';
COMMENT ON COLUMN goods_receipts.posting_date IS 'Day the stock and the ledger saw it; not before gr_date';
COMMENT ON COLUMN goods_receipts.purchase_order_id IS 'NULL: receipt without order';
COMMENT ON COLUMN goods_receipts.quantity_received IS 'Sum of received_quantity of goods_receipt_lines';
COMMENT ON COLUMN goods_receipts.storage_location IS 'location_code of inventory_locations at plant_id';
COMMENT ON COLUMN goods_receipts.batch_number IS 'lot_number of lot_tracking; NULL when the lines carry several batches';
COMMENT ON COLUMN goods_receipts.inspection_lot IS 'Number of the incoming inspection; NULL: none required';
COMMENT ON COLUMN goods_receipts.quality_status IS 'not_required, pending, accepted, partially_accepted, rejected';
COMMENT ON COLUMN goods_receipts.unit_price IS 'Of the order line, in the currency of the order';
COMMENT ON COLUMN goods_receipts.total_value IS 'quantity_received * unit_price';
COMMENT ON COLUMN goods_receipts.delivery_note IS 'Number of the supplier''s delivery note';
COMMENT ON COLUMN goods_receipts.gr_status IS 'posted, cancelled';
COMMENT ON COLUMN goods_receipts.cancelled IS 'True together with gr_status cancelled, on the receipt that was undone and on the one that undoes it: sums leave out both';
COMMENT ON COLUMN goods_receipts.reversal_gr IS 'On a reversing receipt: the receipt that it undoes; its quantity is negative';

CREATE TABLE goods_receipt_lines (
    goods_receipt_line_id VARCHAR(50) PRIMARY KEY,
    goods_receipt_id      VARCHAR(50) NOT NULL,
    line_number           INTEGER NOT NULL,
    po_line_id            VARCHAR(50),
    material_id           VARCHAR(50) NOT NULL,
    lot_id                VARCHAR(50),
    supplier_lot_number   VARCHAR(50),
    received_quantity     DECIMAL(15,4) NOT NULL,
    accepted_quantity     DECIMAL(15,4) NOT NULL DEFAULT 0,
    rejected_quantity     DECIMAL(15,4) NOT NULL DEFAULT 0,
    unit_of_measure       VARCHAR(20) NOT NULL,
    unit_price            DECIMAL(15,4) NOT NULL,
    line_total            DECIMAL(15,2) NOT NULL,
    currency              VARCHAR(3) NOT NULL DEFAULT 'INR',
    inventory_location_id VARCHAR(50),
    manufacture_date      DATE,
    expiry_date           DATE,
    certificate_number    VARCHAR(50),
    quality_status        VARCHAR(30) NOT NULL DEFAULT 'pending',
    rejection_reason      VARCHAR(200),
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (goods_receipt_id, line_number),
    CHECK (line_number >= 1),
    CHECK (received_quantity <> 0),
    CHECK (abs(accepted_quantity + rejected_quantity) <= abs(received_quantity)),
    CHECK (unit_price >= 0),
    CHECK (quality_status IN ('not_required', 'pending', 'accepted', 'partially_accepted', 'rejected')),
    CHECK (expiry_date >= manufacture_date)
);
COMMENT ON TABLE goods_receipt_lines IS 'Item lines of a receipt, by batch';
COMMENT ON COLUMN goods_receipt_lines.line_number IS '1, 2, 3 ... within the receipt';
COMMENT ON COLUMN goods_receipt_lines.po_line_id IS 'Order line that the quantity counts for; NULL: receipt without order';
COMMENT ON COLUMN goods_receipt_lines.material_id IS 'Material of the receipt';
COMMENT ON COLUMN goods_receipt_lines.lot_id IS 'Lot opened or topped up by the line; NULL: not lot managed';
COMMENT ON COLUMN goods_receipt_lines.supplier_lot_number IS 'Batch printed by the supplier';
COMMENT ON COLUMN goods_receipt_lines.received_quantity IS 'In unit_of_measure; negative on a reversing receipt';
COMMENT ON COLUMN goods_receipt_lines.accepted_quantity IS 'Released to unrestricted stock';
COMMENT ON COLUMN goods_receipt_lines.rejected_quantity IS 'Blocked or sent back; received - accepted - rejected is still in inspection';
COMMENT ON COLUMN goods_receipt_lines.unit_price IS 'Price of the order line';
COMMENT ON COLUMN goods_receipt_lines.line_total IS 'received_quantity * unit_price';
COMMENT ON COLUMN goods_receipt_lines.inventory_location_id IS 'Where the quantity was put';
COMMENT ON COLUMN goods_receipt_lines.expiry_date IS 'NULL: does not expire';
COMMENT ON COLUMN goods_receipt_lines.certificate_number IS 'Material certificate that came with the batch';
COMMENT ON COLUMN goods_receipt_lines.quality_status IS 'not_required, pending, accepted, partially_accepted, rejected';
COMMENT ON COLUMN goods_receipt_lines.rejection_reason IS 'NULL: nothing rejected';
