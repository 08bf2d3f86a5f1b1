-- How suppliers perform: monthly figures, published scorecards, rating changes and programmes to improve.
-- Scores are 0 to 100; ratings are A (from 90), B (from 75), C (from 60), D (below).

CREATE TABLE supplier_performance_metrics (
    metric_id               VARCHAR(50) PRIMARY KEY,
    supplier_id             VARCHAR(50) NOT NULL,
    metric_period           VARCHAR(7) NOT NULL,
    total_pos_issued        INTEGER DEFAULT 0,
    pos_delivered_ontime    INTEGER DEFAULT 0,
    ontime_delivery_pct     DECIMAL(5,2),
    average_lead_time_days  DECIMAL(5,1),
    total_quantity_received DECIMAL(15,4) DEFAULT 0,
    quantity_accepted       DECIMAL(15,4) DEFAULT 0,
    quantity_rejected       DECIMAL(15,4) DEFAULT 0,
    defect_ppm              INTEGER DEFAULT 0,
    quality_acceptance_pct  DECIMAL(5,2),
    rfqs_sent               INTEGER DEFAULT 0,
    rfqs_responded          INTEGER DEFAULT 0,
    response_rate_pct       DECIMAL(5,2),
    avg_response_time_hours DECIMAL(6,2),
    total_spend             DECIMAL(15,2) DEFAULT 0,
    invoice_accuracy_pct    DECIMAL(5,2),
    payment_disputes        INTEGER DEFAULT 0,
    certifications_valid    BOOLEAN DEFAULT true,
    documentation_complete  BOOLEAN DEFAULT true,
    audit_score             DECIMAL(5,2),
    overall_score           DECIMAL(5,2),
    performance_rating      VARCHAR(20),
    previous_period_score   DECIMAL(5,2),
    score_change            DECIMAL(5,2),
    trend                   VARCHAR(20),
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX supplier_performance_metrics_supplier_id_metric_period_idx ON supplier_performance_metrics (supplier_id, metric_period);
CREATE INDEX supplier_performance_metrics_metric_period_idx ON supplier_performance_metrics (metric_period);
COMMENT ON TABLE supplier_performance_metrics IS 'Monthly supplier delivery, quality, response and commercial figures with score';
COMMENT ON COLUMN supplier_performance_metrics.metric_id IS 'SPM-000001 ...; one row per supplier_id and metric_period';
COMMENT ON COLUMN supplier_performance_metrics.metric_period IS 'Month, YYYY-MM';
COMMENT ON COLUMN supplier_performance_metrics.total_pos_issued IS 'Purchase orders due for delivery in the month';
COMMENT ON COLUMN supplier_performance_metrics.pos_delivered_ontime IS 'Of these, delivered in full on or before the date';
COMMENT ON COLUMN supplier_performance_metrics.ontime_delivery_pct IS 'pos_delivered_ontime / total_pos_issued * 100; NULL without orders';
COMMENT ON COLUMN supplier_performance_metrics.average_lead_time_days IS 'Calendar days from order to receipt';
COMMENT ON COLUMN supplier_performance_metrics.total_quantity_received IS 'quantity_accepted + quantity_rejected; in the base units of the materials';
COMMENT ON COLUMN supplier_performance_metrics.defect_ppm IS 'quantity_rejected / total_quantity_received * 1000000';
COMMENT ON COLUMN supplier_performance_metrics.quality_acceptance_pct IS 'quantity_accepted / total_quantity_received * 100; NULL without receipts';
COMMENT ON COLUMN supplier_performance_metrics.response_rate_pct IS 'rfqs_responded / rfqs_sent * 100; NULL without requests';
COMMENT ON COLUMN supplier_performance_metrics.avg_response_time_hours IS 'Hours from invitation to response';
COMMENT ON COLUMN supplier_performance_metrics.total_spend IS 'Value received in the month, INR';
COMMENT ON COLUMN supplier_performance_metrics.invoice_accuracy_pct IS 'Invoices matched at the first attempt, percent';
COMMENT ON COLUMN supplier_performance_metrics.audit_score IS 'Score of the last completed audit; NULL: none yet';
COMMENT ON COLUMN supplier_performance_metrics.overall_score IS '0.4 * ontime_delivery_pct + 0.4 * quality_acceptance_pct + 0.1 * response_rate_pct + 0.1 * invoice_accuracy_pct, missing parts left out and the weights scaled up';
COMMENT ON COLUMN supplier_performance_metrics.performance_rating IS 'A, B, C, D by overall_score';
COMMENT ON COLUMN supplier_performance_metrics.previous_period_score IS 'overall_score of the month before; NULL: none';
COMMENT ON COLUMN supplier_performance_metrics.score_change IS 'overall_score - previous_period_score';
COMMENT ON COLUMN supplier_performance_metrics.trend IS 'improving (score_change above 1), stable, declining (below -1)';

CREATE TABLE supplier_scorecards (
    scorecard_id              VARCHAR(50) PRIMARY KEY,
    supplier_id               VARCHAR(50) NOT NULL,
    scorecard_period          VARCHAR(7) NOT NULL,
    scorecard_type            VARCHAR(30) DEFAULT 'monthly',
    delivery_score            DECIMAL(5,2),
    quality_score             DECIMAL(5,2),
    responsiveness_score      DECIMAL(5,2),
    commercial_score          DECIMAL(5,2),
    sustainability_score      DECIMAL(5,2),
    overall_score             DECIMAL(5,2),
    supplier_rating           VARCHAR(20),
    action_required           BOOLEAN DEFAULT false,
    action_plan               TEXT,
    improvement_plan_due_date DATE,
    reviewed_by               VARCHAR(50),
    review_date               DATE,
    review_notes              TEXT,
    published_to_supplier     BOOLEAN DEFAULT false,
    published_date            DATE,
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX supplier_scorecards_supplier_id_scorecard_period_idx ON supplier_scorecards (supplier_id, scorecard_period);
COMMENT ON TABLE supplier_scorecards IS 'Periodic supplier ratings, reviewed and shared with the supplier';
COMMENT ON COLUMN supplier_scorecards.scorecard_id IS 'SSC-000001 ...; one row per supplier_id, scorecard_type and scorecard_period';
COMMENT ON COLUMN supplier_scorecards.scorecard_period IS 'YYYY-MM, the last month of the period';
COMMENT ON COLUMN supplier_scorecards.scorecard_type IS 'monthly, quarterly, annual';
COMMENT ON COLUMN supplier_scorecards.overall_score IS '0.30 * delivery_score + 0.30 * quality_score + 0.15 * responsiveness_score + 0.15 * commercial_score + 0.10 * sustainability_score';
COMMENT ON COLUMN supplier_scorecards.supplier_rating IS 'A, B, C, D by overall_score';
COMMENT ON COLUMN supplier_scorecards.action_required IS 'True for C and D';
COMMENT ON COLUMN supplier_scorecards.improvement_plan_due_date IS 'NULL unless action_required';
COMMENT ON COLUMN supplier_scorecards.published_date IS 'NULL unless published_to_supplier; not before review_date';

CREATE TABLE supplier_rating_history (
    history_id      VARCHAR(50) PRIMARY KEY,
    supplier_id     VARCHAR(50) NOT NULL,
    rating_date     DATE NOT NULL,
    previous_rating VARCHAR(20),
    new_rating      VARCHAR(20),
    change_reason   TEXT,
    changed_by      VARCHAR(50),
    created_at      TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX supplier_rating_history_supplier_id_rating_date_idx ON supplier_rating_history (supplier_id, rating_date);
COMMENT ON TABLE supplier_rating_history IS 'Past ratings of a supplier, one row per change';
COMMENT ON COLUMN supplier_rating_history.history_id IS 'SRH-000001 ...';
COMMENT ON COLUMN supplier_rating_history.previous_rating IS 'A, B, C, D; equals new_rating of the row before; NULL for the first';
COMMENT ON COLUMN supplier_rating_history.new_rating IS 'A, B, C, D; differs from previous_rating';

CREATE TABLE supplier_development_programs (
    program_id               VARCHAR(50) PRIMARY KEY,
    program_number           VARCHAR(50) NOT NULL UNIQUE,
    program_name             VARCHAR(200) NOT NULL,
    supplier_id              VARCHAR(50) NOT NULL,
    program_type             VARCHAR(30) NOT NULL,
    trigger_type             VARCHAR(30) NOT NULL,
    scorecard_id             VARCHAR(50),
    audit_id                 VARCHAR(50),
    material_id              VARCHAR(50),
    objective                TEXT NOT NULL,
    improvement_metric       VARCHAR(50) NOT NULL,
    metric_unit              VARCHAR(20) NOT NULL,
    baseline_value           DECIMAL(15,4) NOT NULL,
    target_value             DECIMAL(15,4) NOT NULL,
    current_value            DECIMAL(15,4),
    progress_percentage      DECIMAL(5,2) NOT NULL DEFAULT 0,
    program_owner_id         VARCHAR(50) NOT NULL,
    supplier_contact_user_id VARCHAR(50),
    start_date               DATE NOT NULL,
    target_end_date          DATE NOT NULL,
    actual_end_date          DATE,
    next_review_date         DATE,
    budget_amount            DECIMAL(15,2),
    actual_cost              DECIMAL(15,2) NOT NULL DEFAULT 0,
    realized_savings         DECIMAL(15,2) NOT NULL DEFAULT 0,
    currency                 VARCHAR(3) NOT NULL DEFAULT 'INR',
    status                   VARCHAR(30) NOT NULL DEFAULT 'proposed',
    outcome_notes            TEXT,
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (program_type IN ('quality', 'delivery', 'cost', 'capacity', 'technology', 'sustainability')),
    CHECK (trigger_type IN ('scorecard', 'audit', 'strategic', 'supplier_request')),
    CHECK (improvement_metric IN ('defect_ppm', 'ontime_delivery_pct', 'lead_time_days', 'unit_cost', 'capacity_units', 'co2_kg_per_unit')),
    CHECK (status IN ('proposed', 'active', 'on_hold', 'completed', 'cancelled')),
    CHECK (progress_percentage BETWEEN 0 AND 100),
    CHECK (target_end_date > start_date),
    CHECK (actual_end_date IS NULL OR actual_end_date >= start_date),
    CHECK (baseline_value <> target_value),
    CHECK (budget_amount >= 0 AND actual_cost >= 0)
);
CREATE INDEX supplier_development_programs_status_target_end_date_idx ON supplier_development_programs (status, target_end_date);
CREATE INDEX supplier_development_programs_supplier_id_idx ON supplier_development_programs (supplier_id);
COMMENT ON TABLE supplier_development_programs IS 'Supplier improvement initiatives with baseline, target and benefit';
COMMENT ON COLUMN supplier_development_programs.program_id IS 'SDP-0001 ...';
COMMENT ON COLUMN supplier_development_programs.program_number IS 'SDP-2026-001: year and number in the year';
COMMENT ON COLUMN supplier_development_programs.program_type IS 'quality, delivery, cost, capacity, technology, sustainability';
COMMENT ON COLUMN supplier_development_programs.trigger_type IS 'scorecard, audit, strategic, supplier_request';
COMMENT ON COLUMN supplier_development_programs.scorecard_id IS 'Scorecard that called for it; NULL unless trigger_type is scorecard';
COMMENT ON COLUMN supplier_development_programs.audit_id IS 'Audit that called for it; NULL unless trigger_type is audit';
COMMENT ON COLUMN supplier_development_programs.material_id IS 'NULL: all materials of the supplier';
COMMENT ON COLUMN supplier_development_programs.improvement_metric IS 'The one figure the programme is measured by, in metric_unit';
COMMENT ON COLUMN supplier_development_programs.baseline_value IS 'Figure at the start';
COMMENT ON COLUMN supplier_development_programs.target_value IS 'Figure aimed at; below the baseline where less is better';
COMMENT ON COLUMN supplier_development_programs.current_value IS 'Last figure measured; NULL before the first review';
COMMENT ON COLUMN supplier_development_programs.progress_percentage IS '(current_value - baseline_value) / (target_value - baseline_value) * 100, kept within 0 and 100';
COMMENT ON COLUMN supplier_development_programs.supplier_contact_user_id IS 'Portal user of the same supplier';
COMMENT ON COLUMN supplier_development_programs.actual_end_date IS 'NULL unless completed or cancelled';
COMMENT ON COLUMN supplier_development_programs.budget_amount IS 'NULL: no budget of its own';
COMMENT ON COLUMN supplier_development_programs.realized_savings IS 'Verified by finance to date';
