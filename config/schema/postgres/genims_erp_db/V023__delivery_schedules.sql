-- Deliveries agreed over time: split dates of an order line, long-term agreements and their call-offs.
-- Foreign keys of these tables are in V051.

CREATE TABLE purchase_order_schedule_lines (
    purchase_order_schedule_line_id VARCHAR(50) PRIMARY KEY,
    po_line_id                      VARCHAR(50) NOT NULL,
    schedule_line_number            INTEGER NOT NULL CHECK (schedule_line_number > 0),
    delivery_date                   DATE NOT NULL,
    scheduled_quantity              DECIMAL(15,4) NOT NULL CHECK (scheduled_quantity > 0),
    unit_of_measure                 VARCHAR(20) NOT NULL,
    confirmed_date                  DATE,
    confirmed_quantity              DECIMAL(15,4) CHECK (confirmed_quantity >= 0),
    received_quantity               DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (received_quantity >= 0),
    open_quantity                   DECIMAL(15,4) NOT NULL CHECK (open_quantity >= 0),
    last_receipt_date               DATE,
    days_late                       INTEGER,
    plant_id                        VARCHAR(50),
    agreement_release_id            VARCHAR(50),
    reminder_count                  INTEGER NOT NULL DEFAULT 0 CHECK (reminder_count >= 0),
    status                          VARCHAR(30) NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'confirmed', 'partially_received', 'received', 'cancelled')),
    created_at                      TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                      TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (po_line_id, schedule_line_number)
);
CREATE INDEX purchase_order_schedule_lines_status_idx ON purchase_order_schedule_lines (status, delivery_date);
COMMENT ON TABLE purchase_order_schedule_lines IS 'Split delivery dates of a vendor order line; the quantities sum to order_quantity of the line';
COMMENT ON COLUMN purchase_order_schedule_lines.schedule_line_number IS 'Position within the order line, from 1';
COMMENT ON COLUMN purchase_order_schedule_lines.confirmed_date IS 'Date the supplier confirmed; NULL until confirmed';
COMMENT ON COLUMN purchase_order_schedule_lines.confirmed_quantity IS 'Quantity the supplier confirmed; NULL until confirmed';
COMMENT ON COLUMN purchase_order_schedule_lines.open_quantity IS 'open_quantity = scheduled_quantity - received_quantity, at least 0; 0 when cancelled';
COMMENT ON COLUMN purchase_order_schedule_lines.last_receipt_date IS 'NULL before the first receipt';
COMMENT ON COLUMN purchase_order_schedule_lines.days_late IS 'days_late = last_receipt_date - delivery_date; negative is early, NULL before the first receipt';
COMMENT ON COLUMN purchase_order_schedule_lines.agreement_release_id IS 'Call-off behind it; NULL for plain orders';

CREATE TABLE scheduling_agreements (
    scheduling_agreement_id VARCHAR(50) PRIMARY KEY,
    agreement_number        VARCHAR(50) NOT NULL UNIQUE,
    agreement_type          VARCHAR(30) NOT NULL CHECK (agreement_type IN ('purchase', 'sales')),
    supplier_id             VARCHAR(50),
    customer_id             VARCHAR(50),
    supplier_contract_id    VARCHAR(50),
    material_id             VARCHAR(50) NOT NULL,
    plant_id                VARCHAR(50) NOT NULL,
    agreement_date          DATE NOT NULL,
    valid_from              DATE NOT NULL,
    valid_to                DATE NOT NULL,
    target_quantity         DECIMAL(15,4) NOT NULL CHECK (target_quantity > 0),
    released_quantity       DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (released_quantity >= 0),
    delivered_quantity      DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (delivered_quantity >= 0),
    unit_of_measure         VARCHAR(20) NOT NULL,
    unit_price              DECIMAL(15,4) NOT NULL CHECK (unit_price >= 0),
    currency                VARCHAR(3) NOT NULL DEFAULT 'INR',
    target_value            DECIMAL(15,2) NOT NULL CHECK (target_value >= 0),
    payment_term_id         VARCHAR(50),
    tax_code_id             VARCHAR(50),
    incoterms               VARCHAR(20),
    release_frequency       VARCHAR(30) NOT NULL DEFAULT 'weekly' CHECK (release_frequency IN ('daily', 'weekly', 'biweekly', 'monthly')),
    firm_zone_days          INTEGER NOT NULL DEFAULT 14 CHECK (firm_zone_days >= 0),
    trade_off_zone_days     INTEGER NOT NULL DEFAULT 28,
    rounding_quantity       DECIMAL(15,4) CHECK (rounding_quantity > 0),
    status                  VARCHAR(30) NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'active', 'suspended', 'fulfilled', 'expired', 'cancelled')),
    responsible_employee_id VARCHAR(50),
    approved_by             VARCHAR(50),
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (valid_to > valid_from),
    CHECK (trade_off_zone_days >= firm_zone_days),
    CHECK ((agreement_type = 'purchase') = (supplier_id IS NOT NULL)),
    CHECK ((agreement_type = 'sales') = (customer_id IS NOT NULL))
);
CREATE INDEX scheduling_agreements_status_idx ON scheduling_agreements (status, valid_to);
COMMENT ON TABLE scheduling_agreements IS 'Long-term call-off contracts with vendors or customers, for one material each';
COMMENT ON COLUMN scheduling_agreements.scheduling_agreement_id IS 'SA-...';
COMMENT ON COLUMN scheduling_agreements.agreement_type IS 'purchase (we call off), sales (the customer calls off)';
COMMENT ON COLUMN scheduling_agreements.supplier_id IS 'Set for purchase only';
COMMENT ON COLUMN scheduling_agreements.customer_id IS 'Set for sales only';
COMMENT ON COLUMN scheduling_agreements.supplier_contract_id IS 'Frame contract of the purchasing module; NULL if none';
COMMENT ON COLUMN scheduling_agreements.released_quantity IS 'Sum of released quantities called off so far';
COMMENT ON COLUMN scheduling_agreements.delivered_quantity IS 'Sum of delivered quantities of the releases';
COMMENT ON COLUMN scheduling_agreements.target_value IS 'target_value = target_quantity * unit_price';
COMMENT ON COLUMN scheduling_agreements.firm_zone_days IS 'Call-offs due within so many days are binding in quantity and date';
COMMENT ON COLUMN scheduling_agreements.trade_off_zone_days IS 'Up to here material is bound, finished goods are not; beyond is forecast';
COMMENT ON COLUMN scheduling_agreements.rounding_quantity IS 'Call-offs are multiples of it: a pallet or box; NULL none';

