-- The last mile and the way back: appointments, deliveries with their proof, and goods returns.
-- Times of day are local to the place of delivery, timestamps are UTC.

CREATE TABLE delivery_appointments (
    appointment_id      VARCHAR(50) PRIMARY KEY,
    appointment_number  VARCHAR(50) NOT NULL UNIQUE,
    appointment_type    VARCHAR(20) NOT NULL CHECK (appointment_type IN ('pickup', 'delivery')),
    shipment_id         VARCHAR(50) NOT NULL,
    delivery_id         VARCHAR(50),
    carrier_id          VARCHAR(50) NOT NULL,
    warehouse_id        VARCHAR(50),
    customer_id         VARCHAR(50),
    dock_door           VARCHAR(20),
    slot_start          TIMESTAMP NOT NULL,
    slot_end            TIMESTAMP NOT NULL,
    requested_by        VARCHAR(200) NOT NULL,
    contact_phone       VARCHAR(50),
    confirmation_number VARCHAR(50),
    arrived_at          TIMESTAMP,
    departed_at         TIMESTAMP,
    waiting_minutes     INTEGER CHECK (waiting_minutes >= 0),
    detention_charge    DECIMAL(15,2) NOT NULL DEFAULT 0 CHECK (detention_charge >= 0),
    currency            VARCHAR(3) NOT NULL DEFAULT 'INR',
    rescheduled_count   INTEGER NOT NULL DEFAULT 0 CHECK (rescheduled_count >= 0),
    appointment_status  VARCHAR(30) NOT NULL DEFAULT 'requested' CHECK (appointment_status IN ('requested', 'confirmed', 'arrived', 'completed', 'missed', 'cancelled')),
    notes               TEXT,
    created_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at          TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (slot_end > slot_start),
    CHECK (departed_at IS NULL OR (arrived_at IS NOT NULL AND departed_at >= arrived_at))
);
CREATE INDEX delivery_appointments_appointment_status_slot_start_idx ON delivery_appointments (appointment_status, slot_start);
COMMENT ON TABLE delivery_appointments IS 'Booked time slots at a dock or at the receiver';
COMMENT ON COLUMN delivery_appointments.appointment_number IS 'DAP-YYYY-000001';
COMMENT ON COLUMN delivery_appointments.delivery_id IS 'NULL for pickup';
COMMENT ON COLUMN delivery_appointments.warehouse_id IS 'Our dock; NULL: dock of the receiver';
COMMENT ON COLUMN delivery_appointments.customer_id IS 'Receiver; NULL for pickup';
COMMENT ON COLUMN delivery_appointments.dock_door IS 'DOCK-01 ...; NULL: not known';
COMMENT ON COLUMN delivery_appointments.requested_by IS 'Name of the person at carrier or receiver';
COMMENT ON COLUMN delivery_appointments.confirmation_number IS 'Given by the receiver; NULL until confirmed';
COMMENT ON COLUMN delivery_appointments.arrived_at IS 'Vehicle at the gate';
COMMENT ON COLUMN delivery_appointments.waiting_minutes IS 'From slot_start, or arrival when later, to the begin of unloading';
COMMENT ON COLUMN delivery_appointments.detention_charge IS 'For waiting beyond the free time';

