-- People and seats: the personnel file, its history of moves, the roles there are and the budgeted seats.
-- An employee has the same key here and in genims_master_db.employees; departments live in the master database.

CREATE TABLE employees (
    employee_id                    VARCHAR(50) PRIMARY KEY,
    employee_number                VARCHAR(50) NOT NULL UNIQUE,
    first_name                     VARCHAR(100) NOT NULL,
    middle_name                    VARCHAR(100),
    last_name                      VARCHAR(100) NOT NULL,
    preferred_name                 VARCHAR(100),
    salutation                     VARCHAR(10),
    gender                         VARCHAR(20),
    date_of_birth                  DATE,
    personal_email                 VARCHAR(100),
    work_email                     VARCHAR(100),
    mobile_phone                   VARCHAR(50),
    home_phone                     VARCHAR(50),
    address_line1                  VARCHAR(200),
    address_line2                  VARCHAR(200),
    city                           VARCHAR(100),
    state                          VARCHAR(100),
    country                        VARCHAR(50) DEFAULT 'India',
    postal_code                    VARCHAR(20),
    emergency_contact_name         VARCHAR(200),
    emergency_contact_relationship VARCHAR(50),
    emergency_contact_phone        VARCHAR(50),
    hire_date                      DATE NOT NULL,
    employment_type                VARCHAR(30),
    employment_status              VARCHAR(30) DEFAULT 'active',
    termination_date               DATE,
    termination_reason             VARCHAR(200),
    primary_factory_id             VARCHAR(50),
    primary_department_id          VARCHAR(50),
    primary_position_id            VARCHAR(50),
    reports_to_employee_id         VARCHAR(50),
    job_title                      VARCHAR(200),
    job_level                      VARCHAR(50),
    work_location                  VARCHAR(200),
    shift_type                     VARCHAR(30),
    weekly_hours                   DECIMAL(5,2) DEFAULT 40,
    salary_grade                   VARCHAR(20),
    annual_salary                  DECIMAL(15,2),
    currency                       VARCHAR(3) DEFAULT 'INR',
    benefits_eligible              BOOLEAN DEFAULT true,
    national_id                    VARCHAR(50),
    passport_number                VARCHAR(50),
    tax_id                         VARCHAR(50),
    photo_url                      VARCHAR(500),
    user_account_created           BOOLEAN DEFAULT false,
    username                       VARCHAR(100),
    is_active                      BOOLEAN DEFAULT true,
    created_by                     VARCHAR(50),
    created_at                     TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                     TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX employees_primary_department_id_employment_status_idx ON employees (primary_department_id, employment_status);
CREATE INDEX employees_primary_factory_id_idx ON employees (primary_factory_id);
COMMENT ON TABLE employees IS 'Full personnel file behind the master staff record, one row per person ever employed';
COMMENT ON COLUMN employees.employee_id IS 'EMP-00001 ...; the key of the same person in genims_master_db.employees';
COMMENT ON COLUMN employees.employee_number IS 'Payroll number, genims_master_db.employees.employee_code';
COMMENT ON COLUMN employees.salutation IS 'Mr, Ms, Mx, Dr';
COMMENT ON COLUMN employees.gender IS 'female, male, other, undisclosed';
COMMENT ON COLUMN employees.date_of_birth IS 'At least 18 years before hire_date';
COMMENT ON COLUMN employees.emergency_contact_relationship IS 'spouse, parent, sibling, child, friend';
COMMENT ON COLUMN employees.hire_date IS 'First day of work; equal to the master record';
COMMENT ON COLUMN employees.employment_type IS 'permanent, contract, apprentice, intern';
COMMENT ON COLUMN employees.employment_status IS 'active, on_leave, notice_period, terminated, retired';
COMMENT ON COLUMN employees.termination_date IS 'Last day of employment; NULL while employed';
COMMENT ON COLUMN employees.termination_reason IS 'NULL while employed';
COMMENT ON COLUMN employees.primary_position_id IS 'The seat that positions.employee_id shows as taken by this person; NULL without a budgeted seat';
COMMENT ON COLUMN employees.reports_to_employee_id IS 'Line manager; NULL for the head of the group';
COMMENT ON COLUMN employees.job_title IS 'Role name of the seat (job_roles.role_name)';
COMMENT ON COLUMN employees.job_level IS 'L1 operator ... L7 director; as job_roles.role_level';
COMMENT ON COLUMN employees.shift_type IS 'morning, evening, night, general, rotating';
COMMENT ON COLUMN employees.weekly_hours IS 'Contracted hours per week';
COMMENT ON COLUMN employees.salary_grade IS 'G1 ... G10';
COMMENT ON COLUMN employees.annual_salary IS 'Gross per year in currency; equals the newest new_salary of employee_employment_history';
COMMENT ON COLUMN employees.national_id IS 'Personal data, masked outside HR';
COMMENT ON COLUMN employees.passport_number IS 'Personal data, masked outside HR';
COMMENT ON COLUMN employees.tax_id IS 'Personal data, masked outside HR';
COMMENT ON COLUMN employees.username IS 'Login of the platform; NULL unless user_account_created';
COMMENT ON COLUMN employees.is_active IS 'False exactly when employment_status is terminated or retired';
COMMENT ON COLUMN employees.created_by IS 'User name or service that wrote the row';

CREATE TABLE employee_employment_history (
    history_id             VARCHAR(50) PRIMARY KEY,
    employee_id            VARCHAR(50) NOT NULL,
    change_type            VARCHAR(50),
    previous_position_id   VARCHAR(50),
    previous_department_id VARCHAR(50),
    previous_job_title     VARCHAR(200),
    previous_job_level     VARCHAR(50),
    previous_manager_id    VARCHAR(50),
    previous_factory_id    VARCHAR(50),
    previous_salary        DECIMAL(15,2),
    new_position_id        VARCHAR(50),
    new_department_id      VARCHAR(50),
    new_job_title          VARCHAR(200),
    new_job_level          VARCHAR(50),
    new_manager_id         VARCHAR(50),
    new_factory_id         VARCHAR(50),
    new_salary             DECIMAL(15,2),
    effective_date         DATE NOT NULL,
    reason                 TEXT,
    approved_by            VARCHAR(50),
    approved_date          DATE,
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX employee_employment_history_employee_id_effective_date_idx ON employee_employment_history (employee_id, effective_date);
COMMENT ON TABLE employee_employment_history IS 'Hires, promotions, transfers, salary revisions and exits in order of effect';
COMMENT ON COLUMN employee_employment_history.history_id IS 'EHS-000001 ...';
COMMENT ON COLUMN employee_employment_history.change_type IS 'hire, promotion, transfer, salary_revision, manager_change, termination, retirement';
COMMENT ON COLUMN employee_employment_history.previous_position_id IS 'NULL on hire';
COMMENT ON COLUMN employee_employment_history.previous_salary IS 'Gross per year in employees.currency; NULL on hire; equals new_salary of the row before';
COMMENT ON COLUMN employee_employment_history.new_position_id IS 'NULL on termination and retirement';
COMMENT ON COLUMN employee_employment_history.new_salary IS 'Gross per year in employees.currency; NULL on termination and retirement';
COMMENT ON COLUMN employee_employment_history.effective_date IS 'A hire is effective on employees.hire_date';
COMMENT ON COLUMN employee_employment_history.approved_date IS 'Not after effective_date';

CREATE TABLE job_roles (
    role_id                 VARCHAR(50) PRIMARY KEY,
    role_code               VARCHAR(50) NOT NULL UNIQUE,
    role_name               VARCHAR(200) NOT NULL,
    role_category           VARCHAR(50),
    role_family             VARCHAR(100),
    role_level              VARCHAR(50),
    job_description         TEXT,
    key_responsibilities    TEXT,
    required_qualifications TEXT,
    min_education           VARCHAR(50),
    min_experience_years    INTEGER,
    reports_to_role_id      VARCHAR(50),
    is_active               BOOLEAN DEFAULT true,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE job_roles IS 'Role definitions: level, duties, qualifications and the role reported to';
COMMENT ON COLUMN job_roles.role_id IS 'ROLE-001 ...';
COMMENT ON COLUMN job_roles.role_category IS 'production, maintenance, quality, logistics, engineering, supply_chain, finance, sales, hr, it, management';
COMMENT ON COLUMN job_roles.role_family IS 'Roles between which people move without retraining';
COMMENT ON COLUMN job_roles.role_level IS 'L1 operator, L2 technician, L3 senior or specialist, L4 supervisor or engineer, L5 manager, L6 senior manager, L7 director';
COMMENT ON COLUMN job_roles.min_education IS 'secondary, vocational, diploma, bachelor, master, doctorate';
COMMENT ON COLUMN job_roles.min_experience_years IS 'Years in the role family before appointment';
COMMENT ON COLUMN job_roles.reports_to_role_id IS 'NULL for the top role';

CREATE TABLE positions (
    position_id         VARCHAR(50) PRIMARY KEY,
    position_code       VARCHAR(50) NOT NULL UNIQUE,
    position_name       VARCHAR(200) NOT NULL,
    role_id             VARCHAR(50) NOT NULL,
    department_id       VARCHAR(50) NOT NULL,
    employee_id         VARCHAR(50),
    position_status     VARCHAR(30) DEFAULT 'vacant',
    is_budgeted         BOOLEAN DEFAULT true,
    budget_year         INTEGER,
    position_start_date DATE,
    position_end_date   DATE,
    is_active           BOOLEAN DEFAULT true,
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX positions_position_status_idx ON positions (position_status);
COMMENT ON TABLE positions IS 'Budgeted seats and who occupies them';
COMMENT ON COLUMN positions.position_id IS 'POS-00001 ...';
COMMENT ON COLUMN positions.department_id IS 'Department that pays for the seat';
COMMENT ON COLUMN positions.employee_id IS 'Occupant; NULL while vacant';
COMMENT ON COLUMN positions.position_status IS 'filled, vacant, frozen, closed; filled exactly when employee_id is set';
COMMENT ON COLUMN positions.is_budgeted IS 'False for a seat beyond the head count plan';
COMMENT ON COLUMN positions.budget_year IS 'Calendar year of the head count plan';
COMMENT ON COLUMN positions.position_end_date IS 'NULL for a permanent seat';
