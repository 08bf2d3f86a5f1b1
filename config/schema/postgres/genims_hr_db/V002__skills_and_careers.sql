-- What people can do and where they can go: skills held and required, moves between roles, cover for key seats.
-- Skill levels are 1 to 5 everywhere in this file.

CREATE TABLE skills_catalog (
    skill_id               VARCHAR(50) PRIMARY KEY,
    skill_code             VARCHAR(50) NOT NULL UNIQUE,
    skill_name             VARCHAR(200) NOT NULL,
    skill_category         VARCHAR(50),
    skill_type             VARCHAR(50),
    description            TEXT,
    has_proficiency_levels BOOLEAN DEFAULT true,
    requires_certification BOOLEAN DEFAULT false,
    certification_body     VARCHAR(200),
    is_active              BOOLEAN DEFAULT true,
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE skills_catalog IS 'Known skills and the bodies that certify them';
COMMENT ON COLUMN skills_catalog.skill_id IS 'SKL-001 ...';
COMMENT ON COLUMN skills_catalog.skill_category IS 'machining, assembly, welding, electrical, automation, quality, safety, logistics, it, leadership';
COMMENT ON COLUMN skills_catalog.skill_type IS 'technical, safety, behavioural, language';
COMMENT ON COLUMN skills_catalog.has_proficiency_levels IS 'False: held or not, level stays 1';
COMMENT ON COLUMN skills_catalog.certification_body IS 'NULL unless requires_certification';

CREATE TABLE employee_skills (
    employee_skill_id        VARCHAR(50) PRIMARY KEY,
    employee_id              VARCHAR(50) NOT NULL,
    skill_id                 VARCHAR(50) NOT NULL,
    proficiency_level        INTEGER DEFAULT 1,
    proficiency_name         VARCHAR(50),
    acquired_date            DATE,
    last_used_date           DATE,
    years_of_experience      DECIMAL(5,2),
    verified                 BOOLEAN DEFAULT false,
    verified_by              VARCHAR(50),
    verified_date            DATE,
    self_assessment_level    INTEGER,
    manager_assessment_level INTEGER,
    notes                    TEXT,
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE employee_skills IS 'Skill levels per person, self-assessed, assessed by the manager and verified';
COMMENT ON COLUMN employee_skills.employee_skill_id IS 'ESK-000001 ...; one row per employee_id and skill_id';
COMMENT ON COLUMN employee_skills.proficiency_level IS '1 to 5; equals manager_assessment_level when there is one';
COMMENT ON COLUMN employee_skills.proficiency_name IS '1 novice, 2 beginner, 3 competent, 4 proficient, 5 expert';
COMMENT ON COLUMN employee_skills.years_of_experience IS 'Not more than employee''s working life';
COMMENT ON COLUMN employee_skills.verified_by IS 'An employee other than the holder; NULL unless verified';
COMMENT ON COLUMN employee_skills.self_assessment_level IS '1 to 5';
COMMENT ON COLUMN employee_skills.manager_assessment_level IS '1 to 5; NULL before the first assessment';

CREATE TABLE role_skill_requirements (
    requirement_id        VARCHAR(50) PRIMARY KEY,
    role_id               VARCHAR(50) NOT NULL,
    skill_id              VARCHAR(50) NOT NULL,
    requirement_type      VARCHAR(30),
    min_proficiency_level INTEGER DEFAULT 1,
    priority              INTEGER DEFAULT 5,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE role_skill_requirements IS 'Skills a role needs and the least level';
COMMENT ON COLUMN role_skill_requirements.requirement_id IS 'RSR-00001 ...; one row per role_id and skill_id';
COMMENT ON COLUMN role_skill_requirements.requirement_type IS 'mandatory, preferred';
COMMENT ON COLUMN role_skill_requirements.min_proficiency_level IS '1 to 5, on the scale of employee_skills.proficiency_level';
COMMENT ON COLUMN role_skill_requirements.priority IS '1 first to 9 last';

CREATE TABLE career_paths (
    path_id                 VARCHAR(50) PRIMARY KEY,
    path_code               VARCHAR(50) NOT NULL UNIQUE,
    path_name               VARCHAR(200) NOT NULL,
    from_role_id            VARCHAR(50) NOT NULL,
    to_role_id              VARCHAR(50) NOT NULL,
    path_type               VARCHAR(30),
    typical_time_years      DECIMAL(5,2),
    required_skills         TEXT,
    required_certifications TEXT,
    min_performance_rating  DECIMAL(3,2),
    description             TEXT,
    is_active               BOOLEAN DEFAULT true,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE career_paths IS 'Allowed moves between roles';
COMMENT ON COLUMN career_paths.path_id IS 'CPT-001 ...';
COMMENT ON COLUMN career_paths.to_role_id IS 'Differs from from_role_id';
COMMENT ON COLUMN career_paths.path_type IS 'promotion, lateral, cross_functional';
COMMENT ON COLUMN career_paths.typical_time_years IS 'Years in the first role before the move';
COMMENT ON COLUMN career_paths.required_skills IS 'Skill codes (skills_catalog.skill_code), separated by commas';
COMMENT ON COLUMN career_paths.required_certifications IS 'Certification names, separated by commas; NULL: none';
COMMENT ON COLUMN career_paths.min_performance_rating IS '1.00 to 5.00, as performance_reviews.overall_rating';

CREATE TABLE succession_planning (
    succession_id         VARCHAR(50) PRIMARY KEY,
    position_id           VARCHAR(50) NOT NULL,
    current_incumbent_id  VARCHAR(50),
    succession_risk       VARCHAR(30),
    expected_vacancy_date DATE,
    successor_ready       BOOLEAN DEFAULT false,
    development_plan      TEXT,
    notes                 TEXT,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE succession_planning IS 'Cover plans for key seats';
COMMENT ON COLUMN succession_planning.succession_id IS 'SUC-001 ...; one row per seat';
COMMENT ON COLUMN succession_planning.current_incumbent_id IS 'Occupant of the seat (positions.employee_id); NULL while vacant';
COMMENT ON COLUMN succession_planning.succession_risk IS 'low, medium, high, critical: what an unplanned vacancy would do';
COMMENT ON COLUMN succession_planning.expected_vacancy_date IS 'NULL: none in sight';
COMMENT ON COLUMN succession_planning.successor_ready IS 'True when a candidate is ready_now';

CREATE TABLE succession_candidates (
    candidate_id                VARCHAR(50) PRIMARY KEY,
    succession_id               VARCHAR(50) NOT NULL,
    employee_id                 VARCHAR(50) NOT NULL,
    readiness_level             VARCHAR(30),
    strengths                   TEXT,
    development_needs           TEXT,
    individual_development_plan TEXT,
    last_assessment_date        DATE,
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE succession_candidates IS 'People ready for a key seat, now or later';
COMMENT ON COLUMN succession_candidates.candidate_id IS 'SCD-0001 ...; one row per succession_id and employee_id';
COMMENT ON COLUMN succession_candidates.employee_id IS 'Never the incumbent';
COMMENT ON COLUMN succession_candidates.readiness_level IS 'ready_now, ready_1_year, ready_2_years, ready_3_plus_years';
