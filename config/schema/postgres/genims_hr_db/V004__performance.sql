-- How people are doing: measures defined per role, appraisals and the personal objectives that feed them.
-- Ratings are 1.00 (lowest) to 5.00 (highest).

CREATE TABLE performance_kpis (
    kpi_id                VARCHAR(50) PRIMARY KEY,
    kpi_code              VARCHAR(50) NOT NULL UNIQUE,
    kpi_name              VARCHAR(200) NOT NULL,
    kpi_category          VARCHAR(50),
    role_id               VARCHAR(50),
    department_id         VARCHAR(50),
    measurement_unit      VARCHAR(50),
    measurement_frequency VARCHAR(30),
    target_value          DECIMAL(15,4),
    threshold_value       DECIMAL(15,4),
    calculation_method    TEXT,
    weight_pct            DECIMAL(5,2) DEFAULT 100,
    description           TEXT,
    is_active             BOOLEAN DEFAULT true,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE performance_kpis IS 'Individual performance measures per role or department';
COMMENT ON COLUMN performance_kpis.kpi_id IS 'KPI-001 ...';
COMMENT ON COLUMN performance_kpis.kpi_category IS 'productivity, quality, safety, attendance, cost, delivery, development';
COMMENT ON COLUMN performance_kpis.role_id IS 'NULL: all roles';
COMMENT ON COLUMN performance_kpis.department_id IS 'NULL: all departments';
COMMENT ON COLUMN performance_kpis.measurement_unit IS '%, count, hours, ppm, days ...';
COMMENT ON COLUMN performance_kpis.measurement_frequency IS 'daily, weekly, monthly, quarterly, yearly';
COMMENT ON COLUMN performance_kpis.target_value IS 'In measurement_unit';
COMMENT ON COLUMN performance_kpis.threshold_value IS 'In measurement_unit; least acceptable value, above the target where less is better';
COMMENT ON COLUMN performance_kpis.weight_pct IS 'Share in the rating, 0 to 100; the active measures of a role add up to 100';

CREATE TABLE performance_reviews (
    review_id                    VARCHAR(50) PRIMARY KEY,
    employee_id                  VARCHAR(50) NOT NULL,
    review_type                  VARCHAR(30),
    review_period_start          DATE NOT NULL,
    review_period_end            DATE NOT NULL,
    reviewer_id                  VARCHAR(50),
    review_date                  DATE,
    overall_rating               DECIMAL(3,2),
    performance_level            VARCHAR(30),
    technical_competency_rating  DECIMAL(3,2),
    behavioral_competency_rating DECIMAL(3,2),
    leadership_rating            DECIMAL(3,2),
    key_strengths                TEXT,
    areas_for_improvement        TEXT,
    goals_achieved               INTEGER,
    goals_total                  INTEGER,
    goals_achievement_pct        DECIMAL(5,2),
    manager_comments             TEXT,
    employee_comments            TEXT,
    review_status                VARCHAR(30) DEFAULT 'draft',
    acknowledged_by_employee     BOOLEAN DEFAULT false,
    acknowledged_date            DATE,
    hr_reviewed                  BOOLEAN DEFAULT false,
    hr_reviewed_by               VARCHAR(50),
    hr_reviewed_date             DATE,
    development_plan             TEXT,
    created_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX performance_reviews_review_period_end_review_status_idx ON performance_reviews (review_period_end, review_status);
COMMENT ON TABLE performance_reviews IS 'Appraisals and ratings';
COMMENT ON COLUMN performance_reviews.review_id IS 'REV-000001 ...';
COMMENT ON COLUMN performance_reviews.review_type IS 'annual, mid_year, probation, project';
COMMENT ON COLUMN performance_reviews.review_period_end IS 'After review_period_start';
COMMENT ON COLUMN performance_reviews.reviewer_id IS 'Line manager at the time, never the person reviewed';
COMMENT ON COLUMN performance_reviews.review_date IS 'After review_period_end; NULL before the talk';
COMMENT ON COLUMN performance_reviews.overall_rating IS 'Mean of the technical, behavioural and leadership ratings that are set, to 2 places';
COMMENT ON COLUMN performance_reviews.performance_level IS 'outstanding (from 4.50), exceeds_expectations (from 3.75), meets_expectations (from 2.75), needs_improvement (from 2.00), unsatisfactory (below)';
COMMENT ON COLUMN performance_reviews.leadership_rating IS 'NULL for roles without people to lead';
COMMENT ON COLUMN performance_reviews.goals_achieved IS 'Goals linked to this review (employee_goals) with status achieved';
COMMENT ON COLUMN performance_reviews.goals_total IS 'Goals linked to this review';
COMMENT ON COLUMN performance_reviews.goals_achievement_pct IS 'goals_achieved / goals_total * 100; NULL without goals';
COMMENT ON COLUMN performance_reviews.review_status IS 'draft, submitted, acknowledged, completed';
COMMENT ON COLUMN performance_reviews.acknowledged_date IS 'NULL unless acknowledged_by_employee';
COMMENT ON COLUMN performance_reviews.hr_reviewed_by IS 'NULL unless hr_reviewed';

CREATE TABLE employee_goals (
    goal_id             VARCHAR(50) PRIMARY KEY,
    employee_id         VARCHAR(50) NOT NULL,
    goal_title          VARCHAR(200) NOT NULL,
    goal_description    TEXT,
    is_specific         BOOLEAN DEFAULT true,
    is_measurable       BOOLEAN DEFAULT true,
    success_criteria    TEXT,
    start_date          DATE NOT NULL,
    target_date         DATE NOT NULL,
    completed_date      DATE,
    goal_category       VARCHAR(50),
    goal_status         VARCHAR(30) DEFAULT 'in_progress',
    progress_pct        INTEGER DEFAULT 0,
    weight_pct          DECIMAL(5,2) DEFAULT 100,
    linked_to_review_id VARCHAR(50),
    set_by_manager_id   VARCHAR(50),
    notes               TEXT,
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX employee_goals_goal_status_target_date_idx ON employee_goals (goal_status, target_date);
COMMENT ON TABLE employee_goals IS 'Personal objectives with progress and weight';
COMMENT ON COLUMN employee_goals.goal_id IS 'GOL-000001 ...';
COMMENT ON COLUMN employee_goals.is_specific IS 'S and M of SMART, ticked by the manager';
COMMENT ON COLUMN employee_goals.success_criteria IS 'What shows that it was reached';
COMMENT ON COLUMN employee_goals.target_date IS 'After start_date';
COMMENT ON COLUMN employee_goals.completed_date IS 'NULL unless achieved';
COMMENT ON COLUMN employee_goals.goal_category IS 'productivity, quality, safety, cost, development, project';
COMMENT ON COLUMN employee_goals.goal_status IS 'not_started, in_progress, achieved, missed, cancelled';
COMMENT ON COLUMN employee_goals.progress_pct IS '0 to 100; 100 exactly when achieved';
COMMENT ON COLUMN employee_goals.weight_pct IS 'Share among the goals of one review, which add up to 100';
COMMENT ON COLUMN employee_goals.linked_to_review_id IS 'Review of the same employee in which it counts; NULL before that review exists';
