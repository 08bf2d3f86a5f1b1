-- The pipeline: stage definitions, deals with their history and products, competitors, and the work of sales staff on them.
-- The amount of a deal is the sum of its products, its expected revenue is the amount weighed by the probability.

CREATE TABLE sales_stages (
    stage_id                VARCHAR(50) PRIMARY KEY,
    stage_code              VARCHAR(50) NOT NULL UNIQUE,
    stage_name              VARCHAR(100) NOT NULL,
    stage_order             INTEGER NOT NULL UNIQUE CHECK (stage_order > 0),
    stage_type              VARCHAR(20) NOT NULL DEFAULT 'open' CHECK (stage_type IN ('open', 'won', 'lost')),
    default_probability_pct INTEGER NOT NULL CHECK (default_probability_pct BETWEEN 0 AND 100),
    forecast_category       VARCHAR(30) NOT NULL CHECK (forecast_category IN ('pipeline', 'best_case', 'commit', 'closed', 'omitted')),
    expected_duration_days  INTEGER CHECK (expected_duration_days >= 0),
    stalled_after_days      INTEGER CHECK (stalled_after_days > 0),
    entry_criteria          TEXT,
    exit_criteria           TEXT,
    required_fields         TEXT,
    requires_approval       BOOLEAN NOT NULL DEFAULT false,
    requires_quotation      BOOLEAN NOT NULL DEFAULT false,
    color_code              VARCHAR(7) CHECK (color_code LIKE '#______'),
    is_active               BOOLEAN NOT NULL DEFAULT true,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (stalled_after_days IS NULL OR expected_duration_days IS NULL OR stalled_after_days >= expected_duration_days),
    CHECK ((stage_type = 'won') = (default_probability_pct = 100))
);
COMMENT ON TABLE sales_stages IS 'Pipeline stage definitions and default odds; opportunities.stage holds the stage_code';
COMMENT ON COLUMN sales_stages.stage_code IS 'prospecting, qualification, needs_analysis, proposal, negotiation, closed_won, closed_lost';
COMMENT ON COLUMN sales_stages.stage_order IS 'From 1 along the pipeline';
COMMENT ON COLUMN sales_stages.default_probability_pct IS '10, 25, 40, 60, 80, then 100 for won and 0 for lost';
COMMENT ON COLUMN sales_stages.forecast_category IS 'Default of opportunities.forecast_category';
COMMENT ON COLUMN sales_stages.expected_duration_days IS 'Usual stay; NULL for closed stages';
COMMENT ON COLUMN sales_stages.stalled_after_days IS 'A deal that stays longer is stalled; NULL for closed stages';
COMMENT ON COLUMN sales_stages.entry_criteria IS 'What must be known to enter';
COMMENT ON COLUMN sales_stages.exit_criteria IS 'What must be done to leave';
COMMENT ON COLUMN sales_stages.required_fields IS 'Columns of opportunities that must be filled, separated by commas';
COMMENT ON COLUMN sales_stages.color_code IS 'Of the board, #RRGGBB';

