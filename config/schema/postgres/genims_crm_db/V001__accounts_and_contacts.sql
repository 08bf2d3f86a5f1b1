-- Customer organisations and their people, the segments they fall into, and every touch with them.
-- An account that has bought carries the key of its customer in genims_master_db.

CREATE TABLE customer_segments (
    segment_id           VARCHAR(50) PRIMARY KEY,
    segment_code         VARCHAR(50) NOT NULL UNIQUE,
    segment_name         VARCHAR(200) NOT NULL,
    segment_type         VARCHAR(30) NOT NULL CHECK (segment_type IN ('industry', 'geography', 'size', 'value', 'behaviour')),
    parent_segment_id    VARCHAR(50),
    industry             VARCHAR(100),
    region               VARCHAR(100),
    account_tier         VARCHAR(20) CHECK (account_tier IN ('platinum', 'gold', 'silver', 'bronze')),
    min_annual_revenue   DECIMAL(18,2) CHECK (min_annual_revenue >= 0),
    max_annual_revenue   DECIMAL(18,2),
    currency             VARCHAR(3) NOT NULL DEFAULT 'INR',
    sales_approach       VARCHAR(30) NOT NULL DEFAULT 'field' CHECK (sales_approach IN ('key_account', 'field', 'inside', 'partner', 'self_service')),
    service_level        VARCHAR(30) NOT NULL DEFAULT 'standard' CHECK (service_level IN ('premium', 'standard', 'basic')),
    target_discount_pct  DECIMAL(5,2) NOT NULL DEFAULT 0 CHECK (target_discount_pct BETWEEN 0 AND 100),
    visit_frequency_days INTEGER CHECK (visit_frequency_days > 0),
    account_count        INTEGER NOT NULL DEFAULT 0 CHECK (account_count >= 0),
    total_annual_revenue DECIMAL(18,2) NOT NULL DEFAULT 0 CHECK (total_annual_revenue >= 0),
    priority             INTEGER NOT NULL DEFAULT 5 CHECK (priority BETWEEN 1 AND 9),
    segment_owner        VARCHAR(50),
    description          TEXT,
    segment_status       VARCHAR(30) NOT NULL DEFAULT 'active' CHECK (segment_status IN ('draft', 'active', 'retired')),
    effective_date       DATE NOT NULL,
    expiry_date          DATE,
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (max_annual_revenue IS NULL OR min_annual_revenue IS NULL OR max_annual_revenue > min_annual_revenue),
    CHECK (expiry_date IS NULL OR expiry_date >= effective_date)
);
COMMENT ON TABLE customer_segments IS 'Account grouping for targeting and service; accounts.industry_segment holds the segment_code';
COMMENT ON COLUMN customer_segments.segment_code IS 'What accounts.industry_segment holds';
COMMENT ON COLUMN customer_segments.segment_type IS 'What it groups by';
COMMENT ON COLUMN customer_segments.parent_segment_id IS 'NULL: top level';
COMMENT ON COLUMN customer_segments.industry IS 'Accounts of this industry; NULL: any';
COMMENT ON COLUMN customer_segments.region IS 'State or country; NULL: any';
COMMENT ON COLUMN customer_segments.account_tier IS 'NULL: any';
COMMENT ON COLUMN customer_segments.min_annual_revenue IS 'Of the account, inclusive; NULL: no lower limit';
COMMENT ON COLUMN customer_segments.max_annual_revenue IS 'Of the account, exclusive; NULL: no upper limit';
COMMENT ON COLUMN customer_segments.target_discount_pct IS 'Highest discount without approval';
COMMENT ON COLUMN customer_segments.visit_frequency_days IS 'Days from one visit to the next';
COMMENT ON COLUMN customer_segments.account_count IS 'Active accounts in it';
COMMENT ON COLUMN customer_segments.total_annual_revenue IS 'Sum of accounts.ytd_revenue of its accounts';
COMMENT ON COLUMN customer_segments.priority IS '1 is most important';
COMMENT ON COLUMN customer_segments.expiry_date IS 'Last day; NULL: open';

