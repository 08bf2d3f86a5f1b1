-- Working time: rotas, who works on which, daily attendance and everything about leave.
-- Hours are decimal hours, days of leave may be halves; clock times are UTC, rota times are local to the plant.

CREATE TABLE shift_schedules (
    shift_id               VARCHAR(50) PRIMARY KEY,
    shift_code             VARCHAR(50) NOT NULL UNIQUE,
    shift_name             VARCHAR(200) NOT NULL,
    start_time             TIME NOT NULL,
    end_time               TIME NOT NULL,
    break_duration_minutes INTEGER DEFAULT 30,
    shift_type             VARCHAR(30),
    factory_id             VARCHAR(50),
    is_active              BOOLEAN DEFAULT true,
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE shift_schedules IS 'HR rota templates mirroring the plant shifts';
COMMENT ON COLUMN shift_schedules.shift_id IS 'The key of the same shift in genims_master_db.shifts';
COMMENT ON COLUMN shift_schedules.shift_code IS 'Plant and shift code, unique in the group: FAC-01-A (genims_master_db.shifts.shift_code is unique in a plant only)';
COMMENT ON COLUMN shift_schedules.start_time IS 'Local time of the plant (genims_master_db.factories.timezone)';
COMMENT ON COLUMN shift_schedules.end_time IS 'Local time; not after start_time: the shift ends on the next day';
COMMENT ON COLUMN shift_schedules.shift_type IS 'morning, evening, night, general';
COMMENT ON COLUMN shift_schedules.factory_id IS 'Plant of the master shift';

CREATE TABLE employee_shifts (
    employee_shift_id VARCHAR(50) PRIMARY KEY,
    employee_id       VARCHAR(50) NOT NULL,
    shift_id          VARCHAR(50) NOT NULL,
    effective_date    DATE NOT NULL,
    end_date          DATE,
    monday            BOOLEAN DEFAULT true,
    tuesday           BOOLEAN DEFAULT true,
    wednesday         BOOLEAN DEFAULT true,
    thursday          BOOLEAN DEFAULT true,
    friday            BOOLEAN DEFAULT true,
    saturday          BOOLEAN DEFAULT false,
    sunday            BOOLEAN DEFAULT false,
    is_active         BOOLEAN DEFAULT true,
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE employee_shifts IS 'Person to rota assignment over a span of dates';
COMMENT ON COLUMN employee_shifts.employee_shift_id IS 'ESH-000001 ...; the spans of one employee do not overlap';
COMMENT ON COLUMN employee_shifts.end_date IS 'Last day of the assignment; NULL: until further notice';
COMMENT ON COLUMN employee_shifts.monday IS 'True: works on that day of the week; the same for the six columns that follow';
COMMENT ON COLUMN employee_shifts.is_active IS 'False once end_date has passed';

CREATE TABLE attendance_records (
    attendance_id           VARCHAR(50) PRIMARY KEY,
    employee_id             VARCHAR(50) NOT NULL,
    attendance_date         DATE NOT NULL,
    shift_id                VARCHAR(50),
    clock_in_time           TIMESTAMP,
    clock_out_time          TIMESTAMP,
    clock_in_location       VARCHAR(200),
    clock_out_location      VARCHAR(200),
    scheduled_hours         DECIMAL(5,2),
    actual_hours            DECIMAL(5,2),
    regular_hours           DECIMAL(5,2),
    overtime_hours          DECIMAL(5,2),
    attendance_status       VARCHAR(30),
    late_minutes            INTEGER DEFAULT 0,
    early_departure_minutes INTEGER DEFAULT 0,
    overtime_approved       BOOLEAN DEFAULT false,
    approved_by             VARCHAR(50),
    notes                   TEXT,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX attendance_records_attendance_date_attendance_status_idx ON attendance_records (attendance_date, attendance_status);
CREATE INDEX attendance_records_employee_id_attendance_date_idx ON attendance_records (employee_id, attendance_date);
COMMENT ON TABLE attendance_records IS 'Daily clock-in, clock-out and hours, one row per person and day';
COMMENT ON COLUMN attendance_records.attendance_id IS 'ATT-00000001 ...';
COMMENT ON COLUMN attendance_records.attendance_date IS 'Local day of the plant on which the shift starts';
COMMENT ON COLUMN attendance_records.shift_id IS 'Rota of the day (employee_shifts); NULL on a day off';
COMMENT ON COLUMN attendance_records.clock_in_time IS 'UTC; within ten minutes of the rota taken as the rota; NULL when absent or on leave';
COMMENT ON COLUMN attendance_records.clock_out_time IS 'UTC, after clock_in_time; NULL when absent or still at work';
COMMENT ON COLUMN attendance_records.clock_in_location IS 'Gate or terminal';
COMMENT ON COLUMN attendance_records.scheduled_hours IS 'Length of the rota without the break';
COMMENT ON COLUMN attendance_records.actual_hours IS 'Clock-out minus clock-in minus the break, not below 0; actual_hours = regular_hours + overtime_hours';
COMMENT ON COLUMN attendance_records.regular_hours IS 'The smaller of actual_hours and scheduled_hours';
COMMENT ON COLUMN attendance_records.overtime_hours IS 'actual_hours beyond scheduled_hours';
COMMENT ON COLUMN attendance_records.attendance_status IS 'present, late, half_day, absent, on_leave, holiday, weekly_off';
COMMENT ON COLUMN attendance_records.late_minutes IS 'Minutes from the start of the rota to clock-in; 0 when in time';
COMMENT ON COLUMN attendance_records.early_departure_minutes IS 'Minutes from clock-out to the end of the rota; 0 when not early';
COMMENT ON COLUMN attendance_records.overtime_approved IS 'Only approved overtime is paid';
COMMENT ON COLUMN attendance_records.approved_by IS 'Supervisor who approved the overtime; NULL without overtime';

CREATE TABLE leave_types (
    leave_type_id          VARCHAR(50) PRIMARY KEY,
    leave_type_code        VARCHAR(50) NOT NULL UNIQUE,
    leave_type_name        VARCHAR(200) NOT NULL,
    leave_category         VARCHAR(50),
    accrual_enabled        BOOLEAN DEFAULT true,
    accrual_frequency      VARCHAR(30),
    accrual_rate           DECIMAL(5,2),
    max_days_per_year      DECIMAL(5,2),
    max_carry_forward      DECIMAL(5,2),
    min_days_per_request   DECIMAL(5,2) DEFAULT 0.5,
    max_days_per_request   DECIMAL(5,2),
    min_notice_days        INTEGER DEFAULT 7,
    requires_approval      BOOLEAN DEFAULT true,
    applicable_gender      VARCHAR(20),
    requires_documentation BOOLEAN DEFAULT false,
    is_active              BOOLEAN DEFAULT true,
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE leave_types IS 'Absence categories, accrual and limits';
COMMENT ON COLUMN leave_types.leave_type_id IS 'LVT-01 ...';
COMMENT ON COLUMN leave_types.leave_type_code IS 'AL annual, SL sick, CL casual, ML maternity, PL paternity, UL unpaid, CO compensatory, BL bereavement';
COMMENT ON COLUMN leave_types.leave_category IS 'paid, unpaid, statutory';
COMMENT ON COLUMN leave_types.accrual_frequency IS 'monthly, quarterly, yearly; NULL unless accrual_enabled';
COMMENT ON COLUMN leave_types.accrual_rate IS 'Days credited at each accrual';
COMMENT ON COLUMN leave_types.max_carry_forward IS 'Days that may pass into the next year; 0: none';
COMMENT ON COLUMN leave_types.max_days_per_request IS 'NULL: no limit';
COMMENT ON COLUMN leave_types.min_notice_days IS 'Days between request and first day; 0 for sick leave';
COMMENT ON COLUMN leave_types.applicable_gender IS 'female, male, all';

CREATE TABLE employee_leave_balances (
    balance_id                       VARCHAR(50) PRIMARY KEY,
    employee_id                      VARCHAR(50) NOT NULL,
    leave_type_id                    VARCHAR(50) NOT NULL,
    leave_year                       INTEGER NOT NULL,
    opening_balance                  DECIMAL(5,2) DEFAULT 0,
    accrued_days                     DECIMAL(5,2) DEFAULT 0,
    used_days                        DECIMAL(5,2) DEFAULT 0,
    pending_days                     DECIMAL(5,2) DEFAULT 0,
    available_balance                DECIMAL(5,2) DEFAULT 0,
    carry_forward_from_previous_year DECIMAL(5,2) DEFAULT 0,
    last_updated                     TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX employee_leave_balances_employee_id_leave_year_idx ON employee_leave_balances (employee_id, leave_year);
COMMENT ON TABLE employee_leave_balances IS 'Remaining absence days per person, category and year';
COMMENT ON COLUMN employee_leave_balances.balance_id IS 'LVB-000001 ...; one row per employee_id, leave_type_id and leave_year';
COMMENT ON COLUMN employee_leave_balances.leave_year IS 'Calendar year';
COMMENT ON COLUMN employee_leave_balances.opening_balance IS 'Days at the start of the year, carried days included';
COMMENT ON COLUMN employee_leave_balances.used_days IS 'total_days of the approved requests of the year';
COMMENT ON COLUMN employee_leave_balances.pending_days IS 'total_days of the pending requests of the year';
COMMENT ON COLUMN employee_leave_balances.available_balance IS 'opening_balance + accrued_days - used_days - pending_days';
COMMENT ON COLUMN employee_leave_balances.carry_forward_from_previous_year IS 'Part of opening_balance; at most leave_types.max_carry_forward';

CREATE TABLE leave_requests (
    request_id              VARCHAR(50) PRIMARY KEY,
    employee_id             VARCHAR(50) NOT NULL,
    leave_type_id           VARCHAR(50) NOT NULL,
    request_date            DATE NOT NULL,
    start_date              DATE NOT NULL,
    end_date                DATE NOT NULL,
    total_days              DECIMAL(5,2) NOT NULL,
    is_half_day             BOOLEAN DEFAULT false,
    half_day_session        VARCHAR(10),
    reason                  TEXT,
    supporting_document_url VARCHAR(500),
    request_status          VARCHAR(30) DEFAULT 'pending',
    approved_by             VARCHAR(50),
    approval_date           DATE,
    rejection_reason        TEXT,
    hr_approved             BOOLEAN DEFAULT false,
    hr_approved_by          VARCHAR(50),
    hr_approval_date        DATE,
    cancelled               BOOLEAN DEFAULT false,
    cancelled_date          DATE,
    cancellation_reason     TEXT,
    notes                   TEXT,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX leave_requests_request_status_start_date_idx ON leave_requests (request_status, start_date);
CREATE INDEX leave_requests_employee_id_start_date_idx ON leave_requests (employee_id, start_date);
COMMENT ON TABLE leave_requests IS 'Absence applications and their approval';
COMMENT ON COLUMN leave_requests.request_id IS 'LVR-000001 ...';
COMMENT ON COLUMN leave_requests.request_date IS 'Not after start_date, except for sick leave';
COMMENT ON COLUMN leave_requests.end_date IS 'Last day of absence, not before start_date';
COMMENT ON COLUMN leave_requests.total_days IS 'Working days from start_date to end_date, both included; 0.5 for a half day';
COMMENT ON COLUMN leave_requests.half_day_session IS 'first, second; NULL unless is_half_day';
COMMENT ON COLUMN leave_requests.request_status IS 'pending, approved, rejected, cancelled';
COMMENT ON COLUMN leave_requests.approved_by IS 'Line manager; NULL while pending';
COMMENT ON COLUMN leave_requests.rejection_reason IS 'NULL unless rejected';
COMMENT ON COLUMN leave_requests.hr_approved_by IS 'Second approval where leave_types.requires_documentation; NULL otherwise';
COMMENT ON COLUMN leave_requests.cancelled IS 'True exactly when request_status is cancelled';
