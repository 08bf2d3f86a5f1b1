-- The group's legal entities and the departments of its plants.
-- Departments stand here, not in HR, because quality, finance and supplier management refer to them too.

CREATE TABLE companies (
    company_id              VARCHAR(50) PRIMARY KEY,
    company_code            VARCHAR(10) NOT NULL UNIQUE,
    company_name            VARCHAR(200) NOT NULL,
    legal_form              VARCHAR(50),
    parent_company_id       VARCHAR(50),
    ownership_percentage    DECIMAL(5,2) CHECK (ownership_percentage > 0 AND ownership_percentage <= 100),
    consolidation_method    VARCHAR(30) NOT NULL DEFAULT 'full' CHECK (consolidation_method IN ('full', 'proportional', 'equity', 'none')),
    registration_number     VARCHAR(50) UNIQUE,
    tax_id                  VARCHAR(50),
    lei_code                VARCHAR(20) UNIQUE CHECK (length(lei_code) = 20),
    address_line1           VARCHAR(200),
    city                    VARCHAR(100) NOT NULL,
    state                   VARCHAR(100),
    postal_code             VARCHAR(20),
    country                 VARCHAR(100) NOT NULL,
    currency                VARCHAR(3) NOT NULL DEFAULT 'INR' CHECK (length(currency) = 3),
    fiscal_year_start_month INTEGER NOT NULL DEFAULT 4 CHECK (fiscal_year_start_month BETWEEN 1 AND 12),
    headquarters_factory_id VARCHAR(50),
    incorporation_date      DATE,
    dissolution_date        DATE,
    status                  VARCHAR(30) NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'dormant', 'in_liquidation', 'dissolved')),
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (dissolution_date >= incorporation_date),
    CHECK (parent_company_id <> company_id)
);
CREATE INDEX companies_status_country_idx ON companies (status, country);
COMMENT ON TABLE companies IS 'Legal entities of the group that own plants and keep books';
COMMENT ON COLUMN companies.company_id IS 'COM-01 ...';
COMMENT ON COLUMN companies.company_code IS 'Short code in ledgers and orders of ERP and finance (company_code there)';
COMMENT ON COLUMN companies.legal_form IS 'Private limited, GmbH, Inc ...';
COMMENT ON COLUMN companies.parent_company_id IS 'Entity that holds the shares; NULL for the head of the group';
COMMENT ON COLUMN companies.ownership_percentage IS 'Share of capital held by the parent, percent; NULL for the head of the group';
COMMENT ON COLUMN companies.consolidation_method IS 'full, proportional, equity, none: how the books enter those of the group';
COMMENT ON COLUMN companies.registration_number IS 'In the companies register of its country';
COMMENT ON COLUMN companies.tax_id IS 'GSTIN, VAT number or EIN, by country';
COMMENT ON COLUMN companies.lei_code IS 'Legal entity identifier, 20 characters';
COMMENT ON COLUMN companies.currency IS 'Currency of its books, ISO 4217';
COMMENT ON COLUMN companies.fiscal_year_start_month IS '1 to 12; 4 means April to March';
COMMENT ON COLUMN companies.headquarters_factory_id IS 'Plant at its registered seat; NULL for a holding without plant';
COMMENT ON COLUMN companies.status IS 'active, dormant, in_liquidation, dissolved';

CREATE TABLE departments (
    department_id        VARCHAR(50) PRIMARY KEY,
    department_code      VARCHAR(50) NOT NULL UNIQUE,
    department_name      VARCHAR(200) NOT NULL,
    parent_department_id VARCHAR(50),
    factory_id           VARCHAR(50),
    department_head_id   VARCHAR(50),
    cost_center          VARCHAR(50),
    description          TEXT,
    is_active            BOOLEAN DEFAULT true,
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE departments IS 'Organisation units of the plants; read by HR, quality, finance and supplier management';
COMMENT ON COLUMN departments.parent_department_id IS 'Unit above; NULL at the top';
COMMENT ON COLUMN departments.factory_id IS 'NULL for a unit of the whole group';
COMMENT ON COLUMN departments.department_head_id IS 'Employee who leads it';
COMMENT ON COLUMN departments.cost_center IS 'Code of the cost centre: genims_financial_db.cost_centers.cost_center_code';
