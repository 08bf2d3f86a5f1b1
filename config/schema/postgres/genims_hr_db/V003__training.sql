-- Training: the course catalogue, what is compulsory for whom, sessions, attendance and the licences that result.
-- A passed enrolment of a certifying course is what a row of employee_certifications stands on.

CREATE TABLE training_courses (
    course_id                   VARCHAR(50) PRIMARY KEY,
    course_code                 VARCHAR(50) NOT NULL UNIQUE,
    course_name                 VARCHAR(200) NOT NULL,
    course_category             VARCHAR(50),
    course_type                 VARCHAR(50),
    description                 TEXT,
    learning_objectives         TEXT,
    duration_hours              DECIMAL(5,2),
    delivery_method             VARCHAR(50),
    training_provider           VARCHAR(200),
    instructor_name             VARCHAR(200),
    max_participants            INTEGER,
    prerequisites               TEXT,
    has_assessment              BOOLEAN DEFAULT false,
    passing_score               INTEGER,
    provides_certification      BOOLEAN DEFAULT false,
    certificate_validity_months INTEGER,
    cost_per_participant        DECIMAL(12,2),
    currency                    VARCHAR(3) DEFAULT 'INR',
    course_materials            TEXT,
    course_status               VARCHAR(30) DEFAULT 'active',
    is_active                   BOOLEAN DEFAULT true,
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE training_courses IS 'Course catalogue with duration, assessment and cost';
COMMENT ON COLUMN training_courses.course_id IS 'CRS-001 ...';
COMMENT ON COLUMN training_courses.course_category IS 'safety, quality, technical, machine_operation, compliance, leadership, it';
COMMENT ON COLUMN training_courses.course_type IS 'induction, initial, refresher, certification';
COMMENT ON COLUMN training_courses.delivery_method IS 'classroom, on_the_job, e_learning, blended';
COMMENT ON COLUMN training_courses.training_provider IS 'Internal academy or the name of the outside provider';
COMMENT ON COLUMN training_courses.passing_score IS '0 to 100; NULL unless has_assessment';
COMMENT ON COLUMN training_courses.certificate_validity_months IS 'NULL: no certificate, or one that does not expire';
COMMENT ON COLUMN training_courses.cost_per_participant IS 'In currency';
COMMENT ON COLUMN training_courses.course_status IS 'draft, active, retired';
COMMENT ON COLUMN training_courses.is_active IS 'False exactly when course_status is retired';

CREATE TABLE training_requirements (
    requirement_id       VARCHAR(50) PRIMARY KEY,
    requirement_type     VARCHAR(30),
    role_id              VARCHAR(50),
    factory_id           VARCHAR(50),
    department_id        VARCHAR(50),
    equipment_type       VARCHAR(100),
    course_id            VARCHAR(50) NOT NULL,
    is_mandatory         BOOLEAN DEFAULT true,
    frequency            VARCHAR(30),
    validity_months      INTEGER,
    grace_period_days    INTEGER DEFAULT 30,
    regulatory_body      VARCHAR(200),
    regulation_reference VARCHAR(200),
    is_active            BOOLEAN DEFAULT true,
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE training_requirements IS 'Compulsory training by role, site, department or machine type';
COMMENT ON COLUMN training_requirements.requirement_id IS 'TRQ-001 ...';
COMMENT ON COLUMN training_requirements.requirement_type IS 'role, site, department, equipment; the column of that name is set, the other ones narrow it down';
COMMENT ON COLUMN training_requirements.role_id IS 'NULL: all roles';
COMMENT ON COLUMN training_requirements.factory_id IS 'NULL: all plants';
COMMENT ON COLUMN training_requirements.department_id IS 'NULL: all departments';
COMMENT ON COLUMN training_requirements.equipment_type IS 'genims_master_db.machines.machine_type; NULL unless requirement_type is equipment';
COMMENT ON COLUMN training_requirements.frequency IS 'once, yearly, every_2_years, every_3_years';
COMMENT ON COLUMN training_requirements.validity_months IS '12, 24, 36 by frequency; NULL for once';
COMMENT ON COLUMN training_requirements.grace_period_days IS 'Days after expiry in which work may continue';
COMMENT ON COLUMN training_requirements.regulatory_body IS 'NULL for a rule of the company';
COMMENT ON COLUMN training_requirements.regulation_reference IS 'Paragraph or clause of the rule: ISO 45001 7.2';

CREATE TABLE training_schedules (
    schedule_id         VARCHAR(50) PRIMARY KEY,
    course_id           VARCHAR(50) NOT NULL,
    session_name        VARCHAR(200),
    start_datetime      TIMESTAMP NOT NULL,
    end_datetime        TIMESTAMP NOT NULL,
    factory_id          VARCHAR(50),
    training_location   VARCHAR(200),
    is_virtual          BOOLEAN DEFAULT false,
    virtual_meeting_url VARCHAR(500),
    instructor_id       VARCHAR(50),
    instructor_name     VARCHAR(200),
    max_participants    INTEGER,
    current_enrollment  INTEGER DEFAULT 0,
    schedule_status     VARCHAR(30) DEFAULT 'scheduled',
    completed_date      DATE,
    notes               TEXT,
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX training_schedules_start_datetime_idx ON training_schedules (start_datetime);
COMMENT ON TABLE training_schedules IS 'Planned and held course sessions';
COMMENT ON COLUMN training_schedules.schedule_id IS 'TRS-00001 ...';
COMMENT ON COLUMN training_schedules.start_datetime IS 'UTC';
COMMENT ON COLUMN training_schedules.end_datetime IS 'UTC, after start_datetime';
COMMENT ON COLUMN training_schedules.training_location IS 'Room at the plant; NULL when virtual';
COMMENT ON COLUMN training_schedules.instructor_id IS 'NULL for an outside instructor';
COMMENT ON COLUMN training_schedules.instructor_name IS 'Name of the employee or of the outside instructor';
COMMENT ON COLUMN training_schedules.max_participants IS 'Not above training_courses.max_participants';
COMMENT ON COLUMN training_schedules.current_enrollment IS 'Number of training_enrollments of the session that are not cancelled';
COMMENT ON COLUMN training_schedules.schedule_status IS 'scheduled, in_progress, completed, cancelled';
COMMENT ON COLUMN training_schedules.completed_date IS 'Day of end_datetime; NULL unless completed';

CREATE TABLE training_enrollments (
    enrollment_id           VARCHAR(50) PRIMARY KEY,
    schedule_id             VARCHAR(50) NOT NULL,
    employee_id             VARCHAR(50) NOT NULL,
    enrollment_date         DATE NOT NULL,
    enrollment_status       VARCHAR(30) DEFAULT 'enrolled',
    attended                BOOLEAN DEFAULT false,
    attendance_date         DATE,
    attendance_hours        DECIMAL(5,2),
    assessment_score        DECIMAL(5,2),
    passed                  BOOLEAN,
    completion_status       VARCHAR(30),
    completion_date         DATE,
    certificate_issued      BOOLEAN DEFAULT false,
    certificate_number      VARCHAR(100),
    certificate_issue_date  DATE,
    certificate_expiry_date DATE,
    certificate_url         VARCHAR(500),
    feedback_rating         INTEGER,
    feedback_comments       TEXT,
    notes                   TEXT,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE training_enrollments IS 'Attendance, score and certificate per person and session';
COMMENT ON COLUMN training_enrollments.enrollment_id IS 'ENR-000001 ...; one row per schedule_id and employee_id';
COMMENT ON COLUMN training_enrollments.enrollment_date IS 'Not after the day the session starts';
COMMENT ON COLUMN training_enrollments.enrollment_status IS 'enrolled, waitlisted, attended, no_show, cancelled';
COMMENT ON COLUMN training_enrollments.attendance_hours IS 'At most training_courses.duration_hours; NULL unless attended';
COMMENT ON COLUMN training_enrollments.assessment_score IS '0 to 100; NULL without assessment';
COMMENT ON COLUMN training_enrollments.passed IS 'assessment_score >= training_courses.passing_score; NULL without assessment or before it';
COMMENT ON COLUMN training_enrollments.completion_status IS 'not_started, completed, failed, incomplete';
COMMENT ON COLUMN training_enrollments.certificate_number IS 'NULL unless certificate_issued';
COMMENT ON COLUMN training_enrollments.certificate_expiry_date IS 'certificate_issue_date + training_courses.certificate_validity_months; NULL: does not expire';
COMMENT ON COLUMN training_enrollments.feedback_rating IS '1 to 5; NULL: not given';

CREATE TABLE employee_certifications (
    certification_id          VARCHAR(50) PRIMARY KEY,
    employee_id               VARCHAR(50) NOT NULL,
    certification_name        VARCHAR(200) NOT NULL,
    certification_type        VARCHAR(50),
    issuing_organization      VARCHAR(200),
    certification_number      VARCHAR(100),
    training_enrollment_id    VARCHAR(50),
    issue_date                DATE NOT NULL,
    expiry_date               DATE,
    requires_renewal          BOOLEAN DEFAULT true,
    renewal_frequency_months  INTEGER,
    renewal_grace_period_days INTEGER DEFAULT 30,
    certification_status      VARCHAR(30) DEFAULT 'active',
    certificate_file_url      VARCHAR(500),
    expiry_alert_sent         BOOLEAN DEFAULT false,
    notes                     TEXT,
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX employee_certifications_certification_status_expiry_date_idx ON employee_certifications (certification_status, expiry_date);
COMMENT ON TABLE employee_certifications IS 'Licences and certificates held, with expiry and renewal';
COMMENT ON COLUMN employee_certifications.certification_id IS 'CER-000001 ...';
COMMENT ON COLUMN employee_certifications.certification_type IS 'safety, equipment, quality, welding, forklift, electrical, professional';
COMMENT ON COLUMN employee_certifications.certification_number IS 'training_enrollments.certificate_number when earned in a course';
COMMENT ON COLUMN employee_certifications.training_enrollment_id IS 'Enrolment by which it was earned; NULL for one earned elsewhere';
COMMENT ON COLUMN employee_certifications.expiry_date IS 'NULL: does not expire';
COMMENT ON COLUMN employee_certifications.renewal_frequency_months IS 'NULL unless requires_renewal';
COMMENT ON COLUMN employee_certifications.renewal_grace_period_days IS 'Days after expiry_date in which it still counts';
COMMENT ON COLUMN employee_certifications.certification_status IS 'active, expiring_soon (at most 60 days left), expired, revoked';
COMMENT ON COLUMN employee_certifications.expiry_alert_sent IS 'True once the holder was warned of expiry_date';