CREATE TABLE scheduling_agreement_releases (
    scheduling_agreement_release_id VARCHAR(50) PRIMARY KEY,
    scheduling_agreement_id         VARCHAR(50) NOT NULL,
    release_number                  INTEGER NOT NULL CHECK (release_number > 0),
    schedule_line_number            INTEGER NOT NULL CHECK (schedule_line_number > 0),
    release_type                    VARCHAR(30) NOT NULL CHECK (release_type IN ('forecast', 'just_in_time')),
    commitment_level                VARCHAR(30) NOT NULL CHECK (commitment_level IN ('firm', 'trade_off', 'forecast')),
    release_date                    DATE NOT NULL,
    delivery_date                   DATE NOT NULL,
    released_quantity               DECIMAL(15,4) NOT NULL CHECK (released_quantity > 0),
    cumulative_released_quantity    DECIMAL(15,4) NOT NULL CHECK (cumulative_released_quantity > 0),
    delivered_quantity              DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (delivered_quantity >= 0),
    cumulative_delivered_quantity   DECIMAL(15,4) NOT NULL DEFAULT 0 CHECK (cumulative_delivered_quantity >= 0),
    unit_of_measure                 VARCHAR(20) NOT NULL,
    sales_order_id                  VARCHAR(50),
    purchase_order_id               VARCHAR(50),
    transmitted_at                  TIMESTAMP,
    acknowledged_at                 TIMESTAMP,
    status                          VARCHAR(30) NOT NULL DEFAULT 'created' CHECK (status IN ('created', 'transmitted', 'acknowledged', 'partially_delivered', 'delivered', 'superseded', 'cancelled')),
    created_by                      VARCHAR(50),
    created_at                      TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                      TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (scheduling_agreement_id, release_number, schedule_line_number),
    CHECK (delivery_date >= release_date),
    CHECK (acknowledged_at >= transmitted_at),
    CHECK (cumulative_released_quantity >= released_quantity)
);
CREATE INDEX scheduling_agreement_releases_status_idx ON scheduling_agreement_releases (status, delivery_date);
COMMENT ON TABLE scheduling_agreement_releases IS 'Call-off quantities and dates under an agreement; one row per delivery date of a release';
COMMENT ON COLUMN scheduling_agreement_releases.release_number IS 'From 1 within the agreement; a later release supersedes open rows of earlier ones';
COMMENT ON COLUMN scheduling_agreement_releases.release_type IS 'forecast, just_in_time';
COMMENT ON COLUMN scheduling_agreement_releases.commitment_level IS 'firm, trade_off (material only), forecast: by how far delivery_date lies ahead';
COMMENT ON COLUMN scheduling_agreement_releases.cumulative_released_quantity IS 'Sum of released_quantity over the rows up to this one, superseded and cancelled ones left out';
COMMENT ON COLUMN scheduling_agreement_releases.cumulative_delivered_quantity IS 'Sum of delivered_quantity over the rows up to this one';
COMMENT ON COLUMN scheduling_agreement_releases.sales_order_id IS 'Order that fulfils it when a customer calls off; NULL otherwise';
COMMENT ON COLUMN scheduling_agreement_releases.purchase_order_id IS 'Order sent when we call off; NULL otherwise';
COMMENT ON COLUMN scheduling_agreement_releases.transmitted_at IS 'NULL until sent or received electronically';
