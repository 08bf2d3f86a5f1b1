-- Time that machines and lines lost: stops and changeovers.
-- Both feed the availability factor of the OEE.

CREATE TABLE downtime_events (
    downtime_id                 VARCHAR(50) PRIMARY KEY,
    machine_id                  VARCHAR(50),
    line_id                     VARCHAR(50),
    factory_id                  VARCHAR(50) NOT NULL,
    downtime_start              TIMESTAMP NOT NULL,
    downtime_end                TIMESTAMP,
    duration_minutes            INTEGER,
    downtime_category           VARCHAR(50) NOT NULL,
    downtime_reason_code        VARCHAR(50),
    downtime_reason_description TEXT,
    work_order_id               VARCHAR(50),
    operation_id                VARCHAR(50),
    production_loss_units       INTEGER,
    estimated_cost              DECIMAL(12,2),
    reported_by                 VARCHAR(50),
    responded_by                VARCHAR(50),
    response_time_minutes       INTEGER,
    resolution_action           TEXT,
    root_cause                  TEXT,
    preventive_action           TEXT,
    maintenance_work_order      VARCHAR(50),
    spare_parts_used            TEXT,
    status                      VARCHAR(30) DEFAULT 'active',
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    resolved_at                 TIMESTAMP
);
CREATE INDEX downtime_events_machine_id_downtime_start_idx ON downtime_events (machine_id, downtime_start);
CREATE INDEX downtime_events_factory_id_downtime_start_idx ON downtime_events (factory_id, downtime_start);
COMMENT ON TABLE downtime_events IS 'Stops of machines or lines with reason and loss';
COMMENT ON COLUMN downtime_events.machine_id IS 'NULL: the whole line stood';
COMMENT ON COLUMN downtime_events.downtime_end IS 'NULL while it stands';
COMMENT ON COLUMN downtime_events.duration_minutes IS 'downtime_end - downtime_start, minutes';
COMMENT ON COLUMN downtime_events.downtime_category IS 'breakdown, setup, material_shortage, operator_absence, quality_issue, planned_maintenance, power_failure, other';
COMMENT ON COLUMN downtime_events.downtime_reason_code IS 'Fault code of the machine, or a code of the plant';
COMMENT ON COLUMN downtime_events.production_loss_units IS 'Rated output of the duration';
COMMENT ON COLUMN downtime_events.estimated_cost IS 'INR';
COMMENT ON COLUMN downtime_events.responded_by IS 'First employee at the machine';
COMMENT ON COLUMN downtime_events.response_time_minutes IS 'From downtime_start to the arrival';
COMMENT ON COLUMN downtime_events.maintenance_work_order IS 'genims_maintenance_db.work_orders, by work_order_id; NULL: none';
COMMENT ON COLUMN downtime_events.spare_parts_used IS 'Part numbers, separated by commas';
COMMENT ON COLUMN downtime_events.status IS 'active, resolved';
COMMENT ON COLUMN downtime_events.resolved_at IS 'NULL until resolved';

CREATE TABLE changeover_events (
    changeover_id                  VARCHAR(50) PRIMARY KEY,
    line_id                        VARCHAR(50) NOT NULL,
    machine_id                     VARCHAR(50),
    changeover_type                VARCHAR(50),
    from_product_id                VARCHAR(50),
    to_product_id                  VARCHAR(50),
    from_work_order_id             VARCHAR(50),
    to_work_order_id               VARCHAR(50),
    changeover_start               TIMESTAMP NOT NULL,
    changeover_end                 TIMESTAMP,
    planned_duration_minutes       INTEGER,
    actual_duration_minutes        INTEGER,
    teardown_time_minutes          INTEGER,
    setup_time_minutes             INTEGER,
    adjustment_time_minutes        INTEGER,
    trial_run_time_minutes         INTEGER,
    first_good_part_time           TIMESTAMP,
    parts_produced_during_setup    INTEGER,
    parts_scrapped_during_setup    INTEGER,
    supervisor_id                  VARCHAR(50),
    operator_ids                   TEXT,
    first_piece_inspection_passed  BOOLEAN,
    quality_approval_by            VARCHAR(50),
    target_changeover_time_minutes INTEGER,
    improvement_opportunity        TEXT,
    created_at                     TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX changeover_events_line_id_changeover_start_idx ON changeover_events (line_id, changeover_start);
COMMENT ON TABLE changeover_events IS 'Setup switches between products or tools';
COMMENT ON COLUMN changeover_events.machine_id IS 'NULL: the whole line';
COMMENT ON COLUMN changeover_events.changeover_type IS 'product, tool, material, cleaning, minor';
COMMENT ON COLUMN changeover_events.from_work_order_id IS 'Job before; NULL: the line stood empty';
COMMENT ON COLUMN changeover_events.changeover_end IS 'NULL while it goes on';
COMMENT ON COLUMN changeover_events.actual_duration_minutes IS 'teardown_time_minutes + setup_time_minutes + adjustment_time_minutes + trial_run_time_minutes; changeover_end - changeover_start';
COMMENT ON COLUMN changeover_events.parts_scrapped_during_setup IS 'Of parts_produced_during_setup';
COMMENT ON COLUMN changeover_events.operator_ids IS 'Employee ids, separated by commas';
COMMENT ON COLUMN changeover_events.target_changeover_time_minutes IS 'As line_product_mapping.changeover_time_minutes';
