-- Production jobs of the shop floor, their operations, and the plan that puts them on lines and shifts.
-- Quantities are whole units of the product; times are UTC.

CREATE TABLE work_orders (
    work_order_id               VARCHAR(50) PRIMARY KEY,
    work_order_number           VARCHAR(50) NOT NULL UNIQUE,
    product_id                  VARCHAR(50) NOT NULL,
    customer_id                 VARCHAR(50),
    sales_order_number          VARCHAR(50),
    factory_id                  VARCHAR(50) NOT NULL,
    line_id                     VARCHAR(50),
    planned_quantity            INTEGER NOT NULL,
    unit_of_measure             VARCHAR(20) DEFAULT 'EA',
    priority                    INTEGER DEFAULT 5,
    planned_start_date          TIMESTAMP,
    planned_end_date            TIMESTAMP,
    scheduled_start_time        TIMESTAMP,
    scheduled_end_time          TIMESTAMP,
    actual_start_time           TIMESTAMP,
    actual_end_time             TIMESTAMP,
    produced_quantity           INTEGER DEFAULT 0,
    good_quantity               INTEGER DEFAULT 0,
    rejected_quantity           INTEGER DEFAULT 0,
    scrapped_quantity           INTEGER DEFAULT 0,
    rework_quantity             INTEGER DEFAULT 0,
    status                      VARCHAR(30) NOT NULL DEFAULT 'created',
    quality_status              VARCHAR(30),
    quality_hold                BOOLEAN DEFAULT false,
    planned_cycle_time_seconds  INTEGER,
    actual_cycle_time_seconds   INTEGER,
    setup_time_minutes          INTEGER,
    run_time_minutes            INTEGER,
    downtime_minutes            INTEGER,
    yield_percentage            DECIMAL(5,2),
    first_pass_yield_percentage DECIMAL(5,2),
    standard_cost_per_unit      DECIMAL(12,2),
    actual_cost_per_unit        DECIMAL(12,2),
    total_material_cost         DECIMAL(15,2),
    total_labor_cost            DECIMAL(15,2),
    total_overhead_cost         DECIMAL(15,2),
    batch_number                VARCHAR(50),
    lot_number                  VARCHAR(50),
    expiry_date                 DATE,
    electronic_batch_record_id  VARCHAR(50),
    requires_validation         BOOLEAN DEFAULT false,
    validation_status           VARCHAR(30),
    parent_work_order_id        VARCHAR(50),
    erp_order_id                VARCHAR(50),
    created_by                  VARCHAR(50),
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    completed_by                VARCHAR(50),
    closed_at                   TIMESTAMP
);
CREATE INDEX work_orders_status_planned_start_date_idx ON work_orders (status, planned_start_date);
CREATE INDEX work_orders_factory_id_actual_start_time_idx ON work_orders (factory_id, actual_start_time);
CREATE INDEX work_orders_product_id_idx ON work_orders (product_id);
CREATE INDEX work_orders_batch_number_idx ON work_orders (batch_number);
COMMENT ON TABLE work_orders IS 'Shop-floor jobs: plan, quantities, cost and state';
COMMENT ON COLUMN work_orders.work_order_id IS 'WO-000001 ...';
COMMENT ON COLUMN work_orders.work_order_number IS 'What runs and orders of other modules name';
COMMENT ON COLUMN work_orders.customer_id IS 'NULL: made to stock';
COMMENT ON COLUMN work_orders.sales_order_number IS 'genims_erp_db.sales_orders, by number; NULL: made to stock';
COMMENT ON COLUMN work_orders.line_id IS 'NULL until scheduled';
COMMENT ON COLUMN work_orders.product_id IS 'Product made; for a semi-finished part the product that it goes into';
COMMENT ON COLUMN work_orders.planned_quantity IS 'Units to be made';
COMMENT ON COLUMN work_orders.priority IS '1 (first) to 10 (last)';
COMMENT ON COLUMN work_orders.planned_start_date IS 'From planning';
COMMENT ON COLUMN work_orders.planned_end_date IS 'From planning';
COMMENT ON COLUMN work_orders.scheduled_start_time IS 'From the line schedule';
COMMENT ON COLUMN work_orders.scheduled_end_time IS 'From the line schedule';
COMMENT ON COLUMN work_orders.produced_quantity IS 'good_quantity + rejected_quantity';
COMMENT ON COLUMN work_orders.good_quantity IS 'Good at the first attempt';
COMMENT ON COLUMN work_orders.rejected_quantity IS 'scrapped_quantity + rework_quantity';
COMMENT ON COLUMN work_orders.scrapped_quantity IS 'Thrown away';
COMMENT ON COLUMN work_orders.rework_quantity IS 'Sent to rework and saved';
COMMENT ON COLUMN work_orders.status IS 'created, released, scheduled, in_progress, on_hold, completed, closed, cancelled';
COMMENT ON COLUMN work_orders.quality_status IS 'pending, passed, failed, conditional';
COMMENT ON COLUMN work_orders.quality_hold IS 'Not to be moved or shipped';
COMMENT ON COLUMN work_orders.planned_cycle_time_seconds IS 'Seconds per unit';
COMMENT ON COLUMN work_orders.actual_cycle_time_seconds IS 'run_time_minutes * 60 / produced_quantity';
COMMENT ON COLUMN work_orders.run_time_minutes IS 'Minutes of production; actual_end_time - actual_start_time less setup_time_minutes and downtime_minutes';
COMMENT ON COLUMN work_orders.downtime_minutes IS 'Sum of downtime_events.duration_minutes of the job';
COMMENT ON COLUMN work_orders.yield_percentage IS '100 * (good_quantity + rework_quantity) / produced_quantity';
COMMENT ON COLUMN work_orders.first_pass_yield_percentage IS '100 * good_quantity / produced_quantity';
COMMENT ON COLUMN work_orders.standard_cost_per_unit IS 'INR';
COMMENT ON COLUMN work_orders.actual_cost_per_unit IS '(total_material_cost + total_labor_cost + total_overhead_cost) / produced_quantity, INR';
COMMENT ON COLUMN work_orders.total_material_cost IS 'Material issued less returned, INR';
COMMENT ON COLUMN work_orders.total_labor_cost IS 'Sum of labor_cost and overtime_cost of labor_transactions, INR';
COMMENT ON COLUMN work_orders.total_overhead_cost IS 'Charged by machine hours, INR';
COMMENT ON COLUMN work_orders.batch_number IS 'Batch made; also on the production run of the operations tables';
COMMENT ON COLUMN work_orders.expiry_date IS 'NULL: does not expire';
COMMENT ON COLUMN work_orders.electronic_batch_record_id IS 'NULL when requires_validation is false';
COMMENT ON COLUMN work_orders.validation_status IS 'not_required, pending, validated, rejected';
COMMENT ON COLUMN work_orders.parent_work_order_id IS 'Job of which it is a part or whose rework it is';
COMMENT ON COLUMN work_orders.erp_order_id IS 'ERP production order that asked for it';
COMMENT ON COLUMN work_orders.created_by IS 'NULL: made by the ERP interface';

