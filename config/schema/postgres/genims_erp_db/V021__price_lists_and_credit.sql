-- What a buyer pays and how much may be owed: price lists, their items and credit limits.
-- Foreign keys of these tables are in V051.

CREATE TABLE price_lists (
    price_list_id      VARCHAR(50) PRIMARY KEY,
    price_list_code    VARCHAR(50) NOT NULL,
    price_list_name    VARCHAR(200) NOT NULL,
    price_list_type    VARCHAR(30) NOT NULL DEFAULT 'standard' CHECK (price_list_type IN ('standard', 'customer', 'promotion', 'intercompany')),
    currency           VARCHAR(3) NOT NULL DEFAULT 'INR',
    customer_id        VARCHAR(50),
    region             VARCHAR(100),
    sales_organization VARCHAR(10),
    version_number     INTEGER NOT NULL DEFAULT 1 CHECK (version_number > 0),
    price_includes_tax BOOLEAN NOT NULL DEFAULT false,
    priority           INTEGER NOT NULL DEFAULT 10 CHECK (priority > 0),
    payment_term_id    VARCHAR(50),
    valid_from         DATE NOT NULL,
    valid_to           DATE,
    status             VARCHAR(30) NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'active', 'expired', 'withdrawn')),
    approved_by        VARCHAR(50),
    approved_date      DATE,
    description        TEXT,
    created_by         VARCHAR(50),
    created_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (price_list_code, version_number),
    CHECK (valid_to >= valid_from),
    CHECK (price_list_type <> 'customer' OR customer_id IS NOT NULL),
    CHECK (status <> 'active' OR approved_date IS NOT NULL)
);
CREATE INDEX price_lists_status_idx ON price_lists (status, valid_from);
COMMENT ON TABLE price_lists IS 'Selling price list headers by currency and validity';
COMMENT ON COLUMN price_lists.price_list_id IS 'PL-...';
COMMENT ON COLUMN price_lists.price_list_code IS 'Stays the same over its versions';
COMMENT ON COLUMN price_lists.price_list_type IS 'standard, customer, promotion, intercompany';
COMMENT ON COLUMN price_lists.customer_id IS 'Buyer it was agreed with; NULL for lists open to all';
COMMENT ON COLUMN price_lists.region IS 'As in genims_master_db.customers.region; NULL everywhere';
COMMENT ON COLUMN price_lists.version_number IS 'From 1; a new version replaces the one before';
COMMENT ON COLUMN price_lists.priority IS 'The lowest number wins when several lists fit';
COMMENT ON COLUMN price_lists.payment_term_id IS 'Terms the prices assume; NULL any';
COMMENT ON COLUMN price_lists.valid_to IS 'Last day of validity; NULL without end';
COMMENT ON COLUMN price_lists.approved_date IS 'NULL until approved';

CREATE TABLE price_list_items (
    price_list_item_id  VARCHAR(50) PRIMARY KEY,
    price_list_id       VARCHAR(50) NOT NULL,
    line_number         INTEGER NOT NULL CHECK (line_number > 0),
    material_id         VARCHAR(50) NOT NULL,
    product_id          VARCHAR(50),
    minimum_quantity    DECIMAL(15,4) NOT NULL DEFAULT 1 CHECK (minimum_quantity > 0),
    unit_of_measure     VARCHAR(20) NOT NULL,
    unit_price          DECIMAL(15,4) NOT NULL CHECK (unit_price >= 0),
    price_unit          DECIMAL(15,4) NOT NULL DEFAULT 1 CHECK (price_unit > 0),
    currency            VARCHAR(3) NOT NULL DEFAULT 'INR',
    discount_percentage DECIMAL(5,2) NOT NULL DEFAULT 0 CHECK (discount_percentage BETWEEN 0 AND 100),
    floor_price         DECIMAL(15,4) CHECK (floor_price >= 0),
    tax_code_id         VARCHAR(50),
    valid_from          DATE NOT NULL,
    valid_to            DATE,
    status              VARCHAR(30) NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive')),
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (price_list_id, line_number),
    UNIQUE (price_list_id, material_id, minimum_quantity, valid_from),
    CHECK (floor_price <= unit_price),
    CHECK (valid_to >= valid_from)
);
COMMENT ON TABLE price_list_items IS 'Product prices within a list, in steps by ordered quantity';
COMMENT ON COLUMN price_list_items.minimum_quantity IS 'Price holds from this ordered quantity on, up to the next step of the material';
COMMENT ON COLUMN price_list_items.unit_price IS 'Price of price_unit units, in the currency of the list';
COMMENT ON COLUMN price_list_items.price_unit IS 'Number of units that unit_price buys, usually 1';
COMMENT ON COLUMN price_list_items.currency IS 'Same as price_lists.currency';
COMMENT ON COLUMN price_list_items.discount_percentage IS 'net unit price = unit_price / price_unit * (1 - discount_percentage / 100)';
COMMENT ON COLUMN price_list_items.floor_price IS 'Lowest price a seller may grant, per price_unit; NULL no floor';
COMMENT ON COLUMN price_list_items.valid_to IS 'NULL: as long as the list';