CREATE TABLE opportunities (
    opportunity_id            VARCHAR(50) PRIMARY KEY,
    opportunity_number        VARCHAR(50) NOT NULL UNIQUE,
    opportunity_name          VARCHAR(200) NOT NULL,
    account_id                VARCHAR(50) NOT NULL,
    primary_contact_id        VARCHAR(50),
    lead_source               VARCHAR(50),
    source_lead_id            VARCHAR(50),
    source_campaign_id        VARCHAR(50),
    opportunity_type          VARCHAR(50),
    product_category          VARCHAR(100),
    solution_description      TEXT,
    amount                    DECIMAL(15,2) NOT NULL,
    expected_revenue          DECIMAL(15,2),
    cost_estimate             DECIMAL(15,2),
    margin_pct                DECIMAL(5,2),
    stage                     VARCHAR(50) DEFAULT 'prospecting',
    probability_pct           INTEGER DEFAULT 10,
    close_date                DATE NOT NULL,
    expected_close_date       DATE,
    actual_close_date         DATE,
    forecast_category         VARCHAR(30),
    opportunity_owner         VARCHAR(50),
    sales_team                TEXT,
    competitors               TEXT,
    competitive_position      VARCHAR(30),
    decision_criteria         TEXT,
    key_success_factors       TEXT,
    customer_requirements     TEXT,
    technical_requirements    TEXT,
    budget_confirmed          BOOLEAN DEFAULT false,
    budget_amount             DECIMAL(15,2),
    decision_maker_identified BOOLEAN DEFAULT false,
    customer_timeline         VARCHAR(100),
    next_step                 VARCHAR(200),
    next_step_date            DATE,
    win_loss_status           VARCHAR(20),
    win_loss_reason           VARCHAR(200),
    win_loss_notes            TEXT,
    lost_to_competitor        VARCHAR(200),
    converted_to_quote_id     VARCHAR(50),
    converted_to_order_id     VARCHAR(50),
    description               TEXT,
    notes                     TEXT,
    is_active                 BOOLEAN DEFAULT true,
    is_closed                 BOOLEAN DEFAULT false,
    created_by                VARCHAR(50),
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    closed_by                 VARCHAR(50),
    closed_at                 TIMESTAMP
);
CREATE INDEX opportunities_stage_expected_close_date_idx ON opportunities (stage, expected_close_date);
CREATE INDEX opportunities_is_closed_close_date_idx ON opportunities (is_closed, close_date);
COMMENT ON TABLE opportunities IS 'Sales deals with value, stage, probability and outcome';
COMMENT ON COLUMN opportunities.opportunity_number IS 'OPP-YYYY-00001';
COMMENT ON COLUMN opportunities.lead_source IS 'As leads.lead_source';
COMMENT ON COLUMN opportunities.source_lead_id IS 'NULL: not from a lead';
COMMENT ON COLUMN opportunities.opportunity_type IS 'new_business, existing_business, renewal, upsell, cross_sell';
COMMENT ON COLUMN opportunities.amount IS 'Sum of opportunity_products.line_total, INR';
COMMENT ON COLUMN opportunities.expected_revenue IS 'expected_revenue = amount * probability_pct / 100';
COMMENT ON COLUMN opportunities.cost_estimate IS 'INR';
COMMENT ON COLUMN opportunities.margin_pct IS 'margin_pct = (amount - cost_estimate) / amount * 100';
COMMENT ON COLUMN opportunities.stage IS 'prospecting, qualification, needs_analysis, proposal, negotiation, closed_won, closed_lost: a stage_code of sales_stages';
COMMENT ON COLUMN opportunities.probability_pct IS '0 to 100; default of its stage, 100 when won, 0 when lost';
COMMENT ON COLUMN opportunities.close_date IS 'Planned at first; equals actual_close_date once closed';
COMMENT ON COLUMN opportunities.expected_close_date IS 'Planned now';
COMMENT ON COLUMN opportunities.actual_close_date IS 'NULL while open';
COMMENT ON COLUMN opportunities.forecast_category IS 'pipeline, best_case, commit, closed, omitted';
COMMENT ON COLUMN opportunities.sales_team IS 'sales_rep_id values, separated by commas';
COMMENT ON COLUMN opportunities.competitors IS 'competitor_name values of competitor_analysis, separated by commas';
COMMENT ON COLUMN opportunities.competitive_position IS 'leading, even, trailing, unknown';
COMMENT ON COLUMN opportunities.budget_amount IS 'INR; NULL unless budget_confirmed';
COMMENT ON COLUMN opportunities.win_loss_status IS 'won, lost; NULL while open';
COMMENT ON COLUMN opportunities.win_loss_reason IS 'price, quality, delivery_time, relationship, features, no_decision; NULL while open';
COMMENT ON COLUMN opportunities.lost_to_competitor IS 'competitor_name of competitor_analysis; NULL unless lost';
COMMENT ON COLUMN opportunities.converted_to_quote_id IS 'Quotation made of it; NULL: none';
COMMENT ON COLUMN opportunities.converted_to_order_id IS 'NULL unless won';
COMMENT ON COLUMN opportunities.is_closed IS 'True when stage is closed_won or closed_lost';

