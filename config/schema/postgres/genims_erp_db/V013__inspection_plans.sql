-- Material inspection plans and what they measure.
-- Results are kept by genims_quality_db and the MES.

CREATE TABLE inspection_plans (
    inspection_plan_id       VARCHAR(50) PRIMARY KEY,
    plan_number              VARCHAR(50) NOT NULL UNIQUE,
    material_id              VARCHAR(50) NOT NULL,
    plant_id                 VARCHAR(50),
    plan_usage               VARCHAR(30),
    inspection_type          VARCHAR(30),
    sample_size              INTEGER,
    sample_unit              VARCHAR(20),
    sampling_procedure       VARCHAR(50),
    inspection_interval_days INTEGER,
    next_inspection_date     DATE,
    is_active                BOOLEAN DEFAULT true,
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE inspection_plans IS 'Material inspection plans and sampling';
COMMENT ON COLUMN inspection_plans.plant_id IS 'NULL: every plant';
COMMENT ON COLUMN inspection_plans.plan_usage IS 'goods_receipt, in_process, final, recurring';
COMMENT ON COLUMN inspection_plans.inspection_type IS 'dimensional, visual, functional, chemical, mechanical';
COMMENT ON COLUMN inspection_plans.sample_size IS 'Units drawn from a lot';
COMMENT ON COLUMN inspection_plans.sampling_procedure IS 'full, fixed_sample, percentage, aql';
COMMENT ON COLUMN inspection_plans.inspection_interval_days IS 'Recurring plans only; NULL otherwise';
COMMENT ON COLUMN inspection_plans.next_inspection_date IS 'Recurring plans only';

CREATE TABLE inspection_characteristics (
    characteristic_id    VARCHAR(50) PRIMARY KEY,
    inspection_plan_id   VARCHAR(50) NOT NULL,
    characteristic_name  VARCHAR(200) NOT NULL,
    characteristic_type  VARCHAR(30),
    target_value         DECIMAL(15,4),
    lower_spec_limit     DECIMAL(15,4),
    upper_spec_limit     DECIMAL(15,4),
    unit_of_measure      VARCHAR(20),
    inspection_method    VARCHAR(100),
    measurement_device   VARCHAR(100),
    sample_size          INTEGER,
    characteristic_class VARCHAR(20),
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE inspection_characteristics IS 'Measured features of an inspection plan';
COMMENT ON COLUMN inspection_characteristics.characteristic_type IS 'quantitative (has limits), qualitative (pass or fail)';
COMMENT ON COLUMN inspection_characteristics.target_value IS 'Quantitative only, between the limits, in unit_of_measure';
COMMENT ON COLUMN inspection_characteristics.lower_spec_limit IS 'A value below is out of specification; NULL: no lower limit';
COMMENT ON COLUMN inspection_characteristics.upper_spec_limit IS 'A value above is out of specification; NULL: no upper limit';
COMMENT ON COLUMN inspection_characteristics.measurement_device IS 'Kind of device: caliper, micrometer, cmm, gauge, hardness_tester';
COMMENT ON COLUMN inspection_characteristics.sample_size IS 'NULL: sample_size of the plan';
COMMENT ON COLUMN inspection_characteristics.characteristic_class IS 'critical, major, minor';
