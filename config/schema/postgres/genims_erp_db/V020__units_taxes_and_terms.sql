-- What commercial documents look up: units of measure, tax rates and payment conditions.
-- Foreign keys of these tables are in V051.

CREATE TABLE units_of_measure (
    unit_code         VARCHAR(20) PRIMARY KEY,
    unit_name         VARCHAR(100) NOT NULL UNIQUE,
    unit_symbol       VARCHAR(20) NOT NULL,
    dimension         VARCHAR(30) NOT NULL CHECK (dimension IN ('count', 'mass', 'length', 'area', 'volume', 'time', 'energy', 'power', 'temperature', 'pressure', 'ratio')),
    base_unit_code    VARCHAR(20) NOT NULL,
    conversion_factor DECIMAL(20,10) NOT NULL DEFAULT 1 CHECK (conversion_factor > 0),
    conversion_offset DECIMAL(15,6) NOT NULL DEFAULT 0,
    is_base_unit      BOOLEAN NOT NULL DEFAULT false,
    decimal_places    INTEGER NOT NULL DEFAULT 2 CHECK (decimal_places BETWEEN 0 AND 4),
    unece_code        VARCHAR(3),
    is_metric         BOOLEAN NOT NULL DEFAULT true,
    is_active         BOOLEAN NOT NULL DEFAULT true,
    description       TEXT,
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (is_base_unit = (base_unit_code = unit_code)),
    CHECK (NOT is_base_unit OR (conversion_factor = 1 AND conversion_offset = 0))
);
COMMENT ON TABLE units_of_measure IS 'Unit codes with conversion factors; every unit_of_measure column of the ERP holds a unit_code';
COMMENT ON COLUMN units_of_measure.unit_code IS 'Upper case: EA, KG, G, T, M, MM, M2, M3, L, H, MIN, KWH ...';
COMMENT ON COLUMN units_of_measure.unit_symbol IS 'As printed: kg, m², kWh';
COMMENT ON COLUMN units_of_measure.dimension IS 'count, mass, length, area, volume, time, energy, power, temperature, pressure, ratio; only units of one dimension convert';
COMMENT ON COLUMN units_of_measure.base_unit_code IS 'Base unit of the dimension; itself for a base unit';
COMMENT ON COLUMN units_of_measure.conversion_factor IS 'quantity in base unit = quantity * conversion_factor + conversion_offset';
COMMENT ON COLUMN units_of_measure.conversion_offset IS 'Not 0 for temperatures only';
COMMENT ON COLUMN units_of_measure.decimal_places IS 'Digits after the point on documents; 0 for pieces';
COMMENT ON COLUMN units_of_measure.unece_code IS 'UN/ECE Recommendation 20 code for electronic documents: C62, KGM, MTR; NULL if none';

CREATE TABLE tax_codes (
    tax_code_id            VARCHAR(50) PRIMARY KEY,
    tax_code               VARCHAR(20) NOT NULL,
    tax_name               VARCHAR(200) NOT NULL,
    tax_type               VARCHAR(30) NOT NULL CHECK (tax_type IN ('gst', 'vat', 'sales_tax', 'withholding_tax', 'customs_duty', 'exempt')),
    tax_direction          VARCHAR(30) NOT NULL CHECK (tax_direction IN ('output', 'input')),
    country                VARCHAR(100) NOT NULL,
    jurisdiction           VARCHAR(100) NOT NULL,
    rate_percentage        DECIMAL(7,4) NOT NULL CHECK (rate_percentage BETWEEN 0 AND 100),
    recoverable_percentage DECIMAL(5,2) NOT NULL DEFAULT 100 CHECK (recoverable_percentage BETWEEN 0 AND 100),
    is_reverse_charge      BOOLEAN NOT NULL DEFAULT false,
    gl_account             VARCHAR(20) NOT NULL,
    legal_reference        VARCHAR(200),
    valid_from             DATE NOT NULL,
    valid_to               DATE,
    is_active              BOOLEAN NOT NULL DEFAULT true,
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (tax_code, jurisdiction, valid_from),
    CHECK (valid_to >= valid_from),
    CHECK (tax_type <> 'exempt' OR rate_percentage = 0)
);
COMMENT ON TABLE tax_codes IS 'Tax rates by jurisdiction and validity: a changed rate is a new row with the same tax_code';
COMMENT ON COLUMN tax_codes.tax_code_id IS 'TAXC-...';
COMMENT ON COLUMN tax_codes.tax_code IS 'Code on order lines: purchase_order_lines.tax_code, sales_order_lines.tax_code';
COMMENT ON COLUMN tax_codes.tax_type IS 'gst, vat, sales_tax, withholding_tax, customs_duty, exempt';
COMMENT ON COLUMN tax_codes.tax_direction IS 'output on sales, input on purchases';
COMMENT ON COLUMN tax_codes.jurisdiction IS 'Country, or country and state: IN, IN-MH, DE, US-TX; as in genims_financial_db.tax_filings';
COMMENT ON COLUMN tax_codes.rate_percentage IS 'tax amount = net amount * rate_percentage / 100';
COMMENT ON COLUMN tax_codes.recoverable_percentage IS 'Share of input tax that can be reclaimed; 100 for output tax';
COMMENT ON COLUMN tax_codes.is_reverse_charge IS 'The buyer owes the tax to the tax office instead of the seller';
COMMENT ON COLUMN tax_codes.gl_account IS 'Tax account of the ledger';
COMMENT ON COLUMN tax_codes.valid_to IS 'Last day of validity; NULL without end';

