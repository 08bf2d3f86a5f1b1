-- Outbound consignments: header, goods, packages, transit milestones and what they cost.
-- Orders and materials are those of genims_erp_db, the loading job is that of genims_wms_db.

CREATE TABLE shipments (
    shipment_id               VARCHAR(50) PRIMARY KEY,
    shipment_number           VARCHAR(50) NOT NULL UNIQUE,
    sales_order_id            VARCHAR(50),
    shipping_task_id          VARCHAR(50),
    warehouse_id              VARCHAR(50),
    carrier_id                VARCHAR(50) NOT NULL,
    service_id                VARCHAR(50),
    carrier_service_name      VARCHAR(200),
    tracking_number           VARCHAR(100),
    master_tracking_number    VARCHAR(100),
    bol_number                VARCHAR(100),
    pro_number                VARCHAR(100),
    origin_warehouse_id       VARCHAR(50),
    origin_name               VARCHAR(200),
    origin_address_line1      VARCHAR(200),
    origin_city               VARCHAR(100),
    origin_state              VARCHAR(100),
    origin_country            VARCHAR(50),
    origin_postal_code        VARCHAR(20),
    customer_id               VARCHAR(50),
    destination_name          VARCHAR(200),
    destination_contact       VARCHAR(100),
    destination_phone         VARCHAR(50),
    destination_email         VARCHAR(100),
    destination_address_line1 VARCHAR(200),
    destination_address_line2 VARCHAR(200),
    destination_city          VARCHAR(100),
    destination_state         VARCHAR(100),
    destination_country       VARCHAR(50),
    destination_postal_code   VARCHAR(20),
    shipment_type             VARCHAR(50),
    incoterms                 VARCHAR(20),
    number_of_packages        INTEGER,
    total_weight_kg           DECIMAL(10,2),
    total_volume_m3           DECIMAL(10,4),
    declared_value            DECIMAL(15,2),
    signature_required        BOOLEAN DEFAULT false,
    insurance_required        BOOLEAN DEFAULT false,
    insurance_value           DECIMAL(15,2),
    temperature_controlled    BOOLEAN DEFAULT false,
    hazmat                    BOOLEAN DEFAULT false,
    fragile                   BOOLEAN DEFAULT false,
    ship_date                 DATE,
    scheduled_pickup_date     DATE,
    actual_pickup_date        DATE,
    estimated_delivery_date   DATE,
    actual_delivery_date      DATE,
    transit_days              INTEGER,
    shipment_status           VARCHAR(30) DEFAULT 'created',
    freight_cost              DECIMAL(15,2),
    fuel_surcharge            DECIMAL(15,2),
    accessorial_charges       DECIMAL(15,2),
    insurance_cost            DECIMAL(15,2),
    total_cost                DECIMAL(15,2),
    currency                  VARCHAR(3) DEFAULT 'INR',
    freight_invoice_id        VARCHAR(50),
    invoiced                  BOOLEAN DEFAULT false,
    invoice_approved          BOOLEAN DEFAULT false,
    delivered_to_name         VARCHAR(200),
    delivery_signature        VARCHAR(200),
    delivery_notes            TEXT,
    bol_document_url          VARCHAR(500),
    pod_document_url          VARCHAR(500),
    created_by                VARCHAR(50),
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX shipments_shipment_status_ship_date_idx ON shipments (shipment_status, ship_date);
CREATE INDEX shipments_tracking_number_idx ON shipments (tracking_number);
CREATE INDEX shipments_sales_order_id_idx ON shipments (sales_order_id);
COMMENT ON TABLE shipments IS 'Outbound consignments: route, dates, state and cost';
COMMENT ON COLUMN shipments.shipment_number IS 'SHP-YYYY-000001';
COMMENT ON COLUMN shipments.shipping_task_id IS 'Loading job in the warehouse; NULL: not from a warehouse';
COMMENT ON COLUMN shipments.warehouse_id IS 'As origin_warehouse_id';
COMMENT ON COLUMN shipments.carrier_service_name IS 'Copy of carrier_services.service_name';
COMMENT ON COLUMN shipments.master_tracking_number IS 'Of the whole consignment when each package has its own';
COMMENT ON COLUMN shipments.bol_number IS 'Bill of lading';
COMMENT ON COLUMN shipments.pro_number IS 'Freight bill number of the carrier';
COMMENT ON COLUMN shipments.shipment_type IS 'outbound, inter_warehouse, drop_ship, return';
COMMENT ON COLUMN shipments.incoterms IS 'EXW, FCA, FOB, CIF, DAP, DDP';
COMMENT ON COLUMN shipments.number_of_packages IS 'Number of its shipment_packages';
COMMENT ON COLUMN shipments.total_weight_kg IS 'Sum of shipment_packages.weight_kg';
COMMENT ON COLUMN shipments.total_volume_m3 IS 'Sum of shipment_packages.volume_m3';
COMMENT ON COLUMN shipments.declared_value IS 'Value of the goods, in currency';
COMMENT ON COLUMN shipments.insurance_value IS 'NULL unless insurance_required';
COMMENT ON COLUMN shipments.estimated_delivery_date IS 'ship_date + the transit days of the service';
COMMENT ON COLUMN shipments.actual_delivery_date IS 'NULL: not delivered; never before ship_date';
COMMENT ON COLUMN shipments.transit_days IS 'transit_days = actual_delivery_date - ship_date; planned days until delivered';
COMMENT ON COLUMN shipments.shipment_status IS 'created, planned, picked_up, in_transit, out_for_delivery, delivered, exception, returned, cancelled';
COMMENT ON COLUMN shipments.freight_cost IS 'Tariff price';
COMMENT ON COLUMN shipments.fuel_surcharge IS 'Amount, in currency';
COMMENT ON COLUMN shipments.accessorial_charges IS 'Signature, residential, waiting ...';
COMMENT ON COLUMN shipments.total_cost IS 'total_cost = freight_cost + fuel_surcharge + accessorial_charges + insurance_cost';
COMMENT ON COLUMN shipments.freight_invoice_id IS 'NULL until invoiced';
COMMENT ON COLUMN shipments.invoiced IS 'True when freight_invoice_id is set';
COMMENT ON COLUMN shipments.delivered_to_name IS 'NULL until delivered';
COMMENT ON COLUMN shipments.pod_document_url IS 'NULL until delivered';

CREATE TABLE shipment_lines (
    shipment_line_id     VARCHAR(50) PRIMARY KEY,
    shipment_id          VARCHAR(50) NOT NULL,
    line_number          INTEGER,
    sales_order_id       VARCHAR(50),
    sales_order_line_id  VARCHAR(50),
    material_id          VARCHAR(50) NOT NULL,
    material_description VARCHAR(200),
    quantity             DECIMAL(15,4),
    unit_of_measure      VARCHAR(20),
    package_number       INTEGER,
    serial_numbers       TEXT,
    batch_numbers        TEXT,
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX shipment_lines_sales_order_id_idx ON shipment_lines (sales_order_id);
COMMENT ON TABLE shipment_lines IS 'Goods inside a consignment';
COMMENT ON COLUMN shipment_lines.line_number IS 'From 1 in the shipment';
COMMENT ON COLUMN shipment_lines.quantity IS 'At most the open quantity of the sales order line';
COMMENT ON COLUMN shipment_lines.package_number IS 'shipment_packages.package_number in which it lies';
COMMENT ON COLUMN shipment_lines.serial_numbers IS 'Separated by commas; NULL: not serialised';
COMMENT ON COLUMN shipment_lines.batch_numbers IS 'Separated by commas; NULL: material without batches';

CREATE TABLE shipment_packages (
    package_id      VARCHAR(50) PRIMARY KEY,
    shipment_id     VARCHAR(50) NOT NULL,
    package_number  INTEGER,
    tracking_number VARCHAR(100),
    package_type    VARCHAR(50),
    weight_kg       DECIMAL(10,2),
    length_cm       DECIMAL(8,2),
    width_cm        DECIMAL(8,2),
    height_cm       DECIMAL(8,2),
    volume_m3       DECIMAL(10,4),
    description     TEXT,
    declared_value  DECIMAL(15,2),
    package_status  VARCHAR(30),
    created_at      TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX shipment_packages_tracking_number_idx ON shipment_packages (tracking_number);
COMMENT ON TABLE shipment_packages IS 'Parcels and pallets of a consignment';
COMMENT ON COLUMN shipment_packages.package_number IS 'From 1 in the shipment';
COMMENT ON COLUMN shipment_packages.package_type IS 'carton, pallet, crate, drum, bag';
COMMENT ON COLUMN shipment_packages.weight_kg IS 'Gross, kg';
COMMENT ON COLUMN shipment_packages.volume_m3 IS 'volume_m3 = length_cm * width_cm * height_cm / 1000000';
COMMENT ON COLUMN shipment_packages.declared_value IS 'Its share of shipments.declared_value';
COMMENT ON COLUMN shipment_packages.package_status IS 'packed, loaded, in_transit, delivered, damaged, lost';

CREATE TABLE tracking_events (
    event_id          VARCHAR(50) PRIMARY KEY,
    shipment_id       VARCHAR(50) NOT NULL,
    tracking_number   VARCHAR(100),
    event_type        VARCHAR(50),
    event_code        VARCHAR(20),
    event_description TEXT,
    location_city     VARCHAR(100),
    location_state    VARCHAR(100),
    location_country  VARCHAR(50),
    facility_name     VARCHAR(200),
    event_timestamp   TIMESTAMP NOT NULL,
    signed_by         VARCHAR(200),
    exception_reason  TEXT,
    data_source       VARCHAR(50),
    created_at        TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX tracking_events_shipment_id_event_timestamp_idx ON tracking_events (shipment_id, event_timestamp);
CREATE INDEX tracking_events_event_timestamp_idx ON tracking_events (event_timestamp);
COMMENT ON TABLE tracking_events IS 'Milestones reported during transit';
COMMENT ON COLUMN tracking_events.event_type IS 'created, picked_up, departed, arrived, in_transit, out_for_delivery, delivered, exception, returned';
COMMENT ON COLUMN tracking_events.event_code IS 'Code of the carrier';
COMMENT ON COLUMN tracking_events.event_timestamp IS 'When it happened, UTC';
COMMENT ON COLUMN tracking_events.signed_by IS 'Only for delivered';
COMMENT ON COLUMN tracking_events.exception_reason IS 'Only for exception';
COMMENT ON COLUMN tracking_events.data_source IS 'api, edi, driver_app, manual';

CREATE TABLE transportation_costs (
    cost_id                 VARCHAR(50) PRIMARY KEY,
    cost_number             VARCHAR(50) NOT NULL UNIQUE,
    shipment_id             VARCHAR(50),
    route_id                VARCHAR(50),
    carrier_id              VARCHAR(50),
    origin_warehouse_id     VARCHAR(50),
    destination_state       VARCHAR(100),
    destination_country     VARCHAR(50) NOT NULL DEFAULT 'India',
    cost_type               VARCHAR(30) NOT NULL CHECK (cost_type IN ('freight', 'fuel', 'toll', 'handling', 'insurance', 'customs', 'detention', 'driver', 'other')),
    cost_date               DATE NOT NULL,
    basis                   VARCHAR(20) NOT NULL DEFAULT 'flat' CHECK (basis IN ('flat', 'per_kg', 'per_km', 'per_m3', 'per_stop', 'percent')),
    basis_quantity          DECIMAL(15,4) NOT NULL DEFAULT 1 CHECK (basis_quantity >= 0),
    rate                    DECIMAL(15,4) NOT NULL CHECK (rate >= 0),
    planned_amount          DECIMAL(15,2) NOT NULL CHECK (planned_amount >= 0),
    actual_amount           DECIMAL(15,2) CHECK (actual_amount >= 0),
    variance_amount         DECIMAL(15,2),
    currency                VARCHAR(3) NOT NULL DEFAULT 'INR',
    freight_invoice_line_id VARCHAR(50),
    chargeable_to_customer  BOOLEAN NOT NULL DEFAULT false,
    cost_status             VARCHAR(30) NOT NULL DEFAULT 'planned' CHECK (cost_status IN ('planned', 'accrued', 'invoiced', 'paid', 'cancelled')),
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (shipment_id IS NOT NULL OR route_id IS NOT NULL)
);
CREATE INDEX transportation_costs_cost_date_cost_type_idx ON transportation_costs (cost_date, cost_type);
COMMENT ON TABLE transportation_costs IS 'Freight cost breakdown: one row per cost type of a consignment or tour, planned against actual';
COMMENT ON COLUMN transportation_costs.cost_number IS 'TC-YYYY-000001';
COMMENT ON COLUMN transportation_costs.shipment_id IS 'NULL: cost of a whole tour';
COMMENT ON COLUMN transportation_costs.route_id IS 'NULL: cost of one consignment';
COMMENT ON COLUMN transportation_costs.carrier_id IS 'NULL: own fleet';
COMMENT ON COLUMN transportation_costs.origin_warehouse_id IS 'Start of the lane';
COMMENT ON COLUMN transportation_costs.destination_state IS 'End of the lane';
COMMENT ON COLUMN transportation_costs.basis IS 'What basis_quantity counts; percent: of the freight';
COMMENT ON COLUMN transportation_costs.basis_quantity IS '1 when flat';
COMMENT ON COLUMN transportation_costs.rate IS 'Price per unit of the basis';
COMMENT ON COLUMN transportation_costs.planned_amount IS 'planned_amount = basis_quantity * rate; when basis is percent, basis_quantity is the freight and the product is divided by 100';
COMMENT ON COLUMN transportation_costs.actual_amount IS 'As invoiced; NULL: not known yet';
COMMENT ON COLUMN transportation_costs.variance_amount IS 'variance_amount = actual_amount - planned_amount; positive is dearer than planned';
COMMENT ON COLUMN transportation_costs.freight_invoice_line_id IS 'Invoice line that it is settled with; NULL: none yet';
