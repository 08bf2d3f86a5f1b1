-- What is offered and agreed: quotations with their lines and revisions, customer contracts with renewals.
-- line_total = quantity * unit_price; total_amount = subtotal - discount_amount + tax_amount + shipping_cost.

CREATE TABLE quotations (
    quotation_id          VARCHAR(50) PRIMARY KEY,
    quotation_number      VARCHAR(50) NOT NULL UNIQUE,
    quotation_name        VARCHAR(200) NOT NULL,
    opportunity_id        VARCHAR(50),
    account_id            VARCHAR(50) NOT NULL,
    contact_id            VARCHAR(50),
    quotation_date        DATE NOT NULL,
    valid_until_date      DATE NOT NULL,
    quotation_status      VARCHAR(30) DEFAULT 'draft',
    subtotal              DECIMAL(15,2),
    discount_amount       DECIMAL(15,2) DEFAULT 0,
    tax_amount            DECIMAL(15,2) DEFAULT 0,
    shipping_cost         DECIMAL(15,2) DEFAULT 0,
    total_amount          DECIMAL(15,2) NOT NULL,
    currency              VARCHAR(3) DEFAULT 'INR',
    payment_terms         VARCHAR(50),
    delivery_terms        VARCHAR(100),
    warranty_terms        TEXT,
    requires_approval     BOOLEAN DEFAULT false,
    approval_status       VARCHAR(30),
    approved_by           VARCHAR(50),
    approved_at           TIMESTAMP,
    converted             BOOLEAN DEFAULT false,
    converted_date        DATE,
    converted_to_order_id VARCHAR(50),
    revision_number       INTEGER DEFAULT 1,
    parent_quotation_id   VARCHAR(50),
    special_terms         TEXT,
    notes                 TEXT,
    document_url          VARCHAR(500),
    prepared_by           VARCHAR(50),
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX quotations_quotation_status_valid_until_date_idx ON quotations (quotation_status, valid_until_date);
CREATE INDEX quotations_quotation_date_idx ON quotations (quotation_date);
COMMENT ON TABLE quotations IS 'Price offers and their revisions';
COMMENT ON COLUMN quotations.quotation_number IS 'QUO-YYYY-00001; sales_orders.quotation_number holds it';
COMMENT ON COLUMN quotations.valid_until_date IS 'Last day; never before quotation_date';
COMMENT ON COLUMN quotations.quotation_status IS 'draft, pending_approval, approved, sent, accepted, rejected, expired, revised';
COMMENT ON COLUMN quotations.subtotal IS 'Sum of quotation_lines.line_total';
COMMENT ON COLUMN quotations.discount_amount IS 'Off the whole quotation, besides the discounts of the lines';
COMMENT ON COLUMN quotations.tax_amount IS 'GST on subtotal - discount_amount';
COMMENT ON COLUMN quotations.total_amount IS 'total_amount = subtotal - discount_amount + tax_amount + shipping_cost';
COMMENT ON COLUMN quotations.payment_terms IS 'ADVANCE, NET15, NET30, NET45, NET60, NET90';
COMMENT ON COLUMN quotations.delivery_terms IS 'Incoterm and place';
COMMENT ON COLUMN quotations.requires_approval IS 'True when a discount exceeds what its segment allows';
COMMENT ON COLUMN quotations.approval_status IS 'pending, approved, rejected; NULL unless requires_approval';
COMMENT ON COLUMN quotations.converted IS 'An order was made of it; only when accepted';
COMMENT ON COLUMN quotations.revision_number IS '1 for the first, then parent + 1';
COMMENT ON COLUMN quotations.parent_quotation_id IS 'Revision before it; NULL for the first';

CREATE TABLE quotation_lines (
    quote_line_id           VARCHAR(50) PRIMARY KEY,
    quotation_id            VARCHAR(50) NOT NULL,
    line_number             INTEGER,
    material_id             VARCHAR(50),
    product_name            VARCHAR(200) NOT NULL,
    product_description     TEXT,
    quantity                DECIMAL(15,4),
    unit_of_measure         VARCHAR(20),
    list_price              DECIMAL(12,4),
    discount_pct            DECIMAL(5,2) DEFAULT 0,
    unit_price              DECIMAL(12,4),
    line_total              DECIMAL(15,2),
    delivery_lead_time_days INTEGER,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE quotation_lines IS 'Items of a price offer';
COMMENT ON COLUMN quotation_lines.line_number IS 'From 1 in the quotation';
COMMENT ON COLUMN quotation_lines.material_id IS 'NULL: item made for this customer';
COMMENT ON COLUMN quotation_lines.list_price IS 'Per unit, in the currency of the quotation';
COMMENT ON COLUMN quotation_lines.discount_pct IS 'Percent off list_price';
COMMENT ON COLUMN quotation_lines.unit_price IS 'unit_price = list_price * (1 - discount_pct / 100)';
COMMENT ON COLUMN quotation_lines.line_total IS 'line_total = quantity * unit_price';
COMMENT ON COLUMN quotation_lines.delivery_lead_time_days IS 'From the order';

CREATE TABLE contracts (
    contract_id               VARCHAR(50) PRIMARY KEY,
    contract_number           VARCHAR(50) NOT NULL UNIQUE,
    contract_name             VARCHAR(200) NOT NULL,
    account_id                VARCHAR(50) NOT NULL,
    contract_type             VARCHAR(50),
    contract_start_date       DATE NOT NULL,
    contract_end_date         DATE NOT NULL,
    contract_term_months      INTEGER,
    contract_status           VARCHAR(30) DEFAULT 'draft',
    signed_date               DATE,
    contract_value            DECIMAL(18,2) NOT NULL,
    billing_frequency         VARCHAR(30),
    auto_renewal              BOOLEAN DEFAULT false,
    renewal_term_months       INTEGER,
    renewal_notice_days       INTEGER DEFAULT 60,
    renewal_date              DATE,
    termination_notice_days   INTEGER,
    early_termination_penalty DECIMAL(15,2),
    payment_terms             VARCHAR(50),
    service_level_agreement   TEXT,
    special_terms             TEXT,
    contract_owner            VARCHAR(50),
    contract_document_url     VARCHAR(500),
    parent_contract_id        VARCHAR(50),
    created_by                VARCHAR(50),
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX contracts_contract_status_contract_end_date_idx ON contracts (contract_status, contract_end_date);
COMMENT ON TABLE contracts IS 'Customer agreements and their renewals';
COMMENT ON COLUMN contracts.contract_number IS 'CTR-YYYY-0001; sales_orders.contract_number holds it';
COMMENT ON COLUMN contracts.contract_type IS 'supply, framework, service, maintenance, nda';
COMMENT ON COLUMN contracts.contract_end_date IS 'Last day; contract_start_date + contract_term_months';
COMMENT ON COLUMN contracts.contract_status IS 'draft, in_review, active, expired, renewed, terminated';
COMMENT ON COLUMN contracts.signed_date IS 'NULL until signed';
COMMENT ON COLUMN contracts.contract_value IS 'Whole term, INR';
COMMENT ON COLUMN contracts.billing_frequency IS 'monthly, quarterly, yearly, milestone, one_time';
COMMENT ON COLUMN contracts.renewal_term_months IS 'NULL unless auto_renewal';
COMMENT ON COLUMN contracts.renewal_date IS 'contract_end_date - renewal_notice_days; when renewal has to be decided';
COMMENT ON COLUMN contracts.early_termination_penalty IS 'INR';
COMMENT ON COLUMN contracts.payment_terms IS 'ADVANCE, NET15, NET30, NET45, NET60, NET90';
COMMENT ON COLUMN contracts.parent_contract_id IS 'Contract it renews or belongs to; NULL: none';
