-- What jobs take: material with its lots, and the time of operators.
-- Traceability runs over lot numbers from the supplier's lot to the finished batch.

CREATE TABLE material_transactions (
    transaction_id          VARCHAR(50) PRIMARY KEY,
    transaction_type        VARCHAR(30) NOT NULL,
    transaction_date        TIMESTAMP NOT NULL,
    work_order_id           VARCHAR(50),
    operation_id            VARCHAR(50),
    material_code           VARCHAR(50) NOT NULL,
    material_name           VARCHAR(200),
    material_type           VARCHAR(50),
    quantity                DECIMAL(15,4) NOT NULL,
    unit_of_measure         VARCHAR(20),
    lot_number              VARCHAR(50),
    batch_number            VARCHAR(50),
    serial_number           VARCHAR(50),
    expiry_date             DATE,
    supplier_lot_number     VARCHAR(50),
    from_location           VARCHAR(100),
    to_location             VARCHAR(100),
    warehouse_location      VARCHAR(100),
    unit_cost               DECIMAL(12,4),
    total_cost              DECIMAL(15,2),
    quality_status          VARCHAR(30),
    inspection_required     BOOLEAN DEFAULT false,
    certificate_of_analysis VARCHAR(100),
    parent_lot_number       VARCHAR(50),
    consumed_by_lot_number  VARCHAR(50),
    performed_by            VARCHAR(50),
    requires_documentation  BOOLEAN DEFAULT false,
    documentation_complete  BOOLEAN DEFAULT false,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX material_transactions_transaction_date_idx ON material_transactions (transaction_date);
CREATE INDEX material_transactions_lot_number_idx ON material_transactions (lot_number);
CREATE INDEX material_transactions_material_code_idx ON material_transactions (material_code);
COMMENT ON TABLE material_transactions IS 'Material issued, returned, received or scrapped against jobs';
COMMENT ON COLUMN material_transactions.transaction_type IS 'issue, return, consumption, scrap, receipt, transfer';
COMMENT ON COLUMN material_transactions.material_code IS 'genims_erp_db.materials, by code';
COMMENT ON COLUMN material_transactions.material_type IS 'As in the ERP';
COMMENT ON COLUMN material_transactions.quantity IS 'Above zero; transaction_type gives the direction';
COMMENT ON COLUMN material_transactions.lot_number IS 'Lot moved';
COMMENT ON COLUMN material_transactions.supplier_lot_number IS 'Lot as the supplier named it; NULL for own products';
COMMENT ON COLUMN material_transactions.from_location IS 'Storage bin or line; NULL for receipts';
COMMENT ON COLUMN material_transactions.to_location IS 'Storage bin or line; NULL for scrap';
COMMENT ON COLUMN material_transactions.warehouse_location IS 'Code of the warehouse concerned';
COMMENT ON COLUMN material_transactions.unit_cost IS 'INR per unit_of_measure';
COMMENT ON COLUMN material_transactions.total_cost IS 'quantity * unit_cost, INR';
COMMENT ON COLUMN material_transactions.quality_status IS 'released, quarantine, rejected';
COMMENT ON COLUMN material_transactions.certificate_of_analysis IS 'Number of the certificate';
COMMENT ON COLUMN material_transactions.parent_lot_number IS 'Lot from which this one was split or made';
COMMENT ON COLUMN material_transactions.consumed_by_lot_number IS 'Lot of the product into which it went';

CREATE TABLE labor_transactions (
    labor_transaction_id  VARCHAR(50) PRIMARY KEY,
    transaction_date      TIMESTAMP NOT NULL,
    employee_id           VARCHAR(50) NOT NULL,
    shift_id              VARCHAR(50),
    work_order_id         VARCHAR(50),
    operation_id          VARCHAR(50),
    activity_code         VARCHAR(50),
    activity_type         VARCHAR(50),
    clock_in_time         TIMESTAMP,
    clock_out_time        TIMESTAMP,
    duration_minutes      INTEGER,
    break_time_minutes    INTEGER DEFAULT 0,
    quantity_produced     INTEGER,
    quantity_rejected     INTEGER,
    standard_hours        DECIMAL(8,2),
    actual_hours          DECIMAL(8,2),
    efficiency_percentage DECIMAL(5,2),
    hourly_rate           DECIMAL(10,2),
    labor_cost            DECIMAL(12,2),
    overtime_hours        DECIMAL(8,2),
    overtime_cost         DECIMAL(12,2),
    approved              BOOLEAN DEFAULT false,
    approved_by           VARCHAR(50),
    approved_at           TIMESTAMP,
    notes                 TEXT,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX labor_transactions_employee_id_transaction_date_idx ON labor_transactions (employee_id, transaction_date);
COMMENT ON TABLE labor_transactions IS 'Operator clocked time against jobs';
COMMENT ON COLUMN labor_transactions.work_order_id IS 'NULL for indirect time';
COMMENT ON COLUMN labor_transactions.activity_code IS 'SETUP, RUN, INSP, REWK, CLEAN, TRAIN ...';
COMMENT ON COLUMN labor_transactions.activity_type IS 'direct, setup, rework, indirect, training';
COMMENT ON COLUMN labor_transactions.clock_out_time IS 'NULL while the clock runs';
COMMENT ON COLUMN labor_transactions.duration_minutes IS 'clock_out_time - clock_in_time less break_time_minutes';
COMMENT ON COLUMN labor_transactions.standard_hours IS 'Hours allowed for the units made';
COMMENT ON COLUMN labor_transactions.actual_hours IS 'duration_minutes / 60';
COMMENT ON COLUMN labor_transactions.efficiency_percentage IS '100 * standard_hours / actual_hours';
COMMENT ON COLUMN labor_transactions.hourly_rate IS 'INR per hour';
COMMENT ON COLUMN labor_transactions.labor_cost IS '(actual_hours - overtime_hours) * hourly_rate, INR';
COMMENT ON COLUMN labor_transactions.overtime_hours IS 'Part of actual_hours above the shift';
COMMENT ON COLUMN labor_transactions.overtime_cost IS 'overtime_hours * hourly_rate * 1.5, INR';
COMMENT ON COLUMN labor_transactions.approved_by IS 'NULL until approved';