CREATE TABLE customer_credit_limits (
    customer_credit_limit_id VARCHAR(50) PRIMARY KEY,
    customer_id              VARCHAR(50) NOT NULL,
    company_id               VARCHAR(50) NOT NULL,
    currency                 VARCHAR(3) NOT NULL DEFAULT 'INR',
    credit_limit             DECIMAL(15,2) NOT NULL CHECK (credit_limit >= 0),
    open_orders_amount       DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (open_orders_amount >= 0),
    open_invoices_amount     DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (open_invoices_amount >= 0),
    overdue_amount           DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (overdue_amount >= 0),
    exposure_amount          DECIMAL(15,2) NOT NULL DEFAULT 0,
    available_amount         DECIMAL(15,2) NOT NULL,
    utilization_percentage   DECIMAL(9,2),
    insured_amount           DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (insured_amount >= 0),
    risk_class               VARCHAR(30) NOT NULL DEFAULT 'medium' CHECK (risk_class IN ('low', 'medium', 'high', 'new_customer')),
    external_rating          VARCHAR(20),
    check_rule               VARCHAR(30) NOT NULL DEFAULT 'block' CHECK (check_rule IN ('none', 'warn', 'block')),
    is_blocked               BOOLEAN NOT NULL DEFAULT false,
    block_reason             VARCHAR(30) CHECK (block_reason IN ('limit_exceeded', 'overdue', 'dispute', 'insolvency', 'manual')),
    valid_from               DATE NOT NULL,
    valid_to                 DATE,
    last_review_date         DATE,
    next_review_date         DATE,
    approved_by              VARCHAR(50),
    calculated_at            TIMESTAMP,
    created_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at               TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (customer_id, company_id, valid_from),
    CHECK (valid_to >= valid_from),
    CHECK (next_review_date > last_review_date),
    CHECK (exposure_amount = open_orders_amount + open_invoices_amount),
    CHECK (available_amount = credit_limit - exposure_amount),
    CHECK (overdue_amount <= open_invoices_amount),
    CHECK (is_blocked = (block_reason IS NOT NULL))
);
CREATE INDEX customer_credit_limits_blocked_idx ON customer_credit_limits (is_blocked, next_review_date);
COMMENT ON TABLE customer_credit_limits IS 'Exposure ceiling and usage per buyer and selling company';
COMMENT ON COLUMN customer_credit_limits.customer_credit_limit_id IS 'CCL-...';
COMMENT ON COLUMN customer_credit_limits.open_orders_amount IS 'Confirmed orders not yet invoiced';
COMMENT ON COLUMN customer_credit_limits.open_invoices_amount IS 'Invoices not yet paid';
COMMENT ON COLUMN customer_credit_limits.overdue_amount IS 'Part of open_invoices_amount past its due date';
COMMENT ON COLUMN customer_credit_limits.exposure_amount IS 'exposure_amount = open_orders_amount + open_invoices_amount';
COMMENT ON COLUMN customer_credit_limits.available_amount IS 'available_amount = credit_limit - exposure_amount; negative when exceeded';
COMMENT ON COLUMN customer_credit_limits.utilization_percentage IS 'utilization_percentage = exposure_amount / credit_limit * 100; NULL for a limit of 0';
COMMENT ON COLUMN customer_credit_limits.insured_amount IS 'Part of the exposure that a credit insurer covers';
COMMENT ON COLUMN customer_credit_limits.check_rule IS 'What happens to an order beyond the limit: none, warn, block';
COMMENT ON COLUMN customer_credit_limits.block_reason IS 'limit_exceeded, overdue, dispute, insolvency, manual; NULL when not blocked';
COMMENT ON COLUMN customer_credit_limits.valid_to IS 'NULL for the limit in force';
COMMENT ON COLUMN customer_credit_limits.calculated_at IS 'When the open amounts were last summed';
