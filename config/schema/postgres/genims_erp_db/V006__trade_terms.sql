-- What is agreed about delivery: trade terms, shipping methods and the customs papers of an order.
-- Carriers and shipments are the TMS's.

CREATE TABLE incoterms (
    incoterm_id               VARCHAR(50) PRIMARY KEY,
    incoterm_code             VARCHAR(20) NOT NULL UNIQUE,
    incoterm_name             VARCHAR(100) NOT NULL,
    incoterm_version          VARCHAR(10) NOT NULL DEFAULT '2020',
    transport_scope           VARCHAR(30) NOT NULL,
    risk_transfer_point       VARCHAR(200) NOT NULL,
    cost_transfer_point       VARCHAR(200) NOT NULL,
    named_place_type          VARCHAR(50) NOT NULL,
    seller_pays_main_carriage BOOLEAN NOT NULL,
    seller_pays_insurance     BOOLEAN NOT NULL,
    seller_clears_export      BOOLEAN NOT NULL,
    seller_clears_import      BOOLEAN NOT NULL,
    seller_unloads            BOOLEAN NOT NULL,
    description               TEXT,
    is_active                 BOOLEAN NOT NULL DEFAULT true,
    created_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at                TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (incoterm_code = upper(incoterm_code)),
    CHECK (transport_scope IN ('any_mode', 'sea_only')),
    CHECK (named_place_type IN ('premises', 'carrier', 'port_of_shipment', 'port_of_destination', 'destination'))
);
COMMENT ON TABLE incoterms IS 'Trade term codes and risk transfer points';
COMMENT ON COLUMN incoterms.incoterm_code IS 'EXW, FCA, CPT, CIP, DAP, DPU, DDP, FAS, FOB, CFR, CIF; the incoterms columns of orders hold it';
COMMENT ON COLUMN incoterms.incoterm_version IS 'Edition of the ICC rules';
COMMENT ON COLUMN incoterms.transport_scope IS 'any_mode, sea_only';
COMMENT ON COLUMN incoterms.risk_transfer_point IS 'Where the risk passes from seller to buyer';
COMMENT ON COLUMN incoterms.cost_transfer_point IS 'Up to where the seller pays';
COMMENT ON COLUMN incoterms.named_place_type IS 'What the place after the code names: premises, carrier, port_of_shipment, port_of_destination, destination';
COMMENT ON COLUMN incoterms.seller_pays_insurance IS 'True for CIF and CIP only';
COMMENT ON COLUMN incoterms.seller_clears_export IS 'False for EXW only';
COMMENT ON COLUMN incoterms.seller_clears_import IS 'True for DDP only';
COMMENT ON COLUMN incoterms.seller_unloads IS 'True for DPU only';

CREATE TABLE shipping_methods (
    shipping_method_id      VARCHAR(50) PRIMARY KEY,
    method_code             VARCHAR(50) NOT NULL UNIQUE,
    method_name             VARCHAR(200) NOT NULL,
    transport_mode          VARCHAR(30) NOT NULL,
    service_level           VARCHAR(30) NOT NULL DEFAULT 'standard',
    carrier_id              VARCHAR(50),
    carrier_service_id      VARCHAR(50),
    transit_days_min        INTEGER NOT NULL,
    transit_days_max        INTEGER NOT NULL,
    order_cutoff_time       TIME,
    base_charge             DECIMAL(15,2) NOT NULL DEFAULT 0,
    charge_per_kg           DECIMAL(15,4) NOT NULL DEFAULT 0,
    free_above_value        DECIMAL(15,2),
    currency                VARCHAR(3) NOT NULL DEFAULT 'INR',
    max_weight_kg           DECIMAL(12,2),
    international           BOOLEAN NOT NULL DEFAULT false,
    hazardous_goods_allowed BOOLEAN NOT NULL DEFAULT false,
    insurance_included      BOOLEAN NOT NULL DEFAULT false,
    default_incoterm_id     VARCHAR(50),
    status                  VARCHAR(30) NOT NULL DEFAULT 'active',
    created_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (transport_mode IN ('road', 'rail', 'air', 'sea', 'courier', 'multimodal', 'pickup')),
    CHECK (service_level IN ('economy', 'standard', 'express', 'same_day')),
    CHECK (status IN ('active', 'suspended', 'retired')),
    CHECK (transit_days_min >= 0 AND transit_days_max >= transit_days_min),
    CHECK (base_charge >= 0 AND charge_per_kg >= 0 AND free_above_value >= 0),
    CHECK (max_weight_kg > 0)
);
COMMENT ON TABLE shipping_methods IS 'Delivery options offered on orders, with transit time and charges';
COMMENT ON COLUMN shipping_methods.method_code IS 'ROAD-STD, ROAD-EXP, AIR-STD, SEA-FCL, PICKUP ...';
COMMENT ON COLUMN shipping_methods.transport_mode IS 'road, rail, air, sea, courier, multimodal, pickup';
COMMENT ON COLUMN shipping_methods.service_level IS 'economy, standard, express, same_day';
COMMENT ON COLUMN shipping_methods.carrier_id IS 'Usual carrier; NULL: chosen by the TMS';
COMMENT ON COLUMN shipping_methods.carrier_service_id IS 'Its service; NULL: chosen by the TMS';
COMMENT ON COLUMN shipping_methods.transit_days_min IS 'Calendar days from pick-up';
COMMENT ON COLUMN shipping_methods.order_cutoff_time IS 'Orders released later leave on the next working day; local time of the plant';
COMMENT ON COLUMN shipping_methods.base_charge IS 'Freight billed = base_charge + charge_per_kg * weight';
COMMENT ON COLUMN shipping_methods.free_above_value IS 'Order value from which freight is free; NULL: never';
COMMENT ON COLUMN shipping_methods.max_weight_kg IS 'Of one shipment; NULL: no limit';
COMMENT ON COLUMN shipping_methods.default_incoterm_id IS 'Proposed on orders that choose the method';
COMMENT ON COLUMN shipping_methods.status IS 'active, suspended, retired';