CREATE TABLE accounts (
    account_id               VARCHAR(50) PRIMARY KEY,
    account_number           VARCHAR(50) NOT NULL UNIQUE,
    customer_id              VARCHAR(50),
    account_name             VARCHAR(200) NOT NULL,
    account_type             VARCHAR(50),
    industry                 VARCHAR(100),
    industry_segment         VARCHAR(100),
    account_tier             VARCHAR(20),
    company_size             VARCHAR(30),
    annual_revenue           DECIMAL(18,2),
    employee_count           INTEGER,
    credit_limit             DECIMAL(15,2),
    payment_terms            VARCHAR(50),
    parent_account_id        VARCHAR(50),
    billing_address_line1    VARCHAR(200),
    billing_address_line2    VARCHAR(200),
    billing_city             VARCHAR(100),
    billing_state            VARCHAR(100),
    billing_country          VARCHAR(50) DEFAULT 'India',
    billing_postal_code      VARCHAR(20),
    shipping_address_line1   VARCHAR(200),
    shipping_address_line2   VARCHAR(200),
    shipping_city            VARCHAR(100),
    shipping_state           VARCHAR(100),
    shipping_country         VARCHAR(50) DEFAULT 'India',
    shipping_postal_code     VARCHAR(20),
    phone                    VARCHAR(50),
    fax                      VARCHAR(50),
    website                  VARCHAR(200),
    account_owner            VARCHAR(50),
    account_manager          VARCHAR(50),
    relationship_status      VARCHAR(30) DEFAULT 'prospect',
    customer_since           DATE,
    last_purchase_date       DATE,
    lifetime_value           DECIMAL(18,2) DEFAULT 0,
    ytd_revenue              DECIMAL(18,2) DEFAULT 0,
    last_year_revenue        DECIMAL(18,2) DEFAULT 0,
    health_score             INTEGER DEFAULT 50,
    churn_risk               VARCHAR(20),
    preferred_contact_method VARCHAR(30),
    communication_frequency  VARCHAR(30),
    linkedin_url             VARCHAR(200),
    twitter_handle           VARCHAR(100),
    description              TEXT,
    notes                    TEXT,
    is_active                BOOLEAN DEFAULT true,
    created_by               VARCHAR(50),
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX accounts_relationship_status_account_tier_idx ON accounts (relationship_status, account_tier);
CREATE INDEX accounts_account_name_idx ON accounts (account_name);
COMMENT ON TABLE accounts IS 'Customer organisations: master data, tier and relationship health';
COMMENT ON COLUMN accounts.account_number IS 'ACC-000001';
COMMENT ON COLUMN accounts.customer_id IS 'Customer in the master data; NULL: has not bought yet';
COMMENT ON COLUMN accounts.account_type IS 'customer, prospect, partner, distributor, competitor';
COMMENT ON COLUMN accounts.industry IS 'automotive, aerospace, electronics, industrial_machinery, medical, energy, consumer_goods';
COMMENT ON COLUMN accounts.industry_segment IS 'segment_code of customer_segments';
COMMENT ON COLUMN accounts.account_tier IS 'platinum, gold, silver, bronze';
COMMENT ON COLUMN accounts.company_size IS 'small, medium, large, enterprise';
COMMENT ON COLUMN accounts.annual_revenue IS 'Of the customer itself, INR';
COMMENT ON COLUMN accounts.credit_limit IS 'INR';
COMMENT ON COLUMN accounts.payment_terms IS 'ADVANCE, NET15, NET30, NET45, NET60, NET90';
COMMENT ON COLUMN accounts.parent_account_id IS 'Group company above it; NULL: none';
COMMENT ON COLUMN accounts.account_owner IS 'Sales representative who answers for it';
COMMENT ON COLUMN accounts.account_manager IS 'Sales representative for the daily business; may be the owner';
COMMENT ON COLUMN accounts.relationship_status IS 'prospect, active, at_risk, dormant, churned';
COMMENT ON COLUMN accounts.customer_since IS 'NULL while prospect';
COMMENT ON COLUMN accounts.last_purchase_date IS 'Date of the last sales order; NULL: none';
COMMENT ON COLUMN accounts.lifetime_value IS 'Invoiced since customer_since, INR';
COMMENT ON COLUMN accounts.ytd_revenue IS 'Invoiced this year, INR';
COMMENT ON COLUMN accounts.last_year_revenue IS 'Invoiced last calendar year, INR';
COMMENT ON COLUMN accounts.health_score IS '0 to 100; below 40 the churn_risk is high';
COMMENT ON COLUMN accounts.churn_risk IS 'low, medium, high';
COMMENT ON COLUMN accounts.preferred_contact_method IS 'email, phone, visit, video';
COMMENT ON COLUMN accounts.communication_frequency IS 'weekly, monthly, quarterly, yearly';

CREATE TABLE contacts (
    contact_id               VARCHAR(50) PRIMARY KEY,
    contact_number           VARCHAR(50) NOT NULL UNIQUE,
    account_id               VARCHAR(50) NOT NULL,
    salutation               VARCHAR(10),
    first_name               VARCHAR(100) NOT NULL,
    last_name                VARCHAR(100) NOT NULL,
    middle_name              VARCHAR(100),
    job_title                VARCHAR(100),
    department               VARCHAR(100),
    contact_role             VARCHAR(50),
    decision_authority       VARCHAR(50),
    email                    VARCHAR(100),
    email_opted_out          BOOLEAN DEFAULT false,
    phone                    VARCHAR(50),
    mobile                   VARCHAR(50),
    reports_to_contact_id    VARCHAR(50),
    mailing_address_line1    VARCHAR(200),
    mailing_city             VARCHAR(100),
    mailing_state            VARCHAR(100),
    mailing_country          VARCHAR(50),
    mailing_postal_code      VARCHAR(20),
    linkedin_url             VARCHAR(200),
    twitter_handle           VARCHAR(100),
    relationship_strength    VARCHAR(30),
    last_contact_date        TIMESTAMP,
    contact_frequency        INTEGER,
    preferred_contact_method VARCHAR(30),
    best_time_to_contact     VARCHAR(50),
    birthday                 DATE,
    interests                TEXT,
    notes                    TEXT,
    contact_status           VARCHAR(30) DEFAULT 'active',
    is_primary               BOOLEAN DEFAULT false,
    created_by               VARCHAR(50),
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX contacts_email_idx ON contacts (email);
CREATE INDEX contacts_last_name_first_name_idx ON contacts (last_name, first_name);
COMMENT ON TABLE contacts IS 'People at customer organisations';
COMMENT ON COLUMN contacts.contact_number IS 'CON-000001';
COMMENT ON COLUMN contacts.contact_role IS 'decision_maker, influencer, user, gatekeeper, technical, finance';
COMMENT ON COLUMN contacts.decision_authority IS 'final, recommend, evaluate, none';
COMMENT ON COLUMN contacts.reports_to_contact_id IS 'Superior at the same account; NULL: none known';
COMMENT ON COLUMN contacts.relationship_strength IS 'weak, moderate, strong, champion';
COMMENT ON COLUMN contacts.contact_frequency IS 'Days from one contact to the next';
COMMENT ON COLUMN contacts.preferred_contact_method IS 'email, phone, visit, video';
COMMENT ON COLUMN contacts.contact_status IS 'active, inactive, left_company';
COMMENT ON COLUMN contacts.is_primary IS 'At most one per account';

CREATE TABLE customer_interactions (
    interaction_id   VARCHAR(50) PRIMARY KEY,
    account_id       VARCHAR(50),
    contact_id       VARCHAR(50),
    opportunity_id   VARCHAR(50),
    case_id          VARCHAR(50),
    interaction_type VARCHAR(50),
    interaction_date TIMESTAMP NOT NULL,
    subject          VARCHAR(200),
    description      TEXT,
    direction        VARCHAR(20),
    duration_minutes INTEGER,
    sentiment        VARCHAR(20),
    performed_by     VARCHAR(50),
    created_at       TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX customer_interactions_account_id_interaction_date_idx ON customer_interactions (account_id, interaction_date);
COMMENT ON TABLE customer_interactions IS 'Touchpoint history per account';
COMMENT ON COLUMN customer_interactions.interaction_type IS 'call, email, meeting, visit, video, chat, event';
COMMENT ON COLUMN customer_interactions.direction IS 'inbound, outbound';
COMMENT ON COLUMN customer_interactions.duration_minutes IS 'NULL for email';
COMMENT ON COLUMN customer_interactions.sentiment IS 'positive, neutral, negative';
COMMENT ON COLUMN customer_interactions.performed_by IS 'Sales representative';

CREATE TABLE notes (
    note_id         VARCHAR(50) PRIMARY KEY,
    related_to_type VARCHAR(30),
    related_to_id   VARCHAR(50),
    title           VARCHAR(200),
    note_text       TEXT NOT NULL,
    is_private      BOOLEAN DEFAULT false,
    created_by      VARCHAR(50),
    created_at      TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at      TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX notes_related_to_type_related_to_id_idx ON notes (related_to_type, related_to_id);
COMMENT ON TABLE notes IS 'Free text attached to CRM records';
COMMENT ON COLUMN notes.related_to_type IS 'lead, account, contact, opportunity, quotation, contract, case';
COMMENT ON COLUMN notes.related_to_id IS 'Key in the table of related_to_type';
COMMENT ON COLUMN notes.is_private IS 'Only for its author';