CREATE TABLE deliveries (
    delivery_id                 VARCHAR(50) PRIMARY KEY,
    delivery_number             VARCHAR(50) NOT NULL UNIQUE,
    shipment_id                 VARCHAR(50) NOT NULL,
    route_stop_id               VARCHAR(50),
    sales_order_id              VARCHAR(50),
    customer_id                 VARCHAR(50),
    delivery_contact            VARCHAR(100),
    delivery_address_line1      VARCHAR(200),
    delivery_address_line2      VARCHAR(200),
    delivery_city               VARCHAR(100),
    delivery_state              VARCHAR(100),
    delivery_postal_code        VARCHAR(20),
    scheduled_delivery_date     DATE,
    scheduled_time_window_start TIME,
    scheduled_time_window_end   TIME,
    actual_delivery_date        DATE,
    actual_delivery_time        TIME,
    delivery_type               VARCHAR(50),
    delivery_status             VARCHAR(30) DEFAULT 'scheduled',
    delivery_attempt_count      INTEGER DEFAULT 0,
    failure_reason              VARCHAR(200),
    rescheduled_date            DATE,
    delivered_to_name           VARCHAR(200),
    relationship_to_recipient   VARCHAR(50),
    delivery_instructions       TEXT,
    created_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                  TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX deliveries_delivery_status_scheduled_delivery_date_idx ON deliveries (delivery_status, scheduled_delivery_date);
COMMENT ON TABLE deliveries IS 'Drop-offs to the receiver';
COMMENT ON COLUMN deliveries.delivery_number IS 'DLV-YYYY-000001';
COMMENT ON COLUMN deliveries.route_stop_id IS 'NULL: carrier delivers, not the own fleet';
COMMENT ON COLUMN deliveries.scheduled_time_window_end IS 'After scheduled_time_window_start';
COMMENT ON COLUMN deliveries.actual_delivery_date IS 'NULL: not delivered';
COMMENT ON COLUMN deliveries.delivery_type IS 'standard, express, white_glove, dock, curbside';
COMMENT ON COLUMN deliveries.delivery_status IS 'scheduled, out_for_delivery, delivered, partial, failed, rescheduled, cancelled';
COMMENT ON COLUMN deliveries.delivery_attempt_count IS 'At least 1 once delivered or failed';
COMMENT ON COLUMN deliveries.failure_reason IS 'NULL unless an attempt failed: receiver_absent, address_not_found, refused, damaged, access_denied';
COMMENT ON COLUMN deliveries.rescheduled_date IS 'New date after a failed attempt';
COMMENT ON COLUMN deliveries.relationship_to_recipient IS 'self, colleague, reception, security, warehouse';

CREATE TABLE proof_of_delivery (
    pod_id             VARCHAR(50) PRIMARY KEY,
    delivery_id        VARCHAR(50) NOT NULL,
    shipment_id        VARCHAR(50) NOT NULL,
    received_by_name   VARCHAR(200),
    signature          TEXT,
    signature_url      VARCHAR(500),
    photo1_url         VARCHAR(500),
    photo2_url         VARCHAR(500),
    photo3_url         VARCHAR(500),
    packages_delivered INTEGER,
    packages_condition VARCHAR(50),
    delivery_latitude  DECIMAL(10,7),
    delivery_longitude DECIMAL(10,7),
    geo_verified       BOOLEAN DEFAULT false,
    delivery_timestamp TIMESTAMP NOT NULL,
    delivery_notes     TEXT,
    pod_document_url   VARCHAR(500),
    created_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX proof_of_delivery_delivery_timestamp_idx ON proof_of_delivery (delivery_timestamp);
COMMENT ON TABLE proof_of_delivery IS 'Receiver signature and photo evidence, one per delivery';
COMMENT ON COLUMN proof_of_delivery.signature IS 'Image, base64; NULL when only signature_url is kept';
COMMENT ON COLUMN proof_of_delivery.packages_delivered IS 'At most shipments.number_of_packages';
COMMENT ON COLUMN proof_of_delivery.packages_condition IS 'good, damaged, partial_damage, shortage';
COMMENT ON COLUMN proof_of_delivery.delivery_latitude IS 'Degrees, WGS 84';
COMMENT ON COLUMN proof_of_delivery.delivery_longitude IS 'Degrees, WGS 84';
COMMENT ON COLUMN proof_of_delivery.geo_verified IS 'Place lies within the geofence of the stop';

CREATE TABLE return_orders (
    return_order_id        VARCHAR(50) PRIMARY KEY,
    return_number          VARCHAR(50) NOT NULL UNIQUE,
    rma_number             VARCHAR(50),
    sales_order_id         VARCHAR(50),
    original_shipment_id   VARCHAR(50),
    customer_id            VARCHAR(50) NOT NULL,
    return_reason          VARCHAR(50),
    return_reason_details  TEXT,
    return_type            VARCHAR(50),
    authorized_by          VARCHAR(50),
    authorization_date     DATE,
    return_to_warehouse_id VARCHAR(50),
    return_status          VARCHAR(30) DEFAULT 'pending',
    refund_amount          DECIMAL(15,2),
    restocking_fee         DECIMAL(15,2),
    refund_processed       BOOLEAN DEFAULT false,
    disposition            VARCHAR(50),
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX return_orders_return_status_created_at_idx ON return_orders (return_status, created_at);
COMMENT ON TABLE return_orders IS 'Approved goods returns';
COMMENT ON COLUMN return_orders.return_number IS 'RET-YYYY-000001';
COMMENT ON COLUMN return_orders.rma_number IS 'rma_number of genims_service_db.rma_requests; NULL: without service case';
COMMENT ON COLUMN return_orders.return_reason IS 'defective, wrong_item, damaged_in_transit, not_needed, quality_issue, warranty';
COMMENT ON COLUMN return_orders.return_type IS 'refund, replacement, repair, credit';
COMMENT ON COLUMN return_orders.return_status IS 'pending, authorized, in_transit, received, inspected, completed, rejected, cancelled';
COMMENT ON COLUMN return_orders.refund_amount IS 'INR, before restocking_fee';
COMMENT ON COLUMN return_orders.restocking_fee IS 'INR, kept from the refund';
COMMENT ON COLUMN return_orders.refund_processed IS 'Paid: refund_amount - restocking_fee';
COMMENT ON COLUMN return_orders.disposition IS 'restock, repair, scrap, return_to_supplier; NULL until inspected';

CREATE TABLE return_order_lines (
    return_line_id       VARCHAR(50) PRIMARY KEY,
    return_order_id      VARCHAR(50) NOT NULL,
    line_number          INTEGER,
    sales_order_line_id  VARCHAR(50),
    material_id          VARCHAR(50) NOT NULL,
    material_description VARCHAR(200),
    quantity_to_return   DECIMAL(15,4),
    quantity_received    DECIMAL(15,4) DEFAULT 0,
    unit_of_measure      VARCHAR(20),
    condition_on_receipt VARCHAR(50),
    serial_number        VARCHAR(50),
    batch_number         VARCHAR(50),
    disposition          VARCHAR(50),
    created_at           TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
COMMENT ON TABLE return_order_lines IS 'Items of a goods return';
COMMENT ON COLUMN return_order_lines.line_number IS 'From 1 in the return order';
COMMENT ON COLUMN return_order_lines.quantity_to_return IS 'At most the quantity shipped';
COMMENT ON COLUMN return_order_lines.quantity_received IS 'At most quantity_to_return';
COMMENT ON COLUMN return_order_lines.condition_on_receipt IS 'new, good, used, damaged, defective; NULL until received';
COMMENT ON COLUMN return_order_lines.disposition IS 'restock, repair, scrap, return_to_supplier; NULL until inspected';

CREATE TABLE return_shipments (
    return_shipment_id VARCHAR(50) PRIMARY KEY,
    return_order_id    VARCHAR(50) NOT NULL,
    carrier_id         VARCHAR(50),
    service_id         VARCHAR(50),
    tracking_number    VARCHAR(100),
    return_label_url   VARCHAR(500),
    label_cost         DECIMAL(15,2),
    pickup_scheduled   BOOLEAN DEFAULT false,
    pickup_date        DATE,
    shipment_status    VARCHAR(30) DEFAULT 'created',
    shipped_date       DATE,
    received_date      DATE,
    created_at         TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX return_shipments_tracking_number_idx ON return_shipments (tracking_number);
COMMENT ON TABLE return_shipments IS 'Transport of returned goods';
COMMENT ON COLUMN return_shipments.label_cost IS 'INR';
COMMENT ON COLUMN return_shipments.shipment_status IS 'created, label_sent, picked_up, in_transit, received, cancelled';
COMMENT ON COLUMN return_shipments.received_date IS 'NULL: still under way; never before shipped_date';