CREATE TABLE work_order_operations (
    operation_id                   VARCHAR(50) PRIMARY KEY,
    work_order_id                  VARCHAR(50) NOT NULL,
    operation_sequence             INTEGER NOT NULL,
    operation_code                 VARCHAR(50),
    operation_name                 VARCHAR(200) NOT NULL,
    line_id                        VARCHAR(50),
    machine_id                     VARCHAR(50),
    work_center_code               VARCHAR(50),
    planned_quantity               INTEGER NOT NULL,
    planned_duration_minutes       INTEGER,
    planned_setup_time_minutes     INTEGER,
    standard_time_per_unit_seconds DECIMAL(10,2),
    planned_start_time             TIMESTAMP,
    planned_end_time               TIMESTAMP,
    actual_start_time              TIMESTAMP,
    actual_end_time                TIMESTAMP,
    completed_quantity             INTEGER DEFAULT 0,
    rejected_quantity              INTEGER DEFAULT 0,
    actual_duration_minutes        INTEGER,
    actual_setup_time_minutes      INTEGER,
    status                         VARCHAR(30) NOT NULL DEFAULT 'pending',
    operator_id                    VARCHAR(50),
    shift_id                       VARCHAR(50),
    labor_hours                    DECIMAL(8,2),
    requires_inspection            BOOLEAN DEFAULT false,
    inspection_status              VARCHAR(30),
    inspection_timestamp           TIMESTAMP,
    inspector_id                   VARCHAR(50),
    efficiency_percentage          DECIMAL(5,2),
    scrap_rate_percentage          DECIMAL(5,2),
    work_instructions              TEXT,
    safety_notes                   TEXT,
    created_at                     TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                     TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX work_order_operations_status_planned_start_time_idx ON work_order_operations (status, planned_start_time);
COMMENT ON TABLE work_order_operations IS 'Steps inside a job, by machine and operator';
COMMENT ON COLUMN work_order_operations.operation_sequence IS '10, 20, 30 ... within the job';
COMMENT ON COLUMN work_order_operations.operation_code IS 'CUT, MILL, WELD, ASSY, TEST, PACK ...';
COMMENT ON COLUMN work_order_operations.work_center_code IS 'genims_erp_db.work_centers, by code';
COMMENT ON COLUMN work_order_operations.standard_time_per_unit_seconds IS 'Seconds of machine time per unit';
COMMENT ON COLUMN work_order_operations.planned_duration_minutes IS 'planned_setup_time_minutes + planned_quantity * standard_time_per_unit_seconds / 60';
COMMENT ON COLUMN work_order_operations.completed_quantity IS 'Units passed on, rejected ones left out';
COMMENT ON COLUMN work_order_operations.actual_duration_minutes IS 'actual_end_time - actual_start_time, setup included';
COMMENT ON COLUMN work_order_operations.status IS 'pending, ready, setup, in_progress, paused, completed, skipped';
COMMENT ON COLUMN work_order_operations.labor_hours IS 'Sum of labor_transactions.actual_hours';
COMMENT ON COLUMN work_order_operations.inspection_status IS 'not_required, pending, passed, failed';
COMMENT ON COLUMN work_order_operations.efficiency_percentage IS '100 * planned_duration_minutes / actual_duration_minutes';
COMMENT ON COLUMN work_order_operations.scrap_rate_percentage IS '100 * rejected_quantity / (completed_quantity + rejected_quantity)';

CREATE TABLE production_schedule (
    schedule_id                   VARCHAR(50) PRIMARY KEY,
    schedule_date                 DATE NOT NULL,
    schedule_week                 INTEGER,
    shift_id                      VARCHAR(50),
    line_id                       VARCHAR(50) NOT NULL,
    factory_id                    VARCHAR(50) NOT NULL,
    work_order_id                 VARCHAR(50) NOT NULL,
    operation_id                  VARCHAR(50),
    sequence_number               INTEGER,
    planned_start_time            TIMESTAMP NOT NULL,
    planned_end_time              TIMESTAMP NOT NULL,
    planned_quantity              INTEGER NOT NULL,
    priority                      INTEGER DEFAULT 5,
    customer_due_date             DATE,
    material_available            BOOLEAN DEFAULT true,
    operator_available            BOOLEAN DEFAULT true,
    equipment_available           BOOLEAN DEFAULT true,
    schedule_status               VARCHAR(30) DEFAULT 'planned',
    actual_start_time             TIMESTAMP,
    actual_end_time               TIMESTAMP,
    actual_quantity               INTEGER,
    on_time_start                 BOOLEAN,
    on_time_completion            BOOLEAN,
    schedule_adherence_percentage DECIMAL(5,2),
    planner_id                    VARCHAR(50),
    planning_notes                TEXT,
    created_at                    TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                    TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX production_schedule_line_id_schedule_date_idx ON production_schedule (line_id, schedule_date);
COMMENT ON TABLE production_schedule IS 'Sequenced plan of jobs per line and shift';
COMMENT ON COLUMN production_schedule.schedule_week IS 'ISO week of schedule_date';
COMMENT ON COLUMN production_schedule.operation_id IS 'NULL: the whole job';
COMMENT ON COLUMN production_schedule.sequence_number IS 'Order on the line within the shift, from 1';
COMMENT ON COLUMN production_schedule.priority IS '1 (first) to 10 (last)';
COMMENT ON COLUMN production_schedule.material_available IS 'At planning';
COMMENT ON COLUMN production_schedule.schedule_status IS 'planned, confirmed, in_progress, completed, delayed, cancelled';
COMMENT ON COLUMN production_schedule.actual_quantity IS 'Good units; NULL until started';
COMMENT ON COLUMN production_schedule.on_time_start IS 'actual_start_time not later than planned_start_time + 15 minutes';
COMMENT ON COLUMN production_schedule.on_time_completion IS 'actual_end_time not later than planned_end_time + 15 minutes';
COMMENT ON COLUMN production_schedule.schedule_adherence_percentage IS '100 * actual_quantity / planned_quantity, at most 100';
