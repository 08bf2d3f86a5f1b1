-- What customers read and say: knowledge base, portal logins, surveys with answers, free feedback.
-- Ratings are 1 to 5 with 5 best, the net promoter score 0 to 10.

CREATE TABLE kb_categories (
    category_id        VARCHAR(50) PRIMARY KEY,
    category_code      VARCHAR(50) NOT NULL UNIQUE,
    category_name      VARCHAR(200) NOT NULL,
    parent_category_id VARCHAR(50),
    display_order      INTEGER,
    icon_url           VARCHAR(500),
    description        TEXT,
    is_active          BOOLEAN DEFAULT true,
    created_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE kb_categories IS 'Knowledge base topic tree';
COMMENT ON COLUMN kb_categories.parent_category_id IS 'NULL: top level';
COMMENT ON COLUMN kb_categories.display_order IS 'From 1 among its siblings';

CREATE TABLE kb_articles (
    article_id            VARCHAR(50) PRIMARY KEY,
    article_number        VARCHAR(50) NOT NULL UNIQUE,
    title                 VARCHAR(200) NOT NULL,
    summary               TEXT,
    content               TEXT NOT NULL,
    category_id           VARCHAR(50),
    article_type          VARCHAR(30),
    products              TEXT,
    product_categories    TEXT,
    keywords              TEXT,
    tags                  TEXT,
    article_status        VARCHAR(30) DEFAULT 'draft',
    published_date        DATE,
    published_by          VARCHAR(50),
    version               VARCHAR(20),
    previous_version_id   VARCHAR(50),
    view_count            INTEGER DEFAULT 0,
    helpful_count         INTEGER DEFAULT 0,
    not_helpful_count     INTEGER DEFAULT 0,
    avg_rating            DECIMAL(3,2),
    times_used_in_tickets INTEGER DEFAULT 0,
    last_used_date        TIMESTAMP,
    attachments           TEXT,
    meta_description      TEXT,
    author_id             VARCHAR(50),
    is_active             BOOLEAN DEFAULT true,
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX kb_articles_article_status_published_date_idx ON kb_articles (article_status, published_date);
COMMENT ON TABLE kb_articles IS 'Help articles, versions and usage counts';
COMMENT ON COLUMN kb_articles.article_number IS 'KB-00001';
COMMENT ON COLUMN kb_articles.article_type IS 'how_to, troubleshooting, faq, reference, known_issue';
COMMENT ON COLUMN kb_articles.products IS 'Names, separated by commas, as the other lists';
COMMENT ON COLUMN kb_articles.article_status IS 'draft, in_review, published, archived';
COMMENT ON COLUMN kb_articles.published_date IS 'NULL until published';
COMMENT ON COLUMN kb_articles.version IS '1.0, 1.1 ...';
COMMENT ON COLUMN kb_articles.previous_version_id IS 'NULL for the first';
COMMENT ON COLUMN kb_articles.helpful_count IS 'Ratings with is_helpful true';
COMMENT ON COLUMN kb_articles.not_helpful_count IS 'Ratings with is_helpful false';
COMMENT ON COLUMN kb_articles.avg_rating IS 'Mean of kb_article_ratings.rating, 1 to 5; NULL: none';
COMMENT ON COLUMN kb_articles.times_used_in_tickets IS 'Tickets with kb_article_used this';

CREATE TABLE kb_article_ratings (
    rating_id     VARCHAR(50) PRIMARY KEY,
    article_id    VARCHAR(50) NOT NULL,
    rating        INTEGER,
    is_helpful    BOOLEAN,
    feedback_text TEXT,
    rated_by      VARCHAR(50),
    rated_by_type VARCHAR(20),
    rated_at      TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE kb_article_ratings IS 'Reader feedback on articles';
COMMENT ON COLUMN kb_article_ratings.rating IS '1 to 5, 5 is best';
COMMENT ON COLUMN kb_article_ratings.rated_by IS 'Key in the table that rated_by_type names; NULL: anonymous';
COMMENT ON COLUMN kb_article_ratings.rated_by_type IS 'agent (service_agents), customer (portal_users)';

CREATE TABLE portal_users (
    portal_user_id      VARCHAR(50) PRIMARY KEY,
    account_id          VARCHAR(50) NOT NULL,
    contact_id          VARCHAR(50),
    username            VARCHAR(100) NOT NULL UNIQUE,
    email               VARCHAR(100) NOT NULL,
    password_hash       VARCHAR(255),
    password_salt       VARCHAR(100),
    user_status         VARCHAR(30) DEFAULT 'active',
    last_login_datetime TIMESTAMP,
    login_count         INTEGER DEFAULT 0,
    email_verified      BOOLEAN DEFAULT false,
    verification_token  VARCHAR(100),
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX portal_users_email_idx ON portal_users (email);
COMMENT ON TABLE portal_users IS 'Customer self-service logins';
COMMENT ON COLUMN portal_users.password_hash IS 'Never a password; of a slow hash';
COMMENT ON COLUMN portal_users.user_status IS 'active, inactive, locked, pending';
COMMENT ON COLUMN portal_users.last_login_datetime IS 'NULL: never';
COMMENT ON COLUMN portal_users.verification_token IS 'NULL once email_verified';

CREATE TABLE customer_surveys (
    survey_id     VARCHAR(50) PRIMARY KEY,
    survey_code   VARCHAR(50) NOT NULL UNIQUE,
    survey_name   VARCHAR(200) NOT NULL,
    survey_type   VARCHAR(30),
    trigger_event VARCHAR(50),
    questions     TEXT,
    survey_status VARCHAR(30) DEFAULT 'active',
    is_active     BOOLEAN DEFAULT true,
    created_at    TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE customer_surveys IS 'Survey templates';
COMMENT ON COLUMN customer_surveys.survey_type IS 'csat, nps, ces, general';
COMMENT ON COLUMN customer_surveys.trigger_event IS 'ticket_closed, appointment_completed, delivery, quarterly, manual';
COMMENT ON COLUMN customer_surveys.questions IS 'Separated by line breaks';
COMMENT ON COLUMN customer_surveys.survey_status IS 'draft, active, closed';

CREATE TABLE survey_responses (
    response_id      VARCHAR(50) PRIMARY KEY,
    survey_id        VARCHAR(50) NOT NULL,
    account_id       VARCHAR(50),
    contact_id       VARCHAR(50),
    ticket_id        VARCHAR(50),
    appointment_id   VARCHAR(50),
    csat_rating      INTEGER,
    nps_score        INTEGER,
    ces_score        INTEGER,
    responses        TEXT,
    general_feedback TEXT,
    sentiment        VARCHAR(20),
    sentiment_score  DECIMAL(5,2),
    responded_at     TIMESTAMP,
    created_at       TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX survey_responses_responded_at_idx ON survey_responses (responded_at);
COMMENT ON TABLE survey_responses IS 'Answers to surveys';
COMMENT ON COLUMN survey_responses.csat_rating IS '1 to 5, 5 is best; NULL unless the survey is csat';
COMMENT ON COLUMN survey_responses.nps_score IS '0 to 10: 9 and 10 promoters, 0 to 6 detractors; NULL unless nps';
COMMENT ON COLUMN survey_responses.ces_score IS 'Effort, 1 to 7, 7 is easiest; NULL unless ces';
COMMENT ON COLUMN survey_responses.sentiment IS 'positive, neutral, negative';
COMMENT ON COLUMN survey_responses.sentiment_score IS '-1 to 1';

CREATE TABLE customer_feedback (
    feedback_id     VARCHAR(50) PRIMARY KEY,
    account_id      VARCHAR(50) NOT NULL,
    contact_id      VARCHAR(50),
    feedback_type   VARCHAR(30),
    ticket_id       VARCHAR(50),
    product_name    VARCHAR(200),
    subject         VARCHAR(200),
    feedback_text   TEXT NOT NULL,
    overall_rating  INTEGER,
    feedback_status VARCHAR(30) DEFAULT 'submitted',
    response_text   TEXT,
    responded_by    VARCHAR(50),
    responded_at    TIMESTAMP,
    sentiment       VARCHAR(20),
    created_at      TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX customer_feedback_feedback_status_created_at_idx ON customer_feedback (feedback_status, created_at);
COMMENT ON TABLE customer_feedback IS 'Unsolicited customer opinions';
COMMENT ON COLUMN customer_feedback.feedback_type IS 'compliment, complaint, suggestion, question';
COMMENT ON COLUMN customer_feedback.overall_rating IS '1 to 5, 5 is best';
COMMENT ON COLUMN customer_feedback.feedback_status IS 'submitted, acknowledged, in_review, responded, closed';
COMMENT ON COLUMN customer_feedback.responded_at IS 'NULL until answered';
COMMENT ON COLUMN customer_feedback.sentiment IS 'positive, neutral, negative';