CREATE TABLE payment_terms (
    payment_term_id          VARCHAR(50) PRIMARY KEY,
    term_code                VARCHAR(50) NOT NULL UNIQUE,
    term_name                VARCHAR(200) NOT NULL,
    applies_to               VARCHAR(30) NOT NULL DEFAULT 'both' CHECK (applies_to IN ('customer', 'supplier', 'both')),
    baseline_date            VARCHAR(30) NOT NULL DEFAULT 'invoice_date' CHECK (baseline_date IN ('invoice_date', 'delivery_date', 'end_of_month', 'order_date')),
    net_days                 INTEGER NOT NULL CHECK (net_days BETWEEN 0 AND 365),
    discount_1_days          INTEGER CHECK (discount_1_days >= 0),
    discount_1_percentage    DECIMAL(5,2) CHECK (discount_1_percentage > 0 AND discount_1_percentage < 100),
    discount_2_days          INTEGER,
    discount_2_percentage    DECIMAL(5,2) CHECK (discount_2_percentage > 0 AND discount_2_percentage < 100),
    advance_percentage       DECIMAL(5,2) NOT NULL DEFAULT 0 CHECK (advance_percentage BETWEEN 0 AND 100),
    late_interest_percentage DECIMAL(5,2) NOT NULL DEFAULT 0 CHECK (late_interest_percentage >= 0),
    grace_days               INTEGER NOT NULL DEFAULT 0 CHECK (grace_days >= 0),
    description              TEXT,
    is_active                BOOLEAN NOT NULL DEFAULT true,
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK ((discount_1_days IS NULL) = (discount_1_percentage IS NULL)),
    CHECK ((discount_2_days IS NULL) = (discount_2_percentage IS NULL)),
    CHECK (discount_1_days <= net_days),
    CHECK (discount_2_days > discount_1_days AND discount_2_days <= net_days),
    CHECK (discount_2_percentage < discount_1_percentage)
);
COMMENT ON TABLE payment_terms IS 'Due date and discount conditions';
COMMENT ON COLUMN payment_terms.payment_term_id IS 'PT-...';
COMMENT ON COLUMN payment_terms.term_code IS 'NET30, 2-10-NET30, ADV50 ...; sales_orders, purchase_orders and suppliers hold it in payment_terms';
COMMENT ON COLUMN payment_terms.baseline_date IS 'From which the days count: invoice_date, delivery_date, end_of_month, order_date';
COMMENT ON COLUMN payment_terms.net_days IS 'due date = baseline date + net_days';
COMMENT ON COLUMN payment_terms.discount_1_days IS 'Days in which discount_1_percentage may be taken; NULL without discount';
COMMENT ON COLUMN payment_terms.discount_1_percentage IS 'Of the gross amount';
COMMENT ON COLUMN payment_terms.discount_2_days IS 'A second, later and smaller discount; NULL without it';
COMMENT ON COLUMN payment_terms.advance_percentage IS 'Share of the order value payable before delivery';
COMMENT ON COLUMN payment_terms.late_interest_percentage IS 'Per year, on the overdue amount';
COMMENT ON COLUMN payment_terms.grace_days IS 'Days after the due date before interest or a reminder';
