-- What quality costs and how good it is, by supplier, month and day.
-- And the messages exchanged with the other modules.

CREATE TABLE supplier_quality_metrics (
    metric_id               VARCHAR(50) PRIMARY KEY,
    supplier_id             VARCHAR(50) NOT NULL,
    metric_period           VARCHAR(7) NOT NULL,
    total_receipts          INTEGER DEFAULT 0,
    receipts_inspected      INTEGER DEFAULT 0,
    receipts_accepted       INTEGER DEFAULT 0,
    receipts_rejected       INTEGER DEFAULT 0,
    total_quantity_received DECIMAL(15,4) DEFAULT 0,
    quantity_accepted       DECIMAL(15,4) DEFAULT 0,
    quantity_rejected       DECIMAL(15,4) DEFAULT 0,
    total_defects           INTEGER DEFAULT 0,
    defect_ppm              INTEGER DEFAULT 0,
    critical_defects        INTEGER DEFAULT 0,
    major_defects           INTEGER DEFAULT 0,
    minor_defects           INTEGER DEFAULT 0,
    acceptance_rate_pct     DECIMAL(5,2),
    quality_score           DECIMAL(5,2),
    ncr_count               INTEGER DEFAULT 0,
    capa_count              INTEGER DEFAULT 0,
    capa_effectiveness_pct  DECIMAL(5,2),
    rejection_cost          DECIMAL(15,2) DEFAULT 0,
    rework_cost             DECIMAL(15,2) DEFAULT 0,
    sorting_cost            DECIMAL(15,2) DEFAULT 0,
    total_copq              DECIMAL(15,2) DEFAULT 0,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX supplier_quality_metrics_supplier_id_metric_period_idx ON supplier_quality_metrics (supplier_id, metric_period);
COMMENT ON TABLE supplier_quality_metrics IS 'Monthly incoming quality per vendor';
COMMENT ON COLUMN supplier_quality_metrics.metric_period IS 'YYYY-MM; one row per supplier and month';
COMMENT ON COLUMN supplier_quality_metrics.receipts_inspected IS 'receipts_accepted + receipts_rejected';
COMMENT ON COLUMN supplier_quality_metrics.total_quantity_received IS 'quantity_accepted + quantity_rejected';
COMMENT ON COLUMN supplier_quality_metrics.total_defects IS 'critical_defects + major_defects + minor_defects';
COMMENT ON COLUMN supplier_quality_metrics.defect_ppm IS 'round(1000000 * quantity_rejected / total_quantity_received)';
COMMENT ON COLUMN supplier_quality_metrics.acceptance_rate_pct IS '100 * receipts_accepted / receipts_inspected';
COMMENT ON COLUMN supplier_quality_metrics.quality_score IS '0 to 100';
COMMENT ON COLUMN supplier_quality_metrics.ncr_count IS 'Cases opened for the supplier in the month';
COMMENT ON COLUMN supplier_quality_metrics.capa_count IS 'Plans opened for the supplier in the month';
COMMENT ON COLUMN supplier_quality_metrics.capa_effectiveness_pct IS 'Share verified effective';
COMMENT ON COLUMN supplier_quality_metrics.rejection_cost IS 'INR';
COMMENT ON COLUMN supplier_quality_metrics.rework_cost IS 'INR';
COMMENT ON COLUMN supplier_quality_metrics.sorting_cost IS 'INR';
COMMENT ON COLUMN supplier_quality_metrics.total_copq IS 'rejection_cost + rework_cost + sorting_cost, INR';

CREATE TABLE quality_cost_tracking (
    quality_cost_id      VARCHAR(50) PRIMARY KEY,
    cost_period          VARCHAR(7) NOT NULL CHECK (cost_period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    cost_date            DATE NOT NULL,
    factory_id           VARCHAR(50) NOT NULL,
    department_id        VARCHAR(50),
    product_id           VARCHAR(50),
    supplier_id          VARCHAR(50),
    cost_category        VARCHAR(30) NOT NULL CHECK (cost_category IN ('prevention', 'appraisal', 'internal_failure', 'external_failure')),
    cost_element         VARCHAR(50) NOT NULL CHECK (cost_element IN ('training', 'quality_planning', 'audit', 'preventive_action', 'inspection', 'testing', 'calibration', 'scrap', 'rework', 'sorting', 'warranty', 'return', 'complaint_handling', 'recall', 'credit')),
    description          TEXT,
    ncr_id               VARCHAR(50),
    complaint_id         VARCHAR(50),
    capa_id              VARCHAR(50),
    source_document_type VARCHAR(30),
    source_document_id   VARCHAR(50),
    quantity             DECIMAL(15,4) CHECK (quantity >= 0),
    unit_of_measure      VARCHAR(20),
    unit_cost            DECIMAL(15,4) CHECK (unit_cost >= 0),
    cost_amount          DECIMAL(15,2) NOT NULL CHECK (cost_amount >= 0),
    currency             VARCHAR(3) NOT NULL DEFAULT 'INR',
    recovered_amount     DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (recovered_amount >= 0),
    cost_center_id       VARCHAR(50),
    status               VARCHAR(30) NOT NULL DEFAULT 'recorded' CHECK (status IN ('recorded', 'confirmed', 'posted', 'reversed')),
    recorded_by          VARCHAR(50),
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (cost_period = to_char(cost_date, 'YYYY-MM')),
    CHECK (recovered_amount <= cost_amount)
);
CREATE INDEX quality_cost_tracking_cost_period_cost_category_idx ON quality_cost_tracking (cost_period, cost_category);
COMMENT ON TABLE quality_cost_tracking IS 'Prevention, appraisal and failure costs by period';
COMMENT ON COLUMN quality_cost_tracking.quality_cost_id IS 'QC-000001 ...';
COMMENT ON COLUMN quality_cost_tracking.cost_period IS 'YYYY-MM of cost_date';
COMMENT ON COLUMN quality_cost_tracking.product_id IS 'NULL: not of one product';
COMMENT ON COLUMN quality_cost_tracking.supplier_id IS 'Supplier who caused it; NULL: own';
COMMENT ON COLUMN quality_cost_tracking.cost_category IS 'prevention, appraisal, internal_failure, external_failure';
COMMENT ON COLUMN quality_cost_tracking.cost_element IS 'prevention: training, quality_planning, audit, preventive_action; appraisal: inspection, testing, calibration; internal_failure: scrap, rework, sorting; external_failure: warranty, return, complaint_handling, recall, credit';
COMMENT ON COLUMN quality_cost_tracking.source_document_type IS 'ncr, complaint, audit, calibration, inspection, recall, work_order; NULL when entered by hand';
COMMENT ON COLUMN quality_cost_tracking.source_document_id IS 'Key of that document';
COMMENT ON COLUMN quality_cost_tracking.unit_cost IS 'In currency per unit_of_measure';
COMMENT ON COLUMN quality_cost_tracking.cost_amount IS 'quantity * unit_cost when both are set, else as entered; in currency';
COMMENT ON COLUMN quality_cost_tracking.recovered_amount IS 'Charged back to supplier or insurer; at most cost_amount';
COMMENT ON COLUMN quality_cost_tracking.cost_center_id IS 'Of the finance module; NULL: not assigned';
COMMENT ON COLUMN quality_cost_tracking.status IS 'recorded, confirmed, posted, reversed; reversed rows count nowhere';

CREATE TABLE quality_kpis (
    kpi_id                   VARCHAR(50) PRIMARY KEY,
    kpi_date                 DATE NOT NULL UNIQUE,
    internal_defect_ppm      INTEGER DEFAULT 0,
    first_time_quality_pct   DECIMAL(5,2),
    customer_complaints      INTEGER DEFAULT 0,
    customer_returns_ppm     INTEGER DEFAULT 0,
    incoming_rejection_pct   DECIMAL(5,2),
    supplier_defect_ppm      INTEGER DEFAULT 0,
    processes_in_control     INTEGER DEFAULT 0,
    processes_total          INTEGER DEFAULT 0,
    process_capability_avg   DECIMAL(5,3),
    ncr_opened               INTEGER DEFAULT 0,
    ncr_closed               INTEGER DEFAULT 0,
    ncr_open_count           INTEGER DEFAULT 0,
    capa_overdue             INTEGER DEFAULT 0,
    prevention_cost          DECIMAL(15,2) DEFAULT 0,
    appraisal_cost           DECIMAL(15,2) DEFAULT 0,
    internal_failure_cost    DECIMAL(15,2) DEFAULT 0,
    external_failure_cost    DECIMAL(15,2) DEFAULT 0,
    total_coq                DECIMAL(15,2) DEFAULT 0,
    equipment_calibrated_pct DECIMAL(5,2),
    equipment_overdue        INTEGER DEFAULT 0,
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE quality_kpis IS 'Daily quality indicators for the whole group';
COMMENT ON COLUMN quality_kpis.internal_defect_ppm IS 'Defective units made per million';
COMMENT ON COLUMN quality_kpis.first_time_quality_pct IS 'Good at the first attempt, percent';
COMMENT ON COLUMN quality_kpis.customer_complaints IS 'Received on the day';
COMMENT ON COLUMN quality_kpis.customer_returns_ppm IS 'Units returned per million shipped';
COMMENT ON COLUMN quality_kpis.incoming_rejection_pct IS 'Receipts rejected, percent';
COMMENT ON COLUMN quality_kpis.supplier_defect_ppm IS 'Units rejected at receiving per million';
COMMENT ON COLUMN quality_kpis.processes_in_control IS 'Active charts without open violation';
COMMENT ON COLUMN quality_kpis.processes_total IS 'Active charts';
COMMENT ON COLUMN quality_kpis.process_capability_avg IS 'Mean cpk of the active charts';
COMMENT ON COLUMN quality_kpis.ncr_open_count IS 'Open at the end of the day';
COMMENT ON COLUMN quality_kpis.capa_overdue IS 'Open past target_completion_date';
COMMENT ON COLUMN quality_kpis.prevention_cost IS 'INR, as recorded in quality_cost_tracking; also the next three';
COMMENT ON COLUMN quality_kpis.total_coq IS 'prevention_cost + appraisal_cost + internal_failure_cost + external_failure_cost, INR';
COMMENT ON COLUMN quality_kpis.equipment_calibrated_pct IS 'Gauges not overdue, percent';
COMMENT ON COLUMN quality_kpis.equipment_overdue IS 'Gauges past next_calibration_due';

CREATE TABLE qms_integration_log (
    log_id             VARCHAR(50) PRIMARY KEY,
    log_timestamp      TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    integration_type   VARCHAR(50) NOT NULL,
    source_system      VARCHAR(30),
    target_system      VARCHAR(30),
    source_document_id VARCHAR(50),
    target_document_id VARCHAR(50),
    integration_status VARCHAR(30) DEFAULT 'success',
    error_message      TEXT,
    integration_data   JSONB
);
CREATE INDEX qms_integration_log_log_timestamp_idx ON qms_integration_log (log_timestamp);
COMMENT ON TABLE qms_integration_log IS 'Messages exchanged between QMS and other modules';
COMMENT ON COLUMN qms_integration_log.integration_type IS 'ncr_to_supplier, complaint_from_service, inspection_from_mes, cost_to_finance, document_to_hr';
COMMENT ON COLUMN qms_integration_log.source_system IS 'qms, mes, erp, wms, crm, service, finance, supplier';
COMMENT ON COLUMN qms_integration_log.target_system IS 'qms, mes, erp, wms, crm, service, finance, supplier';
COMMENT ON COLUMN qms_integration_log.integration_status IS 'success, failed, pending, retrying';
COMMENT ON COLUMN qms_integration_log.error_message IS 'NULL unless failed or retrying';
