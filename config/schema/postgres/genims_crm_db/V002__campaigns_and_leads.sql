-- Where business comes from: marketing programmes, their members, and leads up to conversion.
-- A converted lead points at the account and the opportunity made of it.

CREATE TABLE campaigns (
    campaign_id           VARCHAR(50) PRIMARY KEY,
    campaign_code         VARCHAR(50) NOT NULL UNIQUE,
    campaign_name         VARCHAR(200) NOT NULL,
    campaign_type         VARCHAR(50),
    campaign_status       VARCHAR(30) DEFAULT 'planned',
    start_date            DATE NOT NULL,
    end_date              DATE NOT NULL,
    target_audience       VARCHAR(200),
    target_industry       VARCHAR(100),
    target_company_size   VARCHAR(50),
    expected_response_pct DECIMAL(5,2),
    budgeted_cost         DECIMAL(15,2),
    actual_cost           DECIMAL(15,2) DEFAULT 0,
    total_leads           INTEGER DEFAULT 0,
    qualified_leads       INTEGER DEFAULT 0,
    opportunities_created INTEGER DEFAULT 0,
    deals_won             INTEGER DEFAULT 0,
    total_revenue         DECIMAL(18,2) DEFAULT 0,
    roi_pct               DECIMAL(8,2),
    cost_per_lead         DECIMAL(12,2),
    conversion_rate_pct   DECIMAL(5,2),
    description           TEXT,
    objectives            TEXT,
    campaign_owner        VARCHAR(50),
    is_active             BOOLEAN DEFAULT true,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX campaigns_campaign_status_start_date_idx ON campaigns (campaign_status, start_date);
COMMENT ON TABLE campaigns IS 'Marketing programmes with budget and results; the counts and ratios are those of its members and deals';
COMMENT ON COLUMN campaigns.campaign_code IS 'CMP-YYYY-001';
COMMENT ON COLUMN campaigns.campaign_type IS 'email, trade_show, webinar, digital_ads, direct_mail, referral, content';
COMMENT ON COLUMN campaigns.campaign_status IS 'planned, active, completed, paused, cancelled';
COMMENT ON COLUMN campaigns.end_date IS 'Never before start_date';
COMMENT ON COLUMN campaigns.expected_response_pct IS 'Share of members expected to respond';
COMMENT ON COLUMN campaigns.budgeted_cost IS 'INR';
COMMENT ON COLUMN campaigns.actual_cost IS 'INR';
COMMENT ON COLUMN campaigns.total_leads IS 'Leads whose source_campaign_id is this';
COMMENT ON COLUMN campaigns.qualified_leads IS 'Those with qualification_status qualified';
COMMENT ON COLUMN campaigns.opportunities_created IS 'Opportunities whose source_campaign_id is this';
COMMENT ON COLUMN campaigns.deals_won IS 'Those of them that are closed_won';
COMMENT ON COLUMN campaigns.total_revenue IS 'Sum of opportunities.amount of the deals won, INR';
COMMENT ON COLUMN campaigns.roi_pct IS 'roi_pct = (total_revenue - actual_cost) / actual_cost * 100; NULL without cost';
COMMENT ON COLUMN campaigns.cost_per_lead IS 'cost_per_lead = actual_cost / total_leads; NULL without leads';
COMMENT ON COLUMN campaigns.conversion_rate_pct IS 'conversion_rate_pct = deals_won / total_leads * 100; NULL without leads';

CREATE TABLE campaign_members (
    member_id           VARCHAR(50) PRIMARY KEY,
    campaign_id         VARCHAR(50) NOT NULL,
    member_type         VARCHAR(30),
    lead_id             VARCHAR(50),
    contact_id          VARCHAR(50),
    member_status       VARCHAR(30) DEFAULT 'sent',
    has_responded       BOOLEAN DEFAULT false,
    response_date       TIMESTAMP,
    lead_created        BOOLEAN DEFAULT false,
    opportunity_created BOOLEAN DEFAULT false,
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE campaign_members IS 'Recipients of a marketing programme';
COMMENT ON COLUMN campaign_members.member_type IS 'lead, contact; says which of lead_id and contact_id is set';
COMMENT ON COLUMN campaign_members.lead_id IS 'NULL when member_type is contact';
COMMENT ON COLUMN campaign_members.contact_id IS 'NULL when member_type is lead';
COMMENT ON COLUMN campaign_members.member_status IS 'sent, opened, clicked, responded, registered, attended, unsubscribed, bounced';
COMMENT ON COLUMN campaign_members.response_date IS 'NULL unless has_responded';

CREATE TABLE leads (
    lead_id                     VARCHAR(50) PRIMARY KEY,
    lead_number                 VARCHAR(50) NOT NULL UNIQUE,
    company_name                VARCHAR(200) NOT NULL,
    lead_source                 VARCHAR(50),
    source_campaign_id          VARCHAR(50),
    contact_first_name          VARCHAR(100),
    contact_last_name           VARCHAR(100),
    contact_title               VARCHAR(100),
    email                       VARCHAR(100),
    phone                       VARCHAR(50),
    mobile                      VARCHAR(50),
    industry                    VARCHAR(100),
    company_size                VARCHAR(30),
    annual_revenue_range        VARCHAR(50),
    number_of_employees         INTEGER,
    address_line1               VARCHAR(200),
    address_line2               VARCHAR(200),
    city                        VARCHAR(100),
    state                       VARCHAR(100),
    country                     VARCHAR(50) DEFAULT 'India',
    postal_code                 VARCHAR(20),
    lead_score                  INTEGER DEFAULT 0,
    lead_grade                  VARCHAR(1),
    lead_status                 VARCHAR(30) DEFAULT 'new',
    qualification_status        VARCHAR(30),
    has_budget                  BOOLEAN DEFAULT false,
    is_decision_maker           BOOLEAN DEFAULT false,
    has_identified_need         BOOLEAN DEFAULT false,
    has_timeline                BOOLEAN DEFAULT false,
    product_interest            VARCHAR(200),
    estimated_deal_value        DECIMAL(15,2),
    expected_close_date         DATE,
    assigned_to                 VARCHAR(50),
    assigned_date               TIMESTAMP,
    converted                   BOOLEAN DEFAULT false,
    converted_date              TIMESTAMP,
    converted_to_account_id     VARCHAR(50),
    converted_to_opportunity_id VARCHAR(50),
    first_contact_date          TIMESTAMP,
    last_contact_date           TIMESTAMP,
    contact_attempts            INTEGER DEFAULT 0,
    description                 TEXT,
    notes                       TEXT,
    is_active                   BOOLEAN DEFAULT true,
    created_by                  VARCHAR(50),
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX leads_lead_status_created_at_idx ON leads (lead_status, created_at);
CREATE INDEX leads_company_name_idx ON leads (company_name);
COMMENT ON TABLE leads IS 'Unqualified prospects, their score and what became of them';
COMMENT ON COLUMN leads.lead_number IS 'LEAD-YYYY-00001';
COMMENT ON COLUMN leads.lead_source IS 'website, trade_show, referral, cold_call, email_campaign, partner, social_media';
COMMENT ON COLUMN leads.source_campaign_id IS 'NULL: not from a campaign';
COMMENT ON COLUMN leads.company_size IS 'small, medium, large, enterprise';
COMMENT ON COLUMN leads.annual_revenue_range IS '<10Cr, 10-50Cr, 50-250Cr, 250-1000Cr, >1000Cr; crore INR';
COMMENT ON COLUMN leads.lead_score IS '0 to 100';
COMMENT ON COLUMN leads.lead_grade IS 'A from 80, B from 60, C from 40, else D';
COMMENT ON COLUMN leads.lead_status IS 'new, contacted, working, qualified, unqualified, converted, lost';
COMMENT ON COLUMN leads.qualification_status IS 'not_started, in_progress, qualified, disqualified';
COMMENT ON COLUMN leads.has_budget IS 'BANT: budget; the next three are authority, need and time';
COMMENT ON COLUMN leads.estimated_deal_value IS 'INR';
COMMENT ON COLUMN leads.assigned_to IS 'NULL: not assigned';
COMMENT ON COLUMN leads.converted IS 'True when lead_status is converted';
COMMENT ON COLUMN leads.converted_date IS 'NULL until converted, as are the two keys after it';
COMMENT ON COLUMN leads.contact_attempts IS 'Number of its lead_activities';

CREATE TABLE lead_activities (
    activity_id      VARCHAR(50) PRIMARY KEY,
    lead_id          VARCHAR(50) NOT NULL,
    activity_type    VARCHAR(30),
    subject          VARCHAR(200),
    description      TEXT,
    activity_date    TIMESTAMP NOT NULL,
    duration_minutes INTEGER,
    outcome          VARCHAR(30),
    next_action      VARCHAR(200),
    next_action_date DATE,
    performed_by     VARCHAR(50),
    created_at       TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX lead_activities_lead_id_activity_date_idx ON lead_activities (lead_id, activity_date);
COMMENT ON TABLE lead_activities IS 'Contact attempts with a prospect';
COMMENT ON COLUMN lead_activities.activity_type IS 'call, email, meeting, demo, visit, webinar';
COMMENT ON COLUMN lead_activities.outcome IS 'connected, no_answer, interested, not_interested, follow_up';
COMMENT ON COLUMN lead_activities.next_action_date IS 'Not before activity_date';
