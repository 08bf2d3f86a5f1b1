-- Who answers and by which rules: teams, agents, queues, SLA targets, escalation rules, closing codes, daily figures.
-- Compliance percentages are met / (met + breached) * 100.

CREATE TABLE service_teams (
    team_id        VARCHAR(50) PRIMARY KEY,
    team_code      VARCHAR(50) NOT NULL UNIQUE,
    team_name      VARCHAR(200) NOT NULL,
    team_type      VARCHAR(50),
    specialization VARCHAR(100),
    team_lead_id   VARCHAR(50),
    team_members   TEXT,
    team_size      INTEGER,
    service_hours  VARCHAR(30),
    is_active      BOOLEAN DEFAULT true,
    created_at     TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE service_teams IS 'Support groups';
COMMENT ON COLUMN service_teams.team_code IS 'L1, L2, FIELD ...';
COMMENT ON COLUMN service_teams.team_type IS 'tier_1, tier_2, tier_3, field_service, warranty';
COMMENT ON COLUMN service_teams.team_members IS 'agent_id values, separated by commas';
COMMENT ON COLUMN service_teams.team_size IS 'Number of service_agents with this team_id';
COMMENT ON COLUMN service_teams.service_hours IS '24x7, business_hours, extended';

CREATE TABLE service_agents (
    agent_id                      VARCHAR(50) PRIMARY KEY,
    employee_id                   VARCHAR(50),
    agent_code                    VARCHAR(50) NOT NULL UNIQUE,
    first_name                    VARCHAR(100) NOT NULL,
    last_name                     VARCHAR(100) NOT NULL,
    email                         VARCHAR(100),
    phone                         VARCHAR(50),
    team_id                       VARCHAR(50),
    skill_areas                   TEXT,
    product_expertise             TEXT,
    language_skills               TEXT,
    avg_csat_rating               DECIMAL(3,2),
    total_tickets_resolved        INTEGER DEFAULT 0,
    avg_resolution_time_hours     DECIMAL(8,2),
    first_contact_resolution_rate DECIMAL(5,2),
    agent_status                  VARCHAR(30) DEFAULT 'available',
    current_ticket_count          INTEGER DEFAULT 0,
    max_concurrent_tickets        INTEGER DEFAULT 5,
    hire_date                     DATE,
    is_active                     BOOLEAN DEFAULT true,
    created_at                    TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                    TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX service_agents_agent_status_idx ON service_agents (agent_status);
COMMENT ON TABLE service_agents IS 'Support staff: skills, load and results';
COMMENT ON COLUMN service_agents.agent_code IS 'Login name';
COMMENT ON COLUMN service_agents.skill_areas IS 'Separated by commas, as the next two';
COMMENT ON COLUMN service_agents.avg_csat_rating IS 'Mean of service_tickets.csat_rating of its tickets, 1 to 5';
COMMENT ON COLUMN service_agents.total_tickets_resolved IS 'Tickets assigned to it that are resolved or closed';
COMMENT ON COLUMN service_agents.first_contact_resolution_rate IS 'Tickets resolved with the first answer, percent of resolved';
COMMENT ON COLUMN service_agents.agent_status IS 'available, busy, away, offline, on_leave';
COMMENT ON COLUMN service_agents.current_ticket_count IS 'Open tickets assigned to it; at most max_concurrent_tickets';

CREATE TABLE service_queues (
    queue_id              VARCHAR(50) PRIMARY KEY,
    queue_code            VARCHAR(50) NOT NULL UNIQUE,
    queue_name            VARCHAR(200) NOT NULL,
    queue_type            VARCHAR(50),
    assigned_team_id      VARCHAR(50),
    auto_assign           BOOLEAN DEFAULT true,
    assignment_method     VARCHAR(30),
    queue_priority        INTEGER DEFAULT 5,
    current_ticket_count  INTEGER DEFAULT 0,
    avg_wait_time_minutes INTEGER,
    is_active             BOOLEAN DEFAULT true,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE service_queues IS 'Routing queues for tickets';
COMMENT ON COLUMN service_queues.queue_type IS 'general, technical, warranty, billing, vip';
COMMENT ON COLUMN service_queues.assignment_method IS 'round_robin, least_loaded, skill_based, manual';
COMMENT ON COLUMN service_queues.queue_priority IS '1 is served first';
COMMENT ON COLUMN service_queues.current_ticket_count IS 'Open tickets with routed_to_queue this';
COMMENT ON COLUMN service_queues.avg_wait_time_minutes IS 'From created_at to assigned_datetime';

CREATE TABLE sla_definitions (
    sla_id                   VARCHAR(50) PRIMARY KEY,
    sla_code                 VARCHAR(50) NOT NULL UNIQUE,
    sla_name                 VARCHAR(200) NOT NULL,
    customer_tier            VARCHAR(20),
    priority                 VARCHAR(20),
    ticket_type              VARCHAR(50),
    category                 VARCHAR(100),
    service_hours            VARCHAR(30) DEFAULT '24x7',
    response_time_minutes    INTEGER,
    response_time_unit       VARCHAR(20),
    resolution_time_minutes  INTEGER,
    resolution_time_unit     VARCHAR(20),
    escalation_enabled       BOOLEAN DEFAULT true,
    escalation_threshold_pct INTEGER DEFAULT 80,
    notify_customer          BOOLEAN DEFAULT true,
    notify_manager           BOOLEAN DEFAULT true,
    is_active                BOOLEAN DEFAULT true,
    effective_date           DATE,
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX sla_definitions_customer_tier_priority_idx ON sla_definitions (customer_tier, priority) WHERE is_active;
COMMENT ON TABLE sla_definitions IS 'Response and resolution targets per customer tier and priority';
COMMENT ON COLUMN sla_definitions.sla_code IS 'Tier and priority: GOLD-HIGH';
COMMENT ON COLUMN sla_definitions.customer_tier IS 'platinum, gold, silver, bronze: accounts.account_tier; NULL: any';
COMMENT ON COLUMN sla_definitions.priority IS 'critical, high, medium, low; NULL: any';
COMMENT ON COLUMN sla_definitions.ticket_type IS 'NULL: any, as is category';
COMMENT ON COLUMN sla_definitions.service_hours IS '24x7, business_hours, extended';
COMMENT ON COLUMN sla_definitions.response_time_minutes IS 'From created_at';
COMMENT ON COLUMN sla_definitions.response_time_unit IS 'Unit to show it in: minutes, hours, days; the number is always minutes';
COMMENT ON COLUMN sla_definitions.resolution_time_minutes IS 'From created_at; more than response_time_minutes';
COMMENT ON COLUMN sla_definitions.resolution_time_unit IS 'Unit to show it in: minutes, hours, days; the number is always minutes';
COMMENT ON COLUMN sla_definitions.escalation_threshold_pct IS 'Share of the time used after which it escalates';

CREATE TABLE escalation_rules (
    rule_id                   VARCHAR(50) PRIMARY KEY,
    rule_code                 VARCHAR(50) NOT NULL UNIQUE,
    rule_name                 VARCHAR(200) NOT NULL,
    priority                  VARCHAR(20),
    category                  VARCHAR(100),
    sla_breach_threshold_pct  INTEGER DEFAULT 80,
    level_1_escalate_to       VARCHAR(50),
    level_1_threshold_minutes INTEGER,
    level_2_escalate_to       VARCHAR(50),
    level_2_threshold_minutes INTEGER,
    level_3_escalate_to       VARCHAR(50),
    level_3_threshold_minutes INTEGER,
    notify_customer           BOOLEAN DEFAULT true,
    notify_management         BOOLEAN DEFAULT true,
    is_active                 BOOLEAN DEFAULT true,
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE escalation_rules IS 'Conditions that raise a ticket, with up to three levels';
COMMENT ON COLUMN escalation_rules.priority IS 'critical, high, medium, low; NULL: any';
COMMENT ON COLUMN escalation_rules.category IS 'As service_tickets.category; NULL: any';
COMMENT ON COLUMN escalation_rules.sla_breach_threshold_pct IS 'Share of the resolution time used after which level 1 begins';
COMMENT ON COLUMN escalation_rules.level_1_escalate_to IS 'Agent who gets it';
COMMENT ON COLUMN escalation_rules.level_1_threshold_minutes IS 'Minutes since created_at; each level has more than the one before';
COMMENT ON COLUMN escalation_rules.level_2_escalate_to IS 'Agent who gets it; NULL: no such level';
COMMENT ON COLUMN escalation_rules.level_3_escalate_to IS 'Agent who gets it; NULL: no such level';

CREATE TABLE resolution_codes (
    code_id                    VARCHAR(50) PRIMARY KEY,
    code                       VARCHAR(50) NOT NULL UNIQUE,
    description                VARCHAR(200) NOT NULL,
    category                   VARCHAR(100),
    typical_resolution_minutes INTEGER,
    is_active                  BOOLEAN DEFAULT true,
    created_at                 TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE resolution_codes IS 'Closing reason codes';
COMMENT ON COLUMN resolution_codes.code_id IS 'What service_tickets.resolution_code refers to';
COMMENT ON COLUMN resolution_codes.code IS 'FIXED, REPLACED, CONFIG, USER_ERROR, NO_FAULT, DUPLICATE, WONT_FIX ...';
COMMENT ON COLUMN resolution_codes.category IS 'technical, product, delivery, billing, warranty, installation';

CREATE TABLE service_metrics_daily (
    metric_id                       VARCHAR(50) PRIMARY KEY,
    metric_date                     DATE NOT NULL,
    tickets_created                 INTEGER DEFAULT 0,
    tickets_resolved                INTEGER DEFAULT 0,
    tickets_closed                  INTEGER DEFAULT 0,
    tickets_reopened                INTEGER DEFAULT 0,
    backlog_count                   INTEGER DEFAULT 0,
    avg_first_response_time_minutes INTEGER,
    response_sla_met_count          INTEGER DEFAULT 0,
    response_sla_breached_count     INTEGER DEFAULT 0,
    response_sla_compliance_pct     DECIMAL(5,2),
    avg_resolution_time_minutes     INTEGER,
    resolution_sla_met_count        INTEGER DEFAULT 0,
    resolution_sla_breached_count   INTEGER DEFAULT 0,
    resolution_sla_compliance_pct   DECIMAL(5,2),
    fcr_count                       INTEGER DEFAULT 0,
    fcr_rate_pct                    DECIMAL(5,2),
    csat_responses_count            INTEGER DEFAULT 0,
    avg_csat_rating                 DECIMAL(3,2),
    csat_5_count                    INTEGER DEFAULT 0,
    csat_1_2_count                  INTEGER DEFAULT 0,
    phone_tickets                   INTEGER DEFAULT 0,
    email_tickets                   INTEGER DEFAULT 0,
    chat_tickets                    INTEGER DEFAULT 0,
    portal_tickets                  INTEGER DEFAULT 0,
    critical_tickets                INTEGER DEFAULT 0,
    high_tickets                    INTEGER DEFAULT 0,
    medium_tickets                  INTEGER DEFAULT 0,
    low_tickets                     INTEGER DEFAULT 0,
    created_at                      TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX service_metrics_daily_metric_date_idx ON service_metrics_daily (metric_date);
COMMENT ON TABLE service_metrics_daily IS 'Daily support indicators over all tickets, one row per day';
COMMENT ON COLUMN service_metrics_daily.tickets_created IS 'Tickets with created_at on the day; also the sum over channels phone, email, chat, portal and over priorities';
COMMENT ON COLUMN service_metrics_daily.tickets_resolved IS 'Tickets with resolved_datetime on the day';
COMMENT ON COLUMN service_metrics_daily.tickets_closed IS 'Tickets with closed_datetime on the day';
COMMENT ON COLUMN service_metrics_daily.backlog_count IS 'Open tickets at the end of the day';
COMMENT ON COLUMN service_metrics_daily.avg_first_response_time_minutes IS 'Of tickets first answered on the day';
COMMENT ON COLUMN service_metrics_daily.response_sla_met_count IS 'Of tickets first answered on the day';
COMMENT ON COLUMN service_metrics_daily.response_sla_compliance_pct IS 'met / (met + breached) * 100; NULL without tickets';
COMMENT ON COLUMN service_metrics_daily.avg_resolution_time_minutes IS 'Of tickets resolved on the day';
COMMENT ON COLUMN service_metrics_daily.resolution_sla_met_count IS 'Of tickets resolved on the day; met + breached = tickets_resolved';
COMMENT ON COLUMN service_metrics_daily.resolution_sla_compliance_pct IS 'met / (met + breached) * 100; NULL without tickets';
COMMENT ON COLUMN service_metrics_daily.fcr_count IS 'Resolved with the first answer';
COMMENT ON COLUMN service_metrics_daily.fcr_rate_pct IS 'fcr_rate_pct = fcr_count / tickets_resolved * 100; NULL without tickets';
COMMENT ON COLUMN service_metrics_daily.avg_csat_rating IS 'Mean of the ratings received on the day, 1 to 5';
COMMENT ON COLUMN service_metrics_daily.csat_5_count IS 'Ratings of 5';
COMMENT ON COLUMN service_metrics_daily.csat_1_2_count IS 'Ratings of 1 or 2';
