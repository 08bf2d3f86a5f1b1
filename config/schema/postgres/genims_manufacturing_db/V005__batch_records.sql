-- The signed dossier of each batch of regulated products.
-- One record per batch number.

CREATE TABLE electronic_batch_records (
    ebr_id                       VARCHAR(50) PRIMARY KEY,
    batch_number                 VARCHAR(50) NOT NULL UNIQUE,
    product_id                   VARCHAR(50) NOT NULL,
    work_order_id                VARCHAR(50) NOT NULL,
    batch_size                   INTEGER NOT NULL,
    formula_id                   VARCHAR(50),
    formula_version              VARCHAR(20),
    manufacturing_date           DATE NOT NULL,
    expiration_date              DATE,
    retest_date                  DATE,
    factory_id                   VARCHAR(50) NOT NULL,
    manufacturing_area           VARCHAR(100),
    record_status                VARCHAR(30) DEFAULT 'in_progress',
    prepared_by                  VARCHAR(50),
    prepared_at                  TIMESTAMP,
    reviewed_by                  VARCHAR(50),
    reviewed_at                  TIMESTAMP,
    approved_by                  VARCHAR(50),
    approved_at                  TIMESTAMP,
    release_status               VARCHAR(30),
    released_by                  VARCHAR(50),
    released_at                  TIMESTAMP,
    has_deviations               BOOLEAN DEFAULT false,
    deviation_count              INTEGER DEFAULT 0,
    temperature_min_c            DECIMAL(5,2),
    temperature_max_c            DECIMAL(5,2),
    humidity_min_percentage      DECIMAL(5,2),
    humidity_max_percentage      DECIMAL(5,2),
    regulatory_requirement       VARCHAR(100),
    audit_trail                  JSONB,
    electronic_signature_applied BOOLEAN DEFAULT false,
    signature_metadata           JSONB,
    notes                        TEXT,
    created_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                   TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX electronic_batch_records_record_status_manufacturing_date_idx ON electronic_batch_records (record_status, manufacturing_date);
COMMENT ON TABLE electronic_batch_records IS 'Signed batch dossier for regulated lots';
COMMENT ON COLUMN electronic_batch_records.ebr_id IS 'EBR-000001 ...';
COMMENT ON COLUMN electronic_batch_records.batch_number IS 'As work_orders.batch_number';
COMMENT ON COLUMN electronic_batch_records.batch_size IS 'Units';
COMMENT ON COLUMN electronic_batch_records.formula_id IS 'Bill of material by which it was made, ERP';
COMMENT ON COLUMN electronic_batch_records.formula_version IS 'Its revision';
COMMENT ON COLUMN electronic_batch_records.expiration_date IS 'NULL: does not expire';
COMMENT ON COLUMN electronic_batch_records.retest_date IS 'Last day before it must be tested again';
COMMENT ON COLUMN electronic_batch_records.record_status IS 'in_progress, completed, reviewed, approved, rejected';
COMMENT ON COLUMN electronic_batch_records.release_status IS 'pending, released, quarantined, rejected';
COMMENT ON COLUMN electronic_batch_records.deviation_count IS '0 when has_deviations is false';
COMMENT ON COLUMN electronic_batch_records.temperature_min_c IS 'Lowest in the room during manufacture, C';
COMMENT ON COLUMN electronic_batch_records.temperature_max_c IS 'Highest in the room during manufacture, C';
COMMENT ON COLUMN electronic_batch_records.humidity_min_percentage IS 'Relative humidity';
COMMENT ON COLUMN electronic_batch_records.humidity_max_percentage IS 'Relative humidity';
COMMENT ON COLUMN electronic_batch_records.regulatory_requirement IS '21 CFR Part 11, EU GMP Annex 11 ...';
COMMENT ON COLUMN electronic_batch_records.audit_trail IS 'Array of {at, by, action} in order of time';
COMMENT ON COLUMN electronic_batch_records.signature_metadata IS 'Object of role: {employee_id, signed_at, meaning}; NULL until signed';
