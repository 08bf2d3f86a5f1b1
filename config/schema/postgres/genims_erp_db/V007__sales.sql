-- Sales orders with their lines, and what of them is still owed to the customer.
-- Customers are master data; quotations and opportunities are the CRM's.

CREATE TABLE sales_orders (
    sales_order_id          VARCHAR(50) PRIMARY KEY,
    sales_order_number      VARCHAR(50) NOT NULL UNIQUE,
    customer_id             VARCHAR(50) NOT NULL,
    order_date              DATE NOT NULL,
    order_type              VARCHAR(30),
    sales_organization      VARCHAR(10),
    distribution_channel    VARCHAR(10),
    division                VARCHAR(10),
    currency                VARCHAR(3) DEFAULT 'INR',
    total_net_value         DECIMAL(15,2),
    tax_amount              DECIMAL(15,2),
    freight_charges         DECIMAL(15,2),
    total_value             DECIMAL(15,2),
    payment_terms           VARCHAR(50),
    payment_method          VARCHAR(30),
    delivery_priority       VARCHAR(30) DEFAULT 'normal',
    requested_delivery_date DATE,
    confirmed_delivery_date DATE,
    incoterms               VARCHAR(20),
    ship_to_party           VARCHAR(50),
    shipping_address_id     VARCHAR(50),
    shipping_instructions   TEXT,
    order_status            VARCHAR(30) DEFAULT 'open',
    overall_delivery_status VARCHAR(30),
    overall_billing_status  VARCHAR(30),
    credit_check_status     VARCHAR(30),
    credit_limit_used       DECIMAL(15,2),
    customer_po_number      VARCHAR(50),
    quotation_number        VARCHAR(50),
    contract_number         VARCHAR(50),
    created_by              VARCHAR(50),
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX sales_orders_order_status_requested_delivery_date_idx ON sales_orders (order_status, requested_delivery_date);
CREATE INDEX sales_orders_customer_id_order_date_idx ON sales_orders (customer_id, order_date);
CREATE INDEX sales_orders_order_date_idx ON sales_orders (order_date);
COMMENT ON TABLE sales_orders IS 'Confirmed buyer orders';
COMMENT ON COLUMN sales_orders.sales_order_id IS 'SO-000001 ...';
COMMENT ON COLUMN sales_orders.order_type IS 'standard, rush, sample, return, consignment';
COMMENT ON COLUMN sales_orders.sales_organization IS 'Code of the selling organisation';
COMMENT ON COLUMN sales_orders.distribution_channel IS 'direct, dealer, online or export, as a code';
COMMENT ON COLUMN sales_orders.division IS 'Product division code';
COMMENT ON COLUMN sales_orders.total_net_value IS 'Sum of net_price of the lines';
COMMENT ON COLUMN sales_orders.tax_amount IS 'Sum of tax_amount of the lines';
COMMENT ON COLUMN sales_orders.total_value IS 'total_net_value + tax_amount + freight_charges';
COMMENT ON COLUMN sales_orders.payment_terms IS 'Code of payment_terms: NET30, NET45, NET60 ...';
COMMENT ON COLUMN sales_orders.payment_method IS 'bank_transfer, letter_of_credit, cheque, card';
COMMENT ON COLUMN sales_orders.delivery_priority IS 'low, normal, high, urgent';
COMMENT ON COLUMN sales_orders.confirmed_delivery_date IS 'Promise to the customer; latest of the lines; NULL: not confirmed';
COMMENT ON COLUMN sales_orders.incoterms IS 'Code of incoterms';
COMMENT ON COLUMN sales_orders.ship_to_party IS 'Customer that gets the goods; NULL: customer_id';
COMMENT ON COLUMN sales_orders.shipping_address_id IS 'Key of the address in the address book; NULL: the customer''s own';
COMMENT ON COLUMN sales_orders.order_status IS 'open, confirmed, in_production, partially_shipped, shipped, completed, on_hold, cancelled';
COMMENT ON COLUMN sales_orders.overall_delivery_status IS 'not_delivered, partially_delivered, delivered';
COMMENT ON COLUMN sales_orders.overall_billing_status IS 'not_billed, partially_billed, billed';
COMMENT ON COLUMN sales_orders.credit_check_status IS 'not_checked, approved, blocked, released';
COMMENT ON COLUMN sales_orders.credit_limit_used IS 'Exposure of the customer after this order, in currency';
COMMENT ON COLUMN sales_orders.customer_po_number IS 'Number of the customer''s own order';
COMMENT ON COLUMN sales_orders.quotation_number IS 'NULL: no quotation';
COMMENT ON COLUMN sales_orders.contract_number IS 'NULL: no contract';

CREATE TABLE sales_order_lines (
    sales_order_line_id     VARCHAR(50) PRIMARY KEY,
    sales_order_id          VARCHAR(50) NOT NULL,
    line_number             INTEGER NOT NULL,
    material_id             VARCHAR(50) NOT NULL,
    product_id              VARCHAR(50),
    material_description    VARCHAR(200),
    order_quantity          DECIMAL(15,4) NOT NULL,
    unit_of_measure         VARCHAR(20) NOT NULL,
    delivered_quantity      DECIMAL(15,4) DEFAULT 0,
    invoiced_quantity       DECIMAL(15,4) DEFAULT 0,
    unit_price              DECIMAL(12,4) NOT NULL,
    discount_percentage     DECIMAL(5,2) DEFAULT 0,
    net_price               DECIMAL(15,2),
    tax_code                VARCHAR(20),
    tax_amount              DECIMAL(15,2),
    requested_delivery_date DATE,
    confirmed_delivery_date DATE,
    plant_id                VARCHAR(50),
    atp_date                DATE,
    atp_quantity            DECIMAL(15,4),
    make_to_order           BOOLEAN DEFAULT false,
    production_order_id     VARCHAR(50),
    item_category           VARCHAR(10),
    line_status             VARCHAR(30) DEFAULT 'open',
    rejection_reason        VARCHAR(100),
    deletion_indicator      BOOLEAN DEFAULT false,
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE sales_order_lines IS 'Item lines of a buyer order';
COMMENT ON COLUMN sales_order_lines.line_number IS '10, 20, 30 ...';
COMMENT ON COLUMN sales_order_lines.product_id IS 'Product that the material is';
COMMENT ON COLUMN sales_order_lines.delivered_quantity IS 'Shipped so far; not above order_quantity';
COMMENT ON COLUMN sales_order_lines.invoiced_quantity IS 'On customer invoices so far; not above delivered_quantity, down payments aside';
COMMENT ON COLUMN sales_order_lines.unit_price IS 'For one unit_of_measure, in the currency of the order, before discount';
COMMENT ON COLUMN sales_order_lines.discount_percentage IS 'Of the line';
COMMENT ON COLUMN sales_order_lines.net_price IS 'order_quantity * unit_price * (1 - discount_percentage / 100): value of the line without tax';
COMMENT ON COLUMN sales_order_lines.tax_code IS 'Code of tax_codes';
COMMENT ON COLUMN sales_order_lines.tax_amount IS 'net_price * rate of tax_code / 100';
COMMENT ON COLUMN sales_order_lines.plant_id IS 'Plant that delivers';
COMMENT ON COLUMN sales_order_lines.atp_date IS 'Day on which atp_quantity is available to promise';
COMMENT ON COLUMN sales_order_lines.atp_quantity IS 'Quantity that stock and planned receipts cover on atp_date';
COMMENT ON COLUMN sales_order_lines.make_to_order IS 'Made for this line by production_order_id, not taken from stock';
COMMENT ON COLUMN sales_order_lines.production_order_id IS 'NULL: from stock, or not planned yet';
COMMENT ON COLUMN sales_order_lines.item_category IS 'TAN standard, TAK made to order, TANN free of charge, REN return';
COMMENT ON COLUMN sales_order_lines.line_status IS 'open, confirmed, partially_delivered, delivered, invoiced, cancelled';
COMMENT ON COLUMN sales_order_lines.rejection_reason IS 'Why the line was cancelled; NULL: it was not';
COMMENT ON COLUMN sales_order_lines.deletion_indicator IS 'Line no longer counts';

CREATE TABLE backorders (
    backorder_id          VARCHAR(50) PRIMARY KEY,
    backorder_number      VARCHAR(50) NOT NULL UNIQUE,
    sales_order_id        VARCHAR(50) NOT NULL,
    sales_order_line_id   VARCHAR(50) NOT NULL,
    customer_id           VARCHAR(50) NOT NULL,
    material_id           VARCHAR(50) NOT NULL,
    plant_id              VARCHAR(50) NOT NULL,
    backorder_date        DATE NOT NULL,
    backorder_quantity    DECIMAL(15,4) NOT NULL,
    filled_quantity       DECIMAL(15,4) NOT NULL DEFAULT 0,
    unit_of_measure       VARCHAR(20) NOT NULL,
    backorder_value       DECIMAL(15,2) NOT NULL,
    currency              VARCHAR(3) NOT NULL DEFAULT 'INR',
    reason_code           VARCHAR(30) NOT NULL,
    priority              VARCHAR(30) NOT NULL DEFAULT 'normal',
    original_promise_date DATE NOT NULL,
    current_promise_date  DATE,
    reschedule_count      INTEGER NOT NULL DEFAULT 0,
    production_order_id   VARCHAR(50),
    purchase_order_id     VARCHAR(50),
    customer_notified_at  TIMESTAMP,
    filled_date           DATE,
    status                VARCHAR(30) NOT NULL DEFAULT 'open',
    created_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at            TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (backorder_quantity > 0 AND filled_quantity BETWEEN 0 AND backorder_quantity),
    CHECK (backorder_value >= 0 AND reschedule_count >= 0),
    CHECK (reason_code IN ('material_shortage', 'capacity', 'quality_hold', 'machine_breakdown', 'late_supplier', 'credit_hold', 'transport')),
    CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    CHECK (status IN ('open', 'partially_filled', 'filled', 'cancelled')),
    CHECK (status <> 'filled' OR (filled_quantity = backorder_quantity AND filled_date IS NOT NULL)),
    CHECK (filled_date >= backorder_date)
);
CREATE INDEX backorders_status_current_promise_date_idx ON backorders (status, current_promise_date);
COMMENT ON TABLE backorders IS 'Unfilled order quantities and promise dates';
COMMENT ON COLUMN backorders.customer_id IS 'Customer of the order';
COMMENT ON COLUMN backorders.material_id IS 'Material of the line';
COMMENT ON COLUMN backorders.plant_id IS 'Plant that owes the quantity';
COMMENT ON COLUMN backorders.backorder_date IS 'Day the shortage showed';
COMMENT ON COLUMN backorders.backorder_quantity IS 'Part of the line''s order_quantity that could not be delivered on time';
COMMENT ON COLUMN backorders.filled_quantity IS 'Delivered of it since; open = backorder_quantity - filled_quantity';
COMMENT ON COLUMN backorders.backorder_value IS '(backorder_quantity - filled_quantity) * net price of one unit';
COMMENT ON COLUMN backorders.reason_code IS 'material_shortage, capacity, quality_hold, machine_breakdown, late_supplier, credit_hold, transport';
COMMENT ON COLUMN backorders.priority IS 'low, normal, high, urgent';
COMMENT ON COLUMN backorders.original_promise_date IS 'confirmed_delivery_date of the line when the shortage showed';
COMMENT ON COLUMN backorders.current_promise_date IS 'NULL: no new date yet';
COMMENT ON COLUMN backorders.reschedule_count IS 'How often the promise moved';
COMMENT ON COLUMN backorders.production_order_id IS 'Production that will fill it';
COMMENT ON COLUMN backorders.purchase_order_id IS 'Purchase that will fill it';
COMMENT ON COLUMN backorders.customer_notified_at IS 'NULL: customer not told yet';
COMMENT ON COLUMN backorders.filled_date IS 'Day the last quantity left; NULL: still open';
COMMENT ON COLUMN backorders.status IS 'open, partially_filled, filled, cancelled';
