-- Maintenance jobs from request to closure, their steps and the safety permits they need.
-- Nothing here is a production order: those are in genims_manufacturing_db.work_orders.

CREATE TABLE work_orders (
    work_order_id            VARCHAR(50) PRIMARY KEY,
    work_order_number        VARCHAR(50) NOT NULL UNIQUE,
    asset_id                 VARCHAR(50) NOT NULL,
    wo_type                  VARCHAR(30) NOT NULL,
    priority                 VARCHAR(20) DEFAULT 'medium',
    description              TEXT NOT NULL,
    problem_description      TEXT,
    failure_code             VARCHAR(50),
    failure_class            VARCHAR(50),
    failure_mode             VARCHAR(100),
    downtime_category        VARCHAR(50),
    requested_date           DATE,
    scheduled_start_date     DATE,
    scheduled_end_date       DATE,
    estimated_duration_hours DECIMAL(8,2),
    actual_start_date        TIMESTAMP,
    actual_end_date          TIMESTAMP,
    actual_duration_hours    DECIMAL(8,2),
    wo_status                VARCHAR(30) DEFAULT 'created',
    status_history           JSONB,
    assigned_to              VARCHAR(50),
    assigned_team            VARCHAR(50),
    source_type              VARCHAR(50),
    source_document_id       VARCHAR(50),
    downtime_event_id        VARCHAR(50),
    machine_fault_id         VARCHAR(50),
    safety_permit_required   BOOLEAN DEFAULT false,
    lockout_tagout_required  BOOLEAN DEFAULT false,
    confined_space           BOOLEAN DEFAULT false,
    hot_work_permit          BOOLEAN DEFAULT false,
    approved_by              VARCHAR(50),
    approved_at              TIMESTAMP,
    work_performed           TEXT,
    root_cause               TEXT,
    corrective_action        TEXT,
    completed_by             VARCHAR(50),
    completed_at             TIMESTAMP,
    verified_by              VARCHAR(50),
    verified_at              TIMESTAMP,
    verification_notes       TEXT,
    follow_up_required       BOOLEAN DEFAULT false,
    follow_up_wo_id          VARCHAR(50),
    estimated_cost           DECIMAL(12,2),
    actual_labor_cost        DECIMAL(12,2),
    actual_parts_cost        DECIMAL(12,2),
    actual_total_cost        DECIMAL(12,2),
    downtime_minutes         INTEGER DEFAULT 0,
    production_loss_units    DECIMAL(15,4),
    created_by               VARCHAR(50),
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX work_orders_wo_status_scheduled_start_date_idx ON work_orders (wo_status, scheduled_start_date);
CREATE INDEX work_orders_requested_date_idx ON work_orders (requested_date);
CREATE INDEX work_orders_machine_fault_id_idx ON work_orders (machine_fault_id);
COMMENT ON TABLE work_orders IS 'Maintenance jobs from request to closure';
COMMENT ON COLUMN work_orders.work_order_id IS 'MWO-000001 ...';
COMMENT ON COLUMN work_orders.asset_id IS 'Equipment on which the work is done';
COMMENT ON COLUMN work_orders.wo_type IS 'preventive, corrective, breakdown, predictive, inspection, calibration, project';
COMMENT ON COLUMN work_orders.priority IS 'low, medium, high, critical, emergency';
COMMENT ON COLUMN work_orders.problem_description IS 'What was seen; NULL for preventive work';
COMMENT ON COLUMN work_orders.failure_code IS 'failure_codes.failure_code; NULL when nothing failed';
COMMENT ON COLUMN work_orders.failure_class IS 'As failure_codes.failure_class';
COMMENT ON COLUMN work_orders.failure_mode IS 'Name from failure_modes.failure_mode_name';
COMMENT ON COLUMN work_orders.downtime_category IS 'planned, unplanned; NULL: no standstill';
COMMENT ON COLUMN work_orders.estimated_duration_hours IS 'Hours planned';
COMMENT ON COLUMN work_orders.actual_duration_hours IS 'actual_end_date - actual_start_date, hours';
COMMENT ON COLUMN work_orders.wo_status IS 'created, approved, scheduled, in_progress, on_hold, completed, verified, closed, cancelled';
COMMENT ON COLUMN work_orders.status_history IS 'Array of {status, at, by} in order of time';
COMMENT ON COLUMN work_orders.assigned_to IS 'maintenance_technicians.technician_id';
COMMENT ON COLUMN work_orders.assigned_team IS 'maintenance_teams.team_id';
COMMENT ON COLUMN work_orders.source_type IS 'manual, pm_schedule, machine_fault, downtime_event, condition, inspection';
COMMENT ON COLUMN work_orders.source_document_id IS 'Key of the document that source_type names; NULL for manual';
COMMENT ON COLUMN work_orders.downtime_event_id IS 'Standstill in genims_manufacturing_db that caused the job';
COMMENT ON COLUMN work_orders.machine_fault_id IS 'genims_operations_db.machine_faults.fault_id as text';
COMMENT ON COLUMN work_orders.safety_permit_required IS 'A row in safety_permits must be issued before the start';
COMMENT ON COLUMN work_orders.follow_up_wo_id IS 'Job opened because of this one';
COMMENT ON COLUMN work_orders.estimated_cost IS 'INR';
COMMENT ON COLUMN work_orders.actual_labor_cost IS 'Sum of labor_time_entries.labor_cost, INR';
COMMENT ON COLUMN work_orders.actual_parts_cost IS 'Sum of total_cost of the issues less returns in mro_parts_transactions, INR';
COMMENT ON COLUMN work_orders.actual_total_cost IS 'actual_labor_cost + actual_parts_cost + contractor and other lines of maintenance_costs, INR';
COMMENT ON COLUMN work_orders.downtime_minutes IS 'Minutes that the asset stood because of the failure or the work';
COMMENT ON COLUMN work_orders.production_loss_units IS 'Units not made meanwhile';
COMMENT ON COLUMN work_orders.approved_by IS 'Employee';
COMMENT ON COLUMN work_orders.completed_by IS 'Employee who reported it done';
COMMENT ON COLUMN work_orders.verified_by IS 'Employee who accepted the work; not the one who did it';

CREATE TABLE work_order_tasks (
    task_id                    VARCHAR(50) PRIMARY KEY,
    work_order_id              VARCHAR(50) NOT NULL,
    task_sequence              INTEGER,
    task_description           TEXT NOT NULL,
    task_type                  VARCHAR(50),
    procedure_id               VARCHAR(50),
    special_instructions       TEXT,
    tools_required             TEXT,
    special_equipment_required TEXT,
    safety_precautions         TEXT,
    ppe_required               TEXT,
    task_status                VARCHAR(30) DEFAULT 'pending',
    assigned_to                VARCHAR(50),
    estimated_duration_minutes INTEGER,
    actual_duration_minutes    INTEGER,
    started_at                 TIMESTAMP,
    completed_at               TIMESTAMP,
    completed_by               VARCHAR(50),
    requires_verification      BOOLEAN DEFAULT false,
    verified                   BOOLEAN DEFAULT false,
    verified_by                VARCHAR(50),
    verified_at                TIMESTAMP,
    task_result                VARCHAR(30),
    measurements               TEXT,
    observations               TEXT,
    created_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE work_order_tasks IS 'Checklist steps inside a maintenance job';
COMMENT ON COLUMN work_order_tasks.task_sequence IS '10, 20, 30 ... within the job';
COMMENT ON COLUMN work_order_tasks.task_type IS 'inspection, cleaning, lubrication, adjustment, replacement, repair, test, safety';
COMMENT ON COLUMN work_order_tasks.procedure_id IS 'Standard procedure followed; NULL: as described here';
COMMENT ON COLUMN work_order_tasks.task_status IS 'pending, in_progress, completed, skipped';
COMMENT ON COLUMN work_order_tasks.actual_duration_minutes IS 'completed_at - started_at, minutes';
COMMENT ON COLUMN work_order_tasks.completed_by IS 'Employee';
COMMENT ON COLUMN work_order_tasks.task_result IS 'pass, fail, not_applicable; NULL until completed';
COMMENT ON COLUMN work_order_tasks.measurements IS 'Values read, with units, as text';

CREATE TABLE safety_permits (
    safety_permit_id           VARCHAR(50) PRIMARY KEY,
    permit_number              VARCHAR(50) NOT NULL UNIQUE,
    work_order_id              VARCHAR(50) NOT NULL,
    asset_id                   VARCHAR(50) NOT NULL,
    permit_type                VARCHAR(30) NOT NULL CHECK (permit_type IN ('lockout_tagout', 'hot_work', 'confined_space', 'work_at_height', 'electrical', 'general')),
    work_description           TEXT NOT NULL,
    work_location              VARCHAR(200),
    hazards_identified         TEXT NOT NULL,
    precautions                TEXT NOT NULL,
    ppe_required               TEXT,
    isolation_points           TEXT,
    lock_numbers               VARCHAR(200),
    gas_test_required          BOOLEAN NOT NULL DEFAULT false,
    oxygen_percentage          DECIMAL(5,2) CHECK (oxygen_percentage BETWEEN 0 AND 100),
    explosive_limit_percentage DECIMAL(5,2) CHECK (explosive_limit_percentage BETWEEN 0 AND 100),
    gas_tested_at              TIMESTAMP,
    fire_watch_required        BOOLEAN NOT NULL DEFAULT false,
    requested_by               VARCHAR(50) NOT NULL,
    issued_by                  VARCHAR(50),
    permit_holder_id           VARCHAR(50),
    valid_from                 TIMESTAMP NOT NULL,
    valid_until                TIMESTAMP NOT NULL,
    issued_at                  TIMESTAMP,
    closed_by                  VARCHAR(50),
    closed_at                  TIMESTAMP,
    status                     VARCHAR(30) NOT NULL DEFAULT 'requested' CHECK (status IN ('requested', 'issued', 'suspended', 'closed', 'expired', 'cancelled')),
    status_reason              TEXT,
    created_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (valid_until > valid_from),
    CHECK (closed_at >= issued_at),
    CHECK (status NOT IN ('issued', 'suspended', 'closed') OR (issued_by IS NOT NULL AND issued_at IS NOT NULL)),
    CHECK (status <> 'closed' OR closed_at IS NOT NULL)
);
CREATE INDEX safety_permits_status_valid_until_idx ON safety_permits (status, valid_until);
COMMENT ON TABLE safety_permits IS 'Lockout, hot-work and confined-space authorisations for jobs';
COMMENT ON COLUMN safety_permits.safety_permit_id IS 'PTW-000001 ...';
COMMENT ON COLUMN safety_permits.asset_id IS 'Asset of the job, or the one isolated for it';
COMMENT ON COLUMN safety_permits.permit_type IS 'lockout_tagout, hot_work, confined_space, work_at_height, electrical, general';
COMMENT ON COLUMN safety_permits.ppe_required IS 'Separated by commas';
COMMENT ON COLUMN safety_permits.isolation_points IS 'Valves and breakers shut, one per line; NULL when nothing is isolated';
COMMENT ON COLUMN safety_permits.lock_numbers IS 'Padlocks in use, separated by commas';
COMMENT ON COLUMN safety_permits.oxygen_percentage IS 'Percent by volume, 19.5 to 23.5 to enter; NULL: not tested';
COMMENT ON COLUMN safety_permits.explosive_limit_percentage IS 'Percent of the lower explosive limit, below 10 to work; NULL: not tested';
COMMENT ON COLUMN safety_permits.fire_watch_required IS 'Hot work: someone watches until 30 minutes after the end';
COMMENT ON COLUMN safety_permits.requested_by IS 'Employee';
COMMENT ON COLUMN safety_permits.issued_by IS 'Employee with authority to issue; not the requester';
COMMENT ON COLUMN safety_permits.permit_holder_id IS 'Technician who holds the permit at the place of work';
COMMENT ON COLUMN safety_permits.valid_from IS 'UTC';
COMMENT ON COLUMN safety_permits.valid_until IS 'UTC, not later than the end of the shift unless renewed';
COMMENT ON COLUMN safety_permits.status IS 'requested, issued, suspended, closed, expired, cancelled';
COMMENT ON COLUMN safety_permits.status_reason IS 'Why suspended or cancelled';
