-- Suppliers and approved sources, purchase requisitions and purchase orders with their lines.
-- Amounts are in the currency of the document.

CREATE TABLE suppliers (
    supplier_id                 VARCHAR(50) PRIMARY KEY,
    supplier_code               VARCHAR(50) NOT NULL UNIQUE,
    supplier_name               VARCHAR(200) NOT NULL,
    contact_person              VARCHAR(100),
    email                       VARCHAR(100),
    phone                       VARCHAR(50),
    address_line1               VARCHAR(200),
    address_line2               VARCHAR(200),
    city                        VARCHAR(100),
    state                       VARCHAR(100),
    country                     VARCHAR(50),
    postal_code                 VARCHAR(20),
    tax_id                      VARCHAR(50),
    currency                    VARCHAR(3) DEFAULT 'INR',
    payment_terms               VARCHAR(50),
    on_time_delivery_percentage DECIMAL(5,2),
    quality_rating              DECIMAL(5,2),
    total_orders_count          INTEGER DEFAULT 0,
    total_purchase_value        DECIMAL(15,2) DEFAULT 0,
    supplier_type               VARCHAR(50),
    certification_status        VARCHAR(100),
    supplier_status             VARCHAR(30) DEFAULT 'active',
    blocked_for_orders          BOOLEAN DEFAULT false,
    created_by                  VARCHAR(50),
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE suppliers IS 'Vendor commercial view: terms, ratings, blocks; same keys as genims_master_db.suppliers';
COMMENT ON COLUMN suppliers.supplier_id IS 'SUP-0001 ...; same key as genims_master_db.suppliers';
COMMENT ON COLUMN suppliers.tax_id IS 'GSTIN in India, VAT number elsewhere';
COMMENT ON COLUMN suppliers.currency IS 'Currency of its orders';
COMMENT ON COLUMN suppliers.payment_terms IS 'Code of payment_terms: NET30, NET45, NET60 ...';
COMMENT ON COLUMN suppliers.on_time_delivery_percentage IS 'Receipts not later than the delivery date of the line, last 12 months';
COMMENT ON COLUMN suppliers.quality_rating IS '0 to 100; 100: no rejected receipt in the last 12 months';
COMMENT ON COLUMN suppliers.total_orders_count IS 'Purchase orders ever released';
COMMENT ON COLUMN suppliers.total_purchase_value IS 'Their total_value, INR';
COMMENT ON COLUMN suppliers.supplier_type IS 'manufacturer, distributor, service_provider, subcontractor';
COMMENT ON COLUMN suppliers.certification_status IS 'Standards held, separated by commas: ISO 9001, IATF 16949';
COMMENT ON COLUMN suppliers.supplier_status IS 'active, blocked, inactive';

CREATE TABLE material_suppliers (
    material_supplier_id      VARCHAR(50) PRIMARY KEY,
    material_id               VARCHAR(50) NOT NULL,
    supplier_id               VARCHAR(50) NOT NULL,
    plant_id                  VARCHAR(50),
    supplier_material_number  VARCHAR(100),
    source_rank               INTEGER NOT NULL DEFAULT 1,
    is_preferred              BOOLEAN NOT NULL DEFAULT false,
    quota_percentage          DECIMAL(5,2),
    unit_price                DECIMAL(15,4) NOT NULL,
    price_quantity            DECIMAL(15,4) NOT NULL DEFAULT 1,
    currency                  VARCHAR(3) NOT NULL DEFAULT 'INR',
    unit_of_measure           VARCHAR(20) NOT NULL,
    base_units_per_order_unit DECIMAL(15,6) NOT NULL DEFAULT 1,
    minimum_order_quantity    DECIMAL(15,4),
    order_multiple            DECIMAL(15,4),
    lead_time_days            INTEGER NOT NULL,
    incoterm_id               VARCHAR(50),
    contract_id               VARCHAR(50),
    approval_status           VARCHAR(30) NOT NULL DEFAULT 'pending',
    approved_by               VARCHAR(50),
    approved_date             DATE,
    last_purchase_date        DATE,
    blocked                   BOOLEAN NOT NULL DEFAULT false,
    valid_from                DATE NOT NULL,
    valid_to                  DATE,
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE NULLS NOT DISTINCT (material_id, supplier_id, plant_id, valid_from),
    CHECK (approval_status IN ('pending', 'approved', 'conditional', 'rejected')),
    CHECK (source_rank >= 1),
    CHECK (quota_percentage BETWEEN 0 AND 100),
    CHECK (unit_price >= 0 AND price_quantity > 0 AND base_units_per_order_unit > 0),
    CHECK (minimum_order_quantity >= 0 AND order_multiple > 0),
    CHECK (lead_time_days >= 0),
    CHECK (approval_status <> 'approved' OR approved_date IS NOT NULL),
    CHECK (valid_to >= valid_from)
);
COMMENT ON TABLE material_suppliers IS 'Approved vendor sources per material with price, lead time and share';
COMMENT ON COLUMN material_suppliers.plant_id IS 'NULL: source of every plant';
COMMENT ON COLUMN material_suppliers.supplier_material_number IS 'What the supplier calls the material';
COMMENT ON COLUMN material_suppliers.source_rank IS '1 is asked first';
COMMENT ON COLUMN material_suppliers.is_preferred IS 'Taken by planning without asking';
COMMENT ON COLUMN material_suppliers.quota_percentage IS 'Share of the demand it shall get; NULL: no quota; the quotas of a material add up to 100';
COMMENT ON COLUMN material_suppliers.unit_price IS 'For price_quantity order units, in currency';
COMMENT ON COLUMN material_suppliers.price_quantity IS 'Quantity that unit_price is for';
COMMENT ON COLUMN material_suppliers.unit_of_measure IS 'Order unit';
COMMENT ON COLUMN material_suppliers.base_units_per_order_unit IS 'Quantity in base units = order quantity * this factor';
COMMENT ON COLUMN material_suppliers.minimum_order_quantity IS 'Order units';
COMMENT ON COLUMN material_suppliers.order_multiple IS 'Order units';
COMMENT ON COLUMN material_suppliers.lead_time_days IS 'Order to receipt, calendar days';
COMMENT ON COLUMN material_suppliers.incoterm_id IS 'Agreed trade term';
COMMENT ON COLUMN material_suppliers.contract_id IS 'Contract that fixes the price; NULL: spot price';
COMMENT ON COLUMN material_suppliers.approval_status IS 'pending, approved, conditional, rejected';
COMMENT ON COLUMN material_suppliers.last_purchase_date IS 'NULL: never bought from here';
COMMENT ON COLUMN material_suppliers.blocked IS 'Planning and buyers skip it';
COMMENT ON COLUMN material_suppliers.valid_to IS 'NULL: open end';

CREATE TABLE purchase_requisitions (
    requisition_id     VARCHAR(50) PRIMARY KEY,
    requisition_number VARCHAR(50) NOT NULL UNIQUE,
    requisition_type   VARCHAR(30),
    requisition_date   DATE NOT NULL,
    required_date      DATE NOT NULL,
    requester_id       VARCHAR(50),
    cost_center_id     VARCHAR(50),
    plant_id           VARCHAR(50),
    priority           VARCHAR(30) DEFAULT 'normal',
    approval_status    VARCHAR(30) DEFAULT 'pending',
    approved_by        VARCHAR(50),
    approved_at        TIMESTAMP,
    source_type        VARCHAR(50),
    source_document    VARCHAR(50),
    overall_status     VARCHAR(30) DEFAULT 'open',
    remarks            TEXT,
    created_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX purchase_requisitions_overall_status_required_date_idx ON purchase_requisitions (overall_status, required_date);
COMMENT ON TABLE purchase_requisitions IS 'Demand of planning, stock or a requester awaiting purchase';
COMMENT ON COLUMN purchase_requisitions.requisition_id IS 'REQ-000001 ...; the supplier portal keeps its own requisitions';
COMMENT ON COLUMN purchase_requisitions.requisition_type IS 'standard, subcontracting, consignment, service, capital';
COMMENT ON COLUMN purchase_requisitions.required_date IS 'Goods needed in the plant; earliest delivery_date of the lines';
COMMENT ON COLUMN purchase_requisitions.requester_id IS 'NULL: raised by a planning run';
COMMENT ON COLUMN purchase_requisitions.priority IS 'low, normal, high, urgent';
COMMENT ON COLUMN purchase_requisitions.approval_status IS 'pending, approved, rejected';
COMMENT ON COLUMN purchase_requisitions.source_type IS 'mrp, manual, reorder_point, production_order, maintenance';
COMMENT ON COLUMN purchase_requisitions.source_document IS 'Number of what raised it: run_number, production_order_number ...; NULL: manual';
COMMENT ON COLUMN purchase_requisitions.overall_status IS 'open, partially_ordered, ordered, closed, cancelled';

CREATE TABLE purchase_requisition_lines (
    requisition_line_id  VARCHAR(50) PRIMARY KEY,
    requisition_id       VARCHAR(50) NOT NULL,
    line_number          INTEGER NOT NULL,
    material_id          VARCHAR(50) NOT NULL,
    material_description VARCHAR(200),
    quantity             DECIMAL(15,4) NOT NULL,
    unit_of_measure      VARCHAR(20) NOT NULL,
    delivery_date        DATE NOT NULL,
    delivery_location    VARCHAR(100),
    estimated_price      DECIMAL(12,4),
    estimated_total      DECIMAL(15,2),
    assigned_to_po       VARCHAR(50),
    assigned_quantity    DECIMAL(15,4) DEFAULT 0,
    gl_account           VARCHAR(20),
    cost_center_id       VARCHAR(50),
    line_status          VARCHAR(30) DEFAULT 'open',
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE purchase_requisition_lines IS 'Item lines of a purchase demand';
COMMENT ON COLUMN purchase_requisition_lines.line_number IS '10, 20, 30 ...';
COMMENT ON COLUMN purchase_requisition_lines.delivery_location IS 'location_code of inventory_locations in the plant of the header';
COMMENT ON COLUMN purchase_requisition_lines.estimated_price IS 'For one unit, INR';
COMMENT ON COLUMN purchase_requisition_lines.estimated_total IS 'quantity * estimated_price';
COMMENT ON COLUMN purchase_requisition_lines.assigned_to_po IS 'Purchase order that took the line up; NULL: not ordered yet';
COMMENT ON COLUMN purchase_requisition_lines.assigned_quantity IS 'Part of quantity that is on purchase orders';
COMMENT ON COLUMN purchase_requisition_lines.gl_account IS 'Account to charge; NULL: stock material';
COMMENT ON COLUMN purchase_requisition_lines.cost_center_id IS 'NULL: stock material';
COMMENT ON COLUMN purchase_requisition_lines.line_status IS 'open, partially_ordered, ordered, closed, cancelled';

CREATE TABLE purchase_orders (
    purchase_order_id       VARCHAR(50) PRIMARY KEY,
    po_number               VARCHAR(50) NOT NULL UNIQUE,
    supplier_id             VARCHAR(50) NOT NULL,
    po_date                 DATE NOT NULL,
    po_type                 VARCHAR(30),
    company_code            VARCHAR(10),
    purchasing_organization VARCHAR(10),
    purchasing_group        VARCHAR(10),
    payment_terms           VARCHAR(50),
    incoterms               VARCHAR(20),
    currency                VARCHAR(3) DEFAULT 'INR',
    exchange_rate           DECIMAL(10,6) DEFAULT 1,
    total_value             DECIMAL(15,2),
    tax_amount              DECIMAL(15,2),
    freight_charges         DECIMAL(15,2),
    po_status               VARCHAR(30) DEFAULT 'created',
    release_indicator       BOOLEAN DEFAULT false,
    delivery_address_id     VARCHAR(50),
    contract_number         VARCHAR(50),
    quotation_number        VARCHAR(50),
    created_by              VARCHAR(50),
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    released_by             VARCHAR(50),
    released_at             TIMESTAMP
);
CREATE INDEX purchase_orders_po_status_po_date_idx ON purchase_orders (po_status, po_date);
CREATE INDEX purchase_orders_po_date_idx ON purchase_orders (po_date);
COMMENT ON TABLE purchase_orders IS 'Orders placed with vendors';
COMMENT ON COLUMN purchase_orders.purchase_order_id IS 'PO-000001 ...';
COMMENT ON COLUMN purchase_orders.po_number IS 'Number the supplier sees';
COMMENT ON COLUMN purchase_orders.po_type IS 'standard, subcontracting, consignment, service, stock_transfer, framework';
COMMENT ON COLUMN purchase_orders.company_code IS 'Legal entity that orders';
COMMENT ON COLUMN purchase_orders.purchasing_organization IS 'Code of the buying organisation';
COMMENT ON COLUMN purchase_orders.purchasing_group IS 'Code of the buyer group';
COMMENT ON COLUMN purchase_orders.payment_terms IS 'Code of payment_terms';
COMMENT ON COLUMN purchase_orders.incoterms IS 'Code of incoterms: EXW, FCA, CIF, DDP ...';
COMMENT ON COLUMN purchase_orders.exchange_rate IS 'INR for one unit of currency';
COMMENT ON COLUMN purchase_orders.total_value IS 'Sum of net_price of the lines + tax_amount + freight_charges';
COMMENT ON COLUMN purchase_orders.tax_amount IS 'Sum of tax_amount of the lines';
COMMENT ON COLUMN purchase_orders.po_status IS 'created, released, sent, partially_received, received, closed, cancelled';
COMMENT ON COLUMN purchase_orders.release_indicator IS 'True from the approval on, when released_by and released_at are set';
COMMENT ON COLUMN purchase_orders.delivery_address_id IS 'Key of the delivery address in the address book; NULL: the plant''s own address';
COMMENT ON COLUMN purchase_orders.contract_number IS 'NULL: no contract';
COMMENT ON COLUMN purchase_orders.quotation_number IS 'Response of the supplier that the order accepts; NULL: ordered without RFQ';

CREATE TABLE purchase_order_lines (
    po_line_id                  VARCHAR(50) PRIMARY KEY,
    purchase_order_id           VARCHAR(50) NOT NULL,
    line_number                 INTEGER NOT NULL,
    material_id                 VARCHAR(50) NOT NULL,
    material_description        VARCHAR(200),
    order_quantity              DECIMAL(15,4) NOT NULL,
    unit_of_measure             VARCHAR(20) NOT NULL,
    received_quantity           DECIMAL(15,4) DEFAULT 0,
    invoiced_quantity           DECIMAL(15,4) DEFAULT 0,
    unit_price                  DECIMAL(12,4) NOT NULL,
    net_price                   DECIMAL(15,2),
    tax_code                    VARCHAR(20),
    tax_amount                  DECIMAL(15,2),
    delivery_date               DATE NOT NULL,
    plant_id                    VARCHAR(50),
    storage_location            VARCHAR(50),
    gl_account                  VARCHAR(20),
    cost_center_id              VARCHAR(50),
    goods_receipt_required      BOOLEAN DEFAULT true,
    invoice_receipt_required    BOOLEAN DEFAULT true,
    quality_inspection_required BOOLEAN DEFAULT false,
    requisition_id              VARCHAR(50),
    requisition_line            INTEGER,
    line_status                 VARCHAR(30) DEFAULT 'open',
    deletion_indicator          BOOLEAN DEFAULT false,
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX purchase_order_lines_delivery_date_line_status_idx ON purchase_order_lines (delivery_date, line_status);
COMMENT ON TABLE purchase_order_lines IS 'Item lines of a vendor order';
COMMENT ON COLUMN purchase_order_lines.line_number IS '10, 20, 30 ...';
COMMENT ON COLUMN purchase_order_lines.received_quantity IS 'Sum of goods_receipts not cancelled';
COMMENT ON COLUMN purchase_order_lines.invoiced_quantity IS 'Sum of the supplier''s invoice lines';
COMMENT ON COLUMN purchase_order_lines.unit_price IS 'For one unit_of_measure, in the currency of the order';
COMMENT ON COLUMN purchase_order_lines.net_price IS 'order_quantity * unit_price: value of the line without tax';
COMMENT ON COLUMN purchase_order_lines.tax_code IS 'Code of tax_codes';
COMMENT ON COLUMN purchase_order_lines.tax_amount IS 'net_price * rate of tax_code / 100';
COMMENT ON COLUMN purchase_order_lines.delivery_date IS 'Agreed arrival; measures on-time delivery';
COMMENT ON COLUMN purchase_order_lines.storage_location IS 'location_code of inventory_locations at plant_id';
COMMENT ON COLUMN purchase_order_lines.gl_account IS 'Account to charge; NULL: stock material';
COMMENT ON COLUMN purchase_order_lines.cost_center_id IS 'NULL: stock material';
COMMENT ON COLUMN purchase_order_lines.requisition_id IS 'NULL: ordered without requisition';
COMMENT ON COLUMN purchase_order_lines.requisition_line IS 'line_number of the requisition';
COMMENT ON COLUMN purchase_order_lines.line_status IS 'open, partially_received, received, closed, cancelled';
COMMENT ON COLUMN purchase_order_lines.deletion_indicator IS 'Line no longer counts; its quantities stay for the record';
