-- ERP stock against WMS stock: commitments, both views side by side, comparisons and the corrections that follow.
-- location_id is a plant or a warehouse; bins are codes of the WMS.

CREATE TABLE inventory_allocations (
    allocation_id      VARCHAR(50) PRIMARY KEY,
    source_type        VARCHAR(30) NOT NULL,
    source_document_id VARCHAR(50) NOT NULL,
    source_line_number INTEGER,
    material_id        VARCHAR(50) NOT NULL,
    allocated_quantity DECIMAL(15,4) NOT NULL,
    unit_of_measure    VARCHAR(20),
    location_id        VARCHAR(50) NOT NULL,
    wms_reservation_id VARCHAR(50),
    bin_location       VARCHAR(50),
    allocation_status  VARCHAR(30) DEFAULT 'allocated',
    allocation_date    TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    required_date      DATE,
    picked_quantity    DECIMAL(15,4) DEFAULT 0,
    shipped_quantity   DECIMAL(15,4) DEFAULT 0,
    synced_to_wms      BOOLEAN DEFAULT false,
    wms_sync_timestamp TIMESTAMP,
    created_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX inventory_allocations_source_type_source_document_id_idx ON inventory_allocations (source_type, source_document_id);
CREATE INDEX inventory_allocations_allocation_status_required_date_idx ON inventory_allocations (allocation_status, required_date);
COMMENT ON TABLE inventory_allocations IS 'Stock committed to a demand document';
COMMENT ON COLUMN inventory_allocations.source_type IS 'sales_order, production_order, stock_transfer, service_order';
COMMENT ON COLUMN inventory_allocations.source_document_id IS 'Key of the document that source_type names';
COMMENT ON COLUMN inventory_allocations.source_line_number IS 'line_number in it; NULL: no lines';
COMMENT ON COLUMN inventory_allocations.allocated_quantity IS 'Open = allocated_quantity - shipped_quantity';
COMMENT ON COLUMN inventory_allocations.location_id IS 'Plant (ERP view) or warehouse (WMS view)';
COMMENT ON COLUMN inventory_allocations.wms_reservation_id IS 'Number that the WMS gave to the commitment; NULL until synced';
COMMENT ON COLUMN inventory_allocations.bin_location IS 'bin_code of genims_wms_db.storage_bins; NULL: not chosen yet';
COMMENT ON COLUMN inventory_allocations.allocation_status IS 'allocated, picked, partially_shipped, shipped, released, cancelled';
COMMENT ON COLUMN inventory_allocations.picked_quantity IS 'Not above allocated_quantity';
COMMENT ON COLUMN inventory_allocations.shipped_quantity IS 'Not above picked_quantity';

CREATE TABLE inventory_snapshot (
    snapshot_id         VARCHAR(50) PRIMARY KEY,
    material_id         VARCHAR(50) NOT NULL,
    location_id         VARCHAR(50) NOT NULL,
    erp_on_hand         DECIMAL(15,4) DEFAULT 0,
    erp_allocated       DECIMAL(15,4) DEFAULT 0,
    erp_available       DECIMAL(15,4) DEFAULT 0,
    wms_on_hand         DECIMAL(15,4) DEFAULT 0,
    wms_allocated       DECIMAL(15,4) DEFAULT 0,
    wms_available       DECIMAL(15,4) DEFAULT 0,
    variance_quantity   DECIMAL(15,4) DEFAULT 0,
    sync_status         VARCHAR(30),
    last_erp_update     TIMESTAMP,
    last_wms_update     TIMESTAMP,
    last_sync_timestamp TIMESTAMP
);
CREATE INDEX inventory_snapshot_location_id_idx ON inventory_snapshot (location_id);
COMMENT ON TABLE inventory_snapshot IS 'Current ERP and WMS stock side by side, one row per material and location';
COMMENT ON COLUMN inventory_snapshot.location_id IS 'Plant or warehouse';
COMMENT ON COLUMN inventory_snapshot.erp_available IS 'erp_on_hand - erp_allocated';
COMMENT ON COLUMN inventory_snapshot.wms_available IS 'wms_on_hand - wms_allocated';
COMMENT ON COLUMN inventory_snapshot.variance_quantity IS 'wms_on_hand - erp_on_hand; negative: the WMS has less';
COMMENT ON COLUMN inventory_snapshot.sync_status IS 'in_sync, variance, pending, error';

CREATE TABLE inventory_reconciliation_headers (
    reconciliation_id     VARCHAR(50) PRIMARY KEY,
    reconciliation_number VARCHAR(50) NOT NULL UNIQUE,
    reconciliation_date   DATE NOT NULL,
    fiscal_year           INTEGER,
    fiscal_period         INTEGER,
    location_id           VARCHAR(50),
    reconciliation_status VARCHAR(30) DEFAULT 'in_progress',
    total_items_compared  INTEGER DEFAULT 0,
    items_matched         INTEGER DEFAULT 0,
    items_with_variance   INTEGER DEFAULT 0,
    total_variance_value  DECIMAL(15,2) DEFAULT 0,
    started_by            VARCHAR(50),
    started_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    completed_at          TIMESTAMP,
    notes                 TEXT
);
CREATE INDEX inventory_reconciliation_headers_reconciliation_date_idx ON inventory_reconciliation_headers (reconciliation_date);
COMMENT ON TABLE inventory_reconciliation_headers IS 'Stock comparison sessions, ERP versus WMS';
COMMENT ON COLUMN inventory_reconciliation_headers.fiscal_year IS 'Starts in April';
COMMENT ON COLUMN inventory_reconciliation_headers.fiscal_period IS '1 to 12, 1 is April';
COMMENT ON COLUMN inventory_reconciliation_headers.location_id IS 'Plant or warehouse compared; NULL: all';
COMMENT ON COLUMN inventory_reconciliation_headers.reconciliation_status IS 'in_progress, completed, approved, cancelled';
COMMENT ON COLUMN inventory_reconciliation_headers.total_items_compared IS 'items_matched + items_with_variance: number of lines';
COMMENT ON COLUMN inventory_reconciliation_headers.total_variance_value IS 'Sum of variance_value of the lines, INR';
COMMENT ON COLUMN inventory_reconciliation_headers.completed_at IS 'NULL: still running';

CREATE TABLE inventory_reconciliation_lines (
    line_id               VARCHAR(50) PRIMARY KEY,
    reconciliation_id     VARCHAR(50) NOT NULL,
    line_number           INTEGER,
    material_id           VARCHAR(50) NOT NULL,
    location_id           VARCHAR(50) NOT NULL,
    erp_quantity          DECIMAL(15,4) DEFAULT 0,
    erp_value             DECIMAL(15,2) DEFAULT 0,
    wms_quantity          DECIMAL(15,4) DEFAULT 0,
    wms_value             DECIMAL(15,2) DEFAULT 0,
    variance_quantity     DECIMAL(15,4) DEFAULT 0,
    variance_value        DECIMAL(15,2) DEFAULT 0,
    variance_pct          DECIMAL(5,2),
    wms_bin_details       JSONB,
    variance_reason       VARCHAR(200),
    variance_status       VARCHAR(30),
    adjustment_posted     BOOLEAN DEFAULT false,
    adjustment_journal_id VARCHAR(50),
    notes                 TEXT,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE inventory_reconciliation_lines IS 'Per-material differences found in a comparison';
COMMENT ON COLUMN inventory_reconciliation_lines.location_id IS 'Plant or warehouse';
COMMENT ON COLUMN inventory_reconciliation_lines.erp_value IS 'INR';
COMMENT ON COLUMN inventory_reconciliation_lines.wms_value IS 'wms_quantity at the ERP''s cost, INR';
COMMENT ON COLUMN inventory_reconciliation_lines.variance_quantity IS 'wms_quantity - erp_quantity';
COMMENT ON COLUMN inventory_reconciliation_lines.variance_value IS 'wms_value - erp_value';
COMMENT ON COLUMN inventory_reconciliation_lines.variance_pct IS 'variance_quantity / erp_quantity * 100; NULL when the ERP has none';
COMMENT ON COLUMN inventory_reconciliation_lines.wms_bin_details IS 'Array of {"bin_code", "quantity"}; quantities add up to wms_quantity';
COMMENT ON COLUMN inventory_reconciliation_lines.variance_reason IS 'NULL: matched, or not explained yet';
COMMENT ON COLUMN inventory_reconciliation_lines.variance_status IS 'matched, within_tolerance, investigating, approved, adjusted';
COMMENT ON COLUMN inventory_reconciliation_lines.adjustment_posted IS 'A correction was posted, with adjustment_journal_id';
COMMENT ON COLUMN inventory_reconciliation_lines.adjustment_journal_id IS 'NULL: not posted';

CREATE TABLE inventory_adjustments_sync (
    sync_id                VARCHAR(50) PRIMARY KEY,
    source_system          VARCHAR(10) NOT NULL,
    adjustment_type        VARCHAR(30),
    adjustment_document_id VARCHAR(50) NOT NULL,
    adjustment_date        DATE NOT NULL,
    material_id            VARCHAR(50) NOT NULL,
    location_id            VARCHAR(50) NOT NULL,
    bin_location           VARCHAR(50),
    quantity_before        DECIMAL(15,4),
    quantity_after         DECIMAL(15,4),
    adjustment_quantity    DECIMAL(15,4) NOT NULL,
    value_before           DECIMAL(15,2),
    value_after            DECIMAL(15,2),
    adjustment_value       DECIMAL(15,2),
    adjustment_reason      VARCHAR(200),
    sync_status            VARCHAR(30) DEFAULT 'pending',
    synced_to_system       VARCHAR(10),
    synced_at              TIMESTAMP,
    target_transaction_id  VARCHAR(50),
    error_message          TEXT,
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX inventory_adjustments_sync_sync_status_adjustment_date_idx ON inventory_adjustments_sync (sync_status, adjustment_date);
COMMENT ON TABLE inventory_adjustments_sync IS 'Stock corrections mirrored to the other system';
COMMENT ON COLUMN inventory_adjustments_sync.source_system IS 'ERP or WMS: where the correction was made';
COMMENT ON COLUMN inventory_adjustments_sync.adjustment_type IS 'cycle_count, damage, loss, found, expiry, correction';
COMMENT ON COLUMN inventory_adjustments_sync.adjustment_document_id IS 'ERP: adjustment_id of inventory_adjustments; WMS: cycle_count_id or movement_id';
COMMENT ON COLUMN inventory_adjustments_sync.location_id IS 'Plant or warehouse';
COMMENT ON COLUMN inventory_adjustments_sync.bin_location IS 'bin_code of genims_wms_db.storage_bins; NULL: ERP correction';
COMMENT ON COLUMN inventory_adjustments_sync.adjustment_quantity IS 'quantity_after - quantity_before; negative lowers the stock';
COMMENT ON COLUMN inventory_adjustments_sync.value_before IS 'INR';
COMMENT ON COLUMN inventory_adjustments_sync.adjustment_value IS 'value_after - value_before, INR';
COMMENT ON COLUMN inventory_adjustments_sync.sync_status IS 'pending, synced, failed';
COMMENT ON COLUMN inventory_adjustments_sync.synced_to_system IS 'WMS or ERP, the other one; NULL: pending';
COMMENT ON COLUMN inventory_adjustments_sync.target_transaction_id IS 'Key of the posting in synced_to_system; NULL: pending';

CREATE TABLE cycle_count_integration (
    integration_id        VARCHAR(50) PRIMARY KEY,
    wms_cycle_count_id    VARCHAR(50) NOT NULL,
    erp_reconciliation_id VARCHAR(50),
    integration_status    VARCHAR(30) DEFAULT 'pending',
    items_counted         INTEGER,
    items_with_variance   INTEGER,
    total_variance_value  DECIMAL(15,2),
    processed_at          TIMESTAMP,
    notes                 TEXT,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE cycle_count_integration IS 'Ties warehouse counts to ERP comparisons';
COMMENT ON COLUMN cycle_count_integration.erp_reconciliation_id IS 'NULL: no comparison opened yet';
COMMENT ON COLUMN cycle_count_integration.integration_status IS 'pending, processed, failed';
COMMENT ON COLUMN cycle_count_integration.items_counted IS 'Lines counted';
COMMENT ON COLUMN cycle_count_integration.items_with_variance IS 'Not above items_counted';
COMMENT ON COLUMN cycle_count_integration.total_variance_value IS 'Counted minus expected quantity at cost, INR';
