-- The people of maintenance: technicians, crews and the hours they book.
-- A technician is an employee of the master data with a trade and a rate.

CREATE TABLE maintenance_technicians (
    technician_id             VARCHAR(50) PRIMARY KEY,
    employee_id               VARCHAR(50),
    technician_code           VARCHAR(50) NOT NULL UNIQUE,
    first_name                VARCHAR(100),
    last_name                 VARCHAR(100),
    email                     VARCHAR(100),
    phone                     VARCHAR(50),
    hire_date                 DATE,
    department                VARCHAR(100),
    job_title                 VARCHAR(100),
    skill_level               VARCHAR(30),
    trade                     VARCHAR(50),
    certifications            TEXT,
    certifications_expiry     JSONB,
    specializations           TEXT,
    primary_shift             VARCHAR(20),
    available_for_callout     BOOLEAN DEFAULT true,
    hourly_rate               DECIMAL(10,2),
    overtime_rate             DECIMAL(10,2),
    total_wos_completed       INTEGER DEFAULT 0,
    avg_completion_time_hours DECIMAL(8,2),
    quality_rating            DECIMAL(3,2),
    technician_status         VARCHAR(30) DEFAULT 'available',
    current_wo_id             VARCHAR(50),
    is_active                 BOOLEAN DEFAULT true,
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE maintenance_technicians IS 'Technician profiles, trades, rates and availability';
COMMENT ON COLUMN maintenance_technicians.technician_id IS 'TEC-001 ...';
COMMENT ON COLUMN maintenance_technicians.employee_id IS 'The same person in the master data; NULL for contractors';
COMMENT ON COLUMN maintenance_technicians.skill_level IS 'trainee, skilled, senior, expert';
COMMENT ON COLUMN maintenance_technicians.trade IS 'mechanical, electrical, instrumentation, hydraulics, welding, hvac, automation';
COMMENT ON COLUMN maintenance_technicians.certifications IS 'Separated by commas';
COMMENT ON COLUMN maintenance_technicians.certifications_expiry IS 'Object of certification: last valid day';
COMMENT ON COLUMN maintenance_technicians.primary_shift IS 'Shift code of the plant: A, B, C';
COMMENT ON COLUMN maintenance_technicians.hourly_rate IS 'INR per hour';
COMMENT ON COLUMN maintenance_technicians.overtime_rate IS 'INR per hour of overtime';
COMMENT ON COLUMN maintenance_technicians.total_wos_completed IS 'Completed jobs assigned to the technician';
COMMENT ON COLUMN maintenance_technicians.avg_completion_time_hours IS 'Mean of work_orders.actual_duration_hours over them';
COMMENT ON COLUMN maintenance_technicians.quality_rating IS '0.00 to 5.00';
COMMENT ON COLUMN maintenance_technicians.technician_status IS 'available, busy, on_leave, off_shift';
COMMENT ON COLUMN maintenance_technicians.current_wo_id IS 'Job in progress; NULL unless busy';

CREATE TABLE maintenance_teams (
    team_id        VARCHAR(50) PRIMARY KEY,
    team_code      VARCHAR(50) NOT NULL UNIQUE,
    team_name      VARCHAR(200) NOT NULL,
    team_type      VARCHAR(50),
    supervisor_id  VARCHAR(50),
    team_members   TEXT,
    team_size      INTEGER,
    shift          VARCHAR(20),
    specialization VARCHAR(100),
    is_active      BOOLEAN DEFAULT true,
    created_at     TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE maintenance_teams IS 'Crews of technicians by shift and specialty';
COMMENT ON COLUMN maintenance_teams.team_type IS 'mechanical, electrical, multi_skill, breakdown, preventive';
COMMENT ON COLUMN maintenance_teams.supervisor_id IS 'maintenance_technicians.technician_id';
COMMENT ON COLUMN maintenance_teams.team_members IS 'Technician ids, separated by commas, supervisor included';
COMMENT ON COLUMN maintenance_teams.team_size IS 'Number of team_members';
COMMENT ON COLUMN maintenance_teams.shift IS 'Shift code of the plant: A, B, C';

CREATE TABLE labor_time_entries (
    entry_id             VARCHAR(50) PRIMARY KEY,
    work_order_id        VARCHAR(50) NOT NULL,
    technician_id        VARCHAR(50) NOT NULL,
    start_time           TIMESTAMP NOT NULL,
    end_time             TIMESTAMP,
    duration_hours       DECIMAL(8,2),
    labor_type           VARCHAR(30),
    hourly_rate          DECIMAL(10,2),
    labor_cost           DECIMAL(12,2),
    activity_description TEXT,
    approved             BOOLEAN DEFAULT false,
    approved_by          VARCHAR(50),
    approved_at          TIMESTAMP,
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX labor_time_entries_start_time_idx ON labor_time_entries (start_time);
COMMENT ON TABLE labor_time_entries IS 'Technician hours booked to jobs';
COMMENT ON COLUMN labor_time_entries.end_time IS 'NULL while the clock runs';
COMMENT ON COLUMN labor_time_entries.duration_hours IS 'end_time - start_time, hours';
COMMENT ON COLUMN labor_time_entries.labor_type IS 'regular, overtime, callout, travel';
COMMENT ON COLUMN labor_time_entries.hourly_rate IS 'INR per hour; overtime_rate of the technician for overtime and callout';
COMMENT ON COLUMN labor_time_entries.labor_cost IS 'duration_hours * hourly_rate, INR';
COMMENT ON COLUMN labor_time_entries.approved_by IS 'Employee; NULL until approved';
