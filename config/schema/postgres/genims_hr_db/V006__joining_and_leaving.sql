-- Starters and leavers: checklist templates, the progress of each starter through them, and clearance on exit.
-- Progress of a starter is counted from the items, never entered by hand.

CREATE TABLE onboarding_checklists (
    checklist_id   VARCHAR(50) PRIMARY KEY,
    checklist_code VARCHAR(50) NOT NULL UNIQUE,
    checklist_name VARCHAR(200) NOT NULL,
    role_id        VARCHAR(50),
    department_id  VARCHAR(50),
    description    TEXT,
    is_active      BOOLEAN DEFAULT true,
    created_at     TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE onboarding_checklists IS 'Starter checklist templates by role or department';
COMMENT ON COLUMN onboarding_checklists.checklist_id IS 'OBC-001 ...';
COMMENT ON COLUMN onboarding_checklists.role_id IS 'NULL: all roles';
COMMENT ON COLUMN onboarding_checklists.department_id IS 'NULL: all departments';

CREATE TABLE onboarding_checklist_items (
    item_id            VARCHAR(50) PRIMARY KEY,
    checklist_id       VARCHAR(50) NOT NULL,
    item_number        INTEGER,
    item_title         VARCHAR(200) NOT NULL,
    item_description   TEXT,
    item_category      VARCHAR(50),
    responsible_party  VARCHAR(50),
    due_days_from_hire INTEGER,
    is_mandatory       BOOLEAN DEFAULT true,
    created_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE onboarding_checklist_items IS 'Steps of a starter template';
COMMENT ON COLUMN onboarding_checklist_items.item_id IS 'OBI-0001 ...';
COMMENT ON COLUMN onboarding_checklist_items.item_number IS 'Position in the checklist, from 1';
COMMENT ON COLUMN onboarding_checklist_items.item_category IS 'documents, it_access, safety, training, equipment, introduction';
COMMENT ON COLUMN onboarding_checklist_items.responsible_party IS 'hr, it, manager, safety, employee';
COMMENT ON COLUMN onboarding_checklist_items.due_days_from_hire IS 'Days after the hire date; negative: before the first day';

CREATE TABLE employee_onboarding (
    onboarding_id         VARCHAR(50) PRIMARY KEY,
    employee_id           VARCHAR(50) NOT NULL,
    checklist_id          VARCHAR(50) NOT NULL,
    onboarding_start_date DATE NOT NULL,
    onboarding_status     VARCHAR(30) DEFAULT 'in_progress',
    completion_date       DATE,
    total_items           INTEGER,
    completed_items       INTEGER,
    completion_pct        DECIMAL(5,2),
    hr_coordinator_id     VARCHAR(50),
    notes                 TEXT,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX employee_onboarding_onboarding_status_idx ON employee_onboarding (onboarding_status);
COMMENT ON TABLE employee_onboarding IS 'Starter progress per person';
COMMENT ON COLUMN employee_onboarding.onboarding_id IS 'ONB-00001 ...';
COMMENT ON COLUMN employee_onboarding.onboarding_start_date IS 'The hire date of the employee';
COMMENT ON COLUMN employee_onboarding.onboarding_status IS 'in_progress, completed, overdue, cancelled';
COMMENT ON COLUMN employee_onboarding.completion_date IS 'Day of the last mandatory item; NULL unless completed';
COMMENT ON COLUMN employee_onboarding.total_items IS 'Rows of employee_onboarding_items';
COMMENT ON COLUMN employee_onboarding.completed_items IS 'Rows of employee_onboarding_items that are completed';
COMMENT ON COLUMN employee_onboarding.completion_pct IS 'completed_items / total_items * 100';

CREATE TABLE employee_onboarding_items (
    item_tracking_id VARCHAR(50) PRIMARY KEY,
    onboarding_id    VARCHAR(50) NOT NULL,
    item_id          VARCHAR(50) NOT NULL,
    item_status      VARCHAR(30) DEFAULT 'pending',
    due_date         DATE,
    completed        BOOLEAN DEFAULT false,
    completed_date   DATE,
    completed_by     VARCHAR(50),
    notes            TEXT,
    created_at       TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at       TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE employee_onboarding_items IS 'Step completion per starter';
COMMENT ON COLUMN employee_onboarding_items.item_tracking_id IS 'OBT-000001 ...; one row per onboarding_id and item_id';
COMMENT ON COLUMN employee_onboarding_items.item_status IS 'pending, in_progress, completed, waived';
COMMENT ON COLUMN employee_onboarding_items.due_date IS 'Hire date + onboarding_checklist_items.due_days_from_hire';
COMMENT ON COLUMN employee_onboarding_items.completed IS 'True exactly when item_status is completed';
COMMENT ON COLUMN employee_onboarding_items.completed_by IS 'Who ticked it off; NULL unless completed';

CREATE TABLE offboarding_records (
    offboarding_id                VARCHAR(50) PRIMARY KEY,
    employee_id                   VARCHAR(50) NOT NULL,
    last_working_date             DATE NOT NULL,
    exit_type                     VARCHAR(50),
    exit_reason                   VARCHAR(200),
    notice_period_days            INTEGER,
    notice_given_date             DATE,
    clearance_status              VARCHAR(30) DEFAULT 'pending',
    it_clearance                  BOOLEAN DEFAULT false,
    facility_clearance            BOOLEAN DEFAULT false,
    finance_clearance             BOOLEAN DEFAULT false,
    hr_clearance                  BOOLEAN DEFAULT false,
    exit_interview_conducted      BOOLEAN DEFAULT false,
    exit_interview_date           DATE,
    exit_interview_feedback       TEXT,
    eligible_for_rehire           BOOLEAN DEFAULT true,
    resignation_letter_url        VARCHAR(500),
    full_and_final_settlement_url VARCHAR(500),
    notes                         TEXT,
    created_at                    TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                    TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX offboarding_records_clearance_status_idx ON offboarding_records (clearance_status);
COMMENT ON TABLE offboarding_records IS 'Leaver clearance by department and exit interview';
COMMENT ON COLUMN offboarding_records.offboarding_id IS 'OFB-0001 ...';
COMMENT ON COLUMN offboarding_records.last_working_date IS 'Equals employees.termination_date once it has passed';
COMMENT ON COLUMN offboarding_records.exit_type IS 'resignation, retirement, termination, end_of_contract, redundancy';
COMMENT ON COLUMN offboarding_records.notice_given_date IS 'At least notice_period_days before last_working_date, unless waived';
COMMENT ON COLUMN offboarding_records.clearance_status IS 'pending, in_progress, cleared; cleared exactly when all four clearances are given';
COMMENT ON COLUMN offboarding_records.it_clearance IS 'Accounts closed and devices returned';
COMMENT ON COLUMN offboarding_records.facility_clearance IS 'Badge, keys and protective gear returned';
COMMENT ON COLUMN offboarding_records.finance_clearance IS 'Advances settled';
COMMENT ON COLUMN offboarding_records.exit_interview_date IS 'NULL unless exit_interview_conducted';