CREATE TABLE opportunity_stage_history (
    history_id          VARCHAR(50) PRIMARY KEY,
    opportunity_id      VARCHAR(50) NOT NULL,
    from_stage          VARCHAR(50),
    to_stage            VARCHAR(50) NOT NULL,
    from_amount         DECIMAL(15,2),
    to_amount           DECIMAL(15,2),
    from_probability    INTEGER,
    to_probability      INTEGER,
    from_close_date     DATE,
    to_close_date       DATE,
    change_reason       TEXT,
    stage_duration_days INTEGER,
    changed_by          VARCHAR(50),
    changed_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX opportunity_stage_history_opportunity_id_changed_at_idx ON opportunity_stage_history (opportunity_id, changed_at);
COMMENT ON TABLE opportunity_stage_history IS 'Stage changes of a deal';
COMMENT ON COLUMN opportunity_stage_history.from_stage IS 'NULL: the deal was created';
COMMENT ON COLUMN opportunity_stage_history.from_amount IS 'INR, before the change; NULL when created, as every other from_ column';
COMMENT ON COLUMN opportunity_stage_history.to_amount IS 'INR, after the change';
COMMENT ON COLUMN opportunity_stage_history.stage_duration_days IS 'Days spent in from_stage; NULL when created';

CREATE TABLE opportunity_products (
    opp_product_id      VARCHAR(50) PRIMARY KEY,
    opportunity_id      VARCHAR(50) NOT NULL,
    line_number         INTEGER,
    material_id         VARCHAR(50),
    product_name        VARCHAR(200),
    product_description TEXT,
    quantity            DECIMAL(15,4),
    unit_of_measure     VARCHAR(20),
    list_price          DECIMAL(12,4),
    discount_pct        DECIMAL(5,2) DEFAULT 0,
    unit_price          DECIMAL(12,4),
    line_total          DECIMAL(15,2),
    required_date       DATE,
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE opportunity_products IS 'Products inside a deal';
COMMENT ON COLUMN opportunity_products.line_number IS 'From 1 in the opportunity';
COMMENT ON COLUMN opportunity_products.list_price IS 'INR per unit';
COMMENT ON COLUMN opportunity_products.discount_pct IS 'Percent off list_price';
COMMENT ON COLUMN opportunity_products.unit_price IS 'unit_price = list_price * (1 - discount_pct / 100)';
COMMENT ON COLUMN opportunity_products.line_total IS 'line_total = quantity * unit_price';

CREATE TABLE competitor_analysis (
    analysis_id              VARCHAR(50) PRIMARY KEY,
    competitor_code          VARCHAR(50) NOT NULL,
    competitor_name          VARCHAR(200) NOT NULL,
    product_category         VARCHAR(100) NOT NULL,
    analysis_date            DATE NOT NULL,
    headquarters_country     VARCHAR(50),
    website                  VARCHAR(200),
    market_share_pct         DECIMAL(5,2) CHECK (market_share_pct BETWEEN 0 AND 100),
    estimated_annual_revenue DECIMAL(18,2) CHECK (estimated_annual_revenue >= 0),
    currency                 VARCHAR(3) NOT NULL DEFAULT 'INR',
    price_index              DECIMAL(6,2) CHECK (price_index > 0),
    quality_rating           INTEGER CHECK (quality_rating BETWEEN 1 AND 5),
    delivery_rating          INTEGER CHECK (delivery_rating BETWEEN 1 AND 5),
    service_rating           INTEGER CHECK (service_rating BETWEEN 1 AND 5),
    strengths                TEXT,
    weaknesses               TEXT,
    counter_strategy         TEXT,
    deals_competed           INTEGER NOT NULL DEFAULT 0 CHECK (deals_competed >= 0),
    deals_won_against        INTEGER NOT NULL DEFAULT 0 CHECK (deals_won_against >= 0),
    deals_lost_to            INTEGER NOT NULL DEFAULT 0 CHECK (deals_lost_to >= 0),
    win_rate_pct             DECIMAL(5,2) CHECK (win_rate_pct BETWEEN 0 AND 100),
    threat_level             VARCHAR(20) NOT NULL DEFAULT 'medium' CHECK (threat_level IN ('low', 'medium', 'high', 'critical')),
    analyst_id               VARCHAR(50),
    analysis_status          VARCHAR(30) NOT NULL DEFAULT 'draft' CHECK (analysis_status IN ('draft', 'published', 'superseded')),
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (competitor_code, product_category, analysis_date),
    CHECK (deals_won_against + deals_lost_to <= deals_competed)
);
CREATE INDEX competitor_analysis_competitor_name_idx ON competitor_analysis (competitor_name);
COMMENT ON TABLE competitor_analysis IS 'Rivals per product category and date: strengths, prices and win rates';
COMMENT ON COLUMN competitor_analysis.competitor_name IS 'What opportunities.lost_to_competitor and competitors hold';
COMMENT ON COLUMN competitor_analysis.product_category IS 'As opportunities.product_category';
COMMENT ON COLUMN competitor_analysis.analysis_date IS 'Figures are of the twelve months before it';
COMMENT ON COLUMN competitor_analysis.market_share_pct IS 'Estimate';
COMMENT ON COLUMN competitor_analysis.price_index IS 'Their price level, ours is 100';
COMMENT ON COLUMN competitor_analysis.quality_rating IS '5 is best, as the next two';
COMMENT ON COLUMN competitor_analysis.counter_strategy IS 'How to sell against them';
COMMENT ON COLUMN competitor_analysis.deals_competed IS 'Closed deals in which they took part';
COMMENT ON COLUMN competitor_analysis.deals_won_against IS 'Of these, won by us';
COMMENT ON COLUMN competitor_analysis.deals_lost_to IS 'Of these, won by them';
COMMENT ON COLUMN competitor_analysis.win_rate_pct IS 'win_rate_pct = deals_won_against / deals_competed * 100; NULL without deals';

CREATE TABLE activities (
    activity_id        VARCHAR(50) PRIMARY KEY,
    activity_number    VARCHAR(50) NOT NULL UNIQUE,
    activity_type      VARCHAR(30),
    related_to_type    VARCHAR(30),
    related_to_id      VARCHAR(50),
    lead_id            VARCHAR(50),
    account_id         VARCHAR(50),
    contact_id         VARCHAR(50),
    opportunity_id     VARCHAR(50),
    subject            VARCHAR(200) NOT NULL,
    description        TEXT,
    activity_date      TIMESTAMP NOT NULL,
    duration_minutes   INTEGER DEFAULT 30,
    location           VARCHAR(200),
    activity_status    VARCHAR(30) DEFAULT 'planned',
    priority           VARCHAR(20) DEFAULT 'medium',
    outcome            VARCHAR(30),
    outcome_notes      TEXT,
    follow_up_required BOOLEAN DEFAULT false,
    follow_up_date     DATE,
    attendees          TEXT,
    assigned_to        VARCHAR(50),
    reminder_enabled   BOOLEAN DEFAULT false,
    reminder_datetime  TIMESTAMP,
    created_by         VARCHAR(50),
    created_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX activities_activity_status_activity_date_idx ON activities (activity_status, activity_date);
COMMENT ON TABLE activities IS 'Calls, meetings and demos of sales staff';
COMMENT ON COLUMN activities.activity_number IS 'ACT-YYYY-000001';
COMMENT ON COLUMN activities.activity_type IS 'call, email, meeting, demo, visit, presentation';
COMMENT ON COLUMN activities.related_to_type IS 'lead, account, contact, opportunity, quotation, contract, case';
COMMENT ON COLUMN activities.related_to_id IS 'Key in the table of related_to_type; the four columns after it repeat it where it is one of theirs';
COMMENT ON COLUMN activities.activity_status IS 'planned, completed, cancelled, no_show';
COMMENT ON COLUMN activities.priority IS 'low, medium, high, urgent';
COMMENT ON COLUMN activities.outcome IS 'successful, unsuccessful, follow_up, no_answer; NULL until completed';
COMMENT ON COLUMN activities.follow_up_date IS 'NULL unless follow_up_required';
COMMENT ON COLUMN activities.attendees IS 'Names, separated by commas';

CREATE TABLE tasks (
    task_id          VARCHAR(50) PRIMARY KEY,
    task_number      VARCHAR(50) NOT NULL UNIQUE,
    subject          VARCHAR(200) NOT NULL,
    description      TEXT,
    related_to_type  VARCHAR(30),
    related_to_id    VARCHAR(50),
    task_type        VARCHAR(50),
    priority         VARCHAR(20) DEFAULT 'medium',
    task_status      VARCHAR(30) DEFAULT 'not_started',
    due_date         DATE NOT NULL,
    completed_date   DATE,
    assigned_to      VARCHAR(50),
    reminder_enabled BOOLEAN DEFAULT true,
    reminder_date    DATE,
    completion_notes TEXT,
    created_by       VARCHAR(50),
    created_at       TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at       TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX tasks_task_status_due_date_idx ON tasks (task_status, due_date);
CREATE INDEX tasks_related_to_type_related_to_id_idx ON tasks (related_to_type, related_to_id);
COMMENT ON TABLE tasks IS 'Follow-up work of sales staff';
COMMENT ON COLUMN tasks.task_number IS 'TSK-YYYY-000001';
COMMENT ON COLUMN tasks.related_to_type IS 'lead, account, contact, opportunity, quotation, contract, case';
COMMENT ON COLUMN tasks.related_to_id IS 'Key in the table of related_to_type';
COMMENT ON COLUMN tasks.task_type IS 'call, email, follow_up, prepare_quote, send_document, review';
COMMENT ON COLUMN tasks.priority IS 'low, medium, high, urgent';
COMMENT ON COLUMN tasks.task_status IS 'not_started, in_progress, completed, deferred, cancelled';
COMMENT ON COLUMN tasks.completed_date IS 'NULL until completed';
