-- Messages between the ERP, the warehouse system and the shop floor: pairing rules, queue, failures, trace and
-- daily figures.

CREATE TABLE inventory_sync_mappings (
    mapping_id          VARCHAR(50) PRIMARY KEY,
    erp_location_id     VARCHAR(50) NOT NULL,
    erp_location_type   VARCHAR(30),
    wms_warehouse_id    VARCHAR(50) NOT NULL,
    is_active           BOOLEAN DEFAULT true,
    sync_enabled        BOOLEAN DEFAULT true,
    sync_mode           VARCHAR(30) DEFAULT 'real_time',
    last_sync_timestamp TIMESTAMP,
    last_sync_status    VARCHAR(30),
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE inventory_sync_mappings IS 'ERP location to warehouse pairing rules';
COMMENT ON COLUMN inventory_sync_mappings.erp_location_id IS 'Plant or warehouse as the ERP names it';
COMMENT ON COLUMN inventory_sync_mappings.erp_location_type IS 'plant, warehouse';
COMMENT ON COLUMN inventory_sync_mappings.sync_mode IS 'real_time, batch, manual';
COMMENT ON COLUMN inventory_sync_mappings.last_sync_timestamp IS 'NULL: never';
COMMENT ON COLUMN inventory_sync_mappings.last_sync_status IS 'success, failed, partial';

CREATE TABLE inventory_sync_queue (
    queue_id          VARCHAR(50) PRIMARY KEY,
    sync_direction    VARCHAR(30) NOT NULL,
    transaction_type  VARCHAR(50) NOT NULL,
    transaction_id    VARCHAR(50) NOT NULL,
    transaction_date  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    material_id       VARCHAR(50) NOT NULL,
    quantity          DECIMAL(15,4) NOT NULL,
    unit_of_measure   VARCHAR(20),
    from_location     VARCHAR(50),
    to_location       VARCHAR(50),
    from_bin_location VARCHAR(50),
    to_bin_location   VARCHAR(50),
    sync_status       VARCHAR(30) DEFAULT 'pending',
    processed_at      TIMESTAMP,
    retry_count       INTEGER DEFAULT 0,
    max_retries       INTEGER DEFAULT 3,
    error_message     TEXT,
    acknowledged      BOOLEAN DEFAULT false,
    acknowledged_at   TIMESTAMP,
    sync_data         JSONB,
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX inventory_sync_queue_sync_status_created_at_idx ON inventory_sync_queue (sync_status, created_at);
COMMENT ON TABLE inventory_sync_queue IS 'Stock messages waiting for ERP or WMS';
COMMENT ON COLUMN inventory_sync_queue.sync_direction IS 'erp_to_wms, wms_to_erp';
COMMENT ON COLUMN inventory_sync_queue.transaction_type IS 'goods_receipt, goods_issue, transfer, adjustment, allocation';
COMMENT ON COLUMN inventory_sync_queue.transaction_id IS 'Key of the document in the sending system: inventory_transactions.transaction_id or genims_wms_db.warehouse_movements.movement_id';
COMMENT ON COLUMN inventory_sync_queue.quantity IS 'Signed as in inventory_transactions';
COMMENT ON COLUMN inventory_sync_queue.from_location IS 'Plant or warehouse; NULL on receipts';
COMMENT ON COLUMN inventory_sync_queue.to_location IS 'Plant or warehouse; NULL on issues';
COMMENT ON COLUMN inventory_sync_queue.from_bin_location IS 'bin_code of the WMS';
COMMENT ON COLUMN inventory_sync_queue.to_bin_location IS 'bin_code of the WMS';
COMMENT ON COLUMN inventory_sync_queue.sync_status IS 'pending, processing, completed, failed, cancelled';
COMMENT ON COLUMN inventory_sync_queue.processed_at IS 'NULL: not processed';
COMMENT ON COLUMN inventory_sync_queue.retry_count IS 'Not above max_retries; then failed';
COMMENT ON COLUMN inventory_sync_queue.acknowledged IS 'The receiving system confirmed it';
COMMENT ON COLUMN inventory_sync_queue.sync_data IS 'The message as sent';

CREATE TABLE inventory_sync_errors (
    error_id         VARCHAR(50) PRIMARY KEY,
    error_timestamp  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    error_type       VARCHAR(50),
    error_message    TEXT,
    error_details    JSONB,
    queue_id         VARCHAR(50),
    material_id      VARCHAR(50),
    location_id      VARCHAR(50),
    error_status     VARCHAR(30) DEFAULT 'open',
    resolved_at      TIMESTAMP,
    resolved_by      VARCHAR(50),
    resolution_notes TEXT,
    retry_attempted  BOOLEAN DEFAULT false,
    retry_count      INTEGER DEFAULT 0
);
CREATE INDEX inventory_sync_errors_error_status_error_timestamp_idx ON inventory_sync_errors (error_status, error_timestamp);
COMMENT ON TABLE inventory_sync_errors IS 'Failed stock messages and their handling';
COMMENT ON COLUMN inventory_sync_errors.error_type IS 'validation, unknown_material, unknown_location, insufficient_stock, timeout, connection';
COMMENT ON COLUMN inventory_sync_errors.error_details IS 'Answer of the other system and context';
COMMENT ON COLUMN inventory_sync_errors.queue_id IS 'Message that failed; NULL: refused before it was queued';
COMMENT ON COLUMN inventory_sync_errors.material_id IS 'As received; free, because an unknown material is a usual error';
COMMENT ON COLUMN inventory_sync_errors.location_id IS 'As received; free for the same reason';
COMMENT ON COLUMN inventory_sync_errors.error_status IS 'open, in_progress, resolved, ignored';
COMMENT ON COLUMN inventory_sync_errors.resolved_by IS 'NULL: open';

CREATE TABLE inventory_transaction_log (
    log_id           VARCHAR(50) PRIMARY KEY,
    log_timestamp    TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    transaction_type VARCHAR(50) NOT NULL,
    transaction_id   VARCHAR(50) NOT NULL,
    source_system    VARCHAR(10) NOT NULL,
    material_id      VARCHAR(50) NOT NULL,
    location_id      VARCHAR(50) NOT NULL,
    bin_location     VARCHAR(50),
    quantity_change  DECIMAL(15,4) NOT NULL,
    unit_of_measure  VARCHAR(20),
    balance_before   DECIMAL(15,4),
    balance_after    DECIMAL(15,4),
    sync_required    BOOLEAN DEFAULT true,
    synced           BOOLEAN DEFAULT false,
    sync_timestamp   TIMESTAMP,
    transaction_data JSONB
);
CREATE INDEX inventory_transaction_log_log_timestamp_idx ON inventory_transaction_log (log_timestamp);
CREATE INDEX inventory_transaction_log_material_id_log_timestamp_idx ON inventory_transaction_log (material_id, log_timestamp);
COMMENT ON TABLE inventory_transaction_log IS 'Append-only trace of stock quantity changes in both systems';
COMMENT ON COLUMN inventory_transaction_log.transaction_type IS 'goods_receipt, goods_issue, transfer, adjustment, allocation';
COMMENT ON COLUMN inventory_transaction_log.transaction_id IS 'Key of the posting in source_system';
COMMENT ON COLUMN inventory_transaction_log.source_system IS 'ERP, WMS';
COMMENT ON COLUMN inventory_transaction_log.location_id IS 'Plant or warehouse';
COMMENT ON COLUMN inventory_transaction_log.bin_location IS 'bin_code of the WMS; NULL: ERP change';
COMMENT ON COLUMN inventory_transaction_log.quantity_change IS 'balance_after - balance_before; negative lowers the stock';
COMMENT ON COLUMN inventory_transaction_log.sync_required IS 'The other system must hear of it';
COMMENT ON COLUMN inventory_transaction_log.sync_timestamp IS 'NULL: not synced';
COMMENT ON COLUMN inventory_transaction_log.transaction_data IS 'The posting as it was';

CREATE TABLE inventory_sync_metrics (
    metric_id                 VARCHAR(50) PRIMARY KEY,
    metric_date               DATE NOT NULL UNIQUE,
    total_sync_transactions   INTEGER DEFAULT 0,
    erp_to_wms_transactions   INTEGER DEFAULT 0,
    wms_to_erp_transactions   INTEGER DEFAULT 0,
    successful_syncs          INTEGER DEFAULT 0,
    failed_syncs              INTEGER DEFAULT 0,
    success_rate_pct          DECIMAL(5,2),
    avg_sync_time_seconds     DECIMAL(10,2),
    max_sync_time_seconds     DECIMAL(10,2),
    total_errors              INTEGER DEFAULT 0,
    unresolved_errors         INTEGER DEFAULT 0,
    reconciliations_completed INTEGER DEFAULT 0,
    total_variance_value      DECIMAL(15,2) DEFAULT 0,
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE inventory_sync_metrics IS 'Daily throughput and failure figures of stock sync';
COMMENT ON COLUMN inventory_sync_metrics.total_sync_transactions IS 'erp_to_wms_transactions + wms_to_erp_transactions';
COMMENT ON COLUMN inventory_sync_metrics.successful_syncs IS 'total_sync_transactions - failed_syncs';
COMMENT ON COLUMN inventory_sync_metrics.success_rate_pct IS 'successful_syncs / total_sync_transactions * 100; NULL without transactions';
COMMENT ON COLUMN inventory_sync_metrics.avg_sync_time_seconds IS 'From queueing to acknowledgement';
COMMENT ON COLUMN inventory_sync_metrics.total_errors IS 'Errors raised on the day';
COMMENT ON COLUMN inventory_sync_metrics.unresolved_errors IS 'Of them still open at the end of the day';
COMMENT ON COLUMN inventory_sync_metrics.total_variance_value IS 'Of the reconciliations completed on the day, INR';

CREATE TABLE erp_mes_sync_log (
    sync_id        VARCHAR(50) PRIMARY KEY,
    sync_timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    sync_direction VARCHAR(10),
    document_type  VARCHAR(50),
    document_id    VARCHAR(50),
    sync_status    VARCHAR(30),
    error_message  TEXT,
    sync_data      JSONB,
    retry_count    INTEGER DEFAULT 0,
    last_retry_at  TIMESTAMP,
    created_at     TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX erp_mes_sync_log_sync_status_sync_timestamp_idx ON erp_mes_sync_log (sync_status, sync_timestamp);
CREATE INDEX erp_mes_sync_log_document_type_document_id_idx ON erp_mes_sync_log (document_type, document_id);
COMMENT ON TABLE erp_mes_sync_log IS 'Messages exchanged between ERP and MES';
COMMENT ON COLUMN erp_mes_sync_log.sync_direction IS 'erp_to_mes, mes_to_erp';
COMMENT ON COLUMN erp_mes_sync_log.document_type IS 'production_order, work_order, confirmation, goods_issue, goods_receipt';
COMMENT ON COLUMN erp_mes_sync_log.document_id IS 'Key of the document that document_type names';
COMMENT ON COLUMN erp_mes_sync_log.sync_status IS 'pending, success, failed, retrying';
COMMENT ON COLUMN erp_mes_sync_log.error_message IS 'NULL: no error';
COMMENT ON COLUMN erp_mes_sync_log.sync_data IS 'The message as sent';
COMMENT ON COLUMN erp_mes_sync_log.last_retry_at IS 'NULL: never retried';