CREATE TABLE customs_documentation (
    customs_document_id    VARCHAR(50) PRIMARY KEY,
    document_number        VARCHAR(50) NOT NULL UNIQUE,
    document_type          VARCHAR(30) NOT NULL,
    direction              VARCHAR(10) NOT NULL,
    sales_order_id         VARCHAR(50),
    purchase_order_id      VARCHAR(50),
    shipment_id            VARCHAR(50),
    incoterm_id            VARCHAR(50),
    country_of_origin      VARCHAR(100) NOT NULL,
    country_of_destination VARCHAR(100) NOT NULL,
    commodity_code         VARCHAR(50),
    port_of_loading        VARCHAR(100),
    port_of_discharge      VARCHAR(100),
    gross_weight_kg        DECIMAL(12,3),
    declared_value         DECIMAL(15,2) NOT NULL,
    currency               VARCHAR(3) NOT NULL,
    duty_amount            DECIMAL(15,2) NOT NULL DEFAULT 0,
    import_tax_amount      DECIMAL(15,2) NOT NULL DEFAULT 0,
    customs_broker         VARCHAR(200),
    customs_reference      VARCHAR(50),
    issue_date             DATE NOT NULL,
    submission_date        DATE,
    clearance_date         DATE,
    expiry_date            DATE,
    document_url           VARCHAR(500),
    status                 VARCHAR(30) NOT NULL DEFAULT 'draft',
    created_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at             TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CHECK (document_type IN ('commercial_invoice', 'packing_list', 'shipping_bill', 'bill_of_entry', 'certificate_of_origin', 'bill_of_lading', 'airway_bill', 'export_licence')),
    CHECK ((direction = 'export' AND sales_order_id IS NOT NULL AND purchase_order_id IS NULL) OR (direction = 'import' AND purchase_order_id IS NOT NULL AND sales_order_id IS NULL)),
    CHECK (country_of_origin <> country_of_destination),
    CHECK (declared_value >= 0 AND duty_amount >= 0 AND import_tax_amount >= 0 AND gross_weight_kg >= 0),
    CHECK (submission_date >= issue_date AND clearance_date >= submission_date),
    CHECK (expiry_date >= issue_date),
    CHECK (status <> 'cleared' OR clearance_date IS NOT NULL),
    CHECK (status IN ('draft', 'submitted', 'under_inspection', 'cleared', 'rejected', 'expired'))
);
CREATE INDEX customs_documentation_status_issue_date_idx ON customs_documentation (status, issue_date);
COMMENT ON TABLE customs_documentation IS 'Export and import papers per order';
COMMENT ON COLUMN customs_documentation.document_type IS 'commercial_invoice, packing_list, shipping_bill, bill_of_entry, certificate_of_origin, bill_of_lading, airway_bill, export_licence';
COMMENT ON COLUMN customs_documentation.direction IS 'export (has a sales order), import (has a purchase order)';
COMMENT ON COLUMN customs_documentation.sales_order_id IS 'Set for export only';
COMMENT ON COLUMN customs_documentation.purchase_order_id IS 'Set for import only';
COMMENT ON COLUMN customs_documentation.shipment_id IS 'NULL: not shipped yet, or an import the supplier ships';
COMMENT ON COLUMN customs_documentation.commodity_code IS 'Harmonised System code of the main item';
COMMENT ON COLUMN customs_documentation.declared_value IS 'Goods value, in currency';
COMMENT ON COLUMN customs_documentation.duty_amount IS 'Basic duty; 0 on export';
COMMENT ON COLUMN customs_documentation.import_tax_amount IS 'IGST or import VAT; 0 on export';
COMMENT ON COLUMN customs_documentation.customs_reference IS 'Number given by customs; NULL before submission';
COMMENT ON COLUMN customs_documentation.submission_date IS 'NULL: not submitted';
COMMENT ON COLUMN customs_documentation.clearance_date IS 'NULL: not cleared';
COMMENT ON COLUMN customs_documentation.expiry_date IS 'Licences and certificates; NULL: does not expire';
COMMENT ON COLUMN customs_documentation.status IS 'draft, submitted, under_inspection, cleared, rejected, expired';
