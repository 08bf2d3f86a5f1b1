-- Recurring service plans by calendar, meter or condition, and the jobs made from them.
-- Every generated job has a row in the log.

CREATE TABLE pm_schedules (
    pm_schedule_id           VARCHAR(50) PRIMARY KEY,
    schedule_code            VARCHAR(50) NOT NULL UNIQUE,
    schedule_name            VARCHAR(200) NOT NULL,
    asset_id                 VARCHAR(50) NOT NULL,
    schedule_type            VARCHAR(30),
    frequency_type           VARCHAR(30),
    frequency_value          INTEGER,
    frequency_unit           VARCHAR(20),
    meter_frequency          INTEGER,
    meter_unit               VARCHAR(20),
    meter_tolerance          INTEGER,
    condition_parameter      VARCHAR(100),
    condition_threshold      VARCHAR(100),
    pm_type                  VARCHAR(30),
    description              TEXT,
    estimated_duration_hours DECIMAL(8,2),
    procedure_id             VARCHAR(50),
    standard_tasks           TEXT,
    required_skills          TEXT,
    required_tools           TEXT,
    required_parts           TEXT,
    lead_time_days           INTEGER,
    scheduling_priority      VARCHAR(20),
    last_wo_id               VARCHAR(50),
    last_completed_date      DATE,
    last_meter_reading       DECIMAL(15,2),
    next_due_date            DATE,
    next_due_meter_reading   DECIMAL(15,2),
    auto_generate_wo         BOOLEAN DEFAULT true,
    schedule_status          VARCHAR(30) DEFAULT 'active',
    effective_date           DATE,
    end_date                 DATE,
    is_active                BOOLEAN DEFAULT true,
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX pm_schedules_next_due_date_idx ON pm_schedules (next_due_date) WHERE is_active;
COMMENT ON TABLE pm_schedules IS 'Recurring service plans by calendar, meter or condition';
COMMENT ON COLUMN pm_schedules.schedule_type IS 'calendar, meter, condition';
COMMENT ON COLUMN pm_schedules.frequency_type IS 'daily, weekly, monthly, quarterly, yearly, meter, condition';
COMMENT ON COLUMN pm_schedules.frequency_value IS 'Every so many frequency_unit; 3 with months: quarterly';
COMMENT ON COLUMN pm_schedules.frequency_unit IS 'days, weeks, months, years; NULL unless schedule_type is calendar';
COMMENT ON COLUMN pm_schedules.meter_frequency IS 'Every so many meter_unit; NULL unless schedule_type is meter';
COMMENT ON COLUMN pm_schedules.meter_unit IS 'hours, cycles, km';
COMMENT ON COLUMN pm_schedules.meter_tolerance IS 'May be done so many units early or late';
COMMENT ON COLUMN pm_schedules.condition_parameter IS 'condition_monitoring.parameter_name; NULL unless schedule_type is condition';
COMMENT ON COLUMN pm_schedules.condition_threshold IS 'Value with comparison and unit: > 7.1 mm/s';
COMMENT ON COLUMN pm_schedules.pm_type IS 'inspection, lubrication, cleaning, replacement, overhaul, calibration';
COMMENT ON COLUMN pm_schedules.standard_tasks IS 'One step per line; become work_order_tasks';
COMMENT ON COLUMN pm_schedules.required_parts IS 'Part numbers of mro_parts, separated by commas';
COMMENT ON COLUMN pm_schedules.lead_time_days IS 'Job is made so many days before the due date';
COMMENT ON COLUMN pm_schedules.scheduling_priority IS 'low, medium, high, critical';
COMMENT ON COLUMN pm_schedules.last_wo_id IS 'Last completed job of the plan';
COMMENT ON COLUMN pm_schedules.next_due_date IS 'last_completed_date + frequency_value frequency_unit; NULL unless by calendar';
COMMENT ON COLUMN pm_schedules.next_due_meter_reading IS 'last_meter_reading + meter_frequency; NULL unless by meter';
COMMENT ON COLUMN pm_schedules.schedule_status IS 'active, suspended, expired';
COMMENT ON COLUMN pm_schedules.end_date IS 'Last day of the plan; NULL: open';

CREATE TABLE pm_generation_log (
    log_id                VARCHAR(50) PRIMARY KEY,
    pm_schedule_id        VARCHAR(50) NOT NULL,
    generation_date       TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    generation_reason     VARCHAR(50),
    trigger_date          DATE,
    trigger_meter_reading DECIMAL(15,2),
    work_order_id         VARCHAR(50),
    work_order_number     VARCHAR(50),
    generation_status     VARCHAR(30),
    error_message         TEXT,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE pm_generation_log IS 'History of service plans turned into jobs';
COMMENT ON COLUMN pm_generation_log.generation_reason IS 'calendar_due, meter_due, condition_exceeded, manual';
COMMENT ON COLUMN pm_generation_log.trigger_date IS 'Due date that made the job; NULL for meter and condition';
COMMENT ON COLUMN pm_generation_log.trigger_meter_reading IS 'Reading that made the job; NULL for calendar and condition';
COMMENT ON COLUMN pm_generation_log.work_order_id IS 'Job made; NULL when generation_status is not generated';
COMMENT ON COLUMN pm_generation_log.work_order_number IS 'Number of the same job';
COMMENT ON COLUMN pm_generation_log.generation_status IS 'generated, skipped, failed';
COMMENT ON COLUMN pm_generation_log.error_message IS 'NULL unless failed';
