-- Inbound work: receiving at the dock with its lines, and putaway into bins.
-- Keys of purchase orders and goods receipts are those of genims_erp_db.

CREATE TABLE receiving_tasks (
    receiving_task_id           VARCHAR(50) PRIMARY KEY,
    task_number                 VARCHAR(50) NOT NULL UNIQUE,
    purchase_order_id           VARCHAR(50),
    po_line_id                  VARCHAR(50),
    goods_receipt_id            VARCHAR(50),
    warehouse_id                VARCHAR(50) NOT NULL,
    receiving_dock              VARCHAR(50),
    material_id                 VARCHAR(50) NOT NULL,
    expected_quantity           DECIMAL(15,4),
    received_quantity           DECIMAL(15,4) DEFAULT 0,
    unit_of_measure             VARCHAR(20),
    batch_number                VARCHAR(50),
    supplier_lot_number         VARCHAR(50),
    quality_inspection_required BOOLEAN DEFAULT false,
    inspection_status           VARCHAR(30),
    task_status                 VARCHAR(30) DEFAULT 'pending',
    assigned_to                 VARCHAR(50),
    scheduled_date              TIMESTAMP,
    started_at                  TIMESTAMP,
    completed_at                TIMESTAMP,
    notes                       TEXT,
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX receiving_tasks_task_status_scheduled_date_idx ON receiving_tasks (task_status, scheduled_date);
COMMENT ON TABLE receiving_tasks IS 'Inbound unloading and check jobs, one per delivered purchase order line';
COMMENT ON COLUMN receiving_tasks.task_number IS 'RCV-YYYY-000001';
COMMENT ON COLUMN receiving_tasks.goods_receipt_id IS 'Receipt posted in ERP; NULL until posted';
COMMENT ON COLUMN receiving_tasks.receiving_dock IS 'DOCK-01 ...';
COMMENT ON COLUMN receiving_tasks.expected_quantity IS 'Open quantity of the purchase order line';
COMMENT ON COLUMN receiving_tasks.received_quantity IS 'Sum of receiving_task_lines.received_quantity';
COMMENT ON COLUMN receiving_tasks.batch_number IS 'Batch given at receipt; NULL: material without batches';
COMMENT ON COLUMN receiving_tasks.inspection_status IS 'not_required, pending, passed, failed, conditional';
COMMENT ON COLUMN receiving_tasks.task_status IS 'pending, assigned, in_progress, completed, on_hold, cancelled';

CREATE TABLE receiving_task_lines (
    receiving_task_line_id VARCHAR(50) PRIMARY KEY,
    receiving_task_id      VARCHAR(50) NOT NULL,
    line_number            INTEGER NOT NULL CHECK (line_number > 0),
    po_line_id             VARCHAR(50),
    material_id            VARCHAR(50) NOT NULL,
    supplier_id            VARCHAR(50),
    expected_quantity      DECIMAL(15,4) NOT NULL CHECK (expected_quantity >= 0),
    received_quantity      DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (received_quantity >= 0),
    accepted_quantity      DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (accepted_quantity >= 0),
    rejected_quantity      DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (rejected_quantity >= 0),
    unit_of_measure        VARCHAR(20) NOT NULL,
    unit_cost              DECIMAL(15,4) CHECK (unit_cost >= 0),
    line_value             DECIMAL(15,2),
    currency               VARCHAR(3) NOT NULL DEFAULT 'INR',
    batch_number           VARCHAR(50),
    supplier_lot_number    VARCHAR(50),
    manufacture_date       DATE,
    expiry_date            DATE,
    lpn                    VARCHAR(50),
    discrepancy_type       VARCHAR(30) NOT NULL DEFAULT 'none' CHECK (discrepancy_type IN ('none', 'short', 'over', 'damaged', 'wrong_item', 'expired', 'documents_missing')),
    rejection_reason       VARCHAR(200),
    line_status            VARCHAR(30) NOT NULL DEFAULT 'pending' CHECK (line_status IN ('pending', 'received', 'inspection', 'completed', 'rejected', 'cancelled')),
    staging_bin_id         VARCHAR(50),
    received_by            VARCHAR(50),
    received_at            TIMESTAMP,
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (receiving_task_id, line_number),
    CHECK (accepted_quantity + rejected_quantity <= received_quantity),
    CHECK (expiry_date IS NULL OR manufacture_date IS NULL OR expiry_date >= manufacture_date)
);
CREATE INDEX receiving_task_lines_po_line_id_idx ON receiving_task_lines (po_line_id);
CREATE INDEX receiving_task_lines_line_status_received_at_idx ON receiving_task_lines (line_status, received_at);
COMMENT ON TABLE receiving_task_lines IS 'Item lines of an inbound job: one per batch or pallet; supplier invoices are matched against them';
COMMENT ON COLUMN receiving_task_lines.receiving_task_line_id IS 'What supplier_invoice_lines.receipt_line_id refers to';
COMMENT ON COLUMN receiving_task_lines.po_line_id IS 'NULL: received without an order';
COMMENT ON COLUMN receiving_task_lines.supplier_id IS 'Who delivered; NULL: transfer between warehouses';
COMMENT ON COLUMN receiving_task_lines.received_quantity IS 'Counted at the dock: accepted_quantity + rejected_quantity once the line is completed';
COMMENT ON COLUMN receiving_task_lines.accepted_quantity IS 'Put into stock';
COMMENT ON COLUMN receiving_task_lines.rejected_quantity IS 'Refused at the dock or by quality';
COMMENT ON COLUMN receiving_task_lines.unit_cost IS 'Price of the purchase order line per unit_of_measure';
COMMENT ON COLUMN receiving_task_lines.line_value IS 'line_value = accepted_quantity * unit_cost';
COMMENT ON COLUMN receiving_task_lines.batch_number IS 'NULL: material without batches';
COMMENT ON COLUMN receiving_task_lines.expiry_date IS 'NULL: does not expire';
COMMENT ON COLUMN receiving_task_lines.lpn IS 'Licence plate number of the handling unit';
COMMENT ON COLUMN receiving_task_lines.discrepancy_type IS 'short: received below expected; over: received above expected';
COMMENT ON COLUMN receiving_task_lines.rejection_reason IS 'NULL unless rejected_quantity is above 0';
COMMENT ON COLUMN receiving_task_lines.staging_bin_id IS 'Where it waits for putaway';

CREATE TABLE putaway_tasks (
    putaway_task_id   VARCHAR(50) PRIMARY KEY,
    task_number       VARCHAR(50) NOT NULL UNIQUE,
    receiving_task_id VARCHAR(50),
    material_id       VARCHAR(50) NOT NULL,
    quantity          DECIMAL(15,4),
    unit_of_measure   VARCHAR(20),
    batch_number      VARCHAR(50),
    lpn               VARCHAR(50),
    warehouse_id      VARCHAR(50) NOT NULL,
    from_location     VARCHAR(50),
    to_bin_id         VARCHAR(50),
    putaway_strategy  VARCHAR(50),
    task_status       VARCHAR(30) DEFAULT 'pending',
    assigned_to       VARCHAR(50),
    priority          INTEGER DEFAULT 5,
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    assigned_at       TIMESTAMP,
    started_at        TIMESTAMP,
    completed_at      TIMESTAMP,
    equipment_used    VARCHAR(50),
    notes             TEXT
);
CREATE INDEX putaway_tasks_task_status_created_at_idx ON putaway_tasks (task_status, created_at);
COMMENT ON TABLE putaway_tasks IS 'Moves from the dock into a bin';
COMMENT ON COLUMN putaway_tasks.task_number IS 'PUT-YYYY-000001';
COMMENT ON COLUMN putaway_tasks.receiving_task_id IS 'NULL: not from a receipt (production output, return)';
COMMENT ON COLUMN putaway_tasks.quantity IS 'At most the received quantity of the receiving task, over all its putaway tasks';
COMMENT ON COLUMN putaway_tasks.from_location IS 'Dock or staging bin code, free text';
COMMENT ON COLUMN putaway_tasks.putaway_strategy IS 'fixed_bin, nearest_empty, by_velocity, by_family, consolidate, hazmat_separation; as slotting_rules.strategy_type';
COMMENT ON COLUMN putaway_tasks.task_status IS 'pending, assigned, in_progress, completed, on_hold, cancelled';
COMMENT ON COLUMN putaway_tasks.priority IS '1 is most urgent, 9 least';
